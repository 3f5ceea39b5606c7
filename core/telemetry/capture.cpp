#include "core/telemetry/capture.h"

#include <re2/re2.h>

#include <set>

#include "core/base/hash.h"
#include "core/base/json.h"

namespace llmops {

Result<Capture> parse_capture(std::string_view name) {
  if (name == "full") return Capture::kFull;
  if (name == "redacted") return Capture::kRedacted;
  if (name == "hash") return Capture::kHash;
  return Error(ErrorCode::kConfig, "unknown capture level '" + std::string(name) + "'", did_you_mean(name, {"full", "redacted", "hash"}));
}

std::string redact_personal_data(std::string_view text) {
  struct Rule { re2::RE2 pattern; const char* mark; };
  // Longer shapes first: a card number also looks like a telephone number.
  static const Rule kRules[] = {
      {re2::RE2(R"([A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,})"), "[email]"},
      {re2::RE2(R"(\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b)"), "[iban]"},
      {re2::RE2(R"(\b(?:\d[ \-]?){12,18}\d\b)"), "[card]"},
      {re2::RE2(R"(\b(?:\d{1,3}\.){3}\d{1,3}\b)"), "[ip]"},
      {re2::RE2(R"((?:\+\d{1,3}[ \-]?|\b0)(?:\(?\d{2,4}\)?[ \-/]?){2,4}\d{2,4}\b)"), "[phone]"},
  };
  std::string out(text);
  for (const Rule& rule : kRules) re2::RE2::GlobalReplace(&out, rule.pattern, rule.mark);
  return out;
}

namespace {

void capture_body(std::string& body, Capture capture, const SecretScrubber& scrubber) {
  if (body.empty()) return;
  switch (capture) {
    case Capture::kFull: body = scrubber.scrub(body); return;
    case Capture::kRedacted: body = redact_personal_data(scrubber.scrub(body)); return;
    case Capture::kHash: body = dump_json({{"sha256", sha256_hex(body)}, {"bytes", body.size()}}); return;
  }
}

// Errors quote what they could not read.
void capture_message(std::string& message, Capture capture, const SecretScrubber& scrubber) {
  if (message.empty()) return;
  switch (capture) {
    case Capture::kFull: message = scrubber.scrub(message); return;
    case Capture::kRedacted: message = redact_personal_data(scrubber.scrub(message)); return;
    case Capture::kHash: message = "not kept (capture is hash)"; return;
  }
}

void redact_values(Json& value) {
  if (value.is_string()) value = redact_personal_data(value.get_ref<const std::string&>());
  else if (value.is_structured()) for (Json& part : value) redact_values(part);
}

void scrub_values(Json& value, const SecretScrubber& scrubber) {
  if (value.is_string()) value = scrubber.scrub(value.get_ref<const std::string&>());
  else if (value.is_structured()) for (Json& part : value) scrub_values(part, scrubber);
}

void capture_value(Json& value, Capture capture, const SecretScrubber& scrubber) {
  if (value.is_null()) return;
  if (capture == Capture::kHash) {
    const std::string text = dump_json(value);
    value = {{"sha256", sha256_hex(text)}, {"bytes", text.size()}};
    return;
  }
  scrub_values(value, scrubber);
  if (capture == Capture::kRedacted) redact_values(value);
}

// Of what a provider said beside the reply, digests and counts are always kept. Log probabilities hold the reply in
// pieces too small for any rule, so they are kept whole or not at all.
void capture_attributes(std::string& attributes, Capture capture, const SecretScrubber& scrubber) {
  if (attributes.empty()) return;
  attributes = scrubber.scrub(attributes);
  if (capture == Capture::kFull) return;
  auto document = parse_json(attributes, "attributes");
  if (!document || !document->is_object()) {
    attributes.clear();
    return;
  }
  static const std::set<std::string, std::less<>> kAlwaysKept = {"response_key", "finish_reason", "system_fingerprint", "response_id", "cached_input_tokens", "reasoning_tokens"};
  Json kept = Json::object();
  for (auto& [name, value] : document->items()) {
    if (kAlwaysKept.contains(name)) {
      kept[name] = std::move(value);
    } else if (capture == Capture::kRedacted && name != "logprobs") {
      redact_values(value);
      kept[name] = std::move(value);
    }
  }
  attributes = dump_json(kept);
}

}  // namespace

void apply_capture(CaseRecord& record, Capture capture, const SecretScrubber& scrubber) {
  capture_body(record.row, capture, scrubber);
  capture_body(record.output, capture, scrubber);
  capture_message(record.error_message, capture, scrubber);
  for (SpanRecord& span : record.spans) {
    capture_body(span.input, capture, scrubber);
    capture_body(span.prompt, capture, scrubber);
    capture_body(span.output, capture, scrubber);
    capture_message(span.error_message, capture, scrubber);
    capture_attributes(span.attributes, capture, scrubber);
    if (capture != Capture::kFull) span.memo_key.clear();
  }
  for (ScoreRecord& score : record.scores) {
    capture_message(score.error, capture, scrubber);
    if (capture == Capture::kFull) score.detail = scrubber.scrub(score.detail);
    else score.detail.clear();
  }
}

void apply_capture(TraceSpan& span, Capture capture, const SecretScrubber& scrubber) {
  for (Json* value : {&span.input, &span.output, &span.messages, &span.tool_calls}) capture_value(*value, capture, scrubber);
  capture_message(span.error_message, capture, scrubber);
  // Nobody knows what else an application noted.
  if (capture == Capture::kHash) span.attributes = Json::object();
  else capture_value(span.attributes, capture, scrubber);
  if (capture != Capture::kFull && !span.user.empty()) span.user = sha256_hex(span.user).substr(0, 16);
}

}  // namespace llmops
