// init, config, trust, completion, help.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "cli/arguments.h"
#include "cli/table.h"
#include "commands/config.h"
#include "commands/init.h"
#include "commands/settings.h"
#include "commands/trust.h"
#include "core/text/unicode.h"

namespace llmops {

bool ask(const std::string& question) {
  std::fputs((question + " [y/N] ").c_str(), stderr);
  std::string answer;
  if (!std::getline(std::cin, answer)) return false;
  return answer == "y" || answer == "Y" || answer == "yes";
}

namespace {

// Files of one folder in one line: "made   kb/ (12 files)".
std::string by_folder(const char* verb, const std::vector<std::string>& files) {
  std::vector<std::pair<std::string, int>> groups;
  for (const std::string& file : files) {
    const size_t slash = file.find('/');
    const std::string folder = slash == std::string::npos || slash + 1 == file.size() ? file : file.substr(0, slash + 1);
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == folder; });
    if (found == groups.end()) groups.emplace_back(folder, 1);
    else ++found->second;
  }
  std::string text;
  for (const auto& [name, count] : groups) text += fmt::format("{}   {}{}\n", verb, name, count > 1 ? fmt::format(" ({} files)", count) : "");
  return text;
}

}  // namespace

Action declare_init(CLI::App& app) {
  auto options = std::make_shared<InitOptions>();
  app.add_option("DIR", options->directory, "the folder (default: this one)");
  app.add_option("--template", options->project_template, "blank, qa, rag, agent or classify")->type_name("NAME");
  return [options](Invocation& invocation) -> Result<Outcome> {
    options->dry_run = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const InitReport report, init_project(invocation.surroundings, *options));
    if (invocation.globals.json) return json_outcome({{"schema", "llmops.init/v1"}, {"root", report.root}, {"made", report.made}, {"kept", report.kept}, {"left_out", report.left_out}, {"dry_run", report.dry_run}});
    std::string text = by_folder(report.dry_run ? "would make" : "made", report.made) + by_folder("kept, was there:", report.kept) +
                       by_folder("left out, the folder has its own:", report.left_out);
    if (!report.next.empty()) text += fmt::format("next: {}\n", report.next);
    return Outcome{text, 0, false};
  };
}

Action declare_config_list(CLI::App& app) {
  auto origin = std::make_shared<bool>(false);
  app.add_flag("--origin", *origin, "where each value comes from");
  return [origin](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    if (invocation.globals.json) {
      Json json = {{"schema", "llmops.config-list/v1"}, {"settings", Json::array()}};
      for (const Setting& setting : session->settings()) json["settings"].push_back({{"key", setting.key}, {"value", setting.value.empty() ? Json(nullptr) : Json(setting.value)}, {"origin", setting.origin}, {"help", setting.help}});
      return json_outcome(json);
    }
    Table table({{"setting", false, 0, false}, {"value", false, 0, true}, {"origin", false, 1, true}, {"what", false, 2, true}});
    for (const Setting& setting : session->settings()) table.add({setting.key, setting.value, *origin ? setting.origin : "", setting.help}, {Tone::kStrong});
    return Outcome{table.render(invocation.terminal), 0, true};
  };
}

Action declare_config_get(CLI::App& app) {
  auto key = std::make_shared<std::string>();
  app.add_option("KEY", *key, "the setting")->required();
  return [key](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(const SettingKind* kind, find_setting(*key));
    LLMOPS_ASSIGN(Session * session, invocation.session());
    const std::string value = session->setting(kind->key);
    if (invocation.globals.json) return json_outcome({{"schema", "llmops.config-get/v1"}, {"key", *key}, {"value", value.empty() ? Json(nullptr) : Json(value)}});
    if (value.empty()) return Error(ErrorCode::kNotFound, fmt::format("setting '{}' is not set", *key), fmt::format("llmops config set {} VALUE", *key));
    return Outcome{value + "\n", 0, false};
  };
}

