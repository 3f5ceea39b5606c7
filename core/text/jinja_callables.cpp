// What the tables of filters, tests, methods and functions have in common: finding a row, binding arguments to its
// parameters, and reading them with their types. And the functions of Jinja's global scope.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

const Callable* find_callable(std::span<const Callable> table, std::string_view name) {
  const auto row = std::find_if(table.begin(), table.end(), [&](const Callable& r) { return r.name == name; });
  return row == table.end() ? nullptr : &*row;
}

std::string name_hint(std::string_view name, const std::vector<std::string>& known) {
  std::string hint = did_you_mean(name, known);
  if (!hint.empty()) return hint;
  for (const std::string& one : known) hint += (hint.empty() ? "known: " : ", ") + one;
  return hint.empty() ? "remove it" : hint;
}

std::vector<std::string> callable_names(std::span<const Callable> table) {
  std::vector<std::string> names;
  for (const Callable& row : table) names.emplace_back(row.name);
  return names;
}

Result<std::vector<size_t>> bind_parameters(const Callable& row, std::string_view what, size_t positional,
                                            std::span<const std::string_view> keywords) {
  size_t count = 0;
  while (count < kMaxParameters && !row.parameters[count].empty()) ++count;
  const bool open = count > 0 && row.parameters[count - 1] == "...";
  if (open) --count;
  if (positional > count && !open) {
    return type_error(fmt::format("{} '{}' takes at most {} {}, not {}", what, row.name, count, count == 1 ? "argument" : "arguments", positional), "remove the others");
  }
  std::vector<size_t> slots;
  for (size_t i = 0; i < positional; ++i) slots.push_back(i < count ? i : kMaxParameters);
  for (const std::string_view keyword : keywords) {
    const auto* end = row.parameters.data() + count;
    const auto* parameter = std::find(row.parameters.data(), end, keyword);
    const auto index = static_cast<size_t>(parameter - row.parameters.data());
    if (parameter == end && !open) {
      std::vector<std::string> known(row.parameters.data(), end);
      return type_error(fmt::format("{} '{}' has no argument '{}'", what, row.name, keyword), name_hint(keyword, known));
    }
    if (parameter != end && std::find(slots.begin(), slots.end(), index) != slots.end()) {
      return type_error(fmt::format("{} '{}' got two values for '{}'", what, row.name, keyword), "remove one of the two");
    }
    slots.push_back(parameter == end ? kMaxParameters : index);
  }
  for (size_t i = 0; i < row.required; ++i) {
    if (std::find(slots.begin(), slots.end(), i) == slots.end()) {
      return type_error(fmt::format("{} '{}' needs the argument '{}'", what, row.name, row.parameters[i]), "add it in the parentheses");
    }
  }
  return slots;
}

Result<int64_t> integer_argument(const Call& call, size_t slot, std::string_view name, int64_t otherwise) {
  const Value* value = call[slot];
  if (!value || value->is(Kind::kNone)) return otherwise;
  if (value->is(Kind::kInt)) return value->integer;
  if (value->is(Kind::kBool)) return int64_t{value->boolean};
  return type_error(fmt::format("argument '{}' must be an integer, not {}", name, type_phrase(*value)), "write an integer, or convert it with the filter int");
}

Result<bool> flag_argument(const Call& call, size_t slot, bool otherwise) {
  return call[slot] ? call.evaluator.truthy(*call[slot]) : Result<bool>(otherwise);
}

Result<std::string_view> string_argument(const Call& call, size_t slot, std::string_view name, std::string_view otherwise) {
  const Value* value = call[slot];
  if (!value || value->is(Kind::kNone)) return otherwise;
  if (value->is(Kind::kString)) return value->str();
  return type_error(fmt::format("argument '{}' must be a string, not {}", name, type_phrase(*value)), "write it in quotes, or convert it with the filter string");
}

