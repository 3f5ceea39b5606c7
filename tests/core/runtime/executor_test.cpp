// Cases through chains of offline steps: values, conditions, lists, and what a failing step does to the others.
#include "tests/core/runtime/runtime_fixture.h"

using namespace llmops;
using namespace llmops::test;

TEST_CASE("a case goes through its steps, and each leaves a span") {
  RuntimeFolder folder;
  folder.prepare(kEcho + "steps:\n  - {id: answer, model: main, prompt: \"Q: {{ question }}\"}\n  - {id: shout, template: \"{{ steps.answer.output | upper }}!\"}\noutput: \"{{ steps.shout.output }}\"\n");
  const CaseResult result = folder.ask("why so");
  CHECK(output_of(result) == R"("Q: WHY SO!")");
  CHECK_FALSE(result.error.has_value());
  REQUIRE(result.spans.size() == 2);
  const SpanRecord& model = result.spans[0];
  CHECK(model.step == "answer");
  CHECK(model.kind == "model");
  CHECK(model.sequence == 0);
  CHECK(model.parent == -1);
  CHECK(model.item == -1);
  CHECK(model.input == R"({"question":"why so"})");
  CHECK(model.prompt == R"([{"role":"user","content":"Q: why so"}])");
  CHECK(model.output == R"("Q: why so")");
  CHECK(model.model_asked == "main");
  CHECK_FALSE(model.input_tokens.has_value());
  CHECK(result.spans[1].kind == "template");
  CHECK(result.spans[1].input == R"({"steps.answer.output":"Q: why so"})");
  CHECK(result.spans[1].prompt.empty());
  CHECK(dump_json(result.steps) == R"({"answer":{"skipped":false,"error":null,"output":"Q: why so"},"shout":{"skipped":false,"error":null,"output":"Q: WHY SO!"}})");
  CHECK(folder.executor->is_local());
}

TEST_CASE("a sole expression keeps its type, from the input to the output") {
  RuntimeFolder folder;
  folder.prepare("steps: [{id: a, template: \"{{ question.list }}\"}]\noutput: \"{{ steps.a.output }}\"\n");
  CHECK(output_of(folder.ask(*parse_json(R"({"list": [1, {"b": 2.5}]})", "q"))) == R"([1,{"b":2.5}])");
}

TEST_CASE("a value is never rendered a second time") {
  RuntimeFolder folder;
  folder.prepare(kEcho + kAnswer + kOutput);
  CHECK(output_of(folder.ask("{{ 7 * 7 }} {% raw %}")) == R"("{{ 7 * 7 }} {% raw %}")");
}

TEST_CASE("a step whose condition is false is skipped, and its output is undefined") {
  RuntimeFolder folder;
  const std::string steps = "steps:\n  - {id: a, when: \"{{ question == 'yes' }}\", template: done}\n  - {id: b, template: \"{{ steps.a.skipped }}\"}\n";
  folder.prepare(steps + "output: \"{{ steps.a.output | default('none') }} {{ steps.b.output }}\"\n");
  CHECK(output_of(folder.ask("yes")) == R"("done False")");
  const CaseResult skipped = folder.ask("no");
  CHECK(output_of(skipped) == R"("none True")");
  CHECK(caches(skipped) == "a:skipped b:miss");
  CHECK(dump_json(skipped.steps["a"]) == R"({"skipped":true,"error":null})");
  folder.prepare(steps + "output: \"{{ steps.a.output }}\"\n");
  const CaseResult failed = folder.ask("no");
  CHECK_FALSE(failed.output.has_value());
  CHECK(failed.error_step.empty());
  CHECK(failed.error->message.find("is undefined") != std::string::npos);
}

