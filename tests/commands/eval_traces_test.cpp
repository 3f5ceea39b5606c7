// Suites over recorded traces, of a file and of production.
#include "commands/monitor/ingest.h"
#include "commands/version/version.h"
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string span(const std::string& trace, const std::string& id, const std::string& name, const std::string& more, const std::string& parent = "") {
  return "{\"trace\": \"" + trace + "\", \"id\": \"" + id + "\", \"name\": \"" + name + "\"" + (parent.empty() ? "" : ", \"parent\": \"" + parent + "\"") + ", " + more + "}\n";
}

// Four requests: an answer each, a retrieval in all but the last; the third failed.
const std::string kSpans =
    span("r1", "a", "handle", R"("input": "where is it", "output": "on its way", "start": 100, "end": 101)") +
    span("r1", "b", "search", R"("output": ["d1", "d2"], "start": 100, "end": 100.2)", "a") +
    span("r2", "a", "handle", R"("input": "refund", "output": "yes", "start": 200, "end": 203, "session": "s2", "attributes": {"tier": "gold"})") +
    span("r2", "b", "search", R"("output": [], "start": 200, "end": 200.1)", "a") +
    span("r3", "a", "handle", R"("input": "hello", "error": {"type": "timeout", "message": "too slow"}, "start": 300, "end": 330)") +
    span("r3", "b", "search", R"("output": ["d1"], "start": 300, "end": 300.1)", "a") +
    span("r4", "a", "handle", R"("input": "bye", "output": "bye", "start": 400, "end": 401)");

struct TraceProject : ProjectFolder {
  TraceProject() {
    write("spans.jsonl", kSpans);
  }
  MonitorIngestReport ingest(const std::string& source = "spans.jsonl") {
    Session opened = session();
    return must(monitor_ingest(opened, {{source}, {}, false, false}));
  }
};

}  // namespace

TEST_CASE("a suite over a file of spans scores each component without a chain") {
  TraceProject project;
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: spans.jsonl}}\nmetrics:\n  - {name: short, type: regex, target: output, pattern: '^.{1,5}$'}\n"
                                  "  - {name: some, type: contains, target: \"steps.search.output[0]\", value: d1}\n  - {name: time, type: latency, target: steps.search}\ngates: [error_rate <= 0.3]\n");
  const EvalRunReport report = project.run();
  CHECK(ids_of(report) == "r1 r2 r3 r4");
  CHECK(report.observed);
  CHECK(report.run.chain == "prod");
  CHECK(column_of(report.series, "short") == "0 1 error 1");
  CHECK(column_of(report.series, "error_rate") == "0 0 1 0");
  CHECK(column_of(report.series, "latency_ms") == "1000 3000 error 1000");
  const auto time = report.series.columns.find("time");
  REQUIRE(time != report.series.columns.end());
  CHECK(time->second.states[3] == ValueState::kAbsent);   // skipped in the last request
  CHECK(report.cases_without_score == 2);   // r3 failed, and r2 found nothing to look into
  CHECK(report.verdict == Verdict::kPass);
  const auto stored = project.stored_cases(1);
  CHECK(stored[0].spans.size() == 2);
  CHECK(stored[0].row.find("spans") == std::string::npos);
  CHECK(stored[2].error_code == "timeout");
}

TEST_CASE("an observed chain has one version, whatever its traces show") {
  TraceProject project;
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: spans.jsonl}}\nmetrics: [{name: short, type: regex, target: output, pattern: x}]\n");
  const std::string first = project.run().run.vid;
  project.write("spans.jsonl", kSpans + span("r5", "a", "other", "\"output\": \"x\""));
  CHECK(project.run().run.vid == first);
  Session opened = project.session();
  CHECK(must(version_show(opened, "prod", first.substr(0, 12))).manifest["chain"]["observed"] == true);
}

TEST_CASE("steps of the suite name the components of a trace") {
  TraceProject project;
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: spans.jsonl, steps: {answer: hand*}}}\nmetrics: [{name: time, type: latency, target: steps.answer}]\n");
  CHECK(column_of(project.run().series, "time") == "1000 3000 error 1000");
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: spans.jsonl}}\nmetrics: [{name: time, type: latency, target: steps.serach}]\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()).find("unknown step 'serach' | did you mean 'search'?") != std::string::npos);
}

