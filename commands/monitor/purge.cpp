#include "commands/monitor/purge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "commands/monitor/window.h"
#include "core/base/duration.h"
#include "core/telemetry/trace.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kExamples = 3;
constexpr int kExampleColumns = 120;

// Texts between '*', in order: the first at the beginning, the last at the end.
bool fits_pieces(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  while (true) {
    pattern.remove_prefix(star + 1);
    star = pattern.find('*');
    if (star == std::string_view::npos) return text.ends_with(pattern);
    const size_t at = text.find(pattern.substr(0, star));
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + star);
  }
}

class PurgePattern {
 public:
  PurgePattern(const std::string& pattern, const std::string& field) : name_(pattern), text_(fold_case(pattern)), field_(field), is_glob_(pattern.find('*') != std::string::npos) {}

  bool holds_text() const { return field_.empty() || field_ == "text"; }
  bool fits_text(std::string_view text) const {
    const std::string folded = fold_case(text);
    return is_glob_ ? fits_pieces(text_, folded) : folded.find(text_) != std::string::npos;
  }
  bool fits_value(const Json& value) const {
    if (value.is_null()) return false;
    if (value.is_string()) return fits_text(value.get_ref<const std::string&>());
    if (!value.is_structured()) return fits_text(dump_json(value));
    return std::any_of(value.begin(), value.end(), [this](const Json& part) { return fits_value(part); });
  }
  bool fits_span(const TraceSpan& span) const {
    if (is_of("user", span.user) || is_of("session", span.session) || is_of("id", span.trace_id)) return true;
    if (field_ == "service") return fits_name(span.service);
    if (!holds_text()) return false;
    return fits_value(span.input) || fits_value(span.output) || fits_value(span.messages) || fits_value(span.tool_calls) || (!span.error_message.empty() && fits_text(span.error_message)) || fits_value(span.attributes) || fits_value(span.scores);
  }

 private:
  bool is_of(const char* field, const std::string& name) const { return (field_.empty() || field_ == field) && fits_name(name); }
  bool fits_name(const std::string& name) const { return !name.empty() && (is_glob_ ? fits_pieces(name_, name) : name == name_); }

  std::string name_, text_, field_;
  bool is_glob_;
};

struct ReadSpans { std::vector<TraceSpan> spans; std::vector<std::string> unreadable; };
ReadSpans read_spans(const std::vector<std::string>& bodies) {
  ReadSpans read;
  for (const std::string& body : bodies) {
    const auto json = parse_json(body, "store");
    auto span = json ? span_from_json(*json) : Result<TraceSpan>(json.error());
    if (span) read.spans.push_back(std::move(*span));
    else read.unreadable.push_back(body);
  }
  return read;
}

PurgeExample example_of(const std::string& id, ReadSpans read) {
  PurgeExample example;
  example.id = id;
  const Trace trace = make_trace(id, std::move(read.spans));
  for (const TraceSpan& span : trace.spans) {
    if (span.start_ms > 0 && (!example.start_ms || span.start_ms < static_cast<double>(*example.start_ms))) example.start_ms = static_cast<int64_t>(span.start_ms);
    if (example.text.empty() && !span.input.is_null()) example.text = truncate_to_width(collapse_space(json_to_text(span.input)), kExampleColumns);
  }
  return example;
}

Result<std::set<std::string>> judged_so(Store& store, const PurgePattern& pattern) {
  std::set<std::string> traces;
  if (!pattern.holds_text()) return traces;
  LLMOPS_CHECK(store.visit_scores("", [&](const StoredScore& score) {
    const auto value = parse_json(score.value, "store");
    if (value ? pattern.fits_value(*value) : pattern.fits_text(score.value)) traces.insert(score.trace);
    return true;
  }));
  return traces;
}

Result<std::optional<int64_t>> moment_of(const Session& session, const MonitorPurgeOptions& options) {
  if (!options.before.empty() && !options.older_than.empty()) return Error(ErrorCode::kUsage, "--before and --older-than both say how old", "give one of them");
  if (!options.before.empty()) {
    LLMOPS_ASSIGN(const int64_t moment, window_end(session, options.before));
    return std::optional<int64_t>(moment);
  }
  if (options.older_than.empty()) return std::optional<int64_t>();
  LLMOPS_ASSIGN(const int64_t length, parse_duration_ms(options.older_than));
  return std::optional<int64_t>(session.clock().unix_ms() - length);
}

