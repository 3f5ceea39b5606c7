// A suite: chain + dataset + metrics + gates, read from `*.eval.yaml`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/chain/chain.h"
#include "core/eval/gates.h"
#include "core/eval/dataset_spec.h"
#include "core/eval/metric.h"

namespace llmops {

struct PassCondition { GateOperator op = GateOperator::kAtLeast; double number = 0; };

struct MetricSpec {
  std::string name;
  const MetricKind* kind = nullptr;
  std::shared_ptr<const Metric> metric;
  std::string target;                       // "output", "steps.ID.output", "steps.ID"
  std::string step;                         // the ID; empty: the output
  std::string component;                    // shown: "find", "app/retrieve", "end to end"
  std::optional<Template> target_value;     // reads the value; absent for kinds that read what was measured
  Json literals = Json::object();           // parameters without templates
  std::vector<std::pair<std::string, Template>> templated;
  std::optional<PassCondition> pass;        // 0/1 metrics without one pass at 1
  std::string signature;
  SourcePlace place;
};


struct SuiteGate { Gate gate; SourcePlace place; };

struct Suite {
  std::string name, shown_path;
  fs::path file, directory, root;
  std::string chain_path;
  DatasetSpec dataset;
  std::vector<std::pair<std::string, Template>> inputs;
  int repeat = 1;
  std::vector<MetricSpec> metrics;
  std::vector<SuiteGate> gates;
  std::vector<ManifestFile> files;
  std::string id;                           // suite_id, 64 hex
};

struct SuiteSource {
  fs::path file, root;
  std::string shown_path;
  std::vector<Override> overrides = {};     // of inputs.NAME alone: what an input is in every case
  ProductionTraces production = {};         // for datasets that read the store
};

// What says which chain a suite is over, before anything else of it is looked at.
struct SuiteHead {
  std::string chain;                        // path from the suite; empty: the dataset is of traces and no chain is named
  std::string label;                        // of a dataset of traces: the version that made them; empty: none is named
  bool is_of_traces = false;
};
Result<SuiteHead> read_suite_head(const SuiteSource& source);
// The chain of a suite of traces that names none: its steps are the components that the traces show, in the order in which they are
// met, and its version is the suite's name and nothing else. Errors: of the dataset.
Result<Chain> observed_chain(const SuiteSource& source);
// Errors (kConfig, with the place): as formats.md says; kUsage: an override of an input that the chain has not; a target, a gate or an input that the chain does not have.
Result<Suite> load_suite(const SuiteSource& source, const Chain& chain);

// The inputs of one case. Errors (kData): an undefined column, with the row.
Result<Json> case_inputs(const Suite& suite, const Json& row);

}  // namespace llmops
