// What monitors see of a trace: one record for each request, one for each call of a component.
#include "core/telemetry/request_records.h"

#include <catch2/catch.hpp>

#include "core/telemetry/trace_lines.h"

namespace llmops {
namespace {

std::vector<StoredRecord> records_of(const std::vector<std::string>& lines) {
  std::vector<TraceSpan> spans;
  for (const std::string& line : lines) for (TraceSpan& span : parse_trace_line(line).spans) spans.push_back(std::move(span));
  return request_records(make_trace("t", std::move(spans)), {});
}

const StoredRecord& named(const std::vector<StoredRecord>& records, const std::string& component) {
  for (const StoredRecord& record : records) if (record.component == component) return record;
  FAIL("no record of " + component);
  return records[0];
}

}  // namespace

TEST_CASE("a request is its root, with what the spans below it add") {
  const auto records = records_of({R"({"trace": "t", "id": "r", "name": "support", "start": 100, "end": 103, "input": {"question": "where is it?"}, "output": "on its way", "session": "s"})",
      R"({"trace": "t", "id": "m1", "parent": "r", "name": "plan", "step": "plan", "model": "m", "start": 100.1, "end": 101, "input": "where is it?", "output": "", "tool_calls": [{"name": "find", "arguments": {}}], "tokens": {"input": 10, "output": 2}, "cost": 0.5})",
      R"({"trace": "t", "id": "f", "parent": "m1", "name": "find", "kind": "tool", "step": "find", "start": 101, "end": 101.5, "input": {"id": 4}, "output": "sent", "error": {"type": "io", "message": "slow"}})",
      R"({"trace": "t", "id": "m2", "parent": "r", "name": "reply", "step": "reply", "model": "m", "start": 102, "end": 103, "output": "on its way", "tokens": {"input": 20, "output": 5}, "cost": 0.25, "scores": {"helpful": 1}})"});
  REQUIRE(records.size() == 4);
  const StoredRecord& request = named(records, "");
  CHECK((request.input == "where is it?" && request.output == "on its way" && *request.latency_ms == 3000 && *request.start_ms == 100000));
  CHECK((*request.input_tokens == 30 && *request.output_tokens == 7 && *request.cost_usd == 0.75 && request.session == "s" && request.model_asked == "m"));
  CHECK((request.tools == R"(["find"])" && request.scores == R"({"helpful":1})" && !request.error));
  CHECK((named(records, "find").error == "io" && named(records, "find").input == R"({"id":4})"));
  // A call of a tool is an answer: the plan is not empty.
  CHECK((!named(records, "plan").is_empty && *named(records, "plan").input_tokens == 10));
  CHECK_FALSE(named(records, "reply").input.has_value());
}

TEST_CASE("several roots are several requests, and a span whose parent did not come is one") {
  const auto records = records_of({R"({"trace": "t", "id": "a", "name": "answer", "model": "m", "start": 1, "end": 2, "input": "q1", "output": "a1"})", R"({"trace": "t", "id": "b", "name": "answer", "model": "m", "start": 5, "end": 6, "input": "q2", "output": "a2", "parent": "gone"})"});
  REQUIRE(records.size() == 4);
  CHECK((records[0].component.empty() && records[0].input == "q1" && records[1].component == "answer" && records[2].component.empty() && records[2].input == "q2"));
}

TEST_CASE("what no span tells is absent") {
  const auto records = records_of({R"({"trace": "t", "id": "a", "name": "x"})"});
  REQUIRE(records.size() == 1);
  const StoredRecord& record = records[0];
  CHECK_FALSE((record.start_ms || record.latency_ms || record.input || record.output || record.input_tokens || record.cost_usd || record.session || record.tools || record.scores || record.error));
  CHECK_FALSE((record.is_empty || record.is_refusal));
}

TEST_CASE("long texts are kept by their beginning, cut between characters, with the size of the whole") {
  std::string text(32767, 'x');
  for (int i = 0; i < 100; ++i) text += "\xC3\xA9";
  const auto records = records_of({R"({"trace": "t", "id": "a", "name": "x", "input": ")" + text + "\"}"});
  CHECK(*records[0].input_bytes == 32967);
  CHECK(records[0].input->size() == 32767);
}

TEST_CASE("signs of an answer that did not go well") {
  CHECK(answer_signs("  \n", "stop").is_empty);
  CHECK(answer_signs("cut", "length").is_cut_off);
  CHECK_FALSE(answer_signs("whole", "stop").is_cut_off);
  for (const char* text : {"I'm sorry, but I can't help with that.", "I\xE2\x80\x99m sorry, but I can\xE2\x80\x99t assist with that request.", "Sorry, I cannot share this.", "As an AI, I have no opinion.", "Unfortunately, I am unable to open the file."}) {
    INFO(text);
    CHECK(answer_signs(text, "stop").is_refusal);
  }
  for (const char* text : {"I'm sorry to hear that. Your refund is on its way.", "You can't return it after 30 days.", "Press the power key."}) {
    INFO(text);
    CHECK_FALSE(answer_signs(text, "stop").is_refusal);
  }
  CHECK(answer_signs("anything", "content_filter").is_refusal);
  CHECK(answer_signs("{\"a\": 1", "stop").is_malformed_json);
  CHECK_FALSE(answer_signs("{\"a\": 1}", "stop").is_malformed_json);
  CHECK_FALSE(answer_signs("```json\n{\"a\": 1}\n```", "stop").is_malformed_json);
  CHECK(answer_signs("```json\n{\"a\": }\n```", "stop").is_malformed_json);
  CHECK_FALSE(answer_signs("plain text", "stop").is_malformed_json);
}

}  // namespace llmops
