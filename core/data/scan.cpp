// One pass for check and statistics: batches of whole rows go to workers, each makes a part, parts merge in the order of
// the file. Rows are scanned in place (json_line.h); for most of them no memory is allocated.
#include "core/data/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "core/data/batches.h"
#include "core/data/kind_rules.h"
#include "core/data/repeats.h"
#include "core/data/row_index.h"

namespace llmops {
namespace {

constexpr std::array<ProblemKind, kProblemCodes> kKinds{{
    {"broken_row", true}, {"not_utf8", true}, {"nul_byte", true}, {"byte_order_mark", false}, {"mixed_line_ends", false}, {"long_row", false},
    {"missing_field", true}, {"empty_field", true}, {"wrong_type", true}, {"mixed_types", false},
    {"sparse_column", false}, {"bad_messages", true}, {"same_reply", true}, {"duplicate_id", true}, {"duplicate_row", false}, {"no_rows", true},
    {"unread_format", false}, {"same_file", false}, {"bad_weights", true}, {"missing_part", true}, {"wrong_base", true}, {"unsafe_file", false}}};

struct KindName { std::string_view name; DataKind kind; };
constexpr std::array<KindName, 7> kNames{{{"dataset", DataKind::kDataset}, {"conditioning-prompt", DataKind::kConditioningPrompt}, {"few-shot", DataKind::kFewShot},
                                          {"grounding", DataKind::kGrounding}, {"task-dataset", DataKind::kTaskDataset}, {"preferences", DataKind::kPreferences},
                                          {"corpus", DataKind::kCorpus}}};

// Counts all problems and keeps the first of each code.
class ProblemList {
 public:
  explicit ProblemList(size_t most_per_code) : most_per_code_(most_per_code) {}
  void add(Problem problem) {
    int64_t& count = counts_[static_cast<size_t>(problem.code)];
    if (count++ < static_cast<int64_t>(most_per_code_)) listed_.push_back(std::move(problem));
  }
  bool is_empty() const { return listed_.empty(); }
  void count_unlisted(ProblemCode code, int64_t count) { counts_[static_cast<size_t>(code)] += count; }
  bool lists_more(ProblemCode code) const { return counts_[static_cast<size_t>(code)] < static_cast<int64_t>(most_per_code_); }
  void merge(ProblemList&& next) {
    for (Problem& problem : next.listed_) {
      const auto code = static_cast<size_t>(problem.code);
      --next.counts_[code];
      add(std::move(problem));
    }
    for (size_t i = 0; i < kProblemCodes; ++i) counts_[i] += next.counts_[i];
  }
  void finish(ScanReport& report) {
    std::stable_sort(listed_.begin(), listed_.end(), [](const Problem& a, const Problem& b) { return std::tie(a.line, a.code) < std::tie(b.line, b.code); });
    report.problems = std::move(listed_);
    report.counts = counts_;
    for (size_t i = 0; i < kProblemCodes; ++i) (kKinds[i].is_error ? report.errors : report.warnings) += counts_[i];
  }

 private:
  size_t most_per_code_;
  std::vector<Problem> listed_;
  std::array<int64_t, kProblemCodes> counts_{};
};

struct Part {
  ProblemList problems;
  StatisticsPart statistics;
  std::vector<RowKey> ids, contents;
};

class BatchScan {
 public:
  BatchScan(const RecordSource& source, const ScanOptions& options)
      : source_(source), options_(options), part_{ProblemList(options.most_problems_per_code), StatisticsPart(options.label_column, options.with_lengths, options.tokenizer), {}, {}} {}

  Part scan(const RecordBatch& batch) {
    Row row;
    for (const RecordSpan& record : batch.records) {
      part_.statistics.bytes += record.full_size;
      if (scan_record(batch, record, row)) check_row(record, row);
      else ++part_.statistics.broken_rows;
    }
    return std::move(part_);
  }

 private:
  void report(ProblemCode code, const RecordSpan& record, std::string_view what, int64_t line_offset = 0, int column = 0) {
    part_.problems.add({code, record.number, record.line + line_offset, column, fmt::format("row {} {}", record.number, what)});
  }

