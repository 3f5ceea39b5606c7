// A run from its files to its verdict: which cases, what they say, what is stored.
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

TEST_CASE("a run scores every case, and a case without an answer has no score") {
  ProjectFolder project;
  project.write_qa();
  const EvalRunReport report = project.run();
  CHECK(ids_of(report) == "c1 c2 c3 c4 c5 c6");
  CHECK(column_of(report.series, "ok") == "1 1 0 1 error 1");
  CHECK(column_of(report.series, "error_rate") == "0 0 0 0 1 0");
  CHECK(report.case_count == 6);
  CHECK(report.cases_done == 6);
  CHECK(report.cases_without_score == 1);
  CHECK(report.run.state == RunState::kFinished);
  CHECK(report.run.number == 1);
  CHECK(report.spans == 12);
  CHECK(report.reused == 0);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].step == "pick");
  CHECK(report.errors[0].code == "data");
  CHECK(report.errors[0].message == "regular expression '[0-9]+' does not match 'say no'");
  CHECK(report.errors[0].example_case == "c5");
  CHECK(report.verdict == Verdict::kUndecided);
  CHECK(report.verdict_reasons == std::vector<std::string>{"1 of 6 cases have no score, and no gate says how many may"});
}

TEST_CASE("what is stored of a run gives the numbers that it reported") {
  ProjectFolder project;
  project.write_qa();
  const EvalRunReport report = project.run();
  const auto cases = project.stored_cases(1);
  REQUIRE(cases.size() == 6);
  CHECK(cases[0].case_id == "c1");
  CHECK(cases[0].output == "\"1\"");
  CHECK(cases[0].pass == true);
  CHECK(cases[2].pass == false);
  CHECK_FALSE(cases[4].pass.has_value());
  CHECK(cases[4].error_step == "pick");
  CHECK(cases[0].case_hash.size() == 16);
  Session session = project.session();
  Store* store = must(session.store(false));
  const RunRecord run = must(store->find_run("last"));
  CHECK(run.state == RunState::kFinished);
  CHECK(run.case_count == 6);
  const Json summary = must(parse_json(run.summary, "summary"));
  CHECK(summary["verdict"] == "undecided");
  CHECK(summary["cases"]["without_score"] == 1);
}

TEST_CASE("the second run of the same files runs nothing anew and says the same") {
  ProjectFolder project;
  project.write_qa();
  const EvalRunReport first = project.run();
  const EvalRunReport second = project.run();
  CHECK(second.run.number == 2);
  CHECK(column_of(second.series, "ok") == column_of(first.series, "ok"));
  // The failed step of c5 is tried again.
  CHECK(second.reused == 11);
  EvalRunOptions fresh = ProjectFolder::one_by_one();
  fresh.no_cache = true;
  CHECK(project.run(fresh).reused == 0);
}

TEST_CASE("filters, limits and failures of an earlier run choose cases") {
  ProjectFolder project;
  project.write_qa();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.filters = {"lang=de"};
  CHECK(ids_of(project.run(options)) == "c1 c3 c5");
  options.filters = {"lang=de", "answer=33"};
  CHECK(ids_of(project.run(options)) == "c3");
  options = ProjectFolder::one_by_one();
  options.limit = 2;
  CHECK(ids_of(project.run(options)) == "c1 c2");
  options.filters = {"lang=en"};
  CHECK(ids_of(project.run(options)) == "c2 c4");
  options = ProjectFolder::one_by_one();
  project.run(options);
  options.failed_of = "last";
  CHECK(ids_of(project.run(options)) == "c3 c5");
  options.failed_of = "99";
  CHECK(project.run_refusal(options).starts_with("no run '99' | choose one of the newest: "));
}

TEST_CASE("without a failed case there is nothing to run again") {
  ProjectFolder project;
  project.write_qa();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.limit = 2;
  project.run(options);
  options.failed_of = "1";
  CHECK(project.run_refusal(options) == "no case of run 1 failed | run the whole suite instead");
}

