// kill -9 at random moments of a run of 5,000 cases: afterwards the store is sound, and resuming ends with the numbers of a
// run that nothing disturbed. The normal suite kills 6 times; LLMOPS_SLOW=1 (script/test-slow) kills 50 times.
#include <signal.h>
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/store/check.h"
#include "tests/support/run_program.h"

namespace llmops::test {
namespace {

using nlohmann::json;

constexpr int kCases = 5000;

// Two steps, a share of the cases that the second cannot answer, and metrics whose means are no round numbers.
void write_project(const Project& project) {
  project.write("count.chain.yaml", R"(llmops: chain/v1
name: count
inputs: [question]
models: {main: {provider: echo}}
steps:
  - {id: say, model: main, prompt: "the answer is {{ question }}"}
  - {id: number, extract: {from: "{{ steps.say.output }}", regex: '(\d+)', group: 1}}
output: "{{ steps.number.output }}"
)");
  project.write("count.eval.yaml", R"(llmops: eval/v1
chain: count.chain.yaml
dataset: {path: data.jsonl, id: id}
inputs: {question: "{{ case.question }}"}
metrics:
  - {name: right, type: number, target: output, expected: "{{ case.answer }}"}
  - {name: words, type: token_f1, target: steps.say.output, references: "{{ case.reference }}"}
gates: [right >= 0.5, error_rate <= 0.2]
)");
  std::string rows;
  for (int i = 0; i < kCases; ++i) {
    const std::string asked = i % 13 == 5 ? "none" : std::to_string(i);
    std::string reference = "answer " + asked;
    for (int k = 0; k < i % 7; ++k) reference += " more";
    rows += json{{"id", "case-" + std::to_string(i)}, {"question", asked}, {"answer", i % 3 == 0 ? i + 1 : i}, {"reference", reference}}.dump() + "\n";
  }
  project.write("data.jsonl", rows);
}

bool is_time(const std::string& name) { return name.ends_with("latency_ms") || name.ends_with("ttft_ms"); }

// The document without what depends on time, on the run's name, and on which case was met first.
json numbers_of(json report) {
  report.erase("run");
  report.erase("spans");
  json metrics = json::array();
  for (const json& row : report["metrics"]) if (row["unit"] != "ms") metrics.push_back(row);
  report["metrics"] = metrics;
  for (json& error : report["errors"]) error.erase("example_case");
  if (!report.contains("per_case")) return report;
  json columns = json::object();
  for (const auto& [name, column] : report["per_case"]["columns"].items()) if (!is_time(name)) columns[name] = column;
  report["per_case"]["columns"] = columns;
  return report;
}

// What differs, as JSON Patch; empty when nothing does.
std::string difference(const json& expected, const json& found) {
  const std::string patch = json::diff(expected, found).dump();
  return patch == "[]" ? "" : patch.substr(0, 1000);
}

void check_sound(const Project& project) {
  if (!std::filesystem::exists(project.root() / ".llmops/format")) return;   // killed before there was a store
  StoreOptions options;
  options.directory = project.root() / ".llmops";
  options.clock = &system_clock_source();
  const Result<std::vector<std::string>> findings = check_store(options, true);
  if (!findings) FAIL(findings.error().message);
  CHECK(*findings == std::vector<std::string>());
}

// The command that goes on: a new run when none has begun, else a resume; empty when the run is finished.
std::vector<std::string> next_command(const Project& project) {
  const json runs = project.json({"eval", "list"}, 0)["runs"];
  if (runs.empty()) return {"eval", "run"};
  REQUIRE(runs.size() == 1);
  if (runs[0]["state"] == "finished") return {};
  return {"eval", "run", "--resume", "last"};
}

// Runs the command with --json and kills it after so many seconds; false: it was faster.
bool kill_after(const Project& project, std::vector<std::string> command, double seconds) {
  command.insert(command.begin(), LLMOPS_BINARY);
  command.push_back("--json");
  Program program(command, project.root(), project.environment());
  const double until = steady_seconds() + seconds;
  while (steady_seconds() < until && program.is_running()) std::this_thread::sleep_for(std::chrono::microseconds(200));
  program.send_signal(SIGKILL);
  return program.wait(60).exit_code == 128 + SIGKILL;
}

}  // namespace

TEST_CASE("a run that is killed at random moments resumes to the numbers of an undisturbed one", "[crash]") {
  const int wanted = getenv("LLMOPS_SLOW") != nullptr ? 50 : 6;
  Project undisturbed;
  write_project(undisturbed);
  const double from = steady_seconds();
  const json whole = undisturbed.json({"eval", "run"}, 0);
  const double seconds = steady_seconds() - from;
  const json expected = numbers_of(whole);
  CHECK(whole["cases"] == json{{"total", kCases}, {"done", kCases}, {"without_score", 385}, {"repeat", 1}});   // 5, 18, ... 4997

  std::mt19937_64 random(20240607);
  int kills = 0, finished_runs = 0, projects = 0;
  // Whether a kill meets a run is chance: as many projects as it takes, until at least one was resumed to its end.
  constexpr int kMostProjects = 200;
  while ((kills < wanted || finished_runs == 0) && ++projects <= kMostProjects) {
    Project project;
    write_project(project);
    std::vector<std::string> command = {"eval", "run"};
    // Up to four kills a run, then it may finish.
    for (int k = 0; k < 4 && !command.empty(); ++k) {
      const double moment = static_cast<double>(random() >> 11) * 0x1p-53 * seconds;
      INFO("kill " << kills << " after " << moment << " s of " << seconds);
      const bool killed = kill_after(project, command, moment);
      if (killed) ++kills;
      check_sound(project);
      command = next_command(project);
      if (!killed) break;
    }
    if (command.empty()) {   // finished before the kill came: what it printed was lost, what it stored was not
      const json stored = project.json({"eval", "show", "last"}, 0);
      CHECK(difference(expected["metrics"], numbers_of(stored["summary"])["metrics"]) == "");
      continue;
    }
    const json report = project.json(command, 0);
    CHECK(difference(expected, numbers_of(report)) == "");
    CHECK(project.json({"eval", "list"}, 0)["runs"].size() == 1);
    check_sound(project);
    ++finished_runs;
  }
  CHECK(kills >= wanted);
  CHECK(finished_runs > 0);
}

}  // namespace llmops::test
