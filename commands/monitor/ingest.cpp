#include "commands/monitor/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "commands/monitor/window.h"
#include "core/telemetry/batch_join.h"
#include "core/telemetry/capture.h"
#include "core/telemetry/followed_file.h"
#include "core/telemetry/request_records.h"
#include "core/telemetry/stored_traces.h"

namespace llmops {
namespace {

constexpr size_t kBatch = 2048;              // spans that are stored at once
constexpr double kClockToleranceMs = 60'000;
constexpr int64_t kExpireEveryMs = 3'600'000;   // while following
constexpr size_t kExpireAtOnce = 5'000;         // traces in one transaction

StoredTrace stored_trace(std::vector<TraceSpan> spans) {
  StoredTrace stored;
  for (const TraceSpan& span : spans) stored.spans.push_back(to_stored(span));
  // A span without a time begins nothing.
  const auto earliest = std::min_element(stored.spans.begin(), stored.spans.end(), [](const StoredSpan& a, const StoredSpan& b) { return b.start_ms <= 0 ? a.start_ms > 0 : a.start_ms > 0 && a.start_ms < b.start_ms; });
  stored.trace = earliest->trace;
  stored.service = earliest->service;
  stored.start_ms = earliest->start_ms;
  stored.records = request_records(make_trace(stored.trace, std::move(spans)), {});
  return stored;
}

class Ingest {
 public:
  Ingest(Session& session, Store* store, Capture capture, FieldMap map, std::optional<int64_t> retention_ms)
      : session_(session), store_(store), capture_(capture), map_(std::move(map)), retention_ms_(retention_ms), now_ms_(static_cast<double>(session.clock().unix_ms())), next_expiry_ms_(session.clock().unix_ms() + kExpireEveryMs) {}

  Result<IngestedSource> take(const std::string& source, bool follow) {
    IngestedSource taken;
    taken.source = source == "-" ? "standard input" : source;
    const fs::path path = source == "-" ? fs::path("/dev/stdin") : session_.surroundings().working_directory / source;
    const auto open = [&]() -> Result<TraceLineReader> {
      if (!follow) return TraceLineReader::open(path, source, map_);
      LLMOPS_ASSIGN(auto bytes, follow_file(path, source, session_.surroundings().cancel, [&] { return put(taken); }));
      return TraceLineReader::of_lines(std::move(bytes), map_);
    };
    LLMOPS_ASSIGN(TraceLineReader reader, open());
    bool is_evaluation = false, has_batch = false;
    TraceLine line;
    while (follow || !session_.surroundings().cancel.cancelled()) {
      LLMOPS_ASSIGN(const bool more, reader.next(line));
      if (!more) break;
      is_evaluation = is_evaluation || line.is_evaluation;
      has_batch = has_batch || !line.halves.empty();
      LLMOPS_CHECK(take_line(line, reader.number(), taken));
    }
    LLMOPS_CHECK(put(taken));
    if (taken.spans > 0 || taken.scores > 0 || has_batch || session_.surroundings().cancel.cancelled()) return taken;
    return nothing_in(source, taken, is_evaluation);
  }

  // What is left of batches when all sources were read.
  Status finish(MonitorIngestReport& report) {
    BatchJoin::Rest rest = batches_.take_rest();
    report.unanswered = rest.unanswered;
    report.unasked = std::ssize(rest.answers);
    if (report.sources.empty()) return {};
    for (TraceSpan& answer : rest.answers) LLMOPS_CHECK(add(std::move(answer), report.sources.back()));
    LLMOPS_CHECK(put(report.sources.back()));
    LLMOPS_CHECK(expire());
    report.expired = expired_;
    return {};
  }

 private:
  Status take_line(TraceLine& line, int number, IngestedSource& taken) {
    ++taken.lines;
    if (!line.format.empty()) ++taken.formats[std::string(line.format)];
    taken.repaired += line.is_repaired;
    for (const std::string& reason : line.dropped) {
      DroppedSpans& dropped = taken.dropped[reason];
      if (dropped.count++ == 0) dropped.first_line = number;
    }
    for (BatchHalf& half : line.halves) if (auto whole = batches_.add(std::move(half))) LLMOPS_CHECK(add(std::move(*whole), taken));
    for (TraceSpan& span : line.spans) LLMOPS_CHECK(add(std::move(span), taken));
    for (TraceScore& score : line.scores) {
      ++taken.scores;
      Json value = score.value.is_string() ? Json(session_.scrubber().scrub(score.value.get<std::string>())) : score.value;
      scores_.push_back({std::move(score.trace_id), std::move(score.span_id), std::move(score.name), dump_json(value)});
    }
    return scores_.size() >= kBatch ? put(taken) : Status();
  }

