#include "driver/capture.h"

namespace glass {

CaptureDriver::CaptureDriver(Driver& inner, PcapngWriter& writer, std::string label)
    : inner_(inner), writer_(writer), label_(std::move(label)) {
  inner_.set_outer(this);
}

void CaptureDriver::attach(net_device& dev) {
  inner_.attach(dev);
  dev_ = &dev;
  const auto type = dev.has_link_header ? PcapngWriter::LinkType::ethernet : PcapngWriter::LinkType::raw_ip;
  interface_ = writer_.add_interface(label_.empty() ? dev.name : label_, type, dev.dev_addr);
}

void CaptureDriver::detach() {
  inner_.detach();
  dev_ = nullptr;
}

void CaptureDriver::ndo_start_xmit(Skb skb) {
  write(skb, PcapngWriter::Direction::out);
  inner_.ndo_start_xmit(std::move(skb));
}

Skb CaptureDriver::on_receive(Skb skb) {
  write(skb, PcapngWriter::Direction::in);
  return skb;
}

void CaptureDriver::write(const Skb& skb, PcapngWriter::Direction direction) {
  if (dev_ && !paused_) writer_.write(interface_, dev_->ns.now, direction, *skb);
}

}  // namespace glass
