// The layout of a connection, of a half-open one and of one in TIME_WAIT.
//
// Fields are Linux's and keep its names. They are grouped by who touches them: everything a segment needs on the way in
// and out stands together; what only connections with loss, options or timers need follows. Sequence variables are RFC
// 9293 section 3.3.1's.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "base/rare.h"
#include "base/seq.h"
#include "base/timer_wheel.h"
#include "base/windowed_min.h"
#include "net/sock.h"
#include "skb/rbtree.h"
#include "tcp/tcp.h"
#include "tcp/tcp_cong_vars.h"
#include "tcp/tcp_fastopen.h"
#include "tcp/tcp_md5.h"
#include "tcp/tcp_states.h"

namespace glass {

struct tcp_congestion_ops;
struct tcp_mtup;
struct tcp_zerocopy;
// What came with an ECN mark: segments with CE, payload bytes by codepoint (ECT(1), ECT(0), CE).
struct tcp_ecn_received {
  uint32_t ce = 0, bytes[3]{};
};
struct tcp_mtup_delete {
  void operator()(tcp_mtup*) const;
};
struct tcp_zerocopy_delete {
  void operator()(tcp_zerocopy*) const;
};
struct request_sock;

// What a listener has beyond a connection: its half-open and its unaccepted connections. Shared with the requests of
// Fast Open children, which may outlive it.
struct request_sock_queue {
  request_sock *rskq_accept_head = nullptr, *rskq_accept_tail = nullptr;
  uint32_t qlen = 0, young = 0;  // half-open connections; those whose SYN-ACK went out once
  Instant synq_overflow_ts{};    // last SYN cookie sent
  fastopen_queue fastopenq;
};

// A segment's notes in sk_buff::cb.
struct TcpCb {
  Seq seq, end_seq;     // SYN and FIN count one each
  Seq ack_seq;          // received: acknowledgment number
  uint16_t tcp_flags;   // TCPHDR_*
  uint8_t sacked;       // TCPCB_*, while in the retransmit queue
  bool eor;             // MSG_EOR: nothing may be appended
  bool zerocopy;        // MSG_ZEROCOPY: its end is reported
  uint8_t ip_dsfield;   // received: TOS byte
  uint16_t pcount;      // segments on the wire (GSO)
  uint16_t tailroom;    // received: bytes that fit behind the data at no further charge
  bool is_app_limited;  // sent: the application did not fill the pipe then; see tcp_rate.h for these five
  uint32_t delivered, delivered_ce;
  Instant first_tx_mstamp, delivered_mstamp;
  sk_buff *tsorted_next, *tsorted_prev;  // retransmit queue: place in the order of sending
  uint32_t sent;                         // and its number there; the parts of a split segment share one
};
inline TcpCb& TCP_SKB_CB(const sk_buff* skb) { return *SKB_CB<TcpCb>(const_cast<sk_buff*>(skb)); }
inline TcpCb& TCP_SKB_CB(const Skb& skb) { return *SKB_CB<TcpCb>(skb.get()); }

inline constexpr uint8_t TCPCB_SACKED_ACKED = 1, TCPCB_SACKED_RETRANS = 2, TCPCB_LOST = 4, TCPCB_EVER_RETRANS = 0x80;
inline constexpr uint8_t TCPCB_TAGBITS = TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS | TCPCB_LOST,
                         TCPCB_RETRANS = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;

struct tcp_sack_block {
  Seq start_seq, end_seq;
};

struct tcp_options_received {
  uint32_t ts_recent = 0;  // timestamp to echo
  uint32_t rcv_tsval = 0, rcv_tsecr = 0;
  int64_t ts_recent_stamp = 0;  // seconds when ts_recent was stored; 0: never
  uint16_t mss_clamp = 0;       // largest MSS the peer or the user allows
  uint16_t user_mss = 0;        // TCP_MAXSEG
  uint8_t snd_wscale = 0, rcv_wscale = 0;
  bool saw_tstamp = false;                                     // on the last segment
  bool tstamp_ok = false, sack_ok = false, wscale_ok = false;  // agreed in the handshake
  bool dsack = false;                                          // a D-SACK is to be reported
  uint8_t num_sacks = 0;                                       // blocks to report
};

enum class TcpTimer : uint8_t { retransmit, delack, keepalive, pacing, compressed_ack };

// What a connection with data waits for; the higher one is told.
enum class TcpChrono : uint8_t { none, busy, rwnd_limited, sndbuf_limited };

// Socket options that few applications set. Zero: the sysctl decides.
struct tcp_settings {
  uint16_t keepalive_time = 0, keepalive_intvl = 0;  // seconds
  uint8_t keepalive_probes = 0;
  bool thin_lto = false;  // TCP_THIN_LINEAR_TIMEOUTS
  int32_t linger2 = 0;    // FIN_WAIT2 seconds; < 0: none
  uint32_t icsk_user_timeout_ms = 0;
  uint32_t icsk_rto_min_us = 0, icsk_rto_max_ms = 0;  // TCP_RTO_MIN_US, TCP_RTO_MAX_MS
  uint64_t sk_max_pacing_rate = ~0ull;                // bytes a second
  uint32_t notsent_lowat = 0;                         // TCP_NOTSENT_LOWAT
};

// What few connections have: loss, time-outs, options and mechanisms that are seldom used.
struct tcp_ext {
  std::shared_ptr<request_sock_queue> icsk_accept_queue;  // listeners
  tcp_sack_block recv_sack_cache[4];  // blocks of the last ACK, in order, against walking them again
  tcp_sack_block selective_acks[4];   // to report: rx_opt.num_sacks of them, and one if rx_opt.dsack
  tcp_sack_block duplicate_sack[1];
  uint16_t total_rto = 0, total_rto_recoveries = 0;  // time-outs, and runs of them
  uint16_t timeout_rehash = 0;                       // time-outs after which another path would be tried
  uint32_t total_rto_time = 0;                       // milliseconds spent in those runs
  Instant rto_stamp{};                               // the current run's first time-out
  sk_buff* sack_hint = nullptr;                      // where the last SACK block was applied in the retransmit queue
  sk_buff* retransmit_skb_hint = nullptr;
  Seq highest_sack;  // end of the highest SACKed segment while sacked_out
  uint32_t prr_delivered = 0, prr_out = 0;
  uint32_t reord_seen = 0;          // times reordering was observed
  sk_buff* ooo_last_skb = nullptr;  // see tcp_ofo.h
  uint32_t ooo_count = 0;
  Instant last_oow_ack_time{};           // last answer to a segment outside of the window
  Instant deadline[2]{kNever, kNever};   // the timers behind TcpTimer::keepalive
  Instant icsk_probes_tstamp{};          // first zero-window probe that is still unanswered by room
  request_sock* fastopen_rsk = nullptr;  // child: the request whose final ACK has not come
  uint32_t dsack_dups = 0, rcv_ooopack = 0;
  uint64_t bytes_retrans = 0;
  std::vector<uint8_t> inet_opt;                                // IP options of every segment: the SYN's, answered
  std::unique_ptr<tcp_mtup, tcp_mtup_delete> icsk_mtup;         // MTU probing, where it is on
  std::unique_ptr<tcp_ecn_received> ecn_received;               // where the peer marks its packets
  std::unique_ptr<tcp_zerocopy, tcp_zerocopy_delete> zerocopy;  // MSG_ZEROCOPY, where it was used
  std::unique_ptr<tcp_fastopen_request> fastopen_req;           // client: what goes with the SYN
  std::unique_ptr<tcp_md5sig_info> md5sig_info;                 // keys of TCP_MD5SIG
  std::unique_ptr<std::vector<uint8_t>> saved_syn;              // the peer's SYN, until it is read
};

struct tcp_sock : sock, tcp_cong_vars {
  tcp_sock(net& n, Tcp& t) : sock(n, t) {}
  Tcp& tcp() const { return *static_cast<Tcp*>(sk_prot); }

