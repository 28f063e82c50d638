#include "wire/tcp_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ip_address.h"

namespace glass {

namespace {

struct RawOption {
  uint8_t kind = 0;
  ByteSpan body{};         // after kind and length
  bool malformed = false;  // its length cannot be right: nothing after it can be read
};

// Takes the next option off `rest`; nullopt when none is left. EOL and a malformed option leave nothing behind them.
std::optional<RawOption> take_option(ByteSpan& rest) {
  if (rest.empty()) return std::nullopt;
  RawOption option{.kind = rest[0]};
  if (option.kind == TcpOption::NOP) {
    rest = rest.subspan(1);
    return option;
  }
  if (option.kind == TcpOption::EOL) {
    rest = {};
    return option;
  }
  size_t length = rest.size() < 2 ? 0 : rest[1];
  if (length < 2 || length > rest.size()) {
    option.malformed = true;
    rest = {};
    return option;
  }
  option.body = rest.subspan(2, length - 2);
  rest = rest.subspan(length);
  return option;
}

bool is_sack(ByteSpan body) { return !body.empty() && body.size() % TCPOLEN_SACK_PERBLOCK == 0; }

bool is_exp_fastopen(ByteSpan body) { return body.size() >= 2 && load_be16(body.data()) == TCPOPT_FASTOPEN_MAGIC; }

TcpSackBlock sack_block(ByteSpan body, size_t index) {
  const uint8_t* p = body.data() + index * TCPOLEN_SACK_PERBLOCK;
  return {{load_be32(p)}, {load_be32(p + 4)}};
}

void read_sack(ByteSpan body, TcpOptions& o) {
  if (!is_sack(body)) return;
  o.num_sacks = 0;
  o.sack = {};
  for (size_t i = 0; i < body.size() / TCPOLEN_SACK_PERBLOCK; ++i)
    if (!o.add_sack(sack_block(body, i))) break;
}

// Linux passes over a cookie of an odd length as if the option were not there.
void read_fastopen(ByteSpan cookie, bool exp, TcpOptions& o) {
  if (cookie.size() % 2) return;
  o.fastopen_cookie = cookie;
  o.fastopen_exp = exp;
}

void read_option(const RawOption& option, TcpOptions& o) {
  ByteSpan body = option.body;
  switch (TcpOption{option.kind}) {
    case TcpOption::MSS:
      if (body.size() == 2 && load_be16(body.data()) != 0) o.mss = load_be16(body.data());
      break;
    case TcpOption::WINDOW:
      if (body.size() == 1) o.wscale = std::min(body[0], TCP_MAX_WSCALE);
      break;
    case TcpOption::SACK_PERM:
      if (body.empty()) o.sack_permitted = true;
      break;
    case TcpOption::SACK: read_sack(body, o); break;
    case TcpOption::TIMESTAMP:
      if (body.size() == 8) o.timestamps = TcpTimestamps{load_be32(body.data()), load_be32(body.data() + 4)};
      break;
    case TcpOption::MD5SIG:
      if (body.size() == 16) o.md5 = body;
      break;
    case TcpOption::AO: o.has_ao = true; break;
    case TcpOption::FASTOPEN: read_fastopen(body, false, o); break;
    case TcpOption::EXP:
      if (is_exp_fastopen(body)) read_fastopen(body.subspan(2), true, o);
      break;
    default: break;
  }
}

}  // namespace

bool TcpOptions::operator==(const TcpOptions& o) const {
  auto same_bytes = [](const std::optional<ByteSpan>& a, const std::optional<ByteSpan>& b) {
    return a.has_value() == b.has_value() && (!a || std::ranges::equal(*a, *b));
  };
  return mss == o.mss && wscale == o.wscale && sack_permitted == o.sack_permitted && timestamps == o.timestamps &&
         std::ranges::equal(sack_blocks(), o.sack_blocks()) && same_bytes(md5, o.md5) &&
         same_bytes(fastopen_cookie, o.fastopen_cookie) && fastopen_exp == o.fastopen_exp && has_ao == o.has_ao;
}

TcpOptions parse_tcp_options(ByteSpan options) {
  TcpOptions o;
  while (auto option = take_option(options))
    if (!option->malformed) read_option(*option, o);
  return o;
}

namespace {

size_t fastopen_length(const TcpOptions& o) {
  return (o.fastopen_exp ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE) + o.fastopen_cookie->size();
}

// Writes into memory that is known to be large enough.
class OptionWriter {
 public:
  explicit OptionWriter(uint8_t* p) : p_(p) {}
  void byte(size_t v) { *p_++ = static_cast<uint8_t>(v); }
  void kind(TcpOption k) { byte(static_cast<uint8_t>(k)); }
  void kind_length(TcpOption k, size_t length) {
    kind(k);
    byte(length);
  }
  void nops(size_t n) {
    while (n--) kind(TcpOption::NOP);
  }
  void be16(uint16_t v) {
    byte(v >> 8);
    byte(v & 0xff);
  }
  void be32(uint32_t v) {
    uint32_t wire = htonl(v);
    std::memcpy(p_, &wire, 4);
    p_ += 4;
  }
  void bytes(ByteSpan b) { p_ = std::ranges::copy(b, p_).out; }

