// The rows of the table of metrics. A new kind: its row here, its line in metric_table.cpp, its oracle in the tests.
#pragma once

#include "core/eval/metric.h"

namespace llmops {

extern const MetricKind kEqualsKind, kOneOfKind;                        // equals.cpp
extern const MetricKind kContainsKind, kRegexKind;                      // contains.cpp
extern const MetricKind kNumberKind;                                    // number.cpp
extern const MetricKind kJsonValidKind, kJsonSchemaKind;                // json_checks.cpp
extern const MetricKind kExactMatchKind, kTokenF1Kind;                  // squad.cpp
extern const MetricKind kLatencyKind, kCostKind, kTokensKind;           // measured.cpp

}  // namespace llmops
