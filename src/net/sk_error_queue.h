// What few sockets have: an error queue (recvmsg with MSG_ERRQUEUE), time stamps of what was sent, marks.
//
// The error queue holds packets that carry no data but a sock_extended_err: completions of MSG_ZEROCOPY, instants at
// which a byte was queued, sent or acknowledged (SO_TIMESTAMPING), ICMP errors (IP_RECVERR).
//
//   sock_ext& x = sock_ext_of(sk);          // made when first asked for
//   if (sk_has_errors(sk)) mask |= POLLERR;
//   return sock_recv_errqueue(sk, msg);     // MSG_ERRQUEUE
//
// Instants are the stack's own time as a timespec. The sock owns its sock_ext.
#pragma once
#include <cstdint>
#include <optional>

#include "net/sock.h"
#include "net/uapi_errqueue.h"

namespace glass {

struct sock_ext {
  sk_buff_head sk_error_queue;
  uint32_t sk_tsflags = 0;  // SOF_TIMESTAMPING_*
  uint32_t sk_tskey = 0;    // what OPT_ID counts from
  uint32_t sk_zckey = 0;    // number of the next MSG_ZEROCOPY call
  uint32_t sk_priority = 0, sk_mark = 0;
  uint32_t sk_omem_alloc = 0;  // what reports of MSG_ZEROCOPY cost, made or still to come
  uint8_t rcvtstamp = 0;       // SO_TIMESTAMP 1, SO_TIMESTAMPNS 2
  bool recverr = false;        // IP_RECVERR
};

// In the cb of a packet on the error queue.
struct SockExterrCb {
  sock_extended_err ee;
  Instant tstamp;  // SO_TIMESTAMPING; Instant{}: none
  bool has_offender;
  uint32_t offender;  // IPv4 address in network order
  uint16_t port;      // of `daddr`, where what the error is about was sent; 0: not told
  uint32_t daddr;
};

sock_ext& sock_ext_of(sock*);
void sock_ext_inherit(sock* child, const sock* listener);
inline bool sk_has_errors(const sock* sk) { return sk->sk_ext && !sk->sk_ext->sk_error_queue.empty(); }
inline uint32_t sk_tsflags(const sock* sk) { return sk->sk_ext ? sk->sk_ext->sk_tsflags : 0; }

// Puts a packet on the error queue and wakes whoever waits. ENOMEM if the receive buffer is full: the packet ends.
Result<void> sock_queue_err_skb(sock*, Skb, const SockExterrCb&);
// recvmsg with MSG_ERRQUEUE: the oldest packet's bytes, SCM_TIMESTAMPING and IP_RECVERR. EAGAIN: nothing there.
Result<size_t> sock_recv_errqueue(sock*, MsgRecv&);
// A stamp of something sent goes to the error queue: `kind` is SCM_TSTAMP_SCHED, _SND or _ACK, `key` its last byte.
void __skb_tstamp_tx(const sk_buff&, sock*, uint32_t key, uint32_t kind);
// SO_TIMESTAMPING's software stamp for a message.
void put_scm_timestamping(MsgRecv&, Instant);
// When what was read had come, as SO_TIMESTAMP, SO_TIMESTAMPNS and SO_TIMESTAMPING ask for it (SOCK_RCVTSTAMP).
void sock_recv_timestamp(const sock*, MsgRecv&, Instant);

// Memory for the report of a call of MSG_ZEROCOPY, within net.core.optmem_max. False: there is none.
bool sock_omalloc(sock*);
void sock_omem_free(sock*);  // no report came of it
// The calls of MSG_ZEROCOPY from `lo` on are done with the caller's memory; they were copied. Their sock_omalloc() is
// given back when the report has been read.
void sock_zerocopy_complete(sock*, uint32_t lo, uint32_t calls);

// SO_TIMESTAMPING, SO_ZEROCOPY, SO_PRIORITY, SO_MARK, IP_RECVERR: as in sock_opt.h, called from there.
Result<bool> sock_ext_setsockopt(sock*, int name, int value);
std::optional<int> sock_ext_getsockopt(const sock*, int name);

}  // namespace glass
