// The values that a template works on: Json of the scope by reference (nothing is copied), and what the template makes
// itself (text, lists, dicts, namespaces, macros). Private to core/text.
//
// Made values are immutable and shared, so they form no cycles; what can change or refer back (namespaces, loops, frames,
// cyclers) belongs to the Evaluator and is pointed to. Nesting of made values is bounded (kMaxValueDepth), so that
// printing, comparing and freeing them may recurse.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.h"

namespace llmops::jinja {

struct Expr;
struct Stmt;
struct Frame;
struct Macro;
struct Namespace;
struct LoopState;
struct Cycler;
struct Function;
struct BoundMethod;
struct ListData;
struct DictData;
struct RangeData;
struct UndefinedData;

inline constexpr int kMaxValueDepth = 100;

enum class Kind : uint8_t {
  kUndefined, kNone, kBool, kInt, kBigInt, kFloat, kString, kList, kDict, kRange, kNamespace, kLoop, kMacro, kFunction,
  kMethod, kCycler
};
// kBigInt: an integer of a document between 2^63 and 2^64 - 1: it prints and compares, arithmetic refuses it.

struct Value {
  Kind kind = Kind::kUndefined;
  bool safe = false;       // a string that Jinja calls Markup: `+` escapes the other side
  bool from_json = false;  // a list or dict: `json` holds it
  union {
    bool boolean;
    int64_t integer = 0;
    uint64_t big;
    double real;
    const char* text;
    const Json* json;
    const ListData* list;
    const DictData* dict;
    const RangeData* range;
    Namespace* space;
    LoopState* loop;
    const Macro* macro;
    const Function* function;
    const BoundMethod* method;
    Cycler* cycler;
    const UndefinedData* undefined;  // may be null
  };
  size_t size = 0;                    // bytes of a string
  std::shared_ptr<const void> owner;  // keeps what is pointed to; null when something else does

  static Value none();
  static Value of(bool value);
  static Value of(int64_t value);
  static Value of(double value);
  static Value view(std::string_view text);  // the caller keeps the text
  static Value own(std::string text);
  static Value from(const Json& value);

  std::string_view str() const { return {text, size}; }  // precondition: kString
  bool is(Kind wanted) const { return kind == wanted; }
  bool is_number() const { return kind == Kind::kInt || kind == Kind::kFloat || kind == Kind::kBool || kind == Kind::kBigInt; }
};

enum class ListStyle : uint8_t { kList, kTuple, kGroup, kKeys, kValues, kItems };

struct ListData {
  std::vector<Value> items;
  ListStyle style = ListStyle::kList;
  int depth = 1;
  size_t weight = 1;   // see weight_of()
};

struct DictData {
  std::vector<std::pair<Value, Value>> entries;
  int depth = 1;
  size_t weight = 1;
};

struct RangeData {
  int64_t start = 0, stop = 0, step = 1;
  size_t length = 0;   // at most INT64_MAX
  // start + step * index, modulo 2^64: the products of wide ranges leave 64 bits on the way.
  int64_t at(int64_t index) const {
    return static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(step) * static_cast<uint64_t>(index));
  }
};

struct Namespace { std::vector<std::pair<std::string, Value>> entries; };

struct LoopState {
  Value items;
  size_t index = 0;
  size_t length = 0;
  int depth = 1;
  const Stmt* stmt = nullptr;
  Frame* outer = nullptr;      // the frame that the loop stands in
  bool escaped = false;        // `loop` itself was stored or passed on: the state must outlive the loop
  std::optional<std::vector<Value>> last_seen;   // by loop.changed()
};

// cycler(): gives `items` in turn; joiner(): gives "" once, then items[0].
struct Cycler {
  std::vector<Value> items;
  size_t position = 0;
  bool is_joiner = false;
};

// Why a value is undefined: the expression that gave it, or a sentence of its own. `container`: where it was looked for.
struct UndefinedData {
  const Expr* expr = nullptr;
  const Json* container = nullptr;
  std::string message;
  bool lenient = false;   // prints as nothing in strict mode too: an `if` without `else` in an expression
};

int depth_of(const Value& value);
// What walking over a value costs, in nodes and pieces of 64 bytes: shared parts count each time they are met, because lists
// that hold a list twice grow like 2^depth when they are compared or printed. Json of the scope counts as one.
size_t weight_of(const Value& value);
std::string_view type_name(const Value& value);  // "string", "list", "none"
ListStyle style_of(const Value& list);

// Lists, ranges and dicts (by entry). Precondition: kList or kRange / kDict.
size_t list_size(const Value& list);
Value list_at(const Value& list, size_t index);
size_t dict_size(const Value& dict);
Value dict_key(const Value& dict, size_t index);
Value dict_value(const Value& dict, size_t index);
std::optional<Value> dict_find(const Value& dict, const Value& key);
const Json* json_member(const Json& object, std::string_view key);

// Python's truth, equality and str(). Undefined is false, equals only itself and prints as nothing.
bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
// Less, equal, greater, unordered (NaN); none when Python refuses to compare the two.
std::optional<std::partial_ordering> compare(const Value& a, const Value& b);
// Writing stops soon after `limit` bytes.
inline constexpr size_t kMostReprBytes = size_t{64} << 20;
void append_text(std::string& out, const Value& value, size_t limit = kMostReprBytes);
void append_repr(std::string& out, const Value& value, size_t limit = kMostReprBytes);
std::string to_text(const Value& value, size_t limit = kMostReprBytes);
std::string float_text(double value);  // Python's repr of a float
double as_double(const Value& number);

// The value as JSON; none for what JSON has no form for (functions, undefined).
std::optional<Json> to_json(const Value& value);

// markupsafe.escape: & < > ' " as entities.
std::string escape_html(std::string_view text);

}  // namespace llmops::jinja
