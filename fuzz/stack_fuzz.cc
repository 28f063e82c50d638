// A whole host under packets and system calls an enemy chose: it listens, has a connection and a UDP socket. Whatever
// comes, it must not crash, must come to rest at every instant, must give back every packet, and must fall silent in
// the end.
//
// The input is a list of steps; each begins with a byte that says which. Segments are given relative to the
// connection's live numbers, or else no input would ever get past the window check.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "support/raw_host.h"

namespace glass::test {
namespace {

constexpr uint16_t kPort = 80, kUdpPort = 9000;
constexpr int kMaxSteps = 400;

void require(bool condition) {
  if (!condition) std::abort();
}

// Reads numbers off the front; zeros when nothing is left.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : left_(data, size) {}
  bool empty() const { return left_.empty(); }
  uint8_t u8() {
    if (left_.empty()) return 0;
    const uint8_t v = left_[0];
    left_ = left_.subspan(1);
    return v;
  }
  uint16_t u16() {
    const uint8_t high = u8();
    return static_cast<uint16_t>(high << 8 | u8());
  }
  int16_t i16() { return static_cast<int16_t>(u16()); }
  Bytes bytes(size_t n) {
    n = std::min(n, left_.size());
    Bytes out(left_.begin(), left_.begin() + static_cast<ptrdiff_t>(n));
    left_ = left_.subspan(n);
    return out;
  }

 private:
  ByteSpan left_;
};

void put32(Bytes& out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(v >> shift));
}

class Fuzz {
 public:
  Fuzz(const uint8_t* data, size_t size) : in_(data, size) {
    // The first byte says what the handshake agrees on.
    const uint8_t kind = in_.u8();
    timestamps_ = kind & 1;
    if (kind & 2) host_.stack.ns().sysctl.tcp_rmem = {4096, 4096, 8192};
    if (kind & 4) host_.stack.ns().sysctl.tcp_abort_on_overflow = 1;
    listener_ = host_.listen(kPort, kind >> 4);
    udp_ = host_.udp_socket(kUdpPort, 1);
    Bytes options;
    if (timestamps_) options = timestamps(tsval_, 0);
    if (kind & 8) options.insert(options.end(), {1, 1, 4, 2, 1, 3, 3, 7});  // SACK permitted, window scale
    connection_ = std::make_unique<RawConnection>(host_, listener_, kPort, uint16_t{40000}, options);
    sockets_.push_back(connection_->fd);
  }

  void run() {
    for (int i = 0; i < kMaxSteps && !in_.empty(); ++i) {
      step();
      require(host_.settle());
    }
    end();
  }

 private:
  void step() {
    switch (in_.u8() % 12) {
      case 0: return raw_packet();
      case 1:
      case 2:
      case 3:
      case 4: return segment();
      case 5: return host_.receive(udp_packet(in_.u16(), in_.u8() & 1 ? kUdpPort : in_.u16(), in_.bytes(in_.u8())));
      case 6: return syn();
      case 7: return icmp_error();
      case 8: return fragment();
      case 9: return pass_time();
      default: return system_call();
    }
  }

  // --- packets

  void raw_packet() {
    const uint8_t how = in_.u8();
    const Bytes bytes = in_.bytes(in_.u16() % 2048);
    const Bytes packet = how & 1 ? bytes : ip_packet(how & 2 ? uint8_t{6} : in_.u8(), bytes);
    host_.receive(packet, how & 4 ? *parse_mac("ff:ff:ff:ff:ff:ff") : kHostMac, how & 8 ? in_.u16() : ETH_P_IP);
  }

