// JSON Schema (draft-7) by valijson, compiled once.
#pragma once

#include <memory>
#include <string>

#include "core/base/json.h"

namespace llmops {

class JsonSchema {
 public:
  // Errors (kConfig): not a schema. Remote references are refused.
  static Result<JsonSchema> compile(const Json& schema);
  // Errors (kData): "at '/answer': value is not one of the allowed" for the first violation found; thread-safe.
  Status validate(const Json& value) const;

 private:
  struct Compiled;
  explicit JsonSchema(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace llmops
