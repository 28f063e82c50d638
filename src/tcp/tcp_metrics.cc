#include "tcp/tcp_metrics.h"

#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

size_t TcpMetrics::Hash::operator()(const Key& k) const {
  return hash_mix(hash_mix(k.saddr.low(), k.saddr.high()) ^ k.daddr.low(), k.daddr.high());
}

tcp_metrics_block* TcpMetrics::find(const IpAddress& saddr, const IpAddress& daddr) {
  const auto found = index_.find({saddr, daddr});
  return found == index_.end() ? nullptr : &found->second->block;
}

tcp_metrics_block& TcpMetrics::get(const IpAddress& saddr, const IpAddress& daddr) {
  if (tcp_metrics_block* known = find(saddr, daddr)) return *known;
  if (index_.size() >= kMost) {
    index_.erase(entries_.front().key);
    entries_.pop_front();
  }
  entries_.push_back({{saddr, daddr}, {}});
  index_[entries_.back().key] = std::prev(entries_.end());
  return entries_.back().block;
}

void TcpMetrics::flush() {
  index_.clear();
  entries_.clear();
}

namespace {

tcp_metrics_block* find_metrics(const tcp_sock* tp) {
  return tp->tcp().metrics().find(tp->skc_rcv_saddr, tp->skc_daddr);
}

// A larger sample counts at once, a smaller one by an eighth: too long a memory does less harm than too short a one.
void save_rtt(const tcp_sock* tp, tcp_metrics_block& m) {
  int64_t diff = int64_t{m.rtt_us} - tp->srtt_us;
  m.rtt_us = diff <= 0 ? tp->srtt_us : static_cast<uint32_t>(m.rtt_us - (diff >> 3));
  if (diff < 0) diff = -diff;
  const auto deviation = static_cast<uint32_t>(std::max<int64_t>(diff >> 1, tp->mdev_us));
  m.rttvar_us = deviation >= m.rttvar_us ? deviation : m.rttvar_us - ((m.rttvar_us - deviation) >> 2);
}

void save_windows(const tcp_sock* tp, tcp_metrics_block& m) {
  const Sysctl& s = net_of(tp).sysctl;
  const bool save_ssthresh = !s.tcp_no_ssthresh_metrics_save;
  if (tp->snd_ssthresh >= TCP_INFINITE_SSTHRESH) {  // still in the first slow start
    if (save_ssthresh && m.ssthresh && tp->snd_cwnd >> 1 > m.ssthresh) m.ssthresh = tp->snd_cwnd >> 1;
    m.cwnd = std::max(m.cwnd, tp->snd_cwnd);
  } else if (!tcp_in_slow_start(tp) && tp->icsk_ca_state == CaState::Open) {
    if (save_ssthresh) m.ssthresh = std::max(tp->snd_cwnd >> 1, tp->snd_ssthresh);
    m.cwnd = (m.cwnd + tp->snd_cwnd) >> 1;
  } else {  // the window says nothing
    m.cwnd = (m.cwnd + tp->snd_ssthresh) >> 1;
    if (save_ssthresh && m.ssthresh && tp->snd_ssthresh > m.ssthresh) m.ssthresh = tp->snd_ssthresh;
    if (m.reordering < tp->reordering && tp->reordering != s.tcp_reordering) m.reordering = tp->reordering;
  }
}

}  // namespace

void tcp_update_metrics(const tcp_sock* tp) {
  if (net_of(tp).sysctl.tcp_no_metrics_save || !tp->sk_dst_cache) return;
  if (tp->icsk_backoff || !tp->srtt_us) {  // it never learned the path's time
    if (tcp_metrics_block* m = find_metrics(tp)) m->rtt_us = 0;
    return;
  }
  tcp_metrics_block& m = tp->tcp().metrics().get(tp->skc_rcv_saddr, tp->skc_daddr);
  save_rtt(tp, m);
  save_windows(tp, m);
}

// The handshake's segments are small, so a longer time known of the path decides the first RTO. Without any sample it
// is three seconds (RFC 6298 section 5.7).
void tcp_init_metrics(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
  uint32_t known_rtt = 0;
  if (const tcp_metrics_block* m = find_metrics(tp)) {
    if (!s.tcp_no_ssthresh_metrics_save && m->ssthresh) tp->snd_ssthresh = m->ssthresh;
    if (m->reordering) tp->reordering = m->reordering;
    known_rtt = m->rtt_us;
  }
  if (known_rtt > tp->srtt_us) {
    const uint32_t rtt = known_rtt >> 3;
    tp->icsk_rto_us = rtt + std::max(2 * rtt, tcp_rto_min_us(tp));
  } else if (!tp->srtt_us) {
    tp->rttvar_us = tp->mdev_us = tp->mdev_max_us = tp->icsk_rto_us = TCP_TIMEOUT_FALLBACK_US;
  }
}

bool tcp_peer_is_proven(Tcp& tcp, const request_sock& req) {
  const tcp_metrics_block* m = tcp.metrics().find(req.skc_rcv_saddr, req.skc_daddr);
  return m && m->rtt_us;
}

void tcp_fastopen_cache_get(const tcp_sock* tp, uint16_t& mss, tcp_fastopen_cookie& cookie) {
  const tcp_metrics_block* m = find_metrics(tp);
  if (!m) return;
  if (m->fastopen.mss) mss = m->fastopen.mss;
  cookie = m->fastopen.cookie;
  if (cookie.len <= 0 && m->fastopen.try_exp == 1) cookie.exp = true;
}

void tcp_fastopen_cache_set(const tcp_sock* tp, uint16_t mss, const tcp_fastopen_cookie& cookie, bool syn_lost,
                            uint8_t try_exp) {
  if (!tp->sk_dst_cache) return;
  tcp_fastopen_metrics& f = tp->tcp().metrics().get(tp->skc_rcv_saddr, tp->skc_daddr).fastopen;
  if (mss) f.mss = mss;
  if (cookie.len > 0)
    f.cookie = cookie;
  else if (try_exp > f.try_exp && f.cookie.len <= 0 && !f.cookie.exp)
    f.try_exp = try_exp;
  if (syn_lost) {
    ++f.syn_loss;
    f.last_syn_loss = now_of(tp);
  } else {
    f.syn_loss = 0;
  }
}

}  // namespace glass
