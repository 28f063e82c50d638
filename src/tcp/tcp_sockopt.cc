// setsockopt and getsockopt at level IPPROTO_TCP; the other levels are in net/sock_opt.h.
#include <algorithm>
#include <cstring>

#include "net/sk_error_queue.h"
#include "net/sock_opt.h"
#include "tcp/tcp_cc_info.h"
#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

Result<void> set_nodelay(tcp_sock* tp, bool on) {
  if (on) {
    tp->nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
    if (tp->skc_state == tcp_state::ESTABLISHED || tp->skc_state == tcp_state::CLOSE_WAIT) tcp_push_pending_frames(tp);
  } else {
    tp->nonagle &= static_cast<uint8_t>(~TCP_NAGLE_OFF);
  }
  return {};
}

Result<void> set_cork(tcp_sock* tp, bool on) {
  if (on) {
    tp->nonagle |= TCP_NAGLE_CORK;
    return {};
  }
  tp->nonagle &= static_cast<uint8_t>(~TCP_NAGLE_CORK);
  if (tp->nonagle & TCP_NAGLE_OFF) tp->nonagle |= TCP_NAGLE_PUSH;
  tcp_push_pending_frames(tp);
  return {};
}

Result<void> set_quickack(tcp_sock* tp, int value) {
  if (!value) {
    inet_csk_enter_pingpong_mode(tp);
    return {};
  }
  inet_csk_exit_pingpong_mode(tp);
  if (inet_csk_ack_scheduled(tp) &&
      (tp->skc_state == tcp_state::ESTABLISHED || tp->skc_state == tcp_state::CLOSE_WAIT)) {
    tp->icsk_ack.pending |= ICSK_ACK_PUSHED;
    tcp_cleanup_rbuf(tp, 1);
    if (!(value & 1)) inet_csk_enter_pingpong_mode(tp);
  }
  return {};
}

// A number that must lie in [low, high].
template <class Field>
Result<void> set_between(Field& field, int value, int low, int high) {
  if (value < low || value > high) return Err(EINVAL);
  field = static_cast<Field>(value);
  return {};
}

// TCP_DEFER_ACCEPT is kept as the number of SYN-ACKs whose time-outs, doubling from one second, last that long.
int next_synack_timeout(int seconds) { return std::min(seconds * 2, 120); }

uint8_t secs_to_retrans(int seconds) {
  uint8_t count = seconds > 0 ? 1 : 0;
  for (int total = 1, step = 1; total < seconds && count < 255; ++count) {
    step = next_synack_timeout(step);
    total += step;
  }
  return count;
}

int retrans_to_secs(uint8_t count) {
  int total = 0;
  for (int step = 1; count; --count, step = next_synack_timeout(step)) total += step;
  return total;
}

Result<void> set_keepidle(tcp_sock* tp, int value) {
  if (Result<void> ok = set_between(tp->set.make().keepalive_time, value, 1, 32767); !ok) return ok;
  if (sock_flag(tp, SOCK_KEEPOPEN) && tp->skc_state != tcp_state::CLOSE && tp->skc_state != tcp_state::LISTEN)
    tcp_set_keepalive(tp, true);
  return {};
}

Result<void> set_window_clamp(tcp_sock* tp, int value) {
  if (value) {
    tcp_set_window_clamp(tp, static_cast<uint32_t>(std::max(value, 0)));
    return {};
  }
  if (tp->skc_state != tcp_state::CLOSE) return Err(EINVAL);
  tp->window_clamp = 0;
  return {};
}

Result<void> set_linger2(tcp_sock* tp, int value) {
  tp->set.make().linger2 = value < 0 ? -1 : std::min(value, 120);
  return {};
}

bool begun(const tcp_sock* tp) {
  return !in_state(tp, tcp_state::bit(tcp_state::CLOSE) | tcp_state::bit(tcp_state::LISTEN));
}

Result<void> set_fastopen(tcp_sock* tp, int value) {
  if (value < 0 || begun(tp)) return Err(EINVAL);
  fastopen_queue_tune(tp, value);
  return {};
}

Result<void> set_fastopen_connect(tcp_sock* tp, int value) {
  if (value < 0 || value > 1) return Err(EINVAL);
  if (!(net_of(tp).sysctl.tcp_fastopen & TFO_CLIENT_ENABLE)) return Err(EOPNOTSUPP);
  if (tp->skc_state != tcp_state::CLOSE) return Err(EINVAL);
  tp->fastopen_connect = value;
  return {};
}

