// Opening a connection (RFC 9293 section 3.10.1): connect(), the SYN with or without data, and the numbers it begins
// with.
#include <algorithm>
#include <cstring>

#include "base/siphash.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_metrics.h"
#include "tcp/tcp_mtu_probe.h"
#include "tcp/tcp_zerocopy.h"

namespace glass {

namespace {
struct TupleBytes {
  std::array<uint8_t, 16> local, remote;
  uint16_t lport, rport;
  uint32_t purpose;
};
}  // namespace

// RFC 6528: a clock of 64 ns ticks plus a keyed hash of the address pair.
Seq secure_tcp_seq(const net& n, const sock_common& s) {
  const TupleBytes t{s.skc_rcv_saddr.bytes, s.skc_daddr.bytes, s.skc_num, s.skc_dport, 1};
  const auto hash = static_cast<uint32_t>(siphash(n.secret, &t, sizeof t));
  return {hash + static_cast<uint32_t>(n.now.time_since_epoch().count() >> 6)};
}

uint32_t secure_tcp_ts_off(const net& n, const IpAddress& saddr, const IpAddress& daddr) {
  if (n.sysctl.tcp_timestamps != 1) return 0;
  const TupleBytes t{saddr.bytes, daddr.bytes, 0, 0, 2};
  return static_cast<uint32_t>(siphash(n.secret, &t, sizeof t));
}

// RFC 6056 section 3.3.4: where the search for a port begins. The low bits choose a slot of the second table.
uint64_t secure_ipv4_port_ephemeral(const net& n, const sock_common& s) {
  const TupleBytes t{s.skc_rcv_saddr.bytes, s.skc_daddr.bytes, 0, s.skc_dport, 3};
  return siphash(n.secret, &t, sizeof t);
}

namespace {

void connect_init_window(tcp_sock* tp) {
  const int full_space = tcp_full_space(tp);
  if ((tp->sk_userlocks & SOCK_RCVBUF_LOCK) &&
      (tp->window_clamp > static_cast<uint32_t>(full_space) || !tp->window_clamp))
    tp->window_clamp = static_cast<uint32_t>(full_space);
  const uint32_t mss =
      tp->advmss - (tp->rx_opt.ts_recent_stamp ? tp->tcp_header_len - static_cast<uint32_t>(sizeof(tcphdr)) : 0);
  tcp_select_initial_window(net_of(tp), full_space, mss, tp->rcv_wnd, tp->window_clamp,
                            net_of(tp).sysctl.tcp_window_scaling != 0, tp->rx_opt.rcv_wscale);
  tp->rcv_ssthresh = tp->rcv_wnd;
}

void tcp_connect_init(tcp_sock* tp, const dst_entry* dst) {
  const bool signs = tcp_md5_do_lookup(tp, tp->skc_daddr), stamps = net_of(tp).sysctl.tcp_timestamps != 0;
  tp->tcp_header_len = static_cast<uint16_t>(sizeof(tcphdr) + (stamps ? TCPOLEN_TSTAMP_ALIGNED : 0) +
                                             (signs ? TCPOLEN_MD5SIG_ALIGNED : 0));
  if (tp->rx_opt.user_mss) tp->rx_opt.mss_clamp = tp->rx_opt.user_mss;
  tp->max_window = 0;
  tcp_mtup_init(tp);
  tcp_sync_mss(tp, dst->mtu);
  tp->advmss = static_cast<uint16_t>(tcp_mss_clamp(tp, dst_metric_advmss(net_of(tp), dst)));
  tcp_initialize_rcv_mss(tp);
  connect_init_window(tp);
  tp->sk_err = 0;
  tp->sk_flags &= static_cast<uint8_t>(~SOCK_DONE);
  tp->snd_wnd = 0;
  tp->snd_wl1 = {};
  tp->snd_una = tp->snd_sml = tp->snd_nxt = tp->snd_up = tp->pushed_seq = tp->write_seq;
  tp->rcv_nxt = tp->rcv_wup = tp->copied_seq = {};
  tp->icsk_rto_us = TCP_TIMEOUT_INIT_US;
  tp->icsk_retransmits = 0;
}

Skb new_syn(tcp_sock* tp) {
  net& n = net_of(tp);
  Skb skb = alloc_skb(n.pool, n.trace, 0, 0);
  TcpCb cb{};
  cb.seq = tp->write_seq;
  cb.end_seq = cb.seq + 1;
  cb.tcp_flags = TCPHDR_SYN;
  cb.pcount = 1;
  TCP_SKB_CB(skb) = cb;
  skb->tstamp = n.now;
  return skb;
}

void tcp_connect_queue_skb(tcp_sock* tp, const Skb& skb) {
  sk_wmem_queued_add(tp, static_cast<int32_t>(skb->truesize));
  tp->write_seq = TCP_SKB_CB(skb).end_seq;
  ++tp->packets_out;
}

// The first `size` bytes of a message into one block behind the SYN. Less if the program's memory ends before.
uint32_t copy_syn_data(tcp_sock* tp, const Skb& skb, const MsgSend& msg, uint32_t size) {
  DataBlock* block = net_of(tp).pool.alloc_block(size);
  uint32_t done = 0;
  for (const auto& piece : msg.msg_iov) {
    const auto n = static_cast<uint32_t>(std::min<size_t>(size - done, piece.size()));
    if (!access_ok(piece.data(), n)) break;
    if (n) std::memcpy(block->data() + done, piece.data(), n);
    done += n;
  }
  block->used = done;
  skb_add_frag(skb, block, 0, done);
  skb->truesize += done;
  return done;
}

// RFC 7413 section 4.1.2: SYN and data as one packet. In the retransmit queue they stand apart, for the data is never
// repeated with the SYN. False: the SYN has to go alone.
bool tcp_send_syn_data(tcp_sock* tp, sk_buff* syn) {
  tcp_fastopen_request& fo = *tp->ext->fastopen_req;
  uint16_t mss = tp->advmss;
  const bool may = tcp_fastopen_cookie_check(tp, mss, fo.cookie);
  tp->rx_opt.mss_clamp = mss;
  if (!may) return false;
  // Room for all options is left, as middleboxes may add some.
  tp->rx_opt.mss_clamp = static_cast<uint16_t>(tcp_mss_clamp(tp, mss));
  tcp_sync_mss(tp, tp->icsk_pmtu);
  const uint32_t header_options = tp->tcp_header_len - static_cast<uint32_t>(sizeof(tcphdr));
  const uint32_t most =
      tcp_mtu_to_mss(tp, tp->icsk_pmtu) + header_options - static_cast<uint32_t>(MAX_TCP_OPTION_SPACE);
  const auto space = static_cast<uint32_t>(std::min<size_t>(most, fo.size));
  Skb data = alloc_skb(net_of(tp).pool, net_of(tp).trace, 0, 0);
  TCP_SKB_CB(data) = TCP_SKB_CB(syn);
  if (space) {
    fo.copied = copy_syn_data(tp, data, *fo.data, space);
    if (!fo.copied) {
      consume_skb(std::move(data));
      return false;
    }
  }
  TCP_SKB_CB(data).end_seq += static_cast<uint32_t>(fo.copied);
  tcp_connect_queue_skb(tp, data);
  if (fo.zerocopy && fo.copied) tcp_zerocopy_appended(tp, data.get());
  const Result<void> sent = __tcp_transmit_skb(tp, *data);
  syn->tstamp = data->tstamp;
  TcpCb& cb = TCP_SKB_CB(data);
  ++cb.seq.v;
  cb.tcp_flags = TCPHDR_ACK | TCPHDR_PSH;
  if (!sent) {
    --tp->packets_out;
    tp->sk_write_queue.push_back(std::move(data));
    return false;
  }
  tp->syn_data = fo.copied > 0;
  tcp_rtx_queue_add(tp, std::move(data));
  count(tp, Mib::TcpExtTCPOrigDataSent);
  return true;
}

// The SYN leaves, with the application's first data if it may. Without, it asks for a cookie.
void send_syn(tcp_sock* tp, sk_buff* syn) {
  if (!tp->ext->fastopen_req) {
    (void)__tcp_transmit_skb(tp, *syn);  // a SYN that could not leave is repeated by the timer
    return;
  }
  if (!tcp_send_syn_data(tp, syn)) {
    if (tp->ext->fastopen_req->cookie.len > 0) tp->ext->fastopen_req->cookie.len = 0;
    if (!__tcp_transmit_skb(tp, *syn)) tp->syn_fastopen = false;
  }
  tp->ext->fastopen_req->cookie.len = -1;  // repeated SYNs have no option
}

}  // namespace

Result<void> tcp_connect_start(tcp_sock* tp) {
  PROBE(net_of(tp).trace);
  dst_entry* dst = tcp_route(tp);
  if (!dst) return Err(tp->sk_err_soft ? tp->sk_err_soft : EHOSTUNREACH);
  tcp_connect_init(tp, dst);
  tp->retrans_stamp = now_of(tp);
  Skb skb = new_syn(tp);
  tcp_ecn_send_syn(tp, TCP_SKB_CB(skb));
  tcp_connect_queue_skb(tp, skb);
  sk_buff* syn = skb.get();
  tcp_rtx_queue_add(tp, std::move(skb));
  send_syn(tp, syn);
  const sk_buff* unsent = tp->sk_write_queue.front();
  tp->snd_nxt = tp->pushed_seq = unsent ? TCP_SKB_CB(unsent).seq : tp->write_seq;
  count(tp, Mib::TcpActiveOpens);
  tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, std::chrono::microseconds(tp->icsk_rto_us));
  return {};
}

