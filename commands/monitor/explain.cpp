#include "commands/monitor/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <unordered_set>

#include "commands/monitor/comparison.h"
#include "commands/monitor/health_signals.h"
#include "commands/monitor/request_vectors.h"
#include "commands/monitor/request_window.h"
#include "core/drift/new_intents.h"
#include "core/drift/topics.h"
#include "core/stats/intervals.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kNearestTexts = 5;
constexpr int kListedTraces = 6;

// The identifier of the only trace that begins so, or is so.
Result<std::string> trace_named(Store& store, const std::string& id) {
  const Error unknown(ErrorCode::kNotFound, fmt::format("no request '{}' is stored", id), "take an id from `llmops monitor topics --json` or `llmops monitor drift --json`");
  if (id.empty()) return unknown;
  LLMOPS_ASSIGN(const auto found, store.find_traces(id, kListedTraces));
  for (const auto& [number, trace] : found) if (trace == id) return trace;
  if (found.empty()) return unknown;
  if (found.size() == 1) return found.front().second;
  Error error(ErrorCode::kUsage, fmt::format("several requests begin with '{}'", id), "give more of the id");
  for (const auto& [number, trace] : found) error.details.push_back(trace);
  return error;
}

Result<StoredRecord> record_of(Store& store, const std::string& trace, const std::string& component) {
  std::optional<StoredRecord> found;
  Store::RecordFilter filter;
  filter.component = component;
  LLMOPS_CHECK(store.visit_records(filter, [&](const StoredRecord& record) {
    if (record.trace != trace) return true;
    found = record;
    return false;
  }));
  if (!found) return Error(ErrorCode::kNotFound, component.empty() ? fmt::format("'{}' has no record of a whole request", trace) : fmt::format("'{}' has no call of '{}'", trace, component), "leave out --component, or name one that the request ran");
  forget_digests(*found);
  return *found;
}

double words_in(const std::string& text) { return static_cast<double>(split_words(text).size()); }

class Explainer {
 public:
  Explainer(Session& session, const StoredRecord& request, const std::vector<StoredRecord>& before, MonitorExplainReport& made) : session_(session), request_(request), before_(before), made_(made) {}

  void tell_plain_facts() {
    add_number("length", "words", [](const StoredRecord& one) { return one.input ? std::optional(words_in(*one.input)) : std::nullopt; });
    add_number("answer length", "words", [](const StoredRecord& one) { return one.output ? std::optional(words_in(*one.output)) : std::nullopt; });
    add_number("latency", "ms", [](const StoredRecord& one) { return is_duration(one.latency_ms) ? one.latency_ms : std::nullopt; });
    add_number("input tokens", "tokens", [](const StoredRecord& one) { return one.input_tokens ? std::optional(static_cast<double>(*one.input_tokens)) : std::nullopt; });
    add_number("output tokens", "tokens", [](const StoredRecord& one) { return one.output_tokens ? std::optional(static_cast<double>(*one.output_tokens)) : std::nullopt; });
    add_number("cost", "USD", [](const StoredRecord& one) { return one.cost_usd; });
    if (request_.error) add_sign("error", *request_.error, tells_outcome, [&](const StoredRecord& one) { return one.error == request_.error; });
    const auto answers = [](const StoredRecord& one) { return one.output.has_value(); };
    for (const auto& [name, sign] : {std::pair{"refusal", &StoredRecord::is_refusal}, {"empty answer", &StoredRecord::is_empty}, {"cut off", &StoredRecord::is_cut_off}, {"malformed JSON", &StoredRecord::is_malformed_json}}) {
      if (request_.*sign) add_sign(name, "", answers, [field = sign](const StoredRecord& one) { return one.*field; });
    }
    for (const std::string& field : stratum_fields()) {
      const std::optional<std::string> value = stratum_of(request_, field);
      if (!value) continue;
      const auto [known, share] = share_of([&](const StoredRecord& one) { return stratum_of(one, field).has_value(); }, [&](const StoredRecord& one) { return stratum_of(one, field) == value; });
      made_.strata.push_back({field, *value, share});
    }
    add_words();
  }

  Status hold_against(const RequestPool& pool, const MonitorExplainOptions& options, const std::string& embedder) {
    const size_t n = pool.records.size();
    const uint64_t seed = options.seed.value_or(0);
    std::vector<std::string_view> texts;
    for (const StoredRecord& record : pool.records) texts.emplace_back(*record.input);
    texts.emplace_back(*request_.input);
    LLMOPS_ASSIGN(const RequestVectors vectors, request_vectors(session_, embedder, texts, n, seed, options.threads));
    made_.representation = vectors.description;
    LLMOPS_ASSIGN(const Memberships memberships, Memberships::make(n + 1, n, {1, seed, {}, {}}));
    LLMOPS_ASSIGN(const NoveltyTest test, novelty_test(vectors.neighbours, memberships, {}, options.threads, session_.surroundings().cancel));
    ExplainedNovelty novelty;
    novelty.distance = test.current.front();
    novelty.of = std::ssize(test.reference);
    novelty.farther = std::count_if(test.reference.begin(), test.reference.end(), [&](double other) { return other >= novelty.distance; });
    novelty.p_value = new_intents(test, vectors.dense.view().part(n, 1)).p_values.front();
    novelty.median = quantile_interval(test.reference, 0.5)->value;
    novelty.edge = quantile_interval(test.reference, NoveltyOptions{}.edge)->value;
    made_.novelty = novelty;
    add_nearest(pool, vectors.neighbours);
    return add_topic(vectors, texts, options);
  }

