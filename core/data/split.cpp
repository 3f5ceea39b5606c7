// A split by hash: the part of a row is a function of its id alone, as in D. Sculley et al.'s and most feature stores'
// advice against leaking through re-shuffles. Strata change nothing about that, unless exact shares are asked for.
#include "core/data/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <tuple>

#include "core/data/batches.h"
#include "core/data/near.h"

namespace llmops {
namespace {

struct SplitRow { uint64_t key = 0; uint32_t stratum = 0; };

struct SplitRows {
  std::vector<SplitRow> rows;
  std::vector<std::string> strata;
  std::map<std::string, uint32_t, std::less<>> stratum_index;
  int64_t without_id = 0;
};

struct KeyPart {
  std::vector<std::pair<uint64_t, std::string>> rows;  // key and stratum
  int64_t without_id = 0;
  std::optional<Error> failed;
};

std::string text_of(const Row& row, const std::string& column, std::string& scratch) {
  const Field* field = column.empty() ? nullptr : row.find(column);
  return field == nullptr || is_blank(*field) ? std::string() : std::string(field_text(*field, scratch));
}

KeyPart read_keys(const RecordSource& source, const RecordBatch& batch, const SplitOptions& options) {
  KeyPart part;
  Row row;
  std::string scratch;
  const auto seed = static_cast<uint32_t>(mix64(options.seed + 1));
  for (const RecordSpan& record : batch.records) {
    if (const auto fault = source.read_row(batch, record, row)) {
      part.failed = record_error(source, record, *fault);
      return part;
    }
    // The kind of key is part of the hash: a cluster '7' is not the row '7'.
    std::string key = text_of(row, options.cluster_column, scratch);
    if (!key.empty()) key = "c" + key;
    else if (const std::string id = text_of(row, options.id_column, scratch); !id.empty()) key = "i" + id;
    part.without_id += key.empty() ? 1 : 0;
    const Hash128 hash = key.empty() ? hash_content(row, options.id_column, scratch) : hash128(key, seed);
    part.rows.emplace_back(mix64(hash.low + (key.empty() ? seed : 0)), text_of(row, options.stratum_column, scratch));
  }
  return part;
}

Result<SplitRows> read_all_keys(const DataFile& file, const SplitOptions& options) {
  LLMOPS_ASSIGN(RecordSource source, RecordSource::open(file.path, file.shown_name, file.records));
  SplitRows all;
  const auto work = [&](const RecordBatch& batch) { return read_keys(source, batch, options); };
  LLMOPS_CHECK(for_each_batch(source, options.threads, work, [&](KeyPart&& part, const RecordBatch&) -> Status {
    if (part.failed) return *part.failed;
    all.without_id += part.without_id;
    for (auto& [key, stratum] : part.rows) {
      const auto [at, is_new] = all.stratum_index.try_emplace(std::move(stratum), static_cast<uint32_t>(all.strata.size()));
      if (is_new) all.strata.push_back(at->first);
      all.rows.push_back({key, at->second});
    }
    if (all.strata.size() <= kMostStrata) return {};
    return Error(ErrorCode::kData, fmt::format("column '{}' of '{}' has more than {} values", options.stratum_column, file.shown_name, kMostStrata), "stratify by a column of few values");
  }));
  return all;
}

// The last part takes what rounding leaves.
uint16_t part_at(double position, const std::vector<SplitPart>& parts) {
  double sum = 0;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    sum += parts[i].share;
    if (position < sum) return static_cast<uint16_t>(i);
  }
  return static_cast<uint16_t>(parts.size() - 1);
}

double position_of(uint64_t key) { return static_cast<double>(key >> 11) * 0x1p-53; }

struct Cluster { uint32_t stratum; uint64_t key; uint32_t first_row; int64_t rows; };

// Rows that stay together, by their first row.
std::vector<Cluster> list_clusters(const SplitRows& rows, const std::vector<uint32_t>& first_of) {
  std::vector<Cluster> clusters;
  std::vector<uint32_t> index(rows.rows.size());
  for (uint32_t row = 0; row < rows.rows.size(); ++row) {
    if (first_of[row] == row) {
      index[row] = static_cast<uint32_t>(clusters.size());
      clusters.push_back({rows.rows[row].stratum, rows.rows[row].key, row, 0});
    }
    ++clusters[index[first_of[row]]].rows;
  }
  return clusters;
}

// The first row with the same key.
std::vector<uint32_t> first_with_key(const SplitRows& rows) {
  std::vector<uint32_t> order(rows.rows.size()), first(rows.rows.size());
  for (uint32_t row = 0; row < order.size(); ++row) order[row] = row;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return std::tie(rows.rows[a].key, a) < std::tie(rows.rows[b].key, b); });
  for (size_t i = 0; i < order.size(); ++i) first[order[i]] = i > 0 && rows.rows[order[i]].key == rows.rows[order[i - 1]].key ? first[order[i - 1]] : order[i];
  return first;
}

