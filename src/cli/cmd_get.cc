// glass get: fetches a URL with a stack of our own.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "async/socket.h"
#include "async/spawn.h"
#include "async/timeout.h"
#include "cli/command.h"
#include "cli/http/files.h"
#include "cli/http/response.h"
#include "cli/network.h"

namespace glass {

namespace {

constexpr int kExitConnect = 7, kExitHttp = 22, kExitWrite = 23, kExitTimeout = 28, kExitReceive = 56;  // as curl's

struct GetOptions {
  std::string url, output;
  double timeout = 30;
  bool json = false, quiet = false;
};

struct Download {
  int exit_code = 0;
  std::string error;
  HttpResponse response;
  std::optional<uint64_t> size;
  uint64_t received = 0;
  bool done = false;

  void fail(int code, std::string text) {
    exit_code = code;
    error = std::move(text);
  }
};

// Where the body goes: standard output, or a file made only once there is a body.
class Output {
 public:
  explicit Output(std::string path) : path_(std::move(path)) {}
  bool open() {
    if (path_.empty()) return true;
    file_ = FileHandle(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    return static_cast<bool>(file_);
  }
  bool write(std::string_view data) {
    while (!data.empty()) {
      const ssize_t n = ::write(path_.empty() ? 1 : file_.fd(), data.data(), data.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      data.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  std::string name() const { return path_.empty() ? "standard output" : path_; }

 private:
  std::string path_;
  FileHandle file_;
};

std::string connect_error(const HttpUrl& url, int error) {
  switch (error) {
    case ECONNREFUSED:
      return fmt::format("{} refused the connection: nothing listens on port {} there", url.address, url.port);
    case ETIMEDOUT: return fmt::format("{} does not answer: timed out", url.address);
    case EHOSTUNREACH: return fmt::format("{} cannot be reached: no host answers at that address", url.address);
    case ENETUNREACH: return fmt::format("{} cannot be reached: no route leads there; give --gateway", url.address);
    default: return fmt::format("cannot connect to {}:{}: {}", url.address, url.port, errno_text(error));
  }
}

Duration seconds(double s) { return Duration(static_cast<int64_t>(s * 1e9)); }

// Reads until the head of the response is complete; the bytes beyond it stay in `buffer`.
Task<bool> read_head(Executor& executor, TcpStream& stream, std::string& buffer, Duration patience, Download& d) {
  std::vector<uint8_t> piece(16384);
  for (;;) {
    HttpResponseParse p = parse_http_response(buffer);
    if (p.state == HttpResponseParse::State::bad) {
      d.fail(kExitReceive, "the answer is not HTTP/1.x");
      co_return false;
    }
    if (p.state == HttpResponseParse::State::complete) {
      buffer.erase(0, p.response.consumed);
      if (p.response.status / 100 == 1) continue;  // an interim answer: the real one follows
      d.response = std::move(p.response);
      co_return true;
    }
    const Result<size_t> n = co_await with_timeout(executor, patience, stream.recv(piece));
    if (!n)
      d.fail(n.error() == ETIMEDOUT ? kExitTimeout : kExitReceive, fmt::format("no answer: {}", errno_text(n.error())));
    else if (*n == 0)
      d.fail(kExitReceive, "the server closed the connection without an answer");
    if (!d.error.empty()) co_return false;
    buffer.append(reinterpret_cast<const char*>(piece.data()), *n);
  }
}

Task<void> read_body(Executor& executor, TcpStream& stream, std::string rest, Duration patience, Output& out,
                     Download& d) {
  HttpBody body(d.response, false);
  d.size = body.size();
  bool written = true;
  const auto sink = [&](std::string_view data) {
    d.received += data.size();
    written = written && out.write(data);
  };
  body.feed(rest, sink);
  std::vector<uint8_t> piece(256 * 1024);
  while (written && body.state() == HttpBody::State::more) {
    const Result<size_t> n = co_await with_timeout(executor, patience, stream.recv(piece));
    if (!n)
      co_return d.fail(n.error() == ETIMEDOUT ? kExitTimeout : kExitReceive,
                       fmt::format("broken off after {}: {}", format_bytes(d.received), errno_text(n.error())));
    if (*n == 0 && body.end()) co_return;
    if (*n == 0)
      co_return d.fail(kExitReceive, fmt::format("the server closed the connection after {}, before the end",
                                                 format_bytes(d.received)));
    body.feed({reinterpret_cast<const char*>(piece.data()), *n}, sink);
  }
  if (!written)
    d.fail(kExitWrite, fmt::format("cannot write to {}: {}", out.name(), errno_text(errno)));
  else if (body.state() == HttpBody::State::bad)
    d.fail(kExitReceive, "the answer's body is malformed");
}

void check_status(Download& d) {
  const int status = d.response.status;
  if (status / 100 == 2) return;
  const std::string* location = find_header(d.response.headers, "Location");
  const std::string where = status / 100 == 3 && location ? fmt::format(": it moved to {}", *location) : "";
  d.fail(kExitHttp, fmt::format("the server answered {} {}{}", status, d.response.reason, where));
}

Task<void> fetch(Stack& stack, Executor& executor, HttpUrl url, IpAddress address, Duration patience, Output& out,
                 Download& d) {
  Result<TcpStream> stream =
      co_await with_timeout(executor, patience, TcpStream::connect(stack, executor, {address, url.port}));
  if (!stream)
    co_return d.fail(stream.error() == ETIMEDOUT ? kExitTimeout : kExitConnect, connect_error(url, stream.error()));
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: glass\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                  url.target, url.host);
  const Result<void> sent = co_await stream->send_all(bytes_of(request));
  if (!sent) co_return d.fail(kExitReceive, fmt::format("cannot send the request: {}", errno_text(sent.error())));
  std::string buffer;
  const bool head = co_await read_head(executor, *stream, buffer, patience, d);
  if (!head) co_return;
  check_status(d);
  if (!d.error.empty()) co_return;
  if (!out.open()) co_return d.fail(kExitWrite, fmt::format("cannot write to {}: {}", out.name(), errno_text(errno)));
  co_await read_body(executor, *stream, std::move(buffer), patience, out, d);
}

Task<void> fetch_and_mark(Stack& stack, Executor& executor, HttpUrl url, IpAddress address, Duration patience,
                          Output& out, Download& d) {
  co_await fetch(stack, executor, std::move(url), address, patience, out, d);
  d.done = true;
}

Task<void> show_progress(Executor& executor, const Download& d) {
  const Instant start = executor.now();
  for (;;) {
    co_await delay(executor, 200ms);
    const std::string of =
        d.size ? fmt::format(" of {} ({}%)", format_bytes(*d.size), *d.size ? d.received * 100 / *d.size : 100) : "";
    fmt::print(stderr, "\r\x1b[K{}{}, {}", format_bytes(d.received), of,
               format_rate(d.received, executor.now() - start));
    std::fflush(stderr);
  }
}

void report(const GetOptions& o, const Download& d, Duration time) {
  if (o.json) {
    const Json j{{"url", o.url},
                 {"status", d.response.status},
                 {"bytes", d.received},
                 {"seconds", static_cast<double>(time.count()) / 1e9},
                 {"output", o.output.empty() ? "-" : o.output}};
    if (o.output.empty())
      fmt::print(stderr, "{}\n", j.dump());
    else
      print(j.dump() + "\n");
  } else if (!o.quiet) {
    fmt::print(stderr, "{} in {}, {}\n", format_bytes(d.received), format_seconds(time), format_rate(d.received, time));
  }
}

int get(Session& session, const GetOptions& o) {
  const HttpUrlParse parsed = parse_http_url(o.url);
  if (!parsed.url) throw Failure(parsed.error, kExitUsage);
  const auto address = parse_ip(parsed.url->address);
  if (!address || !address->is_v4())
    throw Failure(fmt::format("'{}' is no IPv4 address: names are not resolved, write it as http://10.0.0.1:8080/path",
                              parsed.url->address),
                  kExitUsage);
  if (!(o.timeout > 0)) throw Failure("--timeout has to be more than 0 seconds", kExitUsage);
  Output out(o.output);
  Download d;
  auto network = value_or_fail(Network::open(session.link));
  const Instant start = EventLoop::clock();
  EventLoop& loop = network->loop();
  spawn(loop, fetch_and_mark(network->stack(), loop, *parsed.url, *address, seconds(o.timeout), out, d));
  const bool progress = !o.quiet && !o.json && on_terminal(2);
  if (progress) spawn(loop, show_progress(loop, d));
  network->run_until([&] { return d.done; });
  const Duration time = EventLoop::clock() - start;
  if (progress) fmt::print(stderr, "\r\x1b[K");
  loop.cancel_all();
  network->drain(500ms);
  if (!network->failure().empty()) throw Failure(network->failure());
  if (!d.done) throw Failure(fmt::format("interrupted after {}", format_bytes(d.received)), 130);
  if (!d.error.empty()) throw Failure(d.error, d.exit_code);
  report(o, d, time);
  return 0;
}

}  // namespace

void add_get(CLI::App& app, Session& session) {
  CLI::App* cmd = app.add_subcommand("get", "fetch a file over HTTP");
  auto o = std::make_shared<GetOptions>();
  cmd->add_option("url", o->url, "http://A.B.C.D[:PORT]/path; addresses only, names are not resolved")
      ->required()
      ->type_name("URL");
  cmd->add_option("-o,--output", o->output, "write to this file instead of standard output")->type_name("FILE");
  cmd->add_option("--timeout", o->timeout, "give up after so long without progress")
      ->capture_default_str()
      ->type_name("SEC");
  cmd->add_flag("-q,--quiet", o->quiet, "no progress, no closing line");
  cmd->add_flag("--json", o->json, "the closing line as JSON (to standard error if the file goes to standard output)");
  add_link_options(*cmd, session.link);
  cmd->footer(
      "Example: glass get http://10.0.0.1:8000/big.iso -o big.iso --tap tap0 --addr 10.0.0.2/24 --host-addr "
      "10.0.0.1/24\n"
      "Exit code: 0 fetched, 2 wrong usage, 7 cannot connect, 22 the server answered with an error, 23 cannot write, "
      "28 timed out,\n"
      "56 the connection or the answer broke, 130 interrupted, 1 anything else.");
  on_run(*cmd, session, [&session, o] { return get(session, *o); });
}

}  // namespace glass
