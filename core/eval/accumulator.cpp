#include "core/eval/accumulator.h"

#include <set>

namespace llmops {
namespace {

constexpr const char* kCaseColumns[] = {"latency_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens", "error_rate", "pass_rate"};
constexpr const char* kStepColumns[] = {"latency_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens", "pass_rate"};
constexpr size_t kStepColumnCount = std::size(kStepColumns);

std::optional<double> as_number(std::optional<int64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

}  // namespace

std::string field_text(const Json& row, std::string_view field) {
  const Json* at = &row;
  while (!field.empty()) {
    const size_t dot = std::min(field.find('.'), field.size());
    if (!at->is_object()) return {};
    const auto found = at->find(std::string(field.substr(0, dot)));
    if (found == at->end()) return {};
    at = &*found;
    field.remove_prefix(std::min(dot + 1, field.size()));
  }
  return json_to_text(*at);
}

SeriesAccumulator::SeriesAccumulator(const std::vector<MetricSpec>& metrics, std::vector<std::string> steps, std::vector<std::string> slice_fields, std::string cluster_field)
    : steps_(std::move(steps)), slice_fields_(std::move(slice_fields)), cluster_field_(std::move(cluster_field)) {
  const auto add_column = [this](std::string name, bool lower, bool rate) {
    index_.emplace(name, columns_.size());
    columns_.push_back(std::move(name));
    lower_is_better_.push_back(lower);
    may_be_rate_.push_back(rate);
  };
  const auto is_rate = [](std::string_view name) { return name.ends_with("_rate"); };
  for (const char* name : kCaseColumns) add_column(name, std::string_view(name) != "pass_rate", is_rate(name));
  for (const std::string& step : steps_) {
    for (const char* name : kStepColumns) add_column("steps." + step + "." + name, std::string_view(name) != "pass_rate", is_rate(name));
  }
  for (const MetricSpec& metric : metrics) {
    add_column(metric.name, metric.kind->direction == MetricDirection::kLower, metric.kind->is_rate);
    metric_steps_.emplace_back(metric.name, metric.step);
  }
}

void SeriesAccumulator::put(Entry& entry, size_t column, std::optional<double> value, bool error) {
  Cell& cell = entry.cells[column];
  if (error) ++cell.errors;
  if (!value) return;
  cell.sum += *value;
  ++cell.present;
}

void SeriesAccumulator::put_step(Entry& entry, size_t step_index, const CaseRecord& record) {
  const std::string& step = steps_[step_index];
  const size_t base = std::size(kCaseColumns) + step_index * kStepColumnCount;
  std::optional<double> latency, ttft, cost, input, output;
  bool any = false, error = false;
  for (const SpanRecord& span : record.spans) {
    if (span.step != step || span.skipped) continue;
    error = error || !span.error_code.empty();
    const auto add = [&](std::optional<double>& sum, std::optional<double> more) {
      if (!any) sum = more;
      else if (sum && more) *sum += *more;
      else sum.reset();
    };
    add(latency, span.latency_ms);
    add(ttft, span.ttft_ms);
    add(cost, span.cost_usd);
    add(input, as_number(span.input_tokens));
    add(output, as_number(span.output_tokens));
    any = true;
  }
  if (!any) return;
  const std::optional<double> values[] = {latency, ttft, cost, input, output};
  for (size_t i = 0; i < std::size(values); ++i) put(entry, base + i, error ? std::nullopt : values[i], error);
  // A step passes when all metrics that target it pass.
  bool counted = false, passed = true, unknown = false;
  for (const ScoreRecord& score : record.scores) {
    for (const auto& [name, target] : metric_steps_) {
      if (name != score.metric || target != step) continue;
      counted = counted || score.pass.has_value();
      unknown = unknown || (!score.pass && !score.error.empty());
      passed = passed && score.pass.value_or(true);
    }
  }
  if (counted && !passed) put(entry, base + 5, 0.0, false);
  else if (unknown) put(entry, base + 5, std::nullopt, true);
  else if (counted) put(entry, base + 5, 1.0, false);
}

void SeriesAccumulator::add(const CaseRecord& record, const Json& row) {
  Entry& entry = entries_[record.ordinal];
  if (entry.cells.empty()) {
    entry.id = record.case_id;
    entry.hash = record.case_hash;
    entry.cells.resize(columns_.size());
    for (const std::string& field : slice_fields_) entry.slices.push_back(field_text(row, field));
    if (!cluster_field_.empty()) entry.cluster = field_text(row, cluster_field_);
  }
  const bool error = !record.error_code.empty();
  const std::optional<double> none;
  std::optional<double> ttft;
  for (const SpanRecord& span : record.spans) if (span.ttft_ms && !ttft) ttft = span.ttft_ms;
  put(entry, 0, error ? none : std::optional<double>(record.latency_ms), error);
  put(entry, 1, error ? none : ttft, error && ttft);
  put(entry, 2, error ? none : record.cost_usd, error);
  put(entry, 3, error ? none : as_number(record.input_tokens), error);
  put(entry, 4, error ? none : as_number(record.output_tokens), error);
  put(entry, 5, error ? 1.0 : 0.0, false);
  bool counted = record.pass.has_value(), unknown = false;
  for (const ScoreRecord& score : record.scores) unknown = unknown || !score.error.empty();
  if (counted) put(entry, 6, *record.pass ? 1.0 : 0.0, false);
  else if (unknown) put(entry, 6, none, true);
  for (size_t i = 0; i < steps_.size(); ++i) put_step(entry, i, record);
  for (const ScoreRecord& score : record.scores) {
    const auto column = index_.find(score.metric);
    if (column != index_.end()) put(entry, column->second, score.value, !score.error.empty());
  }
}

RunSeries SeriesAccumulator::finish() const {
  RunSeries series;
  std::map<std::string, int64_t> cluster_ids;
  std::vector<Column*> columns;
  for (size_t c = 0; c < columns_.size(); ++c) {
    Column& column = series.columns[columns_[c]];
    column.lower_is_better = lower_is_better_[c];
    column.is_rate = may_be_rate_[c];
    columns.push_back(&column);
  }
  for (const auto& [ordinal, entry] : entries_) {
    series.case_ids.push_back(entry.id);
    series.case_hashes.push_back(entry.hash);
    if (!cluster_field_.empty()) series.clusters.push_back(cluster_ids.emplace(entry.cluster, static_cast<int64_t>(cluster_ids.size())).first->second);
    for (size_t f = 0; f < slice_fields_.size(); ++f) series.slices[slice_fields_[f]].push_back(entry.slices[f]);
    for (size_t c = 0; c < columns.size(); ++c) {
      const Cell& cell = entry.cells[c];
      std::optional<double> value;
      if (cell.present > 0) value = cell.sum / cell.present;
      if (value && *value != 0 && *value != 1) columns[c]->is_rate = false;
      columns[c]->push(value, cell.errors > 0 && cell.present == 0);
    }
  }
  for (Column* column : columns) {
    bool any = false;
    for (const ValueState state : column->states) any = any || state == ValueState::kPresent;
    if (!any) column->is_rate = false;
  }
  return series;
}

}  // namespace llmops