 private:
  uint8_t* p_;
};

// The two options of a SYN share three words: the four bytes of SACK permitted stand where the timestamp's NOPs would.
void write_sackperm_and_timestamps(const TcpOptions& o, OptionWriter& w) {
  if (o.sack_permitted) {
    if (!o.timestamps) w.nops(2);
    w.kind_length(TcpOption::SACK_PERM, 2);
  } else if (o.timestamps) {
    w.nops(2);
  }
  if (!o.timestamps) return;
  w.kind_length(TcpOption::TIMESTAMP, 10);
  w.be32(o.timestamps->tsval);
  w.be32(o.timestamps->tsecr);
}

void write_sacks(const TcpOptions& o, OptionWriter& w) {
  w.nops(2);
  w.kind_length(TcpOption::SACK, 2 + o.num_sacks * TCPOLEN_SACK_PERBLOCK);
  for (const TcpSackBlock& block : o.sack_blocks()) {
    w.be32(block.start.v);
    w.be32(block.end.v);
  }
}

void write_fastopen(const TcpOptions& o, OptionWriter& w) {
  size_t length = fastopen_length(o);
  w.kind_length(o.fastopen_exp ? TcpOption::EXP : TcpOption::FASTOPEN, length);
  if (o.fastopen_exp) w.be16(TCPOPT_FASTOPEN_MAGIC);
  w.bytes(*o.fastopen_cookie);
  w.nops((4 - length % 4) % 4);
}

}  // namespace

size_t tcp_options_size(const TcpOptions& o) {
  size_t n = 0;
  if (o.md5) n += TCPOLEN_MD5SIG_ALIGNED;
  if (o.mss) n += TCPOLEN_MSS_ALIGNED;
  if (o.timestamps) {
    n += TCPOLEN_TSTAMP_ALIGNED;
  } else if (o.sack_permitted) {
    n += TCPOLEN_SACKPERM_ALIGNED;
  }
  if (o.wscale) n += TCPOLEN_WSCALE_ALIGNED;
  if (o.num_sacks) n += TCPOLEN_SACK_BASE_ALIGNED + o.num_sacks * TCPOLEN_SACK_PERBLOCK;
  if (o.fastopen_cookie) n += (fastopen_length(o) + 3) / 4 * 4;
  return n;
}

std::optional<size_t> emit_tcp_options(const TcpOptions& o, MutableByteSpan out) {
  size_t size = tcp_options_size(o);
  if (size > out.size() || size > MAX_TCP_OPTION_SPACE || (o.md5 && o.md5->size() != 16)) return std::nullopt;
  OptionWriter w(out.data());
  if (o.md5) {
    w.nops(2);
    w.kind_length(TcpOption::MD5SIG, 18);
    w.bytes(*o.md5);
  }
  if (o.mss) {
    w.kind_length(TcpOption::MSS, 4);
    w.be16(*o.mss);
  }
  write_sackperm_and_timestamps(o, w);
  if (o.wscale) {
    w.nops(1);
    w.kind_length(TcpOption::WINDOW, 3);
    w.byte(*o.wscale);
  }
  if (o.num_sacks) write_sacks(o, w);
  if (o.fastopen_cookie) write_fastopen(o, w);
  return size;
}

namespace {

// "NAME HEX", or the name alone when there is nothing to show.
std::string named_hex(const std::string& name, ByteSpan bytes) {
  return bytes.empty() ? name : fmt::format("{} {:02x}", name, fmt::join(bytes, ""));
}

std::string format_sacks(ByteSpan body, Seq base) {
  std::string text = "sack";
  for (size_t i = 0; i < body.size() / TCPOLEN_SACK_PERBLOCK; ++i) {
    TcpSackBlock block = sack_block(body, i);
    text += fmt::format(" {}:{}", block.start - base, block.end - base);
  }
  return text;
}

std::string format_option(const RawOption& option, Seq sack_base) {
  if (option.malformed) return fmt::format("opt-{} [bad length]", option.kind);
  ByteSpan body = option.body;
  switch (TcpOption{option.kind}) {
    case TcpOption::EOL: return "eol";
    case TcpOption::NOP: return "nop";
    case TcpOption::MSS:
      if (body.size() == 2) return fmt::format("mss {}", load_be16(body.data()));
      break;
    case TcpOption::WINDOW:
      if (body.size() == 1) return fmt::format("wscale {}", body[0]);
      break;
    case TcpOption::SACK_PERM:
      if (body.empty()) return "sackOK";
      break;
    case TcpOption::SACK:
      if (is_sack(body)) return format_sacks(body, sack_base);
      break;
    case TcpOption::TIMESTAMP:
      if (body.size() == 8) return fmt::format("TS val {} ecr {}", load_be32(body.data()), load_be32(body.data() + 4));
      break;
    case TcpOption::MD5SIG:
      if (body.size() == 16) return named_hex("md5", body);
      break;
    case TcpOption::AO: return named_hex("ao", body);
    case TcpOption::MPTCP: return named_hex("mptcp", body);
    case TcpOption::FASTOPEN: return named_hex("FO", body);
    case TcpOption::EXP:
      if (is_exp_fastopen(body)) return named_hex("FOEXP", body.subspan(2));
      break;
  }
  return named_hex(fmt::format("opt-{}", option.kind), body);
}

}  // namespace

std::string format_tcp_options(ByteSpan options, Seq sack_base) {
  if (options.empty()) return "";
  std::string text = "<";
  while (auto option = take_option(options)) {
    if (text.size() > 1) text += ',';
    text += format_option(*option, sack_base);
  }
  return text + ">";
}

}  // namespace glass
