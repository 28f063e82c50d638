#include "tcp/tcp.h"

#include <algorithm>

#include "net/sk_error_queue.h"
#include "net/sock_opt.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_metrics.h"

namespace glass {

using namespace tcp_state;

Tcp::Tcp(net& n, Ip& ip)
    : net_(n),
      ip_(ip),
      sock_slab_(sizeof(tcp_sock), 8, 64),
      request_slab_(sizeof(request_sock), 64, 64),
      timewait_slab_(sizeof(tcp_timewait_sock), 64, 64),
      ca_small_slab_(ICSK_CA_PRIV_SMALL, 8, 64),
      ca_slab_(ICSK_CA_PRIV_SIZE, 8, 64),
      hashinfo_(std::make_unique<inet_hashinfo>()),
      metrics_(std::make_unique<TcpMetrics>()) {
  for (uint32_t& slot : table_perturb_) slot = n.rng.next_u32();
  tsq_timer_.function = tcp_tsq_handler;
  tsq_timer_.tcp = this;
  ip_.inet_add_protocol(IPPROTO_TCP, {tcp_v4_rcv, tcp_v4_err, this});
}

// What is still in the tables belongs to nobody any more: listeners, orphans, TIME_WAIT and half-open entries.
Tcp::~Tcp() {
  net_.timers.del_timer(&tsq_timer_);
  std::vector<tcp_sock*> listeners;
  for (const auto& [port, of_port] : hashinfo_->lhash)
    listeners.insert(listeners.end(), of_port.begin(), of_port.end());
  for (tcp_sock* l : listeners) {
    tcp_listen_stop(l);
    tcp_destroy(l);
  }
  std::vector<sock_common*> left;
  for (sock_common* s : hashinfo_->ehash)
    for (; s; s = s->skc_next) left.push_back(s);
  for (sock_common* s : left) {
    if (s->skc_state == TIME_WAIT)
      tcp_timewait_kill(*this, static_cast<tcp_timewait_sock*>(s));
    else if (s->skc_state == NEW_SYN_RECV)
      reqsk_free(*this, static_cast<request_sock*>(s));
    else
      tcp_destroy(tcp_sk(static_cast<sock*>(s)));
  }
}

Result<sock*> Tcp::create(uint8_t family) {
  auto* tp = new (sock_slab_.alloc()) tcp_sock(net_, *this);
  ++sockets_allocated;
  tp->skc_family = family;
  tp->skc_protocol = IPPROTO_TCP;
  tp->skc_state = CLOSE;
  tp->skc_rcv_saddr = IpAddress::v4(0);
  tp->sk_rcvbuf = static_cast<int32_t>(net_.sysctl.tcp_rmem[1]);
  tp->sk_sndbuf = static_cast<int32_t>(net_.sysctl.tcp_wmem[1]);
  if (net_.sysctl.ip_no_pmtu_disc) tp->pmtudisc = IP_PMTUDISC_DONT;
  tcp_assign_congestion_control(tp);
  tp->reordering = static_cast<uint32_t>(net_.sysctl.tcp_reordering);
  tp->mdev_us = TCP_TIMEOUT_INIT_US;
  tcp_init_timers(tp);
  return tp;
}

// A connection that was given up leaves nothing to the next one on this socket but its options.
void tcp_reset_connection_state(tcp_sock* tp) {
  tp->srtt_us = tp->mdev_max_us = tp->rttvar_us = 0;
  tp->mdev_us = tp->icsk_rto_us = TCP_TIMEOUT_INIT_US;
  tp->icsk_backoff = tp->icsk_probes_out = 0;
  tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
  tp->snd_cwnd = TCP_INIT_CWND;
  tp->snd_cwnd_cnt = 0;
  tp->icsk_ca_state = CaState::Open;
  tp->is_cwnd_limited = false;
  tp->max_packets_out = tp->snd_cwnd_used = tp->delivered = 0;
  tp->max_window = tp->snd_wnd = 0;
  tp->pred_flags = 0;
  tp->retrans_stamp = {};
  tp->undo_marker = {};
  tp->icsk_ack = {};
  tp->icsk_ack.rcv_mss = TCP_MIN_MSS;
  tp->retrans_out = tp->sacked_out = tp->lost_out = 0;
  tp->rcv_rtt_est = {};
  tp->rcv_rtt_last_tsecr = 0;
  tp->compressed_ack = tp->dup_ack_counter = 0;
  const uint16_t user_mss = tp->rx_opt.user_mss;
  tp->rx_opt = {};
  tp->rx_opt.user_mss = user_mss;
  tp->total_retrans = tp->segs_in = tp->segs_out = tp->data_segs_in = tp->data_segs_out = 0;
  if (tcp_ext* ext = tp->ext.own()) {
    ext->dsack_dups = ext->rcv_ooopack = 0;
    ext->bytes_retrans = 0;
    ext->last_oow_ack_time = {};
    ext->ecn_received.reset();
  }
  tp->app_limited = ~0u;
  tp->rate_app_limited = true;
  tp->bytes_acked = tp->bytes_received = tp->bytes_sent = 0;
}

Result<void> Tcp::bind(sock* sk, const SocketAddress& local) {
  tcp_sock* tp = tcp_sk(sk);
  if (tp->skc_state != CLOSE || tcp_has_port(tp)) return Err(EINVAL);
  const IpAddress address = local.address.is_unspecified() ? IpAddress::v4(0) : local.address;
  if (!address.is_unspecified() && !tp->sk_freebind && !ip_.is_local(address)) return Err(EADDRNOTAVAIL);
  uint16_t port = local.port;
  if (!port) {
    Result<uint16_t> chosen = inet_csk_find_open_port(*this, tp, address);
    if (!chosen) return Err(chosen.error());
    port = *chosen;
  } else if (hashinfo_->bind_conflict(tp, address, port)) {
    return Err(EADDRINUSE);
  }
  tp->skc_rcv_saddr = address;
  hashinfo_->bind(tp, port);
  if (!address.is_unspecified()) tp->sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (local.port) tp->sk_userlocks |= SOCK_BINDPORT_LOCK;
  return {};
}

Result<size_t> Tcp::sendmsg(sock* sk, const MsgSend& msg) { return tcp_sendmsg(tcp_sk(sk), msg); }
Result<size_t> Tcp::recvmsg(sock* sk, MsgRecv& msg) { return tcp_recvmsg(tcp_sk(sk), msg); }

}  // namespace glass
