#include "cli/http/response.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "view/text.h"

namespace glass {

namespace {

struct StatusRow {
  int status;
  std::string_view text;
};
constexpr StatusRow kStatuses[] = {{200, "OK"},
                                   {206, "Partial Content"},
                                   {301, "Moved Permanently"},
                                   {400, "Bad Request"},
                                   {403, "Forbidden"},
                                   {404, "Not Found"},
                                   {405, "Method Not Allowed"},
                                   {408, "Request Timeout"},
                                   {416, "Range Not Satisfiable"},
                                   {431, "Request Header Fields Too Large"},
                                   {500, "Internal Server Error"},
                                   {501, "Not Implemented"},
                                   {505, "HTTP Version Not Supported"}};

struct TypeRow {
  std::string_view extension, type;
};
constexpr TypeRow kTypes[] = {{"html", "text/html; charset=utf-8"},
                              {"htm", "text/html; charset=utf-8"},
                              {"txt", "text/plain; charset=utf-8"},
                              {"md", "text/markdown; charset=utf-8"},
                              {"log", "text/plain; charset=utf-8"},
                              {"css", "text/css; charset=utf-8"},
                              {"csv", "text/csv; charset=utf-8"},
                              {"js", "text/javascript; charset=utf-8"},
                              {"mjs", "text/javascript; charset=utf-8"},
                              {"json", "application/json"},
                              {"xml", "application/xml"},
                              {"pdf", "application/pdf"},
                              {"wasm", "application/wasm"},
                              {"gz", "application/gzip"},
                              {"zip", "application/zip"},
                              {"tar", "application/x-tar"},
                              {"svg", "image/svg+xml"},
                              {"png", "image/png"},
                              {"jpg", "image/jpeg"},
                              {"jpeg", "image/jpeg"},
                              {"gif", "image/gif"},
                              {"webp", "image/webp"},
                              {"ico", "image/vnd.microsoft.icon"},
                              {"mp3", "audio/mpeg"},
                              {"mp4", "video/mp4"},
                              {"webm", "video/webm"},
                              {"woff2", "font/woff2"}};

}  // namespace

std::string_view http_status_text(int status) {
  const auto at = std::ranges::find(kStatuses, status, &StatusRow::status);
  return at == std::end(kStatuses) ? "Unknown" : at->text;
}

std::string format_http_head(int status, const HttpHeaders& headers) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, http_status_text(status));
  for (const HttpHeader& h : headers) out += fmt::format("{}: {}\r\n", h.name, h.value);
  return out + "\r\n";
}

std::string http_date(int64_t seconds) {
  using namespace std::chrono;
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_seconds when{std::chrono::seconds(seconds)};
  const sys_days day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss clock(when - day);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

std::string_view mime_type(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot != std::string_view::npos)
    for (const TypeRow& t : kTypes)
      if (equal_ignoring_case(path.substr(dot + 1), t.extension)) return t.type;
  return "application/octet-stream";
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string url_escape(std::string_view path) {
  constexpr std::string_view kPlain = "-._~/";
  std::string out;
  for (char c : path) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kPlain.find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string format_directory(std::string_view path, std::vector<DirectoryEntry> entries) {
  std::ranges::sort(entries, [](const DirectoryEntry& a, const DirectoryEntry& b) {
    return a.directory != b.directory ? a.directory : a.name < b.name;
  });
  const std::string title = "Index of " + html_escape(path);
  std::string out =
      fmt::format("<!doctype html>\n<meta charset=\"utf-8\">\n<title>{0}</title>\n<h1>{0}</h1>\n<table>\n", title);
  if (path != "/") out += "<tr><td><a href=\"../\">../</a><td>\n";
  for (const DirectoryEntry& e : entries) {
    const std::string name = e.directory ? e.name + "/" : e.name;
    // "./" keeps a name with a colon from being read as a scheme.
    out += fmt::format("<tr><td><a href=\"./{}\">{}</a><td align=\"right\">{}\n", url_escape(name), html_escape(name),
                       e.directory ? "" : format_bytes(e.size));
  }
  return out + "</table>\n";
}

std::string format_error_page(int status, std::string_view detail) {
  const std::string title = fmt::format("{} {}", status, http_status_text(status));
  return fmt::format("<!doctype html>\n<meta charset=\"utf-8\">\n<title>{0}</title>\n<h1>{0}</h1>\n<p>{1}</p>\n", title,
                     html_escape(detail));
}

// --- reading

HttpResponseParse parse_http_response(std::string_view bytes) {
  using State = HttpResponseParse::State;
  if (!std::string_view("HTTP/1.").starts_with(bytes.substr(0, 7)) && !bytes.starts_with("HTTP/1."))
    return {State::bad, {}};
  const size_t head = http_head_size(bytes);
  if (std::min(head, bytes.size()) > 4 * kMaxHttpHead) return {State::bad, {}};
  if (head == std::string_view::npos) return {};
  std::string_view line = bytes.substr(0, bytes.find('\n'));
  const std::string_view rest = bytes.substr(line.size() + 1, head - line.size() - 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  HttpResponse r;
  r.consumed = head;
  // "HTTP/1.1 200 OK": the reason may be missing.
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) return {State::bad, {}};
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, r.status);
  if (error != std::errc() || end != line.data() + 12 || r.status < 100) return {State::bad, {}};
  r.reason = line.size() > 13 ? line.substr(13) : "";
  auto headers = parse_http_headers(rest);
  if (!headers) return {State::bad, {}};
  r.headers = std::move(*headers);
  return {State::complete, std::move(r)};
}

HttpBody::HttpBody(const HttpResponse& r, bool head_request) {
  const std::string* length = find_header(r.headers, "Content-Length");
  if (head_request || r.status / 100 == 1 || r.status == 204 || r.status == 304) {
    kind_ = Kind::none;
    state_ = State::complete;
  } else if (header_has_token(r.headers, "Transfer-Encoding", "chunked")) {
    kind_ = Kind::chunked;
  } else if (length) {
    kind_ = Kind::sized;
    const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), size_);
    left_ = size_;
    if (error != std::errc() || end != length->data() + length->size())
      state_ = State::bad;
    else if (size_ == 0)
      state_ = State::complete;
  }
}

