// TCP options: MSS (RFC 9293), window scale and timestamps (RFC 7323), SACK (RFC 2018), MD5 (RFC 2385), Fast Open (RFC
// 7413).
//
//   TcpOptions o = parse_tcp_options(th->option_bytes());   if (o.timestamps) ... o.timestamps->tsval
//   TcpOptions syn{.mss = 1460, .wscale = 7, .sack_permitted = true, .timestamps = TcpTimestamps{tsval, 0}};
//   size_t n = *emit_tcp_options(syn, buffer);              // 20 bytes, in Linux's order
//
// The cookie and the digest are spans into the bytes that were parsed; everything else is held by value.
#pragma once
#include <array>
#include <optional>
#include <string>

#include "base/seq.h"
#include "wire/bytes.h"

namespace glass {

enum class TcpOption : uint8_t {
  EOL = 0,
  NOP = 1,
  MSS = 2,
  WINDOW = 3,
  SACK_PERM = 4,
  SACK = 5,
  TIMESTAMP = 8,
  MD5SIG = 19,
  AO = 29,
  MPTCP = 30,
  FASTOPEN = 34,
  EXP = 254,
};
constexpr bool operator==(uint8_t byte, TcpOption kind) { return byte == static_cast<uint8_t>(kind); }

inline constexpr uint16_t TCPOPT_FASTOPEN_MAGIC = 0xf989;  // after kind 254 (RFC 6994)

// Sizes with the NOPs that keep 32-bit alignment.
inline constexpr size_t TCPOLEN_MSS_ALIGNED = 4;
inline constexpr size_t TCPOLEN_WSCALE_ALIGNED = 4;
inline constexpr size_t TCPOLEN_SACKPERM_ALIGNED = 4;
inline constexpr size_t TCPOLEN_TSTAMP_ALIGNED = 12;
inline constexpr size_t TCPOLEN_SACK_BASE_ALIGNED = 4;
inline constexpr size_t TCPOLEN_SACK_PERBLOCK = 8;
inline constexpr size_t TCPOLEN_MD5SIG_ALIGNED = 20;
inline constexpr size_t TCPOLEN_FASTOPEN_BASE = 2;
inline constexpr size_t TCPOLEN_EXP_FASTOPEN_BASE = 4;
inline constexpr size_t MAX_TCP_OPTION_SPACE = 40;

inline constexpr uint8_t TCP_MAX_WSCALE = 14;
inline constexpr size_t TCP_NUM_SACKS = 4;
inline constexpr size_t TCP_FASTOPEN_COOKIE_MIN = 4;
inline constexpr size_t TCP_FASTOPEN_COOKIE_MAX = 16;

struct TcpTimestamps {
  uint32_t tsval = 0, tsecr = 0;
  bool operator==(const TcpTimestamps&) const = default;
};

struct TcpSackBlock {
  Seq start{}, end{};  // end is one past the last byte held
  bool operator==(const TcpSackBlock&) const = default;
};

struct TcpOptions {
  std::optional<uint16_t> mss{};
  std::optional<uint8_t> wscale{};
  bool sack_permitted = false;
  std::optional<TcpTimestamps> timestamps{};
  std::array<TcpSackBlock, TCP_NUM_SACKS> sack{};
  uint8_t num_sacks = 0;
  std::optional<ByteSpan> md5{};              // 16 bytes
  std::optional<ByteSpan> fastopen_cookie{};  // empty: a request for a cookie; of a bad length: as it stands
  bool fastopen_exp = false;                  // the cookie came, or is to go, in the experimental option
  bool has_ao = false;                        // an authentication option (RFC 5925) was present; never emitted

  std::span<const TcpSackBlock> sack_blocks() const { return std::span(sack).first(num_sacks); }
  bool add_sack(TcpSackBlock block) {  // false when all four are taken
    if (num_sacks == TCP_NUM_SACKS) return false;
    sack[num_sacks++] = block;
    return true;
  }
  bool operator==(const TcpOptions&) const;  // compares what the spans point at
};

// Reads the bytes between header and payload, as tolerantly as Linux: an unknown kind or a known kind of an odd size is
// skipped; a length below 2 or beyond the end stops the reading and keeps what was read; EOL stops; of two equal kinds
// the last counts; an MSS of 0 is as none; a window scale above 14 is 14. Which options count (MSS only with SYN, …) is
// the caller's business.
TcpOptions parse_tcp_options(ByteSpan options);

// Bytes emit_tcp_options() writes: a multiple of 4.
size_t tcp_options_size(const TcpOptions&);
// Writes in Linux's order, padded with NOPs: MD5, MSS, SACK permitted and timestamps, window scale, SACK blocks, Fast
// Open. nullopt if `out` or the 40 bytes of a header are too small, or the digest is not 16 bytes long.
std::optional<size_t> emit_tcp_options(const TcpOptions&, MutableByteSpan out);

// "<nop,nop,TS val 1 ecr 2,sack 3001:4001>", as they stand in the bytes, errors included; "" if there are none. SACK
// blocks are printed relative to `sack_base`.
std::string format_tcp_options(ByteSpan options, Seq sack_base = {});

}  // namespace glass
