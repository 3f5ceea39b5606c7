// Recorded replies as a model: the file is read once, and a table from the digest of each row's key to its reply answers.
// A key is compared by its text, so that the number 42 of a JSON row meets the rendered template "42".
#include <fmt/format.h>

#include <map>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/provider/chat_json.h"
#include "core/provider/offline.h"

namespace llmops {
namespace {

constexpr size_t kShownCharacters = 80;

struct Recorded {
  Json reply;
  int line = 0;      // of a JSONL file
  size_t row = 0;    // of an array, from 1
};

std::string key_text(const Json& key) {
  if (key.is_string()) return key.get<std::string>();
  Result<std::string> canonical = canonical_json(key);
  return canonical ? *std::move(canonical) : json_to_text(key);
}

bool is_reply(const Json& reply) {
  if (reply.is_object()) return !member(reply, "content").is_null() || !member(reply, "tool_calls").is_null();
  if (!reply.is_array()) return !reply.is_null();
  for (const Json& turn : reply) {
    if (turn.is_array() || !is_reply(turn)) return false;
  }
  return !reply.empty();
}

ChatReply reply_of(const Json& recorded) {
  ChatReply reply;
  reply.finish_reason = "stop";
  if (!recorded.is_object()) {
    reply.content = json_to_text(recorded);
    return reply;
  }
  reply.content = content_text(member(recorded, "content"));
  reply.tool_calls = tool_calls_of(member(recorded, "tool_calls"));
  if (!reply.tool_calls.is_null()) reply.finish_reason = "tool_calls";
  if (const std::string reason = text_member(recorded, "finish_reason"); !reason.empty()) reply.finish_reason = reason;
  reply.usage = usage_of(member(recorded, "usage"));
  reply.model_served = text_member(recorded, "model");
  reply.logprobs = member(recorded, "logprobs");
  if (const Json& latency = member(recorded, "latency_ms"); latency.is_number()) reply.latency_ms = latency.get<double>();
  return reply;
}

// The turn of an agent: the replies that it has had since the user last spoke.
size_t turn_of(const Json& messages) {
  size_t turn = 0;
  if (!messages.is_array()) return turn;
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    const std::string role = text_member(*message, "role");
    if (role == "user") break;
    if (role == "assistant") ++turn;
  }
  return turn;
}

class ReplayProvider final : public Provider {
 public:
  explicit ReplayProvider(ReplayOptions options) : options_(std::move(options)) {}

  Status load();
  Result<ChatReply> chat(const ChatRequest& request, const CancelToken& cancel) override;
  bool is_local() const override { return true; }
  const char* name() const override { return "replay"; }

 private:
  Status load_lines(std::string_view text);
  Status load_array(std::string_view text);
  Status add(const Json& row, int line, size_t number);
  std::string place_name(int line, size_t number) const;
  Error row_error(std::string message, std::string hint, int line) const;

  const ReplayOptions options_;
  std::map<Sha256Digest, Recorded> replies_;
};

std::string ReplayProvider::place_name(int line, size_t number) const {
  return line > 0 ? fmt::format("line {}", line) : fmt::format("row {}", number);
}

Error ReplayProvider::row_error(std::string message, std::string hint, int line) const {
  SourcePlace place;
  place.file = options_.shown_path;
  place.line = line;
  return Error(ErrorCode::kData, std::move(message), std::move(hint)).at(std::move(place));
}

Status ReplayProvider::load() {
  LLMOPS_ASSIGN(const std::string text, read_file(options_.path));
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_array = first != std::string::npos && text[first] == '[';
  return is_array ? load_array(text) : load_lines(text);
}

Status ReplayProvider::load_lines(std::string_view text) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = text.find('\n');
    const std::string_view row = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    LLMOPS_ASSIGN(const Json parsed, parse_json(row, options_.shown_path, line));
    LLMOPS_CHECK(add(parsed, line, 0));
  }
  return {};
}

Status ReplayProvider::load_array(std::string_view text) {
  LLMOPS_ASSIGN(const Json rows, parse_json(text, options_.shown_path));
  for (size_t i = 0; i < rows.size(); ++i) LLMOPS_CHECK(add(rows[i], 0, i + 1));
  return {};
}

Status ReplayProvider::add(const Json& row, int line, size_t number) {
  const std::string subject = line > 0 ? "recorded reply" : fmt::format("recorded reply {}", number);
  const Json* key = json_at(row, options_.key);
  if (key == nullptr || key->is_null()) {
    return row_error(fmt::format("{} has no '{}'", subject, options_.key), "set `key` to where each row has its key", line);
  }
  const Json* reply = json_at(row, options_.reply);
  if (reply == nullptr) {
    return row_error(fmt::format("{} has no '{}'", subject, options_.reply), "set `reply` to where each row has its reply", line);
  }
  if (!is_reply(*reply)) {
    return row_error(fmt::format("{} is no reply at '{}'", subject, options_.reply),
                     "write a text, or an object with content or tool_calls", line);
  }
  const std::string text = key_text(*key);
  const auto [found, is_new] = replies_.emplace(sha256(text), Recorded{*reply, line, number});
  if (is_new) return {};
  return row_error(fmt::format("two recorded replies have the key '{}': {} and {}", shortened(text, kShownCharacters),
                               place_name(found->second.line, found->second.row), place_name(line, number)),
                   "remove one of them, or set `key` to a value that tells them apart", line);
}

Result<ChatReply> ReplayProvider::chat(const ChatRequest& request, const CancelToken& cancel) {
  if (cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
  const Json& match = member(request.extra, "match");
  const std::string text = match.is_null() ? last_user_text(request.messages).value_or("") : key_text(match);
  const auto found = replies_.find(sha256(text));
  const std::string shown = shortened(text, kShownCharacters);
  if (found == replies_.end()) {
    return Error(ErrorCode::kProvider, fmt::format("no recorded reply for '{}' in '{}'", shown, options_.shown_path),
                 fmt::format("record one with this text at '{}', or set `match`", options_.key))
        .with_kind("no_recorded_reply", false);
  }
  const Json& recorded = found->second.reply;
  if (!recorded.is_array()) return reply_of(recorded);
  const size_t turn = turn_of(request.messages);
  if (turn < recorded.size()) return reply_of(recorded[turn]);
  return Error(ErrorCode::kProvider,
               fmt::format("no recorded reply for turn {} of '{}' in '{}'", turn + 1, shown, options_.shown_path),
               fmt::format("add an entry to the list at '{}', or lower max_turns", options_.reply))
      .with_kind("no_recorded_reply", false);
}

}  // namespace

Result<std::unique_ptr<Provider>> make_replay_provider(const ReplayOptions& options) {
  auto provider = std::make_unique<ReplayProvider>(options);
  LLMOPS_CHECK(provider->load());
  return std::unique_ptr<Provider>(std::move(provider));
}

}  // namespace llmops
