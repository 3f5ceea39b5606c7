// When a run passes, fails or is undecided.
#include "commands/eval/run_json.h"
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct VerdictProject : ProjectFolder {
  VerdictProject() { write_qa(); }
  EvalRunReport with_gates(const std::string& gates, const std::string& rows = kQaRows, const std::string& undecided = "") {
    write("qa.eval.yaml", kQaSuite + "gates: [" + gates + "]\n");
    write("rows.jsonl", rows);
    EvalRunOptions options = one_by_one();
    options.undecided = undecided;
    return run(options);
  }
  std::string verdict(const std::string& gates, const std::string& rows = kQaRows, const std::string& undecided = "") { return std::string(verdict_name(with_gates(gates, rows, undecided).verdict)); }
};

const std::string kGoodRows = kQaRows.substr(0, kQaRows.find("{\"id\": \"c5\""));  // c1 .. c4: 3 of 4 right, none without a score

}  // namespace

TEST_CASE("gates decide: pass, fail, and pass without any") {
  VerdictProject project;
  CHECK(project.verdict("ok >= 0.75", kGoodRows) == "pass");
  CHECK(project.verdict("ok >= 0.76", kGoodRows) == "fail");
  CHECK(project.verdict("ok >= 0.75, ok >= 0.9", kGoodRows) == "fail");
  CHECK(project.verdict("'ok[lang=en] == 1'", kGoodRows) == "pass");
  CHECK(project.verdict("'ok[lang=de] == 1'", kGoodRows) == "fail");
  CHECK(project.verdict("", kGoodRows) == "pass");
  CHECK(project.verdict("ok >= 0.5 @ 95%", kGoodRows) == "undecided");
  CHECK(project.verdict("ok >= 0.1 @ 95%, ok >= 0.9 @ 95%", kGoodRows) == "undecided");
}

TEST_CASE("cases without a score leave a run undecided, unless a gate says how many may") {
  VerdictProject project;
  CHECK(project.verdict("ok >= 0.5") == "undecided");
  CHECK(project.verdict("ok >= 0.99") == "fail");
  CHECK(project.verdict("ok >= 0.5, error_rate <= 0.2") == "pass");
  CHECK(project.verdict("ok >= 0.5, error_rate <= 0.1") == "fail");
}

TEST_CASE("an undecided verdict counts as the caller says, with a reason; others are left alone") {
  VerdictProject project;
  const EvalRunReport passed = project.with_gates("ok >= 0.5", kQaRows, "pass");
  CHECK(passed.verdict == Verdict::kPass);
  CHECK(passed.verdict_reasons == std::vector<std::string>{"1 of 6 cases have no score, and no gate says how many may", "undecided counts as pass here (--undecided)"});
  CHECK(project.verdict("ok >= 0.5", kQaRows, "fail") == "fail");
  CHECK(project.verdict("ok >= 0.99", kGoodRows, "pass") == "fail");
  CHECK(project.verdict("ok >= 0.75", kGoodRows, "fail") == "pass");
}

TEST_CASE("a gate against a baseline without one is refused before anything runs") {
  VerdictProject project;
  project.write("qa.eval.yaml", kQaSuite + "gates:\n  - ok >= baseline - 0.02\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()) == "qa.eval.yaml:6:5: gate 'ok >= baseline - 0.02' needs a baseline | add --baseline RUN, REF or FILE");
}

TEST_CASE("the document of a run holds verdict, numbers and gates, and reads back as a series") {
  VerdictProject project;
  const EvalRunReport report = project.with_gates("ok >= 0.75, 'ok[lang=de] >= 0.5'", kGoodRows);
  const Json document = eval_run_to_json(report, true);
  CHECK(document["schema"] == "llmops.eval-run/v1");
  CHECK(document["verdict"] == "pass");
  CHECK(document["gates"].size() == 2);
  CHECK(document["gates"][0]["value"] == 0.75);
  CHECK(document["gates"][1]["value"] == 0.5);
  const RunSeries again = must(series_from_json(document, "f.json"));
  CHECK(again.case_ids == report.series.case_ids);
  CHECK(again.case_hashes == report.series.case_hashes);
  CHECK(column_of(again, "ok") == column_of(report.series, "ok"));
  CHECK(again.slices.at("lang") == report.series.slices.at("lang"));
  CHECK(again.columns.at("ok").is_rate == report.series.columns.at("ok").is_rate);
}

TEST_CASE("a document that is not a run's report cannot be a baseline") {
  const auto refuse = [](const char* text) { return told(series_from_json(*parse_json(text, "f"), "f.json").error()); };
  const std::string hint = " | write one with `llmops eval run -o FILE.json`";
  CHECK(refuse("[]") == "'f.json' cannot be a baseline: it is not the report of a run" + hint);
  CHECK(refuse(R"({"schema": "other/v1"})") == "'f.json' cannot be a baseline: it is not the report of a run" + hint);
  CHECK(refuse(R"({"schema": "llmops.eval-run/v1"})") == "'f.json' cannot be a baseline: it holds no cases" + hint);
  CHECK(refuse(R"({"schema": "llmops.eval-run/v1", "per_case": {"id": ["a"], "hash": [], "columns": {}}})") == "'f.json' cannot be a baseline: its columns differ in length" + hint);
  CHECK(refuse(R"({"schema": "llmops.eval-run/v1", "per_case": {"id": ["a"], "hash": ["h"], "columns": {"ok": {"values": []}}}})") == "'f.json' cannot be a baseline: its columns differ in length" + hint);
}
