#include "tests/support/run_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>

namespace llmops::test {
namespace {

void read_all(int fd, std::string& into) {
  char buffer[65536];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    into.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
}

// The bytes as a file that has no name, so that no pipe can fill up.
int input_file(const std::string& input) {
  if (input.empty()) return open("/dev/null", O_RDONLY | O_CLOEXEC);
  FILE* file = tmpfile();
  REQUIRE(file != nullptr);
  REQUIRE(fwrite(input.data(), 1, input.size(), file) == input.size());
  REQUIRE(fflush(file) == 0);
  const int fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
  fclose(file);
  REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
  return fd;
}

}  // namespace

double steady_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Program::Program(const std::vector<std::string>& argv, const std::filesystem::path& cwd, const std::map<std::string, std::string>& env, const std::string& input) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : env) variables.push_back(name + "=" + value);
  std::vector<char*> arguments, environment;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  for (const std::string& variable : variables) environment.push_back(const_cast<char*>(variable.c_str()));
  arguments.push_back(nullptr);
  environment.push_back(nullptr);
  int out[2], err[2];
  REQUIRE(pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(pipe2(err, O_CLOEXEC) == 0);
  const int in = input_file(input);
  started_s_ = steady_seconds();
  pid_ = fork();
  if (pid_ == 0) {
    // Between fork and exec only what is safe after a fork of a program with threads.
    if (chdir(cwd.c_str()) != 0) _exit(126);
    dup2(in, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    execve(arguments[0], arguments.data(), environment.data());
    _exit(127);
  }
  REQUIRE(pid_ > 0);
  close(in);
  close(out[1]);
  close(err[1]);
  readers_.emplace_back([this, fd = out[0]] { read_all(fd, out_); });
  readers_.emplace_back([this, fd = err[0]] { read_all(fd, err_); });
}

Program::~Program() {
  if (!reaped_ && pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, &status_, 0);
  }
  for (std::thread& reader : readers_) if (reader.joinable()) reader.join();
}

void Program::send_signal(int number) const { kill(pid_, number); }

bool Program::is_running() {
  if (!reaped_) reaped_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !reaped_;
}

ProgramResult Program::wait(double timeout_s) {
  ProgramResult result;
  while (is_running()) {
    if (!result.timed_out && steady_seconds() - started_s_ > timeout_s) {
      result.timed_out = true;
      kill(pid_, SIGKILL);
    }
    const timespec pause{0, 500'000};
    nanosleep(&pause, nullptr);
  }
  result.wall_s = steady_seconds() - started_s_;
  for (std::thread& reader : readers_) if (reader.joinable()) reader.join();
  result.out = out_;
  result.err = err_;
  result.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  return result;
}

Project::Project() {
  std::filesystem::create_directories(root());
  std::filesystem::create_directories(home() / "state");
  write("llmops.yaml", "llmops: project/v1\n");
}

void Project::write(const std::string& relative, const std::string& bytes) const { directory.write("project/" + relative, bytes); }

std::string Project::read(const std::string& relative) const {
  std::ifstream file(root() / relative, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::map<std::string, std::string> Project::environment() const {
  std::map<std::string, std::string> all = {{"PATH", "/usr/bin:/bin"}, {"HOME", home().string()}, {"XDG_STATE_HOME", (home() / "state").string()},
                                            {"XDG_CONFIG_HOME", (home() / "config").string()}, {"TMPDIR", home().string()}, {"COLUMNS", "100"}, {"LC_ALL", "C.UTF-8"}};
  for (const auto& [name, value] : env) all[name] = value;
  return all;
}

ProgramResult Project::llmops(const std::vector<std::string>& arguments, double timeout_s) const {
  std::vector<std::string> argv = {LLMOPS_BINARY};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  ProgramResult result = Program(argv, root(), environment()).wait(timeout_s);
  CHECK_FALSE(result.timed_out);
  return result;
}

nlohmann::json Project::json(std::vector<std::string> arguments, int expected_exit) const {
  arguments.push_back("--json");
  const ProgramResult result = llmops(arguments);
  INFO(result.out.substr(0, 2000) << result.err);
  CHECK(result.exit_code == expected_exit);
  nlohmann::json document = nlohmann::json::parse(result.out, nullptr, false);
  REQUIRE_FALSE(document.is_discarded());
  return document;
}

std::vector<std::string> Project::files_with(const std::string& text) const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root())) {
    if (!entry.is_regular_file()) continue;
    const std::string relative = std::filesystem::relative(entry.path(), root()).string();
    if (read(relative).find(text) != std::string::npos) found.push_back(relative);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> Project::leftovers() const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root())) {
    const std::string relative = std::filesystem::relative(entry.path(), root()).string();
    if (relative.starts_with(".llmops/tmp/") || relative.find(".tmp") != std::string::npos) found.push_back(relative);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace llmops::test
