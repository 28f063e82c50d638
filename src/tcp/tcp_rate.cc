#include "tcp/tcp_rate.h"

#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

// Remembers in the segment how far delivery had come when it was sent. Nothing in flight: the interval begins now.
void tcp_rate_skb_sent(tcp_sock* tp, sk_buff* s) {
  if (!tp->packets_out) tp->first_tx_mstamp = tp->delivered_mstamp = s->tstamp;
  TcpCb& cb = TCP_SKB_CB(s);
  cb.first_tx_mstamp = tp->first_tx_mstamp;
  cb.delivered_mstamp = tp->delivered_mstamp;
  cb.delivered = tp->delivered;
  cb.delivered_ce = tp->delivered_ce;
  cb.is_app_limited = tp->app_limited != 0;
}

// Of the segments an ACK delivers, the one sent last gives the sample.
void tcp_rate_skb_delivered(tcp_sock* tp, sk_buff* s, rate_sample& rs) {
  TcpCb& cb = TCP_SKB_CB(s);
  if (cb.delivered_mstamp == Instant{}) return;
  const bool sent_later =
      s->tstamp > tp->first_tx_mstamp || (s->tstamp == tp->first_tx_mstamp && after(cb.end_seq, rs.last_end_seq));
  if (!rs.prior_delivered || sent_later) {
    rs.prior_delivered = cb.delivered;
    rs.prior_delivered_ce = cb.delivered_ce;
    rs.prior_mstamp = cb.delivered_mstamp;
    rs.is_app_limited = cb.is_app_limited;
    rs.is_retrans = cb.sacked & (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS);
    rs.last_end_seq = cb.end_seq;
    tp->first_tx_mstamp = s->tstamp;
    rs.interval_us = std::max<int64_t>(to_usecs(s->tstamp - cb.first_tx_mstamp), 0);
  }
  // A SACKed segment has had its say; the cumulative ACK does not count it again.
  if (cb.sacked & TCPCB_SACKED_ACKED) cb.delivered_mstamp = {};
}

void tcp_rate_gen(tcp_sock* tp, uint32_t delivered, uint32_t lost, bool is_sack_reneg, rate_sample& rs) {
  if (tp->app_limited && static_cast<int32_t>(tp->delivered - tp->app_limited) > 0) tp->app_limited = 0;
  if (delivered) tp->delivered_mstamp = now_of(tp);
  rs.acked_sacked = delivered;
  rs.losses = lost;
  if (rs.prior_mstamp == Instant{} || is_sack_reneg) {
    rs.delivered = -1;
    rs.interval_us = -1;
    return;
  }
  rs.delivered = static_cast<int32_t>(tp->delivered - rs.prior_delivered);
  rs.delivered_ce = static_cast<int32_t>(tp->delivered_ce - rs.prior_delivered_ce);
  // Data sent in a burst, or ACKs that come in one, would give too high a rate: the slower of the two phases counts.
  const int64_t snd_us = rs.interval_us, ack_us = std::max<int64_t>(to_usecs(now_of(tp) - rs.prior_mstamp), 0);
  rs.interval_us = std::max(snd_us, ack_us);
  rs.snd_interval_us = static_cast<uint32_t>(snd_us);
  rs.rcv_interval_us = static_cast<uint32_t>(ack_us);
  // Nothing is delivered in less than a round trip: a retransmission was taken for the original.
  if (rs.interval_us < tcp_min_rtt(tp)) {
    rs.interval_us = -1;
    return;
  }
  const bool better = static_cast<uint64_t>(rs.delivered) * tp->rate_interval_us >=
                      static_cast<uint64_t>(tp->rate_delivered) * static_cast<uint64_t>(rs.interval_us);
  if (!rs.is_app_limited || better) {
    tp->rate_delivered = static_cast<uint32_t>(rs.delivered);
    tp->rate_interval_us = static_cast<uint32_t>(rs.interval_us);
    tp->rate_app_limited = rs.is_app_limited;
  }
}

// The application has nothing more to send while the window has room: what is in flight says little about the path.
void tcp_rate_check_app_limited(tcp_sock* tp) {
  const uint32_t in_flight = tcp_packets_in_flight(tp);
  if (tp->write_seq - tp->snd_nxt < tp->mss_cache && in_flight < tp->snd_cwnd && tp->lost_out <= tp->retrans_out)
    tp->app_limited = std::max(tp->delivered + in_flight, 1u);
}

}  // namespace glass
