// The server of TCP Fast Open (RFC 7413 section 4.2): cookies made and checked, children from a SYN.
#include "tcp/tcp_fastopen.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "tcp/tcp_internal.h"
#include "tcp/tcp_minisocks.h"
#include "tcp/tcp_packet.h"

namespace glass {

namespace {

constexpr Duration kResetMemory = 60s;  // how long a reset child counts

// One key: four words as numbers, kept with their lowest byte first.
bool parse_key(std::string_view text, std::array<uint8_t, TcpFastopenKeys::kLength>& key) {
  const char* p = text.data();
  const char* const end = p + text.size();
  for (size_t word = 0; word < 4; ++word) {
    uint32_t value = 0;
    if (word) {
      if (p == end || *p != '-') return false;
      ++p;
    }
    const auto [next, error] = std::from_chars(p, std::min(end, p + 8), value, 16);
    if (error != std::errc()) return false;
    p = next;
    for (size_t i = 0; i < 4; ++i) key[word * 4 + i] = static_cast<uint8_t>(value >> (8 * i));
  }
  return p == end;
}

// The keys of a listener's cookies: its own, the sysctl's, or one made from the stack's secret.
TcpFastopenKeys keys_of(const tcp_sock* l) {
  if (l->ext->icsk_accept_queue && l->ext->icsk_accept_queue->fastopenq.keys.count)
    return l->ext->icsk_accept_queue->fastopenq.keys;
  const net& n = net_of(l);
  if (std::optional<TcpFastopenKeys> set = TcpFastopenKeys::parse(n.sysctl.tcp_fastopen_key)) return *set;
  TcpFastopenKeys own;
  own.count = 1;
  std::memcpy(own.key[0].data(), &n.secret, TcpFastopenKeys::kLength);
  return own;
}

// The keyed hash of both addresses as they stand in the SYN's IP header.
tcp_fastopen_cookie cookie_of(const Skb& syn, const std::array<uint8_t, TcpFastopenKeys::kLength>& key) {
  SipKey k;
  std::memcpy(&k, key.data(), sizeof k);
  const uint32_t addresses[2] = {ip_hdr(*syn).saddr, ip_hdr(*syn).daddr};
  const uint64_t hash = siphash(k, addresses, sizeof addresses);
  tcp_fastopen_cookie c;
  c.len = TCP_FASTOPEN_COOKIE_SIZE;
  std::memcpy(c.val.data(), &hash, sizeof hash);
  return c;
}

// Which key made the client's cookie, from 1 on; 0: none. `valid` becomes the cookie of the active key.
int cookie_gen_check(const tcp_sock* l, const Skb& syn, const tcp_fastopen_cookie& offered,
                     tcp_fastopen_cookie& valid) {
  const TcpFastopenKeys keys = keys_of(l);
  valid = cookie_of(syn, keys.key[0]);
  if (valid.matches(offered)) return 1;
  return keys.count > 1 && cookie_of(syn, keys.key[1]).matches(offered) ? 2 : 0;
}

// Room for one more pending child? The oldest one that was reset makes room once its minute is over.
bool queue_check(tcp_sock* l) {
  fastopen_queue& q = l->ext->icsk_accept_queue->fastopenq;
  if (!q.max_qlen) return false;
  if (q.qlen < q.max_qlen) return true;
  request_sock* oldest = q.rskq_rst_head;
  if (!oldest || oldest->rsk_timer.expires > now_of(l)) {
    count(l, Mib::TcpExtTCPFastOpenListenOverflow);
    return false;
  }
  q.rskq_rst_head = oldest->dl_next;
  --q.qlen;
  reqsk_free(l->tcp(), oldest);
  return true;
}

tcp_sock* create_child(tcp_sock* l, const Skb& skb, request_sock* req) {
  Tcp& tcp = l->tcp();
  tcp_sock* child = tcp_v4_syn_recv_sock(tcp, l, req, skb);
  if (!child) return nullptr;
  ++l->ext->icsk_accept_queue->fastopenq.qlen;
  child->ext.make().fastopen_rsk = req;
  child->syn_fastopen_child = true;
  req->tfo_listener = true;
  req->queue = l->ext->icsk_accept_queue;
  req->rsk_listener = nullptr;                                         // it may go before the handshake is over
  child->snd_wnd = child->max_window = ntohs(tcp_hdr(*skb).window);    // not scaled in a SYN
  tcp_reset_xmit_timer(child, ICSK_TIME_RETRANS, reqsk_timeout(req));  // repeats the SYN-ACK
  tcp_init_transfer(child);
  tcp_fastopen_add_skb(child, skb);
  req->rcv_nxt = child->rcv_wup = child->rcv_nxt;
  return child;
}

}  // namespace

std::optional<TcpFastopenKeys> TcpFastopenKeys::parse(std::string_view text) {
  TcpFastopenKeys keys;
  const size_t comma = text.find(',');
  if (!parse_key(text.substr(0, comma), keys.key[keys.count++])) return std::nullopt;
  if (comma == std::string_view::npos) return keys;
  if (!parse_key(text.substr(comma + 1), keys.key[keys.count++])) return std::nullopt;
  return keys;
}

bool tcp_fastopen_cookie::matches(const tcp_fastopen_cookie& other) const {
  return len == other.len && std::equal(val.begin(), val.begin() + std::max<int>(len, 0), other.val.begin());
}

bool tcp_passive_fastopen(const tcp_sock* tp) { return tp->skc_state == tcp_state::SYN_RECV && tp->ext->fastopen_rsk; }

bool tcp_fastopen_no_cookie(const tcp_sock* tp, int64_t flag) {
  return (net_of(tp).sysctl.tcp_fastopen & flag) || tp->fastopen_no_cookie;
}

// `foc` is the client's option; it becomes the one to answer with.
tcp_sock* tcp_try_fastopen(tcp_sock* l, const Skb& skb, request_sock* req, tcp_fastopen_cookie& foc) {
  const TcpCb& cb = TCP_SKB_CB(skb);
  const bool syn_data = cb.end_seq != cb.seq + 1;
  if (foc.len == 0) count(l, Mib::TcpExtTCPFastOpenCookieReqd);
  const bool enabled = net_of(l).sysctl.tcp_fastopen & TFO_SERVER_ENABLE;
  if (!enabled || !(syn_data || fastopen_cookie_present(foc)) || !queue_check(l)) {
    foc.len = -1;
    return nullptr;
  }
  tcp_fastopen_cookie valid;
  const bool free_of_cookies = tcp_fastopen_no_cookie(l, TFO_SERVER_COOKIE_NOT_REQD);
  int key = 0;
  if (!free_of_cookies && foc.len == 0) {
    valid = cookie_of(skb, keys_of(l).key[0]);
  } else if (!free_of_cookies && foc.len > 0) {
    key = cookie_gen_check(l, skb, foc, valid);
    if (!key) count(l, Mib::TcpExtTCPFastOpenPassiveFail);
  }
  valid.exp = foc.exp;
  if (!free_of_cookies && !key) {
    foc = valid;
    return nullptr;
  }
  tcp_sock* child = create_child(l, skb, req);
  if (!child) {
    count(l, Mib::TcpExtTCPFastOpenPassiveFail);
    foc = valid;
    return nullptr;
  }
  if (key == 2) count(l, Mib::TcpExtTCPFastOpenPassiveAltKey);
  foc = key == 2 ? valid : tcp_fastopen_cookie{};  // an old key's cookie is replaced
  count(l, Mib::TcpExtTCPFastOpenPassive);
  return child;
}

// No ACK of a child's SYN-ACK: once more than for a plain request, and the window as after a loss.
void tcp_fastopen_synack_timer(tcp_sock* tp) {
  request_sock* req = tp->ext->fastopen_rsk;
  count(tp, Mib::TcpExtTCPTimeouts);
  const int64_t most = tp->icsk_syn_retries ? tp->icsk_syn_retries : net_of(tp).sysctl.tcp_synack_retries + 1;
  if (req->num_timeout >= most) return tcp_write_err(tp);
  if (tp->icsk_retransmits == 1) tcp_enter_loss(tp);
  (void)tcp_rtx_synack(tp->tcp(), tp, req);
  ++req->num_timeout;
  tcp_update_rto_stats(tp);
  if (tp->retrans_stamp == Instant{}) tp->retrans_stamp = now_of(tp);
  tcp_reset_xmit_timer(tp, ICSK_TIME_RETRANS, reqsk_timeout(req));
}

void tcp_fastopen_add_skb(tcp_sock* tp, const Skb& syn) {
  if (TCP_SKB_CB(syn).end_seq == tp->rcv_nxt) return;
  Skb skb = skb_clone(*syn);
  skb->truesize = syn->truesize;
  TcpCb& cb = TCP_SKB_CB(skb);
  cb = TCP_SKB_CB(syn);
  skb_pull(skb, static_cast<uint32_t>(tcp_hdr(*syn).doff()));
  ++cb.seq.v;
  cb.tcp_flags &= static_cast<uint16_t>(~TCPHDR_SYN);
  const bool fin = cb.tcp_flags & TCPHDR_FIN;
  const Seq end = cb.end_seq;
  ++tp->data_segs_in;
  tp->syn_data_acked = true;
  tp->bytes_received = skb->len;
  skb_set_owner_r(skb, tp);
  tp->sk_receive_queue.push_back(std::move(skb));
  tp->rcv_nxt = end;
  if (fin) tcp_fin(tp);
}

void reqsk_fastopen_remove(tcp_sock* child, bool reset) {
  request_sock* req = child->ext->fastopen_rsk;
  if (!req) return;
  child->ext.make().fastopen_rsk = nullptr;
  fastopen_queue& q = req->queue->fastopenq;
  --q.qlen;
  req->tfo_listener = false;
  if (req->sk) return;  // not accepted yet: it leaves with the accept queue
  if (!reset || !q.listening) return reqsk_free(child->tcp(), req);
  req->rsk_timer.expires = now_of(child) + kResetMemory;
  req->dl_next = nullptr;
  (q.rskq_rst_head ? q.rskq_rst_tail->dl_next : q.rskq_rst_head) = req;
  q.rskq_rst_tail = req;
  ++q.qlen;
}

void fastopen_queue_tune(tcp_sock* l, int backlog) {
  if (!l->ext->icsk_accept_queue) l->ext.make().icsk_accept_queue = std::make_shared<request_sock_queue>();
  const int64_t most = net_of(l).sysctl.somaxconn;
  l->ext->icsk_accept_queue->fastopenq.max_qlen = static_cast<uint32_t>(std::min<int64_t>(backlog, most));
}

// net.ipv4.tcp_fastopen can switch Fast Open on for every listener.
void tcp_fastopen_listen(tcp_sock* l, int backlog) {
  constexpr int64_t kBoth = TFO_SERVER_WO_SOCKOPT1 | TFO_SERVER_ENABLE;
  fastopen_queue& q = l->ext->icsk_accept_queue->fastopenq;
  q.listening = true;
  if ((net_of(l).sysctl.tcp_fastopen & kBoth) == kBoth && !q.max_qlen) fastopen_queue_tune(l, backlog);
}

void tcp_fastopen_listen_stop(tcp_sock* l) {
  fastopen_queue& q = l->ext->icsk_accept_queue->fastopenq;
  q.listening = false;
  while (request_sock* req = q.rskq_rst_head) {
    q.rskq_rst_head = req->dl_next;
    --q.qlen;
    reqsk_free(l->tcp(), req);
  }
}

Result<void> tcp_fastopen_reset_cipher(tcp_sock* l, std::span<const uint8_t> bytes) {
  constexpr size_t kLength = TcpFastopenKeys::kLength;
  if (bytes.size() != kLength && bytes.size() != TcpFastopenKeys::kMost * kLength) return Err(EINVAL);
  if (!l->ext->icsk_accept_queue) l->ext.make().icsk_accept_queue = std::make_shared<request_sock_queue>();
  TcpFastopenKeys& keys = l->ext->icsk_accept_queue->fastopenq.keys;
  keys.count = static_cast<uint8_t>(bytes.size() / kLength);
  for (size_t i = 0; i < keys.count; ++i) std::memcpy(keys.key[i].data(), &bytes[i * kLength], kLength);
  return {};
}

size_t tcp_fastopen_get_cipher(const tcp_sock* l, std::span<uint8_t> out) {
  const TcpFastopenKeys keys = keys_of(l);
  const size_t size = std::min(out.size(), keys.count * TcpFastopenKeys::kLength);
  std::memcpy(out.data(), keys.key.data(), size);
  return size;
}

}  // namespace glass
