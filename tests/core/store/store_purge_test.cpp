// Traces are found, counted and forgotten; what was forgotten is in no file of the database.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <random>

#include "core/base/failpoint.h"
#include "core/store/database.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;
using test::TestStore;

StoredTrace trace(const std::string& id, int64_t start_ms, const std::string& body = "{}", const std::string& service = "shop") {
  StoredTrace made{id, service, start_ms, {{id, "s-" + id, service, start_ms, body}}, {}};
  StoredRecord request;
  request.span = "s-" + id;
  if (start_ms > 0) request.start_ms = start_ms;
  request.input = body;
  StoredRecord call = request;
  call.component = "find";
  call.session = "session";
  made.records = {request, call};
  return made;
}

Result<std::vector<StoredRecord>> no_records(const std::vector<std::string>&) { return std::vector<StoredRecord>(); }
Result<std::vector<StoredRecord>> made_anew(const std::vector<std::string>& bodies) {
  StoredRecord record;
  record.span = "made";
  record.input = "of " + std::to_string(bodies.size());
  return std::vector<StoredRecord>{record};
}

std::vector<int64_t> numbers_of(TestStore& store, const std::string& prefix) {
  std::vector<int64_t> numbers;
  for (const auto& [number, id] : must(store->find_traces(prefix, 1'000'000))) numbers.push_back(number);
  return numbers;
}

std::string names(const std::vector<std::pair<int64_t, std::string>>& found) {
  std::string text;
  for (const auto& [number, id] : found) text += (text.empty() ? "" : " ") + id;
  return text;
}

std::string counts(const Store::PurgeCounts& one) { return std::to_string(one.traces) + " " + std::to_string(one.spans) + " " + std::to_string(one.records) + " " + std::to_string(one.scores); }

int64_t records_in(TestStore& store) {
  int64_t count = 0;
  for (const char* component : {"", "find"}) {
    Store::RecordFilter filter;
    filter.component = component;
    must(store->visit_records(filter, [&](const StoredRecord&) { return ++count > 0; }));
  }
  return count;
}

// Files below .llmops whose bytes hold the text.
std::string holders(TestStore& store, const std::string& text) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store.path(""))) {
    if (!entry.is_regular_file()) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    if (bytes.find(text) != std::string::npos) found.push_back(entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  std::string joined;
  for (const std::string& name : found) joined += (joined.empty() ? "" : " ") + name;
  return joined;
}

}  // namespace

TEST_CASE("traces are found by how they begin, and by a span that they hold") {
  TestStore store;
  must(store->add_traces({trace("ab2", 2), trace("ab1", 1), trace("abc", 3), trace("b", 4), trace("%", 5)}, no_records));
  CHECK(names(must(store->find_traces("ab", 10))) == "ab1 ab2 abc");
  CHECK(names(must(store->find_traces("ab", 2))) == "ab1 ab2");
  CHECK(names(must(store->find_traces("", 10))) == "% ab1 ab2 abc b");
  CHECK(names(must(store->find_traces("%", 10))) == "%");
  CHECK(names(must(store->find_traces("abcd", 10))).empty());
  StoredTrace other = trace("other", 9);
  other.spans[0].span = "s-b";
  must(store->add_traces({other}, no_records));
  CHECK(names(must(store->traces_of_span("s-b", 10))) == "b other");
  CHECK(names(must(store->traces_of_span("s-b", 1))) == "b");
  CHECK(names(must(store->traces_of_span("s-", 10))).empty());
}

