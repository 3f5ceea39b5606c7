#include <catch2/catch.hpp>

#include "core/base/failpoint.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;
using test::TestStore;

StoredSpan span(const std::string& trace, const std::string& id, int64_t start_ms, const std::string& service = "shop") { return {trace, id, service, start_ms, "{\"id\":\"" + id + "\"}"}; }

std::string shown(TestStore& store, const std::string& service = "") {
  std::string text;
  for (const int64_t trace : must(store->traces(service))) {
    text += text.empty() ? "" : " | ";
    for (const std::string& body : must(store->trace_spans(trace))) text += body;
  }
  return text;
}

}  // namespace

TEST_CASE("spans are kept by trace, traces by their earliest span, whatever came first") {
  TestStore store;
  const auto first = must(store->add_spans({span("b", "1", 200), span("b", "2", 210), span("a", "1", 300)}));
  CHECK(first.added == 3);
  CHECK(first.new_traces == 2);
  CHECK(shown(store) == R"({"id":"1"}{"id":"2"} | {"id":"1"})");
  const auto later = must(store->add_spans({span("a", "0", 100), span("c", "9", 150, "other")}));
  CHECK(later.added == 2);
  CHECK(later.new_traces == 1);
  CHECK(shown(store) == R"({"id":"0"}{"id":"1"} | {"id":"9"} | {"id":"1"}{"id":"2"})");
  CHECK(shown(store, "other") == R"({"id":"9"})");
  CHECK(shown(store, "none").empty());
}

TEST_CASE("a span that is stored already stays as it is") {
  TestStore store;
  must(store->add_spans({span("a", "1", 1)}));
  StoredSpan changed = span("a", "1", 1);
  changed.body = "{\"id\":\"other\"}";
  const auto again = must(store->add_spans({changed, span("a", "1", 1), span("a", "2", 2)}));
  CHECK(again.added == 1);
  CHECK(again.known == 2);
  CHECK(again.new_traces == 0);
  CHECK(shown(store) == R"({"id":"1"}{"id":"2"})");
}

TEST_CASE("a batch of spans that cannot be written leaves nothing behind") {
  TestStore store;
  must(store->add_spans({span("a", "1", 1)}));
  {
    const test::Failpoints failing("traces.batch:enospc");
    const auto failed = store->add_spans({span("a", "2", 2), span("b", "1", 3)});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  CHECK(shown(store) == R"({"id":"1"})");
  CHECK(must(store->add_spans({span("a", "2", 2), span("b", "1", 3)})).added == 2);
}

}  // namespace llmops
