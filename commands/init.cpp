#include "commands/init.h"

#include <algorithm>
#include <fmt/format.h>

#include "core/base/embedded.h"

namespace llmops {

std::vector<std::string> init_templates() { return {"blank", "qa", "rag", "agent", "classify"}; }

namespace {

// Adds the lines that are not there yet; keeps everything that is.
Result<std::string> extended_gitignore(const fs::path& path) {
  auto bytes = read_file(path, uint64_t{16} << 20);
  if (!bytes && bytes.error().code != ErrorCode::kNotFound) return std::move(bytes).error();
  std::string text = bytes ? *bytes : "";
  for (const char* wanted : {".llmops/", ".env"}) {
    const std::string line = std::string(wanted) + "\n";
    const bool there = text.starts_with(line) || text.find("\n" + line) != std::string::npos || text.find("/" + line) != std::string::npos;
    if (there) continue;
    if (!text.empty() && text.back() != '\n') text += "\n";
    text += line;
  }
  return text;
}

// Chains or suites below the root, as relative paths; a folder with a project file of its own is a project of its own.
Result<std::vector<std::string>> files_like(const fs::path& root, std::string_view pattern) {
  std::error_code ignored;
  if (!fs::is_directory(root, ignored)) return std::vector<std::string>();
  LLMOPS_ASSIGN(std::vector<std::string> found, expand_glob(root, root, pattern));
  std::erase_if(found, [&](const std::string& path) {
    for (fs::path at = fs::path(path).parent_path(); !at.empty(); at = at.parent_path()) if (fs::exists(root / at / "llmops.yaml", ignored)) return true;
    return false;
  });
  return found;
}

// `eval run` needs the suite's name where there are several and llmops.yaml chooses none.
std::string next_command(const Surroundings& surroundings, const fs::path& root, const InitReport& report, const std::vector<std::string>& suites_before) {
  const std::string go = report.root == "." || report.root.empty() ? "" : "cd " + report.root + " && ";
  Surroundings there = surroundings;
  there.working_directory = root;
  there.note = nullptr;
  const auto session = Session::open(std::move(there));
  if (!session || session->resolve_suite("")) return go + "llmops eval run";
  for (const std::string& made : report.made) if (made.ends_with(".eval.yaml")) return go + "llmops eval run " + made;
  return go + (suites_before.empty() ? "llmops version status" : "llmops eval run " + suites_before.front());
}

bool is_script(std::string_view path) { return path.ends_with(".sh") || path.ends_with(".py"); }

}  // namespace

Result<InitReport> init_project(const Surroundings& surroundings, const InitOptions& options) {
  const auto known = init_templates();
  if (std::find(known.begin(), known.end(), options.project_template) == known.end()) {
    return Error(ErrorCode::kUsage, fmt::format("unknown template '{}'", options.project_template), did_you_mean(options.project_template, known));
  }
  InitReport report;
  report.dry_run = options.dry_run;
  fs::path root = (surroundings.working_directory / options.directory).lexically_normal();
  if (!root.has_filename()) root = root.parent_path();
  const fs::path relative = root.lexically_relative(surroundings.working_directory);
  report.root = relative.empty() ? root.string() : relative.generic_string();
  if (!options.dry_run) LLMOPS_CHECK(ensure_directory(root));
  const std::string prefix = "examples/" + options.project_template + "/";
  LLMOPS_ASSIGN(const auto chains, files_like(root, "**/*.chain.yaml"));
  LLMOPS_ASSIGN(const auto suites, files_like(root, "**/*.eval.yaml"));
  const bool has_its_own = options.project_template == "blank" && !(chains.empty() && suites.empty());
  WriteOptions write;
  write.failpoint = "init.write";
  write.durable = false;
  for (const std::string_view path : embedded_paths(prefix)) {
    const std::string name(path.substr(prefix.size()));
    if (name == "README.md") continue;   // of the example, not of the user's project
    const fs::path target = root / name;
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(target, ignored))) {
      report.kept.push_back(name);
      continue;
    }
    if (has_its_own && name != "llmops.yaml") {
      report.left_out.push_back(name);
      continue;
    }
    report.made.push_back(name);
    if (options.dry_run) continue;
    LLMOPS_CHECK(ensure_directory(target.parent_path()));
    write.mode = is_script(name) ? 0755 : 0644;
    LLMOPS_CHECK(write_file_atomic(target, embedded_file(path), write));
  }
  LLMOPS_ASSIGN(const std::string ignore, extended_gitignore(root / ".gitignore"));
  auto before = read_file(root / ".gitignore", uint64_t{16} << 20);
  if (!before || *before != ignore) {
    report.made.push_back(before ? ".gitignore (lines added)" : ".gitignore");
    write.mode = 0644;
    if (!options.dry_run) LLMOPS_CHECK(write_file_atomic(root / ".gitignore", ignore, write));
  }
  std::error_code ignored;
  if (!fs::exists(root / ".llmops" / "format", ignored)) {
    report.made.push_back(".llmops/");
    if (!options.dry_run) {
      StoreOptions store;
      store.directory = root / ".llmops";
      store.create = true;
      store.clock = surroundings.clock;
      LLMOPS_ASSIGN(const auto opened, Store::open(store));
      static_cast<void>(opened);
    }
  }
  if (!options.dry_run) {
    report.next = next_command(surroundings, root, report, suites);
    // Its tool is a program, and programs of a project run only after trust.
    if (const size_t run = report.next.find("llmops eval run"); options.project_template == "agent" && run != std::string::npos) report.next.insert(run, "llmops trust && ");
  }
  return report;
}

}  // namespace llmops