TEST_CASE("conditions follow Jinja's truth, and text 'False' is false too") {
  RuntimeFolder folder;
  folder.prepare("steps: [{id: a, when: \"{{ question }}\", template: x}, {id: b, when: \"{{ question }} \", template: x}]\noutput: \"{{ steps.a.skipped }} {{ steps.b.skipped }}\"\n");
  for (const char* value : {"false", "0", "\"\"", "[]", "{}", "null"}) CHECK(output_of(folder.ask(*parse_json(value, "v"))).starts_with("\"True"));
  for (const char* value : {"true", "1", "\"no\"", "[0]", "0.5"}) CHECK(output_of(folder.ask(*parse_json(value, "v"))).starts_with("\"False"));
  CHECK(output_of(folder.ask("False")).starts_with("\"True"));
}

TEST_CASE("for_each runs a step per item and gives a list in order") {
  RuntimeFolder folder;
  folder.prepare(kEcho + "steps:\n  - {id: parts, for_each: \"{{ question }}\", model: main, prompt: \"{{ item.name }}-{{ loopless | default('x') }}\"}\n  - {id: sum, template: \"{{ steps.parts.output | join(',') }}\"}\noutput: \"{{ steps.sum.output }}\"\n");
  const CaseResult result = folder.ask(*parse_json(R"([{"name": "a"}, {"name": "b"}, {"name": "c"}])", "q"));
  CHECK(output_of(result) == R"("a-x,b-x,c-x")");
  REQUIRE(result.spans.size() == 4);
  for (int i = 0; i < 3; ++i) {
    CHECK(result.spans[static_cast<size_t>(i)].item == i);
    CHECK(result.spans[static_cast<size_t>(i)].parent == -1);
  }
  CHECK(output_of(folder.ask(Json::array())) == R"("")");
}

TEST_CASE("for_each over something else than a list is the step's error") {
  RuntimeFolder folder;
  folder.prepare("steps: [{id: parts, for_each: \"{{ question }}\", template: \"{{ item }}\"}]\noutput: \"{{ steps.parts.output }}\"\n");
  const CaseResult result = folder.ask("text");
  CHECK(output_of(result) == "error in 'parts': 'for_each' of step 'parts' needs a list");
  REQUIRE(result.spans.size() == 1);
  CHECK(result.spans[0].error_code == "data");
  CHECK(result.spans[0].error_message == "'for_each' of step 'parts' needs a list");
}

TEST_CASE("one failing item fails the step, and the items before it keep their spans") {
  RuntimeFolder folder;
  folder.prepare("steps: [{id: parts, for_each: \"{{ question }}\", extract: {from: \"{{ item }}\", regex: '[0-9]+'}}]\noutput: \"{{ steps.parts.output }}\"\n");
  CHECK(output_of(folder.ask(Json::array({"a1", "b22"}))) == R"(["1","22"])");
  const CaseResult result = folder.ask(Json::array({"a1", "none", "c3"}));
  CHECK(output_of(result) == "error in 'parts': regular expression '[0-9]+' does not match 'none'");
  CHECK(result.spans.size() == 2);
}

TEST_CASE("a step that reads the output of a failed step is not run, one that has a default is") {
  RuntimeFolder folder;
  folder.prepare(
      "steps:\n"
      "  - {id: pick, extract: {from: \"{{ question }}\", regex: '[0-9]+'}}\n"
      "  - {id: blocked, template: \"{{ steps.pick.output }}\"}\n"
      "  - {id: further, template: \"{{ steps.blocked.output }}\"}\n"
      "  - {id: guarded, template: \"{{ steps.pick.output | default('none') }}\"}\n"
      "  - {id: told, template: \"{{ steps.pick.error }}\"}\n"
      "output: \"{{ steps.guarded.output }}: {{ steps.told.output }}\"\n");
  CHECK(output_of(folder.ask("a 7")) == R"("7: None")");
  const CaseResult result = folder.ask("none here");
  CHECK(output_of(result) == R"("none: regular expression '[0-9]+' does not match 'none here'")");
  CHECK_FALSE(result.error.has_value());
  CHECK(result.steps["blocked"]["error"] == "not run: step 'pick' failed");
  CHECK(result.steps["further"]["error"] == "not run: step 'pick' failed");
  for (const SpanRecord& span : result.spans) {
    if (span.step != "blocked" && span.step != "further") continue;
    CHECK(span.skipped);
    CHECK(span.name == "not run: step 'pick' failed");
  }
}

