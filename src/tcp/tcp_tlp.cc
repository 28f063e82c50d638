// Tail loss probe (RFC 8985 section 7): two round trips after the last transmission without an answer one segment goes
// out, so that a lost tail is found by its SACK and not by the time-out.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr Duration us(int64_t n) { return std::chrono::microseconds(n); }

bool probes_wanted(const tcp_sock* tp) {
  const int64_t mode = net_of(tp).sysctl.tcp_early_retrans;
  return (mode == 3 || mode == 4) && tp->packets_out && tcp_is_sack(tp) &&
         (tp->icsk_ca_state == CaState::Open || tp->icsk_ca_state == CaState::CWR);
}

// The last packet's worth of the retransmit queue, split off if need be. Null: there is none.
sk_buff* last_packet(tcp_sock* tp, uint32_t mss) {
  sk_buff* s = tp->tcp_rtx_queue.back();
  if (!s) return nullptr;
  const uint32_t all_but_one = (TCP_SKB_CB(s).pcount - 1u) * mss;
  if (TCP_SKB_CB(s).pcount <= 1 || s->len <= all_but_one) return s;
  tcp_fragment(tp, tp->tcp_rtx_queue, s, all_but_one, mss);
  return s->next;
}

bool send_new_data(tcp_sock* tp, uint32_t mss) {
  const uint32_t prior = tp->packets_out;
  (void)tcp_write_xmit(tp, mss, TCP_NAGLE_OFF, 2);
  return tp->packets_out > prior;
}

// New data if the windows allow, or the last segment again. False: nothing could be sent.
bool send_probe(tcp_sock* tp, uint32_t mss) {
  const sk_buff* head = tp->sk_write_queue.front();
  if (head) {
    const Seq end = TCP_SKB_CB(head).seq + std::min(head->len, mss);
    if (!after(end, tcp_wnd_end(tp))) return send_new_data(tp, mss);
  }
  sk_buff* s = last_packet(tp, mss);
  if (!s || !__tcp_retransmit_skb(tp, s, 1)) return false;
  tp->tlp_retrans = true;
  return true;
}

}  // namespace

// True: the timer is set to probe. With one segment out the receiver may be delaying its ACK; and the probe is never
// later than the time-out would be, which counts from now if `advancing_rto`.
bool tcp_schedule_loss_probe(tcp_sock* tp, bool advancing_rto) {
  if (!probes_wanted(tp)) return false;
  Duration timeout = us(TCP_TIMEOUT_INIT_US);
  if (tp->srtt_us) timeout = us(tp->srtt_us >> 2) + (tp->packets_out == 1 ? us(tcp_rto_min_us(tp)) : 2ms);
  const Duration rto = advancing_rto ? us(tp->icsk_rto_us) : tcp_rto_delta(tp);
  if (rto > Duration::zero()) timeout = std::min(timeout, rto);
  tcp_reset_xmit_timer(tp, ICSK_TIME_LOSS_PROBE, timeout, true);
  return true;
}

void tcp_send_loss_probe(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  if (!tp->tlp_high_seq.v) {  // one probe at a time
    tp->tlp_retrans = false;
    if (send_probe(tp, tcp_current_mss(tp))) {
      tp->tlp_high_seq = tp->snd_nxt;
      count(tp, Mib::TcpExtTCPLossProbes);
      tp->icsk_pending = 0;  // the time-out counts from now
    }
  }
  tcp_rearm_rto(tp);
}

// Section 7.4: did the probe repair a loss, which congestion control would never hear of, or was it needless?
void tcp_process_tlp_ack(tcp_sock* tp, Seq ack, uint32_t flag) {
  if (before(ack, tp->tlp_high_seq)) return;
  const bool needless = !tp->tlp_retrans || (flag & FLAG_DSACK_TLP);  // new data arrived, or both copies did
  if (!needless && after(ack, tp->tlp_high_seq)) {
    tcp_init_cwnd_reduction(tp);
    tcp_set_ca_state(tp, CaState::CWR);
    tcp_end_cwnd_reduction(tp);
    tcp_try_keep_open(tp);
    count(tp, Mib::TcpExtTCPLossProbeRecovery);
    return;
  }
  const bool dupack = !(flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED));
  if (needless || dupack) tp->tlp_high_seq = {};
}

}  // namespace glass
