#include "core/telemetry/trace.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "core/base/clock.h"

namespace llmops {
namespace {

constexpr std::array<std::string_view, 6> kKinds{"model", "tool", "retrieval", "embedding", "agent", "other"};

// What is told of a span is put into a value or written as text: the same members in the same order.
class ValueSink {
 public:
  void member(const char* key, const std::string& text) { json[key] = text; }
  void member(const char* key, const Json& value) { json[key] = value; }
  void member(const char* key, int64_t number) { json[key] = number; }
  void member(const char* key, double number) { json[key] = number; }
  Json json = Json::object();
};
class TextSink {
 public:
  void member(const char* key, const std::string& value) { append_json_text(begun(key), value); }
  void member(const char* key, const Json& value) { append_json(begun(key), value); }
  void member(const char* key, int64_t number) { append_json(begun(key), number); }
  void member(const char* key, double number) { append_json(begun(key), number); }
  std::string text = "{";

 private:
  std::string& begun(const char* key) {
    if (text.size() > 1) text += ',';
    append_json_text(text, key);
    return text += ':';
  }
};

template <class Sink>
void put(Sink& sink, const char* key, const std::string& text) {
  if (!text.empty()) sink.member(key, text);
}
template <class Sink>
void put(Sink& sink, const char* key, const Json& value) {
  if (!value.is_null()) sink.member(key, value);
}
template <class Sink, class T>
void put(Sink& sink, const char* key, const std::optional<T>& value) {
  if (value) sink.member(key, *value);
}

template <class Sink>
void tell(const TraceSpan& span, Sink& sink) {
  sink.member("trace", span.trace_id);
  sink.member("id", span.span_id);
  sink.member("name", span.name);
  sink.member("kind", std::string(trace_kind_name(span.kind)));
  sink.member("start_ms", span.start_ms);
  sink.member("end_ms", span.end_ms);
  put(sink, "parent", span.parent_id);
  put(sink, "component", span.component);
  put(sink, "input", span.input);
  put(sink, "output", span.output);
  put(sink, "messages", span.messages);
  put(sink, "tool_calls", span.tool_calls);
  put(sink, "model", span.model_asked);
  put(sink, "served", span.model_served);
  put(sink, "provider", span.provider);
  put(sink, "finish_reason", span.finish_reason);
  put(sink, "input_tokens", span.input_tokens);
  put(sink, "output_tokens", span.output_tokens);
  put(sink, "cached_input_tokens", span.cached_input_tokens);
  put(sink, "cost", span.cost_usd);
  put(sink, "ttft_ms", span.ttft_ms);
  if (!span.error_type.empty() || !span.error_message.empty()) sink.member("error", Json{{"type", span.error_type}, {"message", span.error_message}});
  for (const auto& [key, text] : {std::pair{"session", &span.session}, {"user", &span.user}, {"service", &span.service}, {"service_version", &span.service_version},
                                  {"environment", &span.environment}, {"prompt", &span.prompt_name}, {"prompt_version", &span.prompt_version}, {"route", &span.route}, {"language", &span.language}, {"vid", &span.vid}}) put(sink, key, *text);
  if (!span.scores.empty()) sink.member("scores", span.scores);
  if (!span.attributes.empty()) sink.member("attributes", span.attributes);
}

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || !found->is_string() ? "" : found->get<std::string>();
}
Json value_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() ? Json() : *found;
}
std::optional<double> number_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}
std::optional<int64_t> integer_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer() ? std::optional(found->get<int64_t>()) : std::nullopt;
}

bool fits(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) { ++p; ++t; }
    else if (p < pattern.size() && pattern[p] == '*') { star = p++; from = t; }
    else if (star != std::string_view::npos) { p = star + 1; t = ++from; }
    else return false;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string as_step_id(std::string_view name) {
  std::string id;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain) id += c;
    else if (!id.empty() && id.back() != '_') id += '_';
  }
  while (!id.empty() && id.back() == '_') id.pop_back();
  if (id.empty()) return "span";
  return id[0] >= '0' && id[0] <= '9' ? "_" + id : id;
}

