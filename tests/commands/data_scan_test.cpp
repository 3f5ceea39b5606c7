// `eval data check` and `stats` over what a project declares.
#include "commands/eval/data_scan.h"

#include "tests/commands/project_fixture.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kHead = "llmops: chain/v1\nname: qa\ninputs: [question]\nmodels: {main: {provider: echo}}\n";
const std::string kSay = "steps:\n  - {id: say, model: main, prompt: \"{{ question }}\"}\noutput: \"{{ steps.say.output }}\"\n";

struct DataProject : ProjectFolder {
  DataProject() { write_qa(); }
  void write_assets(const std::string& assets) const { write("qa.chain.yaml", kHead + "assets:\n" + assets + kSay); }
  Result<DataScanReport> try_scan(const DataScanOptions& options = {}) {
    Session opened = session();
    return data_scan(opened, options);
  }
  DataScanReport scan(DataScanOptions options = {}) {
    options.with_leaks = true;
    auto made = try_scan(options);
    if (!made) FAIL(told(made.error()));
    return *std::move(made);
  }
  // "file kind asset owner": one after another.
  static std::string files_of(const DataScanReport& report) {
    std::string text;
    for (const ScannedFile& one : report.files) text += (text.empty() ? "" : "; ") + one.file + " " + one.kind + " " + (one.asset.empty() ? "-" : one.asset) + " " + (one.owner.empty() ? "-" : one.owner);
    return text;
  }
  static DataScanOptions named(const std::string& name) {
    DataScanOptions options;
    options.names = {name};
    return options;
  }
};

}  // namespace

TEST_CASE("without names every asset of the chains and every dataset of the suites is looked at, each by its kind") {
  DataProject project;
  project.write("shots.jsonl", "{\"input\": \"say 9\", \"output\": \"9\"}\n{\"input\": \"say 8\"}\n");
  project.write("kb/a.md", "one\n");
  project.write("kb/b.md", "one\n");
  project.write_assets("  shots: {kind: few-shot, path: shots.jsonl}\n  kb: {kind: grounding, path: kb/*.md}\n");
  const DataScanReport report = project.scan();
  CHECK(DataProject::files_of(report) == "kb/a.md grounding kb qa; kb/b.md grounding kb qa; shots.jsonl few-shot shots qa; rows.jsonl dataset - qa");
  CHECK_FALSE(report.is_sound());
  CHECK(report.files[1].report.problems.at(0).message == "the file is equal to kb/a.md");
  CHECK(report.files[2].report.problems.at(0).message == "row 2 has no 'output'");
  CHECK(report.files[3].report.statistics.rows == 6);
}

TEST_CASE("an asset is named as the chain names it, a file as it lies there") {
  DataProject project;
  project.write("shots.jsonl", "{\"input\": \"a\", \"output\": \"b\"}\n");
  project.write_assets("  shots: {kind: few-shot, path: shots.jsonl}\n");
  CHECK(DataProject::files_of(project.scan(DataProject::named("shots"))) == "shots.jsonl few-shot shots qa");
  CHECK(DataProject::files_of(project.scan(DataProject::named("shots.jsonl"))) == "shots.jsonl dataset - -");
  CHECK(told(project.try_scan(DataProject::named("shot")).error()) == "'shot' is no file and no asset of a chain | did you mean 'shots'?");
  CHECK(told(project.try_scan(DataProject::named("none.jsonl")).error()) == "dataset 'none.jsonl' does not exist | check the path");
  DataScanOptions options = DataProject::named("shots");
  options.chain = "other";
  CHECK(told(project.try_scan(options).error()).starts_with("chain 'other' does not exist"));
}

TEST_CASE("examples that stand in the evaluation set are told with both lines, and fail nothing") {
  DataProject project;
  project.write("shots.jsonl", "{\"input\": \"what else\", \"output\": \"9\"}\n{\"input\": \"Say  4\", \"output\": \"4\"}\n");
  project.write_assets("  shots: {kind: few-shot, path: shots.jsonl}\n");
  const DataScanReport report = project.scan();
  CHECK(report.is_sound());
  REQUIRE(report.leaks.size() == 1);
  const DataLeak& leak = report.leaks[0];
  CHECK(leak.asset + " " + leak.file + " " + leak.suite + " " + leak.dataset == "shots shots.jsonl qa rows.jsonl");
  CHECK(leak.found.any_b == 1);
  CHECK(leak.found.hits.at(0).line_a == 2);
  CHECK(leak.found.hits.at(0).line_b == 4);
  // Of other data than examples and training rows nothing leaks.
  project.write_assets("  shots: {kind: grounding, path: shots.jsonl}\n");
  CHECK(project.scan().leaks.empty());
}

