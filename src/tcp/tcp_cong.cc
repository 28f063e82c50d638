#include "tcp/tcp_cong.h"

#include <algorithm>
#include <cstring>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr const tcp_congestion_ops* kAlgorithms[] = {&tcp_cubic, &tcp_reno, &tcp_dctcp, &tcp_bbr};

// A view of the connection for one call; what the algorithm changed is carried back when it ends.
class Call {
 public:
  explicit Call(tcp_sock* tp) : tp_(tp) {
    view.snd_cwnd = tp->snd_cwnd;
    view.snd_cwnd_cnt = tp->snd_cwnd_cnt;
    view.snd_ssthresh = tp->snd_ssthresh;
    view.app_limited = tp->app_limited;
    view.sk_pacing_rate = tp->sk_pacing_rate;
    view.priv = tp->icsk_ca_priv;
    view.prior_cwnd = tp->prior_cwnd;
    view.packets_in_flight = tcp_packets_in_flight(tp);
    view.delivered = tp->delivered;
    view.delivered_ce = tp->delivered_ce;
    view.lost = tp->lost;
    view.srtt_us = tp->srtt_us;
    view.min_rtt_us = tcp_min_rtt(tp);
    view.mss_cache = tp->mss_cache;
    view.reordering = tp->reordering;
    view.gso_max_size = tcp_gso_max_size(tp);
    view.sk_max_pacing_rate = tp->sk_max_pacing_rate;
    view.snd_una = tp->snd_una;
    view.snd_nxt = tp->snd_nxt;
    view.rcv_nxt = tp->rcv_nxt;
    view.now = now_of(tp);
    view.delivered_mstamp = tp->delivered_mstamp;
    view.lsndtime = tp->lsndtime;
    view.tcp_wstamp = tp->tcp_wstamp;
    view.icsk_ca_state = tp->icsk_ca_state;
    view.is_cwnd_limited = tcp_is_cwnd_limited(tp);
    view.ecn_ok = tp->ecn_flags & TCP_ECN_OK;
    view.pacing_needed = tp->sk_pacing_needed;
    view.rng = &net_of(tp).rng;
    view.trace = &net_of(tp).trace;
    if (!view.priv && tp->icsk_ca_ops->priv_size) [[unlikely]]
      make_priv();
  }
  ~Call() {
    tp_->snd_cwnd = view.snd_cwnd;
    tp_->snd_cwnd_cnt = view.snd_cwnd_cnt;
    tp_->snd_ssthresh = view.snd_ssthresh;
    tp_->app_limited = view.app_limited;
    tp_->sk_pacing_rate = view.sk_pacing_rate;
    tp_->sk_pacing_needed = view.pacing_needed;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  operator CongestionView&() { return view; }  // NOLINT: it is one
  CongestionView view;

 private:
  // Private state is made when it is first needed: a connection that never had data has none.
  void make_priv() {
    view.priv = tp_->icsk_ca_priv = tp_->tcp().ca_priv_slab().alloc();
    std::memset(view.priv, 0, ICSK_CA_PRIV_SIZE);
    if (tp_->icsk_ca_ops->init) tp_->icsk_ca_ops->init(view);
  }

  tcp_sock* tp_;
};

// An algorithm that cannot work here, DCTCP without ECN, names the one to take its place.
void take_over(tcp_sock* tp, const tcp_congestion_ops* ops) {
  tcp_cleanup_congestion_control(tp);
  tp->icsk_ca_ops = ops;
  tp->icsk_ca_initialized = true;
  tcp_ecn_assign(tp);
}

}  // namespace

const tcp_congestion_ops* tcp_ca_find(std::string_view name) {
  for (const tcp_congestion_ops* ops : kAlgorithms)
    if (ops->name == name) return ops;
  return nullptr;
}

void tcp_assign_congestion_control(tcp_sock* tp) {
  const tcp_congestion_ops* chosen = tcp_ca_find(net_of(tp).sysctl.tcp_congestion_control);
  tp->icsk_ca_ops = chosen ? chosen : kAlgorithms[0];
  tcp_ecn_assign(tp);
}

