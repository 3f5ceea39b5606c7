// `llmops monitor report`: what drift, health and watching say of a window of production, gathered for one page, with the days before it and the distributions of both periods.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commands/monitor/drift.h"
#include "commands/monitor/health.h"
#include "commands/monitor/window.h"
#include "core/stats/intervals.h"

namespace llmops {

struct MonitorReportOptions {
  std::string output;                        // a path as the user typed it
  bool replace = false;                      // a file that is no report too
  std::string window, against, until;        // as of drift
  int64_t days = 30;                         // of the timeline, 1 to 400
  std::string component;                     // empty: whole requests
  std::optional<std::string> service;
  size_t permutations = 1999, most = 2000;
  std::optional<uint64_t> seed;
  size_t threads = 0;
};

// A day of UTC, or what of it lies before the end of the window.
struct ReportDay {
  int64_t start_ms = 0, requests = 0;
  int64_t outcomes = 0, errors = 0;          // outcomes: requests that tell how they ended
  std::optional<double> error_rate, latency_p50_ms, latency_p95_ms;
  std::optional<Interval> error_interval;    // 95 %, Wilson
};

// What one monitor saw in one period. A number that its look does not tell is absent. monitor: "latency", "latency (1h, reference)".
struct ReportLook { std::string monitor; int64_t period_ms = 0; bool is_alarm = false; std::optional<double> p_value, e_value, statistic; };

// A number of both periods over the same bins. Bins are of equal width and begin at `from`; the last holds all beyond it where is_open. Empty: neither period tells a value.
struct ReportDistribution {
  std::string name, unit;                    // unit: "words", "tokens", "ms"
  int64_t n_before = 0, n = 0;
  std::optional<double> median_before, median;
  std::vector<double> from;                  // one more than bins
  std::vector<int64_t> before, now;
  bool is_open = false;
};

struct MonitorReport {
  std::string path;                          // as the user would type it
  TimeWindow window, against;
  std::string component;
  std::optional<std::string> service;
  uint64_t seed = 0;
  int64_t made_ms = 0;                       // the end of the window
  MonitorDriftReport drift;
  MonitorHealthReport health;
  std::vector<ReportDay> days;               // without a gap, oldest first
  std::vector<ReportLook> looks;             // of these days and the component, by monitor and period
  int64_t unreadable_looks = 0;
  std::vector<ReportDistribution> distributions;
  std::string reason, hint;                  // of not enough data: no request lies in any of the days, and there is no page to make
  bool has_page() const { return reason.empty(); }
  int64_t alarms() const;
};

// Bins of a round width (1, 2 or 5 times a power of ten) over both samples, at most 24; values past the pooled 99th percentile lie in the last where they would stretch it. Precondition: finite, not negative.
ReportDistribution distribution_of(std::string name, std::string unit, const std::vector<double>& before, const std::vector<double>& now);

// A file may be replaced when it is an earlier report: its first 1,000 bytes say so. Errors: kUsage: it is another file, or a folder; kIo.
inline constexpr std::string_view kReportGenerator = "llmops monitor report";
Status check_report_output(const Session& session, const MonitorReportOptions& options);
// Writes the page (failpoint report.write). Errors: those of check_report_output; kNotFound: no such folder; kIo.
Status write_report(const Session& session, const MonitorReportOptions& options, std::string_view page);

// Errors: those of check_report_output, before anything is computed; those of monitor_drift and monitor_health; kUsage: days. Memory: the records of both periods.
Result<MonitorReport> monitor_report(Session& session, const MonitorReportOptions& options);

}  // namespace llmops
