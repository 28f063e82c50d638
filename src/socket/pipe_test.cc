#include "socket/pipe.h"

#include <gtest/gtest.h>

#include "stack/test_pair.h"

namespace glass {
namespace {

std::string read_from(PipeReader& r, size_t n) {
  std::vector<uint8_t> to(n);
  const Result<size_t> got = r.read(to);
  return got ? std::string(to.begin(), to.begin() + static_cast<ptrdiff_t>(*got))
             : "error " + std::to_string(got.error());
}

TEST(Pipe, CarriesBytesInOrderAndKnowsItsEnds) {
  Pipe p = make_pipe();
  EXPECT_EQ(read_from(*p.reader, 4), "error " + std::to_string(EAGAIN));
  EXPECT_EQ(p.reader->poll(), 0u);
  EXPECT_EQ(p.writer->write(bytes_of("hello")), 5u);
  EXPECT_TRUE(p.reader->poll() & POLLIN);
  EXPECT_EQ(read_from(*p.reader, 4), "hell");
  p.writer.reset();
  EXPECT_TRUE(p.reader->poll() & POLLHUP);
  EXPECT_EQ(read_from(*p.reader, 4), "o");
  EXPECT_EQ(read_from(*p.reader, 4), "");
}

TEST(Pipe, IsFullAtItsCapacity) {
  Pipe p = make_pipe();
  const std::vector<uint8_t> much(pipe_inode_info::kCapacity + 1);
  EXPECT_EQ(p.writer->write(much), pipe_inode_info::kCapacity);
  EXPECT_EQ(p.writer->write(much).error(), EAGAIN);
  EXPECT_FALSE(p.writer->poll() & POLLOUT);
  p.reader.reset();
  EXPECT_TRUE(p.writer->poll() & POLLERR);
  EXPECT_EQ(p.writer->write(much).error(), EPIPE);
}

TEST(Pipe, SplicesFromSocketToSocket) {
  TestPair t;
  const int listener = t.listen_b(80);
  const auto [client, server] = t.connect_to(listener, 80);
  SocketFile from(t.a.sockets(), client), to(t.b.sockets(), server);
  ASSERT_EQ(from.write(bytes_of("forth and back")), 14u);
  t.settle();
  Pipe p = make_pipe();
  EXPECT_EQ(splice_to_pipe(to, *p.writer, 5), 5u);
  EXPECT_EQ(splice_to_pipe(to, *p.writer, 100), 9u);
  EXPECT_EQ(splice_to_pipe(to, *p.writer, 100).error(), EAGAIN);
  EXPECT_EQ(splice_to_socket(*p.reader, t.b.sockets(), to, 100, false), 14u);
  t.settle();
  EXPECT_EQ(read_all(t.a, from.fd()), "forth and back");
}

}  // namespace
}  // namespace glass
