// Where rows end. JSONL, TSV and text end a row at a line feed. CSV (RFC 4180) may hold line feeds inside quotes, so its
// rows are found by a small state machine from the start of the file; everything else about a row can wait.
#include "core/data/records.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/data/json_line.h"

namespace llmops {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

struct RecordEnd {
  bool complete = false;   // false: more bytes are needed
  size_t stop = 0;         // end of the content
  size_t next = 0;         // start of the next record
  int64_t lines = 1;       // line ends inside, the last one included
  FrameFault fault = FrameFault::kNone;
  size_t fault_at = 0;
};

RecordEnd find_line_end(std::string_view bytes, size_t start, bool at_end) {
  const size_t newline = bytes.find('\n', start);
  if (newline == kNowhere) return {at_end, bytes.size(), bytes.size(), 1, FrameFault::kNone, 0};
  const size_t stop = newline > start && bytes[newline - 1] == '\r' ? newline - 1 : newline;
  return {true, stop, newline + 1, 1, FrameFault::kNone, 0};
}

// After a fault the record is its first line.
RecordEnd cut_at_line(std::string_view bytes, size_t start, FrameFault fault, size_t fault_at) {
  RecordEnd end = find_line_end(bytes, start, true);
  end.fault = fault;
  end.fault_at = fault_at;
  return end;
}

size_t find_plain_end(std::string_view bytes, size_t at) {
  while (at < bytes.size() && bytes[at] != ',' && bytes[at] != '\n' && bytes[at] != '"' && bytes[at] != '\r') ++at;
  return at;
}

// The end of the CSV record that starts at `start`.
RecordEnd find_csv_end(std::string_view bytes, size_t start, bool at_end) {
  const RecordEnd unfinished{false, 0, 0, 0, FrameFault::kNone, 0};
  int64_t lines = 1;
  for (size_t at = start; true; ++at) {
    if (at < bytes.size() && bytes[at] == '"') {
      const size_t open = at++;
      while (true) {
        const size_t quote = bytes.find('"', at);
        if (quote == kNowhere) return at_end ? cut_at_line(bytes, start, FrameFault::kOpenQuote, open) : unfinished;
        lines += std::count(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(quote), '\n');
        at = quote + 1;
        if (at == bytes.size() && !at_end) return unfinished;
        if (at == bytes.size() || bytes[at] != '"') break;
        ++at;
      }
      if (at < bytes.size() && bytes[at] != ',' && bytes[at] != '\n' && bytes[at] != '\r') return cut_at_line(bytes, start, FrameFault::kTextAfterQuote, at);
    } else {
      at = find_plain_end(bytes, at);
      if (at < bytes.size() && bytes[at] == '"') return cut_at_line(bytes, start, FrameFault::kStrayQuote, at);
    }
    if (at == bytes.size()) return at_end ? RecordEnd{true, at, at, lines, FrameFault::kNone, 0} : unfinished;
    if (bytes[at] == '\n') return {true, at, at + 1, lines, FrameFault::kNone, 0};
    if (bytes[at] == '\r') {
      if (at + 1 == bytes.size() && !at_end) return unfinished;
      if (at + 1 == bytes.size() || bytes[at + 1] != '\n') return cut_at_line(bytes, start, FrameFault::kLoneReturn, at);
      return {true, at, at + 2, lines, FrameFault::kNone, 0};
    }
  }
}

bool is_blank_line(std::string_view content) { return content.find_first_not_of(" \t\r") == kNowhere; }

// The first bytes of the file itself, before decompression. None of a pipe, which would lose them.
std::string first_bytes(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return {};
  std::string head(3, '\0');
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t count = ::pread(fd, head.data(), head.size(), 0);
  ::close(fd);
  head.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return head;
}

enum class Reading { kJsonl, kCsv, kTsv, kText, kDocument, kUnknown };

Reading reading_of_name(std::filesystem::path path) {
  if (path.extension() == ".gz" || path.extension() == ".zst") path.replace_extension();
  const std::string ending = path.extension().string();
  if (ending == ".jsonl" || ending == ".ndjson") return Reading::kJsonl;
  if (ending == ".csv") return Reading::kCsv;
  if (ending == ".tsv") return Reading::kTsv;
  if (ending == ".json" || ending == ".yaml" || ending == ".yml") return Reading::kDocument;
  return ending == ".txt" || ending == ".md" ? Reading::kText : Reading::kUnknown;
}

Reading reading_of(const std::filesystem::path& path, const RecordOptions& options) {
  if (options.text) return Reading::kText;
  switch (options.format) {
    case DatasetFormat::kJsonl: return Reading::kJsonl;
    case DatasetFormat::kCsv: return Reading::kCsv;
    case DatasetFormat::kTsv: return Reading::kTsv;
    case DatasetFormat::kJson:
    case DatasetFormat::kYaml: return Reading::kDocument;
    case DatasetFormat::kAuto: break;
  }
  return reading_of_name(path);
}

RecordFormat format_of(Reading reading) {
  switch (reading) {
    case Reading::kCsv: return RecordFormat::kCsv;
    case Reading::kTsv: return RecordFormat::kTsv;
    case Reading::kText: return RecordFormat::kText;
    default: return RecordFormat::kJsonl;
  }
}

SourcePlace place_in(const std::string& name, int64_t line, int column = 0) {
  SourcePlace place;
  place.file = name;
  place.line = static_cast<int>(line);
  place.column = column;
  return place;
}

}  // namespace

