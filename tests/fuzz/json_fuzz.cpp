// What parses has a canonical form, or is refused for it; the canonical form parses and is its own canonical form (RFC 8785).
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/json.h"
#include "core/store/canonical_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto value = llmops::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz.json");
  if (!value) return 0;
  const auto canonical = llmops::canonical_json(*value);
  if (!canonical) return 0;
  const auto again = llmops::parse_canonical_json(*canonical, "canonical.json");
  if (!again) abort();
  const auto twice = llmops::canonical_json(*again);
  if (!twice || *twice != *canonical) abort();
  return 0;
}
