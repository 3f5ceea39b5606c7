// OTLP/JSON read from its text is what reading its document gives: for lines of exporters, of any order and with every kind of value, and for damaged ones.
#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <random>

#include "core/telemetry/otlp_span.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

std::string shown(const TraceLine& line) {
  std::string text = std::string(line.format) + "\n";
  for (const TraceSpan& span : line.spans) {
    const std::string body = span_text(span);
    CHECK(body == dump_json(span_to_json(span)));
    text += body + "\n";
  }
  for (const std::string& reason : line.dropped) text += reason + "\n";
  return text;
}

// Whatever is read from the text, the document of the library's own parser gives too. Returns whether it was read.
bool agrees(const std::string& text) {
  TraceLine line;
  if (!read_otlp_text(text, line)) return false;
  INFO(text);
  const Json document = Json::parse(text, nullptr, false);
  CHECK_FALSE(document.is_discarded());
  CHECK(shown(line) == shown(read_trace_value(document)));
  CHECK_FALSE((line.is_anonymous || line.is_repaired || line.is_evaluation));
  CHECK((line.scores.empty() && line.halves.empty()));
  return true;
}

// Lines of OTLP with all that the conventions know and much that they do not.
class Lines {
 public:
  explicit Lines(uint64_t seed) : random_(seed) {}

  std::string next() {
    Json resources = Json::array();
    for (size_t i = 1 + pick(3); i > 0; --i) {
      Json spans = Json::array();
      for (size_t n = pick(4); n > 0; --n) spans.push_back(span());
      Json scope = shuffled({{"scope", {{"name", "s"}}}, {"spans", std::move(spans)}, {"schemaUrl", "u"}});
      resources.push_back(shuffled({{"resource", {{"attributes", Json::array({text("service.name", "shop"), text("service.version", word()), text("deployment.environment", "test"), text("host", "h")})}}}, {"scopeSpans", Json::array({std::move(scope)})}, {"schemaUrl", "u"}}));
    }
    return dump_json({{"resourceSpans", std::move(resources)}, {"extra", value()}});
  }

  size_t pick(size_t count) { return random_() % count; }

