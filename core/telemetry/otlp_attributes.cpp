#include "core/telemetry/otlp_span.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace llmops {

std::optional<Json> otlp_value(std::string_view type, Json inner, int depth) {
  constexpr int kDeepest = 32;
  if (type == "stringValue" || type == "boolValue" || type == "doubleValue" || type == "bytesValue") return inner;
  if (type == "intValue") {
    if (inner.is_number_integer()) return inner;
    const std::string text = json_to_text(inner);
    int64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failed == std::errc() && end == text.data() + text.size() ? Json(number) : Json(text);
  }
  if (type != "arrayValue" && type != "kvlistValue") return std::nullopt;
  const bool is_list = type == "arrayValue";
  Json made = is_list ? Json::array() : Json::object();
  const auto plain = [&](Json& value) {
    if (value.is_object() && depth < kDeepest) for (const auto& [name, one] : value.items()) if (auto known = otlp_value(name, std::move(one), depth + 1)) return std::move(*known);
    return Json();
  };
  if (!inner.is_object() || !inner.contains("values") || !inner["values"].is_array()) return made;
  for (Json& one : inner["values"]) {
    if (is_list) made.push_back(plain(one));
    else if (one.is_object() && one.contains("key")) made[json_to_text(one["key"])] = one.contains("value") ? plain(one["value"]) : Json();
  }
  return made;
}

OtlpAttributes::Entry* OtlpAttributes::find(std::string_view name) {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return !entry.is_taken && entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

void OtlpAttributes::set(std::string name, Json value) {
  if (Entry* known = find(name)) known->value = std::move(value);
  else entries_.push_back({std::move(name), std::move(value)});
}

void OtlpAttributes::merge(OtlpAttributes more) {
  for (Entry& entry : more.entries_) if (find(entry.name) == nullptr) entries_.push_back(std::move(entry));
}

Json OtlpAttributes::take(std::initializer_list<std::string_view> names) {
  Json first;
  for (const std::string_view name : names) {
    Entry* found = find(name);
    if (found == nullptr) continue;
    found->is_taken = true;
    if (first.is_null()) first = std::move(found->value);
  }
  return first;
}

std::string OtlpAttributes::text(std::initializer_list<std::string_view> names) {
  Json value = take(names);
  if (value.is_string()) return std::move(value.get_ref<std::string&>());
  return value.is_null() ? "" : json_to_text(value);
}

std::optional<int64_t> OtlpAttributes::integer(std::initializer_list<std::string_view> names) {
  const Json value = take(names);
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return static_cast<int64_t>(value.get<double>());
  return std::nullopt;
}

std::optional<double> OtlpAttributes::number(std::initializer_list<std::string_view> names) {
  const Json value = take(names);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

Json OtlpAttributes::take_numbered(std::string_view prefix) {
  std::map<int, Json> numbered;
  for (Entry& entry : entries_) {
    if (entry.is_taken || !entry.name.starts_with(prefix)) continue;
    int number = 0;
    const char *from = entry.name.data() + prefix.size(), *stop = entry.name.data() + entry.name.size();
    const auto [end, failed] = std::from_chars(from, stop, number);
    if (failed != std::errc() || end == stop || *end != '.') continue;
    const std::string field(end + 1, stop);
    if (field == "role" || field == "content") numbered[number][field] = std::move(entry.value);
    entry.is_taken = true;
  }
  if (numbered.empty()) return nullptr;
  Json messages = Json::array();
  for (auto& [number, message] : numbered) messages.push_back(std::move(message));
  return messages;
}

Json OtlpAttributes::rest() {
  Json object = Json::object();
  auto& members = static_cast<std::vector<std::pair<const std::string, Json>>&>(object.get_ref<Json::object_t&>());
  members.reserve(static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return !entry.is_taken; })));
  for (Entry& entry : entries_) if (!entry.is_taken) members.emplace_back(std::move(entry.name), std::move(entry.value));
  entries_.clear();
  return object;
}

std::optional<double> otlp_moment_ms(std::string_view text) {
  uint64_t nanoseconds = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), nanoseconds);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(nanoseconds / 1000) * 1e-3;
}

std::optional<double> otlp_moment_ms(const Json& nanoseconds) {
  if (nanoseconds.is_number()) return nanoseconds.get<double>() * 1e-6;
  return nanoseconds.is_string() ? otlp_moment_ms(std::string_view(nanoseconds.get_ref<const std::string&>())) : std::nullopt;
}

}  // namespace llmops
