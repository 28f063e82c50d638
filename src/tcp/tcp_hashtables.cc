#include "tcp/tcp_hashtables.h"

#include <algorithm>

namespace glass {

namespace {
void link(std::vector<sock_common*>& buckets, sock_common* s) {
  sock_common*& head = buckets[s->skc_hash & (buckets.size() - 1)];
  s->skc_next = head;
  s->skc_pprev = &head;
  if (head) head->skc_pprev = &s->skc_next;
  head = s;
}

bool is_connection(const sock_common* s) { return s->skc_state != tcp_state::NEW_SYN_RECV; }

void erase(std::unordered_map<uint16_t, std::vector<tcp_sock*>>& table, uint16_t port, tcp_sock* sk) {
  const auto it = table.find(port);
  if (it == table.end()) return;
  std::erase(it->second, sk);
  if (it->second.empty()) table.erase(it);
}
}  // namespace

uint32_t inet_hashinfo::ehashfn(const net& n, const IpAddress& local, uint16_t lport, const IpAddress& remote,
                                uint16_t rport) const {
  uint64_t h = hash_mix(n.secret.k0, remote.low() ^ (local.low() << 7 | local.low() >> 57));
  h = hash_mix(h ^ n.secret.k1, (remote.high() + local.high()) ^ (uint64_t{lport} << 16 | rport));
  return static_cast<uint32_t>(h);
}

sock_common* inet_hashinfo::lookup_established(uint32_t hash, const IpAddress& local, uint16_t lport,
                                               const IpAddress& remote, uint16_t rport) const {
  for (sock_common* s = ehash[hash & (ehash.size() - 1)]; s; s = s->skc_next)
    if (s->skc_hash == hash && s->skc_dport == rport && s->skc_num == lport && s->skc_daddr == remote &&
        s->skc_rcv_saddr == local)
      return s;
  return nullptr;
}

void inet_hashinfo::insert(sock_common* s) {
  if (ehash_count >= ehash.size()) grow();
  link(ehash, s);
  ++ehash_count;
  if (is_connection(s)) ++users_[s->skc_num];
}

void inet_hashinfo::remove(sock_common* s) {
  if (!s->skc_pprev) return;
  *s->skc_pprev = s->skc_next;
  if (s->skc_next) s->skc_next->skc_pprev = s->skc_pprev;
  s->skc_next = nullptr;
  s->skc_pprev = nullptr;
  --ehash_count;
  if (is_connection(s)) --users_[s->skc_num];
}

void inet_hashinfo::grow() {
  std::vector<sock_common*> wider(ehash.size() * 2);
  for (sock_common* head : ehash) {
    while (head) {
      sock_common* next = head->skc_next;
      link(wider, head);
      head = next;
    }
  }
  // A chain head's skc_pprev points into the vector's storage, which swap() keeps.
  ehash.swap(wider);
}

tcp_sock* inet_hashinfo::lookup_listener(const IpAddress& local, uint16_t lport) const {
  const auto it = lhash.find(lport);
  if (it == lhash.end()) return nullptr;
  tcp_sock* any = nullptr;
  for (tcp_sock* sk : it->second) {
    if (sk->skc_rcv_saddr == local) return sk;
    if (sk->skc_rcv_saddr.is_unspecified()) any = sk;
  }
  return any;
}

void inet_hashinfo::add_listener(tcp_sock* sk) { lhash[sk->skc_num].push_back(sk); }
void inet_hashinfo::remove_listener(tcp_sock* sk) { erase(lhash, sk->skc_num, sk); }

namespace {
bool in_the_way(const tcp_sock* sk, const IpAddress& local, const sock_common* other) {
  const bool same_address =
      local.is_unspecified() || other->skc_rcv_saddr.is_unspecified() || local == other->skc_rcv_saddr;
  const bool reusable = sk->skc_reuse && other->skc_reuse && other->skc_state != tcp_state::LISTEN;
  return other != sk && same_address && !reusable;
}
}  // namespace

bool inet_hashinfo::bind_conflict(const tcp_sock* sk, const IpAddress& local, uint16_t port) const {
  const auto conflicts = [&](const sock_common* other) { return in_the_way(sk, local, other); };
  const auto it = bhash.find(port);
  if (it != bhash.end() && std::ranges::any_of(it->second, conflicts)) return true;
  return users_.any(port) && connection_conflict(sk, local, port);
}

// Looks at all connections: ports that are bound while connections use them are few.
bool inet_hashinfo::connection_conflict(const tcp_sock* sk, const IpAddress& local, uint16_t port) const {
  for (const sock_common* s : ehash)
    for (; s; s = s->skc_next)
      if (s->skc_num == port && is_connection(s) && in_the_way(sk, local, s)) return true;
  return false;
}

void inet_hashinfo::bind(tcp_sock* sk, uint16_t port) {
  sk->skc_num = port;
  sk->sk_userlocks &= static_cast<uint8_t>(~SOCK_PORT_RELEASED);
  bhash[port].push_back(sk);
}

void inet_hashinfo::unbind(tcp_sock* sk) {
  if (sk->skc_num) erase(bhash, sk->skc_num, sk);
}

}  // namespace glass
