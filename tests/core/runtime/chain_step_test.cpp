// A chain as a component of another.
#include "tests/core/runtime/runtime_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kCalled =
    "llmops: chain/v1\nname: policy\ninputs: [text]\nmodels: {own: {provider: echo}}\n"
    "steps:\n  - {id: ask, model: own, prompt: \"{{ text }}?\"}\n  - {id: shout, template: \"{{ steps.ask.output | upper }}\"}\n"
    "output: \"{{ steps.shout.output }}\"\n";
const std::string kCaller = "steps: [{id: check, chain: parts/policy.chain.yaml, inputs: {text: \"{{ question }}\"}}]\noutput: \"{{ steps.check.output }}\"\n";

}  // namespace

TEST_CASE("a called chain is a step, and its steps are spans below it") {
  RuntimeFolder folder;
  folder.dir.write("parts/policy.chain.yaml", kCalled);
  folder.prepare(kCaller);
  const CaseResult result = folder.ask("ok");
  CHECK(output_of(result) == R"("OK?")");
  CHECK(caches(result) == "check:miss check/ask:miss check/shout:miss");
  CHECK(result.spans[1].parent == 0);
  CHECK(result.spans[2].parent == 0);
  CHECK(result.steps["check"]["spans"]["ask"]["output"] == "ok?");
}

TEST_CASE("a chain is versioned with its caller") {
  RuntimeFolder folder;
  folder.dir.write("parts/policy.chain.yaml", kCalled);
  folder.prepare(kCaller);
  const std::string vid = folder.chain->vid;
  CHECK(folder.chain->manifest["chains"][0]["path"] == "parts/policy.chain.yaml");
  CHECK(folder.chain->manifest["chains"][0]["vid"] == folder.chain->called().at(0)->chain->vid);
  folder.dir.write("parts/policy.chain.yaml", kCalled + "# a comment\n");
  folder.prepare(kCaller);
  CHECK(folder.chain->vid == vid);
  std::string edited = kCalled;
  folder.dir.write("parts/policy.chain.yaml", edited.replace(edited.find("}}?"), 3, "}}!"));
  folder.prepare(kCaller);
  CHECK(folder.chain->vid != vid);
  CHECK(output_of(folder.ask("ok")) == R"("OK!")");
}

TEST_CASE("of a called chain only what changed runs again") {
  RuntimeFolder folder;
  folder.open_store();
  folder.dir.write("parts/policy.chain.yaml", kCalled);
  folder.prepare(kCaller);
  folder.keep(folder.ask("ok"));
  folder.prepare(kCaller);
  CHECK(caches(folder.ask("ok")) == "check:step check/ask:step check/shout:step");
  std::string edited = kCalled;
  folder.dir.write("parts/policy.chain.yaml", edited.replace(edited.find("upper"), 5, "lower"));
  folder.prepare(kCaller);
  CHECK(caches(folder.ask("ok")) == "check:miss check/ask:step check/shout:miss");
}

TEST_CASE("a failing step of a called chain is named") {
  RuntimeFolder folder;
  folder.dir.write("parts/policy.chain.yaml", "llmops: chain/v1\nname: policy\ninputs: [text]\nsteps: [{id: parse, extract: {from: \"{{ text }}\", json: true}}]\noutput: \"{{ steps.parse.output }}\"\n");
  folder.prepare(kCaller);
  CHECK(output_of(folder.ask("no")) == "error in 'check': step 'parse' of parts/policy.chain.yaml: no JSON in 'no'");
}

TEST_CASE("a called chain must be there, must not call its caller, and must be given its inputs") {
  ChainFolder folder;
  const auto refusal = [&](const std::string& rest) {
    const auto loaded = folder.load(kHead + rest);
    return loaded ? std::string("accepted") : told(loaded.error());
  };
  CHECK(refusal(kCaller).find("chain 'parts/policy.chain.yaml' does not exist | paths are relative to the chain file") != std::string::npos);
  folder.dir.write("parts/policy.chain.yaml", kCalled);
  CHECK(refusal(kCaller) == "accepted");
  CHECK(refusal("steps: [{id: check, chain: parts/policy.chain.yaml}]\noutput: x\n").find("input 'text' of chain 'policy' is not given | add text: \"{{ ... }}\" to `inputs`") != std::string::npos);
  CHECK(refusal("steps: [{id: check, chain: parts/policy.chain.yaml, inputs: {text: a, txt: b}}]\noutput: x\n").find("chain 'policy' has no input 'txt' | did you mean 'text'?") != std::string::npos);
  folder.dir.write("parts/policy.chain.yaml", "llmops: chain/v1\nname: policy\nsteps: [{id: back, chain: ../demo.chain.yaml, inputs: {question: a, history: b}}]\noutput: x\n");
  CHECK(refusal(kCaller).find("chain '../demo.chain.yaml' calls its caller: demo.chain.yaml -> policy.chain.yaml -> demo.chain.yaml | a chain cannot be a component of itself") != std::string::npos);
  folder.dir.write("parts/policy.chain.yaml", "llmops: chain/v1\nname: policy\nsteps: [{id: back, chain: policy.chain.yaml}]\noutput: x\n");
  CHECK(refusal(kCaller).find("calls its caller: policy.chain.yaml -> policy.chain.yaml") != std::string::npos);
}
