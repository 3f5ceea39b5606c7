// A dataset file as records: the bytes of each row, where it stands, and what is wrong with its frame. Nothing is parsed
// beyond what divides rows, so that workers can do that, and a broken row does not hide the rows behind it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/data/row.h"
#include "core/format/dataset_rows.h"
#include "core/format/dataset_rows_bytes.h"

namespace llmops {

// kText: each line is a row with one column, "text" (a corpus, a prompt, a document).
enum class RecordFormat { kJsonl, kCsv, kTsv, kText };

enum class FrameFault : uint8_t { kNone, kTooLong, kOpenQuote, kStrayQuote, kTextAfterQuote, kLoneReturn, kBlankLine };

struct RecordSpan {
  size_t begin = 0;        // in the batch's bytes
  size_t size = 0;         // without the line end
  size_t full_size = 0;    // with it
  int64_t number = 0;      // row number, from 1; broken rows count
  int64_t line = 0;        // from 1
  FrameFault fault = FrameFault::kNone;
  int64_t fault_line = 0;
  int fault_column = 0;
};

struct RecordBatch {
  std::string bytes;
  std::vector<RecordSpan> records;
  std::string_view content(const RecordSpan& record) const { return std::string_view(bytes).substr(record.begin, record.size); }
  std::string_view written(const RecordSpan& record) const { return std::string_view(bytes).substr(record.begin, record.full_size); }
};

struct RecordOptions {
  DatasetFormat format = DatasetFormat::kAuto;  // kAuto: as open_dataset, and .txt, .md as text
  bool text = false;                            // lines of text, whatever the name says
  size_t batch_bytes = size_t{1} << 20;
  size_t longest_record_bytes = size_t{256} << 20;
};

class RecordSource {
 public:
  // JSONL, CSV, TSV and text are read in blocks, gzip and zstd too; a JSON or YAML document is read whole by open_dataset and
  // its rows come as JSONL with the line numbers of the document. Errors: kNotFound, kIo; kData for damaged compression, a
  // file in UTF-16, a JSON or YAML document that does not parse, a CSV header with an empty or repeated name.
  static Result<RecordSource> open(const std::filesystem::path& path, std::string shown_name, const RecordOptions& options = {});

  // The next rows, about batch_bytes of them and at least one; what a batch holds depends on the file alone. False: the end.
  // Blank lines of JSONL and text are no rows, nor are those at the end of a table. A record past longest_record_bytes is a fault and
  // its bytes are dropped. After a fault reading goes on at the line behind the record's first line.
  Result<bool> next(RecordBatch& batch);

  RecordFormat format() const { return format_; }
  const std::vector<std::string>& header() const { return header_; }  // CSV and TSV
  const std::string& header_bytes() const { return header_bytes_; }   // as written, with the line end; empty for others
  const std::string& shown_name() const { return name_; }
  bool is_document() const { return document_ != nullptr; }           // JSON or YAML: no bytes of its rows to keep
  bool has_byte_order_mark() const { return byte_order_mark_; }
  int64_t lf_lines() const { return lf_lines_; }                      // line ends seen so far, one per record
  int64_t crlf_lines() const { return crlf_lines_; }
  int64_t first_crlf_line() const { return first_crlf_line_; }
  int64_t first_lf_line() const { return first_lf_line_; }

  // Splits a record of this source into fields. Precondition: no frame fault; the content is valid UTF-8.
  std::optional<RowFault> parse(std::string_view content, Row& row) const;
  // Frame, encoding and fields of a record in one: the fault, or the row.
  std::optional<RowFault> read_row(const RecordBatch& batch, const RecordSpan& record, Row& row) const;

 private:
  RecordSource() = default;
  Status read_header();
  Result<bool> next_from_document(RecordBatch& batch);
  Status fill(std::string& bytes, size_t wanted);
  Status skip_line();
  void take_records(RecordBatch& batch, size_t& taken);
  void count_end(std::string_view written, int64_t line);

  std::string name_;
  RecordOptions options_;
  RecordFormat format_ = RecordFormat::kJsonl;
  std::unique_ptr<ByteSource> bytes_;
  std::unique_ptr<DatasetReader> document_;
  std::string carried_;                    // read, and not yet given out
  std::vector<std::string> header_;
  std::string header_bytes_;
  bool ended_ = false, byte_order_mark_ = false;
  int64_t line_ = 1, number_ = 0;          // of the next record
  int64_t blank_line_ = 0;                 // the first of the blank lines just passed; 0: none
  int64_t lf_lines_ = 0, crlf_lines_ = 0, first_crlf_line_ = 0, first_lf_line_ = 0;
};

// "row 3 WHAT" at the file's line: the error of commands that need every row to be sound.
Error record_error(const RecordSource& source, const RecordSpan& record, const RowFault& fault);
// What a frame fault says, after "row 3".
RowFault frame_fault(const RecordSpan& record, size_t longest_record_bytes);

}  // namespace llmops
