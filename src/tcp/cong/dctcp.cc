// DCTCP (RFC 8257): routers mark early and often, the receiver reports which data was marked, and the sender reduces
// its window by the share of marks instead of by half.
#include <algorithm>

#include "tcp/tcp_cc_info.h"
#include "tcp/tcp_cong.h"

namespace glass {

namespace {

// Linux's module parameters at their defaults.
constexpr uint32_t kMaxAlpha = 1024;  // all data was marked
constexpr uint32_t kAlphaOnInit = kMaxAlpha;
constexpr unsigned kShiftG = 4;  // the weight of a round trip in the average: 1/16

struct Dctcp {
  uint32_t old_delivered, old_delivered_ce;  // when the round began
  Seq next_seq;                              // when it ends
  Seq prior_rcv_nxt;
  uint32_t alpha;
  uint32_t loss_cwnd;  // before the last reduction
  bool ce_state;       // was the data received last marked?
};
static_assert(sizeof(Dctcp) <= ICSK_CA_PRIV_SIZE);

void begin_round(Dctcp& ca, const CongestionView& v) {
  ca.next_seq = v->snd_nxt;
  ca.old_delivered = v->delivered;
  ca.old_delivered_ce = v->delivered_ce;
}

void dctcp_init(CongestionView& v) {
  Dctcp& ca = v.state<Dctcp>();
  ca = {};
  if (!v.ecn_ok) {
    v.instead = &tcp_dctcp_reno;
    return;
  }
  ca.prior_rcv_nxt = v->rcv_nxt;
  ca.alpha = kAlphaOnInit;
  begin_round(ca, v);
}

uint32_t dctcp_ssthresh(CongestionView& v) {
  Dctcp& ca = v.state<Dctcp>();
  ca.loss_cwnd = v->snd_cwnd;
  return std::max(v->snd_cwnd - (v->snd_cwnd * ca.alpha >> 11), 2u);
}

// A round trip is over: alpha moves towards the share of marked data.
void dctcp_in_ack_event(CongestionView& v, uint32_t) {
  Dctcp& ca = v.state<Dctcp>();
  if (before(v->snd_una, ca.next_seq)) return;
  const uint32_t delivered = v->delivered - ca.old_delivered;
  uint32_t marked = v->delivered_ce - ca.old_delivered_ce;
  const uint32_t share = ca.alpha >> kShiftG;
  ca.alpha -= share ? share : ca.alpha;  // below a sixteenth it would never fall to zero
  if (marked) {
    marked <<= 10 - kShiftG;
    ca.alpha = std::min(ca.alpha + marked / std::max(delivered, 1u), kMaxAlpha);
  }
  begin_round(ca, v);
}

// Real loss is answered as Reno does.
void react_to_loss(CongestionView& v) {
  v.state<Dctcp>().loss_cwnd = v->snd_cwnd;
  v->snd_ssthresh = std::max(v->snd_cwnd >> 1, 2u);
}

void dctcp_set_state(CongestionView& v, CaState state) {
  if (state == CaState::Recovery && v->icsk_ca_state != CaState::Recovery) react_to_loss(v);
}

// RFC 8257 section 3.2: ECE says of exactly the data an ACK covers whether it was marked.
void update_ece(CongestionView& v, bool ce) {
  Dctcp& ca = v.state<Dctcp>();
  v.ece = {.valid = true, .before = ca.ce_state, .after = ce, .prior_rcv_nxt = ca.prior_rcv_nxt};
  ca.prior_rcv_nxt = v->rcv_nxt;
  ca.ce_state = ce;
}

void dctcp_cwnd_event(CongestionView& v, CaEvent event) {
  switch (event) {
    case CaEvent::ECN_IS_CE: return update_ece(v, true);
    case CaEvent::ECN_NO_CE: return update_ece(v, false);
    case CaEvent::LOSS: return react_to_loss(v);
    default: return;
  }
}

uint32_t dctcp_undo_cwnd(CongestionView& v) { return std::max(v->snd_cwnd, v.state<Dctcp>().loss_cwnd); }

size_t dctcp_get_info(CongestionView& v, tcp_cc_info& info) {
  const Dctcp& ca = v.state<Dctcp>();
  info.dctcp = {.dctcp_enabled = 1,
                .dctcp_ce_state = ca.ce_state,
                .dctcp_alpha = ca.alpha,
                .dctcp_ab_ecn = v->mss_cache * (v->delivered_ce - ca.old_delivered_ce),
                .dctcp_ab_tot = v->mss_cache * (v->delivered - ca.old_delivered)};
  return sizeof info.dctcp;
}

size_t disabled_info(CongestionView&, tcp_cc_info& info) {
  info.dctcp = {};
  return sizeof info.dctcp;
}

}  // namespace

const tcp_congestion_ops tcp_dctcp{.name = "dctcp",
                                   .flags = TCP_CONG_NEEDS_ECN,
                                   .priv_size = sizeof(Dctcp),
                                   .init_early = true,
                                   .init = dctcp_init,
                                   .ssthresh = dctcp_ssthresh,
                                   .cong_avoid = tcp_reno_cong_avoid,
                                   .set_state = dctcp_set_state,
                                   .cwnd_event = dctcp_cwnd_event,
                                   .in_ack_event = dctcp_in_ack_event,
                                   .undo_cwnd = dctcp_undo_cwnd,
                                   .get_info = dctcp_get_info};

// For a connection without ECN.
const tcp_congestion_ops tcp_dctcp_reno{.name = "dctcp-reno",
                                        .ssthresh = tcp_reno_ssthresh,
                                        .cong_avoid = tcp_reno_cong_avoid,
                                        .undo_cwnd = tcp_reno_undo_cwnd,
                                        .get_info = disabled_info};

}  // namespace glass
