#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cmath>

#include "cli/arguments.h"
#include "cli/render/monitor_drift_json.h"
#include "cli/sparkline.h"
#include "cli/table.h"
#include "commands/monitor/drift.h"
#include "core/text/unicode.h"

namespace llmops {

namespace {

constexpr size_t kShownCame = 10, kShownWent = 5, kShownTerms = 10, kShownTopics = 5, kShownDays = 30;

int exit_code_of(DriftVerdict verdict) { return verdict == DriftVerdict::kDrift ? 1 : verdict == DriftVerdict::kNoDrift ? 0 : 3; }
std::string figure_of(double value) { return value == 0 ? "0" : fmt::format("{:.4g}", value); }
std::string percent(double share) { return share < 0.0995 ? fmt::format("{:.1f} %", share * 100) : fmt::format("{:.0f} %", share * 100); }
std::string one_line(const std::string& text) { return escape_control(collapse_space(text)); }

std::string counted_requests(int64_t used, int64_t found) {
  const std::string all = format_count(found);
  return used == found ? fmt::format("{} {}", all, found == 1 ? "request" : "requests") : fmt::format("{} of {} requests", format_count(used), all);
}

std::string heading(const MonitorDriftReport& report) {
  const Comparison& made = report.whole;
  std::string text = report.kind == "drift" ? "window   " : "requests ";
  text += fmt::format("{} ({})\nagainst  {} ({})\n", escape_control(report.current_name), counted_requests(made.current_used, made.current_found), escape_control(report.reference_name), counted_requests(made.reference_used, made.reference_found));
  if (!report.component.empty()) text += fmt::format("component {}\n", escape_control(report.component));
  std::string within;
  for (const std::string& field : made.options.pool.strata) within += (within.empty() ? "" : ", ") + field;
  if (!within.empty()) text += fmt::format("strata   {}\n", within);
  if (made.conversations > 0) text += fmt::format("{} conversations change sides whole\n", format_count(made.conversations));
  if (made.is_drawn) text += fmt::format("more than {} on a side: so many drawn (--most)\n", format_count(static_cast<int64_t>(made.options.pool.most)));
  if (made.reference_without_text + made.current_without_text > 0) text += fmt::format("{} without a known text left out\n", format_count(made.reference_without_text + made.current_without_text));
  if (made.continued > 0) text += fmt::format("{} of conversations that began before the window left out\n", format_count(made.continued));
  int64_t unmatched = 0;
  for (const UnmatchedStratum& one : made.unmatched) unmatched += one.reference + one.current;
  if (made.unmatched.size() > 2) text += fmt::format("{} of {} strata left out that one side alone holds\n", format_count(unmatched), made.unmatched.size());
  else for (const UnmatchedStratum& one : made.unmatched) text += fmt::format("stratum {}: {} left out, none on the other side\n", escape_control(one.name), format_count(one.reference + one.current));
  return text;
}

std::string table_of(const Comparison& made, const Terminal& terminal) {
  const auto others = std::count_if(made.tests.begin(), made.tests.end(), [](const ComparedTest& one) { return !one.is_primary && one.p_value; });
  const bool is_of_profiles = made.options.method == "profiles";
  std::string text = fmt::format("alpha {}: {}", figure_of(made.options.alpha), is_of_profiles ? "hours change places within their hour of the day; p over all tests" : "the first three jointly by max-T");
  if (others > 0) text += fmt::format("; the rest described, p over {}", others);
  text += "\n";
  Table table({{"detector", false, 0, false}, {"statistic", true, 3, false}, {"p", true, 0, false}, {"", false, 0, false}, {"effect", false, 1, true}, {"smallest seen", false, 2, false}});
  for (const ComparedTest& one : made.tests) {
    const bool is_found = one.adjusted && *one.adjusted <= made.options.alpha;
    table.add({fmt::format("{} ({})", one.name, one.detector), one.statistic ? figure_of(*one.statistic) : "", one.adjusted ? format_p(*one.adjusted) : "", is_found ? "*" : "", escape_control(one.reason.empty() ? one.effect : one.reason), one.smallest_share ? percent(*one.smallest_share) : ""},
              {Tone::kPlain, Tone::kPlain, is_found ? Tone::kBad : Tone::kPlain});
  }
  return text + table.render(terminal);
}

std::string topics_of(const Comparison& made, const Terminal& terminal) {
  std::string text;
  size_t shown = 0;
  for (const ComparedTopic& topic : made.topics) {
    if (topic.p_value > made.options.alpha || shown++ == kShownTopics) continue;
    std::string words;
    for (const std::string& word : topic.words) words += (words.empty() ? "" : " ") + word;
    text += truncate_to_width(fmt::format("  {} {} -> {}   {}", topic.z >= 0 ? "+" : "-", percent(topic.reference_share), percent(topic.current_share), one_line(words.empty() ? topic.exemplar : words)), terminal.width(), terminal.unicode()) + "\n";
  }
  return text.empty() ? text : "topics that moved\n" + text;
}

std::string requests_of(const std::vector<CarryingRequest>& requests, const char* title, size_t most, const Terminal& terminal) {
  std::string text;
  for (size_t i = 0; i < std::min(most, requests.size()); ++i) {
    const std::string copies = requests[i].copies > 1 ? fmt::format(" ({} times)", format_count(requests[i].copies)) : "";
    text += truncate_to_width(fmt::format("  {:>6}   {}{}", percent(requests[i].share), one_line(requests[i].text), copies), terminal.width(), terminal.unicode()) + "\n";
  }
  return text.empty() ? text : std::string(title) + "\n" + text;
}

std::string intents_of(const Comparison& made, const Terminal& terminal) {
  std::string text;
  for (const FoundIntent& one : made.intents) {
    const std::string more = one.count > 1 ? fmt::format(" (and {} like it)", format_count(one.count - 1)) : "";
    text += truncate_to_width(fmt::format("  \"{}\"{}", one_line(one.exemplar), more), terminal.width(), terminal.unicode()) + "\n";
  }
  return text.empty() ? text : fmt::format("new: {} at a false discovery rate of 10 %\n", counted_requests(made.new_requests, made.new_requests)) + text;
}

std::string days_of(const Comparison& made, const Terminal& terminal) {
  if (made.beyond_edge_by_day.size() < 3) return "";
  std::vector<std::optional<double>> values;
  const int64_t day = 24 * 3'600'000LL, first = std::max(made.beyond_edge_by_day.begin()->first, made.beyond_edge_by_day.rbegin()->first - static_cast<int64_t>(kShownDays - 1) * day);
  for (int64_t at = first; at <= made.beyond_edge_by_day.rbegin()->first; at += day) {
    const auto found = made.beyond_edge_by_day.find(at);
    values.push_back(found == made.beyond_edge_by_day.end() ? std::nullopt : std::optional(static_cast<double>(found->second.first) / static_cast<double>(found->second.second)));
  }
  return fmt::format("{}   novelty, the last {} days\n", sparkline(values, terminal), values.size());
}

std::string components_of(const MonitorDriftReport& report, const Terminal& terminal) {
  if (report.components.empty()) return "";
  Table table({{"component", false, 0, true}, {"requests", true, 1, false}, {"p", true, 0, false}, {"", false, 0, false}});
  for (const ComponentDrift& one : report.components) {
    const bool is_found = one.adjusted && *one.adjusted <= report.whole.options.alpha;
    table.add({escape_control(one.component), format_count(one.comparison.current_used), one.adjusted ? format_p(*one.adjusted) : "", one.comparison.verdict == DriftVerdict::kNotEnoughData ? "not enough data" : is_found ? "drift" : ""}, {Tone::kPlain, Tone::kPlain, Tone::kPlain, is_found ? Tone::kBad : Tone::kPlain});
  }
  return table.render(terminal);
}

std::string drift_text(const MonitorDriftReport& report, const Terminal& terminal) {
  const Comparison& made = report.whole;
  std::string text = heading(report);
  if (!made.tests.empty()) text += table_of(made, terminal);
  text += topics_of(made, terminal);
  text += requests_of(made.appeared, "carried most by, of what came", kShownCame, terminal);
  text += requests_of(made.vanished, "and of what went", kShownWent, terminal);
  if (!made.terms.empty()) {
    std::string terms;
    for (size_t i = 0; i < std::min(kShownTerms, made.terms.size()); ++i) terms += (i > 0 ? ", " : "") + escape_control(made.terms[i].term);
    text += truncate_to_width("terms    " + terms, terminal.width(), terminal.unicode()) + "\n";
  }
  text += intents_of(made, terminal) + days_of(made, terminal) + components_of(report, terminal);
  const bool is_drift = made.verdict == DriftVerdict::kDrift;
  const Tone tone = is_drift ? Tone::kBad : made.verdict == DriftVerdict::kNoDrift ? Tone::kGood : Tone::kUndecided;
  text += fmt::format("verdict: {} (exit {})\n", terminal.paint(std::string(drift_verdict_name(made.verdict)), tone), exit_code_of(made.verdict));
  if (!made.reason.empty()) text += made.reason + "\n";
  if (!report.hint.empty()) text += "hint: " + report.hint + "\n";
  if (is_drift && report.window) text += "cases to label: llmops monitor suggest -o new_cases.jsonl   report: llmops monitor report -o drift.html\n";
  return text;
}

void add_test_options(CLI::App& app, MonitorDriftOptions& options) {
  app.add_option("--window", options.window, "how long the tested window is (default 24h, or of llmops.yaml)")->type_name("TIME");
  app.add_option("--until", options.until, "when it ends: 2026-11-21 or 2026-11-21T14:00:00Z (default: now)")->type_name("TIME");
  app.add_option("--component", options.component, "requests of one component instead of the application's")->type_name("NAME");
  app.add_option("--service", options.service, "of one service alone")->type_name("NAME");
  app.add_option("--method", options.method, "primary, or one detector of texts (llmops monitor test --help lists them)")->type_name("NAME");
  app.add_option("--embedder", options.embedder, "tfidf, a folder of static embeddings, or MODEL@URL (default: of llmops.yaml)")->type_name("NAME");
  app.add_option("--permutations", options.permutations, "random splits (default 1999)")->check(CLI::Range(1, 1'000'000))->type_name("N");
  app.add_option("--most", options.most, "requests of a side that are tested; of more, so many are drawn (default 2000)")->check(CLI::Range(20, 20'000))->type_name("N");
  app.add_option("--alpha", options.alpha, "false alarms that are accepted (default 0.01, or of llmops.yaml)")->check(CLI::Range(1e-9, 0.5))->type_name("P");
  app.add_option("-j,--jobs", options.threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
}

Action comparing_action(std::shared_ptr<MonitorDriftOptions> options, Result<MonitorDriftReport> (*compare)(Session&, const MonitorDriftOptions&)) {
  return [options, compare](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    LLMOPS_ASSIGN(const MonitorDriftReport report, compare(*session, *options));
    const int code = exit_code_of(report.whole.verdict);
    if (invocation.globals.json) return json_outcome(monitor_drift_to_json(report), code);
    return Outcome{drift_text(report, invocation.terminal), code, false};
  };
}

}  // namespace

Action declare_monitor_drift(CLI::App& app) {
  auto options = std::make_shared<MonitorDriftOptions>();
  add_test_options(app, *options);
  app.add_option("--against", options->against, "how long the time before it is (default 7d, or of llmops.yaml)")->type_name("TIME");
  app.add_option("--profiles", options->profiles, "a file of monitor profile instead of stored requests: no texts, every number that monitor watch knows")->type_name("FILE")->excludes("--method");
  app.add_flag("--same-weekday", options->same_weekday, "of the time before, the same hours of the week alone");
  app.add_option("--strata", options->strata, "fields within which alone requests change sides: route, language, prompt, model, service, version")->delimiter(',')->type_name("FIELDS");
  app.add_flag("--components", options->per_component, "every component too");
  return comparing_action(options, monitor_drift);
}

Action declare_monitor_skew(CLI::App& app) {
  auto options = std::make_shared<MonitorDriftOptions>();
  add_test_options(app, *options);
  app.add_option("--since", options->window, "as --window")->type_name("TIME")->excludes("--window");
  app.add_option("--suite", options->suite, "the suite whose cases are held against (default: those that the serving version was evaluated with)")->type_name("FILE");
  app.add_option("--ref", options->reference_file, "a file of rows instead of a suite")->type_name("FILE")->excludes("--suite");
  app.add_option("--cur", options->current_file, "a file of rows instead of stored requests")->type_name("FILE");
  app.add_option("--field", options->field, "the column of those files (default: input, text, prompt, question)")->type_name("COLUMN");
  return comparing_action(options, monitor_skew);
}

}  // namespace llmops
