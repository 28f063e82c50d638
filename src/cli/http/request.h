// Reading HTTP/1.1 requests (RFC 9112 sections 2 to 5, RFC 9110) as pure functions over bytes that have arrived so far.
//
//   HttpParse p = parse_http_request(buffer);
//   if (p.state == HttpParse::State::complete) { answer(p.request);   buffer.erase(0, p.consumed); }
//
// Lines may end in LF alone (RFC 9112 section 2.2). Nothing is owned beyond what a request holds by value.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glass {

struct HttpHeader {
  std::string name, value;
};
using HttpHeaders = std::vector<HttpHeader>;

// The first header of that name, compared without case; null if there is none.
const std::string* find_header(const HttpHeaders&, std::string_view name);
// Whether a comma-separated header names a token, such as "close" in Connection.
bool header_has_token(const HttpHeaders&, std::string_view name, std::string_view token);
bool equal_ignoring_case(std::string_view, std::string_view);

struct HttpRequest {
  std::string method, target;
  int minor_version = 1;
  HttpHeaders headers;
  bool keep_alive() const;  // by version and Connection
  bool has_body() const;    // Content-Length other than 0, or Transfer-Encoding
};

struct HttpParse {
  enum class State : uint8_t { incomplete, complete, bad };
  State state = State::incomplete;
  size_t consumed = 0;  // complete: bytes of the head
  int status = 0;       // bad: what to answer, 400, 431, 501 or 505
  HttpRequest request;
};

inline constexpr size_t kMaxHttpHead = 16384;
HttpParse parse_http_request(std::string_view bytes);

// Header lines up to and with the empty line; nullopt if one is malformed. `lines` begins after the first line.
std::optional<HttpHeaders> parse_http_headers(std::string_view lines);
// Length of the head with its empty line; npos while it is incomplete.
size_t http_head_size(std::string_view bytes);

// The path a target asks for: query cut, %XX decoded, without leading slash ("" for the root). nullopt if it is not a
// path of this server or could lead out of it: "..", a NUL, a broken escape.
std::optional<std::string> http_target_path(std::string_view target);

// A single byte range (RFC 9110 section 14): first to last, inclusive.
struct ByteRange {
  uint64_t first = 0, last = 0;
  bool operator==(const ByteRange&) const = default;
};
enum class RangeResult : uint8_t { whole, partial, unsatisfiable };
// whole: no range, several, or one that has to be ignored.
RangeResult parse_http_range(std::string_view header, uint64_t size, ByteRange& out);

}  // namespace glass
