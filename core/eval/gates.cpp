// The grammar of gates, by recursive descent over bytes so that every error has its column.
#include "core/eval/gates.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace llmops {
namespace {

struct FunctionName { const char* name; GateFunction function; };
constexpr std::array<FunctionName, 8> kFunctions{{{"mean", GateFunction::kMean}, {"sum", GateFunction::kSum}, {"min", GateFunction::kMin}, {"max", GateFunction::kMax},
                                                  {"p50", GateFunction::kP50}, {"p90", GateFunction::kP90}, {"p95", GateFunction::kP95}, {"p99", GateFunction::kP99}}};
struct OperatorName { const char* name; GateOperator op; };
// Longer ones first: '>' is the start of '>='.
constexpr std::array<OperatorName, 5> kOperators{{{">=", GateOperator::kAtLeast}, {"<=", GateOperator::kAtMost}, {"==", GateOperator::kEqual},
                                                  {">", GateOperator::kAbove}, {"<", GateOperator::kBelow}}};

bool is_name_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; }

class Parser {
 public:
  Parser(std::string_view text, const SourcePlace& place) : text_(text), place_(place) {}

  Result<Gate> parse() {
    Gate gate;
    gate.text = text_;
    LLMOPS_CHECK(parse_value(gate));
    LLMOPS_CHECK(parse_operator(gate));
    LLMOPS_CHECK(parse_right_side(gate));
    LLMOPS_CHECK(parse_level(gate));
    skip_space();
    if (at_ < text_.size()) return fail(fmt::format("unexpected '{}' after the gate", rest_word()), rest_word() == "%" ? "write a share as a number, like 0.85" : "write one comparison per gate", rest_word().size());
    return gate;
  }

 private:
  Status parse_value(Gate& gate) {
    skip_space();
    const size_t start = at_;
    const std::string_view name = take_name();
    if (name.empty()) return fail("a gate starts with a metric's name or a function", "write a gate like 'correct >= 0.85'");
    skip_space();
    if (!take('(')) {
      LLMOPS_CHECK(check_dots(name, start));
      gate.name = name;
      return parse_slice(gate);
    }
    const auto known = std::find_if(kFunctions.begin(), kFunctions.end(), [&](const FunctionName& f) { return name == f.name; });
    if (known == kFunctions.end()) {
      std::vector<std::string> names;
      for (const FunctionName& f : kFunctions) names.emplace_back(f.name);
      at_ = start;
      return fail(fmt::format("unknown function '{}'", name), did_you_mean(name, names), name.size());
    }
    gate.function = known->function;
    skip_space();
    const size_t inner = at_;
    gate.name = take_name();
    if (gate.name.empty()) return fail(fmt::format("'{}(' needs a metric's name", name), fmt::format("write it like {}(latency_ms)", name));
    LLMOPS_CHECK(check_dots(gate.name, inner));
    LLMOPS_CHECK(parse_slice(gate));
    skip_space();
    if (!take(')')) return fail("a ')' is missing", "close the function with ')'");
    return {};
  }

  Status parse_slice(Gate& gate) {
    skip_space();
    if (!take('[')) return {};
    GateSlice slice;
    LLMOPS_ASSIGN(slice.field, take_slice_word("a field"));
    skip_space();
    if (!take('=')) return fail("an '=' is missing in the slice", "write a slice like [lang=de]");
    LLMOPS_ASSIGN(slice.value, take_slice_word("a value"));
    skip_space();
    if (!take(']')) return fail("a ']' is missing", "quote a value with other characters than letters, digits, '_', '.' and '-'");
    gate.slice = std::move(slice);
    return {};
  }

