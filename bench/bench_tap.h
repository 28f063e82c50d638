// Bulk over a TAP device to the local kernel, both ways, in a network namespace of the program's own.
#pragma once

namespace bench {

// Registers tap_up (Glasstack to the kernel) and tap_down. Where namespaces or /dev/net/tun are refused they end with a
// sentence that says so, in the report's error_message.
void register_tap();

}  // namespace bench
