// For tests: one host with an Ip, a device whose driver keeps what is sent, and ways to hand it frames.
#pragma once
#include <gtest/gtest.h>

#include "ip/ip.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace glass {

using Bytes = std::vector<uint8_t>;

class RecordingDriver final : public Driver {
 public:
  explicit RecordingDriver(bool ethernet) : ethernet_(ethernet) {}
  void attach(net_device& dev) override {
    dev.has_link_header = ethernet_;
    dev.hard_header_len = ethernet_ ? ETH_HLEN : 0;
    dev.dev_addr = *parse_mac("02:00:00:00:00:01");
  }
  void ndo_start_xmit(Skb skb) override {
    Bytes frame(skb->len);
    skb_copy_bits(*skb, 0, frame.data(), skb->len);
    sent.push_back(std::move(frame));
    consume_skb(std::move(skb));
  }
  std::vector<Bytes> sent;

 private:
  bool ethernet_;
};

// Sends back what it is given, as the loopback device does.
class EchoDriver final : public Driver {
 public:
  void attach(net_device& dev) override {
    dev_ = &dev;
    dev.mtu = 65536;
    dev.features = NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_RXCSUM | NETIF_F_LOOPBACK;
  }
  void ndo_start_xmit(Skb skb) override {
    skb->ip_summed = IpSummed::unnecessary;
    skb->dev = dev_;
    netif_rx(std::move(skb));
  }

 private:
  net_device* dev_ = nullptr;
};

struct TestHost {
  explicit TestHost(bool ethernet = false) : driver(ethernet) {
    join(dev, driver, 2);
    join(lo, lo_driver, 1);
    ip.set_loopback(lo);
    ip.add_address(lo, *parse_prefix("127.0.0.1/8"));
    ip.add_address(dev, *parse_prefix("10.0.0.1/24"));
    ip.add_route({*parse_prefix("0.0.0.0/0"), *parse_ip("10.0.0.254"), &dev, {}, 0});
    ns.trace.start();
  }
  ~TestHost() {
    dev_shutdown(dev);
    dev_shutdown(lo);
    sd.input_pkt_queue.purge(nullptr);
  }
  TestHost(const TestHost&) = delete;
  TestHost& operator=(const TestHost&) = delete;

  static void join(net_device& d, Driver& drv, int index) {
    d.driver = &drv;
    d.ifindex = index;
    drv.attach(d);
  }
  void run() {
    while (net_rx_action(sd)) {
    }
  }
  void advance(Duration by) {
    const Instant until = ns.now + by;
    while (ns.timers.next_expiry() <= until) {
      ns.now = std::max(ns.now, ns.timers.next_expiry());
      ns.timers.advance(ns.now);
    }
    ns.now = until;
    ns.timers.advance(until);
    run();
  }
  void receive(const Bytes& frame) {
    const auto size = static_cast<uint32_t>(frame.size());
    Skb skb = alloc_skb(pool, ns.trace, size);
    std::copy(frame.begin(), frame.end(), skb_put(skb, size));
    skb->dev = &dev;
    netif_rx(std::move(skb));
    run();
  }
  Ipv4Header reply() const { return *Ipv4Header::parse(driver.sent.back()); }
  // The innermost name of the newest drop; empty if there is none.
  std::string last_drop() const {
    std::string out;
    for (const TraceEvent& e : ns.trace.events())
      if (e.kind == TraceEvent::Kind::drop) out = std::string(name(e.place->reason)) + " " + e.place->function;
    return out;
  }
  uint64_t count(Mib m) const { return ns.trace.value(m); }

  SkbPool pool;
  net ns{pool, 7};
  softnet_data sd{ns};
  RecordingDriver driver;
  EchoDriver lo_driver;
  net_device dev{ns, sd, "eth0"}, lo{ns, sd, "lo"};
  Ip ip{ns, sd};
};

// An IPv4 packet with a right header checksum.
inline Bytes ip_packet(Ipv4Header h, const Bytes& payload) {
  h.total_length = static_cast<uint16_t>(h.size() + payload.size());
  Bytes out;
  append(h, out);
  ip_send_check(reinterpret_cast<iphdr*>(out.data()));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

inline Bytes icmp_message(uint8_t type, uint8_t code, uint32_t rest, const Bytes& data) {
  Bytes out;
  append(IcmpHeader{type, code, 0, rest}, out);
  out.insert(out.end(), data.begin(), data.end());
  const uint16_t check = csum_fold(csum_partial(out.data(), out.size(), 0));
  std::memcpy(out.data() + 2, &check, 2);
  return out;
}

}  // namespace glass
