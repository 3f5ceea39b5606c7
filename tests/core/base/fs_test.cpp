#include "core/base/fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/failpoint.h"
#include "tests/support/test_data.h"

using namespace llmops;
using llmops::test::TempDir;

namespace {

struct Failpoints {
  explicit Failpoints(const std::string& specification) { REQUIRE(configure_failpoints(specification)); }
  ~Failpoints() { static_cast<void>(configure_failpoints("").has_value()); }
};

std::vector<std::string> entries(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string told(const Error& error) { return error.message + (error.hint.empty() ? "" : " | " + error.hint); }

}  // namespace

TEST_CASE("a file is read whole, or refused with the reason") {
  const TempDir dir;
  dir.write("a.txt", std::string("one\0two", 7));
  CHECK(*read_file(dir.path() / "a.txt") == std::string("one\0two", 7));
  const auto missing = read_file(dir.path() / "none.txt");
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message == "cannot read '" + (dir.path() / "none.txt").string() + "': it does not exist");
  const auto directory = read_file(dir.path());
  CHECK(directory.error().code == ErrorCode::kIo);
  CHECK(directory.error().message == "cannot read '" + dir.path().string() + "': it is a directory");
  const auto large = read_file(dir.path() / "a.txt", 6);
  CHECK(large.error().message == "cannot read '" + (dir.path() / "a.txt").string() + "': 7 bytes are more than the limit of 6");
  CHECK(read_file(dir.path() / "a.txt", 7));
}

TEST_CASE("a pipe is read to its end, and no further than the limit") {
  CHECK_FALSE(read_file("/dev/zero", 100'000));
  CHECK(read_file("/dev/null")->empty());
}

TEST_CASE("an atomic write replaces the file whole, with the mode asked for") {
  const TempDir dir;
  const fs::path path = dir.path() / "f";
  REQUIRE(write_file_atomic(path, "old", {.mode = 0600}));
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const std::string large(3'000'000, 'x');
  REQUIRE(write_file_atomic(path, large));
  CHECK(*read_file(path) == large);
  CHECK(entries(dir.path()) == std::vector<std::string>{"f"});
}

TEST_CASE("a write that fails leaves the old file and no temporary file") {
  const TempDir dir;
  const fs::path path = dir.path() / "f";
  REQUIRE(write_file_atomic(path, "old"));
  for (const char* point : {"fs.write", "fs.before_rename"}) {
    for (const auto& [action, words] : {std::pair{"eio", "Input/output error | look for a failing disk or network file system, then try again"}, std::pair{"enospc", "the disk is full | free some space, then run the command again"}}) {
      const Failpoints active(std::string(point) + ":" + action);
      const Status written = write_file_atomic(path, "new");
      REQUIRE_FALSE(written);
      CHECK(written.error().code == ErrorCode::kIo);
      CHECK(told(written.error()) == "cannot write '" + path.string() + "': " + words);
      CHECK(*read_file(path) == "old");
      CHECK(entries(dir.path()) == std::vector<std::string>{"f"});
    }
  }
  CHECK(write_file_atomic(path, "new"));
}

TEST_CASE("a failpoint may wait for its third time") {
  const TempDir dir;
  const Failpoints active("fs.before_rename:enospc@3");
  CHECK(write_file_atomic(dir.path() / "a", "1"));
  CHECK(write_file_atomic(dir.path() / "b", "1"));
  CHECK_FALSE(write_file_atomic(dir.path() / "c", "1"));
  CHECK_FALSE(write_file_atomic(dir.path() / "d", "1"));
}

TEST_CASE("a failpoint of an unknown action is refused") {
  CHECK(told(configure_failpoints("fs.write:enospace").error()) == "unknown failpoint action 'enospace' | did you mean 'enospc'?");
  CHECK(told(configure_failpoints("fs.write").error()) == "failpoint 'fs.write' has no action | write NAME:ACTION");
  REQUIRE(configure_failpoints(""));
}

TEST_CASE("nothing of a growing file is visible before it is committed") {
  const TempDir dir;
  const fs::path path = dir.path() / "report.jsonl";
  {
    auto file = AtomicFile::create(path);
    REQUIRE(file);
    REQUIRE(file->append("one\n"));
    CHECK_FALSE(fs::exists(path));
    CHECK(entries(dir.path()).size() == 1);
  }
  CHECK(entries(dir.path()).empty());
  auto file = AtomicFile::create(path);
  REQUIRE(file);
  REQUIRE(file->append("one\n"));
  AtomicFile moved = std::move(*file);
  REQUIRE(moved.append("two\n"));
  REQUIRE(moved.commit());
  CHECK(*read_file(path) == "one\ntwo\n");
  CHECK(entries(dir.path()) == std::vector<std::string>{"report.jsonl"});
}

TEST_CASE("a write into a directory that does not exist is refused") {
  const TempDir dir;
  CHECK_FALSE(write_file_atomic(dir.path() / "none" / "f", "x"));
  REQUIRE(ensure_directory(dir.path() / "a/b/c"));
  REQUIRE(ensure_directory(dir.path() / "a/b/c"));
  CHECK(write_file_atomic(dir.path() / "a/b/c/f", "x"));
  CHECK(remove_file(dir.path() / "a/b/c/f"));
  CHECK(remove_file(dir.path() / "a/b/c/f"));
}

TEST_CASE("a file in the way of a directory is refused") {
  const TempDir dir;
  dir.write("f", "x");
  CHECK_FALSE(ensure_directory(dir.path() / "f"));
}

TEST_CASE("the errors that users meet are told in words and with what to do") {
  CHECK(told(io_error("write", "f", ENOSPC)) == "cannot write 'f': the disk is full | free some space, then run the command again");
  CHECK(told(io_error("write", "f", EDQUOT)) == "cannot write 'f': the disk quota is used up | free some space, then run the command again");
  CHECK(told(io_error("read", "f", EACCES)) == "cannot read 'f': permission denied | check the owner and mode of the file and its directory");
  CHECK(told(io_error("write", "f", EROFS)) == "cannot write 'f': the file system is read-only | work in a directory that can be written");
  CHECK(told(io_error("write", "f", EFBIG)) == "cannot write 'f': File too large | check the path, and the file system that it is on");
  CHECK(told(io_error("read", "f", EIO)) == "cannot read 'f': Input/output error | look for a failing disk or network file system, then try again");
  CHECK(told(io_error("read", "f", ENOENT)) == "cannot read 'f': it does not exist | check the path");
  CHECK(told(io_error("read", "f", EISDIR)) == "cannot read 'f': it is a directory | name a file");
  CHECK(io_error("write", "f", 99999).message == "cannot write 'f': unknown error");
}