std::optional<uint64_t> HttpBody::size() const { return kind_ == Kind::sized ? std::optional(size_) : std::nullopt; }

void HttpBody::deliver(std::string_view data, const Sink& sink) {
  if (data.empty()) return;
  received_ += data.size();
  sink(data);
}

HttpBody::State HttpBody::feed(std::string_view bytes, const Sink& sink) {
  if (state_ != State::more) return state_;
  switch (kind_) {
    case Kind::none: break;
    case Kind::until_close: deliver(bytes, sink); break;
    case Kind::chunked: feed_chunked(bytes, sink); break;
    case Kind::sized: {
      const std::string_view mine = bytes.substr(0, left_);
      left_ -= mine.size();
      deliver(mine, sink);
      if (left_ == 0) state_ = State::complete;
    }
  }
  return state_;
}

void HttpBody::feed_chunked(std::string_view bytes, const Sink& sink) {
  constexpr size_t kMaxLine = 4096;
  while (!bytes.empty() && state_ == State::more) {
    if (chunk_ == Chunk::data) {
      const std::string_view mine = bytes.substr(0, left_);
      bytes.remove_prefix(mine.size());
      left_ -= mine.size();
      deliver(mine, sink);
      if (left_ == 0) chunk_ = Chunk::data_end;
      continue;
    }
    const size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (line_.size() > kMaxLine) state_ = State::bad;
    if (end == std::string_view::npos) return;
    if (line_.ends_with('\r')) line_.pop_back();
    chunk_line(line_);
    line_.clear();
  }
}

void HttpBody::chunk_line(std::string_view line) {
  switch (chunk_) {
    case Chunk::data_end:
      if (!line.empty()) state_ = State::bad;
      chunk_ = Chunk::size_line;
      break;
    case Chunk::trailer:
      if (line.empty()) state_ = State::complete;
      break;
    default: {
      const std::string_view digits = line.substr(0, line.find_first_of("; \t"));
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
      if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) state_ = State::bad;
      chunk_ = left_ == 0 ? Chunk::trailer : Chunk::data;
    }
  }
}

// --- URLs

HttpUrlParse parse_http_url(std::string_view text) {
  const auto fail = [&](std::string_view why) {
    return HttpUrlParse{std::nullopt, fmt::format("'{}': {}; write it as http://10.0.0.1:8080/path", text, why)};
  };
  constexpr std::string_view kScheme = "http://";
  if (text.find("://") != std::string_view::npos && !text.starts_with(kScheme)) return fail("only http:// is spoken");
  std::string_view rest = text.starts_with(kScheme) ? text.substr(kScheme.size()) : text;
  if (std::ranges::any_of(rest, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }))
    return fail("blanks and control characters have to be written as %XX");
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  std::string target(rest.substr(slash, rest.find('#') - slash));
  if (!target.starts_with('/')) target.insert(0, "/");
  const size_t colon = authority.rfind(':');
  HttpUrl url{
      .host = std::string(authority), .target = target, .address = std::string(authority.substr(0, colon)), .port = 80};
  if (url.address.empty()) return fail("there is no host in it");
  if (authority.find('@') != std::string_view::npos) return fail("user names are not supported");
  if (colon != std::string_view::npos) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (error != std::errc() || end != digits.data() + digits.size() || url.port == 0)
      return fail("the port is not a number from 1 to 65535");
  }
  return {url, ""};
}

}  // namespace glass
