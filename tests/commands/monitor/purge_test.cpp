// `monitor purge`: which traces match, what is removed, and that nothing of it is left in the store's files.
#include "commands/monitor/purge.h"

#include <fstream>

#include "commands/monitor/ingest.h"
#include "tests/commands/project_fixture.h"

namespace llmops {
namespace {

using test::must;

// Six requests; the clock stands at 2026-11-22T08:00:00Z.
const std::string kLines = R"({"trace": "a-1", "id": "r", "name": "bot", "start": "2026-11-20T08:00:00Z", "end": "2026-11-20T08:00:01Z", "user": "ann", "session": "s-1", "service": "shop", "input": "Where is my CARD?", "output": "on its way"}
{"trace": "a-1", "id": "m", "parent": "r", "name": "answer", "model": "m", "start": "2026-11-20T08:00:00Z", "end": "2026-11-20T08:00:01Z", "messages": [{"role": "user", "content": "write to Ann@Example.com"}]}
{"trace": "b-2", "id": "r", "name": "bot", "start": "2026-11-10T08:00:00Z", "end": "2026-11-10T08:00:01Z", "user": "joanna", "session": "s-2", "service": "shop", "input": {"question": "Stra\u00dfe 4"}, "output": "card is blocked"}
{"trace": "c-3", "id": "r", "name": "bot", "start": "2026-10-01T08:00:00Z", "end": "2026-10-01T08:00:01Z", "user": "ann", "session": "s-3", "service": "desk", "input": "hello", "error": {"type": "timeout", "message": "no reply to Zanzibar"}}
{"trace": "d-4", "id": "r", "name": "bot", "start": "2026-08-01T08:00:00Z", "end": "2026-08-01T08:00:01Z", "service": "desk", "input": "old", "region": "north"}
{"trace": "e-5", "id": "r", "name": "bot", "input": "no time at all"}
{"trace": "f-6", "id": "r", "name": "bot", "start": "2026-11-21T08:00:00Z", "end": "2026-11-21T08:00:01Z", "input": "new", "output": "100%"}
)";

Session with_six(test::ProjectFolder& project) {
  project.write("spans.jsonl", kLines);
  Session session = project.session();
  MonitorIngestOptions options;
  options.sources = {"spans.jsonl"};
  must(monitor_ingest(session, options));
  must(must(session.store(false))->put_scores({{"f-6", "", "note", "\"Rude answer\""}, {"a-1", "r", "stars", "5"}}));
  return session;
}

std::string names_of(Session& session, const std::vector<int64_t>& numbers) {
  Store* store = must(session.store(false));
  std::vector<std::string> found;
  for (const auto& [number, id] : must(store->find_traces("", 1000))) if (std::find(numbers.begin(), numbers.end(), number) != numbers.end()) found.push_back(id);
  std::sort(found.begin(), found.end());
  std::string text;
  for (const std::string& id : found) text += (text.empty() ? "" : " ") + id;
  return text;
}

std::string matched(Session& session, const MonitorPurgeOptions& options) { return names_of(session, must(plan_monitor_purge(session, options)).traces); }

std::string files_with(const fs::path& folder, const std::string& text) {
  std::string found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    if (bytes.find(text) != std::string::npos) found += entry.path().filename().string() + " ";
  }
  return found;
}

}  // namespace

