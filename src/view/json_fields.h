// Reading JSON that may be anything: a field that is missing or of another kind is empty or zero.
//
//   DropRow row{.reason = text_field(j, "reason"), .count = number_field(j, "count")};
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "view/json.h"

namespace glass {

inline std::string text_field(const Json& j, const char* key) {
  const auto at = j.is_object() ? j.find(key) : j.end();
  return j.is_object() && at != j.end() && at->is_string() ? at->get<std::string>() : std::string();
}

inline uint64_t number_field(const Json& j, const char* key) {
  const auto at = j.is_object() ? j.find(key) : j.end();
  if (!j.is_object() || at == j.end() || !at->is_number_integer()) return 0;
  return at->is_number_unsigned() || at->get<int64_t>() >= 0 ? at->get<uint64_t>() : 0;
}

inline bool bool_field(const Json& j, const char* key) {
  const auto at = j.is_object() ? j.find(key) : j.end();
  return j.is_object() && at != j.end() && at->is_boolean() && at->get<bool>();
}

inline Json array_field(const Json& j, const char* key) {
  const auto at = j.is_object() ? j.find(key) : j.end();
  return j.is_object() && at != j.end() && at->is_array() ? *at : Json::array();
}

}  // namespace glass
