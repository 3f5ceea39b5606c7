// What a dataset holds: fields, types, lengths, duplicates, labels. Gathered by scan_dataset (scan.h) batch by batch; two
// parts merge into what one pass over both would have given.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/data/hash128.h"
#include "core/data/row.h"

namespace llmops {

class Tokenizer;

// Lengths, counted. Exact below 2048; above, values within 0.1 % of one another share a counter, and a quantile is the
// least value of its counter (never above the true one). Minimum, maximum and mean are exact. Memory: up to 1 MB for lengths
// that differ by many orders of magnitude, mostly a few KB.
class LengthDistribution {
 public:
  void add(uint64_t length);
  void merge(const LengthDistribution& other);
  int64_t count() const { return count_; }
  uint64_t minimum() const { return count_ == 0 ? 0 : minimum_; }
  uint64_t maximum() const { return maximum_; }
  double mean() const { return count_ == 0 ? 0 : static_cast<double>(total_) / static_cast<double>(count_); }
  uint64_t total() const { return total_; }
  // The least length that at least `share` of all do not exceed (the inverse of the empirical distribution); 0 < share <= 1.
  uint64_t quantile(double share) const;

 private:
  std::vector<int64_t> counters_;
  int64_t count_ = 0;
  uint64_t minimum_ = UINT64_MAX, maximum_ = 0, total_ = 0;
};

struct FieldStatistics {
  std::string name;
  int64_t present = 0;
  int64_t blank = 0;                                  // null, "", white space, [] or {}
  int64_t first_blank_line = 0, first_missing_line = 0;
  std::array<int64_t, kValueTypes> types{};           // rows by ValueType
  std::array<int64_t, kValueTypes> first_lines{};     // where each type is seen first; 0: never
  // Of text values that are not blank; words as split_words counts them; tokens of the tokenizer that was given, without special ones.
  LengthDistribution bytes, characters, words, tokens;
};

struct LabelBalance {
  std::string column;
  std::vector<std::pair<std::string, int64_t>> counts;  // most frequent first, ties by label
  int64_t rows = 0;                                   // with a label
  int64_t missing = 0;                                // without, or blank
  int64_t beyond_limit = 0;                           // rows of labels past kMostLabels; then the shares below are bounds
  double entropy_bits = 0;                            // Shannon, of the shares
  double evenness = 0;                                // entropy over log2(labels): 1 is balanced, 0 is one label
  double majority_share = 0;
};
constexpr size_t kMostLabels = 100'000;

struct DatasetStatistics {
  int64_t rows = 0;                                   // sound ones
  int64_t broken_rows = 0;
  uint64_t bytes = 0;                                 // of all records
  std::vector<FieldStatistics> fields;                // in the order in which the file shows them
  LengthDistribution row_bytes;                       // of sound rows, without line ends
  int64_t duplicate_rows = 0;                         // sound rows equal to an earlier one in all fields but the id
  int64_t duplicate_groups = 0;
  LabelBalance labels;
  const FieldStatistics* find(std::string_view name) const;
};

// Adds what another file of the same asset holds. Lines, labels and repeats between files are not those of one file and are left out.
void add_statistics(DatasetStatistics& whole, const DatasetStatistics& file);

// The part of one batch of rows.
class StatisticsPart {
 public:
  // `tokenizer` may be null, and outlives the part.
  StatisticsPart(std::string_view label_column, bool with_lengths, const Tokenizer* tokenizer = nullptr) : label_column_(label_column), with_lengths_(with_lengths), tokenizer_(tokenizer) {}
  void add_row(const Row& row, int64_t line, size_t row_bytes);
  // `next` follows this part in the file.
  void merge(StatisticsPart&& next);
  // Duplicates are the caller's to fill in.
  DatasetStatistics finish();
  int64_t broken_rows = 0;
  uint64_t bytes = 0;

 private:
  FieldStatistics& field_of(std::string_view name, size_t position);
  void add_label(const std::string& label, int64_t count);
  std::string_view label_column_;
  bool with_lengths_ = true;
  const Tokenizer* tokenizer_ = nullptr;
  int64_t first_line_ = 0;
  DatasetStatistics so_far_;
  std::map<std::string, int64_t, std::less<>> labels_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<int64_t> seen_in_row_;                  // row number of the field's last sight, to find the missing ones
  std::string scratch_;
};

}  // namespace llmops
