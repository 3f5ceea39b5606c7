// The one error type. An Error says what failed (message), where (a place in a file of the user's), and what to do (hint).
// The code tells apart the reactions a caller can have, not the causes: few codes, many messages.
// Message rules: lower case, no full stop, what failed first, the subject in 'quotes'; the hint is one imperative sentence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace llmops {

enum class ErrorCode {
  kUsage,          // the command line is wrong
  kConfig,         // a file that the user wrote is wrong
  kData,           // a dataset row, a recorded reply or another input document is wrong
  kNotFound,       // a name, a file, a run or a version does not exist
  kIo,             // the operating system refused: disk full, permission, read-only
  kProvider,       // a model provider failed; see Error::kind
  kMissingSecret,  // a key that the configuration names is not set
  kOffline,        // the network is needed and LLMOPS_OFFLINE is set
  kUntrusted,      // the repository's own files would execute something that the user has not trusted
  kLocked,         // another process holds the store
  kCorrupt,        // the store is damaged
  kNewerStore,     // the store was written by a newer llmops
  kBudget,         // a budget or limit ended the work
  kInterrupted,    // Ctrl-C
  kBug,            // a broken assumption of ours
};

// The word used for a code in `--json` errors ("usage", "not_found", "newer_store").
std::string_view error_code_name(ErrorCode code);

// A place in a text that the user wrote. Lines and columns count from 1; 0 means unknown. Columns count bytes.
struct SourcePlace {
  std::string file;       // as the user would type it; empty: no place
  int line = 0;
  int column = 0;
  int length = 1;         // bytes to underline, at least 1
  std::string line_text;  // the line itself, without its end; empty: not shown
};

struct Error {
  ErrorCode code = ErrorCode::kBug;
  std::string message;
  std::string hint;
  SourcePlace where;
  std::string kind;        // a finer word for machines where one is useful: "http_429", "timeout", "cut_stream"
  bool retryable = false;  // the same call may succeed later
  // Further findings of the same check (a list of what would have run, other broken rows), each on a line of its own.
  std::vector<std::string> details;

  Error() = default;
  Error(ErrorCode c, std::string m, std::string h = {}) : code(c), message(std::move(m)), hint(std::move(h)) {}
  Error&& at(SourcePlace place) && { where = std::move(place); return std::move(*this); }
  Error&& with_kind(std::string k, bool can_retry) && { kind = std::move(k); retryable = can_retry; return std::move(*this); }
};

// The candidate closest to `name` by Damerau-Levenshtein distance (at most a third of its length, at least 1), or empty.
// Ties go to the earlier candidate. Cost: candidates x length^2.
std::string closest_name(std::string_view name, const std::vector<std::string>& candidates);

// "did you mean 'x'?" for the closest candidate; else "known: a, b, c" when there are at most 12; else empty.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace llmops
