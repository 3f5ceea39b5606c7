// The program: surroundings in, exit code out.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>

#include "cli/app.h"
#include "core/base/failpoint.h"

extern char** environ;

namespace {

std::atomic<bool>* cancel_flag = nullptr;
volatile sig_atomic_t interrupts = 0;

// The first Ctrl-C asks the work to end; the second ends the process.
void on_interrupt(int) {
  interrupts = interrupts + 1;
  if (interrupts > 1) _exit(130);
  cancel_flag->store(true, std::memory_order_relaxed);
}

std::map<std::string, std::string> read_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const char* equals = std::strchr(*entry, '=');
    if (equals != nullptr) variables.emplace(std::string(*entry, static_cast<size_t>(equals - *entry)), equals + 1);
  }
  return variables;
}

int run(int argc, char** argv) {
  llmops::Surroundings surroundings;
  surroundings.variables = read_environment();
  surroundings.clock = &llmops::system_clock_source();
  std::error_code failed;
  surroundings.working_directory = std::filesystem::current_path(failed);
  llmops::Terminal terminal(surroundings.variables);
  if (failed) {
    std::fputs("error: the working directory does not exist any more\n", stderr);
    return 2;
  }
  cancel_flag = surroundings.cancel.raw();
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);      // a terminal that closes
  signal(SIGXFSZ, SIG_IGN);                 // a limit on the size of files is an error like a full disk
  signal(SIGPIPE, SIG_IGN);
  if (const auto found = surroundings.variables.find("LLMOPS_FAILPOINT"); found != surroundings.variables.end()) {
    if (auto configured = llmops::configure_failpoints(found->second); !configured) {
      std::fputs(llmops::render_error(configured.error(), terminal).c_str(), stderr);
      return 2;
    }
  }
  // Kept until the process ends: a signal may come at any time.
  const llmops::CancelToken keep_alive = surroundings.cancel;
  return llmops::run_app({argv + 1, argv + argc}, terminal, std::move(surroundings));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: a bug in llmops: %s\nhint: please report it with the command and this message\n", error.what());
    return 70;
  }
}
