// JSON Schema draft 7 (https://json-schema.org/draft-07) by valijson. The library reports sentences; people and tests want
// the place and the keyword, so its sentences are mapped back. Its std::regex takes about 300 bytes of stack per byte of text
// and operator of the pattern (measured with libstdc++ 12), and exponential time for some; so patterns go to RE2 where they can.
#define VALIJSON_USE_EXCEPTIONS 1
#include "core/text/schema_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <exception>
#include <re2/re2.h>
#include <regex>
#include <set>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "core/base/yaml_reader.h"
#include "core/text/schema_pattern.h"

namespace llmops {

struct SchemaChecker::State {
  std::deque<re2::RE2> patterns;   // before the schema, whose constraints point to them
  valijson::Schema schema;
  bool needs_std_regex = false;
};

namespace {

// Stands for `pattern` where RE2 matches it: its value is an index of State::patterns.
constexpr const char* kLinearPattern = "llmops:pattern";

// Owns nothing: the library frees constraints without destroying them.
class LinearPattern : public valijson::constraints::PolyConstraint {
 public:
  explicit LinearPattern(const re2::RE2* pattern) : pattern_(pattern) {}
  bool validate(const valijson::adapters::Adapter& target, const std::vector<std::string>& context, valijson::ValidationResults* results) const override {
    if (!target.isString() || re2::RE2::PartialMatch(target.asString(), *pattern_)) return true;
    if (results != nullptr) results->pushError(context, "Failed to match regex specified by 'pattern' constraint.");
    return false;
  }

 private:
  valijson::constraints::Constraint* cloneInto(void* place) const override { return new (place) LinearPattern(pattern_); }
  size_t sizeOf() const override { return sizeof(LinearPattern); }

  const re2::RE2* pattern_;
};

class LinearPatternBuilder : public valijson::ConstraintBuilder {
 public:
  explicit LinearPatternBuilder(const std::deque<re2::RE2>& patterns) : patterns_(patterns) {}
  valijson::constraints::Constraint* make(const valijson::adapters::Adapter& index) const override {
    return new LinearPattern(&patterns_.at(static_cast<size_t>(index.asInteger())));
  }

