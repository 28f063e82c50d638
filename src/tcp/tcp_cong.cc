#include "tcp/tcp_cong.h"

#include <algorithm>
#include <cstring>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr const tcp_congestion_ops* kAlgorithms[] = {&tcp_cubic, &tcp_reno, &tcp_dctcp, &tcp_bbr};

// Private state is made when it is first needed: a connection that never had data has none.
[[gnu::noinline]] void make_priv(tcp_sock* tp, CongestionView& view) {
  const size_t size = tp->icsk_ca_ops->priv_size;
  tp->icsk_ca_priv = tp->tcp().ca_priv_slab(size).alloc();
  std::memset(tp->icsk_ca_priv, 0, size);
  if (tp->icsk_ca_ops->init) tp->icsk_ca_ops->init(view);
}

CongestionView view_of(tcp_sock* tp) {
  CongestionView view{.vars = tp,
                      .now = now_of(tp),
                      .min_rtt_us = tcp_min_rtt(tp),
                      .gso_max_size = tcp_gso_max_size(tp),
                      .sk_max_pacing_rate = tp->set->sk_max_pacing_rate,
                      .ecn_ok = (tp->ecn_flags & TCP_ECN_OK) != 0,
                      .rng = &net_of(tp).rng,
                      .trace = &net_of(tp).trace};
  if (!tp->icsk_ca_priv && tp->icsk_ca_ops->priv_size) [[unlikely]]
    make_priv(tp, view);
  return view;
}

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
  const tcp_congestion_ops* instead = view_of(tp).instead;
  if (instead) take_over(tp, instead);
}

void tcp_cleanup_congestion_control(tcp_sock* tp) {
  if (tp->icsk_ca_priv) tp->tcp().ca_priv_slab(tp->icsk_ca_ops->priv_size).free(tp->icsk_ca_priv);
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
  CongestionView view = view_of(tp);
  return tp->icsk_ca_ops->get_info(view, info);
}

uint32_t tcp_ca_ssthresh(tcp_sock* tp) {
  CongestionView view = view_of(tp);
  return tp->icsk_ca_ops->ssthresh(view);
}

uint32_t tcp_ca_undo_cwnd(tcp_sock* tp) {
  CongestionView view = view_of(tp);
  return tp->icsk_ca_ops->undo_cwnd(view);
}

void tcp_set_ca_state(tcp_sock* tp, CaState state) {
  if (tp->icsk_ca_ops->set_state) {
    CongestionView view = view_of(tp);
    tp->icsk_ca_ops->set_state(view, state);
  }
  tp->icsk_ca_state = state;
}

void tcp_ca_event(tcp_sock* tp, CaEvent event) {
  if (!tp->icsk_ca_ops->cwnd_event) return;
  CongestionView view = view_of(tp);
  tp->icsk_ca_ops->cwnd_event(view, event);
  if (view.ece.valid) tcp_ecn_update_ece(tp, view.ece);
}

void tcp_ca_in_ack_event(tcp_sock* tp, uint32_t flags) {
  if (!tp->icsk_ca_ops->in_ack_event) return;
  CongestionView view = view_of(tp);
  tp->icsk_ca_ops->in_ack_event(view, flags);
}

void tcp_ca_pkts_acked(tcp_sock* tp, const ack_sample& sample) {
  if (!tp->icsk_ca_ops->pkts_acked) return;
  CongestionView view = view_of(tp);
  tp->icsk_ca_ops->pkts_acked(view, sample);
}

void tcp_ca_cong_control(tcp_sock* tp, const rate_sample& rs) {
  CongestionView view = view_of(tp);
  tp->icsk_ca_ops->cong_control(view, rs);
}

uint32_t tcp_ca_sndbuf_expand(tcp_sock* tp) {
  if (!tp->icsk_ca_ops->sndbuf_expand) return 2;
  CongestionView view = view_of(tp);
  return tp->icsk_ca_ops->sndbuf_expand(view);
}

uint32_t tcp_ca_min_tso_segs(tcp_sock* tp) {
  if (!tp->icsk_ca_ops->min_tso_segs) return static_cast<uint32_t>(net_of(tp).sysctl.tcp_min_tso_segs);
  CongestionView view = view_of(tp);
  return tp->icsk_ca_ops->min_tso_segs(view);
}

void tcp_cong_avoid(tcp_sock* tp, uint32_t acked) {
  tp->snd_cwnd_stamp = now_of(tp);
  if (!tcp_is_cwnd_limited(tp)) return;  // a window that is not used must not grow (RFC 7661 section 4)
  CongestionView view = view_of(tp);
  tp->icsk_ca_ops->cong_avoid(view, acked);
}

}  // namespace glass
