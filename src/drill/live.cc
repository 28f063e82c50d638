#include "drill/live.h"

namespace glass::drill {

void Live::learn_tsval(uint32_t scripted, uint32_t seen) {
  tsval_[scripted] = seen;
  if (!first_ts_) first_ts_ = {scripted, seen};
}

std::optional<uint32_t> Live::tsecr(uint32_t scripted, bool scaled) const {
  if (auto it = tsval_.find(scripted); it != tsval_.end()) return it->second;
  if (scaled && first_ts_) return scripted - first_ts_->first + first_ts_->second;
  return std::nullopt;
}

uint32_t Live::script_tsval(uint32_t seen) const {
  return first_ts_ ? first_ts_->first + (seen - first_ts_->second) : seen;
}

}  // namespace glass::drill
