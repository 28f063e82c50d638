#include "tcp/tcp_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "tcp/tcp_cong.h"
#include "tcp/tcp_hashtables.h"
#include "tcp/tcp_internal.h"
#include "wire/ipv4.h"

namespace glass {

using namespace tcp_state;

namespace {

std::string_view state_name(uint8_t state) {
  static constexpr std::string_view kNames[] = {"UNKNOWN",    "ESTAB",     "SYN-SENT", "SYN-RECV",   "FIN-WAIT-1",
                                                "FIN-WAIT-2", "TIME-WAIT", "UNCONN",   "CLOSE-WAIT", "LAST-ACK",
                                                "LISTEN",     "CLOSING",   "SYN-RECV"};
  return state < std::size(kNames) ? kNames[state] : kNames[0];
}

uint32_t ms_since(const tcp_sock* tp, Instant then) {
  return static_cast<uint32_t>(std::max<int64_t>(to_usecs(now_of(tp) - then) / 1000, 0));
}

// Linux reports socket memory in segments of the sender's and the receiver's view; rates are bytes per second.
void fill_path(const tcp_sock* tp, tcp_info& i) {
  i.tcpi_rto = tp->icsk_rto_us;
  i.tcpi_ato = std::min(tp->icsk_ack.ato_us, tcp_delack_max_us(tp));
  i.tcpi_snd_mss = tp->mss_cache;
  i.tcpi_rcv_mss = tp->icsk_ack.rcv_mss;
  i.tcpi_pmtu = tp->icsk_pmtu;
  i.tcpi_advmss = tp->advmss;
  i.tcpi_rtt = tp->srtt_us >> 3;
  i.tcpi_rttvar = tp->mdev_us >> 2;
  i.tcpi_min_rtt = tcp_min_rtt(tp);
  i.tcpi_rcv_rtt = tp->rcv_rtt_est.rtt_us >> 3;
  i.tcpi_rcv_space = tp->rcvq_space.space;
  i.tcpi_rcv_ssthresh = tp->rcv_ssthresh;
  i.tcpi_snd_ssthresh = tp->snd_ssthresh;
  i.tcpi_snd_cwnd = tp->snd_cwnd;
  i.tcpi_reordering = tp->reordering;
  i.tcpi_snd_wnd = tp->snd_wnd;
  i.tcpi_rcv_wnd = tp->rcv_wnd;
}

void fill_options(const tcp_sock* tp, tcp_info& i) {
  if (tp->rx_opt.tstamp_ok) i.tcpi_options |= kTcpiOptTimestamps;
  if (tp->rx_opt.sack_ok) i.tcpi_options |= kTcpiOptSack;
  if (tp->rx_opt.wscale_ok) {
    i.tcpi_options |= kTcpiOptWscale;
    i.tcpi_snd_wscale = tp->rx_opt.snd_wscale & 0xf;
    i.tcpi_rcv_wscale = tp->rx_opt.rcv_wscale & 0xf;
  }
  if (tp->syn_data_acked) i.tcpi_options |= kTcpiOptSynData;
  if (tp->syn_fastopen_child) i.tcpi_options |= kTcpiOptTfoChild;
  i.tcpi_fastopen_client_fail = tp->fastopen_client_fail;
  if (tp->ecn_flags & TCP_ECN_OK) i.tcpi_options |= kTcpiOptEcn;
  if (tp->ecn_flags & TCP_ECN_SEEN) i.tcpi_options |= kTcpiOptEcnSeen;
}

// Rates are in bytes a second.
void fill_rates(const tcp_sock* tp, tcp_info& i) {
  i.tcpi_pacing_rate = tp->sk_pacing_rate;
  i.tcpi_max_pacing_rate = tp->set->sk_max_pacing_rate;
  if (tp->rate_interval_us)
    i.tcpi_delivery_rate = uint64_t{tp->rate_delivered} * tp->mss_cache * 1'000'000 / tp->rate_interval_us;
  i.tcpi_delivery_rate_app_limited = tp->rate_app_limited;
  i.tcpi_delivered_ce = tp->delivered_ce;
}

void fill_totals(const tcp_sock* tp, tcp_info& i) {
  i.tcpi_total_retrans = tp->total_retrans;
  i.tcpi_bytes_acked = tp->bytes_acked;
  i.tcpi_bytes_received = tp->bytes_received;
  i.tcpi_bytes_sent = tp->bytes_sent;
  i.tcpi_bytes_retrans = tp->ext->bytes_retrans;
  i.tcpi_segs_out = tp->segs_out;
  i.tcpi_segs_in = tp->segs_in;
  i.tcpi_data_segs_in = tp->data_segs_in;
  i.tcpi_data_segs_out = tp->data_segs_out;
  i.tcpi_delivered = tp->delivered;
  i.tcpi_dsack_dups = tp->ext->dsack_dups;
  i.tcpi_reord_seen = tp->ext->reord_seen;
  i.tcpi_rehash = tp->ext->timeout_rehash;
  i.tcpi_total_rto = tp->ext->total_rto;
  i.tcpi_total_rto_recoveries = tp->ext->total_rto_recoveries;
  i.tcpi_total_rto_time =
      tp->ext->total_rto_time + (tp->ext->rto_stamp == Instant{} ? 0 : ms_since(tp, tp->ext->rto_stamp));
  i.tcpi_rcv_ooopack = tp->ext->rcv_ooopack;
}

void fill_ecn(const tcp_sock* tp, tcp_info& i) {
  if (!tp->ext->ecn_received) return;
  i.tcpi_received_ce = tp->ext->ecn_received->ce;
  i.tcpi_received_e1_bytes = tp->ext->ecn_received->bytes[INET_ECN_ECT_1 - 1];
  i.tcpi_received_e0_bytes = tp->ext->ecn_received->bytes[INET_ECN_ECT_0 - 1];
  i.tcpi_received_ce_bytes = tp->ext->ecn_received->bytes[INET_ECN_CE - 1];
}

// Microseconds in which data waited to be acknowledged, and of these how long for the peer's window or our buffer.
void fill_chrono(const tcp_sock* tp, tcp_info& i) {
  uint64_t us[3], total = 0;
  for (size_t n = 0; n < 3; ++n) {
    uint32_t ticks = tp->chrono_stat[n];
    if (n + 1 == static_cast<size_t>(tp->chrono_type)) ticks += tcp_chrono_clock(now_of(tp)) - tp->chrono_start;
    us[n] = uint64_t{ticks} * 100;
    total += us[n];
  }
  i.tcpi_busy_time = total;
  i.tcpi_rwnd_limited = us[static_cast<size_t>(TcpChrono::rwnd_limited) - 1];
  i.tcpi_sndbuf_limited = us[static_cast<size_t>(TcpChrono::sndbuf_limited) - 1];
}

SocketAddress local_of(const sock_common* s) { return {s->skc_rcv_saddr, s->skc_num}; }
SocketAddress remote_of(const sock_common* s) { return {s->skc_daddr, s->skc_dport}; }

TcpSocketRow row_of(const sock_common* s) {
  TcpSocketRow r{.state = std::string(state_name(s->skc_state)),
                 .local = local_of(s),
                 .remote = remote_of(s),
                 .congestion_control = {}};
  if (s->skc_state == TIME_WAIT) {
    r.state = std::string(state_name(static_cast<const tcp_timewait_sock*>(s)->tw_substate));
    return r;
  }
  if (s->skc_state == NEW_SYN_RECV) return r;
  const tcp_sock* tp = tcp_sk(static_cast<const sock*>(s));
  r.recv_q = tp->rcv_nxt - tp->copied_seq;
  r.send_q = tp->write_seq - tp->snd_una;
  r.has_info = true;
  r.congestion_control = tp->icsk_ca_ops->name;
  tcp_fill_info(tp, r.info);
  return r;
}

}  // namespace

void tcp_fill_info(const tcp_sock* tp, tcp_info& i) {
  i = {};
  i.tcpi_state = tp->skc_state;
  i.tcpi_ca_state = static_cast<uint8_t>(tp->icsk_ca_state);
  i.tcpi_retransmits = tp->icsk_retransmits;
  i.tcpi_probes = tp->icsk_probes_out;
  i.tcpi_backoff = tp->icsk_backoff;
  fill_options(tp, i);
  fill_rates(tp, i);
  fill_path(tp, i);
  if (tp->skc_state == LISTEN) {
    i.tcpi_unacked = tp->sk_ack_backlog;
    i.tcpi_sacked = tp->sk_max_ack_backlog;
  } else {
    i.tcpi_unacked = tp->packets_out;
    i.tcpi_sacked = tp->sacked_out;
  }
  i.tcpi_lost = tp->lost_out;
  i.tcpi_retrans = tp->retrans_out;
  i.tcpi_last_data_sent = ms_since(tp, tp->lsndtime);
  i.tcpi_last_data_recv = ms_since(tp, tp->icsk_ack.lrcvtime);
  i.tcpi_last_ack_recv = ms_since(tp, tp->rcv_tstamp);
  i.tcpi_notsent_bytes = after(tp->write_seq, tp->snd_nxt) ? tp->write_seq - tp->snd_nxt : 0;
  fill_totals(tp, i);
  fill_ecn(tp, i);
  fill_chrono(tp, i);
}

std::vector<TcpSocketRow> Tcp::sockets() const {
  std::vector<TcpSocketRow> rows;
  for (const auto& [port, listeners] : hashinfo_->lhash) {
    for (const tcp_sock* l : listeners) {
      TcpSocketRow r{.state = "LISTEN",
                     .local = local_of(l),
                     .remote = {IpAddress::v4(0), 0},
                     .congestion_control = std::string(l->icsk_ca_ops->name)};
      r.recv_q = l->sk_ack_backlog;
      r.send_q = l->sk_max_ack_backlog;
      rows.push_back(std::move(r));
    }
  }
  for (const sock_common* s : hashinfo_->ehash)
    for (; s; s = s->skc_next) rows.push_back(row_of(s));
  std::ranges::sort(rows, {}, [](const TcpSocketRow& r) {
    return std::tuple(r.state != "LISTEN", r.local.port, r.remote.port, r.remote.address.bytes);
  });
  return rows;
}

std::string format_tcp_info(const TcpSocketRow& r) {
  if (!r.has_info) return {};
  const tcp_info& i = r.info;
  std::string out;
  const auto put = std::back_inserter(out);
  if (i.tcpi_options & kTcpiOptTimestamps) out += "ts ";
  if (i.tcpi_options & kTcpiOptSack) out += "sack ";
  if (i.tcpi_options & kTcpiOptEcn) out += "ecn ";
  if (i.tcpi_options & kTcpiOptEcnSeen) out += "ecnseen ";
  out += r.congestion_control;
  if (i.tcpi_options & kTcpiOptWscale)
    fmt::format_to(put, " wscale:{},{}", int{i.tcpi_snd_wscale}, int{i.tcpi_rcv_wscale});
  fmt::format_to(put, " rto:{:g}", i.tcpi_rto / 1000.0);
  if (i.tcpi_backoff) fmt::format_to(put, " backoff:{}", i.tcpi_backoff);
  if (i.tcpi_rtt) fmt::format_to(put, " rtt:{:g}/{:g}", i.tcpi_rtt / 1000.0, i.tcpi_rttvar / 1000.0);
  if (i.tcpi_ato) fmt::format_to(put, " ato:{:g}", i.tcpi_ato / 1000.0);
  fmt::format_to(put, " mss:{} pmtu:{} rcvmss:{} advmss:{} cwnd:{}", i.tcpi_snd_mss, i.tcpi_pmtu, i.tcpi_rcv_mss,
                 i.tcpi_advmss, i.tcpi_snd_cwnd);
  if (i.tcpi_snd_ssthresh < TCP_INFINITE_SSTHRESH) fmt::format_to(put, " ssthresh:{}", i.tcpi_snd_ssthresh);
  fmt::format_to(put, " bytes_sent:{}", i.tcpi_bytes_sent);
  if (i.tcpi_bytes_retrans) fmt::format_to(put, " bytes_retrans:{}", i.tcpi_bytes_retrans);
  fmt::format_to(put, " bytes_acked:{} bytes_received:{} segs_out:{} segs_in:{}", i.tcpi_bytes_acked,
                 i.tcpi_bytes_received, i.tcpi_segs_out, i.tcpi_segs_in);
  fmt::format_to(put, " data_segs_out:{} data_segs_in:{}", i.tcpi_data_segs_out, i.tcpi_data_segs_in);
  if (i.tcpi_pacing_rate != ~0ull) fmt::format_to(put, " pacing_rate {}bps", i.tcpi_pacing_rate * 8);
  if (i.tcpi_delivery_rate) fmt::format_to(put, " delivery_rate {}bps", i.tcpi_delivery_rate * 8);
  if (i.tcpi_delivered) fmt::format_to(put, " delivered:{}", i.tcpi_delivered);
  if (i.tcpi_delivered_ce) fmt::format_to(put, " delivered_ce:{}", i.tcpi_delivered_ce);
  if (i.tcpi_delivery_rate_app_limited) out += " app_limited";
  if (i.tcpi_unacked) fmt::format_to(put, " unacked:{}", i.tcpi_unacked);
  if (i.tcpi_retrans || i.tcpi_total_retrans)
    fmt::format_to(put, " retrans:{}/{}", i.tcpi_retrans, i.tcpi_total_retrans);
  if (i.tcpi_lost) fmt::format_to(put, " lost:{}", i.tcpi_lost);
  if (i.tcpi_sacked) fmt::format_to(put, " sacked:{}", i.tcpi_sacked);
  if (i.tcpi_dsack_dups) fmt::format_to(put, " dsack_dups:{}", i.tcpi_dsack_dups);
  if (i.tcpi_rcv_rtt) fmt::format_to(put, " rcv_rtt:{:g}", i.tcpi_rcv_rtt / 1000.0);
  fmt::format_to(put, " rcv_space:{} rcv_ssthresh:{}", i.tcpi_rcv_space, i.tcpi_rcv_ssthresh);
  if (i.tcpi_notsent_bytes) fmt::format_to(put, " notsent:{}", i.tcpi_notsent_bytes);
  if (i.tcpi_rcv_ooopack) fmt::format_to(put, " rcv_ooopack:{}", i.tcpi_rcv_ooopack);
  fmt::format_to(put, " snd_wnd:{} rcv_wnd:{}", i.tcpi_snd_wnd, i.tcpi_rcv_wnd);
  if (i.tcpi_min_rtt && i.tcpi_min_rtt != ~0u) fmt::format_to(put, " minrtt:{:g}", i.tcpi_min_rtt / 1000.0);
  return out;
}

}  // namespace glass
