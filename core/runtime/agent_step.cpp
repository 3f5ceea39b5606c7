// The body of an agent step: the model is asked, the tools it calls are run, their results go back, until it answers
// without a call. Every turn and every tool call is a span of its own. The loop (Yao et al. 2022, "ReAct") has no natural
// end, so it has three written ones (turns, tokens, time) and one that sees a model going in circles.
#include <fmt/format.h>

#include "core/runtime/ask_model.h"

namespace llmops {
namespace {

// Periods up to kLongestPeriod that stand kRepetitions times in a row at the end are a circle: same calls, same results.
constexpr size_t kLongestPeriod = 3;
constexpr size_t kRepetitions = 3;

bool goes_in_circles(const std::vector<std::string>& turns) {
  for (size_t period = 1; period <= kLongestPeriod; ++period) {
    if (turns.size() < period * kRepetitions) break;
    bool same = true;
    const size_t start = turns.size() - period * kRepetitions;
    for (size_t i = start + period; i < turns.size(); ++i) same = same && turns[i] == turns[i - period];
    if (same) return true;
  }
  return false;
}

Error agent_error(const char* kind, std::string message, std::string hint) { return Error(ErrorCode::kProvider, std::move(message), std::move(hint)).with_kind(kind, false); }

class AgentRun {
 public:
  AgentRun(PreparedChain& prepared, const StepCall& call, const AgentStep& body, StepOutcome& outcome, const CancelToken& cancel)
      : prepared_(prepared), call_(call), body_(body), outcome_(outcome), cancel_(cancel), model_(prepared.models.at(body.model)),
        start_ns_(prepared.context.clock->steady_ns()) {}

  Status run() {
    LLMOPS_ASSIGN(Json messages, render_messages(prepared_, call_, body_.messages, std::nullopt, cancel_));
    LLMOPS_ASSIGN(ChatRequest request, make_request(call_, *model_.spec, std::move(messages)));
    request.tools = tool_definitions(*prepared_.chain, body_.tools);
    for (int turn = 0; turn < body_.max_turns; ++turn) {
      LLMOPS_CHECK(check_limits(turn));
      LLMOPS_ASSIGN(const ChatReply reply, ask(request));
      if (reply.tool_calls.is_null() || reply.tool_calls.empty()) {
        outcome_.output = reply.content;
        return {};
      }
      request.messages.push_back(assistant_message(reply));
      std::string signature;
      for (const Json& wanted : reply.tool_calls) {
        const std::string result = run_tool(wanted);
        signature += fmt::format("{}\n{}\n{}\n", wanted.value("name", ""), wanted.contains("arguments") ? dump_json(wanted["arguments"]) : "", result);
        request.messages.push_back({{"role", "tool"}, {"tool_call_id", wanted.value("id", "")}, {"content", result}});
      }
      turns_.push_back(std::move(signature));
      if (goes_in_circles(turns_)) return agent_error("agent_loop", fmt::format("the agent goes in circles: after {} turns it makes the same calls with the same results", turn + 1), "look at its prompt and at what the tools give back");
    }
    return agent_error("max_turns", fmt::format("the agent did not answer within {} turns", body_.max_turns), "raise max_turns, or look at what it does: llmops eval show --case ID");
  }

