#include "core/base/yaml_reader.h"

#include <algorithm>
#include <fmt/format.h>

namespace llmops {

std::string json_type_words(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "nothing";
    case Json::value_t::boolean: return "true or false";
    case Json::value_t::string: return "text";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float: return "a number";
    case Json::value_t::array: return "a list";
    case Json::value_t::object: return "a mapping";
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  return "an unknown value";
}

YamlReader::YamlReader(const YamlDocument& document, std::string pointer, std::string what, const Json* map)
    : document_(&document), pointer_(std::move(pointer)), what_(std::move(what)), map_(map) {}

Result<YamlReader> YamlReader::open(const YamlDocument& document, std::string pointer, std::string what) {
  const Json* map = json_at(document.value(), pointer);
  if (map == nullptr || !map->is_object()) {
    return document.error_at(pointer, fmt::format("{} must be a mapping, not {}", what, map == nullptr ? "nothing" : json_type_words(*map)),
                             "write its keys as `key: value`");
  }
  return YamlReader(document, std::move(pointer), std::move(what), map);
}

const Json* YamlReader::find(const std::string& key) {
  if (!is_asked(key)) asked_.push_back(key);
  const auto found = map_->find(key);
  return found == map_->end() ? nullptr : &*found;
}

bool YamlReader::is_asked(const std::string& key) const { return std::find(asked_.begin(), asked_.end(), key) != asked_.end(); }

Error YamlReader::wrong_type(const std::string& key, const std::string& wanted, std::string hint) const {
  return document_->error_at(pointer_of(key), fmt::format("'{}' must be {}, not {}", key, wanted, json_type_words((*map_)[key])), std::move(hint));
}

Error YamlReader::out_of_range(const std::string& key, const std::string& number, const std::string& low, const std::string& high) const {
  return document_->error_at(pointer_of(key), fmt::format("'{}' is {}, but must be from {} to {}", key, number, low, high), "give a number in that range");
}

Error YamlReader::missing(const std::string& key, std::string hint) const {
  for (const auto& [name, value] : map_->items()) {
    if (is_asked(name) || closest_name(name, {key}).empty()) continue;
    return document_->error_at_key(pointer_of(name), fmt::format("unknown key '{}' in {}", name, what_), did_you_mean(name, {key}));
  }
  return document_->error_at(pointer_, fmt::format("{} has no '{}'", what_, key), hint.empty() ? fmt::format("add `{}: ...`", key) : std::move(hint));
}

Result<std::string> YamlReader::text(const std::string& key, const std::string& hint) {
  LLMOPS_ASSIGN(auto found, optional_text(key));
  if (!found) return missing(key, hint);
  return std::move(*found);
}

Result<std::optional<std::string>> YamlReader::optional_text(const std::string& key, EmptyText empty) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return wrong_type(key, "text", value->is_structured() ? "write one text" : value->is_null() ? "write a text, or remove the key" : "put it in quotes");
  if (empty == EmptyText::kRefused && value->get_ref<const std::string&>().empty()) {
    return document_->error_at(pointer_of(key), fmt::format("'{}' is empty", key), "write a text, or remove the key");
  }
  return std::optional<std::string>(value->get<std::string>());
}

Result<std::optional<bool>> YamlReader::optional_bool(const std::string& key) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return wrong_type(key, "true or false", "write true or false, without quotes");
  return std::optional<bool>(value->get<bool>());
}

Result<std::optional<double>> YamlReader::optional_number(const std::string& key, double low, double high) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_number()) return wrong_type(key, "a number", "write a number, without quotes");
  const double number = value->get<double>();
  if (number < low || number > high) return out_of_range(key, fmt::format("{}", number), fmt::format("{}", low), fmt::format("{}", high));
  return std::optional<double>(number);
}

Result<std::optional<int64_t>> YamlReader::optional_integer(const std::string& key, int64_t low, int64_t high) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<int64_t>();
  if (!value->is_number_integer()) return wrong_type(key, "a whole number", "write a number without fraction and quotes");
  const int64_t number = value->get<int64_t>();
  if (number < low || number > high) return out_of_range(key, dump_json(*value), std::to_string(low), std::to_string(high));
  return std::optional<int64_t>(number);
}

Result<std::vector<std::string>> YamlReader::optional_text_list(const std::string& key) {
  std::vector<std::string> list;
  const Json* value = find(key);
  if (value == nullptr) return list;
  if (!value->is_array()) return wrong_type(key, "a list of texts", fmt::format("write it as a list: {}: [a, b]", key));
  for (size_t i = 0; i < value->size(); ++i) {
    if (!(*value)[i].is_string()) {
      return document_->error_at(json_pointer_append(pointer_of(key), i), fmt::format("'{}' must hold texts, not {}", key, json_type_words((*value)[i])), "put it in quotes");
    }
    list.push_back((*value)[i].get<std::string>());
  }
  return list;
}

Status YamlReader::expect_only(std::initializer_list<const char*> keys) {
  for (const char* key : keys) find(key);
  return finish();
}

Status YamlReader::finish() {
  for (const auto& [key, value] : map_->items()) {
    if (is_asked(key)) continue;
    const std::string hint = did_you_mean(key, asked_);
    return document_->error_at_key(pointer_of(key), fmt::format("unknown key '{}' in {}", key, what_), hint.empty() ? "remove it" : hint);
  }
  return {};
}

}  // namespace llmops
