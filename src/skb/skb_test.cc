#include <gtest/gtest.h>

#include "base/checksum.h"
#include "skb/queue.h"
#include "skb/test_packet.h"

namespace glass {
namespace {

using test::add_bytes_as_frag;
using test::Bytes;
using test::bytes_of;
using test::lay_out;
using test::random_bytes;

class SkbTest : public testing::Test {
 protected:
  ~SkbTest() override {
    EXPECT_EQ(pool.skbs_in_use(), 0u) << "a packet was not freed";
    EXPECT_EQ(pool.blocks_in_use(), 0u) << "a reference to a data block was not dropped";
    EXPECT_EQ(trace.leaked(), 0u);
  }
  Skb packet(const Bytes& b, uint32_t linear, unsigned frags, uint32_t headroom = 64) {
    return lay_out(pool, trace, rng, b, linear, frags, headroom);
  }

  SkbPool pool;
  Trace trace;
  Rng rng{1};
};

void use_and_free_blocks(SkbPool& pool, uint32_t size) {
  DataBlock* a = pool.alloc_block(size);
  DataBlock* b = pool.alloc_block(size);
  ASSERT_GE(a->capacity, size);
  EXPECT_EQ(a->refs, 1u);
  EXPECT_EQ(a->used, 0u);
  std::memset(a->data(), 0xaa, a->capacity);
  std::memset(b->data(), 0xbb, b->capacity);
  EXPECT_EQ(a->data()[a->capacity - 1], 0xaa) << "blocks overlap at size " << size;
  a->get();
  a->put();
  EXPECT_EQ(pool.blocks_in_use(), 2u);
  a->put();
  b->put();
  EXPECT_EQ(pool.blocks_in_use(), 0u);
}

TEST_F(SkbTest, BlocksOfEverySizeClassAndBeyond) {
  for (const uint32_t size : {1u, 512u, 513u, 2048u, 8192u, 33024u, 67584u, 67585u, 1000000u})
    use_and_free_blocks(pool, size);
}

TEST_F(SkbTest, SteadyStateTakesNoMemory) {
  const auto round = [this](int i) {
    Rng same(static_cast<uint64_t>(i % 10));
    Skb s = lay_out(pool, trace, same, random_bytes(same, 20000), 1000, 10);
    Skb c = skb_clone(*s);
    consume_skb(std::move(s));
    consume_skb(std::move(c));
  };
  for (int i = 0; i < 10; ++i) round(i);
  const size_t before = pool.bytes_reserved();
  for (int i = 0; i < 500; ++i) round(i);
  EXPECT_EQ(pool.bytes_reserved(), before);
}

TEST_F(SkbTest, SmallDataIsInlineLargeInABlock) {
  Skb small = alloc_skb(pool, trace, kInlineData - 20, 20);
  EXPECT_EQ(small->block, nullptr);
  Skb large = alloc_skb(pool, trace, kInlineData - 20, 21);
  EXPECT_NE(large->block, nullptr);
  EXPECT_NE(small->id, large->id);
  EXPECT_EQ(skb_headroom(*large), 21u);
  EXPECT_GE(skb_tailroom(*large), kInlineData - 20);
  consume_skb(std::move(small));
  consume_skb(std::move(large));
  EXPECT_EQ(trace.consumed(), 2u);
}

TEST_F(SkbTest, EndsAreCountedByKind) {
  Skb a = alloc_skb(pool, trace, 10), b = alloc_skb(pool, trace, 10), c = alloc_skb(pool, trace, 10);
  const Verdict why = DROP(TCP_CSUM);
  consume_skb(std::move(a));
  kfree_skb_reason(std::move(b), why);
  kfree_skb_partial(std::move(c));
  EXPECT_EQ(trace.consumed(), 1u);
  EXPECT_EQ(trace.drops(), 1u);
  EXPECT_EQ(trace.drops_at(index_of(why)), 1u);
  consume_skb(Skb());
  kfree_skb_reason(Skb(), why);
  EXPECT_EQ(trace.consumed() + trace.drops(), 2u) << "an empty handle has no end";
}

#ifdef GLASS_STRICT_SKB
TEST_F(SkbTest, AForgottenHandleAborts) {
  EXPECT_DEATH({ Skb s = alloc_skb(pool, trace, 10); }, "out of scope");
}
#else
TEST(SkbLeak, AForgottenHandleIsCounted) {
  SkbPool pool;
  Trace trace;
  {
    Skb s = alloc_skb(pool, trace, 10);
    s = alloc_skb(pool, trace, 10);  // overwritten: the first is lost here
  }
  EXPECT_EQ(trace.leaked(), 2u);
  EXPECT_EQ(trace.drops_for(DropReason::NOT_SPECIFIED), 2u);
  EXPECT_EQ(pool.skbs_in_use(), 0u);
}
#endif

TEST_F(SkbTest, DestructorRunsOnceForTheOwnerOnly) {
  static int runs;
  runs = 0;
  Skb s = alloc_skb(pool, trace, 10);
  s->destructor = [](sk_buff*) { ++runs; };
  Skb c = skb_clone(*s);
  consume_skb(std::move(c));
  EXPECT_EQ(runs, 0);
  consume_skb(std::move(s));
  EXPECT_EQ(runs, 1);
}

TEST_F(SkbTest, CloneSharesDataAndCopyDoesNot) {
  for (const uint32_t linear : {60u, 1000u}) {
    const Bytes b = random_bytes(rng, 5000);
    Skb s = packet(b, linear, 5);
    const size_t blocks = pool.blocks_in_use();
    Skb clone = skb_clone(*s);
    EXPECT_EQ(pool.blocks_in_use(), blocks);
    EXPECT_EQ(clone->id, s->id);
    Skb copy = skb_copy(*s);
    EXPECT_EQ(copy->nr_frags, 0);
    EXPECT_EQ(pool.blocks_in_use(), blocks + 1);
    skb_make_writable(s);
    const Bytes zeros(b.size(), 0);
    skb_store_bits(s, 0, zeros.data(), s->len);
    EXPECT_EQ(bytes_of(*s), zeros);
    EXPECT_EQ(bytes_of(*clone), b);
    EXPECT_EQ(bytes_of(*copy), b);
    for (Skb* each : {&s, &clone, &copy}) consume_skb(std::move(*each));
  }
}

// The table of further fragments stays when a packet gets smaller; a clone must not copy by it.
TEST_F(SkbTest, CloneOfAPacketThatLostItsFragments) {
  const Bytes b = random_bytes(rng, 6000);
  for (const bool from_front : {true, false}) {
    Skb s = packet(b, 100, 8);
    if (from_front)
      skb_eat(s, 5999);
    else
      pskb_trim(s, 101);
    ASSERT_LE(s->nr_frags, 1);
    Skb c = skb_clone(*s);
    EXPECT_EQ(bytes_of(*c), bytes_of(*s));
    EXPECT_EQ(c->more_frags, nullptr);
    consume_skb(std::move(s));
    consume_skb(std::move(c));
  }
}

TEST_F(SkbTest, HeaderOffsetsFollowTheData) {
  for (const uint32_t headroom : {4u, 500u}) {
    Skb s = packet(random_bytes(rng, 100), 100, 0, headroom);
    skb_reset_mac_header(s);
    skb_set_network_header(s, 14);
    s->transport_header = static_cast<uint16_t>(s->network_header + 20);
    s->csum_start = s->transport_header;
    const uint8_t mac = *s->mac(), network = *s->network(), transport = *s->transport();
    skb_push(s, 200);  // beyond the headroom of the first
    skb_pull(s, 200);
    Skb copy = skb_copy(*s), clone = skb_clone(*s);
    skb_cow_head(clone, 1000);
    for (Skb* each : {&s, &copy, &clone}) {
      EXPECT_EQ(*(*each)->mac(), mac);
      EXPECT_EQ(*(*each)->network(), network);
      EXPECT_EQ(*(*each)->transport(), transport);
      EXPECT_EQ((*each)->csum_start, (*each)->transport_header);
      consume_skb(std::move(*each));
    }
  }
}

TEST_F(SkbTest, PullFailsOnlyBeyondTheEnd) {
  Skb s = packet(random_bytes(rng, 300), 20, 4);
  EXPECT_TRUE(pskb_may_pull(s, 300));
  EXPECT_EQ(s->nr_frags, 0);
  EXPECT_FALSE(pskb_may_pull(s, 301));
  consume_skb(std::move(s));
}

TEST_F(SkbTest, ChecksumHelpCompletesWhereverTheFieldStands) {
  for (const bool v6 : {false, true})
    for (const uint32_t linear : {0u, 30u, 60u, 4000u}) {
      const test::TestPacket p{.payload = 3001, .v6 = v6, .link_header = true};
      Skb s = p.build(pool, trace, rng);
      if (linear < p.header_size()) {  // the headers reach into the fragments
        const Bytes b = bytes_of(*s);
        consume_skb(std::move(s));
        s = packet(b, linear, 5);
        skb_set_network_header(s, ETH_HLEN);
        s->csum_start = static_cast<uint16_t>(s->network_header + p.ip_size());
        s->csum_offset = 16;
        s->ip_summed = IpSummed::partial;
      }
      Skb sharing = skb_clone(*s);
      const Bytes before = bytes_of(*sharing);
      EXPECT_TRUE(skb_checksum_help(s));
      EXPECT_EQ(s->ip_summed, IpSummed::none);
      EXPECT_TRUE(test::tcp_checksum_is_right(*s));
      EXPECT_EQ(bytes_of(*sharing), before) << "the clone's data changed";
      consume_skb(std::move(s));
      consume_skb(std::move(sharing));
    }
}

TEST_F(SkbTest, ChecksumHelpRefusesAPlaceOutside) {
  Skb s = packet(random_bytes(rng, 40), 40, 0);
  s->ip_summed = IpSummed::partial;
  s->csum_offset = 16;
  s->csum_start = static_cast<uint16_t>(skb_headroom(*s) + 23);
  EXPECT_FALSE(skb_checksum_help(s));
  s->csum_start = static_cast<uint16_t>(skb_headroom(*s) - 1);
  EXPECT_FALSE(skb_checksum_help(s));
  s->csum_start = static_cast<uint16_t>(skb_headroom(*s) + 22);
  EXPECT_TRUE(skb_checksum_help(s));
  consume_skb(std::move(s));
}

TEST_F(SkbTest, CoalesceLeavesAClonesRoomAlone) {
  const Bytes b = random_bytes(rng, 300);
  Skb to = packet(b, 300, 0);
  Skb clone = skb_clone(*to);
  ASSERT_GE(skb_tailroom(*to), 10u);
  const Bytes more = random_bytes(rng, 10);
  Skb from = packet(more, 10, 0);
  EXPECT_FALSE(skb_try_coalesce(to, from)) << "the tail room is the clone's as well";
  consume_skb(std::move(clone));
  EXPECT_TRUE(skb_try_coalesce(to, from));
  Bytes all = b;
  all.insert(all.end(), more.begin(), more.end());
  EXPECT_EQ(bytes_of(*to), all);
  kfree_skb_partial(std::move(from));
  consume_skb(std::move(to));
}

TEST_F(SkbTest, CoalesceJoinsPiecesOfOneBlock) {
  const Bytes b = random_bytes(rng, 4000);
  Skb to = packet(Bytes(b.begin(), b.begin() + 100), 100, 0, 64);
  pskb_trim(to, 0);
  DataBlock* block = pool.alloc_block(4000);
  std::memcpy(block->data(), b.data(), b.size());
  for (uint32_t at = 0; at < 4000; at += 100) {  // more pieces than fragments fit
    Skb from = alloc_skb(pool, trace, 0);
    block->get();
    skb_add_frag(from, block, at, 100);
    if (skb_tailroom(*to) >= 100) skb_put(to, skb_tailroom(*to)), skb_eat(to, to->len);
    ASSERT_TRUE(skb_try_coalesce(to, from));
    kfree_skb_partial(std::move(from));
  }
  EXPECT_EQ(to->nr_frags, 1);
  EXPECT_EQ(bytes_of(*to), b);
  block->put();
  consume_skb(std::move(to));
}

TEST_F(SkbTest, LinearPacketStartsAtTheNetworkHeader) {
  Skb s = packet(random_bytes(rng, 100), 60, 2);
  skb_set_network_header(s, 14);
  EXPECT_EQ(skb_linear_packet(*s).size(), 46u);
  EXPECT_EQ(skb_linear_packet(*s).data(), s->data + 14);
  consume_skb(std::move(s));
}

TEST_F(SkbTest, QueueKeepsOrderAndLinks) {
  sk_buff_head q;
  std::vector<uint32_t> ids;
  for (int i = 0; i < 6; ++i) {
    Skb s = alloc_skb(pool, trace, 10);
    ids.push_back(s->id);
    if (i < 3)
      q.push_back(std::move(s));
    else if (i == 3)
      q.push_front(std::move(s));
    else if (i == 4)
      q.insert_after(q.front(), std::move(s));
    else
      q.insert_before(q.back(), std::move(s));
  }
  // 3 4 0 1 5 2
  EXPECT_EQ(q.qlen(), 6u);
  consume_skb(q.unlink(q.front()->next->next));
  std::vector<uint32_t> seen;
  for (sk_buff* s = q.front(); s; s = s->next) seen.push_back(s->id);
  EXPECT_EQ(seen, (std::vector<uint32_t>{ids[3], ids[4], ids[1], ids[5], ids[2]}));
  Skb last = q.pop_back(), first = q.pop_front();
  EXPECT_EQ(last->id, ids[2]);
  EXPECT_EQ(first->id, ids[3]);
  consume_skb(std::move(last));
  consume_skb(std::move(first));
  const Verdict why = DROP(QUEUE_PURGE);
  q.purge(why);
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(trace.drops_at(index_of(why)), 3u);
}

// --- random operations against plain byte vectors

struct Modelled {
  Skb skb;
  Bytes bytes;
};

class RandomOperations {
 public:
  RandomOperations(SkbPool& pool, Trace& trace, uint64_t seed) : pool_(pool), trace_(trace), rng_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      step();
      for (const Modelled& m : all_) check(m);
    }
    for (Modelled& m : all_) consume_skb(std::move(m.skb));
  }

