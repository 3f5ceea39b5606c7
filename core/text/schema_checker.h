// A JSON Schema (draft 7), compiled once and asked by many threads. Known limits: `format` knows date, time and date-time
// only; multipleOf takes a text that is a number for that number. A `pattern` is matched by RE2, in time linear in the text
// whatever its length, when RE2 reads it as ECMAScript does (see schema_pattern.h). Any other (look-ahead, back-references),
// `patternProperties` and `format` are left to std::regex, which recurses once or more per byte: then no text may be longer
// than kLongestMatchedText bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/json.h"

namespace llmops {

struct SchemaFailure {
  std::string pointer;   // of the value that failed, "" for the whole
  std::string keyword;   // "type", "required", "additionalProperties"
  std::string message;   // "/answer fails 'type'", "the value fails 'required': no 'id'"
};

class SchemaChecker {
 public:
  // Errors (kConfig): not a schema, a pattern that does not compile, a $ref out of the document.
  static Result<SchemaChecker> compile(const Json& schema);
  SchemaChecker(SchemaChecker&&) noexcept;
  SchemaChecker& operator=(SchemaChecker&&) noexcept;
  ~SchemaChecker();
  // nullopt: valid. Errors (kData): the schema needs std::regex and the value holds a text or a key over kLongestMatchedText bytes.
  Result<std::optional<SchemaFailure>> check(const Json& value) const;
  static constexpr size_t kLongestMatchedText = 1024;

 private:
  struct State;
  explicit SchemaChecker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmops
