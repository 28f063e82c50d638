// The option bytes of a segment that is being made.
#pragma once
#include <cstring>

#include "tcp/tcp_fastopen.h"
#include "tcp/tcp_md5.h"
#include "wire/tcp.h"

namespace glass {

struct OutOptions {
  uint8_t bytes[MAX_TCP_OPTION_SPACE];
  uint32_t size = 0;
  const tcp_md5sig_key* md5_key = nullptr;  // the digest is written when all else stands

  static constexpr uint32_t kDigestAt = 4;  // the signature comes first

  void put32(uint32_t host) {
    const uint32_t w = htonl(host);
    std::memcpy(bytes + size, &w, 4);
    size += 4;
  }
  void put_md5(const tcp_md5sig_key* key) {
    if (!key) return;
    md5_key = key;
    put32(TCPOPT_MD5SIG_WORD);
    size += sizeof(Md5::Digest);
  }
  // False: there is no room for it.
  bool put_fastopen(const tcp_fastopen_cookie& c) {
    const size_t base = c.exp ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE;
    const size_t length = base + static_cast<size_t>(c.len), padded = (length + 3) & ~size_t{3};
    if (size + padded > sizeof bytes) return false;
    uint8_t* p = bytes + size;
    p[0] = static_cast<uint8_t>(c.exp ? TcpOption::EXP : TcpOption::FASTOPEN);
    p[1] = static_cast<uint8_t>(length);
    if (c.exp) {
      p[2] = TCPOPT_FASTOPEN_MAGIC >> 8;
      p[3] = TCPOPT_FASTOPEN_MAGIC & 0xff;
    }
    std::memcpy(p + base, c.val.data(), static_cast<size_t>(c.len));
    std::memset(p + length, static_cast<uint8_t>(TcpOption::NOP), padded - length);
    size += static_cast<uint32_t>(padded);
    return true;
  }
};

OutOptions tcp_syn_options(tcp_sock*);  // of a SYN, or of the SYN-ACK of a simultaneous open

}  // namespace glass