  Status add(TraceSpan span, IngestedSource& taken) {
    ++taken.spans;
    taken.in_future += span.start_ms > now_ms_ + kClockToleranceMs;
    taken.without_time += span.start_ms <= 0;
    apply_capture(span, capture_, session_.scrubber());
    const auto [place, is_new] = index_.emplace(span.trace_id, traces_.size());
    if (is_new) traces_.emplace_back();
    traces_[place->second].push_back(std::move(span));
    return ++waiting_ >= kBatch ? put(taken) : Status();
  }

  Status put(IngestedSource& taken) {
    std::vector<StoredTrace> traces;
    for (std::vector<TraceSpan>& spans : traces_) {
      StoredTrace trace = stored_trace(std::move(spans));
      if (is_expired(trace.start_ms)) taken.expired += std::ssize(trace.spans);
      else if (store_ != nullptr) traces.push_back(std::move(trace));
    }
    traces_.clear();
    index_.clear();
    waiting_ = 0;
    if (!traces.empty()) {
      LLMOPS_ASSIGN(const Store::SpanCounts counts, store_->add_traces(traces, records_of_bodies));
      taken.added += counts.added;
      taken.known += counts.known;
      taken.new_traces += counts.new_traces;
    }
    if (store_ != nullptr && !scores_.empty()) LLMOPS_CHECK(store_->put_scores(scores_));
    scores_.clear();
    return session_.clock().unix_ms() < next_expiry_ms_ ? Status() : expire();
  }

  bool is_expired(int64_t start_ms) const { return retention_ms_ && start_ms > 0 && start_ms < session_.clock().unix_ms() - *retention_ms_; }

  Status expire() {
    next_expiry_ms_ = session_.clock().unix_ms() + kExpireEveryMs;
    if (store_ == nullptr || !retention_ms_) return {};
    LLMOPS_ASSIGN(std::vector<int64_t> past, store_->traces_before(session_.clock().unix_ms() - *retention_ms_));
    while (!past.empty()) {
      const std::vector<int64_t> some(past.end() - static_cast<std::ptrdiff_t>(std::min(past.size(), kExpireAtOnce)), past.end());
      LLMOPS_ASSIGN(const Store::PurgeCounts removed, store_->remove_traces(some));
      expired_ += removed.traces;
      past.resize(past.size() - some.size());
    }
    return {};
  }

  static Error nothing_in(const std::string& source, const IngestedSource& taken, bool is_evaluation) {
    const std::string subject = source == "-" ? "standard input" : fmt::format("'{}'", source);
    if (is_evaluation) return Error(ErrorCode::kData, fmt::format("{} is the log of an evaluation by inspect, no production", subject), fmt::format("import it as an evaluation: llmops eval import inspect {}", source));
    Error error(ErrorCode::kData, fmt::format("{} holds no span and no request", subject),
        "give traces of OTLP/JSON, OpenInference, Langfuse, OpenAI or deepeval, records {\"ts\", \"input\"}, or say where the fields are: --map input=/path --map ts=/path");
    for (const auto& [reason, dropped] : taken.dropped) error.details.push_back(fmt::format("{} x {}   (first in line {})", dropped.count, reason, dropped.first_line));
    return error;
  }

  Session& session_;
  Store* store_;
  Capture capture_;
  FieldMap map_;
  std::optional<int64_t> retention_ms_;
  double now_ms_;
  int64_t next_expiry_ms_, expired_ = 0;
  BatchJoin batches_;
  std::vector<std::vector<TraceSpan>> traces_;              // that wait to be stored, in the order of arrival
  std::unordered_map<std::string, size_t> index_;           // of them, by identifier
  size_t waiting_ = 0;
  std::vector<StoredScore> scores_;
};

}  // namespace

int64_t IngestedSource::dropped_count() const {
  int64_t count = 0;
  for (const auto& [reason, one] : dropped) count += one.count;
  return count;
}

Result<MonitorIngestReport> monitor_ingest(Session& session, const MonitorIngestOptions& options) {
  LLMOPS_ASSIGN(const Capture capture, parse_capture(session.setting("capture")));
  LLMOPS_ASSIGN(FieldMap map, parse_field_map(options.map));
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  if (options.follow && options.sources.size() != 1) return Error(ErrorCode::kUsage, "--follow reads one source", "start one command for each log");
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
  report.retention_ms = config.retention_ms;
  Ingest ingest(session, store, capture, std::move(map), config.retention_ms);
  for (const std::string& source : options.sources) {
    LLMOPS_ASSIGN(IngestedSource taken, ingest.take(source, options.follow));
    report.sources.push_back(std::move(taken));
  }
  LLMOPS_CHECK(ingest.finish(report));
  report.interrupted = session.surroundings().cancel.cancelled() && !options.follow;
  if (store != nullptr) {
    LLMOPS_ASSIGN(report.records_made, store->make_missing_records(records_of_bodies));
    LLMOPS_ASSIGN(const auto traces, store->traces(""));
    report.traces = static_cast<int64_t>(traces.size());
  }
  return report;
}

}  // namespace llmops
