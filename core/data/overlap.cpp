#include "core/data/overlap.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/data/batches.h"
#include "core/data/ngram_table.h"
#include "core/data/normal_form.h"

namespace llmops {
namespace {

constexpr std::array<std::string_view, kOverlapMethods> kNames{"exact", "normalised", "ngram", "near"};

struct Match { uint32_t row_a = 0; float score = -1; };

// The best match of each row of B by one method, and which rows of A have any.
class MethodMatches {
 public:
  MethodMatches(OverlapMethod method, size_t rows_b) : method_(method), best_(rows_b) {}
  void add(uint32_t row_a, uint32_t row_b, float score, std::vector<bool>& clean_a) {
    clean_a[row_a] = false;
    Match& best = best_[row_b];
    if (score > best.score || (score == best.score && row_a < best.row_a)) best = {row_a, score};
  }
  void list(const std::vector<uint32_t>& lines_a, const std::vector<uint32_t>& lines_b, OverlapReport& report) const {
    for (uint32_t row = 0; row < best_.size(); ++row) {
      if (best_[row].score < 0) continue;
      report.clean_b[row] = false;
      ++report.rows_b_hit[static_cast<size_t>(method_)];
      report.hits.push_back({row + 1, lines_b[row], best_[row].row_a + 1, lines_a[best_[row].row_a], method_, best_[row].score});
    }
  }

 private:
  OverlapMethod method_;
  std::vector<Match> best_;
};

// Both sets one behind the other in one index: rows of A come first.
void match_hashes(const std::vector<Hash128>& hashes, size_t rows_a, MethodMatches& matches, std::vector<bool>& clean_a) {
  std::vector<uint32_t> order(hashes.size());
  for (uint32_t row = 0; row < order.size(); ++row) order[row] = row;
  std::sort(order.begin(), order.end(), [&](uint32_t x, uint32_t y) { return std::tie(hashes[x], x) < std::tie(hashes[y], y); });
  for (size_t start = 0; start < order.size();) {
    size_t stop = start, middle = start;
    for (; stop < order.size() && hashes[order[stop]] == hashes[order[start]]; ++stop) middle += order[stop] < rows_a ? 1 : 0;
    if (middle > start && middle < stop && hashes[order[start]] != Hash128()) {
      for (size_t i = start; i < middle; ++i) clean_a[order[i]] = false;
      for (size_t i = middle; i < stop; ++i) matches.add(order[start], order[i] - static_cast<uint32_t>(rows_a), 1, clean_a);
    }
    start = stop;
  }
}

void match_near(const NearMatches& near, size_t rows_a, MethodMatches& matches, std::vector<bool>& clean_a) {
  // Matches are told of the first of equal rows; the others share them.
  std::vector<std::vector<NearMatch>> of_row(near.same_as.size() - rows_a);
  for (const NearMatch& match : near.matches) of_row[match.b - rows_a].push_back(match);
  for (size_t row = rows_a; row < near.same_as.size(); ++row) {
    for (const NearMatch& match : of_row[near.same_as[row] - rows_a]) matches.add(match.a, static_cast<uint32_t>(row - rows_a), match.similarity, clean_a);
  }
  for (uint32_t row = 0; row < rows_a; ++row) if (!clean_a[near.same_as[row]]) clean_a[row] = false;
}

struct RunPart {
  std::vector<std::tuple<uint32_t, uint32_t, float>> matches;  // row of A in the batch, row of B, share
  uint32_t rows = 0;
  std::optional<Error> failed;
};

Result<NgramTable> table_of(const DataFile& file, const OverlapOptions& options, OverlapReport& report) {
  NgramTable table(options.ngram);
  LLMOPS_ASSIGN(RecordSource source, RecordSource::open(file.path, file.shown_name, file.records));
  const RowText text(options.columns_b, options.id_column);
  RecordBatch batch;
  Row row;
  uint32_t number = 0;
  while (true) {
    LLMOPS_ASSIGN(const bool more, source.next(batch));
    if (!more) break;
    for (const RecordSpan& record : batch.records) {
      if (const auto fault = source.read_row(batch, record, row)) return record_error(source, record, *fault);
      report.too_short_for_runs += table.add(normal_form(text.of(row).value_or("")), number++) ? 0 : 1;
    }
  }
  table.seal();
  return table;
}

Status match_runs(const DataFile& a, const NgramTable& table, const OverlapOptions& options, MethodMatches& matches, std::vector<bool>& clean_a) {
  LLMOPS_ASSIGN(RecordSource source, RecordSource::open(a.path, a.shown_name, a.records));
  const RowText text(options.columns_a, options.id_column);
  const auto work = [&](const RecordBatch& batch) {
    RunPart part;
    Row row;
    for (const RecordSpan& record : batch.records) {
      if (const auto fault = source.read_row(batch, record, row)) {
        part.failed = record_error(source, record, *fault);
        break;
      }
      for (const RunMatch& match : table.find(normal_form(text.of(row).value_or("")))) part.matches.emplace_back(part.rows, match.row, match.share);
      ++part.rows;
    }
    return part;
  };
  uint32_t before = 0;
  return for_each_batch(source, options.threads, work, [&](RunPart&& part, const RecordBatch&) -> Status {
    if (part.failed) return *part.failed;
    if (before + part.rows > clean_a.size()) return Error(ErrorCode::kData, fmt::format("'{}' changed while it was read", a.shown_name), "run the command again");
    for (const auto& [row_a, row_b, share] : part.matches) matches.add(before + row_a, row_b, share, clean_a);
    before += part.rows;
    return {};
  });
}

Status check_ngram_options(const NgramOptions& options) {
  if (options.short_words < 1 || options.long_words < options.short_words) {
    return Error(ErrorCode::kUsage, fmt::format("runs of {} and {} words cannot be compared", options.short_words, options.long_words), "give at least 1 word, and no fewer for long rows than for short ones");
  }
  if (options.short_share > 0 && options.short_share <= 1) return {};
  return Error(ErrorCode::kUsage, fmt::format("the share {} of runs is not between 0 and 1", options.short_share), "give a share such as 0.7");
}

bool asks_for(const OverlapOptions& options, OverlapMethod method) {
  return std::find(options.methods.begin(), options.methods.end(), method) != options.methods.end();
}

}  // namespace

std::string_view overlap_method_name(OverlapMethod method) { return kNames[static_cast<size_t>(method)]; }

Result<OverlapMethod> parse_overlap_method(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) if (kNames[i] == name) return static_cast<OverlapMethod>(i);
  return Error(ErrorCode::kUsage, fmt::format("unknown method '{}' of finding overlap", name), did_you_mean(name, {kNames.begin(), kNames.end()}));
}

