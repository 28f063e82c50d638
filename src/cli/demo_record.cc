#include "cli/demo_record.h"

#include <algorithm>

#include "base/checksum.h"
#include "skb/gso.h"

namespace glass {

namespace {

std::vector<uint8_t> network_packet(const sk_buff& skb) {
  const auto link_header = static_cast<uint32_t>(std::max<ptrdiff_t>(skb.network() - skb.data, 0));
  std::vector<uint8_t> bytes(skb.len - std::min(link_header, skb.len));
  skb_copy_bits(skb, skb.len - static_cast<uint32_t>(bytes.size()), bytes.data(), static_cast<uint32_t>(bytes.size()));
  if (skb.ip_summed != IpSummed::partial) return bytes;
  const auto start = static_cast<size_t>(skb.head + skb.csum_start - skb.network());
  if (start + skb.csum_offset + 2 > bytes.size()) return bytes;
  const uint16_t sum = csum_fold(csum_partial(bytes.data() + start, bytes.size() - start, 0));
  std::memcpy(bytes.data() + start + skb.csum_offset, &sum, sizeof sum);
  return bytes;
}

}  // namespace

// Notes each packet on its way into the link's own queue.
class LinkRecorder::RecordingQdisc final : public Qdisc {
 public:
  RecordingQdisc(std::unique_ptr<Qdisc> inner, LinkRecorder& recorder, size_t host)
      : inner_(std::move(inner)), recorder_(recorder), host_(host) {}

  bool enqueue(Skb skb, Instant now) override {
    if (!skb->is_gso()) return enqueue_one(std::move(skb), now);
    sk_buff_head segments;
    skb_segment(std::move(skb), segments);
    bool room = false;  // for any of it; the rest is lost like on a link
    while (Skb segment = segments.pop_front()) room |= enqueue_one(std::move(segment), now);
    return room;
  }
  Skb dequeue(Instant now) override { return inner_->dequeue(now); }
  Instant next_dequeue() const override { return inner_->next_dequeue(); }
  uint32_t qlen() const override { return inner_->qlen(); }
  std::string describe() const override { return inner_->describe(); }

 private:
  bool enqueue_one(Skb skb, Instant now) {
    recorder_.sent(host_, *skb, now);
    return inner_->enqueue(std::move(skb), now);
  }

  std::unique_ptr<Qdisc> inner_;
  LinkRecorder& recorder_;
  size_t host_;
};

void LinkRecorder::join(Stack& left, net_device& left_dev, Stack& right, net_device& right_dev) {
  on_ = true;
  const std::array<std::pair<Stack*, net_device*>, 2> ends{{{&left, &left_dev}, {&right, &right_dev}}};
  for (size_t i = 0; i < ends.size(); ++i) {
    auto [stack, dev] = ends[i];
    hosts_[i] = std::make_unique<Host>(*this, i, *stack);
    stack->trace().set_sink(hosts_[i].get());
    auto inner = dev->qdisc ? std::move(dev->qdisc) : make_pfifo_fast(stack->ns());
    dev->qdisc = std::make_unique<RecordingQdisc>(std::move(inner), *this, i);
    stack->softnet().taps.push_back([this, i, dev](const net_device& on, const sk_buff& skb, bool outgoing) {
      if (!outgoing && &on == dev) arrived(i, skb, dev->ns.now);
    });
  }
}

void LinkRecorder::leave() {
  on_ = false;
  for (const auto& host : hosts_)
    if (host) host->stack().trace().set_sink(nullptr);
}

void LinkRecorder::sent(size_t host, const sk_buff& skb, Instant now) {
  if (!on_) return;
  frames_of_[skb.id].push_back(frames_.size());
  frames_.push_back({.sent = now,
                     .arrived = std::nullopt,
                     .from_left = host == 0,
                     .packet = network_packet(skb),
                     .drop = {},
                     .duplicate = false});
}

void LinkRecorder::arrived(size_t host, const sk_buff& skb, Instant now) {
  if (!on_) return;
  std::vector<size_t>& same = frames_of_[skb.id];
  const auto travels = [&](size_t i) {
    return !frames_[i].arrived && frames_[i].drop.empty() && frames_[i].from_left == (host == 1);
  };
  if (const auto at = std::ranges::find_if(same, travels); at != same.end()) {
    frames_[*at].arrived = now;
    return;
  }
  // A copy the link made: it was sent when the original was.
  const Instant original = same.empty() ? now : frames_[same.front()].sent;
  same.push_back(frames_.size());
  frames_.push_back({.sent = original,
                     .arrived = now,
                     .from_left = host == 1,
                     .packet = network_packet(skb),
                     .drop = {},
                     .duplicate = true});
}

// A host drops what it is about to send, or what has just arrived.
std::optional<size_t> LinkRecorder::frame_dropped_by(size_t host, uint32_t skb) {
  const auto found = frames_of_.find(skb);
  if (found == frames_of_.end()) return std::nullopt;
  for (auto i = found->second.rbegin(); i != found->second.rend(); ++i) {
    const SequenceEvent& f = frames_[*i];
    const bool is_sender = f.from_left == (host == 0);
    if (f.drop.empty() && f.arrived.has_value() != is_sender) return *i;
  }
  return std::nullopt;
}

void LinkRecorder::dropped(size_t host, const TraceEvent& e, std::span<const uint8_t> packet) {
  if (!on_) return;
  const std::optional<size_t> frame = frame_dropped_by(host, e.skb);
  drops_.push_back({e.when, host, drop_row(*e.place, 1), {packet.begin(), packet.end()}, frame});
  if (frame) frames_[*frame].drop = format_drop_place(drops_.back().place);
}

void LinkRecorder::write_capture(PcapngWriter& writer) const {
  std::array<uint32_t, 2> interfaces{};
  for (size_t i = 0; i < hosts_.size(); ++i)
    interfaces[i] = writer.add_interface(hosts_[i]->stack().hostname() + " eth0", PcapngWriter::LinkType::raw_ip);
  struct Entry {
    Instant when;
    size_t host;
    std::span<const uint8_t> packet;
    std::string comment;
  };
  std::vector<Entry> entries;
  for (const SequenceEvent& f : frames_) {
    std::string comment = f.drop.empty() ? "" : "dropped: " + f.drop;
    if (f.duplicate) comment = comment.empty() ? "duplicated on the way" : comment + "; duplicated on the way";
    entries.push_back({f.sent, f.from_left ? size_t{0} : size_t{1}, f.packet, comment});
  }
  for (const Drop& d : drops_)
    if (!d.frame && !d.packet.empty())
      entries.push_back({d.when, d.host, d.packet, "dropped: " + format_drop_place(d.place)});
  std::ranges::stable_sort(entries, {}, &Entry::when);
  for (const Entry& e : entries)
    writer.write(interfaces[e.host], e.when, PcapngWriter::Direction::out, e.packet, e.comment);
}

}  // namespace glass
