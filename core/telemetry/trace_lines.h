// Lines of trace files as spans, each in the format that its keys tell: OTLP/JSON, OpenInference, Langfuse, OpenAI's logs and batches, deepeval's traces, and
// two formats of our own.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/format/dataset_rows.h"
#include "core/format/dataset_rows_bytes.h"
#include "core/telemetry/trace.h"

namespace llmops {

// What was judged of a request after it was served: feedback, an evaluation.
struct TraceScore {
  std::string trace_id, span_id;             // span_id empty: of the whole trace
  std::string name;
  Json value;                                // a number or a text
};

// A request of a batch, or what came back: they lie in two files and meet by their custom_id (batch_join.h).
struct BatchHalf {
  std::string custom_id;
  bool is_answer = false;
  TraceSpan span;                            // of a request without identifiers and time
};

struct TraceLine {
  std::vector<TraceSpan> spans;
  std::vector<TraceScore> scores;
  std::vector<BatchHalf> halves;
  std::vector<std::string> dropped;          // why, one for each span (or the whole line) that could not be read
  std::string_view format;                   // shown; empty: of none that is known
  bool is_anonymous = false;                 // its one span has no identifier of its own: it is named by the line's digest
  bool is_repaired = false;                  // bytes that are no UTF-8, or half surrogates, became U+FFFD
  bool is_evaluation = false;                // of a tool that evaluates: no production
};

// {"resourceSpans": [...]}: OTLP/JSON with the GenAI names of the OpenTelemetry conventions 1.41 and the ones before
// (gen_ai.system, gen_ai.prompt, gen_ai.usage.prompt_tokens, gen_ai.prompt.N.role), or OpenInference's; content as attributes or JSON text, or in the
// event gen_ai.client.inference.operation.details. 64-bit integers as text or number. Metrics and logs of OTLP are no spans and nothing is dropped.
// {"trace", "id", "name", "parent"?, "kind"?, "input"?, "output"?, "tokens"?, "cost"?, "start"?, "end"?, ...}: a span, with the names
// that an exec step reports; moments as in span_fields.h.
// {"ts", "input", "id"?, ...record_fields()}: one request.
TraceLine parse_trace_line(std::string_view line);
// The same of a value that is parsed already.
TraceLine read_trace_value(const Json& value);

// A moment of a small object, in ms since 1970: seconds as a number, or text in RFC 3339 and its like (span_fields.h). nullopt: there is none.
std::optional<double> moment_ms(const Json& object, const char* key);

// The names of a record's fields, as a map may name them: "ts", "id", "input", ...
std::span<const std::string_view> record_fields();
// Where a log of any other form holds them: a field's name and a JSON pointer (RFC 6901).
using FieldMap = std::vector<std::pair<std::string, std::string>>;
// "input=/request/body/text". Errors (kUsage): no '=', an unknown field (with did you mean), one given twice, no pointer.
Result<FieldMap> parse_field_map(const std::vector<std::string>& assignments);

// The lines of a file that are not blank. A file named .json (before .gz or .zst) may also be one document of up to 256 MiB: an object,
// or a list of them, each of which then counts as a line; .csv and .tsv are tables whose rows are records.
class TraceLineReader {
 public:
  // With a map every line is a record. Errors: kNotFound, kIo, damaged compression.
  static Result<TraceLineReader> open(const std::filesystem::path& path, const std::string& shown_name, FieldMap map = {});
  // Of a source that is open already.
  static TraceLineReader of_lines(std::unique_ptr<ByteSource> source, FieldMap map = {});
  // False: the end. What cannot be read is in `dropped`. Errors: kIo, damaged compression, a line over 256 MiB, a table's row that does not fit its header.
  Result<bool> next(TraceLine& line);
  int number() const { return number_; }    // of the last line, from 1
  // Equal lines without an identifier of their own keep one name, so that memory does not grow with their number.
  void share_names() { shares_names_ = true; }

 private:
  TraceLineReader() = default;
  Result<bool> next_line(TraceLine& line);
  void read(const Json& value, TraceLine& line) const;
  std::unique_ptr<LineReader> reader_;
  std::unique_ptr<DatasetReader> table_;    // both null: a document
  std::vector<Json> values_;
  FieldMap map_;
  std::unordered_map<std::string, int> anonymous_;   // how often each was seen: equal lines are as many requests
  bool shares_names_ = false;
  int number_ = 0;
};

}  // namespace llmops
