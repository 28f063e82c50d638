#include "tcp/tcp_mtu_probe.h"

#include <algorithm>
#include <cstring>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

uint32_t widest(const tcp_sock* tp) { return tp->rx_opt.mss_clamp + static_cast<uint32_t>(sizeof(tcphdr)) + 20; }

tcp_mtup& mtup_of(tcp_sock* tp) {
  if (!tp->ext->icsk_mtup) {
    tp->ext.make().icsk_mtup.reset(new tcp_mtup);
    tp->ext->icsk_mtup->search_high = std::min(widest(tp), tp->icsk_pmtu);
    tp->ext->icsk_mtup->search_low = tcp_mss_to_mtu(tp, static_cast<uint32_t>(net_of(tp).sysctl.tcp_base_mss));
  }
  return *tp->ext->icsk_mtup;
}

// The range is narrow enough. After a while the path may be another: the search begins anew.
void tcp_mtu_check_reprobe(tcp_sock* tp) {
  tcp_mtup& m = *tp->ext->icsk_mtup;
  if (now_of(tp) - m.probe_timestamp < std::chrono::seconds(net_of(tp).sysctl.tcp_probe_interval)) return;
  const uint32_t mss = tcp_current_mss(tp);
  m.probe_size = 0;
  m.search_high = widest(tp);
  m.search_low = tcp_mss_to_mtu(tp, mss);
  m.probe_timestamp = now_of(tp);
}

// May the first `len` bytes of the queue become one segment?
bool can_coalesce_send_queue_head(const tcp_sock* tp, uint32_t len) {
  for (const sk_buff* s = tp->sk_write_queue.front(); s && s->next && len > s->len; s = s->next) {
    len -= s->len;
    if (!tcp_skb_can_collapse(s, s->next)) return false;
  }
  return true;
}

// The probe takes over the front of the queue.
sk_buff* build_probe(tcp_sock* tp, uint32_t size, uint32_t mss) {
  sk_buff* head = tp->sk_write_queue.front();
  Skb probe = tcp_stream_alloc_skb(tp, size);
  TcpCb cb{};
  cb.seq = TCP_SKB_CB(head).seq;
  cb.end_seq = cb.seq + size;
  cb.tcp_flags = TCPHDR_ACK;
  TCP_SKB_CB(probe) = cb;
  uint8_t* to = skb_put(probe, size);
  probe->truesize += size;
  sk_wmem_queued_add(tp, static_cast<int32_t>(probe->truesize));
  sk_buff* const built = probe.get();
  tp->sk_write_queue.insert_before(head, std::move(probe));
  for (uint32_t done = 0; done < size;) {
    sk_buff* s = built->next;
    const uint32_t n = std::min(s->len, size - done);
    skb_copy_bits(*s, 0, to + done, n);
    done += n;
    if (n == s->len) {
      tcp_eat_one_skb(tp, built, s);
    } else {
      TCP_SKB_CB(built).tcp_flags |= TCP_SKB_CB(s).tcp_flags & static_cast<uint16_t>(~(TCPHDR_FIN | TCPHDR_PSH));
      TCP_SKB_CB(built).zerocopy |= TCP_SKB_CB(s).zerocopy;
      tcp_trim_head(tp, s, n);
      tcp_set_skb_tso_segs(s, mss);
    }
  }
  tcp_set_skb_tso_segs(built, size);
  return built;
}

TcpMtuProbe send_probe(tcp_sock* tp, uint32_t size, uint32_t mss) {
  const sk_buff* probe = build_probe(tp, size, mss);
  if (!__tcp_transmit_skb(tp, *tp->sk_write_queue.front())) return TcpMtuProbe::none;  // cut up again by tcp_write_xmit
  --tp->snd_cwnd;                                                                      // it is as good as two packets
  tcp_mtup& m = *tp->ext->icsk_mtup;
  m.probe_size = tcp_mss_to_mtu(tp, probe->len);
  m.probe_seq_start = TCP_SKB_CB(probe).seq;
  m.probe_seq_end = TCP_SKB_CB(probe).end_seq;
  tcp_event_new_data_sent(tp);
  return TcpMtuProbe::sent;
}

}  // namespace

