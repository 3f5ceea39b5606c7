// A suite over a small chain of two steps in a folder of its own.
#pragma once

#include "core/eval/suite.h"
#include "tests/core/chain/chain_fixture.h"

namespace llmops::test {

struct SuiteFolder : ChainFolder {
  std::optional<Chain> chain;

  SuiteFolder() {
    chain = must_load(kHead + kEcho + "steps:\n  - {id: find, template: \"{{ history }}\"}\n  - {id: answer, model: main, prompt: \"{{ question }}\"}\n" + kOutput);
    dir.write("eval.jsonl", "{\"id\": 1, \"question\": \"a\", \"history\": \"h\", \"answer\": \"b\"}\n");
    dir.write("schema.json", "{\"type\": \"object\"}");
    dir.write("broken.json", "{");
  }
  Result<Suite> load_suite_text(const std::string& text) const {
    dir.write("s.eval.yaml", text);
    return load_suite({dir.path() / "s.eval.yaml", dir.path(), "s.eval.yaml"}, *chain);
  }
  Suite must_load_suite(const std::string& text) const {
    auto suite = load_suite_text(text);
    if (!suite) FAIL(told(suite.error()));
    return std::move(*suite);
  }
  std::string suite_refusal(const std::string& text) const {
    const auto suite = load_suite_text(text);
    return suite ? "loaded" : told(suite.error());
  }
};

// Three lines, so that what a test writes begins at line 4.
inline const std::string kSuiteHead = "llmops: eval/v1\nchain: demo.chain.yaml\ndataset: {path: eval.jsonl}\n";

}  // namespace llmops::test
