// Any text is a gate, or an error whose place lies in the text; a gate's text is kept as written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/eval/gates.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  llmops::SourcePlace place;
  place.file = "fuzz.eval.yaml";
  place.line = 1;
  place.column = 1;
  const auto gate = llmops::parse_gate(text, place);
  if (!gate) {
    const auto& where = gate.error().where;
    if (gate.error().message.empty() || where.column < 1 || static_cast<size_t>(where.column) > size + 1) abort();
    return 0;
  }
  if (gate->name.empty()) abort();
  const auto again = llmops::parse_gate(gate->text, place);
  if (!again || again->name != gate->name || again->op != gate->op) abort();
  return 0;
}
