// Exec steps with the spans that they report, and retrieval.
#include "tests/core/runtime/runtime_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kExec = "steps: [{id: own, exec: {argv: [./app.sh]}}]\noutput: \"{{ steps.own.output }}\"\n";

// The case through a script that reads its line and prints `reply`.
CaseResult exec(RuntimeFolder& folder, const std::string& reply) {
  folder.script("app.sh", "read line\necho '" + reply + "'\n");
  folder.prepare(kExec);
  return folder.ask("why");
}

}  // namespace

TEST_CASE("an exec step gets inputs, steps and case as one JSON line") {
  RuntimeFolder folder;
  folder.script("app.sh", "read line\nprintf '{\"output\": %s}\\n' \"$line\"\n");
  folder.prepare("steps:\n  - {id: before, template: \"{{ question }}!\"}\n  - {id: own, exec: {argv: [./app.sh]}}\noutput: \"{{ steps.own.output }}\"\n");
  CHECK(output_of(folder.ask("why")) == R"({"inputs":{"question":"why"},"steps":{"before":{"skipped":false,"error":null,"output":"why!"}},"case":{"id":"case-1"}})");
  CHECK_FALSE(folder.executor->is_local());
}

TEST_CASE("the spans that a program reports hang below the step, and below each other") {
  RuntimeFolder folder;
  const CaseResult good = exec(folder, R"({"output": {"answer": 1}, "spans": [{"id": "r", "name": "retrieve", "input": "q", "output": ["d1"], "start": 100.0, "end": 100.25}, {"id": "g", "name": "generate", "parent": "r", "output": "text", "model": "m-1", "tokens": {"input": 7, "output": 3}, "cost": 0.5, "latency_ms": 12.5}, {"name": "lost", "parent": "nobody", "error": "boom"}]})");
  CHECK(output_of(good) == R"({"answer":1})");
  REQUIRE(good.spans.size() == 4);
  CHECK(good.spans[0].step == "own");
  CHECK(good.spans[0].name == "./app.sh");
  CHECK(good.spans[1].step == "own/retrieve");
  CHECK(good.spans[1].kind == "external");
  CHECK(good.spans[1].parent == 0);
  CHECK(good.spans[1].latency_ms == Approx(250));
  CHECK(good.spans[1].input == "\"q\"");
  CHECK(good.spans[1].output == "[\"d1\"]");
  CHECK(good.spans[2].step == "own/generate");
  CHECK(good.spans[2].parent == 1);
  CHECK(good.spans[2].model_asked == "m-1");
  CHECK(*good.spans[2].input_tokens == 7);
  CHECK(*good.spans[2].output_tokens == 3);
  CHECK(*good.spans[2].cost_usd == 0.5);
  CHECK(good.spans[2].latency_ms == 12.5);
  CHECK(good.spans[3].parent == 0);
  CHECK(good.spans[3].error_code == "exec_error");
  CHECK(good.spans[3].error_message == "boom");
  for (size_t i = 0; i < 4; ++i) CHECK(good.spans[i].sequence == static_cast<int>(i));
  CHECK(*good.cost_usd == 0.5);
  CHECK(*good.input_tokens == 7);
  CHECK(good.steps["own"]["spans"]["generate"]["output"] == "text");
  CHECK(good.steps["own"]["spans"]["lost"]["error"] == "boom");
}

TEST_CASE("spans of a second step keep their parents among their own") {
  RuntimeFolder folder;
  folder.script("app.sh", "read line\necho '{\"output\": 1, \"spans\": [{\"id\": 1, \"name\": \"a\"}, {\"name\": \"b\", \"parent\": 1}]}'\n");
  folder.prepare("steps: [{id: one, exec: {argv: [./app.sh]}}, {id: two, exec: {argv: [./app.sh]}}]\noutput: \"{{ steps.two.output }}{{ steps.one.output }}\"\n");
  const CaseResult result = folder.ask("q");
  REQUIRE(result.spans.size() == 6);
  CHECK(result.spans[3].step == "two");
  CHECK(result.spans[3].parent == -1);
  CHECK(result.spans[4].parent == 3);
  CHECK(result.spans[5].parent == 4);
}

