// Malformed and unusual packets, against what Linux 6.18 was recorded to do with them (tests/recorded/malformed.tsv):
// whether each is dropped, why, in which function, and what is answered. Here the rows that IP, ICMP and UDP decide;
// where TCP would go on, a stub only sees that it got the packet.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "net/sock_opt.h"
#include "udp/udp.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace glass {
namespace {

using Bytes = std::vector<uint8_t>;

struct Row {
  std::string group, name, ethertype, dst_mac, packet, reason, location, reply, note;
};

std::vector<Row> rows() {
  std::ifstream file("tests/recorded/malformed.tsv");
  std::vector<Row> out;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string> f;
    std::stringstream in(line);
    for (std::string field; std::getline(in, field, '\t');) f.push_back(field);
    f.resize(10);
    if (f[0] == "ip4" || f[0] == "icmp4" || f[0] == "udp4")
      out.push_back({f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[9]});
  }
  return out;
}

Bytes from_hex(const std::string& text) {
  Bytes out;
  if (text == "(empty)") return out;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return out;
}

// Where Linux has no reason of its own, the telling one of Glasstack's.
DropReason expected_reason(const Row& row) {
  static const std::map<std::string, DropReason> kOwn{
      {"option-lsrr-finished", DropReason::IP_SOURCE_ROUTED},
      {"dest-multicast-unjoined", DropReason::IP_MULTICAST_UNJOINED},
      {"dest-multicast-unjoined-mac", DropReason::IP_MULTICAST_UNJOINED},
      {"fragment-overlap", DropReason::FRAG_OVERLAP},
      {"header-4-bytes", DropReason::PKT_TOO_SMALL},
      {"unreachable-short-quote", DropReason::PKT_TOO_SMALL},
  };
  if (row.reason != "NOT_SPECIFIED") return *find_drop_reason(row.reason);
  const auto found = kOwn.find(row.name);
  return found == kOwn.end() ? DropReason::NOT_SPECIFIED : found->second;
}

bool answered_by_tcp(const Row& row) { return row.reply.size() >= 40 && row.reply.substr(18, 2) == "06"; }

class Recorder final : public Driver {
 public:
  void attach(net_device& dev) override {
    dev.has_link_header = true;
    dev.hard_header_len = ETH_HLEN;
    dev.dev_addr = *parse_mac("02:00:00:00:00:01");
  }
  void ndo_start_xmit(Skb skb) override {
    Bytes frame(skb->len);
    skb_copy_bits(*skb, 0, frame.data(), skb->len);
    sent.push_back(std::move(frame));
    consume_skb(std::move(skb));
  }
  std::vector<Bytes> sent;
};

class RecordedTest : public testing::Test {
 protected:
  RecordedTest() {
    dev.driver = &driver;
    dev.ifindex = 2;
    driver.attach(dev);
    ip.add_address(dev, *parse_prefix("192.168.0.1/16"));
    ip.add_route({*parse_prefix("192.0.2.0/24"), *parse_ip("192.168.0.2"), &dev, {}, 0});
    ip.add_neighbour(dev, *parse_ip("192.168.0.2"), *parse_mac("02:00:00:00:00:02"));
    ip.inet_add_protocol(static_cast<uint8_t>(IpProto::TCP), {stub_tcp, nullptr, this});
    sock* sk = *udp.create(AF_INET);
    const int smallest = 1;
    EXPECT_TRUE(
        udp.setsockopt(sk, SOL_SOCKET, SO_RCVBUF, {reinterpret_cast<const uint8_t*>(&smallest), sizeof smallest}));
    EXPECT_EQ(sk->sk_rcvbuf, 2304);
    EXPECT_TRUE(udp.bind(sk, {IpAddress::v4(0), 9000}));
    ns.trace.start();
  }
  ~RecordedTest() override {
    ip.remove_device(dev);
    dev_shutdown(dev);
  }

  static void stub_tcp(void* ctx, Skb skb) {
    ++static_cast<RecordedTest*>(ctx)->to_tcp;
    consume_skb(std::move(skb));
  }

  void inject(const Row& row) {
    static const std::map<std::string, std::string> kMac{
        {"host", "02:00:00:00:00:01"}, {"bcast", "ff:ff:ff:ff:ff:ff"}, {"mcast", "01:00:5e:00:00:05"}};
    const Bytes packet = from_hex(row.packet);
    const auto size = static_cast<uint32_t>(ETH_HLEN + packet.size());
    Skb skb = alloc_skb(pool, ns.trace, size);
    EthernetHeader{*parse_mac(kMac.at(row.dst_mac)), *parse_mac("02:00:00:00:00:02"),
                   static_cast<uint16_t>(std::stoi(row.ethertype, nullptr, 16))}
        .emit({skb_put(skb, size), size});
    std::copy(packet.begin(), packet.end(), skb->data + ETH_HLEN);
    skb->truesize = SKB_TRUESIZE(size + 64);  // as Linux's TUN driver charges
    skb->dev = &dev;
    ns.sysctl.rp_filter = row.note.contains("rp_filter=1");
    ns.sysctl.ip_forward = row.note.contains("ip_forward=1");
    to_tcp = 0;
    driver.sent.clear();
    ns.trace.clear_events();
    ns.now += 1s;
    netif_rx(std::move(skb));
    while (net_rx_action(sd)) {
    }
  }

  void check_verdict(const Row& row) {
    std::vector<const DropPlace*> drops;
    for (const TraceEvent& e : ns.trace.events())
      if (e.kind == TraceEvent::Kind::drop) drops.push_back(e.place);
    if (row.location == "tcp_v4_rcv" || answered_by_tcp(row)) {
      EXPECT_EQ(to_tcp, 1);
      EXPECT_TRUE(drops.empty());
      return;
    }
    if (row.reason == "-") {
      EXPECT_TRUE(drops.empty()) << name(drops.front()->reason);
      return;
    }
    ASSERT_FALSE(drops.empty());
    EXPECT_EQ(name(drops.front()->reason), name(expected_reason(row)));
    const std::string function = row.location.substr(0, row.location.find('.'));
    // No IPv6 here, and the device layer gives its own verdict one function further out.
    if (row.reason != "UNHANDLED_PROTO") {
      EXPECT_EQ(drops.front()->function, function);
    }
  }

  // The answer byte for byte, but for the IP identification, which is a live value, and the checksum over it, which
  // must be right.
  void check_reply(const Row& row) {
    if (row.reply == "none" || answered_by_tcp(row)) {
      EXPECT_TRUE(driver.sent.empty());
      return;
    }
    ASSERT_EQ(driver.sent.size(), 1u);
    Bytes got(driver.sent[0].begin() + ETH_HLEN, driver.sent[0].end()), want = from_hex(row.reply);
    EXPECT_EQ(ip_fast_csum(reinterpret_cast<const iphdr*>(got.data())), 0);
    for (size_t i : {4, 5, 10, 11}) got[i] = want[i] = 0;
    EXPECT_EQ(got, want);
  }

  SkbPool pool;
  net ns{pool, 1};
  softnet_data sd{ns};
  Recorder driver;
  net_device dev{ns, sd, "tap0"};
  Ip ip{ns, sd};
  Udp udp{ns, ip};
  int to_tcp = 0;
};

TEST_F(RecordedTest, AsLinuxDoes) {
  const std::vector<Row> all = rows();
  ASSERT_GT(all.size(), 50u) << "run from the top of the source tree";
  for (const Row& row : all) {
    SCOPED_TRACE(row.group + " " + row.name);
    inject(row);
    check_verdict(row);
    check_reply(row);
  }
}

}  // namespace
}  // namespace glass
