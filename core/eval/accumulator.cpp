#include "core/eval/accumulator.h"

#include <algorithm>
#include <numeric>

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
    columns_.push_back({std::move(name), lower, rate, {}});
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
  slices_.resize(slice_fields_.size());
}

void SeriesAccumulator::put(size_t column, size_t at, std::optional<double> value, bool error) {
  if (!value && !error) return;
  std::vector<Cell>& cells = columns_[column].cells;
  if (cells.size() <= at) cells.resize(at + 1);
  if (error) ++cells[at].errors;
  if (!value) return;
  cells[at].sum += *value;
  ++cells[at].present;
}

void SeriesAccumulator::put_step(size_t at, size_t step_index, const CaseRecord& record) {
  const std::string& step = steps_[step_index];
  const size_t base = std::size(kCaseColumns) + step_index * kStepColumnCount;
  std::optional<double> latency, ttft, cost, input, output;
  bool any = false, any_call = false, error = false;
  const auto add = [](bool first, std::optional<double>& sum, std::optional<double> more) {
    if (first) sum = more;
    else if (sum && more) *sum += *more;
    else sum.reset();
  };
  for (const SpanRecord& span : record.spans) {
    if (span.skipped) continue;
    const bool own = span.step == step;
    // Turns of an agent, a repair, the steps of a called chain: what they used is this step's. What a program reports is its own account.
    const bool below = !own && span.kind != "external" && span.step.size() > step.size() && span.step.starts_with(step) && span.step[step.size()] == '/';
    if (!own && !below) continue;
    if (own) {
      error = error || !span.error_code.empty();
      add(!any, latency, span.latency_ms);
      add(!any, ttft, span.ttft_ms);
      any = true;
    }
    // An agent and a called chain only pass on what is below them.
    if (own && (span.kind == "agent" || span.kind == "chain")) continue;
    if (below && span.kind != "model" && !span.cost_usd && !span.input_tokens && !span.output_tokens) continue;
    add(!any_call, cost, span.cost_usd);
    add(!any_call, input, as_number(span.input_tokens));
    add(!any_call, output, as_number(span.output_tokens));
    any_call = true;
  }
  if (!any) return;
  const std::optional<double> values[] = {latency, ttft, cost, input, output};
  for (size_t i = 0; i < std::size(values); ++i) put(base + i, at, error ? std::nullopt : values[i], error);
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
  if (counted && !passed) put(base + 5, at, 0.0, false);
  else if (unknown) put(base + 5, at, std::nullopt, true);
  else if (counted) put(base + 5, at, 1.0, false);
}

size_t SeriesAccumulator::row_of(const CaseRecord& record, const Json& row) {
  const auto [found, is_new] = rows_.emplace(record.ordinal, ordinals_.size());
  if (!is_new) return found->second;
  ordinals_.push_back(record.ordinal);
  ids_.push_back(record.case_id);
  hashes_.push_back(record.case_hash);
  for (size_t f = 0; f < slice_fields_.size(); ++f) slices_[f].push_back(field_text(row, slice_fields_[f]));
  if (!cluster_field_.empty()) clusters_.push_back(cluster_numbers_.emplace(field_text(row, cluster_field_), static_cast<int64_t>(cluster_numbers_.size())).first->second);
  return found->second;
}

void SeriesAccumulator::add(const CaseRecord& record, const Json& row) {
  const size_t at = row_of(record, row);
  const bool error = !record.error_code.empty();
  const std::optional<double> none;
  std::optional<double> ttft;
  for (const SpanRecord& span : record.spans) if (span.ttft_ms && !ttft) ttft = span.ttft_ms;
  put(0, at, error ? none : std::optional<double>(record.latency_ms), error);
  put(1, at, error ? none : ttft, error && ttft);
  put(2, at, error ? none : record.cost_usd, error);
  put(3, at, error ? none : as_number(record.input_tokens), error);
  put(4, at, error ? none : as_number(record.output_tokens), error);
  put(5, at, error ? 1.0 : 0.0, false);
  bool counted = record.pass.has_value(), unknown = false;
  for (const ScoreRecord& score : record.scores) unknown = unknown || !score.error.empty();
  if (counted) put(6, at, *record.pass ? 1.0 : 0.0, false);
  else if (unknown) put(6, at, none, true);
  for (size_t i = 0; i < steps_.size(); ++i) put_step(at, i, record);
  for (const ScoreRecord& score : record.scores) {
    const auto column = index_.find(score.metric);
    if (column != index_.end()) put(column->second, at, score.value, !score.error.empty());
  }
}

RunSeries SeriesAccumulator::finish() const {
  std::vector<size_t> order(ordinals_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ordinals_[a] < ordinals_[b]; });
  RunSeries series;
  // Clusters are numbered by first appearance in dataset order, whatever order the cases came in.
  std::unordered_map<int64_t, int64_t> renumbered;
  for (const size_t row : order) {
    series.case_ids.push_back(ids_[row]);
    series.case_hashes.push_back(hashes_[row]);
    if (!clusters_.empty()) series.clusters.push_back(renumbered.emplace(clusters_[row], static_cast<int64_t>(renumbered.size())).first->second);
  }
  for (size_t f = 0; f < slice_fields_.size(); ++f) {
    auto& values = series.slices[slice_fields_[f]];
    for (const size_t row : order) values.push_back(slices_[f][row]);
  }
  for (const Cells& cells : columns_) {
    Column& column = series.columns[cells.name];
    column.lower_is_better = cells.lower_is_better;
    column.is_rate = cells.may_be_rate;
    bool any = false;
    for (const size_t row : order) {
      const Cell cell = row < cells.cells.size() ? cells.cells[row] : Cell{};
      std::optional<double> value;
      if (cell.present > 0) value = cell.sum / cell.present;
      any = any || value.has_value();
      if (value && *value != 0 && *value != 1) column.is_rate = false;
      column.push(value, cell.errors > 0 && cell.present == 0);
    }
    if (!any) column.is_rate = false;
  }
  return series;
}

}  // namespace llmops