TEST_CASE("a text is looked for in all that a trace says, an identifier must be the whole of it") {
  test::ProjectFolder project;
  auto session = with_six(project);
  CHECK(matched(session, {"card", "", "", ""}) == "a-1 b-2");
  CHECK(matched(session, {"ann@example.COM", "", "", ""}) == "a-1");
  CHECK(matched(session, {"STRASSE", "", "", ""}) == "b-2");
  CHECK(matched(session, {"zanzibar", "", "", ""}) == "c-3");
  CHECK(matched(session, {"rude", "", "", ""}) == "f-6");
  // The user ann, not joanna; the address holds the name as a text.
  CHECK(matched(session, {"ann", "user", "", ""}) == "a-1 c-3");
  CHECK(matched(session, {"ANN", "user", "", ""}).empty());
  CHECK(matched(session, {"ann", "text", "", ""}) == "a-1");
  CHECK(matched(session, {"s-2", "", "", ""}) == "b-2");
  CHECK(matched(session, {"s-2", "session", "", ""}) == "b-2");
  CHECK(matched(session, {"s-2", "id", "", ""}).empty());
  CHECK(matched(session, {"a-1", "id", "", ""}) == "a-1");
  CHECK(matched(session, {"desk", "service", "", ""}) == "c-3 d-4");
  CHECK(matched(session, {"desk", "", "", ""}).empty());
  CHECK(matched(session, {"card?", "", "", ""}) == "a-1");
  CHECK(matched(session, {"100%", "", "", ""}) == "f-6");
}

TEST_CASE("a pattern with a star fits the whole") {
  test::ProjectFolder project;
  auto session = with_six(project);
  CHECK(matched(session, {"*card*", "text", "", ""}) == "a-1 b-2");
  CHECK(matched(session, {"card*", "text", "", ""}) == "b-2");
  CHECK(matched(session, {"*card?", "text", "", ""}) == "a-1");
  CHECK(matched(session, {"where*my*", "text", "", ""}) == "a-1");
  CHECK(matched(session, {"where*my*where*", "text", "", ""}).empty());
  CHECK(matched(session, {"*ann*", "user", "", ""}) == "a-1 b-2 c-3");
  CHECK(matched(session, {"?-*", "id", "", ""}).empty());
  CHECK(matched(session, {"s-*", "session", "", ""}) == "a-1 b-2 c-3");
  CHECK(matched(session, {"hel*lo", "text", "", ""}) == "c-3");
  CHECK(matched(session, {"hell*llo", "text", "", ""}).empty());
  CHECK(matched(session, {"*", "id", "", ""}) == "a-1 b-2 c-3 d-4 e-5 f-6");
}

TEST_CASE("age is against the clock of the session, and a trace without a time has none") {
  test::ProjectFolder project;
  auto session = with_six(project);
  CHECK(matched(session, {"", "", "", "30d"}) == "c-3 d-4");
  CHECK(matched(session, {"", "", "2026-10-01", ""}) == "d-4");
  CHECK(matched(session, {"", "", "2026-10-01T08:00:01Z", ""}) == "c-3 d-4");
  CHECK(matched(session, {"", "", "2027-01-01", ""}) == "a-1 b-2 c-3 d-4 f-6");
  CHECK(matched(session, {"ann", "user", "", "30d"}) == "c-3");
  const auto plan = must(plan_monitor_purge(session, {"", "", "2027-01-01", ""}));
  CHECK((plan.looked_at == 6 && plan.examples.size() == 3 && plan.examples[0].id == "d-4" && plan.examples[0].text == "old" && plan.examples[0].start_ms == 1'785'571'200'000));
  CHECK((plan.counts.traces == 5 && plan.counts.spans == 6 && plan.counts.scores == 2));
}

TEST_CASE("what says nothing, or too much, is refused") {
  test::ProjectFolder project;
  auto session = project.session();
  const auto refused = [&](const MonitorPurgeOptions& options) {
    const auto plan = plan_monitor_purge(session, options);
    REQUIRE_FALSE(plan);
    return plan.error().message + " -> " + plan.error().hint;
  };
  CHECK(refused({}) == "nothing says which traces to forget -> give a text that they hold, --before 2026-01-01 or --older-than 90d");
  CHECK(refused({"x", "usr", "", ""}) == "'usr' is no field of traces -> did you mean 'user'?");
  CHECK(refused({"", "user", "", "90d"}) == "--field user has nothing to hold against it -> give a pattern, or leave out --field");
  CHECK(refused({"", "", "2026-01-01", "90d"}) == "--before and --older-than both say how old -> give one of them");
  CHECK(refused({"", "", "soon", ""}) == "'soon' is no moment -> write 2026-11-21 or 2026-11-21T14:00:00Z");
  CHECK(plan_monitor_purge(session, {"x", "", "", ""}).error().code == ErrorCode::kNotFound);
  // A line of a usage error is told before a store is looked for.
  CHECK(plan_monitor_purge(session, {}).error().code == ErrorCode::kUsage);
}

