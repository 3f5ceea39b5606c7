// Evaluation of expressions with Python's operators (Python 3 Language Reference, 6): / is always a float, // and % round
// towards minus infinity, comparisons chain, and/or give an operand. Integers have 64 bits; beyond that is an error.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"
#include "core/text/jinja_parser.h"

namespace llmops::jinja {

std::string_view op_text(Op op) {
  constexpr std::string_view kTexts[] = {"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kTexts[static_cast<size_t>(op)];
}

Value Evaluator::undefined_because(std::string message, bool lenient) {
  auto data = std::make_shared<UndefinedData>();
  data->message = std::move(message);
  data->lenient = lenient;
  Value value;
  value.undefined = data.get();
  value.owner = std::move(data);
  return value;
}

namespace {
Value undefined_at(const Expr* expr, const Json* container) {
  auto data = std::make_shared<UndefinedData>();
  data->expr = expr;
  data->container = container;
  Value value;
  value.undefined = data.get();
  value.owner = std::move(data);
  return value;
}
}  // namespace

Error Evaluator::undefined_error(const Value& value) const {
  const UndefinedData* data = value.undefined;
  if (!data) return type_error("value is undefined");
  if (!data->expr) return type_error(data->message.empty() ? "value is undefined" : data->message);
  const Expr& expr = *data->expr;
  Error error = type_error(fmt::format("'{}' is undefined", describe(code_, expr)));
  std::vector<std::string> known;
  std::string name = expr.text;
  if (expr.kind == ExprKind::kName) {
    known = scope_.names();
    for (const Frame* frame = frame_; frame; frame = frame->parent) {
      for (const auto& entry : frame->names) known.push_back(code_.names[static_cast<size_t>(entry.first)]);
    }
  } else if (data->container) {
    if (expr.kind == ExprKind::kIndex && expr.parts[1]->kind == ExprKind::kConst) name = to_text(expr.parts[1]->constant);
    for (const auto& [key, member] : *data->container->get_ptr<const Json::object_t*>()) known.push_back(key);
  }
  error.hint = did_you_mean(name, known);
  return error;
}

Status Evaluator::need_defined(const Value& value) const {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  return {};
}

Status Evaluator::usable(const Value& value) const {
  const bool lenient = !strict() || (value.is(Kind::kUndefined) && value.undefined && value.undefined->lenient);
  return lenient ? Status() : need_defined(value);
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
  std::string text = to_text(value);
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
    default: return type_error(fmt::format("{} cannot be iterated", type_phrase(value)));
  }
}

Result<Value> Evaluator::eval(const Expr& expr) {
  if (expr.kind == ExprKind::kConst) return expr.constant;
  const Level level(depth_);
  const int limit = code_.limits.max_depth * 8;
  if (depth_ > limit) return fail(expr.place, fmt::format("template nests deeper than {} levels", limit));
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

Value Evaluator::lookup(const Expr& name) {
  if (code_.bound[static_cast<size_t>(name.name_id)]) {
    for (const Frame* frame = frame_; frame; frame = frame->parent) {
      for (const auto& [id, value] : frame->names) if (id == name.name_id) return value;
    }
  }
  if (const Json* found = scope_.find(name.text)) return Value::from(*found);
  for (const Function& row : functions()) {
    if (row.name != name.text || (row.compatible_only && strict())) continue;
    Value value;
    value.kind = Kind::kFunction;
    value.function = &row;
    return value;
  }
  return undefined_at(&name, nullptr);
}

// `loop.index` reads the loop without keeping it; `loop` alone keeps it.
Result<Value> Evaluator::eval_path(const Expr& expr) {
  const Expr& object = *expr.parts[0];
  Value from;
  if (object.kind == ExprKind::kName) {
    from = lookup(object);
  } else {
    LLMOPS_ASSIGN(from, eval(object));
  }
  if (expr.kind == ExprKind::kAttribute) return attribute(from, expr.text, &expr);
  LLMOPS_ASSIGN(const Value key, eval(*expr.parts[1]));
  return item(from, key, &expr);
}

std::optional<Value> Evaluator::loop_attribute(const LoopState& loop, std::string_view name) const {
  const auto index = static_cast<int64_t>(loop.index);
  const auto length = static_cast<int64_t>(loop.length);
  if (name == "index") return Value::of(index + 1);
  if (name == "index0") return Value::of(index);
  if (name == "first") return Value::of(index == 0);
  if (name == "last") return Value::of(index + 1 == length);
  if (name == "length") return Value::of(length);
  if (name == "revindex") return Value::of(length - index);
  if (name == "revindex0") return Value::of(length - index - 1);
  if (name == "depth") return Value::of(int64_t{1});
  if (name == "depth0") return Value::of(int64_t{0});
  if (name == "previtem") return index > 0 ? list_at(loop.items, loop.index - 1) : undefined_because("there is no previous item");
  if (name == "nextitem") return index + 1 < length ? list_at(loop.items, loop.index + 1) : undefined_because("there is no next item");
  return std::nullopt;
}

std::optional<Value> Evaluator::bound_method(const Value& object, std::string_view name) const {
  std::span<const Callable> table;
  switch (object.kind) {
    case Kind::kString: table = string_methods(); break;
    case Kind::kDict: table = dict_methods(); break;
    case Kind::kList: table = list_methods(); break;
    case Kind::kLoop: table = loop_methods(); break;
    case Kind::kCycler: table = cycler_methods(); break;
    default: return std::nullopt;
  }
  const Callable* row = find_callable(table, name);
  if (!row) return std::nullopt;
  auto method = std::make_shared<BoundMethod>(BoundMethod{std::string(name), row, object});
  Value value;
  value.kind = Kind::kMethod;
  value.method = method.get();
  value.owner = std::move(method);
  return value;
}

// A key of a dict that is named like a method: strict mode gives the value (the method is reached by calling it),
// compatible mode the method, as Jinja does.
Result<Value> Evaluator::attribute(const Value& object, std::string_view name, const Expr* expr) {
  LLMOPS_CHECK(need_defined(object));
  const Json* container = nullptr;
  if (object.is(Kind::kDict)) {
    if (dict_size(object) > 64) LLMOPS_CHECK(charge(dict_size(object) / 64));
    if (!strict()) if (std::optional<Value> method = bound_method(object, name)) return *method;
    if (std::optional<Value> found = dict_find(object, Value::view(name))) return *found;
    if (object.from_json) container = object.json;
  } else if (object.is(Kind::kNamespace)) {
    for (const auto& [key, value] : object.space->entries) if (key == name) return value;
  } else if (object.is(Kind::kLoop)) {
    if (std::optional<Value> found = loop_attribute(*object.loop, name)) return *found;
  } else if (object.is(Kind::kList) && style_of(object) == ListStyle::kGroup && (name == "grouper" || name == "list")) {
    return list_at(object, name == "grouper" ? 0 : 1);
  } else if (object.is(Kind::kCycler) && name == "current" && !object.cycler->is_joiner) {
    return object.cycler->items[object.cycler->position];
  } else if (object.is(Kind::kMacro) && name == "name") {
    return Value::view(object.macro->definition->name);
  }
  if (object.is(Kind::kLoop)) object.loop->escaped = true;
  if (std::optional<Value> method = bound_method(object, name)) return *method;
  if (expr) return undefined_at(expr, container);
  return undefined_because(fmt::format("{} has no attribute '{}'", type_phrase(object), name));
}

Result<Value> Evaluator::item(const Value& object, const Value& key, const Expr* expr) {
  LLMOPS_CHECK(need_defined(object));
  LLMOPS_CHECK(usable(key));
  const bool integer = key.is(Kind::kInt) || key.is(Kind::kBool);
  if (object.is(Kind::kDict)) {
    if (dict_size(object) > 64) LLMOPS_CHECK(charge(dict_size(object) / 64));
    if (std::optional<Value> found = dict_find(object, key)) return *found;
    if (!strict() && key.is(Kind::kString)) return attribute(object, key.str(), expr);
    if (expr) return undefined_at(expr, object.from_json ? object.json : nullptr);
    return undefined_because(fmt::format("dict has no key '{}'", to_text(key)));
  }
  if (integer && (object.is(Kind::kList) || object.is(Kind::kRange))) {
    const auto size = static_cast<int64_t>(list_size(object));
    const int64_t wanted = key.is(Kind::kBool) ? int64_t{key.boolean} : key.integer;
    const int64_t index = wanted < 0 ? wanted + size : wanted;
    if (index >= 0 && index < size) return list_at(object, static_cast<size_t>(index));
  } else if (integer && object.is(Kind::kString)) {
    LLMOPS_CHECK(charge(object.size / 64));
    const auto size = static_cast<int64_t>(text::count_code_points(object.str()));
    const int64_t wanted = key.is(Kind::kBool) ? int64_t{key.boolean} : key.integer;
    const int64_t index = wanted < 0 ? wanted + size : wanted;
    if (index >= 0 && index < size) {
      const size_t offset = text::offset_of(object.str(), static_cast<size_t>(index));
      Value character = object;
      character.text += offset;
      character.size = text::decode_at(object.str(), offset).size;
      return character;
    }
  } else if (key.is(Kind::kString) && !object.is(Kind::kString)) {
    return attribute(object, key.str(), expr);
  }
  if (expr) return undefined_at(expr, nullptr);
  return undefined_because(fmt::format("{} has no item {}", type_phrase(object), to_text(key)));
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
    if (mutable_key) return type_error(fmt::format("{} cannot be a key of a dict", type_phrase(key)));
    const auto known = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return equal(entry.first, key); });
    if (known != entries.end()) known->second = std::move(value);
    else entries.emplace_back(std::move(key), std::move(value));
  }
  return make_dict(std::move(entries));
}

