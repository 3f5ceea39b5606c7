// Agents on recorded turns: what the model is told, what stops it, and what is kept of it.
#include "tests/core/runtime/runtime_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kCall = R"({"content": "", "tool_calls": [{"id": "c1", "name": "lookup", "arguments": {"order": "A1"}}], "usage": {"input_tokens": 10, "output_tokens": 5}})";

struct AgentFolder : RuntimeFolder {
  AgentFolder() { script("tools/lookup.sh", "read line\necho \"{\\\"result\\\": {\\\"status\\\": \\\"sent\\\"}}\"\n"); }
  // `turns`: the recorded replies; `more`: further keys of the agent.
  void agent(const std::string& turns, const std::string& more = "", const std::string& tool_keys = "") {
    dir.write("r.jsonl", "{\"key\": \"q\", \"output\": [" + turns + "]}\n");
    prepare("models: {main: {provider: replay, path: r.jsonl, price: {input: 1000000, output: 1000000}}}\n"
            "tools: {lookup: {argv: [./tools/lookup.sh], description: find an order" + tool_keys + "}}\n"
            "steps: [{id: act, agent: {model: main, messages: [{role: user, content: \"{{ question }}\"}], tools: [lookup]" + more + "}}]\n"
            "output: \"{{ steps.act.output }}\"\n");
  }
};

std::string kinds(const CaseResult& result) {
  std::string text;
  for (const SpanRecord& span : result.spans) text += (text.empty() ? "" : " ") + span.step + ":" + span.kind + "<" + std::to_string(span.parent);
  return text;
}

}  // namespace

