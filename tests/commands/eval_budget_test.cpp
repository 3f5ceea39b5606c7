// Budgets, limits and Ctrl-C end a run cleanly, and resuming it gives what an uninterrupted run gives.
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// The qa project on a program as a model: 100 tokens and 1 USD per call, the question comes back.
struct PaidProject : ProjectFolder {
  explicit PaidProject(const std::string& price = ", price: {input: 10000, output: 10000}") {
    write_qa();
    script("model.sh", "read line\nq=$(printf '%s' \"$line\" | sed 's/.*\"content\":\"\\([^\"]*\\)\".*/\\1/')\nprintf '{\"content\": \"%s\", \"usage\": {\"input_tokens\": 60, \"output_tokens\": 40}}\\n' \"$q\"\n");
    chain("{provider: exec, argv: [./model.sh]" + price + "}");
    trust_all();
  }
  void chain(const std::string& model) const {
    std::string text = kQaChain;
    write("qa.chain.yaml", text.replace(text.find("{provider: echo}"), 16, model));
  }
};

}  // namespace

TEST_CASE("a budget in USD ends a run once it is met; what is done is kept") {
  PaidProject project;
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_usd = 3;
  const EvalRunReport report = project.run(options);
  CHECK(report.run.state == RunState::kStopped);
  CHECK(report.run.stop_reason == "budget_usd");
  CHECK(report.cases_done == 3);
  CHECK(report.case_count == 6);
  CHECK(report.spent_usd == Approx(3));
  CHECK(report.spent_tokens == 300);
  CHECK(report.verdict == Verdict::kUndecided);
  CHECK(report.verdict_reasons == std::vector<std::string>{"the run stopped (budget_usd) after 3 of 6 cases"});
  CHECK(project.stored_cases(1).size() == 3);
}

TEST_CASE("a budget in tokens does the same, and one that is never met ends nothing") {
  PaidProject project;
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_tokens = 101;
  CHECK(project.run(options).cases_done == 2);
  options.budget_tokens = 600;
  const EvalRunReport all = project.run(options);
  CHECK(all.run.state == RunState::kFinished);
  // Two calls came from the cache and cost nothing now.
  CHECK(all.spent_tokens == 400);
  CHECK(*all.cost_usd == Approx(5));  // of the five cases that have an output
}

TEST_CASE("a resumed run has the scores of an uninterrupted one") {
  PaidProject whole, parts;
  const EvalRunReport expected = whole.run();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_usd = 2;
  CHECK(parts.run(options).cases_done == 2);
  options.resume = "1";
  const EvalRunReport second = parts.run(options);
  CHECK(second.run.number == 1);
  CHECK(second.cases_done == 4);
  options.budget_usd.reset();
  options.resume = "last";
  const EvalRunReport done = parts.run(options);
  CHECK(done.run.state == RunState::kFinished);
  CHECK(done.run.stop_reason.empty());
  CHECK(done.cases_done == 6);
  CHECK(ids_of(done) == ids_of(expected));
  for (const char* column : {"ok", "pass_rate", "error_rate", "cost_usd", "steps.say.cost_usd", "input_tokens"}) {
    CAPTURE(column);
    CHECK(column_of(done.series, column) == column_of(expected.series, column));
  }
  CHECK(parts.stored_cases(1).size() == 6);
}

TEST_CASE("a resumed run keeps its choice of cases, seed, repeats and overrides") {
  PaidProject project;
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_usd = 1;
  options.repeat = 2;
  options.filters = {"lang=en"};
  options.seed = 7;
  options.sets = {"models.main.params.x=1"};
  const EvalRunReport first = project.run(options);
  CHECK(first.case_count == 6);
  CHECK(first.cases_done == 1);
  EvalRunOptions resume = ProjectFolder::one_by_one();
  resume.resume = "1";
  const EvalRunReport done = project.run(resume);
  CHECK(done.case_count == 6);
  CHECK(done.cases_done == 6);
  CHECK(done.repeat == 2);
  CHECK(done.seed == 7);
  CHECK(ids_of(done) == "c2 c4 c6");
  CHECK(done.run.vid == first.run.vid);
}

TEST_CASE("a run is not resumed when it is finished, or when chain or suite changed") {
  PaidProject project;
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_usd = 1;
  project.run(options);
  EvalRunOptions resume = ProjectFolder::one_by_one();
  resume.resume = "1";
  project.chain("{provider: exec, argv: [./model.sh], params: {x: 1}}");
  CHECK(project.run_refusal(resume) == "run 1 cannot be resumed: the chain changed since | run the suite anew: steps that did not change are reused");
  project.chain("{provider: exec, argv: [./model.sh], price: {input: 10000, output: 10000}}");
  project.write("rows.jsonl", kQaRows + "{\"id\": \"c7\", \"question\": \"7\", \"answer\": \"7\"}\n");
  CHECK(project.run_refusal(resume) == "run 1 cannot be resumed: the suite changed since | run the suite anew: steps that did not change are reused");
  project.write("rows.jsonl", kQaRows);
  CHECK(project.run(resume).run.state == RunState::kFinished);
  CHECK(project.run_refusal(resume) == "run 1 is finished | look at it: llmops eval show 1");
}

