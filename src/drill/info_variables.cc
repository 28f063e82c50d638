#include "drill/info_variables.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace glass::drill {

namespace {

// linux/tcp.h, linux/socket.h; the C library's headers may be older.
constexpr int kTcpInfo = 11, kTcpCcInfo = 26, kSoMeminfo = 55;

using Variables = CodeVariables;

// Reads the members of a structure one after the other, each aligned to its own width.
class StructReader {
 public:
  explicit StructReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  std::optional<uint64_t> next(size_t width) {
    if (width) {
      offset_ = (end_ + width - 1) / width * width;
      end_ = offset_ + width;
    } else {
      width = end_ - offset_;  // more bits of the member before
    }
    if (end_ > bytes_.size()) return std::nullopt;
    uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + offset_, width);
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t offset_ = 0, end_ = 0;
};

void set(Variables& variables, const std::string& name, std::optional<uint64_t> value) {
  if (value) variables[name] = *value;
}

std::optional<std::vector<uint8_t>> ask(Target& target, int fd, int level, int name, size_t size) {
  std::vector<uint8_t> bytes(size);
  auto length = static_cast<socklen_t>(size);
  if (target.raw_sockopt(fd, level, name, bytes.data(), &length) < 0) return std::nullopt;
  bytes.resize(std::min<size_t>(length, size));
  return bytes;
}

}  // namespace

void add_tcp_info(std::span<const uint8_t> bytes, Variables& variables) {
  StructReader info(bytes);
  std::optional<uint64_t> value;
#define FIELD(width, name) set(variables, "tcpi_" #name, info.next(width));
#define BITS(width, name, shift, bits) \
  value = info.next(width);            \
  if (value) set(variables, "tcpi_" #name, *value >> (shift) & ((1u << (bits)) - 1));
#include "drill/tcp_info_fields.inc"
#undef FIELD
#undef BITS
}

// One union for every algorithm; which one it is, the bytes do not say. As many variables as their length allows.
void add_cc_info(std::span<const uint8_t> bytes, Variables& variables) {
  StructReader bbr(bytes), dctcp(bytes), vegas(bytes);
  if (bytes.size() >= 20) {
    const uint64_t low = *bbr.next(4), high = *bbr.next(4);
    variables["bbr_bw_lo"] = low;
    variables["bbr_bw_hi"] = high;
    variables["bbr_bw"] = high << 32 | low;
    for (const char* name : {"bbr_min_rtt", "bbr_pacing_gain", "bbr_cwnd_gain"}) set(variables, name, bbr.next(4));
  }
  if (bytes.size() < 16) return;
  for (const char* name : {"dctcp_enabled", "dctcp_ce_state"}) set(variables, name, dctcp.next(2));
  for (const char* name : {"dctcp_alpha", "dctcp_ab_ecn", "dctcp_ab_tot"}) set(variables, name, dctcp.next(4));
  for (const char* name : {"tcpv_enabled", "tcpv_rttcnt", "tcpv_rtt", "tcpv_minrtt"})
    set(variables, name, vegas.next(4));
}

void add_meminfo(std::span<const uint8_t> bytes, Variables& variables) {
  StructReader info(bytes);
  for (const char* name :
       {"RMEM_ALLOC", "RCVBUF", "WMEM_ALLOC", "SNDBUF", "FWD_ALLOC", "WMEM_QUEUED", "OPTMEM", "BACKLOG", "DROPS"})
    set(variables, std::string("SK_MEMINFO_") + name, info.next(4));
}

std::optional<std::string> add_info_variables(Target& target, int fd, Variables& variables) {
  const auto info = ask(target, fd, IPPROTO_TCP, kTcpInfo, 512);
  if (!info) return "the socket gives no tcp_info";
  add_tcp_info(*info, variables);
  if (auto cc = ask(target, fd, IPPROTO_TCP, kTcpCcInfo, 64)) add_cc_info(*cc, variables);
  if (auto memory = ask(target, fd, SOL_SOCKET, kSoMeminfo, 64)) add_meminfo(*memory, variables);
  return std::nullopt;
}

}  // namespace glass::drill