TEST_CASE("a sample depends on the seed and the ids alone") {
  ProjectFolder project;
  project.write_qa();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.sample = 3;
  const std::string first = ids_of(project.run(options));
  CHECK(first.size() == 8);
  CHECK(ids_of(project.run(options)) == first);
  // The order of the rows changes which come first, not which are drawn.
  std::string reversed;
  std::istringstream stream(kQaRows);
  for (std::string line; std::getline(stream, line);) reversed = line + "\n" + reversed;
  project.write("rows.jsonl", reversed);
  std::string backwards;
  for (size_t at = 0; at < first.size(); at += 3) backwards = first.substr(at, 2) + (backwards.empty() ? "" : " ") + backwards;
  CHECK(ids_of(project.run(options)) == backwards);
  project.write("rows.jsonl", kQaRows);
  std::set<std::string> drawn{first};
  for (uint64_t seed = 1; seed < 6; ++seed) {
    options.seed = seed;
    drawn.insert(ids_of(project.run(options)));
  }
  CHECK(drawn.size() > 1);
  options.sample = 100;
  CHECK(ids_of(project.run(options)) == "c1 c2 c3 c4 c5 c6");
}

TEST_CASE("a choice that leaves nothing, or cannot be read, is refused before anything runs") {
  ProjectFolder project;
  project.write_qa();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.filters = {"lang=fr"};
  CHECK(project.run_refusal(options) == "no case is left to run | look at --filter, --limit, --sample and --failed-of");
  for (const char* filter : {"lang", "=de"}) {
    options.filters = {filter};
    CHECK(project.run_refusal(options) == "filter '" + std::string(filter) + "' is not FIELD=VALUE | write it like --filter 'lang=de'");
  }
  Session session = project.session();
  CHECK(must(must(session.store(true))->runs(10)).empty());
}

TEST_CASE("rows without an id, with the id of another, or none at all are refused with their line") {
  ProjectFolder project;
  project.write_qa();
  const auto with = [&](const std::string& rows) {
    project.write("rows.jsonl", rows);
    return project.run_refusal(ProjectFolder::one_by_one());
  };
  CHECK(with("{\"id\": \"x\", \"question\": \"1\", \"answer\": \"1\"}\n\n{\"id\": \"x\", \"question\": \"2\", \"answer\": \"2\"}\n") == "rows.jsonl:3:1: row 2 has the id 'x' of row 1 | give every row an id of its own");
  CHECK(with("{\"id\": 2, \"question\": \"1\", \"answer\": \"1\"}\n{\"question\": \"2\", \"answer\": \"2\"}\n") == "rows.jsonl:2:1: row 2 has the id '2' of row 1 | give every row an id of its own");
  CHECK(with("") == "rows.jsonl:1:1: dataset 'rows.jsonl' holds no rows | add at least one row");
  CHECK(with("{\"question\": \"1\"\n").starts_with("rows.jsonl:1:"));
  project.write("qa.eval.yaml", "llmops: eval/v1\nchain: qa.chain.yaml\ndataset: {path: rows.jsonl, id: key}\nmetrics: [{name: ok, type: equals, expected: x}]\n");
  CHECK(with("{\"key\": \"a\", \"question\": \"1\"}\n{\"id\": \"b\", \"question\": \"2\"}\n") == "rows.jsonl:2:1: row 2 has no 'key' | give every row an id, or leave `id` out of the suite");
}

TEST_CASE("repeats are cases of their own in the store and one mean in the series") {
  ProjectFolder project;
  project.write_qa();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.repeat = 3;
  options.limit = 2;
  const EvalRunReport report = project.run(options);
  CHECK(report.case_count == 6);
  CHECK(report.repeat == 3);
  CHECK(ids_of(report) == "c1 c2");
  const auto cases = project.stored_cases(1);
  REQUIRE(cases.size() == 6);
  CHECK(cases[2].repeat == 2);
  CHECK(cases[3].case_id == "c2");
}

TEST_CASE("the number of workers changes no result") {
  ProjectFolder project;
  project.write_qa();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.no_cache = true;
  const EvalRunReport one = project.run(options);
  options.jobs = 8;
  const EvalRunReport eight = project.run(options);
  CHECK(ids_of(one) == ids_of(eight));
  for (const char* column : {"ok", "error_rate", "pass_rate"}) CHECK(column_of(one.series, column) == column_of(eight.series, column));
}

TEST_CASE("an override makes a version of its own and stays out of the history") {
  ProjectFolder project;
  project.write_qa();
  const EvalRunReport plain = project.run();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.sets = {"steps.say.prompt='9'"};
  const EvalRunReport other = project.run(options);
  CHECK(other.run.vid != plain.run.vid);
  CHECK(column_of(other.series, "ok") == "0 0 0 0 0 0");
  Session session = project.session();
  CHECK_FALSE(must(must(session.store(false))->head("qa")).has_value());
}

