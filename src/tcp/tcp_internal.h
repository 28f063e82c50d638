// The index of this room: who does what, in the order a segment meets it. Names are Linux's. docs/tcp.md says more.
//
//   up    tcp_ipv4.cc         which socket a segment is for        tcp_hashtables.cc      tables of sockets
//         tcp_input.cc        established: fast path, slow path    tcp_validate.cc        is the segment acceptable
//         tcp_state.cc        all other states                     tcp_urg.cc             urgent data
//         tcp_ack.cc          what an ACK acknowledges             tcp_clean_rtx.cc       what it takes off the queue
//         tcp_sack.cc         what SACK says                       tcp_sack_shift.cc      SACKed runs merged
//         tcp_dsack.cc        duplicates reported                  tcp_reno_sack.cc       duplicate ACKs without SACK
//         tcp_data_queue.cc   bytes in order                       tcp_ofo.cc             those out of order; tcp_ofo.h
//         tcp_rcvbuf.cc       the window offered                   tcp_drs.cc             the buffer behind it grows
//         tcp_mem.cc          memory of all connections            tcp_collapse.cc        what a full buffer does
//         tcp_ack_out.cc      when to acknowledge                  tcp_ack_compress.cc    duplicate ACKs held back
//         tcp_sack_out.cc     SACK blocks to send                  tcp_recv.cc            recvmsg
//         tcp_poll.cc         readiness, SIOCINQ
//   down  tcp_send.cc         sendmsg: bytes into segments         tcp_wmem.cc            the send buffer
//         tcp_output.cc       what may leave now                   tcp_tso.cc             how much one packet takes
//         tcp_transmit.cc     header, options, to IP               tcp_fragment.cc        splitting segments
//         tcp_mtu.cc          from MTU to MSS                      tcp_mtu_probe.cc       trying a larger one
//         tcp_tsq.cc          not too much in a qdisc              tcp_pacing.cc          at which rate data leaves
//         tcp_zerocopy.cc     MSG_ZEROCOPY                         tcp_timestamping.cc    SO_TIMESTAMPING
//         tcp_retransmit.cc   retransmission                       tcp_rtx_queue.cc       what was sent, in two orders
//         tcp_reset.cc        RST and ACK without a socket
//   loss  tcp_recovery.cc     Open, Disorder, CWR, Recovery, Loss  tcp_prr.cc             the window meanwhile
//         tcp_rack.cc         what is lost, by time                tcp_reordering.cc      how far segments overtake
//         tcp_undo.cc         a reduction that was needless        tcp_frto.cc            a spurious time-out
//   rate  tcp_cong.cc         congestion control's door            tcp_cong.h             what those in cong/ see
//         tcp_cwnd.cc         who may grow the window              tcp_rate.cc            how fast data arrives
//         tcp_rtt.cc          round trip and time-out              tcp_ecn.cc             marks instead of losses
//   time  tcp_timer.cc        delayed ACK, keepalive               tcp_rto.cc             retransmission time-out
//         tcp_tlp.cc          tail loss probe                      tcp_probe.cc           zero-window probes
//   begin tcp_listen.cc       SYNs for a listener, accept()        tcp_minisocks.cc       half-open connections
//         tcp_synack.cc       SYN-ACK                              tcp_synrecv.cc         its ACK
//         tcp_connect.cc      SYN                                  tcp_synsent.cc         its answer
//         tcp_syn_options.cc  what a SYN offers                    tcp_mss.cc             segment sizes
//         syncookies.cc       without keeping state                tcp_md5.cc             signatures
//         tcp_fastopen.cc     data in the SYN                      tcp_fastopen_client.cc in ours
//         tcp_ports.cc        which port                           tcp_metrics.cc         what destinations are like
//         tcp_icmp.cc         errors on the way
//   end   tcp_close.cc        shutdown, close, abort               tcp_timewait.cc        TIME_WAIT, late FIN_WAIT2
//   all   tcp.cc              the protocol's face to sockets       tcp_sockopt.cc         socket options
//         tcp_info.cc         tcp_info                             tcp_sock.h             the layout of a connection
#pragma once
#include <algorithm>

#include "tcp/tcp_rate.h"
#include "tcp/tcp_sock.h"
#include "wire/tcp.h"

