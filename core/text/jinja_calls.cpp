// Calls of functions, methods, filters and tests: arguments are evaluated, bound to parameters and checked for being
// defined; then the row of the table runs.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

Result<Arguments> Evaluator::eval_arguments(const Expr& expr) {
  Arguments arguments;
  const size_t end = expr.parts.size() - (expr.unpacks_list ? 1 : 0) - (expr.unpacks_dict ? 1 : 0);
  const size_t named = end - expr.keywords.size();
  arguments.positional.reserve(named - 1);
  for (size_t i = 1; i < end; ++i) {
    LLMOPS_ASSIGN(Value value, eval(*expr.parts[i]));
    if (i < named) arguments.positional.push_back(std::move(value));
    else arguments.keywords.emplace_back(expr.keywords[i - named], std::move(value));
  }
  if (expr.unpacks_list) LLMOPS_CHECK(unpack_list(*expr.parts[end], arguments));
  if (expr.unpacks_dict) LLMOPS_CHECK(unpack_dict(*expr.parts.back(), arguments));
  return arguments;
}

Status Evaluator::unpack_list(const Expr& expr, Arguments& arguments) {
  LLMOPS_ASSIGN(const Value list, eval(expr));
  Result<std::vector<Value>> items = items_of(list);
  if (!items) return locate(expr.place, std::move(items).error());
  std::move(items->begin(), items->end(), std::back_inserter(arguments.positional));
  return {};
}

Status Evaluator::unpack_dict(const Expr& expr, Arguments& arguments) {
  LLMOPS_ASSIGN(arguments.unpacked, eval(expr));
  const Value& dict = arguments.unpacked;
  if (Status status = usable(dict); !status) return locate(expr.place, std::move(status).error());
  if (!dict.is(Kind::kDict)) return fail(expr.place, fmt::format("'**' takes a dict, not {}", type_phrase(dict)), "write the arguments out");
  if (Status status = charge(dict_size(dict)); !status) return locate(expr.place, std::move(status).error());
  for (size_t i = 0; i < dict_size(dict); ++i) {
    const Value key = dict_key(dict, i);
    if (!key.is(Kind::kString)) return fail(expr.place, fmt::format("names of arguments must be strings, not {}", type_phrase(key)), "use texts as keys");
    const bool known = std::any_of(arguments.keywords.begin(), arguments.keywords.end(), [&](const auto& k) { return k.first == key.str(); });
    if (known) return fail(expr.place, fmt::format("argument '{}' is given twice", key.str()), "give it once");
    arguments.keywords.emplace_back(key.str(), dict_value(dict, i));
  }
  return {};
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
        return locate(callee.place, type_error(fmt::format("{} has no method '{}'", type_phrase(object), callee.text), "use a filter instead, as in {{ text | upper }}"));
      }
    }
  } else {
    LLMOPS_ASSIGN(function, eval(callee));
  }
  LLMOPS_ASSIGN(const Arguments arguments, eval_arguments(expr));
  // The date comes from the caller: the scope's value of this name is a point in time, or the text that every call gives.
  if (!strict() && callee.text == "strftime_now" && function.is(Kind::kString)) return format_now(function, arguments);
  if (Status status = need_defined(function); !status) return locate(callee.place, std::move(status).error());
  return call(function, arguments);
}

Result<Value> Evaluator::call(const Value& callee, const Arguments& arguments) {
  switch (callee.kind) {
    case Kind::kUndefined: return undefined_error(callee);
    case Kind::kMacro: return call_macro(*callee.macro, arguments);
    case Kind::kLoop: return call_loop(*callee.loop, arguments);
    case Kind::kFunction: return apply(callee.function->row, "function", callee, arguments);
    case Kind::kMethod: return apply(*callee.method->row, "method", callee.method->receiver, arguments);
    case Kind::kCycler: {
      if (!callee.cycler->is_joiner) break;
      return callee.cycler->position++ == 0 ? Value::view("") : callee.cycler->items[0];
    }
    default: break;
  }
  return type_error(fmt::format("{} cannot be called", type_phrase(callee)), "remove the parentheses");
}

Result<Value> Evaluator::format_now(const Value& now, const Arguments& arguments) {
  const bool one_text = arguments.positional.size() == 1 && arguments.keywords.empty() && arguments.positional[0].is(Kind::kString);
  if (!one_text) return type_error("'strftime_now' takes one string, the format", "write strftime_now('%Y-%m-%d')");
  std::optional<std::string> text = format_time(now.str(), arguments.positional[0].str());
  return text ? make_text(std::move(*text)) : Result<Value>(now);
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
  if (expr.unpacks_list || expr.unpacks_dict) {
    LLMOPS_ASSIGN(const Arguments arguments, eval_arguments(expr));
    return apply(*expr.row, expr.kind == ExprKind::kFilter ? "filter" : "test", *subject, arguments);
  }
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
