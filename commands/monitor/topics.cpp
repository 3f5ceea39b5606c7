#include "commands/monitor/topics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "commands/monitor/comparison.h"
#include "commands/monitor/health_signals.h"
#include "commands/monitor/request_vectors.h"
#include "core/drift/topics.h"
#include "core/stats/intervals.h"

namespace llmops {
namespace {

constexpr const char* kNotTold = "(not told)";

std::string field_of(const StoredRecord& record, const std::string& field) { return stratum_of(record, field).value_or(kNotTold); }

std::vector<TopicStratum> strata_in(const std::vector<StoredRecord>& records, const std::string& field) {
  if (field.empty()) return {};
  std::map<std::string, int64_t> counts;
  for (const StoredRecord& record : records) ++counts[field_of(record, field)];
  std::vector<TopicStratum> strata;
  for (const auto& [name, count] : counts) strata.push_back({name, count});
  std::stable_sort(strata.begin(), strata.end(), [](const TopicStratum& a, const TopicStratum& b) { return a.requests > b.requests; });
  return strata;
}

// Of the requests of one topic, nearest to its centre first.
void describe(const std::vector<StoredRecord>& records, const std::vector<size_t>& rows, const MonitorTopicsReport& report, AskedTopic& topic) {
  int64_t errors = 0;
  std::vector<double> latencies;
  topic.by_stratum.assign(report.strata.size(), 0);
  for (const size_t row : rows) {
    const StoredRecord& record = records[row];
    ++topic.requests;
    topic.outcomes += tells_outcome(record);
    errors += record.error.has_value();
    if (is_duration(record.latency_ms)) latencies.push_back(*record.latency_ms);
    for (size_t s = 0; s < report.strata.size(); ++s) topic.by_stratum[s] += report.strata[s].name == field_of(record, report.by);
    if (topic.ids.size() < kMostTopicIds) topic.ids.push_back(record.trace);
  }
  topic.share = static_cast<double>(topic.requests) / static_cast<double>(report.used);
  if (topic.outcomes > 0) topic.error_rate = static_cast<double>(errors) / static_cast<double>(topic.outcomes);
  if (const auto p50 = quantile_interval(latencies, 0.5)) topic.latency_p50_ms = p50->value;
  if (const auto p95 = quantile_interval(std::move(latencies), 0.95)) topic.latency_p95_ms = p95->value;
}

}  // namespace

Result<MonitorTopicsReport> monitor_topics(Session& session, const MonitorTopicsOptions& options) {
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  if (!options.by.empty()) LLMOPS_CHECK(check_strata({options.by}));
  LLMOPS_ASSIGN(const ChosenRequests chosen, chosen_requests(session, config, options.requests));
  LLMOPS_ASSIGN(std::vector<StoredRecord> records, readable_records(*chosen.store, chosen.query));
  MonitorTopicsReport report;
  report.window = chosen.window;
  report.component = options.requests.component;
  report.by = options.by;
  report.seed = options.seed.value_or(0);
  const RequestPool pool = pool_requests({}, std::move(records), {{}, options.most, report.seed});
  report.found = pool.current_found;
  report.without_text = pool.current_without_text;
  report.used = std::ssize(pool.records);
  report.is_drawn = pool.is_drawn;
  if (pool.records.size() < kLeastRequests) {
    report.reason = fmt::format("{} requests with a known text: at least {} are needed", pool.records.size(), kLeastRequests);
    LLMOPS_ASSIGN(report.hint, hint_for_few(*chosen.store, chosen.query));
    return report;
  }
  std::vector<std::string_view> texts;
  for (const StoredRecord& record : pool.records) texts.emplace_back(*record.input);
  LLMOPS_ASSIGN(const RequestVectors vectors, request_vectors(session, options.embedder.empty() ? config.embedder : options.embedder, texts, texts.size(), report.seed, options.threads));
  report.representation = vectors.description;
  TopicOptions clustering;
  clustering.topics = options.topics;
  clustering.seed = report.seed;
  clustering.threads = options.threads;
  clustering.cancel = session.surroundings().cancel;
  LLMOPS_ASSIGN(const Topics topics, spherical_topics(vectors.dense.view(), clustering));
  const auto words = topic_words(texts, topics.of_row, topics.count);
  const std::vector<size_t> exemplars = topic_exemplars(topics);
  report.strata = strata_in(pool.records, report.by);
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return topics.similarities[a] > topics.similarities[b]; });
  std::vector<std::vector<size_t>> rows(topics.count);
  for (const size_t row : order) rows[topics.of_row[row]].push_back(row);
  for (size_t t = 0; t < topics.count; ++t) {
    AskedTopic topic;
    topic.words = words[t];
    topic.exemplar = *pool.records[exemplars[t]].input;
    topic.exemplar_id = pool.records[exemplars[t]].trace;
    describe(pool.records, rows[t], report, topic);
    report.topics.push_back(std::move(topic));
  }
  return report;
}

}  // namespace llmops
