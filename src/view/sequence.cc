#include "view/sequence.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "wire/format_packet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace glass {

namespace {

struct Segment {
  IpAddress source, destination;
  const tcphdr* tcp;
};

std::optional<Segment> tcp_of(ByteSpan packet) {
  const auto* iph = header_at<iphdr>(packet);
  if (!iph || iph->version() != 4 || iph->protocol != IpProto::TCP || iph->is_fragment()) return std::nullopt;
  const auto* th = header_at<tcphdr>(packet, iph->ihl());
  if (!th) return std::nullopt;
  return Segment{IpAddress::v4_from_wire(iph->saddr), IpAddress::v4_from_wire(iph->daddr), th};
}

// The first sequence number each end of each connection was seen to use.
class FirstSequenceNumbers {
 public:
  SeqBase see(ByteSpan packet) {
    const auto s = tcp_of(packet);
    if (!s) return {};
    const Key there{to_string(s->source), ntohs(s->tcp->source), to_string(s->destination), ntohs(s->tcp->dest)};
    const Key back{std::get<2>(there), std::get<3>(there), std::get<0>(there), std::get<1>(there)};
    // A SYN starts anew: the same ports may be used again. A later segment counts as the one after its SYN.
    if (s->tcp->syn()) {
      first_[there] = s->tcp->seq_nr();
    } else {
      first_.try_emplace(there, Seq{ntohl(s->tcp->seq) - 1});
    }
    if (s->tcp->ack()) first_.try_emplace(back, Seq{ntohl(s->tcp->ack_seq) - 1});
    const auto other = first_.find(back);
    return {first_[there], other == first_.end() ? Seq{} : other->second};
  }

 private:
  using Key = std::tuple<std::string, uint16_t, std::string, uint16_t>;
  std::map<Key, Seq> first_;
};

// The line without what every line would repeat: addresses, ports and timestamps.
std::string label_of(const SequenceEvent& e, const SeqBase& base) {
  std::string text = format_packet(e.packet, base);
  if (const auto s = tcp_of(e.packet)) {
    if (const size_t at = text.find(" TCP "); at != std::string::npos) text.erase(0, at + 5);
    const size_t open = text.find(" <"), close = text.find('>', open == std::string::npos ? 0 : open);
    if (open != std::string::npos && close != std::string::npos && !s->tcp->syn()) {
      const bool sack = text.substr(open, close - open).find("sack") != std::string::npos;
      if (!sack) text.erase(open, close - open + 1);
    }
  }
  if (e.duplicate) text += " (duplicated on the way)";
  return text;
}

// "---- S seq 0 win 64240 ---->", the label in the middle; "--✗" at the end where the packet was lost.
std::string arrow(const SequenceEvent& e, const std::string& label, size_t width) {
  const bool lost = !e.arrived;
  constexpr size_t kGap = 10;       // how far from the other side a lost packet ends
  const size_t length = lost ? width - kGap : width;
  const size_t used = display_width(label) + 3;
  const size_t dashes = used < length ? length - used : 0;
  const std::string before(std::max<size_t>(dashes / 2, 1), '-'), after(std::max<size_t>(dashes - dashes / 2, 1), '-');
  const std::string gap(lost ? kGap : 0, ' ');
  const std::string_view head = lost ? "✗" : e.from_left ? ">" : "<";
  return e.from_left ? fmt::format("{} {} {}{}{}", before, label, after, head, gap)
                     : fmt::format("{}{}{} {} {}", gap, head, after, label, before);
}

std::string line_of(const SequenceEvent& e, const std::string& label, const SequenceOptions& o, const Style& style) {
  const auto time = [&](std::optional<Instant> t) { return t ? format_milliseconds(*t - o.start) : std::string(); };
  const std::optional<Instant> left = e.from_left ? e.sent : e.arrived, right = e.from_left ? e.arrived : e.sent;
  const std::string shaft = arrow(e, label, o.width);
  std::string out = fmt::format("{:>13} |{}| {:>13}", time(left), e.arrived ? shaft : style.red(shaft), time(right));
  if (!e.drop.empty()) out += "  " + style.red("✗ " + e.drop);
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

}  // namespace

std::string sequence_diagram(std::span<const SequenceEvent> events, const SequenceOptions& o, const Style& style) {
  std::vector<const SequenceEvent*> sorted;
  for (const SequenceEvent& e : events) sorted.push_back(&e);
  std::ranges::stable_sort(sorted, [](auto* a, auto* b) { return a->sent < b->sent; });

  FirstSequenceNumbers first;
  std::vector<std::string> labels;
  for (const SequenceEvent* e : sorted) labels.push_back(label_of(*e, first.see(e->packet)));
  SequenceOptions options = o;
  for (const std::string& label : labels) options.width = std::max(options.width, display_width(label) + 16);

  const size_t left_margin = 14 - std::min<size_t>(14, display_width(o.left) / 2);
  const std::string heading = std::string(left_margin, ' ') + o.left;
  const size_t right_at = 15 + options.width - std::min(options.width, display_width(o.right) / 2);
  const std::string blanks(right_at > heading.size() ? right_at - heading.size() : 1, ' ');
  std::string out = style.bold(heading + blanks + o.right) + "\n";

  const size_t shown = o.max_events && sorted.size() > o.max_events ? o.max_events : sorted.size();
  const size_t head = shown == sorted.size() ? shown : (shown + 1) / 2, tail = shown - head;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i == head && shown != sorted.size()) {
      i = sorted.size() - tail;
      out += fmt::format("{:>13} : {} more packets\n", "", sorted.size() - shown);
      if (i == sorted.size()) break;
    }
    out += line_of(*sorted[i], labels[i], options, style);
  }
  return out;
}

}  // namespace glass
