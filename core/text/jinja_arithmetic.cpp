// Python's binary operators over values: numbers (booleans count as 0 and 1), text, lists, and the comparisons.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

Error bad_operands(Op op, const Value& a, const Value& b) {
  return type_error(fmt::format("'{}' does not apply to {} and {}", op_text(op), type_phrase(a), type_phrase(b)), "convert one of the two with a filter: string, int, float or list");
}

Error overflow(Op op) { return type_error(fmt::format("result of '{}' is beyond 64 bits", op_text(op)), "use a float, as in 1.0 * x"); }

int64_t integer_of(const Value& v) { return v.is(Kind::kBool) ? int64_t{v.boolean} : v.integer; }

Result<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return type_error("division by zero", "check the divisor first, as in {{ a / b if b else 0 }}");
    return Value::of(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow(Op::kPow);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return overflow(Op::kPow);
  }
  return Value::of(result);
}

Result<Value> integers(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Op::kAdd: if (__builtin_add_overflow(a, b, &result)) return overflow(op); return Value::of(result);
    case Op::kSub: if (__builtin_sub_overflow(a, b, &result)) return overflow(op); return Value::of(result);
    case Op::kMul: if (__builtin_mul_overflow(a, b, &result)) return overflow(op); return Value::of(result);
    case Op::kPow: return integer_power(a, b);
    default: break;
  }
  if (b == 0) return type_error("division by zero", "check the divisor first, as in {{ a / b if b else 0 }}");
  if (op == Op::kDiv) return Value::of(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {
    if (op == Op::kMod) return Value::of(int64_t{0});
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) return overflow(op);
    return Value::of(result);
  }
  const int64_t rest = a % b;
  const bool down = rest != 0 && ((rest < 0) != (b < 0));
  if (op == Op::kMod) return Value::of(down ? rest + b : rest);
  return Value::of(a / b - (down ? 1 : 0));
}

Result<Value> reals(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return Value::of(a + b);
    case Op::kSub: return Value::of(a - b);
    case Op::kMul: return Value::of(a * b);
    case Op::kPow:
      if (a == 0 && b < 0) return type_error("division by zero", "check the divisor first, as in {{ a / b if b else 0 }}");
      if (a < 0 && b != std::floor(b)) return type_error("root of a negative number is not real", "take the absolute value first, as in x | abs");
      if (const double power = std::pow(a, b); !std::isinf(power) || std::isinf(a) || std::isinf(b)) return Value::of(power);
      return type_error("result of '**' is too large for a float", "use smaller numbers");
    default: break;
  }
  if (b == 0) return type_error("division by zero", "check the divisor first, as in {{ a / b if b else 0 }}");
  if (op == Op::kDiv) return Value::of(a / b);
  double rest = std::fmod(a, b);   // as CPython's float_divmod
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) { rest += b; quotient -= 1; }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (op == Op::kMod) return Value::of(rest);
  if (quotient == 0) return Value::of(std::copysign(0.0, a / b));
  double floor = std::floor(quotient);
  if (quotient - floor > 0.5) floor += 1;
  return Value::of(floor);
}

}  // namespace

Result<Value> Evaluator::add(const Value& a, const Value& b) {
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    const bool safe = a.safe || b.safe;   // Markup + text escapes the text
    LLMOPS_CHECK(fits(a.size + b.size));
    std::string text = safe && !a.safe ? escape_html(a.str()) : std::string(a.str());
    text += safe && !b.safe ? escape_html(b.str()) : std::string(b.str());
    return make_text(std::move(text), safe);
  }
  if (!a.is(Kind::kList) || !b.is(Kind::kList) || type_name(a) != type_name(b)) return bad_operands(Op::kAdd, a, b);
  LLMOPS_ASSIGN(std::vector<Value> items, items_of(a));
  LLMOPS_ASSIGN(std::vector<Value> more, items_of(b));
  std::move(more.begin(), more.end(), std::back_inserter(items));
  return make_list(std::move(items), type_name(a) == "tuple" ? ListStyle::kTuple : ListStyle::kList);
}

