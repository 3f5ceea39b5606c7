#include "core/data/dedupe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace llmops {
namespace {

struct MethodName { std::string_view name; DedupeMethod method; };
constexpr std::array<MethodName, 3> kMethods{{{"exact", DedupeMethod::kExact}, {"normalised", DedupeMethod::kNormalised}, {"near", DedupeMethod::kNear}}};

// For each row the first with an equal hash. {0, 0} equals nothing.
std::vector<Leader> first_with_hash(const std::vector<Hash128>& hashes) {
  std::vector<uint32_t> order(hashes.size());
  for (uint32_t row = 0; row < order.size(); ++row) order[row] = row;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return std::tie(hashes[a], a) < std::tie(hashes[b], b); });
  std::vector<Leader> leaders(hashes.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const bool repeats = i > 0 && hashes[order[i]] == hashes[order[i - 1]] && hashes[order[i]] != Hash128();
    leaders[order[i]] = {repeats ? leaders[order[i - 1]].row : order[i], 1};
  }
  return leaders;
}

void list_groups(const std::vector<Leader>& leaders, const std::vector<uint32_t>& lines, DedupeReport& report) {
  report.rows = leaders.size();
  report.keep.assign(leaders.size(), true);
  std::vector<uint32_t> dropped;
  for (uint32_t row = 0; row < leaders.size(); ++row) {
    if (leaders[row].row == row) continue;
    report.keep[row] = false;
    dropped.push_back(row);
  }
  report.dropped = dropped.size();
  std::stable_sort(dropped.begin(), dropped.end(), [&](uint32_t a, uint32_t b) { return leaders[a].row < leaders[b].row; });
  for (const uint32_t row : dropped) {
    const uint32_t kept = leaders[row].row;
    if (report.groups.empty() || report.groups.back().kept.row != kept + 1) report.groups.push_back({{kept + 1, lines[kept], 1}, {}});
    report.groups.back().dropped.push_back({row + 1, lines[row], leaders[row].similarity});
  }
}

}  // namespace

Result<DedupeMethod> parse_dedupe_method(std::string_view name) {
  std::vector<std::string> known;
  for (const MethodName& row : kMethods) {
    if (row.name == name) return row.method;
    known.emplace_back(row.name);
  }
  return Error(ErrorCode::kUsage, fmt::format("unknown method '{}' of finding duplicates", name), did_you_mean(name, known));
}

Result<DedupeReport> find_duplicates(const DataFile& file, const DedupeOptions& options) {
  DedupeReport report;
  RowIndexOptions wanted;
  wanted.columns = options.columns;
  wanted.id_column = options.id_column;
  wanted.threads = options.threads;
  wanted.with_content = options.method == DedupeMethod::kExact && options.columns.empty();
  wanted.with_text = options.method == DedupeMethod::kExact && !options.columns.empty();
  wanted.with_normal = options.method == DedupeMethod::kNormalised;
  if (options.method == DedupeMethod::kNear) {
    if (options.near) report.near = options.near;
    else { LLMOPS_ASSIGN(report.near, choose_near_options(file, options.columns, options.id_column)); }
    report.near->threads = options.threads;
    LLMOPS_CHECK(check_near_options(*report.near));
    wanted.near = report.near;
  }
  RowIndex index{{}, {}, {}, {}, ShingleStore(options.memory_bytes, options.temporary_directory)};
  LLMOPS_CHECK(index_rows(file, wanted, index));
  if (options.method != DedupeMethod::kNear) {
    const auto& hashes = wanted.with_content ? index.content : wanted.with_text ? index.text : index.normal;
    list_groups(first_with_hash(hashes), index.lines, report);
    return report;
  }
  LLMOPS_CHECK(index.near_rows.seal());
  const NearLeaders found = find_near_leaders(index.near_rows, *report.near);
  report.search = found.facts;
  list_groups(found.leaders, index.lines, report);
  return report;
}

}  // namespace llmops
