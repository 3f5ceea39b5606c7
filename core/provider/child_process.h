// One running child: its pipes, its deadline, its end. Private to core/provider.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/provider/process.h"

namespace llmops {

// An open file descriptor, closed at the end.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { close(); }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close();

 private:
  int fd_ = -1;
};

// The name of the program for errors, in quotes.
std::string shown_program(const ProcessOptions& options);

class ChildProcess {
 public:
  enum class Outcome { kLine, kEnded, kTimeout, kTooLarge, kCancelled };
  struct Exchange { Outcome outcome = Outcome::kEnded; std::string text; };

  // Errors: kProvider exec_failed: not found, not executable, no such directory.
  static Result<std::unique_ptr<ChildProcess>> start(const ProcessOptions& options);
  ~ChildProcess();  // kills what still runs; ends are otherwise the ChildReaper's
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Writes `input`, then reads one line (kLine), or, when `is_only_call`, closes stdin and reads until the child has
  // ended (kEnded). kEnded also when it ends early. `text` is what was read.
  Exchange exchange(std::string_view input, bool is_only_call, const ProcessOptions& options, const CancelToken& cancel);

  // Runs, and wrote nothing that nobody asked for.
  bool is_ready();
  // Reaps the child when it has ended, and what it left running in its process group.
  bool has_ended();
  void close_stdin() { stdin_.close(); }
  void signal_group(int signal) const;
  // Precondition: has_ended(). As waitpid gives it.
  int wait_status() const { return wait_status_; }
  const std::string& stderr_tail() const { return stderr_tail_; }

 private:
  ChildProcess() = default;
  void write_some(std::string_view& left);
  bool read_stdout();
  void read_stderr();
  void wait_for_pipes(bool is_writing, int timeout_ms);

  pid_t pid_ = -1;
  FileDescriptor stdin_, stdout_, stderr_;
  std::string output_, stderr_tail_;
  bool has_ended_ = false;
  int wait_status_ = 0;
};

// Ends children without making callers wait: SIGTERM at once, SIGKILL after 500 ms.
class ChildReaper {
 public:
  ChildReaper() = default;
  ~ChildReaper();  // waits for all
  ChildReaper(const ChildReaper&) = delete;
  ChildReaper& operator=(const ChildReaper&) = delete;
  void end(std::unique_ptr<ChildProcess> child);

 private:
  struct Dying { std::unique_ptr<ChildProcess> child; int64_t kill_at_ns; };
  void work();
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::vector<Dying> dying_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace llmops
