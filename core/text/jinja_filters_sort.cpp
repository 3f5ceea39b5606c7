// Filters that order, group and total items by a key: the item, or an attribute of it; text without regard to case unless
// case_sensitive. Sorting is stable, as Python's.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>

#include "core/text/codepoint.h"
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

namespace {

struct Keyed { Value item, key; };

Value fold(const Value& key, bool case_sensitive) {
  if (case_sensitive || !key.is(Kind::kString)) return key;
  return Value::own(text::to_lower(key.str()));
}

Result<Value> key_of(const Call& call, const Value& item, const Value* attribute, bool case_sensitive, const Value* otherwise = nullptr) {
  Value key = item;
  if (attribute && !attribute->is(Kind::kNone)) {
    LLMOPS_ASSIGN(key, value_at(call, item, *attribute, otherwise));
  }
  LLMOPS_CHECK(call.evaluator.usable(key));
  return fold(key, case_sensitive);
}

Result<std::vector<Keyed>> keyed_items(const Call& call, const Value* attribute, bool case_sensitive, const Value* otherwise = nullptr) {
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    LLMOPS_ASSIGN(Value key, key_of(call, item, attribute, case_sensitive, otherwise));
    LLMOPS_CHECK(call.evaluator.charge(weight_of(key)));
    keyed.push_back({item, std::move(key)});
  }
  return keyed;
}

// sort(attribute="age,name"): a list of keys, compared one after the other.
Result<std::vector<Keyed>> keyed_by_several(const Call& call, std::string_view attributes, bool case_sensitive) {
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    std::vector<Value> keys;
    for (size_t start = 0; start <= attributes.size();) {
      const std::string_view name = attributes.substr(start, attributes.find(',', start) - start);
      const Value attribute = Value::view(name);
      LLMOPS_ASSIGN(Value key, key_of(call, item, &attribute, case_sensitive));
      keys.push_back(std::move(key));
      start += name.size() + 1;
    }
    LLMOPS_ASSIGN(Value key, call.evaluator.make_list(std::move(keys)));
    keyed.push_back({item, std::move(key)});
  }
  return keyed;
}

Error incomparable(const Value& a, const Value& b) {
  return type_error(fmt::format("cannot order {} and {}", type_phrase(a), type_phrase(b)), "convert the values first, as in map('string')");
}

// `equal_first`: equal keys need no order (Jinja's sort compares lists of keys, and lists look for a difference first).
Status sort_keyed(const Call& call, std::vector<Keyed>& keyed, bool reverse, bool equal_first = false) {
  size_t weight = 0;
  for (const Keyed& entry : keyed) weight += weight_of(entry.key);
  LLMOPS_CHECK(call.evaluator.charge(weight * static_cast<size_t>(std::bit_width(keyed.size()))));
  std::optional<Error> failure;
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    if (equal_first && equal(a.key, b.key)) return false;
    const auto order = reverse ? compare(b.key, a.key) : compare(a.key, b.key);
    if (!order && !failure) failure = incomparable(a.key, b.key);
    return order && *order < 0;
  });
  if (failure) return std::move(*failure);
  return {};
}

Result<Value> list_of_items(const Call& call, std::vector<Keyed> keyed) {
  std::vector<Value> items;
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return call.evaluator.make_list(std::move(items));
}

Result<Value> extreme(const Call& call, bool largest) {
  LLMOPS_ASSIGN(const bool case_sensitive, flag_argument(call, 0, false));
  LLMOPS_ASSIGN(const std::vector<Keyed> keyed, keyed_items(call, call[1], case_sensitive));
  if (keyed.empty()) return Evaluator::undefined_because(fmt::format("there is no {} item: the list is empty", largest ? "largest" : "smallest"));
  const Keyed* best = &keyed.front();
  for (const Keyed& entry : keyed) {
    const auto order = largest ? compare(best->key, entry.key) : compare(entry.key, best->key);
    if (!order) return incomparable(best->key, entry.key);
    if (*order < 0) best = &entry;
  }
  return best->item;
}

// Equal keys have equal texts, and only those; none for lists and dicts, which Python can't hash.
std::optional<std::string> identity(const Value& key) {
  if (key.is(Kind::kDict) || (key.is(Kind::kList) && type_name(key) != "tuple")) return std::nullopt;
  if (key.is(Kind::kString)) return "s" + std::string(key.str());
  if (key.is(Kind::kFloat) && key.real == std::floor(key.real) && std::fabs(key.real) < 9e15) {
    return fmt::format("n{}", static_cast<int64_t>(key.real));
  }
  if (key.is(Kind::kBool)) return key.boolean ? "n1" : "n0";
  std::string text = key.is_number() ? "n" : "o";
  append_repr(text, key);
  return text;
}

}  // namespace

