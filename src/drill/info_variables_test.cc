#include "drill/info_variables.h"

#include <gtest/gtest.h>

#include "tcp/tcp_info.h"

namespace glass::drill {

namespace {

template <class T>
std::span<const uint8_t> bytes_of(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

}  // namespace

TEST(InfoVariables, FieldsLieWhereTheStructureHasThem) {
  glass::tcp_info info{};
  info.tcpi_state = 1;
  info.tcpi_snd_wscale = 7;
  info.tcpi_rcv_wscale = 9;
  info.tcpi_delivery_rate_app_limited = 1;
  info.tcpi_fastopen_client_fail = 2;
  info.tcpi_rto = 204000;
  info.tcpi_snd_cwnd = 10;
  info.tcpi_pacing_rate = 123456789012;
  info.tcpi_min_rtt = 4;
  info.tcpi_delivery_rate = 5;
  info.tcpi_bytes_retrans = 6;
  info.tcpi_rehash = 7;
  info.tcpi_total_rto = 8;
  info.tcpi_total_rto_time = 9;
  CodeVariables v;
  add_tcp_info(bytes_of(info), v);
  EXPECT_EQ(v["tcpi_state"], CodeValue(1));
  EXPECT_EQ(v["tcpi_snd_wscale"], CodeValue(7));
  EXPECT_EQ(v["tcpi_rcv_wscale"], CodeValue(9));
  EXPECT_EQ(v["tcpi_delivery_rate_app_limited"], CodeValue(1));
  EXPECT_EQ(v["tcpi_fastopen_client_fail"], CodeValue(2));
  EXPECT_EQ(v["tcpi_rto"], CodeValue(204000));
  EXPECT_EQ(v["tcpi_snd_cwnd"], CodeValue(10));
  EXPECT_EQ(v["tcpi_pacing_rate"], CodeValue(123456789012));
  EXPECT_EQ(v["tcpi_min_rtt"], CodeValue(4));
  EXPECT_EQ(v["tcpi_delivery_rate"], CodeValue(5));
  EXPECT_EQ(v["tcpi_bytes_retrans"], CodeValue(6));
  EXPECT_EQ(v["tcpi_rehash"], CodeValue(7));
  EXPECT_EQ(v["tcpi_total_rto"], CodeValue(8));
  EXPECT_EQ(v["tcpi_total_rto_time"], CodeValue(9));
}

TEST(InfoVariables, WhatIsNotThereHasNoName) {
  glass::tcp_info info{};
  CodeVariables v;
  add_tcp_info(bytes_of(info).first(12), v);
  EXPECT_TRUE(v.contains("tcpi_rto"));
  EXPECT_FALSE(v.contains("tcpi_ato"));
}

TEST(InfoVariables, CongestionControlByLength) {
  const uint32_t words[] = {0x00020001, 2, 3, 4, 5};
  CodeVariables v;
  add_cc_info(bytes_of(words).first(16), v);
  EXPECT_EQ(v["dctcp_enabled"], CodeValue(1));
  EXPECT_EQ(v["dctcp_ce_state"], CodeValue(2));
  EXPECT_EQ(v["dctcp_alpha"], CodeValue(2));
  EXPECT_EQ(v["dctcp_ab_tot"], CodeValue(4));
  EXPECT_FALSE(v.contains("bbr_bw_lo"));
  add_cc_info(bytes_of(words), v);
  EXPECT_EQ(v["bbr_min_rtt"], CodeValue(3));
  EXPECT_EQ(v["bbr_cwnd_gain"], CodeValue(5));
  EXPECT_EQ(v["bbr_bw"], CodeValue(0x0000000200020001));
}

TEST(InfoVariables, SocketMemory) {
  const uint32_t words[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  CodeVariables v;
  add_meminfo(bytes_of(words), v);
  EXPECT_EQ(v["SK_MEMINFO_RMEM_ALLOC"], CodeValue(1));
  EXPECT_EQ(v["SK_MEMINFO_DROPS"], CodeValue(9));
}

}  // namespace glass::drill
