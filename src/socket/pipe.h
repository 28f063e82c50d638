// A pipe in memory, and splice() between it and sockets.
//
//   auto [reader, writer] = make_pipe();
//   splice_to_pipe(sockets, fd, *writer, 4096);   splice_to_socket(*reader, sockets, fd, 4096, false);
#pragma once
#include <deque>

#include "socket/file.h"

namespace glass {

struct pipe_inode_info {
  static constexpr size_t kCapacity = 65536;  // 16 pages, pipe(7)
  std::deque<uint8_t> bytes;
  bool reader_open = true, writer_open = true;
  wait_queue_head *reader_wait = nullptr, *writer_wait = nullptr;
};

class PipeReader final : public File {
 public:
  explicit PipeReader(std::shared_ptr<pipe_inode_info> p) : pipe_(std::move(p)) { pipe_->reader_wait = &wait(); }
  ~PipeReader() override;
  uint32_t poll() override;
  Result<size_t> read(std::span<uint8_t>) override;  // EAGAIN; 0: the writer is gone
  Result<size_t> peek(std::span<uint8_t>) const;     // the same, and the bytes stay
  void consume(size_t n);                            // n <= what is in it

 private:
  std::shared_ptr<pipe_inode_info> pipe_;
};

class PipeWriter final : public File {
 public:
  explicit PipeWriter(std::shared_ptr<pipe_inode_info> p) : pipe_(std::move(p)) { pipe_->writer_wait = &wait(); }
  ~PipeWriter() override;
  uint32_t poll() override;
  Result<size_t> write(std::span<const uint8_t>) override;  // EAGAIN, EPIPE
  size_t room() const { return pipe_inode_info::kCapacity - pipe_->bytes.size(); }

 private:
  std::shared_ptr<pipe_inode_info> pipe_;
};

struct Pipe {
  std::shared_ptr<PipeReader> reader;
  std::shared_ptr<PipeWriter> writer;
};
Pipe make_pipe();

// Moves up to n bytes. EAGAIN: nothing there, or no room. 0: the end, or an urgent byte stands in the way.
Result<size_t> splice_to_pipe(SocketFile& from, PipeWriter& to, size_t n);
// `more`: more will follow (SPLICE_F_MORE).
Result<size_t> splice_to_socket(PipeReader& from, Sockets&, SocketFile& to, size_t n, bool more);
Result<size_t> splice_pipes(PipeReader& from, PipeWriter& to, size_t n);

}  // namespace glass
