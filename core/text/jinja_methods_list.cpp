// Methods of dicts and lists that templates call (Python's library reference, "Built-in Types"). Methods that would change
// a value are refused by name: values of a rendering never change.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

Result<Value> no_change(const Call&) {
  return type_error("values of a template cannot be changed", "make a new value, as in {% set x = x + [item] %}");
}

Result<Value> dict_get(const Call& call) {
  LLMOPS_CHECK(call.evaluator.charge_lookup(call.subject, *call[0]));
  if (std::optional<Value> found = dict_find(call.subject, *call[0])) return *found;
  return call[1] ? *call[1] : Value::none();
}

template <ListStyle kStyle>
Result<Value> dict_view(const Call& call) {
  std::vector<Value> items;
  for (size_t i = 0; i < dict_size(call.subject); ++i) {
    const Value key = dict_key(call.subject, i), value = dict_value(call.subject, i);
    if (kStyle == ListStyle::kItems) {
      LLMOPS_ASSIGN(Value pair, call.evaluator.make_list({key, value}, ListStyle::kTuple));
      items.push_back(std::move(pair));
    } else {
      items.push_back(kStyle == ListStyle::kKeys ? key : value);
    }
  }
  return call.evaluator.make_list(std::move(items), kStyle);
}

Result<Value> copy(const Call& call) { return call.subject; }

Result<Value> list_index(const Call& call) {
  LLMOPS_CHECK(call.evaluator.charge(std::max(list_size(call.subject), weight_of(call.subject))));
  for (size_t i = 0; i < list_size(call.subject); ++i) {
    if (equal(list_at(call.subject, i), *call[0])) return Value::of(static_cast<int64_t>(i));
  }
  return type_error("value is not in the list", "ask with `in` first");
}

Result<Value> list_count(const Call& call) {
  LLMOPS_CHECK(call.evaluator.charge(std::max(list_size(call.subject), weight_of(call.subject))));
  int64_t found = 0;
  for (size_t i = 0; i < list_size(call.subject); ++i) found += equal(list_at(call.subject, i), *call[0]) ? 1 : 0;
  return Value::of(found);
}

constexpr Callable kDictMethods[] = {
    {"get", dict_get, {"key", "default"}, 1, true}, {"items", dict_view<ListStyle::kItems>}, {"keys", dict_view<ListStyle::kKeys>},
    {"values", dict_view<ListStyle::kValues>}, {"copy", copy}, {"update", no_change, {"..."}}, {"pop", no_change, {"..."}},
    {"setdefault", no_change, {"..."}}, {"clear", no_change, {"..."}}, {"popitem", no_change, {"..."}}};

constexpr Callable kListMethods[] = {
    {"index", list_index, {"value"}, 1}, {"count", list_count, {"value"}, 1}, {"copy", copy}, {"append", no_change, {"..."}},
    {"extend", no_change, {"..."}}, {"insert", no_change, {"..."}}, {"pop", no_change, {"..."}}, {"remove", no_change, {"..."}},
    {"reverse", no_change, {"..."}}, {"sort", no_change, {"..."}}, {"clear", no_change, {"..."}}};

}  // namespace

std::span<const Callable> dict_methods() { return kDictMethods; }
std::span<const Callable> list_methods() { return kListMethods; }

}  // namespace llmops::jinja
