// The kernel's side of a TUN or TAP device: its MTU, queue length, address and state, set by ioctl and rtnetlink
// (netdevice(7), rtnetlink(7)).
//
//   auto done = configure_kernel_link("tap0", {.address = parse_prefix("10.0.0.1/24")});
//   if (!done) fmt::print("{}\n", done.error());            // one line that says what to do
//
// Only what differs from the wish is set, so that a device an administrator has prepared can be used without
// privileges.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/ip_address.h"

namespace glass {

struct KernelLinkOptions {
  std::optional<IpPrefix>
      address{};            // given to the kernel; other addresses of the device of that family may be replaced (IPv4)
  uint32_t mtu = 0;         // 0: as it is
  uint32_t txqueuelen = 0;  // at least this; 0: as it is
  bool up = true;           // bring it up; false: as it is
};

std::expected<void, std::string> configure_kernel_link(const std::string& name, const KernelLinkOptions&);

struct KernelLinkState {
  uint32_t mtu = 0;
  bool up = false;
  MacAddress mac;  // all zero where there is none (TUN)
};
std::expected<KernelLinkState, std::string> kernel_link_state(const std::string& name);

// "Operation not permitted: run as root or inside `unshare -rn`": strerror and, for lacking privileges, the way out.
std::string explain_errno(int errno_value);

}  // namespace glass
