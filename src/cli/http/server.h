// An HTTP/1.1 server for the files of one directory: GET and HEAD, keep-alive, ranges, directory pages.
//
//   HttpSite site{*SiteDirectory::open("."), stats};
//   spawn(loop, serve_http_connection(loop, std::move(stream), site));
//
// Files are read in pieces of 256 KiB that go straight into the connection; only one piece a connection is held in
// memory.
#pragma once
#include <map>
#include <span>

#include "async/socket.h"
#include "cli/http/files.h"

namespace glass {

struct HttpStatistics {
  uint64_t requests = 0, body_bytes = 0;
  std::map<int, uint64_t> by_status;
};

struct HttpSite {
  SiteDirectory directory;
  HttpStatistics& statistics;
};

// What to answer to a request; made without touching a connection.
struct HttpAnswer {
  int status = 200;
  HttpHeaders headers;  // all of them
  std::string text;     // the body, if it is no file
  FileHandle file;
  uint64_t offset = 0, size = 0;  // of the body
  bool keep_alive = true, send_body = true;
};
HttpAnswer answer_http_request(const SiteDirectory&, const HttpRequest&, int64_t now_seconds);
HttpAnswer refuse_http_request(int status, int64_t now_seconds);

// Serves one connection to its end. Site outlives it.
Task<void> serve_http_connection(Executor&, TcpStream, HttpSite&);

}  // namespace glass
