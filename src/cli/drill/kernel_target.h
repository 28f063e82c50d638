// The running kernel as the target of a script, over a TUN device and in real time.
#pragma once
#include <memory>

#include "drill/target.h"

namespace glass {

// A Failure where this machine refuses one.
std::unique_ptr<drill::Target> make_kernel_target(const drill::Addresses&);

}  // namespace glass
