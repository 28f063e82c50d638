#include "ip/ip_options.h"

#include <algorithm>
#include <cstring>

namespace glass {

namespace {

constexpr uint8_t TS_TSONLY = 0, TS_TSANDADDR = 1, TS_PRESPEC = 3;

// Reads one option; `error` is the offset within it that is wrong.
class OptionReader {
 public:
  OptionReader(Ip& ip, const IpAddress& own, IpOptions& seen) : ip_(ip), own_(own), seen_(seen) {}
  std::optional<uint8_t> read(uint8_t* o, uint8_t length, uint8_t at) {
    switch (o[0]) {
      case IPOPT_LSRR:
      case IPOPT_SSRR: return source_route(o, length, at);
      case IPOPT_RR: return record_route(o, length, at);
      case IPOPT_TIMESTAMP: return timestamp(o, length, at);
      case IPOPT_RA: return length < 4 ? std::optional<uint8_t>(1) : std::nullopt;
      case IPOPT_CIPSO: return once(seen_.cipso, at);
      default: return std::nullopt;
    }
  }

 private:
  static std::optional<uint8_t> once(uint8_t& slot, uint8_t at) {
    if (slot) return 0;
    slot = at;
    return std::nullopt;
  }
  std::optional<uint8_t> source_route(const uint8_t* o, uint8_t length, uint8_t at) {
    if (length < 3) return 1;
    if (o[2] < 4) return 2;
    return once(seen_.srr, at);
  }
  std::optional<uint8_t> record_route(uint8_t* o, uint8_t length, uint8_t at) {
    if (seen_.rr) return 0;
    if (length < 3) return 1;
    if (o[2] < 4) return 2;
    if (o[2] <= length) {
      if (o[2] + 3 > length) return 2;
      put_address(o + o[2] - 1);
      o[2] = static_cast<uint8_t>(o[2] + 4);
    }
    return once(seen_.rr, at);
  }
  std::optional<uint8_t> timestamp(uint8_t* o, uint8_t length, uint8_t at) {
    if (seen_.ts) return 0;
    if (length < 4) return 1;
    if (o[2] < 5) return 2;
    const uint8_t kind = o[3] & 0xf;
    if (o[2] > length) {
      // Full: the host only counts itself as left out. A prespecified list has nobody to leave out.
      if (kind == TS_PRESPEC) return once(seen_.ts, at);
      if (o[3] >> 4 == 15) return 3;
      o[3] = static_cast<uint8_t>(o[3] + 0x10);
      return once(seen_.ts, at);
    }
    if (o[2] + (kind == TS_TSONLY ? 3 : 7) > length && kind <= TS_PRESPEC) return 2;
    if (o[2] + 3 > length) return 2;
    stamp(o, kind);
    return once(seen_.ts, at);
  }
  void stamp(uint8_t* o, uint8_t kind) {
    uint8_t* slot = o + o[2] - 1;
    if (kind == TS_TSONLY) {
      put_time(slot);
      o[2] = static_cast<uint8_t>(o[2] + 4);
    } else if (kind == TS_TSANDADDR) {
      put_address(slot);
      put_time(slot + 4);
      o[2] = static_cast<uint8_t>(o[2] + 8);
    } else if (kind == TS_PRESPEC) {
      uint32_t named;
      std::memcpy(&named, slot, 4);
      if (ip_.address_type(IpAddress::v4_from_wire(named)) == AddressType::unicast) return;
      put_time(slot + 4);
      o[2] = static_cast<uint8_t>(o[2] + 8);
    }
  }
  void put_address(uint8_t* to) const {
    const uint32_t own = own_.is_v4() ? own_.v4_wire() : 0;
    std::memcpy(to, &own, 4);
  }
  void put_time(uint8_t* to) const {
    const uint32_t time = inet_current_timestamp(ip_.ns());
    std::memcpy(to, &time, 4);
  }

  Ip& ip_;
  const IpAddress& own_;
  IpOptions& seen_;
};

// Calls fn(option, length) for each option but no-ops, up to the end or the first that is malformed.
template <class Byte, class Fn>
void for_each_option(std::span<Byte> options, Fn fn) {
  for (size_t i = 0; i < options.size() && options[i] != IPOPT_END;) {
    if (options[i] == IPOPT_NOOP) {
      ++i;
      continue;
    }
    if (i + 2 > options.size() || options[i + 1] < 2 || i + options[i + 1] > options.size()) return;
    const uint8_t length = options[i + 1];
    fn(&options[i], length);
    i += length;
  }
}

}  // namespace

uint32_t inet_current_timestamp(const net& n) {
  constexpr int64_t kDay = 24 * 3600 * 1000;
  return htonl(static_cast<uint32_t>(n.now.time_since_epoch().count() / 1'000'000 % kDay));
}

std::optional<uint8_t> ip_options_compile(Ip& ip, iphdr* iph, const IpAddress& own, IpOptions& seen) {
  uint8_t* base = reinterpret_cast<uint8_t*>(iph);
  const auto end = static_cast<uint8_t>(iph->ihl());
  OptionReader reader(ip, own, seen);
  for (uint8_t at = sizeof(iphdr); at < end;) {
    if (base[at] == IPOPT_END) {
      std::memset(base + at, IPOPT_END, static_cast<size_t>(end - at));
      return std::nullopt;
    }
    if (base[at] == IPOPT_NOOP) {
      ++at;
      continue;
    }
    if (end - at < 2) return at;
    const uint8_t length = base[at + 1];
    if (length < 2 || length > end - at) return at;
    if (const auto wrong = reader.read(base + at, length, at)) return static_cast<uint8_t>(at + *wrong);
    at = static_cast<uint8_t>(at + length);
  }
  return std::nullopt;
}

IpOptionBytes ip_options_echo(Ip& ip, const iphdr* iph, const IpAddress& own) {
  IpOptionBytes out;
  IpOptions seen;
  OptionReader reader(ip, own, seen);
  const auto* base = reinterpret_cast<const uint8_t*>(iph);
  for_each_option(std::span(base + sizeof(iphdr), iph->ihl() - sizeof(iphdr)), [&](const uint8_t* o, uint8_t length) {
    if ((o[0] != IPOPT_RR && o[0] != IPOPT_TIMESTAMP) || length < 4) return;
    uint8_t* copy = out.bytes.data() + out.size;
    std::memcpy(copy, o, length);
    if (copy[2] <= length) reader.read(copy, length, 1);
    out.size = static_cast<uint8_t>(out.size + length);
  });
  while (out.size % 4) out.bytes[out.size++] = IPOPT_END;
  return out;
}

void ip_options_fragment(std::span<uint8_t> options) {
  for_each_option(options, [](uint8_t* o, uint8_t length) {
    if (!(o[0] & IPOPT_COPY)) std::fill_n(o, length, IPOPT_NOOP);
  });
}

}  // namespace glass
