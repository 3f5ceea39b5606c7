#include "tests/support/test_data.h"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <set>

namespace llmops::test {
namespace {

std::set<std::string>& left_out() {
  static std::set<std::string> names;
  return names;
}

// Says at the end how many goldens were left out.
struct LeftOutListener : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testRunEnded(const Catch::TestRunStats&) override {
    if (left_out().empty()) return;
    std::printf("left out without LLMOPS_TEST_DATA: %zu goldens on real data\n", left_out().size());
    for (const auto& name : left_out()) std::printf("  %s\n", name.c_str());
  }
};
CATCH_REGISTER_LISTENER(LeftOutListener)

}  // namespace

std::optional<std::filesystem::path> data_root() {
  const char* value = getenv("LLMOPS_TEST_DATA");
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::filesystem::path(value);
}

void note_left_out(const std::string& golden) { left_out().insert(golden); }

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "llmops-test-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  path_ = std::filesystem::canonical(pattern);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TempDir::write(const std::string& relative, const std::string& bytes) const {
  const auto file = path_ / relative;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << bytes;
  return file;
}

}  // namespace llmops::test
