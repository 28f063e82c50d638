#include "wire/tcp.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace glass {

std::optional<TcpHeader> TcpHeader::parse(ByteSpan segment) {
  const tcphdr* th = header_at<tcphdr>(segment);
  if (!th || th->doff() < sizeof(tcphdr) || th->doff() > segment.size()) return std::nullopt;
  return TcpHeader{.source_port = ntohs(th->source),
                   .destination_port = ntohs(th->dest),
                   .seq = th->seq_nr(),
                   .ack_seq = th->ack_nr(),
                   .flags = th->all_flags(),
                   .window = ntohs(th->window),
                   .checksum = ntohs(th->check),
                   .urg_ptr = ntohs(th->urg_ptr),
                   .options = parse_tcp_options(th->option_bytes())};
}

bool TcpHeader::emit(MutableByteSpan out) const {
  tcphdr* th = mutable_header_at<tcphdr>(out);
  if (!th) return false;
  auto options_size = emit_tcp_options(options, out.subspan(sizeof(tcphdr)));
  if (!options_size) return false;
  th->source = htons(source_port);
  th->dest = htons(destination_port);
  th->seq = htonl(seq.v);
  th->ack_seq = htonl(ack_seq.v);
  th->doff_res = 0;
  th->set_doff(sizeof(tcphdr) + *options_size);
  th->set_all_flags(flags);
  th->window = htons(window);
  th->check = htons(checksum);
  th->urg_ptr = htons(urg_ptr);
  return true;
}

std::string format_tcp_flags(uint16_t flags) {
  static constexpr char kLetters[] = {'F', 'S', 'R', 'P', '.', 'U', 'E', 'W', 'e'};  // from bit 0 upwards
  std::string text;
  for (size_t bit = 0; bit < std::size(kLetters); ++bit)
    if (flags >> bit & 1) text += kLetters[bit];
  return text.empty() ? "none" : text;
}

namespace {

std::string format_line(const TcpHeader& h, size_t payload_length, const std::string& options, const SeqBase& base) {
  uint32_t seq = h.seq - base.source;
  std::string line = fmt::format("TCP {} seq {}", format_tcp_flags(h.flags), seq);
  if (payload_length) line += fmt::format(":{}", static_cast<uint32_t>(seq + payload_length));
  if (h.flags & TCPHDR_ACK) line += fmt::format(" ack {}", h.ack_seq - base.destination);
  line += fmt::format(" win {}", h.window);
  if (h.flags & TCPHDR_URG) line += fmt::format(" urg {}", h.urg_ptr);
  if (!options.empty()) line += " " + options;
  return line + fmt::format(" len {}", payload_length);
}

}  // namespace

std::string format_tcp_segment(ByteSpan segment, size_t segment_length, const SeqBase& base) {
  segment = segment.first(std::min(segment.size(), segment_length));
  const tcphdr* th = header_at<tcphdr>(segment);
  if (!th) return fmt::format("TCP [truncated: {} of 20 bytes]", segment.size());
  if (th->doff() < sizeof(tcphdr) || th->doff() > segment_length) {
    return fmt::format("TCP {} seq {} [bad header length {} of {}]", format_tcp_flags(th->all_flags()),
                       th->seq_nr() - base.source, th->doff(), segment_length);
  }
  size_t options_held = std::min(th->doff(), segment.size()) - sizeof(tcphdr);
  std::string options = format_tcp_options(segment.subspan(sizeof(tcphdr), options_held), base.destination);
  if (th->doff() > segment.size()) options += "[options cut]";
  TcpHeader h{.seq = th->seq_nr(),
              .ack_seq = th->ack_nr(),
              .flags = th->all_flags(),
              .window = ntohs(th->window),
              .urg_ptr = ntohs(th->urg_ptr)};
  return format_line(h, segment_length - th->doff(), options, base);
}

std::string format_tcp(const TcpHeader& h, size_t payload_length, const SeqBase& base) {
  std::array<uint8_t, MAX_TCP_OPTION_SPACE> buffer;
  auto size = emit_tcp_options(h.options, buffer);
  std::string options =
      size ? format_tcp_options(ByteSpan(buffer).first(*size), base.destination) : "[too many options]";
  return fmt::format("{} > {} ", h.source_port, h.destination_port) + format_line(h, payload_length, options, base);
}

}  // namespace glass
