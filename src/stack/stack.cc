#include "stack/stack.h"

#include <algorithm>

#include "wire/ipv4.h"

namespace glass {

Stack::Stack(StackConfig config)
    : config_(std::move(config)),
      own_pool_(config_.pool ? nullptr : std::make_unique<SkbPool>()),
      net_(config_.pool ? *config_.pool : *own_pool_, config_.seed),
      softnet_(net_),
      ip_(net_, softnet_),
      udp_(net_, ip_),
      tcp_(net_, ip_),
      sockets_(net_) {
  sockets_.inet_register_protosw(SOCK_STREAM, IPPROTO_TCP, tcp_);
  sockets_.inet_register_protosw(SOCK_DGRAM, IPPROTO_UDP, udp_);
  net_device& lo = add_device("lo", loopback_driver_);
  ip_.set_loopback(lo);
  ip_.add_address(lo, {IpAddress::v4(127, 0, 0, 1), 8});
}

Stack::~Stack() {
  for (auto& dev : devices_) dev_shutdown(*dev);
  softnet_.input_pkt_queue.purge(nullptr);
}

net_device& Stack::add_device(std::string name, Driver& driver, std::unique_ptr<Qdisc> qdisc) {
  auto dev = std::make_unique<net_device>(net_, softnet_, std::move(name));
  static_assert(sizeof(int) == 4);
  dev->ifindex = devices_.empty() ? 1 : devices_.back()->ifindex + 1;
  dev->driver = &driver;
  dev->napi.driver = &driver;
  dev->qdisc = std::move(qdisc);
  driver.attach(*dev);
  devices_.push_back(std::move(dev));
  return *devices_.back();
}

void Stack::remove_device(net_device& dev) {
  dev_shutdown(dev);
  ip_.remove_device(dev);
  std::erase_if(devices_, [&dev](const auto& d) { return d.get() == &dev; });
}

net_device* Stack::device(std::string_view name) {
  for (auto& d : devices_)
    if (d->name == name) return d.get();
  return nullptr;
}

void Stack::advance(Instant now) {
  net_.now = std::max(net_.now, now);
  net_.trace.set_now(net_.now);
}

bool Stack::poll(Instant now) {
  advance(now);
  // What has arrived comes first: an ACK that waits in a device's ring must not be overtaken by the time-out it
  // prevents.
  if (softnet_.backlog_scheduled || !softnet_.poll_list.empty()) net_rx_action(softnet_);
  if (net_.timers.next_expiry() <= net_.now) {
    ContextScope context(net_.trace, Context::timer);
    net_.timers.advance(net_.now);
  }
  if (!softnet_.output_queue.empty()) net_tx_action(softnet_);
  return softnet_.pending();
}

Instant Stack::next_deadline() const { return softnet_.pending() ? net_.now : net_.timers.next_expiry(); }

}  // namespace glass
