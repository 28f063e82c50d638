// The scripts that the arguments of `glass drill` stand for.
#pragma once
#include <expected>
#include <string>
#include <vector>

namespace glass {

// Files as they are; of a directory every *.pkt in it and below, sorted. An error names the argument.
std::expected<std::vector<std::string>, std::string> find_scripts(const std::vector<std::string>& arguments);

}  // namespace glass
