#include "view/sockets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "view/json_fields.h"

namespace glass {

namespace {

std::string endpoint(const SocketAddress& a) {
  return a.port ? to_string(a) : fmt::format("{}:*", to_string(a.address));
}

// The port is aligned, not the address, as ss does.
struct Endpoint {
  std::string_view address, port;
  explicit Endpoint(std::string_view text) {
    const size_t colon = text.rfind(':');
    address = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  }
};

bool is_quiet(const SocketRow& r) {
  constexpr std::array<std::string_view, 4> kQuiet{"LISTEN", "TIME-WAIT", "SYN-RECV", "UNCONN"};
  return std::ranges::find(kQuiet, r.state) != kQuiet.end();
}

struct Widths {
  size_t local = 13, local_port = 4, remote = 12, remote_port = 4;
};

Widths widths_of(const std::vector<SocketRow>& rows) {
  Widths w;
  for (const SocketRow& r : rows) {
    const Endpoint l(r.local), p(r.remote);
    w.local = std::max(w.local, l.address.size());
    w.local_port = std::max(w.local_port, l.port.size());
    w.remote = std::max(w.remote, p.address.size());
    w.remote_port = std::max(w.remote_port, p.port.size());
  }
  return w;
}

}  // namespace

SocketRow socket_row(const TcpSocketRow& r) {
  return {r.state, endpoint(r.local), endpoint(r.remote), r.recv_q, r.send_q, r.has_info ? format_tcp_info(r) : ""};
}

std::vector<SocketRow> socket_rows(const std::vector<TcpSocketRow>& rows) {
  std::vector<SocketRow> out;
  for (const TcpSocketRow& r : rows) out.push_back(socket_row(r));
  return out;
}

std::string format_sockets(const std::vector<SocketRow>& all_rows, bool all, const Style& style) {
  std::vector<SocketRow> rows;
  std::ranges::copy_if(all_rows, std::back_inserter(rows), [&](const SocketRow& r) { return all || !is_quiet(r); });
  const Widths w = widths_of(rows);
  const auto line = [&](std::string_view state, std::string_view recv_q, std::string_view send_q, const Endpoint& l,
                        const Endpoint& p) {
    return fmt::format("{:<11}{:<7}{:<7}{:>{}}:{:<{}} {:>{}}:{:<{}}", state, recv_q, send_q, l.address, w.local, l.port,
                       w.local_port, p.address, w.remote, p.port, w.remote_port);
  };
  std::string out =
      style.bold(line("State", "Recv-Q", "Send-Q", Endpoint("Local Address:Port"), Endpoint("Peer Address:Port")));
  out += '\n';
  for (const SocketRow& r : rows) {
    out += line(r.state, std::to_string(r.recv_q), std::to_string(r.send_q), Endpoint(r.local), Endpoint(r.remote));
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
    const size_t text = r.info.find_first_not_of(" \t");
    if (text != std::string::npos) out += "\t " + r.info.substr(text) + "\n";
  }
  return out;
}

Json to_json(const std::vector<SocketRow>& rows) {
  Json j = Json::array();
  for (const SocketRow& r : rows)
    j.push_back({{"state", r.state},
                 {"recv_q", r.recv_q},
                 {"send_q", r.send_q},
                 {"local", r.local},
                 {"remote", r.remote},
                 {"info", r.info}});
  return j;
}

std::vector<SocketRow> socket_rows_from_json(const Json& j) {
  std::vector<SocketRow> rows;
  if (!j.is_array()) return rows;
  for (const Json& item : j)
    rows.push_back({text_field(item, "state"), text_field(item, "local"), text_field(item, "remote"),
                    number_field(item, "recv_q"), number_field(item, "send_q"), text_field(item, "info")});
  return rows;
}

}  // namespace glass
