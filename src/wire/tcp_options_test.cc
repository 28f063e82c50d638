#include "wire/tcp_options.h"

#include <gtest/gtest.h>

#include "wire/tcp.h"
#include "wire/test_packets.h"

namespace glass {
namespace {

using wire_test::from_hex;

std::string emitted(const TcpOptions& o) {
  std::array<uint8_t, MAX_TCP_OPTION_SPACE> buffer;
  auto size = emit_tcp_options(o, buffer);
  if (!size) return "refused";
  EXPECT_EQ(*size, tcp_options_size(o));
  return format_tcp_options(ByteSpan(buffer).first(*size));
}

TEST(ParseTcpOptions, UnknownKindIsSkipped) {
  auto bytes = from_hex("fd040102020405b4");
  EXPECT_EQ(parse_tcp_options(bytes).mss, 1460);
  EXPECT_EQ(format_tcp_options(bytes), "<opt-253 0102,mss 1460>");
}

TEST(ParseTcpOptions, EndOfListStops) {
  auto bytes = from_hex("01000204ffff");
  EXPECT_EQ(parse_tcp_options(bytes), TcpOptions{});
  EXPECT_EQ(format_tcp_options(bytes), "<nop,eol>");
}

TEST(ParseTcpOptions, ABadLengthKeepsWhatWasRead) {
  for (const char* tail : {"0300", "0301", "0304", "03", "08ff"}) {
    auto bytes = wire_test::join(from_hex("020405b40402"), from_hex(tail));
    TcpOptions o = parse_tcp_options(bytes);
    EXPECT_EQ(o, (TcpOptions{.mss = 1460, .sack_permitted = true})) << tail;
    EXPECT_NE(format_tcp_options(bytes).find("[bad length]"), std::string::npos) << tail;
  }
}

TEST(ParseTcpOptions, AKnownKindOfAnOddSizeIsSkipped) {
  for (const char* odd :
       {"02030f", "0302", "03040708", "040300", "080900000000000000", "050900000000000000", "0502", "130401ff"}) {
    auto bytes = wire_test::join(from_hex(odd), from_hex("020405b4"));
    EXPECT_EQ(parse_tcp_options(bytes), TcpOptions{.mss = 1460}) << odd;
  }
}

TEST(ParseTcpOptions, TheLastOfTwoCounts) {
  EXPECT_EQ(parse_tcp_options(from_hex("02040100020405b4")).mss, 1460);
  EXPECT_EQ(parse_tcp_options(from_hex("030301030307")).wscale, 7);
  auto twice = from_hex("080a0000000100000002080a0000000300000004");
  EXPECT_EQ(parse_tcp_options(twice).timestamps, (TcpTimestamps{3, 4}));
  TcpOptions sacks =
      parse_tcp_options(from_hex("0512000000010000000200000003000000040"
                                 "50a0000000500000006"));
  ASSERT_EQ(sacks.num_sacks, 1);
  EXPECT_EQ(sacks.sack[0], (TcpSackBlock{{5}, {6}}));
}

TEST(ParseTcpOptions, MssOfZeroIsNone) {
  EXPECT_EQ(parse_tcp_options(from_hex("02040000")).mss, std::nullopt);
  EXPECT_EQ(parse_tcp_options(from_hex("020405b402040000")).mss, 1460);
}

TEST(ParseTcpOptions, WindowScaleIsCutTo14) {
  EXPECT_EQ(parse_tcp_options(from_hex("03030e")).wscale, 14);
  EXPECT_EQ(parse_tcp_options(from_hex("03030f")).wscale, 14);
  EXPECT_EQ(parse_tcp_options(from_hex("0303ff")).wscale, 14);
}

TEST(ParseTcpOptions, MoreThanFourSackBlocksKeepTheFirstFour) {
  std::vector<uint8_t> bytes = {5, 42};
  for (uint8_t i = 0; i < 5; ++i) bytes = wire_test::join(bytes, {0, 0, 0, i, 0, 0, 1, i});
  TcpOptions o = parse_tcp_options(bytes);
  ASSERT_EQ(o.num_sacks, 4);
  EXPECT_EQ(o.sack[3], (TcpSackBlock{{3}, {0x103}}));
}

TEST(ParseTcpOptions, FastOpen) {
  TcpOptions request = parse_tcp_options(from_hex("2202"));
  ASSERT_TRUE(request.fastopen_cookie);
  EXPECT_TRUE(request.fastopen_cookie->empty());
  EXPECT_FALSE(request.fastopen_exp);
  TcpOptions exp = parse_tcp_options(from_hex("fe08f98901020304"));
  ASSERT_TRUE(exp.fastopen_cookie);
  EXPECT_EQ(exp.fastopen_cookie->size(), 4u);
  EXPECT_TRUE(exp.fastopen_exp);
  EXPECT_FALSE(parse_tcp_options(from_hex("2205010203")).fastopen_cookie) << "an odd length is as none";
  EXPECT_FALSE(parse_tcp_options(from_hex("fe06abcd0102")).fastopen_cookie) << "another experiment";
  EXPECT_FALSE(parse_tcp_options(from_hex("fe03f9")).fastopen_cookie);
}

TEST(ParseTcpOptions, Md5AndAuthentication) {
  auto bytes = from_hex("010113120102030405060708090a0b0c0d0e0f101d0401ff");
  TcpOptions o = parse_tcp_options(bytes);
  ASSERT_TRUE(o.md5);
  EXPECT_EQ((*o.md5)[15], 0x10);
  EXPECT_TRUE(o.has_ao);
}

TEST(EmitTcpOptions, LinuxOrder) {
  EXPECT_EQ(emitted({}), "");
  EXPECT_EQ(emitted({.mss = 1460, .wscale = 7, .sack_permitted = true, .timestamps = TcpTimestamps{5, 0}}),
            "<mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 7>");
  EXPECT_EQ(emitted({.mss = 1460, .wscale = 7, .sack_permitted = true}), "<mss 1460,nop,nop,sackOK,nop,wscale 7>");
  EXPECT_EQ(emitted({.mss = 1460, .timestamps = TcpTimestamps{5, 6}}), "<mss 1460,nop,nop,TS val 5 ecr 6>");
  TcpOptions ack{.timestamps = TcpTimestamps{5, 6}};
  ack.add_sack({{3001}, {4001}});
  ack.add_sack({{5001}, {6001}});
  EXPECT_EQ(emitted(ack), "<nop,nop,TS val 5 ecr 6,nop,nop,sack 3001:4001 5001:6001>");
  auto cookie = from_hex("0102030405060708");
  EXPECT_EQ(emitted({.mss = 1460, .fastopen_cookie = ByteSpan(cookie)}), "<mss 1460,FO 0102030405060708,nop,nop>");
  EXPECT_EQ(emitted({.mss = 1460, .fastopen_cookie = ByteSpan{}, .fastopen_exp = true}), "<mss 1460,FOEXP>");
  auto digest = std::vector<uint8_t>(16, 0xab);
  EXPECT_EQ(emitted({.mss = 1460, .md5 = ByteSpan(digest)}), "<nop,nop,md5 abababababababababababababababab,mss 1460>");
}

TEST(EmitTcpOptions, NeedsRoom) {
  std::array<uint8_t, 11> small;
  EXPECT_EQ(emit_tcp_options({.timestamps = TcpTimestamps{}}, small), std::nullopt);
  std::array<uint8_t, 12> enough;
  EXPECT_EQ(emit_tcp_options({.timestamps = TcpTimestamps{}}, enough), 12u);
}

TEST(AlignedTimestamp, OnlyTheUsualForm) {
  uint32_t tsval = 0, tsecr = 0;
  auto read = [&](const std::vector<uint8_t>& segment) {
    return aligned_timestamp(*header_at<tcphdr>(segment), tsval, tsecr);
  };
  std::vector<uint8_t> usual;
  ASSERT_TRUE(append(TcpHeader{.options = {.timestamps = TcpTimestamps{0x01020304, 0x05060708}}}, usual));
  EXPECT_TRUE(read(usual));
  EXPECT_EQ(tsval, 0x01020304u);
  EXPECT_EQ(tsecr, 0x05060708u);
  auto reversed = usual;
  std::swap(reversed[20], reversed[22]);
  EXPECT_FALSE(read(reversed)) << "same bytes in another order";
  std::vector<uint8_t> with_mss, bare;
  ASSERT_TRUE(append(TcpHeader{.options = {.mss = 1460, .timestamps = TcpTimestamps{}}}, with_mss));
  ASSERT_TRUE(append(TcpHeader{}, bare));
  EXPECT_FALSE(read(with_mss));
  EXPECT_FALSE(read(bare));
}

TEST(FormatTcpOptions, SackRelativeToABase) {
  EXPECT_EQ(format_tcp_options(from_hex("050a00000bb900000fa1"), {3000}), "<sack 1:1001>");
  EXPECT_EQ(format_tcp_options({}), "");
}

}  // namespace
}  // namespace glass
