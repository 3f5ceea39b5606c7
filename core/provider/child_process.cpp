// Starting and ending programs on POSIX. posix_spawn rather than fork: the process has threads, and after fork only
// async-signal-safe functions may run in the child. Each child leads a process group of its own, so that what it starts
// ends with it, and a Ctrl-C on the terminal reaches llmops alone, which then ends its children in order.
#include "core/provider/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "core/base/clock.h"

namespace llmops {
namespace {

constexpr size_t kStderrTailBytes = 4096;
constexpr int kStderrRounds = 16;
constexpr int kPollMs = 50;  // the longest time until a cancel is noticed
constexpr int64_t kGraceNs = 500'000'000;

int64_t now_ns() { return system_clock_source().steady_ns(); }

Error cannot_start(const ProcessOptions& options, int error_number, std::string hint) {
  return Error(ErrorCode::kProvider,
               fmt::format("{} cannot be started: {}", shown_program(options), std::generic_category().message(error_number)),
               std::move(hint))
      .with_kind("exec_failed", false);
}

// argv[0] on the child's own PATH, the one it is given, not that of llmops.
Result<std::string> find_program(const ProcessOptions& options) {
  if (options.argv.empty() || options.argv[0].empty()) {
    return Error(ErrorCode::kConfig, "argv of the program is empty", "name the program as the first entry of argv");
  }
  const std::string& name = options.argv[0];
  // Absolute, because the child looks it up after it has changed its directory.
  std::error_code no_directory;
  const std::filesystem::path directory = std::filesystem::absolute(options.directory / "", no_directory);
  const auto in_directory = [&](const std::filesystem::path& path) { return (directory / path).string(); };
  if (name.find('/') != std::string::npos) return in_directory(name);
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";
  for (const auto& [key, value] : options.environment) {
    if (key == "PATH") path = value;
  }
  while (true) {
    const size_t end = path.find(':');
    const std::string candidate = in_directory(std::filesystem::path(path.substr(0, end)) / name);
    if (access(candidate.c_str(), X_OK) == 0 && !std::filesystem::is_directory(candidate)) return candidate;
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  return cannot_start(options, ENOENT, "install it, or write argv[0] with its path");
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

struct Pipe { FileDescriptor read_end, write_end; };

Result<Pipe> make_pipe(const ProcessOptions& options) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return cannot_start(options, errno, "lower -j, or raise the limit of open files");
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

void set_nonblocking(const FileDescriptor& end) { fcntl(end.get(), F_SETFL, fcntl(end.get(), F_GETFL) | O_NONBLOCK); }

// posix_spawn's two argument blocks, freed at the end.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void connect(const FileDescriptor& end, int as) { posix_spawn_file_actions_adddup2(&actions_, end.get(), as); }
  void run_in(const std::filesystem::path& directory) {
    if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
    posix_spawn_file_actions_addclosefrom_np(&actions_, 3);  // whatever a library opened without close-on-exec
  }
  int spawn(pid_t& pid, const std::string& program, std::vector<std::string> arguments, std::vector<std::string> environment) {
    return posix_spawn(&pid, program.c_str(), &actions_, &attributes_, pointers(arguments).data(), pointers(environment).data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Writing to a child that has closed its stdin must give EPIPE, and not end llmops: SIGPIPE is blocked in this thread for
// the write, and taken off the queue if the write caused one.
ssize_t write_without_sigpipe(int fd, std::string_view bytes) {
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  sigpending(&pending);
  const ssize_t written = write(fd, bytes.data(), bytes.size());
  const int error_number = errno;
  if (written < 0 && error_number == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec at_once{};
    while (sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error_number;
  return written;
}

// What can be read now; closes the pipe at its end. 0: nothing.
ssize_t read_open(FileDescriptor& pipe_end, char* buffer, size_t size) {
  while (pipe_end.is_open()) {
    const ssize_t count = read(pipe_end.get(), buffer, size);
    if (count > 0) return count;
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 || errno != EAGAIN) pipe_end.close();
    return 0;
  }
  return 0;
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileDescriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string shown_program(const ProcessOptions& options) {
  return fmt::format("'{}'", options.argv.empty() ? std::string() : options.argv[0]);
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const ProcessOptions& options) {
  LLMOPS_ASSIGN(const std::string program, find_program(options));
  LLMOPS_ASSIGN(Pipe in, make_pipe(options));
  LLMOPS_ASSIGN(Pipe out, make_pipe(options));
  LLMOPS_ASSIGN(Pipe err, make_pipe(options));
  SpawnPlan plan;
  plan.connect(in.read_end, STDIN_FILENO);
  plan.connect(out.write_end, STDOUT_FILENO);
  plan.connect(err.write_end, STDERR_FILENO);
  plan.run_in(options.directory);
  std::vector<std::string> environment;
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);
  std::unique_ptr<ChildProcess> child(new ChildProcess());
  const int problem = plan.spawn(child->pid_, program, options.argv, std::move(environment));
  if (problem != 0) {
    child->has_ended_ = true;
    return cannot_start(options, problem, "check argv[0], the folder it runs in, and that it may be executed");
  }
  child->stdin_ = std::move(in.write_end);
  child->stdout_ = std::move(out.read_end);
  child->stderr_ = std::move(err.read_end);
  set_nonblocking(child->stdin_);
  set_nonblocking(child->stdout_);
  set_nonblocking(child->stderr_);
  return child;
}

ChildProcess::~ChildProcess() {
  while (!has_ended()) {
    signal_group(SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ChildProcess::signal_group(int signal) const {
  if (!has_ended_) kill(-pid_, signal);
}

bool ChildProcess::has_ended() {
  if (has_ended_) return true;
  siginfo_t info{};
  // Looked at before it is reaped: while the child is a zombie its number names this process group and no other.
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    has_ended_ = errno == ECHILD;  // the process ignores SIGCHLD, and the kernel reaped the child itself
    return has_ended_;
  }
  if (info.si_pid == 0) return false;
  kill(-pid_, SIGKILL);
  while (waitpid(pid_, &wait_status_, 0) < 0 && errno == EINTR) {
  }
  has_ended_ = true;
  return true;
}

void ChildProcess::write_some(std::string_view& left) {
  while (!left.empty() && stdin_.is_open()) {
    const ssize_t written = write_without_sigpipe(stdin_.get(), left);
    if (written > 0) {
      left.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EINTR) {
      continue;
    } else {
      if (errno != EAGAIN) left = {};  // it reads no more: its answer, or its end, says why
      return;
    }
  }
}

// At most one buffer: poll says when there is more, and the bound on the output is checked in between.
bool ChildProcess::read_stdout() {
  char buffer[65536];
  const ssize_t count = read_open(stdout_, buffer, sizeof buffer);
  if (count > 0) output_.append(buffer, static_cast<size_t>(count));
  return count > 0;
}

void ChildProcess::read_stderr() {
  char buffer[65536];
  for (int round = 0; round < kStderrRounds; ++round) {  // a child that never stops writing must not hold us here
    const ssize_t count = read_open(stderr_, buffer, sizeof buffer);
    if (count <= 0) return;
    stderr_tail_.append(buffer, static_cast<size_t>(count));
    if (stderr_tail_.size() > kStderrTailBytes) stderr_tail_.erase(0, stderr_tail_.size() - kStderrTailBytes);
  }
}

void ChildProcess::wait_for_pipes(bool is_writing, int timeout_ms) {
  std::vector<pollfd> watched;
  if (is_writing && stdin_.is_open()) watched.push_back({stdin_.get(), POLLOUT, 0});
  if (stdout_.is_open()) watched.push_back({stdout_.get(), POLLIN, 0});
  if (stderr_.is_open()) watched.push_back({stderr_.get(), POLLIN, 0});
  // With both pipes closed the child is about to end.
  const bool is_silent = !stdout_.is_open() && !stderr_.is_open();
  poll(watched.data(), watched.size(), is_silent ? 1 : timeout_ms);
}

ChildProcess::Exchange ChildProcess::exchange(std::string_view input, bool is_only_call, const ProcessOptions& options,
                                              const CancelToken& cancel) {
  const int64_t deadline_ns = now_ns() + static_cast<int64_t>(options.timeout_s * 1e9);
  std::string_view left = input;
  while (true) {
    if (cancel.cancelled()) return {Outcome::kCancelled, {}};
    const int64_t left_ms = (deadline_ns - now_ns()) / 1'000'000;
    if (left_ms < 0) return {Outcome::kTimeout, {}};
    write_some(left);
    if (left.empty() && is_only_call) stdin_.close();
    wait_for_pipes(!left.empty(), static_cast<int>(std::min<int64_t>(left_ms, kPollMs)));
    const bool is_over = has_ended();  // asked first, so that all it wrote is read below
    while (read_stdout() && is_over && output_.size() <= options.max_output_bytes) {
    }
    read_stderr();
    const size_t line_end = is_only_call ? std::string::npos : output_.find('\n');
    if (std::min(line_end, output_.size()) > options.max_output_bytes) return {Outcome::kTooLarge, {}};
    if (line_end != std::string::npos) {
      Exchange done{Outcome::kLine, output_.substr(0, line_end)};
      output_.erase(0, line_end + 1);
      return done;
    }
    if (is_over) return {Outcome::kEnded, std::exchange(output_, {})};
  }
}

bool ChildProcess::is_ready() {
  if (has_ended()) return false;
  read_stdout();
  read_stderr();
  const bool is_quiet = output_.find_first_not_of(" \t\r\n") == std::string::npos;
  output_.clear();
  return is_quiet && stdout_.is_open();
}

ChildReaper::~ChildReaper() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ChildReaper::end(std::unique_ptr<ChildProcess> child) {
  child->close_stdin();
  child->signal_group(SIGTERM);
  if (child->has_ended()) return;
  {
    const std::lock_guard lock(mutex_);
    dying_.push_back(Dying{std::move(child), now_ns() + kGraceNs});
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  }
  has_work_.notify_one();
}

void ChildReaper::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::erase_if(dying_, [](Dying& dying) {
      if (now_ns() >= dying.kill_at_ns) dying.child->signal_group(SIGKILL);
      return dying.child->has_ended();
    });
    if (dying_.empty() && is_stopping_) return;
    if (dying_.empty()) {
      has_work_.wait(lock);
    } else {
      has_work_.wait_for(lock, std::chrono::milliseconds(5));
    }
  }
}

}  // namespace llmops
