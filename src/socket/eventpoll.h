// epoll over the files of one program, with Linux's edges.
//
//   auto ep = std::make_shared<eventpoll>();
//   ep->ctl(EPOLL_CTL_ADD, file, fd, {.events = EPOLLIN | EPOLLET, .data = {.fd = fd}});
//   size_t n = ep->take(events);           // what epoll_wait(2) with a time-out of 0 would give
//
// A set keeps a list of items that may be ready: a wake-up of the file that concerns an item puts it there, and take()
// asks each what is true now. A level-triggered item that was reported stays on the list; an edge-triggered one comes
// back with the next wake-up, whether or not anything that was reported has been dealt with. A set is a File itself and
// may stand in another one. It does not own the files; a file that ends leaves its sets.
#pragma once
#include <list>
#include <map>

#include "socket/file.h"

namespace glass {

class eventpoll final : public File {
 public:
  eventpoll() = default;
  ~eventpoll() override;

  // EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL. EEXIST, ENOENT, EINVAL as epoll_ctl(2).
  Result<void> ctl(int op, File& file, int fd, epoll_event event = {});
  // Up to events.size() of what is ready, oldest wake-up first.
  size_t take(std::span<epoll_event> events);

  uint32_t poll() override;
  void forget(File&);  // the file ends

 private:
  struct item final : wait_queue_entry {
    item(eventpoll& e, File& f, int d) : ep(e), file(f), fd(d) {}
    bool wake(uint32_t events) override { return ep.poll_callback(*this, events); }
    eventpoll& ep;
    File& file;
    int fd;
    epoll_event event{};
    bool ready = false;  // on the list
  };
  using Key = std::pair<const File*, int>;

  bool poll_callback(item&, uint32_t events);
  Result<void> insert(File&, int fd, epoll_event);
  Result<void> modify(item&, epoll_event);
  void remove(std::map<Key, std::unique_ptr<item>>::iterator);
  void mark_ready(item&);
  static uint32_t revents(const item& i) { return i.file.poll() & i.event.events; }

  std::map<Key, std::unique_ptr<item>> items_;
  std::list<item*> ready_;
};

}  // namespace glass
