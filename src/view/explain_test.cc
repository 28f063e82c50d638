#include "view/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace glass {
namespace {

const std::vector<DropRow> kCatalogue{{"TCP_RFC7323_PAWS", "tcp_validate_incoming", "src/tcp/tcp_validate.cc", 12, 0},
                                      {"TCP_CSUM", "tcp_v4_rcv", "src/tcp/tcp_ipv4.cc", 3, 0}};

TEST(Explain, SaysEverythingThereIs) {
  const std::string text = format_reason(row(DropReason::TCP_RFC7323_PAWS), kCatalogue);
  for (const char* part : {"TCP_RFC7323_PAWS\n", "RFC 7323 5.3", "TcpExtPAWSEstab", "Usual causes", "What to do",
                           "    tcp_validate_incoming (src/tcp/tcp_validate.cc:12)\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  EXPECT_EQ(text.find("tcp_v4_rcv"), std::string::npos) << "places of another reason";
}

TEST(Explain, FindsNamesInAnyCaseAndWithLinuxsPrefix) {
  for (const char* name :
       {"TCP_CSUM", "tcp_csum", "tcp-csum", "SKB_DROP_REASON_TCP_CSUM", "skb_drop_reason_tcp_csum"}) {
    const DropReasonRow* r = look_up_reason(name);
    ASSERT_TRUE(r) << name;
    EXPECT_EQ(r->reason, DropReason::TCP_CSUM);
  }
  EXPECT_EQ(look_up_reason("TCP_CSU"), nullptr);
  EXPECT_EQ(look_up_reason(""), nullptr);
}

TEST(Explain, NamesTheNearest) {
  EXPECT_EQ(nearest_reasons("TCP_CSUN")[0], "TCP_CSUM");
  EXPECT_EQ(nearest_reasons("TCP_RFC7323_PAW")[0], "TCP_RFC7323_PAWS");
  EXPECT_EQ(nearest_reasons("paws")[0], "TCP_RFC7323_PAWS");
  EXPECT_EQ(nearest_reasons("SKB_DROP_REASON_QDISC_DRAP")[0], "QDISC_DROP");
  EXPECT_EQ(nearest_reasons("x", 2).size(), 2u);
}

TEST(Explain, ListsAllInOneLineEach) {
  const std::string text = format_reason_list();
  EXPECT_EQ(static_cast<size_t>(std::ranges::count(text, '\n')), drop_reasons().size() + 1);
}

TEST(Explain, Json) {
  const Json j = reason_json(row(DropReason::TCP_CSUM), kCatalogue);
  EXPECT_EQ(j["counters"], Json({"TcpInCsumErrors", "TcpInErrs"}));
  EXPECT_EQ(j["places"].size(), 1u);
  EXPECT_EQ(reason_list_json(kCatalogue).size(), drop_reasons().size());
}

}  // namespace
}  // namespace glass
