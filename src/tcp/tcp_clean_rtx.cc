// What an ACK takes off the retransmit queue, and what that says about the path: delivery, round trips (RFC 6298),
// reordering.
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_mtu_probe.h"

namespace glass {

namespace {

struct Cleaned {
  uint32_t flag = 0;
  uint32_t pkts_acked = 0;
  Instant first_ackt{}, last_ackt{};  // first and last acknowledged that were sent once; zero: none
  Seq reord;                          // lowest of these
  bool fully_acked = true;            // no segment was cut
};

// A large segment of which only the front is acknowledged: the acknowledged part is cut off. Returns packets freed.
uint32_t tso_acked(tcp_sock* tp, sk_buff* skb) {
  const uint32_t before_cut = TCP_SKB_CB(skb).pcount;
  tcp_trim_head(tp, skb, tp->snd_una - TCP_SKB_CB(skb).seq);
  return before_cut - TCP_SKB_CB(skb).pcount;
}

// RFC 3522: the ACK echoes a timestamp from before this segment was repeated.
bool spurious_retrans(const tcp_sock* tp, uint8_t sacked, Instant sent) {
  return (sacked & TCPCB_RETRANS) && tcp_tsopt_ecr_before(tp, sent);
}

void account_acked(tcp_sock* tp, sk_buff* s, const TcpCb& cb, uint32_t pcount, Cleaned& c, bool ece_ack) {
  if (cb.sacked & TCPCB_RETRANS) [[unlikely]] {
    if (cb.sacked & TCPCB_SACKED_RETRANS) tp->retrans_out -= pcount;
    c.flag |= FLAG_RETRANS_DATA_ACKED;
  } else if (!(cb.sacked & TCPCB_SACKED_ACKED)) {
    c.last_ackt = s->tstamp;
    if (c.first_ackt == Instant{}) c.first_ackt = s->tstamp;
    c.reord = earlier(c.reord, cb.seq);
    if (!after(cb.end_seq, tp->high_seq)) c.flag |= FLAG_ORIG_SACK_ACKED;
  }
  if (cb.sacked & TCPCB_SACKED_ACKED) {
    tp->sacked_out -= pcount;
  } else if (tcp_is_sack(tp)) {
    tcp_count_delivered(tp, pcount, ece_ack);
    if (!spurious_retrans(tp, cb.sacked, s->tstamp)) tcp_rack_advance(tp, cb, s->tstamp);
  }
  if (cb.sacked & TCPCB_LOST) tp->lost_out -= pcount;
  tp->packets_out -= pcount;
  c.pkts_acked += pcount;
  if (cb.tcp_flags & TCPHDR_SYN) {
    c.flag |= FLAG_SYN_ACKED;
    tp->retrans_stamp = {};
  } else {
    c.flag |= FLAG_DATA_ACKED;
  }
}

Cleaned take_off(tcp_sock* tp, rate_sample& rs, bool ece_ack, Seq prior_snd_una) {
  Cleaned c;
  c.reord = tp->snd_nxt;
  while (sk_buff* s = tp->tcp_rtx_queue.front()) {
    const TcpCb cb = TCP_SKB_CB(s);
    uint32_t pcount = cb.pcount;
    if (after(cb.end_seq, tp->snd_una)) {
      if (pcount == 1 || !after(tp->snd_una, cb.seq)) break;
      pcount = tso_acked(tp, s);
      if (!pcount) break;
      c.fully_acked = false;
    }
    account_acked(tp, s, cb, pcount, c, ece_ack);
    tcp_rate_skb_delivered(tp, s, rs);
    if (!c.fully_acked) break;
    tcp_ack_tstamp(tp, s, prior_snd_una);
    tcp_wmem_free_skb(tp, tcp_rtx_queue_unlink(tp, s));
  }
  const sk_buff* head = tp->tcp_rtx_queue.front();
  if (!head) tcp_chrono_stop(tp, TcpChrono::busy);
  if (between(tp->snd_up, prior_snd_una, tp->snd_una)) tp->snd_up = tp->snd_una;
  if (head && (TCP_SKB_CB(head).sacked & TCPCB_SACKED_ACKED)) c.flag |= FLAG_SACK_RENEGING;
  return c;
}

// A lone small segment whose receiver had no reason to answer at once: its ACK may have been delayed.
bool maybe_delayed(const tcp_sock* tp, uint32_t flag, const Cleaned& c, Seq prior_snd_una, uint32_t prior_sacked,
                   const rate_sample& rs) {
  return c.pkts_acked == 1 && c.fully_acked && !prior_sacked && tp->snd_una - prior_snd_una < tp->mss_cache &&
         rs.prior_delivered + 1 == tp->delivered && !(flag & (FLAG_CA_ALERT | FLAG_SYN_ACKED));
}

// Without SACK the count of duplicates shrinks; with it, a hole that was filled by the original shows reordering.
void progress(tcp_sock* tp, uint32_t& flag, const Cleaned& c, Seq prior_fack) {
  if (tcp_is_reno(tp)) {
    tcp_remove_reno_sacks(tp, c.pkts_acked, flag & FLAG_ECE);
    // What a retransmission uncovers was delivered before and proves nothing.
    if (flag & FLAG_RETRANS_DATA_ACKED) flag &= ~static_cast<uint32_t>(FLAG_ORIG_SACK_ACKED);
  } else if (before(c.reord, prior_fack)) {
    tcp_check_sack_reordering(tp, c.reord, false);
  }
}

}  // namespace

// `flag`: what is known of the ACK. Returns it with what was found.
uint32_t tcp_clean_rtx_queue(tcp_sock* tp, uint32_t flag, Seq prior_fack, Seq prior_snd_una, tcp_sacktag_state& st) {
  const Instant now = now_of(tp);
  const uint32_t prior_sacked = tp->sacked_out;
  rate_sample& rs = *st.rate;
  const Cleaned c = take_off(tp, rs, flag & FLAG_ECE, prior_snd_una);
  flag |= c.flag;
  tcp_rtts r;
  if (c.first_ackt != Instant{} && !(flag & FLAG_RETRANS_DATA_ACKED)) {
    r.seq_us = to_usecs(now - c.first_ackt);
    r.ca_us = to_usecs(now - c.last_ackt);
    if (maybe_delayed(tp, flag, c, prior_snd_una, prior_sacked, rs)) flag |= FLAG_ACK_MAYBE_DELAYED;
  }
  if (st.first_sackt != Instant{}) {
    r.sack_us = to_usecs(now - st.first_sackt);
    r.ca_us = to_usecs(now - st.last_sackt);
  }
  const bool rtt_update = tcp_ack_update_rtt(tp, flag, r, rs);
  const sk_buff* head = tp->tcp_rtx_queue.front();
  if (flag & FLAG_ACKED) {
    flag |= FLAG_SET_XMIT_TIMER;
    tcp_mtup_acked(tp);
    progress(tp, flag, c, prior_fack);
  } else if (head && rtt_update && r.sack_us > to_usecs(now - head->tstamp)) {
    // The head was sent after what was SACKed: its time-out has to count from then.
    flag |= FLAG_SET_XMIT_TIMER;
  }
  // What was retransmitted again after an undone loss is counted twice: with nothing out the counts begin anew.
  if (!tp->packets_out && tcp_is_sack(tp)) tp->lost_out = tp->sacked_out = tp->retrans_out = 0;
  tcp_ca_pkts_acked(tp, {.pkts_acked = c.pkts_acked,
                         .rtt_us = rs.rtt_us,
                         .in_flight = uint32_t{tp->mss_cache} * (tp->delivered - rs.prior_delivered)});
  return flag;
}

}  // namespace glass
