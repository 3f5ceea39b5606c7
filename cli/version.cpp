#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/table.h"
#include "commands/version/reference.h"
#include "commands/version/version.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

std::string when(int64_t unix_ms) { return format_utc(unix_ms / 1000 * 1000); }

std::string join(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

Json lock_to_json(const LockReport& lock) {
  return {{"path", lock.path}, {"exists", lock.exists}, {"matches", lock.matches}, {"written", lock.written}, {"differences", lock.differences}};
}

Json version_to_json(const VersionRecord& version) {
  return {{"vid", version.vid}, {"chain", version.chain}, {"commit", version.commit_oid}, {"parent", version.parent_vid.empty() ? Json(nullptr) : Json(version.parent_vid)},
          {"message", version.message}, {"author", version.author}, {"created", format_utc(version.created_ms)}, {"automatic", version.automatic}};
}

Json label_to_json(const LabelRecord& label) {
  return {{"chain", label.chain}, {"name", label.name}, {"vid", label.vid}, {"reason", label.reason}, {"author", label.author}, {"moved", format_utc(label.moved_ms)}};
}

void add_chain_option(CLI::App& app, std::string& chain) { app.add_option("--chain", chain, "path or name of the chain")->type_name("CHAIN"); }

std::string lock_text(const LockReport& lock) {
  if (!lock.exists && !lock.written) return fmt::format("{} is not there: llmops version lock\n", lock.path);
  if (lock.written) return fmt::format("wrote {}\n", lock.path);
  if (lock.matches) return fmt::format("{} agrees\n", lock.path);
  std::string text = fmt::format("{} does not agree: llmops version lock\n", lock.path);
  for (const std::string& difference : lock.differences) text += "  " + difference + "\n";
  return text;
}

std::string status_text(const VersionStatusReport& report, const Terminal& terminal) {
  std::string text;
  for (const ChainStatus& chain : report.chains) {
    const bool clean = chain.head && chain.head->vid == chain.vid;
    text += fmt::format("{}   {}   {}", chain.name, short_vid(chain.vid), terminal.paint(clean ? "committed" : chain.head ? "changed" : "no version yet", clean ? Tone::kGood : Tone::kUndecided));
    if (!chain.labels.empty()) text += fmt::format("   {} at {}", join(chain.labels, ", "), short_vid(chain.head->vid));
    text += "\n";
    for (const std::string& part : chain.changed) text += "  changed   " + escape_control(part) + "\n";
    for (const std::string& warning : chain.warnings) text += "  " + escape_control(warning) + "\n";
  }
  if (!report.lock.path.empty()) text += lock_text(report.lock);
  return text;
}

Result<Outcome> do_status(Invocation& invocation, const std::string& chain) {
  LLMOPS_ASSIGN(Session * session, invocation.session());
  LLMOPS_ASSIGN(const VersionStatusReport report, version_status(*session, chain));
  if (!invocation.globals.json) return Outcome{status_text(report, invocation.terminal), 0, false};
  Json json = {{"schema", "llmops.version-status/v1"}, {"chains", Json::array()}, {"lock", lock_to_json(report.lock)}};
  for (const ChainStatus& one : report.chains) {
    json["chains"].push_back({{"name", one.name}, {"path", one.path}, {"vid", one.vid}, {"head", one.head ? version_to_json(*one.head) : Json(nullptr)},
                              {"committed", one.head && one.head->vid == one.vid}, {"changed", one.changed}, {"labels", one.labels}, {"warnings", one.warnings}});
  }
  return json_outcome(json);
}

Result<Outcome> do_commit(Invocation& invocation, CommitOptions& options) {
  LLMOPS_ASSIGN(Session * session, invocation.session());
  options.dry_run = invocation.globals.dry_run;
  LLMOPS_ASSIGN(const VersionCommitReport report, version_commit(*session, options));
  if (invocation.globals.json) {
    Json json = {{"schema", "llmops.version-commit/v1"}, {"dry_run", report.dry_run}, {"chains", Json::array()}, {"lock", lock_to_json(report.lock)}};
    for (const CommittedChain& one : report.chains) json["chains"].push_back({{"name", one.name}, {"vid", one.vid}, {"parent", one.parent_vid.empty() ? Json(nullptr) : Json(one.parent_vid)}, {"changed", one.changed}});
    return json_outcome(json);
  }
  std::string text;
  for (const CommittedChain& one : report.chains) {
    text += fmt::format("{}{}   {}{}\n", report.dry_run ? "would commit " : "", one.name, one.is_new ? "" : short_vid(one.parent_vid) + " -> ", short_vid(one.vid));
    for (const std::string& part : one.changed) text += "  changed   " + escape_control(part) + "\n";
  }
  if (report.chains.empty()) text += "nothing to commit: every chain is at its newest version\n";
  if (report.lock.written) text += lock_text(report.lock);
  return Outcome{text, 0, false};
}

std::string manifest_text(const Json& manifest, const Terminal& terminal) {
  Table table({{"component", false, 0, true}, {"role", false, 2, false}, {"size", true, 3, false}, {"sha256", false, 1, false}});
  for (const Json& file : manifest["files"]) {
    table.add({file["path"].get<std::string>(), file["role"].get<std::string>(), format_count(file["size"].get<int64_t>()), file["sha256"].get<std::string>().substr(0, 12)});
  }
  std::string text = table.render(terminal);
  const Json& chain = manifest["chain"];
  if (chain.contains("models")) {
    for (const auto& [name, model] : chain["models"].items()) text += fmt::format("model   {}   {}\n", name, escape_control(dump_json(model)));
  }
  if (!chain.contains("steps")) return text + "observed: its components are what its traces show\n";
  for (const Json& step : chain["steps"]) {
    std::string kind;
    for (const char* body : {"model", "retrieve", "extract", "template", "exec", "agent", "chain"}) if (step.contains(body)) kind = body;
    text += fmt::format("step    {}   {}\n", json_to_text(step["id"]), kind);
  }
  return text;
}

// "made    models/small.gguf   compress quantize Q4_K_M from big.gguf (sha256 3f2a..)   rms error 0.0375 of the weights' own".
std::string made_text(const std::vector<MadeAsset>& made) {
  std::string text;
  for (const MadeAsset& asset : made) {
    const Json& report = asset.report;
    text += fmt::format("made    {}   compress {}{} from {}   {}", escape_control(asset.path), report.value("command", ""), report["type"].is_string() ? " " + report["type"].get<std::string>() : "", escape_control(report.value("source", "")), when(asset.made.made_ms));
    if (report["error"].is_object() && report["error"]["relative_rms"].is_number()) text += fmt::format("   rms error {:.3g} of the weights' own", report["error"]["relative_rms"].get<double>());
    text += fmt::format("   {}\n", report.value("tool", ""));
  }
  return text;
}

}  // namespace