  // False: the row cannot be read.
  bool scan_record(const RecordBatch& batch, const RecordSpan& record, Row& row) {
    if (record.fault != FrameFault::kNone) {
      const RowFault fault = frame_fault(record, options_.records.longest_record_bytes);
      report(ProblemCode::kBrokenRow, record, fault.message, fault.line_offset, fault.column);
      return false;
    }
    const std::string_view content = batch.content(record);
    if (record.size > options_.long_row_bytes) report(ProblemCode::kLongRow, record, fmt::format("holds {:.1f} MiB", static_cast<double>(record.size) / (1 << 20)));
    if (const size_t bad = first_invalid_utf8(content); bad != std::string_view::npos) {
      place(ProblemCode::kNotUtf8, record, content, bad, fmt::format("is not valid UTF-8 (byte 0x{:02x})", static_cast<unsigned char>(content[bad])));
      return false;
    }
    const void* nul = content.empty() ? nullptr : std::memchr(content.data(), '\0', content.size());
    if (nul != nullptr) place(ProblemCode::kNulByte, record, content, static_cast<size_t>(static_cast<const char*>(nul) - content.data()), "holds a NUL byte");
    const auto fault = source_.parse(content, row);
    if (!fault) return true;
    // A NUL byte breaks JSON; one report is enough.
    if (nul == nullptr) report(ProblemCode::kBrokenRow, record, fault->message, fault->line_offset, fault->column);
    return false;
  }
  void place(ProblemCode code, const RecordSpan& record, std::string_view content, size_t at, std::string_view what) {
    const std::string_view before = content.substr(0, at);
    const size_t newline = before.rfind('\n');
    report(code, record, what, std::count(before.begin(), before.end(), '\n'), static_cast<int>(at - (newline == std::string_view::npos ? 0 : newline + 1)) + 1);
  }

  void check_row(const RecordSpan& record, const Row& row) {
    part_.statistics.add_row(row, record.line, record.size);
    const RuleReport to_row = [&](ProblemCode code, const std::string& what) { report(code, record, what); };
    if (!options_.required.empty()) check_required(options_.required, row, to_row);
    check_kind(options_.kind, row, to_row);
    const Field* id = row.find(options_.id_column);
    if (options_.id_required && (id == nullptr || is_blank(*id))) report(ProblemCode::kMissingField, record, fmt::format("has no id in '{}'", options_.id_column));
    if (!options_.with_duplicates) return;
    const auto number = static_cast<uint32_t>(record.number), line = static_cast<uint32_t>(record.line);
    if (id != nullptr && !is_blank(*id)) part_.ids.push_back({hash128(field_text(*id, scratch_)), number, line});
    // Equal lines of a prompt or a document are nothing to report.
    const bool lines_are_rows = options_.kind != DataKind::kConditioningPrompt && options_.kind != DataKind::kGrounding;
    if (source_.format() != RecordFormat::kText || lines_are_rows) part_.contents.push_back({hash_content(row, options_.id_column, scratch_), number, line});
  }

