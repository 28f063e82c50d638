// Small queues: a connection does not fill a qdisc with packets that could as well wait in its own queue, where they
// can still grow, be paced and be told from what is lost. Only packets that a qdisc holds back are counted
// (sk_wmem_alloc); a driver takes a packet at once.
#include <algorithm>

#include "tcp/tcp_internal.h"

namespace glass {

namespace {

tcp_sock* owner(const sk_buff* skb) { return tcp_sk(skb->sk); }

// A packet has left the qdisc, or was dropped there.
void tcp_wfree(sk_buff* skb) {
  tcp_sock* tp = owner(skb);
  tp->sk_wmem_alloc -= static_cast<int32_t>(skb->truesize);
  if (tp->sk_gone) {
    if (!tp->sk_wmem_alloc) tcp_free(tp);
    return;
  }
  if (tp->tsq_throttled && !tp->tsq_queued) tp->tcp().tsq_schedule(tp);
}

bool one_or_none(const tcp_sock* tp) { return tp->tcp_rtx_queue.front() == tp->tcp_rtx_queue.back(); }

}  // namespace

void tcp_set_owner_w(tcp_sock* tp, const Skb& skb) {
  skb->sk = tp;
  skb->destructor = tcp_wfree;
  tp->sk_wmem_alloc += static_cast<int32_t>(skb->truesize);
}

bool __tcp_small_queue_check(tcp_sock* tp, const sk_buff* s) {
  uint64_t limit = std::max<uint64_t>(2 * uint64_t{s->truesize}, tp->sk_pacing_rate >> 10);
  limit = std::min(limit, static_cast<uint64_t>(net_of(tp).sysctl.tcp_limit_output_bytes));
  if (static_cast<uint64_t>(tp->sk_wmem_alloc) <= limit || one_or_none(tp)) return false;
  tp->tsq_throttled = true;
  return true;
}

// The connections whose packets have left go on, outside of the qdisc's own work.
void Tcp::tsq_schedule(tcp_sock* tp) {
  tp->tsq_queued = true;
  tsq_.push_back(tp);
  if (!tsq_timer_.pending()) net_.timers.mod_timer(&tsq_timer_, net_.now);
}

void Tcp::tsq_forget(tcp_sock* tp) {
  if (!tp->tsq_queued) return;
  tp->tsq_queued = false;
  std::replace(tsq_.begin(), tsq_.end(), tp, static_cast<tcp_sock*>(nullptr));
}

void Tcp::tcp_tsq_handler(timer_list* t) {
  Tcp& tcp = *static_cast<TsqTimer*>(t)->tcp;
  for (size_t i = 0; i < tcp.tsq_.size(); ++i) {
    tcp_sock* tp = tcp.tsq_[i];
    if (!tp) continue;
    tp->tsq_queued = tp->tsq_throttled = false;
    tcp_pace_kick(tp);
  }
  tcp.tsq_.clear();
}

}  // namespace glass