Action declare_config_set(CLI::App& app) {
  auto key = std::make_shared<std::string>();
  auto value = std::make_shared<std::string>();
  app.add_option("KEY", *key, "the setting")->required();
  app.add_option("VALUE", *value, "its value")->required();
  return [key, value](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const ConfigSetReport report, config_set(*session, *key, *value, invocation.globals.dry_run));
    if (invocation.globals.json) return json_outcome({{"schema", "llmops.config-set/v1"}, {"key", *key}, {"value", *value}, {"path", report.path}, {"dry_run", report.dry_run}});
    return Outcome{fmt::format("{} {} = {} in {}\n", report.dry_run ? "would set" : "set", *key, *value, report.path), 0, false};
  };
}

namespace {

struct TrustFlags { bool print = false, list = false, revoke = false; };

std::string trust_text(const TrustReport& report) {
  std::string text;
  for (size_t i = 0; i < report.items.size(); ++i) {
    text += fmt::format("  {}   ({}){}\n", escape_control(report.items[i].what), report.items[i].where, report.trusted[i] ? "   trusted" : "");
  }
  return text;
}

Result<Outcome> list_grants(Invocation& invocation, Session& session) {
  LLMOPS_ASSIGN(const auto entries, list_trust(session));
  if (invocation.globals.json) {
    Json json = {{"schema", "llmops.trust/v1"}, {"granted", Json::array()}};
    for (const TrustEntry& entry : entries) json["granted"].push_back({{"root", entry.root}, {"what", entry.what}, {"digest", entry.digest}, {"granted", entry.granted}});
    return json_outcome(json);
  }
  if (entries.empty()) return Outcome{"nothing is trusted yet\n", 0, false};
  Table table({{"project", false, 1, true}, {"what", false, 0, true}, {"granted", false, 2, false}});
  for (const TrustEntry& entry : entries) table.add({entry.root, entry.what, entry.granted});
  return Outcome{table.render(invocation.terminal), 0, true};
}

Result<Outcome> do_trust(Invocation& invocation, const TrustFlags& flags) {
  LLMOPS_ASSIGN(Session * session, invocation.session());
  if (flags.list) return list_grants(invocation, *session);
  if (flags.revoke) {
    LLMOPS_ASSIGN(const int removed, revoke_trust(*session));
    if (invocation.globals.json) return json_outcome({{"schema", "llmops.trust/v1"}, {"revoked", removed}});
    return Outcome{fmt::format("forgot {} {} of this project\n", removed, removed == 1 ? "grant" : "grants"), 0, false};
  }
  LLMOPS_ASSIGN(const TrustReport report, read_trust(*session));
  if (flags.print && !invocation.globals.json) return Outcome{report.digest + "\n", 0, false};
  const bool all_trusted = std::all_of(report.trusted.begin(), report.trusted.end(), [](bool trusted) { return trusted; });
  bool granted = false;
  if (!flags.print && !all_trusted && !invocation.globals.dry_run) {
    if (!invocation.globals.yes) {
      if (!invocation.terminal.in_is_terminal()) {
        Error error(ErrorCode::kUsage, "this project's files would do the following, and nobody is here to be asked", "look at them, then run `llmops trust --yes`");
        for (size_t i = 0; i < report.items.size(); ++i) if (!report.trusted[i]) error.details.push_back(report.items[i].what + "   (" + report.items[i].where + ")");
        return error;
      }
      std::fputs(("this project's files would\n" + trust_text(report)).c_str(), stderr);
      if (!ask("trust them?")) return Outcome{"nothing was trusted\n", 1, false};
    }
    LLMOPS_CHECK(grant_trust(*session, report.items));
    granted = true;
  }
  if (invocation.globals.json) {
    Json json = {{"schema", "llmops.trust/v1"}, {"root", report.root.string()}, {"digest", report.digest}, {"items", Json::array()}};
    for (size_t i = 0; i < report.items.size(); ++i) {
      json["items"].push_back({{"what", report.items[i].what}, {"where", report.items[i].where}, {"digest", report.items[i].digest}, {"trusted", report.trusted[i] || granted}});
    }
    return json_outcome(json);
  }
  if (report.items.empty()) return Outcome{"this project's files run nothing and reach nothing with a key\n", 0, false};
  return Outcome{fmt::format("{}\n{}", granted ? "trusted:" : all_trusted ? "all of this is trusted:" : "would trust:", trust_text(report)), 0, false};
}

}  // namespace

