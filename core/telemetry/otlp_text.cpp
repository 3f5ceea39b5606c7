// OTLP/JSON straight from its text: most of a span is attributes, and a document of {"key", "value": {"stringValue"}} objects costs several times what the
// attributes themselves do.
#include "core/base/json_cursor.h"
#include "core/telemetry/otlp_span.h"

namespace llmops {
namespace {

struct ReadSpan { OtlpSpan span; Json status, events; };

class OtlpTextReader {
 public:
  explicit OtlpTextReader(std::string_view text) : text_(text) {}

  bool read(TraceLine& line) {
    bool has_spans = false;
    const auto member = [&](std::string_view name) {
      if (name != "resourceSpans") return name != "resource_spans" && text_.skip();
      has_spans = true;
      return text_.array([&] { return resource(line); });
    };
    return text_.object(member) && text_.at_end() && has_spans;
  }

 private:
  // What belongs to it may stand behind its spans.
  bool resource(TraceLine& line) {
    spans_.clear();
    OtlpAttributes of_resource;
    const auto member = [&](std::string_view name) {
      if (name == "resource") return text_.object([&](std::string_view field) { return field == "attributes" ? attributes(of_resource) : text_.skip(); });
      if (name == "scopeSpans") return text_.array([&] { return scope(); });
      return name != "scope_spans" && name != "instrumentationLibrarySpans" && text_.skip();
    };
    if (!text_.object(member)) return false;
    const OtlpOrigin origin = otlp_origin(std::move(of_resource));
    for (ReadSpan& read : spans_) {
      if (read.status.is_object()) read.span.status = &read.status;
      if (read.events.is_array()) read.span.events = &read.events;
      TraceSpan span;
      std::string problem = read_otlp_span(read.span, origin, span);
      if (problem.empty()) line.spans.push_back(std::move(span));
      else line.dropped.push_back(std::move(problem));
    }
    return true;
  }

  bool scope() {
    return text_.object([&](std::string_view name) { return name == "spans" ? text_.array([&] { return span(); }) : text_.skip(); });
  }

  bool span() {
    ReadSpan& read = spans_.emplace_back();
    OtlpSpan& otlp = read.span;
    const auto member = [&](std::string_view name) {
      if (name == "traceId") return text_.string(otlp.trace_id);
      if (name == "spanId") return text_.string(otlp.span_id);
      if (name == "parentSpanId") return text_.string(otlp.parent_id);
      if (name == "name") return text_.string(otlp.name);
      if (name == "startTimeUnixNano") return moment(otlp.start_ms);
      if (name == "endTimeUnixNano") return moment(otlp.end_ms);
      if (name == "attributes") return attributes(otlp.attributes);
      if (name == "status") return text_.value(read.status);
      if (name == "events") return text_.value(read.events);
      // Names with '_' are those of protobuf: trace_id, start_time_unix_nano.
      return name.find('_') == std::string_view::npos && text_.skip();
    };
    return text_.object(member);
  }

  bool moment(std::optional<double>& ms) {
    if (text_.peek() == '"') {
      if (!text_.string(scratch_)) return false;
      ms = otlp_moment_ms(std::string_view(scratch_));
      return true;
    }
    Json number;
    if (!text_.value(number)) return false;
    ms = otlp_moment_ms(number);
    return true;
  }

  bool attributes(OtlpAttributes& into) { return text_.array([&] { return attribute(into); }); }

  bool attribute(OtlpAttributes& into) {
    std::string key;
    Json value;
    bool has_key = false, has_value = false;
    const auto member = [&](std::string_view name) {
      if (name == "key") return has_key = true, text_.string(key);
      if (name == "value") return has_value = true, typed_value(value);
      return text_.skip();
    };
    if (!text_.object(member) || !has_key || !has_value) return false;
    into.set(std::move(key), std::move(value));
    return true;
  }

  // The first member whose name is a type says the value.
  bool typed_value(Json& value) {
    bool is_known = false;
    return text_.object([&](std::string_view type) {
      Json inner;
      if (!text_.value(inner)) return false;
      if (is_known) return true;
      if (auto plain = otlp_value(type, std::move(inner))) {
        is_known = true;
        value = std::move(*plain);
      }
      return true;
    });
  }

  JsonCursor text_;
  std::vector<ReadSpan> spans_;              // of one resource
  std::string scratch_;
};

}  // namespace

bool read_otlp_text(std::string_view text, TraceLine& line) {
  // Other formats are told by their first key, without reading them twice.
  const size_t brace = text.find_first_not_of(" \t\r\n");
  if (brace == std::string_view::npos || text[brace] != '{') return false;
  const size_t quote = text.find_first_not_of(" \t\r\n", brace + 1);
  if (quote == std::string_view::npos || !text.substr(quote).starts_with("\"resourceSpans\"")) return false;
  TraceLine read;
  if (!OtlpTextReader(text).read(read)) return false;
  read.format = "OTLP/JSON";
  line = std::move(read);
  return true;
}

}  // namespace llmops
