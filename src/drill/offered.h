// The window that the script's side has offered so far; the target may not send beyond it (RFC 9293 section 3.8.6).
#pragma once
#include <algorithm>
#include <optional>

#include "drill/script.h"
#include "drill/seen.h"

namespace glass::drill {

class OfferedWindow {
 public:
  void injected(const TcpSpec&);         // numbers as scripted
  void seen_syn(const SeenPacket& syn);  // the target's own SYN says whether windows are scaled
  // How far beyond the right edge the payload goes. 0 before anything was offered: data may lie in a SYN (RFC 7413).
  uint32_t overrun(const SeenPacket&, uint32_t local_isn) const;

 private:
  std::optional<int64_t> edge_{};  // counted from the local side's first number
  std::optional<uint32_t> remote_wscale_{};
  bool local_wscale_ = false;
};

}  // namespace glass::drill
