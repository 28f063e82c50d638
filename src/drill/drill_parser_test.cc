#include <gtest/gtest.h>

#include "drill/format.h"
#include "drill/parser.h"

namespace glass::drill {
namespace {

Script parsed(std::string_view text, const std::map<std::string, std::string>& defines = {}) {
  auto script = parse_script("test.pkt", text, defines);
  if (script) return *std::move(script);
  ADD_FAILURE() << script.error().line << ": " << script.error().text;
  return {};
}

Event only_event(const std::string& text) {
  Script script = parsed(text);
  if (script.events.size() != 1) {
    ADD_FAILURE() << text << " has " << script.events.size() << " events";
    return {};
  }
  return script.events[0];
}

PacketEvent packet(const std::string& text) {
  Event event = only_event("0 " + text);
  if (const auto* p = std::get_if<PacketEvent>(&event.what)) return *p;
  ADD_FAILURE() << text << " is no packet";
  return {};
}

SyscallEvent call(const std::string& text) {
  Event event = only_event("0 " + text);
  if (const auto* c = std::get_if<SyscallEvent>(&event.what)) return *c;
  ADD_FAILURE() << text << " is no call";
  return {};
}

TEST(Parser, TheFrameOfAScript) {
  const Script script = parsed(
      "// what it shows\n"
      "--strict_segments // here too\n"
      "--local_ip=192.168.0.1\n"
      "`sysctl -q \\`a\\`\n second line`\n"
      "0 `true` /* both\nlines */ +0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
      "`clean up`\n");
  ASSERT_EQ(script.options.size(), 2u);
  EXPECT_EQ(script.options[0], (std::pair<std::string, std::string>("strict_segments", "")));
  EXPECT_EQ(script.options[1], (std::pair<std::string, std::string>("local_ip", "192.168.0.1")));
  EXPECT_EQ(script.init->text, "sysctl -q \\`a\\`\n second line");
  EXPECT_EQ(script.init_line, 4);
  ASSERT_EQ(script.events.size(), 2u);
  EXPECT_EQ(std::get<CommandEvent>(script.events[0].what).text, "true");
  EXPECT_EQ(script.events[1].line, 7);
  EXPECT_EQ(script.events[1].text, "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3");
  EXPECT_EQ(script.cleanup->text, "clean up");
  EXPECT_EQ(script.cleanup_line, 8);
}

TEST(Parser, EveryFormOfATime) {
  const Script script = parsed("0 `a` +.25 `b` 1.000001 `c` * > . 1:1(0) 2~3 > . 1:1(0) +0~+.1 > . 1:1(0)");
  std::vector<std::string> times;
  for (const Event& event : script.events) times.push_back(format_time(event.time));
  EXPECT_EQ(times, (std::vector<std::string>{"0", "+0.25", "1.000001", "*", "2~3", "+0~+0.1"}));
  EXPECT_EQ(script.events[2].time.begin_us, 1'000'001);
}

TEST(Parser, ACallThatBlocks) {
  const Script script = parsed("0 `a` +0.1...0.3 read(4, ..., 10) = 10");
  const auto& read = std::get<SyscallEvent>(script.events[1].what);
  EXPECT_EQ(script.events[1].time.begin_us, 100'000);
  ASSERT_TRUE(read.returns_at);
  EXPECT_EQ(read.returns_at->kind, EventTime::Kind::relative);
  EXPECT_EQ(read.returns_at->begin_us, 300'000);
}

// Printed, each is what was read.
TEST(Parser, PacketsAndTheirPrint) {
  for (std::string text : {
           "< S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 7>",
           "> SEWA 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 8>",
           "> . 1:1(0) ack 1 <...>",
           "< FP. 1:11(10) ack 4294967295 win 0 urg 3",
           "< RU 4294967295:4(5) ack 0 win 1",
           "< - 1:1(0) win 1",
           "> P.5 1:2(1) ack 1 <ECN e1b 1 ceb 2 e0b 3,nop>",
           "> .0 1:1(0) ack 1 <nop,nop,nop,ECN e0b 16777215>",
           "< S7 0:0(0) win 1 <ECN e0b 1 ceb 2>",
           "> . 1:1(0) ack 1 <nop,nop,sack 2:3 5:6>",
           "> S 0:0(0) <FO,FO abcd,FOEXP,FOEXP 0102>",
           "> . 1:1(0) <md5 000102030405060708090a0b0c0d0e0f,nop,eol>",
           "> [ect01] . 1:1(0) ack 1",
           "< [ce,ttl 3] 80 > 8080 . 1:1(0) ack 1 win 5",
           "> [tos 0x0c] . 1:1(0) ack 1",
           "< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]",
           "< icmp type_77 code_3",
           "< icmp time_exceeded",
       }) {
    EXPECT_EQ(format_packet(packet(text)), text);
  }
}

TEST(Parser, ADigitForTheEcnFlagsSetsThem) {
  const TcpSpec tcp = std::get<TcpSpec>(packet("> F5. 1:1(0) ack 1").what);
  EXPECT_EQ(tcp.ace, 5);
  EXPECT_EQ(tcp.flags, 0x01 | 0x10 | 0x40);
  EXPECT_TRUE(tcp.ae);
}

TEST(Parser, NotesBehindInjectedSegments) {
  const Script script = parsed(
      "0 < . 1:1(0) win 1   // ok\n"
      "+0 < . 1:1(0) win 1 <nop,nop,nop,nop>  // drop: TCP_OLD_ACK @ tcp_ack\r\n"
      "+0 < . 1:1(0) win 1\n // ok\n"
      "+0 < . 1:1(0) win 1 // okay\n"
      "+0 > . 1:1(0) // ok");
  ASSERT_EQ(script.events.size(), 5u);
  EXPECT_FALSE(script.events[0].note->dropped);
  EXPECT_EQ(script.events[1].note->reason, "TCP_OLD_ACK");
  EXPECT_EQ(script.events[1].note->place, "tcp_ack");
  for (int i : {2, 3, 4}) EXPECT_FALSE(script.events[i].note) << i;
}

TEST(Parser, ArgumentsOfEveryForm) {
  const SyscallEvent c =
      call("f(..., -1, 0x1F, O_RDWR|O_NONBLOCK, [1], \"a\\x41\" // joined\n \"\\n\", NULL) = -1 EAGAIN (Try again!)");
  ASSERT_EQ(c.arguments.size(), 7u);
  EXPECT_TRUE(c.arguments[0].ellipsis());
  EXPECT_EQ(*c.arguments[1].integer(), -1);
  EXPECT_EQ(*c.arguments[2].integer(), 31);
  EXPECT_EQ(*c.arguments[3].integer(), 0x802);
  EXPECT_EQ(c.arguments[3].text, "O_RDWR|O_NONBLOCK");
  EXPECT_EQ(*c.arguments[4].list()->items[0].integer(), 1);
  EXPECT_EQ(*c.arguments[5].string(), "aA\n");
  EXPECT_EQ(*c.arguments[6].integer(), 0);
  EXPECT_EQ(*c.result.integer(), -1);
  EXPECT_EQ(errno_name(c.error), "EAGAIN");
}

TEST(Parser, RecordsOfEveryForm) {
  const SyscallEvent c = call(
      "sendmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 5}, {...,6}], msg_flags=0,"
      " msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=7}]}, 0) = 11");
  const Value& msg = c.arguments[1];
  EXPECT_TRUE(msg.field("msg_name")->ellipsis());
  EXPECT_EQ(*msg.record()->fields[1].arguments[0].integer(), 2);
  EXPECT_EQ(*msg.field("msg_iov")->list()->items[1].record()->fields[1].value->integer(), 6);
  EXPECT_EQ(*msg.field("msg_control")->list()->items[0].field("cmsg_level")->integer(), 6);
  EXPECT_EQ(msg.field("msg_controllen"), nullptr);

  const SyscallEvent bind =
      call("bind(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"1.2.3.4\")}, ...) = 0");
  const auto& port = std::get<Value::Call>(bind.arguments[1].field("sin_port")->what);
  EXPECT_EQ(port.name, "htons");
  EXPECT_EQ(*port.arguments[0].integer(), 80);
  EXPECT_EQ(bind.arguments[1].text, "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"1.2.3.4\")}");
}

TEST(Parser, Snippets) {
  const Script script = parsed("0 %{ assert a == 1, '}' }% +0\n%{\nassert b\n}%");
  EXPECT_EQ(std::get<CodeEvent>(script.events[0].what).text, " assert a == 1, '}' ");
  EXPECT_EQ(std::get<CodeEvent>(script.events[1].what).line, 2);
}

TEST(Parser, DefinedWords) {
  const std::string text =
      "--define=CALL=`from script`\n--define=SIZE=5\n"
      "0 CALL +0 f(SIZE, NAME, \"SIZE\") = 0 +0 < S 0:0(0) win SIZE <FO TFO_COOKIE,nop,nop>";
  const Script script = parsed(text, {{"SIZE", "7"}, {"NAME", "\"x\""}});
  EXPECT_EQ(std::get<CommandEvent>(script.events[0].what).text, "from script");
  const auto& f = std::get<SyscallEvent>(script.events[1].what);
  EXPECT_EQ(*f.arguments[0].integer(), 7) << "what is given outside wins";
  EXPECT_EQ(*f.arguments[1].string(), "x");
  EXPECT_EQ(*f.arguments[2].string(), "SIZE");
  EXPECT_EQ(std::get<TcpSpec>(std::get<PacketEvent>(script.events[2].what).what).options[0].bytes.size(), 8u);
}

struct Malformed {
  const char* text;
  int line;
  const char* message;  // or a part of it
};

TEST(Parser, MalformedScriptsGiveOneClearError) {
  for (const Malformed& m : std::initializer_list<Malformed>{
           {"", 1, "at least one event"},
           {"// nothing\n`only init`", 2, "at least one event"},
           {"1 `late`", 1, "the first event has to be at time 0"},
           {"* > . 1:1(0)", 1, "the first event has to be at time 0"},
           {"0 `a`\n* `b`", 2, "only an expected packet"},
           {"0 `a`\n+0~+1 < . 1:1(0) win 1", 2, "only an expected packet"},
           {"0 `a`\n3~2 > . 1:1(0)", 2, "backwards"},
           {"0 `a`\n-1 `b`", 2, "negative"},
           {"0 `a`\n99999999999999999999 `b`", 2, "a time of more than"},
           {"0 `a`\n+0...0.1 < . 1:1(0) win 1", 2, "only a system call"},
           {"0 `a`\n+1...0.1 f() = 0", 2, "return before"},
           {"0 `a` `b`\n+0 `c`", 2, "expected the end"},
           {"0 `a\n", 1, "not closed: ` is missing"},
           {"0 `a\\`", 1, "not closed"},
           {"0 %{ a", 1, "not closed: }% is missing"},
           {"0 `a` /* b", 1, "*/ is missing"},
           {"0 f(\"a) = 0", 1, "not closed: \" is missing"},
           {"0 f(\"\\q\") = 0", 1, "escape"},
           {"0 f(\"\\x4\") = 0", 1, "escape"},
           {"--define=X 0 `a`", 1, "--define=NAME=value"},
           {"0\n\nfoo", 3, "expected '(' after the name of a system call, found the end of the script"},
           {"0 f(1 2) = 0", 1, "expected ')'"},
           {"0 f(1,) = 0", 1, "expected a value, found ')'"},
           {"0 f(FOO) = 0", 1, "unknown constant 'FOO'"},
           {"0 f(\"a\"|1) = 0", 1, "joined with |"},
           {"0 f(12ab) = 0", 1, "expected a number, found '12ab'"},
           {"0 f(99999999999999999999) = 0", 1, "too large"},
           {"0 f()", 1, "expected '='"},
           {"0 f() = -1 ENOSUCH", 1, "'ENOSUCH' is no errno name"},
           {"0 f() = -1 EAGAIN (never closed", 1, ") is missing"},
           {"0 < . 1:1(0)", 1, "needs `win`"},
           {"0 < . 1:3(1) win 1", 1, "1:3 is 2 bytes long, not 1"},
           {"0 < X 1:1(0) win 1", 1, "'X' is no TCP flag"},
           {"0 < E5. 1:1(0) win 1", 1, "beside a digit"},
           {"0 < 55 1:1(0) win 1", 1, "'5' is no TCP flag"},
           {"0 < . 1:1(0) win 65536", 1, "win has to be 0 to 65535, not 65536"},
           {"0 < . 4294967296:1(0) win 1", 1, "a sequence number has to be"},
           {"0 > . 1:1(0) <mss 1460,nop>", 1, "take 5 bytes"},
           {"0 > . 1:1(0) <TS val 1 ecr 2,TS val 1 ecr 2,TS val 1 ecr 2,TS val 1 ecr 2,nop,nop,nop,nop>", 1, "40 fit"},
           {"0 > . 1:1(0) <>", 1, "expected a TCP option, found '>'"},
           {"0 > . 1:1(0) <foo>", 1, "unknown TCP option 'foo'"},
           {"0 > . 1:1(0) <FO abc>", 1, "pairs of hex digits, not 'abc'"},
           {"0 > . 1:1(0) <TS 1 2>", 1, "expected 'val' after TS"},
           {"0 > . 1:1(0) <ECN ceb 1>", 1, "expected 'e0b' or 'e1b'"},
           {"0 > . 1:1(0) <ECN e0b 16777216>", 1, "e0b has to be 0 to 16777215"},
           {"0 < . 1:1(0) win 1 <...>", 1, "leaves the options open"},
           {"0 < [ect01] . 1:1(0) win 1", 1, "either of two"},
           {"0 < [ect2] . 1:1(0) win 1", 1, "no field of the IP header"},
           {"0 < udp (5)", 1, "'udp' packets are not understood"},
           {"0 > icmp echo_reply", 1, "can only be injected"},
           {"0 < icmp nonsense", 1, "'nonsense' is no type of ICMP"},
           {"0 < icmp unreachable nonsense", 1, "no code of ICMP type 3"},
           {"0 < icmp type_256", 1, "from 0 to 255"},
       }) {
    auto script = parse_script("m.pkt", m.text);
    ASSERT_FALSE(script) << m.text;
    EXPECT_EQ(script.error().line, m.line) << m.text;
    EXPECT_GE(script.error().column, 1) << m.text;
    EXPECT_NE(script.error().text.find(m.message), std::string::npos) << m.text << "\n" << script.error().text;
  }
}

TEST(Parser, DepthHasAnEnd) {
  for (std::string open : {"[", "{", "{a(", "f("}) {
    std::string text = "0 f(";
    for (int i = 0; i < 10'000; ++i) text += open;
    auto script = parse_script("deep.pkt", text);
    ASSERT_FALSE(script);
    EXPECT_NE(script.error().text.find("too deeply"), std::string::npos);
  }
}

TEST(Parser, EveryPrefixOfAScriptIsReadOrRefused) {
  const std::string text =
      "--a=\"b\"\n`i`\n0 `a`\n+.1~+.2 > SEW 0:0(0) <mss 1,FOEXP 0102,ECN e0b 1 ceb 2>\n"
      "+0...1 f({a(2)=[\"\\x41\"], b=-1}|3, ...) = -1 EAGAIN (x)\n+0 < [ce] icmp type_3 code_4 mtu 5 [1:2(1)] // ok\n"
      "+0 %{ x }%\n`c`";
  for (size_t n = 0; n <= text.size(); ++n) {
    auto script = parse_script("p.pkt", std::string_view(text).substr(0, n));
    if (!script) {
      EXPECT_FALSE(script.error().text.empty());
    }
  }
}

TEST(Symbols, TheNumbersOfLinux) {
  EXPECT_EQ(symbol_value("SO_ZEROCOPY"), 60);
  EXPECT_EQ(symbol_value("EPOLLET"), 0x80000000);
  EXPECT_EQ(symbol_value("TCP_CA_Loss"), 4);
  EXPECT_EQ(symbol_value("NO_SUCH"), std::nullopt);
  EXPECT_EQ(errno_name(95), "EOPNOTSUPP");
  EXPECT_EQ(errno_name(11), "EAGAIN");
  EXPECT_EQ(errno_name(9999), "errno 9999");
}

}  // namespace
}  // namespace glass::drill
