// Everything that happens on a link between two simulated hosts: each packet when it was sent, when it arrived, or
// where and why it was dropped.
//
//   LinkRecorder record;
//   record.join(client, link.a, server, link.b);     // before any packet
//   ... run the world ...
//   sequence_diagram(record.events(), ...);   record.write_capture(writer);
//
// The recorder outlives the hosts, whose queues write to it; leave() comes before they die.
// A packet is recorded as it enters the link (so also if the link loses it), cut into what the wire carries, checksum
// completed.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "driver/pcapng.h"
#include "stack/stack.h"
#include "view/drops.h"
#include "view/sequence.h"

namespace glass {

class LinkRecorder {
 public:
  struct Drop {
    Instant when;
    size_t host;  // 0: left, 1: right
    DropRow place;
    std::vector<uint8_t> packet;  // from the network header on; may be empty
    std::optional<size_t> frame;  // which of events() it was
  };

  LinkRecorder() = default;
  LinkRecorder(const LinkRecorder&) = delete;
  LinkRecorder& operator=(const LinkRecorder&) = delete;

  void join(Stack& left, net_device& left_dev, Stack& right, net_device& right_dev);
  void leave();  // nothing is recorded from here on

  std::span<const SequenceEvent> events() const { return frames_; }  // in order of sending
  const std::vector<Drop>& drops() const { return drops_; }
  // One interface a host, each packet once, as its sender sent it; drops as comments. Drops of packets that never were
  // on the link are written by themselves.
  void write_capture(PcapngWriter&) const;

 private:
  class RecordingQdisc;
  class Host final : public TraceSink {
   public:
    Host(LinkRecorder& recorder, size_t index, Stack& stack) : recorder_(recorder), index_(index), stack_(stack) {}
    void on_drop(const TraceEvent& e, const uint8_t* packet, size_t size) override {
      recorder_.dropped(index_, e, {packet, size});
    }
    Stack& stack() { return stack_; }

   private:
    LinkRecorder& recorder_;
    size_t index_;
    Stack& stack_;
  };

  void sent(size_t host, const sk_buff&, Instant);
  void arrived(size_t host, const sk_buff&, Instant);
  void dropped(size_t host, const TraceEvent&, std::span<const uint8_t> packet);
  std::optional<size_t> frame_dropped_by(size_t host, uint32_t skb);

  bool on_ = false;
  std::array<std::unique_ptr<Host>, 2> hosts_;
  std::vector<SequenceEvent> frames_;
  std::map<uint32_t, std::vector<size_t>> frames_of_;  // by packet id: retransmissions share it
  std::vector<Drop> drops_;
};

}  // namespace glass
