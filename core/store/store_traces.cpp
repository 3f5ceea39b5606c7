// What applications recorded of themselves: spans by trace, each once.
#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"

namespace llmops {

namespace {

constexpr int kEmpty = 1, kRefusal = 2, kCutOff = 4, kMalformedJson = 8;

#define LLMOPS_RECORD_COLUMNS                                                                                                                             \
  "span, component, start_ms, latency_ms, ttft_ms, session, user, service, route, language, prompt, vid, model_asked, model_served, input, output, "      \
  "input_bytes, output_bytes, finish, error, signs, input_tokens, output_tokens, cost_usd, tools, scores"

// Statements that add traces, compiled once for a batch.
class TraceRows {
 public:
  static Result<TraceRows> prepare(Connection& connection) {
    LLMOPS_ASSIGN(Statement find, connection.prepare("SELECT id, start_ms FROM trace WHERE trace = ?1"));
    LLMOPS_ASSIGN(Statement begin, connection.prepare("INSERT INTO trace (trace, start_ms, service) VALUES (?1, ?2, ?3)"));
    LLMOPS_ASSIGN(Statement earlier, connection.prepare("UPDATE trace SET start_ms = ?2 WHERE id = ?1"));
    LLMOPS_ASSIGN(Statement span, connection.prepare("INSERT OR IGNORE INTO trace_span (trace, span, body) VALUES (?1, ?2, ?3)"));
    LLMOPS_ASSIGN(Statement bodies, connection.prepare("SELECT body FROM trace_span WHERE trace = ?1 ORDER BY span"));
    LLMOPS_ASSIGN(Statement clear, connection.prepare("DELETE FROM record WHERE trace = ?1"));
    LLMOPS_ASSIGN(Statement record, connection.prepare("INSERT OR REPLACE INTO record (trace, " LLMOPS_RECORD_COLUMNS ") VALUES "
        "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)"));
    return TraceRows(connection, {std::move(find), std::move(begin), std::move(earlier), std::move(span), std::move(bodies), std::move(clear), std::move(record)});
  }

  Status add(const StoredTrace& trace, const Store::RecordMaker& records_of, Store::SpanCounts& counts) {
    LLMOPS_ASSIGN(const bool is_known, statements_.find.bind(1, trace.trace).step());
    int64_t id = 0;
    if (is_known) {
      id = statements_.find.integer(0);
      // A span without a time does not make its trace one without a time.
      const int64_t known_ms = statements_.find.integer(1);
      if (trace.start_ms > 0 && (known_ms <= 0 || trace.start_ms < known_ms)) LLMOPS_CHECK(statements_.earlier.bind(1, id).bind(2, trace.start_ms).run());
    } else {
      LLMOPS_CHECK(statements_.begin.bind(1, trace.trace).bind(2, trace.start_ms).bind(3, trace.service).run());
      id = connection_.last_insert_id();
      ++counts.new_traces;
    }
    statements_.find.reset();
    int64_t added = 0;
    for (const StoredSpan& span : trace.spans) {
      LLMOPS_CHECK(statements_.span.bind(1, id).bind(2, span.span).bind(3, span.body).run());
      const bool is_new = connection_.changes() > 0;
      added += is_new;
      ++(is_new ? counts.added : counts.known);
    }
    if (added == 0) return {};
    if (!is_known) return put_records(id, trace.records);
    LLMOPS_ASSIGN(const bool made, make_records(id, records_of));
    static_cast<void>(made);  // it holds the span that was added
    return {};
  }

  // Of all spans of a trace. False: it has none, so that it is no trace any more.
  Result<bool> make_records(int64_t id, const Store::RecordMaker& records_of) {
    LLMOPS_ASSIGN(const std::vector<std::string> bodies, bodies_of(id));
    if (bodies.empty()) return false;
    LLMOPS_ASSIGN(const std::vector<StoredRecord> records, records_of(bodies));
    LLMOPS_CHECK(statements_.clear.bind(1, id).run());
    LLMOPS_CHECK(put_records(id, records));
    return true;
  }

