// What makes 100,000 cases cheap: statements compiled once, names as numbers, the spans of a case under neighbouring row ids
// without a second index, and a memo table in which only reusable spans have a row.
#include "core/store/case_rows.h"

#include <fmt/format.h>

namespace llmops {
namespace {

constexpr int64_t kSkippedFlag = 1;

#define LLMOPS_NAME(column) "(SELECT text FROM name WHERE name.id = " column ")"

}  // namespace

const std::string_view kSpanColumns =
    "span.id, parent, " LLMOPS_NAME("step") ", " LLMOPS_NAME("kind") ", span.name, item, flags, start_ms, latency_ms, ttft_ms, retries, " LLMOPS_NAME(
        "model_asked") ", " LLMOPS_NAME("model_served") ", input_tokens, output_tokens, cost_usd, " LLMOPS_NAME("error_code") ", error_message, memo_key, attributes, input, prompt, output";

Result<int64_t> CaseRows::name_id(const std::string& text) {
  if (const auto found = names_.find(text); found != names_.end()) return found->second;
  int64_t id = 0;
  LLMOPS_ASSIGN(Statement select, connection_.prepare("SELECT id FROM name WHERE text = ?1"));
  LLMOPS_ASSIGN(const bool known, select.bind(1, text).step());
  if (known) {
    id = select.integer(0);
  } else {
    LLMOPS_ASSIGN(Statement insert, connection_.prepare("INSERT INTO name (text) VALUES (?1)"));
    LLMOPS_CHECK(insert.bind(1, text).run());
    id = connection_.last_insert_id();
  }
  names_.emplace(text, id);
  return id;
}

Status CaseRows::write(int64_t run, const CaseRecord& record) {
  LLMOPS_ASSIGN(bool inserted, insert_case(run, record));
  if (!inserted) {
    LLMOPS_CHECK(remove_case(run, record.ordinal, record.repeat));
    LLMOPS_ASSIGN(inserted, insert_case(run, record));
  }
  const int64_t case_id = connection_.last_insert_id();
  for (const SpanRecord& span : record.spans) LLMOPS_CHECK(insert_span(case_id, span));
  return insert_scores(case_id, record.scores);
}

Result<bool> CaseRows::insert_case(int64_t run, const CaseRecord& record) {
  std::optional<int64_t> error_code, error_step;
  if (!record.error_code.empty()) {
    LLMOPS_ASSIGN(error_code, name_id(record.error_code));
  }
  if (!record.error_step.empty()) {
    LLMOPS_ASSIGN(error_step, name_id(record.error_step));
  }
  std::optional<int> pass;
  if (record.pass) pass = *record.pass ? 1 : 0;
  LLMOPS_ASSIGN(Statement insert, connection_.prepare(
      "INSERT INTO run_case (run, ordinal, repeat, case_id, case_hash, pass, latency_ms, cost_usd, input_tokens, output_tokens, error_code, error_step, error_message, row, output) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT (run, ordinal, repeat) DO NOTHING"));
  insert.bind(1, run).bind(2, record.ordinal).bind(3, record.repeat).bind(4, record.case_id).bind(5, record.case_hash).bind(6, pass).bind(7, record.latency_ms)
      .bind(8, record.cost_usd).bind(9, record.input_tokens).bind(10, record.output_tokens).bind(11, error_code).bind(12, error_step)
      .bind_or_null(13, record.error_message).bind(14, record.row).bind(15, record.output);
  LLMOPS_CHECK(insert.run());
  return connection_.changes() == 1;
}

Status CaseRows::remove_case(int64_t run, int64_t ordinal, int repeat) {
  int64_t id = 0;
  {
    LLMOPS_ASSIGN(Statement select, connection_.prepare("SELECT id FROM run_case WHERE run = ?1 AND ordinal = ?2 AND repeat = ?3"));
    LLMOPS_ASSIGN(const bool found, select.bind(1, run).bind(2, ordinal).bind(3, repeat).step());
    if (!found) return {};
    id = select.integer(0);
  }
  const int64_t first = id << kSpanBits, end = (id + 1) << kSpanBits;
  LLMOPS_ASSIGN(Statement memo, connection_.prepare("DELETE FROM memo WHERE span >= ?1 AND span < ?2 AND key IN (SELECT memo_key FROM span WHERE id >= ?1 AND id < ?2 AND memo_key IS NOT NULL)"));
  LLMOPS_CHECK(memo.bind(1, first).bind(2, end).run());
  LLMOPS_ASSIGN(Statement spans, connection_.prepare("DELETE FROM span WHERE id >= ?1 AND id < ?2"));
  LLMOPS_CHECK(spans.bind(1, first).bind(2, end).run());
  LLMOPS_ASSIGN(Statement scores, connection_.prepare("DELETE FROM score WHERE case_id = ?1"));
  LLMOPS_CHECK(scores.bind(1, id).run());
  LLMOPS_ASSIGN(Statement self, connection_.prepare("DELETE FROM run_case WHERE id = ?1"));
  return self.bind(1, id).run();
}

Status CaseRows::insert_span(int64_t case_id, const SpanRecord& span) {
  if (span.sequence < 0 || span.sequence >= kMaxSpans) return Error(ErrorCode::kData, fmt::format("a case has more than {} spans", kMaxSpans), "report fewer spans per case");
  const int64_t id = (case_id << kSpanBits) + span.sequence;
  LLMOPS_ASSIGN(const int64_t step, name_id(span.step));
  LLMOPS_ASSIGN(const int64_t kind, name_id(span.kind));
  std::optional<int64_t> asked, served, error;
  if (!span.model_asked.empty()) {
    LLMOPS_ASSIGN(asked, name_id(span.model_asked));
  }
  if (!span.model_served.empty()) {
    LLMOPS_ASSIGN(served, name_id(span.model_served));
  }
  if (!span.error_code.empty()) {
    LLMOPS_ASSIGN(error, name_id(span.error_code));
  }
  const int64_t flags = (span.skipped ? kSkippedFlag : 0) + static_cast<int64_t>(span.cache) * 2;
  LLMOPS_ASSIGN(Statement insert, connection_.prepare(
      "INSERT INTO span (id, parent, step, kind, name, item, flags, start_ms, latency_ms, ttft_ms, retries, model_asked, model_served, input_tokens, output_tokens, cost_usd, "
      "error_code, error_message, memo_key, attributes, input, prompt, output) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)"));
  insert.bind(1, id).bind(2, span.parent).bind(3, step).bind(4, kind).bind(5, span.name).bind(6, span.item).bind(7, flags).bind(8, span.start_ms).bind(9, span.latency_ms)
      .bind(10, span.ttft_ms).bind(11, span.retries).bind(12, asked).bind(13, served).bind(14, span.input_tokens).bind(15, span.output_tokens).bind(16, span.cost_usd)
      .bind(17, error).bind_or_null(18, span.error_message).bind_or_null(20, span.attributes).bind_or_null(21, span.input).bind_or_null(22, span.prompt).bind_or_null(23, span.output);
  if (span.memo_key.empty()) insert.bind_null(19);
  else insert.bind_blob(19, span.memo_key);
  LLMOPS_CHECK(insert.run());
  if (span.memo_key.empty() || error) return {};
  LLMOPS_ASSIGN(Statement memo, connection_.prepare("INSERT INTO memo (key, span) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING"));
  return memo.bind_blob(1, span.memo_key).bind(2, id).run();
}

Status CaseRows::insert_scores(int64_t case_id, const std::vector<ScoreRecord>& scores) {
  LLMOPS_ASSIGN(Statement insert, connection_.prepare("INSERT INTO score (case_id, position, metric, value, pass, error, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  int64_t position = 0;
  for (const ScoreRecord& score : scores) {
    LLMOPS_ASSIGN(const int64_t metric, name_id(score.metric));
    std::optional<int> pass;
    if (score.pass) pass = *score.pass ? 1 : 0;
    LLMOPS_CHECK(insert.bind(1, case_id).bind(2, position++).bind(3, metric).bind(4, score.value).bind(5, pass).bind_or_null(6, score.error).bind_or_null(7, score.detail).run());
  }
  return {};
}

SpanRecord span_of(const Statement& row) {
  SpanRecord span;
  span.sequence = static_cast<int>(row.integer(0) & (kMaxSpans - 1));
  span.parent = static_cast<int>(row.integer(1));
  span.step = row.text(2);
  span.kind = row.text(3);
  span.name = row.text(4);
  span.item = static_cast<int>(row.integer(5));
  span.skipped = (row.integer(6) & kSkippedFlag) != 0;
  span.cache = static_cast<SpanCache>(row.integer(6) / 2);
  span.start_ms = row.integer(7);
  span.latency_ms = row.real(8);
  span.ttft_ms = row.optional_real(9);
  span.retries = static_cast<int>(row.integer(10));
  span.model_asked = row.text(11);
  span.model_served = row.text(12);
  span.input_tokens = row.optional_integer(13);
  span.output_tokens = row.optional_integer(14);
  span.cost_usd = row.optional_real(15);
  span.error_code = row.text(16);
  span.error_message = row.text(17);
  span.memo_key = row.text(18);
  span.attributes = row.text(19);
  span.input = row.text(20);
  span.prompt = row.text(21);
  span.output = row.text(22);
  return span;
}

Result<std::vector<SpanRecord>> read_spans(Connection& connection, int64_t case_id) {
  LLMOPS_ASSIGN(Statement select, connection.prepare(fmt::format("SELECT {} FROM span WHERE id >= ?1 AND id < ?2 ORDER BY id", kSpanColumns)));
  select.bind(1, case_id << kSpanBits).bind(2, (case_id + 1) << kSpanBits);
  std::vector<SpanRecord> spans;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return spans;
    spans.push_back(span_of(select));
  }
}

Result<std::vector<ScoreRecord>> read_scores(Connection& connection, int64_t case_id) {
  LLMOPS_ASSIGN(Statement select, connection.prepare("SELECT " LLMOPS_NAME("metric") ", value, pass, error, detail FROM score WHERE case_id = ?1 ORDER BY position"));
  select.bind(1, case_id);
  std::vector<ScoreRecord> scores;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return scores;
    ScoreRecord score;
    score.metric = select.text(0);
    score.value = select.optional_real(1);
    if (const auto pass = select.optional_integer(2)) score.pass = *pass != 0;
    score.error = select.text(3);
    score.detail = select.text(4);
    scores.push_back(std::move(score));
  }
}

#undef LLMOPS_NAME

}  // namespace llmops
