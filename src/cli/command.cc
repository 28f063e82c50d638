#include "cli/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace glass {

bool on_terminal(int fd) { return isatty(fd) == 1; }

Style style_for(int fd) {
  const char* refuse = std::getenv("NO_COLOR");
  return {.colour = on_terminal(fd) && !(refuse && *refuse)};
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Failure(fmt::format("cannot write to standard output: {}", errno_text(errno)));
}

std::string errno_text(int error) { return std::strerror(error); }

}  // namespace glass
