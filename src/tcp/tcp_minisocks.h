// Half-open connections on the way to becoming full ones; shared by the files of the handshake.
#pragma once
#include "tcp/tcp_fastopen.h"
#include "tcp/tcp_sock.h"

namespace glass {

// tcp_listen.cc: a request for a segment's address pair, with the listener's choices and the IP options to answer with.
request_sock* inet_reqsk_alloc(tcp_sock* listener, const Skb&);
void tcp_openreq_init_rwin(request_sock*, const tcp_sock* listener, uint32_t mss);  // the window to offer
void inet_csk_reqsk_queue_add(tcp_sock* listener, request_sock*, tcp_sock* child);  // to the accept queue

// tcp_minisocks.cc: what becomes of a segment for a half-open connection.
enum class ReqFate : uint8_t {
  drop,      // `why` says the reason
  listener,  // it belongs to the listener
  child,     // it completes the handshake
};
struct ReqVerdict {
  ReqFate fate;
  Verdict why = nullptr;
};
// `sk` is the listener, or the child of a Fast Open request.
ReqVerdict tcp_check_req(Tcp&, tcp_sock* sk, request_sock*, const Skb&, bool fastopen);
// The full connection; the segment is the handshake's last, or the SYN of Fast Open. Null: the accept queue is full.
tcp_sock* tcp_v4_syn_recv_sock(Tcp&, tcp_sock* listener, request_sock*, const Skb&);
// The handshake's last segment goes on to the child, and the listener's application is told.
void tcp_child_process(tcp_sock* listener, tcp_sock* child, Skb);

// tcp_synack.cc
enum class SynackType : uint8_t { normal, fastopen, cookie };
// `sk` is the listener, or the child of a Fast Open request. False: it could not be sent.
bool tcp_v4_send_synack(Tcp&, const tcp_sock* sk, request_sock*, const tcp_fastopen_cookie*, SynackType);

}  // namespace glass
