// Files are named as the user typed them; the work is core/data's.
#include "commands/eval/data.h"

#include <fmt/format.h>

namespace llmops {
namespace {

fs::path absolute_path(const Session& session, const std::string& file) { return (session.surroundings().working_directory / file).lexically_normal(); }

DataFile data_file(const Session& session, const std::string& file) { return {absolute_path(session, file), file, {}}; }

Status check_output(const Session& session, const fs::path& path, const DataOutput& out, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    if (path == absolute_path(session, input)) return Error(ErrorCode::kUsage, fmt::format("'{}' is read and written at once", input), "name another file with -o");
  }
  std::error_code ignored;
  if (!out.overwrite && fs::exists(path, ignored)) return Error(ErrorCode::kUsage, fmt::format("'{}' is there already", session.shown(path)), "name another file, or add --yes to replace it");
  return {};
}

// Checked before the work, written after it. Gives the path as typed; empty: nothing was to be written.
Result<std::string> write_copy(const Session& session, const DataFile& file, const std::vector<bool>& keep, const DataOutput& out) {
  if (out.path.empty()) return std::string();
  if (!out.dry_run) LLMOPS_CHECK(write_rows(file, keep, absolute_path(session, out.path)));
  return out.path;
}

Result<std::optional<NearOptions>> near_options(const DataFile& file, const std::vector<std::string>& columns, const std::string& id_column, std::optional<double> threshold) {
  if (!threshold) return std::optional<NearOptions>();
  LLMOPS_ASSIGN(NearOptions options, choose_near_options(file, columns, id_column));
  options.threshold = *threshold;
  LLMOPS_CHECK(check_near_options(options));
  return std::optional(options);
}

}  // namespace

fs::path temporary_directory(const Session& session) { return session.variable("TMPDIR").value_or("/tmp"); }

Result<DataDedupeReport> data_dedupe(const Session& session, const DataDedupeOptions& options) {
  const DataFile file = data_file(session, options.file);
  DedupeOptions dedupe;
  LLMOPS_ASSIGN(dedupe.method, parse_dedupe_method(options.method));
  dedupe.columns = options.columns;
  dedupe.id_column = options.id_column;
  dedupe.temporary_directory = temporary_directory(session);
  if (options.threshold && dedupe.method != DedupeMethod::kNear) return Error(ErrorCode::kUsage, "--threshold is used by the method 'near' alone", "add --method near");
  if (!options.out.path.empty()) LLMOPS_CHECK(check_output(session, absolute_path(session, options.out.path), options.out, {options.file}));
  LLMOPS_ASSIGN(dedupe.near, near_options(file, options.columns, options.id_column, options.threshold));
  DataDedupeReport report{options.file, options.method, {}, {}};
  LLMOPS_ASSIGN(report.found, find_duplicates(file, dedupe));
  LLMOPS_ASSIGN(report.written, write_copy(session, file, report.found.keep, options.out));
  return report;
}

Result<DataSplitReport> data_split(const Session& session, const DataSplitOptions& options) {
  const DataFile file = data_file(session, options.file);
  SplitOptions split;
  LLMOPS_ASSIGN(split.parts, parse_split_parts(options.parts));
  split.id_column = options.id_column;
  split.cluster_column = options.cluster_column;
  split.stratum_column = options.stratum_column;
  split.exact_shares = options.exact_shares;
  split.seed = static_cast<uint64_t>(session.number_setting("seed"));
  split.temporary_directory = temporary_directory(session);
  if (options.near_clusters) {
    LLMOPS_ASSIGN(split.near_clusters, choose_near_options(file, {}, options.id_column));
  }
  const fs::path folder = absolute_path(session, options.out.path);
  std::string extension = fs::path(options.file).extension().string();
  if (extension == ".gz" || extension == ".zst") extension = fs::path(options.file).stem().extension().string();
  if (extension == ".json" || extension == ".yaml" || extension == ".yml") extension = ".jsonl";
  if (!options.out.path.empty()) {
    for (const SplitPart& part : split.parts) LLMOPS_CHECK(check_output(session, folder / (part.name + extension), options.out, {options.file}));
  }
  DataSplitReport report{options.file, {}, {}};
  LLMOPS_ASSIGN(report.split, split_rows(file, split));
  if (options.out.path.empty()) return report;
  if (!options.out.dry_run) LLMOPS_CHECK(ensure_directory(folder));
  for (size_t part = 0; part < split.parts.size(); ++part) {
    std::vector<bool> keep;
    for (const uint16_t owner : report.split.part_of) keep.push_back(owner == part);
    const DataOutput one{(fs::path(options.out.path) / (split.parts[part].name + extension)).generic_string(), options.out.overwrite, options.out.dry_run};
    LLMOPS_ASSIGN(std::string written, write_copy(session, file, keep, one));
    report.written.push_back(std::move(written));
  }
  return report;
}

Result<DataOverlapReport> data_overlap(const Session& session, const DataOverlapOptions& options) {
  const DataFile a = data_file(session, options.a), b = data_file(session, options.b);
  OverlapOptions overlap;
  if (!options.methods.empty()) overlap.methods.clear();
  for (const std::string& name : options.methods) {
    LLMOPS_ASSIGN(const OverlapMethod method, parse_overlap_method(name));
    overlap.methods.push_back(method);
  }
  overlap.columns_a = overlap.columns_b = options.columns;
  overlap.id_column = options.id_column;
  overlap.temporary_directory = temporary_directory(session);
  if (!options.out.path.empty()) LLMOPS_CHECK(check_output(session, absolute_path(session, options.out.path), options.out, {options.a, options.b}));
  LLMOPS_ASSIGN(overlap.near, near_options(b, options.columns, options.id_column, options.threshold));
  DataOverlapReport report{options.a, options.b, {}, {}};
  LLMOPS_ASSIGN(report.found, find_overlap(a, b, overlap));
  LLMOPS_ASSIGN(report.written, write_copy(session, a, report.found.clean_a, options.out));
  return report;
}

}  // namespace llmops
