#include "wire/udp.h"

#include <fmt/format.h>

namespace glass {

std::optional<UdpHeader> UdpHeader::parse(ByteSpan datagram) {
  const udphdr* uh = header_at<udphdr>(datagram);
  if (!uh) return std::nullopt;
  return UdpHeader{.source_port = ntohs(uh->source),
                   .destination_port = ntohs(uh->dest),
                   .length = ntohs(uh->len),
                   .checksum = ntohs(uh->check)};
}

bool UdpHeader::emit(MutableByteSpan out) const {
  udphdr* uh = mutable_header_at<udphdr>(out);
  if (!uh) return false;
  uh->source = htons(source_port);
  uh->dest = htons(destination_port);
  uh->len = htons(length);
  uh->check = htons(checksum);
  return true;
}

std::string format_udp(const UdpHeader& h) {
  if (h.length < sizeof(udphdr))
    return fmt::format("{} > {} UDP [bad length {}]", h.source_port, h.destination_port, h.length);
  return fmt::format("{} > {} UDP len {}", h.source_port, h.destination_port, h.length - sizeof(udphdr));
}

}  // namespace glass
