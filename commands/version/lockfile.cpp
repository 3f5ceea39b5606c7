#include "commands/version/lockfile.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <sstream>

#include "commands/version/reference.h"

namespace llmops {
namespace {

constexpr std::string_view kHeader = "# made by `llmops version commit` and `llmops version lock`; not for editing\nlock 1\n";

std::set<std::string> component_lines(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("chain ") || line.starts_with("file ")) lines.insert(line);
  }
  return lines;
}

// "file NAME PATH ROLE SHA SIZE" -> "NAME: PATH"; paths may hold spaces, so the last three words are taken off the end.
std::string component_name(const std::string& line) {
  const bool is_chain = line.starts_with("chain ");
  std::string rest = line.substr(is_chain ? 6 : 5);
  for (int i = 0; i < (is_chain ? 1 : 3); ++i) {
    const size_t space = rest.rfind(' ');
    if (space == std::string::npos) break;
    rest.resize(space);
  }
  const size_t space = rest.find(' ');
  if (space == std::string::npos) return rest;
  return rest.substr(0, space) + ": " + rest.substr(space + 1);
}

}  // namespace

Result<std::vector<Chain>> load_project_chains(const Session& session) {
  LLMOPS_ASSIGN(const auto files, session.chain_files());
  std::vector<Chain> chains;
  std::map<std::string, std::string> names;
  for (const fs::path& file : files) {
    LLMOPS_ASSIGN(Chain chain, load_chain({file, session.root(), session.shown(file), {}}));
    if (const auto [other, is_new] = names.emplace(chain.name, chain.shown_path); !is_new) {
      return Error(ErrorCode::kConfig, fmt::format("'{}' and '{}' are both named '{}'", other->second, chain.shown_path, chain.name), "rename one of the chains");
    }
    chains.push_back(std::move(chain));
  }
  return chains;
}

std::string make_lockfile(const Session& session, const std::vector<Chain>& chains) {
  std::vector<std::string> lines;
  for (const Chain& chain : chains) {
    lines.push_back(fmt::format("chain {} {} {}", chain.name, chain.file.lexically_relative(session.root()).generic_string(), chain.vid));
    for (const ManifestFile& file : chain.files) {
      lines.push_back(fmt::format("file {} {} {} {} {}", chain.name, file.path, file.role == FileRole::kText ? "text" : "data", file.sha256, file.size_bytes));
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string text(kHeader);
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

Result<LockReport> write_lockfile(const Session& session, const std::vector<Chain>& chains, bool check, bool dry_run) {
  LockReport report;
  const fs::path path = session.root() / "llmops.lock";
  report.path = session.shown(path);
  const std::string wanted = make_lockfile(session, chains);
  auto bytes = read_file(path, uint64_t{64} << 20);
  if (!bytes && bytes.error().code != ErrorCode::kNotFound) return std::move(bytes).error();
  report.exists = bytes.has_value();
  const std::string found = bytes ? normalize_text(*bytes) : "";
  if (bytes && found.find("<<<<<<<") != std::string::npos && check) {
    return Error(ErrorCode::kConfig, fmt::format("'{}' holds merge conflicts", report.path), "run `llmops version lock` to make it anew");
  }
  const auto before = component_lines(found), now = component_lines(wanted);
  report.matches = bytes && before == now && found.find("<<<<<<<") == std::string::npos;
  std::set<std::string> known_before, known_now;
  for (const std::string& line : before) known_before.insert(component_name(line));
  for (const std::string& line : now) known_now.insert(component_name(line));
  const auto last_word = [](const std::string& line) { return line.substr(line.rfind(' ') + 1); };
  for (const std::string& line : now) {
    if (before.contains(line)) continue;
    const std::string name = component_name(line);
    std::string was;
    for (const std::string& old : before) if (line.starts_with("chain ") && old.starts_with("chain ") && component_name(old) == name) was = last_word(old);
    // A chain's own line changes with any of its components: what it says is the version.
    if (!was.empty()) report.differences.push_back(fmt::format("{}: version {} -> {}", name.substr(0, name.find(": ")), short_vid(was), short_vid(last_word(line))));
    else report.differences.push_back(name + (known_before.contains(name) ? " changed" : " is new"));
  }
  for (const std::string& name : known_before) if (!known_now.contains(name)) report.differences.push_back(name + " is gone");
  if (check || dry_run || report.matches) return report;
  WriteOptions options;
  options.failpoint = "lockfile.write";
  LLMOPS_CHECK(write_file_atomic(path, wanted, options));
  report.written = true;
  return report;
}

Result<LockReport> version_lock(const Session& session, bool check, bool dry_run) {
  LLMOPS_ASSIGN(const auto chains, load_project_chains(session));
  if (chains.empty()) return Error(ErrorCode::kNotFound, "there is no chain here", "run `llmops init --template qa`, or write a *.chain.yaml");
  return write_lockfile(session, chains, check, dry_run);
}

}  // namespace llmops
