// For the tests of this room: the least a driver needs around it. One network namespace with one device and a handler
// that keeps what comes up.
//
//   SkbPool pool;   PairLink link;   TestHost a(pool, link.a()), b(pool, link.b());
//   a.send({0x45, ...});   b.run();   EXPECT_EQ(b.received.size(), 1u);
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "dev/netdevice.h"
#include "trace/drop_place.h"
#include "wire/ethernet.h"

namespace glass {

using Bytes = std::vector<uint8_t>;

struct TestHost {
  struct Packet {
    Bytes data;  // from the network header on
    IpSummed ip_summed;
    uint16_t gso_size, gso_segs, protocol;
    bool external;  // linear data in a block of its own
  };

  TestHost(SkbPool& pool, Driver& driver, std::string name = "eth0") : ns(pool, 1), dev(ns, sd, std::move(name)) {
    dev.driver = &driver;
    driver.attach(dev);
    for (const uint16_t protocol : {ETH_P_IP, ETH_P_IPV6, ETH_P_ARP}) dev_add_pack(sd, protocol, {keep, this});
  }
  ~TestHost() { dev_shutdown(dev); }

  static void keep(void* ctx, Skb skb) {
    Packet p{Bytes(skb->len), skb->ip_summed, skb->gso_size, skb->gso_segs, skb->protocol, skb->block != nullptr};
    skb_copy_bits(*skb, 0, p.data.data(), skb->len);
    static_cast<TestHost*>(ctx)->received.push_back(std::move(p));
    consume_skb(std::move(skb));
  }

  Skb packet(const Bytes& bytes) {
    Skb skb = alloc_skb(ns.pool, ns.trace, static_cast<uint32_t>(bytes.size()));
    std::memcpy(skb_put(skb, static_cast<uint32_t>(bytes.size())), bytes.data(), bytes.size());
    skb->dev = &dev;
    skb_reset_network_header(skb);
    return skb;
  }
  void send(const Bytes& bytes) { dev_queue_xmit(packet(bytes)); }
  void run() {
    while (sd.pending()) net_rx_action(sd);
  }
  std::string path() const {
    std::string text;
    for (const TraceEvent& e : ns.trace.events())
      if (e.kind == TraceEvent::Kind::enter) text += std::string(text.empty() ? "" : " ") + e.function->name;
    return text;
  }

  net ns;
  softnet_data sd{ns};
  net_device dev;
  std::vector<Packet> received;
};

// An IPv4 packet of `size` bytes whose content tells packets apart.
inline Bytes ipv4_packet(size_t size, uint8_t mark) {
  Bytes b(size, mark);
  b[0] = 0x45;
  return b;
}

}  // namespace glass
