#include "view/sequence.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace glass {
namespace {

const IpAddress kA = IpAddress::v4(10, 0, 0, 1), kB = IpAddress::v4(10, 0, 0, 2);

std::vector<uint8_t> segment(bool from_a, uint16_t flags, uint32_t seq, uint32_t ack, size_t data = 0) {
  const TcpHeader tcp{.source_port = static_cast<uint16_t>(from_a ? 40000 : 3490),
                      .destination_port = static_cast<uint16_t>(from_a ? 3490 : 40000),
                      .seq = {seq},
                      .ack_seq = {ack},
                      .flags = flags,
                      .window = 502,
                      .options = {.timestamps = TcpTimestamps{1, 2}}};
  Ipv4Header ip{
      .protocol = static_cast<uint8_t>(IpProto::TCP), .source = from_a ? kA : kB, .destination = from_a ? kB : kA};
  ip.total_length = static_cast<uint16_t>(ip.size() + tcp.size() + data);
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(append(ip, bytes));
  EXPECT_TRUE(append(tcp, bytes));
  bytes.resize(bytes.size() + data);
  return bytes;
}

std::string diagram(const std::vector<SequenceEvent>& events, std::vector<size_t> only = {}) {
  return sequence_diagram(
      events, {.left = "client", .right = "server", .start = Instant(1s), .width = 60, .only = std::move(only)});
}

TEST(Sequence, HandshakeWithRelativeNumbers) {
  const std::string text = diagram(
      {{Instant(1s), Instant(1020ms), true, segment(true, TCPHDR_SYN, 1000, 0), "", false},
       {Instant(1020ms), Instant(1040ms), false, segment(false, TCPHDR_SYN | TCPHDR_ACK, 77000, 1001), "", false},
       {Instant(1040ms), Instant(1060ms), true, segment(true, TCPHDR_ACK, 1001, 77001), "", false}});
  EXPECT_NE(text.find("     0.000 ms |"), std::string::npos) << text;
  EXPECT_NE(text.find("S seq 0 win 502"), std::string::npos) << text;
  EXPECT_NE(text.find("S. seq 0 ack 1 win 502"), std::string::npos) << text;
  EXPECT_NE(text.find(" . seq 1 ack 1 win 502 len 0 "), std::string::npos) << text;
  EXPECT_NE(text.find(">|     20.000 ms\n"), std::string::npos) << text;
  EXPECT_NE(text.find("    40.000 ms |<-"), std::string::npos) << text;
  EXPECT_EQ(text.find("10.0.0.1"), std::string::npos) << "addresses stand in the heading only";
}

TEST(Sequence, LostPacketsAreMarkedWithTheirReason) {
  const std::string text = diagram({{Instant(1s), std::nullopt, true, segment(true, TCPHDR_ACK, 5, 9, 14),
                                     "QDISC_DROP at impair (src/dev/netem.cc:1)", false},
                                    {Instant(1s), std::nullopt, false, segment(false, TCPHDR_ACK, 9, 19), "", false}});
  EXPECT_NE(text.find("-✗          |                ✗ QDISC_DROP at impair (src/dev/netem.cc:1)\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("|          ✗-"), std::string::npos) << text;
  EXPECT_NE(text.find("seq 1:15"), std::string::npos) << "a connection seen from its middle begins at 1: " << text;
}

TEST(Sequence, EveryLineIsAsWide) {
  const std::string text =
      diagram({{Instant(1s), Instant(2s), true, segment(true, TCPHDR_SYN, 1000, 0), "", false},
               {Instant(1s), Instant(2s), false, segment(false, TCPHDR_ACK, 1, 1, 100), "", false}});
  size_t width = 0;
  for (size_t at = text.find('\n') + 1; at < text.size();) {
    const size_t end = text.find('\n', at);
    const size_t w = display_width(text.substr(at, end - at));
    if (width) {
      EXPECT_EQ(w, width) << text;
    }
    width = w;
    at = end + 1;
  }
}

TEST(Sequence, SortsByTime) {
  const auto packet = segment(true, TCPHDR_ACK, 1000, 1);
  const std::string text = diagram(
      {{Instant(1009ms), Instant(2s), true, packet, "", false}, {Instant(1s), Instant(2s), true, packet, "", false}});
  EXPECT_LT(text.find(" 0.000 ms"), text.find(" 9.000 ms"));
}

TEST(Sequence, ShowsOnlyWhatIsAskedForAndCountsTheRest) {
  std::vector<SequenceEvent> events;
  for (uint32_t i = 0; i < 10; ++i)
    events.push_back({Instant(1s + i * 1ms), Instant(2s), true, segment(true, TCPHDR_ACK, 1000 + i, 1), "", false});
  const std::string text = diagram(events, {2, 3, 7});
  EXPECT_EQ(std::ranges::count(text, '\n'), 1 + 2 + 1 + 1) << text;
  EXPECT_NE(text.find(": 3 more\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" seq 3 "), std::string::npos) << "numbers count from what is not shown: " << text;
}

TEST(Sequence, OptionsThatTellSomethingAreKept) {
  std::vector<uint8_t> bytes;
  const TcpHeader syn{.source_port = 1,
                      .destination_port = 2,
                      .flags = TCPHDR_SYN,
                      .options = {.mss = 1460, .wscale = 7, .sack_permitted = true, .timestamps = TcpTimestamps{1, 2}}};
  Ipv4Header ip{.protocol = static_cast<uint8_t>(IpProto::TCP), .source = kA, .destination = kB};
  ip.total_length = static_cast<uint16_t>(ip.size() + syn.size());
  ASSERT_TRUE(append(ip, bytes) && append(syn, bytes));
  EXPECT_EQ(sequence_labels(std::vector<SequenceEvent>{{Instant(1s), std::nullopt, true, bytes, "", false}}),
            std::vector<std::string>{"S seq 0 win 0 <mss 1460,sackOK,TS,wscale 7> len 0"});
}

TEST(Sequence, TakesAnyBytes) {
  const std::string text = diagram({{Instant(1s), Instant(2s), true, {}, "", false},
                                    {Instant(1s), Instant(2s), true, {0x45, 0}, "", true},
                                    {Instant(1s), Instant(2s), true, std::vector<uint8_t>(40, 0xff), "", false}});
  EXPECT_NE(text.find("(duplicated on the way)"), std::string::npos);
}

}  // namespace
}  // namespace glass