  // --- every segment
  uint32_t pred_flags = 0;       // header prediction: what an expected segment's fourth word looks like; 0: slow path
  uint16_t tcp_header_len = 20;  // with the options of every segment
  Seq copied_seq;                // next byte the application reads
  Seq rcv_wup;                   // rcv_nxt when the last window went out
  uint32_t rcv_wnd = 0;          // window advertised then
  Seq write_seq;                 // end of what the application wrote
  Seq snd_wl1;                   // segment of the last window update
  uint32_t snd_wnd = 0;          // window the peer offers
  Seq snd_sml;                   // end of the last small packet sent (Minshall)
  Seq pushed_seq;                // end of the last byte marked PSH
  Seq snd_up;                    // end of urgent data; snd_una: none
  uint32_t max_window = 0;       // largest window the peer ever offered
  uint32_t mdev_us = 0, mdev_max_us = 0, rttvar_us = 0;  // mdev scaled by 4
  uint32_t icsk_rto_us = 1'000'000;
  Instant rcv_tstamp{};        // last ACK received
  sk_buff_list tcp_rtx_queue;  // sent, not acknowledged; sk_write_queue holds what was never sent
  tcp_options_received rx_opt;
  const tcp_congestion_ops* icsk_ca_ops = nullptr;
  uint8_t nonagle = 0;           // TCP_NAGLE_*
  uint8_t scaling_ratio = 128;   // payload bytes per 256 bytes of buffer
  bool is_cwnd_limited = false;  // the application used the whole window
  bool icsk_ca_initialized = false, icsk_ca_setsockopt = false;