Result<Value> Evaluator::repeat(const Value& value, const Value& times) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(integer_of(times), 0));
  if (value.is(Kind::kString)) {
    if (value.size > 0 && count > code_.limits.max_output_bytes / value.size) LLMOPS_CHECK(fits(code_.limits.max_output_bytes + 1));
    std::string text;
    for (uint64_t i = 0; i < count && value.size > 0; ++i) text += value.str();
    return make_text(std::move(text), value.safe);
  }
  const size_t size = list_size(value);
  if (size > 0 && count > code_.limits.max_steps / size) LLMOPS_CHECK(charge(code_.limits.max_steps + 1));
  LLMOPS_CHECK(charge(size * count));
  std::vector<Value> items;
  for (uint64_t i = 0; i < count && size > 0; ++i) for (size_t k = 0; k < size; ++k) items.push_back(list_at(value, k));
  return make_list(std::move(items), type_name(value) == "tuple" ? ListStyle::kTuple : ListStyle::kList);
}

Result<Value> Evaluator::arithmetic(Op op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::kBigInt) || b.is(Kind::kBigInt)) {
      if (!a.is(Kind::kFloat) && !b.is(Kind::kFloat)) return overflow(op);
    }
    if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return reals(op, as_double(a), as_double(b));
    return integers(op, integer_of(a), integer_of(b));
  }
  const auto whole = [](const Value& v) { return v.is(Kind::kInt) || v.is(Kind::kBool); };
  const auto sequence = [](const Value& v) { return v.is(Kind::kString) || v.is(Kind::kList); };
  if (op == Op::kAdd) return add(a, b);
  if (op == Op::kMul && sequence(a) && whole(b)) return repeat(a, b);
  if (op == Op::kMul && whole(a) && sequence(b)) return repeat(b, a);
  if (op == Op::kMod && a.is(Kind::kString)) {
    LLMOPS_ASSIGN(std::string text, format_percent(*this, a, b));
    return make_text(std::move(text), a.safe);
  }
  return bad_operands(op, a, b);
}

Result<bool> Evaluator::contains(const Value& container, const Value& item) {
  switch (container.kind) {
    case Kind::kUndefined: return false;
    case Kind::kString:
      if (!item.is(Kind::kString)) return type_error(fmt::format("'in' looks for a string in a string, not for {}", type_phrase(item)), "convert it first, as in (x | string) in text");
      LLMOPS_CHECK(charge_search(container.str(), item.str()));
      return container.str().find(item.str()) != std::string_view::npos;
    case Kind::kDict:
      LLMOPS_CHECK(charge_lookup(container, item));
      if (item.is(Kind::kDict) || (item.is(Kind::kList) && type_name(item) != "tuple")) {
        return type_error(fmt::format("{} cannot be a key of a dict", type_phrase(item)), "look for a text or a number");
      }
      return dict_find(container, item).has_value();
    case Kind::kList: case Kind::kRange:
      LLMOPS_CHECK(charge(std::max(list_size(container), weight_of(container))));
      for (size_t i = 0; i < list_size(container); ++i) if (equal(list_at(container, i), item)) return true;
      return false;
    default: return type_error(fmt::format("'in' does not apply to {}", type_phrase(container)), "look in a text, a list or a dict");
  }
}

Result<bool> Evaluator::compare_values(Op op, const Value& a, const Value& b) {
  const size_t weight = std::min(weight_of(a), weight_of(b));
  if (a.kind == b.kind && weight > 1) LLMOPS_CHECK(charge(weight));
  if (op == Op::kEq) return equal(a, b);
  if (op == Op::kNe) return !equal(a, b);
  if (op == Op::kIn || op == Op::kNotIn) {
    LLMOPS_ASSIGN(const bool found, contains(b, a));
    return found == (op == Op::kIn);
  }
  LLMOPS_CHECK(need_defined(a));
  LLMOPS_CHECK(need_defined(b));
  const std::optional<std::partial_ordering> order = compare(a, b);
  if (!order) return bad_operands(op, a, b);
  switch (op) {
    case Op::kLt: return *order < 0;
    case Op::kLe: return *order <= 0;
    case Op::kGt: return *order > 0;
    default: return *order >= 0;
  }
}

}  // namespace llmops::jinja
