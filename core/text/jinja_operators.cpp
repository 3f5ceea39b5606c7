// Evaluation of expressions with Python's operators (Python 3 Language Reference, 6): / is always a float, // and % round
// towards minus infinity, comparisons chain, and/or give an operand. Integers have 64 bits; beyond that is an error.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"
#include "core/text/jinja_parser.h"

namespace llmops::jinja {

std::string_view op_text(Op op) {
  constexpr std::string_view kTexts[] = {"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kTexts[static_cast<size_t>(op)];
}

Result<bool> Evaluator::truthy(const Value& value) const {
  LLMOPS_CHECK(usable(value));
  return truth(value);
}

namespace {
// An undefined item of a list that the template made: printing the list would hide it.
const Value* undefined_inside(const Value& value) {
  if (value.is(Kind::kUndefined)) return value.undefined && value.undefined->lenient ? nullptr : &value;
  if (value.from_json) return nullptr;
  if (value.is(Kind::kList)) {
    for (const Value& item : value.list->items) if (const Value* found = undefined_inside(item)) return found;
  } else if (value.is(Kind::kDict)) {
    for (const auto& [key, item] : value.dict->entries) if (const Value* found = undefined_inside(item)) return found;
  }
  return nullptr;
}
}  // namespace

Result<std::string> Evaluator::text_of(const Value& value) {
  if (strict()) {
    if (const Value* undefined = undefined_inside(value)) return undefined_error(*undefined);
  }
  if (value.is(Kind::kMethod)) {
    return type_error(fmt::format("'{}' is a method", value.method->name), fmt::format("call it: {}()", value.method->name));
  }
  if (value.is(Kind::kFunction)) {
    return type_error(fmt::format("'{}' is a function", value.function->name), fmt::format("call it: {}()", value.function->name));
  }
  LLMOPS_CHECK(charge(weight_of(value) / 16));
  std::string text = to_text(value, code_.limits.max_output_bytes);
  LLMOPS_CHECK(fits(text.size()));
  LLMOPS_CHECK(charge(text.size() / 64));
  return text;
}

Result<std::vector<Value>> Evaluator::items_of(const Value& value) {
  LLMOPS_CHECK(usable(value));
  std::vector<Value> items;
  switch (value.kind) {
    case Kind::kUndefined: return items;
    case Kind::kList: case Kind::kRange:
      LLMOPS_CHECK(charge(list_size(value)));
      items.reserve(list_size(value));
      for (size_t i = 0; i < list_size(value); ++i) items.push_back(list_at(value, i));
      return items;
    case Kind::kDict:
      LLMOPS_CHECK(charge(dict_size(value)));
      for (size_t i = 0; i < dict_size(value); ++i) items.push_back(dict_key(value, i));
      return items;
    case Kind::kString:
      LLMOPS_CHECK(charge(value.size));
      for (size_t offset = 0; offset < value.size;) {
        Value character = value;
        character.text = value.text + offset;
        character.size = text::decode_at(value.str(), offset).size;
        offset += character.size;
        items.push_back(std::move(character));
      }
      return items;
    default: return type_error(fmt::format("{} cannot be iterated", type_phrase(value)), "loop over a list, a dict or a text");
  }
}

Result<Value> Evaluator::eval(const Expr& expr) {
  if (expr.kind == ExprKind::kConst) return expr.constant;
  const Level level(depth_);
  const int limit = code_.limits.max_depth * 8;
  if (depth_ > limit) return fail(expr.place, fmt::format("template nests deeper than {} levels", limit), "move the inner part into a macro or a file");
  Status status = charge(1);
  if (!status) return locate(expr.place, std::move(status).error());
  Result<Value> value = eval_unplaced(expr);
  if (!value && !placed_) return locate(expr.place, std::move(value).error());
  return value;
}

Result<Value> Evaluator::eval_unplaced(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kConst: return expr.constant;
    case ExprKind::kName: {
      Value value = lookup(expr);
      if (value.is(Kind::kLoop)) value.loop->escaped = true;
      return value;
    }
    case ExprKind::kList: case ExprKind::kTuple: return eval_items(expr);
    case ExprKind::kDict: return eval_dict(expr);
    case ExprKind::kAttribute: case ExprKind::kIndex: return eval_path(expr);
    case ExprKind::kSlice: return eval_slice(expr);
    case ExprKind::kCall: return eval_call(expr);
    case ExprKind::kFilter: case ExprKind::kTest: {
      LLMOPS_ASSIGN(const Value subject, eval(*expr.parts[0]));
      return eval_row(expr, &subject);
    }
    case ExprKind::kArithmetic: return eval_arithmetic(expr);
    case ExprKind::kConcat: return eval_concat(expr);
    case ExprKind::kCompare: return eval_compare(expr);
    case ExprKind::kNegative: case ExprKind::kPositive: return eval_sign(expr);
    case ExprKind::kNot: case ExprKind::kAnd: case ExprKind::kOr: return eval_logic(expr);
    case ExprKind::kConditional: return eval_conditional(expr);
  }
  return Value();
}

Result<Value> Evaluator::eval_items(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.parts.size());
  for (const ExprPtr& part : expr.parts) {
    LLMOPS_ASSIGN(Value item, eval(*part));
    items.push_back(std::move(item));
  }
  return make_list(std::move(items), expr.kind == ExprKind::kTuple ? ListStyle::kTuple : ListStyle::kList);
}