  // --- delivery rate and pacing
  Instant first_tx_mstamp{};                          // send time of the segment acknowledged last
  uint32_t rate_delivered = 0, rate_interval_us = 0;  // the last good sample
  bool rate_app_limited = true;                       // nobody has filled the pipe yet

  // --- acknowledging
  struct {
    Instant lrcvtime{};  // last data received
    uint32_t ato_us = 0;
    uint16_t rcv_mss = 536;  // estimate of the peer's segment size
    uint16_t last_seg_size = 0;
    uint8_t pending = 0;   // ICSK_ACK_*
    uint8_t quick = 0;     // ACKs to send at once
    uint8_t pingpong = 0;  // answers given in time; from tcp_pingpong_thresh on the exchange is interactive
  } icsk_ack;
  uint32_t rcv_ssthresh = 0, window_clamp = 0;
  struct {
    Seq seq;
    uint32_t space = 0;
    Instant time{};
  } rcvq_space;  // buffer autotuning
  struct {
    uint32_t rtt_us = 0;
    Seq seq;
    Instant time{};
  } rcv_rtt_est;
  uint32_t rcv_rtt_last_tsecr = 0;  // echo of the last sample: one sample a round trip
  Seq compressed_ack_rcv_nxt;       // hole the duplicate ACKs below are about
  uint8_t compressed_ack = 0;       // ACKs held back
  uint8_t dup_ack_counter = 0;      // duplicate ACKs sent at once for that hole
  bool recvmsg_inq = false;         // TCP_INQ
  uint16_t urg_data = 0;            // TCP_URG_*, and the urgent byte
  Seq urg_seq;                      // where it stands
  uint16_t advmss = 1460;
  uint16_t icsk_ext_hdr_len = 0;  // IP option bytes
  uint16_t inet_id = 0;           // IP id of the next packet
  uint32_t icsk_pmtu = 1500;

