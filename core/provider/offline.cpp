// Echo and exec: models that need neither a network nor an account.
#include "core/provider/offline.h"

#include <fmt/format.h>

#include "core/base/clock.h"
#include "core/provider/chat_json.h"

namespace llmops {
namespace {

constexpr int kMostProcesses = 64;  // started only when as many calls run at once

class EchoProvider final : public Provider {
 public:
  Result<ChatReply> chat(const ChatRequest& request, const CancelToken& cancel) override {
    if (cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
    ChatReply reply;
    reply.content = last_user_text(request.messages).value_or("");
    reply.finish_reason = "stop";
    return reply;
  }
  bool is_local() const override { return true; }
  const char* name() const override { return "echo"; }
};

class ExecProvider final : public Provider {
 public:
  explicit ExecProvider(ProcessOptions options)
      : program_(options.argv.empty() ? std::string() : options.argv.front()), process_(std::move(options), kMostProcesses) {}

  Result<ChatReply> chat(const ChatRequest& request, const CancelToken& cancel) override {
    Json line = Json::object();
    line["messages"] = request.messages;
    line["params"] = request.params.is_null() ? Json::object() : request.params;
    line["tools"] = request.tools;
    const int64_t start_ns = system_clock_source().steady_ns();
    LLMOPS_ASSIGN(const Json answer, process_.call(line, cancel));
    ChatReply reply;
    reply.latency_ms = static_cast<double>(system_clock_source().steady_ns() - start_ns) / 1e6;
    const Json& content = member(answer, "content");
    reply.tool_calls = tool_calls_of(member(answer, "tool_calls"));
    if (!content.is_string() && !content.is_array() && reply.tool_calls.is_null()) {
      return Error(ErrorCode::kProvider, fmt::format("'{}' answered with neither content nor tool_calls", program_),
                   "print {\"content\": \"...\"} for each line read")
          .with_kind("empty_reply", false);
    }
    reply.content = content_text(content);
    reply.finish_reason = text_member(answer, "finish_reason");
    if (reply.finish_reason.empty()) reply.finish_reason = reply.tool_calls.is_null() ? "stop" : "tool_calls";
    reply.usage = usage_of(member(answer, "usage"));
    reply.model_served = text_member(answer, "model");
    return reply;
  }
  const char* name() const override { return "exec"; }

 private:
  const std::string program_;
  JsonLineProcess process_;
};

}  // namespace

std::unique_ptr<Provider> make_echo_provider() { return std::make_unique<EchoProvider>(); }

std::unique_ptr<Provider> make_exec_provider(ProcessOptions options) {
  return std::make_unique<ExecProvider>(std::move(options));
}

}  // namespace llmops
