#include "cli/drill/kernel_drops.h"

#include <linux/perf_event.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

namespace glass {

namespace {

constexpr size_t kPage = 4096, kRing = 64 * kPage;
constexpr const char* kTracing = "/sys/kernel/tracing";

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The offset in "field:void * location;	offset:16;	size:8;".
std::optional<size_t> offset_of(const std::string& format, const std::string& field) {
  constexpr std::string_view kOffset = "offset:";
  size_t at = format.find(" " + field + ";");
  if (at == std::string::npos || (at = format.find(kOffset, at)) == std::string::npos) return std::nullopt;
  size_t value = 0;
  const char* const begin = format.data() + at + kOffset.size();
  return std::from_chars(begin, format.data() + format.size(), value).ec == std::errc() ? std::optional(value)
                                                                                        : std::nullopt;
}

// The pairs in `__print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, ...)`.
std::map<uint32_t, std::string> reasons_of(const std::string& format) {
  std::map<uint32_t, std::string> out;
  for (size_t at = format.find("__print_symbolic");
       at != std::string::npos && (at = format.find("{ ", at)) != std::string::npos;) {
    uint32_t value = 0;
    at += 2;
    if (std::from_chars(format.data() + at, format.data() + format.size(), value).ec != std::errc()) continue;
    const size_t open = format.find('"', at), close = format.find('"', open + 1);
    if (close == std::string::npos) break;
    out[value] = format.substr(open + 1, close - open - 1);
  }
  return out;
}

// The tracing file system need not be mounted: a thread of its own mounts it for itself, and it goes with the thread.
std::optional<DropTracepoint> find_tracepoint() {
  std::optional<DropTracepoint> found;
  std::thread([&] {
    const std::string event = std::string(kTracing) + "/events/skb/kfree_skb/";
    if (access(event.c_str(), R_OK) < 0) {
      if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return;
      if (mount("none", kTracing, "tracefs", 0, nullptr) < 0) return;
    }
    found = parse_drop_tracepoint(read_all(event + "id"), read_all(event + "format"));
  }).join();
  return found;
}

// The kernel's functions by address.
const std::map<uint64_t, std::string>& kernel_symbols() {
  static const std::map<uint64_t, std::string> symbols = [] {
    std::map<uint64_t, std::string> out;
    std::ifstream file("/proc/kallsyms");
    uint64_t address;
    std::string type, name, rest;
    while (file >> std::hex >> address >> type >> name && std::getline(file, rest))
      if (type == "t" || type == "T") out[address] = name;
    return out;
  }();
  return symbols;
}

std::string symbol_at(uint64_t address) {
  const auto& symbols = kernel_symbols();
  const auto above = symbols.upper_bound(address);
  return above == symbols.begin() ? "?" : std::prev(above)->second;
}

template <class T>
T field(const std::vector<uint8_t>& record, size_t at) {
  T value{};
  if (at + sizeof value <= record.size()) std::memcpy(&value, record.data() + at, sizeof value);
  return value;
}

}  // namespace

std::optional<DropTracepoint> parse_drop_tracepoint(const std::string& id, const std::string& format) {
  DropTracepoint t;
  if (std::from_chars(id.data(), id.data() + id.size(), t.id).ec != std::errc()) return std::nullopt;
  const auto location = offset_of(format, "location"), protocol = offset_of(format, "protocol"),
             reason = offset_of(format, "reason");
  if (!location || !protocol || !reason) return std::nullopt;
  t.location = *location;
  t.protocol = *protocol;
  t.reason = *reason;
  t.reasons = reasons_of(format);
  return t;
}

std::unique_ptr<KernelDrops> KernelDrops::open() {
  static const std::optional<DropTracepoint> tracepoint = find_tracepoint();
  if (!tracepoint) return nullptr;
  (void)kernel_symbols();  // read now: it takes a while, which a script's time must not
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.config = tracepoint->id;
  attr.sample_type = PERF_SAMPLE_RAW;
  attr.sample_period = 1;
  const auto fd = static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return nullptr;
  void* const ring = mmap(nullptr, kPage + kRing, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (ring == MAP_FAILED) {
    close(fd);
    return nullptr;
  }
  return std::unique_ptr<KernelDrops>(new KernelDrops(fd, ring, *tracepoint));
}

KernelDrops::~KernelDrops() {
  munmap(ring_, kPage + kRing);
  close(fd_);
}

void KernelDrops::arm() {
  auto* const page = static_cast<perf_event_mmap_page*>(ring_);
  std::atomic_ref tail(page->data_tail), head(page->data_head);
  tail.store(head.load(std::memory_order_acquire), std::memory_order_release);
}

std::optional<drill::DropReport> KernelDrops::first() {
  auto* const page = static_cast<perf_event_mmap_page*>(ring_);
  const uint64_t head = std::atomic_ref(page->data_head).load(std::memory_order_acquire);
  const auto* const data = static_cast<const uint8_t*>(ring_) + kPage;
  const auto copy = [&](uint64_t from, void* to, size_t n) {
    for (size_t i = 0; i < n; ++i) static_cast<uint8_t*>(to)[i] = data[(from + i) % kRing];
  };
  for (uint64_t at = page->data_tail; at < head;) {
    perf_event_header header;
    copy(at, &header, sizeof header);
    uint32_t size = 0;
    copy(at + sizeof header, &size, sizeof size);
    std::vector<uint8_t> record(header.type == PERF_RECORD_SAMPLE ? std::min<uint32_t>(size, 4096) : 0);
    copy(at + sizeof header + sizeof size, record.data(), record.size());
    at += std::max<uint64_t>(header.size, sizeof header);
    constexpr uint16_t kIp = 0x0800, kIpv6 = 0x86dd;
    const auto protocol = field<uint16_t>(record, tracepoint_.protocol);
    if (record.empty() || (protocol != kIp && protocol != kIpv6)) continue;
    const auto reason = tracepoint_.reasons.find(field<uint32_t>(record, tracepoint_.reason));
    return drill::DropReport{reason == tracepoint_.reasons.end() ? "?" : reason->second,
                             symbol_at(field<uint64_t>(record, tracepoint_.location))};
  }
  return std::nullopt;
}

}  // namespace glass
