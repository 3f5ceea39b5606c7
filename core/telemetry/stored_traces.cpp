#include "core/telemetry/stored_traces.h"

#include "core/telemetry/request_records.h"

namespace llmops {
namespace {

class StoredTraceReader : public TraceReader {
 public:
  StoredTraceReader(Store& store, std::vector<int64_t> traces) : store_(store), traces_(std::move(traces)) {}
  Result<bool> next(Trace& trace) override {
    if (at_ == traces_.size()) return false;
    LLMOPS_ASSIGN(const auto bodies, store_.trace_spans(traces_[at_++]));
    LLMOPS_ASSIGN(trace, trace_of_bodies(bodies));
    return true;
  }

 private:
  Store& store_;
  std::vector<int64_t> traces_;
  size_t at_ = 0;
};

}  // namespace

Result<Trace> trace_of_bodies(const std::vector<std::string>& bodies) {
  std::vector<TraceSpan> spans;
  for (const std::string& body : bodies) {
    LLMOPS_ASSIGN(const Json json, parse_json(body, "store"));
    LLMOPS_ASSIGN(TraceSpan span, span_from_json(json));
    spans.push_back(std::move(span));
  }
  std::string id = spans.empty() ? "" : spans[0].trace_id;
  return make_trace(std::move(id), std::move(spans));
}

Result<std::vector<StoredRecord>> records_of_bodies(const std::vector<std::string>& bodies) {
  LLMOPS_ASSIGN(const Trace trace, trace_of_bodies(bodies));
  return request_records(trace, {});
}

StoredSpan to_stored(const TraceSpan& span) { return {span.trace_id, span.span_id, span.service, static_cast<int64_t>(span.start_ms), span_text(span)}; }

Result<std::unique_ptr<TraceReader>> StoredTraces::open() const {
  LLMOPS_ASSIGN(auto traces, store_.traces(service_));
  return std::unique_ptr<TraceReader>(std::make_unique<StoredTraceReader>(store_, std::move(traces)));
}

}  // namespace llmops
