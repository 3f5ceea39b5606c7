#include "core/telemetry/span_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/base/clock.h"
#include "core/telemetry/genai_messages.h"

namespace llmops {
namespace {

template <class T>
std::optional<T> parsed_number(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  T number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(number) : std::nullopt;
}

// Times "2026-03-03 10:00:00.000000" and "2026-03-03T10:00:00" say no zone; a date alone is its first moment.
std::optional<double> moment_of_text(std::string text) {
  if (const auto number = parsed_number<double>(text)) return moment_of(Json(*number));
  constexpr size_t kDate = 10, kTime = 19;
  if (text.size() == kDate) text += "T00:00:00";
  if (text.size() >= kTime && text.find_first_of("Zz+", kTime) == std::string::npos && text.find('-', kTime) == std::string::npos) text += 'Z';
  const auto parsed = parse_utc(text);
  return parsed ? std::optional(static_cast<double>(*parsed)) : std::nullopt;
}

bool are_messages(const Json& value) {
  return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), [](const Json& one) { return one.is_object() && one.contains("role"); });
}

// The messages in a value; null: it is no messages.
Json messages_in(const Json& value, const char* role) {
  if (are_messages(value)) return chat_messages(value);
  if (value.is_string()) return Json::array({{{"role", role}, {"content", value}}});
  if (const Json* list = list_field(value, {"messages"}); list != nullptr && are_messages(*list)) return chat_messages(*list);
  if (value.is_object() && value.contains("content") && (value.contains("role") || value.size() == 1)) return chat_messages(Json::array({value}));
  return nullptr;
}

constexpr int kNestingMost = 24;

void nest_value(const std::string& name, const Json& value, int depth, Json& into) {
  if (depth > kNestingMost) return;
  Json* at = &into;
  size_t from = 0;
  for (int level = 0;; ++level) {
    if (level > kNestingMost) return;
    const size_t dot = name.find('.', from);
    const std::string part = name.substr(from, dot == std::string::npos ? std::string::npos : dot - from);
    if (!at->is_object()) {
      if (!at->is_null()) return;
      *at = Json::object();
    }
    at = &(*at)[part];
    if (dot == std::string::npos) break;
    from = dot + 1;
  }
  if (value.is_structured() && !value.empty()) {
    size_t index = 0;
    for (const auto& [key, inner] : value.items()) nest_value(value.is_array() ? std::to_string(index++) : key, inner, depth + 1, *at);
  } else if (at->is_null()) {
    *at = value;
  }
}

}  // namespace

const Json* field(const Json& object, std::initializer_list<const char*> keys) {
  if (!object.is_object()) return nullptr;
  for (const char* key : keys) if (const auto found = object.find(key); found != object.end() && !found->is_null()) return &*found;
  return nullptr;
}

std::string text_field(const Json& object, std::initializer_list<const char*> keys) {
  const Json* value = field(object, keys);
  return value == nullptr ? "" : json_to_text(*value);
}

std::optional<double> number_field(const Json& object, std::initializer_list<const char*> keys) {
  const Json* value = field(object, keys);
  if (value == nullptr) return std::nullopt;
  const auto number = value->is_number() ? std::optional(value->get<double>()) : value->is_string() ? parsed_number<double>(value->get_ref<const std::string&>()) : std::nullopt;
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::optional<int64_t> integer_field(const Json& object, std::initializer_list<const char*> keys) {
  const Json* value = field(object, keys);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_integer()) return value->get<int64_t>();
  if (value->is_string()) if (const auto number = parsed_number<int64_t>(value->get_ref<const std::string&>())) return number;
  // 303.0, as frameworks write that keep numbers as doubles.
  const auto number = number_field(object, keys);
  constexpr double kExact = 9007199254740992;
  return number && std::fabs(*number) <= kExact && *number == std::floor(*number) ? std::optional(static_cast<int64_t>(*number)) : std::nullopt;
}

const Json* list_field(const Json& object, std::initializer_list<const char*> keys) {
  const Json* value = field(object, keys);
  return value != nullptr && value->is_array() ? value : nullptr;
}

const Json* object_field(const Json& object, std::initializer_list<const char*> keys) {
  const Json* value = field(object, keys);
  return value != nullptr && value->is_object() ? value : nullptr;
}

std::optional<double> moment_of(const Json& value) {
  if (value.is_string()) return moment_of_text(value.get<std::string>());
  if (!value.is_number()) return std::nullopt;
  double moment = value.get<double>();
  constexpr std::array<std::pair<double, double>, 3> kUnits{{{1e17, 1e-6}, {1e14, 1e-3}, {1e11, 1}}};
  const auto* unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& one) { return std::fabs(moment) >= one.first; });
  moment *= unit == kUnits.end() ? 1000 : unit->second;
  constexpr double kFurthest = 8.64e15;      // ECMAScript's time range, some 270,000 years
  return std::fabs(moment) <= kFurthest ? std::optional(moment) : std::nullopt;
}

std::optional<double> moment_field(const Json& object, std::initializer_list<const char*> keys) {
  const Json* value = field(object, keys);
  return value == nullptr ? std::nullopt : moment_of(*value);
}

void set_messages(Json messages, TraceSpan& span) {
  span.messages = std::move(messages);
  if (!span.messages.is_array()) return;
  for (auto message = span.messages.rbegin(); message != span.messages.rend(); ++message) {
    if (message->value("role", "") != "user") continue;
    if (std::string said = message_text(*message); !said.empty()) {
      span.input = std::move(said);
      return;
    }
  }
}

void set_answer(const Json& messages, TraceSpan& span) {
  if (!messages.is_array() || messages.empty()) return;
  std::string text;
  for (const Json& message : messages) {
    if (const std::string said = message_text(message); !said.empty()) text += (text.empty() ? "" : "\n") + said;
    if (!message.contains("tool_calls")) continue;
    for (const Json& call : message["tool_calls"]) span.tool_calls.push_back({{"name", call.value("name", "")}, {"arguments", call.value("arguments", Json::object())}});
  }
  span.output = std::move(text);
}

void set_exchange(const Json& asked, const Json& answered, TraceSpan& span) {
  const Json input = value_or_text(asked), output = value_or_text(answered);
  if (Json messages = messages_in(input, "user"); !messages.is_null()) set_messages(std::move(messages), span);
  else span.input = input;
  if (const Json messages = messages_in(output, "assistant"); !messages.is_null()) set_answer(messages, span);
  else span.output = output;
}

Json nest_dotted(const Json& attributes) {
  Json nested = Json::object();
  if (attributes.is_object()) for (const auto& [name, value] : attributes.items()) nest_value(name, value, 0, nested);
  return nested;
}

std::vector<const Json*> numbered_members(const Json* object) {
  std::vector<std::pair<uint64_t, const Json*>> found;
  if (object != nullptr && object->is_object()) {
    for (const auto& [name, value] : object->items()) if (const auto number = parsed_number<uint64_t>(name)) found.emplace_back(*number, &value);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const Json*> members;
  for (const auto& [number, value] : found) members.push_back(value);
  return members;
}

}  // namespace llmops
