// A safe subset of YAML 1.2 core, parsed to plain data with the place of every key and value kept for errors.
// Refused, with the place: anchors, aliases, tags, merge keys' magic, duplicate keys, more than one document, files over
// 4 MiB, nesting over 64. Scalars follow the 1.2 core schema: `no` is a string, `1.10` the number 1.1, "1.10" a string.
// JSON is accepted as it is.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace llmops {

class YamlDocument {
 public:
  const Json& value() const { return value_; }
  Json& value() { return value_; }
  const std::string& file() const { return file_; }
  // The place of the value at a JSON pointer ("/steps/0/id"), or of the nearest enclosing one. Pointers written by
  // json_pointer_append.
  SourcePlace place_of(std::string_view pointer) const;
  // The place of the key that names the value at the pointer (the value itself in a list).
  SourcePlace key_place_of(std::string_view pointer) const;
  // A config error at the value, or at the key.
  Error error_at(std::string_view pointer, std::string message, std::string hint = {}) const;
  Error error_at_key(std::string_view pointer, std::string message, std::string hint = {}) const;

 private:
  friend Result<YamlDocument> parse_yaml(std::string_view text, std::string file);
  struct Mark { int line = 0, column = 0, length = 1; };
  SourcePlace place(const Mark& mark) const;
  Json value_;
  std::string file_;
  std::vector<std::string> lines_;
  std::map<std::string, Mark, std::less<>> values_;
  std::map<std::string, Mark, std::less<>> keys_;
};

// `file` is the name shown in errors. An empty document is an error.
Result<YamlDocument> parse_yaml(std::string_view text, std::string file);

// pointer + "/" + key with '~' and '/' escaped (RFC 6901).
std::string json_pointer_append(std::string_view pointer, std::string_view key);
std::string json_pointer_append(std::string_view pointer, size_t index);

}  // namespace llmops
