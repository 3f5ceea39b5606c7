// What is reused from an earlier run: an edit of one component runs that component and what reads its output, and nothing
// else. A reuse too many would report an old component's outputs as the new one's.
#include "tests/core/runtime/runtime_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kThree =
    "steps:\n"
    "  - {id: a, model: main, prompt: \"A {{ question }}\"}\n"
    "  - {id: b, template: \"B {{ steps.a.output }}\"}\n"
    "  - {id: c, template: \"C {{ question }}\"}\n"
    "output: \"{{ steps.b.output }} {{ steps.c.output }}\"\n";

struct Memo : RuntimeFolder {
  Memo() { open_store(); }
  // Runs the case through the chain, keeps it, and says what came from where.
  std::string run(const std::string& rest, const Json& question = "q") {
    prepare(rest);
    last = ask(question);
    keep(last);
    return caches(last);
  }
  CaseResult last;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) { return text.replace(text.find(from), from.size(), to); }

}  // namespace

TEST_CASE("the second run of the same chain on the same case runs nothing") {
  Memo memo;
  CHECK(memo.run(kEcho + kThree) == "a:miss b:miss c:miss");
  const std::string output = output_of(memo.last);
  CHECK(memo.run(kEcho + kThree) == "a:step b:step c:step");
  CHECK(output_of(memo.last) == output);
  for (const SpanRecord& span : memo.last.spans) CHECK(span.memo_key.empty());
  CHECK(memo.run(kEcho + kThree) == "a:step b:step c:step");
}

TEST_CASE("another value runs what reads it") {
  Memo memo;
  memo.run(kEcho + kThree);
  CHECK(memo.run(kEcho + kThree, "other") == "a:miss b:miss c:miss");
}

TEST_CASE("another repetition is a run of its own") {
  Memo memo;
  memo.run(kEcho + kThree);
  CHECK(caches(memo.ask("q", nullptr, 1)) == "a:miss b:miss c:miss");
}

TEST_CASE("an edited step runs, with those that read its output and no other") {
  Memo memo;
  memo.run(kEcho + kThree);
  CHECK(memo.run(kEcho + replaced(kThree, "\"A {{", "\"Ask {{")) == "a:miss b:miss c:step");
  CHECK(output_of(memo.last) == R"("B Ask q C q")");
  CHECK(memo.run(kEcho + replaced(kThree, "\"C {{", "\"See {{")) == "a:step b:step c:miss");
  CHECK(memo.run(kEcho + replaced(kThree, "\"B {{", "\"Be {{")) == "a:step b:miss c:step");
  // The steps before the edit are still there.
  CHECK(memo.run(kEcho + kThree) == "a:step b:step c:step");
}

TEST_CASE("an edit that gives the same output runs no step behind it") {
  Memo memo;
  memo.run(kEcho + kThree);
  CHECK(memo.run(kEcho + replaced(kThree, "\"A {{ question }}\"", "\"A {{ question | trim }}\"")) == "a:miss b:step c:step");
}

TEST_CASE("another model, or another parameter of it, runs its steps; price and time-out do not") {
  Memo memo;
  memo.run(kEcho + kThree);
  CHECK(memo.run("models: {main: {provider: echo, params: {temperature: 1}}}\n" + kThree) == "a:miss b:step c:step");
  CHECK(memo.run("models: {main: {provider: echo, timeout_s: 5, price: {input: 1, output: 1}}}\n" + kThree) == "a:step b:step c:step");
}

TEST_CASE("an edited prompt file runs its step") {
  Memo memo;
  const std::string chain = kEcho + "steps: [{id: a, model: main, messages: [{role: user, file: p.md}]}, {id: c, template: \"{{ question }}\"}]\noutput: \"{{ steps.a.output }}{{ steps.c.output }}\"\n";
  memo.dir.write("p.md", "one {{ question }}");
  memo.run(chain);
  memo.dir.write("p.md", "two {{ question }}");
  CHECK(memo.run(chain) == "a:miss c:step");
  CHECK(output_of(memo.last) == R"("two qq")");
}

TEST_CASE("an edited conditioning prompt runs the step that shows it") {
  // The definition of the step names the asset, not its file, so its digest is in no key.
  Memo memo;
  const std::string chain = kEcho + "assets: {system: {kind: conditioning-prompt, path: p.md}}\nsteps: [{id: a, model: main, messages: [{role: user, asset: system}]}]\noutput: \"{{ steps.a.output }}\"\n";
  memo.dir.write("p.md", "one {{ question }}");
  memo.run(chain);
  memo.dir.write("p.md", "two {{ question }}");
  CHECK(memo.run(chain) == "a:miss");
  CHECK(output_of(memo.last) == R"("two q")");
}