TEST_CASE("an asset of a called chain leaks into the suite of its caller") {
  DataProject project;
  project.write("shots.jsonl", "{\"input\": \"say 4\", \"output\": \"4\"}\n");
  project.write("inner.chain.yaml", "llmops: chain/v1\nname: inner\ninputs: [question]\nmodels: {main: {provider: echo}}\nassets: {shots: {kind: few-shot, path: shots.jsonl}}\n" + kSay);
  project.write("qa.chain.yaml", "llmops: chain/v1\nname: qa\ninputs: [question]\nsteps:\n  - {id: say, chain: inner.chain.yaml, inputs: {question: \"{{ question }}\"}}\noutput: \"{{ steps.say.output }}\"\n");
  const DataScanReport report = project.scan();
  REQUIRE(report.leaks.size() == 1);
  CHECK(report.leaks[0].suite == "qa");
  CHECK(report.leak_searches == 1);
}

TEST_CASE("a broken dataset is reported, and its leaks are said not to be searched") {
  DataProject project;
  project.write("shots.jsonl", "{\"input\": \"say 4\", \"output\": \"4\"}\n");
  project.write("rows.jsonl", kQaRows + "{broken\n");
  project.write_assets("  shots: {kind: few-shot, path: shots.jsonl}\n");
  const DataScanReport report = project.scan();
  CHECK_FALSE(report.is_sound());
  CHECK(report.leaks.empty());
  CHECK(report.leak_searches == 0);
  REQUIRE(report.not_searched.size() == 1);
  CHECK(report.not_searched[0].starts_with("rows.jsonl in shots.jsonl: row 7 "));
}

TEST_CASE("weights are checked as a whole, from the chain or by name") {
  DataProject project;
  project.write("adapters/t/adapter_config.json", "{\"base_model_name_or_path\": \"a/b\"}");
  project.write("adapters/t/adapter_model.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  project.write_assets("  lora: {kind: adapter, path: adapters/t, base: c/d}\n");
  const DataScanReport report = project.scan(DataProject::named("lora"));
  CHECK(DataProject::files_of(report) == "adapters/t/adapter_config.json adapter lora qa; adapters/t/adapter_model.safetensors adapter lora qa");
  CHECK(report.files[0].report.problems.at(0).message == "the adapter was trained on 'a/b', the chain says base: 'c/d'");
  CHECK(report.files[1].weights->tensors == 0);
  DataScanOptions options = DataProject::named("adapters/t/adapter_model.safetensors");
  options.kind = "adapter";
  CHECK(project.scan(options).files[0].report.problems.at(0).message == "the asset has no adapter_config.json");
}

TEST_CASE("an external asset is fetched and checked; one whose rows are not read is said so") {
  DataProject project;
  std::map<std::string, std::string> served = {{"/shots.jsonl", "{\"input\": \"a\"}\n"}, {"/corpus.tar", std::string(1024, '\0')}};
  LoopbackServer server([&](const LoopbackRequest& request, LoopbackReply& reply) { reply.send(200, served[request.path]); });
  const auto asset = [&](const std::string& kind, const std::string& path) { return "{kind: " + kind + ", copy: false, uri: '" + server.url(path) + "', sha256: " + sha256_hex(served[path]) + "}\n"; };
  project.write_assets("  shots: " + asset("few-shot", "/shots.jsonl") + "  far: " + asset("corpus", "/corpus.tar"));
  const DataScanReport report = project.scan();
  REQUIRE(report.files.size() == 3);
  CHECK(report.files[0].file == server.url("/corpus.tar"));
  CHECK(report.files[0].report.problems.at(0).message == "'" + server.url("/corpus.tar") + "' is an archive, whose rows are not read");
  CHECK_FALSE(report.files[0].holds_rows);
  CHECK(report.files[0].report.statistics.bytes == 1024);
  CHECK(report.files[1].report.problems.at(0).message == "row 1 has no 'output'");
}

TEST_CASE("a suite's id column is the one that is looked at") {
  DataProject project;
  project.write("rows.jsonl", "{\"key\": 1, \"question\": \"a\", \"answer\": \"1\"}\n{\"key\": 1, \"question\": \"b\", \"answer\": \"1\"}\n");
  project.write("qa.eval.yaml", "llmops: eval/v1\nchain: qa.chain.yaml\ndataset: {path: rows.jsonl, id: key}\nmetrics: [{name: ok, type: equals, expected: \"{{ case.answer }}\"}]\n");
  const DataScanReport report = project.scan();
  CHECK(report.files.at(0).report.problems.at(0).message == "row 2 has the id of row 1 (line 1)");
}

TEST_CASE("a project without data says what to name") {
  ProjectFolder project;
  Session opened = project.session();
  CHECK(told(data_scan(opened, {}).error()) == "the project has no assets and no datasets | name a file, for example llmops eval data check data/eval.jsonl");
}
