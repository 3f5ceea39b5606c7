// CSV by RFC 4180 and TSV by the IANA registration's escapes (text/tab-separated-values with \t \n \r \\).
// Strict on purpose: a file that two programs read differently is an error with its place, not a guess.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/format/dataset_rows_reader.h"

namespace llmops {
namespace {

constexpr const char* kSaveAsUtf8 = "save the file as UTF-8";
constexpr const char* kConvert = "convert it to UTF-8 text, for example: iconv -f UTF-16 -t UTF-8 OLD > NEW";
constexpr const char* kLargeElsewhere = "close an open quote, or keep large texts in files of their own";

std::string counted(size_t count, std::string_view noun) { return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s"); }

struct Position { int line = 0, column = 0; };

// A record of fields with the place that each starts at.
struct Record {
  std::vector<std::string> fields;
  std::vector<Position> starts;
  size_t size = 0;  // fields in use; the strings are kept for the next row
  int line = 0;
  Position end;     // behind the last field
  bool blank = false;

  void clear() { size = 0; blank = false; }
  std::string& add(Position at) {
    if (size == fields.size()) { fields.emplace_back(); starts.emplace_back(); }
    fields[size].clear();
    starts[size] = at;
    return fields[size++];
  }
};

class TableReader : public RowReader {
 public:
  using RowReader::RowReader;

 protected:
  // Reads one record; false at the end. `row` gives the number for errors.
  virtual Result<bool> read_record(Record& record, const DatasetRow& row) = 0;
  virtual const char* format_word() const = 0;
  // What to do about a row of more fields than the header.
  virtual const char* surplus_hint() const = 0;

  Error place_error(std::string message, std::string hint, int line, int column) const {
    SourcePlace place;
    place.file = name();
    place.line = line;
    place.column = column;
    return Error(ErrorCode::kData, std::move(message), std::move(hint)).at(std::move(place));
  }

  // "row 3 WHAT", or "the header WHAT" while the header is read.
  Error record_error(const DatasetRow& row, std::string_view what, std::string hint, int line, int column) const {
    return has_header_ ? row_error(row, what, std::move(hint), line, column) : place_error("the header " + std::string(what), std::move(hint), line, column);
  }

 private:
  Result<bool> read_row(DatasetRow& row) final {
    if (!has_header_) LLMOPS_CHECK(read_header(row));
    LLMOPS_ASSIGN(const bool more, next_record(row));
    if (!more) return false;
    row.line = record_.line;
    if (record_.size != header_.size()) {
      const bool surplus = record_.size > header_.size();
      const Position at = surplus ? record_.starts[header_.size()] : record_.end;
      return row_error(row, fmt::format("has {}, the header has {}", counted(record_.size, "field"), header_.size()),
                       surplus ? surplus_hint() : "write all fields, empty ones too", at.line, at.column);
    }
    row.value = Json::object();
    auto& object = row.value.get_ref<Json::object_t&>();
    object.reserve(header_.size());
    // Names are known to differ: the map's own emplace would compare each with all before it.
    auto& members = static_cast<Json::object_t::Container&>(object);
    for (size_t i = 0; i < header_.size(); ++i) members.emplace_back(header_[i], record_.fields[i]);
    return true;
  }

  // Blank lines at the end of the file are no rows; one before another row is an error, unless the table has one column.
  Result<bool> next_record(const DatasetRow& row) {
    LLMOPS_ASSIGN(bool more, read_record(record_, row));
    if (!more || !record_.blank || header_.size() == 1) return more;
    const int blank_line = record_.line;
    while (more && record_.blank) { LLMOPS_ASSIGN(more, read_record(record_, row)); }
    if (!more) return false;
    return row_error(row, "is blank", "remove the empty line", blank_line, 1);
  }

  Status read_header(const DatasetRow& row) {
    LLMOPS_ASSIGN(const bool more, read_record(record_, row));
    if (!more) return place_error(fmt::format("'{}' is empty: a {} file starts with a header", name(), format_word()), "write the names of the columns into the first line", 1, 1);
    std::set<std::string> seen;
    for (size_t i = 0; i < record_.size; ++i) {
      const std::string& column = record_.fields[i];
      const Position at = record_.starts[i];
      if (column.empty()) return place_error(fmt::format("column {} of the header has no name", i + 1), "name the column, or remove it", at.line, at.column);
      if (!seen.insert(column).second) return place_error(fmt::format("the header names '{}' twice", column), "rename one of the two", at.line, at.column);
      header_.push_back(column);
    }
    has_header_ = true;
    return {};
  }

  bool has_header_ = false;
  std::vector<std::string> header_;
  Record record_;
};

class CsvReader : public TableReader {
 public:
  CsvReader(std::unique_ptr<ByteSource> source, std::string name) : TableReader(std::move(name)), source_(std::move(source)) {}

 private:
  const char* format_word() const override { return "CSV"; }
  const char* surplus_hint() const override { return "put a field that holds a comma in quotes"; }

  Result<bool> read_record(Record& record, const DatasetRow& row) override {
    record.clear();
    record.line = line_;
    if (!more()) return finish(false);
    record.blank = *at_ == '\n' || *at_ == '\r';
    while (true) {
      const Position start{line_, column()};
      std::string& field = record.add(start);
      const bool quoted = more() && *at_ == '"';
      LLMOPS_CHECK(quoted ? read_quoted(field, record, row) : read_plain(field, row, record));
      if (const size_t bad = first_invalid_utf8(field); bad != std::string_view::npos) return byte_error(row, "is not valid UTF-8", kSaveAsUtf8, field, bad, start, quoted);
      if (const size_t nul = field.find('\0'); nul != std::string::npos) return byte_error(row, "holds a NUL byte", kConvert, field, nul, start, quoted);
      record.end = {line_, column()};
      if (!more()) return finish(true);
      const char after = *at_;
      if (after == ',') { ++at_; continue; }
      LLMOPS_CHECK(end_line(row));
      return finish(true);
    }
  }

  // At a byte of a field that begins at `start`.
  Error byte_error(const DatasetRow& row, std::string_view what, const char* hint, std::string_view field, size_t offset, Position start, bool quoted) const {
    const std::string_view before = field.substr(0, offset);
    const auto newlines = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
    const size_t newline = before.rfind('\n');
    const size_t line_from = newline == std::string_view::npos ? 0 : newline + 1;
    // Every quote in the value was written twice.
    const auto written = static_cast<int>(offset - line_from + static_cast<size_t>(std::count(before.begin() + static_cast<std::ptrdiff_t>(line_from), before.end(), '"')));
    return record_error(row, what, hint, start.line + newlines, newlines > 0 ? written + 1 : start.column + (quoted ? 1 : 0) + written);
  }

  // An unquoted field: everything up to a comma or the end of the line.
  Status read_plain(std::string& field, const DatasetRow& row, const Record& record) {
    while (more()) {
      const char* stop = std::find_if(at_, end_, [](char c) { return c == ',' || c == '\n' || c == '\r' || c == '"'; });
      field.append(at_, stop);
      at_ = stop;
      if (stop != end_) {
        if (*stop == '"') return record_error(row, "has a quote inside an unquoted field", "quote the field and double the quote", line_, column());
        return {};
      }
      LLMOPS_CHECK(check_length(field, row, record));
    }
    return {};
  }

  // A quoted field, from its opening quote to behind its closing one.
  Status read_quoted(std::string& field, const Record& record, const DatasetRow& row) {
    const int open_line = line_, open_column = column();
    ++at_;
    while (more()) {
      const char* quote = static_cast<const char*>(std::memchr(at_, '"', static_cast<size_t>(end_ - at_)));
      const char* stop = quote == nullptr ? end_ : quote;
      count_lines(at_, stop);
      field.append(at_, stop);
      at_ = stop;
      LLMOPS_CHECK(check_length(field, row, record));
      if (quote == nullptr) continue;
      ++at_;
      if (!more()) return {};
      if (*at_ == '"') { field += '"'; ++at_; continue; }
      if (*at_ == ',' || *at_ == '\n' || *at_ == '\r') return {};
      return record_error(row, "has text after a closing quote", "double a quote that belongs to the field", line_, column());
    }
    return record_error(row, "has a quote that is never closed", "close it, or double a quote that belongs to the field", open_line, open_column);
  }

  Status end_line(const DatasetRow& row) {
    const int at_column = column();
    if (*at_ == '\r') {
      ++at_;
      if (!more() || *at_ != '\n') {
        if (failure_) return {};
        return record_error(row, "has a carriage return without a line feed", "quote the field, or end lines with LF or CRLF", line_, at_column);
      }
    }
    count_lines(at_, at_ + 1);
    ++at_;
    return {};
  }

  Status check_length(const std::string& field, const DatasetRow& row, const Record& record) const {
    if (field.size() <= kLongestRowBytes) return {};
    return record_error(row, fmt::format("has a field longer than {} MiB", kLongestRowBytes >> 20), kLargeElsewhere, record.line, 1);
  }

  int column() const { return static_cast<int>(base_ + (at_ - begin_) - line_start_) + 1; }
  void count_lines(const char* from, const char* to) {
    while ((from = static_cast<const char*>(std::memchr(from, '\n', static_cast<size_t>(to - from)))) != nullptr) {
      ++from;
      ++line_;
      line_start_ = base_ + (from - begin_);
      if (from == to) break;
    }
  }
  // True: there is a byte at at_. A failed read ends the input; finish() tells.
  bool more() { return at_ != end_ || refill(); }
  bool refill() {
    if (failure_ || ended_) return false;
    auto block = source_->next_block();
    if (!block) { failure_ = std::move(block).error(); return false; }
    base_ += end_ - begin_;
    begin_ = at_ = block->data();
    end_ = begin_ + block->size();
    ended_ = block->empty();
    return !ended_;
  }
  Result<bool> finish(bool found) {
    if (failure_) return *failure_;
    return found;
  }

  std::unique_ptr<ByteSource> source_;
  std::optional<Error> failure_;
  const char *begin_ = nullptr, *at_ = nullptr, *end_ = nullptr;
  bool ended_ = false;
  int64_t base_ = 0, line_start_ = 0;  // offsets in the file
  int line_ = 1;
};

class TsvReader : public TableReader {
 public:
  TsvReader(std::unique_ptr<ByteSource> source, std::string name) : TableReader(std::move(name)), lines_(std::move(source)) {}

 private:
  const char* format_word() const override { return "TSV"; }
  const char* surplus_hint() const override { return "write a tab that belongs to a field as '\\t'"; }

  Result<bool> read_record(Record& record, const DatasetRow& row) override {
    record.clear();
    std::string_view line;
    LLMOPS_ASSIGN(const bool more, lines_.next(line));
    if (!more) return false;
    if (line.ends_with('\r')) line.remove_suffix(1);
    record.line = lines_.line_number();
    record.blank = line.empty();
    if (const size_t bad = first_invalid_utf8(line); bad != std::string_view::npos) {
      return record_error(row, "is not valid UTF-8", kSaveAsUtf8, record.line, static_cast<int>(bad) + 1);
    }
    if (const size_t nul = line.find('\0'); nul != std::string_view::npos) return record_error(row, "holds a NUL byte", kConvert, record.line, static_cast<int>(nul) + 1);
    record.end = {record.line, static_cast<int>(line.size()) + 1};
    std::string* field = &record.add({record.line, 1});
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\t') { field = &record.add({record.line, static_cast<int>(i) + 2}); continue; }
      if (line[i] != '\\') { *field += line[i]; continue; }
      const std::optional<char> meant = unescaped(i + 1 < line.size() ? line[i + 1] : '\0');
      if (!meant) {
        return record_error(row, fmt::format("has an unknown escape '{}'", line.substr(i, 2)), "write a backslash as '\\\\'", record.line, static_cast<int>(i) + 1);
      }
      *field += *meant;
      ++i;
    }
    return true;
  }

  static std::optional<char> unescaped(char code) {
    switch (code) {
      case 't': return '\t';
      case 'n': return '\n';
      case 'r': return '\r';
      case '\\': return '\\';
      default: return std::nullopt;
    }
  }

  LineReader lines_;
};

}  // namespace

std::unique_ptr<DatasetReader> make_csv_reader(std::unique_ptr<ByteSource> source, std::string name) {
  return std::make_unique<CsvReader>(std::move(source), std::move(name));
}

std::unique_ptr<DatasetReader> make_tsv_reader(std::unique_ptr<ByteSource> source, std::string name) {
  return std::make_unique<TsvReader>(std::move(source), std::move(name));
}

}  // namespace llmops
