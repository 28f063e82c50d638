// Packets: injecting the script's, and holding the target's own against it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "drill/build.h"
#include "drill/format.h"
#include "drill/runner.h"

namespace glass::drill {

namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kGrace = 2 * kSecond;          // how long a packet may be overdue before it counts as missing
constexpr int64_t kPatience = 3600 * kSecond;    // for a packet that may come at any time, in virtual time
constexpr int64_t kRealPatience = 60 * kSecond;  // and on a clock

using Stage = Live::Stage;

// "the window and the acknowledgment differ": what the failure's headline says.
std::string headline(const std::vector<Difference>& differences) {
  std::string text;
  for (const Difference& d : differences)
    text += fmt::format("{}{} is {} instead of {}", text.empty() ? "" : "; ", d.field, d.got, d.expected);
  return text;
}

std::string note_text(const DropNote& note) {
  return note.dropped ? fmt::format("drop: {} @ {}", note.reason, note.place) : "ok";
}

}  // namespace

// --- injected

// The connection that an injected packet belongs to: the first one behind listen() opens one.
Live* Runner::receiver_of(const PacketEvent& packet) {
  const auto* tcp = std::get_if<TcpSpec>(&packet.what);
  if (tcp && (!under_test_ || under_test_->stage == Stage::listening)) {
    Live& child = new_live(Stage::first_received);
    child.ends = {.local = settings_.addresses.local,
                  .remote = settings_.addresses.remote,
                  .local_port = settings_.addresses.bind_port,
                  .remote_port = next_port_++};
    child.remote_isn = tcp->seq;
  }
  return under_test_;
}

void Runner::note_handshake(const TcpSpec& tcp) {
  Live& live = *under_test_;
  const bool syn = tcp.flags & TCPHDR_SYN, ack = tcp.flags & TCPHDR_ACK;
  if (live.stage == Stage::synack_seen && ack) {
    live.stage = Stage::accepted;
  } else if (live.stage == Stage::syn_expected && syn && ack) {
    live.stage = Stage::syn_answered;
    live.remote_isn = tcp.seq;
  }
  offered_.injected(tcp);
}

bool Runner::do_inbound(const PacketEvent& packet) {
  if (!receiver_of(packet)) return fail("no socket was opened that the packet could be for");
  if (!wait_for_event()) return false;
  if (onlooker_) onlooker_(event_, target_);
  const auto* tcp = std::get_if<TcpSpec>(&packet.what);
  if (tcp) note_handshake(*tcp);
  if (recorder_) record_event(format_packet(with_recorded_echo(packet)));
  auto bytes = build_packet(packet, *under_test_, {.ts_ecr_scaled = settings_.ts_ecr_scaled || recorder_});
  if (!bytes) return fail(bytes.error());
  target_.inject(*bytes, tcp && tcp->payload > settings_.mss ? settings_.mss : uint16_t{0});
  return !options_.check_reasons || !event_->note || !target_.can_tell_drops() || check_note();
}

// Linux's reason has to be ours as well. Where Linux says NOT_SPECIFIED, ours has to say more (the kernel's own, on its
// clock, says it again).
bool Runner::check_note() {
  const DropNote& note = *event_->note;
  const auto drop = target_.last_drop();
  const bool vague = note.reason == "NOT_SPECIFIED" && target_.virtual_time();
  const bool fits = !note.dropped ? !drop : drop && (vague ? drop->reason != note.reason : drop->reason == note.reason);
  if (fits && !recorder_) return true;
  const std::string got = drop ? fmt::format("drop: {} @ {}", drop->reason, drop->place) : "ok";
  if (recorder_) {
    recorder_->note(recorder_->last(), got);
    return true;
  }
  return fail("the injected segment did not end as Linux ends it", note_text(note), got);
}

// --- expected

// The script's own SYN or SYN-ACK fixes what its other numbers count from.
bool Runner::expect_stage(const PacketEvent& packet) {
  if (!under_test_) return fail("no socket was opened that the packet could come from");
  const auto* tcp = std::get_if<TcpSpec>(&packet.what);
  if (!tcp) return fail("only TCP packets can be expected");
  Live& live = *under_test_;
  const bool syn = tcp->flags & TCPHDR_SYN, ack = tcp->flags & TCPHDR_ACK;
  if (live.stage == Stage::connecting && syn && !ack) {
    live.stage = Stage::syn_expected;
    live.script_local_isn = tcp->seq;
  } else if (live.stage == Stage::first_received && syn && ack) {
    live.script_local_isn = tcp->seq;
  }
  return true;
}

