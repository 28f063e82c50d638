// The command `glass`: joins the subcommands of commands.inc.
#include <fmt/format.h>

#include <algorithm>

#include "cli/command.h"

namespace glass {

#define COMMAND(name) void add_##name(CLI::App&, Session&);
#include "cli/commands.inc"
#undef COMMAND

namespace {

// One line, whatever the text was.
int fail(std::string text, int code) {
  std::ranges::replace(text, '\n', ' ');
  fmt::print(stderr, "glass: {}\n", text);
  return code;
}

CLI::App* chosen_command(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? nullptr : commands.front();
}

// An option before the subcommand's name has to be one of the subcommand's own.
void check_options_fit(const CLI::App& app) {
  const CLI::App* command = chosen_command(app);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->count() || option == app.get_help_ptr()) continue;
    if (!command->get_option_no_throw(option->get_name()))
      throw Failure(fmt::format("`glass {0}` does not take {1}: leave it out, or see `glass {0} --help`",
                                command->get_name(), option->get_name()),
                    kExitUsage);
  }
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = chosen_command(app);
  return fail(fmt::format("{}: see `glass {}--help`", error.what(), command ? command->get_name() + " " : ""),
              kExitUsage);
}

int run(int argc, char** argv) {
  CLI::App app{"A TCP/IP stack in user space that behaves like Linux's and explains itself.", "glass"};
  app.footer(
      "Link options may stand before or after the subcommand.\n"
      "Example: glass demo\n"
      "Example: glass --tap tap0 --addr 10.0.0.2/24 --host-addr 10.0.0.1/24 serve --http 80=.");
  app.require_subcommand(0, 1);
  Session session;
  add_link_options(app, session.link);
#define COMMAND(name) add_##name(app, session);
#include "cli/commands.inc"
#undef COMMAND
  app.parse_complete_callback([&app] {
    if (chosen_command(app)) check_options_fit(app);
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return usage_error(app, e);
  }
  if (!chosen_command(app)) return fail("a subcommand is needed: try `glass demo`, or see `glass --help`", kExitUsage);
  return session.exit_code;
}

}  // namespace

}  // namespace glass

int main(int argc, char** argv) {
  try {
    return glass::run(argc, argv);
  } catch (const glass::Failure& e) {
    return glass::fail(e.what(), e.exit_code);
  } catch (const std::exception& e) {
    return glass::fail(e.what(), glass::kExitFailed);
  }
}
