#include "tcp/syncookies.h"

#include <algorithm>

#include "base/siphash.h"
#include "tcp/tcp_internal.h"
#include "tcp/tcp_minisocks.h"
#include "tcp/tcp_packet.h"

namespace glass {

namespace {

constexpr uint32_t kCookieBits = 24, kCookieMask = (1u << kCookieBits) - 1;
constexpr int64_t kPeriodSeconds = 60;
constexpr uint32_t kMaxAge = 2;  // periods
constexpr Duration kValid = std::chrono::seconds(kPeriodSeconds * kMaxAge);

// The values of MSS a cookie can tell, chosen by how often they are seen on the Internet.
constexpr uint16_t kMss[] = {536, 1300, 1440, 1460};

constexpr uint32_t kTsBits = 6, kTsWscaleMask = 0xf, kTsSack = 1 << 4, kTsEcn = 1 << 5;

struct CookieTuple {
  uint32_t saddr, daddr;
  uint16_t sport, dport;
  uint32_t count, purpose;
};

CookieTuple tuple_of(const Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  return {ip_hdr(*skb).saddr, ip_hdr(*skb).daddr, th.source, th.dest, 0, 0};
}

uint32_t cookie_hash(const net& n, CookieTuple t, uint32_t count, uint32_t purpose) {
  t.count = count;
  t.purpose = 0x100 + purpose;
  return static_cast<uint32_t>(siphash(n.secret, &t, sizeof t));
}

uint32_t cookie_time(const net& n) {
  return static_cast<uint32_t>(usecs64(n.now) / (1'000'000u * static_cast<uint64_t>(kPeriodSeconds)));
}

// The MSS a cookie says, 0 if it is not one that was made here in the last two minutes.
uint16_t check_cookie(const net& n, const Skb& ack) {
  const CookieTuple t = tuple_of(ack);
  const TcpCb& cb = TCP_SKB_CB(ack);
  const uint32_t count = cookie_time(n);
  const uint32_t said = cb.ack_seq.v - 1 - cookie_hash(n, t, 0, 0) - (cb.seq.v - 1);
  const uint32_t age = (count - (said >> kCookieBits)) & (~0u >> kCookieBits);
  if (age >= kMaxAge) return 0;
  const uint32_t index = (said - cookie_hash(n, t, count - age, 1)) & kCookieMask;
  return index < std::size(kMss) ? kMss[index] : 0;
}

bool overflowed_lately(const tcp_sock* l) {
  const Instant last = l->ext->icsk_accept_queue->synq_overflow_ts;
  return last != Instant{} && now_of(l) - last <= kValid;
}

// What the timestamp that comes back says of the options. False: they are not allowed any more.
bool decode_timestamp(const Sysctl& s, tcp_options_received& o) {
  if (!o.saw_tstamp) {
    o.sack_ok = o.wscale_ok = false;
    o.snd_wscale = 0;
    return true;
  }
  if (!s.tcp_timestamps) return false;
  o.sack_ok = o.rcv_tsecr & kTsSack;
  if (o.sack_ok && !s.tcp_sack) return false;
  o.wscale_ok = (o.rcv_tsecr & kTsWscaleMask) != kTsWscaleMask;
  o.snd_wscale = o.wscale_ok ? static_cast<uint8_t>(o.rcv_tsecr & kTsWscaleMask) : uint8_t{0};
  return !o.wscale_ok || s.tcp_window_scaling;
}

// The request that was thrown away, made again from the ACK. Null: it was no cookie.
request_sock* cookie_tcp_check(tcp_sock* l, const Skb& skb) {
  if (!overflowed_lately(l)) return nullptr;
  Tcp& tcp = l->tcp();
  const uint16_t mss = check_cookie(tcp.ns(), skb);
  if (!mss) {
    count(l, Mib::TcpExtSyncookiesFailed);
    return nullptr;
  }
  count(l, Mib::TcpExtSyncookiesRecv);
  tcp_options_received o;
  tcp_parse_options(*skb, o, false);
  uint32_t ts_off = 0;
  if (o.saw_tstamp && o.rcv_tsecr) {
    ts_off = secure_tcp_ts_off(tcp.ns(), ip_daddr(*skb), ip_saddr(*skb));
    o.rcv_tsecr -= ts_off;
  }
  if (!decode_timestamp(tcp.ns().sysctl, o)) return nullptr;
  request_sock* req = inet_reqsk_alloc(l, skb);
  const TcpCb& cb = TCP_SKB_CB(skb);
  req->rcv_isn = cb.seq - 1;
  req->rcv_nxt = cb.seq;
  req->snt_isn = cb.ack_seq - 1;
  req->mss = mss;
  req->tstamp_ok = o.saw_tstamp;
  req->ts_recent = o.saw_tstamp ? o.rcv_tsval : 0;
  req->sack_ok = o.sack_ok;
  req->wscale_ok = o.wscale_ok;
  req->snd_wscale = o.snd_wscale;
  req->ecn_ok = o.saw_tstamp && (o.rcv_tsecr & kTsEcn) && tcp.ns().sysctl.tcp_ecn;
  req->ts_off = ts_off;
  return req;
}

}  // namespace

Seq cookie_init_sequence(tcp_sock* l, const Skb& syn, uint16_t& mss) {
  const net& n = net_of(l);
  l->ext->icsk_accept_queue->synq_overflow_ts = n.now;
  count(l, Mib::TcpExtSyncookiesSent);
  const auto* above = std::upper_bound(std::begin(kMss), std::end(kMss), mss);
  const auto index = static_cast<uint32_t>(std::max<ptrdiff_t>(above - std::begin(kMss) - 1, 0));
  mss = kMss[index];
  const CookieTuple t = tuple_of(syn);
  const uint32_t minutes = cookie_time(n);
  return {cookie_hash(n, t, 0, 0) + TCP_SKB_CB(syn).seq.v + (minutes << kCookieBits) +
          ((cookie_hash(n, t, minutes, 1) + index) & kCookieMask)};
}

uint32_t cookie_init_timestamp(const request_sock* req) {
  const uint32_t options =
      (req->wscale_ok ? req->snd_wscale : kTsWscaleMask) | (req->sack_ok ? kTsSack : 0u) | (req->ecn_ok ? kTsEcn : 0u);
  const uint32_t now = msecs32(req->skc_net->now);
  const uint32_t ts = (now >> kTsBits << kTsBits) | options;
  return ts > now ? ts - (1u << kTsBits) : ts;  // never from the future
}

bool cookie_v4_check(tcp_sock* l, Skb& skb) {
  PROBE(net_of(l).trace, skb);
  const tcphdr& th = tcp_hdr(*skb);
  if (!net_of(l).sysctl.tcp_syncookies || !th.ack() || th.rst() || th.syn()) return false;
  request_sock* req = cookie_tcp_check(l, skb);
  if (!req) return false;
  Tcp& tcp = l->tcp();
  Result<dst_entry*> dst = tcp.ip().route_output(req->skc_daddr, req->skc_rcv_saddr);
  if (!dst) {
    reqsk_free(tcp, req);
    kfree_skb_reason(std::move(skb), DROP(IP_OUTNOROUTES));
    return true;
  }
  tcp_openreq_init_rwin(req, l, req->mss);
  tcp_sock* child = tcp_v4_syn_recv_sock(tcp, l, req, skb);
  if (!child) {
    reqsk_free(tcp, req);
    kfree_skb_reason(std::move(skb), DROP(NO_SOCKET));  // Linux's reason: the accept queue is full
    return true;
  }
  inet_csk_reqsk_queue_add(l, req, child);
  tcp_child_process(l, child, std::move(skb));
  return true;
}

}  // namespace glass
