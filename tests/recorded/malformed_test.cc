// Malformed and unusual packets against one whole host, and what Linux 6.18 was recorded to do with them
// (malformed.tsv): whether each is dropped, why, in which function, and what is answered.
//
// Rows build on each other (a `setup` row belongs to the rows after it), so all run in order in one host. Live values
// are mapped: a recorded initial sequence number to the one this host chose, in what is put in and in what is
// expected to come out. Identification numbers and checksums of answers are checked for being right, not for their
// recorded value.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "support/raw_host.h"

namespace glass {
namespace {

using test::Bytes;

// --- what is expected to differ from Linux

// Where Linux has no reason of its own (NOT_SPECIFIED), or ends the packet in silence ("-"): the one that tells.
const std::map<std::string, DropReason, std::less<>> kOwnReason{
    {"tcp4 doff-6-of-20-bytes", DropReason::SKB_HEADERS_TRUNC},
    {"tcp4 tcp-header-0-bytes", DropReason::SKB_HEADERS_TRUNC},
    {"tcp4 tcp-header-1-bytes", DropReason::SKB_HEADERS_TRUNC},
    {"tcp4 tcp-header-8-bytes", DropReason::SKB_HEADERS_TRUNC},
    {"tcp4 tcp-header-19-bytes", DropReason::SKB_HEADERS_TRUNC},
    {"tcp4 est-doff-15", DropReason::SKB_HEADERS_TRUNC},
    {"tcp4 est-header-12-bytes", DropReason::SKB_HEADERS_TRUNC},
    {"ip4 total-length-20", DropReason::SKB_HEADERS_TRUNC},
    {"tcp4 est-ethernet-broadcast", DropReason::NOT_FOR_HOST_MAC},
    {"ip4 mac-broadcast-syn", DropReason::NOT_FOR_HOST_MAC},
    {"ip4 mac-multicast-syn", DropReason::NOT_FOR_HOST_MAC},
    // The SYN-ACK to the subnet's broadcast address comes back to this host itself.
    {"ip4 source-subnet-broadcast", DropReason::NOT_FOR_HOST_MAC},
    {"ip4 option-lsrr-finished", DropReason::IP_SOURCE_ROUTED},
    {"ip4 dest-multicast-unjoined", DropReason::IP_MULTICAST_UNJOINED},
    {"ip4 dest-multicast-unjoined-mac", DropReason::IP_MULTICAST_UNJOINED},
    {"ip4 fragment-overlap", DropReason::FRAG_OVERLAP},
    {"icmp4 header-4-bytes", DropReason::PKT_TOO_SMALL},
    {"icmp4 unreachable-short-quote", DropReason::PKT_TOO_SMALL},
    // Linux frees a SYN that its listener refuses as if all were well; only a counter tells.
    {"ip4 dest-all-hosts", DropReason::IP_INVALID_DEST},
    {"ip4 source-no-route", DropReason::IP_OUTNOROUTES},
    {"listener backlog 1, accept queue full: SYN of connection 3", DropReason::TCP_LISTEN_OVERFLOW},
    {"listener backlog 1, no syncookies: SYN of connection 3", DropReason::TCP_REQ_QFULL_DROP},
    {"listener backlog 1, no syncookies: SYN of connection 4", DropReason::TCP_REQ_QFULL_DROP},
    {"listener backlog 0: SYN of connection 2", DropReason::TCP_LISTEN_OVERFLOW},
    {"listener backlog 0: SYN of connection 3", DropReason::TCP_LISTEN_OVERFLOW},
};

// Rows that cannot be met yet, and why. A row that starts to match makes the test fail: take it off the list.
const std::map<std::string, std::string, std::less<>> kNotYet{};

// --- the table

struct Row {
  std::string group, name, ethertype, dst_mac, packet, reason, location, reply, note;
  std::string key() const { return group + " " + name; }
  bool drops_in_linux() const { return reason != "-"; }
};

std::vector<Row> read_rows() {
  std::ifstream file("tests/recorded/malformed.tsv");
  std::vector<Row> out;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string> f;
    std::stringstream in(line);
    for (std::string field; std::getline(in, field, '\t');) f.push_back(field);
    f.resize(10);
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

std::string to_hex(const Bytes& bytes) {
  std::string out;
  for (uint8_t b : bytes) out += fmt::format("{:02x}", b);
  return out;
}

MacAddress mac_of(const std::string& name) {
  static const std::map<std::string, MacAddress> kMac{
      {"host", test::kHostMac}, {"bcast", *parse_mac("ff:ff:ff:ff:ff:ff")}, {"mcast", *parse_mac("01:00:5e:00:00:05")}};
  return kMac.at(name);
}

// --- live values

// The TCP header of an IPv4 packet as far as its acknowledgment number; null if there is none.
tcphdr* tcp_of(Bytes& packet) {
  if (packet.size() < sizeof(iphdr) + 12) return nullptr;
  auto* iph = reinterpret_cast<iphdr*>(packet.data());
  if (iph->version() != 4 || iph->protocol != IpProto::TCP || iph->is_fragment() || iph->ihl() < sizeof(iphdr))
    return nullptr;
  if (packet.size() < iph->ihl() + 12) return nullptr;
  return reinterpret_cast<tcphdr*>(packet.data() + iph->ihl());
}

uint16_t tcp_checksum(Bytes& packet) {
  const auto* iph = reinterpret_cast<const iphdr*>(packet.data());
  const size_t size = packet.size() - iph->ihl();
  const uint32_t sum = csum_pseudo(IpAddress::v4_from_wire(iph->saddr), IpAddress::v4_from_wire(iph->daddr),
                                   static_cast<uint32_t>(size), 6, 0);
  return csum_fold(csum_partial(packet.data() + iph->ihl(), size, sum));
}

class LiveNumbers {
 public:
  void learn(Bytes recorded, Bytes live) {
    const tcphdr *r = tcp_of(recorded), *l = tcp_of(live);
    if (!r || !l || !r->syn() || !l->syn()) return;
    shift_[key(r->dest, r->source)] = ntohl(l->seq) - ntohl(r->seq);
  }
  // A recorded packet to this host, with live acknowledgment numbers; its checksum stays right if it was, and wrong if
  // not.
  void to_host(Bytes& packet) const {
    tcphdr* th = tcp_of(packet);
    const uint32_t by = th ? shift(th->source, th->dest) : 0;
    if (!by) return;
    const bool whole = packet.size() >= sizeof(iphdr) + sizeof(tcphdr);
    const bool right = whole && tcp_checksum(packet) == 0;
    th->ack_seq = htonl(ntohl(th->ack_seq) + by);
    if (!right) return;
    th->check = 0;
    th->check = tcp_checksum(packet);
  }
  // A recorded answer, with live sequence numbers.
  void from_host(Bytes& packet) const {
    tcphdr* th = tcp_of(packet);
    const uint32_t by = th ? shift(th->dest, th->source) : 0;
    if (by && th->seq) th->seq = htonl(ntohl(th->seq) + by);
  }

 private:
  static uint32_t key(uint16_t peer, uint16_t local) { return uint32_t{peer} << 16 | local; }
  uint32_t shift(uint16_t peer, uint16_t local) const {
    const auto found = shift_.find(key(peer, local));
    return found == shift_.end() ? 0 : found->second;
  }
  std::map<uint32_t, uint32_t> shift_;
};

// Takes out what is a live value in every answer. False if a checksum is wrong.
bool blank_checksums(Bytes& packet) {
  if (packet.size() < sizeof(iphdr)) return true;
  auto* iph = reinterpret_cast<iphdr*>(packet.data());
  bool right = ip_fast_csum(iph) == 0;
  iph->check = 0;
  if (tcphdr* th = tcp_of(packet)) {
    right = right && tcp_checksum(packet) == 0;
    th->check = 0;
  }
  return right;
}

// --- the host the rows were recorded on

class RecordedHost : public test::RawHost {
 public:
  RecordedHost() {
    Sockets& s = stack.sockets();
    listen(8080);
    (void)s.sys_setsockopt(listen(8081), IPPROTO_IP, IP_MINTTL, 200);
    tcp(listen(8082)).sk_filter_all = true;
    set_md5_key(listen(8083));
    udp_socket(9000, 1);
    stack.trace().start(1 << 10);
  }
  // `listener` rows name the listener and the sysctls of their scenario, the first of each in full.
  void prepare(const Row& row) {
    Sysctl& sysctl = stack.ns().sysctl;
    sysctl = Sysctl{};
    sysctl.icmp_ratelimit = 0;  // the recording waited between errors
    sysctl.rp_filter = row.note.contains("rp_filter=1");
    sysctl.ip_forward = row.note.contains("ip_forward=1");
    if (row.group != "listener") return;
    const std::string scenario = row.name.substr(0, row.name.find(':'));
    const std::string& note = notes_.try_emplace(scenario, row.note).first->second;
    sysctl.tcp_syncookies = number_after(note, "tcp_syncookies=");
    sysctl.tcp_abort_on_overflow = number_after(note, "tcp_abort_on_overflow=");
    Bytes packet = from_hex(row.packet);
    const uint16_t port = ntohs(tcp_of(packet)->dest);
    if (!listeners_.contains(port)) listeners_[port] = listen(port, number_after(note, "listen("));
  }

 private:
  void set_md5_key(int fd) {
    tcp_md5sig cmd{};
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_addr.s_addr = test::kPeer.v4_wire();
    std::memcpy(&cmd.tcpm_addr, &peer, sizeof peer);
    cmd.tcpm_keylen = 6;
    std::memcpy(cmd.tcpm_key, "secret", cmd.tcpm_keylen);
    EXPECT_TRUE(stack.sockets().sys_setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG,
                                               {reinterpret_cast<const uint8_t*>(&cmd), sizeof cmd}));
  }
  static int number_after(const std::string& text, std::string_view what) {
    const size_t at = text.find(what);
    return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + what.size());
  }
  std::map<std::string, std::string> notes_;
  std::map<uint16_t, int> listeners_;
};

// --- one row

struct Outcome {
  std::string differs;    // how it differs from what was recorded; empty: it does not
  std::string elsewhere;  // the place's function, where it is not Linux's
};

class MalformedTest : public testing::Test {
 protected:
  Outcome run(const Row& row) {
    host.prepare(row);
    Bytes packet = from_hex(row.packet);
    live.to_host(packet);
    host.sent.clear();
    host.stack.trace().clear_events();
    host.stack.advance(host.stack.now() + 1ms);
    EXPECT_TRUE(host.put_in(packet, mac_of(row.dst_mac), static_cast<uint16_t>(std::stoi(row.ethertype, nullptr, 16))))
        << row.key();
    Outcome o;
    check_verdict(row, o);
    check_reply(row, o);
    return o;
  }

