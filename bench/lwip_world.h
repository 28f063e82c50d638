// lwIP as Debian builds it, two netifs of one process joined in memory, through its raw (callback) API.
//
// The library is made for threads (NO_SYS=0), but nothing makes one here: without tcpip_init() there is no lwIP thread
// and no core lock to hold, and its timers run when turn() asks for them. lwIP keeps all its state in globals, so there
// is one of this. Its window is fixed when the library is built: see describe().
#pragma once
#include <lwip/tcp.h>

#include <string>
#include <vector>

#include "common.h"

namespace bench {

// One direction of the wire. A segment with data crosses as lwIP's fastest driver would do it: headers copied, since
// the receiver rewrites them, the payload by reference.
class Wire {
 public:
  void send(pbuf*);
  // Delivers what was queued when the call began, to `to`. Returns how many.
  unsigned deliver(netif& to);
  uint64_t packets() const { return packets_; }

 private:
  std::vector<pbuf*> queue_, batch_;
  uint64_t packets_ = 0;
};

class LwipWorld {
 public:
  static constexpr u16_t kPort = 80;

  LwipWorld();
  // Stops and forgets every connection.
  ~LwipWorld();
  LwipWorld(const LwipWorld&) = delete;
  LwipWorld& operator=(const LwipWorld&) = delete;

  static std::string describe();

  // Delivers what is on the wire, b first. False if there was nothing.
  bool turn();
  void settle() {
    while (turn()) {
    }
  }
  // As if the time of TIME_WAIT had passed: one slow timer late enough to see it over. Kinder than the 240 ticks it
  // takes.
  static void pass_time_wait();
  // One tick of the fast and slow TCP timers: delayed ACKs leave.
  static void run_timers();

  // Callbacks for the server's side come with `arg`; for the client's they are the caller's to set.
  void listen(void* arg, tcp_accept_fn);
  // A connection from a to b; null if it did not come about.
  tcp_pcb* connect();

  static uint64_t data_segments();
  static uint64_t acks();

 private:
  CoarseClock clock_;
  unsigned turns_ = 0;
  tcp_pcb* listener_ = nullptr;
};

}  // namespace bench
