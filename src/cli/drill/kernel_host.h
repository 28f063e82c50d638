// A network namespace of the script's own with one TUN device, and a shell in it.
//
//   auto host = KernelHost::open(addresses);            // an error says what to do
//   host->write(packet, 0);   host->run("sysctl -q net.ipv4.tcp_sack=0");
//
// The calling thread moves into the namespace and stays there; threads and programs it starts are in it, too.
#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "drill/target.h"

namespace glass {

class KernelHost {
 public:
  static std::expected<std::unique_ptr<KernelHost>, std::string> open(const drill::Addresses&);
  ~KernelHost();
  KernelHost(const KernelHost&) = delete;
  KernelHost& operator=(const KernelHost&) = delete;

  int fd() const { return tun_; }                                     // readable when a packet has left
  bool write(std::span<const uint8_t> ip_packet, uint16_t gso_size);  // 0: a packet of its own
  // The next packet that has left, whole also where the device would cut it, with its checksum in place. Empty: none.
  std::vector<uint8_t> read();
  std::string directory;  // where commands run; empty: here

  // With /bin/sh; an error text, or nothing if it succeeded.
  std::optional<std::string> run(const std::string& command);
  std::string output_of(const std::string& command);  // what it writes to standard output

 private:
  KernelHost() = default;
  std::expected<void, std::string> join_device();
  std::expected<void, std::string> set_up(const drill::Addresses&);
  int start(const std::string& command, int out, int err);  // the exit status

  int tun_ = -1;
};

}  // namespace glass