TEST_CASE("traces before a time come by their start, and one without a time is before none") {
  TestStore store;
  must(store->add_traces({trace("late", 30), trace("none", 0), trace("early", 10)}, no_records));
  CHECK(must(store->traces_before(30)) == numbers_of(store, "early"));
  CHECK(must(store->traces_before(31)).size() == 2);
  CHECK(must(store->traces_before(31))[0] == numbers_of(store, "early")[0]);
  // A span that tells a time later gives it to the trace, and one that tells none does not take it away.
  StoredTrace later = trace("none", 5);
  later.spans[0].span = "second";
  must(store->add_traces({later}, made_anew));
  CHECK(must(store->traces_before(6)) == numbers_of(store, "none"));
  later = trace("early", 0);
  later.spans[0].span = "third";
  must(store->add_traces({later}, made_anew));
  CHECK(must(store->traces_before(11)).size() == 2);
}

TEST_CASE("scores are read of one trace or of all, and the reading may stop") {
  TestStore store;
  must(store->put_scores({{"u", "", "thumb", "1"}, {"t", "s", "thumb", "0"}, {"t", "", "stars", "4"}}));
  const auto shown = [&](const std::string& of, int most = 100) {
    std::string text;
    must(store->visit_scores(of, [&](const StoredScore& one) {
      text += (text.empty() ? "" : " ") + one.trace + "/" + one.span + "/" + one.name + "=" + one.value;
      return --most > 0;
    }));
    return text;
  };
  CHECK(shown("") == "t//stars=4 t/s/thumb=0 u//thumb=1");
  CHECK(shown("t") == "t//stars=4 t/s/thumb=0");
  CHECK(shown("", 1) == "t//stars=4");
  CHECK(shown("v").empty());
}

TEST_CASE("a trace goes with its spans, records and scores, and nothing else goes") {
  TestStore store;
  must(store->add_traces({trace("a", 1), trace("b", 2), trace("c", 3)}, no_records));
  must(store->put_scores({{"a", "", "thumb", "1"}, {"a", "s-a", "thumb", "1"}, {"b", "", "thumb", "0"}, {"not stored", "", "thumb", "0"}}));
  must(store->put_profiles({{"s", "", 0, "{}", 3, "kept"}}));
  std::vector<int64_t> both = numbers_of(store, "a");
  both.push_back(numbers_of(store, "c")[0]);
  CHECK(counts(must(store->count_held(both))) == "2 2 4 2");
  CHECK(records_in(store) == 6);
  CHECK(counts(must(store->remove_traces(both))) == "2 2 4 2");
  CHECK(names(must(store->find_traces("", 10))) == "b");
  CHECK(records_in(store) == 2);
  CHECK(counts(must(store->count_held(both))) == "0 0 0 0");
  CHECK(counts(must(store->remove_traces(both))) == "0 0 0 0");
  CHECK(counts(must(store->remove_traces({}))) == "0 0 0 0");
  CHECK(must(store->wants_vacuum()));
  CHECK(must(store->vacuum()));
  CHECK(counts(must(store->remove_traces(both))) == "0 0 0 0");
  CHECK_FALSE(must(store->wants_vacuum()));
  CHECK(counts(must(store->count_held(numbers_of(store, "b")))) == "1 1 2 1");
  int profiles = 0;
  must(store->visit_profiles({"s", "", {}, {}}, [&](const StoredProfile&) { return ++profiles > 0; }));
  CHECK(profiles == 1);
}

