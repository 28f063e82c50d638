// Explicit congestion notification (RFC 3168): a router marks a packet instead of dropping it, the receiver echoes the
// mark (ECE), and the sender reduces its window as after a loss and says so (CWR).
#include <algorithm>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_internal.h"
#include "wire/ipv4.h"

namespace glass {

namespace {

bool ca_needs_ecn(const tcp_sock* tp) { return tp->icsk_ca_ops->flags & TCP_CONG_NEEDS_ECN; }

void set(uint8_t& flags, uint8_t bit) { flags = static_cast<uint8_t>(flags | bit); }
void clear(uint8_t& flags, uint8_t bits) { flags = static_cast<uint8_t>(flags & ~bits); }

void ecn_xmit(tcp_sock* tp) { set(tp->sk_tos, INET_ECN_ECT_0); }
void ecn_dontxmit(tcp_sock* tp) { clear(tp->sk_tos, INET_ECN_MASK); }

}  // namespace

void tcp_ecn_assign(tcp_sock* tp) { ca_needs_ecn(tp) ? ecn_xmit(tp) : ecn_dontxmit(tp); }

// --- the handshake

void tcp_ecn_send_syn(tcp_sock* tp, TcpCb& cb) {
  tp->ecn_flags = 0;
  if (net_of(tp).sysctl.tcp_ecn != 1 && !ca_needs_ecn(tp)) return;
  if (ca_needs_ecn(tp)) ecn_xmit(tp);
  cb.tcp_flags |= TCPHDR_ECE | TCPHDR_CWR;
  tp->ecn_flags = TCP_ECN_OK;
}

void tcp_ecn_send_synack(tcp_sock* tp, TcpCb& cb) {
  cb.tcp_flags &= static_cast<uint16_t>(~TCPHDR_CWR);
  if (!(tp->ecn_flags & TCP_ECN_OK))
    cb.tcp_flags &= static_cast<uint16_t>(~TCPHDR_ECE);
  else if (ca_needs_ecn(tp))
    ecn_xmit(tp);
}

// Some middleboxes drop a SYN that asks for ECN (RFC 3168 section 6.1.1.1).
void tcp_ecn_clear_syn(const tcp_sock* tp, TcpCb& cb) {
  if (net_of(tp).sysctl.tcp_ecn_fallback) cb.tcp_flags &= static_cast<uint16_t>(~(TCPHDR_ECE | TCPHDR_CWR));
}

void tcp_ecn_rcv_synack(tcp_sock* tp, const tcphdr& th) {
  if (!th.ece() || th.cwr()) clear(tp->ecn_flags, TCP_ECN_OK);
}

void tcp_ecn_rcv_syn(tcp_sock* tp, const tcphdr& th) {
  if (!th.ece() || !th.cwr()) clear(tp->ecn_flags, TCP_ECN_OK);
}

// A SYN that is itself marked as capable comes from a broken sender, unless the algorithm here wants that.
bool tcp_ecn_create_request(const tcp_sock* l, const sk_buff& syn) {
  const tcphdr& th = tcp_hdr(syn);
  if (!th.ece() || !th.cwr()) return false;
  const bool ect = TCP_SKB_CB(&syn).ip_dsfield & INET_ECN_MASK;
  return ((!ect || th.ae()) && net_of(l).sysctl.tcp_ecn) || ca_needs_ecn(l);
}

void tcp_ecn_openreq_child(tcp_sock* tp, bool ecn_ok) { tp->ecn_flags = ecn_ok ? TCP_ECN_OK : 0; }

// --- sending

// New data may be marked; what is sent again, and what carries no data, may not (RFC 3168 section 6.1.4 and 6.1.5).
uint16_t tcp_ecn_send(tcp_sock* tp, Seq seq, uint32_t len) {
  if (!(tp->ecn_flags & TCP_ECN_OK)) return 0;
  uint16_t flags = 0;
  if (len && !before(seq, tp->snd_nxt)) {
    ecn_xmit(tp);
    if (tp->ecn_flags & TCP_ECN_QUEUE_CWR) {
      clear(tp->ecn_flags, TCP_ECN_QUEUE_CWR);
      flags |= TCPHDR_CWR;
    }
  } else if (!ca_needs_ecn(tp)) {
    ecn_dontxmit(tp);
  }
  if (tp->ecn_flags & TCP_ECN_DEMAND_CWR) flags |= TCPHDR_ECE;
  return flags;
}

// --- receiving

void tcp_data_ecn_check(tcp_sock* tp, uint8_t ip_dsfield) {
  if (!(tp->ecn_flags & TCP_ECN_OK)) return;
  switch (ip_dsfield & INET_ECN_MASK) {
    case INET_ECN_NOT_ECT:
      // The sender marks its data as capable, this one is not: it is probably a retransmission.
      if (tp->ecn_flags & TCP_ECN_SEEN) tcp_enter_quickack_mode(tp, 2);
      return;
    case INET_ECN_CE:
      if (ca_needs_ecn(tp)) tcp_ca_event(tp, CaEvent::ECN_IS_CE);
      if (!(tp->ecn_flags & TCP_ECN_DEMAND_CWR)) {
        tcp_enter_quickack_mode(tp, 2);  // the sender's window may be down to a segment: it waits for every ACK
        set(tp->ecn_flags, TCP_ECN_DEMAND_CWR);
      }
      break;
    default:
      if (ca_needs_ecn(tp)) tcp_ca_event(tp, CaEvent::ECN_NO_CE);
      break;
  }
  set(tp->ecn_flags, TCP_ECN_SEEN);
}

// Marks are counted whether ECN was agreed on or not: tcp_info shows them.
void tcp_ecn_received_counters(tcp_sock* tp, const sk_buff& skb, uint8_t ip_dsfield, uint32_t payload) {
  const uint8_t mark = ip_dsfield & INET_ECN_MASK;
  if (mark == INET_ECN_NOT_ECT) [[likely]]
    return;
  if (!tp->ext->ecn_received) tp->ext.make().ecn_received = std::make_unique<tcp_ecn_received>();
  if (mark == INET_ECN_CE) tp->ext->ecn_received->ce += std::max<uint32_t>(1, skb.gso_segs);
  tp->ext->ecn_received->bytes[mark - 1] += payload;
  // Where ECN was agreed on, only data that is news counts as seen: tcp_data_ecn_check().
  if (payload && !(tp->ecn_flags & TCP_ECN_OK)) set(tp->ecn_flags, TCP_ECN_SEEN);
}

// A change between marked and unmarked data: what came before it is acknowledged as it was, what follows at once
// (RFC 8257 section 3.2).
void tcp_ecn_update_ece(tcp_sock* tp, const EceUpdate& ece) {
  const auto demand = [tp](bool on) {
    on ? set(tp->ecn_flags, TCP_ECN_DEMAND_CWR) : clear(tp->ecn_flags, TCP_ECN_DEMAND_CWR);
  };
  if (ece.before != ece.after) {
    if (tp->icsk_ack.pending & ICSK_ACK_TIMER) {
      demand(ece.before);
      __tcp_send_ack(tp, ece.prior_rcv_nxt);
    }
    tp->icsk_ack.pending |= ICSK_ACK_NOW;
  }
  demand(ece.after);
}

// The sender has reduced its window. Accepted on bare ACKs too, which RFC 3168 does not foresee but others send.
void tcp_ecn_accept_cwr(tcp_sock* tp, const Skb& skb) {
  if (!tcp_hdr(*skb).cwr() || !(tp->ecn_flags & TCP_ECN_OK)) return;
  clear(tp->ecn_flags, TCP_ECN_DEMAND_CWR);
  const TcpCb& cb = TCP_SKB_CB(skb);
  if (cb.seq != cb.end_seq) tp->icsk_ack.pending |= ICSK_ACK_NOW;
}

}  // namespace glass
