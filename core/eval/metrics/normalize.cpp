// Normalising answers before they are compared.
// Source of the SQuAD form: Rajpurkar et al. 2016 (arXiv:1606.05250), evaluate-v1.1.py: lower, remove_punc,
// remove_articles, white_space_fix in that order. The script works on Python's Unicode strings, so its idea of a word
// boundary (str.isalnum or '_') and of white space (str.isspace, which holds U+001C to U+001F) is kept here.
#include "core/eval/metrics/normalize.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

using Points = std::vector<int32_t>;

Points decode(std::string_view text) {
  Points points;
  points.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const text::CodePoint point = text::decode_at(text, at);
    points.push_back(point.value);
    at += point.size;
  }
  return points;
}

std::string encode(const Points& points) {
  std::string result;
  result.reserve(points.size());
  for (const int32_t point : points) text::append_utf8(result, point);
  return result;
}

bool is_ascii_punctuation(int32_t c) { return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~'); }


// Python's \w: str.isalnum or '_', so letters and numbers, but not combining marks.
bool is_python_word(int32_t c) { return c == '_' || text::is_letter(c) || text::is_numeric(c); }

// \b(a|an|the)\b becomes one space. The words are ASCII, so lower case is taken by adding 32.
Points without_articles(const Points& points) {
  Points kept;
  kept.reserve(points.size());
  const auto letter = [&](size_t i) { return points[i] >= 'A' && points[i] <= 'Z' ? points[i] + 32 : points[i]; };
  for (size_t i = 0; i < points.size();) {
    if (!is_python_word(points[i])) { kept.push_back(points[i++]); continue; }
    size_t end = i;
    while (end < points.size() && is_python_word(points[end])) ++end;
    const size_t length = end - i;
    const bool article = (length == 1 && letter(i) == 'a') || (length == 2 && letter(i) == 'a' && letter(i + 1) == 'n') ||
                         (length == 3 && letter(i) == 't' && letter(i + 1) == 'h' && letter(i + 2) == 'e');
    if (article) kept.push_back(' ');
    else kept.insert(kept.end(), points.begin() + static_cast<std::ptrdiff_t>(i), points.begin() + static_cast<std::ptrdiff_t>(end));
    i = end;
  }
  return kept;
}

}  // namespace

std::string Normalization::apply(std::string_view text) const {
  std::string result(text);
  if (case_) result = fold_case(result);
  if (punctuation || articles) {
    Points points = decode(result);
    if (punctuation) std::erase_if(points, [](int32_t c) { return is_ascii_punctuation(c) || text::is_punctuation(c); });
    if (articles) points = without_articles(points);
    result = encode(points);
  }
  if (space) result = collapse_space(result);
  return result;
}

Json Normalization::apply_to(const Json& value) const {
  if (value.is_string()) return apply(value.get_ref<const std::string&>());
  Json result = value;
  if (result.is_structured()) {
    for (Json& item : result) item = apply_to(item);
  }
  return result;
}

std::string Normalization::name() const {
  std::string name;
  const auto add = [&](bool on, const char* word) { if (on) name += (name.empty() ? "" : "+") + std::string(word); };
  add(case_, "case");
  add(space, "space");
  add(punctuation, "punctuation");
  add(articles, "articles");
  return name.empty() ? "none" : name;
}

Result<Normalization> parse_normalization(const Json& params) {
  Normalization result;
  const auto found = params.find("normalize");
  if (found == params.end()) return result;
  if (!found->is_array()) return Error(ErrorCode::kConfig, "'normalize' must be a list", "write normalize: [case, space]");
  for (const Json& item : *found) {
    if (item == "case") result.case_ = true;
    else if (item == "space") result.space = true;
    else if (item == "punctuation") result.punctuation = true;
    else if (item == "articles") result.articles = true;
    else {
      const std::string text = json_to_text(item);
      return Error(ErrorCode::kConfig, fmt::format("unknown normalisation '{}'", text), did_you_mean(text, {"case", "space", "punctuation", "articles"}));
    }
  }
  return result;
}

std::string normalization_name(const Json& params) {
  const auto parsed = parse_normalization(params);
  return parsed ? parsed->name() : "none";
}

std::vector<std::string> squad_tokens(std::string_view text) {
  Points points = decode(text::to_lower(text));
  std::erase_if(points, is_ascii_punctuation);
  points = without_articles(points);
  std::vector<std::string> tokens;
  for (auto at = points.begin(); at != points.end();) {
    at = std::find_if_not(at, points.end(), text::is_python_space);
    const auto end = std::find_if(at, points.end(), text::is_python_space);
    if (at != end) tokens.push_back(encode(Points(at, end)));
    at = end;
  }
  return tokens;
}

std::string squad_normalize(std::string_view text) {
  std::string joined;
  for (const std::string& token : squad_tokens(text)) joined += (joined.empty() ? "" : " ") + token;
  return joined;
}

}  // namespace llmops