void tcp_init_congestion_control(tcp_sock* tp) {
  tcp_cleanup_congestion_control(tp);  // what the handshake's ACK has told an algorithm is forgotten
  tp->prior_ssthresh = 0;
  tp->icsk_ca_initialized = true;
  tcp_ecn_assign(tp);
  if (!tp->icsk_ca_ops->init_early) return;
  const tcp_congestion_ops* instead = Call(tp).view.instead;
  if (instead) take_over(tp, instead);
}

void tcp_cleanup_congestion_control(tcp_sock* tp) {
  if (tp->icsk_ca_priv) tp->tcp().ca_priv_slab().free(tp->icsk_ca_priv);
  tp->icsk_ca_priv = nullptr;
  tp->icsk_ca_initialized = false;
}

Result<void> tcp_set_congestion_control(tcp_sock* tp, std::string_view name) {
  const tcp_congestion_ops* ops = tcp_ca_find(name);
  if (!ops) return Err(ENOENT);
  tp->icsk_ca_setsockopt = true;
  if (ops == tp->icsk_ca_ops) return {};
  tcp_cleanup_congestion_control(tp);
  tp->icsk_ca_ops = ops;
  tcp_ecn_assign(tp);
  if (!in_state(tp, tcp_state::bit(tcp_state::CLOSE) | tcp_state::bit(tcp_state::LISTEN)))
    tcp_init_congestion_control(tp);
  return {};
}

size_t tcp_get_cc_info(tcp_sock* tp, tcp_cc_info& info) {
  if (!tp->icsk_ca_ops->get_info) return 0;
  Call call(tp);
  return tp->icsk_ca_ops->get_info(call, info);
}

uint32_t tcp_ca_ssthresh(tcp_sock* tp) {
  Call call(tp);
  return tp->icsk_ca_ops->ssthresh(call);
}

uint32_t tcp_ca_undo_cwnd(tcp_sock* tp) {
  Call call(tp);
  return tp->icsk_ca_ops->undo_cwnd(call);
}

void tcp_set_ca_state(tcp_sock* tp, CaState state) {
  if (tp->icsk_ca_ops->set_state) {
    Call call(tp);
    tp->icsk_ca_ops->set_state(call, state);
  }
  tp->icsk_ca_state = state;
}

void tcp_ca_event(tcp_sock* tp, CaEvent event) {
  if (!tp->icsk_ca_ops->cwnd_event) return;
  EceUpdate ece;
  {
    Call call(tp);
    tp->icsk_ca_ops->cwnd_event(call, event);
    ece = call.view.ece;
  }
  if (ece.valid) tcp_ecn_update_ece(tp, ece);
}

void tcp_ca_in_ack_event(tcp_sock* tp, uint32_t flags) {
  if (!tp->icsk_ca_ops->in_ack_event) return;
  Call call(tp);
  tp->icsk_ca_ops->in_ack_event(call, flags);
}

void tcp_ca_pkts_acked(tcp_sock* tp, const ack_sample& sample) {
  if (!tp->icsk_ca_ops->pkts_acked) return;
  Call call(tp);
  tp->icsk_ca_ops->pkts_acked(call, sample);
}

void tcp_ca_cong_control(tcp_sock* tp, const rate_sample& rs) {
  Call call(tp);
  tp->icsk_ca_ops->cong_control(call, rs);
}

uint32_t tcp_ca_sndbuf_expand(tcp_sock* tp) {
  if (!tp->icsk_ca_ops->sndbuf_expand) return 2;
  Call call(tp);
  return tp->icsk_ca_ops->sndbuf_expand(call);
}

uint32_t tcp_ca_min_tso_segs(tcp_sock* tp) {
  if (!tp->icsk_ca_ops->min_tso_segs) return static_cast<uint32_t>(net_of(tp).sysctl.tcp_min_tso_segs);
  Call call(tp);
  return tp->icsk_ca_ops->min_tso_segs(call);
}

void tcp_cong_avoid(tcp_sock* tp, uint32_t acked) {
  Call call(tp);
  tp->icsk_ca_ops->cong_avoid(call, acked);
  tp->snd_cwnd_stamp = now_of(tp);
}

}  // namespace glass