  const RecordSource& source_;
  const ScanOptions& options_;
  Part part_;
  std::string scratch_;
};

// Reports the rows whose key an earlier row has, in the order of the file.
void report_repeats(const std::vector<Repeat>& repeats, ProblemCode code, std::string_view what, ProblemList& problems) {
  for (const Repeat& repeat : repeats) {
    if (!problems.lists_more(code)) { problems.count_unlisted(code, 1); continue; }
    problems.add({code, repeat.row, repeat.line, 0, fmt::format("row {} {} row {} (line {})", repeat.row, what, repeat.first_row, repeat.first_line)});
  }
}

std::string counted_rows(int64_t count) { return fmt::format("{} row{}", count, count == 1 ? "" : "s"); }

// "column 'a' is text in 9 rows, number in 1 row", at the line where the second type is seen first. Null goes with any type.
void check_types(const FieldStatistics& column, ProblemList& problems) {
  std::vector<size_t> types;
  for (size_t i = 1; i < kValueTypes; ++i) if (column.types[i] > 0) types.push_back(i);
  if (types.size() < 2) return;
  std::sort(types.begin(), types.end(), [&](size_t a, size_t b) { return column.first_lines[a] < column.first_lines[b]; });
  std::string shown;
  for (const size_t type : types) {
    shown += fmt::format("{}{} in {}", shown.empty() ? "" : ", ", value_type_name(static_cast<ValueType>(type)), counted_rows(column.types[type]));
  }
  problems.add({ProblemCode::kMixedTypes, 0, column.first_lines[types[1]], 0, fmt::format("column '{}' is {}", column.name, shown)});
}

// What only the whole column shows. Columns that must be filled have been reported row by row.
void check_columns(const DatasetStatistics& statistics, const ScanOptions& options, ProblemList& problems) {
  for (const FieldStatistics& column : statistics.fields) {
    check_types(column, problems);
    if (std::find(options.required.begin(), options.required.end(), column.name) != options.required.end()) continue;
    const std::string rows = counted_rows(statistics.rows);
    if (const int64_t missing = statistics.rows - column.present; missing > 0) {
      problems.add({ProblemCode::kSparseColumn, 0, column.first_missing_line, 0, fmt::format("column '{}' is missing in {} of {}", column.name, missing, rows)});
    }
    if (column.blank > 0) {
      problems.add({ProblemCode::kSparseColumn, 0, column.first_blank_line, 0, fmt::format("column '{}' is empty in {} of {}", column.name, column.blank, rows)});
    }
  }
}

void check_file(const RecordSource& source, const DatasetStatistics& statistics, ProblemList& problems) {
  if (source.has_byte_order_mark()) problems.add({ProblemCode::kByteOrderMark, 0, 1, 1, "the file starts with a byte order mark"});
  if (source.crlf_lines() > 0 && source.lf_lines() > 0) {
    problems.add({ProblemCode::kMixedLineEnds, 0, std::max(source.first_crlf_line(), source.first_lf_line()), 0,
                  fmt::format("{} lines end with CRLF and {} with LF", source.crlf_lines(), source.lf_lines())});
  }
  if (statistics.rows + statistics.broken_rows == 0 && problems.is_empty()) problems.add({ProblemCode::kNoRows, 0, 1, 0, "the file holds no rows"});
}

}  // namespace

void add_problem(ScanReport& report, Problem problem) {
  const auto code = static_cast<size_t>(problem.code);
  ++report.counts[code];
  ++(kKinds[code].is_error ? report.errors : report.warnings);
  report.problems.push_back(std::move(problem));
}

const ProblemKind& problem_kind(ProblemCode code) { return kKinds[static_cast<size_t>(code)]; }

Result<DataKind> parse_data_kind(std::string_view name) {
  std::vector<std::string> known;
  for (const KindName& row : kNames) {
    if (row.name == name) return row.kind;
    known.emplace_back(row.name);
  }
  return Error(ErrorCode::kUsage, fmt::format("unknown kind of data '{}'", name), did_you_mean(name, known));
}

namespace {

// A file that cannot be read as rows at all: its place says where. Other errors are the caller's.
Result<ScanReport> unreadable(Error error, ProblemList problems, ScanReport report) {
  if (error.code != ErrorCode::kData || error.where.line == 0) return error;
  problems.add({ProblemCode::kBrokenRow, 0, error.where.line, error.where.column, error.message});
  problems.finish(report);
  return report;
}

}  // namespace

Result<ScanReport> scan_dataset(const std::filesystem::path& path, const std::string& shown_name, const ScanOptions& options) {
  ScanReport report;
  ProblemList problems(options.most_problems_per_code);
  RecordOptions records = options.records;
  // A document of rows is read as rows when it is retrieved from, any other as text.
  records.text = records.text || options.kind == DataKind::kConditioningPrompt || (options.kind == DataKind::kGrounding && !names_rows(path.native()));
  auto opened = RecordSource::open(path, shown_name, records);
  if (!opened) return unreadable(std::move(opened).error(), std::move(problems), std::move(report));
  RecordSource source = *std::move(opened);
  report.format = source.format();
  StatisticsPart statistics(options.label_column, options.with_lengths, options.tokenizer);
  RepeatFinder ids, contents;
  const auto work = [&](const RecordBatch& batch) { return BatchScan(source, options).scan(batch); };
  const auto merge = [&](Part&& part, const RecordBatch&) -> Status {
    problems.merge(std::move(part.problems));
    statistics.merge(std::move(part.statistics));
    ids.add(part.ids);
    contents.add(part.contents);
    return {};
  };
  if (auto read = for_each_batch(source, options.threads, work, merge); !read) {
    if (read.error().code != ErrorCode::kData || read.error().where.line == 0) return std::move(read).error();
    problems.add({ProblemCode::kBrokenRow, 0, read.error().where.line, read.error().where.column, read.error().message});
  }
  report.statistics = statistics.finish();
  int64_t repeated_ids = 0;
  report_repeats(ids.find(options.threads, repeated_ids), ProblemCode::kDuplicateId, "has the id of", problems);
  const std::vector<Repeat> repeats = contents.find(options.threads, report.statistics.duplicate_groups);
  report.statistics.duplicate_rows = std::ssize(repeats);
  report_repeats(repeats, ProblemCode::kDuplicateRow, "is equal to", problems);
  check_columns(report.statistics, options, problems);
  check_file(source, report.statistics, problems);
  problems.finish(report);
  return report;
}

}  // namespace llmops