TEST_CASE("an edited include runs every step that includes it, not only the first") {
  Memo memo;
  const std::string chain = "steps: [{id: a, template: \"{% include 'part.md' %}\"}, {id: b, model: main, messages: [{role: user, file: p.md}]}]\noutput: \"{{ steps.a.output }}{{ steps.b.output }}\"\n";
  memo.dir.write("part.md", "one");
  memo.dir.write("p.md", "{% include 'part.md' %}");
  memo.run(kEcho + chain);
  memo.dir.write("part.md", "two");
  CHECK(memo.run(kEcho + chain) == "a:miss b:miss");
  CHECK(output_of(memo.last) == R"("twotwo")");
}

TEST_CASE("edited recorded replies run the steps of their model") {
  Memo memo;
  const std::string chain = "models: {main: {provider: replay, path: r.jsonl}}\n" + kAnswer + kOutput;
  memo.dir.write("r.jsonl", "{\"key\": \"q\", \"output\": \"one\"}\n");
  memo.run(chain);
  memo.dir.write("r.jsonl", "{\"key\": \"q\", \"output\": \"two\"}\n");
  CHECK(memo.run(chain) == "answer:miss");
  CHECK(output_of(memo.last) == R"("two")");
}

TEST_CASE("edited recorded replies run the steps of their model, however the path is written") {
  Memo memo;
  const std::string chain = "models: {main: {provider: replay, path: ./r.jsonl}}\n" + kAnswer + kOutput;
  memo.dir.write("r.jsonl", "{\"key\": \"q\", \"output\": \"one\"}\n");
  memo.run(chain);
  memo.dir.write("r.jsonl", "{\"key\": \"q\", \"output\": \"two\"}\n");
  CHECK(memo.run(chain) == "answer:miss");
  CHECK(output_of(memo.last) == R"("two")");
}

TEST_CASE("an edited program of an exec model is asked anew") {
  // Two keys are short of it: the step's (argv is compared as written, not normalised) and the response cache's.
  Memo memo;
  const std::string chain = "models: {main: {provider: exec, argv: [./model.sh]}}\n" + kAnswer + kOutput;
  memo.script("model.sh", "read line\necho '{\"content\": \"one\"}'\n");
  memo.run(chain);
  memo.script("model.sh", "read line\necho '{\"content\": \"two\"}'\n");
  CHECK(memo.run(chain) == "answer:miss");
  CHECK(output_of(memo.last) == R"("two")");
}

TEST_CASE("two exec models are two models") {
  Memo memo;
  memo.script("one.sh", "read line\necho '{\"content\": \"one\"}'\n");
  memo.script("two.sh", "read line\necho '{\"content\": \"two\"}'\n");
  memo.run("models: {main: {provider: exec, argv: [./one.sh]}}\n" + kAnswer + kOutput);
  memo.run("models: {main: {provider: exec, argv: [./two.sh]}}\n" + kAnswer + kOutput);
  CHECK(output_of(memo.last) == R"("two")");
}

TEST_CASE("an edited program runs its exec step") {
  Memo memo;
  const std::string chain = "steps: [{id: own, exec: {argv: [./app.sh]}}]\noutput: \"{{ steps.own.output }}\"\n";
  memo.script("app.sh", "read line\necho '{\"output\": 1, \"spans\": [{\"id\": \"x\", \"name\": \"part\", \"output\": 5}, {\"name\": \"inner\", \"parent\": \"x\"}]}'\n");
  CHECK(memo.run(chain) == "own:miss own/part:- own/inner:-");
  CHECK(memo.run(chain) == "own:step own/part:step own/inner:step");
  CHECK(memo.last.spans[1].parent == 0);
  CHECK(memo.last.spans[2].parent == 1);
  CHECK(memo.last.steps["own"]["spans"]["part"]["output"] == 5);
  memo.script("app.sh", "read line\necho '{\"output\": 2}'\n");
  CHECK(memo.run(chain) == "own:miss");
}

