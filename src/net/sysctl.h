// The tunables of one stack. Every field of sysctls.inc is a member; names are Linux's.
//
//   net.sysctl.tcp_rmem[2];   set_sysctl(net.sysctl, "net.ipv4.tcp_sack", "0");
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/errno.h"

namespace glass {

struct Sysctl {
#define SYSCTL(field, name, value) int64_t field = value;
#define SYSCTL3(field, name, low, value, high) std::array<int64_t, 3> field{low, value, high};
#define SYSCTL_RANGE(field, name, value, low, high) int64_t field = value;
#define SYSCTL_TEXT(field, name, value) std::string field = value;
#define SYSCTL_CHOICE(field, name, value, words) std::string field = value;
#define SYSCTL_FIXED(field, name, value) std::string field = value;
#include "net/sysctls.inc"
#undef SYSCTL
#undef SYSCTL3
#undef SYSCTL_RANGE
#undef SYSCTL_TEXT
#undef SYSCTL_CHOICE
#undef SYSCTL_FIXED
};

// `value` is one integer, or three for the *_mem ones, separated by blanks; "0x" and a leading 0 are understood.
// ENOENT: no such name, or no such choice; EINVAL: not a number, or out of range; EACCES: it cannot be changed.
Result<void> set_sysctl(Sysctl&, std::string_view name, std::string_view value);
Result<std::string> get_sysctl(const Sysctl&, std::string_view name);
std::vector<std::string> sysctl_names();

}  // namespace glass
