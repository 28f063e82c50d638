// The error queue's and time stamping's constants and structures (linux/errqueue.h, linux/net_tstamp.h), as programs
// know them. Written out, because those headers bring names with them that collide with Linux's own for other things.
#pragma once
#include <cstdint>

namespace glass {

struct sock_extended_err {
  uint32_t ee_errno;
  uint8_t ee_origin, ee_type, ee_code, ee_pad;
  uint32_t ee_info, ee_data;
};

inline constexpr uint8_t SO_EE_ORIGIN_LOCAL = 1, SO_EE_ORIGIN_ICMP = 2, SO_EE_ORIGIN_TIMESTAMPING = 4,
                         SO_EE_ORIGIN_ZEROCOPY = 5;
inline constexpr uint8_t SO_EE_CODE_ZEROCOPY_COPIED = 1;

// What a stamp is of (ee_info).
inline constexpr uint32_t SCM_TSTAMP_SND = 0, SCM_TSTAMP_SCHED = 1, SCM_TSTAMP_ACK = 2;

inline constexpr uint32_t SOF_TIMESTAMPING_TX_HARDWARE = 1u << 0, SOF_TIMESTAMPING_TX_SOFTWARE = 1u << 1,
                          SOF_TIMESTAMPING_RX_SOFTWARE = 1u << 3, SOF_TIMESTAMPING_SOFTWARE = 1u << 4,
                          SOF_TIMESTAMPING_OPT_ID = 1u << 7, SOF_TIMESTAMPING_TX_SCHED = 1u << 8,
                          SOF_TIMESTAMPING_TX_ACK = 1u << 9, SOF_TIMESTAMPING_OPT_TSONLY = 1u << 11,
                          SOF_TIMESTAMPING_OPT_ID_TCP = 1u << 16;
inline constexpr uint32_t SOF_TIMESTAMPING_TX_RECORD_MASK =
    SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK;

}  // namespace glass
