// A dataset is read twice: once to look through all of it, once to draw the cases; no row stays in memory in between.
#include "commands/eval/case_selection.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>

#include "core/base/hash.h"
#include "core/eval/accumulator.h"

namespace llmops {
namespace {

std::string case_id_of(const DatasetSpec& dataset, const DatasetRow& row) {
  const auto found = row.value.find(dataset.id_field);
  return found == row.value.end() || found->is_null() ? std::to_string(row.number) : json_to_text(*found);
}

Error row_error(const DatasetSpec& dataset, const DatasetRow& row, std::string message, std::string hint) {
  return Error(ErrorCode::kData, std::move(message), std::move(hint)).at({dataset.shown_path, row.line, 1, 1, {}});
}

struct Filter { std::string field, value; };

Result<std::vector<Filter>> parse_filters(const std::vector<std::string>& texts) {
  std::vector<Filter> filters;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return Error(ErrorCode::kUsage, fmt::format("filter '{}' is not FIELD=VALUE", text), "write it like --filter 'lang=de'");
    filters.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return filters;
}

std::string hash_of_row(const Json& row) {
  auto canonical = canonical_json(row);
  return sha256_hex(canonical ? *canonical : dump_json(row)).substr(0, 16);
}

}  // namespace

Result<CaseSelection> select_cases(const DatasetSpec& dataset, const EvalRunOptions& options, const std::optional<std::vector<std::string>>& only_ids) {
  LLMOPS_ASSIGN(const auto filters, parse_filters(options.filters));
  LLMOPS_ASSIGN(const auto reader, open_rows(dataset));
  std::unordered_map<std::string, int64_t> seen;   // id -> row
  seen.max_load_factor(2);
  std::unordered_map<std::string, bool> wanted;
  if (only_ids) for (const std::string& id : *only_ids) wanted.emplace(id, true);
  CaseSelection selection;
  std::vector<std::pair<std::string, size_t>> draws;   // hash, row: for --sample
  DatasetRow row;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader->next(row));
    if (!more) break;
    if (dataset.id_field_written && !row.value.contains(dataset.id_field)) {
      return row_error(dataset, row, fmt::format("row {} has no '{}'", row.number, dataset.id_field), "give every row an id, or leave `id` out of the suite");
    }
    for (const auto& [column, value] : row.value.items()) if (!selection.columns.contains(column)) selection.columns.insert(column);
    const std::string id = case_id_of(dataset, row);
    const auto [other, is_new] = seen.emplace(id, row.number);
    if (!is_new) return row_error(dataset, row, fmt::format("row {} has the id '{}' of row {}", row.number, id, other->second), "give every row an id of its own");
    bool keep = !only_ids || wanted.contains(id);
    for (const Filter& filter : filters) keep = keep && field_text(row.value, filter.field) == filter.value;
    if (keep && options.limit && selection.count >= *options.limit) keep = false;
    if (keep && options.sample) draws.emplace_back(sha256_hex(fmt::format("{}\n{}", options.seed, id)), selection.chosen.size());
    selection.chosen.push_back(keep);
    selection.count += keep;
  }
  if (selection.chosen.empty()) return Error(ErrorCode::kData, fmt::format("dataset '{}' holds no rows", dataset.shown_path), "add at least one row").at({dataset.shown_path, 1, 1, 1, {}});
  if (options.sample && static_cast<int64_t>(draws.size()) > *options.sample) {
    std::sort(draws.begin(), draws.end());
    for (size_t i = static_cast<size_t>(*options.sample); i < draws.size(); ++i) selection.chosen[draws[i].second] = false;
    selection.count = *options.sample;
  }
  if (selection.count == 0) return Error(ErrorCode::kUsage, "no case is left to run", "look at --filter, --limit, --sample and --failed-of");
  return selection;
}

Status check_columns(const Suite& suite, const CaseSelection& selection) {
  const std::vector<std::string> known(selection.columns.begin(), selection.columns.end());
  const auto check = [&](std::string_view column, const SourcePlace& place) -> Status {
    if (selection.columns.contains(std::string(column))) return {};
    return Error(ErrorCode::kConfig, fmt::format("no row of '{}' has a column '{}'", suite.dataset.shown_path, column), did_you_mean(column, known)).at(place);
  };
  const auto check_template = [&](const Template& made) -> Status {
    for (const TemplateReference& reference : made.references()) {
      if (reference.guarded || !reference.path.starts_with("case.")) continue;
      const std::string_view column = std::string_view(reference.path).substr(5);
      LLMOPS_CHECK(check(column.substr(0, column.find('.')), reference.place));
    }
    return {};
  };
  for (const auto& [name, made] : suite.inputs) LLMOPS_CHECK(check_template(made));
  for (const MetricSpec& metric : suite.metrics) for (const auto& [name, made] : metric.templated) LLMOPS_CHECK(check_template(made));
  for (const SuiteGate& gate : suite.gates) {
    if (gate.gate.slice) LLMOPS_CHECK(check(std::string_view(gate.gate.slice->field).substr(0, gate.gate.slice->field.find('.')), gate.place));
  }
  if (!suite.dataset.cluster_field.empty()) LLMOPS_CHECK(check(std::string_view(suite.dataset.cluster_field).substr(0, suite.dataset.cluster_field.find('.')), {suite.shown_path, 0, 0, 1, {}}));
  return {};
}

TaskSource::TaskSource(const Suite& suite, CaseSelection selection, int repeat, std::vector<std::pair<int64_t, int>> finished)
    : suite_(suite), selection_(std::move(selection)), repeat_(repeat), finished_(std::move(finished)) {
  std::sort(finished_.begin(), finished_.end());
}

Status TaskSource::open() {
  LLMOPS_ASSIGN(reader_, open_rows(suite_.dataset));
  return {};
}

Result<bool> TaskSource::next(CaseTask& task) {
  while (true) {
    if (pending_ == 0) {
      LLMOPS_ASSIGN(const bool more, next_row());
      if (!more) return false;
    }
    const int repeat = repeat_ - pending_--;
    const int64_t ordinal = row_.number - 1;
    if (std::binary_search(finished_.begin(), finished_.end(), std::pair{ordinal, repeat})) continue;
    task = {ordinal, repeat, case_id_of(suite_.dataset, row_), hash_, row_.value};
    return true;
  }
}

Result<bool> TaskSource::next_row() {
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader_->next(row_));
    if (!more) return false;
    const size_t index = static_cast<size_t>(row_.number - 1);
    if (index >= selection_.chosen.size()) return Error(ErrorCode::kData, fmt::format("dataset '{}' changed while it was read", suite_.dataset.shown_path), "run it again");
    if (!selection_.chosen[index]) continue;
    hash_ = hash_of_row(row_.value);
    pending_ = repeat_;
    return true;
  }
}

Result<Json> RowLookup::row_of(const CaseRecord& record) {
  if (!reader_) {
    if (auto reader = open_rows(dataset_)) reader_ = std::move(*reader);
    else return parse_json(record.row, "store");
  }
  while (row_.number - 1 < record.ordinal) {
    auto more = reader_->next(row_);
    // Another dataset than the run's: what is stored is all there is.
    if (!more || !*more) return parse_json(record.row, "store");
    hash_ = row_.number - 1 == record.ordinal ? hash_of_row(row_.value) : "";
  }
  if (row_.number - 1 == record.ordinal && hash_ == record.case_hash) return row_.value;
  return parse_json(record.row, "store");
}

}  // namespace llmops
