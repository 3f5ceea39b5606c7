// CSV by RFC 4180 and TSV by the IANA registration's escapes (text/tab-separated-values with \t \n \r \\).
// Strict on purpose: a file that two programs read differently is an error with its place, not a guess.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "core/format/dataset_rows_reader.h"

namespace llmops {
namespace {

std::string counted(size_t count, std::string_view noun) { return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s"); }

// A record of fields with the line that each starts on.
struct Record {
  std::vector<std::string> fields;
  std::vector<int> lines;
  size_t size = 0;  // fields in use; the strings are kept for the next row
  int line = 0;
  bool blank = false;

  void clear() { size = 0; blank = false; }
  std::string& add(int at_line) {
    if (size == fields.size()) { fields.emplace_back(); lines.push_back(0); }
    fields[size].clear();
    lines[size] = at_line;
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

  Error place_error(std::string message, int line, int column = 0) const {
    SourcePlace place;
    place.file = name();
    place.line = line;
    place.column = column;
    return Error(ErrorCode::kData, std::move(message)).at(std::move(place));
  }

  // "row 3 WHAT", or "the header WHAT" while the header is read.
  Error record_error(const DatasetRow& row, std::string_view what, int line, int column = 0) const {
    return has_header_ ? row_error(row, what, line, column) : place_error("the header " + std::string(what), line, column);
  }

 private:
  Result<bool> read_row(DatasetRow& row) final {
    if (!has_header_) LLMOPS_CHECK(read_header(row));
    LLMOPS_ASSIGN(const bool more, next_record(row));
    if (!more) return false;
    row.line = record_.line;
    if (record_.size != header_.size()) {
      return row_error(row, fmt::format("has {}, the header has {}", counted(record_.size, "field"), header_.size()));
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
    Error error = row_error(row, "is blank", blank_line);
    error.hint = "remove the empty line";
    return error;
  }

  Status read_header(const DatasetRow& row) {
    LLMOPS_ASSIGN(const bool more, read_record(record_, row));
    if (!more) return place_error(fmt::format("'{}' is empty: a {} file starts with a header", name(), format_word()), 1);
    std::set<std::string> seen;
    for (size_t i = 0; i < record_.size; ++i) {
      const std::string& column = record_.fields[i];
      if (column.empty()) return place_error(fmt::format("column {} of the header has no name", i + 1), record_.lines[i]);
      if (!seen.insert(column).second) return place_error(fmt::format("the header names '{}' twice", column), record_.lines[i]);
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

  Result<bool> read_record(Record& record, const DatasetRow& row) override {
    record.clear();
    record.line = line_;
    if (!more()) return finish(false);
    record.blank = *at_ == '\n' || *at_ == '\r';
    while (true) {
      std::string& field = record.add(line_);
      const bool quoted = more() && *at_ == '"';
      LLMOPS_CHECK(quoted ? read_quoted(field, record, row) : read_plain(field, row, record));
      if (const size_t bad = first_invalid_utf8(field); bad != std::string_view::npos) {
        const auto newlines = std::count(field.begin(), field.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
        return record_error(row, "is not valid UTF-8", record.lines[record.size - 1] + static_cast<int>(newlines));
      }
      if (!more()) return finish(true);
      const char after = *at_;
      if (after == ',') { ++at_; continue; }
      LLMOPS_CHECK(end_line(row));
      return finish(true);
    }
  }

  // An unquoted field: everything up to a comma or the end of the line.
  Status read_plain(std::string& field, const DatasetRow& row, const Record& record) {
    while (more()) {
      const char* stop = std::find_if(at_, end_, [](char c) { return c == ',' || c == '\n' || c == '\r' || c == '"'; });
      field.append(at_, stop);
      at_ = stop;
      if (stop != end_) {
        if (*stop == '"') return with_hint(record_error(row, "has a quote inside an unquoted field", line_, column()), "quote the field and double the quote");
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
      return with_hint(record_error(row, "has text after a closing quote", line_, column()), "double a quote that belongs to the field");
    }
    return record_error(row, "has a quote that is never closed", open_line, open_column);
  }

  Status end_line(const DatasetRow& row) {
    const int at_column = column();
    if (*at_ == '\r') {
      ++at_;
      if (!more() || *at_ != '\n') {
        if (failure_) return {};
        return with_hint(record_error(row, "has a carriage return without a line feed", line_, at_column), "quote the field, or end lines with LF or CRLF");
      }
    }
    count_lines(at_, at_ + 1);
    ++at_;
    return {};
  }

  static Error with_hint(Error error, const char* hint) { error.hint = hint; return error; }
  Status check_length(const std::string& field, const DatasetRow& row, const Record& record) const {
    if (field.size() <= kLongestRowBytes) return {};
    return record_error(row, fmt::format("has a field longer than {} MiB", kLongestRowBytes >> 20), record.line);
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

  Result<bool> read_record(Record& record, const DatasetRow& row) override {
    record.clear();
    std::string_view line;
    LLMOPS_ASSIGN(const bool more, lines_.next(line));
    if (!more) return false;
    if (line.ends_with('\r')) line.remove_suffix(1);
    record.line = lines_.line_number();
    record.blank = line.empty();
    if (const size_t bad = first_invalid_utf8(line); bad != std::string_view::npos) {
      return record_error(row, "is not valid UTF-8", record.line, static_cast<int>(bad) + 1);
    }
    std::string* field = &record.add(record.line);
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\t') { field = &record.add(record.line); continue; }
      if (line[i] != '\\') { *field += line[i]; continue; }
      const std::optional<char> meant = unescaped(i + 1 < line.size() ? line[i + 1] : '\0');
      if (!meant) {
        Error error = record_error(row, fmt::format("has an unknown escape '{}'", line.substr(i, 2)), record.line, static_cast<int>(i) + 1);
        error.hint = "write a backslash as '\\\\'";
        return error;
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