 private:
  const std::deque<re2::RE2>& patterns_;
};

struct Sentence { const char* part; const char* keyword; };
// The first part that occurs in the library's sentence names the keyword. Wrappers ("failed to validate item") are absent:
// the sentence of what failed inside comes before them.
constexpr std::array<Sentence, 30> kSentences{{
    {"'type' constraint", "type"},
    {"anyOf constraint", "anyOf"},
    {"oneOf constraint", "oneOf"},
    {"exactly one child schema", "oneOf"},
    {"if-then-else", "if"},
    {"'const' constraint", "const"},
    {"'contains' constraint", "contains"},
    {"enum values", "enum"},
    {"allowed by items constraint", "additionalItems"},
    {"'additionalItems' constraint", "additionalItems"},
    {"number less than or equal", "maximum"},
    {"number less than", "exclusiveMaximum"},
    {"number greater than or equal", "minimum"},
    {"number greater than", "exclusiveMinimum"},
    {"Array should contain no more", "maxItems"},
    {"Array should contain no fewer", "minItems"},
    {"String should be no more", "maxLength"},
    {"String should be no fewer", "minLength"},
    {"Object should have no more", "maxProperties"},
    {"Object should have no fewer", "minProperties"},
    {"multiple of", "multipleOf"},
    {"multipleOf check", "multipleOf"},
    {"'not' constraint", "not"},
    {"'pattern' constraint", "pattern"},
    {"'additionalProperties' constraints", "additionalProperties"},
    {"Missing required property", "required"},
    {"Missing dependency", "dependencies"},
    {"dependent schema", "dependencies"},
    {"Elements at indexes", "uniqueItems"},
    {"String should be a valid", "format"},
}};

const char* keyword_of(const std::string& sentence) {
  for (const Sentence& row : kSentences) {
    if (sentence.find(row.part) != std::string::npos) return row.keyword;
  }
  return nullptr;
}

// ["<root>", "[a]", "[0]"] -> "/a/0".
std::string pointer_of(const std::vector<std::string>& context) {
  std::string pointer;
  for (size_t i = 1; i < context.size(); ++i) pointer = json_pointer_append(pointer, std::string_view(context[i]).substr(1, context[i].size() - 2));
  return pointer;
}

// "Missing required property 'id'." -> "id".
std::string quoted_name(const std::string& sentence) {
  const size_t end = sentence.rfind('\''), start = end == std::string::npos ? end : sentence.rfind('\'', end - 1);
  return start == std::string::npos ? "" : sentence.substr(start + 1, end - start - 1);
}

bool is_choice(const char* keyword) { return std::string_view(keyword) == "anyOf" || std::string_view(keyword) == "oneOf"; }

// What failed inside a branch of anyOf or oneOf says little: the choice itself, which the library reports after its
// branches, is the failure.
SchemaFailure pick_failure(const valijson::ValidationResults& results) {
  const valijson::ValidationResults::Error* picked = nullptr;
  for (const auto& error : results) {
    const char* keyword = keyword_of(error.description);
    if (keyword == nullptr) continue;
    if (picked == nullptr) picked = &error;
    const bool encloses = error.context.size() <= picked->context.size() && std::equal(error.context.begin(), error.context.end(), picked->context.begin());
    if (is_choice(keyword) && encloses) picked = &error;
  }
  // The library is silent about one keyword only.
  if (picked == nullptr) return {"", "propertyNames", "the value fails 'propertyNames'"};
  SchemaFailure failure{pointer_of(picked->context), keyword_of(picked->description), ""};
  failure.message = fmt::format("{} fails '{}'", failure.pointer.empty() ? "the value" : failure.pointer, failure.keyword);
  if (failure.keyword == "required" || failure.keyword == "dependencies") {
    if (const std::string name = quoted_name(picked->description); !name.empty()) failure.message += fmt::format(": no '{}'", name);
  } else if (failure.keyword == "additionalProperties") {
    failure.message += fmt::format(": '{}'", quoted_name(picked->description));
  }
  return failure;
}

// The library's adapter knows nlohmann's sorted object only. Draft 7 calls 1.0 an integer, the library does not: integral
// numbers are handed over as integers.
nlohmann::json plain_value(const Json& value) {
  if (value.is_object()) {
    nlohmann::json plain = nlohmann::json::object();
    for (const auto& member : value.items()) plain[member.key()] = plain_value(member.value());
    return plain;
  }
  if (value.is_array()) {
    nlohmann::json plain = nlohmann::json::array();
    for (const Json& item : value) plain.push_back(plain_value(item));
    return plain;
  }
  if (value.is_number_float()) {
    constexpr double kLargestExact = 9007199254740992.0;
    const double number = value.get<double>();
    if (std::abs(number) <= kLargestExact && number == std::trunc(number)) return static_cast<int64_t>(number);
  }
  return nlohmann::json(value);
}

// The library divides by an integral multipleOf after cutting the value's fraction off, and by 0 when told to.
Status repair_multiples(nlohmann::json& schema) {
  if (!schema.is_structured()) return {};
  for (auto& member : schema.items()) {
    if (schema.is_object() && member.key() == "multipleOf" && member.value().is_number()) {
      const double divisor = member.value().get<double>();
      if (divisor <= 0) return Error(ErrorCode::kConfig, "'multipleOf' must be greater than 0", "write a number above 0");
      member.value() = divisor;
    }
    LLMOPS_CHECK(repair_multiples(member.value()));
  }
  return {};
}

// Refuses patterns that do not compile now rather than at the first case, and finds whether any of them is left to std::regex.
Status try_pattern(const std::string& pattern) {
  try {
    const std::regex compiled(pattern);
  } catch (const std::regex_error&) {
    return Error(ErrorCode::kConfig, fmt::format("pattern {} does not compile", dump_json(Json(pattern))), "write an ECMAScript regular expression, and double its backslashes in JSON");
  }
  return {};
}

// Hands patterns over to RE2 where it reads them alike. Data inside of a schema is not touched.
Status replace_patterns(nlohmann::json& schema, std::deque<re2::RE2>& patterns, bool& needs_std_regex) {
  if (!schema.is_structured()) return {};
  if (schema.is_object()) {
    if (const auto found = schema.find("pattern"); found != schema.end() && found->is_string()) {
      const auto pattern = found->get<std::string>();
      if (const auto translated = re2_of_ecmascript(pattern)) {
        re2::RE2 compiled(*translated, re2::RE2::Quiet);
        if (compiled.ok()) {
          schema[kLinearPattern] = patterns.size();
          patterns.emplace_back(*translated, re2::RE2::Quiet);
          schema.erase("pattern");
        }
      }
      if (schema.contains("pattern")) {
        LLMOPS_CHECK(try_pattern(pattern));
        needs_std_regex = true;
      }
    }
    if (const auto found = schema.find("format"); found != schema.end() && found->is_string()) needs_std_regex = true;
    if (const auto found = schema.find("patternProperties"); found != schema.end() && found->is_object()) {
      needs_std_regex = true;
      for (const auto& pattern : found->items()) LLMOPS_CHECK(try_pattern(pattern.key()));
    }
  }
  for (auto& member : schema.items()) {
    const bool is_data = schema.is_object() && (member.key() == "const" || member.key() == "enum" || member.key() == "default" || member.key() == "examples");
    if (!is_data) LLMOPS_CHECK(replace_patterns(member.value(), patterns, needs_std_regex));
  }
  return {};
}

// Whether a pattern is left anywhere, also below a property that is named like a keyword for data.
bool has_pattern(const nlohmann::json& schema) {
  if (schema.is_object() && schema.contains("pattern") && schema["pattern"].is_string()) return true;
  return schema.is_structured() && std::any_of(schema.begin(), schema.end(), has_pattern);
}

// Schemas that a value is handed on to as it is. A cycle of those never ends, in the library's parser already; a cycle
// through properties or items ends with the value.
class LoopFinder {
 public:
  explicit LoopFinder(const Json& root) : root_(root) {}
  bool loops() { return visit_all(root_); }

