// `monitor status` and the retention that `monitor ingest` keeps.
#include "commands/monitor/status.h"

#include "commands/monitor/ingest.h"
#include "core/store/database.h"
#include "tests/commands/project_fixture.h"

namespace llmops {
namespace {

using test::must;

MonitorIngestReport ingest(Session& session, const std::string& source, bool dry_run = false) {
  MonitorIngestOptions options;
  options.sources = {source};
  options.dry_run = dry_run;
  return must(monitor_ingest(session, options));
}

std::string line(const std::string& trace, const std::string& id, const std::string& start, const std::string& more = "") {
  return "{\"trace\": \"" + trace + "\", \"id\": \"" + id + "\", \"name\": \"bot\"" + (start.empty() ? "" : ", \"start\": \"" + start + "\", \"end\": \"" + start + "\"") + (more.empty() ? "" : ", " + more) + "}\n";
}

std::string stored(Session& session) {
  std::string text;
  for (const auto& [number, id] : must(must(session.store(false))->find_traces("", 1000))) text += (text.empty() ? "" : " ") + id;
  return text;
}

}  // namespace

TEST_CASE("without a store nothing is stored, which is no error") {
  test::ProjectFolder project;
  project.write("llmops.yaml", "llmops: project/v1\nmonitor: {retention: 90d}\n");
  auto session = project.session();
  const auto report = must(monitor_status(session));
  CHECK((!report.has_store && report.totals.traces == 0 && report.retention_ms == 90LL * 24 * 3'600'000 && report.past_retention == 0));
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
}

TEST_CASE("status counts what is stored and what is past the retention") {
  test::ProjectFolder project;
  project.write("spans.jsonl", line("a", "1", "2026-11-20T08:00:00Z", "\"service\": \"shop\", \"input\": \"q\", \"session\": \"s\"") + line("a", "2", "2026-11-20T08:00:00Z", "\"parent\": \"1\", \"kind\": \"tool\", \"step\": \"find\"") + line("old", "1", "2026-01-01T08:00:00Z", "\"input\": \"q\"") + line("untimed", "1", ""));
  auto session = project.session();
  ingest(session, "spans.jsonl");
  auto report = must(monitor_status(session));
  CHECK((report.has_store && report.totals.traces == 3 && report.totals.spans == 4 && report.totals.requests == 3 && report.totals.records == 4 && report.totals.without_time == 1));
  CHECK((report.totals.first_ms == 1'767'254'400'000 && report.totals.last_ms == 1'795'161'600'000 && !report.retention_ms));
  CHECK(report.totals.told[0] == std::pair<std::string, int64_t>("input", 2));
  CHECK(report.totals.components == std::vector<std::pair<std::string, int64_t>>{{"find", 1}});
  project.write("llmops.yaml", "llmops: project/v1\nmonitor: {retention: 90d}\n");
  auto again = project.session();
  report = must(monitor_status(again));
  CHECK(report.past_retention == 1);
  CHECK(stored(again) == "a old untimed");
}

TEST_CASE("records that an earlier release did not make are made by status, and by ingest") {
  test::ProjectFolder project;
  project.write("spans.jsonl", line("a", "1", "2026-11-20T08:00:00Z", "\"input\": \"q1\"") + line("b", "1", "2026-11-20T09:00:00Z", "\"input\": \"q2\""));
  const auto empty_records = [&] {
    Connection connection = must(Connection::open(project.root() / ".llmops/db.sqlite", Connection::Mode::kReadWrite));
    must(connection.execute("DELETE FROM record"));
  };
  const auto inputs = [](Session& session) {
    std::string text;
    must(must(session.store(false))->visit_records({}, [&](const StoredRecord& one) {
      text += *one.input + " of " + one.trace + " ";
      return true;
    }));
    return text;
  };
  {
    auto session = project.session();
    CHECK(ingest(session, "spans.jsonl").records_made == 0);
  }
  empty_records();
  {
    auto session = project.session();
    CHECK(inputs(session).empty());
    const auto report = must(monitor_status(session));
    CHECK((report.records_made == 2 && report.totals.without_records == 0 && report.totals.requests == 2));
    CHECK(inputs(session) == "q1 of a q2 of b ");
    CHECK(must(monitor_status(session)).records_made == 0);
  }
  empty_records();
  {
    auto session = project.session();
    CHECK(ingest(session, "spans.jsonl").records_made == 2);
    CHECK(inputs(session) == "q1 of a q2 of b ");
  }
  empty_records();
  auto session = project.session();
  const test::Failpoints failing("traces.batch:enospc");
  const auto report = must(monitor_status(session));
  CHECK((report.records_made == 0 && report.totals.without_records == 2));
}

TEST_CASE("ingest removes what has grown older than the retention, and stores nothing that is") {
  test::ProjectFolder project;
  // The clock stands at 2026-11-22T08:00:00Z: 30 days before is 2026-10-23T08:00:00Z.
  project.write("first.jsonl", line("old", "1", "2026-10-01T08:00:00Z") + line("edge", "1", "2026-10-23T08:10:00Z") + line("new", "1", "2026-11-20T08:00:00Z") + line("untimed", "1", "") + line("future", "1", "2030-01-01T00:00:00Z"));
  {
    auto session = project.session();
    const auto report = ingest(session, "first.jsonl");
    CHECK((report.expired == 0 && report.sources[0].expired == 0 && !report.retention_ms && report.traces == 5));
  }
  project.write("llmops.yaml", "llmops: project/v1\nmonitor: {retention: 30d}\n");
  auto session = project.session();
  project.write("second.jsonl", line("too old", "1", "2026-10-02T08:00:00Z") + line("too old", "2", "2026-11-02T08:00:00Z") + line("fresh", "1", "2026-11-21T08:00:00Z"));
  const auto dry = ingest(session, "second.jsonl", true);
  CHECK((dry.expired == 0 && dry.sources[0].expired == 2));
  CHECK(stored(session) == "edge future new old untimed");
  const auto report = ingest(session, "second.jsonl");
  // A trace goes as a whole, by where it began.
  CHECK((report.expired == 1 && report.sources[0].expired == 2 && report.sources[0].added == 1 && report.traces == 5));
  CHECK(stored(session) == "edge fresh future new untimed");
  // Once more: nothing is left to expire, and what is too old still does not come in.
  const auto again = ingest(session, "second.jsonl");
  CHECK((again.expired == 0 && again.sources[0].expired == 2 && again.sources[0].known == 1));
}

TEST_CASE("a retention that cannot be kept is an error, and what came is stored all the same") {
  test::ProjectFolder project;
  project.write("first.jsonl", line("old", "1", "2026-10-01T08:00:00Z"));
  {
    auto session = project.session();
    ingest(session, "first.jsonl");
  }
  project.write("llmops.yaml", "llmops: project/v1\nmonitor: {retention: 30d}\n");
  project.write("second.jsonl", line("fresh", "1", "2026-11-21T08:00:00Z"));
  auto session = project.session();
  MonitorIngestOptions options;
  options.sources = {"second.jsonl"};
  {
    const test::Failpoints failing("traces.remove:enospc");
    CHECK(monitor_ingest(session, options).error().code == ErrorCode::kIo);
  }
  CHECK(stored(session) == "fresh old");
  CHECK(must(monitor_ingest(session, options)).expired == 1);
  CHECK(stored(session) == "fresh");
}

TEST_CASE("a trace of which one span tells no time begins where another one says") {
  test::ProjectFolder project;
  project.write("llmops.yaml", "llmops: project/v1\nmonitor: {retention: 30d}\n");
  project.write("mixed.jsonl", line("mixed", "1", "") + line("mixed", "2", "2026-10-01T08:00:00Z"));
  auto session = project.session();
  CHECK(ingest(session, "mixed.jsonl").sources[0].expired == 2);
}

}  // namespace llmops
