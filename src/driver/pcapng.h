// Writes capture files in the pcapng format (draft-ietf-opsawg-pcapng): what Wireshark, tshark and libpcap read.
// libpcap itself writes only the older format, which has neither several interfaces nor comments.
//
//   auto file = PcapngWriter::open("a.pcapng");              // or PcapngWriter writer(some_ostream);
//   uint32_t eth0 = (*file)->add_interface("eth0", PcapngWriter::LinkType::raw_ip);
//   (*file)->write(eth0, now, PcapngWriter::Direction::in, skb, "dropped: TCP_CSUM at tcp_v4_rcv");
//
// Output is buffered; flush() or the destructor brings it out. Every block is self-contained, so a file that was cut
// short is still good up to there. A stream that failed stays failed: ok() tells.
//
// Wireshark takes any mix of interfaces. libpcap 1.10 (tcpdump) wants one link type in the whole file, and stops at a
// second raw_ip interface: it compares the file's number for raw IP (101) with its own (12). For tcpdump: one raw_ip
// interface a file.
#pragma once
#include <cstdint>
#include <expected>
#include <fstream>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/time.h"

namespace glass {

struct sk_buff;

class PcapngWriter {
 public:
  enum class LinkType : uint16_t { ethernet = 1, raw_ip = 101 };
  enum class Direction : uint32_t { unknown = 0, in = 1, out = 2 };
  static constexpr uint32_t kSnapLength = 262144;

  explicit PcapngWriter(std::ostream& out);  // the stream is the caller's and outlives the writer
  ~PcapngWriter();
  PcapngWriter(const PcapngWriter&) = delete;
  PcapngWriter& operator=(const PcapngWriter&) = delete;
  // A file of its own, replaced if it exists. The error is one line that names the path.
  static std::expected<std::unique_ptr<PcapngWriter>, std::string> open(const std::string& path);

  // Returns the number to be used with write(). Interfaces may be added at any time.
  uint32_t add_interface(std::string_view name, LinkType, const MacAddress& = {});
  // A frame as one piece, or a packet from its data pointer on. Longer than kSnapLength: cut. The comment may be empty.
  void write(uint32_t interface, Instant, Direction, std::span<const uint8_t> frame, std::string_view comment = {});
  void write(uint32_t interface, Instant, Direction, const sk_buff&, std::string_view comment = {});

  // Added to every instant: what turns a stack's time line into time since 1970.
  void set_epoch(Duration since_1970) { epoch_ = since_1970; }
  void flush();
  bool ok() const { return static_cast<bool>(*out_); }
  uint64_t packets() const { return packets_; }

 private:
  explicit PcapngWriter(std::unique_ptr<std::ofstream> file);
  void start();
  void begin_block(uint32_t type);
  void end_block();
  void put16(uint16_t);
  void put32(uint32_t);
  void put_padded(const void* data, size_t size);
  void put_option(uint16_t code, const void* data, size_t size);
  void begin_packet(uint32_t interface, Instant, uint32_t captured, uint32_t original);
  void end_packet(Direction, std::string_view comment);

  std::unique_ptr<std::ofstream> file_;
  std::ostream* out_;
  std::vector<uint8_t> block_;  // the block being built
  Duration epoch_{};
  uint32_t interfaces_ = 0;
  uint64_t packets_ = 0;
};

}  // namespace glass
