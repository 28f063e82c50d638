// tc's words for netem, both ways.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "dev/qdisc.h"

namespace glass {

namespace {

using Error = std::unexpected<std::string>;

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kTimeUnits[] = {{"s", 1e9},  {"sec", 1e9},  {"secs", 1e9},  {"ms", 1e6}, {"msec", 1e6}, {"msecs", 1e6},
                               {"us", 1e3}, {"usec", 1e3}, {"usecs", 1e3}, {"ns", 1},   {"nsec", 1},   {"nsecs", 1}};
constexpr Unit kRateUnits[] = {
    {"", 1},        {"bit", 1},      {"kbit", 1e3},      {"mbit", 1e6},         {"gbit", 1e9},
    {"tbit", 1e12}, {"kibit", 1024}, {"mibit", 1048576}, {"gibit", 1073741824}, {"bps", 8},
    {"kbps", 8e3},  {"mbps", 8e6},   {"gbps", 8e9},      {"tbps", 8e12}};
constexpr Unit kPercentUnits[] = {{"", 1}, {"%", 1}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// A number of at least 0 followed by one of the units.
std::optional<double> parse_number(std::string_view word, std::span<const Unit> units) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !(value >= 0)) return std::nullopt;
  std::string unit(end, word.data() + word.size());
  for (char& c : unit) c = lower(c);
  for (const Unit& u : units)
    if (u.name == unit) return value * u.factor;
  return std::nullopt;
}

std::optional<Duration> parse_time(std::string_view word) {
  if (word == "0") return Duration::zero();
  const auto ns = parse_number(word, kTimeUnits);
  if (!ns || *ns > 1e17) return std::nullopt;  // years: beyond use, and far from the end of the time line
  return Duration(static_cast<int64_t>(std::llround(*ns)));
}

// Read a second time with its exponent, as a division would round once more: 2% has to be 0.02.
std::optional<double> parse_percent(std::string_view word) {
  const auto percent = parse_number(word, kPercentUnits);
  if (!percent || *percent > 100) return std::nullopt;
  const std::string text = std::string(word.substr(0, word.find('%'))) + "e-2";
  double p = 0;
  std::from_chars(text.data(), text.data() + text.size(), p);
  return p;
}

std::optional<uint64_t> parse_rate(std::string_view word) {
  const auto rate = parse_number(word, kRateUnits);
  if (!rate || *rate < 1 || *rate > 1e18) return std::nullopt;
  return static_cast<uint64_t>(std::llround(*rate));
}

std::optional<uint32_t> parse_count(std::string_view word) {
  uint32_t n = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), n);
  return error == std::errc() && end == word.data() + word.size() ? std::optional(n) : std::nullopt;
}

std::vector<std::string_view> split(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n";
  std::vector<std::string_view> words;
  for (size_t at = text.find_first_not_of(kBlank); at != text.npos;) {
    const size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlank, end);
  }
  return words;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : words_(split(text)) {}
  std::expected<NetemConfig, std::string> run();

 private:
  // Each takes the words after its keyword. False: error_ says why.
  bool option(std::string_view keyword);
  bool delay();
  bool distribution();
  bool probability(std::string_view keyword, double& value, double& correlation);
  bool loss();
  bool rate();
  bool count(std::string_view keyword, uint32_t& value, uint32_t least);
  bool check();

  template <class T>
  bool need(std::string_view keyword, std::string_view expected, std::optional<T> (*parse)(std::string_view),
            T& value) {
    if (at_ == words_.size()) return fail(fmt::format("nothing after \"{}\": expected {}", keyword, expected));
    const std::optional<T> parsed = parse(words_[at_]);
    if (!parsed) return fail(fmt::format("\"{}\" after \"{}\": expected {}", words_[at_], keyword, expected));
    value = *parsed;
    ++at_;
    return true;
  }
  // Takes the next word only if it begins like a number: then it has to be a good one.
  template <class T>
  bool may(std::string_view keyword, std::string_view expected, std::optional<T> (*parse)(std::string_view), T& value) {
    if (at_ == words_.size() || words_[at_][0] < '0' || words_[at_][0] > '9') return true;
    return need(keyword, expected, parse, value);
  }
  bool fail(std::string why) {
    error_ = "netem: " + std::move(why);
    return false;
  }

  std::vector<std::string_view> words_;
  size_t at_ = 0;
  NetemConfig config_;
  bool distribution_given_ = false;
  std::string error_;
};

constexpr std::string_view kTime = "a time such as 10ms, 100us or 1s";
constexpr std::string_view kPercent = "a percentage from 0% to 100%";

std::expected<NetemConfig, std::string> Parser::run() {
  while (at_ < words_.size())
    if (!option(words_[at_++])) return Error(error_);
  if (!check()) return Error(error_);
  return config_;
}

