#include "dev/qdisc.h"

namespace glass {

std::expected<std::unique_ptr<Qdisc>, std::string> make_qdisc(net& n, std::string_view words, uint64_t seed) {
  constexpr std::string_view kNetem = "netem";
  while (words.starts_with(' ')) words.remove_prefix(1);
  while (words.ends_with(' ')) words.remove_suffix(1);
  if (words == "noqueue") return nullptr;
  if (words == "pfifo_fast") return make_pfifo_fast(n);
  if (words == kNetem || words.starts_with("netem ")) {
    auto config = parse_netem(words.substr(kNetem.size()));
    if (!config) return std::unexpected(config.error());
    return make_netem(n, *config, seed);
  }
  return std::unexpected("\"" + std::string(words) +
                         "\" is no queueing discipline known here: pfifo_fast, noqueue, or netem with its options");
}

}  // namespace glass