Result<OverlapReport> find_overlap(const DataFile& a, const DataFile& b, const OverlapOptions& options) {
  OverlapReport report;
  RowIndexOptions wanted;
  wanted.id_column = options.id_column;
  wanted.threads = options.threads;
  wanted.with_text = asks_for(options, OverlapMethod::kExact);
  wanted.with_normal = asks_for(options, OverlapMethod::kNormalised);
  if (asks_for(options, OverlapMethod::kNgram)) LLMOPS_CHECK(check_ngram_options(options.ngram));
  if (asks_for(options, OverlapMethod::kNear)) {
    if (options.near) report.near = options.near;
    else { LLMOPS_ASSIGN(report.near, choose_near_options(b, options.columns_b, options.id_column)); }
    report.near->threads = options.threads;
    LLMOPS_CHECK(check_near_options(*report.near));
    wanted.near = report.near;
  }
  RowIndex index{{}, {}, {}, {}, ShingleStore(options.memory_bytes, options.temporary_directory)};
  wanted.columns = options.columns_a;
  LLMOPS_CHECK(index_rows(a, wanted, index));
  report.rows_a = index.rows();
  wanted.columns = options.columns_b;
  LLMOPS_CHECK(index_rows(b, wanted, index));
  report.rows_b = index.rows() - report.rows_a;
  const std::vector<uint32_t> lines_b(index.lines.begin() + static_cast<std::ptrdiff_t>(report.rows_a), index.lines.end());
  report.clean_a.assign(report.rows_a, true);
  report.clean_b.assign(report.rows_b, true);
  for (size_t i = 0; i < kOverlapMethods; ++i) {
    const auto method = static_cast<OverlapMethod>(i);
    if (!asks_for(options, method)) continue;
    MethodMatches matches(method, report.rows_b);
    if (method == OverlapMethod::kExact) match_hashes(index.text, report.rows_a, matches, report.clean_a);
    if (method == OverlapMethod::kNormalised) match_hashes(index.normal, report.rows_a, matches, report.clean_a);
    if (method == OverlapMethod::kNgram) {
      LLMOPS_ASSIGN(const NgramTable table, table_of(b, options, report));
      LLMOPS_CHECK(match_runs(a, table, options, matches, report.clean_a));
    }
    if (method == OverlapMethod::kNear && report.rows_a > 0) {
      LLMOPS_CHECK(index.near_rows.seal());
      const NearMatches near = find_near_matches(index.near_rows, *report.near, report.rows_a);
      report.search = near.facts;
      match_near(near, report.rows_a, matches, report.clean_a);
    }
    matches.list(index.lines, lines_b, report);
  }
  std::sort(report.hits.begin(), report.hits.end(), [](const OverlapHit& x, const OverlapHit& y) { return std::tie(x.row_b, x.method) < std::tie(y.row_b, y.method); });
  report.any_a = std::count(report.clean_a.begin(), report.clean_a.end(), false);
  report.any_b = std::count(report.clean_b.begin(), report.clean_b.end(), false);
  return report;
}

}  // namespace llmops