  void check_verdict(const Row& row, Outcome& o) {
    std::vector<TraceEvent> drops;
    for (const TraceEvent& e : host.stack.trace().events())
      if (e.kind == TraceEvent::Kind::drop) drops.push_back(e);
    const std::string got = drops.empty() ? "-" : std::string(name(drops[0].place->reason));
    const auto own = kOwnReason.find(row.key());
    const std::string want = own == kOwnReason.end() ? row.reason : std::string(name(own->second));
    if (got != want) o.differs = fmt::format("reason {} instead of {}; ", got, want);
    if (drops.empty() || !row.drops_in_linux()) return;
    const std::string function = row.location.substr(0, row.location.find('.'));
    const std::string probed = drops[0].function ? drops[0].function->name : "";
    if (function != drops[0].place->function && function != probed)
      o.elsewhere = fmt::format("{} ({})", drops[0].place->function, probed);
  }

  void check_reply(const Row& row, Outcome& o) {
    if (row.reply == "none") {
      if (!host.sent.empty()) o.differs += "answered " + to_hex(host.sent[0]);
      return;
    }
    if (host.sent.size() != 1) {
      o.differs += fmt::format("{} answers instead of one", host.sent.size());
      return;
    }
    Bytes want = from_hex(row.reply), got = host.sent[0];
    live.learn(want, got);
    live.from_host(want);
    if (!blank_checksums(got)) o.differs += "answer with a wrong checksum ";
    (void)blank_checksums(want);
    // The identification is a live value, but zero stays zero.
    if (want.size() > 5 && got.size() > 5 && (want[4] || want[5])) want[4] = got[4], want[5] = got[5];
    if (got != want) o.differs += fmt::format("answer\n  {} instead of\n  {}", to_hex(got), to_hex(want));
  }