// Both sides opened at once: our SYN becomes a SYN-ACK.
void tcp_send_synack(tcp_sock* tp) {
  sk_buff* s = tp->tcp_rtx_queue.front();
  if (!s || !(TCP_SKB_CB(s).tcp_flags & TCPHDR_SYN)) return;
  if (!(TCP_SKB_CB(s).tcp_flags & TCPHDR_ACK)) {
    TCP_SKB_CB(s).tcp_flags |= TCPHDR_ACK;
    tcp_ecn_send_synack(tp, TCP_SKB_CB(s));
  }
  s->tstamp = now_of(tp);
  (void)__tcp_transmit_skb(tp, *s);
}

void tcp_init_transfer(tcp_sock* tp) {
  tcp_mtup_init(tp);
  (void)tcp_route(tp);
  tcp_init_metrics(tp);
  // RFC 6298 5.7 and RFC 5681 3.1: a handshake that had to be repeated starts with one segment, unless a timestamp has
  // shown that it was repeated for nothing.
  tp->snd_cwnd = tp->total_retrans > 1 && tp->undo_marker.v ? 1 : tcp_init_cwnd(tp);
  tp->snd_cwnd_stamp = now_of(tp);
  if (!tp->icsk_ca_initialized) tcp_init_congestion_control(tp);
  tcp_init_buffer_space(tp);
  tp->cwnd_usage_seq = tp->snd_nxt;
}