bool Parser::option(std::string_view keyword) {
  NetemConfig& c = config_;
  if (keyword == "delay" || keyword == "latency") return delay();
  if (keyword == "distribution") return distribution();
  if (keyword == "loss" || keyword == "drop") return loss();
  if (keyword == "duplicate") return probability(keyword, c.duplicate, c.duplicate_correlation);
  if (keyword == "corrupt") return probability(keyword, c.corrupt, c.corrupt_correlation);
  if (keyword == "reorder") return probability(keyword, c.reorder, c.reorder_correlation);
  if (keyword == "gap") return count(keyword, c.gap, 0);
  if (keyword == "limit") return count(keyword, c.limit, 1);
  if (keyword == "rate") return rate();
  for (std::string_view known : {"slot", "ecn", "seed"})
    if (keyword == known) return fail(fmt::format("\"{}\" is not supported", keyword));
  return fail(fmt::format(
      "\"{}\" is no option: expected delay, distribution, loss, duplicate, corrupt, reorder, gap, rate or limit",
      keyword));
}

bool Parser::delay() {
  return need("delay", kTime, parse_time, config_.delay) && may("delay", kTime, parse_time, config_.jitter) &&
         may("delay", kPercent, parse_percent, config_.delay_correlation);
}

bool Parser::distribution() {
  distribution_given_ = true;
  const std::string_view name = at_ < words_.size() ? words_[at_++] : std::string_view();
  if (name == "normal")
    config_.distribution = NetemConfig::Distribution::normal;
  else if (name == "uniform")
    config_.distribution = NetemConfig::Distribution::uniform;
  else
    return fail(fmt::format("distribution \"{}\" is not supported: expected uniform or normal", name));
  return true;
}

bool Parser::probability(std::string_view keyword, double& value, double& correlation) {
  return need(keyword, kPercent, parse_percent, value) && may(keyword, kPercent, parse_percent, correlation);
}

bool Parser::loss() {
  if (at_ < words_.size()) {
    if (words_[at_] == "random")
      ++at_;
    else if (words_[at_] == "state" || words_[at_] == "gemodel")
      return fail(fmt::format("loss model \"{}\" is not supported: expected {}", words_[at_], kPercent));
  }
  return probability("loss", config_.loss, config_.loss_correlation);
}

bool Parser::rate() { return need("rate", "a rate such as 100mbit, 1gbit or 10kbit", parse_rate, config_.rate); }

bool Parser::count(std::string_view keyword, uint32_t& value, uint32_t least) {
  if (!need(keyword, "a number of packets", parse_count, value)) return false;
  return value >= least || fail(fmt::format("\"{}\" has to be at least {}", keyword, least));
}

// The combinations tc refuses, and the gap it takes for granted.
bool Parser::check() {
  NetemConfig& c = config_;
  const bool has_jitter = c.jitter > Duration::zero();
  if (distribution_given_ && !has_jitter) return fail("\"distribution\" needs a delay with jitter");
  if (c.delay_correlation > 0 && !has_jitter) return fail("the correlation of \"delay\" needs a jitter");
  if (c.reorder > 0 && c.delay == Duration::zero())
    return fail("\"reorder\" needs a delay: without one nothing can be overtaken");
  if (c.gap > 0 && c.reorder == 0) return fail("\"gap\" needs \"reorder\" with a percentage");
  if (c.reorder > 0 && c.gap == 0) c.gap = 1;
  return true;
}

// The largest unit that gives a whole number.
std::string format_scaled(uint64_t value, std::span<const Unit> units) {
  for (const Unit& u : units) {
    const auto factor = static_cast<uint64_t>(u.factor);
    if (value % factor == 0) return fmt::format("{}{}", value / factor, u.name);
  }
  return fmt::format("{}", value);
}

std::string format_time(Duration d) {
  constexpr Unit kUnits[] = {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};
  return format_scaled(static_cast<uint64_t>(d.count()), kUnits);
}

std::string format_rate(uint64_t rate) {
  constexpr Unit kUnits[] = {{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}};
  return format_scaled(rate, kUnits);
}

// Digits enough to read back the same probability, without noise: 2% and not 2.0000000000000004%.
std::string format_percent(double p) {
  for (int digits = 1; digits < 17; ++digits) {
    std::string text = fmt::format("{:.{}f}", p * 100, digits - 1);
    if (parse_percent(text) == p) return text + "%";
  }
  return fmt::format("{:.20f}%", p * 100);
}

}  // namespace

std::expected<NetemConfig, std::string> parse_netem(std::string_view words) { return Parser(words).run(); }

std::string format_netem(const NetemConfig& c) {
  std::string out = fmt::format("limit {}", c.limit);
  const auto correlated = [&out](std::string_view name, double p, double correlation) {
    if (p > 0) out += fmt::format(" {} {}", name, format_percent(p));
    if (p > 0 && correlation > 0) out += " " + format_percent(correlation);
  };
  if (c.delay > Duration::zero() || c.jitter > Duration::zero()) out += " delay " + format_time(c.delay);
  if (c.jitter > Duration::zero()) {
    out += " " + format_time(c.jitter);
    if (c.delay_correlation > 0) out += " " + format_percent(c.delay_correlation);
    if (c.distribution == NetemConfig::Distribution::normal) out += " distribution normal";
  }
  correlated("loss", c.loss, c.loss_correlation);
  correlated("duplicate", c.duplicate, c.duplicate_correlation);
  correlated("corrupt", c.corrupt, c.corrupt_correlation);
  correlated("reorder", c.reorder, c.reorder_correlation);
  if (c.reorder > 0 && c.gap > 1) out += fmt::format(" gap {}", c.gap);
  if (c.rate) out += " rate " + format_rate(c.rate);
  return out;
}

}  // namespace glass
