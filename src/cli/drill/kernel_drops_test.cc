#include "cli/drill/kernel_drops.h"

#include <gtest/gtest.h>

namespace glass {

constexpr const char* kFormat = R"(name: kfree_skb
ID: 2310
format:
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:void * skbaddr;	offset:8;	size:8;	signed:0;
	field:void * location;	offset:16;	size:8;	signed:0;
	field:unsigned short protocol;	offset:32;	size:2;	signed:0;
	field:enum skb_drop_reason reason;	offset:36;	size:4;	signed:0;

print fmt: "reason: %s", __print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, { 49, "TCP_OLD_ACK" })
)";

TEST(KernelDrops, ReadsWhatTheKernelSaysOfTheTracepoint) {
  const auto t = parse_drop_tracepoint("2310\n", kFormat);
  ASSERT_TRUE(t);
  EXPECT_EQ(t->id, 2310u);
  EXPECT_EQ(t->location, 16u);
  EXPECT_EQ(t->protocol, 32u);
  EXPECT_EQ(t->reason, 36u);
  EXPECT_EQ(t->reasons, (std::map<uint32_t, std::string>{{2, "NOT_SPECIFIED"}, {49, "TCP_OLD_ACK"}}));
}

TEST(KernelDrops, RefusesAnotherFormat) {
  EXPECT_FALSE(parse_drop_tracepoint("", kFormat));
  EXPECT_FALSE(parse_drop_tracepoint("2310", "name: kfree_skb\n"));
}

}  // namespace glass
