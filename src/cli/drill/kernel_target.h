// The running kernel as the target of a script: in a network namespace of its own, over a TUN device, in real time.
#pragma once
#include <expected>
#include <memory>
#include <string>

#include "drill/target.h"

namespace glass {

// Nothing, or why this machine refuses one and what to do.
std::expected<void, std::string> can_make_kernel_target();

// A Failure where this machine refuses one.
std::unique_ptr<drill::Target> make_kernel_target(const drill::Addresses&);

}  // namespace glass
