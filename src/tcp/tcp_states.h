// Connection states (RFC 9293 section 3.3.2) with Linux's numbers, and congestion states.
#pragma once
#include <cstdint>

namespace glass::tcp_state {
enum : uint8_t {
  ESTABLISHED = 1,
  SYN_SENT,
  SYN_RECV,
  FIN_WAIT1,
  FIN_WAIT2,
  TIME_WAIT,
  CLOSE,
  CLOSE_WAIT,
  LAST_ACK,
  LISTEN,
  CLOSING,
  NEW_SYN_RECV,  // a request socket
};
constexpr uint32_t bit(uint8_t s) { return 1u << s; }
}  // namespace glass::tcp_state

namespace glass {
enum class CaState : uint8_t { Open, Disorder, CWR, Recovery, Loss };  // TCP_CA_*
}  // namespace glass