namespace glass {

using namespace std::chrono_literals;  // NOLINT

// What an ACK did, as it is gathered on its way through tcp_ack().
enum AckFlag : uint32_t {
  FLAG_DATA = 1,
  FLAG_WIN_UPDATE = 2,
  FLAG_DATA_ACKED = 4,
  FLAG_RETRANS_DATA_ACKED = 8,
  FLAG_SYN_ACKED = 0x10,
  FLAG_DATA_SACKED = 0x20,
  FLAG_ECE = 0x40,
  FLAG_LOST_RETRANS = 0x80,
  FLAG_SLOWPATH = 0x100,
  FLAG_ORIG_SACK_ACKED = 0x200,
  FLAG_SND_UNA_ADVANCED = 0x400,
  FLAG_DSACKING_ACK = 0x800,
  FLAG_SET_XMIT_TIMER = 0x1000,
  FLAG_SACK_RENEGING = 0x2000,
  FLAG_UPDATE_TS_RECENT = 0x4000,
  FLAG_NO_CHALLENGE_ACK = 0x8000,
  FLAG_ACK_MAYBE_DELAYED = 0x10000,
  FLAG_DSACK_TLP = 0x20000,
  FLAG_ACKED = FLAG_DATA_ACKED | FLAG_SYN_ACKED,
  FLAG_NOT_DUP = FLAG_DATA | FLAG_WIN_UPDATE | FLAG_ACKED,
  FLAG_CA_ALERT = FLAG_DATA_SACKED | FLAG_ECE | FLAG_DSACKING_ACK,
  FLAG_FORWARD_PROGRESS = FLAG_ACKED | FLAG_DATA_SACKED,
};

// What is to be sent after an ACK: nothing in particular, what is marked lost, or new data first (F-RTO).
enum class Rexmit : uint8_t { none, lost, new_data };

// What the SACK blocks of one ACK did.
struct tcp_sacktag_state {
  Seq reord;                            // lowest segment that was overtaken
  Instant first_sackt{}, last_sackt{};  // when the first and last newly SACKed segments were sent; zero: none
  rate_sample* rate = nullptr;
  uint32_t flag = 0;
  uint32_t sack_delivered = 0;  // segments reported, duplicates included
};

// What window and ACK rules want to know of a segment with data; its packet may be part of another by then.
struct EceUpdate;
struct RcvSegment {
  uint32_t len, truesize, gso_size, header;  // header: bytes of TCP's, options with it
  uint16_t tcp_flags;
  uint8_t ip_dsfield;
  explicit RcvSegment(const sk_buff& s)
      : len(s.len),
        truesize(s.truesize),
        gso_size(s.gso_size),
        header(static_cast<uint32_t>(s.data - s.transport())),
        tcp_flags(TCP_SKB_CB(&s).tcp_flags),
        ip_dsfield(TCP_SKB_CB(&s).ip_dsfield) {}
};

inline net& net_of(const tcp_sock* tp) { return *tp->skc_net; }
inline Instant now_of(const tcp_sock* tp) { return tp->skc_net->now; }
inline void count(const tcp_sock* tp, Mib m, uint64_t n = 1) { tp->skc_net->trace.count(m, n); }
inline bool in_state(const sock_common* sk, uint32_t bits) { return tcp_state::bit(sk->skc_state) & bits; }
inline tcphdr& tcp_hdr(const sk_buff& s) { return *reinterpret_cast<tcphdr*>(s.transport()); }

inline constexpr Duration kTick =
    4ms;  // of Linux's clock at HZ=250: a timer fires with the first tick that is not early
// A short time-out on that clock, the rest of the tick it is set in counted half.
inline Duration in_ticks(Duration d) { return (d + kTick - Duration(1)) / kTick * kTick + kTick / 2; }
inline constexpr uint32_t TCP_ATO_MIN_US = 40'000, TCP_DELACK_MAX_US = 200'000, TCP_TIMEOUT_INIT_US = 1'000'000,
                          TCP_TIMEOUT_FALLBACK_US = 3'000'000;
inline constexpr Duration TCP_TIMEWAIT_LEN = 60s, TCP_PAWS_MSL = 60s;
inline constexpr uint32_t TCP_MAX_QUICKACKS = 16, TCP_INIT_CWND = 10, TCP_INFINITE_SSTHRESH = 0x7fffffff;
inline constexpr uint32_t TCP_PAWS_WINDOW = 1, TCP_MIN_MSS = 88;
inline constexpr int64_t TCP_PAWS_24DAYS = 24 * 24 * 3600;

// tcp_ipv4.cc
void tcp_v4_rcv(void* tcp, Skb);
void tcp_v4_err(void* tcp, const Skb&, uint8_t type, uint8_t code, uint32_t info);
void tcp_full_socket(tcp_sock*, Skb);  // checks that TTL, signature and filter let it in, then tcp_v4_do_rcv()
void tcp_v4_do_rcv(tcp_sock*, Skb);
dst_entry* tcp_route(tcp_sock*);  // sk_dst_cache, renewed if stale; null: no route (sk_err_soft says why)
void tcp_dst_release(tcp_sock*);

// tcp_listen.cc, tcp_synack.cc; what the files of the handshake share beyond stands in tcp_minisocks.h
void tcp_v4_conn_request(tcp_sock* listener, Skb);  // a SYN for a listener
void reqsk_free(Tcp&, request_sock*);
void inet_csk_reqsk_queue_removed(request_sock*);     // no longer half-open
void inet_csk_reqsk_queue_drop(Tcp&, request_sock*);  // gone altogether
Duration reqsk_timeout(const request_sock*);          // until the SYN-ACK is sent again
void tcp_listen_stop(tcp_sock* listener);             // ends its half-open and unaccepted connections
bool tcp_accept_queue_full(const tcp_sock* listener);
bool tcp_rtx_synack(Tcp&, tcp_sock* sk, request_sock*);  // the SYN-ACK once more; `sk`: listener or Fast Open child

// The window test of the small entries: overlaps [left, left + window), or is bare and stands exactly at an edge.
inline bool tcp_in_window(const TcpCb& cb, Seq left, uint32_t window) {
  const Seq right = left + window;
  if (cb.seq == left) return true;
  if (after(cb.end_seq, left) && before(cb.seq, right)) return true;
  return cb.seq == right && cb.seq == cb.end_seq;
}

// tcp_timewait.cc
void tcp_time_wait(tcp_sock*, uint8_t substate,
                   Duration);  // the connection becomes a TIME_WAIT entry; the sock is done
void tcp_timewait_process(Tcp&, tcp_timewait_sock*, Skb);
void tcp_timewait_kill(Tcp&, tcp_timewait_sock*);

// tcp_input.cc, tcp_validate.cc, tcp_state.cc, tcp_synsent.cc
void tcp_rcv_established(tcp_sock*, Skb);
void tcp_segs_in(tcp_sock*, const sk_buff&);
bool tcp_validate_incoming(tcp_sock*, Skb&, bool syn_inerr);  // false: the packet has ended
void tcp_rcv_state_process(tcp_sock*, Skb);
void tcp_rcv_synsent_state_process(tcp_sock*, Skb);
void tcp_reset(tcp_sock*);
void tcp_fin(tcp_sock*);
void tcp_finish_connect(tcp_sock*);
void tcp_parse_options(const sk_buff&, tcp_options_received&, bool established);
bool tcp_fast_parse_options(tcp_sock*, const sk_buff&);
tcp_fastopen_cookie tcp_parse_fastopen_option(const sk_buff&);
void tcp_replace_ts_recent(tcp_sock*, Seq seq);
void tcp_store_ts_recent(tcp_sock*);
bool tcp_paws_check(const tcp_options_received&, uint32_t slack, Instant now);
bool tcp_paws_reject(const tcp_options_received&, bool rst, Instant now);
void tcp_fast_path_on(tcp_sock*);
void tcp_fast_path_check(tcp_sock*);
bool tcp_oow_rate_limited(net&, const sk_buff&, Mib, Instant& last);
bool tcp_rate_limited(net&, Mib, Instant& last);

// tcp_ack.cc, tcp_clean_rtx.cc
Verdict tcp_ack(tcp_sock*, const Skb&, uint32_t flags);  // null: fine
uint32_t tcp_clean_rtx_queue(tcp_sock*, uint32_t flag, Seq prior_fack, Seq prior_snd_una, tcp_sacktag_state&);

inline void tcp_count_delivered(tcp_sock* tp, uint32_t delivered, bool ece_ack) {
  tp->delivered += delivered;
  if (ece_ack) tp->delivered_ce += delivered;
}
inline uint32_t tcp_newly_delivered(tcp_sock* tp, uint32_t prior_delivered, uint32_t flag) {
  const uint32_t delivered = tp->delivered - prior_delivered;
  count(tp, Mib::TcpExtTCPDelivered, delivered);
  if (flag & FLAG_ECE) count(tp, Mib::TcpExtTCPDeliveredCE, delivered);
  return delivered;
}

// tcp_rtx_queue.cc: the retransmit queue, in the order of sequence numbers and in that of sending
void tcp_rtx_queue_add(tcp_sock*, Skb);         // sent for the first time
Skb tcp_rtx_queue_unlink(tcp_sock*, sk_buff*);  // no hint points to it any more
void tcp_rtx_queue_purge(tcp_sock*);
void tcp_tsorted_sent(tcp_sock*, sk_buff*);  // sent again: to the end
void tcp_tsorted_del(tcp_sock*, sk_buff*);   // RACK has nothing more to find out about it
void tcp_tsorted_split(tcp_sock*, sk_buff* first, sk_buff* rest);

// tcp_sack.cc, tcp_sack_shift.cc, tcp_dsack.cc
uint32_t tcp_sacktag_write_queue(tcp_sock*, const Skb&, Seq prior_snd_una, tcp_sacktag_state&);
void tcp_sacktag_one(tcp_sock*, sk_buff*, bool dup_sack, tcp_sacktag_state&);
sk_buff* tcp_shift_skb_data(tcp_sock*, sk_buff*, const tcp_sack_block&, bool dup_sack, tcp_sacktag_state&);
bool tcp_check_dsack(tcp_sock*, std::span<const TcpSackBlock>, Seq ack, Seq prior_snd_una, tcp_sacktag_state&);
bool tcp_is_sackblock_valid(const tcp_sock*, bool is_dsack, Seq start, Seq end);
inline uint32_t tcp_skb_mss(const tcp_sock* tp, const sk_buff* s) { return s->gso_size ? s->gso_size : tp->mss_cache; }
inline uint32_t tcp_skb_seglen(const sk_buff* s) { return TCP_SKB_CB(s).pcount > 1 ? s->gso_size : s->len; }

// tcp_recovery.cc
Rexmit tcp_fastretrans_alert(tcp_sock*, Seq prior_snd_una, uint32_t num_dupack, uint32_t& flag);
void tcp_xmit_recovery(tcp_sock*, Rexmit);
void tcp_enter_loss(tcp_sock*);
void tcp_enter_recovery(tcp_sock*, bool ece_ack);
void tcp_try_keep_open(tcp_sock*);
void tcp_try_to_open(tcp_sock*, uint32_t flag);
void tcp_identify_packet_loss(tcp_sock*, uint32_t& flag);
void tcp_mark_skb_lost(tcp_sock*, sk_buff*);
void tcp_init_undo(tcp_sock*);
inline bool tcp_is_sack(const tcp_sock* tp) { return tp->rx_opt.sack_ok; }
inline bool tcp_is_reno(const tcp_sock* tp) { return !tcp_is_sack(tp); }
inline bool tcp_in_initial_slowstart(const tcp_sock* tp) { return tp->snd_ssthresh >= TCP_INFINITE_SSTHRESH; }
inline bool tcp_in_cwnd_reduction(const tcp_sock* tp) {
  return tp->icsk_ca_state == CaState::CWR || tp->icsk_ca_state == CaState::Recovery;
}
// The end of the highest SACKed segment.
inline Seq tcp_highest_sack_seq(const tcp_sock* tp) { return tp->sacked_out ? tp->ext->highest_sack : tp->snd_una; }

// tcp_prr.cc
void tcp_init_cwnd_reduction(tcp_sock*);
void tcp_cwnd_reduction(tcp_sock*, uint32_t newly_acked_sacked, uint32_t newly_lost, uint32_t flag);
void tcp_end_cwnd_reduction(tcp_sock*);
void tcp_enter_cwr(tcp_sock*);
uint32_t tcp_current_ssthresh(const tcp_sock*);

// tcp_reordering.cc, tcp_reno_sack.cc
void tcp_check_sack_reordering(tcp_sock*, Seq low_seq, bool by_timestamp);
void tcp_check_reno_reordering(tcp_sock*, uint32_t addend);
void tcp_add_reno_sack(tcp_sock*, uint32_t num_dupack, bool ece_ack);
void tcp_remove_reno_sacks(tcp_sock*, uint32_t acked, bool ece_ack);
void tcp_newreno_mark_lost(tcp_sock*, bool snd_una_advanced);
void tcp_reset_reno_sack(tcp_sock*);
bool tcp_limit_reno_sacked(tcp_sock*);

// tcp_undo.cc, tcp_frto.cc
bool tcp_try_undo_recovery(tcp_sock*);  // true: stay in the state all the same
bool tcp_try_undo_partial(tcp_sock*, Seq prior_snd_una);
bool tcp_try_undo_dsack(tcp_sock*);
bool tcp_try_undo_loss(tcp_sock*, bool frto_undo);
bool tcp_any_retrans_done(const tcp_sock*);
bool tcp_tsopt_ecr_before(const tcp_sock*, Instant when);  // the segment was sent before it got an answer of ours
Rexmit tcp_process_loss(tcp_sock*, uint32_t flag, uint32_t num_dupack);

// tcp_rack.cc, tcp_tlp.cc
void tcp_rack_advance(tcp_sock*, const TcpCb&, Instant when);  // a segment sent then was delivered
bool tcp_rack_mark_lost(tcp_sock*);                            // true: a timer waits for what is undecided
void tcp_rack_reo_timeout(tcp_sock*);
void tcp_rack_update_reo_wnd(tcp_sock*, const rate_sample&);
int64_t tcp_rack_skb_timeout(const tcp_sock*, const sk_buff*, uint32_t reo_wnd_us);  // <= 0: lost
bool tcp_schedule_loss_probe(tcp_sock*, bool advancing_rto);
void tcp_send_loss_probe(tcp_sock*);
void tcp_process_tlp_ack(tcp_sock*, Seq ack, uint32_t flag);

// tcp_cwnd.cc
void tcp_cwnd_validate(tcp_sock*, bool is_cwnd_limited);
void tcp_slow_start_after_idle_check(tcp_sock*);  // before new data joins the queue
uint32_t tcp_init_cwnd(const tcp_sock*);
inline bool tcp_is_cwnd_limited(const tcp_sock* tp) {
  // In slow start the window may grow while half of it was used; afterwards only when all of it was.
  return tp->is_cwnd_limited || (tcp_in_slow_start(tp) && tp->snd_cwnd < 2 * tp->max_packets_out);
}

// tcp_pacing.cc
uint32_t tcp_gso_max_size(const tcp_sock*);
void tcp_update_pacing_rate(tcp_sock*);
uint32_t tcp_tso_segs(tcp_sock*, uint32_t mss_now);                 // segments a packet should have at this rate
void tcp_stamp_departure(tcp_sock*, sk_buff*);                      // when the packet leaves
void tcp_pace_sent(tcp_sock*, uint32_t len, Instant prior_wstamp);  // the next one has to wait for this
bool tcp_pacing_check(tcp_sock*);                                   // true: not yet; the timer goes on with it
void tcp_pace_kick(tcp_sock*);                                      // the timer

// tcp_ecn.cc (RFC 3168)
inline constexpr uint8_t TCP_ECN_OK = 1, TCP_ECN_QUEUE_CWR = 2, TCP_ECN_DEMAND_CWR = 4, TCP_ECN_SEEN = 8;
void tcp_ecn_send_syn(tcp_sock*, TcpCb&);         // asks for ECN if it is wanted
void tcp_ecn_send_synack(tcp_sock*, TcpCb&);      // of a simultaneous open
void tcp_ecn_clear_syn(const tcp_sock*, TcpCb&);  // a SYN that drew no answer is repeated without
void tcp_ecn_rcv_synack(tcp_sock*, const tcphdr&);
void tcp_ecn_rcv_syn(tcp_sock*, const tcphdr&);
bool tcp_ecn_create_request(const tcp_sock* listener, const sk_buff& syn);  // true: the SYN-ACK agrees
void tcp_ecn_openreq_child(tcp_sock*, bool ecn_ok);
void tcp_ecn_assign(tcp_sock*);  // the algorithm changed: it may want every packet to be markable
// A segment goes out: sets ECT in sk_tos; returns the flags ECE and CWR it carries.
uint16_t tcp_ecn_send(tcp_sock*, Seq seq, uint32_t len);
void tcp_data_ecn_check(tcp_sock*, uint8_t ip_dsfield);                                           // data came
void tcp_ecn_received_counters(tcp_sock*, const sk_buff&, uint8_t ip_dsfield, uint32_t payload);  // any segment came
void tcp_ecn_accept_cwr(tcp_sock*, const Skb&);
void tcp_ecn_update_ece(tcp_sock*, const EceUpdate&);  // an algorithm says which data ECE is about
inline bool tcp_ecn_rcv_ecn_echo(const tcp_sock* tp, const tcphdr& th) {
  return th.ece() && !th.syn() && (tp->ecn_flags & TCP_ECN_OK);
}
inline void tcp_ecn_queue_cwr(tcp_sock* tp) {  // the window was reduced: the next new data says so
  if (tp->ecn_flags & TCP_ECN_OK) tp->ecn_flags |= TCP_ECN_QUEUE_CWR;
}
inline void tcp_ecn_withdraw_cwr(tcp_sock* tp) { tp->ecn_flags &= static_cast<uint8_t>(~TCP_ECN_QUEUE_CWR); }

// tcp_rtt.cc
void tcp_rtt_estimator(tcp_sock*, int64_t rtt_us);
void tcp_update_rtt_min(tcp_sock*, int64_t rtt_us, uint32_t flag);
inline uint32_t tcp_min_rtt(const tcp_sock* tp) { return tp->rtt_min.get(); }
void tcp_set_rto(tcp_sock*);
uint32_t tcp_rto_min_us(const tcp_sock*);
uint32_t tcp_rto_max_us(const tcp_sock*);
uint32_t tcp_time_stamp(const tcp_sock*);  // milliseconds with the connection's offset
struct tcp_rtts {
  int64_t seq_us = -1, sack_us = -1, ca_us = -1;  // of acknowledged, of SACKed data, of the latest; -1: no sample
};
bool tcp_ack_update_rtt(tcp_sock*, uint32_t flag, tcp_rtts, rate_sample&);
int64_t tcp_rtt_tsopt_us(const tcp_sock*);  // from the echoed timestamp; -1: none

// tcp_data_queue.cc, tcp_ofo.cc, tcp_sack_out.cc
void tcp_data_queue(tcp_sock*, Skb);
// In order: to the receive queue. True: its data joined the last packet there, and the caller frees what is left of it
// with kfree_skb_partial(); false: it is queued, and stays where it is.
bool tcp_queue_rcv(tcp_sock*, Skb&);
// What follows directly on `to` joins it: fewer packets to keep. True: `from` is empty.
bool tcp_try_coalesce(tcp_sock*, const Skb& to, const Skb& from);
void tcp_data_queue_ofo(tcp_sock*, Skb);
void tcp_ofo_queue(tcp_sock*);  // what has become in order moves to the receive queue
void tcp_ofo_purge(tcp_sock*, Verdict why);
void tcp_sack_new_ofo_skb(tcp_sock*, Seq seq, Seq end_seq);
void tcp_sack_remove(tcp_sock*);
void tcp_dsack_set(tcp_sock*, Seq seq, Seq end_seq);
void tcp_dsack_extend(tcp_sock*, Seq seq, Seq end_seq);
void tcp_data_ready(tcp_sock*);

// tcp_rcvbuf.cc
uint32_t tcp_receive_window(const tcp_sock*);
uint32_t __tcp_select_window(tcp_sock*);
uint16_t tcp_select_window(tcp_sock*);
void tcp_grow_window(tcp_sock*, const RcvSegment&);
void tcp_init_buffer_space(tcp_sock*);
void tcp_measure_rcv_mss(tcp_sock*, const RcvSegment&);
void tcp_set_window_clamp(tcp_sock*, uint32_t);
void tcp_adjust_rcv_ssthresh(tcp_sock*);  // under memory pressure: four segments
void tcp_select_initial_window(const net&, int space, uint32_t mss, uint32_t& rcv_wnd, uint32_t& window_clamp,
                               bool wscale_ok, uint8_t& rcv_wscale);
inline int tcp_win_from_space(const tcp_sock* tp, int space) {
  return static_cast<int>(static_cast<int64_t>(space) * tp->scaling_ratio >> 8);
}
inline int tcp_space(const tcp_sock* tp) { return tcp_win_from_space(tp, tp->sk_rcvbuf - tp->sk_rmem_alloc); }
inline int tcp_full_space(const tcp_sock* tp) { return tcp_win_from_space(tp, tp->sk_rcvbuf); }

// A buffer the user has fixed limits the window from the first segment on, and with it the scale.
inline uint32_t tcp_initial_window_clamp(const tcp_sock* tp) {
  const auto full = static_cast<uint32_t>(tcp_full_space(tp));
  const bool fixed = tp->sk_userlocks & SOCK_RCVBUF_LOCK;
  return fixed && (!tp->window_clamp || tp->window_clamp > full) ? full : tp->window_clamp;
}
inline int64_t tcp_space_from_win(const tcp_sock* tp, int64_t window) {
  return (window << 8) / std::max<int>(tp->scaling_ratio, 1);
}

// tcp_drs.cc
void tcp_rcv_space_adjust(tcp_sock*);
void tcp_rcvbuf_grow(tcp_sock*, uint32_t newval);
void tcp_rcv_rtt_measure(tcp_sock*);
void tcp_rcv_rtt_measure_ts(tcp_sock*, const sk_buff&);

// tcp_collapse.cc, tcp_mem.cc
bool tcp_try_rmem_schedule(tcp_sock*, const sk_buff&);  // room in the receive buffer, pruning if need be
bool sk_rmem_schedule(tcp_sock*, uint32_t size);        // takes memory for `size` bytes from the stack's
void sk_forced_mem_schedule(tcp_sock*, uint32_t size);  // the same, whatever the limits say
void sk_wmem_schedule(tcp_sock*, uint32_t size);        // the same for data to send
void sk_mem_charge(tcp_sock*, uint32_t size);
void sk_mem_uncharge(tcp_sock*, uint32_t size);
void tcp_set_owner_r(const Skb&, tcp_sock*);  // charges a received packet until it ends
inline bool tcp_under_memory_pressure(const tcp_sock* tp) { return tp->tcp().memory_pressure; }

// tcp_urg.cc
void tcp_urg(tcp_sock*, const Skb&);
Result<size_t> tcp_recv_urg(tcp_sock*, MsgRecv&);

// tcp_poll.cc
bool tcp_epollin_ready(const tcp_sock*, int64_t target);
int tcp_inq(const tcp_sock*);
int tcp_inq_hint(const tcp_sock*);
int tcp_set_rcvlowat(tcp_sock*, int);

// tcp_ack_compress.cc
bool tcp_compress_ack(tcp_sock*);  // a duplicate ACK may wait; false: send it now
void tcp_sack_compress_send_ack(tcp_sock*);
void tcp_compressed_ack_kick(tcp_sock*);
void tcp_compressed_acks_sent(tcp_sock*);

// tcp_ack_out.cc
void tcp_event_data_recv(tcp_sock*, const RcvSegment&);
void tcp_ack_snd_check(tcp_sock*);
void __tcp_ack_snd_check(tcp_sock*, bool ofo_possible);
void tcp_send_ack(tcp_sock*);
void __tcp_send_ack(tcp_sock*, Seq rcv_nxt);  // of less than what was received
void tcp_send_dupack(tcp_sock*, const sk_buff&);
void tcp_send_challenge_ack(tcp_sock*);
void tcp_send_delayed_ack(tcp_sock*);
void tcp_enter_quickack_mode(tcp_sock*, uint32_t max_quickacks);
void tcp_cleanup_rbuf(tcp_sock*, size_t copied);
inline bool inet_csk_ack_scheduled(const tcp_sock* tp) { return tp->icsk_ack.pending & ICSK_ACK_SCHED; }
inline void inet_csk_schedule_ack(tcp_sock* tp) { tp->icsk_ack.pending |= ICSK_ACK_SCHED; }
void tcp_event_ack_sent(tcp_sock*);
void tcp_delack_timer_handler(tcp_sock*);
uint32_t tcp_delack_max_us(const tcp_sock*);
inline bool inet_csk_in_pingpong_mode(const tcp_sock* tp) {
  return tp->icsk_ack.pingpong >= tp->skc_net->sysctl.tcp_pingpong_thresh;
}
inline void inet_csk_enter_pingpong_mode(tcp_sock* tp) {
  tp->icsk_ack.pingpong = static_cast<uint8_t>(tp->skc_net->sysctl.tcp_pingpong_thresh);
}
inline void inet_csk_exit_pingpong_mode(tcp_sock* tp) { tp->icsk_ack.pingpong = 0; }
inline void inet_csk_inc_pingpong_cnt(tcp_sock* tp) {
  if (tp->icsk_ack.pingpong < 255) ++tp->icsk_ack.pingpong;
}

// tcp_send.cc, tcp_recv.cc
Result<size_t> tcp_sendmsg(tcp_sock*, const MsgSend&);
Result<size_t> tcp_recvmsg(tcp_sock*, MsgRecv&);
void tcp_add_write_queue_tail(tcp_sock*, Skb);

// tcp_wmem.cc
inline constexpr uint32_t kTcpSkbTruesize = 832;  // what an empty segment costs in Linux's send buffer
Skb tcp_stream_alloc_skb(tcp_sock*, uint32_t linear);
void tcp_check_space(tcp_sock*);
void tcp_sndbuf_expand(tcp_sock*);
void sk_stream_write_space(tcp_sock*);
bool sk_stream_memory_free(const tcp_sock*);
bool sk_stream_is_writeable(const tcp_sock*);
void sk_wmem_queued_add(tcp_sock*, int32_t bytes);  // data to send came or went: its memory, against net.ipv4.tcp_mem
void tcp_wmem_free_skb(tcp_sock*, Skb);             // an acknowledged segment
void tcp_chrono_start(tcp_sock*, TcpChrono);
void tcp_chrono_stop(tcp_sock*, TcpChrono);
inline uint32_t tcp_chrono_clock(Instant t) { return static_cast<uint32_t>(to_usecs(t.time_since_epoch()) / 100); }

// tcp_tsq.cc
void tcp_set_owner_w(tcp_sock*, const Skb&);
bool __tcp_small_queue_check(tcp_sock*, const sk_buff*);
inline bool tcp_small_queue_check(tcp_sock* tp, const sk_buff* s) {  // true: enough of it lies in a qdisc
  return tp->sk_wmem_alloc && __tcp_small_queue_check(tp, s);
}

// tcp_timestamping.cc
Result<uint32_t> tcp_tsflags_of_call(const tcp_sock*, const MsgSend&);
void tcp_tx_timestamp(tcp_sock*, uint32_t tsflags);  // the last byte written is to be stamped
void tcp_ack_tstamp(tcp_sock*, const sk_buff*, Seq prior_snd_una);
void tcp_fragment_tstamp(sk_buff*, sk_buff* rest);
void tcp_skb_collapse_tstamp(sk_buff* to, const sk_buff* from);

// tcp_output.cc
bool tcp_write_xmit(tcp_sock*, uint32_t mss_now, int nonagle, int push_one);
void __tcp_push_pending_frames(tcp_sock*, uint32_t mss_now, int nonagle);
void tcp_push_pending_frames(tcp_sock*);
void tcp_push_one(tcp_sock*, uint32_t mss_now);
void tcp_data_snd_check(tcp_sock*);
void tcp_event_new_data_sent(tcp_sock*);  // the head of the write queue
inline bool tcp_urg_mode(const tcp_sock* tp) { return tp->snd_una != tp->snd_up; }

// tcp_mtu.cc
uint32_t tcp_current_mss(tcp_sock*);
uint32_t tcp_sync_mss(tcp_sock*, uint32_t pmtu);
uint32_t tcp_mtu_to_mss(const tcp_sock*, uint32_t pmtu);
uint32_t tcp_mss_to_mtu(const tcp_sock*, uint32_t mss);

// tcp_tso.cc
struct TcpLimits {  // what held data back
  bool cwnd = false, rwnd = false;
};
uint32_t tcp_bound_to_half_wnd(const tcp_sock*, uint32_t size);
uint32_t tcp_xmit_size_goal(tcp_sock*, uint32_t mss_now, bool large_allowed = true);
bool tcp_nagle_check(const tcp_sock*, bool partial, int nonagle);  // true: wait
uint32_t tcp_mss_split_point(const tcp_sock*, const sk_buff*, uint32_t mss_now, uint32_t max_segs, int nonagle);
bool tcp_tso_should_defer(const tcp_sock*, const sk_buff*, uint32_t max_segs, TcpLimits&);
void tcp_grow_skb(tcp_sock*, sk_buff*, uint32_t amount);
bool tcp_move_bytes(net&, sk_buff* to, sk_buff* from, uint32_t n);
void tcp_eat_one_skb(tcp_sock*, sk_buff* to, sk_buff* from);  // `from`'s data is in `to`
void tcp_set_skb_tso_segs(sk_buff*, uint32_t mss_now);
inline Seq tcp_wnd_end(const tcp_sock* tp) { return tp->snd_una + tp->snd_wnd; }
Seq tcp_acceptable_seq(const tcp_sock*);  // the number of a segment without data
void tcp_send_fin(tcp_sock*);
void tcp_send_active_reset(tcp_sock*);
bool tcp_write_wakeup(tcp_sock*, Mib);  // zero-window probe; false: our own queue had no room for it
void tcp_send_probe0(tcp_sock*);
bool tcp_xmit_probe_skb(tcp_sock*, bool urgent, Mib);

// tcp_transmit.cc
// This host's own queue had no room for the packet. That is congestion, but the network is not to blame.
inline bool tcp_local_congestion(const Result<void>& sent) { return !sent && sent.error() == ENOBUFS; }
Result<void> __tcp_transmit_skb(tcp_sock*,
                                sk_buff&);  // a segment of the queues: a packet that shares its data is sent
Result<void> __tcp_transmit_skb(tcp_sock*, Seq seq, uint16_t flags, Seq ack);  // the same with another ACK number
Result<void> __tcp_transmit_skb(tcp_sock*, Seq seq,
                                uint16_t flags);  // a segment without data that is not kept: ACK, RST, probe
uint32_t tcp_established_options_size(tcp_sock*);

// tcp_retransmit.cc, tcp_fragment.cc
Result<void> tcp_retransmit_skb(tcp_sock*, sk_buff*, uint32_t segs);
Result<void> __tcp_retransmit_skb(tcp_sock*, sk_buff*, uint32_t segs);  // not counted as out (tail loss probe)
void tcp_adjust_pcount(tcp_sock*, const sk_buff*, int decr);            // the segment counts for `decr` packets less
bool tcp_skb_can_collapse(const sk_buff* to, const sk_buff* from);
bool tcp_skb_shift(tcp_sock*, sk_buff* to, sk_buff* from);  // all data of `from` goes to the end of `to`
void tcp_xmit_retransmit_queue(tcp_sock*);
void tcp_simple_retransmit(tcp_sock*);
void tcp_non_congestion_loss_retransmit(tcp_sock*);
// Splits a queued segment at `len` bytes; the rest follows it in the same queue. Counts (packets_out, lost_out ...) are
// kept right.
bool tcp_may_fragment(tcp_sock*, const sk_buff*);  // of the retransmit queue: is there memory for more pieces?
void tcp_fragment(tcp_sock*, sk_buff_list& queue, sk_buff*, uint32_t len, uint32_t mss_now);
void tcp_trim_head(tcp_sock*, sk_buff*, uint32_t len);

// tcp_connect.cc, tcp_ports.cc
Result<void> tcp_connect_start(tcp_sock*);
Result<void> __inet_stream_connect(tcp_sock*, const SocketAddress*, bool is_sendmsg);
Result<size_t> tcp_sendmsg_fastopen(tcp_sock*, const MsgSend&);
void tcp_send_synack(tcp_sock*);  // simultaneous open
void tcp_init_transfer(tcp_sock*);
void tcp_try_undo_spurious_syn(tcp_sock*);
Seq secure_tcp_seq(const net&, const sock_common&);
uint32_t secure_tcp_ts_off(const net&, const IpAddress& saddr, const IpAddress& daddr);
uint64_t secure_ipv4_port_ephemeral(const net&, const sock_common&);
inline bool tcp_has_port(const tcp_sock* tp) { return tp->skc_num && !(tp->sk_userlocks & SOCK_PORT_RELEASED); }
Result<uint16_t> inet_hash_connect(Tcp&, tcp_sock*, uint32_t& hash);  // a port whose address pair is free
Result<uint16_t> inet_csk_find_open_port(Tcp&, const tcp_sock*, const IpAddress&);
bool tcp_twsk_unique(tcp_sock*, const tcp_timewait_sock*, bool chosen_here);

// tcp_synrecv.cc
void tcp_rcv_synrecv_state_process(tcp_sock*, const Skb&);
void tcp_rcv_synrecv_state_fastopen(tcp_sock*);
void tcp_synack_rtt_meas(tcp_sock*, const request_sock*);

// tcp_mss.cc
uint32_t dst_metric_advmss(const net&, const dst_entry*);
uint32_t tcp_mss_clamp(const tcp_sock*, uint32_t mss);
uint16_t tcp_advertise_mss(tcp_sock*);
void tcp_initialize_rcv_mss(tcp_sock*);

// tcp_metrics.cc
void tcp_update_metrics(const tcp_sock*);  // at the end of a connection
void tcp_init_metrics(tcp_sock*);          // at its beginning
bool tcp_peer_is_proven(Tcp&, const request_sock&);
void tcp_fastopen_cache_get(const tcp_sock*, uint16_t& mss, tcp_fastopen_cookie&);
void tcp_fastopen_cache_set(const tcp_sock*, uint16_t mss, const tcp_fastopen_cookie&, bool syn_lost, uint8_t try_exp);

// tcp_reset.cc
// In answer to a segment that `sk`, or nobody (null), takes.
void tcp_v4_send_reset(Tcp&, const Skb&, const tcp_sock* sk);
struct TcpReply {
  Seq seq, ack;
  uint32_t win;
  uint32_t tsval, tsecr;
  bool timestamps;
  uint8_t tos;
  const tcp_md5sig_key* md5_key;
};
void tcp_v4_send_ack(Tcp&, const Skb&, const TcpReply&);  // for TIME_WAIT and half-open connections

// tcp_timer.cc, tcp_rto.cc, tcp_probe.cc
void tcp_retransmit_timer(tcp_sock*);
void tcp_probe_timer(tcp_sock*);
void tcp_ld_RTO_revert(tcp_sock*, Seq seq);  // an ICMP message about what was sent from `seq` on
void tcp_rearm_rto(tcp_sock*);
void tcp_set_xmit_timer(tcp_sock*);
Duration tcp_rto_delta(const tcp_sock*);  // until the head's time-out, from when it was sent
void tcp_update_rto_time(tcp_sock*);
void tcp_update_rto_stats(tcp_sock*);  // one more time-out
void tcp_ack_probe(tcp_sock*);
void tcp_write_err(tcp_sock*);
bool tcp_out_of_resources(tcp_sock*, bool do_reset);
uint32_t tcp_orphan_retries(const tcp_sock*, bool alive);
Duration tcp_clamp_probe0_to_user_timeout(const tcp_sock*, Duration when);
void tcp_init_timers(tcp_sock*);
void tcp_clear_timers(tcp_sock*);
void tcp_reset_timer(tcp_sock*, TcpTimer, Instant);
void tcp_clear_timer(tcp_sock*, TcpTimer);
Instant tcp_deadline(const tcp_sock*, TcpTimer);  // kNever: not armed
// With `pace_delay` the time counts from when pacing lets the next packet leave.
void tcp_reset_xmit_timer(tcp_sock*, uint8_t what, Duration in, bool pace_delay = false);
uint32_t tcp_probe0_when_us(const tcp_sock*);
uint32_t tcp_probe0_base_us(const tcp_sock*);  // without backoff
void tcp_set_keepalive(tcp_sock*, bool on);
Duration keepalive_time_when(const tcp_sock*);
Duration tcp_fin_time(const tcp_sock*);

// tcp_info.cc
void tcp_fill_info(const tcp_sock*, tcp_info&);

// tcp.cc, tcp_close.cc
void tcp_set_state(tcp_sock*, uint8_t state);
void tcp_done(tcp_sock*);            // out of the tables; destroyed unless the application still holds it
void tcp_destroy(tcp_sock*);         // frees it; nothing may refer to it
void tcp_free(tcp_sock*);            // the memory, once the last packet has left the qdisc
void tcp_release_orphan(tcp_sock*);  // destroys a closed orphan after its last segment was handled
void tcp_write_queue_purge(tcp_sock*);
void tcp_error(tcp_sock*, int error);  // sk_err, and the connection is over
Result<void> tcp_disconnect(tcp_sock*);
bool tcp_too_many_orphans(const tcp_sock*, unsigned shift);
void tcp_reset_connection_state(tcp_sock*);

}  // namespace glass
