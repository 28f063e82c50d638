// A queue of packets (Linux's sk_buff_head), and the same without a count (sk_buff_list), of which a socket has three.
// It owns what is in it; it must be empty, or purged with a reason, when it dies.
//
//   q.push_back(std::move(skb));   while (Skb s = q.pop_front()) ...   q.purge(DROP(QUEUE_PURGE));
#pragma once
#include "skb/skb.h"

namespace glass {

namespace detail {
class SkbCount {
 public:
  uint32_t qlen() const { return qlen_; }

 protected:
  void counted(int n) { qlen_ += static_cast<uint32_t>(n); }

 private:
  uint32_t qlen_ = 0;
};
class NoSkbCount {
 protected:
  void counted(int) {}
};
}  // namespace detail

template <class Count>
class SkbQueue : public Count {
 public:
  SkbQueue() = default;
  ~SkbQueue() { purge(nullptr); }
  SkbQueue(const SkbQueue&) = delete;
  SkbQueue& operator=(const SkbQueue&) = delete;

  bool empty() const { return !first_; }
  sk_buff* front() const { return first_; }
  sk_buff* back() const { return last_; }

  void push_back(Skb s) { link(s.release(), last_, nullptr); }
  void push_front(Skb s) { link(s.release(), nullptr, first_); }
  void insert_after(sk_buff* where, Skb s) { link(s.release(), where, where->next); }
  void insert_before(sk_buff* where, Skb s) { link(s.release(), where->prev, where); }
  Skb pop_front() { return first_ ? unlink(first_) : Skb(); }
  Skb pop_back() { return last_ ? unlink(last_) : Skb(); }
  Skb unlink(sk_buff* s) {
    (s->prev ? s->prev->next : first_) = s->next;
    (s->next ? s->next->prev : last_) = s->prev;
    s->next = s->prev = nullptr;
    this->counted(-1);
    return Skb(s);
  }
  // Ends everything queued: dropped for `why`, or consumed if `why` is null.
  void purge(Verdict why) {
    while (Skb s = pop_front()) {
      if (why)
        kfree_skb_reason(std::move(s), why);
      else
        consume_skb(std::move(s));
    }
  }

 private:
  void link(sk_buff* s, sk_buff* before, sk_buff* behind) {
    s->prev = before;
    s->next = behind;
    (before ? before->next : first_) = s;
    (behind ? behind->prev : last_) = s;
    this->counted(1);
  }
  sk_buff *first_ = nullptr, *last_ = nullptr;
};

using sk_buff_head = SkbQueue<detail::SkbCount>;
using sk_buff_list = SkbQueue<detail::NoSkbCount>;

}  // namespace glass