  // The connection's numbers as they are now; of a connection that is gone, as they were last.
  void look() {
    const sock* sk = host_.stack.sockets().sk(connection_->fd);
    if (!sk || sk->skc_state == tcp_state::LISTEN || sk->skc_protocol != IPPROTO_TCP) return;
    const tcp_sock* tp = tcp_sk(sk);
    rcv_nxt_ = tp->rcv_nxt.v;
    snd_una_ = tp->snd_una.v;
    snd_nxt_ = tp->snd_nxt.v;
  }
  Bytes sack_option() {
    const unsigned blocks = 1 + in_.u8() % 3;
    Bytes o{1, 1, 5, static_cast<uint8_t>(2 + 8 * blocks)};
    for (unsigned i = 0; i < blocks; ++i) {
      const uint32_t left = snd_una_ + static_cast<uint32_t>(in_.i16());
      put32(o, left);
      put32(o, left + in_.u16());
    }
    return o;
  }
  Bytes options(uint8_t how) {
    Bytes o;
    if (timestamps_ != bool(how & 1)) {
      tsval_ += in_.u8();
      o = timestamps(tsval_ - (how & 2 ? in_.u16() : 0), 0);
    }
    if (how & 4) {
      const Bytes sack = sack_option();
      if (o.size() + sack.size() <= 40) o.insert(o.end(), sack.begin(), sack.end());
    }
    if (how & 8) o = in_.bytes(in_.u8() % 11 * 4);
    o.resize((o.size() + 3) / 4 * 4);
    return o;
  }
  void segment() {
    look();
    RawSegment s{.source = 40000, .dest = kPort, .seq = rcv_nxt_, .ack = snd_nxt_};
    const uint8_t how = in_.u8();
    s.flags = how & 0x10 ? in_.u8() : uint8_t{TCPHDR_ACK | TCPHDR_PSH};
    if (how & 0x20) s.seq += static_cast<uint32_t>(in_.i16());
    if (how & 0x40) s.ack = snd_una_ + static_cast<uint32_t>(in_.i16());
    if (how & 0x80) s.window = in_.u16();
    s.options = options(how);
    s.payload = Bytes(in_.u16() % 1461, 'f');
    Bytes packet = tcp_packet(s);
    if (s.flags & TCPHDR_URG) {
      packet[38] = in_.u8();
      packet[39] = in_.u8();
      set_tcp_checksum(packet);
    }
    host_.receive(packet);
  }
  // New connections: a SYN, and perhaps the ACK that completes it.
  void syn() {
    const auto source = static_cast<uint16_t>(1000 + in_.u8() % 8);
    const size_t before = host_.sent.size();
    host_.receive(tcp_packet({source, kPort, in_.u16(), 0, TCPHDR_SYN, 1000, options(in_.u8()), {}}));
    require(host_.settle());
    if (host_.sent.size() == before || host_.sent.back().size() < 40 || !(in_.u8() & 1)) return;
    const auto* th = reinterpret_cast<const tcphdr*>(host_.sent.back().data() + sizeof(iphdr));
    const Bytes data(in_.u8(), 'n');
    host_.receive(tcp_packet({source, kPort, ntohl(th->ack_seq), ntohl(th->seq) + 1, TCPHDR_ACK, 1000, {}, data}));
  }
  // An ICMP error about the last packet the host sent, which may be spoiled.
  void icmp_error() {
    if (host_.sent.empty()) return;
    Bytes quoted = host_.sent.back();
    quoted.resize(std::min<size_t>(quoted.size(), in_.u8()));
    if (const uint8_t at = in_.u8(); at < quoted.size()) quoted[at] = in_.u8();
    Bytes message(8 + quoted.size());
    for (size_t i : {0, 1, 6, 7}) message[i] = in_.u8();
    std::ranges::copy(quoted, message.begin() + 8);
    const uint16_t check = csum_fold(csum_partial(message.data(), message.size(), 0));
    message[2] = static_cast<uint8_t>(check);
    message[3] = static_cast<uint8_t>(check >> 8);
    host_.receive(ip_packet(1, message));
  }
  void fragment() {
    const uint8_t id = in_.u8() % 4;
    const uint16_t place = in_.u16();  // more fragments, offset
    Bytes packet = ip_packet(in_.u8() & 1 ? 17 : 6, in_.bytes(in_.u8()));
    auto* iph = reinterpret_cast<iphdr*>(packet.data());
    iph->id = id;
    iph->frag_off = htons(place & 0x2fff);
    ip_send_check(iph);
    host_.receive(packet);
  }

  // --- the host's own side

  // From a microsecond to an hour.
  void pass_time() {
    const uint8_t n = in_.u8();
    require(host_.pass(std::chrono::microseconds((1 + (n & 7)) << (n >> 3)), 20'000));
  }

  int some_socket() { return sockets_[in_.u8() % sockets_.size()]; }
  void system_call() {
    Sockets& s = host_.stack.sockets();
    const int fd = some_socket();
    switch (in_.u8() % 12) {
      case 0:
      case 1: (void)s.sys_sendto(fd, Bytes(in_.u16(), 's'), in_.u8() & 1 ? MSG_MORE : 0); return;
      case 2:
      case 3: {
        Bytes buffer(in_.u16());
        (void)s.sys_recvfrom(fd, buffer, in_.u8() & (MSG_PEEK | MSG_OOB));
        return;
      }
      case 4: (void)s.sys_shutdown(fd, in_.u8() % 3); return;
      case 5: (void)s.sys_close(fd); return;
      case 6:
        if (Result<int> c = s.sys_accept(listener_); c && sockets_.size() < 16) sockets_.push_back(*c);
        return;
      case 7: (void)s.sys_setsockopt(fd, SOL_SOCKET, in_.u8() % 64, in_.i16()); return;
      case 8: (void)s.sys_setsockopt(fd, IPPROTO_TCP, in_.u8() % 40, in_.i16()); return;
      case 9: (void)s.sys_connect(fd, {kPeer, in_.u16()}); return;
      case 10: (void)s.sys_recvfrom(udp_, small_); return;
      default:
        (void)s.sys_getsockopt(fd, IPPROTO_TCP, in_.u8() % 40, small_);
        (void)s.sys_poll(fd);
        (void)s.sys_ioctl(fd, SIOCINQ);
        (void)host_.stack.tcp().sockets();
    }
  }

  // Everything is closed; what then still holds packets is a leak, and what still has timers is stuck.
  void end() {
    Sockets& s = host_.stack.sockets();
    for (int fd : s.open_fds()) require(s.sys_close(fd).has_value());
    require(host_.pass(std::chrono::hours(2), 20'000));
    require(host_.stack.tcp().sockets().empty());
    require(host_.pool.skbs_in_use() == 0);
    require(host_.pool.blocks_in_use() == 0);
    require(host_.stack.trace().leaked() == 0);
    require(host_.stack.next_deadline() == kNever);
  }

  Input in_;
  RawHost host_;
  std::unique_ptr<RawConnection> connection_;
  int listener_ = -1, udp_ = -1;
  std::vector<int> sockets_;
  Bytes small_ = Bytes(300);
  bool timestamps_ = false;
  uint32_t tsval_ = RawConnection::kTsval, rcv_nxt_ = 0, snd_una_ = 0, snd_nxt_ = 0;
};

}  // namespace
}  // namespace glass::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  glass::test::Fuzz(data, size).run();
  return 0;
}
