// SO_TIMESTAMPING of what is sent: the last byte of each call carries the wish (sk_buff::tx_flags, tskey), and follows
// its byte when segments are split or joined. Stamps go to the error queue: when the packet reached the qdisc, the
// driver, and when the byte was acknowledged.
#include <cstring>

#include "net/sk_error_queue.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

uint8_t tx_flags_of(uint32_t tsflags) {
  uint8_t flags = 0;
  if (tsflags & SOF_TIMESTAMPING_TX_SCHED) flags |= SKBTX_SCHED_TSTAMP;
  if (tsflags & SOF_TIMESTAMPING_TX_SOFTWARE) flags |= SKBTX_SW_TSTAMP;
  if (tsflags & SOF_TIMESTAMPING_TX_ACK) flags |= SKBTX_ACK_TSTAMP;
  return flags;
}

}  // namespace

Result<uint32_t> tcp_tsflags_of_call(const tcp_sock* tp, const MsgSend& msg) {
  uint32_t flags = sk_tsflags(tp);
  std::span<const uint8_t> left = msg.msg_control;
  while (left.size() >= sizeof(cmsghdr)) {
    cmsghdr c;
    std::memcpy(&c, left.data(), sizeof c);
    if (c.cmsg_len < sizeof c || c.cmsg_len > left.size()) return Err(EINVAL);
    if (c.cmsg_level == SOL_SOCKET && c.cmsg_type == SO_TIMESTAMPING) {
      uint32_t asked = 0;
      if (c.cmsg_len != CMSG_LEN(sizeof asked)) return Err(EINVAL);
      std::memcpy(&asked, left.data() + CMSG_LEN(0), sizeof asked);
      if (asked & ~SOF_TIMESTAMPING_TX_RECORD_MASK) return Err(EINVAL);
      flags = (flags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) | asked;
    }
    left = left.subspan(std::min<size_t>(CMSG_ALIGN(c.cmsg_len), left.size()));
  }
  return flags;
}

void tcp_tx_timestamp(tcp_sock* tp, uint32_t tsflags) {
  sk_buff* s = tp->sk_write_queue.back();
  if (!s) s = tp->tcp_rtx_queue.back();
  if (!s || !(tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK)) return;
  s->tx_flags = tx_flags_of(tsflags);
  s->tskey = (TCP_SKB_CB(s).seq + s->len - 1).v;
}

void tcp_ack_tstamp(tcp_sock* tp, const sk_buff* s, Seq prior_snd_una) {
  if (!(s->tx_flags & SKBTX_ACK_TSTAMP)) [[likely]]
    return;
  const Seq key{s->tskey};
  if (!before(key, prior_snd_una) && before(key, tp->snd_una)) __skb_tstamp_tx(*s, tp, s->tskey, SCM_TSTAMP_ACK);
}

void tcp_fragment_tstamp(sk_buff* s, sk_buff* rest) {
  if (!s->tx_flags || before(Seq{s->tskey}, TCP_SKB_CB(rest).seq)) [[likely]]
    return;
  rest->tx_flags = s->tx_flags;
  rest->tskey = s->tskey;
  s->tx_flags = 0;
}

void tcp_skb_collapse_tstamp(sk_buff* to, const sk_buff* from) {
  if (!from->tx_flags) [[likely]]
    return;
  to->tx_flags |= from->tx_flags;
  to->tskey = from->tskey;
}

}  // namespace glass
