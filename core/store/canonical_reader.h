// Canonical JSON (RFC 8785) read back as what it was written from.
#pragma once

#include <string_view>

#include "core/base/json.h"

namespace llmops {

// Like parse_json, with one difference: a whole number beyond +-(2^53 - 1) becomes a double. In canonical text it can stand only
// for one, because the writer refuses such integers and prints 2e16 without a point. Writing the value again gives the same text.
Result<Json> parse_canonical_json(std::string_view text, std::string_view file);

}  // namespace llmops
