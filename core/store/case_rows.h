// Cases, spans and scores as rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/store/database.h"
#include "core/store/records.h"

namespace llmops {

// span.id = run_case.id * 2^20 + sequence.
inline constexpr int kSpanBits = 20;
inline constexpr int64_t kMaxSpans = int64_t{1} << kSpanBits;

// Writes cases through one connection, inside the caller's transaction. Keeps the numbers of names between batches; after a
// rolled-back transaction a new one is needed.
class CaseRows {
 public:
  explicit CaseRows(Connection& connection) : connection_(connection) {}
  // Replaces a case of the same (run, ordinal, repeat).
  Status write(int64_t run, const CaseRecord& record);

 private:
  Result<int64_t> name_id(const std::string& text);
  Result<bool> insert_case(int64_t run, const CaseRecord& record);  // false: there is one
  Status remove_case(int64_t run, int64_t ordinal, int repeat);
  Status insert_span(int64_t case_id, const SpanRecord& span);
  Status insert_scores(int64_t case_id, const std::vector<ScoreRecord>& scores);
  Connection& connection_;
  std::unordered_map<std::string, int64_t> names_;
};

// The columns of `kSpanColumns`, as a SpanRecord. `statement` stands on a row.
extern const std::string_view kSpanColumns;
SpanRecord span_of(const Statement& statement);

Result<std::vector<SpanRecord>> read_spans(Connection& connection, int64_t case_id);
Result<std::vector<ScoreRecord>> read_scores(Connection& connection, int64_t case_id);

}  // namespace llmops