 private:
  std::string word() {
    static const std::vector<std::string> kWords{"", "a", "where is it", "Größe €", "\xF0\x9F\x98\x80", "\"quoted\"", "line\nbreak", "{\"a\": 1}", "[1, 2", "7", "a text that is longer than a short string is"};
    return kWords[pick(kWords.size())];
  }
  static Json text(const std::string& key, const std::string& said) { return {{"key", key}, {"value", {{"stringValue", said}}}}; }
  Json shuffled(Json object) {
    std::vector<std::string> names;
    for (const auto& [name, inner] : object.items()) names.push_back(name);
    std::shuffle(names.begin(), names.end(), random_);
    Json made = Json::object();
    for (const std::string& name : names) made[name] = object[name];
    return made;
  }
  Json value(int depth = 0) {
    switch (pick(depth > 3 ? 8 : 11)) {
      case 0: case 1: case 2: return {{"stringValue", word()}};
      case 3: return {{"intValue", std::to_string(static_cast<int64_t>(random_()))}};
      case 4: return {{"intValue", pick(2) == 0 ? Json(pick(100)) : Json("no number")}};
      case 5: return {{"doubleValue", static_cast<double>(pick(1000)) / 7}};
      case 6: return {{"boolValue", pick(2) == 0}};
      case 7: return pick(2) == 0 ? Json::object() : Json{{"otherValue", 1}, {"stringValue", word()}, {"intValue", "3"}};
      case 8: {
        Json list = Json::array();
        for (size_t n = pick(4); n > 0; --n) list.push_back(value(depth + 1));
        return {{"arrayValue", {{"values", std::move(list)}}}};
      }
      case 9: {
        Json list = Json::array();
        for (size_t n = pick(4); n > 0; --n) list.push_back({{"key", word()}, {"value", value(depth + 1)}});
        return {{"kvlistValue", {{"values", std::move(list)}}}};
      }
      default: return {{"bytesValue", "aGk="}};
    }
  }
  Json messages(const char* role) {
    Json parts = Json::array({{{"type", "text"}, {"content", word()}}, word(), {{"type", "tool_call"}, {"id", "c"}, {"name", "find"}, {"arguments", {{"id", pick(9)}}}}});
    Json list = Json::array();
    for (size_t n = pick(3); n > 0; --n) list.push_back({{"role", pick(3) == 0 ? "assistant" : role}, {pick(2) == 0 ? "parts" : "content", pick(2) == 0 ? parts : Json(word())}});
    return list;
  }
  Json attribute() {
    static const std::vector<std::string> kNames{"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model", "gen_ai.response.model", "gen_ai.prompt", "gen_ai.completion", "gen_ai.prompt.0.role", "gen_ai.prompt.0.content", "gen_ai.prompt.1.content",
        "gen_ai.completion.0.content", "gen_ai.completion.x.content", "gen_ai.system_instructions", "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cost", "gen_ai.response.time_to_first_chunk", "gen_ai.response.finish_reasons",
        "gen_ai.tool.name", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.agent.name", "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents", "gen_ai.conversation.id", "session.id", "user.id", "gen_ai.prompt.name", "llmops.prompt_version", "llmops.step",
        "llmops.vid", "http.route", "error.type", "openinference.span.kind", "llm.model_name", "input.value", "x", "y", ""};
    switch (pick(6)) {
      case 0: return text("gen_ai.operation.name", std::vector<std::string>{"chat", "execute_tool", "retrieval", "embeddings", "invoke_agent", "other"}[pick(6)]);
      case 1: return text("gen_ai.input.messages", dump_json(messages("user")));
      case 2: return text("gen_ai.output.messages", dump_json(messages("assistant")));
      default: return {{"key", kNames[pick(kNames.size())]}, {"value", value()}};
    }
  }
  Json attributes() {
    Json list = Json::array();
    for (size_t n = pick(20); n > 0; --n) list.push_back(attribute());
    return list;
  }
  Json moment() { return pick(2) == 0 ? Json(std::to_string(1'700'000'000'000'000'000 + static_cast<int64_t>(pick(1'000'000)) * 1777)) : pick(8) == 0 ? Json("x") : Json(1'700'000'000'000'000'000 + pick(1000)); }
  Json span() {
    Json made = {{"traceId", pick(9) == 0 ? "" : "t" + std::to_string(pick(3))}, {"spanId", "s" + std::to_string(pick(9))}, {"name", word()}, {"kind", 1}, {"startTimeUnixNano", moment()}, {"endTimeUnixNano", moment()}, {"attributes", attributes()}, {"flags", value()}};
    if (pick(2) == 0) made["parentSpanId"] = "s1";
    if (pick(3) == 0) made["status"] = pick(4) == 0 ? Json("odd") : Json{{"code", pick(2) == 0 ? Json(pick(3)) : Json("STATUS_CODE_ERROR")}, {"message", word()}};
    if (pick(2) == 0) {
      made["events"] = Json::array({{{"name", "exception"}, {"attributes", Json::array({text("exception.type", word()), text("exception.message", word())})}}, {{"name", "gen_ai.client.inference.operation.details"}, {"attributes", attributes()}},
                                    {{"name", "gen_ai.evaluation.result"}, {"attributes", Json::array({text("gen_ai.evaluation.name", word()), {{"key", "gen_ai.evaluation.score.value"}, {"value", value()}}})}}, word()});
    }
    return shuffled(std::move(made));
  }

  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("lines of OTLP are the same from their text as from their document") {
  Lines lines(5);
  int64_t spans = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string text = lines.next();
    CHECK(agrees(text));
    spans += std::ssize(parse_trace_line(text).spans);
  }
  CHECK(spans > 1500);
}

