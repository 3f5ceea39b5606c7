// Scores of one case: a value, no score because the step was skipped, or no score because of an error. Never a 0 instead.
#include "core/eval/score_case.h"

#include "tests/core/eval/suite_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kMetrics =
    "metrics:\n"
    "  - {name: ok, type: equals, expected: \"{{ case.answer }}\"}\n"
    "  - {name: found, type: equals, target: steps.find.output, expected: h}\n"
    "  - {name: close, type: token_f1, references: \"{{ case.answer }}\", pass: '>= 0.5'}\n"
    "  - {name: spent, type: cost, target: output}\n"
    "  - {name: slow, type: latency, target: steps.answer}\n";

struct Scored {
  SuiteFolder folder;
  Suite suite = folder.must_load_suite(kSuiteHead + kMetrics);
  CaseResult result;
  Json row = Json{{"answer", "b"}};

  Scored() {
    result.output = "b";
    result.steps = *parse_json(R"({"find": {"skipped": false, "error": null, "output": "h"}, "answer": {"skipped": false, "error": null, "output": "b"}})", "steps");
    SpanRecord span;
    span.step = "answer";
    span.latency_ms = 7;
    result.spans.push_back(span);
  }
  CaseRecord score() const {
    CaseRecord record;
    CaseInput input{"1", Json{{"question", "q"}, {"history", "h"}}, 0};
    score_case(suite, row, input, result, record);
    return record;
  }
  // "name=value", "name!error" or "name?" (none), with P or F for the pass.
  std::string told() const {
    std::string text;
    for (const ScoreRecord& one : score().scores) {
      text += (text.empty() ? "" : " ") + one.metric + (one.value ? "=" + ecmascript_number(*one.value) : one.error.empty() ? "?" : "!" + one.error) + (one.pass ? (*one.pass ? "P" : "F") : "");
    }
    return text;
  }
};

}  // namespace

TEST_CASE("every metric scores its target; what was not measured has no score and a reason") {
  Scored scored;
  CHECK(scored.told() == "ok=1P found=1P close=1P spent? slow=7");
  CHECK(scored.score().pass == true);
  scored.result.output = "c";
  CHECK(scored.told() == "ok=0F found=1P close=0F spent? slow=7");
  CHECK(scored.score().pass == false);
  CHECK(scored.score().scores[0].detail.find("reason") != std::string::npos);
}

TEST_CASE("a skipped step has no score and no error, and does not keep the case from passing") {
  Scored scored;
  scored.result.steps["find"] = *parse_json(R"({"skipped": true, "error": null})", "s");
  CHECK(scored.told() == "ok=1P found? close=1P spent? slow=7");
  CHECK(scored.score().pass == true);
}

TEST_CASE("a failed step is an error of its metrics, never a 0, and the case neither passes nor fails by it") {
  Scored scored;
  scored.result.steps["find"] = *parse_json(R"({"skipped": false, "error": "boom"})", "s");
  CHECK(scored.told() == "ok=1P found!step 'find': boom close=1P spent? slow=7");
  CHECK_FALSE(scored.score().pass.has_value());
  // A metric that fails decides, whatever is unknown beside it.
  scored.result.output = "c";
  CHECK(scored.score().pass == false);
}

TEST_CASE("a case without output has the cause as the error of its metrics") {
  Scored scored;
  scored.result.output.reset();
  scored.result.error = Error(ErrorCode::kProvider, "no reply");
  CHECK(scored.told() == "ok!no reply found=1P close!no reply spent? slow=7");
  CHECK_FALSE(scored.score().pass.has_value());
  scored.result.error.reset();
  CHECK(scored.told().starts_with("ok!there is no output"));
}

TEST_CASE("a parameter or target that cannot be read is an error of that metric alone") {
  Scored scored;
  scored.row = Json::object();
  CHECK(scored.told().find("found=1P") != std::string::npos);
  CHECK(scored.told().starts_with("ok!"));
  CHECK_FALSE(scored.score().pass.has_value());
}

TEST_CASE("a step that ran several times counts as the sum of its runs, unknown when one is") {
  Scored scored;
  scored.suite = scored.folder.must_load_suite(kSuiteHead + "metrics: [{name: spent, type: cost, target: steps.answer}, {name: slow, type: latency, target: steps.answer}]\n");
  scored.result.spans[0].cost_usd = 0.25;
  scored.result.spans.push_back(scored.result.spans[0]);
  CHECK(scored.told() == "spent=0.5 slow=14");
  scored.result.spans[1].cost_usd.reset();
  CHECK(scored.told() == "spent? slow=14");
  scored.result.spans[1].skipped = true;
  CHECK(scored.told() == "spent=0.25 slow=7");
}

TEST_CASE("without a metric that can pass a case has no pass") {
  Scored scored;
  scored.suite = scored.folder.must_load_suite(kSuiteHead + "metrics: [{name: close, type: token_f1, references: b}]\n");
  CHECK(scored.told() == "close=1");
  CHECK_FALSE(scored.score().pass.has_value());
}

TEST_CASE("pass conditions hold as their signs say") {
  CHECK(holds({GateOperator::kAtLeast, 1}, 1));
  CHECK_FALSE(holds({GateOperator::kAbove, 1}, 1));
  CHECK(holds({GateOperator::kAtMost, 1}, 1));
  CHECK_FALSE(holds({GateOperator::kBelow, 1}, 1));
  CHECK(holds({GateOperator::kEqual, 1}, 1));
  CHECK_FALSE(holds({GateOperator::kEqual, 1}, 1.5));
}
