// Server and client of the control socket in one process: the server's loop is turned between question and answer.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/control_path.h"
#include "cli/control_server.h"
#include "cli/http/test_site.h"
#include "view/json_fields.h"

namespace glass {
namespace {

const DropPlace* a_place() { return DROP(IP_CSUM); }

class Control : public testing::Test {
 protected:
  void SetUp() override {
    loop_.add_stack(stack_);
    path_ = directory_.path() + "/c.sock";
    auto server = ControlServer::open(path_, stack_, loop_);
    ASSERT_TRUE(server) << server.error();
    server_ = std::move(*server);
    fd_ = connect();
  }
  void TearDown() override { ::close(fd_); }

  int connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  void send(const std::string& text) {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  // Turns the loop until a line has come.
  Json line() {
    char buffer[65536];
    const bool got = loop_.run_until(
        [&] {
          const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
          if (n > 0) input_.append(buffer, static_cast<size_t>(n));
          return input_.find('\n') != std::string::npos;
        },
        10s);
    EXPECT_TRUE(got) << "no answer";
    const size_t end = input_.find('\n');
    const Json j = Json::parse(input_.substr(0, end), nullptr, false);
    input_.erase(0, end + 1);
    return j;
  }
  Json ask(const std::string& text) {
    send(text + "\n");
    return line();
  }

  TestSite directory_;
  std::string path_, input_;
  Stack stack_;
  EventLoop loop_;
  std::unique_ptr<ControlServer> server_;
  int fd_ = -1;
};

TEST_F(Control, AnswersQuestions) {
  stack_.trace().count(Mib::TcpInSegs, 3);
  stack_.trace().drop(a_place(), 1, 60, nullptr, 0);
  EXPECT_EQ(ask(R"({"cmd":"counters"})")["counters"]["TcpInSegs"], 3);
  const Json drops = ask(R"({"cmd":"drops"})")["drops"];
  ASSERT_EQ(drops.size(), 1u);
  EXPECT_EQ(text_field(drops[0], "function"), "a_place");
  EXPECT_EQ(number_field(drops[0], "count"), 1u);
  EXPECT_TRUE(ask(R"({"cmd":"sockets"})")["sockets"].is_array());
  EXPECT_EQ(ask(R"({"cmd":"softnet"})")["softnet"]["devices"][0]["name"], "lo");
  EXPECT_EQ(ask(R"({"cmd":"info"})")["pid"], getpid());
}

TEST_F(Control, AnswersNonsenseWithAnError) {
  for (const char* text :
       {"", "hello", "{}", "[]", "3", R"({"cmd":7})", R"({"cmd":"watch","what":"birds"})", "{\"cmd\":\"\xff\"}"}) {
    const Json reply = ask(text);
    EXPECT_FALSE(bool_field(reply, "ok")) << text;
    EXPECT_FALSE(text_field(reply, "error").empty()) << text;
  }
}

TEST_F(Control, ReportsDropsAsTheyHappen) {
  EXPECT_TRUE(bool_field(ask(R"({"cmd":"watch","what":"drops"})"), "ok"));
  EXPECT_FALSE(stack_.trace().on()) << "drops alone need no trace";
  stack_.trace().drop(a_place(), 7, 60, nullptr, 0);
  const Json drop = line();
  EXPECT_EQ(text_field(drop, "reason"), "IP_CSUM");
  EXPECT_EQ(number_field(drop, "skb"), 7u);
}

TEST_F(Control, TracesOnlyWhileSomebodyWatches) {
  static constexpr FunctionInfo kFunction{"ip_rcv", "src/ip/x.cc", 3};
  EXPECT_TRUE(bool_field(ask(R"({"cmd":"watch","what":"events"})"), "ok"));
  EXPECT_TRUE(stack_.trace().on());
  stack_.trace().enter(&kFunction, 9, 60);
  stack_.trace().leave();
  EXPECT_EQ(text_field(line(), "function"), "ip_rcv");
  ::shutdown(fd_, SHUT_RDWR);
  EXPECT_TRUE(loop_.run_until([&] { return !stack_.trace().on(); }, 10s));
}

TEST_F(Control, SlowReadersLoseEventsAndAreTold) {
  EXPECT_TRUE(bool_field(ask(R"({"cmd":"watch","what":"drops"})"), "ok"));
  for (int i = 0; i < 100'000; ++i) stack_.trace().drop(a_place(), 1, 60, nullptr, 0);
  uint64_t shown = 0, lost = 0;
  while (shown + lost < 100'000) {
    const Json j = line();
    const uint64_t n = number_field(j, "lost");
    n ? lost += n : ++shown;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_EQ(shown + lost, 100'000u);
  EXPECT_GT(lost, 0u);
}

TEST_F(Control, PathInUseAndPathLeftBehind) {
  auto second = ControlServer::open(path_, stack_, loop_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("in use by another glass"), std::string::npos);
  EXPECT_FALSE(ControlServer::open("/" + std::string(200, 'x'), stack_, loop_));
  EXPECT_FALSE(ControlServer::open("/nonexistent/c.sock", stack_, loop_));
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST(ControlPath, DirectoriesInOrder) {
  EXPECT_EQ(control_directories({"/run/user/7", 7}), (std::vector<std::string>{"/run/user/7/glass", "/tmp/glass-7"}));
  EXPECT_EQ(control_directories({"", 0}), (std::vector<std::string>{"/run/glass", "/tmp/glass-0"}));
}

TEST(ControlPath, MakesAPrivateDirectory) {
  TestSite directory;
  const ControlEnvironment environment{directory.path(), geteuid()};
  const auto path = make_control_path(environment, 42);
  ASSERT_TRUE(path) << path.error();
  EXPECT_EQ(*path, directory.path() + "/glass/42.sock");
  EXPECT_FALSE(control_socket_alive(*path));
  EXPECT_EQ(find_control_path(environment, "/some/where", 0), "/some/where");
  EXPECT_FALSE(find_control_path({directory.path(), 4294967294u}, "", 0)) << "nobody runs there";
}

}  // namespace
}  // namespace glass
