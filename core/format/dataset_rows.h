// Rows of a dataset, streamed: JSONL, JSON (an array of objects, or an object with one array), CSV, TSV, YAML (a list).
// A row is an object of columns. Gzip (.gz) and zstd (.zst) are read as they are.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/json.h"

namespace llmops {

enum class DatasetFormat { kAuto, kJsonl, kJson, kCsv, kTsv, kYaml };

// "auto", "jsonl", ... Errors (kConfig): unknown, with did you mean.
Result<DatasetFormat> parse_dataset_format(std::string_view name);

struct DatasetRow {
  Json value;          // an object
  int64_t number = 0;  // from 1
  int line = 0;        // of the row's first byte, from 1
};

class DatasetReader {
 public:
  virtual ~DatasetReader() = default;
  // False: the end. Errors (kData) with file:line[:column] and the row's number: malformed JSON, a row that is not an
  // object, CSV with another number of fields than the header, an unclosed quote, a duplicate or empty column name, invalid UTF-8.
  // Once failed, the reader stays failed.
  virtual Result<bool> next(DatasetRow& row) = 0;
};

// kAuto goes by the extension (.jsonl .ndjson .json .csv .tsv .yaml .yml, before .gz/.zst), else by the first byte that
// is not white space ('[' json, '{' jsonl, else csv). A byte order mark is skipped. CSV by RFC 4180: quoted fields with "" and newlines, CRLF or LF;
// values stay text. TSV: fields split at tabs, no quoting, \t \n \r \\ unescaped. Blank lines of JSONL are skipped.
// JSONL and CSV hold one row in memory; JSON and YAML documents are read whole (YAML up to 4 MiB).
Result<std::unique_ptr<DatasetReader>> open_dataset(const std::filesystem::path& path, std::string shown_name,
                                                    DatasetFormat format = DatasetFormat::kAuto);

// Whether the name of a document says that it is a table of rows, packed or not, and no text: .jsonl .ndjson .json .csv .tsv.
bool names_rows(std::string_view path);

}  // namespace llmops
