#include "core/eval/trace_case.h"

#include <catch2/catch.hpp>

#include "core/telemetry/trace.h"

namespace llmops {
namespace {

TraceSpan span(const std::string& id, const std::string& parent, TraceKind kind, double start, double end) {
  TraceSpan made;
  made.trace_id = "t";
  made.span_id = id;
  made.name = id;
  made.parent_id = parent;
  made.kind = kind;
  made.start_ms = start;
  made.end_ms = end;
  return made;
}

// An agent that asks a model, calls a tool and asks again.
std::vector<TraceSpan> agent_trace() {
  TraceSpan agent = span("agent", "", TraceKind::kAgent, 0, 100);
  agent.input_tokens = 30;
  agent.output_tokens = 12;
  TraceSpan ask = span("ask1", "agent", TraceKind::kModel, 1, 20), tool = span("find1", "agent", TraceKind::kTool, 21, 30), again = span("ask2", "agent", TraceKind::kModel, 31, 99);
  ask.component = again.component = "ask";
  tool.component = "find";
  ask.model_asked = again.model_asked = "m";
  ask.messages = again.messages = {{{"role", "user"}, {"content", "q"}}};
  ask.output = "";
  ask.tool_calls = {{{"name", "find"}, {"arguments", {{"id", 1}}}}};
  tool.input = {{"id", 1}};
  tool.output = {{"found", true}};
  again.output = "yes";
  ask.input_tokens = 10;
  ask.output_tokens = 5;
  again.input_tokens = 20;
  again.output_tokens = 7;
  again.cost_usd = 0.5;
  ask.cost_usd = 0.25;
  return {agent, ask, tool, again};
}

Chain chain_with(std::initializer_list<const char*> ids) {
  Chain chain;
  for (const char* id : ids) {
    StepSpec step;
    step.id = id;
    step.body = ExecStep{};
    chain.steps.push_back(std::move(step));
  }
  return chain;
}

CaseResult result_of(std::vector<TraceSpan> spans, const Chain& chain = chain_with({"agent", "ask", "find", "never"})) {
  return result_of_trace(chain, trace_to_row(make_trace("t", std::move(spans)), {}));
}

}  // namespace

TEST_CASE("components of a trace are steps, with their last output and all of them") {
  const CaseResult result = result_of(agent_trace());
  CHECK(result.output == "yes");
  CHECK_FALSE(result.error.has_value());
  CHECK(result.steps["ask"]["output"] == "yes");
  CHECK(dump_json(result.steps["ask"]["outputs"]) == R"(["","yes"])");
  CHECK(result.steps["find"]["output"]["found"] == true);
  CHECK(result.steps["find"]["input"]["id"] == 1);
  CHECK(result.steps["never"]["skipped"] == true);
  CHECK(dump_json(result.steps["agent"]["tool_calls"]) == R"([{"name":"find","arguments":{"id":1},"result":{"found":true}}])");
  CHECK(result.steps["agent"]["turns"].size() == 2);
  CHECK(result.latency_ms == 100);
}

TEST_CASE("a span that sums up what is below it adds no tokens and no cost") {
  const CaseResult result = result_of(agent_trace());
  CHECK(*result.input_tokens == 30);
  CHECK(*result.output_tokens == 12);
  CHECK(*result.cost_usd == 0.75);
  std::vector<TraceSpan> unknown = agent_trace();
  unknown[1].cost_usd.reset();
  CHECK_FALSE(result_of(unknown).cost_usd.has_value());
  std::vector<TraceSpan> alone = agent_trace();
  alone.resize(1);
  CHECK(*result_of(alone).input_tokens == 30);
}

TEST_CASE("spans are stored as a run's: kinds, parents, times and what a model was asked") {
  const CaseResult result = result_of(agent_trace());
  REQUIRE(result.spans.size() == 4);
  CHECK(result.spans[0].kind == "external");
  CHECK(result.spans[1].kind == "model");
  CHECK(result.spans[1].parent == 0);
  CHECK(result.spans[1].step == "ask");
  CHECK(result.spans[1].name == "m");
  CHECK(result.spans[1].latency_ms == 19);
  CHECK(result.spans[1].prompt == R"([{"role":"user","content":"q"}])");
  CHECK(result.spans[2].kind == "tool");
  CHECK(result.spans[2].input == R"({"id":1})");
}

TEST_CASE("the error of a case is its root's, the cause the deepest span that failed") {
  std::vector<TraceSpan> spans = agent_trace();
  spans[0].error_type = "timeout";
  spans[0].error_message = "the agent gave up";
  spans[3].error_type = "http_500";
  const CaseResult result = result_of(spans);
  CHECK_FALSE(result.output.has_value());
  CHECK(result.error->message == "the agent gave up");
  CHECK(result.error->kind == "http_500");
  CHECK(result.error_step == "ask");
  CHECK(result.steps["ask"]["error"] == "http_500");
  // A part that failed while the whole went on is no error of the case.
  std::vector<TraceSpan> recovered = agent_trace();
  recovered[2].error_type = "not_found";
  CHECK(result_of(recovered).output == "yes");
  CHECK(result_of(recovered).steps["agent"]["tool_calls"][0]["error"] == "not_found");
}

TEST_CASE("a trace without an output says what to record") {
  const CaseResult result = result_of({span("agent", "", TraceKind::kAgent, 0, 1)});
  CHECK(result.error->message == "the trace has no output");
  CHECK(result.error->code == ErrorCode::kData);
}

}  // namespace llmops
