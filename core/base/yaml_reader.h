// Reading one mapping of a user's YAML file key by key: every key is asked for once, and finish() refuses what nobody
// asked for with "did you mean". All errors carry file:line:col.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/yaml.h"

namespace llmops {

enum class EmptyText { kRefused, kAllowed };

class YamlReader {
 public:
  // `pointer` must name a mapping (checked by open()). The document must outlive the reader.
  static Result<YamlReader> open(const YamlDocument& document, std::string pointer, std::string what);

  const Json* find(const std::string& key);            // marks the key as known; nullptr when absent
  std::string pointer_of(const std::string& key) const { return json_pointer_append(pointer_, key); }
  const std::string& pointer() const { return pointer_; }
  const YamlDocument& document() const { return *document_; }
  const Json& value() const { return *map_; }

  // Required and not empty. `hint` is for a mapping that lacks it.
  Result<std::string> text(const std::string& key, const std::string& hint = {});
  Result<std::optional<std::string>> optional_text(const std::string& key, EmptyText empty = EmptyText::kRefused);
  Result<std::optional<bool>> optional_bool(const std::string& key);
  Result<std::optional<double>> optional_number(const std::string& key, double low, double high);
  Result<std::optional<int64_t>> optional_integer(const std::string& key, int64_t low, int64_t high);
  Result<std::vector<std::string>> optional_text_list(const std::string& key);  // absent: empty

  // That a required key is absent; when a key that nobody asked for is spelt almost like it, that key is the error.
  Error missing(const std::string& key, std::string hint = {}) const;
  // Marks the keys as known and refuses all others, so that a misspelt key is met before what its absence leads to.
  Status expect_only(std::initializer_list<const char*> keys);
  // Unknown keys are errors; known ones are listed by "did you mean".
  Status finish();

 private:
  YamlReader(const YamlDocument& document, std::string pointer, std::string what, const Json* map);
  bool is_asked(const std::string& key) const;
  Error wrong_type(const std::string& key, const std::string& wanted, std::string hint) const;
  Error out_of_range(const std::string& key, const std::string& number, const std::string& low, const std::string& high) const;
  const YamlDocument* document_;
  std::string pointer_, what_;
  const Json* map_;
  std::vector<std::string> asked_;
};

// "text", "a number", "a list": for messages.
std::string json_type_words(const Json& value);

}  // namespace llmops
