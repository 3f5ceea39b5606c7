// Reading one mapping of a user's YAML file key by key: every key is asked for once, and finish() refuses what nobody
// asked for with "did you mean". All errors carry file:line:col.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/yaml.h"

namespace llmops {

class YamlReader {
 public:
  // `pointer` must name a mapping (checked by open()). The document must outlive the reader.
  static Result<YamlReader> open(const YamlDocument& document, std::string pointer, std::string what);

  const Json* find(const std::string& key);            // marks the key as known; nullptr when absent
  std::string pointer_of(const std::string& key) const { return json_pointer_append(pointer_, key); }
  const std::string& pointer() const { return pointer_; }
  const YamlDocument& document() const { return *document_; }
  const Json& value() const { return *map_; }

  Result<std::string> text(const std::string& key);                      // required
  Result<std::optional<std::string>> optional_text(const std::string& key);
  Result<std::optional<bool>> optional_bool(const std::string& key);
  Result<std::optional<double>> optional_number(const std::string& key, double low, double high);
  Result<std::optional<int64_t>> optional_integer(const std::string& key, int64_t low, int64_t high);
  Result<std::vector<std::string>> optional_text_list(const std::string& key);  // absent: empty

  Error missing(const std::string& key, std::string hint = {}) const;
  // Unknown keys are errors; known ones are listed by "did you mean".
  Status finish();

 private:
  YamlReader(const YamlDocument& document, std::string pointer, std::string what, const Json* map);
  Error wrong_type(const std::string& key, const std::string& wanted) const;
  const YamlDocument* document_;
  std::string pointer_, what_;
  const Json* map_;
  std::vector<std::string> asked_;
};

// "text", "a number", "a list": for messages.
std::string json_type_words(const Json& value);

}  // namespace llmops
