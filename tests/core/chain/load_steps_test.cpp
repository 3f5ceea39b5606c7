// What steps may say: every refusal with its words and its place.
#include "tests/core/chain/chain_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// The refusal of a chain with these steps; they begin at line 5.
std::string steps(const std::string& text, const std::string& output = kOutput) {
  const ChainFolder folder;
  for (const char* path : {"kb/a.md", "system.md", "tool.sh", "two/a.md", "two/b.md"}) folder.dir.write(path, "plain text");
  folder.dir.write("shots.jsonl", "{\"input\": \"a\", \"output\": \"b\"}\n");
  folder.dir.write("bad.md", "line one\n{{ question | uper }}\n");
  folder.dir.write("schema.json", "{\"type\": \"object\"}");
  folder.dir.write("broken.json", "{\"type\": 3}");
  const std::string assets = "assets: {kb: {kind: grounding, path: kb/*.md}, shots: {kind: few-shot, path: shots.jsonl}, system: {kind: conditioning-prompt, path: system.md}, two: {kind: conditioning-prompt, path: two/*.md}}\n";
  return folder.refusal(kHead + "models: {main: {provider: echo}}\n" + text + output + assets + "tools: {lookup: {argv: [./tool.sh]}}\n");
}

std::string step(const std::string& body) { return steps("steps:\n  - {id: answer, " + body + "}\n"); }

}  // namespace

TEST_CASE("steps are a list of mappings with names of their own") {
  CHECK(steps("steps: {}\n") == "demo.chain.yaml:5:8: 'steps' must be a list of at least one step | write steps: [{id: answer, model: main, prompt: \"{{ question }}\"}]");
  CHECK(steps("steps: []\n") == "demo.chain.yaml:5:8: 'steps' must be a list of at least one step | write steps: [{id: answer, model: main, prompt: \"{{ question }}\"}]");
  CHECK(steps("steps: [one]\n") == "demo.chain.yaml:5:9: step 1 must be a mapping, not text | write its keys as `key: value`");
  CHECK(steps("steps:\n  - {template: x}\n") == "demo.chain.yaml:6:5: step 1 has no 'id' | name the step with letters, digits and '_'");
  CHECK(steps("steps:\n  - {id: 1a, template: x}\n") == "demo.chain.yaml:6:10: '1a' cannot name a step | use letters, digits and '_', and begin with a letter");
  CHECK(steps("steps:\n  - {id: a-b, template: x}\n") == "demo.chain.yaml:6:10: 'a-b' cannot name a step | use letters, digits and '_', and begin with a letter");
  CHECK(steps("steps:\n  - {id: a, template: x}\n  - {id: a, template: y}\n") == "demo.chain.yaml:7:10: two steps are named 'a' | rename one of them");
}

TEST_CASE("a step does one thing") {
  CHECK(step("template: x") == "loaded");
  CHECK(step("when: \"{{ question }}\"") == "demo.chain.yaml:6:5: step 'answer' does nothing | add one of: model, retrieve, extract, template, exec, agent, chain");
  CHECK(step("template: x, exec: {argv: [./tool.sh]}") == "demo.chain.yaml:6:31: step 'answer' has both 'template' and 'exec' | make two steps of it");
  CHECK(step("agent: {model: main}").find("step 'answer' needs either 'prompt' or 'messages'") != std::string::npos);
  CHECK(step("agent: {model: main, prompt: x}").find("agent has no 'tools' | name the tools it may call: tools: [lookup]") != std::string::npos);
  CHECK(step("chain: other.chain.yaml").find("chain 'other.chain.yaml' does not exist | paths are relative to the chain file") != std::string::npos);
  CHECK(step("template: x, wehn: y").find("demo.chain.yaml:6:31: unknown key 'wehn' in step 1 | did you mean 'when'?") == 0);
  CHECK(step("template: 3") == "demo.chain.yaml:6:28: a template must be text, not a number | put it in quotes");
  CHECK(step("template: x, when: true") == "demo.chain.yaml:6:37: a template must be text, not true or false | put it in quotes");
  CHECK(step("template: x, for_each: [1]") == "demo.chain.yaml:6:41: a template must be text, not a list | put it in quotes");
}

