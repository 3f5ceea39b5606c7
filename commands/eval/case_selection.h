// Which rows of a dataset become cases, and in which order they are drawn.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commands/eval/run.h"
#include "core/format/dataset_rows.h"

namespace llmops {

struct CaseSelection {
  std::vector<bool> chosen;        // by row of the dataset
  int64_t count = 0;
  std::set<std::string> columns;   // of any row
};

// Reads the whole dataset once before anything is spent: every broken row, and every id that stands twice, is met here.
// only_ids: of `--failed-of`. Errors: kData with the place; kUsage when nothing is left.
Result<CaseSelection> select_cases(const DatasetSpec& dataset, const EvalRunOptions& options, const std::optional<std::vector<std::string>>& only_ids);

// A column that no row has is a typing error, met before anything is spent.
Status check_columns(const Suite& suite, const CaseSelection& selection);

struct CaseTask {
  int64_t ordinal = 0;             // row of the dataset, from 0
  int repeat = 0;
  std::string id, hash;
  Json row;
};

// Draws the chosen rows in order, each `repeat` times, without those that are stored already: (ordinal, repeat) in `finished`.
class TaskSource {
 public:
  TaskSource(const Suite& suite, CaseSelection selection, int repeat, std::vector<std::pair<int64_t, int>> finished);
  Status open();
  Result<bool> next(CaseTask& task);

 private:
  Result<bool> next_row();
  const Suite& suite_;
  CaseSelection selection_;
  int repeat_;
  std::vector<std::pair<int64_t, int>> finished_;
  std::unique_ptr<DatasetReader> reader_;
  DatasetRow row_;
  std::string hash_;
  int pending_ = 0;
};

// The dataset's row of a stored case: what is stored may be less (see Capture). Ask in rising order of ordinals.
class RowLookup {
 public:
  explicit RowLookup(const DatasetSpec& dataset) : dataset_(dataset) {}
  // The row when the dataset still holds it with the record's hash, else what is stored.
  Result<Json> row_of(const CaseRecord& record);

 private:
  const DatasetSpec& dataset_;
  std::unique_ptr<DatasetReader> reader_;
  DatasetRow row_;
  std::string hash_;
};

}  // namespace llmops
