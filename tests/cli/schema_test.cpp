// What `--json` prints is what its schema says: one run of every command that has a report.
#include <catch2/catch.hpp>
#include <set>

#include "cli/app.h"
#include "core/base/embedded.h"
#include "core/text/schema_checker.h"
#include "tests/support/run_program.h"
#include "tests/support/small_model.h"
#include "tests/support/weights.h"

namespace llmops::test {
namespace {

struct Call { std::vector<std::string> arguments; int exit_code; };

// In order, in one project made from the template `rag`.
const std::vector<Call> kCalls = {
    {{"init", "--template", "rag"}, 0},
    {{"eval", "run", "rag", "--dry-run"}, 0},
    {{"eval", "run", "rag"}, 0},
    {{"version", "commit", "-m", "first"}, 0},
    {{"eval", "run", "rag", "--baseline", "HEAD"}, 0},
    {{"eval", "run", "strict.eval.yaml"}, 1},
    {{"eval", "run", "rag", "--matrix", "steps.find.retrieve.top_k=1,3", "--dry-run"}, 0},
    {{"eval", "run", "rag", "--matrix", "steps.find.retrieve.top_k=1,3", "--matrix", "steps.answer.variants=space"}, 0},
    {{"eval", "show", "last", "--matrix"}, 0},
    {{"eval", "list"}, 0},
    {{"eval", "show"}, 0},
    {{"eval", "show", "last", "--case", "t-01"}, 0},
    {{"eval", "show", "last", "--failed"}, 0},
    {{"eval", "metrics"}, 0},
    {{"eval", "cache", "stats"}, 0},
    {{"eval", "cache", "explain", "last", "--case", "t-01"}, 0},
    {{"eval", "cache", "clear", "--yes"}, 0},
    {{"eval", "data", "check", "data/eval.jsonl"}, 0},
    {{"eval", "data", "stats", "data/eval.jsonl", "--label", "topic"}, 0},
    {{"eval", "data", "dedupe", "data/eval.jsonl"}, 0},
    {{"eval", "data", "dedupe", "data/eval.jsonl", "--method", "near"}, 0},
    {{"eval", "data", "split", "data/eval.jsonl", "--parts", "a=.5,b=.5", "--near"}, 0},
    {{"eval", "data", "overlap", "data/eval.jsonl", "replies/hand_written.jsonl"}, 1},
    {{"eval", "data", "check"}, 0},
    {{"eval", "data", "check", "w.safetensors", "--kind", "model"}, 1},
    {{"eval", "data", "stats", "w.safetensors", "--kind", "model"}, 0},
    {{"compress", "inspect", "w.safetensors", "--data"}, 0},
    {{"compress", "convert", "small", "small.gguf"}, 0},
    {{"compress", "quantize", "small.gguf", "small-q4.gguf", "--type", "Q4_K_M"}, 0},
    {{"compress", "plan", "small.gguf", "--budget", "Q4_K_M", "--apply", "planned.gguf"}, 0},
    {{"compress", "plan", "small.gguf", "--budget", "1GB", "--no-cache"}, 0},
    {{"compress", "prune", "small.gguf", "pruned.gguf", "--pattern", "2:4"}, 0},
    {{"compress", "prune", "small", "shorter", "--width", "heads=2,kv-heads=1,ffn=256"}, 0},
    {{"compress", "compare", "small.gguf", "small-q4.gguf"}, 0},
    {{"monitor", "ingest", "spans.jsonl"}, 0},
    {{"monitor", "profile", "--stored", "-o", "all.profile"}, 0},
    {{"monitor", "profile", "--show", "all.profile"}, 0},
    {{"monitor", "merge", "all.profile", "-o", "merged.profile"}, 0},
    {{"monitor", "health"}, 3},
    {{"monitor", "drift"}, 3},
    {{"monitor", "report", "-o", "report.html"}, 3},
    {{"monitor", "watch"}, 3},
    {{"monitor", "skew", "--ref", "before.txt", "--cur", "after.txt"}, 1},
    {{"monitor", "topics"}, 3},
    {{"monitor", "explain", "t"}, 3},
    {{"monitor", "suggest", "-o", "new_cases.jsonl"}, 0},
    {{"monitor", "test", "--ref", "data/eval.jsonl", "--cur", "data/eval.jsonl", "--field", "id", "--method", "length"}, 0},
    {{"monitor", "test", "--ref", "data/eval.jsonl", "--cur", "data/eval.jsonl", "--field", "id", "--method", "mmd"}, 0},
    {{"monitor", "status"}, 0},
    {{"monitor", "trace", "t"}, 0},
    {{"monitor", "trace", "--list"}, 0},
    {{"monitor", "purge", "hi", "--dry-run"}, 0},
    {{"eval", "run", "traces.eval.yaml"}, 0},
    {{"monitor", "purge", "hi", "--yes"}, 0},
    {{"version", "status"}, 0},
    {{"version", "log"}, 0},
    {{"version", "show"}, 0},
    {{"version", "label", "prod", "HEAD", "-m", "why"}, 0},
    {{"version", "labels"}, 0},
    {{"version", "labels", "prod"}, 0},
    {{"version", "lock"}, 0},
    {{"config", "list"}, 0},
    {{"config", "get", "jobs"}, 0},
    {{"config", "set", "jobs", "4"}, 0},
    {{"trust"}, 0},
    {{"eval", "run", "none.eval.yaml"}, 2},
};

// The short name of the schema that the document names, by which it must be valid.
std::string valid_by(const nlohmann::json& found) {
  const std::string name = found.at("schema").get<std::string>();
  REQUIRE(name.starts_with("llmops."));
  const std::string short_name = name.substr(7, name.find('/') - 7);
  auto schema = parse_json(embedded_file("schemas/" + short_name + ".json"), short_name);
  REQUIRE(schema);
  auto checker = SchemaChecker::compile(*schema);
  REQUIRE(checker);
  const auto failure = checker->check(*parse_json(found.dump(), "out"));
  REQUIRE(failure);
  if (*failure) FAIL_CHECK(short_name << ": " << (*failure)->message);
  return short_name;
}

}  // namespace

TEST_CASE("what --json prints of a leak is valid by the schema that it names", "[e2e]") {
  Project project;
  project.json({"init", "--template", "rag"}, 0);
  project.write("shots.jsonl", "{\"input\": \"where is my parcel now\", \"output\": \"x\"}\n");
  project.write("rows.jsonl", "{\"id\": \"1\", \"question\": \"where is my parcel now\"}\n");
  project.write("leak.chain.yaml", "llmops: chain/v1\nname: leak\ninputs: [question]\nmodels: {main: {provider: echo}}\nassets: {shots: {kind: few-shot, path: shots.jsonl}}\n"
                                   "steps:\n  - {id: say, model: main, prompt: \"{{ question }}\", few_shot: {from: shots, k: 1}}\noutput: \"{{ steps.say.output }}\"\n");
  project.write("leak.eval.yaml", "llmops: eval/v1\nchain: leak.chain.yaml\ndataset: {path: rows.jsonl}\nmetrics: [{name: short, type: regex, target: output, pattern: x}]\n");
  const nlohmann::json found = project.json({"eval", "data", "check", "shots"}, 0);
  CHECK(valid_by(found) == "eval-data-check");
  REQUIRE(found.at("leaks").size() == 1);
  CHECK(found.at("leaks")[0].at("leaked_cases") == 1);
}

TEST_CASE("what --json prints is valid by the schema that it names", "[e2e]") {
  Project project;
  project.write("spans.jsonl", "{\"trace\": \"t\", \"id\": \"1\", \"name\": \"reply\", \"output\": \"hi\"}\nno\n");
  std::string before, after;
  for (int i = 0; i < 80; ++i) before += "where is my " + std::string(i % 2 == 0 ? "card" : "loan") + " for account number " + std::to_string(i % 9) + "\n";
  for (int i = 0; i < 40; ++i) after += "which oven bakes a cake of size " + std::to_string(i % 7) + "\n";
  project.write("before.txt", before);
  project.write("after.txt", before + after);
  project.write("w.safetensors", f16_weights({{"lm_head.weight", {2, 2}}}));
  REQUIRE(write_small_model(project.root() / "small", {}));
  project.write("traces.eval.yaml", "llmops: eval/v1\ndataset: {traces: {from: production}}\nmetrics: [{name: short, type: regex, target: output, pattern: hi}]\n");
  std::set<std::string> met;
  for (const Call& call : kCalls) {
    std::string shown;
    for (const std::string& word : call.arguments) shown += (shown.empty() ? "" : " ") + word;
    INFO(shown);
    const nlohmann::json found = project.json(call.arguments, call.exit_code);
    met.insert(valid_by(found));
  }
  for (const Command& command : commands()) {
    if (command.schema == nullptr) continue;
    INFO(command.path);
    CHECK(met.contains(command.schema));
  }
}

}  // namespace llmops::test
