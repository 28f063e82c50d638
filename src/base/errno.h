// Results of socket calls and of everything else that can fail for a reason errno has a name for.
//
//   Result<size_t> n = stack.sys_recvfrom(fd, buf);
//   if (!n && n.error() == EAGAIN) ...
#pragma once
#include <cerrno>
#include <expected>

namespace glass {

template <class T>
using Result = std::expected<T, int>;  // the error is a positive errno value

constexpr std::unexpected<int> Err(int errno_value) { return std::unexpected<int>(errno_value); }

}  // namespace glass