TEST_CASE("a model step names a known model and has one prompt") {
  CHECK(step("model: main, prompt: x") == "loaded");
  CHECK(step("model: mian, prompt: x") == "demo.chain.yaml:6:25: unknown model 'mian' | did you mean 'main'?");
  CHECK(step("model: main") == "demo.chain.yaml:6:5: step 'answer' needs either 'prompt' or 'messages' | add prompt: \"{{ question }}\"");
  CHECK(step("model: main, promt: x") == "demo.chain.yaml:6:31: unknown key 'promt' in step 1 | did you mean 'prompt'?");
  CHECK(step("model: main, messges: []") == "demo.chain.yaml:6:31: unknown key 'messges' in step 1 | did you mean 'messages'?");
  CHECK(step("modle: main, prompt: x") == "demo.chain.yaml:6:18: unknown key 'modle' in step 'answer' | did you mean 'model'?");
  CHECK(step("prompt: x") == "demo.chain.yaml:6:5: step 'answer' does nothing | name the model that answers: add `model: NAME`");
  CHECK(step("model: main, prompt: x, messages: [{role: user, content: x}]") == "demo.chain.yaml:6:5: step 'answer' needs either 'prompt' or 'messages' | put the prompt into the messages");
  CHECK(step("model: main, messages: []") == "demo.chain.yaml:6:41: 'messages' must be a list of at least one message | write messages: [{role: user, content: \"{{ question }}\"}]");
  CHECK(step("model: main, prompt: x, tools: [lokup]") == "demo.chain.yaml:6:50: unknown tool 'lokup' | did you mean 'lookup'?");
  CHECK(step("model: main, prompt: x, tools: [lookup]") == "loaded");
  CHECK(step("model: main, prompt: x, response: {json_schema: none.json}") == "demo.chain.yaml:6:66: file 'none.json' does not exist | paths are relative to the chain file");
  CHECK(step("model: main, prompt: x, response: {json_schema: schema.json}") == "loaded");
  CHECK(step("model: main, prompt: x, response: {schema: schema.json}").find("response has no 'json_schema'") != std::string::npos);
}

TEST_CASE("a message has a known role and one source") {
  const auto message = [](const std::string& entry) { return step("model: main, messages: [" + entry + "]"); };
  CHECK(message("{role: user, content: x}") == "loaded");
  CHECK(message("text") == "demo.chain.yaml:6:42: a message must be a mapping, not text | write its keys as `key: value`");
  CHECK(message("{content: x}") == "demo.chain.yaml:6:42: a message has no 'role' | write role: system, user or assistant");
  CHECK(message("{role: usr, content: x}") == "demo.chain.yaml:6:49: unknown role 'usr' | did you mean 'user'?");
  CHECK(message("{role: user}") == "demo.chain.yaml:6:42: a message needs one of 'content', 'file' and 'asset' | write {role: user, content: \"{{ question }}\"}");
  CHECK(message("{role: user, content: x, file: system.md}") == "demo.chain.yaml:6:42: a message needs one of 'content', 'file' and 'asset' | write {role: user, content: \"{{ question }}\"}");
  CHECK(message("{role: user, file: none.md}") == "demo.chain.yaml:6:61: file 'none.md' does not exist | paths are relative to the chain file");
  CHECK(message("{role: system, asset: sytem}") == "demo.chain.yaml:6:64: unknown asset 'sytem' | did you mean 'system'?");
  CHECK(message("{role: system, asset: system}") == "loaded");
  CHECK(message("{role: system, asset: kb}") == "demo.chain.yaml:6:64: asset 'kb' is not one conditioning prompt | only a conditioning-prompt of one file can be a message");
  CHECK(message("{role: system, asset: two}") == "demo.chain.yaml:6:64: asset 'two' is not one conditioning prompt | only a conditioning-prompt of one file can be a message");
  CHECK(message("{history: \"{{ history }}\"}") == "loaded");
  CHECK(message("{history: \"{{ history }}\", role: user}").find("unknown key 'role' in a message") != std::string::npos);
}

