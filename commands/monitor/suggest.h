// `llmops monitor suggest`: rows for evaluation sets and training sets out of what production recorded.
//
// cases        inputs that the evaluation set does not cover, one for each thing that is asked, to be labelled
// preferences  two answers to one input that were judged differently
// tuning       requests whose answers were judged well
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/monitor/request_window.h"
#include "commands/session.h"
#include "core/base/json.h"

namespace llmops {

enum class SuggestionKind { kCases, kPreferences, kTuning };
std::string_view suggestion_kind_name(SuggestionKind kind);           // "cases", "preferences", "tuning"
std::string_view suggestion_data_kind(SuggestionKind kind);           // as `eval data check --kind` names it: "dataset", "preferences", "task-dataset"
Result<SuggestionKind> parse_suggestion_kind(std::string_view name);  // Errors (kUsage): unknown, with did you mean

struct MonitorSuggestOptions {
  std::string out, kind = "cases";
  bool replace = false, dry_run = false;
  RequestChoice requests{"7d", "", "", {}};
  std::string suite;                         // empty: as in `monitor skew`
  size_t limit = 50;
  std::string score;                         // whose numbers judge; empty: the one that most requests have
  std::optional<double> min_score;           // of tuning; absent: above the middle of the scale seen
  std::string embedder;                      // empty: of llmops.yaml
  size_t most = 5000;                        // texts that are held against the cases; of more, so many are drawn
  std::optional<uint64_t> seed;
  size_t threads = 0;
};

// Of fewer cases distances to each other mean nothing.
inline constexpr int64_t kLeastCases = 5;

struct MonitorSuggestReport {
  SuggestionKind kind = SuggestionKind::kCases;
  std::string file;                          // as shown; empty: nothing was to be written
  bool dry_run = false;
  TimeWindow window;
  std::string component;
  int64_t found = 0;                         // requests of the window
  std::map<std::string, int64_t> left_out;   // requests by reason
  std::string evaluation;                    // whose cases; empty: there are none
  bool is_time_before = false;               // there is no evaluation set: production before the window stands for it
  int64_t cases = 0;
  int64_t candidates = 0;                    // cases: requests that they do not cover; preferences: inputs with two judged answers that differ; tuning: requests that are judged well
  std::string score;                         // empty: nothing is judged by a number
  std::optional<double> lowest, highest, least;            // of the score seen; what tuning asks for
  std::string input_column;                  // of cases
  std::vector<Json> rows;                    // as written
  std::string reason;                        // why there are none
};

// Cases: a request is not covered where its distance to the cases passes the 95 % edge of theirs to each other (novelty_p at most 0.05; with fewer than 19 cases: farther than each of them), and where it is no case but for a word or two. Equal and near-equal texts// (core/data/near.h) are one, the rest is grouped as new_intents does, and one of each group comes first: by the requests of the group, then by distance. "like": requests that it stands for. Columns are those of the
// suite's dataset, those to be labelled null. Without an evaluation set of kLeastCases cases: exemplars of the window's topics, and no "novelty_p".
// Preferences and tuning leave out what continues a conversation (its answer hangs on what came before), texts longer than what is stored, failed answers, and inputs that are cases of the evaluation set.
// The file is whole or not there (failpoint suggest.write), its texts scrubbed of secrets again. Errors: kUsage: lengths, names, a file that exists without `replace`; kNotFound: no store, no folder, no such suite; kIo;
// those of evaluation_inputs, but that there is no suite. Nothing to suggest is no error: no file is written. Deterministic for a seed.
Result<MonitorSuggestReport> monitor_suggest(Session& session, const MonitorSuggestOptions& options);

}  // namespace llmops
