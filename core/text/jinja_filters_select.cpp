// map, select and reject: filters that apply another filter or test, by name, to each item.
#include <fmt/format.h>

#include "core/text/jinja_filters.h"

namespace llmops::jinja {

namespace {

Result<const Callable*> named_row(std::span<const Callable> table, std::string_view what, const Value& name) {
  if (!name.is(Kind::kString)) return type_error(fmt::format("name of a {} must be a string, not {}", what, type_phrase(name)), "write the name in quotes");
  const Callable* row = find_callable(table, name.str());
  if (!row) return type_error(fmt::format("unknown {} '{}'", what, name.str()), name_hint(name.str(), callable_names(table)));
  return row;
}

Result<Value> select_items(const Call& call, bool by_attribute, bool wanted) {
  const auto& given = call.arguments.positional;
  const size_t off = by_attribute ? 1 : 0;
  if (by_attribute && given.empty()) return type_error("the name of an attribute is missing", "write it in the parentheses, in quotes");
  const Callable* row = nullptr;
  Arguments arguments;
  if (given.size() > off) {
    LLMOPS_ASSIGN(row, named_row(tests(), "test", given[off]));
    arguments.positional.assign(given.begin() + static_cast<std::ptrdiff_t>(off) + 1, given.end());
    arguments.keywords = call.arguments.keywords;
  }
  if (!truth(call.subject)) return call.evaluator.make_list({});   // Jinja asks nothing more of a false value
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  std::vector<Value> kept;
  for (const Value& item : items) {
    Value tested = item;
    if (by_attribute) {
      LLMOPS_ASSIGN(tested, value_at(call, item, given[0]));
    }
    LLMOPS_CHECK(call.evaluator.charge(1));
    if (row) {
      LLMOPS_ASSIGN(tested, call.evaluator.apply(*row, "test", tested, arguments));
    }
    LLMOPS_ASSIGN(const bool holds, call.evaluator.truthy(tested));
    if (holds == wanted) kept.push_back(item);
  }
  return call.evaluator.make_list(std::move(kept));
}

}  // namespace

Result<Value> filter_map(const Call& call) {
  const auto& given = call.arguments.positional;
  const Value* attribute = nullptr;
  const Value* otherwise = nullptr;
  const Callable* row = nullptr;
  Arguments arguments;
  if (given.empty()) {
    for (const auto& [name, value] : call.arguments.keywords) {
      if (name == "attribute") attribute = &value;
      else if (name == "default") otherwise = &value;
      else return type_error(fmt::format("filter 'map' has no argument '{}'", name), "write map(attribute='name') or map('filter')");
    }
    if (!attribute) return type_error("filter 'map' needs the name of a filter or attribute=", "write map(attribute='name') or map('filter')");
  } else {
    LLMOPS_ASSIGN(row, named_row(filters(), "filter", given[0]));
    arguments.positional.assign(given.begin() + 1, given.end());
    arguments.keywords = call.arguments.keywords;
  }
  if (!truth(call.subject)) return call.evaluator.make_list({});
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  std::vector<Value> mapped;
  for (const Value& item : items) {
    LLMOPS_CHECK(call.evaluator.charge(1));
    if (attribute) {
      LLMOPS_ASSIGN(Value value, value_at(call, item, *attribute, otherwise));
      mapped.push_back(std::move(value));
    } else {
      LLMOPS_ASSIGN(Value value, call.evaluator.apply(*row, "filter", item, arguments));
      mapped.push_back(std::move(value));
    }
  }
  return call.evaluator.make_list(std::move(mapped));
}

Result<Value> filter_select(const Call& call) { return select_items(call, false, true); }
Result<Value> filter_reject(const Call& call) { return select_items(call, false, false); }
Result<Value> filter_selectattr(const Call& call) { return select_items(call, true, true); }
Result<Value> filter_rejectattr(const Call& call) { return select_items(call, true, false); }

}  // namespace llmops::jinja
