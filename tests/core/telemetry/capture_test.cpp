#include "core/telemetry/capture.h"

#include <catch2/catch.hpp>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/telemetry/genai_names.h"

using namespace llmops;

namespace {

const std::string kBody = R"({"text":"mail me at ada@example.org, key hunter2-hunter2"})";

CaseRecord full_record() {
  CaseRecord record;
  record.case_id = "c";
  record.row = record.output = kBody;
  record.error_message = "failed with hunter2-hunter2";
  SpanRecord span;
  span.input = span.prompt = span.output = kBody;
  span.error_message = "hunter2-hunter2";
  span.attributes = R"({"finish_reason":"stop","note":"hunter2-hunter2"})";
  span.memo_key = "0123456789abcdef";
  record.spans.push_back(span);
  ScoreRecord score;
  score.metric = "ok";
  score.value = 1;
  score.error = "hunter2-hunter2";
  score.detail = R"({"reason":"got 'hunter2-hunter2' from ada@example.org"})";
  record.scores.push_back(score);
  return record;
}

CaseRecord captured(Capture level) {
  SecretScrubber scrubber;
  scrubber.add(Secret("KEY", "hunter2-hunter2"));
  CaseRecord record = full_record();
  apply_capture(record, level, scrubber);
  return record;
}

std::string everything(const CaseRecord& record) {
  std::string text = record.row + record.output + record.error_message;
  for (const SpanRecord& span : record.spans) text += span.input + span.prompt + span.output + span.error_message + span.attributes;
  for (const ScoreRecord& score : record.scores) text += score.error + score.detail;
  return text;
}

}  // namespace

TEST_CASE("a level of capture is one of three words") {
  CHECK(*parse_capture("full") == Capture::kFull);
  CHECK(*parse_capture("redacted") == Capture::kRedacted);
  CHECK(*parse_capture("hash") == Capture::kHash);
  CHECK(parse_capture("redact").error().message == "unknown capture level 'redact'");
  CHECK(parse_capture("redact").error().hint == "did you mean 'redacted'?");
}

TEST_CASE("secrets are kept at no level") {
  for (const Capture level : {Capture::kFull, Capture::kRedacted, Capture::kHash}) CHECK(everything(captured(level)).find("hunter2") == std::string::npos);
}

TEST_CASE("full keeps the bodies and the keys for reuse") {
  const CaseRecord record = captured(Capture::kFull);
  CHECK(record.row == R"({"text":"mail me at ada@example.org, key [secret KEY]"})");
  CHECK(record.spans[0].prompt == record.row);
  CHECK(record.spans[0].memo_key == "0123456789abcdef");
  CHECK(record.scores[0].detail == R"({"reason":"got '[secret KEY]' from ada@example.org"})");
}

TEST_CASE("redacted keeps the bodies without personal data, and nothing of them is reused") {
  const CaseRecord record = captured(Capture::kRedacted);
  CHECK(record.output == R"({"text":"mail me at [email], key [secret KEY]"})");
  CHECK(record.spans[0].memo_key.empty());
  CHECK(everything(record).find("ada@example.org") == std::string::npos);
  CHECK(*record.scores[0].value == 1);
}

TEST_CASE("hash keeps digests: equal bodies can be told, nothing can be read") {
  const CaseRecord record = captured(Capture::kHash);
  CHECK(record.row == R"({"sha256":")" + sha256_hex(kBody) + R"(","bytes":)" + std::to_string(kBody.size()) + "}");
  CHECK(record.spans[0].output == record.row);
  CHECK(record.spans[0].memo_key.empty());
  CHECK(everything(record).find("mail me") == std::string::npos);
  CHECK(record.scores[0].detail.empty());
  CaseRecord empty;
  apply_capture(empty, Capture::kHash, SecretScrubber());
  CHECK(empty.output.empty());
}

TEST_CASE("below full no part of a body is left in errors, tool calls and log probabilities") {
  // Errors quote what they could not read; attributes hold what the model said.
  CaseRecord record;
  record.error_message = "no JSON in 'mail ada@example.org'";
  SpanRecord span;
  span.error_message = "no recorded reply for 'mail ada@example.org' in 'r.jsonl'";
  span.attributes = R"({"tool_calls":[{"name":"send","arguments":{"to":"ada@example.org"}}],"logprobs":{"content":[{"token":"ada@example.org"}]}})";
  record.spans.push_back(span);
  ScoreRecord score;
  score.error = "'ada@example.org' is no number";
  record.scores.push_back(score);
  for (const Capture level : {Capture::kRedacted, Capture::kHash}) {
    CaseRecord one = record;
    apply_capture(one, level, SecretScrubber());
    CHECK(everything(one).find("ada@example.org") == std::string::npos);
  }
}

