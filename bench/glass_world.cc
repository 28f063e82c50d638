#include "glass_world.h"

#include <fmt/format.h>

#include <stdexcept>

#include "net/sysctl.h"

namespace bench {

using namespace glass;

namespace {

void set_buffers(Stack& stack, int64_t bytes) {
  for (const char* name : {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"})
    if (!set_sysctl(stack.ns().sysctl, name, fmt::format("4096 {} {}", bytes, bytes)))
      throw std::runtime_error(fmt::format("{} cannot be set", name));
}

}  // namespace

void Endpoint::open(Stack& stack, int descriptor, Ready& ready) {
  fd = descriptor;
  ready_ = &ready;
  events = 0;
  queued = false;
  stack.sockets().set_waiter(fd, this);
  stack.sockets().sys_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1).value();
}

World::World(WorldOptions options) : link(options.link) {
  a0 = &a.add_device("eth0", link.a());
  b0 = &b.add_device("eth0", link.b());
  a.ip().add_address(*a0, {a_addr_, 24});
  b.ip().add_address(*b0, {b_addr_, 24});
  for (Stack* s : {&a, &b}) set_buffers(*s, options.receive_buffer);
  settle();
  listener = b.sockets().sys_socket(AF_INET, SOCK_STREAM, 0).value();
  b.sockets().sys_bind(listener, {IpAddress::v4(0), kPort}).value();
  b.sockets().sys_listen(listener, 128).value();
}

bool World::connect(Endpoint& client, Endpoint& server) {
  const Result<int> c = a.sockets().sys_socket(AF_INET, SOCK_STREAM, 0);
  if (!c) return false;
  client.open(a, *c, ready_a);
  if (Result<void> r = a.sockets().sys_connect(*c, {b_addr_, kPort}); !r && r.error() != EINPROGRESS) return false;
  settle();
  const Result<int> s = b.sockets().sys_accept(listener);
  if (!s) return false;
  server.open(b, *s, ready_b);
  for (Endpoint* e : ready_a) e->take_events();
  ready_a.clear();
  return true;
}

}  // namespace bench
