#include "driver/capture.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "driver/pair.h"
#include "driver/test_host.h"

namespace glass {
namespace {

struct Record {
  Bytes data;
  uint32_t length;
  int64_t ns;
};

// Reads a capture through libpcap, as any tool would.
std::vector<Record> read_back(const std::string& file, int expected_link_type) {
  std::vector<Record> records;
  char error[PCAP_ERRBUF_SIZE] = "";
  FILE* f = fmemopen(const_cast<char*>(file.data()), file.size(), "rb");
  pcap_t* p = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, error);
  if (!p) {
    ADD_FAILURE() << error;
    fclose(f);
    return records;
  }
  EXPECT_EQ(pcap_datalink(p), expected_link_type);
  EXPECT_EQ(pcap_snapshot(p), static_cast<int>(PcapngWriter::kSnapLength));
  pcap_pkthdr* h;
  const u_char* data;
  int got;
  while ((got = pcap_next_ex(p, &h, &data)) == 1)
    records.push_back({Bytes(data, data + h->caplen), h->len, h->ts.tv_sec * 1'000'000'000ll + h->ts.tv_usec});
  EXPECT_EQ(got, PCAP_ERROR_BREAK) << pcap_geterr(p);
  pcap_close(p);
  return records;
}

// The blocks of a file with their options, for what libpcap does not show.
struct Block {
  uint32_t type;
  Bytes body;
  std::map<uint16_t, std::string> options;
};

uint32_t load32(const Bytes& b, size_t at) {
  uint32_t v;
  std::memcpy(&v, b.data() + at, 4);
  return v;
}

std::vector<Block> blocks_of(const std::string& file) {
  std::vector<Block> blocks;
  const Bytes all(file.begin(), file.end());
  for (size_t at = 0; at + 12 <= all.size();) {
    const uint32_t size = load32(all, at + 4);
    EXPECT_EQ(size % 4, 0u);
    EXPECT_EQ(load32(all, at + size - 4), size) << "both lengths of a block agree";
    Block block{load32(all, at), Bytes(all.begin() + at + 8, all.begin() + at + size - 4), {}};
    size_t option = block.type == 0x0a0d0d0a ? 16 : block.type == 1 ? 8 : 20 + ((load32(block.body, 12) + 3) & ~3u);
    while (option + 4 <= block.body.size()) {
      const uint32_t head = load32(block.body, option);
      const char* value = reinterpret_cast<const char*>(block.body.data()) + option + 4;
      if ((head & 0xffff) == 0) break;
      block.options[static_cast<uint16_t>(head)] = std::string(value, head >> 16);
      option += 4 + (((head >> 16) + 3) & ~3u);
    }
    blocks.push_back(std::move(block));
    at += size;
  }
  return blocks;
}

TEST(Capture, WritesBothDirectionsWithTheirTimes) {
  std::ostringstream out;
  {
    SkbPool pool;
    PcapngWriter writer(out);
    writer.set_epoch(1'700'000'000s);
    PairLink link;
    CaptureDriver capture(link.a(), writer);
    TestHost a(pool, capture), b(pool, link.b());
    a.ns.now = Instant(5s + 123456789ns);
    a.send(ipv4_packet(41, 1));
    b.run();
    b.send(ipv4_packet(1000, 2));
    a.ns.now = Instant(6s);
    a.run();
    EXPECT_EQ(b.received.at(0).data, ipv4_packet(41, 1));
    EXPECT_EQ(a.received.at(0).data, ipv4_packet(1000, 2));
    EXPECT_EQ(capture.inner(), &link.a());
    EXPECT_EQ(writer.packets(), 2u);
  }
  const auto records = read_back(out.str(), DLT_RAW);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].data, ipv4_packet(41, 1));
  EXPECT_EQ(records[0].ns, 1'700'000'005'123'456'789);
  EXPECT_EQ(records[1].data, ipv4_packet(1000, 2));
  EXPECT_EQ(records[1].ns, 1'700'000'006'000'000'000);
  const auto blocks = blocks_of(out.str());
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(blocks[1].options.at(2), "eth0");
  EXPECT_EQ(blocks[2].options.at(2), std::string("\2\0\0\0", 4)) << "outgoing";
  EXPECT_EQ(blocks[3].options.at(2), std::string("\1\0\0\0", 4)) << "incoming";
}

TEST(Capture, EthernetFramesWithTheirHeader) {
  std::ostringstream out;
  SkbPool pool;
  PcapngWriter writer(out);
  PairLink link({.ethernet = true});
  CaptureDriver capture(link.b(), writer, "left end");
  TestHost a(pool, link.a()), b(pool, capture);
  Skb skb = a.packet(ipv4_packet(60, 4));
  eth_header(skb, a.dev, b.dev.dev_addr, ETH_P_IP);
  dev_queue_xmit(std::move(skb));
  b.run();
  EXPECT_EQ(b.received.at(0).data, ipv4_packet(60, 4)) << "the frame passes on";
  const auto records = read_back(out.str(), DLT_EN10MB);
  ASSERT_EQ(records.size(), 1u);
  ASSERT_EQ(records[0].data.size(), 74u);
  EXPECT_TRUE(std::equal(b.dev.dev_addr.bytes.begin(), b.dev.dev_addr.bytes.end(), records[0].data.begin()));
  EXPECT_EQ(records[0].data[12], 0x08);
  const auto blocks = blocks_of(out.str());
  EXPECT_EQ(blocks[1].options.at(2), "left end");
  EXPECT_EQ(blocks[1].options.at(6), std::string(b.dev.dev_addr.bytes.begin(), b.dev.dev_addr.bytes.end()));
}

TEST(Capture, LargePacketWithFragmentsIsWrittenWhole) {
  std::ostringstream out;
  SkbPool pool;
  PcapngWriter writer(out);
  PairLink link({.tso = true});
  CaptureDriver capture(link.a(), writer);
  TestHost a(pool, capture), b(pool, link.b());
  Skb skb = a.packet(ipv4_packet(40, 1));
  for (uint8_t i = 0; i < 5; ++i) {
    DataBlock* block = pool.alloc_block(12001);
    std::memset(block->data(), i, 12001);
    skb_add_frag(skb, block, 1, 12000);
  }
  skb->ip_summed = IpSummed::partial;
  skb->gso_size = 1460;
  dev_queue_xmit(std::move(skb));
  b.run();
  const auto records = read_back(out.str(), DLT_RAW);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].length, 60040u);
  EXPECT_EQ(records[0].data, b.received.at(0).data);
}

