#include "core/store/canonical_reader.h"

namespace llmops {
namespace {

constexpr int64_t kLargestExactInteger = (int64_t{1} << 53) - 1;

bool is_beyond_exact(const Json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>() > static_cast<uint64_t>(kLargestExactInteger);
  return value.is_number_integer() && (value.get<int64_t>() > kLargestExactInteger || value.get<int64_t>() < -kLargestExactInteger);
}

// As deep as the parser lets a document nest.
void restore_doubles(Json& value) {
  if (value.is_structured()) {
    for (Json& item : value) restore_doubles(item);
  } else if (is_beyond_exact(value)) {
    value = value.get<double>();
  }
}

}  // namespace

Result<Json> parse_canonical_json(std::string_view text, std::string_view file) {
  LLMOPS_ASSIGN(Json value, parse_json(text, file));
  restore_doubles(value);
  return value;
}

}  // namespace llmops
