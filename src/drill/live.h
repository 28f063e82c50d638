// The connection a script is about: how the script's numbers and those of life belong together.
//
//   live.local_seq(1, false)        // what "ack 1" of an injected segment has to be
//   live.learn_tsval(100, seen);    // "TS val 100" was expected and `seen` came ...
//   live.tsecr(100)                 // ... so "ecr 100" of an injected segment is `seen`
//
// A SYN carries the script's absolute numbers, every other segment counts from the first SYN of its side. The remote
// side's first number is sent as written; the local side's is learnt from its first SYN.
#pragma once
#include <cstdint>
#include <map>
#include <optional>

#include "base/ip_address.h"

namespace glass::drill {

struct Endpoints {
  IpAddress local{}, remote{};
  uint16_t local_port = 0, remote_port = 0;
  bool operator==(const Endpoints&) const = default;
};

class Live {
 public:
  // Where the handshake stands, as far as the script tells.
  enum class Stage : uint8_t {
    fresh,           // socket()
    listening,       // listen()
    first_received,  // a listener's first segment was injected
    synack_seen,
    accepted,  // the handshake's last ACK was injected
    connecting,
    syn_expected,  // the script came to its own SYN
    syn_answered
  };

  Stage stage = Stage::fresh;
  int label = -1, fd = -1;  // of the socket; -1: a child before accept()
  Endpoints ends{};
  uint32_t script_local_isn = 0, local_isn = 0, remote_isn = 0;

  // From the script's numbers to live ones. `syn`: of a segment with SYN.
  uint32_t local_seq(uint32_t scripted, bool syn) const {
    return scripted + (syn ? local_isn - script_local_isn : local_isn);
  }
  uint32_t remote_seq(uint32_t scripted, bool syn) const { return scripted + (syn ? 0 : remote_isn); }
  // And back.
  uint32_t script_local_seq(uint32_t seq, bool syn) const { return seq - local_seq(0, syn); }
  uint32_t script_remote_seq(uint32_t seq, bool syn) const { return seq - remote_seq(0, syn); }

  void learn_tsval(uint32_t scripted, uint32_t seen);
  // The live value to echo for a scripted one. `scaled`: one that was never expected is counted from the first pair.
  std::optional<uint32_t> tsecr(uint32_t scripted, bool scaled) const;
  bool knows_time() const { return first_ts_.has_value(); }
  // A live TSval on the script's time line, which the first pair fixes.
  uint32_t script_tsval(uint32_t seen) const;

 private:
  std::map<uint32_t, uint32_t> tsval_{};
  std::optional<std::pair<uint32_t, uint32_t>> first_ts_{};  // scripted, seen
};

}  // namespace glass::drill