std::vector<uint16_t> assign_parts(std::vector<Cluster> clusters, const SplitOptions& options, size_t rows) {
  std::vector<uint16_t> part_of_first(rows, 0);
  if (!options.exact_shares) {
    for (const Cluster& cluster : clusters) part_of_first[cluster.first_row] = part_at(position_of(cluster.key), options.parts);
    return part_of_first;
  }
  std::sort(clusters.begin(), clusters.end(), [](const Cluster& a, const Cluster& b) { return std::tie(a.stratum, a.key, a.first_row) < std::tie(b.stratum, b.key, b.first_row); });
  for (size_t start = 0; start < clusters.size();) {
    size_t stop = start;
    int64_t total = 0, before = 0;
    for (; stop < clusters.size() && clusters[stop].stratum == clusters[start].stratum; ++stop) total += clusters[stop].rows;
    for (; start < stop; ++start) {
      // The middle of the cluster decides.
      const double middle = (static_cast<double>(before) + static_cast<double>(clusters[start].rows) / 2) / static_cast<double>(total);
      part_of_first[clusters[start].first_row] = part_at(middle, options.parts);
      before += clusters[start].rows;
    }
  }
  return part_of_first;
}

Result<std::vector<uint32_t>> near_components(const DataFile& file, const SplitOptions& options, SplitReport& report) {
  LLMOPS_CHECK(check_near_options(*options.near_clusters));
  RowIndexOptions wanted;
  wanted.columns = options.columns;
  wanted.id_column = options.id_column;
  wanted.near = options.near_clusters;
  wanted.threads = options.threads;
  RowIndex index{{}, {}, {}, {}, ShingleStore(options.memory_bytes, options.temporary_directory)};
  LLMOPS_CHECK(index_rows(file, wanted, index));
  LLMOPS_CHECK(index.near_rows.seal());
  NearComponents found = find_near_components(index.near_rows, *options.near_clusters);
  report.recall_at_threshold = found.facts.recall_at_threshold;
  return std::move(found.first_rows);
}

Status check_part_name(const std::string& name, const std::set<std::string>& seen) {
  const bool plain = !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
  if (!plain) return Error(ErrorCode::kUsage, fmt::format("'{}' is no name for a part", name), "use letters, digits, '_', '-' and '.'");
  if (seen.contains(name)) return Error(ErrorCode::kUsage, fmt::format("part '{}' is named twice", name));
  return {};
}

}  // namespace

Result<std::vector<SplitPart>> parse_split_parts(std::string_view text) {
  std::vector<SplitPart> parts;
  std::set<std::string> seen;
  double sum = 0;
  for (size_t from = 0; from <= text.size();) {
    const size_t stop = std::min(text.find(',', from), text.size());
    const std::string_view entry = text.substr(from, stop - from);
    const size_t equals = entry.find('=');
    if (equals == std::string_view::npos) return Error(ErrorCode::kUsage, fmt::format("part '{}' has no share", entry), "write parts as train=0.8,test=0.2");
    SplitPart part{std::string(entry.substr(0, equals)), 0};
    LLMOPS_CHECK(check_part_name(part.name, seen));
    const std::string_view share = entry.substr(equals + 1);
    const auto [end, failed] = std::from_chars(share.data(), share.data() + share.size(), part.share);
    if (failed != std::errc() || end != share.data() + share.size() || !(part.share > 0 && part.share <= 1)) {
      return Error(ErrorCode::kUsage, fmt::format("the share '{}' of part '{}' is not between 0 and 1", share, part.name), "write parts as train=0.8,test=0.2");
    }
    sum += part.share;
    seen.insert(part.name);
    parts.push_back(std::move(part));
    from = stop + 1;
  }
  if (std::abs(sum - 1) > 1e-6) return Error(ErrorCode::kUsage, fmt::format("the shares sum to {:.6g}, not 1", sum), "make the shares sum to 1");
  return parts;
}

Result<SplitReport> split_rows(const DataFile& file, const SplitOptions& options) {
  if (options.parts.empty()) return Error(ErrorCode::kUsage, "a split needs parts", "write parts as train=0.8,test=0.2");
  if (options.near_clusters && !options.cluster_column.empty()) return Error(ErrorCode::kUsage, "clusters come from a column or from near rows, not from both", "choose one");
  SplitReport report;
  report.parts = options.parts;
  report.rows.assign(options.parts.size(), 0);
  LLMOPS_ASSIGN(const SplitRows rows, read_all_keys(file, options));
  report.rows_without_id = rows.without_id;
  std::vector<uint32_t> first_of;
  if (options.near_clusters) { LLMOPS_ASSIGN(first_of, near_components(file, options, report)); }
  else first_of = first_with_key(rows);
  if (first_of.size() != rows.rows.size()) return Error(ErrorCode::kData, fmt::format("'{}' changed while it was read", file.shown_name), "run the command again");
  std::vector<Cluster> clusters = list_clusters(rows, first_of);
  report.clusters = clusters.size();
  for (const Cluster& cluster : clusters) report.largest_cluster = std::max(report.largest_cluster, static_cast<size_t>(cluster.rows));
  report.part_of = assign_parts(std::move(clusters), options, rows.rows.size());
  for (size_t row = 0; row < rows.rows.size(); ++row) {
    const uint16_t part = report.part_of[row] = report.part_of[first_of[row]];
    ++report.rows[part];
    if (options.stratum_column.empty()) continue;
    auto& counts = report.strata[rows.strata[rows.rows[row].stratum]];
    counts.resize(options.parts.size());
    ++counts[part];
  }
  return report;
}

}  // namespace llmops
