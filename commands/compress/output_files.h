// The files that a rewrite makes: one file of weights, or a folder with shards, an index, and what lies beside them.
#pragma once

#include <memory>

#include "commands/compress/rewrite.h"
#include "commands/compress/stored_rows.h"
#include "core/format/weight_writer.h"

namespace llmops {

// Where the rows of a recipe go: for each of its stored tensors the file and the place in it.
struct OutputPlace { size_t file = 0; uint64_t offset_bytes = 0, row_bytes = 0; };

class OutputFiles {
 public:
  // Works out every size; nothing is written. `path`: absolute; `is_folder`: it becomes a folder.
  static Result<OutputFiles> plan(const fs::path& path, const WeightsPlan& weights, uint64_t shard_bytes, bool is_folder);
  uint64_t size_bytes() const;                                   // of all files of weights
  const std::vector<StoredTensor>& stored(size_t recipe) const { return stored_[recipe]; }
  const std::vector<OutputPlace>& places(size_t recipe) const { return places_[recipe]; }

  // Makes the unfinished files at their full size. `durable`: the disk begins with what is written at once, as finish() will wait for it. Errors: kIo.
  Status create(bool durable, bool replace);
  Status write(const OutputPlace& place, uint64_t first_row, std::string_view bytes) const;
  Status read(const OutputPlace& place, uint64_t first_row, uint64_t rows, std::string& bytes) const;
  // Names and sizes as they will be; `digest`: reads each again for its SHA-256.
  Result<std::vector<CompressWriteReport::File>> files(bool digest) const;
  Status finish();

 private:
  struct File { std::string name; std::vector<TensorInfo> tensors; std::string header; uint64_t size_bytes = 0; };
  Status lay_out(const WeightsPlan& weights, uint64_t shard_bytes);
  Status add_constants() const;
  Status open_all();
  Status finish_all();
  bool is_folder_ = false, is_durable_ = false, is_replacing_ = false;
  fs::path path_, folder_;                                       // folder_: unfinished, renamed to path_
  std::vector<File> files_;
  std::vector<std::pair<std::string, std::string>> beside_;
  std::vector<std::vector<StoredTensor>> stored_;
  std::vector<std::vector<OutputPlace>> places_;
  struct Open;
  std::shared_ptr<Open> open_;
};

}  // namespace llmops