 private:
  struct Statements { Statement find, begin, earlier, span, bodies, clear, record; };
  TraceRows(Connection& connection, Statements statements) : connection_(connection), statements_(std::move(statements)) {}

  Result<std::vector<std::string>> bodies_of(int64_t trace) {
    std::vector<std::string> found;
    statements_.bodies.bind(1, trace);
    while (true) {
      LLMOPS_ASSIGN(const bool row, statements_.bodies.step());
      if (!row) break;
      found.push_back(statements_.bodies.text(0));
    }
    statements_.bodies.reset();
    return found;
  }

  Status put_records(int64_t trace, const std::vector<StoredRecord>& records) {
    for (const StoredRecord& r : records) {
      const int signs = (r.is_empty ? kEmpty : 0) | (r.is_refusal ? kRefusal : 0) | (r.is_cut_off ? kCutOff : 0) | (r.is_malformed_json ? kMalformedJson : 0);
      Statement& put = statements_.record;
      put.bind(1, trace).bind(2, r.span).bind(3, r.component).bind(4, r.start_ms).bind(5, r.latency_ms).bind(6, r.ttft_ms);
      int column = 7;
      for (const std::optional<std::string>* text : {&r.session, &r.user, &r.service, &r.route, &r.language, &r.prompt, &r.vid, &r.model_asked, &r.model_served, &r.input, &r.output}) put.bind(column++, *text);
      put.bind(18, r.input_bytes).bind(19, r.output_bytes).bind(20, r.finish).bind(21, r.error).bind(22, signs).bind(23, r.input_tokens).bind(24, r.output_tokens).bind(25, r.cost_usd).bind(26, r.tools).bind(27, r.scores);
      LLMOPS_CHECK(put.run());
    }
    return {};
  }