TEST_CASE("expected values join by the id of the trace, and choose the cases") {
  TraceProject project;
  project.write("expected.jsonl", "{\"id\": \"r2\", \"answer\": \"yes\"}\n{\"id\": \"r4\", \"answer\": \"good bye\"}\n");
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: spans.jsonl, expected: expected.jsonl}}\nmetrics: [{name: right, type: equals, target: output, expected: \"{{ case.answer }}\"}]\n");
  const EvalRunReport report = project.run();
  CHECK(ids_of(report) == "r2 r4");
  CHECK(column_of(report.series, "right") == "1 0");
  project.write("expected.jsonl", "{\"id\": \"r2\", \"output\": \"yes\"}\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()) == "expected.jsonl:1:1: 'expected.jsonl' has a column 'output', which traces have themselves | give the column another name");
  project.write("expected.jsonl", "{\"id\": \"r2\"}\n{\"id\": \"r2\"}\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()) == "expected.jsonl:2:1: row 2 has the id 'r2' of an earlier row | name each trace once");
}

TEST_CASE("columns of traces can be filtered and sliced") {
  TraceProject project;
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: spans.jsonl}}\nmetrics: [{name: short, type: regex, target: output, pattern: '^.{1,5}$'}]\ngates: [\"short[attributes.tier=gold] >= 1\", error_rate <= 0.3]\n");
  CHECK(project.run().verdict == Verdict::kPass);
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.filters = {"session=s2"};
  CHECK(ids_of(project.run(options)) == "r2");
}

TEST_CASE("production is ingested once, whatever is sent twice, and then a dataset") {
  TraceProject project;
  const MonitorIngestReport first = project.ingest(), second = project.ingest();
  CHECK(first.sources[0].added == 7);
  CHECK(first.sources[0].new_traces == 4);
  CHECK(second.sources[0].added == 0);
  CHECK(second.sources[0].known == 7);
  CHECK(second.traces == 4);
  project.write("more.jsonl", span("r4", "b", "search", R"("output": ["d9"], "start": 400, "end": 400.5)", "a") + "oops\n{\"b\": 1}\noops\n");
  const MonitorIngestReport more = project.ingest("more.jsonl");
  CHECK(more.sources[0].added == 1);
  CHECK(more.sources[0].new_traces == 0);
  CHECK(more.sources[0].dropped_count() == 3);
  CHECK(more.sources[0].dropped.at("malformed JSON").count == 2);
  CHECK(more.sources[0].dropped.at("malformed JSON").first_line == 2);
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: production}}\nmetrics: [{name: time, type: latency, target: steps.search}]\n");
  const EvalRunReport report = project.run();
  CHECK(ids_of(report) == "r1 r2 r3 r4");
  CHECK(report.dataset_path == "production");
  CHECK(report.series.columns.at("time").values[3] == Approx(500));
}

TEST_CASE("a suite over production says what to do when there is none") {
  TraceProject project;
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: production}}\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()) == "prod.eval.yaml:2:26: the store holds no traces of production | bring them in: llmops monitor ingest FILE");
  project.ingest();
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: production, service: shop}}\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()).find("the store holds no traces of service 'shop'") != std::string::npos);
}

TEST_CASE("with a label, recorded traces are scored as that version of the chain, without those of another") {
  TraceProject project;
  project.write("bot.chain.yaml", "llmops: chain/v1\nname: bot\ninputs: [question]\nmodels: {main: {provider: echo}}\nsteps:\n  - {id: search, template: x}\n  - {id: handle, model: main, prompt: \"{{ question }}\"}\noutput: \"{{ steps.handle.output }}\"\n");
  Session opened = project.session();
  must(version_commit(opened, {"", "first", false}));
  must(version_label(opened, {"", "prod", "HEAD", "", false}));
  const std::string vid = must(must(opened.store(false))->head("bot"))->vid;
  project.write("bot.chain.yaml", "llmops: chain/v1\nname: bot\ninputs: [question]\nmodels: {main: {provider: echo}}\nsteps:\n  - {id: search, template: y}\n  - {id: handle, model: main, prompt: \"{{ question }}\"}\noutput: \"{{ steps.handle.output }}\"\n");
  project.write("spans.jsonl", span("r1", "a", "handle", "\"output\": \"one\", \"vid\": \"" + vid + "\"") + span("r2", "a", "handle", "\"output\": \"two\", \"vid\": \"ffff\"") + span("r3", "a", "handle", "\"output\": \"three\""));
  project.write("prod.eval.yaml", "llmops: eval/v1\nchain: bot.chain.yaml\ndataset: {traces: {from: spans.jsonl, label: prod}}\nmetrics: [{name: short, type: regex, target: steps.handle.output, pattern: '^.{1,3}$'}]\n");
  const EvalRunReport report = project.run();
  CHECK(report.run.vid == vid);
  CHECK(ids_of(report) == "r1 r3");
  CHECK(column_of(report.series, "short") == "1 0");
  project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: spans.jsonl, label: prod}}\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()) == "prod.eval.yaml:2:46: label 'prod' is of no chain | name the chain's file: chain: NAME.chain.yaml");
}

