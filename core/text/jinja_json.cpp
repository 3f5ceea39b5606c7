// JSON as Python's json.dumps writes it (Lib/json/encoder.py), for the filter tojson.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

class PythonJson {
 public:
  PythonJson(Evaluator& evaluator, std::string indent, bool indents, bool ascii, bool sorted, std::string_view item_separator,
             std::string_view key_separator)
      : evaluator_(evaluator), indent_(std::move(indent)), indents_(indents), ascii_(ascii), sorted_(sorted),
        item_separator_(item_separator), key_separator_(key_separator) {}

  Status write(const Value& value, int level) {
    LLMOPS_CHECK(evaluator_.fits(out.size()));
    LLMOPS_CHECK(evaluator_.charge(1));
    switch (value.kind) {
      case Kind::kNone: out += "null"; return {};
      case Kind::kBool: out += value.boolean ? "true" : "false"; return {};
      case Kind::kInt: case Kind::kBigInt: append_text(out, value); return {};
      case Kind::kFloat: write_real(value.real); return {};
      case Kind::kString: write_string(value.str()); return {};
      case Kind::kList: return write_list(value, level);
      case Kind::kDict: return write_dict(value, level);
      case Kind::kUndefined: if (evaluator_.strict()) return evaluator_.undefined_error(value); break;
      default: break;
    }
    return type_error(fmt::format("{} is no value of JSON", type_phrase(value)), "convert it first, for example with the filter string or list");
  }

  std::string out;

 private:
  void write_real(double value) {
    if (std::isnan(value)) out += "NaN";
    else if (std::isinf(value)) out += value < 0 ? "-Infinity" : "Infinity";
    else out += float_text(value);
  }

  void write_escape(int32_t unit) { out += fmt::format("\\u{:04x}", unit); }

  void write_string(std::string_view text) {
    out.push_back('"');
    for (size_t offset = 0; offset < text.size();) {
      const text::CodePoint point = text::decode_at(text, offset);
      const int32_t c = point.value;
      if (c == '"' || c == '\\') { out.push_back('\\'); out.push_back(static_cast<char>(c)); }
      else if (c == '\n') out += "\\n";
      else if (c == '\r') out += "\\r";
      else if (c == '\t') out += "\\t";
      else if (c == '\b') out += "\\b";
      else if (c == '\f') out += "\\f";
      else if (c < 0x20 || (ascii_ && c > 0x7E && c < 0x10000)) write_escape(c);
      else if (ascii_ && c >= 0x10000) {
        write_escape(0xD800 + ((c - 0x10000) >> 10));
        write_escape(0xDC00 + ((c - 0x10000) & 0x3FF));
      } else {
        text::append_utf8(out, c);
      }
      offset += point.size;
    }
    out.push_back('"');
  }

  void new_line(int level) {
    if (!indents_) return;
    out.push_back('\n');
    for (int i = 0; i < level; ++i) out += indent_;
  }

  Status write_list(const Value& list, int level) {
    const size_t size = list_size(list);
    out.push_back('[');
    for (size_t i = 0; i < size; ++i) {
      if (i > 0) out += item_separator_;
      new_line(level + 1);
      LLMOPS_CHECK(write(list_at(list, i), level + 1));
    }
    if (size > 0) new_line(level);
    out.push_back(']');
    return {};
  }

  Status write_key(const Value& key) {
    if (key.is(Kind::kString)) {
      write_string(key.str());
      return {};
    }
    if (!key.is_number() && !key.is(Kind::kNone)) return type_error(fmt::format("{} cannot be a key in JSON", type_phrase(key)), "use a text as key");
    out.push_back('"');
    LLMOPS_CHECK(write(key, 0));
    out.push_back('"');
    return {};
  }

  Status write_dict(const Value& dict, int level) {
    const size_t size = dict_size(dict);
    std::vector<size_t> order(size);
    for (size_t i = 0; i < size; ++i) order[i] = i;
    bool comparable = true;
    if (sorted_) {
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        const auto ordering = compare(dict_key(dict, a), dict_key(dict, b));
        comparable = comparable && ordering.has_value();
        return ordering && *ordering < 0;
      });
    }
    if (!comparable) return type_error("keys of different types cannot be sorted", "use texts as keys");
    out.push_back('{');
    for (size_t i = 0; i < size; ++i) {
      if (i > 0) out += item_separator_;
      new_line(level + 1);
      LLMOPS_CHECK(write_key(dict_key(dict, order[i])));
      out += key_separator_;
      LLMOPS_CHECK(write(dict_value(dict, order[i]), level + 1));
    }
    if (size > 0) new_line(level);
    out.push_back('}');
    return {};
  }

  Evaluator& evaluator_;
  std::string indent_;
  bool indents_, ascii_, sorted_;
  std::string_view item_separator_, key_separator_;
};

}  // namespace

Result<std::string> dump_python_json(Evaluator& evaluator, const Value& value, const Value* indent, bool ascii, bool sorted,
                                     std::string_view item_separator, std::string_view key_separator) {
  std::string unit;
  if (indent && indent->is(Kind::kString)) {
    unit = indent->str();
  } else if (indent) {
    if (!indent->is(Kind::kInt)) return type_error(fmt::format("argument 'indent' must be an integer, not {}", type_phrase(*indent)), "write an integer, as in tojson(indent=2)");
    const auto width = static_cast<size_t>(std::max<int64_t>(indent->integer, 0));
    if (width > 1000) return type_error("argument 'indent' is larger than 1000", "write a smaller one");
    unit.assign(width, ' ');
  }
  PythonJson json(evaluator, std::move(unit), indent != nullptr, ascii, sorted, item_separator, key_separator);
  LLMOPS_CHECK(json.write(value, 0));
  LLMOPS_CHECK(evaluator.fits(json.out.size()));
  return std::move(json.out);
}

}  // namespace llmops::jinja
