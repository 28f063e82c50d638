#include "cli/http/request.h"

#include <algorithm>
#include <charconv>

namespace glass {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_token_char(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || kOthers.find(c) != std::string_view::npos;
}
bool is_token(std::string_view s) { return !s.empty() && std::ranges::all_of(s, is_token_char); }

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Takes one line off the front, without its line end.
std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::optional<uint64_t> parse_number(std::string_view s) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  return error == std::errc() && end == s.data() + s.size() ? std::optional(value) : std::nullopt;
}

HttpParse bad(int status) { return {.state = HttpParse::State::bad, .consumed = 0, .status = status, .request = {}}; }

// 0 if the line is good, otherwise the status to answer.
int parse_request_line(std::string_view line, HttpRequest& r) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  const std::string_view method = line.substr(0, first), target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || target.empty() || target.find(' ') != std::string_view::npos) return 400;
  if (std::ranges::any_of(target, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }))
    return 400;
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.') return 400;
  if (version[5] != '1') return version[5] >= '0' && version[5] <= '9' ? 505 : 400;
  if (version[7] < '0' || version[7] > '9') return 400;
  r.method = method;
  r.target = target;
  r.minor_version = version[7] - '0';
  return 0;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::string> percent_decode(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '%') {
      out += s[i];
      continue;
    }
    if (i + 2 >= s.size() || hex_digit(s[i + 1]) < 0 || hex_digit(s[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2]));
    i += 2;
  }
  return out;
}

// No component that climbs, and nothing the file system would read otherwise.
bool stays_inside(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return false;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (path.substr(0, end) == "..") return false;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return true;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* find_header(const HttpHeaders& headers, std::string_view name) {
  const auto at = std::ranges::find_if(headers, [&](const HttpHeader& h) { return equal_ignoring_case(h.name, name); });
  return at == headers.end() ? nullptr : &at->value;
}

bool header_has_token(const HttpHeaders& headers, std::string_view name, std::string_view token) {
  for (const HttpHeader& h : headers) {
    if (!equal_ignoring_case(h.name, name)) continue;
    for (std::string_view rest = h.value; !rest.empty();) {
      const size_t end = std::min(rest.find(','), rest.size());
      if (equal_ignoring_case(trim(rest.substr(0, end)), token)) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

bool HttpRequest::keep_alive() const {
  if (header_has_token(headers, "Connection", "close")) return false;
  return minor_version >= 1 || header_has_token(headers, "Connection", "keep-alive");
}

bool HttpRequest::has_body() const {
  const std::string* length = find_header(headers, "Content-Length");
  return (length && *length != "0") || find_header(headers, "Transfer-Encoding");
}

size_t http_head_size(std::string_view bytes) {
  size_t at = 0;
  while ((at = bytes.find('\n', at)) != std::string_view::npos) {
    ++at;
    if (bytes.substr(at).starts_with("\n")) return at + 1;
    if (bytes.substr(at).starts_with("\r\n")) return at + 2;
  }
  return std::string_view::npos;
}

std::optional<HttpHeaders> parse_http_headers(std::string_view lines) {
  HttpHeaders headers;
  while (!lines.empty()) {
    const std::string_view line = next_line(lines);
    if (line.empty()) break;
    const size_t colon = line.find(':');
    // A line that begins with a blank would be a folded one, which RFC 9112 section 5.2 lets a server refuse.
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return std::nullopt;
    const std::string_view value = trim(line.substr(colon + 1));
    if (value.find('\0') != std::string_view::npos || value.find('\r') != std::string_view::npos) return std::nullopt;
    headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  }
  return headers;
}

HttpParse parse_http_request(std::string_view bytes) {
  size_t skipped = 0;  // empty lines before a request are to be ignored (RFC 9112 section 2.2)
  while (bytes.starts_with("\r\n") || bytes.starts_with("\n")) {
    const size_t n = bytes.front() == '\r' ? 2 : 1;
    bytes.remove_prefix(n);
    skipped += n;
  }
  const size_t head = http_head_size(bytes);
  if (std::min(head, bytes.size()) > kMaxHttpHead) return bad(431);
  if (head == std::string_view::npos) return {};
  HttpParse p{.state = HttpParse::State::complete, .consumed = skipped + head, .status = 0, .request = {}};
  std::string_view rest = bytes.substr(0, head);
  if (const int status = parse_request_line(next_line(rest), p.request)) return bad(status);
  auto headers = parse_http_headers(rest);
  if (!headers) return bad(400);
  p.request.headers = std::move(*headers);
  if (p.request.minor_version >= 1 && !find_header(p.request.headers, "Host")) return bad(400);
  return p;
}

std::optional<std::string> http_target_path(std::string_view target) {
  if (constexpr std::string_view kScheme = "http://";
      target.starts_with(kScheme)) {  // absolute form, as sent to a proxy
    const size_t slash = target.find('/', kScheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (!target.starts_with('/')) return std::nullopt;
  target = target.substr(0, target.find_first_of("?#"));
  auto path = percent_decode(target);
  if (!path || !stays_inside(*path)) return std::nullopt;
  path->erase(0, std::min(path->find_first_not_of('/'), path->size()));
  return path;
}

RangeResult parse_http_range(std::string_view header, uint64_t size, ByteRange& out) {
  header = trim(header);
  if (!header.starts_with("bytes=")) return RangeResult::whole;
  header = trim(header.substr(6));
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return RangeResult::whole;
  const std::string_view first = trim(header.substr(0, dash)), last = trim(header.substr(dash + 1));
  const auto from = parse_number(first), to = parse_number(last);
  if (first.empty()) {  // the last so many bytes
    if (!to) return RangeResult::whole;
    if (*to == 0 || size == 0) return RangeResult::unsatisfiable;
    out = {size - std::min(*to, size), size - 1};
    return RangeResult::partial;
  }
  if (!from || (!last.empty() && !to) || (to && *to < *from)) return RangeResult::whole;
  if (*from >= size) return RangeResult::unsatisfiable;
  out = {*from, to ? std::min(*to, size - 1) : size - 1};
  return RangeResult::partial;
}

}  // namespace glass