  // --- sending
  uint32_t chrono_start = 0, chrono_stat[3]{};  // see tcp_wmem.cc; ticks of tcp_chrono_clock()
  TcpChrono chrono_type = TcpChrono::none;
  uint8_t pmtudisc = IP_PMTUDISC_WANT;             // IP_MTU_DISCOVER
  uint16_t gso_segs = 0;                           // segments of a large packet, at the last MSS
  bool tsq_throttled = false, tsq_queued = false;  // see tcp_tsq.cc
  bool sk_gone = false;                            // freed with its last packet

  // --- timers: one wheel entry, a deadline for each (see tcp_timer.cc)
  timer_list timer;
  Instant deadline[3]{kNever, kNever, kNever};  // the other two: tcp_ext
  uint8_t icsk_pending = 0;                     // what the retransmit deadline is for: ICSK_TIME_*
  uint8_t icsk_retransmits = 0, icsk_backoff = 0, icsk_probes_out = 0;
  uint8_t icsk_syn_retries = 0;
  uint32_t tsoffset = 0;    // added to the millisecond clock in timestamps
  Seq rtt_seq, high_seq;    // end of the RTT sampling period; snd_nxt when recovery began
  Instant retrans_stamp{};  // first retransmission of the current trouble

  // --- loss
  struct {
    uint32_t sent = 0;            // of the segments delivered the one sent last: its number in the order of sending
    Seq end_seq;                  // its end, which decides between parts of one segment
    uint32_t rtt_us = 0;          // its round trip
    uint32_t last_delivered = 0;  // delivered when reo_wnd was last widened
    uint8_t reo_wnd_steps = 1;    // reordering window in quarters of the smallest RTT
    uint8_t reo_wnd_persist = 0;  // recoveries until it falls back to one step
    bool dsack_seen = false;      // since it was last widened
    bool advanced = false;        // something was delivered that detection has not looked at
  } rack;                         // RFC 8985
  sk_buff *tsorted_head = nullptr, *tsorted_tail = nullptr;  // the retransmit queue in the order of sending
  uint32_t reordering = 3;      // segments that may overtake a segment before it counts as lost
  uint32_t sent_count = 0;      // packets handed to the network from it: the clock of that order
  Seq undo_marker;              // snd_una when cwnd was reduced; 0: nothing to undo
  int32_t undo_retrans = -1;    // retransmissions whose duplicates were not reported; 0: all proved needless
  Seq tlp_high_seq;             // snd_nxt at the tail loss probe; 0: none is out
  uint32_t prior_ssthresh = 0;  // before the last reduction
  uint32_t snd_cwnd_used = 0, max_packets_out = 0;
  Seq cwnd_usage_seq;  // snd_nxt when max_packets_out and is_cwnd_limited were noted
  Instant snd_cwnd_stamp{};
  bool frto = false;                     // RFC 5682: is the time-out spurious? not decided yet
  bool tlp_retrans = false;              // the probe was a retransmission
  bool is_sack_reneg = false;            // recovering after the receiver took SACKs back
  sk_buff* out_of_order_root = nullptr;  // see tcp_ofo.h

  // --- listeners and their children
  uint8_t defer_accept = 0;  // SYN-ACK retries to wait for data
  uint8_t save_syn = 0;      // TCP_SAVE_SYN: 1 from the network header on, 2 with the link header

  // --- Fast Open (tcp_fastopen.h)
  bool syn_fastopen : 1 = false;        // the SYN carried the option
  bool syn_fastopen_exp : 1 = false;    // in its experimental form
  bool syn_fastopen_ch : 1 = false;     // the first attempt after a pause for a black hole
  bool syn_fastopen_child : 1 = false;  // made by a SYN
  bool syn_data : 1 = false, syn_data_acked : 1 = false;
  bool fastopen_connect : 1 = false, fastopen_no_cookie : 1 = false;  // socket options
  bool defer_connect : 1 = false;                                     // connect() waits for the first write
  bool sk_write_pending : 1 = false;                                  // a writer waits for the connection
  uint8_t fastopen_client_fail : 2 = 0;                               // TFO_*

