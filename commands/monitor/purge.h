// `llmops monitor purge`: stored traces are forgotten, by what they say or by their age.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"

namespace llmops {

struct MonitorPurgeOptions {
  // With a '*', which stands for any text, it must fit the whole of a field or text. Else a text holds it, case aside, and an identifier is it.
  std::string pattern;                       // empty: any trace
  std::string field;                         // one of purge_fields(); empty: texts, user, session and id
  std::string before;                        // traces that began before 2026-01-01, or 2026-01-01T14:00:00Z
  std::string older_than;                    // or longer ago than "90d"
};
std::vector<std::string> purge_fields();     // "user", "session", "text", "id", "service"

struct PurgeExample { std::string id; std::optional<int64_t> start_ms; std::string text; };   // text: how its first input begins
struct MonitorPurgePlan {
  std::vector<int64_t> traces;               // by their number in the store
  Store::PurgeCounts counts;
  std::vector<PurgeExample> examples;        // at most 3, the earliest
  int64_t looked_at = 0;                     // traces that are stored
  std::optional<int64_t> before_ms;
};
// Texts are inputs, outputs, messages, calls of tools, error messages, attributes and what was judged. Traces without a time are not older than anything.
// Errors: kUsage: neither a pattern nor a time, both times, no such field, no time; kNotFound: no store; kInterrupted. Cost: every stored span, read once, where there is a pattern.
Result<MonitorPurgePlan> plan_monitor_purge(Session& session, const MonitorPurgeOptions& options);

struct MonitorPurgeReport {
  Store::PurgeCounts removed;
  bool is_erased = false;                    // the database was rewritten: no file of it holds a byte of this, or of what was removed before
  std::string reason;                        // why it was not; empty: it was, or nothing was to be erased
  std::vector<fs::path> backups;             // copies of the database that an upgrade made, which may hold it
};
// All of them or none, then the database is rewritten, where anything was removed since it was last. Profiles, files that commands wrote, and cases of evaluations stay. Errors: the store's, before anything is removed.
Result<MonitorPurgeReport> monitor_purge(Session& session, const MonitorPurgePlan& plan);

}  // namespace llmops
