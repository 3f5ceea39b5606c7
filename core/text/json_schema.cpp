#include "core/text/json_schema.h"

#include <exception>
#include <fmt/format.h>

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace llmops {
namespace {

// valijson's adapter knows the library's sorted object only.
nlohmann::json to_sorted(const Json& value) {
  if (value.is_object()) {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [key, item] : value.items()) out[key] = to_sorted(item);
    return out;
  }
  if (value.is_array()) {
    nlohmann::json out = nlohmann::json::array();
    for (const Json& item : value) out.push_back(to_sorted(item));
    return out;
  }
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  return nullptr;
}

}  // namespace

struct JsonSchema::Compiled { valijson::Schema schema; };

Result<JsonSchema> JsonSchema::compile(const Json& schema) {
  auto compiled = std::make_shared<Compiled>();
  const nlohmann::json sorted = to_sorted(schema);
  try {
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(sorted), compiled->schema);
  } catch (const std::exception& error) {
    return Error(ErrorCode::kConfig, fmt::format("not a JSON Schema: {}", error.what()), "write it in draft-7");
  }
  return JsonSchema(std::move(compiled));
}

Status JsonSchema::validate(const Json& value) const {
  const nlohmann::json sorted = to_sorted(value);
  valijson::ValidationResults results;
  valijson::Validator validator;
  try {
    if (validator.validate(compiled_->schema, valijson::adapters::NlohmannJsonAdapter(sorted), &results)) return {};
  } catch (const std::exception& error) {
    return Error(ErrorCode::kData, fmt::format("the schema cannot be applied: {}", error.what()));
  }
  // The deepest place says most; of several there, the first.
  valijson::ValidationResults::Error found, deepest;
  while (results.popError(found)) {
    if (deepest.context.empty() || found.context.size() > deepest.context.size()) deepest = found;
  }
  std::string pointer;
  for (size_t i = 1; i < deepest.context.size(); ++i) {
    const std::string& part = deepest.context[i];
    pointer += "/" + (part.size() > 2 && part.front() == '[' ? part.substr(1, part.size() - 2) : part);
  }
  return Error(ErrorCode::kData, fmt::format("at '{}': {}", pointer, deepest.description));
}

}  // namespace llmops