TEST_CASE("what is recorded can be neither set, nor repeated, nor trusted") {
  TraceProject project;
  project.write("bot.chain.yaml", "llmops: chain/v1\nname: bot\ninputs: [question]\nsteps:\n  - {id: search, exec: {argv: [./never.sh]}}\n  - {id: handle, template: x}\noutput: \"{{ steps.handle.output }}\"\n");
  project.script("never.sh", "touch ran\n");
  project.write("prod.eval.yaml", "llmops: eval/v1\nchain: bot.chain.yaml\ndataset: {traces: {from: spans.jsonl}}\nmetrics: [{name: time, type: latency, target: steps.search}]\ngates: [error_rate <= 1]\n");
  CHECK(project.run().cases_done == 4);
  CHECK_FALSE(fs::exists(project.root() / "ran"));
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.sets = {"steps.handle.template=y"};
  CHECK(project.run_refusal(options) == "the cases of this suite are recorded, so that nothing can be set | leave out --set and --matrix, or name a suite over a dataset of rows");
  options = ProjectFolder::one_by_one();
  options.repeat = 3;
  CHECK(project.run_refusal(options) == "the cases of this suite are recorded, so that none can be repeated | leave out --repeat");
}

TEST_CASE("what is wrong with a dataset of traces is told at its place") {
  TraceProject project;
  const auto refusal = [&](const std::string& traces) {
    project.write("prod.eval.yaml", "llmops: eval/v1\ndataset: " + traces + "\n");
    return project.run_refusal(ProjectFolder::one_by_one());
  };
  CHECK(refusal("{traces: {from: none.jsonl}}") == "prod.eval.yaml:2:26: file 'none.jsonl' does not exist | paths are relative to the suite file");
  CHECK(refusal("{traces: {form: spans.jsonl}}").find("unknown key 'form' in traces | did you mean 'from'?") != std::string::npos);
  CHECK(refusal("{traces: {from: spans.jsonl, service: x}}") == "prod.eval.yaml:2:39: 'service' chooses among the traces of production | remove it, or write from: production");
  CHECK(refusal("{path: spans.jsonl, traces: {from: spans.jsonl}}").find("a dataset is either a file of rows or traces") != std::string::npos);
  CHECK(refusal("{traces: {from: spans.jsonl, steps: {2x: a}}}").find("'2x' cannot name a step") != std::string::npos);
  CHECK(refusal("{traces: {from: spans.jsonl, steps: {x: ''}}}").find("the pattern of 'x' must be text") != std::string::npos);
  project.write("spans.jsonl", kSpans + "{\"a\": 1}\n");
  CHECK(refusal("{traces: {from: spans.jsonl}}").starts_with("spans.jsonl:8:1: line 8 holds what is no trace"));
  project.write("spans.jsonl", "");
  CHECK(refusal("{traces: {from: spans.jsonl}}").find("holds no rows") != std::string::npos);
}

TEST_CASE("ingest reads nothing into the store on a dry run, and refuses what holds no span") {
  TraceProject project;
  Session opened = project.session();
  const MonitorIngestReport dry = must(monitor_ingest(opened, {{"spans.jsonl"}, {}, false, true}));
  CHECK(dry.sources[0].spans == 7);
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
  project.write("rows.jsonl", "{\"id\": 1}\nx\n");
  const auto refused = monitor_ingest(opened, {{"rows.jsonl"}, {}, false, false});
  CHECK(refused.error().message == "'rows.jsonl' holds no span and no request");
  CHECK(refused.error().details == std::vector<std::string>{"1 x malformed JSON   (first in line 2)", "1 x of no known format: OTLP/JSON, OpenInference, Langfuse, OpenAI, deepeval, a span {trace, id, name} or a record {ts, input}   (first in line 1)"});
  CHECK(told(monitor_ingest(opened, {{"none.jsonl"}, {}, false, false}).error()) == "file 'none.jsonl' does not exist | check the path");
}

TEST_CASE("a key in a trace does not reach the store") {
  TraceProject project;
  project.variables["OPENAI_API_KEY"] = "sk-abcdefgh12345678";
  project.write("spans.jsonl", span("r1", "a", "handle", R"("input": "my key is sk-proj-4f8Kq2Lm9Xw7Rt5Yb3Nc1Vz6Hd0Jg8Sp", "output": "thanks")"));
  project.ingest();
  std::string bytes = must(read_file(project.root() / ".llmops/db.sqlite"));
  std::error_code ignored;
  if (fs::exists(project.root() / ".llmops/db.sqlite-wal", ignored)) bytes += must(read_file(project.root() / ".llmops/db.sqlite-wal"));
  CHECK(bytes.find("4f8Kq2Lm9Xw7") == std::string::npos);
}
