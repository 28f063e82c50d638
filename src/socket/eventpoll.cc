#include "socket/eventpoll.h"

namespace glass {

namespace {
// Not conditions but ways to report them.
constexpr uint32_t kPrivateBits = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
constexpr uint32_t kInOut = EPOLLIN | EPOLLOUT;
constexpr uint32_t kExclusiveOk = kInOut | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
}  // namespace

eventpoll::~eventpoll() {
  while (!items_.empty()) remove(items_.begin());
}

void eventpoll::mark_ready(item& i) {
  if (i.ready) return;
  i.ready = true;
  ready_.push_back(&i);
}

// The file changed. The result says whether somebody was woken who can use it.
bool eventpoll::poll_callback(item& i, uint32_t events) {
  if (!(i.event.events & ~kPrivateBits)) return false;  // one shot, and it has been fired
  if (events && !(events & i.event.events)) return false;
  mark_ready(i);
  const bool waited_for = wait().active();
  wait().wake_up(POLLIN | POLLRDNORM);
  if (!(i.event.events & EPOLLEXCLUSIVE)) return true;
  if (!waited_for) return false;
  switch (events & kInOut) {
    case EPOLLIN: return i.event.events & EPOLLIN;
    case EPOLLOUT: return i.event.events & EPOLLOUT;
    case 0: return true;
    default: return false;
  }
}

Result<void> eventpoll::insert(File& file, int fd, epoll_event event) {
  auto made = std::make_unique<item>(*this, file, fd);
  item& i = *made;
  i.event = event;
  items_.emplace(Key{&file, fd}, std::move(made));
  if (event.events & EPOLLEXCLUSIVE)
    file.wait().add_exclusive(i);
  else
    file.wait().add(i);
  file.eventpolls.push_back(this);
  if (revents(i)) {
    mark_ready(i);
    wait().wake_up(POLLIN | POLLRDNORM);
  }
  return {};
}

Result<void> eventpoll::modify(item& i, epoll_event event) {
  if ((i.event.events | event.events) & EPOLLEXCLUSIVE) return Err(EINVAL);
  i.event = event;
  if (revents(i)) {
    mark_ready(i);
    wait().wake_up(POLLIN | POLLRDNORM);
  }
  return {};
}

void eventpoll::remove(std::map<Key, std::unique_ptr<item>>::iterator at) {
  item& i = *at->second;
  i.file.wait().remove(i);
  auto& sets = i.file.eventpolls;
  sets.erase(std::ranges::find(sets, this));
  if (i.ready) ready_.remove(&i);
  items_.erase(at);
}

void eventpoll::forget(File& file) {
  for (auto at = items_.begin(); at != items_.end();) {
    const auto here = at++;
    if (here->first.first == &file) remove(here);
  }
}

Result<void> eventpoll::ctl(int op, File& file, int fd, epoll_event event) {
  if (&file == this) return Err(EINVAL);
  const auto at = items_.find({&file, fd});
  if (op != EPOLL_CTL_DEL && (event.events & EPOLLEXCLUSIVE)) {
    if (op == EPOLL_CTL_MOD || dynamic_cast<eventpoll*>(&file) || (event.events & ~kExclusiveOk)) return Err(EINVAL);
  }
  event.events |= EPOLLERR | EPOLLHUP;
  switch (op) {
    case EPOLL_CTL_ADD: return at == items_.end() ? insert(file, fd, event) : Err(EEXIST);
    case EPOLL_CTL_MOD: return at == items_.end() ? Err(ENOENT) : modify(*at->second, event);
    case EPOLL_CTL_DEL:
      if (at == items_.end()) return Err(ENOENT);
      remove(at);
      return {};
    default: return Err(EINVAL);
  }
}

size_t eventpoll::take(std::span<epoll_event> events) {
  size_t n = 0;
  std::list<item*> candidates = std::move(ready_);
  ready_.clear();
  while (!candidates.empty() && n < events.size()) {
    item& i = *candidates.front();
    candidates.pop_front();
    i.ready = false;
    const uint32_t now = revents(i);
    if (!now) continue;
    events[n].events = now;
    events[n++].data = i.event.data;
    if (i.event.events & EPOLLONESHOT)
      i.event.events &= kPrivateBits;
    else if (!(i.event.events & EPOLLET))
      mark_ready(i);
  }
  ready_.splice(ready_.begin(), candidates);  // no room for these: they come first the next time
  return n;
}

uint32_t eventpoll::poll() {
  for (const item* i : ready_)
    if (revents(*i)) return POLLIN | POLLRDNORM;
  return 0;
}

}  // namespace glass