Action declare_version_status(CLI::App& app) {
  auto chain = std::make_shared<std::string>();
  add_chain_option(app, *chain);
  return [chain](Invocation& invocation) { return do_status(invocation, *chain); };
}

Action declare_version_commit(CLI::App& app) {
  auto options = std::make_shared<CommitOptions>();
  app.add_option("-m,--message", options->message, "what changed and why")->type_name("TEXT");
  add_chain_option(app, options->chain);
  return [options](Invocation& invocation) { return do_commit(invocation, *options); };
}

Action declare_version_log(CLI::App& app) {
  auto chain = std::make_shared<std::string>();
  auto limit = std::make_shared<int>(0);
  add_chain_option(app, *chain);
  app.add_option("--limit", *limit, "how many; 0: all")->type_name("N")->check(CLI::NonNegativeNumber);
  return [chain, limit](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const VersionLogReport report, version_log(*session, *chain, *limit));
    if (invocation.globals.json) {
      Json json = {{"schema", "llmops.version-log/v1"}, {"chain", report.chain}, {"versions", Json::array()}};
      for (const LogEntry& entry : report.entries) {
        Json one = version_to_json(entry.version);
        one["labels"] = entry.labels;
        one["current"] = entry.is_current;
        json["versions"].push_back(std::move(one));
      }
      return json_outcome(json);
    }
    if (report.entries.empty()) return Outcome{fmt::format("{} has no version yet: llmops version commit -m WHY\n", report.chain), 0, false};
    Table table({{"version", false, 0, false}, {"when", false, 2, false}, {"author", false, 3, true}, {"labels", false, 1, false}, {"message", false, 0, true}});
    for (const LogEntry& entry : report.entries) {
      std::string author = entry.version.author.substr(0, entry.version.author.find(" <"));
      std::string message = entry.version.message.substr(0, entry.version.message.find('\n'));
      table.add({short_vid(entry.version.vid) + (entry.is_current ? " *" : ""), when(entry.version.created_ms), author, join(entry.labels, ", "), message}, {Tone::kStrong});
    }
    return Outcome{table.render(invocation.terminal), 0, true};
  };
}