TEST_CASE("traces that cannot be removed are all there, whole") {
  TestStore store;
  must(store->add_traces({trace("a", 1), trace("b", 2)}, no_records));
  must(store->put_scores({{"a", "", "thumb", "1"}}));
  for (const char* point : {"traces.remove:enospc", "db.before_commit:eio"}) {
    const test::Failpoints failing(point);
    const auto failed = store->remove_traces(numbers_of(store, ""));
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  store.open();
  CHECK(counts(must(store->count_held(numbers_of(store, "")))) == "2 2 4 1");
}

TEST_CASE("what was removed is in no file of the store once the database is rewritten") {
  TestStore store;
  // Bodies from a few bytes to several pages, added out of order and added to later: pages split, cells move, records are made again.
  const std::string secret = "Zanzibar4711";
  std::vector<StoredTrace> traces;
  for (int i = 0; i < 600; ++i) {
    const int at = (i * 7919) % 600;
    const std::string text = (at % 3 == 0 ? secret : std::string("plain")) + std::string(static_cast<size_t>((at * 97) % 20'000), 'x') + (at % 3 == 0 ? secret : std::string("end"));
    traces.push_back(trace((at % 3 == 0 ? "drop" : "keep") + std::to_string(at), 1000 + at, "{\"t\":\"" + text + "\"}"));
    if (traces.size() == 50) {
      must(store->add_traces(traces, no_records));
      traces.clear();
    }
  }
  for (int at = 0; at < 600; at += 3) {
    StoredTrace more = trace("drop" + std::to_string(at), 1000, "{\"t\":\"" + secret + " again\"}");
    more.spans[0].span = "0" + std::to_string(at);
    must(store->add_traces({more}, made_anew));
    must(store->put_scores({{"drop" + std::to_string(at), "", "comment", "\"" + secret + "\""}}));
  }
  REQUIRE(holders(store, secret).find("db.sqlite") != std::string::npos);
  const int64_t kept = std::ssize(must(store->find_traces("keep", 1000)));
  CHECK(must(store->remove_traces(numbers_of(store, "drop"))).traces == 200);
  CHECK(must(store->wants_vacuum()));
  CHECK(must(store->vacuum()));
  CHECK_FALSE(must(store->wants_vacuum()));
  CHECK(holders(store, secret).empty());
  CHECK(std::ssize(must(store->find_traces("", 1000))) == kept);
  CHECK(must(store->vacuum()));
  store.open();
  CHECK(std::ssize(must(store->find_traces("", 1000))) == kept);
  CHECK(holders(store, secret).empty());
  // The file is as private as before, and as the store wants it.
  struct stat info {};
  REQUIRE(stat(store.path("db.sqlite").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  Connection connection = must(Connection::open(store.path("db.sqlite"), Connection::Mode::kReadOnly));
  CHECK(must(connection.text("PRAGMA journal_mode")) == "wal");
  CHECK(must(connection.integer("PRAGMA page_size")) == 8192);
}

// Deleting alone, each row overwritten, leaves some of these behind.
TEST_CASE("what pages kept of rows that moved is gone as well") {
  TestStore store;
  const std::string secret = "Zanzibar4711";
  std::mt19937 random(3);
  const auto records_of = [&](const std::vector<std::string>& bodies) -> Result<std::vector<StoredRecord>> {
    std::vector<StoredRecord> made;
    for (size_t i = 0; i < bodies.size(); ++i) {
      if (!bodies[i].starts_with(secret)) continue;
      made.emplace_back().span = std::to_string(i);
      made.back().input = bodies[i];
    }
    return made;
  };
  for (int round = 0; round < 12; ++round) {
    std::vector<StoredTrace> traces;
    for (int i = 0; i < 300; ++i) {
      const uint32_t number = random() % 500;
      const std::string body = (number % 2 == 1 ? secret : std::string("{}")) + std::string(300 + random() % 50, 'x');
      traces.push_back({(number % 2 == 1 ? "drop" : "keep") + std::to_string(number), "", 5, {{"", std::to_string(random()), "", 5, body}}, must(records_of({body}))});
    }
    must(store->add_traces(traces, records_of));
  }
  must(store->remove_traces(numbers_of(store, "drop")));
  CHECK(must(store->vacuum()));
  CHECK(holders(store, secret).empty());
  CHECK(must(store->find_traces("keep", 1000)).size() > 200);
}

TEST_CASE("a reader keeps the log from being emptied, and that is said") {
  TestStore store;
  must(store->add_traces({trace("a", 1, "{\"t\":\"Zanzibar\"}")}, no_records));
  must(store->remove_traces(numbers_of(store, "a")));
  {
    Connection reader = must(Connection::open(store.path("db.sqlite"), Connection::Mode::kReadOnly));
    must(reader.execute("BEGIN; SELECT count(*) FROM trace;"));
    CHECK_FALSE(must(store->vacuum()));
    CHECK(must(store->wants_vacuum()));
    CHECK_FALSE(holders(store, "Zanzibar").empty());
  }
  CHECK(must(store->vacuum()));
  CHECK(holders(store, "Zanzibar").empty());
}

TEST_CASE("a database that cannot be rewritten is as it was") {
  TestStore store;
  must(store->add_traces({trace("a", 1), trace("b", 2)}, no_records));
  {
    const test::Failpoints failing("db.before_vacuum:enospc");
    const auto failed = store->vacuum();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  CHECK(names(must(store->find_traces("", 10))) == "a b");
  CHECK(must(store->vacuum()));
}

TEST_CASE("records that an earlier release did not make are made, a batch at a time") {
  TestStore store;
  std::vector<StoredTrace> traces;
  for (int i = 0; i < 600; ++i) traces.push_back(trace("t" + std::to_string(1000 + i), 1 + i));
  must(store->add_traces(traces, no_records));
  CHECK(must(store->make_missing_records(made_anew)) == 0);
  store.store.reset();
  {
    Connection connection = must(Connection::open(store.path("db.sqlite"), Connection::Mode::kReadWrite));
    must(connection.execute("DELETE FROM record WHERE trace > 3"));
  }
  store.open();
  CHECK(must(store->production_totals()).without_records == 597);
  {
    const test::Failpoints failing("traces.batch:enospc@2");
    const auto failed = store->make_missing_records(made_anew);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  CHECK(must(store->production_totals()).without_records == 597 - 256);
  const auto refused = store->make_missing_records([](const auto&) -> Result<std::vector<StoredRecord>> { return Error(ErrorCode::kData, "no"); });
  CHECK(refused.error().message == "no");
  CHECK(must(store->production_totals()).without_records == 597 - 256);
  CHECK(must(store->make_missing_records(made_anew)) == 597 - 256);
  CHECK(must(store->make_missing_records(made_anew)) == 0);
  CHECK(records_in(store) == 3 * 2 + 597);
}

TEST_CASE("totals count what is stored, and what the requests tell") {
  TestStore store;
  const ProductionTotals none = must(store->production_totals());
  CHECK((none.traces == 0 && none.requests == 0 && !none.first_ms && none.services.empty() && none.components.empty() && none.database_bytes > 0));
  StoredTrace hashed = trace("h", 50, "{\"sha256\":\"00\",\"bytes\":4}", "");
  hashed.records[0].vid = "v";
  must(store->add_traces({trace("a", 20), trace("b", 0), hashed}, no_records));
  must(store->put_scores({{"a", "", "thumb", "1"}}));
  must(store->put_profiles({{"s", "", 0, "{}", 3, "x"}}));
  must(store->add_looks({{"m", 0, 1, "{}"}, {"m", 1, 1, "{}"}}));
  const ProductionTotals totals = must(store->production_totals());
  CHECK((totals.traces == 3 && totals.spans == 3 && totals.records == 6 && totals.requests == 3 && totals.scores == 1 && totals.profiles == 1 && totals.looks == 2));
  CHECK((totals.without_time == 1 && totals.without_records == 0 && totals.first_ms == 20 && totals.last_ms == 50));
  using Counted = std::vector<std::pair<std::string, int64_t>>;
  CHECK(totals.services == Counted{{"", 1}, {"shop", 2}});
  CHECK(totals.components == Counted{{"find", 3}});
  CHECK(totals.told == Counted{{"input", 2}, {"output", 0}, {"session", 0}, {"user", 0}, {"route", 0}, {"language", 0}, {"prompt", 0}, {"version", 1}, {"model", 0}, {"latency", 0}, {"tokens", 0}, {"cost", 0}});
}

}  // namespace llmops
