#include "commands/monitor/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "core/base/duration.h"
#include "core/text/codepoint.h"

namespace llmops {
namespace {

constexpr size_t kShortestPrefix = 4;
constexpr int kListedTraces = 5;

struct FoundTrace { int64_t number = 0; std::string id; bool by_span = false; };

Error several(std::string message, const std::vector<std::pair<int64_t, std::string>>& found, const char* hint) {
  Error error(ErrorCode::kUsage, std::move(message), hint);
  for (int i = 0; i < std::min<int>(kListedTraces, static_cast<int>(found.size())); ++i) error.details.push_back(found[static_cast<size_t>(i)].second);
  if (std::ssize(found) > kListedTraces) error.details.push_back("and more");
  return error;
}

Result<FoundTrace> find_trace(Store& store, const std::string& id) {
  LLMOPS_ASSIGN(const auto found, store.find_traces(id, kListedTraces + 1));
  // Of those that begin so, the one that is just this comes first.
  if (!id.empty() && !found.empty() && found[0].second == id) return FoundTrace{found[0].first, id};
  const bool is_prefix = text::count_code_points(id) >= kShortestPrefix;
  if (is_prefix && found.size() == 1) return FoundTrace{found[0].first, found[0].second};
  if (is_prefix && found.size() > 1) return several(fmt::format("several traces begin with '{}'", id), found, "give more of the identifier");
  LLMOPS_ASSIGN(const auto holders, store.traces_of_span(id, kListedTraces + 1));
  if (holders.size() == 1) return FoundTrace{holders[0].first, holders[0].second, true};
  if (holders.size() > 1) return several(fmt::format("several traces have a span '{}'", id), holders, "give the identifier of the trace");
  if (!is_prefix && !found.empty()) return Error(ErrorCode::kUsage, fmt::format("'{}' is too short to find a trace by", id), fmt::format("give its first {} characters, or more", kShortestPrefix));
  return Error(ErrorCode::kNotFound, fmt::format("no trace '{}' is stored", id), "list the newest: llmops monitor trace --list");
}

bool tells_time(const TraceSpan& span) { return span.start_ms > 0 && span.end_ms > span.start_ms; }

// Spans as they were reported, and how they stand to each other.
class SpanTree {
 public:
  explicit SpanTree(std::vector<TraceSpan> reported) {
    for (const TraceSpan& span : reported) told_parent_.emplace(span.span_id, span.parent_id);
    trace_ = make_trace("", std::move(reported));
    below_.resize(trace_.spans.size());
    std::map<std::string, size_t> index;
    for (size_t i = 0; i < trace_.spans.size(); ++i) index.emplace(trace_.spans[i].span_id, i);
    for (size_t i = 0; i < trace_.spans.size(); ++i) {
      const auto parent = index.find(trace_.spans[i].parent_id);
      (trace_.spans[i].parent_id.empty() || parent == index.end() ? top_ : below_[parent->second]).push_back(i);
    }
    const auto by_start = [this](size_t a, size_t b) { return trace_.spans[a].start_ms < trace_.spans[b].start_ms; };
    std::stable_sort(top_.begin(), top_.end(), by_start);
    for (std::vector<size_t>& siblings : below_) std::stable_sort(siblings.begin(), siblings.end(), by_start);
  }

  const std::vector<TraceSpan>& spans() const { return trace_.spans; }

  // Each before those below it. Not by recursion: a chain of spans may be as long as the trace.
  std::vector<TraceNode> nodes() const {
    std::vector<TraceNode> made;
    struct Open { size_t at; int depth; bool is_last; };
    std::vector<Open> waiting;
    const auto push = [&](const std::vector<size_t>& siblings, int depth) {
      for (size_t i = siblings.size(); i-- > 0;) waiting.push_back({siblings[i], depth, i + 1 == siblings.size()});
    };
    push(top_, 0);
    while (!waiting.empty()) {
      const Open open = waiting.back();
      waiting.pop_back();
      made.push_back(node(open.at, open.depth, open.is_last));
      push(below_[open.at], open.depth + 1);
    }
    mark_slowest(made);
    return made;
  }

 private:
  TraceNode node(size_t at, int depth, bool is_last) const {
    TraceNode node;
    node.span = trace_.spans[at];
    node.component = component_of(node.span, {});
    node.depth = depth;
    node.is_last = is_last;
    const std::string& told = told_parent_.at(node.span.span_id);
    node.is_parent_missing = !told.empty() && node.span.parent_id.empty();
    node.span.parent_id = told;
    if (!tells_time(node.span)) return node;
    node.latency_ms = node.span.end_ms - node.span.start_ms;
    std::vector<SpanInterval> covered;
    for (const size_t child : below_[at]) if (tells_time(trace_.spans[child])) covered.push_back({trace_.spans[child].start_ms, trace_.spans[child].end_ms});
    node.self_ms = self_time_ms({node.span.start_ms, node.span.end_ms}, std::move(covered));
    return node;
  }

  static void mark_slowest(std::vector<TraceNode>& nodes) {
    TraceNode* slowest = nullptr;
    size_t timed = 0;
    for (TraceNode& node : nodes) {
      if (!node.self_ms) continue;
      ++timed;
      if (slowest == nullptr || *node.self_ms > *slowest->self_ms) slowest = &node;
    }
    if (timed > 1) slowest->is_slowest = true;
  }

