#include <gtest/gtest.h>

#include "tcp/cong/cong_fixture.h"

namespace glass {
namespace {

struct DctcpFixture : CongFixture {
  DctcpFixture() : CongFixture(tcp_dctcp) {
    v.ecn_ok = true;
    v.instead = nullptr;
    v->snd_ssthresh = 10;
    ops.init(v);
  }
  uint32_t alpha() {
    tcp_cc_info info{};
    ops.get_info(v, info);
    return info.dctcp.dctcp_alpha;
  }
  // A round trip of which `percent` was marked.
  void marked_round(uint32_t percent) {
    v->snd_nxt = v->snd_una + 100 * v->mss_cache;
    v->snd_una = v->snd_nxt;
    v->delivered += 100;
    v->delivered_ce += percent;
    ops.in_ack_event(v, CA_ACK_SLOWPATH);
  }
};

TEST(DctcpTest, WithoutEcnRenoTakesOver) {
  CongFixture f(tcp_dctcp);
  ASSERT_TRUE(f.v.instead);
  EXPECT_EQ(f.v.instead->name, "dctcp-reno");
}

TEST(DctcpTest, AlphaFallsByASixteenthARoundTripWithoutMarks) {
  DctcpFixture f;
  EXPECT_EQ(f.alpha(), 1024u);
  f.marked_round(0);
  EXPECT_EQ(f.alpha(), 960u);
  for (int i = 0; i < 100; ++i) f.marked_round(0);
  EXPECT_EQ(f.alpha(), 0u) << "down to nothing, not to a remainder that cannot be divided";
}

TEST(DctcpTest, AlphaSettlesAtTheShareOfMarks) {
  DctcpFixture f;
  for (int i = 0; i < 200; ++i) f.marked_round(25);
  EXPECT_NEAR(f.alpha(), 256, 20);
  for (int i = 0; i < 200; ++i) f.marked_round(100);
  EXPECT_NEAR(f.alpha(), 1024, 20);
}

TEST(DctcpTest, TheWindowFallsByHalfOfAlpha) {
  DctcpFixture f;
  f.v->snd_cwnd = 100;
  EXPECT_EQ(f.ops.ssthresh(f.v), 50u) << "all marked: as Reno";
  for (int i = 0; i < 200; ++i) f.marked_round(25);
  EXPECT_NEAR(f.ops.ssthresh(f.v), 100 - 12.5, 1.5);
  f.v->snd_cwnd = 20;
  EXPECT_EQ(f.ops.undo_cwnd(f.v), 100u);
}

TEST(DctcpTest, LossHalves) {
  DctcpFixture f;
  for (int i = 0; i < 100; ++i) f.marked_round(0);
  f.v->snd_cwnd = 100;
  f.ops.set_state(f.v, CaState::Recovery);
  EXPECT_EQ(f.v->snd_ssthresh, 50u);
  f.v->snd_cwnd = 40;
  f.ops.cwnd_event(f.v, CaEvent::LOSS);
  EXPECT_EQ(f.v->snd_ssthresh, 20u);
}

TEST(DctcpTest, TheReceiverReportsWhereMarksBeginAndEnd) {
  DctcpFixture f;
  f.v->rcv_nxt = {1000};
  f.ops.cwnd_event(f.v, CaEvent::ECN_NO_CE);
  EXPECT_TRUE(f.v.ece.valid);
  EXPECT_FALSE(f.v.ece.before || f.v.ece.after);
  f.v->rcv_nxt = {2000};
  f.ops.cwnd_event(f.v, CaEvent::ECN_IS_CE);
  EXPECT_TRUE(!f.v.ece.before && f.v.ece.after);
  EXPECT_EQ(f.v.ece.prior_rcv_nxt, Seq{1000});
  f.v->rcv_nxt = {3000};
  f.ops.cwnd_event(f.v, CaEvent::ECN_NO_CE);
  EXPECT_TRUE(f.v.ece.before && !f.v.ece.after);
  EXPECT_EQ(f.v.ece.prior_rcv_nxt, Seq{2000});
}

}  // namespace
}  // namespace glass