// The echo of the first SYN's timestamp: repeating it was not needed.
void tcp_try_undo_spurious_syn(tcp_sock* tp) {
  if (!tp->undo_marker.v || tp->retrans_stamp == Instant{} || !tp->rx_opt.saw_tstamp) return;
  if (msecs32(tp->retrans_stamp) == tp->rx_opt.rcv_tsecr) tp->undo_marker = {};
}

namespace {

Result<void> choose_source(Tcp& tcp, tcp_sock* tp) {
  Result<dst_entry*> dst = tcp.ip().route_output(tp->skc_daddr, tp->skc_rcv_saddr);
  if (!dst) return Err(dst.error());
  if ((*dst)->is_broadcast || (*dst)->is_multicast) return Err(ENETUNREACH);
  if (tp->skc_rcv_saddr.is_unspecified()) tp->skc_rcv_saddr = (*dst)->saddr;
  return {};
}

void forget_peer(tcp_sock* tp) {
  tp->skc_daddr = {};
  tp->skc_dport = 0;
}

Result<void> tcp_v4_connect(tcp_sock* tp, const SocketAddress& remote) {
  PROBE(net_of(tp).trace);
  Tcp& tcp = tp->tcp();
  const IpAddress bound = tp->skc_rcv_saddr;
  tp->skc_daddr = remote.address.is_unspecified() ? IpAddress::v4(127, 0, 0, 1) : remote.address;
  tp->skc_dport = remote.port;
  tp->rx_opt.ts_recent = 0;
  tp->rx_opt.ts_recent_stamp = 0;
  tp->rx_opt.mss_clamp = 536;
  tp->write_seq = {};
  uint32_t hash = 0;
  Result<void> source = choose_source(tcp, tp);
  Result<uint16_t> port = source ? inet_hash_connect(tcp, tp, hash) : Result<uint16_t>(Err(source.error()));
  if (!port) {
    forget_peer(tp);
    tp->skc_rcv_saddr = bound;
    return Err(port.error());
  }
  tp->skc_num = *port;
  tp->sk_userlocks &= static_cast<uint8_t>(~SOCK_PORT_RELEASED);
  tp->skc_hash = hash;
  tcp_set_state(tp, tcp_state::SYN_SENT);
  tcp.hashinfo().insert(tp);
  if (!tp->write_seq.v) tp->write_seq = secure_tcp_seq(tcp.ns(), *tp);  // unless TIME_WAIT has left one
  tp->inet_id = static_cast<uint16_t>(tcp.ns().rng.next_u32());
  tp->tsoffset = secure_tcp_ts_off(tcp.ns(), tp->skc_rcv_saddr, tp->skc_daddr);
  (void)tcp_route(tp);
  if (tcp_fastopen_defer_connect(tp)) return {};
  Result<void> started = tcp_connect_start(tp);
  if (!started) {
    tcp_set_state(tp, tcp_state::CLOSE);
    forget_peer(tp);
  }
  return started;
}

using tcp_state::bit;
constexpr uint32_t kConnecting = bit(tcp_state::SYN_SENT) | bit(tcp_state::SYN_RECV);

// A connection attempt of before: how far has it come?
Result<void> go_on_connecting(tcp_sock* tp, SocketState& state, bool is_sendmsg) {
  if (in_state(tp, kConnecting)) {
    if (tp->defer_connect) return Err(is_sendmsg ? EINPROGRESS : EISCONN);
    return Err(EALREADY);
  }
  if (tp->skc_state != tcp_state::CLOSE) {
    state = SocketState::connected;
    return {};
  }
  const int error = sock_error(tp);
  state = SocketState::unconnected;
  (void)tp->tcp().disconnect(tp);
  return Err(error ? error : ECONNABORTED);
}

}  // namespace