TEST_CASE("personal data is replaced by its kind") {
  CHECK(redact_personal_data("write to ada.l+x@mail.example.org!") == "write to [email]!");
  CHECK(redact_personal_data("card 4111 1111 1111 1111.") == "card [card].");
  CHECK(redact_personal_data("card 4111-1111-1111-1111.") == "card [card].");
  CHECK(redact_personal_data("IBAN DE89 3704 0044 0532 0130 00 ok") == "IBAN [iban] ok");
  CHECK(redact_personal_data("GB29NWBK60161331926819") == "[iban]");
  CHECK(redact_personal_data("from 192.168.0.17:80") == "from [ip]:80");
  CHECK(redact_personal_data("call +49 30 1234567 now") == "call [phone] now");
  CHECK(redact_personal_data("call 030 1234567 now") == "call [phone] now");
}

TEST_CASE("ordinary numbers and versions stay as they are") {
  for (const char* text : {"42", "2026-11-22", "about 1500 words", "version 1.2.3", "p = 0.0123", "a@b", "10:30", "room 0815"}) CHECK(redact_personal_data(text) == text);
}

TEST_CASE("a model span has the names of the GenAI conventions, and what is unknown is left out") {
  SpanRecord span;
  span.kind = "model";
  span.model_asked = "gpt-x";
  span.model_served = "gpt-x-2026";
  span.input_tokens = 9;
  span.output_tokens = 12;
  span.ttft_ms = 250;
  span.attributes = R"({"response_key":{"provider":"openai"},"finish_reason":"stop","response_id":"r1","cached_input_tokens":4,"reasoning_tokens":5})";
  CHECK(dump_json(genai_attributes(span)) ==
        R"({"gen_ai.operation.name":"chat","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-x","gen_ai.response.model":"gpt-x-2026","gen_ai.response.id":"r1",)"
        R"("gen_ai.response.finish_reasons":["stop"],"gen_ai.usage.input_tokens":9,"gen_ai.usage.output_tokens":12,"gen_ai.usage.cache_read.input_tokens":4,)"
        R"("gen_ai.usage.reasoning.output_tokens":5,"gen_ai.response.time_to_first_chunk":0.25,"llmops.response_key":{"provider":"openai"}})");
  SpanRecord plain;
  plain.kind = "template";
  CHECK(dump_json(genai_attributes(plain)) == "{}");
  plain.kind = "exec";
  plain.error_code = "timeout";
  CHECK(dump_json(genai_attributes(plain)) == R"({"gen_ai.operation.name":"execute_tool","error.type":"timeout"})");
}

TEST_CASE("a span of production keeps of its bodies what the level says, and a key in none") {
  SecretScrubber scrubber;
  scrubber.add(Secret("KEY", "hunter2-hunter2"));
  const auto with = [&](Capture level) {
    TraceSpan span;
    span.trace_id = "t";
    span.span_id = "s";
    span.name = "chat";
    span.user = "ada@example.org";
    span.input = "mail me at ada@example.org";
    span.output = {{"deep", {"key hunter2-hunter2"}}};
    span.messages = {{{"role", "user"}, {"content", "hunter2-hunter2 of ada@example.org"}}};
    span.tool_calls = {{{"name", "send"}, {"arguments", {{"to", "ada@example.org"}}}}};
    span.attributes = {{"note", "hunter2-hunter2 ada@example.org"}, {"count", 3}};
    span.error_message = "hunter2-hunter2";
    apply_capture(span, level, scrubber);
    return span_to_json(span);
  };
  for (const Capture level : {Capture::kFull, Capture::kRedacted, Capture::kHash}) CHECK(dump_json(with(level)).find("hunter2") == std::string::npos);
  const Json full = with(Capture::kFull), redacted = with(Capture::kRedacted), hashed = with(Capture::kHash);
  CHECK(full["input"] == "mail me at ada@example.org");
  CHECK(full["output"]["deep"][0] == "key [secret KEY]");
  CHECK(full["user"] == "ada@example.org");
  CHECK(dump_json(redacted).find("ada@example.org") == std::string::npos);
  CHECK(redacted["input"] == "mail me at [email]");
  CHECK(redacted["attributes"]["count"] == 3);
  CHECK(redacted["user"] == sha256_hex("ada@example.org").substr(0, 16));
  CHECK(hashed["input"]["sha256"] == sha256_hex("\"mail me at ada@example.org\""));
  CHECK_FALSE(hashed.contains("attributes"));
  CHECK(dump_json(hashed).find("send") == std::string::npos);
}
