// Private to core/telemetry: a span of OTLP/JSON taken apart, whether it came as a value or was read straight from its text.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/telemetry/trace_formats.h"

namespace llmops {

// Attributes in the order in which they came, each name once: a repeated one replaces the value. They are taken by their names, the newest name first.
class OtlpAttributes {
 public:
  void set(std::string name, Json value);
  void merge(OtlpAttributes more);           // keeps what is there
  bool empty() const { return entries_.empty(); }
  Json take(std::initializer_list<std::string_view> names);
  std::string text(std::initializer_list<std::string_view> names);
  std::optional<int64_t> integer(std::initializer_list<std::string_view> names);
  std::optional<double> number(std::initializer_list<std::string_view> names);
  // "gen_ai.prompt.0.role", "gen_ai.prompt.0.content" -> [{role, content}]; null: none.
  Json take_numbered(std::string_view prefix);
  Json rest();                               // an object; the attributes are gone

 private:
  struct Entry { std::string name; Json value; bool is_taken = false; };
  Entry* find(std::string_view name);
  std::vector<Entry> entries_;
};

// {"intValue": "47"} -> 47: OTLP writes 64-bit integers as text. nullopt: `type` is the name of no type.
std::optional<Json> otlp_value(std::string_view type, Json inner, int depth = 0);
// Nanoseconds since 1970, as text or number, in ms; nullopt: neither.
std::optional<double> otlp_moment_ms(const Json& nanoseconds);
std::optional<double> otlp_moment_ms(std::string_view nanoseconds);

struct OtlpSpan {
  std::string trace_id, span_id, parent_id, name;
  std::optional<double> start_ms, end_ms;
  OtlpAttributes attributes;
  const Json* status = nullptr;              // an object, or null
  const Json* events = nullptr;              // a list, or null
};

// The resource and the scope speak for all their spans.
struct OtlpOrigin { std::string service, version, environment, vid; };
OtlpOrigin otlp_origin(OtlpAttributes of_resource);

// What the conventions say of it; the reason when it is no span.
std::string read_otlp_span(OtlpSpan& otlp, const OtlpOrigin& origin, TraceSpan& span);

// A line of OTLP/JSON in the form that exporters write, without a document of it: several times as fast as parse_json and read_otlp, and the same in all
// that it accepts. False: another form, other names, or no JSON; `line` is then as it was.
bool read_otlp_text(std::string_view text, TraceLine& line);

}  // namespace llmops
