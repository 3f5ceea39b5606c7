#include "commands/version/version.h"

#include <algorithm>
#include <fmt/format.h>

#include "commands/version/reference.h"
#include "core/store/canonical_reader.h"

namespace llmops {
namespace {

Result<std::vector<Chain>> chosen_chains(const Session& session, const std::string& argument) {
  if (argument.empty()) {
    LLMOPS_ASSIGN(auto chains, load_project_chains(session));
    if (chains.empty()) return Error(ErrorCode::kNotFound, "there is no chain here", "run `llmops init --template qa`, or write a *.chain.yaml");
    return chains;
  }
  LLMOPS_ASSIGN(const fs::path file, session.resolve_chain(argument));
  std::vector<Chain> chains;
  LLMOPS_ASSIGN(Chain chain, load_chain({file, session.root(), session.shown(file), {}}));
  chains.push_back(std::move(chain));
  return chains;
}

// The name of the chain meant, for commands that only read the store: its file need not load.
Result<std::string> chain_name(Session& session, Store& store, const std::string& argument) {
  LLMOPS_ASSIGN(const auto known, store.chains());
  if (std::find(known.begin(), known.end(), argument) != known.end()) return argument;
  if (argument.empty() && known.size() == 1) return known[0];
  auto file = session.resolve_chain(argument);
  if (!file) {
    if (known.empty()) return Error(ErrorCode::kNotFound, "the store holds no version yet", "make one: llmops version commit -m \"first version\"");
    if (argument.empty()) {
      Error error(ErrorCode::kUsage, fmt::format("there are {} chains: name one with --chain", known.size()));
      error.details = known;
      return error;
    }
    return std::move(file).error();
  }
  LLMOPS_ASSIGN(const Chain chain, load_chain({*file, session.root(), session.shown(*file), {}}));
  return chain.name;
}

// A fresh clone has no store: then there is no version, which is no error.
Result<Store*> store_if_there(Session& session) {
  auto opened = session.store(false);
  if (opened) return *opened;
  if (opened.error().code == ErrorCode::kNotFound) return static_cast<Store*>(nullptr);
  return std::move(opened).error();
}

Result<std::vector<std::string>> labels_at(Store& store, const std::string& chain, const std::string& vid) {
  std::vector<std::string> names;
  LLMOPS_ASSIGN(const auto labels, store.labels(chain));
  for (const LabelRecord& label : labels) if (label.vid == vid) names.push_back(label.name);
  return names;
}

Result<std::vector<std::string>> changes_since(Store& store, const VersionRecord& head, const Chain& chain) {
  if (head.vid == chain.vid) return std::vector<std::string>();
  LLMOPS_ASSIGN(const std::string text, store.read_manifest(head.vid));
  LLMOPS_ASSIGN(const Json manifest, parse_canonical_json(text, "manifest"));
  return changed_parts(manifest, chain);
}

}  // namespace

Result<VersionStatusReport> version_status(Session& session, const std::string& argument) {
  VersionStatusReport report;
  LLMOPS_ASSIGN(const auto chains, chosen_chains(session, argument));
  LLMOPS_ASSIGN(Store * store, store_if_there(session));
  report.has_store = store != nullptr;
  for (const Chain& chain : chains) {
    ChainStatus status{chain.name, chain.shown_path, chain.vid, std::nullopt, {}, {}, {}};
    for (const Error& warning : chain.warnings) status.warnings.push_back(fmt::format("{}:{}: {}", warning.where.file, warning.where.line, warning.message));
    if (store != nullptr) {
      LLMOPS_ASSIGN(status.head, store->head(chain.name));
      if (status.head) {
        LLMOPS_ASSIGN(status.changed, changes_since(*store, *status.head, chain));
        LLMOPS_ASSIGN(status.labels, labels_at(*store, chain.name, status.head->vid));
      }
    }
    report.chains.push_back(std::move(status));
  }
  if (argument.empty()) {
    LLMOPS_ASSIGN(report.lock, write_lockfile(session, chains, true, false));
  }
  return report;
}

namespace {

struct PlannedCommit { CommittedChain chain; VersionInput input; };

// Everything that can be refused is refused here, before anything is made or kept.
Result<std::vector<PlannedCommit>> plan_commits(Session& session, const std::vector<Chain>& chains, const std::string& message) {
  LLMOPS_ASSIGN(Store * store, store_if_there(session));
  std::vector<PlannedCommit> planned;
  for (const Chain& chain : chains) {
    std::optional<VersionRecord> head;
    if (store != nullptr) {
      LLMOPS_ASSIGN(head, store->head(chain.name));
    }
    if (head && head->vid == chain.vid) continue;
    PlannedCommit commit{{chain.name, chain.vid, head ? head->vid : "", {}, !head}, {}};
    if (head) {
      LLMOPS_ASSIGN(commit.chain.changed, changes_since(*store, *head, chain));
    }
    LLMOPS_ASSIGN(commit.input, version_input(session, chain, message, false));
    planned.push_back(std::move(commit));
  }
  return planned;
}

// What was committed before something failed stays committed, and is named.
Error after_commits(Error error, const std::vector<CommittedChain>& committed) {
  for (const CommittedChain& one : committed) error.details.push_back(fmt::format("stored before that: {} {}", one.name, short_vid(one.vid)));
  return error;
}

}  // namespace

Result<VersionCommitReport> version_commit(Session& session, const CommitOptions& options) {
  if (options.message.empty()) return Error(ErrorCode::kUsage, "a version needs a message", "add -m \"what changed and why\"");
  VersionCommitReport report;
  report.dry_run = options.dry_run;
  LLMOPS_ASSIGN(const auto chains, chosen_chains(session, options.chain));
  LLMOPS_ASSIGN(std::vector<PlannedCommit> planned, plan_commits(session, chains, options.message));
  // The lock names every chain of the project, so it is written from all of them.
  std::vector<Chain> all;
  if (!options.chain.empty()) {
    LLMOPS_ASSIGN(all, load_project_chains(session));
  }
  for (PlannedCommit& commit : planned) {
    if (!options.dry_run) {
      LLMOPS_ASSIGN(Store * store, session.store(true));
      for (const Chain& chain : chains) {
        if (chain.name != commit.chain.name) continue;
        if (auto called = commit_called_chains(session, *store, chain); !called) return after_commits(std::move(called).error(), report.chains);
      }
      auto version = store->commit_version(commit.input);
      if (!version) return after_commits(std::move(version).error(), report.chains);
      commit.input = {};
    }
    report.chains.push_back(std::move(commit.chain));
  }
  auto lock = write_lockfile(session, options.chain.empty() ? chains : all, false, options.dry_run);
  if (!lock) return options.dry_run ? std::move(lock).error() : after_commits(std::move(lock).error(), report.chains);
  report.lock = std::move(*lock);
  return report;
}

Result<VersionLogReport> version_log(Session& session, const std::string& argument, int limit) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  VersionLogReport report;
  LLMOPS_ASSIGN(report.chain, chain_name(session, *store, argument));
  LLMOPS_ASSIGN(auto versions, store->log(report.chain, limit));
  std::string current;
  if (auto file = session.resolve_chain(report.chain)) {
    if (auto chain = load_chain({*file, session.root(), session.shown(*file), {}})) current = chain->vid;
  }
  for (VersionRecord& version : versions) {
    LogEntry entry;
    LLMOPS_ASSIGN(entry.labels, labels_at(*store, report.chain, version.vid));
    entry.is_current = version.vid == current;
    entry.version = std::move(version);
    report.entries.push_back(std::move(entry));
  }
  return report;
}

