// Datasets as rows: which format a file is in, and the formats whose rows are JSON or YAML. CSV and TSV are in
// dataset_rows_table.cpp.
#include "core/format/dataset_rows.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/base/yaml.h"
#include "core/format/dataset_rows_reader.h"

namespace llmops {
namespace {

constexpr size_t kLargestJsonBytes = size_t{1} << 30;
constexpr size_t kLargestYamlBytes = size_t{4} << 20;

constexpr const char* kWriteObject = "write every row as an object of columns, like {\"question\": \"...\"}";

const char* type_word(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a bool";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  return value.is_array() ? "a list" : "an object";
}

class JsonlReader : public RowReader {
 public:
  JsonlReader(std::unique_ptr<ByteSource> source, std::string name) : RowReader(std::move(name)), lines_(std::move(source)) {}

 private:
  Result<bool> read_row(DatasetRow& row) override {
    std::string_view line;
    do {
      LLMOPS_ASSIGN(const bool more, lines_.next(line));
      if (!more) return false;
    } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
    row.line = lines_.line_number();
    auto value = parse_json(line, name(), row.line);
    if (!value) {
      Error error = std::move(value).error();
      error.code = ErrorCode::kData;
      error.message = "row " + std::to_string(row.number) + ": " + error.message;
      return error;
    }
    row.value = *std::move(value);
    if (!row.value.is_object()) return row_error(row, std::string("is ") + type_word(row.value) + ", not an object", kWriteObject);
    return true;
  }

  LineReader lines_;
};

// Lines on which the elements of the document's list start. The text is known to be valid JSON.
class ElementLines {
 public:
  explicit ElementLines(std::string_view text) : text_(text) {
    skip_space();
    const bool inside_object = at_ < text_.size() && text_[at_] == '{';
    int depth = 0;
    for (; at_ < text_.size(); step()) {
      if (text_[at_] == '[' && depth == (inside_object ? 1 : 0)) break;
      depth += opens(text_[at_]) - closes(text_[at_]);
    }
    ++at_;
  }
  // Precondition: there is another element.
  int next() {
    skip_space();
    const int line = line_;
    for (int depth = 0; at_ < text_.size(); step()) {
      if (depth == 0 && (text_[at_] == ',' || text_[at_] == ']')) break;
      depth += opens(text_[at_]) - closes(text_[at_]);
    }
    ++at_;
    return line;
  }

 private:
  static int opens(char c) { return c == '{' || c == '[' ? 1 : 0; }
  static int closes(char c) { return c == '}' || c == ']' ? 1 : 0; }
  void skip_space() { while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) step(); }
  // Over one byte, or over a whole string.
  void step() {
    if (text_[at_] == '"') {
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) at_ += text_[at_] == '\\';
    }
    line_ += at_ < text_.size() && text_[at_] == '\n';
    ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

// The list of rows: the document itself, or the only list among an object's members. nullptr: there is none or more.
Json* find_rows(Json& document) {
  if (document.is_array()) return &document;
  Json* found = nullptr;
  if (!document.is_object()) return nullptr;
  for (auto& member : document.items()) {
    if (!member.value().is_array()) continue;
    if (found != nullptr) return nullptr;
    found = &member.value();
  }
  return found;
}

Error no_rows_error(const std::string& name, const Json& document) {
  SourcePlace place;
  place.file = name;
  place.line = 1;
  std::vector<std::string> lists;
  if (document.is_object()) for (const auto& [key, value] : document.items()) if (value.is_array()) lists.push_back(key);
  if (lists.size() > 1) {
    const std::string shown = fmt::format("{}{}", fmt::join(lists.begin(), lists.begin() + std::min<std::ptrdiff_t>(3, std::ssize(lists)), ", "), lists.size() > 3 ? ", ..." : "");
    return Error(ErrorCode::kData, fmt::format("'{}' holds {} lists ({}), and only one can be the rows", name, lists.size(), shown),
                 fmt::format("write the rows of one into a file of their own, for example with jq -c '.{}[]' {}", lists[0], name)).at(std::move(place));
  }
  return Error(ErrorCode::kData, "'" + name + "' is neither a list of rows nor an object with one list", "write a list of objects: [{...}, {...}]").at(std::move(place));
}

class JsonReader : public RowReader {
 public:
  JsonReader(std::unique_ptr<ByteSource> source, std::string name) : RowReader(std::move(name)), source_(std::move(source)) {}

 private:
  Result<bool> read_row(DatasetRow& row) override {
    if (source_ != nullptr) LLMOPS_CHECK(load());
    if (index_ >= rows_->size()) return false;
    row.line = lines_->next();
    row.value = std::move((*rows_)[index_++]);
    if (!row.value.is_object()) return row_error(row, std::string("is ") + type_word(row.value) + ", not an object", kWriteObject);
    return true;
  }
  Status load() {
    LLMOPS_ASSIGN(text_, read_all(*source_, name(), kLargestJsonBytes));
    source_.reset();
    LLMOPS_ASSIGN(document_, parse_json(text_, name()));
    rows_ = find_rows(document_);
    if (rows_ == nullptr) return no_rows_error(name(), document_);
    lines_.emplace(text_);
    return {};
  }

