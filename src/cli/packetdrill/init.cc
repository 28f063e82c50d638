// Where packetdrill comes in:
//
//   packetdrill --so_filename=build/release/libglass-packetdrill.so script.pkt
//
// No network namespace, device, sysctl or LD_PRELOAD is needed: nothing of the machine is touched.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "cli/packetdrill/bridge.h"
#include "cli/packetdrill/calls.h"
#include "cli/packetdrill/invocation.h"

namespace glass::packetdrill {

namespace {

int netdev_send(void*, const void* packet, size_t size) {
  bridge->inject({static_cast<const uint8_t*>(packet), size});
  return 0;
}

int netdev_receive(void*, void* buffer, size_t* size, long long* time_us) {
  const auto packet = bridge->receive();
  *size = packet ? std::min(*size, packet->bytes.size()) : 0;
  if (packet) std::memcpy(buffer, packet->bytes.data(), *size);
  *time_us = bridge->epoch_us() + (packet ? packet->time_us : bridge->clock_us());
  return 0;
}

int sleep_us(void*, useconds_t us) {
  bridge->sleep(us);
  return 0;
}

int get_time(void*, timeval* time, struct timezone*) {
  const int64_t us = bridge->epoch_us() + bridge->clock_us();
  *time = {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
  return 0;
}

// Starts packetdrill once more with this object preloaded too, unless it is already. Nothing has happened yet.
void be_preloaded() {
  constexpr const char* kPreload = "LD_PRELOAD";
  Dl_info self{};
  if (!::dladdr(reinterpret_cast<void*>(&packetdrill_interface_init), &self) || !self.dli_fname) return;
  if (::dlsym(::dlopen(nullptr, RTLD_LAZY), "packetdrill_interface_init")) {  // among what is visible to all
    ::unsetenv(kPreload);  // what packetdrill starts has no use for it
    return;
  }
  std::vector<std::string> line = own_command_line();
  std::vector<char*> arguments;
  for (std::string& argument : line) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const char* before = std::getenv(kPreload);
  ::setenv(kPreload, (before ? std::string(self.dli_fname) + ":" + before : self.dli_fname).c_str(), 1);
  ::execv("/proc/self/exe", arguments.data());
  std::perror("glass: packetdrill cannot be started again with this object preloaded");
  std::exit(EXIT_FAILURE);
}

}  // namespace

}  // namespace glass::packetdrill

extern "C" [[gnu::visibility("default")]] void packetdrill_interface_init(const char*, packetdrill_interface* out) {
  using namespace glass::packetdrill;
  be_preloaded();
  Invocation invocation = understand(own_command_line());
  bridge = new Bridge(invocation.addresses, std::move(invocation.commands));  // to the end of the process
  *out = {};
  out->free = [](void*) {};
  out->netdev_send = netdev_send;
  out->netdev_receive = netdev_receive;
  out->usleep = sleep_us;
  out->gettimeofday = get_time;
  fill_in_calls(*out);
}
