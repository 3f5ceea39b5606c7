#include "cli/render/monitor_suggest_json.h"

#include "cli/render/json_values.h"

namespace llmops {
Json monitor_suggest_to_json(const MonitorSuggestReport& report) {
  Json left_out = Json::object();
  for (const auto& [reason, count] : report.left_out) left_out[reason] = count;
  return {{"schema", "llmops.monitor-suggest/v1"}, {"kind", suggestion_kind_name(report.kind)}, {"data_kind", suggestion_data_kind(report.kind)}, {"file", text_or_null(report.file)}, {"dry_run", report.dry_run}, {"window", window_to_json(report.window)}, {"component", text_or_null(report.component)},
      {"found", report.found}, {"left_out", std::move(left_out)}, {"evaluation", text_or_null(report.evaluation)}, {"cases", report.cases}, {"candidates", report.candidates}, {"score", text_or_null(report.score)}, {"lowest", or_null(report.lowest)}, {"highest", or_null(report.highest)}, {"least", or_null(report.least)},
      {"rows", report.rows}, {"reason", text_or_null(report.reason)}};
}

}  // namespace llmops
