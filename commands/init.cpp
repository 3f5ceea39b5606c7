#include "commands/init.h"

#include <algorithm>
#include <fmt/format.h>

#include "core/base/embedded.h"

namespace llmops {

std::vector<std::string> init_templates() { return {"blank", "qa", "rag", "classify"}; }

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

bool is_script(std::string_view path) { return path.ends_with(".sh") || path.ends_with(".py"); }

}  // namespace

Result<InitReport> init_project(const Surroundings& surroundings, const InitOptions& options) {
  const auto known = init_templates();
  if (options.project_template == "agent") return Error(ErrorCode::kUsage, "the template 'agent' needs agent steps, which are not in this version of llmops", "choose blank, qa, rag or classify; see ROADMAP.md");
  if (std::find(known.begin(), known.end(), options.project_template) == known.end()) {
    return Error(ErrorCode::kUsage, fmt::format("unknown template '{}'", options.project_template), did_you_mean(options.project_template, known));
  }
  InitReport report;
  report.dry_run = options.dry_run;
  const fs::path root = (surroundings.working_directory / options.directory).lexically_normal();
  const fs::path relative = root.lexically_relative(surroundings.working_directory);
  report.root = relative.empty() ? root.string() : relative.generic_string();
  if (!options.dry_run) LLMOPS_CHECK(ensure_directory(root));
  const std::string prefix = "examples/" + options.project_template + "/";
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
  return report;
}

}  // namespace llmops