TEST_CASE("an error in a prompt file points into that file") {
  CHECK(step("model: main, messages: [{role: user, file: bad.md}]") == "bad.md:2:15: unknown filter 'uper' | did you mean 'upper'?");
}

TEST_CASE("few-shot examples come from a few-shot asset") {
  const auto shots = [](const std::string& entry) { return step("model: main, prompt: x, few_shot: " + entry); };
  CHECK(shots("{from: shots, k: 2, select: random}") == "loaded");
  CHECK(shots("{k: 2}").find("few_shot has no 'from'") != std::string::npos);
  CHECK(shots("{from: shot}") == "demo.chain.yaml:6:59: unknown asset 'shot' | did you mean 'shots'?");
  CHECK(shots("{from: kb}") == "demo.chain.yaml:6:59: asset 'kb' is of kind 'grounding', not 'few-shot' | name an asset of kind few-shot");
  CHECK(shots("{from: shots, k: 0}") == "loaded");
  CHECK(shots("{from: shots, k: -1}") == "demo.chain.yaml:6:69: 'k' is -1, but must be from 0 to 1000 | give a number in that range");
  CHECK(shots("{from: shots, order: reversed}") == "loaded");
  CHECK(shots("{from: shots, order: 3}") == "loaded");
  CHECK(shots("{from: shots, order: reverse}") == "demo.chain.yaml:6:73: unknown order 'reverse' of examples | did you mean 'reversed'?");
  CHECK(shots("{from: shots, order: 0}") == "demo.chain.yaml:6:73: unknown order '0' of examples | write selected, reversed, or the number of a shuffle from 1");
  CHECK(shots("{from: shots, select: nearest}") == "loaded");
  CHECK(shots("{from: shots, select: nearest, by: bm25}") == "loaded");
  CHECK(shots("{from: shots, by: bm25}").find("'by' says how nearness is measured, but examples are not selected by it | write select: nearest, or remove `by`") != std::string::npos);
  CHECK(shots("{from: shots, select: nearest, by: main}").find("model 'main' gives no embeddings | use a model with provider openai") != std::string::npos);
  CHECK(shots("{from: shots, select: frist}") == "demo.chain.yaml:6:74: unknown few-shot selection 'frist' | did you mean 'first'?");
}

TEST_CASE("a name of which nothing is declared comes with where to declare it") {
  const ChainFolder folder;
  const auto alone = [&](const std::string& body) { return folder.refusal(kHead + kEcho + "steps: [{id: answer, " + body + "}]\n" + kOutput); };
  CHECK(alone("model: main, messages: [{role: system, asset: system}]") == "demo.chain.yaml:5:68: unknown asset 'system' | declare it under `assets:`");
  CHECK(alone("model: main, prompt: x, few_shot: {from: shots}") == "demo.chain.yaml:5:63: unknown asset 'shots' | declare it under `assets:`");
  CHECK(alone("retrieve: {from: kb, query: x}") == "demo.chain.yaml:5:39: unknown asset 'kb' | declare it under `assets:`");
  CHECK(alone("model: main, prompt: x, tools: [t]") == "demo.chain.yaml:5:54: unknown tool 't' | declare it under `tools:`");
  CHECK(folder.refusal(kHead + "steps: [{id: answer, model: main, prompt: x}]\n" + kOutput) == "demo.chain.yaml:4:29: unknown model 'main' | declare it under `models:`");
  CHECK(folder.refusal(kHead + "modles: {main: {provider: echo}}\n" + kAnswer + kOutput) == "demo.chain.yaml:4:1: unknown key 'modles' in the chain | did you mean 'models'?");
}

