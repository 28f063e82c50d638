// For tests: a directory of its own that goes away with its owner.
//
//   TestSite site;   site.write("a/b.txt", "hello");   SiteDirectory::open(site.path());
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace glass {

class TestSite {
 public:
  TestSite() : path_((std::filesystem::temp_directory_path() / "glass-site-XXXXXX").string()) {
    if (!mkdtemp(path_.data())) throw std::runtime_error("mkdtemp");
  }
  ~TestSite() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestSite(const TestSite&) = delete;
  TestSite& operator=(const TestSite&) = delete;

  const std::string& path() const { return path_; }
  void write(const std::string& name, const std::string& content) const {
    const std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
  }

 private:
  std::string path_;
};

}  // namespace glass
