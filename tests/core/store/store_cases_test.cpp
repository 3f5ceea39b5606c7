#include <catch2/catch.hpp>
#include <thread>

#include "core/store/check.h"
#include "core/store/committer.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::cases_of;
using test::make_case;
using test::make_span;
using test::must;
using test::TestStore;

CaseRecord full_case() {
  CaseRecord record = make_case(3, 1);
  record.error_code = "provider";
  record.error_message = "it said no";
  record.error_step = "answer";
  record.cost_usd = 0.25;
  record.input_tokens = 10;
  record.output_tokens = 0;
  record.pass = false;
  SpanRecord span = make_span(0, -1, "answer");
  span.item = 4;
  span.input = R"({"question":"why"})";
  span.prompt = "[]";
  span.model_asked = "gpt";
  span.model_served = "gpt-2026";
  span.input_tokens = 10;
  span.output_tokens = 0;
  span.cost_usd = 0;
  span.start_ms = 1'764'000'000'001;
  span.latency_ms = 12.125;
  span.ttft_ms = 3.5;
  span.retries = 2;
  span.cache = SpanCache::kResponse;
  span.memo_key = std::string("0123456789\0abcde", 16);
  span.attributes = R"({"a":1})";
  SpanRecord skipped = make_span(1, 0, "answer/tool");
  skipped.skipped = true;
  skipped.output.clear();
  skipped.error_code = "timeout";
  skipped.error_message = "late";
  skipped.cache = SpanCache::kMiss;
  record.spans = {span, skipped};
  record.scores = {{"z_metric", 0.5, true, "", R"({"why":1})"}, {"a_metric", std::nullopt, std::nullopt, "no reference", ""}, {"b", 0.0, false, "", ""}};
  return record;
}

void check_same(const CaseRecord& a, const CaseRecord& b) {
  CHECK(std::tie(a.ordinal, a.repeat, a.case_id, a.case_hash, a.row, a.output, a.error_code, a.error_message, a.error_step, a.latency_ms, a.cost_usd, a.input_tokens, a.output_tokens, a.pass) ==
        std::tie(b.ordinal, b.repeat, b.case_id, b.case_hash, b.row, b.output, b.error_code, b.error_message, b.error_step, b.latency_ms, b.cost_usd, b.input_tokens, b.output_tokens, b.pass));
  REQUIRE(a.spans.size() == b.spans.size());
  for (size_t i = 0; i < a.spans.size(); ++i) {
    const SpanRecord &x = a.spans[i], &y = b.spans[i];
    CHECK(std::tie(x.sequence, x.parent, x.step, x.kind, x.name, x.item, x.input, x.prompt, x.output, x.model_asked, x.model_served, x.input_tokens, x.output_tokens, x.cost_usd, x.start_ms) ==
          std::tie(y.sequence, y.parent, y.step, y.kind, y.name, y.item, y.input, y.prompt, y.output, y.model_asked, y.model_served, y.input_tokens, y.output_tokens, y.cost_usd, y.start_ms));
    CHECK(std::tie(x.latency_ms, x.ttft_ms, x.retries, x.skipped, x.error_code, x.error_message, x.cache, x.memo_key, x.attributes) ==
          std::tie(y.latency_ms, y.ttft_ms, y.retries, y.skipped, y.error_code, y.error_message, y.cache, y.memo_key, y.attributes));
  }
  REQUIRE(a.scores.size() == b.scores.size());
  for (size_t i = 0; i < a.scores.size(); ++i) {
    const ScoreRecord &x = a.scores[i], &y = b.scores[i];
    CHECK(std::tie(x.metric, x.value, x.pass, x.error, x.detail) == std::tie(y.metric, y.value, y.pass, y.error, y.detail));
  }
}

}  // namespace

TEST_CASE("a case comes back with every field, absent ones absent") {
  TestStore store;
  const int64_t run = store.begin_run().number;
  auto writer = must(store->run_writer(run));
  must(writer->add(full_case()));
  must(writer->add(make_case(0)));
  must(writer->flush());
  Store::CaseFilter filter;
  filter.with_spans = true;
  const auto cases = cases_of(*store.store, run, filter);
  REQUIRE(cases.size() == 2);
  check_same(cases[0], make_case(0));
  check_same(cases[1], full_case());
  filter = {};
  filter.with_bodies = filter.with_scores = false;
  const auto bare = cases_of(*store.store, run, filter);
  CHECK(bare[1].row.empty());
  CHECK(bare[1].output.empty());
  CHECK(bare[1].scores.empty());
  CHECK(bare[1].spans.empty());
  CHECK(bare[1].case_id == "case-3");
}