  RecordedHost host;
  LiveNumbers live;
};

bool of_ipv6(const Row& row) { return row.group.ends_with('6'); }
bool of_the_driver(const Row& row) { return row.group == "tun"; }  // refused by the kernel's TUN device itself

TEST_F(MalformedTest, AsLinuxDoes) {
  const std::vector<Row> rows = read_rows();
  ASSERT_GT(rows.size(), 180u) << "run from the top of the source tree";
  struct Sum {
    int met = 0, not_yet = 0, elsewhere = 0;
  };
  std::map<std::string, Sum> sums;
  std::string places;
  for (const Row& row : rows) {
    if (of_ipv6(row) || of_the_driver(row)) continue;
    SCOPED_TRACE(row.key());
    const Outcome o = run(row);
    Sum& sum = sums[row.group];
    if (const auto waits = kNotYet.find(row.key()); waits != kNotYet.end()) {
      ++sum.not_yet;
      EXPECT_FALSE(o.differs.empty()) << "is met now: take it off the list (" << waits->second << ")";
      continue;
    }
    EXPECT_TRUE(o.differs.empty()) << o.differs;
    sum.met += o.differs.empty();
    if (o.elsewhere.empty()) continue;
    ++sum.elsewhere;
    places += fmt::format("  {:9} {:32} Linux {:24} here {}\n", row.group, row.name, row.location, o.elsewhere);
  }
  fmt::print("group      met  not yet  in another function than Linux\n");
  for (const auto& [group, s] : sums) fmt::print("{:9} {:4} {:8} {:4}\n", group, s.met, s.not_yet, s.elsewhere);
  fmt::print("{}", places);
}

// The IPv6 rows wait for IPv6: this fails when it comes.
TEST_F(MalformedTest, Ipv6RowsAreNotYetRun) {
  const std::vector<Row> rows = read_rows();
  EXPECT_GT(std::ranges::count_if(rows, of_ipv6), 40);
  EXPECT_EQ(host.stack.softnet().ipv6_packet_type.func, nullptr)
      << "IPv6 is here: run the rows of ip6, icmp6, udp6 and tcp6";
}

TEST_F(MalformedTest, EveryExceptionNamesARow) {
  const std::vector<Row> rows = read_rows();
  const auto is_row = [&rows](const auto& entry) {
    return std::ranges::any_of(rows, [&](const Row& r) { return r.key() == entry.first; });
  };
  for (const auto& entry : kOwnReason) EXPECT_TRUE(is_row(entry)) << entry.first;
  for (const auto& entry : kNotYet) EXPECT_TRUE(is_row(entry)) << entry.first;
}

}  // namespace
}  // namespace glass