TEST_CASE("edited documents run the retrieval, edited examples the model step") {
  Memo memo;
  memo.dir.write("kb/a.md", "apples are red");
  memo.dir.write("shots.jsonl", "{\"input\": \"x\", \"output\": \"y\"}\n");
  const std::string chain = kEcho +
                            "assets: {kb: {kind: grounding, path: kb/*.md}, shots: {kind: few-shot, path: shots.jsonl}}\n"
                            "steps: [{id: find, retrieve: {from: kb, query: apples}}, {id: answer, model: main, prompt: x, few_shot: {from: shots}}]\n"
                            "output: \"{{ steps.find.output | length }}{{ steps.answer.output }}\"\n";
  memo.run(chain);
  CHECK(memo.run(chain) == "find:step answer:step");
  memo.dir.write("kb/a.md", "apples are green");
  CHECK(memo.run(chain) == "find:miss answer:step");
  memo.dir.write("shots.jsonl", "{\"input\": \"x\", \"output\": \"z\"}\n");
  CHECK(memo.run(chain) == "find:step answer:miss");
}

TEST_CASE("an edited description of a tool runs the steps that offer it") {
  // The model reads the description; only the schema of a tool is in the key.
  Memo memo;
  memo.script("t.sh", "");
  const auto chain = [](const std::string& words) { return kEcho + "tools: {t: {argv: [./t.sh], description: " + words + "}}\nsteps: [{id: answer, model: main, prompt: x, tools: [t]}]\n" + kOutput; };
  memo.run(chain("one"));
  CHECK(memo.run(chain("two")) == "answer:miss");
}

TEST_CASE("examples that depend on an input which no template reads are drawn for every case") {
  // 'history' is not in the key, though an example that equals it is left out.
  Memo memo;
  memo.dir.write("shots.jsonl", "{\"input\": \"x\", \"output\": \"secret\"}\n{\"input\": \"y\", \"output\": \"other\"}\n");
  memo.prepare(kEcho + "assets: {shots: {kind: few-shot, path: shots.jsonl}}\nsteps: [{id: answer, model: main, prompt: \"{{ question }}\", few_shot: {from: shots, k: 1}}]\n" + kOutput);
  memo.keep(memo.ask("q", "unrelated"));
  CHECK(memo.ask("q", "x").spans[0].prompt.find("secret") == std::string::npos);
}

TEST_CASE("an error is never reused") {
  Memo memo;
  const std::string chain = "models: {main: {provider: replay, path: r.jsonl, timeout_s: 3}}\n" + kAnswer + kOutput;
  memo.dir.write("r.jsonl", "{\"key\": \"other\", \"output\": \"x\"}\n");
  CHECK(memo.run(chain) == "answer:miss");
  CHECK(memo.last.spans[0].memo_key.empty());
  CHECK(memo.run(chain) == "answer:miss");
}

TEST_CASE("items of for_each are reused one by one") {
  Memo memo;
  const std::string chain = kEcho + "steps: [{id: parts, for_each: \"{{ question }}\", model: main, prompt: \"{{ item }}\"}]\noutput: \"{{ steps.parts.output }}\"\n";
  memo.run(chain, Json::array({"a", "b"}));
  memo.prepare(chain);
  CHECK(caches(memo.ask(Json::array({"a", "b"}))) == "parts:step parts:step");
}

TEST_CASE("without reading the cache everything runs, and is kept for later") {
  Memo memo;
  memo.run(kEcho + kThree);
  RuntimeContext fresh = memo.context();
  fresh.cache = CacheUse::kWriteOnly;
  memo.prepare(kEcho + kThree, fresh);
  const CaseResult result = memo.ask("q");
  CHECK(caches(result) == "a:miss b:miss c:miss");
  CHECK(result.spans[0].memo_key.size() == 16);
  RuntimeContext off = memo.context();
  off.cache = CacheUse::kOff;
  memo.prepare(kEcho + kThree, off);
  CHECK(memo.ask("q").spans[0].memo_key.empty());
}

TEST_CASE("reused model steps keep their tokens, cost, latency and tool calls") {
  Memo memo;
  memo.script("t.sh", "");
  memo.dir.write("r.jsonl", "{\"key\": \"q\", \"output\": {\"content\": \"x\", \"usage\": {\"prompt_tokens\": 10, \"completion_tokens\": 5}, \"latency_ms\": 40, \"tool_calls\": [{\"id\": \"1\", \"name\": \"t\", \"arguments\": {}}]}}\n");
  const std::string chain = "models: {main: {provider: replay, path: r.jsonl, price: {input: 1, output: 1}}}\ntools: {t: {argv: [./t.sh]}}\nsteps: [{id: answer, model: main, prompt: q, tools: [t]}]\noutput: \"{{ steps.answer.tool_calls | length }}\"\n";
  memo.run(chain);
  CHECK(memo.run(chain) == "answer:step");
  CHECK(output_of(memo.last) == "1");
  CHECK(memo.last.latency_ms == 40);
  CHECK(*memo.last.cost_usd == Approx(15e-6));
  CHECK(*memo.last.input_tokens == 10);
}
