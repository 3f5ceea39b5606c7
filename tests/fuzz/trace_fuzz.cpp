// Lines of traces as anybody may send them: nothing crashes, and a span that was read is the same after its JSON.
#include <cstdlib>

#include "core/telemetry/request_records.h"
#include "core/telemetry/trace_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace llmops;
  const TraceLine line = parse_trace_line({reinterpret_cast<const char*>(data), size});
  for (const TraceSpan& span : line.spans) {
    const Json json = span_to_json(span);
    const auto again = span_from_json(json);
    if (!again || dump_json(span_to_json(*again)) != dump_json(json)) std::abort();
  }
  const Trace trace = make_trace("t", line.spans);
  static_cast<void>(dump_json(trace_to_row(trace, {{"answer", "chat *"}})));
  static_cast<void>(request_records(trace, {}));
  return 0;
}