void tcp_mtup_delete::operator()(tcp_mtup* m) const { delete m; }

void tcp_mtup_init(tcp_sock* tp) {
  if (net_of(tp).sysctl.tcp_mtu_probing <= 1) return;
  tcp_mtup& m = mtup_of(tp);
  m.enabled = true;
  m.search_high = widest(tp);
  m.search_low = tcp_mss_to_mtu(tp, static_cast<uint32_t>(net_of(tp).sysctl.tcp_base_mss));
  m.probe_size = 0;
  m.probe_timestamp = now_of(tp);
}

TcpMtuProbe tcp_mtu_probe(tcp_sock* tp) {
  tcp_mtup& m = *tp->ext->icsk_mtup;
  if (!m.enabled || m.probe_size || tp->icsk_ca_state != CaState::Open || tp->snd_cwnd < 11 || tp->rx_opt.num_sacks ||
      tp->rx_opt.dsack)
    return TcpMtuProbe::none;
  const uint32_t mss = tcp_current_mss(tp);
  const uint32_t size = tcp_mtu_to_mss(tp, (m.search_high + m.search_low) >> 1);
  const uint32_t needed = size + (tp->reordering + 1) * tp->mss_cache;
  const int64_t interval = int64_t{m.search_high} - m.search_low;
  if (size > tcp_mtu_to_mss(tp, m.search_high) ||
      interval < std::max<int64_t>(1, net_of(tp).sysctl.tcp_probe_threshold)) {
    tcp_mtu_check_reprobe(tp);
    return TcpMtuProbe::none;
  }
  // Enough has to follow the probe that its loss is noticed by duplicate ACKs.
  if (tp->write_seq - tp->snd_nxt < needed || tp->snd_wnd < needed) return TcpMtuProbe::none;
  if (after(tp->snd_nxt + needed, tcp_wnd_end(tp))) return TcpMtuProbe::wait;
  const uint32_t in_flight = tcp_packets_in_flight(tp);
  if (in_flight + 2 > tp->snd_cwnd) return in_flight ? TcpMtuProbe::wait : TcpMtuProbe::none;
  if (!can_coalesce_send_queue_head(tp, size)) return TcpMtuProbe::none;
  return send_probe(tp, size, mss);
}

void tcp_mtup_black_hole(tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  if (!s.tcp_mtu_probing) return;
  tcp_mtup& m = mtup_of(tp);
  if (!m.enabled) {
    m.enabled = true;
    m.probe_timestamp = now_of(tp);
  } else {
    int64_t mss = tcp_mtu_to_mss(tp, m.search_low) >> 1;
    mss = std::min<int64_t>(s.tcp_base_mss, mss);
    mss = std::max<int64_t>({mss, s.tcp_mtu_probe_floor, s.tcp_min_snd_mss});
    m.search_low = tcp_mss_to_mtu(tp, static_cast<uint32_t>(mss));
  }
  tcp_sync_mss(tp, tp->icsk_pmtu);
}

// The window keeps its bytes: fewer packets, as each is larger.
void tcp_mtup_probe_success(tcp_sock* tp) {
  tcp_mtup& m = *tp->ext->icsk_mtup;
  tp->prior_ssthresh = tcp_current_ssthresh(tp);
  const uint64_t cwnd = uint64_t{tp->snd_cwnd} * tcp_mss_to_mtu(tp, tp->mss_cache) / m.probe_size;
  tp->snd_cwnd = static_cast<uint32_t>(std::max<uint64_t>(cwnd, 1));
  tp->snd_cwnd_cnt = 0;
  tp->snd_cwnd_stamp = now_of(tp);
  tp->snd_ssthresh = tcp_current_ssthresh(tp);
  m.search_low = std::exchange(m.probe_size, 0);
  tcp_sync_mss(tp, tp->icsk_pmtu);
  count(tp, Mib::TcpExtTCPMTUPSuccess);
}

void tcp_mtup_probe_failed(tcp_sock* tp) {
  tcp_mtup& m = *tp->ext->icsk_mtup;
  m.search_high = std::exchange(m.probe_size, 0) - 1;
  count(tp, Mib::TcpExtTCPMTUPFail);
}

}  // namespace glass