bool Runner::belongs(const SeenPacket& seen) {
  Live& live = *under_test_;
  if (seen.ends == live.ends) return true;
  if (live.stage != Stage::syn_expected || !seen.opens()) return false;
  if (seen.ends.remote != live.ends.remote || seen.ends.remote_port != live.ends.remote_port) return false;
  // A connection of before may still repeat its SYN; with another number it is a new one on the same ports.
  const auto repeats = [&](const auto& other) { return other->ends == seen.ends && other->local_isn == seen.seq; };
  if (std::ranges::any_of(sockets_, repeats)) return false;
  live.ends = seen.ends;  // the port was the target's choice
  live.local_isn = seen.seq;
  return true;
}

void Runner::learn_from(const SeenPacket& seen) {
  Live& live = *under_test_;
  if (seen.syn()) offered_.seen_syn(seen);
  if (live.stage == Stage::first_received && seen.syn() && seen.flags & TCPHDR_ACK) {
    live.stage = Stage::synack_seen;
    live.local_isn = seen.seq;
  }
}

std::optional<SeenPacket> Runner::sniff(int64_t deadline_us) {
  for (;;) {
    while (auto out = target_.next_packet()) {
      auto seen = read_packet(*out);
      if (!seen || !belongs(*seen)) continue;
      learn_from(*seen);
      return seen;
    }
    if (target_.now_us() >= deadline_us) return std::nullopt;
    target_.run_until(deadline_us);
    if (!take_finished()) return std::nullopt;
  }
}

int64_t Runner::sniff_deadline() const {
  const int64_t now = target_.now_us();
  if (schedule_.any()) return now + (target_.virtual_time() ? kPatience : kRealPatience);
  const int64_t gap = previous_ ? schedule_.end_us - previous_->at_us : schedule_.end_us;
  return now + std::max<int64_t>(gap, 0) + kGrace;
}

std::string Runner::got_text(const SeenPacket& seen) const { return format_packet(scripted(seen, *under_test_)); }

// The packet that answers the expected one. Unless segments are to be strict it may come in several pieces.
std::optional<SeenPacket> Runner::collect(const PacketEvent& packet, const TcpSpec& tcp) {
  auto seen = sniff(sniff_deadline());
  if (!seen) {
    fail("no packet came", format_packet(packet));
    return std::nullopt;
  }
  uint32_t last_payload = seen->payload;
  SeenPacket last = *seen;
  // A packet without data is no piece of one with data. The original takes it for one.
  const bool may_continue = !settings_.strict_segments && (seen->payload || settings_.lax);
  while (may_continue && seen->payload < tcp.payload) {
    auto next = sniff(sniff_deadline());
    if (!next) {
      fail(fmt::format("only {} of {} bytes came", seen->payload, tcp.payload), format_packet(packet), got_text(*seen));
      return std::nullopt;
    }
    if (auto why = why_no_continuation(last, *next, last_payload, tcp.payload - seen->payload)) {
      fail(*why, format_packet(packet), got_text(*seen) + "\n" + got_text(*next));
      return std::nullopt;
    }
    last = *next;
    last_payload = next->payload;
    seen = joined(*seen, *next);
  }
  return seen;
}

bool Runner::judge(const PacketEvent& packet, const TcpSpec& tcp, const SeenPacket& seen) {
  const double share = static_cast<double>(schedule_.at_us) * settings_.tolerance_percent / 100;
  const CompareOptions options{.lax = settings_.lax,
                               .ts_tick_us = settings_.ts_tick_us,
                               .ts_tolerance_us = std::max(settings_.tolerance_us, static_cast<int64_t>(share))};
  const auto stamps = parse_tcp_options(seen.option_bytes).timestamps;
  for (const TcpOptionSpec& option : tcp.options)
    if (option.kind == TcpOptionSpec::Kind::timestamp && stamps) under_test_->learn_tsval(option.value, stamps->tsval);
  const auto differences = compare_packet(packet, seen, *under_test_, options);
  if (!differences.empty()) return fail(headline(differences), format_packet(packet), got_text(seen));
  const auto previous = previous_ ? std::optional(previous_->at_us) : std::nullopt;
  if (auto off = off_schedule(schedule_, seen.time_us, previous, tolerance(), "the packet came"))
    return fail(*off, format_packet(packet), got_text(seen));
  const uint32_t overrun = settings_.lax ? 0 : offered_.overrun(seen, under_test_->local_isn);
  if (overrun) return fail(fmt::format("{} bytes lie beyond the window offered", overrun), {}, got_text(seen));
  return true;
}

bool Runner::do_outbound(const PacketEvent& packet) {
  if (!expect_stage(packet)) return false;
  if (recorder_) return record_outbound(packet);
  const auto& tcp = std::get<TcpSpec>(packet.what);
  const auto seen = collect(packet, tcp);
  return seen && judge(packet, tcp, *seen);
}

}  // namespace glass::drill