  Trace trace_;
  std::map<std::string, std::string> told_parent_;
  std::vector<size_t> top_;
  std::vector<std::vector<size_t>> below_;
};

template <class T>
void add_to(std::optional<T>& sum, const std::optional<T>& value) {
  if (value) sum = sum.value_or(T{}) + *value;
}

void add_whole(const std::vector<TraceSpan>& spans, MonitorTraceReport& report) {
  double start = 0, end = 0;
  for (const TraceSpan& span : spans) {
    for (const auto& [from, into] : {std::pair{&span.service, &report.service}, {&span.session, &report.session}, {&span.user, &report.user}, {&span.route, &report.route}, {&span.language, &report.language}, {&span.vid, &report.vid}}) {
      if (into->empty()) *into = *from;
    }
    if (span.kind == TraceKind::kModel) {
      add_to(report.input_tokens, span.input_tokens);
      add_to(report.output_tokens, span.output_tokens);
      add_to(report.cost_usd, span.cost_usd);
    }
    if (span.start_ms <= 0) continue;
    start = start == 0 ? span.start_ms : std::min(start, span.start_ms);
    end = std::max(end, span.end_ms);
  }
  if (start > 0) report.start_ms = static_cast<int64_t>(start);
  if (end > start) report.latency_ms = end - start;
}

Status add_scores(Store& store, MonitorTraceReport& report) {
  return store.visit_scores(report.id, [&](const StoredScore& score) {
    const auto judged = std::find_if(report.spans.begin(), report.spans.end(), [&](const TraceNode& node) { return !score.span.empty() && node.span.span_id == score.span; });
    (judged == report.spans.end() ? report.scores : judged->scores).push_back(score);
    return true;
  });
}

Status keep_one(const std::string& span, MonitorTraceReport& report) {
  std::vector<std::string> known;
  for (TraceNode& node : report.spans) {
    if (node.span.span_id == span) {
      TraceNode kept = std::move(node);
      report.spans.assign(1, std::move(kept));
      return {};
    }
    known.push_back(node.span.span_id);
  }
  return Error(ErrorCode::kNotFound, fmt::format("trace '{}' has no span '{}'", report.id, span), did_you_mean(span, known));
}

}  // namespace

double self_time_ms(const SpanInterval& span, std::vector<SpanInterval> below) {
  std::sort(below.begin(), below.end(), [](const SpanInterval& a, const SpanInterval& b) { return a.start_ms < b.start_ms; });
  double covered = 0, reached = span.start_ms;
  for (const SpanInterval& one : below) {
    const double from = std::max(one.start_ms, reached), to = std::min(one.end_ms, span.end_ms);
    if (to <= from) continue;
    covered += to - from;
    reached = to;
  }
  return span.end_ms - span.start_ms - covered;
}

Result<MonitorTraceReport> monitor_trace(Session& session, const MonitorTraceOptions& options) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  LLMOPS_ASSIGN(const FoundTrace found, find_trace(*store, options.id));
  LLMOPS_ASSIGN(const std::vector<std::string> bodies, store->trace_spans(found.number));
  MonitorTraceReport report;
  report.id = found.id;
  report.found_by_span = found.by_span;
  std::vector<TraceSpan> reported;
  for (const std::string& body : bodies) {
    const auto json = parse_json(body, "store");
    auto span = json ? span_from_json(*json) : Result<TraceSpan>(json.error());
    if (span) reported.push_back(std::move(*span));
    else ++report.unreadable;
  }
  if (reported.empty()) return Error(ErrorCode::kCorrupt, fmt::format("none of the {} spans of trace '{}' can be read", bodies.size(), found.id),
      "bring them in again: llmops monitor purge " + found.id + " --field id, then llmops monitor ingest FILE");
  const SpanTree tree(std::move(reported));
  add_whole(tree.spans(), report);
  report.spans = tree.nodes();
  LLMOPS_CHECK(add_scores(*store, report));
  if (!options.span.empty()) LLMOPS_CHECK(keep_one(options.span, report));
  return report;
}

Result<MonitorTraceListReport> monitor_trace_list(Session& session, const MonitorTraceListOptions& options) {
  MonitorTraceListReport report;
  if (!options.since.empty()) {
    LLMOPS_ASSIGN(const int64_t length, parse_duration_ms(options.since));
    report.since_ms = session.clock().unix_ms() - length;
  }
  LLMOPS_ASSIGN(Store * store, session.store(false));
  Store::RecordFilter filter;
  filter.from_ms = report.since_ms;
  // They come by start: the last ones are the newest.
  std::deque<ListedRequest> newest;
  LLMOPS_CHECK(store->visit_records(filter, [&](const StoredRecord& record) {
    if (options.errors && !record.error) return true;
    ++report.found;
    newest.push_back({record.trace, record.start_ms, record.latency_ms, record.route, record.error, record.input});
    if (newest.size() > static_cast<size_t>(options.limit)) newest.pop_front();
    return true;
  }));
  report.requests.assign(std::make_move_iterator(newest.rbegin()), std::make_move_iterator(newest.rend()));
  return report;
}

}  // namespace llmops
