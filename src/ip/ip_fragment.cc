#include "ip/ip_fragment.h"

#include <boost/intrusive/rbtree_algorithms.hpp>

#include "ip/state.h"
#include "skb/rbtree.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace glass {

namespace {

// A waiting fragment's notes. The packet's data is its payload alone; the IP header stays in front of it. IpCb comes
// first: it is wanted afterwards.
struct FragCb {
  IpCb ip;
  uint32_t offset, end;
};
FragCb& cb(sk_buff* s) { return *SKB_CB<FragCb>(s); }

using Tree = boost::intrusive::rbtree_algorithms<SkbTreeTraits>;

// RFC 3168 section 5.3. Bits: the ECN fields seen. A mark survives; marked and not-ECT fragments do not belong
// together.
constexpr int kEcnInvalid = -1;
int ecn_of(uint8_t seen) {
  const bool not_ect = seen & 1 << INET_ECN_NOT_ECT, ce = seen & 1 << INET_ECN_CE;
  if (not_ect && seen != 1 << INET_ECN_NOT_ECT) return kEcnInvalid;
  return ce ? INET_ECN_CE : 0;
}

}  // namespace

enum class FragResult { held, complete, duplicate, overlap, invalid };

class FragmentQueue {
 public:
  timer_list timer;  // first: found back from it

  FragmentQueue(Ip& ip, const FragmentKey& key) : ip_(ip), key_(key) {
    timer.function = [](timer_list* t) { reinterpret_cast<FragmentQueue*>(t)->ip_expire(); };
    Tree::init_header(&root_);
    ip.ns().timers.mod_timer(&timer, ip.ns().now + std::chrono::seconds(ip.ns().sysctl.ipfrag_time));
  }
  ~FragmentQueue() { ip_.ns().timers.del_timer(&timer); }
  FragmentQueue(const FragmentQueue&) = delete;
  FragmentQueue& operator=(const FragmentQueue&) = delete;

  const FragmentKey& key() const { return key_; }
  bool holds_from(const net_device& dev) const {
    for (sk_buff* s = first(); s != &root_; s = Tree::next_node(s))
      if (s->dev == &dev) return true;
    return false;
  }

  FragResult ip_frag_queue(Skb& skb);
  Skb ip_frag_reasm();
  void purge(Verdict why) {
    while (Skb s = pop_front()) kfree_skb_reason(std::move(s), why);
  }

 private:
  void ip_expire();
  bool fits_last(uint32_t end, bool more);
  FragResult insert(Skb&);
  bool covered(sk_buff* from, uint32_t end) const;
  sk_buff* first() const { return Tree::begin_node(&root_); }
  Skb pop_front() {
    sk_buff* s = first();
    if (s == &root_) return {};
    Tree::erase(&root_, s);
    s->next = s->prev = nullptr;
    ip_.state().fragments.charge(-int64_t{s->truesize});
    return Skb(s);
  }

  Ip& ip_;
  FragmentKey key_;
  mutable sk_buff root_{};
  uint32_t len_ = 0;   // end of the last byte known of
  uint32_t meat_ = 0;  // bytes here
  uint32_t max_size_ = 0, max_df_size_ = 0;
  uint8_t ecn_ = 0;
  bool first_in_ = false, last_in_ = false;
};

// Whether a fragment that ends at `end` agrees with what is known of the datagram's end.
bool FragmentQueue::fits_last(uint32_t end, bool more) {
  if (!more) {
    if (end < len_ || (last_in_ && end != len_)) return false;
    last_in_ = true;
    len_ = end;
    return true;
  }
  if (end > len_) {
    if (last_in_) return false;
    len_ = end;
  }
  return true;
}

