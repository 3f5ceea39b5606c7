// `eval run --matrix`: cells as runs, compared with the first.
#include "commands/eval/matrix.h"

#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kMatrixChain =
    "llmops: chain/v1\n"
    "name: qa\n"
    "inputs: [question]\n"
    "models:\n"
    "  main: {provider: replay, path: replies.jsonl, key: /q, match: \"{{ question }}\", reply: /a}\n"
    "  other: {provider: echo}\n"
    "steps:\n"
    "  - {id: say, model: main, prompt: \"{{ question }}\"}\n"
    "  - {id: pick, extract: {from: \"{{ steps.say.output }}\", regex: '[0-9]+'}}\n"
    "output: \"{{ steps.pick.output }}\"\n";

// System a answers the first `a` of 40 questions rightly, b the first `b`, c none at all.
struct MatrixProject : ProjectFolder {
  explicit MatrixProject(int a = 10, int b = 30) {
    write("qa.chain.yaml", kMatrixChain);
    write("qa.eval.yaml", kQaSuite);
    std::string rows, replies;
    for (int i = 0; i < 40; ++i) {
      const std::string q = "q" + std::to_string(i), wrong = "99";
      rows += "{\"id\": \"" + q + "\", \"question\": \"" + q + "\", \"answer\": \"" + std::to_string(i) + "\"}\n";
      replies += "{\"q\": \"" + q + "\", \"a\": \"" + (i < a ? std::to_string(i) : wrong) + "\", \"b\": \"" + (i < b ? std::to_string(i) : wrong) + "\", \"c\": \"nothing\"}\n";
    }
    write("rows.jsonl", rows);
    write("replies.jsonl", replies);
  }
  static EvalRunOptions with(std::vector<std::string> matrix) {
    EvalRunOptions options = one_by_one();
    options.matrix = std::move(matrix);
    return options;
  }
  Result<EvalMatrixReport> try_matrix(const EvalRunOptions& options) {
    Session opened = session();
    return eval_matrix(opened, options, {});
  }
  EvalMatrixReport matrix(const EvalRunOptions& options) {
    auto report = try_matrix(options);
    if (!report) FAIL(told(report.error()));
    return std::move(*report);
  }
  std::string matrix_refusal(const EvalRunOptions& options) {
    const auto report = try_matrix(options);
    return report ? "ran" : told(report.error());
  }
  size_t stored_runs() {
    Session opened = session();
    auto store = opened.store(false);
    return store ? must((*store)->runs(0)).size() : 0;
  }
};

const MetricRow& row_of(const MatrixCell& cell, const std::string& metric) {
  for (const MetricRow& row : cell.report->rows) if (row.metric == metric) return row;
  FAIL("no row " << metric);
  return cell.report->rows[0];
}

std::string numbers(const std::vector<size_t>& cells) {
  std::string text;
  for (const size_t cell : cells) text += (text.empty() ? "" : " ") + std::to_string(cell);
  return text;
}

}  // namespace

TEST_CASE("each cell of a matrix is a run of a version of its own, compared with the first on the same cases") {
  MatrixProject project;
  const EvalMatrixReport report = project.matrix(MatrixProject::with({"models.main.reply=/a,/b"}));
  REQUIRE(report.cells.size() == 2);
  CHECK(report.cells[0].report->run.number == 1);
  CHECK(report.cells[1].report->run.number == 2);
  CHECK(report.cells[0].vid != report.cells[1].vid);
  CHECK(*row_of(report.cells[0], "ok").summary.mean == Approx(0.25));
  CHECK_FALSE(row_of(report.cells[0], "ok").difference.has_value());
  const MetricRow& second = row_of(report.cells[1], "ok");
  CHECK(second.difference->difference == Approx(0.5));
  CHECK(second.difference->n == 40);
  CHECK(*second.p_adjusted == *second.difference->p_value);
  CHECK(report.best_by == "ok");
  CHECK(numbers(report.best.cells) == "1");
  CHECK(report.verdict == Verdict::kPass);
}

TEST_CASE("axes span all combinations, the last one turning fastest, and what cells share is run once") {
  MatrixProject project;
  const EvalMatrixReport report = project.matrix(MatrixProject::with({"models.main.reply=/a,/b", "steps.pick.extract.regex='[0-9]+','[0-9]'"}));
  REQUIRE(report.cells.size() == 4);
  CHECK(numbers(report.cells[1].values) == "0 1");
  CHECK(numbers(report.cells[2].values) == "1 0");
  CHECK(report.axes[1].values[1].label == "[0-9]");
  // The second cell asks the same model the same questions: its first step is reused.
  CHECK(report.cells[0].report->reused == 0);
  CHECK(report.cells[1].report->reused == 40);
  CHECK(report.cells[3].report->reused >= 40);
}