  Connection& connection_;
  Statements statements_;
};

std::optional<std::string> optional_text(const Statement& row, int column) { return row.is_null(column) ? std::nullopt : std::optional(row.text(column)); }

StoredRecord record_in(const Statement& row) {
  StoredRecord r;
  r.span = row.text(0);
  r.component = row.text(1);
  r.start_ms = row.optional_integer(2);
  r.latency_ms = row.optional_real(3);
  r.ttft_ms = row.optional_real(4);
  int column = 5;
  for (std::optional<std::string>* text : {&r.session, &r.user, &r.service, &r.route, &r.language, &r.prompt, &r.vid, &r.model_asked, &r.model_served, &r.input, &r.output}) *text = optional_text(row, column++);
  r.input_bytes = row.optional_integer(16);
  r.output_bytes = row.optional_integer(17);
  r.finish = optional_text(row, 18);
  r.error = optional_text(row, 19);
  const int64_t signs = row.integer(20);
  r.is_empty = (signs & kEmpty) != 0;
  r.is_refusal = (signs & kRefusal) != 0;
  r.is_cut_off = (signs & kCutOff) != 0;
  r.is_malformed_json = (signs & kMalformedJson) != 0;
  r.input_tokens = row.optional_integer(21);
  r.output_tokens = row.optional_integer(22);
  r.cost_usd = row.optional_real(23);
  r.tools = optional_text(row, 24);
  r.scores = optional_text(row, 25);
  r.trace = row.text(26);
  return r;
}

}  // namespace

Result<Store::SpanCounts> LocalStore::add_traces(const std::vector<StoredTrace>& traces, const RecordMaker& records_of) {
  SpanCounts counts;
  const auto add = [&](Connection& connection) -> Status {
    counts = {};
    LLMOPS_ASSIGN(TraceRows rows, TraceRows::prepare(connection));
    for (const StoredTrace& trace : traces) LLMOPS_CHECK(rows.add(trace, records_of, counts));
    if (const int injected = failpoint("traces.batch")) return io_error("write", layout_.database(), injected);
    return {};
  };
  LLMOPS_CHECK(write(Durability::kProcess, add));
  return counts;
}

Result<int64_t> LocalStore::make_missing_records(const RecordMaker& records_of) {
  constexpr int kBatch = 256;
  int64_t made = 0, last = 0;
  std::vector<int64_t> missing;
  const auto find = [&]() -> Status {
    LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
    LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT id FROM trace WHERE id > ?1 AND id NOT IN (SELECT trace FROM record WHERE component = '') ORDER BY id LIMIT ?2"));
    select.bind(1, last).bind(2, kBatch);
    missing.clear();
    while (true) {
      LLMOPS_ASSIGN(const bool row, select.step());
      if (!row) return {};
      missing.push_back(select.integer(0));
    }
  };
  int64_t in_batch = 0;
  const auto make = [&](Connection& connection) -> Status {
    in_batch = 0;
    LLMOPS_ASSIGN(TraceRows rows, TraceRows::prepare(connection));
    for (const int64_t id : missing) {
      LLMOPS_ASSIGN(const bool is_made, rows.make_records(id, records_of));
      in_batch += is_made;
    }
    if (const int injected = failpoint("traces.batch")) return io_error("write", layout_.database(), injected);
    return {};
  };
  while (true) {
    LLMOPS_CHECK(find());
    if (missing.empty()) return made;
    LLMOPS_CHECK(write(Durability::kProcess, make));
    made += in_batch;
    last = missing.back();
  }
}

Result<int64_t> LocalStore::put_scores(const std::vector<StoredScore>& scores) {
  int64_t fresh = 0;
  const auto put = [&](Connection& connection) -> Status {
    fresh = 0;
    LLMOPS_ASSIGN(Statement find, connection.prepare("SELECT 1 FROM trace_score WHERE trace = ?1 AND span = ?2 AND name = ?3"));
    LLMOPS_ASSIGN(Statement insert, connection.prepare("INSERT OR REPLACE INTO trace_score (trace, span, name, value) VALUES (?1, ?2, ?3, ?4)"));
    for (const StoredScore& score : scores) {
      LLMOPS_ASSIGN(const bool is_known, find.bind(1, score.trace).bind(2, score.span).bind(3, score.name).step());
      find.reset();
      fresh += !is_known;
      LLMOPS_CHECK(insert.bind(1, score.trace).bind(2, score.span).bind(3, score.name).bind(4, score.value).run());
    }
    if (const int injected = failpoint("traces.batch")) return io_error("write", layout_.database(), injected);
    return {};
  };
  LLMOPS_CHECK(write(Durability::kProcess, put));
  return fresh;
}

Status LocalStore::visit_records(const RecordFilter& filter, const std::function<bool(const StoredRecord&)>& visit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT " LLMOPS_RECORD_COLUMNS ", (SELECT t.trace FROM trace t WHERE t.id = record.trace) FROM record WHERE component = ?1 AND (?2 IS NULL OR start_ms >= ?2) AND (?3 IS NULL OR start_ms < ?3) "
      "AND (?4 IS NULL OR service = ?4) ORDER BY start_ms, trace, span"));
  select.bind(1, filter.component).bind(2, filter.from_ms).bind(3, filter.to_ms).bind(4, filter.service);
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row || !visit(record_in(select))) return {};
  }
}

Result<std::vector<std::string>> LocalStore::record_components() {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT DISTINCT component FROM record WHERE component <> '' ORDER BY component"));
  std::vector<std::string> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(select.text(0));
  }
}

Result<std::vector<std::pair<int64_t, int64_t>>> LocalStore::record_hours(std::string_view component) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT start_ms / 3600000, count(*) FROM record WHERE component = ?1 AND start_ms IS NOT NULL GROUP BY 1 ORDER BY 1"));
  select.bind(1, component);
  std::vector<std::pair<int64_t, int64_t>> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.emplace_back(select.integer(0), select.integer(1));
  }
}

Result<std::vector<int64_t>> LocalStore::traces(std::string_view service) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT id FROM trace WHERE ?1 = '' OR service = ?1 ORDER BY start_ms, id"));
  select.bind(1, service);
  std::vector<int64_t> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(select.integer(0));
  }
}

Result<std::vector<std::string>> LocalStore::trace_spans(int64_t trace) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT body FROM trace_span WHERE trace = ?1 ORDER BY span"));
  select.bind(1, trace);
  std::vector<std::string> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(select.text(0));
  }
}

}  // namespace llmops
