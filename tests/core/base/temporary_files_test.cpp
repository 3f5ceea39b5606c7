#include "core/base/temporary_files.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>

#include "tests/support/test_data.h"

using namespace llmops;
using llmops::test::TempDir;

namespace {

// The number of a process that has ended.
std::string dead_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  return std::to_string(child);
}

std::vector<std::string> entries(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("what a dead process left beside a file is removed, and nothing else") {
  const TempDir dir;
  const std::string dead = dead_process(), living = std::to_string(getpid());
  dir.write(".m." + dead + ".0.tmp", "file");
  dir.write(".m." + dead + ".12.tmp/part/w", "folder");
  std::vector<std::string> kept = {
      ".m." + living + ".0.tmp",               // of a process that still writes
      ".m.2024." + living + ".0.tmp",          // of the file m.2024
      ".m." + dead + ".5." + dead + ".0.tmp",   // of a file m.DEAD.5
      ".m." + dead + ".0x.tmp", ".m." + dead + "..tmp", ".m." + dead + ".tmp", ".m.-5.0.tmp", ".m." + dead + ".0.tmp2", ".mm." + dead + ".0.tmp", "m." + dead + ".0.tmp"};
  for (const std::string& name : kept) dir.write(name, "x");
  dir.write(".m." + dead + ".notes.tmp/x", "a folder of another's");
  kept.push_back(".m." + dead + ".notes.tmp");
  std::sort(kept.begin(), kept.end());
  remove_stale_siblings(dir.path() / "m");
  CHECK(entries(dir.path()) == kept);
}

TEST_CASE("leftovers in a folder that is not there are none") {
  const TempDir dir;
  CHECK_NOTHROW(remove_stale_siblings(dir.path() / "none" / "m"));
  fs::create_symlink("loop", dir.path() / "loop");
  CHECK_NOTHROW(remove_stale_siblings(dir.path() / "loop" / "m"));
}

TEST_CASE("a file is renamed onto another only when asked to") {
  const TempDir dir;
  dir.write("a", "new");
  dir.write("b", "old");
  CHECK(rename_file(dir.path() / "a", dir.path() / "b", false) == EEXIST);
  CHECK(*read_file(dir.path() / "b") == "old");
  CHECK(rename_file(dir.path() / "a", dir.path() / "b", true) == 0);
  CHECK(*read_file(dir.path() / "b") == "new");
}
