// The providers that need no network: echo (the last user message comes back), replay (recorded replies), exec (the
// user's own program as a model).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/provider/process.h"
#include "core/provider/provider.h"

namespace llmops {

// The content of the last user message comes back. No token usage: nothing was tokenized. Deterministic; latency 0.
std::unique_ptr<Provider> make_echo_provider();

struct ReplayOptions {
  std::filesystem::path path;     // JSONL or a JSON array of objects
  std::string shown_path;         // for errors
  std::string key = "/key";       // JSON pointer of the value that must equal the match
  std::string reply = "/output";  // JSON pointer of the reply: text, or {content, tool_calls?, usage?, model?, logprobs?, latency_ms?}
};
// The row whose value at `key` equals request.extra["match"] (else: the text of the last user message). Reads the file once, on creation. Errors
// there: kData with file:line for a broken row, a row without key or reply, two rows with one key (both lines named).
// Errors of chat(): kProvider "no_recorded_reply", quoting the first 80 characters of the key asked for.
Result<std::unique_ptr<Provider>> make_replay_provider(const ReplayOptions& options);

// One JSON line {"messages","params","tools"} on stdin, one {"content","tool_calls"?,"usage"?,"model"?} on stdout, or
// {"error":{"message","retryable"}}.
std::unique_ptr<Provider> make_exec_provider(ProcessOptions options);

}  // namespace llmops
