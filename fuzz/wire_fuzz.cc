// Any bytes as a frame, a packet, a segment, a set of options and each header: nothing may read out of bounds, and what
// parses and can be written again must parse to the same.
#include <cstdlib>

#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/format_packet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace {

using namespace glass;

void require(bool condition) {
  if (!condition) std::abort();
}

template <class Fields>
void parse_and_emit(ByteSpan bytes) {
  auto fields = Fields::parse(bytes);
  if (!fields) return;
  std::vector<uint8_t> out;
  require(append(*fields, out));
  require(Fields::parse(out) == fields);
}

// Options may take more room when they are written again, each aligned: then they may be refused. An authentication
// option is read but never written.
void parse_and_emit_tcp(ByteSpan bytes) {
  auto tcp = TcpHeader::parse(bytes);
  if (!tcp) return;
  require(!format_tcp(*tcp, bytes.size()).empty());
  std::vector<uint8_t> out;
  if (!append(*tcp, out)) return;
  tcp->options.has_ao = false;
  require(TcpHeader::parse(out) == tcp);
}

void read_timestamp(ByteSpan bytes) {
  const tcphdr* th = header_at<tcphdr>(bytes);
  if (!th || th->doff() < sizeof(tcphdr) || th->doff() > bytes.size()) return;
  uint32_t tsval = 0, tsecr = 0;
  if (!aligned_timestamp(*th, tsval, tsecr)) return;
  require(parse_tcp_options(th->option_bytes()).timestamps == TcpTimestamps{tsval, tsecr});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteSpan bytes(data, size);
  require(!format_frame(bytes).empty());
  require(!format_packet(bytes, {.source = {1}, .destination = {2}}).empty());
  require(!format_tcp_segment(bytes, size).empty());
  require(!format_tcp_segment(bytes, size + 100).empty());
  require(bytes.empty() == format_tcp_options(bytes).empty());
  require(parse_tcp_options(bytes).num_sacks <= TCP_NUM_SACKS);
  parse_and_emit<EthernetHeader>(bytes);
  parse_and_emit<ArpPacket>(bytes);
  parse_and_emit<Ipv4Header>(bytes);
  parse_and_emit<Ipv6Header>(bytes);
  parse_and_emit<IcmpHeader>(bytes);
  parse_and_emit<UdpHeader>(bytes);
  parse_and_emit_tcp(bytes);
  read_timestamp(bytes);
  return 0;
}
