// Every key of a suite, with values of every wrong type, left out and misspelt: an error with place and hint, or an
// acceptance that is listed here with its reason.
#include "tests/core/chain/document_faults.h"

#include "tests/core/eval/suite_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

Json whole_suite() {
  return Json::parse(R"({
    "llmops": "eval/v1", "chain": "demo.chain.yaml", "description": "words",
    "dataset": {"path": "eval.jsonl", "format": "jsonl", "id": "id", "cluster": "history"},
    "inputs": {"question": "{{ case.question }}", "history": "{{ case.history }}"},
    "repeat": 2,
    "metrics": [
      {"name": "a", "type": "equals", "target": "output", "expected": "{{ case.answer }}", "normalize": ["case"], "pass": ">= 1"},
      {"name": "b", "type": "contains", "value": "x", "mode": "any", "normalize": ["space"]},
      {"name": "c", "type": "regex", "pattern": "a+", "match": "full"},
      {"name": "d", "type": "number", "expected": 3, "absolute": 0.5, "relative": 0.5, "extract": "last"},
      {"name": "e", "type": "one_of", "values": ["x", "y"], "normalize": ["case"]},
      {"name": "f", "type": "json_valid"},
      {"name": "g", "type": "json_schema", "schema": "schema.json"},
      {"name": "h", "type": "exact_match", "references": ["x"]},
      {"name": "i", "type": "token_f1", "references": "x"},
      {"name": "j", "type": "latency", "target": "steps.answer"},
      {"name": "k", "type": "cost"},
      {"name": "l", "type": "tokens", "which": "input"}],
    "gates": ["a >= 0.5"]})");
}

std::optional<Error> refused(const SuiteFolder& folder, const std::string& text) {
  const auto suite = folder.load_suite_text(text);
  return suite ? std::nullopt : std::optional<Error>(suite.error());
}

}  // namespace

TEST_CASE("a suite with a value of another type is refused with place and hint") {
  const SuiteFolder folder;
  const auto load = [&](const std::string& text) { return refused(folder, text); };
  REQUIRE_FALSE(load(dump_json_pretty(whole_suite())));
  const std::set<std::string> expected = {
      "/description empty", "/inputs/question empty", "/inputs/history empty",                                                  // a text may be empty
      "/metrics/0/expected empty", "/metrics/0/expected list", "/metrics/0/expected mapping", "/metrics/0/expected null", "/metrics/0/expected number",  // any value may be right
      "/metrics/1/value number", "/metrics/7/references number", "/metrics/8/references number",                                // read as text
      "/metrics/4/values list", "/metrics/7/references empty", "/metrics/8/references empty",                                   // null or no answer may be right
      "/metrics/6/schema mapping",                                                                                              // a schema written inline
  };
  CHECK(accepted_wrong_values(whole_suite(), load) == expected);
}

TEST_CASE("a suite with a misspelt key is told the right one") {
  const SuiteFolder folder;
  CHECK(unnoticed_misspellings(whole_suite(), [&](const std::string& text) { return refused(folder, text); }) == std::set<std::string>());
}

TEST_CASE("a suite may lack these keys, and lacks any other with place and hint") {
  const SuiteFolder folder;
  const std::set<std::string> expected = {"/description", "/dataset/format", "/dataset/id", "/dataset/cluster", "/inputs", "/repeat", "/gates", "/metrics/0/target", "/metrics/0/normalize",
                                          "/metrics/0/pass", "/metrics/1/mode", "/metrics/1/normalize", "/metrics/2/match", "/metrics/3/absolute", "/metrics/3/relative", "/metrics/3/extract",
                                          "/metrics/4/normalize", "/metrics/9/target", "/metrics/11/which"};
  CHECK(optional_keys(whole_suite(), [&](const std::string& text) { return refused(folder, text); }) == expected);
}