Action declare_trust(CLI::App& app) {
  auto flags = std::make_shared<TrustFlags>();
  app.add_flag("--print", flags->print, "only print the digest for LLMOPS_TRUST");
  app.add_flag("--list", flags->list, "everything that was ever trusted here");
  app.add_flag("--revoke", flags->revoke, "forget what was trusted for this project");
  return [flags](Invocation& invocation) { return do_trust(invocation, *flags); };
}

// ---- completion ----

namespace {

std::vector<std::string> flags_of(const Command& command) {
  CLI::App app;
  const Action action = command.declare(app);
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  for (const char* global : {"--json", "-C", "--quiet", "--verbose", "--color", "--no-progress", "--seed", "--yes", "--lock-timeout", "--exit-style", "--help"}) names.emplace_back(global);
  if (command.writes) names.emplace_back("--dry-run");
  return names;
}

std::vector<std::string> words_after(const std::string& path) {
  std::vector<std::string> words;
  for (const Command& command : commands()) {
    const std::string full = command.path;
    if (!path.empty() && !full.starts_with(path + " ")) continue;
    const std::string rest = path.empty() ? full : full.substr(path.size() + 1);
    const std::string word = rest.substr(0, rest.find(' '));
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  return words;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string bash_completion() {
  std::string text = "# bash completion of llmops; source it, or put it where bash-completion looks\n_llmops() {\n  local cur=${COMP_WORDS[COMP_CWORD]} path=\"\" i\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    case ${COMP_WORDS[i]} in -*) ;; *) path=\"${path:+$path }${COMP_WORDS[i]}\" ;; esac\n  done\n  local words=\"\"\n  case \"$path\" in\n";
  text += fmt::format("    \"\") words=\"{}\" ;;\n", join(words_after("")));
  for (const char* group : {"eval cache", "eval", "version", "config"}) text += fmt::format("    \"{}\") words=\"{}\" ;;\n", group, join(words_after(group)));
  for (const Command& command : commands()) text += fmt::format("    \"{}\"*) words=\"{}\" ;;\n", command.path, join(flags_of(command)));
  return text + "  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n  [ ${#COMPREPLY[@]} -eq 0 ] && mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n}\ncomplete -o filenames -F _llmops llmops\n";
}

std::string zsh_completion() { return "#compdef llmops\nautoload -U +X bashcompinit && bashcompinit\n" + bash_completion(); }

std::string fish_completion() {
  std::string text = "# fish completion of llmops\n";
  for (const std::string& word : words_after("")) text += fmt::format("complete -c llmops -f -n __fish_use_subcommand -a {}\n", word);
  for (const char* group : {"eval", "version", "config"}) text += fmt::format("complete -c llmops -f -n '__fish_seen_subcommand_from {}' -a '{}'\n", group, join(words_after(group)));
  for (const Command& command : commands()) {
    const std::string path = command.path;
    const std::string last = path.substr(path.rfind(' ') == std::string::npos ? 0 : path.rfind(' ') + 1);
    for (const std::string& flag : flags_of(command)) if (flag.starts_with("--")) text += fmt::format("complete -c llmops -n '__fish_seen_subcommand_from {}' -l {}\n", last, flag.substr(2));
  }
  return text;
}

struct Topic { const char* name; const char* text; };
constexpr Topic kTopics[] = {
    {"exit-codes",
     "0    done and good\n1    done, and the verdict is negative: a gate failed, llmops.lock does not agree\n2    could not be done: usage, configuration, I/O, provider, untrusted, locked\n"
     "3    done and undecided: not enough data, or the run stopped early\n70   a bug in llmops\n130  interrupted\n--exit-style bisect turns 2 and 3 into 125 and 70 into 128, as `git bisect run` wants.\n"},
    {"gates",
     "gate   := value op rhs [ \"@\" percent ]          op := \">=\" | \"<=\" | \">\" | \"<\" | \"==\"\n"
     "value  := NAME slice? | FN \"(\" NAME slice? \")\"  FN := mean | sum | min | max | p50 | p90 | p95 | p99\n"
     "NAME   := metric | [steps.ID.] ( latency_ms | ttft_ms | cost_usd | input_tokens | output_tokens ) | error_rate | [steps.ID.]pass_rate\n"
     "slice  := \"[\" field \"=\" value \"]\"\nrhs    := number | \"baseline\" [ (\"+\" | \"-\") number | \"*\" number ]\n\n"
     "Without @ the estimate decides: pass or fail. With @ 95% the interval decides: pass, fail or undecided (exit 3).\n"},
    {"references",
     "version  6 or more digits of a vid, HEAD, @label, each with ~n; CHAIN: in front names the chain\n"
     "run      its number, 8 or more digits of its UUID, last, last-1\n"},
    {"variables",
     "LLMOPS_OFFLINE=1   refuse every address but this machine's\nLLMOPS_TRUST       digests that count as trusted (see `llmops trust --print`)\nLLMOPS_PAGER       pager; then PAGER, then less -FRX\n"
     "LLMOPS_<SETTING>   every setting of `llmops config list`\nNO_COLOR, CLICOLOR_FORCE, COLUMNS, HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE, XDG_CONFIG_HOME, XDG_STATE_HOME as elsewhere\n"},
};

}  // namespace

std::string help_topic_names() {
  std::string names;
  for (const Topic& topic : kTopics) names += (names.empty() ? "" : ", ") + std::string(topic.name);
  return names;
}

Action declare_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")->required();
  return [shell](Invocation&) -> Result<Outcome> {
    if (*shell == "bash") return Outcome{bash_completion(), 0, false};
    if (*shell == "zsh") return Outcome{zsh_completion(), 0, false};
    if (*shell == "fish") return Outcome{fish_completion(), 0, false};
    return Error(ErrorCode::kUsage, fmt::format("unknown shell '{}'", *shell), did_you_mean(*shell, {"bash", "zsh", "fish"}));
  };
}

Action declare_help(CLI::App& app) {
  auto words = std::make_shared<std::vector<std::string>>();
  auto all = std::make_shared<bool>(false);
  app.add_option("TOPIC", *words, "a command, or a topic: " + help_topic_names());
  app.add_flag("--all", *all, "every command's help as one Markdown page");
  return [words, all](Invocation&) -> Result<Outcome> {
    if (*all) return Outcome{reference_page(), 0, false};
    const std::string asked = join(*words);
    if (asked.empty()) return Outcome{run_overview(), 0, true};
    std::vector<std::string> names;
    for (const Command& command : commands()) {
      if (asked == command.path) return Outcome{command_help(command), 0, true};
      names.emplace_back(command.path);
    }
    for (const Topic& topic : kTopics) {
      if (asked == topic.name) return Outcome{topic.text, 0, true};
      names.emplace_back(topic.name);
    }
    const std::string group = group_overview(asked);
    if (!group.empty()) return Outcome{group, 0, true};
    const std::string closest = closest_name(asked, names);
    return Error(ErrorCode::kNotFound, fmt::format("no help on '{}'", asked), closest.empty() ? "topics: " + help_topic_names() : fmt::format("did you mean '{}'?", closest));
  };
}

std::string version_json() {
  return dump_json_pretty({{"schema", "llmops.version/v1"}, {"version", LLMOPS_VERSION}, {"libraries", {{"fmt", FMT_VERSION}, {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)}}}}) + "\n";
}

}  // namespace llmops
