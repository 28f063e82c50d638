// Opening a TUN or TAP device and setting it up; the way of its frames is in tun.cc.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/siphash.h"
#include "driver/kernel_link.h"
#include "driver/offload_header.h"
#include "driver/tun.h"

namespace glass {

namespace {

constexpr const char* kClone = "/dev/net/tun";

std::string open_error(int error) {
  if (error == ENOENT || error == ENXIO || error == ENODEV)
    return fmt::format("{} is missing: load it with `modprobe tun`, or give the container the device", kClone);
  return fmt::format("cannot open {}: {}", kClone, explain_errno(error));
}

std::string join_error(const std::string& name, const char* kind, int error) {
  if (error == EBUSY) return fmt::format("{} is in use by another program: stop it or choose another name", name);
  if (error == EINVAL) return fmt::format("{} exists and is no {} device: choose another name", name, kind);
  return fmt::format("cannot create {} device {}: {}", kind, name, explain_errno(error));
}

// A locally administered unicast address (IEEE 802, bit 1 of the first byte) that stays the same from run to run.
MacAddress derive_mac(const std::string& name, uint64_t seed) {
  const uint64_t h = siphash({seed, 0x676c617373}, name.data(), name.size());
  MacAddress mac;
  std::memcpy(mac.bytes.data(), &h, mac.bytes.size());
  mac.bytes[0] = static_cast<uint8_t>((mac.bytes[0] & 0xfc) | 2);
  return mac;
}

}  // namespace

std::expected<std::unique_ptr<TunTapDriver>, std::string> TunTapDriver::open(TunTapOptions options) {
  if (options.name.size() >= IFNAMSIZ)
    return std::unexpected(
        fmt::format("device name {} is too long: at most {} characters", options.name, IFNAMSIZ - 1));
  const int fd = ::open(kClone, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return std::unexpected(open_error(errno));
  std::unique_ptr<TunTapDriver> driver(new TunTapDriver(fd, std::move(options)));
  for (auto step : {&TunTapDriver::join_device, &TunTapDriver::set_offload, &TunTapDriver::set_up_kernel_side})
    if (auto done = (driver.get()->*step)(); !done) return std::unexpected(done.error());
  return driver;
}

TunTapDriver::~TunTapDriver() { close(fd_); }

std::expected<void, std::string> TunTapDriver::join_device() {
  const char* kind = is_tap() ? "TAP" : "TUN";
  if (options_.name.empty()) options_.name = is_tap() ? "tap%d" : "tun%d";
  ifreq request{};
  std::strncpy(request.ifr_name, options_.name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>((is_tap() ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_VNET_HDR);
  if (ioctl(fd_, TUNSETIFF, &request) < 0) return std::unexpected(join_error(options_.name, kind, errno));
  options_.name = request.ifr_name;
  return {};
}

std::expected<void, std::string> TunTapDriver::set_offload() {
  int header_size = sizeof(virtio_net_hdr);
  const unsigned wanted = options_.offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
  if (ioctl(fd_, TUNSETVNETHDRSZ, &header_size) == 0 && ioctl(fd_, TUNSETOFFLOAD, wanted) == 0) return {};
  return std::unexpected(fmt::format("{} does not take the offload settings: {}", options_.name, std::strerror(errno)));
}

std::expected<void, std::string> TunTapDriver::set_up_kernel_side() {
  const KernelLinkOptions wish{options_.host_address, options_.mtu, options_.txqueuelen, options_.up};
  if (auto done = configure_kernel_link(options_.name, wish); !done) return done;
  auto state = kernel_link_state(options_.name);
  if (!state) return std::unexpected(state.error());
  options_.mtu = state->mtu;
  if (!is_tap()) return {};
  mac_ = options_.mac ? *options_.mac : derive_mac(options_.name, options_.seed);
  if (mac_ != state->mac) return {};
  if (options_.mac)
    return std::unexpected(
        fmt::format("{} is the kernel's own address of {}: choose another", to_string(mac_), options_.name));
  mac_.bytes[5] ^= 1;
  return {};
}

}  // namespace glass