TEST_CASE("a reply that keeps no promise is the step's error") {
  RuntimeFolder folder;
  CHECK(output_of(exec(folder, "{\"outptu\": 1}")) == "error in 'own': the reply of step 'own' has no 'output'");
  CHECK(output_of(exec(folder, "[1]")) == "error in 'own': the reply of step 'own' has no 'output'");
  CHECK(output_of(exec(folder, "{\"output\": 1, \"spans\": {}}")) == "error in 'own': 'spans' of step 'own' must be a list");
  const CaseResult nameless = exec(folder, "{\"output\": 1, \"spans\": [{\"name\": \"a\"}, {\"id\": 1}]}");
  CHECK(output_of(nameless) == "error in 'own': a span of step 'own' has no 'name'");
  CHECK(nameless.spans.size() == 1);
  CHECK(nameless.spans[0].error_code == "exec_error");
  const CaseResult told_error = exec(folder, "{\"error\": {\"message\": \"no such user\", \"retryable\": false}}");
  CHECK(output_of(told_error).find("no such user") != std::string::npos);
  folder.script("app.sh", "echo oops >&2\nexit 3\n");
  folder.prepare(kExec);
  CHECK(output_of(folder.ask("q")).starts_with("error in 'own': "));
}

TEST_CASE("retrieval gives passages with id, text, score and source, best first") {
  RuntimeFolder folder;
  folder.dir.write("kb/a.md", "apples are red");
  folder.dir.write("kb/b.md", "bananas are yellow and bananas are sweet");
  folder.dir.write("kb/rows.jsonl", "{\"id\": \"r1\", \"text\": \"cherries are red\"}\n{\"content\": \"plums\"}\n{\"name\": \"pear\"}\n");
  const std::string chain = "assets: {kb: {kind: grounding, path: kb/*}}\nsteps: [{id: find, retrieve: {from: kb, query: \"{{ question }}\", top_k: TOP}}]\noutput: \"{{ steps.find.output }}\"\n";
  const auto with = [&](const std::string& top) { std::string text = chain; return text.replace(text.find("TOP"), 3, top); };
  folder.prepare(with("2"));
  const CaseResult result = folder.ask("sweet bananas");
  REQUIRE(result.output.has_value());
  const Json& found = *result.output;
  REQUIRE(!found.empty());
  CHECK(found[0]["source"] == "kb/b.md");
  CHECK(found[0]["id"] == "kb/b.md#1");
  CHECK(found[0]["text"] == "bananas are yellow and bananas are sweet");
  CHECK(found[0]["score"].get<double>() > 0);
  CHECK(result.spans[0].name == std::to_string(found.size()) + " of 5 documents");
  CHECK(result.spans[0].kind == "retrieve");
  CHECK((*folder.ask("cherries").output)[0]["id"] == "r1");
  CHECK((*folder.ask("plums").output)[0]["id"] == "kb/rows.jsonl#2");
  CHECK((*folder.ask("pear").output)[0]["text"] == R"({"name":"pear"})");
  folder.prepare(with("1"));
  CHECK(folder.ask("red").output->size() == 1);
  CHECK(folder.ask("zzz").output->empty());
}

TEST_CASE("a broken row of a grounding file is refused before any case") {
  RuntimeFolder folder;
  folder.dir.write("kb/rows.jsonl", "{\"text\": \"a\"}\n{broken\n");
  folder.chain = folder.must_load(kHead + "assets: {kb: {kind: grounding, path: kb/*}}\nsteps: [{id: find, retrieve: {from: kb, query: x}}]\noutput: \"{{ steps.find.output }}\"\n");
  const auto made = Executor::create(*folder.chain, folder.context());
  REQUIRE_FALSE(made);
  CHECK(made.error().where.line == 2);
}
