#include "view/sockets.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace glass {
namespace {

const std::vector<SocketRow> kRows{{"LISTEN", "0.0.0.0:80", "0.0.0.0:*", 0, 128, ""},
                                   {"ESTAB", "10.0.0.2:80", "10.0.0.1:40000", 0, 1448, "\t cubic wscale:7,7 rto:204"}};

TEST(Sockets, AllAsSsDoes) {
  const std::string text = format_sockets(kRows, true);
  EXPECT_EQ(text,
            "State      Recv-Q Send-Q Local Address:Port Peer Address:Port \n"
            "LISTEN     0      128          0.0.0.0:80        0.0.0.0:*\n"
            "ESTAB      0      1448        10.0.0.2:80       10.0.0.1:40000\n"
            "\t cubic wscale:7,7 rto:204\n");
}

TEST(Sockets, WithoutListeners) {
  const std::string text = format_sockets(kRows, false);
  EXPECT_EQ(text.find("LISTEN"), std::string::npos);
  EXPECT_NE(text.find("ESTAB"), std::string::npos);
}

TEST(Sockets, RowOfASocket) {
  const TcpSocketRow row{.state = "LISTEN",
                         .local = {IpAddress::v4(0), 80},
                         .remote = {IpAddress::v4(0), 0},
                         .recv_q = 1,
                         .send_q = 128,
                         .has_info = false,
                         .info = {},
                         .congestion_control = "cubic"};
  EXPECT_EQ(socket_row(row), (SocketRow{"LISTEN", "0.0.0.0:80", "0.0.0.0:*", 1, 128, ""}));
}

TEST(Sockets, JsonRoundTrip) {
  EXPECT_EQ(socket_rows_from_json(to_json(kRows)), kRows);
  EXPECT_TRUE(socket_rows_from_json(Json()).empty());
}

}  // namespace
}  // namespace glass
