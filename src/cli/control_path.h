// Where a running glass listens: DIRECTORY/<pid>.sock, in the first of these directories that can be had.
//
//   $XDG_RUNTIME_DIR/glass     /run/glass     /tmp/glass-<uid>
#pragma once
#include <expected>
#include <string>
#include <vector>

namespace glass {

struct ControlEnvironment {
  std::string runtime_dir;  // XDG_RUNTIME_DIR; may be empty
  unsigned uid = 0;
  static ControlEnvironment current();
};
std::vector<std::string> control_directories(const ControlEnvironment&);

// The path for this process; makes its directory (mode 0700, ours alone).
std::expected<std::string, std::string> make_control_path(const ControlEnvironment&, int pid);

// The socket of the one running glass, of process `pid` if that is not 0, or `path` itself if it is not empty.
// Errors: none is running; several are.
std::expected<std::string, std::string> find_control_path(const ControlEnvironment&, const std::string& path, int pid);

// Whether somebody answers at the path.
bool control_socket_alive(const std::string& path);

}  // namespace glass