Result<RecordSource> RecordSource::open(const std::filesystem::path& path, std::string shown_name, const RecordOptions& options) {
  RecordSource source;
  source.name_ = std::move(shown_name);
  source.options_ = options;
  const std::string head = first_bytes(path);
  if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF")) {
    return Error(ErrorCode::kData, fmt::format("'{}' is in UTF-16, not UTF-8", source.name_), "convert it, for example with iconv -f UTF-16 -t UTF-8").at(place_in(source.name_, 1));
  }
  source.byte_order_mark_ = head == "\xEF\xBB\xBF";
  LLMOPS_ASSIGN(auto bytes, open_byte_source(path, source.name_));
  auto peeked = std::make_unique<PeekedSource>(std::move(bytes));
  if (options.format == DatasetFormat::kAuto) LLMOPS_CHECK(check_readable(*peeked, path, source.name_));
  Reading reading = reading_of(path, options);
  if (reading == Reading::kUnknown) {
    LLMOPS_ASSIGN(const std::string_view start, peeked->peek());
    const size_t first = start.find_first_not_of(" \t\r\n");
    const char c = first == kNowhere ? ',' : start[first];
    reading = c == '[' ? Reading::kDocument : c == '{' ? Reading::kJsonl : Reading::kCsv;
  }
  source.format_ = format_of(reading);
  if (reading == Reading::kDocument) {
    LLMOPS_ASSIGN(source.document_, open_dataset(path, source.name_, options.format));
    return source;
  }
  source.bytes_ = std::move(peeked);
  if (source.format_ == RecordFormat::kText) source.header_ = {"text"};
  if (reading == Reading::kCsv || reading == Reading::kTsv) LLMOPS_CHECK(source.read_header());
  return source;
}

// Appends blocks until there are `wanted` bytes or no more.
Status RecordSource::fill(std::string& bytes, size_t wanted) {
  while (bytes.size() < wanted && !ended_) {
    LLMOPS_ASSIGN(const std::string_view block, bytes_->next_block());
    bytes += block;
    ended_ = block.empty();
  }
  return {};
}

