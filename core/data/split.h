// `eval data split`: parts of a file that stay what they are when the file grows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/row_index.h"

namespace llmops {

struct SplitPart { std::string name; double share = 0; };
// "train=.8,test=.2". Errors (kUsage): no '=', a share outside (0, 1), shares that do not sum to 1, a name that repeats or is no
// plain file name.
Result<std::vector<SplitPart>> parse_split_parts(std::string_view text);

struct SplitOptions {
  std::vector<SplitPart> parts;
  std::string id_column = "id";
  std::string cluster_column;                   // rows of one value stay together
  std::optional<NearOptions> near_clusters;     // near rows stay together; not with cluster_column
  std::string stratum_column;
  bool exact_shares = false;                    // see assign_parts
  uint64_t seed = 0;
  std::vector<std::string> columns;             // what near rows are compared by
  size_t memory_bytes = size_t{1} << 30;
  fs::path temporary_directory;
  size_t threads = 2;
};

struct SplitReport {
  std::vector<SplitPart> parts;                 // as asked for
  std::vector<int64_t> rows;                    // got, by part
  std::map<std::string, std::vector<int64_t>> strata;  // by stratum (a row without one: ""), then part
  size_t clusters = 0, largest_cluster = 0;     // rows that stay together; without clusters each row is one
  int64_t rows_without_id = 0;                  // their content stands in for the id
  std::vector<uint16_t> part_of;                // by row from 0
  double recall_at_threshold = 1;               // of near pairs, when near_clusters
};
constexpr size_t kMostStrata = 10'000;

// A row's key is its cluster's value, else its id, else its content. hash(seed, key) as a number in [0, 1) falls between two
// sums of shares, and that decides: no other row matters, so a row never moves when rows are added, removed or reordered,
// and each stratum gets the shares in expectation, with a standard deviation of sqrt(p (1 - p) / n) for n rows (clusters
// count as one each). The report says what each stratum got. With `exact_shares` the clusters of each stratum are instead
// ordered by that hash and cut where the shares of its rows are reached: shares are right to one cluster, and when the
// file grows only rows whose hash lies next to a cut can move.
// A cluster of near rows has the key of its first row: rows added at the end do not move it, unless a new row is near to two
// clusters at once and so makes them one; then the later one follows the earlier.
// Errors: as index_rows; kUsage: both kinds of clusters, no parts; kData: more than kMostStrata strata.
Result<SplitReport> split_rows(const DataFile& file, const SplitOptions& options);

}  // namespace llmops