Result<void> set_fastopen_no_cookie(tcp_sock* tp, int value) {
  if (value < 0 || value > 1 || begun(tp)) return Err(EINVAL);
  tp->fastopen_no_cookie = value;
  return {};
}

Result<void> set_tcp_option(tcp_sock* tp, int name, int value) {
  switch (name) {
    case TCP_FASTOPEN: return set_fastopen(tp, value);
    case TCP_FASTOPEN_CONNECT: return set_fastopen_connect(tp, value);
    case TCP_FASTOPEN_NO_COOKIE: return set_fastopen_no_cookie(tp, value);
    case TCP_SAVE_SYN: return set_between(tp->save_syn, value, 0, 2);
    case TCP_NODELAY: return set_nodelay(tp, value != 0);
    case TCP_CORK: return set_cork(tp, value != 0);
    case TCP_QUICKACK: return set_quickack(tp, value);
    case TCP_MAXSEG:
      return value == 0 ? (tp->rx_opt.user_mss = 0, Result<void>{})
                        : set_between(tp->rx_opt.user_mss, value, TCP_MIN_MSS, 32767);
    case TCP_KEEPIDLE: return set_keepidle(tp, value);
    case TCP_KEEPINTVL: return set_between(tp->set.make().keepalive_intvl, value, 1, 32767);
    case TCP_KEEPCNT: return set_between(tp->set.make().keepalive_probes, value, 1, 127);
    case TCP_SYNCNT: return set_between(tp->icsk_syn_retries, value, 1, 127);
    case TCP_LINGER2: return set_linger2(tp, value);
    case TCP_DEFER_ACCEPT: tp->defer_accept = secs_to_retrans(value); return {};
    case TCP_WINDOW_CLAMP: return set_window_clamp(tp, value);
    case TCP_INQ: return set_between(tp->recvmsg_inq, value, 0, 1);
    case TCP_NOTSENT_LOWAT:
      tp->set.make().notsent_lowat = static_cast<uint32_t>(value);
      sk_stream_write_space(tp);
      return {};
    case TCP_USER_TIMEOUT:
      return value < 0 ? Err(EINVAL)
                       : (tp->set.make().icsk_user_timeout_ms = static_cast<uint32_t>(value), Result<void>{});
    case TCP_RTO_MIN_US: return set_between(tp->set.make().icsk_rto_min_us, value, 1, 200'000);
    case TCP_RTO_MAX_MS: return set_between(tp->set.make().icsk_rto_max_ms, value, 1'000, 120'000);
    case TCP_THIN_LINEAR_TIMEOUTS: return set_between(tp->set.make().thin_lto, value, 0, 1);
    case TCP_THIN_DUPACK: return value < 0 || value > 1 ? Err(EINVAL) : Result<void>{};  // known, without effect
    default: return Err(ENOPROTOOPT);
  }
}

// Keys of stamps count bytes from here on.
Result<void> set_timestamping(tcp_sock* tp, std::span<const uint8_t> value) {
  const uint32_t before_it = sk_tsflags(tp);
  const auto flags = static_cast<uint32_t>(sockopt_int(value).value_or(0));
  const bool new_keys = (flags & ~before_it) & SOF_TIMESTAMPING_OPT_ID;
  if (new_keys && in_state(tp, tcp_state::bit(tcp_state::CLOSE) | tcp_state::bit(tcp_state::LISTEN)))
    return Err(EINVAL);
  const Result<bool> set = sock_setsockopt(tp, SO_TIMESTAMPING, value);
  if (!set) return Err(set.error());
  if (new_keys) tp->sk_ext->sk_tskey = (flags & SOF_TIMESTAMPING_OPT_ID_TCP ? tp->write_seq : tp->snd_una).v;
  return {};
}

Result<void> set_mtu_discover(tcp_sock* tp, std::span<const uint8_t> value) {
  const std::optional<int> n = ip_sockopt_int(value);
  if (!n) return Err(EINVAL);
  return set_between(tp->pmtudisc, *n, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT);
}

Result<void> set_congestion(tcp_sock* tp, std::span<const uint8_t> value) {
  if (value.empty()) return Err(EINVAL);
  std::string_view name(reinterpret_cast<const char*>(value.data()), std::min(value.size(), TCP_CA_NAME_MAX - 1));
  name = name.substr(0, name.find('\0'));
  return tcp_set_congestion_control(tp, name);
}

Result<int> get_tcp_option(const tcp_sock* tp, int name) {
  const Sysctl& s = net_of(tp).sysctl;
  switch (name) {
    case TCP_FASTOPEN:
      return tp->ext->icsk_accept_queue ? static_cast<int>(tp->ext->icsk_accept_queue->fastopenq.max_qlen) : 0;
    case TCP_FASTOPEN_CONNECT: return tp->fastopen_connect;
    case TCP_FASTOPEN_NO_COOKIE: return tp->fastopen_no_cookie;
    case TCP_SAVE_SYN: return tp->save_syn;
    case TCP_NODELAY: return tp->nonagle & TCP_NAGLE_OFF ? 1 : 0;
    case TCP_CORK: return tp->nonagle & TCP_NAGLE_CORK ? 1 : 0;
    case TCP_QUICKACK: return !inet_csk_in_pingpong_mode(tp);
    case TCP_MAXSEG: return tp->rx_opt.user_mss && !begun(tp) ? tp->rx_opt.user_mss : tp->mss_cache;
    case TCP_KEEPIDLE:
      return tp->set->keepalive_time ? tp->set->keepalive_time : static_cast<int>(s.tcp_keepalive_time);
    case TCP_KEEPINTVL:
      return tp->set->keepalive_intvl ? tp->set->keepalive_intvl : static_cast<int>(s.tcp_keepalive_intvl);
    case TCP_KEEPCNT:
      return tp->set->keepalive_probes ? tp->set->keepalive_probes : static_cast<int>(s.tcp_keepalive_probes);
    case TCP_SYNCNT: return tp->icsk_syn_retries ? tp->icsk_syn_retries : static_cast<int>(s.tcp_syn_retries);
    case TCP_LINGER2: return tp->set->linger2 ? tp->set->linger2 : static_cast<int>(s.tcp_fin_timeout);
    case TCP_DEFER_ACCEPT: return retrans_to_secs(tp->defer_accept);
    case TCP_WINDOW_CLAMP: return static_cast<int>(tp->window_clamp);
    case TCP_INQ: return tp->recvmsg_inq;
    case TCP_USER_TIMEOUT: return static_cast<int>(tp->set->icsk_user_timeout_ms);
    case TCP_NOTSENT_LOWAT: return static_cast<int>(tp->set->notsent_lowat);
    case TCP_RTO_MIN_US: return static_cast<int>(tcp_rto_min_us(tp));
    case TCP_RTO_MAX_MS: return static_cast<int>(tcp_rto_max_us(tp) / 1000);
    case TCP_THIN_LINEAR_TIMEOUTS: return tp->set->thin_lto;
    case TCP_THIN_DUPACK: return 0;
    default: return Err(ENOPROTOOPT);
  }
}

size_t put_bytes(std::span<uint8_t> to, const void* from, size_t n) {
  n = std::min(n, to.size());
  std::memcpy(to.data(), from, n);
  return n;
}

// The peer's SYN can be read once, and whole.
Result<size_t> take_saved_syn(tcp_sock* tp, std::span<uint8_t> to) {
  if (!tp->ext->saved_syn) return size_t{0};
  if (to.size() < tp->ext->saved_syn->size()) return Err(EINVAL);
  const size_t n = put_bytes(to, tp->ext->saved_syn->data(), tp->ext->saved_syn->size());
  tp->ext.make().saved_syn.reset();
  return n;
}

}  // namespace