TEST_CASE("damaged lines of OTLP are the same from their text as from their document, or left to it") {
  Lines lines(6);
  int read = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string text = lines.next();
    for (size_t changes = 1 + lines.pick(2); changes > 0; --changes) {
      const size_t at = lines.pick(text.size());
      switch (lines.pick(4)) {
        case 0: text.resize(at + 1); break;
        case 1: text.insert(at, text.substr(lines.pick(text.size()), 1 + lines.pick(12))); break;
        case 2: text.erase(at, 1 + lines.pick(3)); break;
        default: text[at] = static_cast<char>(lines.pick(256)); break;
      }
    }
    read += agrees(text);
  }
  CHECK(read > 500);
}

TEST_CASE("another form of OTLP is left to its document, and says the same") {
  const std::string span = R"({"traceId": "t", "spanId": "s", "startTimeUnixNano": 1, "endTimeUnixNano": 2})";
  const auto line_of = [](const std::string& spans) { return R"({"resourceSpans": [{"scopeSpans": [{"spans": [)" + spans + "]}]}]}"; };
  REQUIRE(agrees(line_of(span)));
  REQUIRE(agrees(" " + line_of(span) + " "));
  for (const std::string& other : {R"({"resource_spans": [{"scope_spans": [{"spans": [)" + span + "]}]}]}", R"({"resourceSpans": [{"scope_spans": [{"spans": [)" + span + "]}]}]}", R"({"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [)" + span + "]}]}]}",
                                   R"({"resourceSpans": null, "resource_spans": [{"scopeSpans": [{"spans": [)" + span + "]}]}]}", R"({"extra": 1, "resourceSpans": [{"scopeSpans": [{"spans": [)" + span + "]}]}]}",
                                   line_of(R"({"trace_id": "t", "span_id": "s", "start_time_unix_nano": 1, "end_time_unix_nano": 2})"), line_of(R"({"traceId": "t", "spanId": "s", "startTimeUnixNano": 1, "endTimeUnixNano": 2, "attributes": null})"),
                                   line_of(R"({"traceId": "t", "spanId": 7, "startTimeUnixNano": 1, "endTimeUnixNano": 2})"), line_of(R"({"traceId": "t", "spanId": "s", "name": "\ud800", "startTimeUnixNano": 1, "endTimeUnixNano": 2})"),
                                   line_of("{\"traceId\": \"t\", \"spanId\": \"s\", \"name\": \"\x80\", \"startTimeUnixNano\": 1, \"endTimeUnixNano\": 2}"), line_of(R"({"traceId": "t", "\u0073panId": "s", "startTimeUnixNano": 1, "endTimeUnixNano": 2})"),
                                   line_of(R"({"traceId": "t", "spanId": "s", "startTimeUnixNano": 1, "endTimeUnixNano": 2, "flags": 123456789012345678901234567890})")}) {
    INFO(other);
    CHECK_FALSE(agrees(other));
    CHECK(parse_trace_line(other).spans.size() == 1);
  }
  TraceLine untouched;
  CHECK_FALSE(read_otlp_text(line_of(span + ", 4"), untouched));
  CHECK(untouched.spans.empty());
  // Equal names are no JSON on either way.
  CHECK(parse_trace_line(line_of(R"({"traceId": "t", "spanId": "s", "startTimeUnixNano": 1, "endTimeUnixNano": 2, "flags": {"a": 1, "a": 2}})")).dropped == std::vector<std::string>{"malformed JSON"});
  CHECK(parse_trace_line(line_of(R"({"traceId": "t", "spanId": "s", "traceId": "u", "startTimeUnixNano": 1, "endTimeUnixNano": 2})")).dropped == std::vector<std::string>{"malformed JSON"});
}

TEST_CASE("lines of recorded OTLP are read from their text") {
  const auto root = test::data_root();
  if (!root) return test::note_left_out("traces: OTLP from its text");
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*root / "traces")) {
    std::ifstream file(entry.path());
    for (std::string text; std::getline(file, text);) read += agrees(text);
  }
  CHECK(read > 0);
}

}  // namespace llmops
