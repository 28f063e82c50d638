// One host at the end of an Ethernet cable whose other end is the test: frames are put in by hand, and what the host
// sends is kept. Time moves only when the test says so.
//
//   RawHost h;                                           // 192.168.0.1/16; the peer is 192.0.2.1 behind 192.168.0.2
//   const int listener = h.listen(80);
//   RawConnection c(h, listener, 80);                    // handshake by hand
//   h.put_in(c.segment({.flags = TCPHDR_ACK, .payload = {'x'}}));   h.sent.back()   // an IP packet
//
// RawHost owns the stack, its packet memory and its one driver; a RawConnection only refers to it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "stack/stack.h"
#include "tcp/tcp_sock.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace glass::test {

using Bytes = std::vector<uint8_t>;

inline const IpAddress kHost = IpAddress::v4(192, 168, 0, 1), kPeer = IpAddress::v4(192, 0, 2, 1);
inline const MacAddress kHostMac{{2, 0, 0, 0, 0, 1}}, kPeerMac{{2, 0, 0, 0, 0, 2}};

// --- packets

inline Bytes ip_packet(uint8_t protocol, const Bytes& payload, const IpAddress& from = kPeer,
                       const IpAddress& to = kHost, uint8_t ttl = 64) {
  Bytes out(sizeof(iphdr));
  out.insert(out.end(), payload.begin(), payload.end());
  auto* iph = reinterpret_cast<iphdr*>(out.data());
  iph->set_version_ihl(sizeof(iphdr));
  iph->tot_len = htons(static_cast<uint16_t>(out.size()));
  iph->ttl = ttl;
  iph->protocol = protocol;
  iph->saddr = from.v4_wire();
  iph->daddr = to.v4_wire();
  ip_send_check(iph);
  return out;
}

// Writes the TCP checksum of an IPv4 packet without IP options.
inline void set_tcp_checksum(Bytes& packet) {
  auto* iph = reinterpret_cast<iphdr*>(packet.data());
  auto* th = reinterpret_cast<tcphdr*>(packet.data() + sizeof(iphdr));
  const auto size = static_cast<uint32_t>(packet.size() - sizeof(iphdr));
  const uint32_t sum = csum_pseudo(IpAddress::v4_from_wire(iph->saddr), IpAddress::v4_from_wire(iph->daddr), size,
                                   static_cast<uint8_t>(IpProto::TCP), 0);
  th->check = 0;
  th->check = csum_fold(csum_partial(th, size, sum));
}

struct RawSegment {
  uint16_t source = 40000, dest = 80;
  uint32_t seq = 0, ack = 0;
  uint8_t flags = TCPHDR_ACK;
  uint16_t window = 65535;
  Bytes options{};  // a multiple of 4 bytes
  Bytes payload{};
};

inline Bytes tcp_packet(const RawSegment& s, const IpAddress& from = kPeer, const IpAddress& to = kHost) {
  Bytes segment(sizeof(tcphdr));
  segment.insert(segment.end(), s.options.begin(), s.options.end());
  segment.insert(segment.end(), s.payload.begin(), s.payload.end());
  auto* th = reinterpret_cast<tcphdr*>(segment.data());
  th->source = htons(s.source);
  th->dest = htons(s.dest);
  th->seq = htonl(s.seq);
  th->ack_seq = htonl(s.ack);
  th->set_doff(sizeof(tcphdr) + s.options.size());
  th->flags = s.flags;
  th->window = htons(s.window);
  Bytes packet = ip_packet(static_cast<uint8_t>(IpProto::TCP), segment, from, to);
  set_tcp_checksum(packet);
  return packet;
}

// Without a checksum, which UDP over IPv4 allows.
inline Bytes udp_packet(uint16_t source, uint16_t dest, const Bytes& payload) {
  const auto length = static_cast<uint16_t>(8 + payload.size());
  const auto byte = [](int v) { return static_cast<uint8_t>(v); };
  Bytes datagram{byte(source >> 8), byte(source), byte(dest >> 8), byte(dest), byte(length >> 8), byte(length), 0, 0};
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  return ip_packet(static_cast<uint8_t>(IpProto::UDP), datagram);
}

// NOP, NOP, timestamp.
inline Bytes timestamps(uint32_t tsval, uint32_t tsecr) {
  Bytes o{1, 1, 8, 10};
  for (uint32_t v : {tsval, tsecr})
    for (int shift = 24; shift >= 0; shift -= 8) o.push_back(static_cast<uint8_t>(v >> shift));
  return o;
}

// --- the host

class RecordingDriver final : public Driver {
 public:
  explicit RecordingDriver(std::vector<Bytes>& sent) : sent_(sent) {}
  void attach(net_device& dev) override {
    dev.has_link_header = true;
    dev.hard_header_len = ETH_HLEN;
    dev.dev_addr = kHostMac;
  }
  void ndo_start_xmit(Skb skb) override {
    Bytes packet(skb->len - ETH_HLEN);
    skb_copy_bits(*skb, ETH_HLEN, packet.data(), skb->len - static_cast<uint32_t>(ETH_HLEN));
    sent_.push_back(std::move(packet));
    consume_skb(std::move(skb));
  }

