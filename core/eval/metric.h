// Metrics of one case: a table of kinds, one row each, with help, citation, range and direction. A row enters only with
// its oracle in the tests.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace llmops {

enum class MetricDirection { kHigher, kLower };

struct MetricParameter {
  const char* name;
  const char* type;         // "text", "number", "number or text", "text or list", "list", "list of text", "bool", "file", "any"
  bool required;
  const char* default_text; // shown in help; "" for required ones
  const char* help;
};

// What one step, or the whole case, cost: read by latency, cost and tokens. Absent: unknown.
struct Measured {
  std::optional<double> latency_ms, ttft_ms, cost_usd;
  std::optional<double> input_tokens, output_tokens;
};

struct MetricInput {
  const Json* target = nullptr;    // the value under test; null pointer when `measured` is what the kind reads
  const Json* params = nullptr;    // an object: every parameter of the row, templates already rendered for this case
  const Measured* measured = nullptr;
};

// value absent and reason empty never happen together.
struct MetricScore {
  std::optional<double> value;
  std::string reason;              // for people: why it failed ("expected 18, got 26"), or why there is no score
  Json detail;                     // null or an object
};

// A configured metric. Immutable, thread-safe.
class Metric {
 public:
  virtual ~Metric() = default;
  // Errors (kData): the target or a parameter has a type that cannot be scored (a list where a number is wanted): the
  // case then has no score. A wrong answer is a low score, never an error.
  virtual Result<MetricScore> score(const MetricInput& input) const = 0;
};

struct MetricBuild {
  const Json* params = nullptr;    // literal parameters of the row (those that hold templates are still text)
  // Reads a file parameter that the suite resolved (json_schema's `schema`): gives its bytes.
  std::function<Result<std::string>(std::string_view parameter)> read_file;
};

struct MetricKind {
  const char* type;
  const char* summary;
  const char* citation;
  const char* range;               // "0 or 1", "0 .. 1", "USD, 0 or more"
  MetricDirection direction;
  bool is_rate;                    // only 0 and 1: Wilson's interval, exact tests; passes at 1
  bool reads_measured;             // latency, cost, tokens: target names a step or the output
  std::span<const MetricParameter> parameters;
  // The convention signature of a configured metric: "equals|normalize:case+space|v:1".
  std::string (*signature)(const Json& params);
  // Errors (kConfig): an invalid literal parameter (a regex that does not compile, an unreadable schema).
  Result<std::unique_ptr<Metric>> (*make)(const MetricBuild& build);
};

std::span<const MetricKind> metric_kinds();
const MetricKind* find_metric_kind(std::string_view type);
std::vector<std::string> metric_type_names();

}  // namespace llmops
