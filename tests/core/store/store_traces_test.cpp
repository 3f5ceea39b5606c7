#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/failpoint.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;
using test::TestStore;

StoredSpan span(const std::string& trace, const std::string& id, int64_t start_ms, const std::string& service = "shop") { return {trace, id, service, start_ms, "{\"id\":\"" + id + "\"}"}; }

StoredRecord record(const std::string& id, std::optional<int64_t> start_ms, const std::string& input, const std::string& component = "") {
  StoredRecord made;
  made.span = id;
  made.component = component;
  made.start_ms = start_ms;
  made.input = input;
  return made;
}

// Each span as a trace of one, with a record that says how it was made: "new", or of how many bodies.
std::vector<StoredTrace> traces_of(const std::vector<StoredSpan>& spans) {
  std::vector<StoredTrace> traces;
  for (const StoredSpan& one : spans) {
    const auto known = std::find_if(traces.begin(), traces.end(), [&](const StoredTrace& trace) { return trace.trace == one.trace; });
    StoredTrace& trace = known != traces.end() ? *known : traces.emplace_back(StoredTrace{one.trace, one.service, one.start_ms, {}, {}});
    trace.start_ms = std::min(trace.start_ms, one.start_ms);
    trace.spans.push_back(one);
    trace.records = {record(one.span, trace.start_ms, "new")};
  }
  return traces;
}
Result<std::vector<StoredRecord>> records_of(const std::vector<std::string>& bodies) { return std::vector<StoredRecord>{record("made again", 1, std::to_string(bodies.size()) + " bodies")}; }

Result<Store::SpanCounts> add(TestStore& store, const std::vector<StoredSpan>& spans) { return store->add_traces(traces_of(spans), records_of); }

std::string inputs(TestStore& store, const Store::RecordFilter& filter = {}) {
  std::string text;
  must(store->visit_records(filter, [&](const StoredRecord& one) {
    text += (text.empty() ? "" : ", ") + *one.input;
    return true;
  }));
  return text;
}

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
  const auto first = must(add(store, {span("b", "1", 200), span("b", "2", 210), span("a", "1", 300)}));
  CHECK(first.added == 3);
  CHECK(first.new_traces == 2);
  CHECK(shown(store) == R"({"id":"1"}{"id":"2"} | {"id":"1"})");
  const auto later = must(add(store, {span("a", "0", 100), span("c", "9", 150, "other")}));
  CHECK(later.added == 2);
  CHECK(later.new_traces == 1);
  CHECK(shown(store) == R"({"id":"0"}{"id":"1"} | {"id":"9"} | {"id":"1"}{"id":"2"})");
  CHECK(shown(store, "other") == R"({"id":"9"})");
  CHECK(shown(store, "none").empty());
}

TEST_CASE("a span that is stored already stays as it is") {
  TestStore store;
  must(add(store, {span("a", "1", 1)}));
  StoredSpan changed = span("a", "1", 1);
  changed.body = "{\"id\":\"other\"}";
  const auto again = must(add(store, {changed, span("a", "1", 1), span("a", "2", 2)}));
  CHECK(again.added == 1);
  CHECK(again.known == 2);
  CHECK(again.new_traces == 0);
  CHECK(shown(store) == R"({"id":"1"}{"id":"2"})");
}

TEST_CASE("a batch of spans that cannot be written leaves nothing behind") {
  TestStore store;
  must(add(store, {span("a", "1", 1)}));
  {
    const test::Failpoints failing("traces.batch:enospc");
    const auto failed = add(store, {span("a", "2", 2), span("b", "1", 3)});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  CHECK(shown(store) == R"({"id":"1"})");
  CHECK(must(add(store, {span("a", "2", 2), span("b", "1", 3)})).added == 2);
}

TEST_CASE("records follow their trace: made of the spans that came, and again of all when more come") {
  TestStore store;
  must(add(store, {span("a", "1", 100), span("b", "1", 200)}));
  CHECK(inputs(store) == "new, new");
  must(add(store, {span("a", "1", 100)}));
  CHECK(inputs(store) == "new, new");
  must(add(store, {span("a", "2", 300)}));
  CHECK(inputs(store) == "2 bodies, new");
}

TEST_CASE("records are read by time, component and service, and come back as they were") {
  TestStore store;
  StoredTrace trace{"t", "shop", 5, {span("t", "1", 5)}, {}};
  StoredRecord whole = record("1", 5, "q");
  whole.latency_ms = 1.5;
  whole.session = "s";
  whole.service = "shop";
  whole.output = "";
  whole.output_bytes = 0;
  whole.is_refusal = whole.is_malformed_json = true;
  whole.input_tokens = 0;
  whole.tools = "[]";
  trace.records = {whole, record("1", 7, "part", "answer"), record("2", 9, "later"), record("3", std::nullopt, "untimed")};
  must(store->add_traces({trace}, records_of));
  CHECK(inputs(store) == "untimed, q, later");
  CHECK(inputs(store, {5, 9, "", {}}) == "q");
  CHECK(inputs(store, {{}, {}, "answer", {}}) == "part");
  CHECK(inputs(store, {{}, {}, "", "shop"}) == "q");
  CHECK(must(store->record_components()) == std::vector<std::string>{"answer"});
  must(store->visit_records({5, 6, "", {}}, [&](const StoredRecord& one) {
    CHECK((one.latency_ms == 1.5 && one.session == "s" && one.output == "" && one.output_bytes == 0 && one.is_refusal && one.is_malformed_json && !one.is_empty && !one.is_cut_off));
    CHECK((one.input_tokens == 0 && one.tools == "[]" && !one.output_tokens && !one.error && !one.cost_usd && !one.scores && !one.user));
    return true;
  }));
}

TEST_CASE("scores are kept by trace, span and name, the last one said") {
  TestStore store;
  CHECK(must(store->put_scores({{"t", "", "thumb", "1"}, {"t", "s", "thumb", "0"}})) == 2);
  CHECK(must(store->put_scores({{"t", "", "thumb", "0"}, {"u", "", "thumb", "\"up\""}})) == 1);
}

}  // namespace llmops
