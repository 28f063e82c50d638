// Asks a running glass, see control_server.h for what it understands.
//
//   ControlClient glass = ControlClient::connect(find_control_path(...));    // Failure: one line that says what to do
//   Json drops = glass.ask({{"cmd", "drops"}});
#pragma once
#include <optional>
#include <string>

#include "base/time.h"
#include "view/json.h"

namespace CLI {
class App;
}

namespace glass {

struct LinkOptions;

class ControlClient {
 public:
  // The glass that --control or --pid name, or the only one that runs.
  static ControlClient connect(const LinkOptions&, int pid);
  explicit ControlClient(const std::string& path);
  ~ControlClient();
  ControlClient(ControlClient&& o) noexcept;
  ControlClient& operator=(ControlClient&&) = delete;

  // One request, one answer; a Failure if it is refused or does not come.
  Json ask(const Json& request);
  // The next line of what is watched; nullopt when `until` (of the monotonic clock) has come or the process has ended.
  std::optional<Json> next(std::optional<Instant> until);
  bool ended() const { return ended_; }

 private:
  std::optional<std::string> read_line(std::optional<Instant> until);
  int fd_ = -1;
  bool ended_ = false;
  std::string path_, input_;
};

// --pid and --control.
void add_client_options(CLI::App&, LinkOptions&, int& pid);

}  // namespace glass