FragResult FragmentQueue::ip_frag_queue(Skb& skb) {
  PROBE(ip_.ns().trace, skb);
  const auto* iph = reinterpret_cast<const iphdr*>(skb->network());
  const auto ihl = static_cast<uint32_t>(iph->ihl());
  const bool more = iph->more_fragments();
  FragCb& c = cb(skb.get());
  c.offset = static_cast<uint32_t>(iph->fragment_offset());
  c.end = c.offset + skb->len - ihl;
  if (more) c.end &= ~7u;
  if (!fits_last(c.end, more) || c.end == c.offset) return FragResult::invalid;
  const uint8_t ecn = static_cast<uint8_t>(1u << iph->ecn());
  const bool dont_fragment = iph->dont_fragment();
  skb_pull(skb, ihl);
  pskb_trim(skb, c.end - c.offset);
  const uint32_t size = skb->len + ihl;
  const bool at_start = c.offset == 0;
  if (const FragResult r = insert(skb); r != FragResult::held) return r;
  ecn_ |= ecn;
  meat_ += size - ihl;
  first_in_ |= at_start;
  max_size_ = std::max(max_size_, size);
  if (dont_fragment) max_df_size_ = std::max(max_df_size_, size);
  return first_in_ && last_in_ && meat_ == len_ ? FragResult::complete : FragResult::held;
}

// Whether all bytes from a fragment's start up to `end` are here without a gap.
bool FragmentQueue::covered(sk_buff* from, uint32_t end) const {
  uint32_t reach = cb(from).end;
  for (sk_buff* s = Tree::next_node(from); reach < end && s != &root_ && cb(s).offset == reach; s = Tree::next_node(s))
    reach = cb(s).end;
  return reach >= end;
}

FragResult FragmentQueue::insert(Skb& skb) {
  const uint32_t offset = cb(skb.get()).offset, end = cb(skb.get()).end;
  // The first fragment that starts behind this one; nearly always there is none.
  sk_buff* behind = &root_;
  if (first() != &root_ && cb(Tree::prev_node(&root_)).offset > offset)
    behind = Tree::upper_bound(&root_, offset,
                               [](uint32_t at, const sk_buff* s) { return at < cb(const_cast<sk_buff*>(s)).offset; });
  sk_buff* before = behind == first() ? nullptr : Tree::prev_node(behind);
  if (before && cb(before).end > offset) return covered(before, end) ? FragResult::duplicate : FragResult::overlap;
  if (behind != &root_ && cb(behind).offset < end) return FragResult::overlap;
  ip_.state().fragments.charge(skb->truesize);
  skb->trace->queued(skb->id, skb->len);
  Tree::insert_before(&root_, behind, skb.release());
  return FragResult::held;
}

// Puts the datagram together in one piece, behind the first fragment's IP header. Nothing if it would be too large or
// its ECN marks contradict each other; then the fragments are still here.
Skb FragmentQueue::ip_frag_reasm() {
  PROBE(ip_.ns().trace);
  sk_buff* head = first();
  const auto ihl = static_cast<uint32_t>(reinterpret_cast<const iphdr*>(head->network())->ihl());
  const int ecn = ecn_of(ecn_);
  if (len_ + ihl > kMaxPacket || ecn == kEcnInvalid) return {};
  Skb whole = alloc_skb(ip_.ns().pool, ip_.ns().trace, len_ + ihl);
  uint8_t* to = skb_put(whole, len_ + ihl);
  whole->id = head->id;
  whole->dev = head->dev;
  whole->protocol = head->protocol;
  whole->pkt_type = head->pkt_type;
  whole->tstamp = head->tstamp;
  *SKB_CB<IpCb>(whole.get()) = cb(head).ip;
  std::memcpy(to, head->network(), ihl);
  while (Skb s = pop_front()) {
    skb_copy_bits(*s, 0, to + ihl + cb(s.get()).offset, s->len);
    kfree_skb_partial(std::move(s));
  }
  skb_reset_network_header(whole);
  whole->transport_header = static_cast<uint16_t>(whole->network_header + ihl);
  auto* iph = reinterpret_cast<iphdr*>(to);
  iph->tos = static_cast<uint8_t>(iph->tos | ecn);
  iph->tot_len = htons(static_cast<uint16_t>(len_ + ihl));
  iph->frag_off = max_df_size_ == max_size_ ? htons(IP_DF) : 0;
  ip_send_check(iph);
  return whole;
}

