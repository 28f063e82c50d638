// From text to a Script.
//
//   auto script = parse_script("a.pkt", text, {{"PORT", "80"}});
//   if (!script) fmt::print(stderr, "a.pkt:{}: {}\n", script.error().line, script.error().text);
#pragma once
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "drill/script.h"

namespace glass::drill {

// Only the language is judged here, not whether a target has the call or the option.
// `defines` are -D NAME=value: a bare word NAME becomes the integer, word, "string" or `command` that value is.
std::expected<Script, ParseError> parse_script(std::string path, std::string_view text,
                                               const std::map<std::string, std::string>& defines = {});

// The words that the scripts of the common suites expect from outside: the cookie of their key and addresses, and the
// names that are another for each IP version. They hold for names that neither `defines` nor --define gives.
std::map<std::string, std::string> usual_defines(bool ipv6);

// The value of a C constant that scripts may name (SOL_SOCKET, TCP_NODELAY, O_RDWR, EPOLLIN, EAGAIN ...).
std::optional<int64_t> symbol_value(std::string_view name);
std::string errno_name(int error);  // "EAGAIN"

}  // namespace glass::drill
