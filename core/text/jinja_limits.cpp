// The limits of a rendering, and the making of values under them.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

Error Evaluator::out_of_steps() const {
  return type_error(fmt::format("template takes more than {} steps", code_.limits.max_steps), "loop over less");
}

Error Evaluator::too_much_text() const {
  return type_error(fmt::format("template makes more than {} bytes of text", code_.limits.max_output_bytes), "put less text in");
}

Result<Value> Evaluator::make_text(std::string text, bool safe) {
  LLMOPS_CHECK(fits(text.size()));
  LLMOPS_CHECK(charge(text.size() / 64));
  Value value = Value::own(std::move(text));
  value.safe = safe;
  return value;
}

// Beyond the steps that a rendering has, no walk over the value could end.
Status Evaluator::bearable(size_t weight) const {
  if (weight <= code_.limits.max_steps) return {};
  return type_error(fmt::format("lists or dicts hold more than {} values and pieces of text", code_.limits.max_steps), "put less into them");
}

// One step for 64 bytes of text, as many times as the wanted text has 64 bytes: the search compares at each place.
Status Evaluator::charge_search(std::string_view text, std::string_view wanted) {
  if (wanted.size() > text.size()) return {};
  return charge((text.size() / 64) * (1 + wanted.size() / 64));
}

// A look into a dict compares its keys one by one.
Status Evaluator::charge_lookup(const Value& dict, const Value& key) {
  if (key.is(Kind::kList)) return charge(dict.from_json ? 1 : weight_of(dict));
  return charge((dict.from_json ? dict_size(dict) : std::max(dict_size(dict), weight_of(dict) / 16)) / 64);
}

Result<Value> Evaluator::make_list(std::vector<Value> items, ListStyle style) {
  LLMOPS_CHECK(charge(items.size()));
  auto data = std::make_shared<ListData>();
  for (const Value& item : items) data->depth = std::max(data->depth, depth_of(item) + 1);
  if (data->depth > kMaxValueDepth) return type_error(fmt::format("lists nest deeper than {} levels", kMaxValueDepth), "nest less deeply");
  for (const Value& item : items) data->weight += weight_of(item);
  LLMOPS_CHECK(bearable(data->weight));
  data->items = std::move(items);
  data->style = style;
  Value value;
  value.kind = Kind::kList;
  value.list = data.get();
  value.owner = std::move(data);
  return value;
}

Result<Value> Evaluator::make_dict(std::vector<std::pair<Value, Value>> entries) {
  LLMOPS_CHECK(charge(entries.size()));
  auto data = std::make_shared<DictData>();
  for (const auto& [key, item] : entries) data->depth = std::max({data->depth, depth_of(key) + 1, depth_of(item) + 1});
  if (data->depth > kMaxValueDepth) return type_error(fmt::format("dicts nest deeper than {} levels", kMaxValueDepth), "nest less deeply");
  for (const auto& [key, item] : entries) data->weight += weight_of(key) + weight_of(item);
  LLMOPS_CHECK(bearable(data->weight));
  data->entries = std::move(entries);
  Value value;
  value.kind = Kind::kDict;
  value.dict = data.get();
  value.owner = std::move(data);
  return value;
}

Value Evaluator::make_namespace(std::vector<std::pair<std::string, Value>> entries) {
  Value value;
  value.kind = Kind::kNamespace;
  value.space = &namespaces_.emplace_back(Namespace{std::move(entries)});
  return value;
}

Value Evaluator::make_cycler(std::vector<Value> items, bool is_joiner) {
  Value value;
  value.kind = Kind::kCycler;
  value.cycler = &cyclers_.emplace_back(Cycler{std::move(items), 0, is_joiner});
  return value;
}

}  // namespace llmops::jinja