 private:
  std::vector<Bytes>& sent_;
};

class RawHost {
 public:
  std::vector<Bytes> sent;  // IP packets, oldest first
  SkbPool pool;
  RecordingDriver driver{sent};
  Stack stack{{.hostname = "host", .seed = 1, .pool = &pool}};
  net_device& dev = stack.add_device("eth0", driver);

  RawHost() {
    stack.advance(Instant{1s});
    stack.ip().add_address(dev, {kHost, 16});
    stack.ip().add_route({*parse_prefix("192.0.2.0/24"), *parse_ip("192.168.0.2"), &dev, {}, 0});
    stack.ip().add_neighbour(dev, *parse_ip("192.168.0.2"), kPeerMac);
  }

  // Into the receive queue; settle() lets the host see it.
  void receive(ByteSpan packet, const MacAddress& to = kHostMac, uint16_t ethertype = ETH_P_IP) {
    const auto size = static_cast<uint32_t>(ETH_HLEN + packet.size());
    Skb skb = alloc_skb(pool, stack.trace(), size);
    EthernetHeader{to, kPeerMac, ethertype}.emit({skb_put(skb, size), size});
    std::copy(packet.begin(), packet.end(), skb->data + ETH_HLEN);
    skb->truesize = SKB_TRUESIZE(size + 64);  // as Linux's TUN driver charges
    skb->dev = &dev;
    netif_rx(std::move(skb));
  }
  // Runs what is due at this instant. False if that never ends.
  bool settle() {
    for (int i = 0; i < 10'000; ++i) {
      const bool more = stack.poll(stack.now());
      if (!more && !stack.softnet().pending()) return true;
    }
    return false;
  }
  bool put_in(ByteSpan packet, const MacAddress& to = kHostMac, uint16_t ethertype = ETH_P_IP) {
    receive(packet, to, ethertype);
    return settle();
  }
  // Lets time pass, with every timer on its instant. False if more than `most` instants have something to do.
  bool pass(Duration d, int most = 100'000) {
    const Instant end = stack.now() + d;
    for (;;) {
      if (!settle()) return false;
      const Instant next = stack.next_deadline();
      if (next > end) break;
      if (most-- == 0) return false;
      stack.advance(next);
    }
    stack.advance(end);
    return settle();
  }

  int listen(uint16_t port, int backlog = 16) {
    Sockets& s = stack.sockets();
    const int fd = *s.sys_socket(AF_INET, SOCK_STREAM, 0);
    if (!s.sys_bind(fd, {IpAddress::v4(0), port}) || !s.sys_listen(fd, backlog)) return -1;
    return fd;
  }
  int udp_socket(uint16_t port, int rcvbuf) {
    Sockets& s = stack.sockets();
    const int fd = *s.sys_socket(AF_INET, SOCK_DGRAM, 0);
    if (!s.sys_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, rcvbuf) || !s.sys_bind(fd, {IpAddress::v4(0), port})) return -1;
    return fd;
  }
  tcp_sock& tcp(int fd) { return *tcp_sk(stack.sockets().sk(fd)); }
};

// --- a connection whose peer is the test

class RawConnection {
 public:
  // `options` are the SYN's; with timestamps the segments need them, too.
  RawConnection(RawHost& host, int listener, uint16_t port, uint16_t source = 40000, const Bytes& options = {})
      : host_(host), source_(source), dest_(port) {
    host.put_in(tcp_packet({source, port, kIsn, 0, TCPHDR_SYN, 65535, options, {}}));
    if (host.sent.empty()) return;
    const auto* synack = reinterpret_cast<const tcphdr*>(host.sent.back().data() + sizeof(iphdr));
    ack = ntohl(synack->seq) + 1;
    const Bytes with = options.empty() ? Bytes{} : timestamps(kTsval, 0);
    host.put_in(tcp_packet({source, port, seq, ack, TCPHDR_ACK, 65535, with, {}}));
    fd = host.stack.sockets().sys_accept(listener).value_or(-1);
  }

  // seq and ack of `s` are relative to the next numbers.
  Bytes segment(RawSegment s) const {
    s.source = source_;
    s.dest = dest_;
    s.seq += seq;
    s.ack += ack;
    return tcp_packet(s);
  }
  tcp_sock& tcp() const { return host_.tcp(fd); }

  static constexpr uint32_t kIsn = 1000, kTsval = 5000;
  uint32_t seq = kIsn + 1, ack = 0;  // what the peer sends and acknowledges next
  int fd = -1;                       // -1: the handshake failed

 private:
  RawHost& host_;
  uint16_t source_, dest_;
};

}  // namespace glass::test
