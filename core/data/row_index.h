// What dedupe, split and overlap know of each row: a few numbers. The text stays in the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/hash128.h"
#include "core/data/near_rows.h"
#include "core/data/records.h"
#include "core/data/shingle_store.h"

namespace llmops {

// A dataset file and how it is read.
struct DataFile {
  std::filesystem::path path;
  std::string shown_name;
  RecordOptions records;
};

// The text by which rows are compared: the texts of the named columns, joined by a line feed. Without names: the contents
// of `messages`; else the first of prompt, input, question, text, instruction, query, utterance, sentence that the row has;
// else all texts of the row but its id. nullopt: the row has none of the named columns, or no text at all.
class RowText {
 public:
  RowText(std::vector<std::string> columns, std::string id_column) : columns_(std::move(columns)), id_column_(std::move(id_column)) {}
  std::optional<std::string> of(const Row& row) const;
  const std::vector<std::string>& columns() const { return columns_; }

 private:
  std::vector<std::string> columns_;
  std::string id_column_;
};

struct RowIndexOptions {
  std::vector<std::string> columns;             // see RowText
  std::string id_column = "id";
  bool with_content = false, with_text = false, with_normal = false;
  std::optional<NearOptions> near;              // rows are encoded for near.h
  size_t memory_bytes = size_t{1} << 30;        // of encoded rows, past which they go to a file
  fs::path temporary_directory;                 // empty: they stay in memory
  size_t threads = 2;
};

struct RowIndex {
  std::vector<uint32_t> lines;                  // by row from 0
  std::vector<Hash128> content;                 // all fields but the id
  std::vector<Hash128> text, normal;            // of the compared text; {0, 0}: it is empty
  ShingleStore near_rows;
  size_t rows() const { return lines.size(); }
};

// Appends the rows of a file. Errors: the source's; kData for the first broken row, and for a row that has none of the named columns
// (with did you mean). Memory: 4 bytes a row, 16 for each kind of hash, and the encoded rows.
Status index_rows(const DataFile& file, const RowIndexOptions& options, RowIndex& index);
// The hash of all fields but the id, in any order.
Hash128 hash_content(const Row& row, std::string_view id_column, std::string& scratch);

// Near options for a file, by the median of words in the first batch of its rows.
Result<NearOptions> choose_near_options(const DataFile& file, const std::vector<std::string>& columns, const std::string& id_column);

// Writes the rows for which keep[row] to a file, byte for byte with their line ends and the header (no byte order mark); rows of
// JSON and YAML documents as JSONL. Atomic. Errors: kIo; kData when the file has changed since it was indexed.
Status write_rows(const DataFile& file, const std::vector<bool>& keep, const fs::path& out);

}  // namespace llmops
