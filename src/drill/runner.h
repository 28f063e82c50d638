// One run of one script: the state between its events. run.h is the door; the events are in runner.cc (time, commands,
// code), runner_packet.cc and runner_call.cc; runner_record.cc is what --record does otherwise.
#pragma once
#include <memory>
#include <vector>

#include "drill/code.h"
#include "drill/compare.h"
#include "drill/offered.h"
#include "drill/recorder.h"
#include "drill/run.h"
#include "drill/schedule.h"
#include "drill/settings.h"
#include "drill/syscall.h"

namespace glass::drill {

class Runner {
 public:
  Runner(const Script& script, Target& target, const RunOptions& options, Onlooker onlooker)
      : script_(script), target_(target), options_(options), onlooker_(std::move(onlooker)) {}
  RunResult run();

 private:
  // A system call under way.
  struct Pending {
    const Event* event;
    const SyscallEvent* call;
    std::shared_ptr<ScriptedCall> scripted;
    Schedule begins;
    std::optional<Schedule> returns;
    size_t line;  // of the recorder
  };

  // Each is false when the script has failed.
  bool play();
  bool step(const Event&);
  bool do_inbound(const PacketEvent&);
  bool do_outbound(const PacketEvent&);
  bool do_call(const SyscallEvent&);
  bool do_command(const CommandEvent&);
  bool do_code(const CodeEvent&);
  bool run_command(int line, const CommandEvent&);
  bool finish();

  bool wait_for_event();  // lets time pass until the event is due
  bool fail(std::string what, std::string expected = {}, std::string got = {});
  bool fail_at(const Event&, std::string what);
  Schedule plan_event(const Event&) const;
  Tolerance tolerance() const { return {settings_.tolerance_us, settings_.tolerance_percent}; }

  // packets
  Live* receiver_of(const PacketEvent&);
  void note_handshake(const TcpSpec&);
  bool check_note();
  bool expect_stage(const PacketEvent&);
  void learn_from(const SeenPacket&);
  bool belongs(const SeenPacket&);
  std::optional<SeenPacket> sniff(int64_t deadline_us);
  int64_t sniff_deadline() const;
  std::optional<SeenPacket> collect(const PacketEvent&, const TcpSpec&);
  bool judge(const PacketEvent&, const TcpSpec&, const SeenPacket&);
  std::string got_text(const SeenPacket&) const;

  // system calls
  bool await_call(int64_t limit_us);
  bool take_finished();
  void before_call(const SyscallEvent&);
  bool after_call(const SyscallEvent&, int64_t result);
  Live* by_label(int label);
  Live& new_live(Live::Stage);

  // recording: what came is written down, and nothing of it fails
  bool record_outbound(const PacketEvent&);
  void record_event(std::string text);
  void record_printed(std::string_view);
  void record_what_left();
  void record_packet(const SeenPacket&);
  void record_return(const Pending&, int64_t result, int64_t at_us, bool as_scripted);
  PacketEvent with_recorded_echo(PacketEvent) const;

  const Script& script_;
  Target& target_;
  RunOptions options_;
  Onlooker onlooker_;
  Settings settings_{};
  Descriptors descriptors_{};
  std::vector<std::unique_ptr<Live>> sockets_{};
  Live* under_test_ = nullptr;  // the connection that packets belong to: the youngest
  OfferedWindow offered_{};
  uint16_t next_port_ = 0;
  const Event* event_ = nullptr;
  Schedule schedule_{};                 // of event_
  std::optional<Schedule> previous_{};  // of the event before
  bool previous_inbound_ = false;
  std::optional<Pending> pending_{};
  int64_t last_send_us_ = -1;                        // when the last call that sends was made
  std::vector<std::shared_ptr<ScriptedCall>> lent_;  // calls whose buffers the target still reads
  CodeVariables variables_{};
  std::optional<Recorder> recorder_{};
  RunResult result_{};
};

}  // namespace glass::drill
