// The calls that move bytes, with what blocking adds to them: a write waits until all is taken, a read for its
// low-water mark.
#include <algorithm>

#include "drill/glass_syscalls.h"
#include "tcp/tcp_states.h"

namespace glass::drill {

namespace {

constexpr uint32_t kReadable = POLLIN | POLLERR | POLLHUP | POLLRDHUP, kWritable = POLLOUT | POLLERR | POLLHUP;

// The pieces of a message without the first `skip` bytes. EFAULT: a piece lies nowhere.
template <class Byte>
Result<std::vector<std::span<Byte>>> pieces_of(std::span<const iovec> iov, size_t skip) {
  std::vector<std::span<Byte>> out;
  for (const iovec& v : iov) {
    if (v.iov_len && !v.iov_base) return Err(EFAULT);
    const size_t drop = std::min(skip, v.iov_len);
    skip -= drop;
    out.emplace_back(static_cast<Byte*>(v.iov_base) + drop, v.iov_len - drop);
  }
  return out;
}

size_t size_of(const msghdr& m) {
  size_t n = 0;
  for (size_t i = 0; i < m.msg_iovlen; ++i) n += m.msg_iov[i].iov_len;
  return n;
}

bool is_unspecified(const msghdr& m) {
  return m.msg_namelen >= sizeof(sa_family_t) && static_cast<const sockaddr*>(m.msg_name)->sa_family == AF_UNSPEC;
}

bool connecting(const sock* sk) {
  return sk->skc_protocol == IPPROTO_TCP && (tcp_state::bit(sk->skc_state) & tcp_state::bit(tcp_state::SYN_SENT));
}

}  // namespace

// A call that has moved something reports that; its error stays for the next one. Not so a call that was to open the
// connection: without a connection nothing was moved.
int64_t GlassSyscalls::send_pieces(const std::shared_ptr<SocketFile>& s, const msghdr& m, int flags) {
  const size_t total = size_of(m);
  const bool blocks = !s->nonblocking && !(flags & MSG_DONTWAIT);
  const auto so_far = [&](int error) { return call_.done ? static_cast<int64_t>(call_.done) : -error; };
  if (call_.connects && !connecting(s->sk())) {
    call_.connects = false;
    if (Result<void> r = stack_.sockets().sys_connect(s->fd(), {}); !r) return -r.error();
  }
  if (call_.again && call_.done && s->sk()->sk_err) return so_far(0);
  // A stream needs a name only to open a connection with data.
  const bool stream = s->sk()->skc_protocol == IPPROTO_TCP;
  const bool named = m.msg_name && !call_.again && (!stream || (flags & MSG_FASTOPEN));
  Result<SocketAddress> to = SocketAddress{};
  if (named) to = from_native(static_cast<const sockaddr*>(m.msg_name), m.msg_namelen);
  if (!to) return stream && is_unspecified(m) ? -EOPNOTSUPP : -to.error();
  if (call_.again) flags &= ~MSG_FASTOPEN;
  auto pieces = pieces_of<const uint8_t>({m.msg_iov, m.msg_iovlen}, call_.done);
  if (!pieces) return -pieces.error();
  if (!call_.again || call_.done < total) {
    MsgSend msg{*pieces, flags, named ? &*to : nullptr};
    msg.msg_control = {static_cast<const uint8_t*>(m.msg_control), m.msg_controllen};
    msg.msg_waits = blocks;
    msg.msg_goes_on = call_.again && call_.done;
    Result<size_t> n = stack_.sockets().sys_sendmsg(s->fd(), msg);
    const bool wait = !n && (n.error() == EAGAIN || n.error() == EINPROGRESS);
    if (!n && !(wait && blocks)) return so_far(n.error());
    call_.done += n.value_or(0);
    if (!call_.again) call_.connects = connecting(s->sk()) && (n || n.error() == EINPROGRESS);
  }
  if (call_.done == total && !(blocks && connecting(s->sk()))) return static_cast<int64_t>(total);
  if (!blocks) return static_cast<int64_t>(call_.done);
  return sleep_on(s, kWritable, limit(s->sndtimeo), so_far(connecting(s->sk()) ? EINPROGRESS : EAGAIN));
}

// SO_RCVLOWAT, as far as the socket knows it.
size_t GlassSyscalls::rcvlowat(SocketFile& s, size_t len) const {
  const Result<int> low = stack_.sockets().sys_getsockopt(s.fd(), SOL_SOCKET, SO_RCVLOWAT);
  return std::max<size_t>(1, std::min<size_t>(len, low && *low > 0 ? static_cast<size_t>(*low) : 1));
}

int64_t GlassSyscalls::recv_pieces(const std::shared_ptr<SocketFile>& s, msghdr& m, int flags) {
  const size_t total = size_of(m);
  const bool blocks = !s->nonblocking && !(flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB));  // those two never wait
  const bool peek = flags & MSG_PEEK;
  const auto so_far = [&](int64_t none) { return call_.done ? static_cast<int64_t>(call_.done) : none; };
  if (call_.done && !peek && s->sk()->sk_err) return so_far(0);
  if (peek) call_.done = 0;
  auto pieces = pieces_of<uint8_t>({m.msg_iov, m.msg_iovlen}, call_.done);
  if (!pieces && (s->poll() & POLLIN)) return -EFAULT;
  SocketAddress from;
  MsgRecv msg{{}, flags & ~MSG_WAITALL, &from};
  if (pieces) msg.msg_iov = *pieces;
  if (m.msg_control) msg.msg_control = {static_cast<uint8_t*>(m.msg_control), m.msg_controllen};
  Result<size_t> n = pieces ? stack_.sockets().sys_recvmsg(s->fd(), msg) : Err(EAGAIN);
  if (n) {  // a call that fails leaves the caller's header as it was
    m.msg_flags = msg.out_flags;
    m.msg_controllen = msg.msg_controllen;
    if (m.msg_name) to_native(from, s->sk()->skc_family, static_cast<sockaddr*>(m.msg_name), &m.msg_namelen);
  }
  if (!n && (n.error() != EAGAIN || !blocks)) return so_far(-n.error());
  if (n && *n == 0) return so_far(0);
  call_.done += n.value_or(0);
  const size_t target = flags & MSG_WAITALL ? std::max<size_t>(total, 1) : rcvlowat(*s, total);
  const bool stream = s->sk()->skc_protocol == IPPROTO_TCP;
  if (n && (!blocks || call_.done >= target || !stream)) return static_cast<int64_t>(call_.done);
  return sleep_on(s, kReadable, limit(s->rcvtimeo), so_far(-EAGAIN));
}

