// Real data reaches tests only through LLMOPS_TEST_DATA. Without it a test says what it leaves out, and the closing lines of
// the run count those.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace llmops::test {

std::optional<std::filesystem::path> data_root();
// Records that a golden was left out, because data_root() is empty.
void note_left_out(const std::string& golden);

// A directory of its own for one test, removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  // Writes a file below, making its directories.
  std::filesystem::path write(const std::string& relative, const std::string& bytes) const;

 private:
  std::filesystem::path path_;
};

}  // namespace llmops::test
