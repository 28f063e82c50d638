#include "cli/drill/kernel_target.h"

#include "cli/command.h"

namespace glass {

std::unique_ptr<drill::Target> make_kernel_target(const drill::Addresses&) {
  throw Failure("--target kernel: not yet; leave it out to play on Glasstack", kExitUsage);
}

}  // namespace glass
