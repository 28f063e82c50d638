// TCP Fast Open (RFC 7413): data in the SYN, with a cookie that proves the client's address.
//
// Server: a valid cookie makes the child at once (tcp_try_fastopen); its request stays until the handshake's last ACK
// has come, counted in the listener's fastopen_queue. Client: tcp_sendmsg() with MSG_FASTOPEN, or the first write after
// TCP_FASTOPEN_CONNECT, leaves its data in a tcp_fastopen_request for the SYN to take (tcp_send_syn_data). Cookies are
// remembered by destination in tcp_metrics.h. All of it is switched by net.ipv4.tcp_fastopen.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/errno.h"
#include "base/siphash.h"
#include "skb/skb.h"

namespace glass {

struct net;
struct sock;
struct tcp_sock;
struct request_sock;
struct dst_entry;
struct MsgSend;
class Tcp;

// Bits of net.ipv4.tcp_fastopen.
inline constexpr int64_t TFO_CLIENT_ENABLE = 1, TFO_SERVER_ENABLE = 2, TFO_CLIENT_NO_COOKIE = 4,
                         TFO_SERVER_COOKIE_NOT_REQD = 0x200, TFO_SERVER_WO_SOCKOPT1 = 0x400;
// tcpi_fastopen_client_fail.
inline constexpr uint8_t TFO_STATUS_UNSPEC = 0, TFO_COOKIE_UNAVAILABLE = 1, TFO_DATA_NOT_ACKED = 2,
                         TFO_SYN_RETRANSMITTED = 3;

inline constexpr int8_t TCP_FASTOPEN_COOKIE_SIZE = 8;  // of the cookies made here

// Keys of cookies, the active one first. As text: four groups of eight hexadecimal digits a key, keys separated by a
// comma.
struct TcpFastopenKeys {
  static constexpr size_t kLength = 16, kMost = 2;
  std::array<std::array<uint8_t, kLength>, kMost> key{};
  uint8_t count = 0;

  static std::optional<TcpFastopenKeys> parse(std::string_view text);
};

struct tcp_fastopen_cookie {
  int8_t len = -1;                // -1: no option; 0: a request for a cookie
  bool exp = false;               // in the experimental option (kind 254)
  std::array<uint8_t, 16> val{};  // as on the wire
  bool matches(const tcp_fastopen_cookie& other) const;
};

// A client's data on its way into the SYN.
struct tcp_fastopen_request {
  tcp_fastopen_cookie cookie;
  const MsgSend* data = nullptr;  // only during the call that sends the SYN
  size_t size = 0, copied = 0;
  bool zerocopy = false;  // MSG_ZEROCOPY
};

// A listener's pending Fast Open children.
struct fastopen_queue {
  uint32_t max_qlen = 0, qlen = 0;  // TCP_FASTOPEN; those whose handshake is not over
  // Requests whose child was reset before it was accepted count for a minute longer: a simple defence against spoofed
  // sources. Oldest first.
  request_sock *rskq_rst_head = nullptr, *rskq_rst_tail = nullptr;
  bool listening = true;
  TcpFastopenKeys keys;  // TCP_FASTOPEN_KEY; none: the stack's
};

// tcp_fastopen.cc: the server
tcp_sock* tcp_try_fastopen(tcp_sock* listener, const Skb&, request_sock*, tcp_fastopen_cookie&);
void tcp_fastopen_synack_timer(tcp_sock* child);
void tcp_fastopen_add_skb(tcp_sock*, const Skb&);  // the data of a SYN or SYN-ACK
void reqsk_fastopen_remove(tcp_sock* child, bool reset);
void tcp_fastopen_listen(tcp_sock* listener, int backlog);
void tcp_fastopen_listen_stop(tcp_sock* listener);
void fastopen_queue_tune(tcp_sock* listener, int backlog);                                  // TCP_FASTOPEN
Result<void> tcp_fastopen_reset_cipher(tcp_sock* listener, std::span<const uint8_t> keys);  // TCP_FASTOPEN_KEY
size_t tcp_fastopen_get_cipher(const tcp_sock*, std::span<uint8_t>);
bool tcp_fastopen_no_cookie(const tcp_sock*, int64_t flag);
bool tcp_passive_fastopen(const tcp_sock*);  // data may be sent before the handshake is over
inline bool fastopen_cookie_present(const tcp_fastopen_cookie& c) { return c.len != -1; }

// tcp_fastopen_client.cc
bool tcp_fastopen_cookie_check(tcp_sock*, uint16_t& mss, tcp_fastopen_cookie&);
bool tcp_fastopen_defer_connect(tcp_sock*);
bool tcp_rcv_fastopen_synack(tcp_sock*, const Skb& synack, tcp_fastopen_cookie&);  // true: data had to be sent again
void tcp_fastopen_active_disable(tcp_sock*);
void tcp_fastopen_active_disable_ofo_check(tcp_sock*);
void tcp_fastopen_active_detect_blackhole(tcp_sock*, bool expired);

}  // namespace glass
