// A validating scanner of one JSON text that makes no tree: it finds the members of the outer object and checks the rest.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/data/row.h"

namespace llmops {

// One object of strict JSON (RFC 8259), as parse_json (core/base) takes it: duplicate names on any level, nesting past 128,
// lone surrogates, control characters in strings and anything behind the object are faults with their column. Precondition:
// the text is valid UTF-8. Cost: about 1 GB/s, more when strings are long.
std::optional<RowFault> scan_json_object(std::string_view text, Row& row);

// Calls `visit` for each element of a list or member value of an object that scan_json_object has passed.
void for_each_element(std::string_view valid_list, const std::function<void(const Field&)>& visit);

// The text of a JSON string without its quotes, which scan_json_object has passed.
std::string_view decode_json_string(std::string_view raw, std::string& scratch);

}  // namespace llmops
