// --record: the script is played for its own part (what it injects, calls and asks), and what the target does is
// written down instead of judged.
#include "drill/format.h"
#include "drill/runner.h"

namespace glass::drill {

namespace {

using Stage = Live::Stage;

// The first SYN of the target's side, whether the script foresaw it or not.
void meet_syn(Live& live, const SeenPacket& seen) {
  if (live.stage == Stage::connecting && seen.opens()) live.stage = Stage::syn_expected;
}

}  // namespace

void Runner::record_packet(const SeenPacket& seen) {
  recorder_->line(seen.time_us, format_packet(scripted(seen, *under_test_)));
}

// Packets that left by now.
void Runner::record_what_left() {
  while (under_test_) {
    auto out = target_.next_packet();
    if (!out) return;
    auto seen = read_packet(*out);
    if (!seen) continue;
    meet_syn(*under_test_, *seen);
    if (!belongs(*seen)) continue;
    learn_from(*seen);
    if (const auto stamps = parse_tcp_options(seen->option_bytes).timestamps; stamps && !under_test_->knows_time())
      under_test_->learn_tsval(stamps->tsval, stamps->tsval);
    record_packet(*seen);
  }
}

void Runner::record_event(std::string text) {
  record_what_left();
  recorder_->line(target_.now_us(), std::move(text));
}

// What the code prints stands behind it.
void Runner::record_printed(std::string_view printed) {
  std::string note;
  for (char c : printed.substr(0, printed.find_last_not_of('\n') + 1)) note += c == '\n' ? ' ' : c;
  recorder_->note(recorder_->last(), std::move(note));
}

// The expected packet says how long to wait, and what its time stamp is called.
bool Runner::record_outbound(const PacketEvent& packet) {
  const auto& tcp = std::get<TcpSpec>(packet.what);
  auto seen = sniff(std::max(target_.now_us(), schedule_.end_us + settings_.tolerance_us));
  if (!seen) return !result_.failure;
  uint32_t payload = seen->payload;
  for (;;) {
    const auto stamps = parse_tcp_options(seen->option_bytes).timestamps;
    for (const TcpOptionSpec& option : tcp.options)
      if (option.kind == TcpOptionSpec::Kind::timestamp && stamps)
        under_test_->learn_tsval(option.value, stamps->tsval);
    record_packet(*seen);
    if (settings_.strict_segments || payload >= tcp.payload) return true;
    seen = sniff(target_.now_us());
    if (!seen) return !result_.failure;
    payload += seen->payload;
  }
}

// An injected segment has to echo what the recorded packets carry.
PacketEvent Runner::with_recorded_echo(PacketEvent packet) const {
  auto* tcp = std::get_if<TcpSpec>(&packet.what);
  if (!tcp || !(tcp->flags & TCPHDR_ACK)) return packet;
  for (TcpOptionSpec& option : tcp->options)
    if (option.kind == TcpOptionSpec::Kind::timestamp)
      if (auto live = under_test_->tsecr(option.echo, true)) option.echo = under_test_->script_tsval(*live);
  return packet;
}

void Runner::record_return(const Pending& call, int64_t result, int64_t at_us, bool as_scripted) {
  if (at_us != call.begins.at_us) recorder_->returned(call.line, at_us);
  if (!as_scripted)
    recorder_->replace(call.line, with_result(text_without_time(*call.event), call.scripted->result_text(result)));
}

}  // namespace glass::drill
