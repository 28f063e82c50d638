// What the subcommands share: the options that may stand before or after their name, how they fail, how they mark text.
//
//   void add_ping(CLI::App& app, Session& session) {
//     CLI::App* cmd = app.add_subcommand("ping", "…");
//     add_link_options(*cmd, session.link);
//     auto o = std::make_shared<PingOptions>();   cmd->add_option("-c", o->count, "…");
//     on_run(*cmd, session, [&session, o] { return ping(session, *o); });
//   }
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "cli/link_options.h"
#include "view/text.h"

namespace glass {

struct Session {
  LinkOptions link;
  int exit_code = 0;
};

inline constexpr int kExitFailed = 1, kExitUsage = 2;

// A failure as one line on standard error; what() says what to do.
class Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& text, int code = kExitFailed) : std::runtime_error(text), exit_code(code) {}
  int exit_code;
};

// The value, or a Failure with the error's text.
template <class T>
T value_or_fail(std::expected<T, std::string> result, int code = kExitFailed) {
  if (!result) throw Failure(result.error(), code);
  return std::move(*result);
}
inline void check_or_fail(const std::expected<void, std::string>& result, int code = kExitFailed) {
  if (!result) throw Failure(result.error(), code);
}

// `run` returns the exit code.
inline void on_run(CLI::App& command, Session& session, std::function<int()> run) {
  command.final_callback([&session, run = std::move(run)] { session.exit_code = run(); });
}

bool on_terminal(int fd);
Style style_for(int fd);            // colour only on a terminal, and not with NO_COLOR
void print(std::string_view);       // to standard output, at once; a full disk is a Failure
std::string errno_text(int error);  // "Connection refused"

}  // namespace glass
