#include "dev/qdisc.h"

#include <charconv>
#include <optional>

namespace glass {

namespace {

// "pfifo" and "pfifo limit N"; the default is what a device is given as its queue's length.
std::optional<uint32_t> pfifo_limit(std::string_view words) {
  constexpr std::string_view kLimit = "pfifo limit ";
  if (words == "pfifo") return 1000;
  uint32_t n = 0;
  if (!words.starts_with(kLimit)) return std::nullopt;
  words.remove_prefix(kLimit.size());
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), n);
  return error == std::errc() && end == words.data() + words.size() ? std::optional(n) : std::nullopt;
}

}  // namespace

std::expected<std::unique_ptr<Qdisc>, std::string> make_qdisc(net& n, std::string_view words, uint64_t seed) {
  constexpr std::string_view kNetem = "netem";
  while (words.starts_with(' ')) words.remove_prefix(1);
  while (words.ends_with(' ')) words.remove_suffix(1);
  if (words == "noqueue") return nullptr;
  if (words == "pfifo_fast") return make_pfifo_fast(n);
  if (const std::optional<uint32_t> limit = pfifo_limit(words)) return make_pfifo(*limit);
  if (words == kNetem || words.starts_with("netem ")) {
    auto config = parse_netem(words.substr(kNetem.size()));
    if (!config) return std::unexpected(config.error());
    return make_netem(n, *config, seed);
  }
  if (words == "link" || words.starts_with("link ")) {
    auto config = parse_link_queue(words.substr(4));
    if (!config) return std::unexpected(config.error());
    return make_link_queue(n, *config);
  }
  return std::unexpected(
      "\"" + std::string(words) +
      "\" is no queueing discipline known here: pfifo_fast, pfifo, noqueue, or netem or link with their options");
}

}  // namespace glass
