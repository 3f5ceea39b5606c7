// From finished cases, in any order, to the columns of a run. Memory: 16 bytes per case and column that has values, and
// some 150 bytes per case for its id and digest.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/eval/series.h"
#include "core/eval/suite.h"
#include "core/store/records.h"

namespace llmops {

class SeriesAccumulator {
 public:
  // `steps`: ids of the chain's steps, for the columns steps.ID.*. `slice_fields`: columns of the dataset that gates read.
  SeriesAccumulator(const std::vector<MetricSpec>& metrics, std::vector<std::string> steps, std::vector<std::string> slice_fields, std::string cluster_field);
  // Not thread-safe. Cases of one ordinal and several repeats are averaged. row: the dataset row of the record.
  void add(const CaseRecord& record, const Json& row);
  // In order of ordinals.
  RunSeries finish() const;

 private:
  struct Cell { double sum = 0; uint16_t present = 0, errors = 0; };
  // A column has cells only up to the last case that wrote one: most columns of most runs stay empty.
  struct Cells { std::string name; bool lower_is_better = false, may_be_rate = false; std::vector<Cell> cells; };
  size_t row_of(const CaseRecord& record, const Json& row);
  void put(size_t column, size_t at, std::optional<double> value, bool error);
  void put_step(size_t at, size_t step_index, const CaseRecord& record);
  std::vector<Cells> columns_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<std::pair<std::string, std::string>> metric_steps_;  // metric, step ("" for the output)
  std::vector<std::string> steps_, slice_fields_;
  std::string cluster_field_;
  // By row, in the order of arrival.
  std::vector<int64_t> ordinals_;
  std::vector<std::string> ids_, hashes_;
  std::vector<int64_t> clusters_;
  std::vector<std::vector<std::string>> slices_;                   // by slice field
  std::unordered_map<int64_t, size_t> rows_;                       // ordinal -> row
  std::unordered_map<std::string, int64_t> cluster_numbers_;
};

// A field of a row as text; dots descend. Empty when absent.
std::string field_text(const Json& row, std::string_view field);

}  // namespace llmops
