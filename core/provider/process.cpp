// One JSON line in, one JSON line out: the protocol that a shell one-liner, a Python script and a server loop can all
// speak. A persistent child that answers with more than it was asked for, or out of turn, is not used again: the next
// caller would get the answer to another question.
#include "core/provider/process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "core/base/clock.h"
#include "core/provider/chat_json.h"
#include "core/provider/child_process.h"

namespace llmops {
namespace {

constexpr size_t kShownCharacters = 300;
constexpr auto kCancelCheck = std::chrono::milliseconds(50);
constexpr int64_t kFarewellNs = 200'000'000;  // between the end of stdin and SIGTERM when all is over

Error process_error(std::string message, const char* kind, bool can_retry, std::string hint = {}) {
  return Error(ErrorCode::kProvider, std::move(message), std::move(hint)).with_kind(kind, can_retry);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t") != std::string_view::npos) lines.emplace_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

// The last line of stderr joins the message (an exception's text stands there); the rest follows as details.
Error with_stderr(Error error, const std::string& stderr_tail) {
  std::vector<std::string> lines = lines_of(stderr_tail);
  if (lines.empty()) return error;
  error.message += ": " + shortened(lines.back(), kShownCharacters);
  if (lines.size() > 1) error.details = std::move(lines);
  return error;
}

Error ended_early(const ProcessOptions& options, ChildProcess& child) {
  const std::string program = shown_program(options);
  const int status = child.wait_status();
  std::string message;
  if (WIFSIGNALED(status)) {
    message = fmt::format("{} was ended by signal {}", program, WTERMSIG(status));
  } else if (WEXITSTATUS(status) != 0) {
    message = fmt::format("{} ended with exit status {}", program, WEXITSTATUS(status));
  } else {
    message = fmt::format("{} ended without an answer", program);
  }
  return with_stderr(process_error(std::move(message), "exec_failed", false), child.stderr_tail());
}

Result<Json> reply_of(const ProcessOptions& options, std::string_view text, const std::string& stderr_tail) {
  Result<Json> reply = parse_json(text, "stdout");
  if (!reply) {
    return with_stderr(process_error(fmt::format("{} did not answer with one line of JSON, but with '{}'", shown_program(options),
                                                 shortened(text, 80)),
                                     "invalid_json", false, "print one JSON value on stdout, and everything else on stderr"),
                       stderr_tail);
  }
  const Json& error = member(*reply, "error");
  if (error.is_null()) return reply;
  const std::string words = error.is_string() ? error.get<std::string>() : text_member(error, "message");
  const Json& retryable = member(error, "retryable");
  return process_error(words.empty() ? fmt::format("{} reported an error without a message", shown_program(options))
                                     : shortened(words, kShownCharacters),
                       "exec_error", retryable.is_boolean() && retryable.get<bool>());
}

}  // namespace

struct JsonLineProcess::Impl {
  ProcessOptions options;
  const int max_processes;
  ChildReaper reaper;
  std::mutex mutex;
  std::condition_variable has_room;
  std::vector<std::unique_ptr<ChildProcess>> idle;
  int in_use = 0;

  Impl(ProcessOptions given, int most) : options(std::move(given)), max_processes(std::max(most, 1)) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  bool enter(const CancelToken& cancel);
  void leave(std::unique_ptr<ChildProcess> reusable);
  std::unique_ptr<ChildProcess> take_idle();
  Result<Json> call(const std::string& line, const CancelToken& cancel);
  Result<Json> reply_to(const ChildProcess::Exchange& got, ChildProcess& child) const;
};

// The end of stdin tells well-behaved children to go; those that have not after a while get the signals.
JsonLineProcess::Impl::~Impl() {
  for (const auto& child : idle) child->close_stdin();
  const int64_t end_ns = system_clock_source().steady_ns() + kFarewellNs;
  while (!idle.empty() && system_clock_source().steady_ns() < end_ns) {
    std::erase_if(idle, [](const auto& child) { return child->has_ended(); });
    if (!idle.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  for (auto& child : idle) reaper.end(std::move(child));
}

bool JsonLineProcess::Impl::enter(const CancelToken& cancel) {
  std::unique_lock lock(mutex);
  while (options.persistent && in_use >= max_processes) {
    if (cancel.cancelled()) return false;
    has_room.wait_for(lock, kCancelCheck);
  }
  if (cancel.cancelled()) return false;
  ++in_use;
  return true;
}

void JsonLineProcess::Impl::leave(std::unique_ptr<ChildProcess> reusable) {
  {
    const std::lock_guard lock(mutex);
    --in_use;
    if (reusable) idle.push_back(std::move(reusable));
  }
  has_room.notify_one();
}

std::unique_ptr<ChildProcess> JsonLineProcess::Impl::take_idle() {
  while (true) {
    std::unique_ptr<ChildProcess> child;
    {
      const std::lock_guard lock(mutex);
      if (idle.empty()) return nullptr;
      child = std::move(idle.back());
      idle.pop_back();
    }
    if (child->is_ready()) return child;
    reaper.end(std::move(child));
  }
}

Result<Json> JsonLineProcess::Impl::reply_to(const ChildProcess::Exchange& got, ChildProcess& child) const {
  const std::string program = shown_program(options);
  switch (got.outcome) {
    case ChildProcess::Outcome::kLine:
      return reply_of(options, got.text, child.stderr_tail());
    case ChildProcess::Outcome::kEnded: {
      const bool is_blank = got.text.find_first_not_of(" \t\r\n") == std::string::npos;
      if (is_blank || child.wait_status() != 0) return ended_early(options, child);
      return reply_of(options, got.text, child.stderr_tail());
    }
    case ChildProcess::Outcome::kTimeout: {
      Error error = process_error(fmt::format("{} did not answer within {} s", program, options.timeout_s), "timeout", true,
                                  "raise timeout_s of the program");
      return with_stderr(std::move(error), child.stderr_tail());
    }
    case ChildProcess::Outcome::kTooLarge:
      return process_error(fmt::format("{} answered with more than {} bytes", program, options.max_output_bytes), "too_large",
                           false, "raise max_output of the program");
    case ChildProcess::Outcome::kCancelled:
      break;
  }
  return Error(ErrorCode::kInterrupted, "interrupted");
}

Result<Json> JsonLineProcess::Impl::call(const std::string& line, const CancelToken& cancel) {
  if (!enter(cancel)) return Error(ErrorCode::kInterrupted, "interrupted");
  std::unique_ptr<ChildProcess> child = take_idle();
  if (!child) {
    Result<std::unique_ptr<ChildProcess>> started = ChildProcess::start(options);
    if (!started) {
      leave(nullptr);
      return std::move(started).error();
    }
    child = *std::move(started);
  }
  const ChildProcess::Exchange got = child->exchange(line, !options.persistent, options, cancel);
  Result<Json> reply = reply_to(got, *child);
  if (got.outcome != ChildProcess::Outcome::kLine) reaper.end(std::exchange(child, nullptr));
  leave(std::move(child));
  return reply;
}

JsonLineProcess::JsonLineProcess(ProcessOptions options, int max_processes)
    : impl_(std::make_unique<Impl>(std::move(options), max_processes)) {}

JsonLineProcess::~JsonLineProcess() = default;

Result<Json> JsonLineProcess::call(const Json& request, const CancelToken& cancel) {
  return impl_->call(dump_json(request) + "\n", cancel);
}

}  // namespace llmops
