#include "cli/http/response.h"

#include <gtest/gtest.h>

namespace glass {
namespace {

using BodyState = HttpBody::State;

HttpResponse response(std::string headers, int status = 200) {
  const auto p = parse_http_response("HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers + "\r\n");
  EXPECT_EQ(p.state, HttpResponseParse::State::complete) << headers;
  return p.response;
}

// Feeds `bytes` in pieces of `step`.
std::pair<std::string, BodyState> read_body(const HttpResponse& r, std::string_view bytes, size_t step,
                                            bool head_request = false) {
  HttpBody body(r, head_request);
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += step)
    body.feed(bytes.substr(at, step), [&](std::string_view data) { out += data; });
  return {out, body.state()};
}

TEST(HttpResponse, Head) {
  EXPECT_EQ(format_http_head(206, {{"A", "b"}}), "HTTP/1.1 206 Partial Content\r\nA: b\r\n\r\n");
  const auto p = parse_http_response("HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nbody");
  ASSERT_EQ(p.state, HttpResponseParse::State::complete);
  EXPECT_EQ(p.response.status, 404);
  EXPECT_EQ(p.response.reason, "Not Found");
  EXPECT_EQ(p.response.consumed, 37u);
  EXPECT_EQ(parse_http_response("HTTP/1.1 200\r\n\r\n").response.status, 200);
}

TEST(HttpResponse, BadHeads) {
  for (std::string_view text : {"SSH-2.0-x\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
                                "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n"})
    EXPECT_EQ(parse_http_response(text).state, HttpResponseParse::State::bad) << text;
  for (std::string_view text : {"", "HT", "HTTP/1.1 200 OK\r\nA: b\r\n"})
    EXPECT_EQ(parse_http_response(text).state, HttpResponseParse::State::incomplete) << text;
}

TEST(HttpBody, Sized) {
  for (size_t step : {1u, 3u, 100u}) {
    const auto [text, state] = read_body(response("Content-Length: 5\r\n"), "hello and more", step);
    EXPECT_EQ(text, "hello");
    EXPECT_EQ(state, BodyState::complete);
  }
  EXPECT_EQ(HttpBody(response("Content-Length: 0\r\n"), false).state(), BodyState::complete);
  EXPECT_EQ(HttpBody(response("Content-Length: x\r\n"), false).state(), BodyState::bad);
  HttpBody shortened(response("Content-Length: 5\r\n"), false);
  shortened.feed("hel", [](std::string_view) {});
  EXPECT_FALSE(shortened.end());
}

TEST(HttpBody, Chunked) {
  const std::string_view chunks = "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
  for (size_t step : {1u, 2u, 7u, 100u}) {
    const auto [text, state] = read_body(response("Transfer-Encoding: chunked\r\n"), chunks, step);
    EXPECT_EQ(text, "hello world");
    EXPECT_EQ(state, BodyState::complete) << step;
  }
  for (std::string_view bad : {"x\r\n", "\r\n", "5\r\nhelloX\r\n"})
    EXPECT_EQ(read_body(response("Transfer-Encoding: chunked\r\n"), bad, 1).second, BodyState::bad) << bad;
}

TEST(HttpBody, UntilTheConnectionEnds) {
  HttpBody body(response(""), false);
  EXPECT_EQ(body.feed("abc", [](std::string_view) {}), BodyState::more);
  EXPECT_TRUE(body.end());
  EXPECT_EQ(body.received(), 3u);
}

TEST(HttpBody, None) {
  EXPECT_EQ(HttpBody(response("Content-Length: 5\r\n"), true).state(), BodyState::complete);
  EXPECT_EQ(HttpBody(response("", 204), false).state(), BodyState::complete);
}

TEST(HttpText, TypesDatesAndEscapes) {
  EXPECT_EQ(mime_type("a/b.HTML"), "text/html; charset=utf-8");
  EXPECT_EQ(mime_type("a.tar.gz"), "application/gzip");
  EXPECT_EQ(mime_type("noextension"), "application/octet-stream");
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(html_escape("<a href=\"&\">"), "&lt;a href=&quot;&amp;&quot;&gt;");
  EXPECT_EQ(url_escape("a b/ä"), "a%20b/%C3%A4");
}

TEST(HttpText, DirectoryPage) {
  const std::string page = format_directory("/<x>/", {{"b.txt", false, 1500}, {"<script>", false, 0}, {"a", true, 0}});
  EXPECT_NE(page.find("Index of /&lt;x&gt;/"), std::string::npos);
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_LT(page.find("./a/\""), page.find("./b.txt\"")) << "directories come first";
  EXPECT_NE(page.find("1.5 kB"), std::string::npos);
  EXPECT_NE(page.find("../"), std::string::npos);
  EXPECT_EQ(format_directory("/", {}).find("../"), std::string::npos);
}

TEST(HttpUrl, TakenApart) {
  const auto p = parse_http_url("http://10.0.0.1:8080/a/b?c=d#frag");
  ASSERT_TRUE(p.url) << p.error;
  EXPECT_EQ(p.url->address, "10.0.0.1");
  EXPECT_EQ(p.url->host, "10.0.0.1:8080");
  EXPECT_EQ(p.url->port, 8080);
  EXPECT_EQ(p.url->target, "/a/b?c=d");
  EXPECT_EQ(parse_http_url("10.0.0.1").url->target, "/");
  EXPECT_EQ(parse_http_url("http://10.0.0.1?x").url->target, "/?x");
}

TEST(HttpUrl, BadOnesSayWhy) {
  for (std::string_view text :
       {"https://10.0.0.1/", "http://", "http://:80/", "http://10.0.0.1:0/", "http://10.0.0.1:70000/",
        "http://10.0.0.1:x/", "http://u@10.0.0.1/", "http://10.0.0.1/a b", ""}) {
    const auto p = parse_http_url(text);
    EXPECT_FALSE(p.url) << text;
    EXPECT_NE(p.error.find("http://10.0.0.1:8080/path"), std::string::npos) << p.error;
    EXPECT_EQ(p.error.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace glass
