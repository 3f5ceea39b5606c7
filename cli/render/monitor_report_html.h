// The page of `llmops monitor report`, and the summary of its --json (schemas/monitor-report.json).
#pragma once

#include <string>

#include "commands/monitor/report.h"
#include "core/base/json.h"

namespace llmops {

// One file of HTML that reaches for nothing else: styles and plots are inside, there is no script. Light and dark by the reader's setting. All texts of users are escaped. The same bytes for the same report; below 1 MB.
// Precondition: report.has_page().
std::string monitor_report_to_html(const MonitorReport& report);

// `written`: whether there is a file. size_bytes: of the page; 0: none.
Json monitor_report_to_json(const MonitorReport& report, bool written, size_t size_bytes);

// "drift: novelty 8.1 % beyond the 95 % edge (p <0.001)", "healthy at 0.01", "no alarm in 30 days": what the page says first, as plain text.
struct ReportVerdicts { std::string drift, health, alarms; };
ReportVerdicts report_verdicts(const MonitorReport& report);

}  // namespace llmops
