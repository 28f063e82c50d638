// A packetdrill script as a tree: what parse_script() makes and run_script() plays.
//
// Times are microseconds. Sequence numbers are the script's own (relative to each side's SYN, which is absolute);
// mapping them to live ones is the runner's work (live.h). Nothing here knows a target.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace glass::drill {

// When an event happens. Only outbound packets may be `any` or a range.
struct EventTime {
  enum class Kind : uint8_t { absolute, relative, any, absolute_range, relative_range };
  Kind kind = Kind::absolute;
  int64_t begin_us = 0, end_us = 0;  // end_us: ranges only
};

// --- packets

enum class Direction : uint8_t { inbound, outbound };                      // `<` injected, `>` expected
enum class EcnSpec : uint8_t { unchecked, noecn, ect0, ect1, ce, ect01 };  // inbound: unchecked sends 0

// One TCP option, byte-exact; `sack`, `TS` and `FO` keep their fields apart because they are mapped to live values.
struct TcpOptionSpec {
  enum class Kind : uint8_t { nop, eol, mss, wscale, sack_ok, sack, timestamp, md5, fast_open, fast_open_exp, accecn };
  Kind kind = Kind::nop;
  uint32_t value = 0;                                   // mss, wscale; TS val
  uint32_t echo = 0;                                    // TS ecr
  std::vector<std::pair<uint32_t, uint32_t>> blocks{};  // sack
  std::vector<uint8_t> bytes{};                         // md5 digest, Fast Open cookie
  bool e1_first = false;             // accecn: kind 174 (order e1b, ceb, e0b); else 172 (e0b, ceb, e1b)
  std::vector<uint32_t> counters{};  // accecn: 24-bit counters in the order written
};

struct TcpSpec {
  uint8_t flags = 0;              // TCPHDR_FIN ... TCPHDR_CWR as in wire/tcp.h
  bool ae = false;                // the AE bit (letter A)
  std::optional<uint8_t> ace{};   // a digit 0-7 stood in place of E/W/A, which `flags` and `ae` then have too
  uint32_t seq = 0, payload = 0;  // end = seq + payload was checked
  uint32_t ack = 0;
  bool has_ack = false;  // `ack N` was written (0 is sent otherwise)
  std::optional<uint16_t> window{};
  std::optional<uint16_t> urgent{};
  bool any_options = false;  // `<...>`: outbound options are not checked
  std::vector<TcpOptionSpec> options{};
};

struct IcmpSpec {  // inbound only
  uint8_t type = 0, code = 0;
  uint32_t mtu = 0;
  uint16_t id = 0;
  uint32_t echoed_seq = 0;  // of the segment quoted
  uint32_t echoed_payload = 0;
  bool has_echoed = false;
};

struct PacketEvent {
  Direction direction = Direction::inbound;
  EcnSpec ecn = EcnSpec::unchecked;
  std::optional<uint8_t> tos{}, ttl{};
  std::optional<uint32_t> flow_label{};
  std::optional<std::pair<uint16_t, uint16_t>> ports{};  // source > destination, if written
  std::variant<TcpSpec, IcmpSpec> what{};
};

// --- system calls

// An argument or a result as written. Constants are resolved already, `A|B` included.
struct Value {
  struct Ellipsis {};  // ...
  struct List {        // [v] or [{...}, ...]: by reference
    std::vector<Value> items;
  };
  struct Field {
    std::string name;
    std::shared_ptr<Value> value;
    std::vector<Value> arguments{};  // those of msg_iov(2)=, msg_name(...)=
  };
  struct Record {  // {name=value, ...}; without names: positional, names empty
    std::vector<Field> fields;
  };
  struct Call {  // htons(80), inet_addr("192.0.2.1")
    std::string name;
    std::vector<Value> arguments;
  };
  std::variant<Ellipsis, int64_t, std::string, List, Record, Call> what{Ellipsis{}};
  std::string text{};  // as written: for messages, and for constants of targets ("SOL_SOCKET")

  bool ellipsis() const { return std::holds_alternative<Ellipsis>(what); }
  const int64_t* integer() const { return std::get_if<int64_t>(&what); }
  const std::string* string() const { return std::get_if<std::string>(&what); }
  const List* list() const { return std::get_if<List>(&what); }
  const Record* record() const { return std::get_if<Record>(&what); }
  const Value* field(std::string_view name) const;  // of a Record; null: not there
};

struct SyscallEvent {
  std::string name;
  std::vector<Value> arguments{};
  Value result{};
  int error = 0;                          // errno expected with result -1; 0: none
  std::optional<EventTime> returns_at{};  // blocking form `t...t2`
};

struct CommandEvent {  // `...`
  std::string text;
};
struct CodeEvent {  // %{ ... }%
  std::string text;
  int line = 0;  // of its %{, which is line 1 of the text
};

// A comment behind an injected segment: `// ok` or `// drop: REASON @ place`.
struct DropNote {
  bool dropped = false;
  std::string reason{}, place{};
};

struct Event {
  int line = 0;        // in the script, from 1
  std::string text{};  // as written, on one line, without comment
  EventTime time{};
  std::optional<DropNote> note{};
  std::variant<PacketEvent, SyscallEvent, CommandEvent, CodeEvent> what{};
};

struct Script {
  std::string path;
  std::vector<std::pair<std::string, std::string>> options{};  // --name[=value] lines, in order, without the dashes
  std::optional<CommandEvent> init{}, cleanup{};
  int init_line = 0, cleanup_line = 0;
  std::vector<Event> events{};
};

struct ParseError {
  int line = 0, column = 0;
  std::string text;  // one sentence: what is wrong and what was expected
};

}  // namespace glass::drill
