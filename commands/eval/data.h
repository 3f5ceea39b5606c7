// `llmops eval data`: dedupe, split and overlap of dataset files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"
#include "core/data/dedupe.h"
#include "core/data/overlap.h"
#include "core/data/split.h"

namespace llmops {

// Where what does not fit into memory goes: TMPDIR, else /tmp.
fs::path temporary_directory(const Session& session);

// Where a copy goes. Empty path: nowhere. An existing file is refused without `overwrite`.
struct DataOutput { std::string path; bool overwrite = false, dry_run = false; };

struct DataDedupeOptions {
  std::string file, method = "normalised", id_column = "id";
  std::vector<std::string> columns;
  std::optional<double> threshold;         // of near
  DataOutput out;
};
struct DataDedupeReport { std::string file, method, written; DedupeReport found; };
Result<DataDedupeReport> data_dedupe(const Session& session, const DataDedupeOptions& options);

struct DataSplitOptions {
  std::string file, parts, id_column = "id", cluster_column, stratum_column;
  bool near_clusters = false, exact_shares = false;
  DataOutput out;                          // a folder: PART.EXTENSION for each part
};
struct DataSplitReport { std::string file; SplitReport split; std::vector<std::string> written; };
Result<DataSplitReport> data_split(const Session& session, const DataSplitOptions& options);

struct DataOverlapOptions {
  std::string a, b, id_column = "id";
  std::vector<std::string> methods, columns;   // empty methods: all
  std::optional<double> threshold;
  DataOutput out;                          // A without the rows that B holds
};
struct DataOverlapReport { std::string a, b, written; OverlapReport found; };
Result<DataOverlapReport> data_overlap(const Session& session, const DataOverlapOptions& options);

}  // namespace llmops
