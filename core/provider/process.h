// Running the user's own programs: argv, never a shell; one JSON line in, one JSON line out. Started only after trust,
// which the caller has checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/json.h"

namespace llmops {

struct ProcessOptions {
  std::vector<std::string> argv;             // argv[0] is looked up on PATH unless it has a '/'; relative ones in `directory`
  std::filesystem::path directory;           // where it runs
  std::vector<std::pair<std::string, std::string>> environment;  // the whole environment of the child
  double timeout_s = 30;                     // per line
  uint64_t max_output_bytes = 1 << 20;       // of one reply line; stderr keeps its last 4 KiB for errors
  bool persistent = false;                   // one process serves many lines; else one process a line
};

// A JSON line out for a JSON line in. Persistent: up to `max_processes` children serve calls side by side; a child that dies
// or times out is replaced and the call that met it fails. Children get SIGTERM, then SIGKILL after 500 ms, as a process group.
// Errors (kProvider): kind "exec_failed" (cannot start, exit status, signal; with the end of its stderr), "timeout",
// "too_large", "invalid_json"; {"error":{"message","retryable"}} gives its message and kind "exec_error". kInterrupted.
// Thread-safe.
class JsonLineProcess {
 public:
  JsonLineProcess(ProcessOptions options, int max_processes);
  ~JsonLineProcess();
  Result<Json> call(const Json& request, const CancelToken& cancel);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace llmops