// The span that asked first, and with what: the user's words before any tool answered.
const TraceSpan* first_asker(const Trace& trace) {
  for (const TraceSpan& span : trace.spans) if (span.messages.is_array() && !span.messages.empty()) return &span;
  return nullptr;
}

void add_input(const Trace& trace, Json& row) {
  for (const TraceSpan& span : trace.spans) {
    if (!span.parent_id.empty() || span.input.is_null() || span.kind == TraceKind::kModel) continue;
    row["input"] = span.input;
    break;
  }
  const TraceSpan* asker = first_asker(trace);
  if (asker == nullptr) {
    for (const TraceSpan& span : trace.spans) {
      if (row.contains("input") || span.input.is_null()) continue;
      row["input"] = span.input;
    }
    return;
  }
  size_t last = asker->messages.size();
  for (size_t i = 0; i < asker->messages.size(); ++i) if (text_at(asker->messages[i], "role") == "user") last = i;
  if (last == asker->messages.size()) return;
  if (!row.contains("input")) row["input"] = asker->messages[last].value("content", Json(""));
  Json history = Json::array();
  for (size_t i = 0; i < last; ++i) if (const std::string role = text_at(asker->messages[i], "role"); role != "system" && role != "developer") history.push_back(asker->messages[i]);
  row["history"] = std::move(history);
}

void add_output(const Trace& trace, Json& row) {
  const TraceSpan* last = nullptr;
  for (const TraceSpan& span : trace.spans) {
    if (span.parent_id.empty() && !span.output.is_null() && span.kind != TraceKind::kModel) {
      row["output"] = span.output;
      return;
    }
    const bool answers = span.kind == TraceKind::kModel && !span.output.is_null() && span.output != "" && span.error_type.empty();
    if (answers && (last == nullptr || span.end_ms >= last->end_ms)) last = &span;
  }
  if (last != nullptr) row["output"] = last->output;
}

}  // namespace

std::string_view trace_kind_name(TraceKind kind) { return kKinds[static_cast<size_t>(kind)]; }

Json span_to_json(const TraceSpan& span) {
  ValueSink sink;
  tell(span, sink);
  return std::move(sink.json);
}

std::string span_text(const TraceSpan& span) {
  TextSink sink;
  tell(span, sink);
  return std::move(sink.text += '}');
}

Result<TraceSpan> span_from_json(const Json& json) {
  TraceSpan span;
  if (!json.is_object()) return Error(ErrorCode::kData, "a span is no object");
  span.trace_id = text_at(json, "trace");
  span.span_id = text_at(json, "id");
  span.name = text_at(json, "name");
  if (span.trace_id.empty() || span.span_id.empty()) return Error(ErrorCode::kData, "a span has no 'trace' or no 'id'");
  const auto kind = std::find(kKinds.begin(), kKinds.end(), text_at(json, "kind"));
  if (kind != kKinds.end()) span.kind = static_cast<TraceKind>(kind - kKinds.begin());
  span.parent_id = text_at(json, "parent");
  span.component = text_at(json, "component");
  span.start_ms = number_at(json, "start_ms").value_or(0);
  span.end_ms = number_at(json, "end_ms").value_or(span.start_ms);
  span.input = value_at(json, "input");
  span.output = value_at(json, "output");
  span.messages = value_at(json, "messages");
  span.tool_calls = value_at(json, "tool_calls");
  span.model_asked = text_at(json, "model");
  span.model_served = text_at(json, "served");
  span.provider = text_at(json, "provider");
  span.finish_reason = text_at(json, "finish_reason");
  span.input_tokens = integer_at(json, "input_tokens");
  span.output_tokens = integer_at(json, "output_tokens");
  span.cached_input_tokens = integer_at(json, "cached_input_tokens");
  span.cost_usd = number_at(json, "cost");
  span.ttft_ms = number_at(json, "ttft_ms");
  if (const auto error = json.find("error"); error != json.end() && error->is_object()) {
    span.error_type = text_at(*error, "type");
    span.error_message = text_at(*error, "message");
  }
  span.session = text_at(json, "session");
  span.user = text_at(json, "user");
  span.service = text_at(json, "service");
  span.service_version = text_at(json, "service_version");
  span.environment = text_at(json, "environment");
  span.prompt_name = text_at(json, "prompt");
  span.prompt_version = text_at(json, "prompt_version");
  span.route = text_at(json, "route");
  span.language = text_at(json, "language");
  span.vid = text_at(json, "vid");
  if (const auto scores = json.find("scores"); scores != json.end() && scores->is_object()) span.scores = *scores;
  if (const auto attributes = json.find("attributes"); attributes != json.end() && attributes->is_object()) span.attributes = *attributes;
  return span;
}

