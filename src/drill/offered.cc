#include "drill/offered.h"

namespace glass::drill {

void OfferedWindow::injected(const TcpSpec& tcp) {
  if (tcp.flags & TCPHDR_RST || !tcp.window) return;
  const bool syn = tcp.flags & TCPHDR_SYN;
  if (syn)
    for (const TcpOptionSpec& option : tcp.options)
      if (option.kind == TcpOptionSpec::Kind::wscale) remote_wscale_ = std::min(option.value, uint32_t{TCP_MAX_WSCALE});
  const bool scaled = !syn && local_wscale_ && remote_wscale_;
  const int64_t first = tcp.flags & TCPHDR_ACK ? static_cast<int32_t>(tcp.ack) : 1;
  const int64_t edge = first + (int64_t{*tcp.window} << (scaled ? *remote_wscale_ : 0));
  edge_ = std::max(edge_.value_or(edge), edge);
}

void OfferedWindow::seen_syn(const SeenPacket& syn) {
  local_wscale_ = parse_tcp_options(syn.option_bytes).wscale.has_value();
}

uint32_t OfferedWindow::overrun(const SeenPacket& seen, uint32_t local_isn) const {
  if (!edge_ || !seen.payload || seen.syn()) return 0;
  const int64_t end = int64_t{static_cast<int32_t>(seen.seq - local_isn)} + seen.payload;
  return end > *edge_ ? static_cast<uint32_t>(end - *edge_) : 0;
}

}  // namespace glass::drill