TEST_CASE("cases are filtered and come in order") {
  TestStore store;
  const int64_t run = store.begin_run().number, other = store.begin_run().number;
  auto writer = must(store->run_writer(run));
  for (const int64_t ordinal : {4, 2, 0, 3, 1}) {
    for (const int repeat : {1, 0}) {
      CaseRecord record = make_case(ordinal, repeat);
      record.pass = ordinal != 2;
      if (ordinal == 3) {
        record.pass.reset();
        record.error_code = "timeout";
      }
      record.spans = {make_span(0, -1, "find"), make_span(1, -1, "answer")};
      must(writer->add(record));
    }
  }
  must(must(store->run_writer(other))->add(make_case(9)));
  must(writer->flush());
  std::vector<std::pair<int64_t, int>> order;
  must(store->visit_cases(run, {}, [&order](const CaseRecord& record) { return order.emplace_back(record.ordinal, record.repeat), order.size() < 9; }));
  CHECK(order == std::vector<std::pair<int64_t, int>>{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {3, 0}, {3, 1}, {4, 0}});
  const auto ordinals = [&](const Store::CaseFilter& filter) {
    std::vector<int64_t> found;
    for (const CaseRecord& record : cases_of(*store.store, run, filter)) found.push_back(record.ordinal);
    return found;
  };
  Store::CaseFilter filter;
  filter.case_id = "case-1";
  CHECK(ordinals(filter) == std::vector<int64_t>{1, 1});
  filter = {};
  filter.failed_only = true;
  CHECK(ordinals(filter) == std::vector<int64_t>{2, 2});
  filter.errors_only = true;
  CHECK(ordinals(filter) == std::vector<int64_t>{2, 2, 3, 3});
  filter.failed_only = false;
  CHECK(ordinals(filter) == std::vector<int64_t>{3, 3});
  filter = {};
  filter.with_spans = true;
  filter.step = "answer";
  const auto spans = cases_of(*store.store, run, filter).front().spans;
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].sequence == 1);
  const auto finished = must(store->finished_cases(run));
  CHECK(finished.size() == 8);
  CHECK(std::find(finished.begin(), finished.end(), std::pair<int64_t, int>(3, 0)) == finished.end());
}

