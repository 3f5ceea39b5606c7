#include "core/eval/suite.h"

#include "tests/core/eval/suite_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string metric(const std::string& entry) { return SuiteFolder().suite_refusal(kSuiteHead + "metrics: [" + entry + "]\n"); }
std::string gate(const std::string& text) { return SuiteFolder().suite_refusal(kSuiteHead + "metrics: [{name: ok, type: equals, expected: b}]\ngates:\n  - " + text + "\n"); }
std::string dataset(const std::string& entry) { return SuiteFolder().suite_refusal("llmops: eval/v1\nchain: demo.chain.yaml\ndataset: " + entry + "\n"); }

}  // namespace

TEST_CASE("a suite has its head, its chain and its dataset") {
  const SuiteFolder folder;
  CHECK(folder.suite_refusal(kSuiteHead) == "loaded");
  CHECK(folder.suite_refusal("llmops: chain/v1\n") == "s.eval.yaml:1:9: 'chain/v1' is not a suite | write `llmops: eval/v1`");
  CHECK(folder.suite_refusal("- 1\n") == "s.eval.yaml:1:1: a suite must be a mapping | begin with `llmops: eval/v1`");
  CHECK(folder.suite_refusal("llmops: eval/v1\n") == "s.eval.yaml:1:1: the suite has no 'chain' | name the chain's file: chain: NAME.chain.yaml");
  CHECK(folder.suite_refusal("llmops: eval/v1\nchian: demo.chain.yaml\n") == "s.eval.yaml:2:1: unknown key 'chian' in the suite | did you mean 'chain'?");
  CHECK(folder.suite_refusal("llmops: eval/v1\nchain: demo.chain.yaml\ndatset: {path: eval.jsonl}\n") == "s.eval.yaml:3:1: unknown key 'datset' in the suite | did you mean 'dataset'?");
  CHECK(folder.suite_refusal("llmops: eval/v1\nchain: demo.chain.yaml\n") == "s.eval.yaml:1:1: the suite has no 'dataset' | write dataset: {path: data/eval.jsonl}");
  CHECK(folder.suite_refusal(kSuiteHead + "metrcs: []\n") == "s.eval.yaml:4:1: unknown key 'metrcs' in the suite | did you mean 'metrics'?");
  CHECK(folder.suite_refusal(kSuiteHead + "repeat: 0\n") == "s.eval.yaml:4:9: 'repeat' is 0, but must be from 1 to 10000 | give a number in that range");
  CHECK(folder.suite_refusal(kSuiteHead + "repeat: two\n") == "s.eval.yaml:4:9: 'repeat' must be a whole number, not text | write a number without fraction and quotes");
}

TEST_CASE("a suite that does not exist, and the chain that it names") {
  const SuiteFolder folder;
  const SuiteSource source{folder.dir.path() / "s.eval.yaml", folder.dir.path(), "s.eval.yaml"};
  CHECK(told(load_suite(source, *folder.chain).error()) == "suite 's.eval.yaml' does not exist | name another file, or run `llmops init --template qa` for an example");
  CHECK(load_suite(source, *folder.chain).error().code == ErrorCode::kNotFound);
  folder.dir.write("s.eval.yaml", kSuiteHead);
  CHECK(read_suite_head(source)->chain == "demo.chain.yaml");
  folder.dir.write("s.eval.yaml", "llmops: eval/v1\nchain: other.chain.yaml\n");
  CHECK(told(read_suite_head(source).error()) == "s.eval.yaml:2:8: chain 'other.chain.yaml' does not exist | paths are relative to the suite file");
  folder.dir.write("s.eval.yaml", "llmops: eval/v1\nchain: ../demo.chain.yaml\n");
  CHECK(told(read_suite_head(source).error()).starts_with("s.eval.yaml:2:8: path '../demo.chain.yaml' leads outside the project"));
}

