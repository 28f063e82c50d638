// TCP-MD5 signatures (RFC 2385): keys by peer address, set with TCP_MD5SIG and TCP_MD5SIG_EXT.
//
// A key belongs to a socket; a listener's keys sign for its half-open connections and are copied to its children. Every
// segment from or to an address that has a key must be signed.
#pragma once
#include <span>
#include <vector>

#include "base/errno.h"
#include "base/ip_address.h"
#include "base/md5.h"
#include "skb/skb.h"
#include "trace/drop_place.h"
#include "wire/tcp.h"

namespace glass {

struct tcp_sock;

struct tcp_md5sig_key {
  IpPrefix prefix;
  std::vector<uint8_t> key;
};

struct tcp_md5sig_info {
  std::vector<tcp_md5sig_key> keys;
};

const tcp_md5sig_key* tcp_md5_do_lookup(const tcp_sock*, const IpAddress& peer);  // the longest prefix that fits
Result<void> tcp_v4_parse_md5_keys(tcp_sock*, int optname, std::span<const uint8_t>);
void tcp_md5_key_copy(tcp_sock* to, const IpAddress& peer, const tcp_md5sig_key&);

// The digest of a segment to send: header (its checksum is left out) and data.
Md5::Digest tcp_v4_md5_hash_hdr(const tcp_md5sig_key&, const IpAddress& saddr, const IpAddress& daddr, const tcphdr&);
Md5::Digest tcp_v4_md5_hash_skb(const tcp_md5sig_key&, const IpAddress& saddr, const IpAddress& daddr, const Skb&);

// The signature in a segment's header, or null.
const uint8_t* tcp_parse_md5sig_option(const tcphdr&);
// Is a segment for `sk` signed as it has to be? Null: yes.
Verdict tcp_inbound_hash(const tcp_sock* sk, const Skb&);

// NOP, NOP and the option; the digest follows.
inline constexpr uint32_t TCPOPT_MD5SIG_WORD = 0x01011312;

}  // namespace glass
