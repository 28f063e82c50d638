#include "cli/http/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/http/test_site.h"

namespace glass {
namespace {

TEST(SiteDirectory, OpensWhatIsInside) {
  TestSite site;
  site.write("a/b.txt", "hello");
  const auto dir = SiteDirectory::open(site.path());
  ASSERT_TRUE(dir) << dir.error();
  const auto file = dir->open_file("a/b.txt");
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->directory);
  EXPECT_EQ(file->size, 5u);
  EXPECT_TRUE(dir->open_file("")->directory);
  EXPECT_TRUE(dir->open_file("a/")->directory);
}

TEST(SiteDirectory, StatusOfWhatIsNot) {
  TestSite site;
  site.write("b.txt", "hello");
  const auto dir = SiteDirectory::open(site.path());
  EXPECT_EQ(dir->open_file("missing").error(), 404);
  EXPECT_EQ(dir->open_file("b.txt/x").error(), 404);
  EXPECT_EQ(dir->open_file("b.txt/").error(), 404);
  EXPECT_EQ(dir->open_file(std::string(5000, 'a')).error(), 404);
}

TEST(SiteDirectory, NothingOutsideByLinkOrDots) {
  TestSite site;
  std::filesystem::create_directory(site.path() + "/site");
  site.write("secret", "x");
  std::filesystem::create_symlink("/etc/passwd", site.path() + "/site/absolute");
  std::filesystem::create_symlink("../secret", site.path() + "/site/relative");
  std::filesystem::create_symlink("..", site.path() + "/site/up");
  const auto dir = SiteDirectory::open(site.path() + "/site");
  for (const char* path : {"absolute", "relative", "up/secret", "../secret"})
    EXPECT_EQ(dir->open_file(path).error(), 403) << path;
}

TEST(SiteDirectory, AFifoDoesNotHoldUp) {
  TestSite site;
  ASSERT_EQ(mkfifo((site.path() + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(SiteDirectory::open(site.path())->open_file("pipe").error(), 403);
}

TEST(SiteDirectory, Lists) {
  TestSite site;
  site.write("b.txt", "hello");
  site.write("dir/x", "");
  site.write(".hidden", "");
  const auto dir = SiteDirectory::open(site.path());
  auto entries = SiteDirectory::list(*dir->open_file(""));
  ASSERT_EQ(entries.size(), 2u);
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  EXPECT_EQ(entries[0].name, "b.txt");
  EXPECT_EQ(entries[0].size, 5u);
  EXPECT_TRUE(entries[1].directory);
}

TEST(SiteDirectory, UnreadableIsOneLine) {
  const auto dir = SiteDirectory::open("/nonexistent/glass");
  ASSERT_FALSE(dir);
  EXPECT_EQ(dir.error(),
            "cannot serve /nonexistent/glass: No such file or directory; name a directory that can be read");
}

}  // namespace
}  // namespace glass