// RFC 1122 section 3.3.2: the sender hears of it if the first fragment is here to be quoted.
void FragmentQueue::ip_expire() {
  Ip& ip = ip_;
  PROBE(ip.ns().trace);
  ip.ns().trace.count(Mib::IpReasmFails);
  ip.ns().trace.count(Mib::IpReasmTimeout);
  if (first_in_) {
    Skb head = pop_front();
    skb_push(head, static_cast<uint32_t>(head->data - head->network()));
    if (head->dev) ip.icmp_send(head, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
    kfree_skb_reason(std::move(head), DROP(FRAG_REASM_TIMEOUT));
  }
  purge(DROP(FRAG_REASM_TIMEOUT));
  ip.state().fragments.remove(*this);
}

FragmentTable::FragmentTable(Ip& ip) : ip_(ip), queues_(16, FragmentKeyHash{ip.ns().secret.k1}) {}

FragmentTable::~FragmentTable() {
  for (auto& [key, q] : queues_) q->purge(DROP(QUEUE_PURGE));
}

FragmentQueue* FragmentTable::find_or_make(const FragmentKey& key) {
  if (memory_ > ip_.ns().sysctl.ipfrag_high_thresh) return nullptr;
  std::unique_ptr<FragmentQueue>& slot = queues_[key];
  if (!slot) slot = std::make_unique<FragmentQueue>(ip_, key);
  return slot.get();
}

void FragmentTable::remove(FragmentQueue& q) { queues_.erase(FragmentKey(q.key())); }

void FragmentTable::remove_device(const net_device& dev) {
  for (auto it = queues_.begin(); it != queues_.end();) {
    FragmentQueue& q = *it->second;
    if (!q.holds_from(dev)) {
      ++it;
      continue;
    }
    q.purge(DROP(QUEUE_PURGE));
    it = queues_.erase(it);
  }
}

namespace {

FragmentKey key_of(const iphdr& iph) {
  FragmentKey key{0, iph.id, iph.protocol};
  std::memcpy(&key.addresses, &iph.saddr, sizeof key.addresses);
  return key;
}

}  // namespace

Skb ip_defrag(Ip& ip, Skb skb) {
  PROBE(ip.ns().trace, skb);
  Trace& trace = ip.ns().trace;
  trace.count(Mib::IpReasmReqds);
  FragmentTable& table = ip.state().fragments;
  FragmentQueue* q = table.find_or_make(key_of(*reinterpret_cast<const iphdr*>(skb->network())));
  if (!q) {
    trace.count(Mib::IpReasmFails);
    kfree_skb_reason(std::move(skb), DROP(FRAG_MEM));
    return {};
  }
  Verdict why = nullptr;
  switch (q->ip_frag_queue(skb)) {
    case FragResult::held: return {};
    case FragResult::duplicate: kfree_skb_reason(std::move(skb), DROP(DUP_FRAG)); return {};
    case FragResult::complete:
      if (Skb whole = q->ip_frag_reasm()) {
        trace.count(Mib::IpReasmOKs);
        table.remove(*q);
        return whole;
      }
      why = DROP(FRAG_INVALID);
      break;
    case FragResult::overlap:
      trace.count(Mib::IpExtReasmOverlaps);
      why = DROP(FRAG_OVERLAP);
      break;
    case FragResult::invalid: why = DROP(FRAG_INVALID); break;
  }
  trace.count(Mib::IpReasmFails);
  kfree_skb_reason(std::move(skb), why);
  q->purge(why);
  table.remove(*q);
  return {};
}

}  // namespace glass
