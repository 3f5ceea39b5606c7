// `llmops monitor drift`: a window of production against an earlier one. `llmops monitor skew`: a window of production against the cases that its version was evaluated with.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/monitor/comparison.h"
#include "commands/monitor/window.h"

namespace llmops {

struct MonitorDriftOptions {
  std::string window, against;               // lengths of time; empty: of llmops.yaml
  std::string until;                         // when the window ends; empty: now
  bool same_weekday = false;                 // of the time before, the same hours of the week alone
  std::string component;                     // empty: whole requests
  std::optional<std::string> service;
  std::optional<std::vector<std::string>> strata;          // absent: of llmops.yaml
  bool per_component = false;                // every component too
  std::string method = "primary";
  size_t permutations = 1999, most = 2000;
  std::optional<double> alpha;
  std::optional<uint64_t> seed;
  size_t threads = 0;
  std::string embedder;                      // empty: of llmops.yaml
  std::string profiles;                      // drift: a file of `monitor profile` instead of the store: no texts are needed
  size_t map_points = 0;                     // as in ComparisonOptions
  // skew
  std::string suite;                         // empty: the newest finished run of the version that serves, else the project's suite
  std::string reference_file, current_file, field;         // files of rows instead of the suite, and of production
};

struct ComponentDrift { std::string component; Comparison comparison; std::optional<double> adjusted; };

struct MonitorDriftReport {
  std::string kind;                          // "drift", "skew"
  std::string current_name, reference_name;  // "2026-11-21", "qa.eval.yaml, run 12"
  std::optional<TimeWindow> window, against;
  std::string component;
  Comparison whole;
  std::vector<ComponentDrift> components;    // p over all of them: Holm
  std::string hint;                          // what to do when there is not enough
};

// Errors: kNotFound: no store, no suite; kUsage: lengths, strata, methods; kConfig of llmops.yaml; those of compare_requests. An empty side is not enough data, with a hint where the newest request is.
Result<MonitorDriftReport> monitor_drift(Session& session, const MonitorDriftOptions& options);
Result<MonitorDriftReport> monitor_skew(Session& session, const MonitorDriftOptions& options);

}  // namespace llmops
