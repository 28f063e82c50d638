#include "net/sk_error_queue.h"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace glass {

namespace {

constexpr uint32_t kTsMask = (1u << 18) - 1;

Skb empty_skb(sock* sk) { return alloc_skb(sk->ns().pool, sk->ns().trace, 0, 0); }

constexpr uint32_t kReportTruesize = 832;  // of a packet without data in Linux

void sock_ofree(sk_buff* skb) {
  if (skb->sk->sk_ext) sock_omem_free(skb->sk);
}

void sock_rmem_free(sk_buff* skb) { skb->sk->sk_rmem_alloc -= static_cast<int32_t>(skb->truesize); }

void put_recverr(MsgRecv& msg, const SockExterrCb& cb) {
  struct {
    sock_extended_err ee;
    sockaddr_in offender;
  } both{};
  both.ee = cb.ee;
  if (cb.has_offender) {
    both.offender.sin_family = AF_INET;
    both.offender.sin_addr.s_addr = cb.offender;
  }
  put_cmsg_value(msg, IPPROTO_IP, IP_RECVERR, both);
}

// With ICMP errors queued, sk_err is that of the next one.
Skb sock_dequeue_err_skb(sock* sk) {
  Skb skb = sk->sk_ext->sk_error_queue.pop_front();
  if (!skb) return skb;
  const bool was_icmp = SKB_CB<SockExterrCb>(skb.get())->ee.ee_origin == SO_EE_ORIGIN_ICMP;
  const sk_buff* next = sk->sk_ext->sk_error_queue.front();
  const SockExterrCb* next_cb = next ? SKB_CB<SockExterrCb>(const_cast<sk_buff*>(next)) : nullptr;
  if (next_cb && next_cb->ee.ee_origin == SO_EE_ORIGIN_ICMP)
    sk->sk_err = static_cast<uint16_t>(next_cb->ee.ee_errno);
  else if (was_icmp)
    sk->sk_err = 0;
  if (next) sk_error_report(sk);
  return skb;
}

}  // namespace

void sock_ext_delete::operator()(sock_ext* x) const {
  x->sk_error_queue.purge(nullptr);
  delete x;
}

sock_ext& sock_ext_of(sock* sk) {
  if (!sk->sk_ext) sk->sk_ext.reset(new sock_ext);
  return *sk->sk_ext;
}

void sock_ext_inherit(sock* child, const sock* listener) {
  const sock_ext* from = listener->sk_ext.get();
  if (!from) [[likely]]
    return;
  sock_ext& to = sock_ext_of(child);
  to.sk_tsflags = from->sk_tsflags;
  to.sk_tskey = from->sk_tskey;
  to.sk_priority = from->sk_priority;
  to.sk_mark = from->sk_mark;
  to.recverr = from->recverr;
}

Result<void> sock_queue_err_skb(sock* sk, Skb skb, const SockExterrCb& cb) {
  PROBE(sk->ns().trace, skb);
  if (sk->sk_rmem_alloc + static_cast<int32_t>(skb->truesize) >= sk->sk_rcvbuf) {
    kfree_skb_reason(std::move(skb), DROP(SOCKET_RCVBUFF));
    return Err(ENOMEM);
  }
  *SKB_CB<SockExterrCb>(skb.get()) = cb;
  skb->sk = sk;
  skb->destructor = sock_rmem_free;
  sk->sk_rmem_alloc += static_cast<int32_t>(skb->truesize);
  sock_ext_of(sk).sk_error_queue.push_back(std::move(skb));
  if (!sock_flag(sk, SOCK_DEAD)) sk_error_report(sk);
  return {};
}

Result<size_t> sock_recv_errqueue(sock* sk, MsgRecv& msg) {
  PROBE(sk->ns().trace);
  if (!sk->sk_ext) return Err(EAGAIN);
  Skb skb = sock_dequeue_err_skb(sk);
  if (!skb) return Err(EAGAIN);
  const SockExterrCb cb = *SKB_CB<SockExterrCb>(skb.get());
  const size_t room = msg.size(), copied = std::min<size_t>(skb->len, room);
  if (skb->len > room) msg.out_flags |= MSG_TRUNC;
  if (copied) skb_copy_datagram_iter(*skb, 0, copied, msg, 0);
  if (cb.tstamp != Instant{} && (sk->sk_ext->sk_tsflags & SOF_TIMESTAMPING_SOFTWARE))
    put_scm_timestamping(msg, cb.tstamp);
  put_recverr(msg, cb);
  if (msg.msg_name && cb.port) *msg.msg_name = {IpAddress::v4_from_wire(cb.daddr), cb.port};
  msg.out_flags |= MSG_ERRQUEUE;
  consume_skb(std::move(skb));
  return copied;
}

void put_scm_timestamping(MsgRecv& msg, Instant at) {
  const auto since = at.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  struct {
    timespec software, unused, hardware;
  } stamps{};
  stamps.software.tv_sec = seconds.count();
  stamps.software.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count();
  put_cmsg_value(msg, SOL_SOCKET, SO_TIMESTAMPING, stamps);
}

void __skb_tstamp_tx(const sk_buff& sent, sock* sk, uint32_t key, uint32_t kind) {
  PROBE(sk->ns().trace);
  const uint32_t flags = sk_tsflags(sk);
  if (!flags) return;  // switched off meanwhile
  Skb skb = flags & SOF_TIMESTAMPING_OPT_TSONLY ? empty_skb(sk) : skb_clone(sent);
  SockExterrCb cb{};
  cb.ee.ee_errno = ENOMSG;
  cb.ee.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
  cb.ee.ee_info = kind;
  if (flags & SOF_TIMESTAMPING_OPT_ID) cb.ee.ee_data = key - sk->sk_ext->sk_tskey;
  cb.tstamp = sk->ns().now;
  (void)sock_queue_err_skb(sk, std::move(skb), cb);  // no room: the stamp is lost, as its drop says
}

