#include "cli/drill/find_scripts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace glass {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> scripts_below(const fs::path& folder) {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().extension() == ".pkt") found.push_back(entry.path().string());
  std::ranges::sort(found);
  return found;
}

}  // namespace

std::expected<std::vector<std::string>, std::string> find_scripts(const std::vector<std::string>& arguments) {
  std::vector<std::string> scripts;
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (fs::is_directory(argument, error)) {
      const auto below = scripts_below(argument);
      if (below.empty()) return std::unexpected(fmt::format("no *.pkt in {} or below it", argument));
      scripts.insert(scripts.end(), below.begin(), below.end());
    } else if (fs::exists(argument, error)) {
      scripts.push_back(argument);
    } else {
      return std::unexpected(fmt::format("there is no file or directory {}", argument));
    }
  }
  return scripts;
}

}  // namespace glass
