// From finished cases, in any order, to the columns of a run. Memory: some 9 bytes per case and column.
#pragma once

#include <map>
#include <string>
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
  struct Entry { std::string id, hash, cluster; std::vector<std::string> slices; std::vector<Cell> cells; };
  void put(Entry& entry, size_t column, std::optional<double> value, bool error);
  void put_step(Entry& entry, size_t step_index, const CaseRecord& record);
  std::vector<std::string> columns_;
  std::vector<bool> lower_is_better_, may_be_rate_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<std::pair<std::string, std::string>> metric_steps_;  // metric, step ("" for the output)
  std::vector<std::string> steps_, slice_fields_;
  std::string cluster_field_;
  std::map<int64_t, Entry> entries_;
};

// A field of a row as text; dots descend. Empty when absent.
std::string field_text(const Json& row, std::string_view field);

}  // namespace llmops
