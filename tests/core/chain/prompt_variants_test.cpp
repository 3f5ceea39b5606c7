#include "core/chain/prompt_variants.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/core/chain/chain_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kSmallHead = "llmops: chain/v1\nname: c\ninputs: [q]\nmodels: {m: {provider: echo}}\n";

std::string labels_of(const Result<std::vector<PromptVariant>>& found) {
  if (!found) return told(found.error());
  std::string text;
  for (const PromptVariant& variant : *found) text += (text.empty() ? "" : "; ") + variant.label;
  return text;
}

std::vector<std::string> sets_of(const PromptVariant& variant) {
  std::vector<std::string> sets;
  for (const Override& override : variant.overrides) sets.push_back(override.path + "=" + dump_json(override.value));
  return sets;
}

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(told(result.error()));
  return std::move(*result);
}

}  // namespace

TEST_CASE("white space changes between the tags of a template and never within") {
  const std::string text = "Read this: {{ q ~ \"a: b\" }}\nAnswer: yes. Or no.{# note: x #}\n\nEnd";
  CHECK(change_space(text, SpaceChange::kLines) == "Read this: {{ q ~ \"a: b\" }}\n\nAnswer: yes. Or no.{# note: x #}\n\nEnd");
  CHECK(change_space(text, SpaceChange::kColon) == "Read this:\n{{ q ~ \"a: b\" }}\nAnswer:\nyes. Or no.{# note: x #}\n\nEnd");
  CHECK(change_space(text, SpaceChange::kSentence) == "Read this: {{ q ~ \"a: b\" }}\nAnswer: yes.  Or no.{# note: x #}\n\nEnd");
  CHECK(change_space(text, SpaceChange::kStart) == "\n" + text);
  CHECK(change_space(text, SpaceChange::kEnd) == text + "{{ \"\\n\" }}");
  CHECK(change_space("a\n\n\n", SpaceChange::kEnd) == "a");
  CHECK(change_space("open {{ q", SpaceChange::kLines) == "open {{ q");
  CHECK(change_space("{{ '}}' }}: x", SpaceChange::kColon) == "{{ '}}' }}: x");
  CHECK(change_space("", SpaceChange::kColon).empty());
}

TEST_CASE("variants of a prompt are overrides that load, with the prompt as written first") {
  ChainFolder folder;
  folder.dir.write("p2.md", "What is {{ q }}?");
  const std::string text = kSmallHead + "steps:\n  - {id: a, model: m, prompt: \"Say: {{ q }}\"}\noutput: \"{{ steps.a.output }}\"\n";
  const Chain chain = folder.must_load(text);
  const auto variants = must(prompt_variants(chain, "a", {"space", "p2.md"}));
  CHECK(labels_of(variants) == "as written; space: end; space: start; space: colon; p2.md");
  std::set<std::string> vids;
  for (const PromptVariant& variant : variants) vids.insert(folder.must_load(text, sets_of(variant)).vid);
  CHECK(vids.size() == variants.size());
}

TEST_CASE("messages keep what is not changed, and a paraphrase takes the place of the last message of its role") {
  ChainFolder folder;
  folder.dir.write("sys.md", "Be brief: always.");
  folder.dir.write("p2.md", "{{ q }}?");
  folder.dir.write("shots.jsonl", "{\"input\": \"1\", \"output\": \"one\"}\n{\"input\": \"2\", \"output\": \"two\"}\n{\"input\": \"3\", \"output\": \"three\"}\n");
  const std::string text = kSmallHead + "assets: {sys: {kind: conditioning-prompt, path: sys.md}, shots: {kind: few-shot, path: shots.jsonl}}\n"
                                       "steps:\n  - id: a\n    model: m\n    messages: [{role: system, asset: sys}, {role: user, content: \"{{ q }}\"}]\n    few_shot: {from: shots, k: 3}\n"
                                       "output: \"{{ steps.a.output }}\"\n";
  const Chain chain = folder.must_load(text);
  const auto variants = must(prompt_variants(chain, "a", {"space", "order", "p2.md", "system:p2.md"}));
  CHECK(labels_of(variants) == "as written; space: end; space: start; space: colon; order: reversed; order: shuffle 1; order: shuffle 2; order: shuffle 3; p2.md; system:p2.md");
  CHECK(dump_json(variants[3].overrides[0].value) == R"([{"role":"system","content":"Be brief:\nalways."},{"role":"user","content":"{{ q }}"}])");
  CHECK(dump_json(variants[8].overrides[0].value) == R"([{"role":"system","asset":"sys"},{"role":"user","file":"p2.md"}])");
  for (const PromptVariant& variant : variants) CHECK(folder.refusal(text, sets_of(variant)) == "loaded");
}

TEST_CASE("what has no such variants is refused") {
  ChainFolder folder;
  const std::string text = kSmallHead + "steps:\n  - {id: a, model: m, prompt: \"{{ q }}\"}\n  - {id: b, template: \"{{ steps.a.output }}\"}\noutput: \"{{ steps.b.output }}\"\n";
  const Chain chain = folder.must_load(text);
  CHECK(labels_of(prompt_variants(chain, "x", {"space"})) == "there is no step 'x' | did you mean 'a'?");
  CHECK(labels_of(prompt_variants(chain, "b", {"space"})) == "step 'b' has no such variants: it is of kind template and has no prompt | name a step that asks a model");
  CHECK(labels_of(prompt_variants(chain, "a", {"order"})) == "step 'a' has no such variants: it shows no two examples that could change places | leave out 'order', or add few_shot");
  CHECK(labels_of(prompt_variants(chain, "a", {"none.md"})) == "step 'a' has no such variants: file 'none.md' does not exist | paths are relative to the chain file");
  CHECK(labels_of(prompt_variants(chain, "a", {"system:none.md"})).find("file 'none.md' does not exist") != std::string::npos);
  CHECK(labels_of(prompt_variants(chain, "a", {"../x.md"})).find("../x.md") != std::string::npos);
}