TEST_CASE("a case that is written again replaces the earlier one whole") {
  TestStore store;
  const int64_t run = store.begin_run().number;
  auto writer = must(store->run_writer(run));
  CaseRecord record = make_case(5);
  record.error_code = "timeout";
  record.spans = {make_span(0, -1, "a"), make_span(1, 0, "a/x"), make_span(2, -1, "b")};
  record.spans[0].memo_key = std::string(16, 'k');
  record.scores = {{"m", 1.0, true, "", ""}, {"n", 1.0, true, "", ""}};
  must(writer->add(record));
  must(writer->flush());
  CHECK(must(store->find_step(std::string(16, 'k'))).size() == 2);
  CaseRecord again = make_case(5);
  again.spans = {make_span(0, -1, "c")};
  again.scores = {{"m", 0.0, false, "", ""}};
  must(writer->add(make_case(6)));
  must(writer->add(again));
  must(writer->flush());
  Store::CaseFilter filter;
  filter.with_spans = true;
  const auto cases = cases_of(*store.store, run, filter);
  REQUIRE(cases.size() == 2);
  check_same(cases[0], again);
  CHECK(must(store->find_step(std::string(16, 'k'))).empty());
  CHECK(must(store->finished_cases(run)).size() == 2);
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("a case becomes durable within a second without being asked") {
  TestStore store;
  const int64_t run = store.begin_run().number;
  auto writer = must(store->run_writer(run));
  must(writer->add(make_case(0)));
  auto other = must(Store::open(store.options()));
  bool seen = false;
  for (int i = 0; i < 100 && !seen; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    seen = !cases_of(*other, run).empty();
  }
  CHECK(seen);
}

TEST_CASE("a write that failed is told by every later call, and a new writer starts afresh") {
  TestStore store;
  const int64_t run = store.begin_run().number;
  {
    auto writer = must(store->run_writer(run));
    must(writer->add(make_case(0)));
    must(writer->flush());
    const test::Failpoints points("db.before_commit:enospc");
    must(writer->add(make_case(1)));
    for (const Status& status : {writer->flush(), writer->add(make_case(2)), writer->finish(RunState::kFinished, "", "")}) {
      REQUIRE_FALSE(status);
      CHECK(status.error().code == ErrorCode::kIo);
      CHECK(status.error().message == "cannot write '" + store.path("db.sqlite").string() + "': the disk is full");
    }
  }
  CHECK(must(store->find_run("last")).state == RunState::kRunning);
  CHECK(cases_of(*store.store, run).size() == 1);
  auto writer = must(store->run_writer(run));
  must(writer->add(make_case(1)));
  must(writer->finish(RunState::kFinished, "", ""));
  CHECK(cases_of(*store.store, run).size() == 2);
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("a checkpoint that fails loses nothing and fails no write") {
  TestStore store;
  const int64_t run = store.begin_run().number;
  {
    const test::Failpoints points("db.before_checkpoint:enospc");
    auto writer = must(store->run_writer(run));
    for (int i = 0; i < 300; ++i) {
      CaseRecord record = make_case(i);
      record.row = std::string(10'000, 'r');
      must(writer->add(std::move(record)));
    }
    must(writer->finish(RunState::kFinished, "", "{}"));
    writer.reset();
    store.store.reset();
  }
  CHECK(std::filesystem::file_size(store.path("db.sqlite-wal")) > 3'000'000);
  store.open();
  CHECK(must(store->finished_cases(run)).size() == 300);
  store.store.reset();
  CHECK(std::filesystem::file_size(store.path("db.sqlite-wal")) == 0);
}

TEST_CASE("many threads add to one writer while others read") {
  TestStore store;
  const int64_t run = store.begin_run().number;
  auto writer = must(store->run_writer(run));
  std::atomic<int> problems{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 250; ++i) {
        CaseRecord record = make_case(t * 250 + i);
        record.spans = {make_span(0, -1, "step-" + std::to_string(i % 7))};
        record.spans[0].memo_key = "key-" + std::to_string(t * 250 + i) + std::string(8, 'x');
        if (!writer->add(std::move(record))) ++problems;
      }
    });
    threads.emplace_back([&, t] {
      for (int i = 0; i < 250; ++i) {
        const auto found = store->find_step("key-" + std::to_string(t * 250 + i) + std::string(8, 'x'));
        if (!found || (!found->empty() && found->front().step != "step-" + std::to_string(i % 7))) ++problems;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  must(writer->finish(RunState::kFinished, "", ""));
  CHECK(problems == 0);
  CHECK(must(store->finished_cases(run)).size() == 1000);
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("the queue is bounded by bytes, and one larger case passes alone") {
  std::atomic<size_t> written{0};
  std::atomic<size_t> largest{0};
  Committer committer([&](const std::vector<Committer::Item>& batch) -> Status {
    size_t bytes = 0;
    for (const auto& item : batch) bytes += item.bytes;
    largest = std::max(largest.load(), bytes);
    written += batch.size();
    return {};
  });
  const auto progress = std::make_shared<RunProgress>();
  for (int i = 0; i < 100; ++i) {
    CaseRecord record;
    record.row = std::string(i == 50 ? 10 << 20 : 500'000, 'x');
    must(committer.add(progress, std::move(record)));
  }
  must(committer.flush(progress));
  CHECK(written == 100);
  CHECK(largest > (10 << 20));
  CHECK(largest < (11 << 20));
}

TEST_CASE("two runs that fail and succeed do not mix") {
  Committer committer([](const std::vector<Committer::Item>& batch) -> Status {
    for (const auto& item : batch) {
      if (item.run && item.run->run == 1) return Error(ErrorCode::kIo, "broken");
    }
    return {};
  });
  const auto bad = std::make_shared<RunProgress>(), good = std::make_shared<RunProgress>();
  bad->run = 1;
  must(committer.add(bad, {}));
  CHECK_FALSE(committer.flush(bad));
  must(committer.add(good, {}));
  CHECK_FALSE(committer.add(bad, {}));
  must(committer.flush(good));
}

}  // namespace llmops
