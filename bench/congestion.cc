// One flow over a bottleneck, for bench/congestion.py: on Glasstack in virtual time, or on the kernel in real time.
//
//   congestion flow --path "delay 20ms loss 0.1%" --seconds 30 --seed 1      one JSON line with the result
//   congestion trace --algorithm bbr --seconds 20                            a line every 10 ms: time, window, rate ...
//   congestion relay --left tun0 --right tun1 --path "delay 20ms"            carries packets between two TUN devices,
//                                                                            and says at the end how many it dropped
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "congestion_relay.h"
#include "tests/support/bulk_flow.h"

namespace {

using namespace glass;

void print_result(test::BulkFlow& flow, const std::string& algorithm) {
  const glass::tcp_info i = flow.info();
  fmt::print(
      "{{\"algorithm\": \"{}\", \"goodput_mbits\": {:.3f}, \"data_segs_out\": {}, \"retrans\": {}, "
      "\"dsack_dups\": {}, \"timeouts\": {}, \"reord_seen\": {}, \"dropped\": {}}}\n",
      algorithm, static_cast<double>(i.tcpi_bytes_acked) * 8 / 1e6 / flow.seconds(), i.tcpi_data_segs_out,
      i.tcpi_total_retrans, i.tcpi_dsack_dups, flow.sender_trace().value(Mib::TcpExtTCPTimeouts), i.tcpi_reord_seen,
      flow.sender_trace().drops_for(DropReason::QDISC_OVERLIMIT) +
          flow.receiver_trace().drops_for(DropReason::QDISC_DROP));
}

void print_trace(test::BulkFlow& flow, double seconds) {
  fmt::print("seconds,cwnd,ssthresh,rtt_ms,goodput_mbits,retrans,delivered_ce,pacing_mbits\n");
  uint64_t before_it = 0;
  for (int step = 1; step <= seconds * 100; ++step) {
    flow.run(10ms);
    const glass::tcp_info i = flow.info();
    const double mbits = static_cast<double>(flow.received() - before_it) * 8 / 1e6 / 0.010;
    before_it = flow.received();
    const uint32_t ssthresh = i.tcpi_snd_ssthresh == 0x7fffffff ? 0 : i.tcpi_snd_ssthresh;
    fmt::print("{:.2f},{},{},{:.3f},{:.2f},{},{},{:.2f}\n", step / 100.0, i.tcpi_snd_cwnd, ssthresh,
               i.tcpi_rtt / 1000.0, mbits, i.tcpi_total_retrans, i.tcpi_delivered_ce,
               static_cast<double>(i.tcpi_pacing_rate) * 8 / 1e6);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One TCP flow over a bottleneck link.\n\nExample: congestion flow --path 'delay 20ms loss 0.1%'");
  app.require_subcommand(1);
  test::BulkFlowConfig config;
  bench::RelayConfig relay;
  double seconds = 30;
  const auto with_link = [&](CLI::App* sub) {
    sub->add_option("--link", config.link, "the bottleneck, as a qdisc")->capture_default_str();
    sub->add_option("--path", config.path, "what happens to data, in netem's words")->capture_default_str();
    sub->add_option("--back", config.back, "what happens to ACKs")->capture_default_str();
    sub->add_option("--seed", config.seed)->capture_default_str();
    return sub;
  };
  const auto with_flow = [&](CLI::App* sub) {
    with_link(sub)->add_option("--algorithm", config.congestion_control)->capture_default_str();
    sub->add_option("--seconds", seconds)->capture_default_str();
    sub->add_flag("--ecn", config.ecn, "both ends use ECN");
    return sub;
  };
  const CLI::App* flow = with_flow(app.add_subcommand("flow", "the goodput of one flow, as JSON"));
  const CLI::App* trace = with_flow(app.add_subcommand("trace", "the window over time, as CSV"));
  CLI::App* wire = with_link(app.add_subcommand("relay", "joins two TUN devices of the kernel"));
  wire->add_option("--left", relay.left, "the device on the sender's side")->capture_default_str();
  wire->add_option("--right", relay.right)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    if (flow->parsed()) {
      test::BulkFlow f(config);
      f.run(std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9)));
      print_result(f, config.congestion_control);
    } else if (trace->parsed()) {
      test::BulkFlow f(config);
      print_trace(f, seconds);
    } else {
      relay.link = config.link;
      relay.path = "netem limit 100000 " + config.path;
      relay.back = "netem limit 100000 " + config.back;
      relay.seed = config.seed;
      return bench::run_relay(relay);
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "congestion: {}\n", e.what());
    return 1;
  }
}
