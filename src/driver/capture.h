// A driver around a driver: writes every frame that crosses it, either way, to a capture file.
//
//   PcapngWriter writer(stream);
//   CaptureDriver capture(tap, writer);                   // the frame passes on unchanged
//   stack.add_device("eth0", capture);
//
// Frames are written as they cross: large TCP packets whole, partial checksums unfinished (as tcpdump sees them).
// Several captures may share one writer; each adds its own interface. The wrapped driver and the writer are the
// caller's and outlive it.
#pragma once
#include "dev/netdevice.h"
#include "driver/pcapng.h"

namespace glass {

class CaptureDriver final : public Driver {
 public:
  // `label` names the interface in the file; empty: the device's name.
  CaptureDriver(Driver& inner, PcapngWriter& writer, std::string label = {});
  ~CaptureDriver() override { inner_.set_outer(nullptr); }
  CaptureDriver(const CaptureDriver&) = delete;
  CaptureDriver& operator=(const CaptureDriver&) = delete;

  void attach(net_device&) override;
  void detach() override;
  void ndo_start_xmit(Skb) override;
  int poll(int budget) override { return inner_.poll(budget); }
  Driver* inner() override { return &inner_; }
  Skb on_receive(Skb) override;

  void pause(bool paused) { paused_ = paused; }

 private:
  void write(const Skb&, PcapngWriter::Direction);

  Driver& inner_;
  PcapngWriter& writer_;
  std::string label_;
  net_device* dev_ = nullptr;
  uint32_t interface_ = 0;
  bool paused_ = false;
};

}  // namespace glass
