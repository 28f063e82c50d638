#include "cli/http/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>

#include "async/timeout.h"

namespace glass {

namespace {

constexpr size_t kPiece = 256 * 1024;
constexpr Duration kIdle = 60s;  // between requests, and for a request to arrive

HttpAnswer text_answer(int status, std::string text, std::string_view type, int64_t now) {
  HttpAnswer a;
  a.status = status;
  a.text = std::move(text);
  a.size = a.text.size();
  a.headers = {{"Date", http_date(now)}, {"Server", "glass"}, {"Content-Type", std::string(type)}};
  return a;
}

HttpAnswer error_answer(int status, std::string_view detail, int64_t now) {
  return text_answer(status, format_error_page(status, detail), "text/html; charset=utf-8", now);
}

// A directory is asked for with a slash at its end, so that the links on its page work.
HttpAnswer redirect_to_slash(std::string_view target, int64_t now) {
  const size_t query = std::min(target.find('?'), target.size());
  std::string location = fmt::format("{}/{}", target.substr(0, query), target.substr(query));
  location.erase(0, location.find_first_not_of('/') - 1);  // "//host/" would lead elsewhere
  HttpAnswer a = error_answer(301, "The directory is at " + location, now);
  a.headers.push_back({"Location", location});
  return a;
}

HttpAnswer file_answer(SiteFile file, const HttpRequest& request, const std::string& path, int64_t now) {
  ByteRange range{0, file.size ? file.size - 1 : 0};
  const std::string* wanted = find_header(request.headers, "Range");
  // If-Range asks for proof that the file is the same; none is given, so the whole file is right.
  const bool ranged = wanted && !find_header(request.headers, "If-Range") && request.method == "GET";
  const RangeResult result = ranged ? parse_http_range(*wanted, file.size, range) : RangeResult::whole;
  if (result == RangeResult::unsatisfiable) {
    HttpAnswer a = error_answer(416, "The file ends before the range begins.", now);
    a.headers.push_back({"Content-Range", fmt::format("bytes */{}", file.size)});
    return a;
  }
  HttpAnswer a;
  a.status = result == RangeResult::partial ? 206 : 200;
  a.file = std::move(file.handle);
  a.offset = result == RangeResult::partial ? range.first : 0;
  a.size = result == RangeResult::partial ? range.last - range.first + 1 : file.size;
  a.headers = {{"Date", http_date(now)},
               {"Server", "glass"},
               {"Content-Type", std::string(mime_type(path))},
               {"Last-Modified", http_date(file.modified)},
               {"Accept-Ranges", "bytes"}};
  if (a.status == 206)
    a.headers.push_back({"Content-Range", fmt::format("bytes {}-{}/{}", range.first, range.last, file.size)});
  return a;
}

HttpAnswer directory_answer(const SiteDirectory& site, SiteFile directory, const HttpRequest& request, std::string path,
                            int64_t now) {
  if (!path.empty() && !path.ends_with('/')) {
    if (!request.target.substr(0, request.target.find('?')).ends_with('/'))
      return redirect_to_slash(request.target, now);
    path += '/';
  }
  if (auto index = site.open_file(path + "index.html"); index && !index->directory)
    return file_answer(std::move(*index), request, "index.html", now);
  return text_answer(200, format_directory("/" + path, SiteDirectory::list(directory)), "text/html; charset=utf-8",
                     now);
}

void finish(HttpAnswer& a, bool keep_alive, bool send_body) {
  a.keep_alive = keep_alive;
  a.send_body = send_body;
  a.headers.push_back({"Content-Length", std::to_string(a.size)});
  a.headers.push_back({"Connection", keep_alive ? "keep-alive" : "close"});
}

HttpAnswer answer_to(const SiteDirectory& site, const HttpRequest& request, int64_t now) {
  if (request.method != "GET" && request.method != "HEAD") {
    HttpAnswer a = error_answer(405, "Only GET and HEAD are answered.", now);
    a.headers.push_back({"Allow", "GET, HEAD"});
    return a;
  }
  const auto path = http_target_path(request.target);
  if (!path) return error_answer(403, "The path leads out of the directory, or is none.", now);
  auto file = site.open_file(*path);
  if (!file) return error_answer(file.error(), "The file is not there, or may not be read.", now);
  if (file->directory) return directory_answer(site, std::move(*file), request, *path, now);
  return file_answer(std::move(*file), request, *path, now);
}

}  // namespace

HttpAnswer answer_http_request(const SiteDirectory& site, const HttpRequest& request, int64_t now) {
  HttpAnswer a = answer_to(site, request, now);
  // A body that is not read would be taken for the next request.
  finish(a, request.keep_alive() && !request.has_body(), request.method != "HEAD");
  return a;
}

HttpAnswer refuse_http_request(int status, int64_t now) {
  HttpAnswer a = error_answer(status, "The request cannot be understood.", now);
  finish(a, false, true);
  return a;
}

namespace {

Task<bool> send_file(TcpStream& stream, const HttpAnswer& a, HttpStatistics& statistics) {
  std::vector<uint8_t> piece(std::min<uint64_t>(a.size, kPiece));
  for (uint64_t done = 0; done < a.size;) {
    const size_t want = std::min<uint64_t>(piece.size(), a.size - done);
    const ssize_t n = ::pread(a.file.fd(), piece.data(), want, static_cast<off_t>(a.offset + done));
    if (n <= 0) co_return false;  // shorter than it was: the promise of Content-Length cannot be kept
    const Result<void> sent = co_await stream.send_all(std::span(piece).first(static_cast<size_t>(n)));
    if (!sent) co_return false;
    done += static_cast<uint64_t>(n);
    statistics.body_bytes += static_cast<uint64_t>(n);
  }
  co_return true;
}

// False if the connection is of no more use.
Task<bool> send_answer(TcpStream& stream, const HttpAnswer& a, HttpStatistics& statistics) {
  ++statistics.requests;
  ++statistics.by_status[a.status];
  std::string head = format_http_head(a.status, a.headers);
  if (a.send_body) {
    head += a.text;
    statistics.body_bytes += a.text.size();
  }
  const Result<void> sent = co_await stream.send_all(bytes_of(head));
  if (!sent) co_return false;
  if (!a.send_body || !a.file) co_return true;
  const bool whole = co_await send_file(stream, a, statistics);
  co_return whole;
}

// The next request, complete or bad; incomplete if the peer has gone or says nothing.
Task<HttpParse> read_request(Executor& executor, TcpStream& stream, std::string& buffer) {
  std::array<uint8_t, 4096> piece;
  for (;;) {
    HttpParse p = parse_http_request(buffer);
    if (p.state != HttpParse::State::incomplete) {
      buffer.erase(0, p.consumed);
      co_return p;
    }
    const Result<size_t> n = co_await with_timeout(executor, kIdle, stream.recv(piece));
    if (!n || *n == 0) co_return HttpParse();
    buffer.append(reinterpret_cast<const char*>(piece.data()), *n);
  }
}

// Lets the peer read the answer before the connection goes: closing with unread data would reset it.
Task<void> linger(Executor& executor, TcpStream& stream) {
  if (!stream.shutdown_write()) co_return;
  std::array<uint8_t, 4096> piece;
  const Instant end = executor.now() + 2s;
  while (executor.now() < end) {
    const Result<size_t> n = co_await with_timeout(executor, end - executor.now(), stream.recv(piece));
    if (!n || *n == 0) co_return;
  }
}

}  // namespace

Task<void> serve_http_connection(Executor& executor, TcpStream stream, HttpSite& site) {
  std::string buffer;
  for (;;) {
    const HttpParse p = co_await read_request(executor, stream, buffer);
    if (p.state == HttpParse::State::incomplete) co_return;
    const int64_t now = std::time(nullptr);
    const HttpAnswer a = p.state == HttpParse::State::bad ? refuse_http_request(p.status, now)
                                                          : answer_http_request(site.directory, p.request, now);
    const bool sent = co_await send_answer(stream, a, site.statistics);
    if (!sent) co_return;
    if (!a.keep_alive) break;
  }
  co_await linger(executor, stream);
}

}  // namespace glass
