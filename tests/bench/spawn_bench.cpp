// Times whole processes: each command N times, in turn, so that what disturbs the machine disturbs all of them alike.
// Usage: spawn_bench N -- PROGRAM ARGUMENT... [-- PROGRAM ARGUMENT...]...      PROGRAM is a path; stdout and stderr are dropped
// Prints a line for each command: median wall ms, 90th percentile, greatest resident memory in KiB, the last exit code.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

extern char** environ;

namespace {

struct Command {
  std::vector<char*> argv;         // ends with a null pointer
  std::vector<double> wall_ms;
  long max_rss_kib = 0;
  int exit_code = 0;
};

bool run_once(Command& command, const posix_spawn_file_actions_t& actions) {
  const auto from = std::chrono::steady_clock::now();
  pid_t child = 0;
  if (posix_spawn(&child, command.argv[0], &actions, nullptr, command.argv.data(), environ) != 0) return false;
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child) return false;
  command.wall_ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from).count());
  command.max_rss_kib = std::max(command.max_rss_kib, usage.ru_maxrss);
  command.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

}  // namespace

int main(int argument_count, char** arguments) {
  int count = 0;
  if (argument_count > 1) std::from_chars(arguments[1], arguments[1] + std::strlen(arguments[1]), count);
  std::vector<Command> commands;
  for (int i = 2; i < argument_count; ++i) {
    if (std::strcmp(arguments[i], "--") == 0) commands.emplace_back();
    else if (!commands.empty()) commands.back().argv.push_back(arguments[i]);
  }
  if (count < 1 || commands.empty() || std::any_of(commands.begin(), commands.end(), [](const Command& c) { return c.argv.empty(); })) {
    std::fputs("usage: spawn_bench N -- PROGRAM ARGUMENT... [-- PROGRAM ARGUMENT...]...\n", stderr);
    return 2;
  }
  for (Command& command : commands) command.argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  for (int i = 0; i < count; ++i) {
    for (Command& command : commands) {
      if (run_once(command, actions)) continue;
      std::fprintf(stderr, "spawn_bench: cannot run '%s'\n", command.argv[0]);
      return 2;
    }
  }
  posix_spawn_file_actions_destroy(&actions);
  for (const Command& command : commands) {
    std::printf("%.3f %.3f %ld %d\n", quantile(command.wall_ms, 0.5), quantile(command.wall_ms, 0.9), command.max_rss_kib, command.exit_code);
  }
  return 0;
}
