#include <catch2/catch.hpp>

#include "core/store/check.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;
using test::TestStore;

}  // namespace

TEST_CASE("a run has a number, an id and a time, and ends in a state") {
  TestStore store;
  const RunRecord first = store.begin_run(), second = store.begin_run();
  CHECK(first.number == 1);
  CHECK(second.number == 2);
  CHECK(first.uuid.size() == 36);
  CHECK(first.started_ms == store.clock.now_ms);
  must(store->set_case_count(2, 40));
  store.clock.now_ms += 10;
  auto writer = must(store->run_writer(2));
  must(writer->finish(RunState::kStopped, "budget_usd", R"({"n":1})"));
  RunRecord run = must(store->find_run("2"));
  CHECK(run.state == RunState::kStopped);
  CHECK(run.stop_reason == "budget_usd");
  CHECK(run.summary == R"({"n":1})");
  CHECK(run.finished_ms == store.clock.now_ms);
  CHECK(run.case_count == 40);
  must(store->reopen_run(2, R"({"again":true})"));
  run = must(store->find_run("2"));
  CHECK(run.state == RunState::kRunning);
  CHECK(run.stop_reason.empty());
  CHECK(run.summary.empty());
  CHECK_FALSE(run.finished_ms);
  CHECK(run.settings == R"({"again":true})");
  must(store->reopen_run(2, ""));
  CHECK(must(store->find_run("2")).settings == R"({"again":true})");
}

TEST_CASE("no run is of a version that is not stored") {
  TestStore store;
  RunRecord run;
  run.vid = std::string(64, 'a');
  const auto begun = store->begin_run(run);
  REQUIRE_FALSE(begun);
  CHECK(begun.error().code == ErrorCode::kNotFound);
  CHECK(begun.error().message == "no version 'aaaaaaaaaaaa' to run");
}

TEST_CASE("runs are found by number, by id, and counted from the last") {
  TestStore store;
  const auto none = store->find_run("last");
  REQUIRE_FALSE(none);
  CHECK(none.error().message == "no run 'last'");
  CHECK(none.error().hint == "make one with `llmops eval run`");
  std::vector<RunRecord> made;
  for (int i = 0; i < 7; ++i) {
    store.clock.now_ms += 1;
    made.push_back(store.begin_run());
  }
  CHECK(must(store->find_run("3")).uuid == made[2].uuid);
  CHECK(must(store->find_run(made[4].uuid)).number == 5);
  CHECK(must(store->find_run(made[4].uuid.substr(0, 23))).number == 5);
  CHECK(must(store->find_run("last")).number == 7);
  CHECK(must(store->find_run("last-1")).number == 6);
  CHECK(must(store->find_run("last-6")).number == 1);
  for (const std::string reference : {"8", "0", "last-7", "last-x", "abc", "zzzzzzzzzz", "-1", ""}) {
    const auto found = store->find_run(reference);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::kNotFound);
    CHECK(found.error().message == "no run '" + reference + "'");
    CHECK(found.error().hint == "choose one of the newest: 7, 6, 5, 4, 3");
  }
  const auto ambiguous = store->find_run(made[0].uuid.substr(0, 8));  // the time's first digits are the same
  REQUIRE_FALSE(ambiguous);
  CHECK(ambiguous.error().code == ErrorCode::kUsage);
  CHECK(ambiguous.error().message == "run '" + made[0].uuid.substr(0, 8) + "' is ambiguous");
  CHECK(ambiguous.error().hint == "write more of it, or the number: 7, 6");
  const auto newest = must(store->runs(2));
  REQUIRE(newest.size() == 2);
  CHECK(newest[0].number == 7);
  CHECK(must(store->runs(0)).size() == 7);
}

TEST_CASE("a baseline is the newest finished run of a version with a suite") {
  TestStore store;
  std::string vid;
  for (int i = 0; i < 3; ++i) vid = store.begin_run().vid;
  CHECK_FALSE(must(store->newest_finished_run(vid, "suite-1")));
  must(must(store->run_writer(1))->finish(RunState::kFinished, "", "{}"));
  must(must(store->run_writer(2))->finish(RunState::kFinished, "", "{}"));
  must(must(store->run_writer(3))->finish(RunState::kStopped, "interrupted", "{}"));
  CHECK(must(store->newest_finished_run(vid, "suite-1"))->number == 2);
  CHECK_FALSE(must(store->newest_finished_run(vid, "suite-2")));
}

TEST_CASE("runs that do not exist are refused everywhere") {
  TestStore store;
  CHECK_FALSE(store->run_writer(9));
  CHECK_FALSE(store->reopen_run(9, ""));
  CHECK_FALSE(store->set_case_count(9, 1));
  CHECK_FALSE(store->finished_cases(9));
  const Status status = store->visit_cases(9, {}, [](const CaseRecord&) { return true; });
  REQUIRE_FALSE(status);
  CHECK(status.error().message == "no run '9'");
}

TEST_CASE("two writers number their runs apart") {
  TestStore store;
  auto other = must(Store::open(store.options()));
  const std::string vid = store.begin_run().vid;
  RunRecord run;
  run.vid = vid;
  CHECK(must(other->begin_run(run)).number == 2);
  CHECK(must(store->begin_run(run)).number == 3);
  CHECK(must(other->find_run("last")).number == 3);
}

}  // namespace llmops
