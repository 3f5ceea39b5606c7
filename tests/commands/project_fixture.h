// A project in a folder of its own, with surroundings that a test makes: no real environment, home or clock.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>

#include "commands/eval/run.h"
#include "commands/session.h"
#include "commands/trust.h"
#include "tests/core/chain/chain_fixture.h"
#include "tests/core/store/store_fixture.h"

namespace llmops::test {

class SteppingClock : public Clock {
 public:
  int64_t unix_ms() override { return now_ms_.fetch_add(1); }
  int64_t steady_ns() override { return ticks_.fetch_add(1) * 1'000'000; }

 private:
  std::atomic<int64_t> ticks_{0}, now_ms_{1'795'334'400'000};
};

// Numbers found in what an echo model says. c1 .. c6; c3 answers wrong, c5 finds none.
inline const std::string kQaChain =
    "llmops: chain/v1\n"
    "name: qa\n"
    "inputs: [question]\n"
    "models: {main: {provider: echo}}\n"
    "steps:\n"
    "  - {id: say, model: main, prompt: \"{{ question }}\"}\n"
    "  - {id: pick, extract: {from: \"{{ steps.say.output }}\", regex: '[0-9]+'}}\n"
    "output: \"{{ steps.pick.output }}\"\n";
inline const std::string kQaRows =
    "{\"id\": \"c1\", \"lang\": \"de\", \"question\": \"say 1\", \"answer\": \"1\"}\n"
    "{\"id\": \"c2\", \"lang\": \"en\", \"question\": \"say 2\", \"answer\": \"2\"}\n"
    "{\"id\": \"c3\", \"lang\": \"de\", \"question\": \"say 3\", \"answer\": \"33\"}\n"
    "{\"id\": \"c4\", \"lang\": \"en\", \"question\": \"say 4\", \"answer\": \"4\"}\n"
    "{\"id\": \"c5\", \"lang\": \"de\", \"question\": \"say no\", \"answer\": \"5\"}\n"
    "{\"id\": \"c6\", \"lang\": \"en\", \"question\": \"say 6\", \"answer\": \"6\"}\n";
inline const std::string kQaSuite = "llmops: eval/v1\nchain: qa.chain.yaml\ndataset: {path: rows.jsonl}\nmetrics: [{name: ok, type: equals, expected: \"{{ case.answer }}\"}]\n";

struct ProjectFolder {
  TempDir dir;
  SteppingClock clock;
  CancelToken cancel;
  std::vector<std::string> notes;
  std::map<std::string, std::string> variables;

  ProjectFolder() {
    write("llmops.yaml", "llmops: project/v1\n");
    variables["XDG_CONFIG_HOME"] = (dir.path() / "home/config").string();
    variables["XDG_STATE_HOME"] = (dir.path() / "home/state").string();
    variables["PATH"] = "/usr/bin:/bin";
    variables["USER"] = "ada";
  }
  fs::path root() const { return dir.path() / "project"; }
  void write(const std::string& path, const std::string& bytes) const { dir.write("project/" + path, bytes); }
  void script(const std::string& path, const std::string& bytes) const {
    write(path, "#!/bin/sh\n" + bytes);
    REQUIRE(chmod((root() / path).c_str(), 0755) == 0);
  }
  void write_qa() const {
    write("qa.chain.yaml", kQaChain);
    write("qa.eval.yaml", kQaSuite);
    write("rows.jsonl", kQaRows);
  }
  Result<Session> try_session(const std::string& below = "") {
    Surroundings surroundings;
    surroundings.variables = variables;
    surroundings.working_directory = (below.empty() ? root() : root() / below).lexically_normal();
    surroundings.clock = &clock;
    surroundings.cancel = cancel;
    surroundings.note = [this](const std::string& note) { notes.push_back(note); };
    return Session::open(std::move(surroundings));
  }
  Session session(const std::string& below = "") {
    auto opened = try_session(below);
    if (!opened) FAIL(told(opened.error()));
    return std::move(*opened);
  }
  void trust_all() {
    Session opened = session();
    const TrustReport report = must(read_trust(opened));
    must(grant_trust(opened, report.items));
  }
  static EvalRunOptions one_by_one() {
    EvalRunOptions options;
    options.jobs = 1;
    return options;
  }
  Result<EvalRunReport> try_run(const EvalRunOptions& options = one_by_one()) {
    Session opened = session();
    return eval_run(opened, options, {});
  }
  EvalRunReport run(const EvalRunOptions& options = one_by_one()) {
    auto report = try_run(options);
    if (!report) FAIL(told(report.error()));
    return std::move(*report);
  }
  std::string run_refusal(const EvalRunOptions& options) {
    const auto report = try_run(options);
    return report ? "ran" : told(report.error());
  }
  std::vector<CaseRecord> stored_cases(int64_t number) {
    Session opened = session();
    Store::CaseFilter filter;
    filter.with_spans = true;
    return cases_of(*must(opened.store(false)), number, filter);
  }
};

inline std::string ids_of(const EvalRunReport& report) {
  std::string text;
  for (const std::string& id : report.series.case_ids) text += (text.empty() ? "" : " ") + id;
  return text;
}

// "1 0 error -": the values of a column, case by case.
inline std::string column_of(const RunSeries& series, const std::string& name) {
  const auto found = series.columns.find(name);
  if (found == series.columns.end()) return "none";
  std::string text;
  for (size_t i = 0; i < found->second.values.size(); ++i) {
    const ValueState state = found->second.states[i];
    text += (text.empty() ? "" : " ") + (state == ValueState::kPresent ? ecmascript_number(found->second.values[i]) : std::string(state == ValueState::kError ? "error" : "-"));
  }
  return text;
}

}  // namespace llmops::test