 private:
  Status check_limits(int turn) {
    if (cancel_.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
    const double elapsed_s = static_cast<double>(prepared_.context.clock->steady_ns() - start_ns_) * 1e-9;
    if (body_.timeout_s && elapsed_s >= *body_.timeout_s) return agent_error("timeout", fmt::format("the agent did not answer within {} s", *body_.timeout_s), "raise timeout_s");
    if (turn > 0 && prepared_.context.budget != nullptr && !prepared_.context.budget->met().empty()) return Error(ErrorCode::kInterrupted, "the budget of the run is spent");
    return {};
  }

  Result<ChatReply> ask(ChatRequest& request) {
    const size_t index = outcome_.spans.size();
    outcome_.spans.push_back(child_span(prepared_, call_, "model", "turn"));
    if (body_.timeout_s) {
      const double elapsed_s = static_cast<double>(prepared_.context.clock->steady_ns() - start_ns_) * 1e-9;
      request.timeout_s = std::min(model_.spec->timeout_s, std::max(0.001, *body_.timeout_s - elapsed_s));
    }
    auto reply = ask_model(prepared_, model_, request, outcome_.spans[index], cancel_);
    SpanRecord& span = outcome_.spans[index];
    outcome_.spans[0].latency_ms += span.latency_ms;
    if (!reply) {
      set_error(prepared_, reply.error(), span);
      return reply;
    }
    span.output = dump_json(Json(reply->content));
    if (body_.max_tokens) {
      if (!span.input_tokens || !span.output_tokens) return agent_error("missing_usage", fmt::format("model '{}' did not report its token usage, so max_tokens cannot be kept", model_.spec->name), "remove max_tokens, or ask the server for usage");
      tokens_ += *span.input_tokens + *span.output_tokens;
      if (tokens_ > *body_.max_tokens) return agent_error("max_tokens", fmt::format("the agent used {} tokens of {}", tokens_, *body_.max_tokens), "raise max_tokens");
    }
    return reply;
  }

  // In the form in which providers want to see their own calls again: arguments as JSON text.
  static Json assistant_message(const ChatReply& reply) {
    Json calls = Json::array();
    for (const Json& wanted : reply.tool_calls) {
      const Json arguments = wanted.contains("arguments") ? wanted["arguments"] : Json::object();
      calls.push_back({{"id", wanted.value("id", "")}, {"type", "function"}, {"function", {{"name", wanted.value("name", "")}, {"arguments", arguments.is_string() ? arguments.get<std::string>() : dump_json(arguments)}}}});
    }
    return {{"role", "assistant"}, {"content", reply.content}, {"tool_calls", std::move(calls)}};
  }

  // The text that goes back to the model. What goes wrong is told to it too: it may do better in the next turn.
  std::string run_tool(const Json& wanted) {
    const std::string name = wanted.value("name", "");
    const Json arguments = wanted.contains("arguments") ? wanted["arguments"] : Json::object();
    SpanRecord span = child_span(prepared_, call_, "tool", name.empty() ? "tool" : name);
    span.name = name;
    span.input = dump_json(arguments);
    const int64_t start_ns = prepared_.context.clock->steady_ns();
    auto result = call_tool(name, arguments);
    span.latency_ms = static_cast<double>(prepared_.context.clock->steady_ns() - start_ns) * 1e-6;
    outcome_.spans[0].latency_ms += span.latency_ms;
    std::string text;
    if (result) {
      span.output = dump_json(*result);
      text = prepared_.context.scrubber->scrub(json_to_text(*result));
    } else {
      set_error(prepared_, result.error(), span);
      text = dump_json(Json{{"error", span.error_message}});
    }
    outcome_.spans.push_back(std::move(span));
    return text;
  }

  Result<Json> call_tool(const std::string& name, const Json& arguments) {
    if (std::find(body_.tools.begin(), body_.tools.end(), name) == body_.tools.end()) {
      return agent_error("unknown_tool", fmt::format("there is no tool '{}'; there are: {}", name, fmt::join(body_.tools, ", ")), "");
    }
    if (!arguments.is_object()) return agent_error("bad_arguments", fmt::format("the arguments of '{}' are not a JSON object", name), "");
    const ToolSpec& tool = prepared_.chain->tools.at(name);
    if (tool.input_checker) {
      LLMOPS_ASSIGN(const auto failure, tool.input_checker->check(arguments));
      if (failure) return agent_error("bad_arguments", fmt::format("the arguments of '{}' do not fit its schema: {}", name, failure->message), "");
    }
    LLMOPS_ASSIGN(Json reply, prepared_.tools.at(name)->call({{"arguments", arguments}}, cancel_));
    if (!reply.is_object() || !reply.contains("result")) return agent_error("exec_error", fmt::format("the reply of tool '{}' has no 'result'", name), "");
    return std::move(reply["result"]);
  }

  PreparedChain& prepared_;
  const StepCall& call_;
  const AgentStep& body_;
  StepOutcome& outcome_;
  const CancelToken& cancel_;
  PreparedModel& model_;
  int64_t start_ns_;
  int64_t tokens_ = 0;
  std::vector<std::string> turns_;
};

}  // namespace

void run_agent_step(PreparedChain& prepared, const StepCall& call, const AgentStep& body, StepOutcome& outcome, const CancelToken& cancel) {
  auto done = AgentRun(prepared, call, body, outcome, cancel).run();
  if (!done) outcome.error = std::move(done).error();
  read_agent_spans(outcome);
  int turns = 0;
  for (const SpanRecord& span : outcome.spans) turns += span.kind == "model";
  outcome.spans[0].name = fmt::format("{} turn{}, {} tool call{}", turns, turns == 1 ? "" : "s", outcome.tool_calls.size(), outcome.tool_calls.size() == 1 ? "" : "s");
}

void read_agent_spans(StepOutcome& outcome) {
  outcome.turns = Json::array();
  outcome.tool_calls = Json::array();
  const auto value_of = [](const std::string& text) -> Json {
    if (text.empty()) return nullptr;
    auto value = parse_json(text, "span");
    return value ? std::move(*value) : Json(nullptr);
  };
  for (size_t i = 1; i < outcome.spans.size(); ++i) {
    const SpanRecord& span = outcome.spans[i];
    if (span.kind == "model") {
      outcome.turns.push_back({{"messages", value_of(span.prompt)}, {"output", value_of(span.output)}});
    } else if (span.kind == "tool") {
      Json entry = {{"name", span.name}, {"arguments", value_of(span.input)}, {"result", value_of(span.output)}};
      if (!span.error_message.empty()) entry["error"] = span.error_message;
      outcome.tool_calls.push_back(std::move(entry));
    }
  }
}

}  // namespace llmops
