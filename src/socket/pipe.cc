#include "socket/pipe.h"

#include <algorithm>

namespace glass {

PipeReader::~PipeReader() {
  pipe_->reader_open = false;
  pipe_->reader_wait = nullptr;
  if (pipe_->writer_wait) pipe_->writer_wait->wake_up(POLLOUT | POLLERR);
}

uint32_t PipeReader::poll() {
  return (pipe_->bytes.empty() ? 0 : POLLIN | POLLRDNORM) | (pipe_->writer_open ? 0 : POLLHUP);
}

Result<size_t> PipeReader::peek(std::span<uint8_t> to) const {
  if (pipe_->bytes.empty() && !to.empty()) return pipe_->writer_open ? Result<size_t>(Err(EAGAIN)) : size_t{0};
  const size_t n = std::min(to.size(), pipe_->bytes.size());
  std::copy_n(pipe_->bytes.begin(), n, to.begin());
  return n;
}

void PipeReader::consume(size_t n) {
  pipe_->bytes.erase(pipe_->bytes.begin(), pipe_->bytes.begin() + static_cast<ptrdiff_t>(n));
  if (n && pipe_->writer_wait) pipe_->writer_wait->wake_up(POLLOUT | POLLWRNORM);
}

Result<size_t> PipeReader::read(std::span<uint8_t> to) {
  Result<size_t> n = peek(to);
  if (n) consume(*n);
  return n;
}

PipeWriter::~PipeWriter() {
  pipe_->writer_open = false;
  pipe_->writer_wait = nullptr;
  if (pipe_->reader_wait) pipe_->reader_wait->wake_up(POLLIN | POLLHUP);
}

uint32_t PipeWriter::poll() { return (room() ? POLLOUT | POLLWRNORM : 0) | (pipe_->reader_open ? 0 : POLLERR); }

Result<size_t> PipeWriter::write(std::span<const uint8_t> from) {
  if (!pipe_->reader_open) return Err(EPIPE);
  const size_t n = std::min(from.size(), room());
  if (!n && !from.empty()) return Err(EAGAIN);
  pipe_->bytes.insert(pipe_->bytes.end(), from.begin(), from.begin() + static_cast<ptrdiff_t>(n));
  if (n && pipe_->reader_wait) pipe_->reader_wait->wake_up(POLLIN | POLLRDNORM);
  return n;
}

Pipe make_pipe() {
  auto shared = std::make_shared<pipe_inode_info>();
  return {std::make_shared<PipeReader>(shared), std::make_shared<PipeWriter>(shared)};
}

Result<size_t> splice_to_pipe(SocketFile& from, PipeWriter& to, size_t n) {
  n = std::min(n, to.room());
  if (!n) return Err(EAGAIN);
  std::vector<uint8_t> bytes(n);
  Result<size_t> got = from.splice_read(bytes);
  if (!got || !*got) return got;
  return to.write(std::span(bytes).first(*got));
}

Result<size_t> splice_to_socket(PipeReader& from, Sockets& sockets, SocketFile& to, size_t n, bool more) {
  std::vector<uint8_t> bytes(std::min(n, pipe_inode_info::kCapacity));
  Result<size_t> got = from.peek(bytes);
  if (!got || !*got) return got;
  Result<size_t> sent = sockets.sys_sendto(to.fd(), std::span(bytes).first(*got), more ? MSG_MORE : 0);
  if (sent) from.consume(*sent);
  return sent;
}

Result<size_t> splice_pipes(PipeReader& from, PipeWriter& to, size_t n) {
  n = std::min(n, to.room());
  if (!n) return Err(EAGAIN);
  std::vector<uint8_t> bytes(n);
  Result<size_t> got = from.read(bytes);
  return got && *got ? to.write(std::span(bytes).first(*got)) : got;
}

}  // namespace glass
