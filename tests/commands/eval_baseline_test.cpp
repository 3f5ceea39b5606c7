// What a run is compared with: a run, the newest run of a version, or the document of a run.
#include "commands/eval/baseline.h"

#include "commands/eval/run_json.h"
#include "commands/version/version.h"
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct BaselineProject : ProjectFolder {
  BaselineProject() { write_qa(); }
  void answer(const std::string& prompt) const {
    std::string text = kQaChain;
    write("qa.chain.yaml", text.replace(text.find("{{ question }}"), 14, prompt));
  }
  void commit(const std::string& message) {
    Session opened = session();
    must(version_commit(opened, {"", message, false}));
  }
  std::string describe(const std::string& baseline) {
    EvalRunOptions options = one_by_one();
    options.baseline = baseline;
    const auto report = try_run(options);
    return report ? report->baseline->description : told(report.error());
  }
};

}  // namespace

TEST_CASE("a baseline is a run by number, by 'last', or by the beginning of its identifier") {
  BaselineProject project;
  const EvalRunReport first = project.run();
  const std::string described = "run 1 (" + first.run.vid.substr(0, 12) + ")";
  CHECK(project.describe("1") == described);
  CHECK(project.describe("last-1") == described);
  CHECK(project.describe(first.run.uuid.substr(0, 13)) == described);
  CHECK(project.describe("99") == "no run '99' | choose one of the newest: 4, 3, 2, 1");
}

TEST_CASE("the difference to a baseline is paired by case") {
  BaselineProject project;
  project.run();
  project.answer("{{ question }} 3");  // c5 now says 3
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.baseline = "1";
  const EvalRunReport report = project.run(options);
  REQUIRE(report.baseline.has_value());
  CHECK(report.baseline->pairing.pairs.size() == 6);
  CHECK(report.baseline->pairing.changed_rows == 0);
  for (const MetricRow& row : report.rows) {
    if (row.metric != "ok") continue;
    CHECK(*row.baseline == Approx(0.8));
    REQUIRE(row.difference.has_value());
    CHECK(row.difference->n == 5);
    CHECK(row.difference->difference == Approx(0));
  }
}

TEST_CASE("a gate against a baseline holds when nothing got worse") {
  BaselineProject project;
  project.run();
  project.write("qa.eval.yaml", kQaSuite + "gates: [ok >= baseline - 0.02, error_rate <= 1]\n");
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.baseline = "1";
  CHECK(project.run(options).verdict == Verdict::kPass);
  project.answer("0");
  CHECK(project.run(options).verdict == Verdict::kFail);
}

TEST_CASE("a reference to a version means its newest finished run of this suite") {
  BaselineProject project;
  project.commit("first");
  CHECK(project.describe("HEAD").find("has no finished run of this suite | make one: llmops eval run qa.eval.yaml --version HEAD") != std::string::npos);
  project.run();
  project.run();
  CHECK(project.describe("HEAD") == "HEAD (run 2)");
  Session session = project.session();
  must(version_label(session, {"", "prod", "HEAD", "", false}));
  CHECK(project.describe("@prod") == "@prod (run 3)");
  CHECK(project.describe("@prd") == "chain 'qa' has no label 'prd' | did you mean 'prod'?");
  project.write("qa.eval.yaml", kQaSuite + "repeat: 1\n");
  CHECK(project.describe("@prod").find("('@prod') has no finished run of this suite") != std::string::npos);
}

TEST_CASE("a version of the past is run from the store") {
  BaselineProject project;
  project.commit("first");
  const EvalRunReport old = project.run();
  project.answer("0");
  project.commit("second");
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.version = "HEAD~1";
  const EvalRunReport again = project.run(options);
  CHECK(again.run.vid == old.run.vid);
  CHECK(column_of(again.series, "ok") == "1 1 0 1 error 1");
  CHECK(again.chain_path == "qa@" + old.run.vid.substr(0, 12));
}

TEST_CASE("a document of a run is a baseline, also elsewhere; another file is not") {
  BaselineProject project;
  const EvalRunReport report = project.run();
  project.write("base.json", dump_json(eval_run_to_json(report, true)));
  project.write("other.json", "{\"schema\": \"x\"}");
  project.write("broken.json", "{");
  CHECK(project.describe("base.json") == "file base.json");
  CHECK(project.describe("other.json") == "'other.json' cannot be a baseline: it is not the report of a run | write one with `llmops eval run -o FILE.json`");
  CHECK(project.describe("broken.json") == "broken.json:1:2: malformed JSON: unexpected end of input | close the quote, bracket or brace that is open");
  CHECK(project.describe("none.json") == "baseline file 'none.json' does not exist | write one with `llmops eval run -o FILE.json`");
  BaselineProject elsewhere;
  elsewhere.write("base.json", dump_json(eval_run_to_json(report, true)));
  CHECK(elsewhere.describe("base.json") == "file base.json");
}

TEST_CASE("rows that changed since the baseline are not paired") {
  BaselineProject project;
  project.run();
  std::string rows = kQaRows;
  project.write("rows.jsonl", rows.replace(rows.find("say 2"), 5, "new 2") + "{\"id\": \"c7\", \"lang\": \"de\", \"question\": \"7\", \"answer\": \"7\"}\n");
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.baseline = "1";
  const EvalRunReport report = project.run(options);
  CHECK(report.baseline->pairing.pairs.size() == 5);
  CHECK(report.baseline->pairing.changed_rows == 1);
  CHECK(report.baseline->pairing.only_in_a == 1);
}

TEST_CASE("a baseline that does not exist is refused before the run has a number") {
  BaselineProject project;
  project.run();
  CHECK(project.describe("deadbeef") == "no version begins with 'deadbeef' | see: llmops version log");
  Session session = project.session();
  CHECK(must(must(session.store(false))->runs(10)).size() == 1);
}