TEST_CASE("the dataset is a file of the project in a known format") {
  CHECK(dataset("{path: eval.jsonl, format: jsonl, id: id, cluster: history}") == "loaded");
  CHECK(dataset("{format: jsonl}") == "s.eval.yaml:3:10: dataset has no 'path' | name the file of rows, like path: data/eval.jsonl");
  CHECK(dataset("{path: none.jsonl}") == "s.eval.yaml:3:17: file 'none.jsonl' does not exist | paths are relative to the suite file");
  CHECK(dataset("{path: ../x.jsonl}").starts_with("s.eval.yaml:3:17: path '../x.jsonl' leads outside the project"));
  CHECK(dataset("{path: eval.jsonl, format: jsnl}").starts_with("s.eval.yaml:3:37: "));
  CHECK(dataset("{path: eval.jsonl, format: jsnl}").ends_with("did you mean 'jsonl'?"));
  CHECK(dataset("{path: eval.jsonl, ids: x}") == "s.eval.yaml:3:29: unknown key 'ids' in dataset | did you mean 'id'?");
  CHECK(dataset("{traces: {from: production}}") == "s.eval.yaml:3:26: traces of production are not at hand here | name a file of spans");
}

TEST_CASE("inputs are those of the chain, all of them or none") {
  const SuiteFolder folder;
  const auto inputs = [&](const std::string& text) { return folder.suite_refusal(kSuiteHead + "inputs: " + text + "\n"); };
  CHECK(inputs("{question: \"{{ case.q }}\", history: \"{{ case.h | default([]) }}\"}") == "loaded");
  CHECK(inputs("{qestion: x, history: y}") == "s.eval.yaml:4:10: chain 'demo' has no input 'qestion' | did you mean 'question'?");
  CHECK(inputs("{question: x}") == "s.eval.yaml:4:9: input 'history' of chain 'demo' is not given | add `history: \"{{ case.history }}\"`");
  CHECK(inputs("{question: 3, history: y}") == "s.eval.yaml:4:20: input 'question' must be text | put it in quotes");
  CHECK(inputs("[x]") == "s.eval.yaml:4:9: 'inputs' must be a mapping | write inputs: {question: \"{{ case.question }}\"}");
  CHECK(inputs("{question: \"{{ row.q }}\", history: y}").find("'row' is undefined here | ") != std::string::npos);
  const Suite suite = folder.must_load_suite(kSuiteHead);
  REQUIRE(suite.inputs.size() == 2);
  CHECK(dump_json(*case_inputs(suite, *parse_json(R"({"question": [1], "history": "h", "x": 2})", "r"))) == R"({"question":[1],"history":"h"})");
  const auto missing = case_inputs(suite, Json{{"question", "q"}});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kData);
  CHECK(missing.error().message.find("history") != std::string::npos);
}

TEST_CASE("a metric is of a known kind with known parameters") {
  CHECK(metric("{name: ok, type: equals, expected: b}") == "loaded");
  CHECK(metric("{type: equals}") == "s.eval.yaml:4:11: metric 1 has no 'name' | name the metric with lower-case letters, digits and '_'");
  CHECK(metric("{name: ok}") == "s.eval.yaml:4:11: metric 1 has no 'type' | see `llmops eval metrics` for the types");
  CHECK(metric("{name: ok, type: equals, expect: b}") == "s.eval.yaml:4:36: unknown key 'expect' in metric 1 | did you mean 'expected'?");
  CHECK(metric("{name: ok, type: eqals, expected: b}") == "s.eval.yaml:4:28: unknown metric 'eqals' | did you mean 'equals'? See: llmops eval metrics");
  CHECK(metric("{name: ok, type: qqqqqqqqqqqqqqq}").starts_with("s.eval.yaml:4:28: unknown metric 'qqqqqqqqqqqqqqq' | known: equals, "));
  CHECK(metric("{name: ok, type: qqqqqqqqqqqqqqq}").ends_with(" See: llmops eval metrics"));
  CHECK(metric("{name: ok, type: equals, expected: b, normalise: [case]}") == "s.eval.yaml:4:49: unknown key 'normalise' in metric 1 | did you mean 'normalize'?");
  CHECK(metric("{name: ok, type: equals}").starts_with("s.eval.yaml:4:11: metric 1 has no 'expected' | expected: "));
  CHECK(metric("{name: ok, type: json_schema, schema: none.json}") == "s.eval.yaml:4:49: file 'none.json' does not exist | paths are relative to the suite file");
  CHECK(metric("{name: ok, type: json_schema, schema: schema.json}") == "loaded");
  CHECK(metric("{name: ok, type: json_schema, schema: broken.json}") != "loaded");
  CHECK(metric("{name: ok, type: regex, pattern: '('}").find(":4:11: ") != std::string::npos);
  CHECK(metric("{name: ok, type: equals, expected: \"{{ row.x }}\"}").find("'row' is undefined here") != std::string::npos);
  CHECK(metric("{name: ok, type: equals, expected: \"{{ case.x }}{{ steps.find.output }}{{ output }}{{ question }}\"}") == "loaded");
}