 private:
  bool visit_all(const Json& node) {
    if (node.is_object() && visit(node)) return true;
    if (!node.is_structured()) return false;
    return std::any_of(node.begin(), node.end(), [&](const Json& item) { return visit_all(item); });
  }
  bool visit(const Json& schema) {
    if (!schema.is_object() || done_.contains(&schema)) return false;
    if (!open_.insert(&schema).second) return true;
    for (const auto& member : schema.items()) {
      const std::string& key = member.key();
      const Json& value = member.value();
      if (key == "$ref" && value.is_string() && value.get_ref<const std::string&>().starts_with('#')) {
        const Json* target = json_at(root_, std::string_view(value.get_ref<const std::string&>()).substr(1));
        if (target != nullptr && visit(*target)) return true;
      } else if (key == "not" || key == "if" || key == "then" || key == "else") {
        if (visit(value)) return true;
      } else if ((key == "allOf" || key == "anyOf" || key == "oneOf" || key == "dependencies") && value.is_structured()) {
        if (std::any_of(value.begin(), value.end(), [&](const Json& item) { return visit(item); })) return true;
      }
    }
    open_.erase(&schema);
    done_.insert(&schema);
    return false;
  }

  const Json& root_;
  std::set<const Json*> open_, done_;
};

bool has_long_text(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size() > SchemaChecker::kLongestMatchedText;
  if (value.is_object()) {
    for (const auto& member : value.items()) {
      if (member.key().size() > SchemaChecker::kLongestMatchedText) return true;
    }
  }
  if (!value.is_structured()) return false;
  for (const Json& item : value) {
    if (has_long_text(item)) return true;
  }
  return false;
}

}  // namespace

SchemaChecker::SchemaChecker(std::unique_ptr<State> state) : state_(std::move(state)) {}
SchemaChecker::SchemaChecker(SchemaChecker&&) noexcept = default;
SchemaChecker& SchemaChecker::operator=(SchemaChecker&&) noexcept = default;
SchemaChecker::~SchemaChecker() = default;

Result<SchemaChecker> SchemaChecker::compile(const Json& schema) {
  if (!schema.is_object() && !schema.is_boolean()) return Error(ErrorCode::kConfig, fmt::format("a schema must be a mapping, not {}", json_type_words(schema)), "write a JSON Schema, like {\"type\": \"object\"}");
  auto state = std::make_unique<State>();
  if (LoopFinder(schema).loops()) {
    return Error(ErrorCode::kConfig, "the schema refers to itself without going deeper into the value", "put the inner `$ref` below `properties` or `items`");
  }
  nlohmann::json plain = plain_value(schema);
  LLMOPS_CHECK(replace_patterns(plain, state->patterns, state->needs_std_regex));
  state->needs_std_regex = state->needs_std_regex || has_pattern(plain);
  LLMOPS_CHECK(repair_multiples(plain));
  try {
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.addConstraintBuilder(kLinearPattern, new LinearPatternBuilder(state->patterns));  // the parser owns it
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(plain), state->schema);
  } catch (const std::exception& error) {
    return Error(ErrorCode::kConfig, fmt::format("not a draft 7 schema: {}", error.what()), "see https://json-schema.org/draft-07 for what a schema may hold");
  }
  return SchemaChecker(std::move(state));
}

Result<std::optional<SchemaFailure>> SchemaChecker::check(const Json& value) const {
  if (state_->needs_std_regex && has_long_text(value)) {
    return Error(ErrorCode::kData, fmt::format("a text over {} bytes cannot be checked by a schema with 'format', 'patternProperties' or a 'pattern' that RE2 does not know", kLongestMatchedText),
                 "write the pattern without look-ahead and back-references, and leave 'format' out");
  }
  try {
    const nlohmann::json plain = plain_value(value);
    valijson::Validator validator;  // holds a cache, so one per call
    valijson::ValidationResults results;
    if (validator.validate(state_->schema, valijson::adapters::NlohmannJsonAdapter(plain), &results)) return std::optional<SchemaFailure>();
    return std::optional<SchemaFailure>(pick_failure(results));
  } catch (const std::exception& error) {
    return Error(ErrorCode::kData, fmt::format("the schema cannot be applied: {}", error.what()), "simplify the schema");
  }
}

}  // namespace llmops
