// The report of a run as one JSON document, and back: what `--json`, `-o F.json`, the stored summary and `--baseline FILE` share.
#pragma once

#include "commands/eval/run.h"

namespace llmops {

// `with_cases`: the columns of every case (ids, hashes, values) that a later --baseline pairs with.
Json eval_run_to_json(const EvalRunReport& report, bool with_cases);
// The series in a document made with cases. Errors (kData): another schema, or no cases.
Result<RunSeries> series_from_json(const Json& document, const std::string& file);

// One row of the table of numbers; with `p_adjusted` where there is one.
Json metric_row_to_json(const MetricRow& row);
Json gate_to_json(const GateResult& gate);
Json errors_to_json(const std::vector<ErrorGroup>& errors);
Json interval_to_json(const std::optional<Interval>& interval);
Json optional_to_json(const std::optional<double>& value);

}  // namespace llmops
