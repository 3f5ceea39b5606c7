// `llmops eval show` and `eval list`: what is stored of runs, down to one step of one case.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"

namespace llmops {

struct EvalShowOptions {
  std::string run = "last", case_id, step;
  bool failed = false, errors = false;
};

struct CacheExplanation { std::string state, reason; };   // "reused", "run anew"; "prompt changed since run 12"

struct ShownCase {
  CaseRecord record;
  std::vector<CacheExplanation> why;       // one per span, for a single case; empty otherwise
};

struct EvalShowReport {
  RunRecord run;
  Json summary;                            // the run's report; null while it is unfinished
  std::vector<ShownCase> cases;            // with --case, --step, --failed, --errors
  int64_t stored_cases = 0;
};
Result<EvalShowReport> eval_show(Session& session, const EvalShowOptions& options);

struct EvalListReport { std::vector<RunRecord> runs; };
Result<EvalListReport> eval_list(Session& session, int limit);

// ---- the caches ----
struct CacheStatsReport { Store::CacheStats stats; };
Result<CacheStatsReport> eval_cache_stats(Session& session);
struct CacheExplainRow { std::string case_id, step, state, reason; int item = -1; };
struct CacheExplainReport { RunRecord run; std::vector<CacheExplainRow> rows; int64_t reused = 0, run_anew = 0; };
// For every step of a run (or of one case, or one step): whether it was reused, and if not which part of its key was new,
// against the newest earlier run that holds the same case and step.
Result<CacheExplainReport> eval_cache_explain(Session& session, const EvalShowOptions& options);
Result<int64_t> eval_cache_clear(Session& session);

}  // namespace llmops