namespace {

// A 32-bit value of all ones means "no limit" as much as a 64-bit one does.
Result<void> set_max_pacing_rate(tcp_sock* tp, std::span<const uint8_t> value) {
  uint64_t rate = 0;
  if (value.size() >= sizeof rate) {
    std::memcpy(&rate, value.data(), sizeof rate);
  } else {
    const std::optional<int> n = sockopt_int(value);
    if (!n) return Err(EINVAL);
    rate = static_cast<uint32_t>(*n) == ~0u ? ~0ull : static_cast<uint32_t>(*n);
  }
  if (rate != ~0ull) tp->sk_pacing_needed = true;
  tp->set.make().sk_max_pacing_rate = rate;
  tp->sk_pacing_rate = std::min(tp->sk_pacing_rate, rate);
  return {};
}

size_t get_max_pacing_rate(const tcp_sock* tp, std::span<uint8_t> value) {
  const uint64_t rate = tp->set->sk_max_pacing_rate;
  if (value.size() >= sizeof rate) return put_bytes(value, &rate, sizeof rate);
  return sockopt_put_int(value, static_cast<int>(static_cast<uint32_t>(std::min<uint64_t>(rate, ~0u))));
}

}  // namespace

Result<void> Tcp::setsockopt(sock* sk, int level, int name, std::span<const uint8_t> value) {
  tcp_sock* tp = tcp_sk(sk);
  if (level == SOL_SOCKET && name == SO_KEEPALIVE) {
    const std::optional<int> on = sockopt_int(value);
    if (!on) return Err(EINVAL);
    tcp_set_keepalive(tp, *on != 0);
    return {};
  }
  if (level == SOL_SOCKET && name == SO_TIMESTAMPING) return set_timestamping(tp, value);
  if (level == IPPROTO_IP && name == IP_MTU_DISCOVER) return set_mtu_discover(tp, value);
  if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE) return set_max_pacing_rate(tp, value);
  if (level == SOL_SOCKET && name == SO_RCVLOWAT) {
    const std::optional<int> bytes = sockopt_int(value);
    if (!bytes) return Err(EINVAL);
    tcp_set_rcvlowat(tp, *bytes);
    return {};
  }
  if (level == SOL_SOCKET || level == IPPROTO_IP) {
    Result<bool> known = level == SOL_SOCKET ? sock_setsockopt(sk, name, value) : ip_setsockopt(sk, name, value);
    if (!known) return Err(known.error());
    return *known ? Result<void>{} : Err(ENOPROTOOPT);
  }
  if (level != IPPROTO_TCP) return Err(ENOPROTOOPT);
  if (name == TCP_CONGESTION) return set_congestion(tp, value);
  if (name == TCP_FASTOPEN_KEY) return begun(tp) ? Err(EINVAL) : tcp_fastopen_reset_cipher(tp, value);
  if (name == TCP_MD5SIG || name == TCP_MD5SIG_EXT) return tcp_v4_parse_md5_keys(tp, name, value);
  const std::optional<int> number = sockopt_int(value);
  if (!number) return Err(EINVAL);
  return set_tcp_option(tp, name, *number);
}

