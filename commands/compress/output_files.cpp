#include "commands/compress/output_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/failpoint.h"
#include "core/base/hash.h"
#include "core/base/temporary_files.h"
#include "core/format/bounded_file.h"

namespace llmops {

struct OutputFiles::Open {
  std::vector<WeightWriter> writers;
  std::vector<BoundedFile> readers;
  fs::path folder;                    // to remove unless it was renamed
  ~Open() {
    writers.clear();
    if (folder.empty()) return;
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
};

namespace {

// A folder is made under another name: errors speak of the one that it will have.
Status under_name(Status done, const fs::path& folder, const fs::path& path) {
  if (done || folder.empty()) return done;
  std::string& message = done.error().message;
  const std::string temporary = folder.string();
  if (const size_t at = message.find(temporary); at != std::string::npos) message.replace(at, temporary.size(), path.string());
  return done;
}

}  // namespace

Result<OutputFiles> OutputFiles::plan(const fs::path& path, const WeightsPlan& weights, uint64_t shard_bytes, bool is_folder) {
  OutputFiles made;
  made.path_ = path;
  made.is_folder_ = is_folder;
  made.beside_ = weights.files;
  for (const TensorRecipe& recipe : weights.recipes) {
    LLMOPS_ASSIGN(std::vector<StoredTensor> stored, stored_tensors(recipe));
    made.stored_.push_back(std::move(stored));
  }
  LLMOPS_CHECK(made.lay_out(weights, made.is_folder_ ? shard_bytes : UINT64_MAX));
  return made;
}

// Tensors in the order of the recipes, a new file where the last one would become too large.
Status OutputFiles::lay_out(const WeightsPlan& weights, uint64_t shard_bytes) {
  std::vector<std::vector<std::pair<size_t, size_t>>> where;      // of each recipe's stored tensors: file, index
  uint64_t in_file = 0;
  files_.emplace_back();
  for (const std::vector<StoredTensor>& tensors : stored_) {
    uint64_t bytes = 0;
    for (const StoredTensor& tensor : tensors) bytes += tensor.constant.size() + tensor.row_bytes * (tensor.info.shape.empty() ? 1 : tensor.info.elements() / std::max<uint64_t>(1, tensor.info.shape.back()));
    if (in_file > 0 && bytes > shard_bytes - std::min(in_file, shard_bytes)) {
      files_.emplace_back();
      in_file = 0;
    }
    in_file += bytes;
    where.emplace_back();
    for (const StoredTensor& tensor : tensors) {
      where.back().emplace_back(files_.size() - 1, files_.back().tensors.size());
      files_.back().tensors.push_back(tensor.info);
    }
  }
  uint64_t alignment = 32;
  for (const GgufEntry& entry : weights.entries) if (entry.key == "general.alignment") alignment = std::max<uint64_t>(1, entry.whole().value_or(alignment));
  // PEFT looks for an adapter's weights under a name of their own.
  const std::string stem = std::any_of(beside_.begin(), beside_.end(), [](const auto& file) { return file.first == "adapter_config.json"; }) ? "adapter_model" : "model";
  Json map = Json::object();
  uint64_t total = 0;
  for (size_t i = 0; i < files_.size(); ++i) {
    File& file = files_[i];
    file.name = !is_folder_ ? path_.filename().string() : files_.size() == 1 ? stem + ".safetensors" : fmt::format("{}-{:05}-of-{:05}.safetensors", stem, i + 1, files_.size());
    LLMOPS_ASSIGN(file.header, weights.format == "gguf" ? gguf_header(weights.entries, file.tensors) : safetensors_header(weights.metadata, file.tensors));
    file.size_bytes = file.header.size();
    for (const TensorInfo& tensor : file.tensors) {
      file.size_bytes = std::max(file.size_bytes, tensor.offset_bytes + tensor.size_bytes);
      map[tensor.name] = file.name;
      total += tensor.size_bytes;
    }
    if (weights.format == "gguf") file.size_bytes = (file.size_bytes + alignment - 1) / alignment * alignment;   // the last tensor is padded too
  }
  if (is_folder_ && files_.size() > 1) beside_.emplace_back(stem + ".safetensors.index.json", dump_json_pretty({{"metadata", {{"total_size", total}}}, {"weight_map", map}}) + "\n");
  for (size_t i = 0; i < where.size(); ++i) {
    places_.emplace_back();
    for (size_t j = 0; j < where[i].size(); ++j) {
      const auto [file, index] = where[i][j];
      places_.back().push_back({file, files_[file].tensors[index].offset_bytes, stored_[i][j].row_bytes});
    }
  }
  return {};
}

uint64_t OutputFiles::size_bytes() const {
  uint64_t total = 0;
  for (const File& file : files_) total += file.size_bytes;
  return total;
}

Status OutputFiles::create(bool durable, bool replace) {
  is_durable_ = durable;
  is_replacing_ = replace;
  open_ = std::make_shared<Open>();
  return under_name(open_all(), folder_, path_);
}

Status OutputFiles::open_all() {
  if (is_folder_) {
    remove_stale_siblings(path_);
    folder_ = temporary_sibling(path_);
    LLMOPS_CHECK(ensure_directory(folder_));
    open_->folder = folder_;
  }
  for (const File& file : files_) {
    const fs::path path = is_folder_ ? folder_ / file.name : path_;
    LLMOPS_ASSIGN(WeightWriter writer, WeightWriter::create(path, file.header, file.size_bytes));
    LLMOPS_ASSIGN(BoundedFile reader, BoundedFile::open(writer.unfinished(), path.string()));
    open_->writers.push_back(std::move(writer));
    open_->readers.push_back(std::move(reader));
  }
  return add_constants();
}

Status OutputFiles::add_constants() const {
  for (size_t i = 0; i < stored_.size(); ++i) {
    for (size_t j = 0; j < stored_[i].size(); ++j) {
      if (stored_[i][j].row_bytes == 0) LLMOPS_CHECK(write(places_[i][j], 0, stored_[i][j].constant));
    }
  }
  return {};
}

Status OutputFiles::write(const OutputPlace& place, uint64_t first_row, std::string_view bytes) const {
  const WeightWriter& writer = open_->writers[place.file];
  const uint64_t offset = place.offset_bytes + first_row * place.row_bytes;
  LLMOPS_CHECK(under_name(writer.write_at(bytes, offset), folder_, path_));
  if (is_durable_) writer.start_writeback(offset, bytes.size());
  return {};
}

Status OutputFiles::read(const OutputPlace& place, uint64_t first_row, uint64_t rows, std::string& bytes) const {
  bytes.resize(rows * place.row_bytes);
  return under_name(open_->readers[place.file].read_at(bytes.data(), bytes.size(), place.offset_bytes + first_row * place.row_bytes), folder_, path_);
}

Result<std::vector<CompressWriteReport::File>> OutputFiles::files(bool digest) const {
  std::vector<CompressWriteReport::File> made;
  for (size_t i = 0; i < files_.size(); ++i) {
    made.push_back({files_[i].name, "", files_[i].size_bytes});
    if (!digest) continue;
    LLMOPS_ASSIGN(const FileDigest found, sha256_file(open_->writers[i].unfinished()));
    made.back().sha256 = found.sha256;
  }
  return made;
}

Status OutputFiles::finish() { return under_name(finish_all(), folder_, path_); }

Status OutputFiles::finish_all() {
  open_->readers.clear();
  for (WeightWriter& writer : open_->writers) LLMOPS_CHECK(writer.finish(is_durable_, is_replacing_));
  if (!is_folder_) return {};
  for (const auto& [name, content] : beside_) LLMOPS_CHECK(write_file_atomic(folder_ / name, content, {.durable = is_durable_}));
  if (const int injected = failpoint("weights.before_rename")) return io_error("write", path_, injected);
  // Onto an empty folder, never onto one that holds something.
  if (const int number = rename_file(folder_, path_, true)) return io_error("write", path_, number);
  open_->folder.clear();
  return is_durable_ ? sync_directory_of(path_) : Status();
}

}  // namespace llmops