Status check(const MonitorPurgeOptions& options) {
  if (options.pattern.empty() && options.before.empty() && options.older_than.empty()) return Error(ErrorCode::kUsage, "nothing says which traces to forget", "give a text that they hold, --before 2026-01-01 or --older-than 90d");
  const std::vector<std::string> known = purge_fields();
  if (!options.field.empty() && std::find(known.begin(), known.end(), options.field) == known.end()) return Error(ErrorCode::kUsage, fmt::format("'{}' is no field of traces", options.field), did_you_mean(options.field, known));
  if (!options.field.empty() && options.pattern.empty()) return Error(ErrorCode::kUsage, fmt::format("--field {} has nothing to hold against it", options.field), "give a pattern, or leave out --field");
  return {};
}

std::vector<fs::path> copies_of(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory / "backup", none)) if (entry.is_regular_file(none)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<std::string> purge_fields() { return {"user", "session", "text", "id", "service"}; }

Result<MonitorPurgePlan> plan_monitor_purge(Session& session, const MonitorPurgeOptions& options) {
  LLMOPS_CHECK(check(options));
  MonitorPurgePlan plan;
  LLMOPS_ASSIGN(plan.before_ms, moment_of(session, options));
  LLMOPS_ASSIGN(Store * store, session.store(false));
  LLMOPS_ASSIGN(std::vector<int64_t> candidates, store->traces(""));
  plan.looked_at = std::ssize(candidates);
  if (plan.before_ms) {
    LLMOPS_ASSIGN(candidates, store->traces_before(*plan.before_ms));
  }
  const PurgePattern pattern(options.pattern, options.field);
  std::set<std::string> judged;
  if (!options.pattern.empty()) {
    LLMOPS_ASSIGN(judged, judged_so(*store, pattern));
  }
  for (const int64_t number : candidates) {
    if (options.pattern.empty() && plan.examples.size() == kExamples) {
      plan.traces = std::move(candidates);
      break;
    }
    if (session.surroundings().cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted: nothing was removed");
    LLMOPS_ASSIGN(const std::vector<std::string> bodies, store->trace_spans(number));
    ReadSpans read = read_spans(bodies);
    const std::string id = read.spans.empty() ? "" : read.spans[0].trace_id;
    if (!options.pattern.empty()) {
      bool fits = judged.contains(id) || std::any_of(read.spans.begin(), read.spans.end(), [&](const TraceSpan& span) { return pattern.fits_span(span); });
      // What cannot be read is held against the pattern as it is.
      if (!fits && pattern.holds_text()) fits = std::any_of(read.unreadable.begin(), read.unreadable.end(), [&](const std::string& body) { return pattern.fits_text(body); });
      if (!fits) continue;
    }
    plan.traces.push_back(number);
    if (plan.examples.size() < kExamples) plan.examples.push_back(example_of(id, std::move(read)));
  }
  LLMOPS_ASSIGN(plan.counts, store->count_held(plan.traces));
  return plan;
}

Result<MonitorPurgeReport> monitor_purge(Session& session, const MonitorPurgePlan& plan) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  MonitorPurgeReport report;
  report.backups = copies_of(store->directory());
  if (!plan.traces.empty()) {
    LLMOPS_ASSIGN(report.removed, store->remove_traces(plan.traces));
  }
  // A purge that was stopped in the middle, and what a retention removed, leave this to the next one.
  LLMOPS_ASSIGN(const bool is_wanted, store->wants_vacuum());
  if (!is_wanted) return report;
  const auto emptied = store->vacuum();
  report.is_erased = emptied && *emptied;
  if (!emptied) report.reason = emptied.error().message;
  else if (!*emptied) report.reason = "another process is reading the store, so that its log keeps a rest until the next writer empties it";
  return report;
}

}  // namespace llmops