TEST_CASE("an agent calls a tool, reads its result and answers; every turn and call is a span below it") {
  AgentFolder folder;
  folder.agent(kCall + R"(, {"content": "It was sent.", "usage": {"input_tokens": 30, "output_tokens": 4}})");
  const CaseResult result = folder.ask("q");
  CHECK(output_of(result) == R"("It was sent.")");
  CHECK(kinds(result) == "act:agent<-1 act/turn:model<0 act/lookup:tool<0 act/turn:model<0");
  CHECK(result.spans[0].name == "2 turns, 1 tool call");
  CHECK(result.spans[2].input == R"({"order":"A1"})");
  CHECK(result.spans[2].output == R"({"status":"sent"})");
  CHECK(result.spans[3].prompt.find(R"({"role":"tool","tool_call_id":"c1","content":"{\"status\":\"sent\"}"})") != std::string::npos);
  CHECK(dump_json(result.steps["act"]["tool_calls"]) == R"([{"name":"lookup","arguments":{"order":"A1"},"result":{"status":"sent"}}])");
  CHECK(result.steps["act"]["turns"].size() == 2);
  CHECK(result.steps["act"]["turns"][1]["output"] == "It was sent.");
  CHECK(result.input_tokens == 40);
  CHECK(result.output_tokens == 9);
  CHECK(result.cost_usd == Approx(49.0));
}

TEST_CASE("an agent that answers at once has no tool calls") {
  AgentFolder folder;
  folder.agent(R"("Hello.")");
  const CaseResult result = folder.ask("q");
  CHECK(output_of(result) == R"("Hello.")");
  CHECK(dump_json(result.steps["act"]["tool_calls"]) == "[]");
}

TEST_CASE("what goes wrong with a tool is told to the model, and kept as an error of the call") {
  AgentFolder folder;
  const auto told_to_model = [&](const std::string& call, const std::string& keys = "") {
    folder.agent(call + R"(, "done")", "", keys);
    const CaseResult result = folder.ask("q");
    CHECK(output_of(result) == R"("done")");
    return result.spans[2].error_code + ": " + result.spans[2].error_message;
  };
  CHECK(told_to_model(R"({"content": "", "tool_calls": [{"id": "c", "name": "look", "arguments": {}}]})") == "unknown_tool: there is no tool 'look'; there are: lookup");
  CHECK(told_to_model(R"({"content": "", "tool_calls": [{"id": "c", "name": "lookup", "arguments": "nonsense"}]})") == "bad_arguments: the arguments of 'lookup' are not a JSON object");
  folder.dir.write("in.json", R"({"type": "object", "required": ["order"]})");
  CHECK(told_to_model(R"({"content": "", "tool_calls": [{"id": "c", "name": "lookup", "arguments": {}}]})", ", input_schema: in.json") == "bad_arguments: the arguments of 'lookup' do not fit its schema: the value fails 'required': no 'order'");
  folder.script("tools/lookup.sh", "read line\necho '{\"error\": {\"message\": \"no such order\"}}'\n");
  CHECK(told_to_model(kCall) == "exec_error: no such order");
  folder.script("tools/lookup.sh", "read line\nexit 1\n");
  CHECK(told_to_model(kCall).starts_with("exec_failed: "));
  folder.script("tools/lookup.sh", "read line\necho '{\"value\": 1}'\n");
  CHECK(told_to_model(kCall) == "exec_error: the reply of tool 'lookup' has no 'result'");
  folder.script("tools/lookup.sh", "read line\necho '{\"result\": 1}'\necho '{\"result\": 2}'\n");
  CHECK(told_to_model(kCall).starts_with("invalid_json: "));
  folder.script("tools/lookup.sh", "read line\nhead -c 3000000 /dev/zero | tr '\\0' x\n");
  CHECK(told_to_model(kCall).starts_with("too_large: "));
  folder.script("tools/lookup.sh", "read line\nsleep 60\n");
  CHECK(told_to_model(kCall, ", timeout_s: 0.2").starts_with("timeout: "));
}

TEST_CASE("an agent that never stops is stopped by its turns, its tokens, or because it goes in circles") {
  AgentFolder folder;
  const auto ends = [&](const std::string& turns, const std::string& more) {
    folder.agent(turns, more);
    const CaseResult result = folder.ask("q");
    REQUIRE(result.error);
    return result.error->kind + ": " + result.error->message;
  };
  std::string different;
  for (int i = 0; i < 10; ++i) different += std::string(i == 0 ? "" : ", ") + R"({"content": "", "tool_calls": [{"id": "c", "name": "lookup", "arguments": {"order": ")" + std::to_string(i) + R"("}}], "usage": {"input_tokens": 10, "output_tokens": 5}})";
  CHECK(ends(different, "") == "max_turns: the agent did not answer within 8 turns");
  CHECK(ends(different, ", max_turns: 2") == "max_turns: the agent did not answer within 2 turns");
  CHECK(ends(different, ", max_tokens: 40") == "max_tokens: the agent used 45 tokens of 40");
  CHECK(ends(kCall + ", " + kCall + ", " + kCall + ", " + kCall, "") == "agent_loop: the agent goes in circles: after 3 turns it makes the same calls with the same results");
  CHECK(ends(R"({"content": "", "tool_calls": [{"id": "c", "name": "lookup", "arguments": {}}]}, "x")", ", max_tokens: 40") == "missing_usage: model 'main' did not report its token usage, so max_tokens cannot be kept");
}

TEST_CASE("a reused agent shows the turns and calls it had, and an edited tool runs it again") {
  AgentFolder folder;
  folder.open_store();
  const std::string turns = kCall + R"(, "It was sent.")";
  folder.agent(turns);
  const CaseResult first = folder.ask("q");
  folder.keep(first);
  folder.agent(turns);
  const CaseResult second = folder.ask("q");
  CHECK(caches(second) == "act:step act/turn:step act/lookup:step act/turn:step");
  CHECK(dump_json(second.steps) == dump_json(first.steps));
  CHECK(kinds(second) == kinds(first));
  folder.script("tools/lookup.sh", "read line\necho '{\"result\": \"lost\"}'\n");
  folder.agent(turns);
  CHECK(caches(folder.ask("q")).starts_with("act:miss"));
}