TEST(Capture, SeveralInterfacesShareOneFile) {
  std::ostringstream out;
  SkbPool pool;
  PcapngWriter writer(out);
  PairLink link({.ethernet = true});
  CaptureDriver left(link.a(), writer, "left"), right(link.b(), writer, "right");
  TestHost a(pool, left), b(pool, right);
  Skb skb = a.packet(ipv4_packet(60, 4));
  eth_header(skb, a.dev, b.dev.dev_addr, ETH_P_IP);
  dev_queue_xmit(std::move(skb));
  b.run();
  EXPECT_EQ(read_back(out.str(), DLT_EN10MB).size(), 2u);
  const auto blocks = blocks_of(out.str());
  ASSERT_EQ(blocks.size(), 5u);
  EXPECT_EQ(load32(blocks[3].body, 0), 0u);
  EXPECT_EQ(load32(blocks[4].body, 0), 1u);
}

TEST(Capture, WrappersNest) {
  std::ostringstream inside, outside;
  SkbPool pool;
  PcapngWriter inner_writer(inside), outer_writer(outside);
  PairLink link;
  CaptureDriver inner(link.a(), inner_writer), outer(inner, outer_writer);
  TestHost a(pool, outer), b(pool, link.b());
  b.send(ipv4_packet(40, 1));
  a.run();
  a.send(ipv4_packet(40, 2));
  EXPECT_EQ(a.received.size(), 1u);
  EXPECT_EQ(inner_writer.packets(), 2u);
  EXPECT_EQ(outer_writer.packets(), 2u);
}

