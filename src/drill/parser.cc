#include "drill/parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "drill/parse_parts.h"

namespace glass::drill {

namespace {

using Defines = std::map<std::string, std::string>;

class ScriptParser {
 public:
  explicit ScriptParser(std::string_view text) : s_(std::string(text)) {}
  Script script(std::string path, const Defines& given);

 private:
  void options();
  void apply_defines(const Defines& given);
  Event event();
  EventTime event_time();
  void check_time(const Event& event);
  std::optional<DropNote> note() const;

  Scanner s_;
  Script script_{};
  Defines own_defines_{};
  bool ipv6_ = false;
};

Script ScriptParser::script(std::string path, const Defines& given) {
  script_.path = std::move(path);
  if (s_.text().starts_with("#!")) s_.go_back(std::min(s_.text().find('\n'), s_.text().size()));  // for the shell
  options();
  apply_defines(given);
  script_.init_line = s_.next_line();
  if (s_.peek("`")) script_.init = CommandEvent{s_.back_quoted()};
  if (s_.at_end() || s_.peek("`")) s_.fail("a script needs at least one event with a time");
  while (!s_.at_end() && !s_.peek("`")) script_.events.push_back(event());
  if (s_.at_end()) return std::move(script_);
  script_.cleanup_line = s_.next_line();
  script_.cleanup = CommandEvent{s_.back_quoted()};
  if (!s_.at_end()) s_.fail(fmt::format("expected the end after the clean-up command, found {}", s_.found()));
  return std::move(script_);
}

// --name or --name=value, before anything else.
void ScriptParser::options() {
  while (s_.accept("--")) {
    std::string name(s_.word("the name of an option"));
    std::string value;
    const size_t begin = s_.next_position();
    if (s_.accept("=")) value = s_.option_value();
    if (name == "define") {
      const size_t equals = value.find('=');
      if (equals == value.npos) s_.fail_at(begin, "expected --define=NAME=value");
      own_defines_[value.substr(0, equals)] = value.substr(equals + 1);
    } else if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (name == "ip_version") ipv6_ = value == "ipv6";
    script_.options.emplace_back(std::move(name), std::move(value));
  }
}

void ScriptParser::apply_defines(const Defines& given) {
  Defines defines = given;
  defines.merge(own_defines_);  // what was given outside wins, what scripts rely on comes last
  defines.merge(usual_defines(ipv6_));
  s_.replace_rest(expand_defines(std::string_view(s_.text()).substr(s_.position()), defines));
}

Event ScriptParser::event() {
  Event event;
  const size_t begin = s_.next_position();
  event.line = s_.next_line();
  event.time = event_time();
  std::optional<EventTime> returns_at;
  if (s_.accept("...")) {
    returns_at = EventTime{.kind = event.time.kind, .begin_us = s_.seconds()};
    if (returns_at->begin_us < event.time.begin_us) s_.fail("this call would return before it begins");
  }
  if (s_.peek("<") || s_.peek(">")) {
    event.what = parse_packet(s_, ipv6_);
    if (returns_at) s_.fail_at(begin, "only a system call can have a time at which it returns");
    if (std::get<PacketEvent>(event.what).direction == Direction::inbound) event.note = note();
  } else if (s_.peek("`")) {
    event.what = CommandEvent{s_.back_quoted()};
  } else if (s_.peek("%{")) {
    const int line = s_.next_line();
    event.what = CodeEvent{s_.code(), line};
  } else {
    event.what = parse_syscall(s_);
    std::get<SyscallEvent>(event.what).returns_at = returns_at;
  }
  event.text = one_line(s_.since(begin));
  check_time(event);
  return event;
}

EventTime ScriptParser::event_time() {
  if (s_.accept("*")) return {.kind = EventTime::Kind::any};
  const size_t begin = s_.next_position();
  EventTime time;
  const bool relative = s_.accept("+");
  time.begin_us = s_.seconds();
  const bool range = s_.accept("~");
  if (range) {
    if (relative) s_.expect("+", "+time~, as in +0~+0.1");
    time.end_us = s_.seconds();
    if (time.end_us < time.begin_us) s_.fail_at(begin, "this range of times is backwards");
  }
  time.kind = relative ? range ? EventTime::Kind::relative_range : EventTime::Kind::relative
              : range  ? EventTime::Kind::absolute_range
                       : EventTime::Kind::absolute;
  return time;
}

void ScriptParser::check_time(const Event& event) {
  const auto refuse = [&](std::string_view why) { throw ParseError{event.line, 1, std::string(why)}; };
  const bool exact = event.time.kind == EventTime::Kind::absolute || event.time.kind == EventTime::Kind::relative;
  const auto* packet = std::get_if<PacketEvent>(&event.what);
  if (!exact && (!packet || packet->direction != Direction::outbound)) {
    refuse("only an expected packet can come at any time (*) or within a range of times");
  }
  if (script_.events.empty() && (!exact || event.time.begin_us != 0)) refuse("the first event has to be at time 0");
}

// What the comment behind an injected segment says of its end; another comment says nothing.
std::optional<DropNote> ScriptParser::note() const {
  constexpr std::string_view kSpace = " \t\r";
  std::string comment = s_.line_comment();
  comment.erase(0, comment.find_first_not_of(kSpace));
  comment.erase(comment.find_last_not_of(kSpace) + 1);
  if (comment == "ok") return DropNote{};
  constexpr std::string_view kDrop = "drop: ";
  if (!comment.starts_with(kDrop)) return std::nullopt;
  const size_t at = comment.find(" @ ");
  if (at == comment.npos) return DropNote{.dropped = true, .reason = comment.substr(kDrop.size())};
  return DropNote{
      .dropped = true, .reason = comment.substr(kDrop.size(), at - kDrop.size()), .place = comment.substr(at + 3)};
}

}  // namespace

std::map<std::string, std::string> usual_defines(bool ipv6) {
  return {{"CMSG_LEVEL_IP", ipv6 ? "SOL_IPV6" : "SOL_IP"},
          {"CMSG_TYPE_RECVERR", ipv6 ? "IPV6_RECVERR" : "IP_RECVERR"},
          {"CODE", ipv6 ? "address_unreachable" : "host_unreachable"},
          {"TFO_COOKIE", ipv6 ? "c1d1e9742a47a9bc" : "3021b9d889017eeb"}};
}

std::string expand_defines(std::string_view text, const Defines& defines) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t end = end_of_opaque(text, i);
    if (end == i && is_word_character(text[i])) {
      while (end < text.size() && is_word_character(text[end])) ++end;
      const auto found = defines.find(std::string(text.substr(i, end - i)));
      if (found != defines.end()) {
        out += found->second;
        i = end;
        continue;
      }
    }
    end = std::max(end, i + 1);
    out += text.substr(i, end - i);
    i = end;
  }
  return out;
}

std::expected<Script, ParseError> parse_script(std::string path, std::string_view text, const Defines& defines) {
  try {
    return ScriptParser(text).script(std::move(path), defines);
  } catch (const ParseError& error) {
    return std::unexpected(error);
  }
}

}  // namespace glass::drill
