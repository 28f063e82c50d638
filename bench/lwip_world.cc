#include "lwip_world.h"

#include <lwip/init.h>
#include <lwip/ip4.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>

#include <cstring>
#include <memory>

namespace bench {

namespace {

constexpr u16_t kByReference = 200;  // shorter packets are copied whole

// A pbuf that refers to another's payload and lets it go when it is freed. Kept for reuse.
struct Reference {
  pbuf_custom custom;  // first: lwIP hands it back as a pbuf*
  pbuf* original;
  Reference* next;
};

// lwIP's callbacks get no context to keep things in: the netifs, wires and spare references are globals as its own are.
struct {
  netif a, b;
  Wire to_a, to_b;
  Reference* spare = nullptr;
  bool ready = false;
} lw;

void release(pbuf* p) {
  auto* r = reinterpret_cast<Reference*>(p);
  pbuf_free(r->original);
  r->next = std::exchange(lw.spare, r);
}

pbuf* refer_to(pbuf* p, u16_t skip) {
  Reference* r = lw.spare;
  if (r)
    lw.spare = r->next;
  else
    r = new Reference{};
  r->custom.custom_free_function = release;
  r->original = p;
  pbuf_ref(p);
  const auto left = static_cast<u16_t>(p->len - skip);
  return pbuf_alloced_custom(PBUF_RAW, left, PBUF_REF, &r->custom, static_cast<char*>(p->payload) + skip, left);
}

pbuf* copy_of(pbuf* p) {
  pbuf* copy = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_RAM);
  if (copy) pbuf_copy(copy, p);
  return copy;
}

u16_t header_length(const pbuf* p) {
  const auto* ip = static_cast<const uint8_t*>(p->payload);
  const unsigned ip_header = (ip[0] & 15u) * 4;
  return static_cast<u16_t>(ip_header + (ip[ip_header + 12] >> 4) * 4u);
}

err_t wire_output(netif* from, pbuf* p, const ip4_addr_t*) {
  (from == &lw.a ? lw.to_b : lw.to_a).send(p);
  return ERR_OK;
}

err_t wire_init(netif* n) {
  n->mtu = 1500;
  n->output = wire_output;
  n->flags |= NETIF_FLAG_LINK_UP;
  return ERR_OK;
}

ip4_addr_t address_of(bool b) {
  ip4_addr_t address;
  IP4_ADDR(&address, 10, 0, b ? 1 : 0, 1);
  return address;
}

void add_netif(netif& n, bool b) {
  const ip4_addr_t address = address_of(b);
  ip4_addr_t mask;
  IP4_ADDR(&mask, 255, 255, 255, 0);
  netif_add(&n, &address, &mask, &address, nullptr, wire_init, ip4_input);
  netif_set_up(&n);
}

void abort_all(tcp_pcb*& list) {
  while (tcp_pcb* p = list) {
    tcp_err(p, nullptr);
    tcp_abort(p);
  }
}

err_t note_connected(void* arg, tcp_pcb*, err_t) {
  *static_cast<bool*>(arg) = true;
  return ERR_OK;
}

}  // namespace

void Wire::send(pbuf* p) {
  pbuf* out = nullptr;
  if (p->tot_len < kByReference || p->next) {
    out = copy_of(p);
  } else {
    const u16_t header = header_length(p);
    out = pbuf_alloc(PBUF_RAW, header, PBUF_RAM);
    std::memcpy(out->payload, p->payload, header);
    pbuf_cat(out, refer_to(p, header));
  }
  if (!out) return;
  queue_.push_back(out);
  ++packets_;
}

unsigned Wire::deliver(netif& to) {
  batch_.swap(queue_);
  for (pbuf* p : batch_) ip4_input(p, &to);
  const auto n = static_cast<unsigned>(batch_.size());
  batch_.clear();
  return n;
}

LwipWorld::LwipWorld() {
  if (std::exchange(lw.ready, true)) return;
  lwip_init();
  add_netif(lw.a, false);
  add_netif(lw.b, true);
}

LwipWorld::~LwipWorld() {
  abort_all(tcp_active_pcbs);
  settle();
  abort_all(tcp_active_pcbs);
  abort_all(tcp_tw_pcbs);
  if (listener_) tcp_close(listener_);
}

std::string LwipWorld::describe() {
  return "Debian's liblwip " LWIP_VERSION_STRING ", raw API, no thread: MSS " + std::to_string(TCP_MSS) + ", window " +
         std::to_string(TCP_WND) + ", send buffer " + std::to_string(TCP_SND_BUF) +
         ", no timestamps, no SACK, checksums in C" + (LWIP_CHECKSUM_ON_COPY ? " (sender's with the copy)" : "") +
         ", malloc'ed packets and connections, no segmentation offload";
}

bool LwipWorld::turn() {
  if (!(turns_++ & 63)) sys_check_timeouts();
  const unsigned to_b = lw.to_b.deliver(lw.b), to_a = lw.to_a.deliver(lw.a);
  return to_a + to_b;
}

void LwipWorld::pass_time_wait() {
  tcp_ticks += 2 * TCP_MSL / TCP_SLOW_INTERVAL + 1;
  tcp_slowtmr();
}

void LwipWorld::run_timers() {
  tcp_fasttmr();
  tcp_slowtmr();
}

void LwipWorld::listen(void* arg, tcp_accept_fn accept) {
  tcp_pcb* p = tcp_new();
  ip_addr_t any{};
  ip_addr_copy_from_ip4(any, address_of(true));
  tcp_bind(p, &any, kPort);
  tcp_bind_netif(p, &lw.b);
  listener_ = tcp_listen(p);
  tcp_arg(listener_, arg);
  tcp_accept(listener_, accept);
}

// Both addresses are lwIP's own, so it is told by which netif a connection leaves rather than asked to route.
tcp_pcb* LwipWorld::connect() {
  tcp_pcb* p = tcp_new();
  if (!p) return nullptr;
  ip_addr_t remote{};
  ip_addr_copy_from_ip4(remote, address_of(true));
  bool connected = false;
  tcp_bind_netif(p, &lw.a);
  tcp_nagle_disable(p);
  tcp_arg(p, &connected);
  if (tcp_connect(p, &remote, kPort, note_connected) != ERR_OK) return nullptr;
  settle();
  return connected ? p : nullptr;
}

uint64_t LwipWorld::data_segments() { return lw.to_b.packets(); }
uint64_t LwipWorld::acks() { return lw.to_a.packets(); }

}  // namespace bench