  // --- totals
  uint32_t total_retrans = 0, segs_in = 0, segs_out = 0, data_segs_in = 0, data_segs_out = 0;
  uint64_t bytes_acked = 0, bytes_received = 0, bytes_sent = 0;
  WindowedMin rtt_min;  // microseconds, over tcp_min_rtt_wlen

  Rare<tcp_settings> set;
  Rare<tcp_ext> ext;
};

inline tcp_sock* tcp_sk(sock* sk) { return static_cast<tcp_sock*>(sk); }
inline const tcp_sock* tcp_sk(const sock* sk) { return static_cast<const tcp_sock*>(sk); }

inline constexpr uint8_t ICSK_ACK_SCHED = 1, ICSK_ACK_TIMER = 2, ICSK_ACK_PUSHED = 4, ICSK_ACK_PUSHED2 = 8,
                         ICSK_ACK_NOW = 16, ICSK_ACK_NOMEM = 32;
inline constexpr uint16_t TCP_URG_VALID = 0x100, TCP_URG_NOTYET = 0x200, TCP_URG_READ = 0x400;
inline constexpr uint8_t ICSK_TIME_RETRANS = 1, ICSK_TIME_PROBE0 = 3, ICSK_TIME_LOSS_PROBE = 5,
                         ICSK_TIME_REO_TIMEOUT = 6;
inline constexpr uint8_t TCP_NAGLE_OFF = 1, TCP_NAGLE_CORK = 2, TCP_NAGLE_PUSH = 4;

// A half-open connection: a SYN was answered, the ACK has not come (Linux's request_sock). In the connection table as
// NEW_SYN_RECV.
struct request_sock : sock_common {
  tcp_sock* rsk_listener = nullptr;  // null once the listener is gone
  sock* sk = nullptr;                // the child, while it waits in the accept queue
  request_sock* dl_next = nullptr;   // accept queue
  timer_list rsk_timer;              // SYN-ACK retransmission
  Seq rcv_isn, snt_isn, rcv_nxt;
  uint32_t ts_recent = 0, ts_off = 0;
  uint32_t snt_tsval_first = 0, snt_tsval_last = 0;  // timestamps of the SYN-ACKs: what may be echoed
  uint32_t rsk_rcv_wnd = 0, window_clamp = 0;
  Instant snt_synack{}, last_oow_ack_time{};
  std::vector<uint8_t> ireq_opt;  // IP options of the answer
  std::unique_ptr<std::vector<uint8_t>> saved_syn;
  std::shared_ptr<request_sock_queue> queue;  // with a Fast Open child: where it counts until the handshake is done
  uint16_t mss = 536;
  uint8_t snd_wscale = 0, rcv_wscale = 0, num_timeout = 0, num_retrans = 0, tos = 0;
  bool tstamp_ok = false, sack_ok = false, wscale_ok = false, acked = false, ecn_ok = false;
  bool syncookie = false;     // answered with a cookie: not kept
  bool tfo_listener = false;  // its child was made from the SYN and the final ACK has not come
};

// A connection in TIME_WAIT (or an orphan's FIN_WAIT2): all that is needed to answer late segments.
struct tcp_timewait_sock : sock_common {
  timer_list tw_timer;
  uint8_t tw_substate = 0;  // TIME_WAIT or FIN_WAIT2
  uint8_t tw_rcv_wscale = 0;
  Seq tw_rcv_nxt, tw_snd_nxt;
  uint32_t tw_rcv_wnd = 0, tw_ts_recent = 0, tw_ts_offset = 0;
  Instant tw_entry_stamp{};  // when the connection became this entry
  std::unique_ptr<tcp_md5sig_key> tw_md5_key;
  int64_t tw_ts_recent_stamp = 0;
  Instant tw_last_oow_ack_time{};
  uint8_t tw_tos = 0;
  Tcp* tw_tcp = nullptr;
};

}  // namespace glass