Result<Value> Evaluator::eval_dict(const Expr& expr) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < expr.parts.size(); i += 2) {
    LLMOPS_ASSIGN(Value key, eval(*expr.parts[i]));
    LLMOPS_ASSIGN(Value value, eval(*expr.parts[i + 1]));
    LLMOPS_CHECK(usable(key));
    const bool mutable_key = (key.is(Kind::kList) && type_name(key) != "tuple") || key.is(Kind::kDict);
    if (mutable_key) return type_error(fmt::format("{} cannot be a key of a dict", type_phrase(key)), "use a text or a number as key");
    if (!entries.empty()) LLMOPS_CHECK(charge(entries.size() * (key.is(Kind::kList) ? weight_of(key) : 1) / 16));
    const auto known = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return equal(entry.first, key); });
    if (known != entries.end()) known->second = std::move(value);
    else entries.emplace_back(std::move(key), std::move(value));
  }
  return make_dict(std::move(entries));
}

Result<Value> Evaluator::eval_arithmetic(const Expr& expr) {
  LLMOPS_ASSIGN(Value left, eval(*expr.parts[0]));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    LLMOPS_ASSIGN(const Value right, eval(*expr.parts[i + 1]));
    if (Status status = need_defined(left); !status) return locate(expr.parts[i]->place, std::move(status).error());
    if (Status status = need_defined(right); !status) return locate(expr.parts[i + 1]->place, std::move(status).error());
    LLMOPS_ASSIGN(left, arithmetic(expr.operators[i], left, right));
  }
  return left;
}

Result<Value> Evaluator::eval_concat(const Expr& expr) {
  std::string text;
  for (const ExprPtr& part : expr.parts) {
    LLMOPS_ASSIGN(const Value value, eval(*part));
    if (value.is(Kind::kString)) {
      text += value.str();
      LLMOPS_CHECK(fits(text.size()));
      continue;
    }
    Result<std::string> piece = text_of(value);
    if (!piece) return locate(part->place, std::move(piece).error());
    text += *piece;
    LLMOPS_CHECK(fits(text.size()));
  }
  return make_text(std::move(text));
}

Result<Value> Evaluator::eval_compare(const Expr& expr) {
  LLMOPS_ASSIGN(Value left, eval(*expr.parts[0]));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    LLMOPS_ASSIGN(Value right, eval(*expr.parts[i + 1]));
    if (Status status = usable(left); !status) return locate(expr.parts[i]->place, std::move(status).error());
    if (Status status = usable(right); !status) return locate(expr.parts[i + 1]->place, std::move(status).error());
    LLMOPS_ASSIGN(const bool holds, compare_values(expr.operators[i], left, right));
    if (!holds) return Value::of(false);
    left = std::move(right);
  }
  return Value::of(true);
}

Result<Value> Evaluator::eval_sign(const Expr& expr) {
  LLMOPS_ASSIGN(const Value value, eval(*expr.parts[0]));
  LLMOPS_CHECK(need_defined(value));
  if (!value.is_number()) return type_error(fmt::format("sign does not apply to {}", type_phrase(value)), "convert it first with the filter int or float");
  if (expr.kind == ExprKind::kNegative) return arithmetic(Op::kSub, value.is(Kind::kFloat) ? Value::of(-0.0) : Value::of(int64_t{0}), value);
  return value.is(Kind::kBool) ? Value::of(int64_t{value.boolean}) : value;
}

Result<Value> Evaluator::eval_logic(const Expr& expr) {
  LLMOPS_ASSIGN(Value value, eval(*expr.parts[0]));
  for (size_t i = 0;; ++i) {
    const bool last = i + 1 == expr.parts.size();
    if (last && expr.kind != ExprKind::kNot) return value;
    Result<bool> holds = truthy(value);
    if (!holds) return locate(expr.parts[i]->place, std::move(holds).error());
    if (expr.kind == ExprKind::kNot) return Value::of(!*holds);
    if (*holds == (expr.kind == ExprKind::kOr)) return value;
    LLMOPS_ASSIGN(value, eval(*expr.parts[i + 1]));
  }
}

Result<Value> Evaluator::eval_conditional(const Expr& expr) {
  LLMOPS_ASSIGN(const Value condition, eval(*expr.parts[0]));
  Result<bool> holds = truthy(condition);
  if (!holds) return locate(expr.parts[0]->place, std::move(holds).error());
  if (*holds) return eval(*expr.parts[1]);
  if (expr.parts[2]) return eval(*expr.parts[2]);
  return undefined_because("the condition is false and there is no else", true);
}

}  // namespace llmops::jinja