TEST_CASE("a parameter of a metric has the type that the metric reads") {
  const auto one = [](const std::string& parameters) { return metric("{name: ok, " + parameters + "}"); };
  CHECK(one("type: one_of, values: 7") == "s.eval.yaml:4:44: 'values' must be a list, not a number | write a list: [a, b]");
  CHECK(one("type: one_of, values: {a: 1}") == "s.eval.yaml:4:44: 'values' must be a list, not a mapping | write a list: [a, b]");
  CHECK(one("type: one_of, values: []") == "s.eval.yaml:4:44: 'values' must be a list, not empty | write a list: [a, b]");
  CHECK(one("type: one_of, values: \"{{ case.x }}\"") == "loaded");
  CHECK(one("type: number, expected: null") == "s.eval.yaml:4:46: 'expected' must be a number or text, not nothing | write a number, or a template that gives one");
  CHECK(one("type: number, expected: one") == "s.eval.yaml:4:11: 'expected' is not a number: 'one' | write a number, or a template that gives one");
  CHECK(one("type: number, expected: '1,200'") == "loaded");
  CHECK(one("type: contains, value: {a: 1}") == "s.eval.yaml:4:45: 'value' must be text or a list of texts, not a mapping | write a text, or a list of texts");
  CHECK(one("type: contains, value: ''") == "s.eval.yaml:4:11: 'value' is empty, and every text holds the empty one | write the text to look for");
  CHECK(one("type: regex, pattern: 3") == "s.eval.yaml:4:44: 'pattern' must be text, not a number | write a text in quotes");
  CHECK(one("type: json_schema, schema: 3") == "s.eval.yaml:4:49: 'schema' must be the name of a file or a schema, not a number | name a file of the project");
  CHECK(one("type: equals, expected: null") == "loaded");   // null may be the right answer
}

TEST_CASE("metric names are plain, free and used once") {
  const auto named = [](const std::string& name) { return metric("{name: " + name + ", type: equals, expected: b}"); };
  for (const char* name : {"Ok", "1st", "_x", "a-b", "a.b"}) CHECK(named(name).ends_with("cannot name a metric | use lower-case letters, digits and '_', and begin with a letter"));
  CHECK(named("a-b") == "s.eval.yaml:4:18: 'a-b' cannot name a metric | use lower-case letters, digits and '_', and begin with a letter");
  for (const char* name : {"latency_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens", "error_rate", "pass_rate", "baseline", "mean", "sum", "min", "max", "p50", "p90", "p95", "p99"}) {
    CHECK(named(name) == "s.eval.yaml:4:18: '" + std::string(name) + "' is a reserved name | name the metric otherwise");
  }
  CHECK(metric("{name: ok, type: equals, expected: b}, {name: ok, type: contains, expected: c}") == "s.eval.yaml:4:57: two metrics are named 'ok' | rename one of them");
}

TEST_CASE("a target is the output or a step of the chain") {
  const auto target = [](const std::string& text) { return metric("{name: ok, type: equals, expected: b, target: " + text + "}"); };
  for (const char* good : {"output", "output.label", "'output[0].x'", "steps.answer", "steps.answer.output", "steps.find.output.list", "steps.answer.spans.part.output"}) CHECK(target(good) == "loaded");
  CHECK(target("steps.anser.output") == "s.eval.yaml:4:57: unknown step 'anser' | did you mean 'answer'?");
  CHECK(target("answer") == "s.eval.yaml:4:57: target 'answer' is neither 'output' nor a step | write output or steps.ID.output");
  CHECK(target("outputs") == "s.eval.yaml:4:57: target 'outputs' is neither 'output' nor a step | write output or steps.ID.output");
  const SuiteFolder folder;
  const Suite suite = folder.must_load_suite(kSuiteHead + "metrics:\n  - {name: a, type: equals, expected: b}\n  - {name: b, type: equals, expected: b, target: steps.find}\n  - {name: c, type: equals, expected: b, target: steps.find.spans.part.output}\n  - {name: d, type: latency, target: steps.answer}\n");
  CHECK(suite.metrics[0].component == "end to end");
  CHECK(suite.metrics[1].component == "find");
  CHECK(suite.metrics[1].target == "steps.find.output");
  CHECK(suite.metrics[2].component == "find/part");
  CHECK(suite.metrics[3].component == "answer");
  CHECK_FALSE(suite.metrics[3].target_value.has_value());
}

