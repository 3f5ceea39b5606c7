// ONE table of commands. To add a command: a row here, an options struct and a use case in commands/, a declare function in
// cli/, a schema of its report in schemas/, a transcript in tests/cli/. The tests hold each of these.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/terminal.h"
#include "commands/session.h"

namespace CLI {
class App;
}

namespace llmops {

struct GlobalOptions {
  bool json = false, quiet = false, no_progress = false, yes = false, dry_run = false;
  int verbose = 0;
  std::string directory, color, exit_style;
  std::optional<uint64_t> seed;
  std::optional<int64_t> lock_timeout_s;
};

struct Invocation {
  Invocation(Terminal& shown, Surroundings given) : terminal(shown), surroundings(std::move(given)) {}
  Terminal& terminal;
  GlobalOptions globals;
  Surroundings surroundings;
  // Opened on first use, so that help and completion work in a broken project.
  Result<Session*> session();
  const Session* opened() const { return session_ ? &*session_ : nullptr; }

 private:
  std::optional<Session> session_;
};

// What a command ends with: the text for stdout and the exit code.
struct Outcome { std::string text; int exit_code = 0; bool may_page = false; };
using Action = std::function<Result<Outcome>(Invocation&)>;

struct Command {
  const char* path;        // "eval run"
  const char* summary;     // one line, lower case
  const char* examples;    // lines, shown first in --help
  bool writes;             // takes --dry-run
  Action (*declare)(CLI::App& app);
  const char* schema;      // of its --json document: "eval-run"; null: it has no report
};
std::span<const Command> commands();

// Parses, runs, prints; returns the exit code.
int run_app(const std::vector<std::string>& arguments, Terminal& terminal, Surroundings surroundings);

// The text of `--help` for a command.
std::string command_help(const Command& command);
// docs/cli.md: every command's help, in the order of the table.
std::string reference_page();

// Declare functions, one per command.
Action declare_init(CLI::App& app);
Action declare_config_list(CLI::App& app);
Action declare_config_get(CLI::App& app);
Action declare_config_set(CLI::App& app);
Action declare_trust(CLI::App& app);
Action declare_help(CLI::App& app);
Action declare_completion(CLI::App& app);
Action declare_eval_run(CLI::App& app);
Action declare_eval_list(CLI::App& app);
Action declare_eval_show(CLI::App& app);
Action declare_eval_metrics(CLI::App& app);
Action declare_eval_cache_stats(CLI::App& app);
Action declare_eval_cache_explain(CLI::App& app);
Action declare_eval_cache_clear(CLI::App& app);
Action declare_eval_data_check(CLI::App& app);
Action declare_eval_data_stats(CLI::App& app);
Action declare_eval_data_dedupe(CLI::App& app);
Action declare_eval_data_split(CLI::App& app);
Action declare_eval_data_overlap(CLI::App& app);
Action declare_compress_inspect(CLI::App& app);
Action declare_compress_compare(CLI::App& app);
Action declare_compress_convert(CLI::App& app);
Action declare_compress_merge(CLI::App& app);
Action declare_compress_plan(CLI::App& app);
Action declare_compress_prune(CLI::App& app);
Action declare_compress_quantize(CLI::App& app);
Action declare_monitor_ingest(CLI::App& app);
Action declare_monitor_profile(CLI::App& app);
Action declare_monitor_merge(CLI::App& app);
Action declare_monitor_test(CLI::App& app);
Action declare_monitor_watch(CLI::App& app);
Action declare_monitor_health(CLI::App& app);
Action declare_monitor_skew(CLI::App& app);
Action declare_monitor_drift(CLI::App& app);
Action declare_monitor_report(CLI::App& app);
Action declare_monitor_topics(CLI::App& app);
Action declare_monitor_explain(CLI::App& app);
Action declare_monitor_suggest(CLI::App& app);
Action declare_monitor_status(CLI::App& app);
Action declare_monitor_trace(CLI::App& app);
Action declare_monitor_purge(CLI::App& app);
Action declare_version_status(CLI::App& app);
Action declare_version_commit(CLI::App& app);
Action declare_version_log(CLI::App& app);
Action declare_version_show(CLI::App& app);
Action declare_version_label(CLI::App& app);
Action declare_version_labels(CLI::App& app);
Action declare_version_lock(CLI::App& app);

}  // namespace llmops
