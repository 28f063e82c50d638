#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "base/siphash.h"
#include "wire/format_packet.h"

namespace glass {

namespace {

IpPrefix prefix_or_throw(std::string_view text) {
  if (const auto prefix = parse_prefix(text)) return *prefix;
  throw std::invalid_argument(fmt::format("'{}' is not an address with a prefix length, as in 10.0.0.1/24", text));
}

std::string next_device_name(const Stack& stack) {
  return fmt::format("eth{}", stack.devices().size() - 1);
}  // beside lo

std::string line_of(const Stack& host, Duration when, const net_device& dev, const sk_buff& skb, bool outgoing) {
  const ByteSpan bytes{skb.data, skb.headlen()};
  const std::string packet = dev.has_link_header ? format_frame(bytes) : format_packet(bytes);
  return fmt::format("{}.{:09} {} {} {} {}", when.count() / 1'000'000'000, when.count() % 1'000'000'000,
                     host.hostname(), dev.name, outgoing ? ">" : "<", packet);
}

}  // namespace

World::World(const WorldConfig& config) : config_(config), rng_(config.seed) { set_now(kStart); }

World::~World() {
  cancel_all();
  // A host that dies sends its last segments to a neighbour, who must be standing or be known to be gone.
  for (Stack& host : hosts_)
    for (const auto& dev : host.devices()) dev->up = false;
}

Stack& World::add_host(std::string name) {
  Stack& host = hosts_.emplace_back(StackConfig{.hostname = std::move(name), .seed = rng_.next(), .pool = &pool_});
  host.advance(now());
  if (config_.record != Recording::none) {
    host.softnet().taps.push_back(
        [this, index = hosts_.size() - 1](const net_device& dev, const sk_buff& skb, bool outgoing) {
          record(index, dev, skb, outgoing);
        });
  }
  return host;
}

std::unique_ptr<Qdisc> World::make_impairment(Stack& stack, const std::string& words) {
  const uint64_t seed = rng_.next();
  if (words.empty()) return nullptr;
  const auto config = parse_netem(words);
  if (!config) throw std::invalid_argument(config.error());
  return make_netem(stack.ns(), *config, seed);
}

World::Link World::connect(Stack& a, std::string_view prefix_a, Stack& b, std::string_view prefix_b,
                           const LinkConfig& config) {
  const IpPrefix address_a = prefix_or_throw(prefix_a), address_b = prefix_or_throw(prefix_b);
  auto qdisc_ab = make_impairment(a, config.netem_ab.empty() ? config.netem : config.netem_ab);
  auto qdisc_ba = make_impairment(b, config.netem_ba.empty() ? config.netem : config.netem_ba);
  PairOptions wire = config.wire;
  const auto number = static_cast<uint16_t>(links_.size());
  for (MacAddress* mac : {&wire.mac_a, &wire.mac_b}) {
    mac->bytes[3] = static_cast<uint8_t>(number >> 8);
    mac->bytes[4] = static_cast<uint8_t>(number);
  }
  PairLink& link = links_.emplace_back(wire);
  net_device& dev_a = a.add_device(next_device_name(a), link.a(), std::move(qdisc_ab));
  net_device& dev_b = b.add_device(next_device_name(b), link.b(), std::move(qdisc_ba));
  a.ip().add_address(dev_a, address_a);
  b.ip().add_address(dev_b, address_b);
  return {dev_a, dev_b};
}

// --- time

void World::turn() {
  for (Stack& host : hosts_) (void)host.poll(now());
  (void)poll(now());
}

Instant World::next_event() const {
  Instant next = next_deadline();
  for (const Stack& host : hosts_) next = std::min(next, host.next_deadline());
  return next;
}

World::End World::advance(Instant limit, const std::function<bool()>* done) {
  for (;;) {
    turn();
    if (done && (*done)()) return End::done;
    const Instant next = next_event();
    if (next == kNever) return End::idle;
    if (next > limit) return End::limit;
    set_now(next);
  }
}

bool World::run(Duration limit) { return advance(now() + limit, nullptr) == End::idle; }

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  return done() || advance(now() + limit, &done) == End::done;
}

void World::run_until(Instant when) {
  (void)advance(when, nullptr);
  set_now(when);
  for (Stack& host : hosts_) host.advance(now());
}

// --- record

void World::record(size_t host, const net_device& dev, const sk_buff& skb, bool outgoing) {
  ++frames_;
  const uint64_t place = host << 32 | static_cast<uint64_t>(dev.ifindex) << 1 | uint64_t{outgoing};
  digest_ = hash_mix(hash_mix(digest_, static_cast<uint64_t>(elapsed().count())), place);
  digest_ = siphash({digest_, skb.len}, skb.data, skb.headlen());
  for (unsigned i = 0; i < skb.nr_frags; ++i)
    digest_ = siphash({digest_, i}, skb.frag_at(i).data(), skb.frag_at(i).size);
  if (config_.record == Recording::text) lines_.push_back(line_of(hosts_[host], elapsed(), dev, skb, outgoing));
}

}  // namespace glass
