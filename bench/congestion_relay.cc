#include "congestion_relay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "dev/qdisc.h"
#include "runtime/event_loop.h"
#include "wire/ethernet.h"

namespace bench {

namespace {

using namespace glass;

constexpr size_t kMtu = 65536;
// Packets of a TUN device have no Ethernet header; a link's time is counted with one, as in the simulation.
constexpr uint32_t kHeader = 14;

// Plain IP packets, no offload: the kernel cuts what it sends to the device's MTU.
int open_tun(const std::string& name) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
    throw std::runtime_error(fmt::format("cannot make TUN device {}: {}", name, std::strerror(errno)));
  return fd;
}

class Relay {
 public:
  explicit Relay(const RelayConfig& c)
      : left_(open_tun(c.left)),
        right_(open_tun(c.right)),
        link_(make(c.link, c.seed * 3)),
        path_(make(c.path, c.seed * 3 + 1)),
        back_(make(c.back, c.seed * 3 + 2)) {}
  ~Relay() {
    close(left_);
    close(right_);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Until standard input ends; how many packets were dropped.
  uint64_t run() {
    for (;;) {
      const Instant now = ns_.now = EventLoop::clock();
      take(left_, *link_, now);
      take(right_, *back_, now);
      while (Skb skb = link_->dequeue(now)) path_->enqueue(std::move(skb), now);
      give(*path_, right_, now);
      give(*back_, left_, now);
      const Instant next = std::min({link_->next_dequeue(), path_->next_dequeue(), back_->next_dequeue()});
      if (!wait(next)) return ns_.trace.drops();
    }
  }

 private:
  std::unique_ptr<Qdisc> make(const std::string& words, uint64_t seed) {
    auto made = make_qdisc(ns_, words, seed);
    if (!made || !*made) throw std::runtime_error(made ? "noqueue cannot hold packets back" : made.error());
    return std::move(*made);
  }

  void take(int fd, Qdisc& into, Instant now) {
    for (int i = 0; i < 64; ++i) {
      const ssize_t n = read(fd, buffer_.data(), buffer_.size());
      if (n <= 0) return;
      Skb skb = alloc_skb(pool_, ns_.trace, static_cast<uint32_t>(n) + kHeader, 0);
      std::memset(skb_put(skb, kHeader), 0, kHeader);
      std::memcpy(skb_put(skb, static_cast<uint32_t>(n)), buffer_.data(), static_cast<size_t>(n));
      skb_set_network_header(skb, kHeader);
      skb->protocol = ETH_P_IP;
      into.enqueue(std::move(skb), now);
    }
  }

  static void give(Qdisc& from, int fd, Instant now) {
    while (Skb skb = from.dequeue(now)) {
      if (pskb_may_pull(skb, skb->len)) (void)!write(fd, skb->data + kHeader, skb->len - kHeader);
      consume_skb(std::move(skb));
    }
  }

  // False: standard input has ended.
  bool wait(Instant next) const {
    pollfd fds[] = {{left_, POLLIN, 0}, {right_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    const auto left = std::clamp<int64_t>((next - std::max(EventLoop::clock(), Instant{})).count(), 0, 1'000'000'000);
    const timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
    ppoll(fds, 3, &timeout, nullptr);
    char c;
    return !(fds[2].revents && read(STDIN_FILENO, &c, 1) <= 0);
  }

  SkbPool pool_;
  net ns_{pool_, 1};
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(kMtu);
  int left_, right_;
  std::unique_ptr<Qdisc> link_, path_, back_;
};

}  // namespace

int run_relay(const RelayConfig& config) {
  prctl(PR_SET_TIMERSLACK, 1);  // the qdiscs' instants are exact; waking up should be too
  Relay relay(config);
  fmt::print("ready\n");
  std::fflush(stdout);
  fmt::print("{}\n", relay.run());
  return 0;
}

}  // namespace bench
