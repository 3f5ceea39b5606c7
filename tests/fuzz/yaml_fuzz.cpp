// Any bytes are YAML, or an error with a place inside them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = llmops::parse_yaml(text, "fuzz.yaml");
  if (!document && (document.error().message.empty() || document.error().where.line < 0)) abort();
  return 0;
}