TEST_CASE("what was purged is in no file of the store, and the rest is as it was") {
  test::ProjectFolder project;
  auto session = with_six(project);
  const fs::path folder = project.root() / ".llmops";
  REQUIRE_FALSE(files_with(folder, "Example.com").empty());
  const auto plan = must(plan_monitor_purge(session, {"ann", "user", "", ""}));
  const auto report = must(monitor_purge(session, plan));
  CHECK((report.removed.traces == 2 && report.removed.spans == 3 && report.removed.scores == 1 && report.is_erased && report.reason.empty() && report.backups.empty()));
  for (const char* text : {"Example.com", "Where is my CARD", "on its way", "Zanzibar", "\"ann\""}) CHECK(files_with(folder, text).empty());
  CHECK_FALSE(files_with(folder, "card is blocked").empty());
  CHECK(matched(session, {"*", "id", "", ""}) == "b-2 d-4 e-5 f-6");
  CHECK(matched(session, {"ann", "user", "", ""}).empty());
  // Nothing matches: nothing is done.
  CHECK(must(monitor_purge(session, must(plan_monitor_purge(session, {"ann", "user", "", ""})))).removed.traces == 0);
}

TEST_CASE("a purge that cannot be written removes nothing, and one that cannot be rewritten says what is left") {
  test::ProjectFolder project;
  auto session = with_six(project);
  const auto plan = must(plan_monitor_purge(session, {"card", "", "", ""}));
  {
    const test::Failpoints failing("traces.remove:enospc");
    const auto failed = monitor_purge(session, plan);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  CHECK(must(must(session.store(false))->count_held(plan.traces)).spans == 3);
  {
    const test::Failpoints failing("db.before_vacuum:enospc");
    const auto report = must(monitor_purge(session, plan));
    CHECK((report.removed.traces == 2 && !report.is_erased));
    CHECK(report.reason.ends_with(": the disk is full"));
  }
  // The next one, which matches nothing, makes up for it.
  const auto next = must(plan_monitor_purge(session, {"card", "", "", ""}));
  CHECK(next.traces.empty());
  const auto report = must(monitor_purge(session, next));
  CHECK((report.removed.traces == 0 && report.is_erased && report.reason.empty()));
  CHECK_FALSE(must(monitor_purge(session, next)).is_erased);
}

TEST_CASE("copies of before an upgrade are named") {
  test::ProjectFolder project;
  auto session = with_six(project);
  project.write(".llmops/backup/pre-v4.sqlite", "a copy");
  const auto report = must(monitor_purge(session, must(plan_monitor_purge(session, {"card", "", "", ""}))));
  REQUIRE(report.backups.size() == 1);
  CHECK(report.backups[0].filename() == "pre-v4.sqlite");
}

TEST_CASE("a span that cannot be read is held against the text as it is") {
  test::ProjectFolder project;
  Session session = project.session();
  Store* store = must(session.store(true));
  must(store->add_traces({{"cut", "", 1, {{"cut", "1", "", 1, "{\"input\": \"Zanz"}}, {}}}, [](const auto&) -> Result<std::vector<StoredRecord>> { return std::vector<StoredRecord>(); }));
  CHECK(matched(session, {"zanz", "", "", ""}) == "cut");
  CHECK(matched(session, {"zanz", "user", "", ""}).empty());
}

TEST_CASE("an interrupted search removes nothing") {
  test::ProjectFolder project;
  auto session = with_six(project);
  project.cancel.cancel();
  const auto plan = plan_monitor_purge(session, {"card", "", "", ""});
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == ErrorCode::kInterrupted);
}

}  // namespace llmops
