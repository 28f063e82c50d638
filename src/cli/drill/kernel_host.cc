#include "cli/drill/kernel_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/checksum.h"
#include "cli/command.h"
#include "driver/kernel_link.h"
#include "driver/offload_header.h"

namespace glass {

namespace {

constexpr const char* kDevice = "tun0";  // what scripts call it

std::string contents(int fd) {
  std::string out(static_cast<size_t>(std::max<off_t>(lseek(fd, 0, SEEK_END), 0)), '\0');
  const ssize_t n = pread(fd, out.data(), out.size(), 0);
  out.resize(n > 0 ? static_cast<size_t>(n) : 0);
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

}  // namespace

std::expected<std::unique_ptr<KernelHost>, std::string> KernelHost::open(const drill::Addresses& addresses) {
  if (unshare(CLONE_NEWNET) < 0)
    return std::unexpected(fmt::format("no network namespace for the script: {}", explain_errno(errno)));
  std::unique_ptr<KernelHost> host(new KernelHost);
  if (auto done = host->join_device(); !done) return std::unexpected(done.error());
  if (auto done = host->set_up(addresses); !done) return std::unexpected(done.error());
  return host;
}

KernelHost::~KernelHost() {
  if (tun_ >= 0) close(tun_);
}

std::expected<void, std::string> KernelHost::join_device() {
  tun_ = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun_ < 0) return std::unexpected(fmt::format("cannot open /dev/net/tun: {}", explain_errno(errno)));
  ifreq request{};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tun_, TUNSETIFF, &request) < 0)
    return std::unexpected(fmt::format("cannot make {}: {}", kDevice, explain_errno(errno)));
  // As the original does: scripts see the packets TCP makes, not what is cut of them.
  if (::ioctl(tun_, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) < 0)
    return std::unexpected(fmt::format("{} takes no offload settings: {}", kDevice, explain_errno(errno)));
  return {};
}

bool KernelHost::write(std::span<const uint8_t> packet, uint16_t gso_size) {
  virtio_net_hdr header{};
  if (gso_size) {
    header.gso_type = packet[0] >> 4 == 6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
    header.gso_size = gso_size;
    header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
  }
  const std::array<iovec, 2> pieces{iovec{&header, sizeof header},
                                    iovec{const_cast<uint8_t*>(packet.data()), packet.size()}};
  return ::writev(tun_, pieces.data(), pieces.size()) > 0;
}

std::vector<uint8_t> KernelHost::read() {
  virtio_net_hdr header{};
  std::vector<uint8_t> packet(65536);
  const std::array<iovec, 2> pieces{iovec{&header, sizeof header}, iovec{packet.data(), packet.size()}};
  const ssize_t n = ::readv(tun_, pieces.data(), pieces.size());
  if (n <= static_cast<ssize_t>(sizeof header)) return {};
  packet.resize(static_cast<size_t>(n) - sizeof header);
  const size_t start = header.csum_start, at = start + header.csum_offset;
  if ((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && at + 2 <= packet.size()) {
    const uint16_t sum = csum_fold(csum_partial(packet.data() + start, packet.size() - start, 0));
    std::memcpy(packet.data() + at, &sum, sizeof sum);
  }
  return packet;
}

std::expected<void, std::string> KernelHost::set_up(const drill::Addresses& a) {
  // No neighbour discovery and the like: what leaves is the script's.
  (void)run("sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
  if (auto done = configure_kernel_link(kDevice, {.address = IpPrefix{a.local, a.prefix_len}, .mtu = a.mtu}); !done)
    return done;
  auto failed = run(fmt::format("ip link set lo up && ip route add {} via {} dev {}", to_string(a.remote),
                                to_string(a.gateway), kDevice));
  if (failed) return std::unexpected(*failed);
  return {};
}

int KernelHost::start(const std::string& command, int out, int err) {
  const std::string pid = std::to_string(getpid());
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    const int null = ::open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(out >= 0 ? out : null, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    if (!directory.empty() && chdir(directory.c_str()) < 0) _exit(127);
    setenv("PACKETDRILL_PID", pid.c_str(), 1);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::optional<std::string> KernelHost::run(const std::string& command) {
  const int err = memfd_create("stderr", MFD_CLOEXEC);
  const int status = start(command, -1, err);
  const std::string said = contents(err);
  close(err);
  if (status == 0) return std::nullopt;
  return fmt::format("'{}' failed with status {}{}{}", command, status, said.empty() ? "" : ": ", said);
}

std::string KernelHost::output_of(const std::string& command) {
  const int out = memfd_create("stdout", MFD_CLOEXEC), err = memfd_create("stderr", MFD_CLOEXEC);
  (void)start(command, out, err);
  const std::string said = contents(out);
  close(out);
  close(err);
  return said;
}

}  // namespace glass
