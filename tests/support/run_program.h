// Runs the program under test, or any other, in a cleared environment: HOME, XDG_STATE_HOME, XDG_CONFIG_HOME and TMPDIR are a
// directory of the caller's, COLUMNS is 100, LC_ALL is C.UTF-8, PATH holds the system's programs, and nothing else is set.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/test_data.h"

namespace llmops::test {

struct ProgramResult {
  int exit_code = -1;         // of the program, or 128 + the signal that ended it
  bool timed_out = false;     // and was killed
  std::string out, err;
  double wall_s = 0;
};

// Owns the process: the destructor kills what still runs.
class Program {
 public:
  Program(const std::vector<std::string>& argv, const std::filesystem::path& cwd, const std::map<std::string, std::string>& env, const std::string& input = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  pid_t pid() const { return pid_; }
  void send_signal(int number) const;
  bool is_running();
  // Waits at most timeout_s, then kills it. Once.
  ProgramResult wait(double timeout_s = 120);

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  bool reaped_ = false;
  double started_s_ = 0;
  std::string out_, err_;
  std::vector<std::thread> readers_;
};

double steady_seconds();

// A project in a directory of its own, with a private home beside it.
struct Project {
  TempDir directory;
  std::map<std::string, std::string> env;   // added to the cleared environment of every run

  Project();
  std::filesystem::path root() const { return directory.path() / "project"; }
  std::filesystem::path home() const { return directory.path() / "home"; }
  void write(const std::string& relative, const std::string& bytes) const;
  std::string read(const std::string& relative) const;
  // The environment of a run: the cleared one and `env`.
  std::map<std::string, std::string> environment() const;
  // Runs llmops with these arguments in the root; of two forms, the shell-free one.
  ProgramResult llmops(const std::vector<std::string>& arguments, double timeout_s = 120) const;
  // The same with --json: the document that it printed. Fails the test when that is no JSON.
  nlohmann::json json(std::vector<std::string> arguments, int expected_exit) const;
  // Files below the root whose bytes hold `text`, the store's among them.
  std::vector<std::string> files_with(const std::string& text) const;
  // Files of a write that did not end: names with ".tmp", and everything below .llmops/tmp.
  std::vector<std::string> leftovers() const;
};

}  // namespace llmops::test
