// The `dataset:` of a suite: a file of rows, or recorded traces as rows.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/yaml.h"
#include "core/chain/manifest.h"
#include "core/format/dataset_rows.h"
#include "core/telemetry/trace.h"

namespace llmops {

// The traces of a service (empty: of all) that the store holds. Errors: there is no store.
using ProductionTraces = std::function<Result<std::shared_ptr<const TraceSource>>(const std::string& service)>;

struct TraceDataset {
  std::string from;                         // "production" or a path
  std::string label;                        // the version of the chain that made them; traces that name another one are left out
  std::string service;                      // of production; empty: all
  ComponentPatterns steps;                  // names for components
  fs::path expected;                        // a dataset whose columns join by id; traces that it does not name are left out; empty: none
  std::string expected_shown;
  std::string vid;                          // of the label, set when it is known
  std::shared_ptr<const TraceSource> source;
};

struct DatasetSpec {
  std::string path, shown_path;
  fs::path source;
  DatasetFormat format = DatasetFormat::kAuto;
  std::string id_field = "id";
  bool id_field_written = false;            // then a row without it is an error
  std::string cluster_field;
  std::optional<TraceDataset> traces;       // then path and source are theirs, or empty for production
};

// Where a suite's files lie, for reading its dataset.
struct DatasetPlace { fs::path root, directory; std::string shown_suite; };

// Resolves and hashes a file that a suite names at `pointer`; it becomes part of the suite's identity.
Result<ManifestFile> add_suite_file(const YamlDocument& document, const DatasetPlace& place, const std::string& path, const std::string& pointer, FileRole role, std::vector<ManifestFile>& files);

// `files` receives what is part of the suite's identity. Errors (kConfig, with the place): as formats.md says.
Result<DatasetSpec> read_dataset(const YamlDocument& document, const DatasetPlace& place, const ProductionTraces& production, std::vector<ManifestFile>& files);

// The rows, from the first one. Errors: of the file; kData: a row of `expected` whose column the traces have themselves.
Result<std::unique_ptr<DatasetReader>> open_rows(const DatasetSpec& dataset);

}  // namespace llmops
