#include <catch2/catch.hpp>
#include <thread>

#include "core/store/check.h"
#include "core/store/database.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::make_case;
using test::make_span;
using test::must;
using test::TestStore;

const std::string kKey(16, 'k');

}  // namespace

TEST_CASE("a step is found with its descendants and nothing else of the case") {
  TestStore store;
  auto writer = must(store->run_writer(store.begin_run().number));
  CaseRecord record = make_case(0);
  record.spans = {make_span(0, -1, "find"), make_span(1, -1, "own"), make_span(2, 1, "own/a"), make_span(3, 0, "find/x"), make_span(4, 2, "own/b"), make_span(5, -1, "last")};
  record.spans[1].memo_key = kKey;
  must(writer->add(record));
  must(writer->flush());
  const auto found = must(store->find_step(kKey));
  std::vector<int> sequences;
  for (const SpanRecord& span : found) sequences.push_back(span.sequence);
  CHECK(sequences == std::vector<int>{1, 2, 4});
  CHECK(found[0].step == "own");
  CHECK(found[0].memo_key == kKey);
  CHECK(must(store->find_step(std::string(16, 'n'))).empty());
}

TEST_CASE("a step that ended in an error is not found") {
  TestStore store;
  auto writer = must(store->run_writer(store.begin_run().number));
  CaseRecord record = make_case(0);
  record.spans = {make_span(0, -1, "a")};
  record.spans[0].memo_key = kKey;
  record.spans[0].error_code = "timeout";
  must(writer->add(record));
  must(writer->flush());
  CHECK(must(store->find_step(kKey)).empty());
  record.ordinal = 1;
  record.spans[0].error_code.clear();
  must(writer->add(record));
  must(writer->flush());
  CHECK(must(store->find_step(kKey)).size() == 1);
}

TEST_CASE("a response is found at once, and after the store was closed") {
  TestStore store;
  const std::string key("0123456789\0abcdef0123456789abcdef", 32);
  CHECK_FALSE(must(store->find_response(key)));
  must(store->put_response({key, R"({"model":"x"})", R"("hi")", 0}));
  for (const bool again : {false, true}) {
    if (again) store.open();
    const auto found = must(store->find_response(key));
    REQUIRE(found);
    CHECK(found->key == key);
    CHECK(found->parts == R"({"model":"x"})");
    CHECK(found->reply == R"("hi")");
    CHECK(found->created_ms == store.clock.now_ms);
  }
  must(store->put_response({key, "{}", R"("newer")", 5}));
  store.open();
  CHECK(must(store->find_response(key))->reply == R"("newer")");
}

TEST_CASE("the flush of a run makes responses durable") {
  TestStore store;
  auto writer = must(store->run_writer(store.begin_run().number));
  must(store->put_response({std::string(32, 'r'), "{}", "1", 1}));
  must(writer->flush());
  auto other = must(Store::open(store.options()));
  CHECK(must(other->find_response(std::string(32, 'r'))));
}

TEST_CASE("clearing the cache forgets keys and responses and keeps runs whole") {
  TestStore store;
  const int64_t run = store.begin_run().number;
  auto writer = must(store->run_writer(run));
  for (int i = 0; i < 3; ++i) {
    CaseRecord record = make_case(i);
    record.spans = {make_span(0, -1, "a")};
    record.spans[0].memo_key = std::string(15, 'k') + std::to_string(i);
    must(writer->add(record));
  }
  must(store->put_response({std::string(32, 'r'), "{}", "12345678", 1}));
  must(writer->flush());
  const auto stats = must(store->cache_stats());
  CHECK(stats.responses == 1);
  CHECK(stats.response_bytes == 10);
  CHECK(stats.steps == 3);
  CHECK(must(store->clear_cache()) == 4);
  CHECK(must(store->find_step(std::string(15, 'k') + "1")).empty());
  CHECK_FALSE(must(store->find_response(std::string(32, 'r'))));
  Store::CaseFilter filter;
  filter.with_spans = true;
  const auto cases = test::cases_of(*store.store, run, filter);
  REQUIRE(cases.size() == 3);
  CHECK(cases[1].spans.at(0).memo_key == std::string(15, 'k') + "1");
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("looking up does not wait for a writer") {
  TestStore store;
  auto writer = must(store->run_writer(store.begin_run().number));
  CaseRecord record = make_case(0);
  record.spans = {make_span(0, -1, "a")};
  record.spans[0].memo_key = kKey;
  must(writer->add(record));
  must(writer->flush());
  // Somebody holds both the store's lock and SQLite's write lock.
  const FileLock lock = must(FileLock::acquire(store.path("lock"), FileLock::Mode::kExclusive, 5000));
  Connection connection = must(Connection::open(store.path("db.sqlite"), Connection::Mode::kReadWrite));
  auto transaction = must(Transaction::begin(connection, lock, Durability::kProcess));
  must(connection.execute("DELETE FROM memo"));
  std::atomic<int> found{0};
  std::vector<std::thread> threads;
  const auto start = std::chrono::steady_clock::now();
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto step = store->find_step(kKey);
        if (step && step->size() == 1) ++found;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(found == 320);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(4));
}

}  // namespace llmops