 private:
  void step() {
    if (all_.size() < 2) return add();
    Modelled& m = all_[rng_.below(static_cast<uint32_t>(all_.size()))];
    const auto size = static_cast<uint32_t>(m.bytes.size());
    switch (rng_.below(13)) {
      case 0: return add();
      case 1: return drop(m);
      case 2: return clone(m);
      case 3: return push(m, rng_.below(80));
      case 4: return eat(m, rng_.below(size / 2 + 1));
      case 5:
        pskb_trim(m.skb, size - rng_.below(size / 2 + 1));
        m.bytes.resize(m.skb->len);
        return;
      case 6: EXPECT_TRUE(pskb_pull(*m.skb, rng_.below(size + 1))); return;
      case 7: return write(m);
      case 8: return split(m, rng_.below(size + 1));
      case 9: return coalesce(m);
      case 10: skb_cow_head(m.skb, rng_.below(150)); return;
      case 11: return append(m);
      default: return checksum(m);
    }
  }

  void add() {
    if (all_.size() > 8) return;
    Bytes b = random_bytes(rng_, rng_.below(3) ? rng_.below(200) : rng_.below(9000));
    Skb s = lay_out(pool_, trace_, rng_, b, rng_.below(3) ? rng_.below(150) : rng_.below(2000),
                    rng_.below(MAX_SKB_FRAGS + 1), rng_.below(100));
    all_.push_back({std::move(s), std::move(b)});
  }
  void drop(Modelled& m) {
    consume_skb(std::move(m.skb));
    std::swap(m, all_.back());
    all_.pop_back();
  }
  void clone(Modelled& m) {
    Modelled twin{rng_.below(4) ? skb_clone(*m.skb) : skb_copy(*m.skb), m.bytes};
    all_.push_back(std::move(twin));
    if (all_.size() > 12) drop(all_.front());
  }
  // Linux's rule: only the head's sole owner may write into the headroom.
  void push(Modelled& m, uint32_t n) {
    skb_cow_head(m.skb, n);
    const Bytes b = random_bytes(rng_, n);
    std::copy(b.begin(), b.end(), skb_push(m.skb, n));
    m.bytes.insert(m.bytes.begin(), b.begin(), b.end());
  }
  void eat(Modelled& m, uint32_t n) {
    skb_eat(m.skb, n);
    m.bytes.erase(m.bytes.begin(), m.bytes.begin() + n);
  }
  void write(Modelled& m) {
    skb_make_writable(m.skb);
    EXPECT_EQ(m.skb->headlen(), m.skb->len);
    const auto at = rng_.below(static_cast<uint32_t>(m.bytes.size()) + 1);
    const Bytes b = random_bytes(rng_, rng_.below(static_cast<uint32_t>(m.bytes.size()) - at + 1));
    skb_store_bits(m.skb, at, b.data(), static_cast<uint32_t>(b.size()));
    std::copy(b.begin(), b.end(), m.bytes.begin() + at);
  }
  void split(Modelled& m, uint32_t len) {
    Skb rest = alloc_skb(pool_, trace_, m.skb->headlen());
    skb_split(m.skb, rest, len);
    Bytes tail(m.bytes.begin() + len, m.bytes.end());
    m.bytes.resize(len);
    all_.push_back({std::move(rest), std::move(tail)});
    if (all_.size() > 12) drop(all_.front());
  }
  void coalesce(Modelled& to) {
    Modelled& from = all_[rng_.below(static_cast<uint32_t>(all_.size()))];
    if (&from == &to) return;
    if (!skb_try_coalesce(to.skb, from.skb)) return check(from);
    to.bytes.insert(to.bytes.end(), from.bytes.begin(), from.bytes.end());
    kfree_skb_partial(std::move(from.skb));
    std::swap(from, all_.back());
    all_.pop_back();
  }
  void append(Modelled& m) {
    if (m.skb->nr_frags == MAX_SKB_FRAGS) return;
    const Bytes b = random_bytes(rng_, 1 + rng_.below(500));
    add_bytes_as_frag(m.skb, b.data(), static_cast<uint32_t>(b.size()), rng_.below(10));
    m.bytes.insert(m.bytes.end(), b.begin(), b.end());
  }
  void checksum(Modelled& m) {
    const auto at = rng_.below(static_cast<uint32_t>(m.bytes.size()) + 1);
    const auto n = rng_.below(static_cast<uint32_t>(m.bytes.size()) - at + 1);
    EXPECT_EQ(csum_fold(skb_checksum(*m.skb, at, n, 0x1234)), csum_fold(csum_partial(m.bytes.data() + at, n, 0x1234)));
  }
  void check(const Modelled& m) const {
    const sk_buff& s = *m.skb;
    ASSERT_EQ(s.len, m.bytes.size());
    ASSERT_EQ(bytes_of(s), m.bytes);
    ASSERT_LE(s.nr_frags, MAX_SKB_FRAGS);
    uint32_t in_frags = 0;
    for (unsigned i = 0; i < s.nr_frags; ++i) in_frags += s.frag_at(i).size;
    ASSERT_EQ(in_frags, s.data_len);
    ASSERT_TRUE(s.head <= s.data && s.tail() <= s.end);
  }

  SkbPool& pool_;
  Trace& trace_;
  Rng rng_;
  std::vector<Modelled> all_;
};

TEST_F(SkbTest, RandomOperationsAgreeWithPlainBytes) {
  for (uint64_t seed = 1; seed <= 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "repeat with RandomOperations(pool, trace, " << seed << ").run(120)");
    RandomOperations(pool, trace, seed).run(120);
    ASSERT_EQ(pool.skbs_in_use(), 0u);
    ASSERT_EQ(pool.blocks_in_use(), 0u);
  }
}

}  // namespace
}  // namespace glass