 private:
  using Known = std::function<bool(const StoredRecord&)>;
  std::pair<int64_t, std::optional<double>> share_of(const Known& is_known, const Known& holds) const {
    int64_t known = 0, held = 0;
    for (const StoredRecord& one : before_) if (is_known(one)) ++known, held += holds(one);
    return {known, known == 0 ? std::nullopt : std::optional(static_cast<double>(held) / static_cast<double>(known))};
  }
  void add_sign(const char* name, const std::string& value, const Known& is_known, const Known& holds) { made_.signs.push_back({name, value, share_of(is_known, holds).second}); }

  void add_number(const char* name, const char* unit, const std::function<std::optional<double>(const StoredRecord&)>& value_of) {
    const std::optional<double> own = value_of(request_);
    if (!own) return;
    std::vector<double> others;
    for (const StoredRecord& one : before_) if (const auto value = value_of(one)) others.push_back(*value);
    ExplainedNumber made{name, unit, *own, std::ssize(others), {}, {}, {}, 0, 0};
    if (!others.empty()) {
      const auto count = static_cast<double>(others.size());
      made.share_below = static_cast<double>(std::count_if(others.begin(), others.end(), [&](double other) { return other < *own; })) / count;
      made.share_above = static_cast<double>(std::count_if(others.begin(), others.end(), [&](double other) { return other > *own; })) / count;
      made.p05 = quantile_interval(others, 0.05)->value;
      made.median = quantile_interval(others, 0.5)->value;
      made.p95 = quantile_interval(others, 0.95)->value;
    }
    made_.numbers.push_back(std::move(made));
  }

  // Of all requests before, not of those that were drawn alone.
  void add_words() {
    if (!request_.input) return;
    std::unordered_set<std::string> known;
    for (const StoredRecord& one : before_) if (one.input) for (std::string& word : split_words(*one.input)) known.insert(std::move(word));
    std::set<std::string> met;
    for (const std::string& word : split_words(*request_.input)) {
      if (!met.insert(word).second) continue;
      ++made_.words;
      if (!before_.empty() && !known.contains(word)) made_.new_words.push_back(word);
    }
  }

  void add_nearest(const RequestPool& pool, const Neighbours& neighbours) {
    const size_t row = neighbours.rows - 1;
    for (size_t k = 0; k < neighbours.each; ++k) {
      const StoredRecord& other = pool.records[neighbours.items[row * neighbours.each + k]];
      const auto same = std::find_if(made_.nearest.begin(), made_.nearest.end(), [&](const NearRequest& one) { return one.text == *other.input; });
      if (same != made_.nearest.end()) ++same->copies;
      else if (made_.nearest.size() < kNearestTexts) made_.nearest.push_back({other.trace, *other.input, static_cast<double>(neighbours.distances[row * neighbours.each + k]), 1});
    }
  }

  Status add_topic(const RequestVectors& vectors, const std::vector<std::string_view>& texts, const MonitorExplainOptions& options) {
    TopicOptions clustering;
    clustering.seed = options.seed.value_or(0);
    clustering.threads = options.threads;
    clustering.cancel = session_.surroundings().cancel;
    LLMOPS_ASSIGN(const Topics topics, spherical_topics(vectors.dense.view(), clustering));
    const uint32_t own = topics.of_row.back();
    const size_t n = texts.size() - 1;
    ExplainedTopic topic;
    topic.words = topic_words(texts, topics.of_row, topics.count)[own];
    topic.before = std::count(topics.of_row.begin(), topics.of_row.end() - 1, own);
    topic.share = static_cast<double>(topic.before) / static_cast<double>(n);
    topic.similarity = topics.similarities.back();
    topic.exemplar = texts[topic_exemplars(topics)[own]];
    made_.topic = std::move(topic);
    return {};
  }

  Session& session_;
  const StoredRecord& request_;
  const std::vector<StoredRecord>& before_;
  MonitorExplainReport& made_;
};

}  // namespace

Result<MonitorExplainReport> monitor_explain(Session& session, const MonitorExplainOptions& options) {
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  LLMOPS_ASSIGN(const int64_t length, length_or(options.against, config.against_ms));
  LLMOPS_ASSIGN(Store * store, session.store(false));
  MonitorExplainReport report;
  LLMOPS_ASSIGN(report.id, trace_named(*store, options.id));
  LLMOPS_ASSIGN(const StoredRecord request, record_of(*store, report.id, options.component));
  report.component = options.component;
  report.text = request.input.value_or("");
  report.start_ms = request.start_ms;
  LLMOPS_ASSIGN(const std::vector<NumericScores> scores, numeric_scores(*store, {request}));
  report.scores = scores.front();
  std::vector<StoredRecord> before;
  if (request.start_ms) {
    report.against = TimeWindow{*request.start_ms - length, *request.start_ms};
    LLMOPS_ASSIGN(before, readable_records(*store, {*report.against, options.component, request.service}));
    // What it continues is no reference for it.
    std::erase_if(before, [&](const StoredRecord& one) { return request.session && one.session == request.session; });
  }
  report.reference_found = std::ssize(before);
  Explainer explainer(session, request, before, report);
  explainer.tell_plain_facts();
  const RequestPool pool = pool_requests(before, {}, {{}, options.most, options.seed.value_or(0)});
  report.reference_used = std::ssize(pool.records);
  report.is_drawn = pool.is_drawn;
  if (!request.start_ms) report.reason = "it tells no time, so that nothing is known to be before it";
  else if (!request.input) report.reason = "its text is not known";
  else if (pool.records.size() < kLeastRequests) report.reason = fmt::format("{} requests before it have a known text: at least {} are needed", pool.records.size(), kLeastRequests);
  else LLMOPS_CHECK(explainer.hold_against(pool, options, options.embedder.empty() ? config.embedder : options.embedder));
  return report;
}

}  // namespace llmops
