#include "cli/http/request.h"

#include <gtest/gtest.h>

namespace glass {
namespace {

using State = HttpParse::State;

TEST(HttpRequest, ReadsAWholeHeadAndLeavesTheRest) {
  const std::string head = "GET /a?b=1 HTTP/1.1\r\nHost: x\r\nRange:  bytes=1-2 \r\n\r\n";
  const HttpParse p = parse_http_request(head + "GET /next");
  ASSERT_EQ(p.state, State::complete);
  EXPECT_EQ(p.consumed, head.size());
  EXPECT_EQ(p.request.method, "GET");
  EXPECT_EQ(p.request.target, "/a?b=1");
  ASSERT_TRUE(find_header(p.request.headers, "range"));
  EXPECT_EQ(*find_header(p.request.headers, "range"), "bytes=1-2");
  EXPECT_FALSE(find_header(p.request.headers, "rang"));
  EXPECT_TRUE(p.request.keep_alive());
}

TEST(HttpRequest, EveryPrefixIsIncomplete) {
  const std::string head = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
  for (size_t n = 0; n < head.size(); ++n)
    EXPECT_EQ(parse_http_request(head.substr(0, n)).state, State::incomplete) << n;
  EXPECT_EQ(parse_http_request(head).state, State::complete);
}

TEST(HttpRequest, BareLineFeedsAndLeadingEmptyLines) {
  const HttpParse p = parse_http_request("\r\n\nGET / HTTP/1.0\n\n");
  ASSERT_EQ(p.state, State::complete);
  EXPECT_EQ(p.consumed, 19u);
  EXPECT_FALSE(p.request.keep_alive());
}

TEST(HttpRequest, KeepAlive) {
  const auto keeps = [](std::string head) { return parse_http_request(head + "\r\n\r\n").request.keep_alive(); };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: x"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: x\r\nConnection: Foo, Close"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive"));
}

TEST(HttpRequest, Bodies) {
  const auto body = [](std::string header) {
    return parse_http_request("POST / HTTP/1.1\r\nHost: x\r\n" + header + "\r\n\r\n").request.has_body();
  };
  EXPECT_TRUE(body("Content-Length: 5"));
  EXPECT_FALSE(body("Content-Length: 0"));
  EXPECT_TRUE(body("Transfer-Encoding: chunked"));
  EXPECT_FALSE(body("X: y"));
}

struct Bad {
  std::string text;
  int status;
};
class HttpBadRequest : public testing::TestWithParam<Bad> {};
TEST_P(HttpBadRequest, IsRefused) {
  const HttpParse p = parse_http_request(GetParam().text);
  EXPECT_EQ(p.state, State::bad);
  EXPECT_EQ(p.status, GetParam().status);
}
INSTANTIATE_TEST_SUITE_P(
    All, HttpBadRequest,
    testing::Values(Bad{"nonsense\r\n\r\n", 400}, Bad{"GET /\r\n\r\n", 400}, Bad{"GET  HTTP/1.1\r\n\r\n", 400},
                    Bad{"GET / a HTTP/1.1\r\nHost: x\r\n\r\n", 400}, Bad{"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
                    Bad{"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505}, Bad{"GET / HTTX/1.1\r\nHost: x\r\n\r\n", 400},
                    Bad{"GET / HTTP/1.1\r\n\r\n", 400}, Bad{"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
                    Bad{"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400},
                    Bad{"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
                    Bad{std::string("GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n", 29), 400},
                    Bad{"GET /" + std::string(kMaxHttpHead, 'a'), 431}));

TEST(HttpTarget, Paths) {
  EXPECT_EQ(http_target_path("/"), "");
  EXPECT_EQ(http_target_path("//a/b.txt"), "a/b.txt");
  EXPECT_EQ(http_target_path("/a%20b?x=%2F#y"), "a b");
  EXPECT_EQ(http_target_path("/...//.x/..y"), "...//.x/..y");
  EXPECT_EQ(http_target_path("http://10.0.0.1:80/a"), "a");
  EXPECT_EQ(http_target_path("http://10.0.0.1"), "");
}

TEST(HttpTarget, NothingLeadsOut) {
  for (std::string_view target : {"/..", "/../etc/passwd", "/a/../../b", "/%2e%2e/x", "/%2E%2E%2Fetc", "/a/..",
                                  "/a%00b", "/%", "/%2", "/%zz", "etc/passwd", "*", "", "ftp://x/a"})
    EXPECT_EQ(http_target_path(target), std::nullopt) << target;
}

TEST(HttpRange, SingleRanges) {
  ByteRange r;
  EXPECT_EQ(parse_http_range("bytes=0-9", 100, r), RangeResult::partial);
  EXPECT_EQ(r, (ByteRange{0, 9}));
  EXPECT_EQ(parse_http_range("bytes=90-", 100, r), RangeResult::partial);
  EXPECT_EQ(r, (ByteRange{90, 99}));
  EXPECT_EQ(parse_http_range("bytes=90-1000", 100, r), RangeResult::partial);
  EXPECT_EQ(r, (ByteRange{90, 99}));
  EXPECT_EQ(parse_http_range("bytes=-7", 100, r), RangeResult::partial);
  EXPECT_EQ(r, (ByteRange{93, 99}));
  EXPECT_EQ(parse_http_range("bytes=-700", 100, r), RangeResult::partial);
  EXPECT_EQ(r, (ByteRange{0, 99}));
}

TEST(HttpRange, UnsatisfiableAndIgnored) {
  ByteRange r;
  for (std::string_view text : {"bytes=100-", "bytes=-0", "bytes=200-300"})
    EXPECT_EQ(parse_http_range(text, 100, r), RangeResult::unsatisfiable) << text;
  EXPECT_EQ(parse_http_range("bytes=0-", 0, r), RangeResult::unsatisfiable);
  for (std::string_view text :
       {"", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "lines=1-2", "bytes=0-1,3-4", "bytes=1"})
    EXPECT_EQ(parse_http_range(text, 100, r), RangeResult::whole) << text;
}

}  // namespace
}  // namespace glass