  std::unique_ptr<ByteSource> source_;
  std::string text_;
  Json document_;
  Json* rows_ = nullptr;
  size_t index_ = 0;
  std::optional<ElementLines> lines_;
};

class YamlReader : public RowReader {
 public:
  YamlReader(std::unique_ptr<ByteSource> source, std::string name) : RowReader(std::move(name)), source_(std::move(source)) {}

 private:
  Result<bool> read_row(DatasetRow& row) override {
    if (source_ != nullptr) LLMOPS_CHECK(load());
    if (index_ >= rows_->size()) return false;
    row.line = document_.place_of(json_pointer_append(pointer_, index_)).line;
    row.value = std::move((*rows_)[index_++]);
    if (!row.value.is_object()) return row_error(row, std::string("is ") + type_word(row.value) + ", not an object", kWriteObject);
    return true;
  }
  Status load() {
    LLMOPS_ASSIGN(const std::string text, read_all(*source_, name(), kLargestYamlBytes));
    source_.reset();
    auto document = parse_yaml(text, name());
    if (!document) {
      document.error().code = ErrorCode::kData;
      return std::move(document).error();
    }
    document_ = *std::move(document);
    rows_ = find_rows(document_.value());
    if (rows_ == nullptr) return no_rows_error(name(), document_.value());
    if (rows_ == &document_.value()) return {};
    for (const auto& member : document_.value().items()) {
      if (&member.value() == rows_) pointer_ = json_pointer_append("", member.key());
    }
    return {};
  }

  std::unique_ptr<ByteSource> source_;
  YamlDocument document_;
  std::string pointer_;
  Json* rows_ = nullptr;
  size_t index_ = 0;
};

struct FormatName { const char* name; DatasetFormat format; };
constexpr std::array<FormatName, 6> kFormats{{{"auto", DatasetFormat::kAuto}, {"jsonl", DatasetFormat::kJsonl}, {"json", DatasetFormat::kJson},
                                              {"csv", DatasetFormat::kCsv}, {"tsv", DatasetFormat::kTsv}, {"yaml", DatasetFormat::kYaml}}};

DatasetFormat format_of_extension(std::filesystem::path path) {
  if (path.extension() == ".gz" || path.extension() == ".zst") path.replace_extension();
  const std::string extension = path.extension().string();
  if (extension == ".ndjson") return DatasetFormat::kJsonl;
  if (extension == ".yml") return DatasetFormat::kYaml;
  for (const FormatName& row : kFormats) {
    if (row.format != DatasetFormat::kAuto && extension == std::string(".") + row.name) return row.format;
  }
  return DatasetFormat::kAuto;
}

Result<DatasetFormat> format_of_content(PeekedSource& source) {
  LLMOPS_ASSIGN(const std::string_view start, source.peek());
  const size_t first = start.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return DatasetFormat::kCsv;
  return start[first] == '[' ? DatasetFormat::kJson : start[first] == '{' ? DatasetFormat::kJsonl : DatasetFormat::kCsv;
}

}  // namespace

bool names_rows(std::string_view path) {
  const DatasetFormat format = format_of_extension(path);
  return format != DatasetFormat::kAuto && format != DatasetFormat::kYaml;
}

Result<DatasetFormat> parse_dataset_format(std::string_view name) {
  std::vector<std::string> known;
  for (const FormatName& row : kFormats) {
    if (name == row.name) return row.format;
    known.emplace_back(row.name);
  }
  return Error(ErrorCode::kConfig, "unknown dataset format '" + std::string(name) + "'", did_you_mean(name, known));
}

Result<bool> RowReader::next(DatasetRow& row) {
  if (failure_) return *failure_;
  row.number = ++number_;
  auto more = read_row(row);
  if (!more) failure_ = more.error();
  if (!more || !*more) --number_;
  return more;
}

Error RowReader::row_error(const DatasetRow& row, std::string_view what, std::string hint, int line, int column) const {
  SourcePlace place;
  place.file = name_;
  place.line = line > 0 ? line : row.line;
  place.column = column;
  return Error(ErrorCode::kData, "row " + std::to_string(row.number) + " " + std::string(what), std::move(hint)).at(std::move(place));
}

Result<std::unique_ptr<DatasetReader>> open_dataset(const std::filesystem::path& path, std::string shown_name, DatasetFormat format) {
  LLMOPS_ASSIGN(auto bytes, open_byte_source(path, shown_name));
  auto source = std::make_unique<PeekedSource>(std::move(bytes));
  if (format == DatasetFormat::kAuto) LLMOPS_CHECK(check_readable(*source, path, shown_name));
  if (format == DatasetFormat::kAuto) format = format_of_extension(path);
  if (format == DatasetFormat::kAuto) { LLMOPS_ASSIGN(format, format_of_content(*source)); }
  using Reader = std::unique_ptr<DatasetReader>;
  switch (format) {
    case DatasetFormat::kJson: return Reader(std::make_unique<JsonReader>(std::move(source), std::move(shown_name)));
    case DatasetFormat::kYaml: return Reader(std::make_unique<YamlReader>(std::move(source), std::move(shown_name)));
    case DatasetFormat::kCsv: return make_csv_reader(std::move(source), std::move(shown_name));
    case DatasetFormat::kTsv: return make_tsv_reader(std::move(source), std::move(shown_name));
    case DatasetFormat::kJsonl:
    case DatasetFormat::kAuto: break;
  }
  return Reader(std::make_unique<JsonlReader>(std::move(source), std::move(shown_name)));
}

}  // namespace llmops
