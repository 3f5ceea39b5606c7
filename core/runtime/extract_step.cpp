// The body of an extract step: a value out of a text, by JSON, regular expression or a list of choices.
#include <fmt/format.h>
#include <re2/re2.h>

#include "core/runtime/step_runner.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

// The first balanced JSON object or array of a text: models wrap JSON in fences and words.
std::optional<Json> find_json(const std::string& text) {
  if (auto whole = parse_json(text, "reply")) return std::move(*whole);
  for (size_t start = text.find_first_of("{["); start != std::string::npos; start = text.find_first_of("{[", start + 1)) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = start; i < text.size(); ++i) {
      const char c = text[i];
      if (in_string) {
        if (c == '\\') ++i;
        else if (c == '"') in_string = false;
        continue;
      }
      if (c == '"') in_string = true;
      else if (c == '{' || c == '[') ++depth;
      else if (c == '}' || c == ']') {
        if (--depth > 0) continue;
        if (auto part = parse_json(std::string_view(text).substr(start, i - start + 1), "reply")) return std::move(*part);
        break;
      }
    }
  }
  return std::nullopt;
}

std::string beginning(const std::string& text) {
  return truncate_to_width(std::string_view(text).substr(0, 400), 80, false);
}

Result<Json> extract_value(const ExtractStep& body, const Json& source) {
  if (body.how == ExtractStep::How::kJson) {
    if (!source.is_string()) return source;
    auto found = find_json(source.get_ref<const std::string&>());
    if (!found) return Error(ErrorCode::kData, fmt::format("no JSON in '{}'", beginning(source.get<std::string>())));
    return std::move(*found);
  }
  const std::string text = json_to_text(source);
  if (body.how == ExtractStep::How::kChoice) {
    size_t best = std::string::npos;
    const std::string* choice = nullptr;
    for (size_t i = 0; i < body.choices.size(); ++i) {
      const std::string& one = body.choices[i];
      re2::StringPiece match;
      if (!re2::RE2::PartialMatch(text, *body.choice_patterns[i], &match)) continue;
      const size_t at = static_cast<size_t>(match.data() - text.data());
      // The first that stands in the text; of two at one place the longer.
      if (at < best || (at == best && one.size() > choice->size())) {
        best = at;
        choice = &one;
      }
    }
    if (choice == nullptr) return Error(ErrorCode::kData, fmt::format("none of the choices stands in '{}'", beginning(text)));
    return Json(*choice);
  }
  std::vector<re2::StringPiece> groups(static_cast<size_t>(body.group) + 1);
  std::optional<std::string> found;
  size_t from = 0;
  while (from <= text.size() && body.pattern->Match(text, from, text.size(), re2::RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) {
    found = groups.back().as_string();
    if (!body.last) break;
    const size_t end = static_cast<size_t>(groups[0].data() - text.data()) + groups[0].size();
    from = end > from ? end : from + 1;
  }
  if (!found) return Error(ErrorCode::kData, fmt::format("regular expression '{}' does not match '{}'", body.regex, beginning(text)));
  return Json(*found);
}

}  // namespace

void run_extract_step(const StepCall& call, const ExtractStep& body, StepOutcome& outcome) {
  constexpr const char* kHow[] = {"json", "regex", "choice"};
  outcome.spans[0].name = kHow[static_cast<size_t>(body.how)];
  auto source = body.from->evaluate(call.scope);
  if (!source) {
    outcome.error = std::move(source).error();
    return;
  }
  auto value = extract_value(body, *source);
  if (!value) {
    outcome.error = std::move(value).error();
    return;
  }
  if (body.schema) {
    auto failure = body.schema->check(*value);
    if (!failure) outcome.error = std::move(failure).error();
    else if (*failure) outcome.error = Error(ErrorCode::kData, "the value does not fit the schema: " + (*failure)->message);
    if (outcome.error) return;
  }
  outcome.output = std::move(*value);
}

}  // namespace llmops
