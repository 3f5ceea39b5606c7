// Filters on lists (jinja2/filters.py). Where Jinja gives a generator, these give a list: it prints and counts as one.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/text/codepoint.h"
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

Result<Value> value_at(const Call& call, const Value& item, const Value& path, const Value* otherwise) {
  if (path.is(Kind::kInt)) return call.evaluator.item(item, path, nullptr);
  if (!path.is(Kind::kString)) return type_error(fmt::format("attribute must be a string, not {}", type_phrase(path)), "write the attribute in quotes");
  Value value = item;
  std::string_view rest = path.str();
  while (true) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    int64_t index = 0;
    if (digits && std::from_chars(part.data(), part.data() + part.size(), index).ec == std::errc()) {
      LLMOPS_ASSIGN(value, call.evaluator.item(value, Value::of(index), nullptr));
    } else {
      LLMOPS_ASSIGN(value, call.evaluator.item(value, Value::view(part), nullptr));
    }
    if (value.is(Kind::kUndefined) && otherwise && !otherwise->is(Kind::kNone)) value = *otherwise;
    if (part.size() == rest.size()) return value;
    rest.remove_prefix(part.size() + 1);
  }
}

Result<Value> filter_length(const Call& call) {
  const Value& value = call.subject;
  switch (value.kind) {
    case Kind::kString:
      LLMOPS_CHECK(call.evaluator.charge(value.size / 64));
      return Value::of(static_cast<int64_t>(text::count_code_points(value.str())));
    case Kind::kList: case Kind::kRange: return Value::of(static_cast<int64_t>(list_size(value)));
    case Kind::kDict: return Value::of(static_cast<int64_t>(dict_size(value)));
    case Kind::kLoop: return Value::of(static_cast<int64_t>(value.loop->length));
    case Kind::kUndefined: return Value::of(int64_t{0});
    default: return type_error(fmt::format("{} has no length", type_phrase(value)), "take the length of a text, a list or a dict");
  }
}

Result<Value> filter_first(const Call& call) {
  const Value& value = call.subject;
  if (value.is(Kind::kList) || value.is(Kind::kRange)) {
    return list_size(value) > 0 ? list_at(value, 0) : Evaluator::undefined_because("there is no first item: the list is empty");
  }
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(value));
  return items.empty() ? Evaluator::undefined_because("there is no first item: the value is empty") : items.front();
}

Result<Value> filter_last(const Call& call) {
  const Value& value = call.subject;
  if (value.is(Kind::kList) || value.is(Kind::kRange)) {
    const size_t size = list_size(value);
    return size > 0 ? list_at(value, size - 1) : Evaluator::undefined_because("there is no last item: the list is empty");
  }
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(value));
  return items.empty() ? Evaluator::undefined_because("there is no last item: the value is empty") : items.back();
}

Result<Value> filter_list(const Call& call) {
  LLMOPS_ASSIGN(std::vector<Value> items, call.evaluator.items_of(call.subject));
  return call.evaluator.make_list(std::move(items));
}

Result<Value> filter_reverse(const Call& call) {
  LLMOPS_ASSIGN(std::vector<Value> items, call.evaluator.items_of(call.subject));
  std::reverse(items.begin(), items.end());
  if (!call.subject.is(Kind::kString)) return call.evaluator.make_list(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.str();
  return call.evaluator.make_text(std::move(text), call.subject.safe);
}

Result<Value> filter_join(const Call& call) {
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  std::string separator;
  if (call[0]) {
    LLMOPS_ASSIGN(separator, call.evaluator.text_of(*call[0]));
  }
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    Value item = items[i];
    if (call[1] && !call[1]->is(Kind::kNone)) {
      LLMOPS_ASSIGN(item, value_at(call, item, *call[1]));
    }
    if (i > 0) text += separator;
    if (item.is(Kind::kString)) {
      text += item.str();
    } else {
      LLMOPS_ASSIGN(const std::string piece, call.evaluator.text_of(item));
      text += piece;
    }
    LLMOPS_CHECK(call.evaluator.fits(text.size()));
  }
  return call.evaluator.make_text(std::move(text));
}

Result<Value> filter_items(const Call& call) {
  if (call.subject.is(Kind::kUndefined)) return call.evaluator.make_list({});
  if (!call.subject.is(Kind::kDict)) return type_error(fmt::format("'items' takes a dict, not {}", type_phrase(call.subject)), "loop over a list without items");
  std::vector<Value> items;
  for (size_t i = 0; i < dict_size(call.subject); ++i) {
    LLMOPS_ASSIGN(Value pair, call.evaluator.make_list({dict_key(call.subject, i), dict_value(call.subject, i)}, ListStyle::kTuple));
    items.push_back(std::move(pair));
  }
  return call.evaluator.make_list(std::move(items));
}

Result<Value> filter_batch(const Call& call) {
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  LLMOPS_ASSIGN(const int64_t count, integer_argument(call, 0, "linecount", 1));
  if (count < 1) return type_error(fmt::format("'batch' needs a count of at least 1, not {}", count), "write a count of 1 or more");
  const auto size = static_cast<size_t>(count);
  std::vector<Value> batches;
  for (size_t begin = 0; begin < items.size(); begin += std::min(size, items.size() - begin)) {
    const size_t end = begin + std::min(size, items.size() - begin);
    std::vector<Value> batch(items.begin() + static_cast<std::ptrdiff_t>(begin), items.begin() + static_cast<std::ptrdiff_t>(end));
    if (call[1] && !call[1]->is(Kind::kNone) && batch.size() < size) {
      LLMOPS_CHECK(call.evaluator.charge(size - batch.size()));
      batch.resize(size, *call[1]);
    }
    LLMOPS_ASSIGN(Value list, call.evaluator.make_list(std::move(batch)));
    batches.push_back(std::move(list));
  }
  return call.evaluator.make_list(std::move(batches));
}

Result<Value> filter_slice(const Call& call) {
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(call.subject));
  LLMOPS_ASSIGN(const int64_t count, integer_argument(call, 0, "slices", 1));
  if (count < 1) return type_error(fmt::format("'slice' needs at least 1 slice, not {}", count), "write a count of 1 or more");
  const auto slices = static_cast<size_t>(count);
  LLMOPS_CHECK(call.evaluator.charge(slices));
  const size_t each = items.size() / slices, longer = items.size() % slices;
  const bool fills = call[1] && !call[1]->is(Kind::kNone);
  std::vector<Value> lists;
  size_t begin = 0;
  for (size_t i = 0; i < slices; ++i) {
    const size_t end = begin + each + (i < longer ? 1 : 0);
    std::vector<Value> part(items.begin() + static_cast<std::ptrdiff_t>(begin), items.begin() + static_cast<std::ptrdiff_t>(end));
    if (fills && i >= longer) part.push_back(*call[1]);
    LLMOPS_ASSIGN(Value list, call.evaluator.make_list(std::move(part)));
    lists.push_back(std::move(list));
    begin = end;
  }
  return call.evaluator.make_list(std::move(lists));
}

// Unlike x.name, x|attr("name") doesn't find keys of a dict.
Result<Value> filter_attr(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view name, string_argument(call, 0, "name", ""));
  if (call.subject.is(Kind::kDict) && dict_find(call.subject, Value::view(name)) && !find_callable(dict_methods(), name)) {
    return Evaluator::undefined_because(fmt::format("dict has no attribute '{}'", shown_text(name, 60)));
  }
  return call.evaluator.attribute(call.subject, name, nullptr);
}

}  // namespace llmops::jinja
