#include "driver/pcapng.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "skb/skb.h"

namespace glass {

namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a, kInterfaceDescription = 1, kEnhancedPacket = 6;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kOptEnd = 0, kOptComment = 1, kShbUserApplication = 4;
constexpr uint16_t kIfName = 2, kIfMac = 6, kIfTsResol = 9, kEpbFlags = 2;
constexpr size_t kLongestOption = 65535;

}  // namespace

PcapngWriter::PcapngWriter(std::ostream& out) : out_(&out) { start(); }

PcapngWriter::PcapngWriter(std::unique_ptr<std::ofstream> file) : file_(std::move(file)), out_(file_.get()) { start(); }

PcapngWriter::~PcapngWriter() { flush(); }

std::expected<std::unique_ptr<PcapngWriter>, std::string> PcapngWriter::open(const std::string& path) {
  auto file = std::make_unique<std::ofstream>(path, std::ios::binary | std::ios::trunc);
  if (!*file) return std::unexpected(fmt::format("cannot write the capture file {}: {}", path, std::strerror(errno)));
  return std::unique_ptr<PcapngWriter>(new PcapngWriter(std::move(file)));
}

void PcapngWriter::start() {
  begin_block(kSectionHeader);
  put32(kByteOrderMagic);
  put16(1);  // version 1.0
  put16(0);
  put32(0xffffffff);  // length of the section: not known
  put32(0xffffffff);
  constexpr std::string_view kApplication = "Glasstack";
  put_option(kShbUserApplication, kApplication.data(), kApplication.size());
  put_option(kOptEnd, nullptr, 0);
  end_block();
}

uint32_t PcapngWriter::add_interface(std::string_view name, LinkType type, const MacAddress& mac) {
  constexpr uint8_t kNanoseconds = 9;
  begin_block(kInterfaceDescription);
  put16(static_cast<uint16_t>(type));
  put16(0);
  put32(kSnapLength);
  put_option(kIfName, name.data(), std::min(name.size(), kLongestOption));
  if (mac != MacAddress{}) put_option(kIfMac, mac.bytes.data(), mac.bytes.size());
  put_option(kIfTsResol, &kNanoseconds, 1);
  put_option(kOptEnd, nullptr, 0);
  end_block();
  return interfaces_++;
}

void PcapngWriter::write(uint32_t interface, Instant when, Direction direction, std::span<const uint8_t> frame,
                         std::string_view comment) {
  const uint32_t captured = static_cast<uint32_t>(std::min<size_t>(frame.size(), kSnapLength));
  begin_packet(interface, when, captured, static_cast<uint32_t>(frame.size()));
  put_padded(frame.data(), captured);
  end_packet(direction, comment);
}

void PcapngWriter::write(uint32_t interface, Instant when, Direction direction, const sk_buff& skb,
                         std::string_view comment) {
  const uint32_t captured = std::min(skb.len, kSnapLength);
  begin_packet(interface, when, captured, skb.len);
  const size_t at = block_.size();
  block_.resize(at + ((captured + 3) & ~3u));
  skb_copy_bits(skb, 0, block_.data() + at, captured);
  end_packet(direction, comment);
}

void PcapngWriter::begin_packet(uint32_t interface, Instant when, uint32_t captured, uint32_t original) {
  const uint64_t ns = static_cast<uint64_t>((when.time_since_epoch() + epoch_).count());
  begin_block(kEnhancedPacket);
  put32(interface);
  put32(static_cast<uint32_t>(ns >> 32));
  put32(static_cast<uint32_t>(ns));
  put32(captured);
  put32(original);
  ++packets_;
}

void PcapngWriter::end_packet(Direction direction, std::string_view comment) {
  const uint32_t flags = static_cast<uint32_t>(direction);
  if (!comment.empty()) put_option(kOptComment, comment.data(), std::min(comment.size(), kLongestOption));
  if (flags) put_option(kEpbFlags, &flags, sizeof flags);
  if (flags || !comment.empty()) put_option(kOptEnd, nullptr, 0);
  end_block();
}

void PcapngWriter::flush() { out_->flush(); }

void PcapngWriter::begin_block(uint32_t type) {
  block_.clear();
  put32(type);
  put32(0);  // the length, known at the end
}

void PcapngWriter::end_block() {
  const uint32_t size = static_cast<uint32_t>(block_.size()) + 4;
  put32(size);
  std::memcpy(block_.data() + 4, &size, sizeof size);
  out_->write(reinterpret_cast<const char*>(block_.data()), static_cast<std::streamsize>(size));
}

void PcapngWriter::put16(uint16_t v) {
  const size_t at = block_.size();
  block_.resize(at + sizeof v);
  std::memcpy(block_.data() + at, &v, sizeof v);
}

void PcapngWriter::put32(uint32_t v) {
  const size_t at = block_.size();
  block_.resize(at + sizeof v);
  std::memcpy(block_.data() + at, &v, sizeof v);
}

void PcapngWriter::put_padded(const void* data, size_t size) {
  const size_t at = block_.size();
  block_.resize(at + ((size + 3) & ~size_t{3}));
  if (size) std::memcpy(block_.data() + at, data, size);
}

void PcapngWriter::put_option(uint16_t code, const void* data, size_t size) {
  put16(code);
  put16(static_cast<uint16_t>(size));
  put_padded(data, size);
}

}  // namespace glass
