// One line of a trace file as spans: OTLP/JSON as OpenTelemetry's file exporter writes it, or one span as a small object.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/format/dataset_rows_bytes.h"
#include "core/telemetry/trace.h"

namespace llmops {

struct TraceLine {
  std::vector<TraceSpan> spans;
  std::vector<std::string> dropped;          // why, one for each span (or the whole line) that could not be read
};

// {"resourceSpans": [...]}: OTLP/JSON with the GenAI names of the OpenTelemetry conventions 1.41 and the ones before
// (gen_ai.system, gen_ai.prompt, gen_ai.usage.prompt_tokens, gen_ai.prompt.N.role); content as attributes or JSON text, or in the
// event gen_ai.client.inference.operation.details. 64-bit integers as text or number.
// {"trace", "id", "name", "parent"?, "kind"?, "input"?, "output"?, "tokens"?, "cost"?, "start"?, "end"?, ...}: a span, with the names
// that an exec step reports; start and end in seconds since 1970 or as RFC 3339. Metrics and logs of OTLP are no spans and nothing is dropped.
TraceLine parse_trace_line(std::string_view line);
// The same of a value that is parsed already.
TraceLine read_trace_value(const Json& value);

// A moment of a small object, in ms since 1970: seconds as a number, or RFC 3339 text. nullopt: there is none.
std::optional<double> moment_ms(const Json& object, const char* key);

// The lines of a file that are not blank. A file named .json (before .gz or .zst) may also be one document of up to 256 MiB: an object,
// or a list of them, each of which then counts as a line.
class TraceLineReader {
 public:
  // Errors: kNotFound, kIo, damaged compression.
  static Result<TraceLineReader> open(const std::filesystem::path& path, const std::string& shown_name);
  // Of a source that is open already (standard input).
  static TraceLineReader of_lines(std::unique_ptr<ByteSource> source);
  // False: the end. What cannot be read is in `dropped`. Errors: kIo, damaged compression, a line over 256 MiB.
  Result<bool> next(TraceLine& line);
  int number() const { return number_; }    // of the last line, from 1

 private:
  TraceLineReader() = default;
  std::unique_ptr<LineReader> reader_;      // null: a document
  std::vector<Json> values_;
  int number_ = 0;
};

}  // namespace llmops
