// Network devices and the way of a packet between a driver and the protocols.
//
// Up: a driver's interrupt -> napi_schedule() or netif_rx() -> (softirq) net_rx_action() -> napi poll /
// process_backlog() -> __netif_receive_skb()
// -> packet taps -> protocol handler. Down: dev_queue_xmit() -> qdisc -> dev_hard_start_xmit() ->
// Driver::ndo_start_xmit().
//
// softnet_data is the receive side of one stack (Linux has one a CPU, a stack is one CPU). Everything is
// single-threaded and owned by the stack; a Driver is owned by whoever made it and outlives the device.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip_address.h"
#include "dev/qdisc.h"
#include "net/net.h"
#include "skb/queue.h"

namespace glass {

class Driver;
struct softnet_data;

// Offloads a device can take (a subset of Linux's netdev_features).
enum NetdevFeature : uint32_t {
  NETIF_F_HW_CSUM = 1,  // completes a partial transport checksum
  NETIF_F_TSO = 2,      // cuts large TCP packets itself
  NETIF_F_RXCSUM = 4,   // marks received packets as verified
  NETIF_F_LOOPBACK = 8,
};

struct net_device_stats {
  uint64_t rx_packets = 0, rx_bytes = 0, rx_dropped = 0, tx_packets = 0, tx_bytes = 0, tx_dropped = 0;
};

// A device's polling context (NAPI). poll() takes up to `budget` packets from the driver and hands each to
// napi_gro_receive(); it returns how many. Fewer than the budget means "nothing left": it is taken off the list until
// the next interrupt.
struct napi_struct {
  Driver* driver = nullptr;
  net_device* ingress_of = nullptr;  // instead of a driver: the ingress impairment of this device
  bool scheduled = false;
};

struct device_timer : timer_list {
  net_device* dev;
  explicit device_timer(net_device* d) : dev(d) {}
};

struct net_device {
  net_device(net& n, softnet_data& s, std::string device_name) : ns(n), sd(s), name(std::move(device_name)) {
    ingress_napi.ingress_of = this;
  }
  net_device(const net_device&) = delete;
  net_device& operator=(const net_device&) = delete;

  net& ns;
  softnet_data& sd;
  std::string name;
  int ifindex = 0;
  uint32_t mtu = 1500;
  bool up = true;
  bool has_link_header = false;  // Ethernet (TAP) or plain IP (TUN, pair, loopback)
  uint16_t hard_header_len = 0;  // bytes before the network header
  uint32_t features = 0;         // NetdevFeature
  uint32_t gso_max_size = 65536;
  MacAddress dev_addr;
  Driver* driver = nullptr;
  std::unique_ptr<Qdisc> qdisc;    // null: noqueue, straight to the driver
  std::unique_ptr<Qdisc> ingress;  // an impairment of what arrives; null: none
  napi_struct napi, ingress_napi;
  net_device_stats stats;
  device_timer qdisc_watchdog{this}, ingress_watchdog{this};  // when a qdisc holds packets back
  bool qdisc_scheduled = false;                               // on softnet_data's output queue
};

// A driver: what ndo_* and the interrupt handler are in Linux. Drivers compose: a capture writer or a filter wraps
// another driver.
class Driver {
 public:
  virtual ~Driver() = default;
  // Called once when it is joined to a device; sets mtu, features, link header, address, and keeps the pointer.
  virtual void attach(net_device&) = 0;
  // Called by dev_shutdown() while the stack still stands: packets kept for the device end here, the pointer is
  // forgotten.
  virtual void detach() {}
  // Takes the packet (data starts at the link header if there is one, else at the network header; partial checksums and
  // GSO only as the features said). It ends here: consumed when sent, dropped with FULL_RING or DEV_READY when not.
  virtual void ndo_start_xmit(Skb) = 0;
  // NAPI: see napi_struct. A driver that only uses netif_rx() returns 0.
  virtual int poll(int /*budget*/) { return 0; }
  // A wrapper returns what it wraps, so that the innermost driver can be found; others return null.
  virtual Driver* inner() { return nullptr; }

