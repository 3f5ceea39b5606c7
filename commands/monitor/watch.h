// `llmops monitor watch`: for cron and CI. Looks once at each period that has ended since the last time, and raises an alarm no more often than promised.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands/monitor/window.h"
#include "commands/session.h"

namespace llmops {

struct MonitorWatchOptions {
  std::string every = "24h";                 // "24h" or "1h": the length of a period
  std::string until;                         // looks at what ended before; empty: now
  std::string component;                     // empty: whole requests
  std::vector<std::string> monitors;         // empty: of llmops.yaml, else all
  std::string profiles;                      // a file of `monitor profile` instead of the store's requests
  std::string reference;                     // a file of `monitor profile`: each period against it, not against all earlier ones
  std::optional<double> alarms_per_year;
  bool same_weekday = false;                 // a day against the same days of the week alone
  bool accept = false;                       // what is now is normal: the pool begins anew with the newest period
  bool restart = false;                      // forgets all looks of these monitors
  bool dry_run = false;                      // looks, and keeps nothing
};

struct WatchedMonitor {
  std::string name;
  int64_t looks = 0;                         // periods with enough data, all in all
  std::optional<double> p_value, e_value;    // of the newest period
  double evidence = 0;                       // of the detector after it
  std::vector<std::optional<double>> history;          // log10 of evidence over the threshold's, 0 to 1, by period, at most 90
  std::optional<double> value, usual;        // of the newest period, and of all before: a rate, a median
  std::string unit;                          // "share", "words", ...
  bool alarm = false;
};
struct WatchAlarm {
  std::string monitor, period;               // "2026-11-21"
  int64_t period_ms = 0;
  double evidence = 0, p_value = 1;
  std::string what;                          // "error rate 0.8 % -> 7.1 % (36 of 504 requests)"
  std::vector<std::string> terms;            // that came, for the embedding and the lengths
  bool is_new = false;                       // of this run
};
struct MonitorWatchReport {
  std::string every, component, reference;
  double alarms_per_year = 0, threshold = 0;
  int64_t periods = 0, looked_now = 0;       // with looks; new ones of this run
  int64_t late = 0;                          // requests that came after their period was looked at
  std::optional<TimeWindow> newest;          // the newest period that was looked at
  std::vector<WatchedMonitor> monitors;
  std::vector<WatchAlarm> alarms;            // newest first, at most 20
  bool not_enough = false;
  std::string reason, hint;
  bool dry_run = false;
};
// An alarm that an earlier run did not tell.
bool watch_has_new_alarm(const MonitorWatchReport& report);

// Periods are whole hours or days of UTC; one with fewer than 20 requests, or before there are two earlier ones, is looked at without evidence. A look is stored and never taken again. Errors: kUsage: a period that is neither, unknown
// monitors; kData: the reference is another one than at the last look (--restart), profiles of another spec; those of the store.
Result<MonitorWatchReport> monitor_watch(Session& session, const MonitorWatchOptions& options);

}  // namespace llmops
