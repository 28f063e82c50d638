// A world in memory: hosts, links with impairments, a virtual clock and one seed.
//
//   World world({.seed = 7});
//   Stack& a = world.add_host("a");
//   Stack& b = world.add_host("b");
//   world.connect(a, "10.0.0.1/24", b, "10.0.0.2/24", {.netem = "delay 10ms loss 1%"});
//   spawn(world, serve(b, world));   spawn(world, fetch(a, world));
//   ASSERT_TRUE(world.run());                             // an hour of virtual time takes as long as its events take
//
// Nothing happens between two events, so the clock jumps from one to the next. Everything random comes from the seed
// and every order is fixed, so that the same program with the same seed makes the same frames at the same instants:
// compare digest().
//
// Ownership: the world owns hosts, links, packet memory and the tasks spawned on it. Sockets held outside of tasks have
// to be gone before the world is.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/executor.h"
#include "driver/pair.h"
#include "stack/stack.h"

namespace glass {

enum class Recording : uint8_t { none, digest, text };

struct WorldConfig {
  uint64_t seed = 1;
  Recording record = Recording::none;  // text keeps every frame as a line, and the digest
};

struct LinkConfig {
  std::string netem = {};                    // tc's words, for each direction; empty: an ideal wire
  std::string netem_ab = {}, netem_ba = {};  // for one direction, instead of the above
  PairOptions wire = {};                     // mtu, ethernet, checksum_offload, tso
};

class World : public Executor {
 public:
  explicit World(const WorldConfig& = {});
  ~World() override;

  Stack& add_host(std::string name);
  std::deque<Stack>& hosts() { return hosts_; }
  const SkbPool& pool() const { return pool_; }  // of all hosts

  struct Link {
    net_device& a;
    net_device& b;
  };
  // A wire between two hosts; each gets a device ("eth0", "eth1" ...) with this address. Throws std::invalid_argument
  // on text that is not a prefix or not netem's.
  Link connect(Stack& a, std::string_view prefix_a, Stack& b, std::string_view prefix_b, const LinkConfig& = {});

  // --- time
  // now() starts at a second, because an instant of zero stands for "never happened" in places.
  Duration elapsed() const { return now() - kStart; }
  // Runs until nothing is left that could happen. False if something still is after `limit` of virtual time.
  [[nodiscard]] bool run(Duration limit = 1h);
  // Runs until `done`, which is asked after every event. False if nothing is left or the limit is reached before.
  [[nodiscard]] bool run_until(const std::function<bool()>& done, Duration limit = 1h);
  // Runs what happens up to an instant; then it is that instant.
  void run_until(Instant);
  void run_for(Duration d) { run_until(now() + d); }

  // --- what crossed the wires, if recorded
  uint64_t digest() const { return digest_; }                       // of all frames, their hosts and times
  const std::vector<std::string>& lines() const { return lines_; }  // "0.010000000 a eth0 > IP 10.0.0.1:40000 > ..."
  uint64_t frames() const { return frames_; }

 private:
  static constexpr Instant kStart{1s};
  enum class End : uint8_t { done, idle, limit };
  End advance(Instant limit, const std::function<bool()>* done);
  void turn();
  Instant next_event() const;
  std::unique_ptr<Qdisc> make_impairment(Stack&, const std::string& words);
  void record(size_t host, const net_device&, const sk_buff&, bool outgoing);

  WorldConfig config_;
  Rng rng_;
  SkbPool pool_;
  std::deque<PairLink> links_;
  std::deque<Stack> hosts_;
  uint64_t digest_ = 0, frames_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace glass
