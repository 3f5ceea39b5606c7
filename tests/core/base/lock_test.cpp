#include "core/base/lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/thread_pool.h"
#include "tests/support/test_data.h"

using namespace llmops;
using Mode = FileLock::Mode;

namespace {

// Holds the lock in a process of its own until told to end.
class OtherProcess {
 public:
  OtherProcess(const std::filesystem::path& path, Mode mode) {
    int ready[2], stop[2];
    REQUIRE(pipe(ready) == 0);
    REQUIRE(pipe(stop) == 0);
    child_ = fork();
    if (child_ == 0) {
      const auto lock = FileLock::acquire(path, mode, 0);
      char byte = lock ? 'y' : 'n';
      if (write(ready[1], &byte, 1) != 1) _exit(2);
      close(stop[1]);
      if (read(stop[0], &byte, 1) < 0) _exit(2);
      _exit(0);
    }
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    REQUIRE(byte == 'y');
    close(ready[0]);
    close(ready[1]);
    close(stop[0]);
    stop_ = stop[1];
  }
  ~OtherProcess() { end(); }
  void kill_hard() {
    kill(child_, SIGKILL);
    end();
  }
  void end() {
    if (child_ < 0) return;
    close(stop_);
    waitpid(child_, nullptr, 0);
    child_ = -1;
  }
  pid_t pid() const { return child_; }

 private:
  pid_t child_ = -1;
  int stop_ = -1;
};

}  // namespace

TEST_CASE("an exclusive lock keeps every other process out, and names its holder") {
  const test::TempDir dir;
  const auto path = dir.path() / "lock";
  OtherProcess other(path, Mode::kExclusive);
  char host[64] = "";
  gethostname(host, sizeof host - 1);
  for (const Mode mode : {Mode::kExclusive, Mode::kShared}) {
    const auto lock = FileLock::acquire(path, mode, 20);
    REQUIRE_FALSE(lock);
    CHECK(lock.error().code == ErrorCode::kLocked);
    CHECK(lock.error().message == "the store is locked by process " + std::to_string(other.pid()) + " on " + host + " ('" + path.string() + "')");
    CHECK(lock.error().hint == "wait until it is done, or raise --lock-timeout");
  }
  other.end();
  CHECK(FileLock::acquire(path, Mode::kExclusive, 0));
}

TEST_CASE("a name in the file that does not hold the lock is not named") {
  const test::TempDir dir;
  const auto path = dir.path() / "lock";
  const std::string message = "the store is locked by another process ('" + path.string() + "')";
  OtherProcess other(path, Mode::kShared);  // writes no name
  CHECK(FileLock::acquire(path, Mode::kExclusive, 0).error().message == message);
  // Alive, and holds nothing; dead, or never there; no name at all.
  for (const std::string& text : {"process " + std::to_string(getpid()) + " on here\n", std::string("process 4194305 on here\n"), std::string("words\n")}) {
    dir.write("lock", text);
    CHECK(FileLock::acquire(path, Mode::kExclusive, 0).error().message == message);
  }
}

TEST_CASE("shared locks live side by side and keep an exclusive one out") {
  const test::TempDir dir;
  const auto path = dir.path() / "lock";
  OtherProcess other(path, Mode::kShared);
  CHECK(FileLock::acquire(path, Mode::kShared, 0));
  CHECK_FALSE(FileLock::acquire(path, Mode::kExclusive, 0));
}

TEST_CASE("the lock of a killed process is gone with it") {
  const test::TempDir dir;
  const auto path = dir.path() / "lock";
  OtherProcess other(path, Mode::kExclusive);
  other.kill_hard();
  CHECK(FileLock::acquire(path, Mode::kExclusive, 1000));
}

TEST_CASE("two locks in one process exclude each other, and a moved lock stays held") {
  const test::TempDir dir;
  const auto path = dir.path() / "lock";
  auto first = FileLock::acquire(path, Mode::kExclusive, 0);
  REQUIRE(first);
  {
    const FileLock moved = std::move(*first);
    CHECK_FALSE(FileLock::acquire(path, Mode::kExclusive, 0));
  }
  CHECK(FileLock::acquire(path, Mode::kExclusive, 0));
}

TEST_CASE("a lock that becomes free while waiting is taken") {
  const test::TempDir dir;
  const auto path = dir.path() / "lock";
  auto first = FileLock::acquire(path, Mode::kExclusive, 0);
  REQUIRE(first);
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    const FileLock gone = std::move(*first);
  });
  CHECK(FileLock::acquire(path, Mode::kExclusive, 5000));
  release.join();
}

TEST_CASE("a lock in a directory that does not exist is refused") {
  const test::TempDir dir;
  CHECK(FileLock::acquire(dir.path() / "none/lock", Mode::kExclusive, 0).error().code == ErrorCode::kNotFound);
}

TEST_CASE("a pool runs every task once, however few the workers and the places") {
  for (const size_t workers : {1UL, 4UL}) {
    std::vector<int> done(500, 0);
    {
      ThreadPool pool(workers, 2);
      for (size_t i = 0; i < done.size(); ++i) pool.submit([&done, i] { ++done[i]; });
      pool.wait_idle();
      CHECK(std::count(done.begin(), done.end(), 1) == 500);
      for (size_t i = 0; i < 10; ++i) pool.submit([&done, i] { ++done[i]; });
    }
    CHECK(std::count(done.begin(), done.end(), 2) == 10);
  }
}

TEST_CASE("a full queue makes the submitter wait") {
  ThreadPool pool(1, 1);
  std::atomic<bool> go{false};
  std::atomic<int> submitted{0};
  std::thread submitter([&] {
    for (int i = 0; i < 4; ++i) {
      pool.submit([&] { while (!go) std::this_thread::yield(); });
      ++submitted;
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(80));
  CHECK(submitted <= 2);
  go = true;
  submitter.join();
  pool.wait_idle();
  CHECK(submitted == 4);
}
