// What the readers of all formats share: row numbers, staying failed, and errors with the row's place.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/format/dataset_rows.h"
#include "core/format/dataset_rows_bytes.h"

namespace llmops {

class RowReader : public DatasetReader {
 public:
  explicit RowReader(std::string name) : name_(std::move(name)) {}
  Result<bool> next(DatasetRow& row) final;

 protected:
  // Fills value and line; the number is set. False: the end.
  virtual Result<bool> read_row(DatasetRow& row) = 0;
  // "row 3 WHAT" at the row's line, or at line:column.
  Error row_error(const DatasetRow& row, std::string_view what, std::string hint, int line = 0, int column = 0) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  int64_t number_ = 0;
  std::optional<Error> failure_;
};

std::unique_ptr<DatasetReader> make_csv_reader(std::unique_ptr<ByteSource> source, std::string name);
std::unique_ptr<DatasetReader> make_tsv_reader(std::unique_ptr<ByteSource> source, std::string name);

}  // namespace llmops
