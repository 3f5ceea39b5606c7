// A good document, and every document that differs from it in one fault: a value of another type, a key that is missing, a key
// that is misspelt.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/base/yaml.h"

namespace llmops::test {

// All keys of mappings, at any depth, as JSON pointers.
inline std::vector<std::string> key_pointers(const Json& value, const std::string& pointer = {}) {
  std::vector<std::string> found;
  const auto add = [&](const Json& inner, const std::string& at, bool is_key) {
    if (is_key) found.push_back(at);
    for (std::string& deeper : key_pointers(inner, at)) found.push_back(std::move(deeper));
  };
  if (value.is_object()) for (const auto& [key, inner] : value.items()) add(inner, json_pointer_append(pointer, key), true);
  if (value.is_array()) for (size_t i = 0; i < value.size(); ++i) add(value[i], json_pointer_append(pointer, i), false);
  return found;
}

inline Json with_value(Json document, const std::string& pointer, Json value) {
  document[Json::json_pointer(pointer)] = std::move(value);
  return document;
}

// The key renamed, or left out when `name` is empty; its place among the others stays.
inline Json with_key(const Json& document, const std::string& pointer, const std::string& name) {
  const Json::json_pointer at(pointer);
  Json changed = document;
  Json& owner = changed[at.parent_pointer()];
  Json renamed = Json::object();
  for (const auto& [key, value] : owner.items()) {
    if (key != at.back()) renamed[key] = value;
    else if (!name.empty()) renamed[name] = value;
  }
  owner = renamed;
  return changed;
}

// Two neighbouring letters swapped, as hands do: "prompt" -> "promtp".
inline std::string misspelt(std::string name) {
  for (size_t i = name.size() - 1; i > 0; --i) {
    if (name[i] == name[i - 1]) continue;
    std::swap(name[i], name[i - 1]);
    return name;
  }
  return name + "x";
}

struct WrongValue { const char* word; Json value; };
inline std::vector<WrongValue> wrong_values(const Json& right) {
  std::vector<WrongValue> all = {{"number", 7}, {"list", Json::array({nullptr})}, {"mapping", {{"zz", 1}}}, {"null", nullptr}, {"empty", ""}};
  std::erase_if(all, [&](const WrongValue& wrong) { return (right.is_number() && wrong.value.is_number()); });
  return all;
}

// What is wrong with how an error is told; "" when nothing is.
inline std::string fault_of(const Error& error) {
  if (error.message.empty()) return "no message";
  if (error.where.file.empty() || error.where.line < 1 || error.where.column < 1) return "no place";
  return error.hint.empty() ? "no hint" : "";
}

using LoadText = std::function<std::optional<Error>(const std::string& text)>;  // nullopt: accepted

// "POINTER WORD" of every wrong value that `load` accepts; every refusal is checked for place and hint.
inline std::set<std::string> accepted_wrong_values(const Json& document, const LoadText& load) {
  std::set<std::string> accepted;
  for (const std::string& pointer : key_pointers(document)) {
    for (const WrongValue& wrong : wrong_values(document.at(Json::json_pointer(pointer)))) {
      const auto error = load(dump_json_pretty(with_value(document, pointer, wrong.value)));
      if (!error) { accepted.insert(pointer + " " + wrong.word); continue; }
      INFO(pointer << " " << wrong.word << ": " << error->message << " | " << error->hint);
      CHECK(fault_of(*error) == "");
    }
  }
  return accepted;
}

// Pointers whose misspelt key is not answered by "did you mean" with the right one.
inline std::set<std::string> unnoticed_misspellings(const Json& document, const LoadText& load) {
  std::set<std::string> unnoticed;
  for (const std::string& pointer : key_pointers(document)) {
    const std::string key = Json::json_pointer(pointer).back();
    const auto error = load(dump_json_pretty(with_key(document, pointer, misspelt(key))));
    if (!error || error->hint.find("did you mean '" + key + "'?") == std::string::npos) unnoticed.insert(pointer + (error ? " " + error->message : ""));
    else CHECK(fault_of(*error) == "");
  }
  return unnoticed;
}

// Pointers whose key may be left out; every refusal is checked for place and hint.
inline std::set<std::string> optional_keys(const Json& document, const LoadText& load) {
  std::set<std::string> optional;
  for (const std::string& pointer : key_pointers(document)) {
    const auto error = load(dump_json_pretty(with_key(document, pointer, "")));
    if (!error) { optional.insert(pointer); continue; }
    INFO(pointer << ": " << error->message << " | " << error->hint);
    CHECK(fault_of(*error) == "");
  }
  return optional;
}

}  // namespace llmops::test
