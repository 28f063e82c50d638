// The answers without a network, then whole connections between two simulated hosts.
#include "cli/http/server.h"

#include <gtest/gtest.h>

#include "async/spawn.h"
#include "cli/http/test_site.h"
#include "sim/world.h"

namespace glass {
namespace {

constexpr int64_t kNow = 784111777;

class HttpAnswers : public testing::Test {
 protected:
  void SetUp() override {
    site_.write("a.txt", "0123456789");
    site_.write("dir/index.html", "<p>index");
    site_.write("plain/x.bin", "x");
    directory_.emplace(*SiteDirectory::open(site_.path()));
  }
  HttpAnswer ask(const std::string& line, const std::string& headers = "") {
    const HttpParse p = parse_http_request(line + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
    EXPECT_EQ(p.state, HttpParse::State::complete);
    return answer_http_request(*directory_, p.request, kNow);
  }
  static std::string header(const HttpAnswer& a, std::string_view name) {
    const std::string* value = find_header(a.headers, name);
    return value ? *value : "";
  }
  TestSite site_;
  std::optional<SiteDirectory> directory_;
};

TEST_F(HttpAnswers, File) {
  const HttpAnswer a = ask("GET /a.txt");
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.size, 10u);
  EXPECT_TRUE(a.file && a.keep_alive && a.send_body);
  EXPECT_EQ(header(a, "Content-Length"), "10");
  EXPECT_EQ(header(a, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(header(a, "Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST_F(HttpAnswers, HeadHasTheSameHeadersAndNoBody) {
  const HttpAnswer a = ask("HEAD /a.txt");
  EXPECT_EQ(header(a, "Content-Length"), "10");
  EXPECT_FALSE(a.send_body);
}

TEST_F(HttpAnswers, Ranges) {
  HttpAnswer a = ask("GET /a.txt", "Range: bytes=2-4\r\n");
  EXPECT_EQ(a.status, 206);
  EXPECT_EQ(a.offset, 2u);
  EXPECT_EQ(a.size, 3u);
  EXPECT_EQ(header(a, "Content-Range"), "bytes 2-4/10");
  a = ask("GET /a.txt", "Range: bytes=10-\r\n");
  EXPECT_EQ(a.status, 416);
  EXPECT_EQ(header(a, "Content-Range"), "bytes */10");
  EXPECT_EQ(ask("GET /a.txt", "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n").status, 200);
}

TEST_F(HttpAnswers, Directories) {
  EXPECT_EQ(ask("GET /dir/").size, 8u) << "index.html";
  const HttpAnswer moved = ask("GET /plain?q");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(header(moved, "Location"), "/plain/?q");
  EXPECT_EQ(header(ask("GET //plain"), "Location"), "/plain/");
  EXPECT_NE(ask("GET /plain/").text.find("x.bin"), std::string::npos);
}

TEST_F(HttpAnswers, Refusals) {
  EXPECT_EQ(ask("GET /missing").status, 404);
  EXPECT_EQ(ask("GET /../etc/passwd").status, 403);
  EXPECT_EQ(ask("GET /%2e%2e/etc/passwd").status, 403);
  const HttpAnswer a = ask("POST /a.txt", "Content-Length: 3\r\n");
  EXPECT_EQ(a.status, 405);
  EXPECT_EQ(header(a, "Allow"), "GET, HEAD");
  EXPECT_FALSE(a.keep_alive) << "its body would be taken for a request";
}

// --- over TCP, in virtual time

Task<void> serve(Stack& stack, Executor& executor, HttpSite& site) {
  Result<TcpListener> listener = TcpListener::listen(stack, executor, {IpAddress::v4(0), 80});
  for (;;) {
    Result<TcpStream> peer = co_await listener->accept();
    if (!peer) co_return;
    spawn(executor, serve_http_connection(executor, std::move(*peer), site));
  }
}

Task<void> talk(Stack& stack, Executor& executor, std::string request, std::string& answer, bool& ended) {
  Result<TcpStream> stream = co_await TcpStream::connect(stack, executor, {IpAddress::v4(10, 0, 0, 2), 80});
  if (!stream) co_return;
  (void)co_await stream->send_all(bytes_of(request));
  std::vector<uint8_t> buffer(65536);
  for (;;) {
    const Result<size_t> n = co_await stream->recv(buffer);
    if (!n || *n == 0) break;
    answer.append(reinterpret_cast<const char*>(buffer.data()), *n);
  }
  ended = true;
}

std::string http_exchange(const TestSite& files, const std::string& request) {
  HttpStatistics statistics;
  HttpSite site{*SiteDirectory::open(files.path()), statistics};
  std::string answer;
  bool ended = false;
  World world({.seed = 3});
  Stack& client = world.add_host("client");
  Stack& server = world.add_host("server");
  world.connect(client, "10.0.0.1/24", server, "10.0.0.2/24", {.netem = "delay 5ms"});
  spawn(world, serve(server, world, site));
  spawn(world, talk(client, world, request, answer, ended));
  EXPECT_TRUE(world.run_until([&] { return ended; })) << answer;
  world.cancel_all();
  return answer;
}

TEST(HttpServer, KeepAliveThenClose) {
  TestSite files;
  files.write("a", "first");
  files.write("b", "second");
  const std::string answer = http_exchange(files,
                                           "GET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\n\r\n"
                                           "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("\r\n\r\nfirstHTTP/1.1 200 OK"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nsecond")) << answer;
}

TEST(HttpServer, LargeFileAndRange) {
  TestSite files;
  std::string large(3'000'000, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 + (i >> 9));
  files.write("large", large);
  const std::string whole = http_exchange(files, "GET /large HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(whole.ends_with(large));
  const std::string part = http_exchange(files, "GET /large HTTP/1.0\r\nRange: bytes=1000000-1999999\r\n\r\n");
  EXPECT_TRUE(part.ends_with("\r\n\r\n" + large.substr(1'000'000, 1'000'000)));
}

TEST(HttpServer, NonsenseIsRefused) {
  TestSite files;
  EXPECT_TRUE(http_exchange(files, "\x16\x03\x01 hello\r\n\r\n").starts_with("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(http_exchange(files, "GET /" + std::string(2 * kMaxHttpHead, 'a')).starts_with("HTTP/1.1 431 "));
}

}  // namespace
}  // namespace glass
