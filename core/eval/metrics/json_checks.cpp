// json_valid and json_schema: is the answer JSON, and of the agreed shape. A text is parsed (RFC 8259, strict: no code
// fences, no comments); a value that a step already parsed is taken as it is.
#include <fmt/format.h>

#include "core/text/schema_checker.h"
#include "core/eval/metrics/kinds.h"
#include "core/eval/metrics/scoring.h"

namespace llmops {
namespace {

std::string parse_reason(const Error& error) {
  return error.where.line > 0 ? fmt::format("{} (line {}, column {})", error.message, error.where.line, error.where.column) : error.message;
}

class JsonValid : public Metric {
 public:
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const Json* target, scored_target(input));
    if (!target->is_string()) return rate_score(true, "");
    const auto parsed = parse_json(target->get_ref<const std::string&>(), "");
    return rate_score(parsed.has_value(), parsed ? "" : parse_reason(parsed.error()));
  }
};

class JsonSchemaMetric : public Metric {
 public:
  explicit JsonSchemaMetric(SchemaChecker schema) : schema_(std::move(schema)) {}
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const Json* target, scored_target(input));
    Json parsed_target;
    if (target->is_string()) {
      auto parsed = parse_json(target->get_ref<const std::string&>(), "");
      if (!parsed) return rate_score(false, parse_reason(parsed.error()));
      parsed_target = *std::move(parsed);
      target = &parsed_target;
    }
    LLMOPS_ASSIGN(const std::optional<SchemaFailure> failure, schema_.check(*target));
    if (!failure) return rate_score(true, "");
    MetricScore score = rate_score(false, failure->message);
    score.detail = Json{{"pointer", failure->pointer}, {"keyword", failure->keyword}};
    return score;
  }

 private:
  SchemaChecker schema_;
};

Result<std::unique_ptr<Metric>> make_json_valid(const MetricBuild&) { return std::unique_ptr<Metric>(std::make_unique<JsonValid>()); }

Result<std::unique_ptr<Metric>> make_json_schema(const MetricBuild& build) {
  const auto found = build.params->find("schema");
  if (found == build.params->end()) return Error(ErrorCode::kConfig, "'json_schema' needs 'schema'", "name a schema file or write the schema inline");
  Json schema = *found;
  if (found->is_string()) {
    LLMOPS_ASSIGN(const std::string bytes, build.read_file("schema"));
    auto parsed = parse_json(bytes, found->get<std::string>());
    if (!parsed) {
      parsed.error().code = ErrorCode::kConfig;
      return std::move(parsed).error();
    }
    schema = *std::move(parsed);
  }
  LLMOPS_ASSIGN(SchemaChecker compiled, SchemaChecker::compile(schema));
  return std::unique_ptr<Metric>(std::make_unique<JsonSchemaMetric>(std::move(compiled)));
}

constexpr MetricParameter kSchemaParameters[] = {{"schema", "file", true, "", "a JSON Schema (draft 7): a file, or the schema itself"}};

}  // namespace

const MetricKind kJsonValidKind{"json_valid", "the target is JSON: a text that parses, or a value that already is one", "RFC 8259", "0 or 1", MetricDirection::kHigher,
                                true, false, {}, [](const Json&) { return std::string("json_valid|rfc8259|v:1"); }, make_json_valid};

const MetricKind kJsonSchemaKind{"json_schema", "the target fits a JSON Schema; a text is parsed first", "JSON Schema draft 7, https://json-schema.org/draft-07",
                                 "0 or 1", MetricDirection::kHigher, true, false, kSchemaParameters,
                                 [](const Json&) { return std::string("json_schema|draft:7|v:1"); }, make_json_schema};

}  // namespace llmops