// connect(), or the connecting half of a sendmsg() with MSG_FASTOPEN. EINPROGRESS while it is under way.
Result<void> __inet_stream_connect(tcp_sock* tp, const SocketAddress* remote, bool is_sendmsg) {
  SocketState unowned = SocketState::unconnected;
  SocketState& state = tp->sk_socket ? tp->sk_socket->state : unowned;
  if (state == SocketState::connected) return Err(EISCONN);
  if (state == SocketState::disconnecting) return Err(EINVAL);
  if (state == SocketState::connecting) return go_on_connecting(tp, state, is_sendmsg);
  if (tp->skc_state != tcp_state::CLOSE) return Err(EISCONN);
  if (!remote) return Err(EINVAL);
  if (Result<void> begun = tcp_v4_connect(tp, *remote); !begun) return begun;
  state = SocketState::connecting;
  if (tp->defer_connect && !is_sendmsg) return {};
  return Err(EINPROGRESS);
}

Result<void> Tcp::connect(sock* sk, const SocketAddress& remote) {
  return __inet_stream_connect(tcp_sk(sk), &remote, false);
}

// sendmsg() that opens the connection. Bytes that went with the SYN; EINPROGRESS if none did, an error, or 0 when there
// is a connection already.
Result<size_t> tcp_sendmsg_fastopen(tcp_sock* tp, const MsgSend& msg) {
  PROBE(net_of(tp).trace);
  if (!(net_of(tp).sysctl.tcp_fastopen & TFO_CLIENT_ENABLE)) return Err(EOPNOTSUPP);
  if (tp->ext->fastopen_req) return Err(EALREADY);
  const size_t size = msg.size();
  const bool zerocopy = (msg.msg_flags & MSG_ZEROCOPY) && size && sock_flag(tp, SOCK_ZEROCOPY);
  if (zerocopy && !tcp_zerocopy_begin(tp, size)) return Err(ENOBUFS);
  tcp_ext& ext = tp->ext.make();
  ext.fastopen_req = std::make_unique<tcp_fastopen_request>();
  ext.fastopen_req->cookie.len = 0;
  ext.fastopen_req->data = &msg;
  ext.fastopen_req->size = size;
  ext.fastopen_req->zerocopy = zerocopy;
  if (tp->defer_connect) {
    if (Result<void> started = tcp_connect_start(tp); !started) {
      tcp_set_state(tp, tcp_state::CLOSE);
      tp->skc_dport = 0;
    }
  }
  const Result<void> connected = __inet_stream_connect(tp, msg.msg_name, true);
  size_t copied = 0;
  if (tp->ext->fastopen_req) {
    copied = tp->ext->fastopen_req->copied;
    tp->ext.make().fastopen_req.reset();
    tp->defer_connect = false;
  }
  if (zerocopy) tcp_zerocopy_end(tp, copied);
  if (connected) return size_t{0};
  if (connected.error() != EINPROGRESS) return Err(connected.error());
  tp->sk_write_pending = msg.msg_waits && copied < size;
  return copied ? Result<size_t>(copied) : Err(EINPROGRESS);
}

}  // namespace glass
