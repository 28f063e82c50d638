// JSON as this room writes it: keys stay in the order they were put in.
//
//   Json j = to_json(rows);   std::string text = j.dump();      // include <nlohmann/json.hpp> to look inside
//
// Every from_json_* function takes any JSON: what is missing or of another kind becomes empty or zero.
#pragma once
#include <nlohmann/json_fwd.hpp>

namespace glass {
using Json = nlohmann::ordered_json;
}
