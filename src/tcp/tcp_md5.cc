#include "tcp/tcp_md5.h"

#include <algorithm>
#include <cstring>

#include "tcp/tcp_internal.h"
#include "tcp/tcp_packet.h"

namespace glass {

namespace {

constexpr size_t kMaxKeys = 256;  // a bound of our own: an entry is found by going through all

// The address and its length as setsockopt() brings them.
Result<IpPrefix> prefix_of(const tcp_md5sig& cmd, int optname) {
  sockaddr_in sin;
  std::memcpy(&sin, &cmd.tcpm_addr, sizeof sin);
  if (sin.sin_family != AF_INET) return Err(EINVAL);
  const bool has_length = optname == TCP_MD5SIG_EXT && (cmd.tcpm_flags & TCP_MD5SIG_FLAG_PREFIX);
  if (has_length && cmd.tcpm_prefixlen > 32) return Err(EINVAL);
  return IpPrefix{IpAddress::v4_from_wire(sin.sin_addr.s_addr), has_length ? cmd.tcpm_prefixlen : uint8_t{32}};
}

// RFC 2385 section 2.0: pseudo-header, header without options and checksum, data, key.
void hash_headers(Md5& md5, const IpAddress& saddr, const IpAddress& daddr, const tcphdr& th, size_t size) {
  struct {
    uint32_t saddr, daddr;
    uint8_t zero, protocol;
    uint16_t length;
  } const pseudo{saddr.v4_wire(), daddr.v4_wire(), 0, IPPROTO_TCP, htons(static_cast<uint16_t>(size))};
  md5.update(&pseudo, sizeof pseudo);
  tcphdr header = th;
  header.check = 0;
  md5.update(&header, sizeof header);
}

Md5::Digest with_key(Md5& md5, const tcp_md5sig_key& key) {
  md5.update(key.key.data(), key.key.size());
  return md5.finish();
}

}  // namespace

const tcp_md5sig_key* tcp_md5_do_lookup(const tcp_sock* tp, const IpAddress& peer) {
  if (!tp || !tp->ext->md5sig_info) [[likely]]
    return nullptr;
  const tcp_md5sig_key* best = nullptr;
  for (const tcp_md5sig_key& k : tp->ext->md5sig_info->keys)
    if (k.prefix.contains(peer) && (!best || k.prefix.length > best->prefix.length)) best = &k;
  return best;
}

Result<void> tcp_v4_parse_md5_keys(tcp_sock* tp, int optname, std::span<const uint8_t> value) {
  tcp_md5sig cmd;
  if (value.size() < sizeof cmd) return Err(EINVAL);
  std::memcpy(&cmd, value.data(), sizeof cmd);
  Result<IpPrefix> prefix = prefix_of(cmd, optname);
  if (!prefix) return Err(prefix.error());
  const bool known = tp->ext->md5sig_info != nullptr;
  auto* keys = known ? &tp->ext->md5sig_info->keys : nullptr;
  const auto same = [&](const tcp_md5sig_key& k) { return k.prefix == *prefix; };
  if (!cmd.tcpm_keylen) {
    if (!known || std::erase_if(*keys, same) == 0) return Err(ENOENT);
    return {};
  }
  if (cmd.tcpm_keylen > TCP_MD5SIG_MAXKEYLEN) return Err(EINVAL);
  if (!known) {
    tp->ext.make().md5sig_info = std::make_unique<tcp_md5sig_info>();
    keys = &tp->ext->md5sig_info->keys;
  }
  std::erase_if(*keys, same);
  if (keys->size() >= kMaxKeys) return Err(ENOMEM);
  keys->push_back({*prefix, {cmd.tcpm_key, cmd.tcpm_key + cmd.tcpm_keylen}});
  return {};
}

void tcp_md5_key_copy(tcp_sock* to, const IpAddress& peer, const tcp_md5sig_key& key) {
  to->ext.make().md5sig_info = std::make_unique<tcp_md5sig_info>();
  to->ext->md5sig_info->keys.push_back({{peer, 32}, key.key});
}

Md5::Digest tcp_v4_md5_hash_hdr(const tcp_md5sig_key& key, const IpAddress& saddr, const IpAddress& daddr,
                                const tcphdr& th) {
  Md5 md5;
  hash_headers(md5, saddr, daddr, th, th.doff());
  return with_key(md5, key);
}

Md5::Digest tcp_v4_md5_hash_skb(const tcp_md5sig_key& key, const IpAddress& saddr, const IpAddress& daddr,
                                const Skb& skb) {
  const tcphdr& th = tcp_hdr(*skb);
  const auto header = static_cast<uint32_t>(th.doff());
  Md5 md5;
  hash_headers(md5, saddr, daddr, th, skb->len);
  uint8_t piece[512];
  for (uint32_t at = header; at < skb->len; at += sizeof piece) {
    const uint32_t n = std::min<uint32_t>(sizeof piece, skb->len - at);
    skb_copy_bits(*skb, at, piece, n);
    md5.update(piece, n);
  }
  return with_key(md5, key);
}

const uint8_t* tcp_parse_md5sig_option(const tcphdr& th) {
  uint32_t tsval, tsecr;
  if (th.doff() == sizeof(tcphdr) || aligned_timestamp(th, tsval, tsecr)) [[likely]]
    return nullptr;
  const TcpOptions parsed = parse_tcp_options(th.option_bytes());
  return parsed.md5 ? parsed.md5->data() : nullptr;
}

Verdict tcp_inbound_hash(const tcp_sock* sk, const Skb& skb) {
  const uint8_t* location = tcp_parse_md5sig_option(tcp_hdr(*skb));
  if (!location && (!sk || !sk->ext->md5sig_info)) [[likely]]
    return nullptr;
  const IpAddress saddr = ip_saddr(*skb), daddr = ip_daddr(*skb);
  const tcp_md5sig_key* key = tcp_md5_do_lookup(sk, saddr);
  if (!location && !key) return nullptr;
  if (!location) {
    count(sk, Mib::TcpExtTCPMD5NotFound);
    return DROP(TCP_MD5NOTFOUND);
  }
  if (!key) {
    count(sk, Mib::TcpExtTCPMD5Unexpected);
    return DROP(TCP_MD5UNEXPECTED);
  }
  const Md5::Digest digest = tcp_v4_md5_hash_skb(*key, saddr, daddr, skb);
  if (std::memcmp(location, digest.data(), digest.size()) == 0) return nullptr;
  count(sk, Mib::TcpExtTCPMD5Failure);
  return DROP(TCP_MD5FAILURE);
}

}  // namespace glass
