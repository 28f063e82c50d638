#include "view/ping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace glass {

namespace {

double ms(Duration d) { return static_cast<double>(d.count()) / 1e6; }

// Three significant digits, as ping prints round trips: 0.034, 1.23, 12.3, 123.
std::string rtt_text(Duration d) {
  const double value = ms(d);
  return value >= 99.95    ? fmt::format("{:.0f}", value)
         : value >= 9.995  ? fmt::format("{:.1f}", value)
         : value >= 0.9995 ? fmt::format("{:.2f}", value)
                           : fmt::format("{:.3f}", value);
}

}  // namespace

void PingStatistics::received(Duration rtt) {
  min_ = received_ ? std::min(min_, rtt) : rtt;
  max_ = std::max(max_, rtt);
  ++received_;
  const auto ns = static_cast<double>(rtt.count());
  sum_ += ns;
  squares_ += ns * ns;
}

unsigned PingStatistics::loss_percent() const {
  return transmitted_ == 0
             ? 0
             : static_cast<unsigned>((transmitted_ - std::min(received_, transmitted_)) * 100 / transmitted_);
}

Duration PingStatistics::average() const {
  return received_ ? Duration(static_cast<int64_t>(sum_ / static_cast<double>(received_))) : Duration::zero();
}

Duration PingStatistics::deviation() const {
  if (!received_) return Duration::zero();
  const double n = static_cast<double>(received_), mean = sum_ / n;
  return Duration(static_cast<int64_t>(std::sqrt(std::max(squares_ / n - mean * mean, 0.0))));
}

std::string format_ping_start(std::string_view host, const IpAddress& address, size_t size) {
  constexpr size_t kHeaders = 28;  // IPv4 and ICMP
  return fmt::format("PING {} ({}) {}({}) bytes of data.\n", host, to_string(address), size, size + kHeaders);
}

std::string format_ping_reply(const IpAddress& from, size_t size, unsigned sequence, unsigned ttl, Duration rtt,
                              bool duplicate) {
  constexpr size_t kIcmpHeader = 8;
  return fmt::format("{} bytes from {}: icmp_seq={} ttl={} time={} ms{}\n", size + kIcmpHeader, to_string(from),
                     sequence, ttl, rtt_text(rtt), duplicate ? " (DUP!)" : "");
}

std::string format_ping_summary(std::string_view host, const PingStatistics& s, Duration elapsed) {
  const std::string duplicates = s.duplicates() ? fmt::format("+{} duplicates, ", s.duplicates()) : "";
  std::string out =
      fmt::format("\n--- {} ping statistics ---\n{} packets transmitted, {} received, {}{}% packet loss, time {}ms\n",
                  host, s.transmitted(), s.replies(), duplicates, s.loss_percent(), elapsed.count() / 1'000'000);
  if (s.replies())
    out += fmt::format("rtt min/avg/max/mdev = {:.3f}/{:.3f}/{:.3f}/{:.3f} ms\n", ms(s.min()), ms(s.average()),
                       ms(s.max()), ms(s.deviation()));
  return out;
}

Json to_json(const PingStatistics& s, const IpAddress& address, Duration elapsed) {
  return {
      {"address", to_string(address)},
      {"transmitted", s.transmitted()},
      {"received", s.replies()},
      {"duplicates", s.duplicates()},
      {"loss_percent", s.loss_percent()},
      {"time_ms", elapsed.count() / 1'000'000},
      {"rtt_ms", {{"min", ms(s.min())}, {"avg", ms(s.average())}, {"max", ms(s.max())}, {"mdev", ms(s.deviation())}}}};
}

}  // namespace glass