Result<Value> filter_sort(const Call& call) {
  LLMOPS_ASSIGN(const bool reverse, flag_argument(call, 0, false));
  LLMOPS_ASSIGN(const bool case_sensitive, flag_argument(call, 1, false));
  const bool several = call[2] && call[2]->is(Kind::kString) && call[2]->str().find(',') != std::string_view::npos;
  LLMOPS_ASSIGN(std::vector<Keyed> keyed, several ? keyed_by_several(call, call[2]->str(), case_sensitive)
                                                  : keyed_items(call, call[2], case_sensitive));
  LLMOPS_CHECK(sort_keyed(call, keyed, reverse, true));
  return list_of_items(call, std::move(keyed));
}

Result<Value> filter_unique(const Call& call) {
  LLMOPS_ASSIGN(const bool case_sensitive, flag_argument(call, 0, false));
  LLMOPS_ASSIGN(const std::vector<Keyed> keyed, keyed_items(call, call[1], case_sensitive));
  std::unordered_set<std::string> seen;
  std::vector<Value> kept;
  for (const Keyed& entry : keyed) {
    std::optional<std::string> text = identity(entry.key);
    if (!text) return type_error(fmt::format("'unique' cannot compare {}", type_phrase(entry.key)), "compare by an attribute: unique(attribute='name')");
    if (seen.insert(std::move(*text)).second) kept.push_back(entry.item);
  }
  return call.evaluator.make_list(std::move(kept));
}

Result<Value> filter_min(const Call& call) { return extreme(call, false); }
Result<Value> filter_max(const Call& call) { return extreme(call, true); }

Result<Value> filter_sum(const Call& call) {
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  Value total = call[1] ? *call[1] : Value::of(int64_t{0});
  if (total.is(Kind::kString)) return type_error("'sum' does not add strings", "use the filter join");
  for (const Value& item : items) {
    Value term = item;
    if (call[0] && !call[0]->is(Kind::kNone)) {
      LLMOPS_ASSIGN(term, value_at(call, item, *call[0]));
    }
    LLMOPS_CHECK(call.evaluator.need_defined(term));
    LLMOPS_ASSIGN(total, call.evaluator.arithmetic(Op::kAdd, total, term));
  }
  return total;
}

Result<Value> filter_dictsort(const Call& call) {
  if (!call.subject.is(Kind::kDict)) return type_error(fmt::format("'dictsort' takes a dict, not {}", type_phrase(call.subject)), "sort a list with the filter sort");
  LLMOPS_ASSIGN(const bool case_sensitive, flag_argument(call, 0, false));
  LLMOPS_ASSIGN(const std::string_view by, string_argument(call, 1, "by", "key"));
  LLMOPS_ASSIGN(const bool reverse, flag_argument(call, 2, false));
  if (by != "key" && by != "value") return type_error("argument 'by' must be key or value", "leave it out to sort by key");
  std::vector<Keyed> keyed;
  for (size_t i = 0; i < dict_size(call.subject); ++i) {
    const Value key = dict_key(call.subject, i), value = dict_value(call.subject, i);
    LLMOPS_ASSIGN(Value pair, call.evaluator.make_list({key, value}, ListStyle::kTuple));
    keyed.push_back({std::move(pair), fold(by == "key" ? key : value, case_sensitive)});
  }
  LLMOPS_CHECK(sort_keyed(call, keyed, reverse));
  return list_of_items(call, std::move(keyed));
}

// Groups of equal keys, sorted by key; without case, a group is named by its first item's key as it is written.
Result<Value> filter_groupby(const Call& call) {
  LLMOPS_ASSIGN(const bool case_sensitive, flag_argument(call, 2, false));
  LLMOPS_ASSIGN(std::vector<Keyed> keyed, keyed_items(call, call[0], case_sensitive, call[1]));
  LLMOPS_CHECK(sort_keyed(call, keyed, false));
  std::vector<Value> groups;
  for (size_t begin = 0; begin < keyed.size();) {
    size_t end = begin;
    std::vector<Value> items;
    while (end < keyed.size() && equal(keyed[end].key, keyed[begin].key)) items.push_back(keyed[end++].item);
    if (end == begin) items.push_back(keyed[end++].item);   // NaN equals nothing, itself included
    LLMOPS_ASSIGN(Value name, key_of(call, keyed[begin].item, call[0], true, call[1]));
    LLMOPS_ASSIGN(Value list, call.evaluator.make_list(std::move(items)));
    LLMOPS_ASSIGN(Value group, call.evaluator.make_list({std::move(name), std::move(list)}, ListStyle::kGroup));
    groups.push_back(std::move(group));
    begin = end;
  }
  return call.evaluator.make_list(std::move(groups));
}

}  // namespace llmops::jinja
