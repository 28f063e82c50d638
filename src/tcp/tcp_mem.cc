// Memory of all connections of one stack, in pages, against net.ipv4.tcp_mem (Linux's sk_forward_alloc accounting).
//
// A socket takes whole pages in advance and charges packets to them; what is left over goes back as soon as it is a
// page or more. Above the second limit the stack is under pressure until it falls below the first; above the third only
// small sockets get more.
#include <algorithm>

#include "net/sock_opt.h"
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

constexpr int kPageShift = 12, kPage = 1 << kPageShift;

int64_t pages(int64_t bytes) { return (bytes + kPage - 1) >> kPageShift; }

void enter_memory_pressure(const tcp_sock* tp) {
  if (tp->tcp().memory_pressure) return;
  tp->tcp().memory_pressure = true;
  tp->tcp().memory_pressure_since = now_of(tp);
  count(tp, Mib::TcpExtTCPMemoryPressures);
}

void leave_memory_pressure(const tcp_sock* tp) {
  if (!tp->tcp().memory_pressure) return;
  tp->tcp().memory_pressure = false;
  const int64_t ms = to_usecs(now_of(tp) - tp->tcp().memory_pressure_since) / 1000;
  count(tp, Mib::TcpExtTCPMemoryPressuresChrono, static_cast<uint64_t>(std::max<int64_t>(ms, 1)));
}

// Where the stack stands with what it holds now.
enum class Held { little, much, too_much };

Held look_at_limits(const tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  const int64_t allocated = tp->tcp().memory_allocated;
  if (allocated <= s.tcp_mem[0]) {
    leave_memory_pressure(tp);
    return Held::little;
  }
  if (allocated > s.tcp_mem[1]) enter_memory_pressure(tp);
  return allocated > s.tcp_mem[2] ? Held::too_much : Held::much;
}

// May the stack hold as much as it does now, for what this socket receives?
bool may_raise(const tcp_sock* tp) {
  const Sysctl& s = net_of(tp).sysctl;
  const Held held = look_at_limits(tp);
  if (held != Held::much) return held == Held::little;
  if (tp->sk_rmem_alloc < s.tcp_rmem[0] || !tp->tcp().memory_pressure) return true;
  // Under pressure every socket may have its share.
  const int64_t mine = pages(int64_t{tp->sk_wmem_queued} + tp->sk_rmem_alloc + tp->sk_forward_alloc);
  return s.tcp_mem[2] > mine * std::max<int64_t>(static_cast<int64_t>(tp->tcp().sockets_allocated), 1);
}

void take(tcp_sock* tp, int64_t n) {
  tp->sk_forward_alloc += static_cast<int32_t>(n << kPageShift);
  tp->tcp().memory_allocated += n;
}

void tcp_rfree(sk_buff* skb) {
  tcp_sock* tp = tcp_sk(skb->sk);
  tp->sk_rmem_alloc -= static_cast<int32_t>(skb->truesize);
  sk_mem_uncharge(tp, skb->truesize);
}

}  // namespace

bool sk_rmem_schedule(tcp_sock* tp, uint32_t size) {
  const int64_t missing = int64_t{size} - tp->sk_forward_alloc;
  if (missing <= 0) return true;
  take(tp, pages(missing));
  if (may_raise(tp)) return true;
  take(tp, -pages(missing));
  return false;
}

// What is written is kept; beyond the last limit the send buffer shrinks to half of what it holds, so that the writer
// stops there.
void sk_wmem_schedule(tcp_sock* tp, uint32_t size) {
  const int64_t missing = int64_t{size} - tp->sk_forward_alloc;
  if (missing <= 0) return;
  take(tp, pages(missing));
  if (look_at_limits(tp) == Held::too_much && !(tp->sk_userlocks & SOCK_SNDBUF_LOCK))
    tp->sk_sndbuf = std::max(std::min(tp->sk_sndbuf, tp->sk_wmem_queued >> 1), SOCK_MIN_SNDBUF);
}

void sk_forced_mem_schedule(tcp_sock* tp, uint32_t size) {
  const int64_t missing = int64_t{size} - tp->sk_forward_alloc;
  if (missing > 0) take(tp, pages(missing));
}

void sk_mem_charge(tcp_sock* tp, uint32_t size) { tp->sk_forward_alloc -= static_cast<int32_t>(size); }

void sk_mem_uncharge(tcp_sock* tp, uint32_t size) {
  tp->sk_forward_alloc += static_cast<int32_t>(size);
  if (tp->sk_forward_alloc < kPage) return;
  take(tp, -(int64_t{tp->sk_forward_alloc} >> kPageShift));
  if (tp->tcp().memory_pressure && tp->tcp().memory_allocated < net_of(tp).sysctl.tcp_mem[0]) leave_memory_pressure(tp);
}

void tcp_set_owner_r(const Skb& skb, tcp_sock* tp) {
  skb->sk = tp;
  skb->destructor = tcp_rfree;
  tp->sk_rmem_alloc += static_cast<int32_t>(skb->truesize);
  sk_mem_charge(tp, skb->truesize);
}

}  // namespace glass