TEST_CASE("a retrieval names a grounding asset, a query and a known method") {
  const auto retrieve = [](const std::string& entry) { return step("retrieve: {" + entry + "}"); };
  CHECK(retrieve("from: kb, query: \"{{ question }}\"") == "loaded");
  CHECK(retrieve("query: x").find("retrieve has no 'from'") != std::string::npos);
  CHECK(retrieve("from: kb").find("retrieve has no 'query'") != std::string::npos);
  CHECK(retrieve("from: k, query: x").find("unknown asset 'k' | did you mean 'kb'?") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, top_k: 0").find("'top_k' is 0, but must be from 1 to ") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, method: bm52").find("unknown retrieval method 'bm52' | did you mean 'bm25'?") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, method: embedding").find("retrieve has no 'embedder'") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, method: hybrid, embedder: main").find("model 'main' gives no embeddings") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, embedder: main").find("'embedder' is not used by bm25 | write method: embedding or method: hybrid") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, weights: [1, 2]").find("'weights' is used by hybrid retrieval alone") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, chunk: {by: headin}").find("unknown way to chunk 'headin' | did you mean 'heading'?") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, chunk: {size: 5, overlap: 5}").find("'overlap' must be less than 'size'") != std::string::npos);
  CHECK(retrieve("from: kb, query: x, chunk: {by: size, size: 5, overlap: 4}") == "loaded");
}

TEST_CASE("an extraction has a source and one way to extract") {
  const auto extract = [](const std::string& entry) { return step("extract: {" + entry + "}"); };
  const std::string one = "extract of step 'answer' needs one of 'json: true', 'regex' and 'choice' | keep one way to extract";
  CHECK(extract("from: \"{{ question }}\", json: true") == "loaded");
  CHECK(extract("json: true").find("extract has no 'from' | say what to extract from, for example \"{{ steps.answer.output }}\"") != std::string::npos);
  CHECK(extract("from: x") == "demo.chain.yaml:6:27: " + one);
  CHECK(extract("from: x, json: false") == "demo.chain.yaml:6:27: " + one);
  CHECK(extract("from: x, json: true, regex: y") == "demo.chain.yaml:6:27: " + one);
  CHECK(extract("from: x, regex: '('").find("regular expression does not compile: missing ): ( | RE2 has no look-ahead and no back-references") != std::string::npos);
  CHECK(extract("from: x, regex: '(?=a)'").find("regular expression does not compile: ") != std::string::npos);
  CHECK(extract("from: x, regex: '(a)', group: 2") == "demo.chain.yaml:6:58: group 2 does not exist: the expression has 1 | count the parentheses that capture; 0 is the whole match");
  CHECK(extract("from: x, regex: a, match: lst") == "demo.chain.yaml:6:54: unknown match 'lst' | did you mean 'last'?");
  CHECK(extract("from: x, json: true, schema: none.json") == "demo.chain.yaml:6:57: file 'none.json' does not exist | paths are relative to the chain file");
  CHECK(extract("from: x, json: true, schema: broken.json").find("demo.chain.yaml:6:57: not a draft 7 schema: ") == 0);
  CHECK(extract("from: x, choice: [a, 1]") == "demo.chain.yaml:6:49: 'choice' must hold texts, not a number | put it in quotes");
}

TEST_CASE("an exec step names a program") {
  CHECK(step("exec: {argv: [./tool.sh], timeout_s: 2}") == "loaded");
  CHECK(step("exec: {argv: []}").find("exec has no 'argv' | write it as a list: argv: [python3, app.py]") != std::string::npos);
  CHECK(step("exec: {argv: [./none.sh]}") == "demo.chain.yaml:6:32: program './none.sh' does not exist | argv runs in the folder of the chain file");
  CHECK(step("exec: {argv: [./tool.sh], timeout: 2}").find("unknown key 'timeout' in exec | did you mean 'timeout_s'?") != std::string::npos);
  CHECK(step("exec: [./tool.sh]") == "demo.chain.yaml:6:24: exec must be a mapping, not a list | write its keys as `key: value`");
}
