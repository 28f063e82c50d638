#include "view/sequence.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
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

// The options without padding and without the values of timestamps; a later segment's timestamps go without saying.
std::string short_options(std::string_view options, bool syn) {
  std::string out;
  while (!options.empty()) {
    const size_t end = std::min(options.find(','), options.size());
    std::string_view option = options.substr(0, end);
    options.remove_prefix(std::min(end + 1, options.size()));
    if (option.starts_with("TS ")) option = syn ? "TS" : "";
    if (option == "nop" || option.empty()) continue;
    out += out.empty() ? "" : ",";
    out += option;
  }
  return out.empty() ? "" : " <" + out + ">";
}

// The packet's line without what every line would repeat: addresses, ports and timestamps.
std::string label_of(const SequenceEvent& e, const SeqBase& base) {
  std::string text = format_packet(e.packet, base);
  if (const auto s = tcp_of(e.packet)) {
    if (const size_t at = text.find(" TCP "); at != std::string::npos) text.erase(0, at + 5);
    const size_t open = text.find(" <"), close = text.find('>', open == std::string::npos ? 0 : open);
    if (open != std::string::npos && close != std::string::npos)
      text.replace(open, close - open + 1,
                   short_options(std::string_view(text).substr(open + 2, close - open - 2), s->tcp->syn()));
  }
  if (e.duplicate) text += " (duplicated on the way)";
  return text;
}

// "---- S seq 0 win 64240 ---->", the label in the middle; "--✗" at the end where the packet was lost.
std::string arrow(const SequenceEvent& e, const std::string& label, size_t width) {
  const bool lost = !e.arrived;
  constexpr size_t kGap = 10;  // how far from the other side a lost packet ends
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
  const auto stamp = [&](std::optional<Instant> t) { return t ? format_milliseconds(*t - o.start) : std::string(); };
  const std::optional<Instant> left = e.from_left ? e.sent : e.arrived, right = e.from_left ? e.arrived : e.sent;
  const std::string shaft = arrow(e, label, o.width);
  std::string out = fmt::format("{:>13} |{}| {:>13}", stamp(left), e.arrived ? shaft : style.red(shaft), stamp(right));
  if (!e.drop.empty()) out += "  " + style.red("✗ " + e.drop);
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

}  // namespace

std::vector<std::string> sequence_labels(std::span<const SequenceEvent> events) {
  FirstSequenceNumbers first;
  std::vector<std::string> labels;
  for (const SequenceEvent& e : events) labels.push_back(label_of(e, first.see(e.packet)));
  return labels;
}

namespace {

std::string heading(const SequenceOptions& o) {
  const size_t left_margin = 14 - std::min<size_t>(14, display_width(o.left) / 2);
  const std::string left = std::string(left_margin, ' ') + o.left;
  const size_t right_at = 15 + o.width - std::min(o.width, display_width(o.right) / 2);
  return left + std::string(right_at > left.size() ? right_at - left.size() : 1, ' ') + o.right;
}

bool is_shown(size_t event, const SequenceOptions& o) {
  return o.only.empty() || std::ranges::binary_search(o.only, event);
}

}  // namespace

std::string sequence_diagram(std::span<const SequenceEvent> events, const SequenceOptions& o, const Style& style) {
  const std::vector<std::string> labels = sequence_labels(events);
  std::vector<size_t> order(events.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return events[i].sent; });
  SequenceOptions options = o;
  for (size_t i : order)
    if (is_shown(i, o)) options.width = std::max(options.width, display_width(labels[i]) + 13);

  std::string out = style.bold(heading(options)) + "\n";
  size_t left_out = 0;
  for (size_t i : order) {
    if (!is_shown(i, o)) {
      ++left_out;
      continue;
    }
    const bool first = out.find('\n') + 1 == out.size();
    if (left_out && !first) out += fmt::format("{:>13} : {} more\n", "", left_out);
    left_out = 0;
    out += line_of(events[i], labels[i], options, style);
  }
  return out;
}

}  // namespace glass