TEST_CASE("an undefined column is that case's error, and all cases without a score are the run's") {
  ProjectFolder project;
  project.write_qa();
  project.write("rows.jsonl", "{\"id\": \"a\", \"question\": \"1\", \"answer\": \"1\"}\n{\"id\": \"b\", \"answer\": \"1\"}\n");
  const EvalRunReport report = project.run();
  CHECK(column_of(report.series, "ok") == "1 error");
  project.write("rows.jsonl", "{\"id\": \"a\", \"question\": \"none\", \"answer\": \"1\"}\n{\"id\": \"b\", \"question\": \"no\", \"answer\": \"1\"}\n");
  const auto failed = project.try_run();
  REQUIRE_FALSE(failed);
  CHECK(told(failed.error()) == "no case has a score: all 2 ended in an error | llmops eval show 2 --errors");
  CHECK(failed.error().details == std::vector<std::string>{"2 x data in 'pick': regular expression '[0-9]+' does not match 'none'"});
}

TEST_CASE("a plan says what would run and runs nothing") {
  ProjectFolder project;
  project.write_qa();
  Session session = project.session();
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.repeat = 2;
  options.limit = 3;
  const EvalPlan plan = must(plan_eval_run(session, options));
  CHECK(plan.chain == "qa");
  CHECK(plan.suite == "qa");
  CHECK(plan.case_count == 6);
  CHECK(plan.repeat == 2);
  CHECK(plan.models == std::vector<std::string>{"main"});
  CHECK(plan.metrics.size() == 1);
  CHECK(plan.needs_trust.empty());
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
}

TEST_CASE("cases that are few-shot examples too are counted in a warning") {
  ProjectFolder project;
  project.write_qa();
  project.write("shots.jsonl", "{\"input\": \"say 2\", \"output\": \"2\"}\n{\"input\": \"say 9\", \"output\": \"9\"}\n");
  std::string chain = kQaChain;
  chain.replace(chain.find("prompt: \"{{ question }}\""), 24, "prompt: \"{{ question }}\", few_shot: {from: shots}");
  project.write("qa.chain.yaml", chain.insert(chain.find("steps:"), "assets: {shots: {kind: few-shot, path: shots.jsonl}}\n"));
  project.run();
  const std::string wanted = "warning: 1 of 6 cases are few-shot examples too (each was left out of the examples for its own case)";
  CHECK(std::find(project.notes.begin(), project.notes.end(), wanted) != project.notes.end());
}

TEST_CASE("a version runs with the called chain that it was made with") {
  ProjectFolder project;
  project.write_qa();
  const std::string called = "llmops: chain/v1\nname: part\ninputs: [text]\nsteps: [{id: same, template: \"{{ text }}\"}]\noutput: \"{{ steps.same.output }}\"\n";
  project.write("parts/part.chain.yaml", called);
  project.write("llmops.yaml", "llmops: project/v1\nchains: [qa.chain.yaml]\n");
  std::string chain = kQaChain;
  project.write("qa.chain.yaml", chain.replace(chain.find("model: main, prompt: \"{{ question }}\""), 37, "chain: parts/part.chain.yaml, inputs: {text: \"{{ question }}\"}"));
  const EvalRunReport before = project.run();
  std::string edited = called;
  project.write("parts/part.chain.yaml", edited.replace(edited.find("{{ text }}"), 10, "7"));
  const EvalRunReport after = project.run();
  CHECK(after.run.vid != before.run.vid);
  EvalRunOptions old;
  old.version = before.run.vid.substr(0, 12);
  const EvalRunReport again = project.run(old);
  CHECK(again.run.vid == before.run.vid);
  CHECK(again.rows.back().metric == before.rows.back().metric);
  CHECK(again.rows.front().summary.mean == before.rows.front().summary.mean);
  CHECK(after.rows.front().summary.mean != before.rows.front().summary.mean);
}

TEST_CASE("a run in which one metric never has a score and another does is reported, not refused") {
  ProjectFolder project;
  project.write_qa();
  project.write("rows.jsonl", "{\"id\": \"c1\", \"question\": \"say 1\", \"answer\": \"1\"}\n");
  project.write("qa.eval.yaml", "llmops: eval/v1\nchain: qa.chain.yaml\ndataset: {path: rows.jsonl}\nmetrics:\n  - {name: ok, type: equals, expected: \"{{ case.answer }}\"}\n"
                                "  - {name: odd, type: equals, target: steps.say.output.text, expected: x}\n");
  const EvalRunReport report = project.run();
  CHECK(column_of(report.series, "ok") == "1");
  CHECK(column_of(report.series, "odd") == "error");
  CHECK(report.cases_without_score == 1);
}