Action declare_version_show(CLI::App& app) {
  auto reference = std::make_shared<std::string>();
  auto chain = std::make_shared<std::string>();
  app.add_option("REF", *reference, "6 or more digits of a vid, HEAD, @label, with ~n (default: HEAD)");
  add_chain_option(app, *chain);
  return [reference, chain](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const VersionShowReport report, version_show(*session, *chain, *reference));
    if (invocation.globals.json) {
      Json made = Json::array();
      for (const MadeAsset& asset : report.made) made.push_back({{"path", asset.path}, {"made", format_utc(asset.made.made_ms)}, {"report", asset.report}});
      return json_outcome({{"schema", "llmops.version-show/v1"}, {"version", version_to_json(report.version)}, {"labels", report.labels}, {"manifest", report.manifest}, {"made", std::move(made)}});
    }
    std::string text = fmt::format("{} {}{}\nauthor  {}\ndate    {}\nvid     {}\n\n    {}\n\n", report.version.chain, short_vid(report.version.vid),
                                   report.labels.empty() ? "" : " (" + join(report.labels, ", ") + ")", escape_control(report.version.author), when(report.version.created_ms), report.version.vid, escape_control(report.version.message));
    return Outcome{text + manifest_text(report.manifest, invocation.terminal) + made_text(report.made), 0, true};
  };
}

Action declare_version_label(CLI::App& app) {
  auto options = std::make_shared<LabelOptions>();
  app.add_option("NAME", options->name, "dev, staging, prod, ...")->required();
  app.add_option("REF", options->reference, "the version (default: HEAD)");
  app.add_option("-m,--message", options->reason, "why")->type_name("REASON");
  add_chain_option(app, options->chain);
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->dry_run = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const VersionLabelReport report, version_label(*session, *options));
    if (invocation.globals.json) {
      return json_outcome({{"schema", "llmops.version-label/v1"}, {"dry_run", report.dry_run}, {"label", label_to_json(report.label)}, {"before", report.before ? label_to_json(*report.before) : Json(nullptr)}});
    }
    return Outcome{fmt::format("{}{} {}   {}{}\n", report.dry_run ? "would move " : "", report.label.chain, report.label.name, report.before ? short_vid(report.before->vid) + " -> " : "", short_vid(report.label.vid)), 0, false};
  };
}

Action declare_version_labels(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  auto chain = std::make_shared<std::string>();
  app.add_option("NAME", *name, "show the history of this label");
  add_chain_option(app, *chain);
  return [name, chain](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const VersionLabelsReport report, version_labels(*session, *chain, *name));
    if (invocation.globals.json) {
      Json json = {{"schema", "llmops.version-labels/v1"}, {"history", report.is_history}, {"labels", Json::array()}};
      for (const LabelRecord& label : report.labels) json["labels"].push_back(label_to_json(label));
      return json_outcome(json);
    }
    if (report.labels.empty()) return Outcome{"no labels yet: llmops version label prod HEAD\n", 0, false};
    Table table({{"label", false, 0, false}, {"chain", false, 2, true}, {"version", false, 0, false}, {"when", false, 1, false}, {"author", false, 4, true}, {"reason", false, 3, true}});
    for (const LabelRecord& label : report.labels) table.add({label.name, label.chain, short_vid(label.vid), when(label.moved_ms), label.author.substr(0, label.author.find(" <")), label.reason}, {Tone::kStrong});
    return Outcome{table.render(invocation.terminal), 0, true};
  };
}

Action declare_version_lock(CLI::App& app) {
  auto check = std::make_shared<bool>(false);
  app.add_flag("--check", *check, "only compare; exit 1 when it does not agree");
  return [check](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const LockReport report, version_lock(*session, *check, invocation.globals.dry_run));
    const int exit_code = *check && !report.matches ? 1 : 0;
    if (invocation.globals.json) {
      Json json = {{"schema", "llmops.version-lock/v1"}};
      const Json lock = lock_to_json(report);
      for (const auto& [key, value] : lock.items()) json[key] = value;
      return json_outcome(json, exit_code);
    }
    return Outcome{lock_text(report), exit_code, false};
  };
}

}  // namespace llmops