Result<VersionShowReport> version_show(Session& session, const std::string& argument, const std::string& reference) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  LLMOPS_ASSIGN(const std::string name, chain_name(session, *store, argument));
  VersionShowReport report;
  LLMOPS_ASSIGN(report.version, resolve_version(*store, name, reference.empty() ? "HEAD" : reference));
  LLMOPS_ASSIGN(report.labels, labels_at(*store, report.version.chain, report.version.vid));
  LLMOPS_ASSIGN(const std::string text, store->read_manifest(report.version.vid));
  LLMOPS_ASSIGN(report.manifest, parse_canonical_json(text, "manifest"));
  for (const Json& file : report.manifest["files"]) {
    LLMOPS_ASSIGN(auto made, store->made_file(file["sha256"].get<std::string>()));
    if (!made) continue;
    LLMOPS_ASSIGN(Json document, parse_json(made->report, "report"));
    report.made.push_back({file["path"].get<std::string>(), *std::move(made), std::move(document)});
  }
  return report;
}

Result<VersionLabelReport> version_label(Session& session, const LabelOptions& options) {
  const bool plain = !options.name.empty() && std::all_of(options.name.begin(), options.name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!plain || options.name[0] == '-' || options.name[0] == '.') return Error(ErrorCode::kUsage, fmt::format("'{}' cannot be a label", options.name), "use letters, digits, '-', '_' and '.'");
  for (const std::string& requirement : session.label_requirements(options.name)) {
    if (requirement == "reason" && options.reason.empty()) return Error(ErrorCode::kUsage, fmt::format("label '{}' requires a reason", options.name), "add -m REASON");
    if (requirement == "blessing") return Error(ErrorCode::kUsage, fmt::format("label '{}' requires a passed deployment check, which this version of llmops cannot make", options.name), "take `blessing` out of labels in llmops.yaml; see ROADMAP.md");
  }
  LLMOPS_ASSIGN(Store * store, session.store(false));
  VersionLabelReport report;
  report.dry_run = options.dry_run;
  LLMOPS_ASSIGN(const std::string name, chain_name(session, *store, options.chain));
  LLMOPS_ASSIGN(const VersionRecord version, resolve_version(*store, name, options.reference.empty() ? "HEAD" : options.reference));
  LLMOPS_ASSIGN(report.before, store->label(version.chain, options.name));
  report.label = {version.chain, options.name, version.vid, options.reason, session.author(), session.clock().unix_ms()};
  if (!options.dry_run) LLMOPS_CHECK(store->set_label(report.label));
  return report;
}

Result<VersionLabelsReport> version_labels(Session& session, const std::string& argument, const std::string& name) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  VersionLabelsReport report;
  report.is_history = !name.empty();
  if (name.empty()) {
    LLMOPS_ASSIGN(report.labels, store->labels(argument));
    return report;
  }
  LLMOPS_ASSIGN(const std::string chain, chain_name(session, *store, argument));
  LLMOPS_ASSIGN(report.labels, store->label_history(chain, name));
  if (report.labels.empty()) {
    LLMOPS_ASSIGN(const auto all, store->labels(chain));
    std::vector<std::string> names;
    for (const LabelRecord& label : all) names.push_back(label.name);
    return Error(ErrorCode::kNotFound, fmt::format("chain '{}' has no label '{}'", chain, name), did_you_mean(name, names));
  }
  return report;
}

}  // namespace llmops
