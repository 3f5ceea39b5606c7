// Calls of functions, methods, filters and tests: arguments are evaluated, bound to parameters and checked for being
// defined; then the row of the table runs.
#include <fmt/format.h>

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

Result<Arguments> Evaluator::eval_arguments(const Expr& expr) {
  Arguments arguments;
  const size_t named = expr.parts.size() - expr.keywords.size();
  for (size_t i = 1; i < expr.parts.size(); ++i) {
    LLMOPS_ASSIGN(Value value, eval(*expr.parts[i]));
    if (i < named) arguments.positional.push_back(std::move(value));
    else arguments.keywords.emplace_back(expr.keywords[i - named], std::move(value));
  }
  return arguments;
}

Result<Value> Evaluator::eval_call(const Expr& expr) {
  const Expr& callee = *expr.parts[0];
  Value function;
  if (callee.kind == ExprKind::kAttribute) {
    Value object;
    if (callee.parts[0]->kind == ExprKind::kName) {
      object = lookup(*callee.parts[0]);
    } else {
      LLMOPS_ASSIGN(object, eval(*callee.parts[0]));
    }
    if (Status status = need_defined(object); !status) return locate(callee.parts[0]->place, std::move(status).error());
    std::optional<Value> method;
    if (!object.is(Kind::kNamespace)) method = bound_method(object, callee.text);
    if (method) {
      function = std::move(*method);
    } else {
      LLMOPS_ASSIGN(function, attribute(object, callee.text, &callee));
      if (function.is(Kind::kUndefined)) {
        return locate(callee.place, type_error(fmt::format("{} has no method '{}'", type_phrase(object), callee.text)));
      }
    }
  } else {
    LLMOPS_ASSIGN(function, eval(callee));
  }
  LLMOPS_ASSIGN(const Arguments arguments, eval_arguments(expr));
  // The date comes from the caller: the scope's value of this name is the text that the call gives.
  if (!strict() && callee.text == "strftime_now" && function.is(Kind::kString)) return function;
  if (Status status = need_defined(function); !status) return locate(callee.place, std::move(status).error());
  return call(function, arguments);
}

Result<Value> Evaluator::call(const Value& callee, const Arguments& arguments) {
  switch (callee.kind) {
    case Kind::kUndefined: return undefined_error(callee);
    case Kind::kMacro: return call_macro(*callee.macro, arguments);
    case Kind::kFunction: return apply(callee.function->row, "function", callee, arguments);
    case Kind::kMethod: return apply(*callee.method->row, "method", callee.method->receiver, arguments);
    case Kind::kCycler: {
      if (!callee.cycler->is_joiner) break;
      return callee.cycler->position++ == 0 ? Value::view("") : callee.cycler->items[0];
    }
    default: break;
  }
  return type_error(fmt::format("{} cannot be called", type_phrase(callee)));
}

Result<Value> Evaluator::apply(const Callable& row, std::string_view what, const Value& subject, const Arguments& arguments) {
  std::vector<std::string_view> names;
  for (const auto& keyword : arguments.keywords) names.push_back(keyword.first);
  LLMOPS_ASSIGN(const std::vector<size_t> where, bind_parameters(row, what, arguments.positional.size(), names));
  if (!row.takes_undefined) LLMOPS_CHECK(usable(subject));
  if (subject.is(Kind::kString)) LLMOPS_CHECK(charge(subject.size / 64));
  Slots slots{};
  for (size_t i = 0; i < where.size(); ++i) {
    const bool positional = i < arguments.positional.size();
    const Value& value = positional ? arguments.positional[i] : arguments.keywords[i - arguments.positional.size()].second;
    if (!row.takes_undefined) LLMOPS_CHECK(usable(value));
    if (where[i] < kMaxParameters) slots[where[i]] = &value;
  }
  return row.function(Call{*this, subject, slots, arguments});
}

Result<Value> Evaluator::eval_row(const Expr& expr, const Value* subject) {
  if (expr.kind == ExprKind::kFilter && expr.row->takes_undefined) return eval_default(expr, subject);
  if (!expr.row->takes_undefined) {
    if (Status status = usable(*subject); !status) return locate(expr.parts[0] ? expr.parts[0]->place : expr.place, std::move(status).error());
  }
  if (subject->is(Kind::kString)) LLMOPS_CHECK(charge(subject->size / 64));
  LLMOPS_ASSIGN(const Arguments arguments, eval_arguments(expr));
  Slots slots{};
  for (size_t i = 0; i < expr.slots.size(); ++i) {
    const bool positional = i < arguments.positional.size();
    const Value& value = positional ? arguments.positional[i] : arguments.keywords[i - arguments.positional.size()].second;
    if (Status status = usable(value); !status) return locate(expr.parts[i + 1]->place, std::move(status).error());
    if (expr.slots[i] < kMaxParameters) slots[expr.slots[i]] = &value;
  }
  return expr.row->function(Call{*this, *subject, slots, arguments});
}

// default() evaluates its argument only when it is needed, so that a fallback may be undefined as long as nothing falls back.
Result<Value> Evaluator::eval_default(const Expr& expr, const Value* subject) {
  const Expr* otherwise = nullptr;
  bool also_false = false;
  for (size_t i = 0; i < expr.slots.size(); ++i) {
    if (expr.slots[i] == 0) {
      otherwise = expr.parts[i + 1].get();
    } else {
      LLMOPS_ASSIGN(const Value flag, eval(*expr.parts[i + 1]));
      LLMOPS_ASSIGN(also_false, truthy(flag));
    }
  }
  if (!subject->is(Kind::kUndefined) && (!also_false || truth(*subject))) return *subject;
  return otherwise ? eval(*otherwise) : Value::view("");
}

Result<Value> Evaluator::eval_filters(const Expr& chain, const Value& text) {
  Value subject = text;
  if (chain.parts[0]) {
    LLMOPS_ASSIGN(subject, eval_filters(*chain.parts[0], text));
  }
  Result<Value> value = eval_row(chain, &subject);
  if (!value && !placed_) return locate(chain.place, std::move(value).error());
  return value;
}

}  // namespace llmops::jinja