Trace make_trace(std::string id, std::vector<TraceSpan> spans) {
  const auto is_before = [](const TraceSpan& a, const TraceSpan& b) { return a.start_ms < b.start_ms; };
  if (!std::is_sorted(spans.begin(), spans.end(), is_before)) std::stable_sort(spans.begin(), spans.end(), is_before);
  std::map<std::string, size_t> index;
  std::vector<bool> is_repeated;
  for (size_t i = 0; i < spans.size(); ++i) is_repeated.push_back(!index.emplace(spans[i].span_id, i).second);
  std::vector<TraceSpan> ordered;
  ordered.reserve(spans.size());
  std::vector<bool> placed(spans.size());
  std::vector<size_t> chain;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (is_repeated[i]) continue;
    // A parent that starts later, by a clock that is behind, goes before its child all the same.
    chain.clear();
    for (size_t at = i; !placed[at];) {
      placed[at] = true;
      chain.push_back(at);
      const auto parent = index.find(spans[at].parent_id);
      const bool is_ring = parent != index.end() && placed[parent->second] && std::find(chain.begin(), chain.end(), parent->second) != chain.end();
      if (parent == index.end() || is_ring) spans[at].parent_id.clear();
      if (spans[at].parent_id.empty()) break;
      at = parent->second;
    }
    for (auto at = chain.rbegin(); at != chain.rend(); ++at) ordered.push_back(std::move(spans[*at]));
  }
  return {std::move(id), std::move(ordered)};
}

std::string component_of(const TraceSpan& span, const ComponentPatterns& patterns) {
  for (const auto& [id, pattern] : patterns) if (fits(pattern, span.name) || (!span.component.empty() && fits(pattern, span.component))) return id;
  if (!span.component.empty()) return as_step_id(span.component);
  std::string_view name = span.name;
  if (!span.model_asked.empty() && name.ends_with(" " + span.model_asked)) name.remove_suffix(span.model_asked.size() + 1);
  return as_step_id(name);
}

Json trace_to_row(const Trace& trace, const ComponentPatterns& patterns) {
  Json row = {{"id", trace.id}};
  add_input(trace, row);
  add_output(trace, row);
  double start = INFINITY, end = -INFINITY;
  Json spans = Json::array(), attributes = Json::object();
  for (const TraceSpan& span : trace.spans) {
    start = std::min(start, span.start_ms);
    end = std::max(end, span.end_ms);
    const auto put_first = [&](const char* key, const std::string& text) { if (!text.empty() && !row.contains(key)) row[key] = text; };
    put_first("session", span.session);
    put_first("user", span.user);
    put_first("service", span.service);
    put_first("version", span.service_version);
    put_first("environment", span.environment);
    put_first("prompt", span.prompt_name);
    put_first("vid", span.vid);
    put_first("model", span.model_served.empty() ? span.model_asked : span.model_served);
    if (span.parent_id.empty()) {
      for (const auto& [key, value] : span.attributes.items()) attributes[key] = value;
      if (!row.contains("error") && (!span.error_type.empty() || !span.error_message.empty())) row["error"] = span.error_message.empty() ? span.error_type : span.error_message;
    }
    Json shown = span_to_json(span);
    shown.erase("trace");
    shown["component"] = component_of(span, patterns);
    spans.push_back(std::move(shown));
  }
  if (start <= end) {
    row["start"] = format_utc(static_cast<int64_t>(start));
    row["latency_ms"] = end - start;
  }
  if (!attributes.empty()) row["attributes"] = std::move(attributes);
  row["spans"] = std::move(spans);
  return row;
}

}  // namespace llmops