TEST_CASE("a resumed run of the last run's failures runs those, not its own") {
  // 'last' is kept as it was written, and then means the stopped run itself.
  PaidProject project;
  project.run();
  std::string rows = kQaRows;
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.failed_of = "last";
  options.budget_usd = 0.5;
  options.no_cache = true;
  const EvalRunReport first = project.run(options);
  CHECK(first.case_count == 2);
  CHECK(first.cases_done == 1);
  EvalRunOptions resume = ProjectFolder::one_by_one();
  resume.resume = "2";
  const EvalRunReport done = project.run(resume);
  CHECK(done.case_count == 2);
  CHECK(ids_of(done) == "c3 c5");
}

TEST_CASE("a resumed run keeps the baseline that it began with") {
  PaidProject project;
  project.run();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.baseline = "last";
  options.budget_usd = 1;
  options.no_cache = true;
  const std::string before = project.run(options).baseline->description;
  EvalRunOptions resume = ProjectFolder::one_by_one();
  resume.resume = "2";
  CHECK(project.run(resume).baseline->description == before);
}

TEST_CASE("slices of a resumed run count every case, whatever is kept of its rows") {
  // Below full capture the stored row is not the dataset's, so its fields are gone.
  PaidProject project;
  project.variables["LLMOPS_CAPTURE"] = "hash";
  project.write("qa.eval.yaml", kQaSuite + "gates: ['ok[lang=de] >= 0.1', error_rate <= 1]\n");
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_usd = 2;
  project.run(options);
  EvalRunOptions resume = ProjectFolder::one_by_one();
  resume.resume = "1";
  const EvalRunReport done = project.run(resume);
  CHECK(done.series.slices.at("lang") == std::vector<std::string>{"de", "en", "de", "en", "de", "en"});
}

TEST_CASE("a budget in USD needs a price, and a budget of any kind needs usage") {
  PaidProject unpriced("");
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_usd = 1;
  CHECK(unpriced.run_refusal(options) == "qa.chain.yaml:4:10: model 'main' has no price, so a budget in USD cannot be kept | add price: {input: ..., output: ...} (USD per 1M tokens), or use --budget-tokens");
  PaidProject silent;
  silent.script("model.sh", "read line\necho '{\"content\": \"1\"}'\n");
  silent.trust_all();
  options.budget_usd.reset();
  options.budget_tokens = 1000;
  const auto report = silent.try_run(options);
  REQUIRE_FALSE(report);
  CHECK(report.error().details.at(0).find("model 'main' did not report its token usage, so the budget cannot be kept") != std::string::npos);
}

TEST_CASE("an unpaid model needs no price for a budget") {
  ProjectFolder project;
  project.write_qa();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.budget_usd = 1;
  CHECK(project.run(options).run.state == RunState::kFinished);
}

TEST_CASE("Ctrl-C stops a run that can be resumed") {
  PaidProject project;
  project.script("model.sh", "read line\nsleep 0.2\necho '{\"content\": \"1\", \"usage\": {\"input_tokens\": 1, \"output_tokens\": 1}}'\n");
  project.trust_all();
  project.cancel.cancel();
  const auto stopped = project.try_run();
  if (stopped) {
    CHECK(stopped->interrupted);
    CHECK(stopped->run.stop_reason == "interrupted");
    CHECK(stopped->cases_done < 6);
  }
  project.cancel = CancelToken();
  EvalRunOptions resume = ProjectFolder::one_by_one();
  resume.resume = "1";
  const EvalRunReport done = project.run(resume);
  CHECK(done.run.state == RunState::kFinished);
  CHECK(done.cases_done == 6);
}

TEST_CASE("a time limit stops a run by the clock that it was given") {
  PaidProject project;
  project.script("model.sh", "read line\nsleep 0.2\necho '{\"content\": \"1\", \"usage\": {\"input_tokens\": 1, \"output_tokens\": 1}}'\n");
  project.trust_all();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.time_limit_s = 0.001;
  const auto stopped = project.try_run(options);
  REQUIRE(stopped);
  CHECK(stopped->run.stop_reason == "time_limit");
  CHECK(stopped->cases_done < 6);
}