namespace {

Result<Value> range(const Call& call) {
  LLMOPS_ASSIGN(const int64_t first, integer_argument(call, 0, "start", 0));
  LLMOPS_ASSIGN(const int64_t second, integer_argument(call, 1, "stop", 0));
  LLMOPS_ASSIGN(const int64_t step, integer_argument(call, 2, "step", 1));
  if (step == 0) return type_error("step of 'range' must not be 0", "leave the step out, or write 1");
  auto data = std::make_shared<RangeData>();
  data->start = call[1] ? first : 0;
  data->stop = call[1] ? second : first;
  data->step = step;
  const int64_t low = step > 0 ? data->start : data->stop, high = step > 0 ? data->stop : data->start;
  if (high > low) {
    const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
    data->length = (span - 1) / stride + 1;
    if (data->length > size_t{INT64_MAX}) return type_error("'range' is longer than 64 bits count", "loop over less");
  }
  Value value;
  value.kind = Kind::kRange;
  value.range = data.get();
  value.owner = std::move(data);
  return value;
}

// dict(mapping or pairs, key=value...): the entries, for dict() and namespace().
Result<std::vector<std::pair<Value, Value>>> entries_of(const Call& call) {
  std::vector<std::pair<Value, Value>> entries;
  const auto put = [&](const Value& key, const Value& value) {
    const auto known = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return equal(entry.first, key); });
    if (known != entries.end()) known->second = value;
    else entries.emplace_back(key, value);
  };
  if (call.arguments.positional.size() > 1) return type_error("at most one argument without a name is allowed", "name the arguments, as in dict(a=1)");
  for (const Value& from : call.arguments.positional) {
    if (from.is(Kind::kDict)) {
      for (size_t i = 0; i < dict_size(from); ++i) put(dict_key(from, i), dict_value(from, i));
      continue;
    }
    LLMOPS_ASSIGN(const std::vector<Value> rows, call.evaluator.items_of(from));
    for (const Value& row : rows) {
      LLMOPS_ASSIGN(const std::vector<Value> pair, call.evaluator.items_of(row));
      if (pair.size() != 2) return type_error("a dict is made of pairs", "write it as {'key': value}");
      LLMOPS_CHECK(call.evaluator.charge(1 + entries.size() * weight_of(pair[0]) / 16));
      put(pair[0], pair[1]);
    }
  }
  for (const auto& [name, value] : call.arguments.keywords) put(Value::own(std::string(name)), value);
  return entries;
}

Result<Value> dict(const Call& call) {
  LLMOPS_ASSIGN(auto entries, entries_of(call));
  return call.evaluator.make_dict(std::move(entries));
}

Result<Value> make_space(const Call& call) {
  LLMOPS_ASSIGN(const auto entries, entries_of(call));
  std::vector<std::pair<std::string, Value>> named;
  for (const auto& [key, value] : entries) named.emplace_back(to_text(key), value);
  return call.evaluator.make_namespace(std::move(named));
}

Result<Value> cycler(const Call& call) {
  if (call.arguments.positional.empty()) return type_error("'cycler' needs at least one item", "write the items in the parentheses");
  return call.evaluator.make_cycler(call.arguments.positional, false);
}

Result<Value> joiner(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view separator, string_argument(call, 0, "sep", ", "));
  return call.evaluator.make_cycler({Value::own(std::string(separator))}, true);
}

Result<Value> raise(const Call& call) {
  LLMOPS_ASSIGN(std::string message, call.evaluator.text_of(*call[0]));
  if (message.size() > kMostShownBytes) message = shown_text(message, kMostShownBytes);
  return type_error(std::move(message), "the template itself refuses this; look at what it was given");
}

Result<Value> loop_cycle(const Call& call) {
  const auto& items = call.arguments.positional;
  if (items.empty()) return type_error("'cycle' needs at least one item", "write the items in the parentheses");
  return items[call.subject.loop->index % items.size()];
}

Result<Value> loop_changed(const Call& call) {
  LoopState& loop = *call.subject.loop;
  for (const Value& value : call.arguments.positional) LLMOPS_CHECK(call.evaluator.charge(weight_of(value)));
  const auto& now = call.arguments.positional;
  const auto same = [&](const std::vector<Value>& before) { return std::equal(now.begin(), now.end(), before.begin(), before.end(), equal); };
  if (loop.last_seen && same(*loop.last_seen)) return Value::of(false);
  loop.last_seen = now;
  return Value::of(true);
}

Result<Value> cycler_next(const Call& call) {
  Cycler& cycler = *call.subject.cycler;
  Value item = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return item;
}

Result<Value> cycler_reset(const Call& call) {
  call.subject.cycler->position = 0;
  return Value::none();
}

constexpr Function kFunctions[] = {
    {"range", {"range", range, {"start", "stop", "step"}, 1}},
    {"dict", {"dict", dict, {"..."}}},
    {"namespace", {"namespace", make_space, {"..."}}},
    {"cycler", {"cycler", cycler, {"..."}}},
    {"joiner", {"joiner", joiner, {"sep"}}},
    {"raise_exception", {"raise_exception", raise, {"message"}, 1}, true},
};
constexpr Callable kLoopMethods[] = {{"cycle", loop_cycle, {"..."}}, {"changed", loop_changed, {"..."}}};
constexpr Callable kCyclerMethods[] = {{"next", cycler_next}, {"reset", cycler_reset}};

}  // namespace

std::span<const Function> functions() { return kFunctions; }
std::span<const Callable> loop_methods() { return kLoopMethods; }
std::span<const Callable> cycler_methods() { return kCyclerMethods; }

}  // namespace llmops::jinja