TEST_CASE("an input can be an axis: the suite gets an identity of its own") {
  MatrixProject project;
  const EvalMatrixReport report = project.matrix(MatrixProject::with({"inputs.question=q3,q35"}));
  CHECK(report.cells[0].vid == report.cells[1].vid);
  CHECK(report.cells[0].report->run.suite_id != report.cells[1].report->run.suite_id);
  CHECK(*row_of(report.cells[0], "ok").summary.mean == Approx(1.0 / 40));
  CHECK(*row_of(report.cells[1], "ok").summary.mean == 0);
  CHECK(project.matrix_refusal(MatrixProject::with({"inputs.qestion=a,b"})) == "cell 1 (inputs.qestion=a): cannot set 'inputs.qestion': chain 'qa' has no input 'qestion' | did you mean 'question'?");
}

TEST_CASE("what is wrong with any cell is met before the first one runs") {
  MatrixProject project;
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.reply=/a,b"})).starts_with("qa.chain.yaml:5:"));
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.reply=/a,b"})).find("cell 2 (models.main.reply=b): ") != std::string::npos);
  CHECK(project.matrix_refusal(MatrixProject::with({"models.mian.reply=/a,/b"})).find("there is no 'mian' in models | did you mean 'main'?") != std::string::npos);
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.params={t: 1},{t: 1.0}"})) == "axis 'models.main.params' has the value '{\"t\":1.0}' twice | name each value once");
  CHECK(project.matrix_refusal(MatrixProject::with({"steps.pick.extract.group=0", "models.main.reply=/a"})) == "a matrix of one cell compares nothing | give at least one axis two values");
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.timeout_s=5,6"})) == "cell 2 (models.main.timeout_s=6): it is the same chain and suite as cell 1 | leave out a value that changes nothing");
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.reply"})) == "'models.main.reply' is not PATH=a,b,c | write it like --matrix models.main.params.temperature=0,0.7");
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.reply="})) == "axis 'models.main.reply' has no values | write --matrix PATH=a,b,c");
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.reply=[/a"})).find("cannot be read") != std::string::npos);
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.reply=/a,/b", "models.main.reply=/c"})) == "axis 'models.main.reply' is there twice | give all its values at once");
  EvalRunOptions options = MatrixProject::with({"models.main.reply=/a,/b"});
  options.best_by = "okk";
  CHECK(project.matrix_refusal(options) == "unknown metric 'okk' | did you mean 'ok'?");
  CHECK(project.stored_runs() == 0);
}

TEST_CASE("a cell in which no case has a score is told, and the others stand") {
  MatrixProject project;
  const EvalMatrixReport report = project.matrix(MatrixProject::with({"models.main.reply=/a,/c,/b"}));
  CHECK(report.cells[1].failure == "no case has a score: all 40 ended in an error");
  CHECK(numbers(report.best.cells) == "2");
  CHECK(*row_of(report.cells[2], "ok").p_adjusted == *row_of(report.cells[2], "ok").difference->p_value);
  CHECK(project.matrix_refusal(MatrixProject::with({"models.main.reply=/c", "steps.pick.extract.regex='[0-9]','[0-9]+'"})).find("no case has a score") != std::string::npos);
}

TEST_CASE("a limit that is met stops the matrix, and any of its runs takes it up again") {
  MatrixProject project;
  project.write("qa.chain.yaml", std::string(kMatrixChain).replace(kMatrixChain.find("provider: echo"), 14, "provider: exec, argv: [./say.sh]"));
  project.script("say.sh", "while read line; do echo '{\"content\": \"7\", \"usage\": {\"input_tokens\": 5, \"output_tokens\": 5}}'; done\n");
  project.trust_all();
  EvalRunOptions options = MatrixProject::with({"steps.say.model=other", "steps.pick.extract.regex='[0-9]+','[0-9]','.'"});
  options.budget_tokens = 250;
  const EvalMatrixReport stopped = project.matrix(options);
  CHECK(stopped.stop_reason == "budget_tokens");
  CHECK(stopped.verdict == Verdict::kUndecided);
  CHECK(stopped.verdict_reasons == std::vector<std::string>{"2 of 3 cells are not run yet (budget_tokens)"});
  CHECK_FALSE(stopped.cells[1].report.has_value());
  CHECK(project.stored_runs() == 1);
  EvalRunOptions on = ProjectFolder::one_by_one();
  on.resume = "1";
  const EvalMatrixReport whole = project.matrix(on);
  CHECK(whole.stop_reason.empty());
  CHECK(whole.uuid == stopped.uuid);
  CHECK(whole.cells[0].report->run.number == 1);
  CHECK(whole.cells[0].report->cases_done == 40);
  CHECK(project.stored_runs() == 3);
  // What is finished is looked at, not run again; the calls were paid once.
  const EvalMatrixReport again = project.matrix(on);
  CHECK(again.spent_tokens == 0);
  CHECK(project.stored_runs() == 3);
  Session opened = project.session();
  const EvalMatrixReport shown = must(show_matrix(opened, "2"));
  CHECK(*row_of(shown.cells[2], "ok").summary.mean == *row_of(whole.cells[2], "ok").summary.mean);
  CHECK(shown.verdict == whole.verdict);
}

TEST_CASE("a matrix cannot be taken up when its chain changed, nor a run that is no cell of one") {
  MatrixProject project;
  project.run();
  project.matrix(MatrixProject::with({"models.main.reply=/a,/b"}));
  Session opened = project.session();
  CHECK(told(show_matrix(opened, "1").error()) == "run 1 is no cell of a matrix | name a run that was made with --matrix");
  project.write("qa.chain.yaml", std::string(kMatrixChain).replace(kMatrixChain.find("[0-9]+"), 6, "[0-9]"));
  CHECK(told(show_matrix(opened, "2").error()) == "run 2 cannot be resumed: the chain changed since | run the suite anew: steps that did not change are reused");
}

TEST_CASE("gates are judged in each cell, and the matrix passes when some cell does") {
  MatrixProject project;
  project.write("qa.eval.yaml", kQaSuite + "gates: [ok >= 0.5]\n");
  const EvalMatrixReport some = project.matrix(MatrixProject::with({"models.main.reply=/a,/b"}));
  CHECK(some.cells[0].report->verdict == Verdict::kFail);
  CHECK(some.cells[1].report->verdict == Verdict::kPass);
  CHECK(some.verdict == Verdict::kPass);
  project.write("qa.eval.yaml", kQaSuite + "gates: [ok >= 0.9]\n");
  const EvalMatrixReport none = project.matrix(MatrixProject::with({"models.main.reply=/a,/b"}));
  CHECK(none.verdict == Verdict::kFail);
  CHECK(none.verdict_reasons == std::vector<std::string>{"no cell passes its gates"});
}

TEST_CASE("variants of a prompt are cells whose spread is measured, for each value of the other axes") {
  MatrixProject project;
  project.write("ask.md", "Please: {{ question }}");
  project.write("qa.chain.yaml", std::string(kMatrixChain).replace(kMatrixChain.find("\"{{ question }}\"}\n  - {id: pick"), 16, "\"Say: {{ question }}\""));
  const EvalMatrixReport report = project.matrix(MatrixProject::with({"steps.say.variants=space,ask.md", "models.main.reply=/a,/b"}));
  CHECK(report.axes[0].values.size() == 5);
  REQUIRE(report.spreads.size() == 2);
  CHECK(numbers(report.spreads[0].cells) == "0 2 4 6 8");
  CHECK(report.spreads[0].spread->spread == 0);
  CHECK(report.spreads[0].spread->p_value == 1);
  CHECK(report.spreads[1].spread->n == 40);
}

TEST_CASE("a model that only some cells use is no unused one") {
  MatrixProject project;
  project.matrix(MatrixProject::with({"steps.say.model=main,other"}));
  CHECK(project.notes.size() == 1);
  project.notes.clear();
  project.matrix(MatrixProject::with({"models.main.reply=/a,/b"}));
  CHECK(std::count_if(project.notes.begin(), project.notes.end(), [](const std::string& note) { return note.find("models 'other' is declared") != std::string::npos || note.find("model 'other' is declared") != std::string::npos; }) == 1);
}

TEST_CASE("a plan of a matrix lists its cells and stores nothing") {
  MatrixProject project;
  Session opened = project.session();
  const EvalMatrixPlan plan = must(plan_eval_matrix(opened, MatrixProject::with({"models.main.reply=/a,/b"})));
  CHECK(plan.cells.size() == 2);
  CHECK(plan.first.case_count == 40);
  CHECK(project.stored_runs() == 0);
}