bool sock_omalloc(sock* sk) {
  sock_ext& x = sock_ext_of(sk);
  if (x.sk_omem_alloc + SKB_TRUESIZE(0) > sk->ns().sysctl.optmem_max) return false;
  x.sk_omem_alloc += kReportTruesize;
  return true;
}

void sock_omem_free(sock* sk) { sk->sk_ext->sk_omem_alloc -= kReportTruesize; }

void sock_zerocopy_complete(sock* sk, uint32_t lo, uint32_t calls) {
  PROBE(sk->ns().trace);
  if (!calls || sock_flag(sk, SOCK_DEAD)) return sock_omem_free(sk);
  sk_buff_head& queue = sock_ext_of(sk).sk_error_queue;
  SockExterrCb* tail = queue.back() ? SKB_CB<SockExterrCb>(queue.back()) : nullptr;
  if (tail && tail->ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY && tail->ee.ee_data + 1 == lo) {
    tail->ee.ee_data += calls;  // one report for a range of calls
    sock_omem_free(sk);
  } else {
    Skb skb = empty_skb(sk);
    SockExterrCb cb{};
    cb.ee.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
    cb.ee.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
    cb.ee.ee_info = lo;
    cb.ee.ee_data = lo + calls - 1;
    *SKB_CB<SockExterrCb>(skb.get()) = cb;
    skb->sk = sk;
    skb->destructor = sock_ofree;
    queue.push_back(std::move(skb));
  }
  sk_error_report(sk);
}

namespace {

// One flag says whether any stamp of what comes in is wanted.
void update_rcvtstamp(sock* sk) {
  const sock_ext& x = *sk->sk_ext;
  if (x.rcvtstamp || (x.sk_tsflags & SOF_TIMESTAMPING_RX_SOFTWARE))
    sk->sk_flags |= SOCK_RCVTSTAMP;
  else
    sk->sk_flags &= static_cast<uint8_t>(~SOCK_RCVTSTAMP);
}

Result<bool> set_timestamping(sock* sk, int value) {
  const auto flags = static_cast<uint32_t>(value);
  if (flags & ~kTsMask) return Err(EINVAL);
  if ((flags & SOF_TIMESTAMPING_OPT_ID_TCP) && !(flags & SOF_TIMESTAMPING_OPT_ID)) return Err(EINVAL);
  sock_ext& x = sock_ext_of(sk);
  // A stream counts bytes: from where is its protocol's to say (sk_tskey).
  if ((flags & SOF_TIMESTAMPING_OPT_ID) && !(x.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) && sk->skc_protocol != IPPROTO_TCP)
    x.sk_tskey = 0;
  x.sk_tsflags = flags;
  update_rcvtstamp(sk);
  return true;
}

Result<bool> set_timestamp(sock* sk, int value, bool nanoseconds) {
  sock_ext_of(sk).rcvtstamp = value ? (nanoseconds ? 2 : 1) : 0;
  update_rcvtstamp(sk);
  return true;
}

Result<bool> set_zerocopy(sock* sk, int value) {
  if (value < 0 || value > 1) return Err(EINVAL);
  if (value)
    sk->sk_flags |= SOCK_ZEROCOPY;
  else
    sk->sk_flags &= static_cast<uint8_t>(~SOCK_ZEROCOPY);
  return true;
}

}  // namespace

void sock_recv_timestamp(const sock* sk, MsgRecv& msg, Instant tstamp) {
  const sock_ext& x = *sk->sk_ext;
  const int64_t ns = tstamp.time_since_epoch().count();
  if (x.rcvtstamp == 2)
    put_cmsg_value(msg, SOL_SOCKET, SO_TIMESTAMPNS, timespec{ns / 1'000'000'000, ns % 1'000'000'000});
  else if (x.rcvtstamp == 1)
    put_cmsg_value(msg, SOL_SOCKET, SO_TIMESTAMP, timeval{ns / 1'000'000'000, ns % 1'000'000'000 / 1000});
  constexpr uint32_t kWanted = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  if ((x.sk_tsflags & kWanted) == kWanted) put_scm_timestamping(msg, tstamp);
}

Result<bool> sock_ext_setsockopt(sock* sk, int name, int value) {
  switch (name) {
    case SO_TIMESTAMPING: return set_timestamping(sk, value);
    case SO_TIMESTAMP: return set_timestamp(sk, value, false);
    case SO_TIMESTAMPNS: return set_timestamp(sk, value, true);
    case SO_ZEROCOPY: return set_zerocopy(sk, value);
    case SO_PRIORITY: sock_ext_of(sk).sk_priority = static_cast<uint32_t>(value); return true;
    case SO_MARK: sock_ext_of(sk).sk_mark = static_cast<uint32_t>(value); return true;
    default: return false;
  }
}

std::optional<int> sock_ext_getsockopt(const sock* sk, int name) {
  const sock_ext* x = sk->sk_ext.get();
  switch (name) {
    case SO_TIMESTAMPING: return x ? static_cast<int>(x->sk_tsflags) : 0;
    case SO_TIMESTAMP: return x && x->rcvtstamp == 1;
    case SO_TIMESTAMPNS: return x && x->rcvtstamp == 2;
    case SO_ZEROCOPY: return sock_flag(sk, SOCK_ZEROCOPY);
    case SO_PRIORITY: return x ? static_cast<int>(x->sk_priority) : 0;
    case SO_MARK: return x ? static_cast<int>(x->sk_mark) : 0;
    default: return std::nullopt;
  }
}

}  // namespace glass
