// The TCP header (RFC 9293 section 3.1). Its options stand in wire/tcp_options.h, which this header brings along.
//
//   const tcphdr* th = header_at<tcphdr>(segment);
//   if (th && th->syn() && !th->ack()) isn = th->seq_nr();
//   auto tcp = TcpHeader::parse(segment);   format_tcp(*tcp, payload);   // "3490 > 40000 TCP P. seq 1:15 ack 1 win
//   502"
//
// doff() counts bytes, doff_words() counts as the packet does.
#pragma once
#include <string>

#include "base/ip_address.h"
#include "base/seq.h"
#include "wire/bytes.h"
#include "wire/tcp_options.h"

namespace glass {

inline constexpr uint16_t TCPHDR_FIN = 0x01;
inline constexpr uint16_t TCPHDR_SYN = 0x02;
inline constexpr uint16_t TCPHDR_RST = 0x04;
inline constexpr uint16_t TCPHDR_PSH = 0x08;
inline constexpr uint16_t TCPHDR_ACK = 0x10;
inline constexpr uint16_t TCPHDR_URG = 0x20;
inline constexpr uint16_t TCPHDR_ECE = 0x40;
inline constexpr uint16_t TCPHDR_CWR = 0x80;
inline constexpr uint16_t TCPHDR_AE = 0x100;  // lies in the byte of the data offset (RFC 9768)
inline constexpr uint16_t TCPHDR_SYN_ECN = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR;

struct [[gnu::packed]] tcphdr {
  uint16_t source;
  uint16_t dest;
  uint32_t seq;
  uint32_t ack_seq;
  uint8_t doff_res;  // data offset in words in the high four bits; the lowest bit is AE
  uint8_t flags;     // TCPHDR_FIN to TCPHDR_CWR
  uint16_t window;
  uint16_t check;
  uint16_t urg_ptr;

  uint8_t doff_words() const { return doff_res >> 4; }
  size_t doff() const { return doff_words() * size_t{4}; }
  void set_doff(size_t bytes) { doff_res = static_cast<uint8_t>((doff_res & 0xf) | bytes / 4 << 4); }
  bool fin() const { return flags & TCPHDR_FIN; }
  bool syn() const { return flags & TCPHDR_SYN; }
  bool rst() const { return flags & TCPHDR_RST; }
  bool psh() const { return flags & TCPHDR_PSH; }
  bool ack() const { return flags & TCPHDR_ACK; }
  bool urg() const { return flags & TCPHDR_URG; }
  bool ece() const { return flags & TCPHDR_ECE; }
  bool cwr() const { return flags & TCPHDR_CWR; }
  bool ae() const { return doff_res & 1; }
  uint16_t all_flags() const { return static_cast<uint16_t>(flags | (doff_res & 1) << 8); }  // with TCPHDR_AE
  void set_all_flags(uint16_t f) {
    flags = static_cast<uint8_t>(f);
    doff_res = static_cast<uint8_t>((doff_res & 0xfe) | (f >> 8 & 1));
  }

  Seq seq_nr() const { return {ntohl(seq)}; }
  Seq ack_nr() const { return {ntohl(ack_seq)}; }
  // The bytes between header and payload. Requires doff() >= 20 and doff() bytes of memory.
  ByteSpan option_bytes() const {
    return {reinterpret_cast<const uint8_t*>(this) + sizeof(tcphdr), doff() - sizeof(tcphdr)};
  }
};
static_assert(sizeof(tcphdr) == 20 && alignof(tcphdr) == 1);

inline uint8_t tcp_flag_byte(const tcphdr& th) { return th.flags; }

// The options of nearly every segment of a running connection: two NOPs and a timestamp, nothing else (RFC 7323
// appendix A). True and both values if the header is exactly that. Requires doff() bytes of memory.
inline bool aligned_timestamp(const tcphdr& th, uint32_t& tsval, uint32_t& tsecr) {
  if (th.doff() != sizeof(tcphdr) + TCPOLEN_TSTAMP_ALIGNED) return false;
  const uint8_t* p = reinterpret_cast<const uint8_t*>(&th) + sizeof(tcphdr);
  uint32_t word[3];
  std::memcpy(word, p, sizeof(word));
  if (word[0] != htonl(0x0101080a)) return false;
  tsval = ntohl(word[1]);
  tsecr = ntohl(word[2]);
  return true;
}

struct TcpHeader {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  Seq seq{}, ack_seq{};
  uint16_t flags = 0;     // TCPHDR_*, with AE
  uint16_t window = 0;    // as on the wire, unscaled
  uint16_t checksum = 0;  // host order, not checked and not computed
  uint16_t urg_ptr = 0;
  TcpOptions options{};  // its spans point into what was parsed

  bool operator==(const TcpHeader&) const = default;
  // nullopt if short or its data offset is below 20 or beyond the segment. Options are read as parse_tcp_options()
  // does.
  static std::optional<TcpHeader> parse(ByteSpan segment);
  size_t size() const { return sizeof(tcphdr) + tcp_options_size(options); }
  bool emit(MutableByteSpan out) const;  // false if `out` is too small or the options do not fit in 40 bytes
};

// What seq and ack numbers are printed relative to: the first sequence number of the packet's source and of its
// destination.
struct SeqBase {
  Seq source{}, destination{};
};

// "S", "P.", "F.", "SEW"; "none" without a flag. tcpdump's letters.
std::string format_tcp_flags(uint16_t flags);
// "TCP P. seq 1:15 ack 1 win 502 <nop,nop,TS val 1 ecr 2> len 14"; the segment's header is checked first.
// `segment_length` is the length of header and payload according to IP; the span may hold less of the payload.
std::string format_tcp_segment(ByteSpan segment, size_t segment_length, const SeqBase& base = {});
// The same from fields, with the options in the order emit() writes them.
std::string format_tcp(const TcpHeader&, size_t payload_length, const SeqBase& base = {});

}  // namespace glass
