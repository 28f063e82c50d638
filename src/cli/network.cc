#include "cli/network.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

namespace glass {

namespace {

using Error = std::unexpected<std::string>;

// The device of this kernel that has the address; empty if none has.
std::string kernel_device_with(const IpAddress& address) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "";
  std::string found;
  for (const ifaddrs* i = list; i; i = i->ifa_next) {
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET) continue;
    sockaddr_in in;
    std::memcpy(&in, i->ifa_addr, sizeof in);
    if (IpAddress::v4_from_wire(in.sin_addr.s_addr) == address) found = i->ifa_name;
  }
  freeifaddrs(list);
  return found;
}

Duration time_since_1970() { return std::chrono::system_clock::now().time_since_epoch(); }

}  // namespace

std::expected<std::unique_ptr<Network>, std::string> Network::open(const LinkOptions& o) {
  std::unique_ptr<Network> n(new Network);
  const auto plan = check_link_options(o);
  if (!plan) return Error(plan.error());
  n->plan_ = *plan;
  n->seed_ = o.seed ? *o.seed : random_seed();
  if (const std::string other = kernel_device_with(plan->address.address); !other.empty())
    return Error(fmt::format("{} is this machine's own address on {}: choose another with --addr",
                             to_string(plan->address.address), other));
  if (auto done = n->open_device(o); !done) return Error(done.error());
  if (auto done = n->open_stack(o); !done) return Error(done.error());
  if (auto done = n->watch_signals(); !done) return Error(done.error());
  return n;
}

std::expected<void, std::string> Network::open_device(const LinkOptions& o) {
  auto driver = TunTapDriver::open({.name = plan_.device,
                                    .mode = plan_.is_tap ? TunTapOptions::Mode::tap : TunTapOptions::Mode::tun,
                                    .host_address = plan_.host_address,
                                    // An impaired link carries the packets a wire would carry.
                                    .offload = !plan_.netem,
                                    .mac = std::nullopt,
                                    .seed = seed_});
  if (!driver) return Error(driver.error());
  driver_ = std::move(*driver);
  return o.pcap.empty() ? std::expected<void, std::string>() : open_capture(o.pcap);
}

std::expected<void, std::string> Network::open_capture(const std::string& path) {
  auto writer = PcapngWriter::open(path);
  if (!writer) return Error(writer.error());
  capture_file_ = std::move(*writer);
  capture_file_->set_epoch(time_since_1970() - EventLoop::clock().time_since_epoch());
  capture_ = std::make_unique<CaptureDriver>(*driver_, *capture_file_, driver_->name());
  return {};
}

std::expected<void, std::string> Network::open_stack(const LinkOptions& o) {
  stack_ = std::make_unique<Stack>(StackConfig{.hostname = "glass", .seed = seed_});
  loop_ = std::make_unique<EventLoop>();
  loop_->add_stack(*stack_);
  Driver& driver = capture_ ? static_cast<Driver&>(*capture_) : *driver_;
  dev_ = &stack_->add_device("eth0", driver, plan_.netem ? make_netem(stack_->ns(), *plan_.netem, seed_) : nullptr);
  if (plan_.netem) dev_->ingress = make_netem(stack_->ns(), *plan_.netem, seed_ + 1);
  stack_->ip().add_address(*dev_, plan_.address);
  if (plan_.gateway) stack_->ip().add_route({*parse_prefix("0.0.0.0/0"), *plan_.gateway, dev_, {}, 0});
  watch_device();
  auto control = ControlServer::open(o.control, *stack_, *loop_);
  if (!control) return Error(control.error());
  control_ = std::move(*control);
  return {};
}

void Network::watch_device() {
  loop_->watch_device(driver_->fd(), [this] {
    driver_->interrupt();
    if (!driver_->error()) return;
    failure_ = fmt::format("the device {} is gone: {}", driver_->name(), std::strerror(driver_->error()));
    loop_->unwatch(driver_->fd());
    loop_->stop();
  });
}

std::expected<void, std::string> Network::watch_signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  sigprocmask(SIG_BLOCK, &wanted, &signals_before_);
  signal_fd_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd_ < 0) return Error(fmt::format("cannot watch for signals: {}", std::strerror(errno)));
  loop_->watch_fd(signal_fd_, [this] {
    signalfd_siginfo info;
    while (::read(signal_fd_, &info, sizeof info) == sizeof info) interrupted_ = true;
    loop_->stop();
  });
  return {};
}

Network::~Network() {
  control_.reset();
  loop_.reset();
  if (signal_fd_ >= 0) {
    ::close(signal_fd_);
    sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
  }
}

bool Network::run_until(const std::function<bool()>& done, Duration limit) { return loop_->run_until(done, limit); }

void Network::drain(Duration limit) {
  if (!failure_.empty()) return;
  (void)loop_->run_until(
      [this] {
        constexpr std::array<std::string_view, 3> kFinished{"LISTEN", "TIME-WAIT", "FIN-WAIT-2"};
        return std::ranges::all_of(stack_->tcp().sockets(), [&](const TcpSocketRow& s) {
          return std::ranges::find(kFinished, s.state) != kFinished.end();
        });
      },
      limit);
}

}  // namespace glass