// Bytes of a pipe or a plain file: each piece in turn, until one is not filled.
int64_t GlassSyscalls::transfer(int fd, const iovec* iov, int n, bool reading) {
  const std::shared_ptr<File> f = file(fd);
  if (!f) return -EBADF;
  for (auto pieces = pieces_of<uint8_t>({iov, static_cast<size_t>(n)}, call_.done);;) {
    if (!pieces) return -pieces.error();
    for (const std::span<uint8_t> piece : *pieces) {
      if (piece.empty()) continue;
      Result<size_t> moved = reading ? f->read(piece) : f->write(piece);
      const bool wait = !moved && moved.error() == EAGAIN && !f->nonblocking && !(reading && call_.done);
      if (wait) return sleep_on(f, reading ? kReadable : kWritable, kNever, 0);
      if (!moved) return call_.done ? static_cast<int64_t>(call_.done) : -moved.error();
      call_.done += *moved;
      if (*moved == piece.size()) continue;
      if (reading || f->nonblocking) return static_cast<int64_t>(call_.done);
      return sleep_on(f, kWritable, kNever, 0);
    }
    return static_cast<int64_t>(call_.done);
  }
}

int64_t GlassSyscalls::readv(int fd, const iovec* iov, int n) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return transfer(fd, iov, n, true);
  msghdr m{};
  m.msg_iov = const_cast<iovec*>(iov);
  m.msg_iovlen = static_cast<size_t>(n);
  return recv_pieces(s, m, 0);
}

