// The shell lines of scripts, understood without a shell: every program that scripts name is a function here, working
// on one stack. Nothing outside the process is touched.
//
//   Commands commands({stack, tun0, files, [&](Duration d) { ... }});
//   if (auto error = commands.run("sysctl -q net.ipv4.tcp_sack=0")) say(*error);
//
// A program or an option nobody knows is an error that names it, never passed over. Like in a shell, the last command
// decides whether the line failed; unlike there, a complaint of an earlier one fails it too, unless the line sends
// complaints to /dev/null.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "drill/glass_syscalls.h"
#include "drill/shell.h"
#include "stack/stack.h"
#include "view/counters.h"

namespace glass::drill {

// What the commands act on.
struct CommandHost {
  Stack& stack;
  net_device& device;  // what scripts call tun0
  FileStore& files;
  std::function<void(Duration)> pass;  // sleep
};

// One program under way.
struct ProgramRun {
  std::vector<std::string> arguments;  // without the name
  std::string input, output, complaint{};
  int fail(std::string why, int status = 1) {
    complaint = std::move(why);
    return status;
  }
};

class Commands {
 public:
  explicit Commands(CommandHost);
  // Nothing, or one sentence about what failed.
  std::optional<std::string> run(const std::string& text);

 private:
  struct Program {
    std::string_view name;
    int (Commands::*run)(ProgramRun&);
  };
  static const Program kPrograms[];

  int run_pipeline(const ShellPipeline&);
  int run_command(const ShellCommand&, std::string input, std::string& output);
  int run_program(const std::string& path, ProgramRun&);
  int redirect(const ShellCommand&, ProgramRun&);

  // settings (commands_sysctl.cc)
  int sysctl(ProgramRun&);
  int set_sysctls(ProgramRun&);  // set_sysctls.py
  int restore_sysctls(ProgramRun&);
  int defaults(ProgramRun&);                                            // defaults.sh
  std::string set_setting(std::string name, const std::string& value);  // a complaint, or empty
  std::optional<std::string> get_setting(std::string name) const;

  // the network (commands_net.cc)
  int tc(ProgramRun&);
  int ethtool(ProgramRun&);
  int ip(ProgramRun&);
  int ip_route(ProgramRun&);
  int ip_link(ProgramRun&);
  int nstat(ProgramRun&);

  // the rest (commands.cc)
  int echo(ProgramRun&);
  int true_(ProgramRun&) { return 0; }
  int false_(ProgramRun&) { return 1; }
  int cat(ProgramRun&);
  int grep(ProgramRun&);
  int sleep(ProgramRun&);
  int rm(ProgramRun&);
  int dd(ProgramRun&);
  std::optional<std::string> read_file(const std::string& path) const;

  CommandHost host_;
  ShellVariables variables_;
  std::string complaint_;                                   // of the line under way
  std::vector<std::pair<std::string, std::string>> saved_;  // what set_sysctls.py has to restore
  CounterSnapshot counted_;                                 // at the last nstat
};

// /proc/net/tcp: one line a socket, addresses and states in hexadecimal.
std::string format_proc_net_tcp(const std::vector<TcpSocketRow>&);

}  // namespace glass::drill
