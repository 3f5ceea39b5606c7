// `eval data check` and `stats`: one pass over a file that finds what is wrong with it and counts what is in it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/records.h"
#include "core/data/statistics.h"

namespace llmops {

// kDataset: rows of any columns. kFewShot: {input, output}. kTaskDataset: {messages: [{role, content}]} or {input, output}.
// kPreferences: {prompt, chosen, rejected}, each text or messages. kGrounding: documents as text, or rows. kCorpus: text lines
// or {text}. kConditioningPrompt: one text.
enum class DataKind { kDataset, kConditioningPrompt, kFewShot, kGrounding, kTaskDataset, kPreferences, kCorpus };
// "dataset" and the asset kinds of formats.md. Errors (kUsage): unknown, with did you mean.
Result<DataKind> parse_data_kind(std::string_view name);

enum class ProblemCode {
  kBrokenRow, kNotUtf8, kNulByte, kByteOrderMark, kMixedLineEnds, kLongRow, kMissingField, kEmptyField, kWrongType, kMixedTypes,
  kSparseColumn, kBadMessages, kSameReply, kDuplicateId, kDuplicateRow, kNoRows,
  kUnreadFormat, kSameFile, kBadWeights, kMissingPart, kWrongBase, kUnsafeFile,   // of whole files and assets: the callers of add_problem
};
constexpr size_t kProblemCodes = 22;
struct ProblemKind { const char* name; bool is_error; };   // "broken_row"; warnings do not fail a check
const ProblemKind& problem_kind(ProblemCode code);

struct Problem {
  ProblemCode code = ProblemCode::kBrokenRow;
  int64_t row = 0;          // 0: the file or a column
  int64_t line = 0;
  int column = 0;           // bytes from 1; 0: the whole row
  std::string message;      // "row 3 is not valid UTF-8"
};

struct ScanOptions {
  RecordOptions records;
  DataKind kind = DataKind::kDataset;
  std::string id_column = "id";
  bool id_required = false;
  std::vector<std::string> required;      // columns that every row must fill, beside the kind's own
  std::string label_column;               // empty: no balance
  bool with_lengths = true;
  const Tokenizer* tokenizer = nullptr;   // null: tokens are not counted
  bool with_duplicates = true;            // 24 bytes of memory per row, and 24 more when rows have ids
  size_t long_row_bytes = size_t{10} << 20;
  size_t most_problems_per_code = 20;     // listed; all are counted
  size_t threads = 2;
};

struct ScanReport {
  RecordFormat format = RecordFormat::kJsonl;
  DatasetStatistics statistics;
  std::vector<Problem> problems;          // by line, then code
  std::array<int64_t, kProblemCodes> counts{};
  int64_t errors = 0, warnings = 0;       // over all, listed or not
  bool is_sound() const { return errors == 0; }
};
// Lists and counts a problem that another check found.
void add_problem(ScanReport& report, Problem problem);

// Errors: kNotFound, kIo, damaged compression. What is wrong with the rows, the encoding or the header is in the report, and
// the pass goes on behind a broken row. The report does not depend on the number of threads. Cost: one pass, about 0.3 GB/s
// per thread; memory as with_duplicates says, plus 2 * threads + 1 batches.
Result<ScanReport> scan_dataset(const std::filesystem::path& path, const std::string& shown_name, const ScanOptions& options = {});

}  // namespace llmops