int64_t GlassSyscalls::writev(int fd, const iovec* iov, int n) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return transfer(fd, iov, n, false);
  msghdr m{};
  m.msg_iov = const_cast<iovec*>(iov);
  m.msg_iovlen = static_cast<size_t>(n);
  return send_pieces(s, m, 0);
}

int64_t GlassSyscalls::recvmsg(int fd, msghdr* m, int flags) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return -error;
  return m ? recv_pieces(s, *m, flags) : -EFAULT;
}

int64_t GlassSyscalls::sendmsg(int fd, const msghdr* m, int flags) {
  int error;
  const auto s = socket_file(fd, error);
  if (!s) return -error;
  return m ? send_pieces(s, *m, flags) : -EFAULT;
}

int64_t GlassSyscalls::splice_once(File& in, File& out, size_t n, unsigned flags) {
  constexpr unsigned kMore = 4;  // SPLICE_F_MORE
  auto* from_pipe = dynamic_cast<PipeReader*>(&in);
  auto* to_pipe = dynamic_cast<PipeWriter*>(&out);
  auto* from_socket = dynamic_cast<SocketFile*>(&in);
  auto* to_socket = dynamic_cast<SocketFile*>(&out);
  Result<size_t> moved = Err(EINVAL);
  if (from_pipe && to_pipe) moved = splice_pipes(*from_pipe, *to_pipe, n);
  if (from_socket && to_pipe) moved = splice_to_pipe(*from_socket, *to_pipe, n);
  if (from_pipe && to_socket) moved = splice_to_socket(*from_pipe, stack_.sockets(), *to_socket, n, flags & kMore);
  return moved ? static_cast<int64_t>(*moved) : -moved.error();
}

int64_t GlassSyscalls::splice(int in, int64_t* in_offset, int out, int64_t* out_offset, size_t n, unsigned flags) {
  const std::shared_ptr<File> from = file(in), to = file(out);
  if (!from || !to) return -EBADF;
  if (in_offset || out_offset) return -ESPIPE;
  if (!n) return 0;
  constexpr unsigned kNonblock = 2;  // SPLICE_F_NONBLOCK
  const int64_t moved = splice_once(*from, *to, n, flags);
  if (moved != -EAGAIN || (flags & kNonblock) || from->nonblocking) return moved;
  const bool full = to->poll() & POLLOUT;
  return full ? sleep_on(from, kReadable, limit(from->rcvtimeo), -EAGAIN)
              : sleep_on(to, kWritable, limit(to->sndtimeo), -EAGAIN);
}

// As much as the socket takes; `at` is the place in the file.
int64_t GlassSyscalls::sendfile_chunks(SocketFile& to, MemoryFile& from, size_t& at, size_t n) {
  std::vector<uint8_t> chunk;
  while (call_.done < n) {
    chunk.resize(std::min<size_t>(n - call_.done, pipe_inode_info::kCapacity));
    Result<size_t> got = from.read_at(chunk, at);
    if (!got || !*got) break;
    const bool more = call_.done + *got < n;
    Result<size_t> sent = stack_.sockets().sys_sendto(to.fd(), std::span(chunk).first(*got), more ? MSG_MORE : 0);
    if (!sent) return -sent.error();
    call_.done += *sent;
    at += *sent;
    if (*sent < *got) return -EAGAIN;
  }
  return 0;
}

int64_t GlassSyscalls::sendfile(int out, int in, int64_t* offset, size_t n) {
  const std::shared_ptr<File> from = file(in), to = file(out);
  if (!from || !to) return -EBADF;
  const auto source = std::dynamic_pointer_cast<MemoryFile>(from);
  const auto target = std::dynamic_pointer_cast<SocketFile>(to);
  if (!source || !target) return -EINVAL;
  size_t at = offset ? static_cast<size_t>(*offset) : source->offset;
  const int64_t error = sendfile_chunks(*target, *source, at, n);
  if (offset)
    *offset = static_cast<int64_t>(at);
  else
    source->offset = at;
  if (error == -EAGAIN && !target->nonblocking)
    return sleep_on(to, kWritable, limit(target->sndtimeo), call_.done ? static_cast<int64_t>(call_.done) : -EAGAIN);
  return call_.done ? static_cast<int64_t>(call_.done) : error;
}

}  // namespace glass::drill
