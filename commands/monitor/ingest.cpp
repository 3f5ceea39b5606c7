#include "commands/monitor/ingest.h"

#include <fmt/format.h>

#include "core/telemetry/capture.h"
#include "core/telemetry/stored_traces.h"
#include "core/telemetry/trace_lines.h"

namespace llmops {
namespace {

constexpr size_t kBatch = 512;

class Ingest {
 public:
  Ingest(Session& session, Store* store, Capture capture) : session_(session), store_(store), capture_(capture) {}

  Result<IngestedSource> take(const std::string& source) {
    IngestedSource taken;
    taken.source = source == "-" ? "standard input" : source;
    const fs::path path = source == "-" ? fs::path("/dev/stdin") : session_.surroundings().working_directory / source;
    LLMOPS_ASSIGN(TraceLineReader reader, TraceLineReader::open(path, source));
    std::vector<StoredSpan> batch;
    TraceLine line;
    while (true) {
      LLMOPS_ASSIGN(const bool more, reader.next(line));
      if (!more) break;
      ++taken.lines;
      for (const std::string& reason : line.dropped) {
        DroppedSpans& dropped = taken.dropped[reason];
        if (dropped.count++ == 0) dropped.first_line = reader.number();
      }
      for (TraceSpan& span : line.spans) {
        ++taken.spans;
        apply_capture(span, capture_, session_.scrubber());
        batch.push_back(to_stored(span));
      }
      if (batch.size() >= kBatch) LLMOPS_CHECK(put(batch, taken));
    }
    LLMOPS_CHECK(put(batch, taken));
    if (taken.spans > 0) return taken;
    Error error(ErrorCode::kData, source == "-" ? std::string("standard input holds no span") : fmt::format("'{}' holds no span", source), "give OTLP/JSON lines ({\"resourceSpans\": ...}) or spans ({\"trace\", \"id\", \"name\", ...})");
    for (const auto& [reason, dropped] : taken.dropped) error.details.push_back(fmt::format("{} x {}   (first in line {})", dropped.count, reason, dropped.first_line));
    return error;
  }

 private:
  Status put(std::vector<StoredSpan>& batch, IngestedSource& taken) {
    if (store_ != nullptr && !batch.empty()) {
      LLMOPS_ASSIGN(const Store::SpanCounts counts, store_->add_spans(batch));
      taken.added += counts.added;
      taken.known += counts.known;
      taken.new_traces += counts.new_traces;
    }
    batch.clear();
    return {};
  }

  Session& session_;
  Store* store_;
  Capture capture_;
};

}  // namespace

int64_t IngestedSource::dropped_count() const {
  int64_t count = 0;
  for (const auto& [reason, one] : dropped) count += one.count;
  return count;
}

Result<MonitorIngestReport> monitor_ingest(Session& session, const MonitorIngestOptions& options) {
  LLMOPS_ASSIGN(const Capture capture, parse_capture(session.setting("capture")));
  // A path that is not there is met before there is a store.
  for (const std::string& source : options.sources) {
    std::error_code ignored;
    if (source != "-" && !fs::exists(session.surroundings().working_directory / source, ignored)) return Error(ErrorCode::kNotFound, fmt::format("file '{}' does not exist", source), "check the path");
  }
  Store* store = nullptr;
  if (!options.dry_run) {
    LLMOPS_ASSIGN(store, session.store(true));
  }
  MonitorIngestReport report;
  report.dry_run = options.dry_run;
  Ingest ingest(session, store, capture);
  for (const std::string& source : options.sources) {
    LLMOPS_ASSIGN(IngestedSource taken, ingest.take(source));
    report.sources.push_back(std::move(taken));
  }
  if (store != nullptr) {
    LLMOPS_ASSIGN(const auto traces, store->traces(""));
    report.traces = static_cast<int64_t>(traces.size());
  }
  return report;
}

}  // namespace llmops
