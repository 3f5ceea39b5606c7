// `llmops eval data check` and `stats`: files as named, the assets of the project's chains, the datasets of its suites.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"
#include "core/data/model_check.h"
#include "core/data/overlap.h"
#include "core/data/scan.h"

namespace llmops {

struct DataScanOptions {
  std::vector<std::string> names;          // files, or assets by name; empty: every asset of the chains and every dataset of the suites
  std::string chain;                       // whose assets and suites; empty: of all chains
  std::string kind;                        // see parse_data_kind and parse_model_kind; empty: an asset's own, else "dataset"
  std::string id_column, label_column;     // empty: a suite's own, else "id"; "label" where rows have one
  std::vector<std::string> required;
  std::string tokenizer;                   // whose tokens are counted: its file, or the folder of a model; empty: none
  bool with_labels = false;
  bool with_leaks = false;
};

struct ScannedFile {
  std::string file, kind;                  // as shown; "dataset", "few-shot", ...
  std::string asset, owner;                // the asset and its chain; of a dataset: none, and its suite; of a file as named: neither
  std::string asset_path;                  // as the chain writes it; empty: one file
  bool holds_rows = true;                  // false: weights, or a format that is not read
  std::optional<WeightStatistics> weights;
  ScanReport report;
};

// Rows of an evaluation set that stand in data the chain shows to a model or was trained on.
struct DataLeak { std::string asset, kind, file, suite, dataset; OverlapReport found; };

struct DataScanReport {
  std::vector<ScannedFile> files;          // files of one asset one after another
  std::vector<DataLeak> leaks;             // those with a hit
  int64_t leak_searches = 0;               // pairs of files that were held against each other
  std::vector<std::string> not_searched;   // why a pair was not
  bool is_sound() const;                   // leaks are told, and fail nothing: `eval data overlap` does
};

// "model", "embedding-model", "adapter"; nullopt: another kind.
std::optional<ModelFilesKind> parse_model_kind(std::string_view name);

// External assets are fetched. Errors: parse_data_kind, load_chain, load_suite, scan_dataset, ExternalFiles::get; kNotFound: a name that is no
// file and no asset (with did you mean), a project without data.
Result<DataScanReport> data_scan(Session& session, const DataScanOptions& options);

}  // namespace llmops
