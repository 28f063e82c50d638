// Answers questions about a running stack on a unix socket: one JSON object a line, both ways.
//
//   {"cmd":"counters"}                 -> {"ok":true,"counters":{...}}
//   {"cmd":"drops"} {"cmd":"stacks"} {"cmd":"sockets"} {"cmd":"softnet"} {"cmd":"info"}
//   {"cmd":"trace"}                    -> {"ok":true}; the path trace is on until the last who asked for it has gone
//   {"cmd":"watch","what":"drops"}     -> {"ok":true}, then one line a drop
//   {"cmd":"watch","what":"events"}    -> {"ok":true}, then one line an event (switches the trace on)
//
// A line that cannot be understood is answered with {"ok":false,"error":"..."}. Whoever reads too slowly loses events
// and is told how many: {"lost":n}. Stack and loop outlive the server; it is the trace's sink while somebody watches.
#pragma once
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "runtime/event_loop.h"
#include "view/json.h"

namespace glass {

class ControlServer final : public TraceSink {
 public:
  // Empty path: the usual one for this process.
  static std::expected<std::unique_ptr<ControlServer>, std::string> open(const std::string& path, Stack&, EventLoop&);
  ~ControlServer() override;
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  const std::string& path() const { return path_; }
  void on_drop(const TraceEvent&, const uint8_t* packet, size_t size) override;
  void on_event(const TraceEvent&) override;

 private:
  struct Client;
  class Flusher final : public Runnable {
   public:
    Flusher(EventLoop& loop, ControlServer& server) : Runnable(&loop), server_(server) {}
    void run() override { server_.flush(); }

   private:
    ControlServer& server_;
  };

  ControlServer(Stack&, EventLoop&);
  std::expected<void, std::string> listen_at(const std::string& path);
  void accept_clients();
  void read_from(int fd);
  void answer_lines(Client&);
  Json answer(Client&, const std::string& line);
  Json watch(Client&, const std::string& what);
  void adjust_trace();
  void flush();
  bool write_to(Client&);
  void forget(int fd);

  Stack& stack_;
  EventLoop& loop_;
  std::string path_;
  int listen_fd_ = -1;
  bool tracing_ = false;
  std::vector<std::unique_ptr<Client>> clients_;
  Flusher flusher_{loop_, *this};
  ExecutorTimer retry_{flusher_};
};

}  // namespace glass