Result<Value> Evaluator::eval_slice(const Expr& expr) {
  LLMOPS_ASSIGN(const Value object, eval(*expr.parts[0]));
  LLMOPS_CHECK(need_defined(object));
  Value bounds[3] = {Value::none(), Value::none(), Value::none()};
  for (size_t i = 0; i < 3; ++i) {
    if (!expr.parts[i + 1]) continue;
    LLMOPS_ASSIGN(bounds[i], eval(*expr.parts[i + 1]));
    LLMOPS_CHECK(need_defined(bounds[i]));
    if (!bounds[i].is(Kind::kInt) && !bounds[i].is(Kind::kNone) && !bounds[i].is(Kind::kBool)) {
      return type_error(fmt::format("bounds of a slice must be integers, not {}", type_phrase(bounds[i])));
    }
    if (bounds[i].is(Kind::kBool)) bounds[i] = Value::of(int64_t{bounds[i].boolean});
  }
  if (!object.is(Kind::kString) && !object.is(Kind::kList) && !object.is(Kind::kRange)) return undefined_at(&expr, nullptr);
  return slice(object, bounds);
}

// Python's slice.indices(): bounds beyond the ends are cut to them.
Result<Value> Evaluator::slice(const Value& object, const Value bounds[3]) {
  const int64_t step = bounds[2].is(Kind::kInt) ? bounds[2].integer : 1;
  if (step == 0) return type_error("step of a slice must not be 0");
  std::vector<Value> characters;
  if (object.is(Kind::kString)) {
    LLMOPS_ASSIGN(characters, items_of(object));
  }
  const auto size = static_cast<int64_t>(object.is(Kind::kString) ? characters.size() : list_size(object));
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (!value.is(Kind::kInt)) return otherwise;
    const int64_t from_start = value.integer < 0 ? (value.integer < -size ? int64_t{-1} : value.integer + size) : value.integer;
    if (value.integer < -size) return low;
    return std::clamp(from_start, low, high);
  };
  const int64_t start = bound(bounds[0], step > 0 ? low : high);
  const int64_t stop = bound(bounds[1], step > 0 ? high : low);
  const uint64_t span = step > 0 ? (stop > start ? static_cast<uint64_t>(stop - start) : 0) : (start > stop ? static_cast<uint64_t>(start - stop) : 0);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  const uint64_t count = span == 0 ? 0 : (span - 1) / stride + 1;
  if (object.is(Kind::kRange)) {   // part of a range is a range
    const RangeData& range = *object.range;
    auto part = std::make_shared<RangeData>();
    part->start = range.at(start);
    part->stop = range.at(stop);
    part->step = static_cast<int64_t>(static_cast<uint64_t>(range.step) * static_cast<uint64_t>(step));
    part->length = count;
    Value value;
    value.kind = Kind::kRange;
    value.range = part.get();
    value.owner = std::move(part);
    return value;
  }
  std::string text;
  std::vector<Value> items;
  int64_t index = start;
  for (uint64_t i = 0; i < count; ++i) {
    if (object.is(Kind::kString)) text += characters[static_cast<size_t>(index)].str();
    else items.push_back(list_at(object, static_cast<size_t>(index)));
    if (i + 1 < count) index += step;
  }
  if (object.is(Kind::kString)) return make_text(std::move(text), object.safe);
  return make_list(std::move(items), type_name(object) == "tuple" ? ListStyle::kTuple : ListStyle::kList);
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
  if (!value.is_number()) return type_error(fmt::format("sign does not apply to {}", type_phrase(value)));
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
