// Names, attributes, items and slices: where values come from, and what an undefined one says of itself.
// Attributes and items find each other's members as in Jinja (docs: "Notes on subscriptions").
#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

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

Value Evaluator::undefined_because(std::string message, bool lenient) {
  auto data = std::make_shared<UndefinedData>();
  data->message = std::move(message);
  data->lenient = lenient;
  Value value;
  value.undefined = data.get();
  value.owner = std::move(data);
  return value;
}

Error Evaluator::undefined_error(const Value& value) const {
  const UndefinedData* data = value.undefined;
  if (!data) return type_error("value is undefined", "give it a value, as in {{ x | default(1) }}");
  if (!data->expr) return type_error(data->message.empty() ? "value is undefined" : data->message, "give it a value, as in {{ x | default(1) }}");
  const Expr& expr = *data->expr;
  Error error = type_error(fmt::format("'{}' is undefined", shown_text(describe(code_, expr), 120)));
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
  if (error.hint.empty()) error.hint = "give it a value where there may be none, as in {{ x | default('') }}";
  return error;
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
  if (name == "depth") return Value::of(int64_t{loop.depth});
  if (name == "depth0") return Value::of(int64_t{loop.depth} - 1);
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

Result<Value> Evaluator::macro_attribute(const MacroDefinition& macro, std::string_view name) {
  if (name == "name") return Value::view(macro.name);
  if (name == "catch_varargs") return Value::of(macro.uses_varargs);
  if (name == "catch_kwargs") return Value::of(macro.uses_kwargs);
  if (name == "caller") return Value::of(macro.uses_caller);
  if (name != "arguments") return Value();
  std::vector<Value> names;
  for (const Target& parameter : macro.parameters) names.push_back(Value::view(parameter.name));
  return make_list(std::move(names), ListStyle::kTuple);
}

// A key of a dict that is named like a method: strict mode gives the value (the method is reached by calling it),
// compatible mode the method, as Jinja does.
Result<Value> Evaluator::attribute(const Value& object, std::string_view name, const Expr* expr) {
  LLMOPS_CHECK(need_defined(object));
  const Json* container = nullptr;
  if (object.is(Kind::kDict)) {
    LLMOPS_CHECK(charge_lookup(object, Value::view(name)));
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
  } else if (object.is(Kind::kMacro)) {
    LLMOPS_ASSIGN(Value found, macro_attribute(*object.macro->definition, name));
    if (!found.is(Kind::kUndefined)) return found;
  }
  if (object.is(Kind::kLoop)) object.loop->escaped = true;
  if (std::optional<Value> method = bound_method(object, name)) return *method;
  if (expr) return undefined_at(expr, container);
  return undefined_because(fmt::format("{} has no attribute '{}'", type_phrase(object), shown_text(name, 60)));
}

Result<Value> Evaluator::item(const Value& object, const Value& key, const Expr* expr) {
  LLMOPS_CHECK(need_defined(object));
  LLMOPS_CHECK(usable(key));
  const bool integer = key.is(Kind::kInt) || key.is(Kind::kBool);
  if (object.is(Kind::kDict)) {
    LLMOPS_CHECK(charge_lookup(object, key));
    if (std::optional<Value> found = dict_find(object, key)) return *found;
    if (!strict() && key.is(Kind::kString)) return attribute(object, key.str(), expr);
    if (expr) return undefined_at(expr, object.from_json ? object.json : nullptr);
    return undefined_because(fmt::format("dict has no key '{}'", shown_text(to_text(key, 100), 60)));
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
  return undefined_because(fmt::format("{} has no item {}", type_phrase(object), shown_text(to_text(key, 100), 60)));
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
      return type_error(fmt::format("bounds of a slice must be integers, not {}", type_phrase(bounds[i])), "write integers, as in [1:3]");
    }
    if (bounds[i].is(Kind::kBool)) bounds[i] = Value::of(int64_t{bounds[i].boolean});
  }
  if (!object.is(Kind::kString) && !object.is(Kind::kList) && !object.is(Kind::kRange)) {
    return type_error(fmt::format("{} cannot be sliced", type_phrase(object)), "slice a text or a list");
  }
  return slice(object, bounds);
}

// Python's slice.indices(): bounds beyond the ends are cut to them.
Result<Value> Evaluator::slice(const Value& object, const Value bounds[3]) {
  const int64_t step = bounds[2].is(Kind::kInt) ? bounds[2].integer : 1;
  if (step == 0) return type_error("step of a slice must not be 0", "leave the step out, or write 1");
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

}  // namespace llmops::jinja
