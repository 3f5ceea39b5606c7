#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "cli/arguments.h"

namespace llmops {
namespace {

constexpr Command kCommands[] = {
    {"init", "make a project: llmops.yaml, the local store and, with a template, a chain with its suite", "  llmops init\n  llmops init my-app --template rag\n", true, declare_init, "init"},
    {"config list", "every setting, its value and where it comes from", "  llmops config list --origin\n", false, declare_config_list, "config-list"},
    {"config get", "one setting", "  llmops config get jobs\n", false, declare_config_get, "config-get"},
    {"config set", "write one setting of yours to the user's file", "  llmops config set jobs 32\n", true, declare_config_set, "config-set"},
    {"trust", "see what this project's files would run or reach with a key, and allow it", "  llmops trust\n  LLMOPS_TRUST=$(llmops trust --print) llmops eval run\n", true, declare_trust, "trust"},
    {"completion", "print the completion script of a shell", "  llmops completion bash > ~/.local/share/bash-completion/completions/llmops\n", false, declare_completion, nullptr},
    {"help", "help on a command or a topic", "  llmops help eval run\n  llmops help gates\n", false, declare_help, nullptr},
    {"eval run", "run a suite over its chain, score every component, judge by the gates", "  llmops eval run\n  llmops eval run support.eval.yaml --baseline @prod\n  llmops eval run --set models.main.model=gpt-4o -o report.json\n  llmops eval run --matrix models.main.model=a,b --matrix steps.answer.few_shot.k=0,3\n", true, declare_eval_run, "eval-run"},
    {"eval list", "the stored runs, newest first", "  llmops eval list\n", false, declare_eval_list, "eval-list"},
    {"eval show", "look into a run: its numbers, one case as a tree, one step across all cases", "  llmops eval show last --failed\n  llmops eval show 17 --case t-0231\n  llmops eval show 17 --step answer\n", false, declare_eval_show, "eval-show"},
    {"eval metrics", "the metrics, or one with its parameters and source", "  llmops eval metrics\n  llmops eval metrics token_f1\n", false, declare_eval_metrics, "eval-metrics"},
    {"eval cache stats", "what the caches hold", "  llmops eval cache stats\n", false, declare_eval_cache_stats, "eval-cache-stats"},
    {"eval cache explain", "why the steps of a run were reused or run anew", "  llmops eval cache explain last --case t-0231\n", false, declare_eval_cache_explain, "eval-cache-explain"},
    {"eval cache clear", "forget cached replies and steps; runs stay whole", "  llmops eval cache clear --yes\n", true, declare_eval_cache_clear, "eval-cache-clear"},
    {"eval data check", "what is wrong with datasets and assets, with the line of each problem; examples that leak cases", "  llmops eval data check\n  llmops eval data check data/eval.jsonl\n  llmops eval data check shots.jsonl --kind few-shot\n", false, declare_eval_data_check, "eval-data-check"},
    {"eval data stats", "what is in datasets and assets: fields, types, lengths, repeats, labels, weights", "  llmops eval data stats shots\n  llmops eval data stats data/eval.csv --label intent\n", false, declare_eval_data_stats, "eval-data-stats"},
    {"eval data dedupe", "rows that repeat an earlier one, and a copy without them", "  llmops eval data dedupe train.jsonl --method near -o clean.jsonl\n", true, declare_eval_data_dedupe, "eval-data-dedupe"},
    {"eval data split", "parts that stay what they are when the file grows", "  llmops eval data split all.jsonl --parts train=.8,test=.2 --stratify label -o parts\n", true, declare_eval_data_split, "eval-data-split"},
    {"eval data overlap", "rows of an evaluation set that stand in another set, and a copy of that set without them", "  llmops eval data overlap train.jsonl eval.jsonl\n  llmops eval data overlap train.jsonl eval.jsonl -o decontaminated.jsonl\n", true, declare_eval_data_overlap, "eval-data-overlap"},
    {"compress inspect", "what a model or adapter on disk holds: tensors, types, sizes, roles, tokenizer, licence", "  llmops compress inspect llama-3.1-8b-q4.gguf\n  llmops compress inspect models/llama-3.1-8b --data\n", false, declare_compress_inspect, "compress-inspect"},
    {"compress convert", "safetensors to GGUF and back, or another floating-point type; every value is read again", "  llmops compress convert models/llama-3.2-1b llama.gguf\n  llmops compress convert llama.gguf models/back\n  llmops compress convert models/llama-3.2-1b models/half --dtype F16", true, declare_compress_convert, "compress-write"},
    {"compress quantize", "weights in fewer bits: llama.cpp's types and mixes; every block is read again", "  llmops compress quantize llama.gguf llama-q4.gguf --type Q4_K_M\n  llmops compress quantize models/llama-3.2-1b small.gguf -t Q4_K_M --imatrix imatrix.gguf\n  llmops compress quantize llama.gguf out.gguf -t Q5_K_M --keep 'blk.0.*=Q8_0' --dry-run", true, declare_compress_quantize, "compress-write"},
    {"compress prune", "zeros by magnitude or calibration, or fewer layers, heads and channels", "  llmops compress prune models/llama-3.2-1b pruned --pattern 2:4\n  llmops compress prune models/llama-3.2-1b pruned --sparsity 0.5 --method wanda --stats imatrix.gguf\n  llmops compress prune models/llama-3.2-1b short.gguf --drop-layers 10,11", true, declare_compress_prune, "compress-prune"},
    {"compress plan", "a type for each tensor, so that the file fits a size with the least error", "  llmops compress plan llama.gguf --budget 700MB\n  llmops compress plan llama.gguf --budget Q4_K_M --why\n  llmops compress plan models/llama-3.2-1b --budget 0.8GiB --stats imatrix.gguf --apply small.gguf", true, declare_compress_plan, "compress-plan"},
    {"compress merge", "a LoRA adapter into the weights of its base model", "  llmops compress merge models/llama-3.2-1b adapters/support merged\n  llmops compress merge models/llama-3.2-1b adapters/support merged.gguf", true, declare_compress_merge, "compress-write"},
    {"compress compare", "two models tensor by tensor: differences, types, keys", "  llmops compress compare llama.gguf llama-q4.gguf\n  llmops compress compare models/llama-3.2-1b llama.gguf --json", false, declare_compress_compare, "compress-compare"},
    {"monitor ingest", "bring recorded traces and requests of production into the store", "  llmops monitor ingest spans.jsonl\n  llmops monitor ingest batch_input.jsonl batch_output.jsonl\n  llmops monitor ingest app.log.jsonl --map input=/req/text --map ts=/at\n  llmops monitor ingest app.jsonl --follow\n", true, declare_monitor_ingest, "monitor-ingest"},
    {"monitor status", "what is stored of production, and for how long", "  llmops monitor status\n", false, declare_monitor_status, "monitor-status"},
    {"monitor trace", "one stored request as the tree of its spans, or the newest requests", "  llmops monitor trace --list --since 24h --errors\n  llmops monitor trace 4bf92f35\n  llmops monitor trace 4bf92f35 --span 00f067aa0ba902b7\n", false, declare_monitor_trace, "monitor-trace"},
    {"monitor purge", "forget stored traces, by what they say or by their age", "  llmops monitor purge ada@example.com --dry-run\n  llmops monitor purge u-1842 --field user --yes\n  llmops monitor purge --older-than 90d\n", true, declare_monitor_purge, "monitor-purge"},
    {"monitor skew", "what production asks against what was evaluated", "  llmops monitor skew\n  llmops monitor skew --suite qa.eval.yaml --since 7d\n  llmops monitor skew --ref eval.jsonl --cur requests.jsonl --field input\n", false, declare_monitor_skew, "monitor-skew"},
    {"monitor drift", "a window of production against the time before", "  llmops monitor drift\n  llmops monitor drift --window 24h --against 4w --same-weekday\n  llmops monitor drift --until 2026-11-21 --strata route,language --components\n", false, declare_monitor_drift, "monitor-drift"},
    {"monitor health", "errors, refusals, latency, cost, tools and feedback of a window against the time before", "  llmops monitor health\n  llmops monitor health --since 24h --against 7d --by version\n  llmops monitor health --component answer --until 2026-11-21\n", false, declare_monitor_health, "monitor-health"},
    {"monitor topics", "what production asks about, and how much of each", "  llmops monitor topics\n  llmops monitor topics --since 7d --by language\n  llmops monitor topics --topics 12 --json\n", false, declare_monitor_topics, "monitor-topics"},
    {"monitor explain", "what sets one request apart from those before it", "  llmops monitor explain 4bf92f35\n  llmops monitor explain 4bf92f35 --against 4w --component answer\n", false, declare_monitor_explain, "monitor-explain"},
    {"monitor suggest", "cases to label, pairs of answers and tuning rows out of production", "  llmops monitor suggest -o new_cases.jsonl\n  llmops monitor suggest -o pairs.jsonl --kind preferences --since 4w\n  llmops monitor suggest -o tuning.jsonl --kind tuning --min-score 4 --limit 500\n", true, declare_monitor_suggest, "monitor-suggest"},
    {"monitor profile", "what is known of production without its texts, in a file that adds up with others", "  llmops monitor profile app.jsonl -o app.profile\n  ls logs/*.jsonl.gz | xargs -P 8 -I {} llmops monitor profile {} -o {}.profile\n  llmops monitor profile --stored --since 7d --strata route -o week.profile\n  llmops monitor profile --show week.profile\n", true, declare_monitor_profile, "monitor-profile"},
    {"monitor merge", "profiles of shards and hours as one", "  llmops monitor merge logs/*.profile -o all.profile\n", true, declare_monitor_merge, "monitor-profile"},
    {"monitor report", "one page of HTML: drift, health and alarms of a window, with the days before it", "  llmops monitor report -o report.html\n  llmops monitor report -o november.html --window 7d --against 3w --until 2026-12-01 --days 60\n", true, declare_monitor_report, "monitor-report"},
    {"monitor watch", "looks at each new day once, for cron and CI, with a promise about false alarms", "  llmops monitor watch\n  llmops monitor watch --every 1h --monitors error_rate,latency\n  llmops monitor watch --accept\n", true, declare_monitor_watch, "monitor-watch"},
    {"monitor test", "one test of difference on two files: vectors, numbers, categories or texts", "  llmops monitor test --ref last_week.jsonl --cur today.jsonl --field input\n  llmops monitor test --ref a.npy --cur b.npy --method fuse\n  llmops monitor test --ref a.csv --cur b.csv --field latency_ms --method wasserstein\n  llmops monitor test --ref a.csv --cur b.csv --field input --method context --context language\n", false, declare_monitor_test, "monitor-test"},
    {"version status", "what changed in each chain since its last version, and whether llmops.lock agrees", "  llmops version status\n", false, declare_version_status, "version-status"},
    {"version commit", "make a version of every changed chain, and write llmops.lock", "  llmops version commit -m \"answer in one sentence\"\n", true, declare_version_commit, "version-commit"},
    {"version log", "the versions of a chain, newest first", "  llmops version log\n", false, declare_version_log, "version-log"},
    {"version show", "one version: who, when, why, and every component", "  llmops version show @prod\n", false, declare_version_show, "version-show"},
    {"version label", "move a label to a version (promotion); its history is kept", "  llmops version label prod HEAD -m \"passed regression\"\n", true, declare_version_label, "version-label"},
    {"version labels", "the labels, or the history of one", "  llmops version labels\n  llmops version labels prod\n", false, declare_version_labels, "version-labels"},
    {"version lock", "write llmops.lock, or check that it agrees with the files", "  llmops version lock --check\n", true, declare_version_lock, "version-lock"},
};

struct Group { const char* name; const char* summary; };
constexpr Group kGroups[] = {
    {"config", "settings of the user and of the project"},
    {"eval", "run suites, look into runs"},
    {"eval cache", "what is reused, and why"},
    {"eval data", "check and refine datasets and assets"},
    {"compress", "models: what they hold, other formats, fewer bits, fewer weights, a plan for a size"},
    {"monitor", "production: bring in what it recorded, and test what changed"},
    {"version", "the chain as one artefact with its history"},
};

const Command* find_command(const std::string& path) {
  for (const Command& command : kCommands) if (path == command.path) return &command;
  return nullptr;
}

const Group* find_group(const std::string& path) {
  for (const Group& group : kGroups) if (path == group.name) return &group;
  return nullptr;
}

void declare_globals(CLI::App& app, GlobalOptions& globals, bool writes) {
  constexpr const char* kGroupName = "Everywhere";
  app.add_flag("--json", globals.json, "one JSON document on stdout")->group(kGroupName);
  app.add_option("-C", globals.directory, "work in DIR")->type_name("DIR")->group(kGroupName);
  app.add_flag("-q,--quiet", globals.quiet, "no progress, notes or hints")->group(kGroupName);
  app.add_flag("-v,--verbose", globals.verbose, "name the project and every setting that is not built-in")->group(kGroupName);
  app.add_option("--color", globals.color, "auto, always or never")->type_name("WHEN")->check(CLI::IsMember({"auto", "always", "never"}))->group(kGroupName);
  app.add_flag("--no-progress", globals.no_progress, "no progress")->group(kGroupName);
  app.add_option("--seed", globals.seed, "seed of everything that draws")->type_name("N")->group(kGroupName);
  app.add_flag("--yes", globals.yes, "answer yes to every question")->group(kGroupName);
  app.add_option("--lock-timeout", globals.lock_timeout_s, "seconds to wait for another process")->type_name("S")->group(kGroupName);
  app.add_option("--exit-style", globals.exit_style, "plain, or bisect: 2 and 3 become 125, 70 becomes 128")->type_name("STYLE")->check(CLI::IsMember({"plain", "bisect"}))->group(kGroupName);
  if (writes) app.add_flag("--dry-run", globals.dry_run, "say what would be done, write nothing")->group(kGroupName);
}

std::unique_ptr<CLI::App> make_app(const Command& command, GlobalOptions& globals, Action& action) {
  auto app = std::make_unique<CLI::App>(command.summary, fmt::format("llmops {}", command.path));
  app->set_help_flag("-h,--help", "this text");
  app->get_option("--help")->group("Everywhere");
  action = command.declare(*app);
  declare_globals(*app, globals, command.writes);
  return app;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// CLI11's words, turned into ours.
Error usage_error(const CLI::App& app, const Command& command, const CLI::ParseError& error) {
  const std::string see = fmt::format("see: llmops {} --help", command.path);
  if (error.get_name() == "ExtrasError") {
    for (const std::string& extra : app.remaining()) {
      const std::string name = extra.substr(0, extra.find('='));
      if (extra.starts_with("-") && extra.size() > 1) {
        const std::string hint = closest_name(name, option_names(app));
        return Error(ErrorCode::kUsage, fmt::format("unknown option '{}'", name), hint.empty() ? see : fmt::format("did you mean '{}'?", hint));
      }
      return Error(ErrorCode::kUsage, fmt::format("unexpected argument '{}'", extra), see);
    }
  }
  std::string message = error.what();
  if (const size_t colon = message.rfind(": -"); colon != std::string::npos && message.find("not expected") != std::string::npos) {
    std::string name = message.substr(colon + 2);
    name = name.substr(0, name.find_first_of(" ="));
    const std::string hint = closest_name(name, option_names(app));
    return Error(ErrorCode::kUsage, fmt::format("unknown option '{}'", name), hint.empty() ? see : fmt::format("did you mean '{}'?", hint));
  }
  // A sentence of CLI11's begins with a capital; the name of an argument (OUT) stays.
  if (message.size() > 1 && message[0] >= 'A' && message[0] <= 'Z' && message[1] >= 'a' && message[1] <= 'z') message[0] = static_cast<char>(message[0] - 'A' + 'a');
  return Error(ErrorCode::kUsage, message, see);
}

std::string overview() {
  std::string text =
      "llmops " LLMOPS_VERSION "   the life of a generative-AI application: evaluate it per component, keep it as versions\n\n"
      "  llmops init --template qa        a chain, its suite and offline replies to begin with\n"
      "  llmops eval run                  run the suite, see every component's numbers\n"
      "  llmops eval show last --failed   look inside\n"
      "  llmops version commit -m WHY     keep the whole chain as one version\n\n";
  size_t widest = 0;
  for (const Command& command : kCommands) widest = std::max(widest, std::string_view(command.path).size());
  for (const Command& command : kCommands) text += fmt::format("  {:<{}}   {}\n", command.path, widest, command.summary);
  text += "\nllmops COMMAND --help   options and examples      llmops help TOPIC   " + help_topic_names() + "\n";
  return text;
}

std::string group_help(const Group& group) {
  std::string text = fmt::format("llmops {}: {}\n\n", group.name, group.summary);
  size_t widest = 0;
  const std::string prefix = std::string(group.name) + " ";
  for (const Command& command : kCommands) if (std::string_view(command.path).starts_with(prefix)) widest = std::max(widest, std::string_view(command.path).size());
  for (const Command& command : kCommands) {
    if (std::string_view(command.path).starts_with(prefix)) text += fmt::format("  llmops {:<{}}   {}\n", command.path, widest, command.summary);
  }
  return text;
}

// The domain knows absolute paths only; people read them as they would type them. A path of the project or of the working
// directory, in quotes, is written relative to the working directory.
std::string with_typed_paths(std::string_view text, const fs::path& working_directory, const fs::path& root) {
  std::string out;
  while (true) {
    const size_t quote = text.find("'/");
    const size_t end = quote == std::string_view::npos ? quote : text.find('\'', quote + 1);
    if (end == std::string_view::npos) return out.append(text);
    const fs::path path(text.substr(quote + 1, end - quote - 1));
    const std::string below_root = path.lexically_relative(root).generic_string(), typed = path.lexically_relative(working_directory).generic_string();
    const bool is_ours = !below_root.empty() && below_root != "." && below_root != ".." && !below_root.starts_with("../");
    const bool is_here = !typed.empty() && typed != "." && typed != ".." && !typed.starts_with("../");
    out.append(text.substr(0, quote + 1)).append(is_ours || is_here ? typed : path.string()) += '\'';
    text.remove_prefix(end + 1);
  }
}

Error with_typed_paths(Error error, const fs::path& working_directory, const fs::path& root) {
  error.message = with_typed_paths(error.message, working_directory, root);
  error.hint = with_typed_paths(error.hint, working_directory, root);
  for (std::string& detail : error.details) detail = with_typed_paths(detail, working_directory, root);
  return error;
}

int finish_error(const Error& error, const Terminal& terminal, const GlobalOptions& globals) {
  if (globals.json) {
    terminal.out(render_error_json(error));
  } else {
    std::fflush(stdout);
    const std::string text = render_error(error, terminal);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  return exit_code_of(error);
}

int styled(int code, const GlobalOptions& globals) {
  if (globals.exit_style != "bisect") return code;
  if (code == 2 || code == 3) return 125;
  return code == 70 ? 128 : code;
}

// Which arguments are the words of the command: the others go to its parser. Global options may stand before it.
struct Split { std::string path; std::vector<std::string> rest; };
Split split_command(const std::vector<std::string>& arguments) {
  Split split;
  static const std::vector<std::string> kWithValue = {"-C", "--color", "--seed", "--lock-timeout", "--exit-style"};
  bool open = true;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (open && word.starts_with("-") && word.size() > 1) {
      split.rest.push_back(word);
      if (std::find(kWithValue.begin(), kWithValue.end(), word) != kWithValue.end() && i + 1 < arguments.size()) split.rest.push_back(arguments[++i]);
      continue;
    }
    if (open) {
      const std::string longer = split.path.empty() ? word : split.path + " " + word;
      if (find_command(longer) != nullptr || find_group(longer) != nullptr) {
        split.path = longer;
        continue;
      }
      open = false;
    }
    split.rest.push_back(word);
  }
  return split;
}

Error unknown_command(const Split& split) {
  std::string word;
  for (const std::string& rest : split.rest) {
    if (rest.starts_with("-")) continue;
    word = rest;
    break;
  }
  const std::string asked = split.path.empty() ? word : split.path + " " + word;
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.path);
  for (const Group& group : kGroups) names.emplace_back(group.name);
  const std::string closest = closest_name(asked, names);
  return Error(ErrorCode::kUsage, fmt::format("unknown command '{}'", asked), closest.empty() ? "see: llmops help" : fmt::format("did you mean 'llmops {}'?", closest));
}

bool has_word(const std::vector<std::string>& words, const char* word) { return std::find(words.begin(), words.end(), word) != words.end(); }

int run_command(const Command& command, const std::vector<std::string>& words, Terminal& terminal, Surroundings surroundings) {
  Invocation invocation(terminal, std::move(surroundings));
  Action action;
  const auto app = make_app(command, invocation.globals, action);
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app->parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return terminal.out(command_help(command), true) ? 0 : 2;
  } catch (const CLI::ParseError& error) {
    invocation.globals.json = has_word(words, "--json");
    return styled(finish_error(usage_error(*app, command, error), terminal, invocation.globals), invocation.globals);
  }
  const GlobalOptions& globals = invocation.globals;
  terminal.set_quiet(globals.quiet);
  if (!globals.color.empty()) terminal.set_color(globals.color);
  if (!globals.directory.empty()) {
    const fs::path wanted = (invocation.surroundings.working_directory / globals.directory).lexically_normal();
    std::error_code failed;
    const fs::path real = fs::canonical(wanted, failed);
    if (failed || !fs::is_directory(real, failed)) return finish_error(Error(ErrorCode::kUsage, fmt::format("directory '{}' does not exist", globals.directory), "name a directory with -C"), terminal, globals);
    invocation.surroundings.working_directory = real;
  }
  const fs::path working_directory = invocation.surroundings.working_directory;
  auto outcome = action(invocation);
  if (!outcome) {
    const Error error = with_typed_paths(std::move(outcome).error(), working_directory, invocation.opened() == nullptr ? working_directory : invocation.opened()->root());
    return styled(finish_error(error, terminal, globals), globals);
  }
  if (!terminal.out(outcome->text, outcome->may_page && !globals.json)) {
    return finish_error(Error(ErrorCode::kIo, "the report could not be written to standard output", "look at the disk or the pipe it goes to"), terminal, {});
  }
  return styled(outcome->exit_code, globals);
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

std::string run_overview() { return overview(); }

std::string group_overview(const std::string& name) {
  const Group* group = find_group(name);
  return group == nullptr ? "" : group_help(*group);
}

Result<Session*> Invocation::session() {
  if (session_) return &*session_;
  surroundings.note = [this](const std::string& text) { terminal.err(text); };
  LLMOPS_ASSIGN(session_, Session::open(std::move(surroundings)));
  if (globals.seed) session_->set_flag("seed", std::to_string(*globals.seed));
  if (globals.lock_timeout_s) session_->set_flag("lock_timeout_s", std::to_string(*globals.lock_timeout_s));
  if (!globals.color.empty()) session_->set_flag("color", globals.color);
  else terminal.set_color(session_->setting("color"));
  if (globals.verbose > 0) {
    terminal.err(fmt::format("project {}", session_->root().string()));
    for (const Setting& setting : session_->settings()) {
      if (setting.origin != "built-in" && setting.origin != "not set") terminal.err(fmt::format("setting {} = {} (from {})", setting.key, setting.value, setting.origin));
    }
  }
  return &*session_;
}

std::string command_help(const Command& command) {
  GlobalOptions globals;
  Action action;
  const auto app = make_app(command, globals, action);
  std::string text = fmt::format("{}\n\n{}\n", app->get_description(), command.examples);
  app->description("");
  std::string options = app->help();
  // CLI11 begins with the empty description and its own title of the usage line.
  options.erase(0, options.find_first_not_of("\n "));
  return text + options;
}

std::string reference_page() {
  std::string page = "# The command line\n\nMade from `--help` (`llmops help --all`); a test holds it to the program.\n\n```text\n" + overview() + "```\n";
  for (const Command& command : kCommands) page += fmt::format("\n## llmops {}\n\n```text\n{}```\n", command.path, command_help(command));
  return page;
}

int run_app(const std::vector<std::string>& arguments, Terminal& terminal, Surroundings surroundings) {
  const Split split = split_command(arguments);
  if (const Command* command = find_command(split.path)) return run_command(*command, split.rest, terminal, std::move(surroundings));
  if (split.path.empty() && has_word(split.rest, "--version")) {
    return terminal.out(has_word(split.rest, "--json") ? version_json() : "llmops " LLMOPS_VERSION "\n") ? 0 : 2;
  }
  const bool only_options = std::all_of(split.rest.begin(), split.rest.end(), [](const std::string& word) { return word.starts_with("-"); });
  if (only_options) {
    const Group* group = find_group(split.path);
    static const std::vector<std::string> kKnown = {"-h", "--help", "-q", "--quiet", "-v", "--verbose", "--json", "--no-progress", "--yes"};
    for (const std::string& word : split.rest) {
      if (std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end()) continue;
      GlobalOptions globals;
      globals.json = has_word(split.rest, "--json");
      return finish_error(Error(ErrorCode::kUsage, fmt::format("unknown option '{}'", word), "see: llmops help"), terminal, globals);
    }
    return terminal.out(group == nullptr ? overview() : group_help(*group), true) ? 0 : 2;
  }
  GlobalOptions globals;
  globals.json = has_word(split.rest, "--json");
  return finish_error(unknown_command(split), terminal, globals);
}

}  // namespace llmops