TEST_CASE("a case without output names the first step that failed") {
  RuntimeFolder folder;
  folder.prepare("steps:\n  - {id: one, template: ok}\n  - {id: two, extract: {from: \"{{ question }}\", json: true}}\n  - {id: three, template: \"{{ steps.two.output }}\"}\noutput: \"{{ steps.three.output }}\"\n");
  const CaseResult result = folder.ask("no json");
  CHECK(output_of(result) == "error in 'two': no JSON in 'no json'");
  CHECK(result.error->code == ErrorCode::kData);
}

TEST_CASE("a missing output is not blamed on a step that it does not read") {
  RuntimeFolder folder;
  folder.prepare("steps:\n  - {id: side, extract: {from: \"{{ question }}\", json: true}}\n  - {id: main_one, template: \"text\"}\noutput: \"{{ steps.main_one.output.missing }}\"\n");
  const CaseResult result = folder.ask("no json");
  CHECK_FALSE(result.output.has_value());
  CHECK(result.error_step.empty());
}

TEST_CASE("the latency of a case is that of the slowest path, not the sum of all steps") {
  RuntimeFolder folder;
  folder.dir.write("replies.jsonl", "{\"key\": \"a\", \"output\": {\"content\": \"x\", \"latency_ms\": 30}}\n{\"key\": \"b\", \"output\": {\"content\": \"y\", \"latency_ms\": 50}}\n{\"key\": \"c\", \"output\": {\"content\": \"z\", \"latency_ms\": 5}}\n");
  folder.prepare("models: {main: {provider: replay, path: replies.jsonl}}\nsteps:\n  - {id: a, model: main, prompt: a}\n  - {id: b, model: main, prompt: b}\n  - {id: c, model: main, prompt: \"{% if steps.a.output %}c{% endif %}\"}\noutput: \"{{ steps.a.output }}{{ steps.b.output }}{{ steps.c.output }}\"\n");
  const CaseResult result = folder.ask("q");
  CHECK(output_of(result) == R"("xyz")");
  CHECK(result.latency_ms == 50);
}

TEST_CASE("a cancelled case says that it was interrupted") {
  RuntimeFolder folder;
  folder.prepare(kEcho + kAnswer + kOutput);
  const CancelToken cancel;
  cancel.cancel();
  CaseInput input{"c", Json{{"question", "q"}}, 0};
  const CaseResult result = folder.executor->run(input, cancel);
  REQUIRE(result.error.has_value());
  CHECK(result.error->code == ErrorCode::kInterrupted);
  CHECK(result.error->message == "interrupted");
}

TEST_CASE("an error of a template says where in the chain it stands, in steps, conditions, lists and the output") {
  RuntimeFolder folder;
  const auto error_of = [&](const std::string& steps, const std::string& output) {
    folder.prepare("steps: [" + steps + "]\noutput: \"" + output + "\"\n");
    const CaseResult result = folder.ask("why");
    return result.error ? result.error->message : "none";
  };
  CHECK(error_of("{id: a, template: \"{{ question.foo.bar }}\"}", "{{ steps.a.output }}") == "demo.chain.yaml:4:31: 'question.foo' is undefined");
  CHECK(error_of("{id: a, when: \"{{ question.foo.bar }}\", template: x}", "{{ steps.a.output }}") == "demo.chain.yaml:4:27: 'question.foo' is undefined");
  CHECK(error_of("{id: a, for_each: \"{{ question.foo.bar }}\", template: x}", "{{ steps.a.output }}") == "demo.chain.yaml:4:31: 'question.foo' is undefined");
  CHECK(error_of("{id: a, template: x}", "{{ question.foo.bar }}") == "demo.chain.yaml:5:13: 'question.foo' is undefined");
  CHECK(error_of("{id: a, template: \"{% for i in range(9999999) %}{% endfor %}\"}", "{{ steps.a.output }}").starts_with("demo.chain.yaml:4:"));
}