  // Received packets: a driver's poll() calls receive() for each; wrappers see it in on_receive(), outermost last, then
  // it goes up. A wrapper that keeps or drops the packet returns an empty handle.
  virtual Skb on_receive(Skb skb) { return skb; }
  inline void receive(net_device&, Skb);
  void set_outer(Driver* outer) { outer_ = outer; }

 private:
  Driver* outer_ = nullptr;  // the wrapper around this driver
};

// A handler for an EtherType. `ctx` is the protocol's object.
struct packet_type {
  void (*func)(void* ctx, Skb) = nullptr;
  void* ctx = nullptr;
};

// Sees every packet of a device in both directions before anything is done with it (Linux's ptype_all). It must not
// keep the packet. outgoing: the packet as handed to the driver.
using PacketTap = std::function<void(const net_device&, const sk_buff&, bool outgoing)>;

struct softnet_data {
  explicit softnet_data(net& n) : ns(n) {}
  net& ns;
  sk_buff_head input_pkt_queue;  // filled by netif_rx, limit net.core.netdev_max_backlog
  std::vector<napi_struct*> poll_list;
  std::vector<net_device*> output_queue;  // devices whose qdisc has work
  bool backlog_scheduled = false;
  std::vector<PacketTap> taps;
  std::unordered_map<uint16_t, packet_type> ptype_base;  // by EtherType; two hot entries are kept apart
  packet_type ip_packet_type, arp_packet_type, ipv6_packet_type;
  uint64_t processed = 0, dropped = 0, time_squeeze = 0;  // as /proc/net/softnet_stat

  bool pending() const { return backlog_scheduled || !poll_list.empty() || !output_queue.empty(); }
};

// --- receive
// From a driver's interrupt: queues to the per-stack backlog; over the limit the packet is dropped as CPU_BACKLOG.
// skb->dev is set, data at the link header if the device has one; protocol and pkt_type are set here (eth_type_trans)
// unless there is no link header: then protocol is taken from the IP version.
void netif_rx(Skb);
// From a driver's interrupt: polls it in the next net_rx_action().
void napi_schedule(net_device&);
// From a driver's poll(): delivers one packet up at once. A device with an ingress impairment takes the packet into
// that; what it lets go is delivered by net_rx_action().
void napi_gro_receive(net_device&, Skb);
// Delivers a packet that has passed its device: taps, then the protocol's handler. UNHANDLED_PROTO if there is none.
void netif_receive_skb(Skb);
inline void Driver::receive(net_device& dev, Skb skb) {
  for (Driver* d = outer_; d && skb; d = d->outer_) skb = d->on_receive(std::move(skb));
  if (skb) napi_gro_receive(dev, std::move(skb));
}
// Softirq NET_RX: polls within weight and budget, sets Context::softirq_rx. True if work is left.
bool net_rx_action(softnet_data&);
// Softirq NET_TX: runs qdiscs that have packets ready, sets Context::softirq_tx.
void net_tx_action(softnet_data&);
// Registers the handler for an EtherType.
void dev_add_pack(softnet_data&, uint16_t protocol, packet_type);

// --- send
// Hands a packet with its link header in place to the device's qdisc, or straight to the driver where there is none.
int __dev_queue_xmit(Skb);  // 0, or ENOBUFS: this host's own queue had no room
inline int dev_queue_xmit(Skb skb) { return __dev_queue_xmit(std::move(skb)); }
// To the driver: taps, software GSO and checksum where the device cannot (SKB_GSO_SEG / SKB_CSUM when impossible).
void dev_hard_start_xmit(net_device&, Skb);
// Packets queued and not yet taken by the driver are dropped (QUEUE_PURGE), timers cancelled: before a device goes
// away.
void dev_shutdown(net_device&);

// Link header (14 bytes) pushed for Ethernet devices; none otherwise.
void eth_header(const Skb&, const net_device&, const MacAddress& destination, uint16_t protocol);
// The way back: reads the Ethernet header at data, sets pkt_type by the destination address and mac_header, pulls the
// header and returns the EtherType. The header must be linear.
uint16_t eth_type_trans(const Skb&, const net_device&);

}  // namespace glass
