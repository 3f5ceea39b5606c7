// Requests of production in the store of a project, put there without the way through files.
#pragma once

#include "tests/commands/project_fixture.h"

namespace llmops::test {

constexpr int64_t kRequestsNow = 1'795'334'400'000, kRequestsHour = 3'600'000, kRequestsDay = 24 * kRequestsHour;      // 2026-11-22T08:00:00Z
inline const std::string kRequestsUntil = "2026-11-22T08:00:00Z";

struct RequestsFolder {
  ProjectFolder project;
  std::vector<StoredTrace> traces;
  std::vector<StoredScore> scores;
  int made = 0;

  // What is put into it goes to the store with the next session().
  StoredRecord& ask(const std::string& text, int64_t start_ms, const std::string& id = "") {
    const std::string trace = id.empty() ? "t" + std::to_string(made) : id;
    ++made;
    traces.push_back({trace, "", start_ms, {{trace, "s", "", start_ms, "{}"}}, {}});
    StoredRecord& record = traces.back().records.emplace_back();
    record.trace = trace;
    record.span = "s";
    record.start_ms = start_ms;
    record.input = text;
    return record;
  }
  StoredRecord& answered(const std::string& text, const std::string& output, int64_t start_ms, const std::string& id = "") {
    StoredRecord& record = ask(text, start_ms, id);
    record.output = output;
    return record;
  }
  void judge(const std::string& trace, const std::string& name, const std::string& value) { scores.push_back({trace, "", name, value}); }
  Session session() {
    Session opened = project.session();
    Store* store = must(opened.store(true));
    if (!traces.empty()) must(store->add_traces(traces, [](const auto&) -> Result<std::vector<StoredRecord>> { return std::vector<StoredRecord>(); }));
    if (!scores.empty()) must(store->put_scores(scores));
    traces.clear();
    scores.clear();
    return opened;
  }
};

}  // namespace llmops::test
