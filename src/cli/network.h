// A stack joined to the local kernel by a TUN or TAP device, in real time: what every subcommand with a network runs
// on.
//
//   auto network = Network::open(session.link);          // error: one line that says what to do
//   spawn((*network)->loop(), work((*network)->stack(), ...));
//   (*network)->run_until([&] { return finished; });     // false: a signal came, or the device is gone
//
// Answers on a control socket while it lives (see control_server.h). Owns device, stack and loop.
#pragma once
#include <csignal>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "cli/control_server.h"
#include "cli/link_options.h"
#include "driver/capture.h"
#include "driver/tun.h"
#include "runtime/event_loop.h"

namespace glass {

class Network {
 public:
  static std::expected<std::unique_ptr<Network>, std::string> open(const LinkOptions&);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  Stack& stack() { return *stack_; }
  EventLoop& loop() { return *loop_; }
  const IpAddress& address() const { return plan_.address.address; }
  const std::string& device() const { return driver_->name(); }
  net_device& dev() { return *dev_; }

  // False after `limit`, when SIGINT or SIGTERM came, or when the device is gone.
  bool run_until(const std::function<bool()>& done, Duration limit = Duration::max());
  bool interrupted() const { return interrupted_; }
  const std::string& failure() const { return failure_; }  // why the device is gone; empty: it is not
  // Lets connections that were closed say goodbye, for at most so long.
  void drain(Duration limit);

 private:
  Network() = default;
  std::expected<void, std::string> open_device(const LinkOptions&);
  std::expected<void, std::string> open_stack(const LinkOptions&);
  std::expected<void, std::string> open_capture(const std::string& path);
  std::expected<void, std::string> watch_signals();
  void watch_device();

  LinkPlan plan_;
  uint64_t seed_ = 1;
  bool interrupted_ = false;
  std::string failure_;
  int signal_fd_ = -1;
  sigset_t signals_before_{};
  std::unique_ptr<PcapngWriter> capture_file_;  // from here on in the order of dependence: the last dies first
  std::unique_ptr<TunTapDriver> driver_;
  std::unique_ptr<CaptureDriver> capture_;
  std::unique_ptr<Stack> stack_;
  net_device* dev_ = nullptr;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ControlServer> control_;
};

}  // namespace glass