TEST_CASE("a pass condition is a sign and a number; rates pass at 1 without one") {
  const auto pass = [](const std::string& text) { return metric("{name: ok, type: token_f1, references: b, pass: '" + text + "'}"); };
  for (const char* good : {">= 0.5", ">0.5", "<= 1e-3", "< -2", "== 1"}) CHECK(pass(good) == "loaded");
  for (const char* bad : {"0.5", "> ", "=> 1", ">= x", ">= 0,5", "!= 1", ">= 1 2"}) CHECK(pass(bad).ends_with("'" + std::string(bad) + "' is not a condition | write it like \">= 0.5\""));
  const SuiteFolder folder;
  const Suite suite = folder.must_load_suite(kSuiteHead + "metrics:\n  - {name: a, type: equals, expected: b}\n  - {name: b, type: token_f1, references: b}\n  - {name: c, type: token_f1, references: b, pass: '> 0.25'}\n");
  CHECK(suite.metrics[0].pass->number == 1);
  CHECK_FALSE(suite.metrics[1].pass.has_value());
  CHECK(suite.metrics[2].pass->number == 0.25);
  CHECK(suite.metrics[2].pass->op == GateOperator::kAbove);
}

TEST_CASE("gates are texts about names that the suite or the chain has") {
  for (const char* good : {"ok >= 0.5", "mean(ok) > 0.5 @ 95%", "ok[lang=de] >= 0.5", "p95(latency_ms) <= 100", "steps.answer.cost_usd < 1", "steps.find.pass_rate == 1", "pass_rate > 0", "error_rate <= 0", "ok >= baseline - 0.02 @ 95%"}) CHECK(gate(good) == "loaded");
  CHECK(gate("okk >= 0.5") == "s.eval.yaml:6:5: unknown name 'okk' | did you mean 'ok'?");
  CHECK(gate("'okk >= 0.5'") == "s.eval.yaml:6:6: unknown name 'okk' | did you mean 'ok'?");
  CHECK(gate("p95(latency) <= 100").starts_with("s.eval.yaml:6:9: unknown name 'latency'"));
  CHECK(gate("steps.anser.latency_ms < 1") == "s.eval.yaml:6:5: unknown name 'steps.anser.latency_ms' | did you mean 'steps.answer.latency_ms'?");
  CHECK(gate("1") == "s.eval.yaml:6:5: a gate must be text | put it in quotes");
  CHECK(gate("ok => 1").starts_with("s.eval.yaml:6:"));
  CHECK(SuiteFolder().suite_refusal(kSuiteHead + "gates: ok >= 1\n") == "s.eval.yaml:4:8: 'gates' must be a list of texts | write gates: [\"correct >= 0.85\"]");
  CHECK(SuiteFolder().suite_refusal(kSuiteHead + "metrics: ok\n") == "s.eval.yaml:4:10: 'metrics' must be a list | write metrics: [{name: correct, type: equals, expected: \"{{ case.answer }}\"}]");
}

TEST_CASE("a suite's identity is its document and files, without description and gates") {
  const SuiteFolder folder;
  const std::string metrics = "metrics: [{name: ok, type: equals, expected: b}]\n";
  const std::string plain = folder.must_load_suite(kSuiteHead + metrics).id;
  CHECK(plain.size() == 64);
  CHECK(folder.must_load_suite(kSuiteHead + "description: words\n" + metrics + "gates: [ok >= 1]\n").id == plain);
  CHECK(folder.must_load_suite(kSuiteHead + "metrics: [{name: ok, type: equals, expected: c}]\n").id != plain);
  folder.dir.write("eval.jsonl", "{\"id\": 2}\n");
  CHECK(folder.must_load_suite(kSuiteHead + metrics).id != plain);
}
