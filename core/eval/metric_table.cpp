// The table of metrics: one line each. The rows stand beside their implementations in metrics/.
#include <array>

#include "core/eval/metrics/kinds.h"

namespace llmops {

std::span<const MetricKind> metric_kinds() {
  static const std::array kTable{kEqualsKind,   kContainsKind,   kRegexKind,      kNumberKind,  kOneOfKind,  kJsonValidKind,
                                 kJsonSchemaKind, kExactMatchKind, kTokenF1Kind, kLatencyKind, kCostKind, kTokensKind};
  return kTable;
}

const MetricKind* find_metric_kind(std::string_view type) {
  for (const MetricKind& kind : metric_kinds()) {
    if (type == kind.type) return &kind;
  }
  return nullptr;
}

std::vector<std::string> metric_type_names() {
  std::vector<std::string> names;
  for (const MetricKind& kind : metric_kinds()) names.emplace_back(kind.type);
  return names;
}

}  // namespace llmops
