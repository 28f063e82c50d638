// How fast data is delivered (draft-cheng-iccrg-delivery-rate-estimation): each segment remembers, when it is sent, how
// much had been delivered by then; its ACK turns that into a rate.
//
//   rate_sample rs;
//   for each segment acknowledged or SACKed:  tcp_rate_skb_delivered(tp, skb, rs);
//   tcp_rate_gen(tp, delivered, lost, reneged, rs);     rs.delivered segments in rs.interval_us
#pragma once
#include <cstdint>

#include "base/seq.h"
#include "base/time.h"

namespace glass {

struct tcp_sock;
struct sk_buff;

struct rate_sample {
  Instant prior_mstamp{};           // when the sample's interval began; zero: no sample
  uint32_t prior_delivered = 0;     // tp->delivered then
  uint32_t prior_delivered_ce = 0;  // tp->delivered_ce then
  int32_t delivered = 0;            // segments delivered over the interval; < 0: no sample
  int32_t delivered_ce = 0;         // of these, marked
  int64_t interval_us = 0;          // the longer of the two below; < 0: no sample
  uint32_t snd_interval_us = 0;     // from the first to the last of them sent
  uint32_t rcv_interval_us = 0;     // from the first to the last of them acknowledged
  int64_t rtt_us = -1;              // of the last segment delivered
  uint32_t losses = 0;              // newly found lost by this ACK
  uint32_t acked_sacked = 0;        // newly delivered by this ACK
  uint32_t prior_in_flight = 0;     // in flight before this ACK
  Seq last_end_seq{};               // of the segment the sample comes from
  bool is_app_limited = false;      // the application did not fill the pipe then
  bool is_retrans = false;          // the sample is of a retransmission
  bool is_ack_delayed = false;      // the ACK is probably a delayed one
};

void tcp_rate_skb_sent(tcp_sock*, sk_buff*);
void tcp_rate_skb_delivered(tcp_sock*, sk_buff*, rate_sample&);
void tcp_rate_gen(tcp_sock*, uint32_t delivered, uint32_t lost, bool is_sack_reneg, rate_sample&);
void tcp_rate_check_app_limited(tcp_sock*);

}  // namespace glass