Status RecordSource::read_header() {
  const auto find_end = format_ == RecordFormat::kCsv ? find_csv_end : find_line_end;
  RecordEnd end;
  for (size_t wanted = 64 << 10; !end.complete; wanted *= 2) {
    LLMOPS_CHECK(fill(carried_, wanted));
    end = find_end(carried_, 0, ended_);
  }
  const std::string_view content = std::string_view(carried_).substr(0, end.stop);
  if (const size_t bad = first_invalid_utf8(content); bad != kNowhere) {
    return Error(ErrorCode::kData, fmt::format("the header of '{}' is not valid UTF-8", name_)).at(place_in(name_, 1, static_cast<int>(bad) + 1));
  }
  if (end.fault != FrameFault::kNone) {
    return Error(ErrorCode::kData, fmt::format("the header of '{}' is malformed", name_), "quote a name that holds a quote, and double the quote")
        .at(place_in(name_, 1, static_cast<int>(end.fault_at) + 1));
  }
  if (is_blank_line(content)) return Error(ErrorCode::kData, fmt::format("'{}' has no header: its first line is empty", name_)).at(place_in(name_, 1));
  Row row;
  static_cast<void>(format_ == RecordFormat::kCsv ? split_csv(content, {}, row) : split_tsv(content, {}, row));
  std::set<std::string> seen;
  for (const Field& field : row.fields) {
    std::string scratch;
    header_.emplace_back(field_text(field, scratch));
    if (header_.back().empty()) return Error(ErrorCode::kData, fmt::format("column {} of the header has no name", header_.size())).at(place_in(name_, 1));
    if (!seen.insert(header_.back()).second) return Error(ErrorCode::kData, fmt::format("the header names '{}' twice", header_.back())).at(place_in(name_, 1));
  }
  header_bytes_ = carried_.substr(0, end.next);
  if (!header_bytes_.ends_with('\n')) header_bytes_ += '\n';
  count_end(header_bytes_, 1);
  carried_.erase(0, end.next);
  line_ += end.lines;
  return {};
}

void RecordSource::count_end(std::string_view written, int64_t line) {
  if (!written.ends_with('\n')) return;
  const bool crlf = written.ends_with("\r\n");
  int64_t& first = crlf ? first_crlf_line_ : first_lf_line_;
  if (first == 0) first = line;
  ++(crlf ? crlf_lines_ : lf_lines_);
}

// Puts the complete records of the batch's bytes into its list; `taken` is where the rest starts.
void RecordSource::take_records(RecordBatch& batch, size_t& taken) {
  const auto find_end = format_ == RecordFormat::kCsv ? find_csv_end : find_line_end;
  const bool is_table = format_ == RecordFormat::kCsv || format_ == RecordFormat::kTsv;
  const bool blank_is_row = is_table && header_.size() == 1;
  while (taken < batch.bytes.size()) {
    const RecordEnd end = find_end(batch.bytes, taken, ended_);
    if (!end.complete) return;
    RecordSpan record;
    record.begin = taken;
    record.size = end.stop - taken;
    record.full_size = end.next - taken;
    record.line = line_;
    record.fault = end.fault;
    const std::string_view bytes = batch.bytes;
    count_end(batch.written(record), line_);
    if (!blank_is_row && is_blank_line(batch.content(record)) && (format_ != RecordFormat::kTsv || batch.content(record).find('\t') == kNowhere)) {
      if (blank_line_ == 0) blank_line_ = line_;
    } else {
      if (blank_line_ != 0 && is_table) batch.records.push_back({taken, 0, 0, ++number_, blank_line_, FrameFault::kBlankLine, blank_line_, 0});
      blank_line_ = 0;
      record.number = ++number_;
      if (end.fault != FrameFault::kNone) {
        const std::string_view before = bytes.substr(taken, end.fault_at - taken);
        const size_t last = before.rfind('\n');
        record.fault_line = line_ + std::count(before.begin(), before.end(), '\n');
        record.fault_column = static_cast<int>(before.size() - (last == kNowhere ? 0 : last + 1)) + 1;
      }
      batch.records.push_back(record);
    }
    line_ += end.lines;
    taken = end.next;
  }
}

Status RecordSource::skip_line() {
  carried_.clear();
  while (!ended_) {
    LLMOPS_ASSIGN(const std::string_view block, bytes_->next_block());
    ended_ = block.empty();
    if (const size_t newline = block.find('\n'); newline != kNowhere) {
      carried_ = block.substr(newline + 1);
      return {};
    }
  }
  return {};
}

