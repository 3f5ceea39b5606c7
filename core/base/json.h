// JSON values and their two written forms.
// Json keeps the order in which keys were written (a report starts with "schema", a row keeps its columns).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  int max_depth = 128;  // nested arrays and objects
};

// Parses one strict JSON document (RFC 8259, UTF-8). `file` names the source in errors; `first_line` is the line number
// of the text's first line (a JSONL row passes its own). Duplicate keys, nesting past the limit, NaN, lone surrogates
// and anything after the value are errors with file:line:column. Cost: linear, also for objects of many keys.
Result<Json> parse_json(std::string_view text, std::string_view file, int first_line = 1, JsonLimits limits = {});

// One line, no white space, UTF-8; invalid UTF-8 is replaced by U+FFFD. Doubles in shortest round-trip form.
std::string dump_json(const Json& value);
// The same behind what is there, of a value and of a text.
void append_json(std::string& out, const Json& value);
void append_json_text(std::string& out, std::string_view text);
// Indented by 2 spaces, for people and files. Ends without a newline.
std::string dump_json_pretty(const Json& value);

// The canonical form: the strict subset of RFC 8785 that identities are made of. Keys sorted by UTF-16 code units,
// numbers as ECMAScript prints a double, shortest escapes. Errors: integers beyond +-(2^53 - 1), NaN and infinities,
// invalid UTF-8 (lone surrogates).
Result<std::string> canonical_json(const Json& value);

// ECMAScript's Number::toString of a finite double ("1e+21", "0.000001", "-2.5"); -0 gives "0".
std::string ecmascript_number(double value);

// Where the first byte stands that is not part of valid UTF-8 (overlong forms and surrogates are not); nullopt: valid.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// The value at an RFC 6901 pointer ("" is the whole, "/a/0/b"), or nullptr when there is none or the pointer is malformed.
const Json* json_at(const Json& value, std::string_view pointer);

// Text for people and templates: a string as it is, everything else as dump_json writes it.
std::string json_to_text(const Json& value);

// Integral doubles and integers compare equal as numbers; everything else as written. (1 == 1.0, {"a":1} == {"a":1.0};
// the order of keys does not matter.)
bool json_equal(const Json& a, const Json& b);

}  // namespace llmops