TEST(Capture, EndOfTheDeviceReachesTheWrappedDriver) {
  std::ostringstream out;
  SkbPool pool;
  PcapngWriter writer(out);
  PairLink link;
  CaptureDriver capture(link.a(), writer);
  TestHost a(pool, capture), b(pool, link.b());
  b.send(ipv4_packet(40, 1));
  dev_shutdown(a.dev);
  EXPECT_EQ(a.ns.trace.drops_for(DropReason::QUEUE_PURGE), 1u);
  b.send(ipv4_packet(40, 1));
  EXPECT_EQ(b.ns.trace.drops_for(DropReason::DEV_READY), 1u);
}

TEST(Capture, PausedWritesNothing) {
  std::ostringstream out;
  SkbPool pool;
  PcapngWriter writer(out);
  PairLink link;
  CaptureDriver capture(link.a(), writer);
  TestHost a(pool, capture), b(pool, link.b());
  capture.pause(true);
  a.send(ipv4_packet(40, 1));
  capture.pause(false);
  a.send(ipv4_packet(40, 2));
  b.run();
  EXPECT_EQ(writer.packets(), 1u);
  EXPECT_EQ(b.received.size(), 2u);
}

TEST(Pcapng, CommentsAndOddLengths) {
  std::ostringstream out;
  PcapngWriter writer(out);
  const uint32_t eth0 = writer.add_interface("eth0", PcapngWriter::LinkType::raw_ip);
  for (size_t n = 20; n < 28; ++n)
    writer.write(eth0, Instant(1ns), PcapngWriter::Direction::in, ipv4_packet(n, 1), "dropped: TCP_CSUM at tcp_v4_rcv");
  writer.write(eth0, Instant(2ns), PcapngWriter::Direction::unknown, ipv4_packet(20, 1));
  const auto records = read_back(out.str(), DLT_RAW);
  ASSERT_EQ(records.size(), 9u);
  for (size_t n = 20; n < 28; ++n) EXPECT_EQ(records[n - 20].data, ipv4_packet(n, 1));
  const auto blocks = blocks_of(out.str());
  EXPECT_EQ(blocks[2].options.at(1), "dropped: TCP_CSUM at tcp_v4_rcv");
  EXPECT_TRUE(blocks.back().options.empty());
}

TEST(Pcapng, CutsAtTheSnapLength) {
  std::ostringstream out;
  PcapngWriter writer(out);
  const uint32_t eth0 = writer.add_interface("eth0", PcapngWriter::LinkType::raw_ip);
  writer.write(eth0, Instant(1ns), PcapngWriter::Direction::in, Bytes(300'000, 5));
  const auto records = read_back(out.str(), DLT_RAW);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].data.size(), PcapngWriter::kSnapLength);
  EXPECT_EQ(records[0].length, 300'000u);
}

TEST(Pcapng, FileOnDisk) {
  const std::string path = testing::TempDir() + "glass_capture_test.pcapng";
  {
    auto writer = PcapngWriter::open(path);
    ASSERT_TRUE(writer) << writer.error();
    const uint32_t eth0 = (*writer)->add_interface("eth0", PcapngWriter::LinkType::raw_ip);
    (*writer)->write(eth0, Instant(1ns), PcapngWriter::Direction::in, ipv4_packet(99, 1));
    (*writer)->flush();
    EXPECT_TRUE((*writer)->ok());
  }
  std::ifstream in(path, std::ios::binary);
  const std::string file((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(read_back(file, DLT_RAW).size(), 1u);
  std::filesystem::remove(path);
}

TEST(Pcapng, UnwritablePathNamesIt) {
  auto writer = PcapngWriter::open("/proc/no such place/x.pcapng");
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error(), "cannot write the capture file /proc/no such place/x.pcapng: No such file or directory");
}

}  // namespace
}  // namespace glass
