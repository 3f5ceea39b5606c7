// Gates: conditions on a run's numbers.
//   gate   := value op rhs [ "@" percent ]          op := ">=" | "<=" | ">" | "<" | "=="
//   value  := NAME slice? | FN "(" NAME slice? ")"  FN := mean | sum | min | max | p50 | p90 | p95 | p99
//   slice  := "[" field "=" value "]"
//   rhs    := number | "baseline" [ ("+" | "-") number | "*" number ]
// Without @ the estimate decides: pass or fail. With @ the interval does: pass, fail or undecided.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/result.h"
#include "core/eval/series.h"

namespace llmops {

enum class Verdict { kPass, kFail, kUndecided };
std::string_view verdict_name(Verdict verdict);  // "pass", "fail", "undecided"

enum class GateFunction { kNone, kMean, kSum, kMin, kMax, kP50, kP90, kP95, kP99 };
enum class GateOperator { kAtLeast, kAtMost, kAbove, kBelow, kEqual };
struct GateSlice { std::string field, value; };

struct Gate {
  std::string text;               // as written
  GateFunction function = GateFunction::kNone;
  std::string name;
  std::optional<GateSlice> slice;
  GateOperator op = GateOperator::kAtLeast;
  bool against_baseline = false;
  double number = 0;              // the right side, or what is added to / multiplied with the baseline
  enum class BaselineTerm { kNone, kPlus, kTimes } term = BaselineTerm::kNone;
  std::optional<double> level;    // 0.95 for "@ 95%"
};

// `place` is where the text stands in the user's file (column of its first character). Errors (kConfig) point into the text.
Result<Gate> parse_gate(std::string_view text, const SourcePlace& place);
// Errors (kConfig): a NAME that is neither a metric of the suite nor reserved nor a known step's, with did you mean.
Status check_gate_name(const Gate& gate, const std::vector<std::string>& metrics, const std::vector<std::string>& steps, const SourcePlace& place);

struct GateResult {
  std::string text;
  Verdict verdict = Verdict::kUndecided;
  std::optional<double> value;       // of the left side
  std::optional<double> threshold;   // of the right side
  std::optional<Interval> interval;  // of the left side, or of the difference to the baseline
  int64_t n = 0;
  std::string explanation;           // "interval 1710 .. 2020 crosses 2000; about 900 cases would decide"
};

// `baseline` may be null; a gate against it is then an error of the caller's checks (kUsage: hint --baseline).
// A gate on `sum` needs all cases: with absent or error values it is undecided. No value at all: undecided.
Result<GateResult> evaluate_gate(const Gate& gate, const RunSeries& run, const RunSeries* baseline);

}  // namespace llmops
