// Connections as ss prints them.
//
//   fmt::print("{}", format_sockets(socket_rows(stack.tcp().sockets()), true));
#pragma once
#include <string>
#include <vector>

#include "tcp/tcp_info.h"
#include "view/json.h"
#include "view/text.h"

namespace glass {

// A TcpSocketRow as plain text, so that it can travel as JSON.
struct SocketRow {
  std::string state, local, remote;  // "10.0.0.1:80"; "0.0.0.0:*" for none
  uint64_t recv_q = 0, send_q = 0;
  std::string info;  // what `ss -ti` prints below; empty: nothing
  bool operator==(const SocketRow&) const = default;
};

SocketRow socket_row(const TcpSocketRow&);
std::vector<SocketRow> socket_rows(const std::vector<TcpSocketRow>&);

// all: as `ss -tani`; otherwise as `ss -tni`, without listeners, half-open and TIME-WAIT sockets.
std::string format_sockets(const std::vector<SocketRow>&, bool all, const Style& = {});

Json to_json(const std::vector<SocketRow>&);
std::vector<SocketRow> socket_rows_from_json(const Json&);

}  // namespace glass