  // A word of [A-Za-z0-9_.-], or one in quotes with \" and \\ inside.
  Result<std::string> take_slice_word(const char* what) {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '"' && quote != '\'') {
      const std::string_view word = take_while([](char c) { return is_name_byte(c) || c == '-'; });
      if (word.empty()) return fail(fmt::format("the slice needs {}", what), "quote a value with other characters than letters, digits, '_', '.' and '-'");
      return std::string(word);
    }
    const size_t start = at_++;
    std::string word;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      word += text_[at_];
    }
    if (at_ >= text_.size()) {
      at_ = start;
      return fail("a quote is never closed", "close it");
    }
    ++at_;
    return word;
  }

  Status parse_operator(Gate& gate) {
    skip_space();
    const std::string_view rest = text_.substr(at_);
    for (const OperatorName& known : kOperators) {
      if (!rest.starts_with(known.name)) continue;
      at_ += std::string_view(known.name).size();
      gate.op = known.op;
      return {};
    }
    const size_t length = rest.find_first_not_of("=<>!~");
    const std::string_view written = rest.substr(0, length);
    if (written.empty()) return fail("a comparison is missing", "compare with >=, <=, >, < or ==");
    const char* hint = written == "=>" ? "did you mean '>='?" : written == "=<" ? "did you mean '<='?" : written == "=" ? "did you mean '=='?" : "known: >=, <=, >, <, ==";
    return fail(fmt::format("unknown comparison '{}'", written), hint, written.size());
  }

  Status parse_right_side(Gate& gate) {
    skip_space();
    const size_t start = at_;
    const std::string_view word = take_while([](char c) { return c >= 'a' && c <= 'z'; });
    if (word.empty()) {
      LLMOPS_ASSIGN(gate.number, take_number("the right side must be a number or 'baseline'", "write it like '>= 0.85' or '>= baseline - 0.02'"));
      return {};
    }
    if (word != "baseline") {
      at_ = start;
      const bool misspelt = !closest_name(word, {"baseline"}).empty();
      return fail(fmt::format("unknown right side '{}'", word), misspelt ? "did you mean 'baseline'?" : "compare with a number or with 'baseline'", word.size());
    }
    gate.against_baseline = true;
    skip_space();
    const char sign = at_ < text_.size() ? text_[at_] : '\0';
    if (sign != '+' && sign != '-' && sign != '*') return {};
    ++at_;
    skip_space();
    LLMOPS_ASSIGN(gate.number, take_number(fmt::format("a number must follow 'baseline {}'", sign), fmt::format("write it like 'baseline {} {}'", sign, sign == '*' ? "1.1" : "0.02")));
    gate.term = sign == '*' ? Gate::BaselineTerm::kTimes : Gate::BaselineTerm::kPlus;
    if (sign == '-') gate.number = -gate.number;
    return {};
  }

  Status parse_level(Gate& gate) {
    skip_space();
    if (!take('@')) return {};
    skip_space();
    const size_t start = at_;
    LLMOPS_ASSIGN(const double percent, take_number("a percentage must follow '@'", "write a level like '@ 95%'"));
    const size_t length = at_ - start;
    skip_space();
    if (!take('%')) return fail("a '%' is missing after the level", fmt::format("write '@ {}%'", percent < 1 ? percent * 100 : percent));
    if (!(percent > 0 && percent < 100)) {
      at_ = start;
      return fail(fmt::format("a level of {}% is not between 0% and 100%", percent), "write a level like '@ 95%'", length);
    }
    gate.level = percent / 100;
    return {};
  }

  Result<double> take_number(std::string otherwise, std::string hint) {
    const std::string_view rest = text_.substr(at_);
    const size_t sign = rest.starts_with('-') || rest.starts_with('+') ? 1 : 0;
    // from_chars would take "inf" and "nan" too.
    const bool starts = sign < rest.size() && ((rest[sign] >= '0' && rest[sign] <= '9') || rest[sign] == '.');
    double value = 0;
    const auto parsed = std::from_chars(rest.data() + sign, rest.data() + rest.size(), value);
    if (!starts || parsed.ec == std::errc::invalid_argument) return fail(std::move(otherwise), std::move(hint));
    const auto length = static_cast<size_t>(parsed.ptr - rest.data());
    if (parsed.ec != std::errc() || !std::isfinite(value)) return fail(fmt::format("number '{}' is out of range", rest.substr(0, length)), "write a smaller number", length);
    at_ += length;
    return rest[0] == '-' ? -value : value;
  }

  Status check_dots(std::string_view name, size_t start) {
    if (!name.starts_with('.') && !name.ends_with('.') && name.find("..") == std::string_view::npos) return {};
    at_ = start;
    return fail(fmt::format("malformed name '{}'", name), "put one dot between the parts of a name, like steps.answer.latency_ms", name.size());
  }

  std::string_view take_name() { return take_while([this](char c) { return is_name_byte(c) || (c == '-' && inside_name()); }); }
  // A step's id may hold '-'; a '-' that no name byte follows ends the name.
  bool inside_name() const { return at_ > 0 && is_name_byte(text_[at_ - 1]) && at_ + 1 < text_.size() && is_name_byte(text_[at_ + 1]); }
  template <class Accept>
  std::string_view take_while(Accept accept) {
    const size_t start = at_;
    while (at_ < text_.size() && accept(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_space() { while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_; }
  std::string_view rest_word() const { return text_.substr(at_, text_.find(' ', at_) - at_); }

  Error fail(std::string message, std::string hint = {}, size_t length = 1) const {
    SourcePlace place = place_;
    if (place.column > 0) place.column += static_cast<int>(at_);
    place.length = std::max(1, static_cast<int>(length));
    return Error(ErrorCode::kConfig, std::move(message), std::move(hint)).at(std::move(place));
  }

  std::string_view text_;
  const SourcePlace& place_;
  size_t at_ = 0;
};

constexpr std::array<const char*, 5> kMeasuredNames{"latency_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens"};

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass: return "pass";
    case Verdict::kFail: return "fail";
    case Verdict::kUndecided: break;
  }
  return "undecided";
}

Result<Gate> parse_gate(std::string_view text, const SourcePlace& place) { return Parser(text, place).parse(); }

Status check_gate_name(const Gate& gate, const std::vector<std::string>& metrics, const std::vector<std::string>& steps, const SourcePlace& place) {
  std::vector<std::string> known = metrics;
  for (const char* name : kMeasuredNames) known.emplace_back(name);
  known.insert(known.end(), {"pass_rate", "error_rate"});
  for (const std::string& step : steps) {
    for (const char* name : kMeasuredNames) known.push_back("steps." + step + "." + name);
    known.push_back("steps." + step + ".pass_rate");
  }
  if (std::find(known.begin(), known.end(), gate.name) != known.end()) return {};
  // metric.part of a metric that gives several numbers.
  if (const size_t dot = gate.name.find('.'); dot != std::string::npos && !gate.name.starts_with("steps.") &&
                                              std::find(metrics.begin(), metrics.end(), gate.name.substr(0, dot)) != metrics.end()) {
    return {};
  }
  SourcePlace where = place;
  // The name is the first thing in the text, or the first behind '('.
  const size_t open = gate.function == GateFunction::kNone ? 0 : gate.text.find('(') + 1;
  if (const size_t offset = gate.text.find(gate.name, open); where.column > 0 && offset != std::string::npos) where.column += static_cast<int>(offset);
  where.length = std::max(1, static_cast<int>(gate.name.size()));
  std::string hint = did_you_mean(gate.name, known);
  if (hint.empty()) hint = "name a metric of the suite, or a measured value like latency_ms, cost_usd or error_rate";
  return Error(ErrorCode::kConfig, fmt::format("unknown name '{}'", gate.name), std::move(hint)).at(std::move(where));
}

}  // namespace llmops