Result<bool> RecordSource::next(RecordBatch& batch) {
  batch.bytes.clear();
  batch.records.clear();
  if (document_ != nullptr) return next_from_document(batch);
  std::swap(batch.bytes, carried_);
  carried_.clear();
  size_t taken = 0;
  for (size_t wanted = options_.batch_bytes; batch.records.empty(); wanted = std::max(options_.batch_bytes, 2 * batch.bytes.size())) {
    LLMOPS_CHECK(fill(batch.bytes, wanted));
    take_records(batch, taken);
    if (ended_ && taken == batch.bytes.size()) break;
    if (!batch.records.empty()) continue;
    if (batch.records.empty() && taken > 0) {  // blank lines only
      batch.bytes.erase(0, taken);
      taken = 0;
    }
    if (batch.bytes.size() <= options_.longest_record_bytes) continue;
    // Nothing complete in so many bytes: an endless line, or a quote that nobody closes.
    const size_t newline = batch.bytes.find('\n', taken);
    const bool open_quote = format_ == RecordFormat::kCsv && newline != kNowhere;
    batch.records.push_back({taken, 0, 0, ++number_, line_, open_quote ? FrameFault::kOpenQuote : FrameFault::kTooLong, line_, 1});
    ++line_;
    if (newline != kNowhere) {
      taken = newline + 1;
      break;
    }
    LLMOPS_CHECK(skip_line());
    taken = batch.bytes.size();
    return true;
  }
  carried_.assign(batch.bytes, taken);
  batch.bytes.resize(taken);
  return !batch.records.empty();
}

Result<bool> RecordSource::next_from_document(RecordBatch& batch) {
  DatasetRow row;
  while (batch.bytes.size() < options_.batch_bytes) {
    LLMOPS_ASSIGN(const bool more, document_->next(row));
    if (!more) break;
    const std::string line = dump_json(row.value);
    batch.records.push_back({batch.bytes.size(), line.size(), line.size() + 1, row.number, row.line, FrameFault::kNone, 0, 0});
    (batch.bytes += line) += '\n';
  }
  return !batch.records.empty();
}

std::optional<RowFault> RecordSource::parse(std::string_view content, Row& row) const {
  switch (format_) {
    case RecordFormat::kJsonl: return scan_json_object(content, row);
    case RecordFormat::kCsv: return split_csv(content, header_, row);
    case RecordFormat::kTsv: return split_tsv(content, header_, row);
    case RecordFormat::kText: break;
  }
  row.clear();
  row.fields.push_back({header_[0], content, ValueType::kText, TextCode::kPlain});
  return std::nullopt;
}

RowFault frame_fault(const RecordSpan& record, size_t longest_record_bytes) {
  const int64_t offset = record.fault_line - record.line;
  switch (record.fault) {
    case FrameFault::kTooLong: return {fmt::format("is longer than {} MiB", longest_record_bytes >> 20), 0, 0};
    case FrameFault::kOpenQuote: return {"has a quote that is never closed", offset, record.fault_column};
    case FrameFault::kStrayQuote: return {"has a quote inside an unquoted field", offset, record.fault_column};
    case FrameFault::kTextAfterQuote: return {"has text after a closing quote", offset, record.fault_column};
    case FrameFault::kLoneReturn: return {"has a carriage return without a line feed", offset, record.fault_column};
    case FrameFault::kBlankLine: return {"is blank", 0, 0};
    case FrameFault::kNone: break;
  }
  return {};
}

Error record_error(const RecordSource& source, const RecordSpan& record, const RowFault& fault) {
  return Error(ErrorCode::kData, fmt::format("row {} {}", record.number, fault.message), "run llmops eval data check for all broken rows")
      .at(place_in(source.shown_name(), record.line + fault.line_offset, fault.column));
}

std::optional<RowFault> RecordSource::read_row(const RecordBatch& batch, const RecordSpan& record, Row& row) const {
  if (record.fault != FrameFault::kNone) return frame_fault(record, options_.longest_record_bytes);
  const std::string_view content = batch.content(record);
  if (const size_t bad = first_invalid_utf8(content); bad != kNowhere) return RowFault{"is not valid UTF-8", 0, static_cast<int>(bad) + 1};
  return parse(content, row);
}

}  // namespace llmops
