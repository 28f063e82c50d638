// Writing responses and reading them (RFC 9112 sections 4, 6 and 7), as pure functions.
//
//   std::string head = format_http_head(404, {{"Content-Type", "text/html"}});
//   auto answer = parse_http_response(bytes);   HttpBody body(*answer, false);   body.feed(more, [](std::string_view
//   data) { ... });
#pragma once
#include <functional>

#include "cli/http/request.h"

namespace glass {

std::string_view http_status_text(int status);                 // "Not Found"
std::string format_http_head(int status, const HttpHeaders&);  // with the empty line
std::string http_date(int64_t seconds_since_1970);             // "Sun, 06 Nov 1994 08:49:37 GMT"
std::string_view mime_type(std::string_view path);             // by extension; application/octet-stream
std::string html_escape(std::string_view);
std::string url_escape(std::string_view path);  // for a link: everything but unreserved characters and '/'

struct DirectoryEntry {
  std::string name;
  bool directory = false;
  uint64_t size = 0;
};
// A page of links, directories first; `path` as shown, with its slashes.
std::string format_directory(std::string_view path, std::vector<DirectoryEntry>);
std::string format_error_page(int status, std::string_view detail);

struct HttpResponse {
  int status = 0;
  std::string reason;
  HttpHeaders headers;
  size_t consumed = 0;  // bytes of the head
};
struct HttpResponseParse {
  enum class State : uint8_t { incomplete, complete, bad };
  State state = State::incomplete;
  HttpResponse response;
};
HttpResponseParse parse_http_response(std::string_view bytes);

// Takes the body of a response apart: by Content-Length, by chunks, or up to the end of the connection.
class HttpBody {
 public:
  enum class State : uint8_t { more, complete, bad };
  using Sink = std::function<void(std::string_view)>;

  HttpBody(const HttpResponse&, bool head_request);
  State feed(std::string_view bytes, const Sink&);
  // The connection has ended: whether the body is complete.
  bool end() const { return state_ == State::complete || kind_ == Kind::until_close; }
  State state() const { return state_; }
  std::optional<uint64_t> size() const;  // if it was announced
  uint64_t received() const { return received_; }

 private:
  enum class Kind : uint8_t { none, sized, chunked, until_close };
  enum class Chunk : uint8_t { size_line, data, data_end, trailer };
  void deliver(std::string_view, const Sink&);
  void feed_chunked(std::string_view, const Sink&);
  void chunk_line(std::string_view line);

  Kind kind_ = Kind::until_close;
  State state_ = State::more;
  Chunk chunk_ = Chunk::size_line;
  uint64_t left_ = 0, size_ = 0, received_ = 0;
  std::string line_;
};

// "http://10.0.0.1:8080/a" taken apart. Only numeric addresses: the error says so in one line.
struct HttpUrl {
  std::string host, target;  // the host as written, with its port if it is not 80: what the Host header wants
  std::string address;
  uint16_t port = 80;
};
struct HttpUrlParse {
  std::optional<HttpUrl> url;
  std::string error;
};
HttpUrlParse parse_http_url(std::string_view text);

}  // namespace glass