Result<size_t> Tcp::getsockopt(sock* sk, int level, int name, std::span<uint8_t> value) {
  tcp_sock* tp = tcp_sk(sk);
  if (level == IPPROTO_IP && name == IP_MTU_DISCOVER) return sockopt_put_int(value, tp->pmtudisc);
  if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE) return get_max_pacing_rate(tp, value);
  if (level == SOL_SOCKET || level == IPPROTO_IP) {
    Result<size_t> n = level == SOL_SOCKET ? sock_getsockopt(sk, name, value) : ip_getsockopt(sk, name, value);
    if (!n) return n;
    return *n ? n : Err(ENOPROTOOPT);
  }
  if (level != IPPROTO_TCP) return Err(ENOPROTOOPT);
  if (name == TCP_INFO) {
    tcp_info info{};
    tcp_fill_info(tp, info);
    return put_bytes(value, &info, sizeof info);
  }
  if (name == TCP_CONGESTION) {
    char ca[TCP_CA_NAME_MAX]{};
    tp->icsk_ca_ops->name.copy(ca, sizeof ca - 1);
    return put_bytes(value, ca, sizeof ca);
  }
  if (name == TCP_CC_INFO) {
    tcp_cc_info info{};
    const size_t size = tcp_get_cc_info(tp, info);
    return put_bytes(value, &info, size);
  }
  if (name == TCP_FASTOPEN_KEY) return tcp_fastopen_get_cipher(tp, value);
  if (name == TCP_SAVED_SYN) return take_saved_syn(tp, value);
  Result<int> number = get_tcp_option(tp, name);
  if (!number) return Err(number.error());
  return sockopt_put_int(value, *number);
}

}  // namespace glass
