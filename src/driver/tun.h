// A device shared with the local kernel: TUN (IP packets) or TAP (Ethernet frames).
//
//   auto tap = TunTapDriver::open({.name = "tap0", .host_address = parse_prefix("10.0.0.1/24")});
//   if (!tap) return fail(tap.error());                      // one line that says what to do
//   stack.add_device("eth0", **tap);
//   loop:  wait until (*tap)->fd() is readable or the stack's deadline;   (*tap)->interrupt();   stack.poll(now);
//
// With offload (the default) TCP packets of up to 64 KiB cross in one call and checksums are left to whoever puts them
// on a wire; each frame is preceded by the kernel's offload header (struct virtio_net_hdr, OASIS Virtio 1.2
// section 5.1.6). The driver owns the file descriptor. A device it had to make goes away with it; one that was there
// before stays.
#pragma once
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "dev/netdevice.h"

namespace glass {

struct virtio_net_hdr;

struct TunTapOptions {
  enum class Mode { tun, tap };
  std::string name{};  // at most 15 characters; empty: the kernel picks "tap0", "tun0", ...
  Mode mode = Mode::tap;
  std::optional<IpPrefix> host_address{};  // for the kernel's side
  bool up = true;                          // bring the kernel's side up
  uint32_t mtu = 0;                        // both sides; 0: the device's own, 1500 if it is new
  uint32_t txqueuelen = 2000;              // frames the kernel keeps for us, at least
  bool offload = true;
  std::optional<MacAddress> mac{};  // the stack's side of a TAP; none: made from name and seed
  uint64_t seed = 1;
};

class TunTapDriver final : public Driver {
 public:
  // Errors are one line: what failed, for which device, and what to do.
  static std::expected<std::unique_ptr<TunTapDriver>, std::string> open(TunTapOptions);
  ~TunTapDriver() override;
  TunTapDriver(const TunTapDriver&) = delete;
  TunTapDriver& operator=(const TunTapDriver&) = delete;

  void attach(net_device&) override;
  void detach() override { dev_ = nullptr; }
  void ndo_start_xmit(Skb skb) override { tun_net_xmit(std::move(skb)); }
  int poll(int budget) override;

  // To be called when fd() is readable; level-triggered waiting is enough.
  void interrupt();
  int fd() const { return fd_; }
  const std::string& name() const { return options_.name; }  // of the kernel's device
  const MacAddress& mac() const { return mac_; }
  int error() const { return error_; }  // errno of a failed read: the device is gone

 private:
  TunTapDriver(int fd, TunTapOptions options) : fd_(fd), options_(std::move(options)) {}
  bool is_tap() const { return options_.mode == TunTapOptions::Mode::tap; }
  std::expected<void, std::string> join_device();
  std::expected<void, std::string> set_offload();
  std::expected<void, std::string> set_up_kernel_side();

  void tun_net_xmit(Skb);
  ssize_t write_frame(const sk_buff&);
  ssize_t read_frame(virtio_net_hdr&, sk_buff& into);
  Skb alloc_read_room();
  Skb take_frame(Skb& room, uint32_t size);

  int fd_;
  TunTapOptions options_;
  MacAddress mac_;
  net_device* dev_ = nullptr;
  int error_ = 0;
};

}  // namespace glass
