#include "core/model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "core/quant/block_types.h"

namespace llmops {
namespace {

constexpr uint64_t kPieceValues = 1 << 18;

// Runs of rows that lie one behind another in the source, so that they are read at once.
struct RowRun { uint64_t first = 0, count = 0; };
std::vector<RowRun> runs_of(const TensorRecipe& recipe, const Piece& piece) {
  if (recipe.rows.empty()) return {{piece.first_row, piece.rows}};
  std::vector<RowRun> runs;
  for (uint64_t i = piece.first_row; i < piece.first_row + piece.rows; ++i) {
    const uint64_t row = recipe.rows[i];
    if (!runs.empty() && runs.back().first + runs.back().count == row) ++runs.back().count;
    else runs.push_back({row, 1});
  }
  return runs;
}

uint64_t source_row_length(const WeightReader& reader, const TensorRecipe& recipe) {
  const std::vector<uint64_t>& shape = reader.model().tensors[recipe.sources.front()].shape;
  return shape.empty() ? 1 : shape.back();
}

// Rows that may reach over the border between two sources.
Status read_rows(const WeightReader& reader, const TensorRecipe& recipe, RowRun run, uint64_t length, float* out, std::string& bytes) {
  uint64_t passed = 0;
  for (const size_t source : recipe.sources) {
    const uint64_t rows = length == 0 ? 0 : reader.model().tensors[source].elements() / length;
    if (run.first < passed + rows && run.count > 0) {
      const uint64_t at = run.first - passed, count = std::min(run.count, rows - at);
      LLMOPS_CHECK(reader.read(source, at * length, {out, count * length}, bytes));
      out += count * length;
      run.first += count;
      run.count -= count;
    }
    passed += rows;
  }
  return {};
}

// An exception that leaves a thread would end the program.
Status guarded(const PieceBody& body, const Piece& piece, PieceRoom& room) {
  try {
    return body(piece, room);
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kIo, fmt::format("not enough memory for {} rows of a tensor", piece.rows), "use fewer threads: -j 1");
  }
}

}  // namespace

uint64_t TensorRecipe::row_count() const {
  uint64_t count = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) count *= shape[i];
  return count;
}

TensorInfo TensorRecipe::info() const {
  TensorInfo made;
  made.name = name;
  made.type = type;
  made.shape = shape;
  return made;
}

Result<WeightReader> WeightReader::open(const Model& model) {
  WeightReader reader;
  reader.model_ = &model;
  for (const ModelPart& part : model.parts) {
    LLMOPS_ASSIGN(BoundedFile file, BoundedFile::open(part.path, part.shown_name));
    reader.files_.push_back(std::move(file));
  }
  return reader;
}

bool WeightReader::can_read(std::string_view type) { return type == "F64" || find_block_type(type) != nullptr; }

Status WeightReader::read_stored(size_t tensor, uint64_t offset, std::span<char> bytes) const {
  const ModelTensor& info = model_->tensors[tensor];
  return files_[info.part].read_at(bytes.data(), bytes.size(), info.offset_bytes + offset);
}

Status WeightReader::read(size_t tensor, uint64_t first, std::span<float> values, std::string& bytes) const {
  const ModelTensor& info = model_->tensors[tensor];
  const BlockType* type = find_block_type(info.type);
  const uint64_t elements = type == nullptr ? 1 : type->elements, size = type == nullptr ? 8 : type->bytes;
  if (!can_read(info.type)) return Error(ErrorCode::kData, fmt::format("tensor '{}' is of type {}, whose values cannot be read", info.name, info.type), "types that can be read: F64, F32, F16, BF16 and the block types that quantize writes");
  bytes.resize(std::max<size_t>(bytes.size(), values.size() / elements * size));
  LLMOPS_CHECK(read_stored(tensor, first / elements * size, {bytes.data(), values.size() / elements * size}));
  if (type != nullptr) {
    type->dequantize(reinterpret_cast<const uint8_t*>(bytes.data()), values);
    return {};
  }
  for (size_t i = 0; i < values.size(); ++i) {
    double value = 0;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    values[i] = static_cast<float>(value);
  }
  return {};
}

std::vector<Piece> pieces_of(std::span<const TensorRecipe> recipes, const std::function<bool(const TensorRecipe& recipe)>& is_whole) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < recipes.size(); ++i) {
    const bool whole = is_whole && is_whole(recipes[i]);
    const uint64_t rows = recipes[i].row_count(), length = recipes[i].row_length();
    const uint64_t step = whole || length == 0 ? std::max<uint64_t>(1, rows) : std::max<uint64_t>(1, kPieceValues / length);
    // Of a stack no piece reaches from one matrix into the next: each has its own importance.
    const uint64_t matrix = whole || recipes[i].shape.size() < 3 ? rows : recipes[i].shape[recipes[i].shape.size() - 2];
    for (uint64_t first = 0, count = 0; first < rows; first += count) {
      count = std::min(step, matrix - first % matrix);
      pieces.push_back({i, pieces.size(), first, count});
    }
  }
  return pieces;
}

Status read_piece(const WeightReader& reader, const TensorRecipe& recipe, const Piece& piece, std::span<float> values, std::string& bytes) {
  const uint64_t kept = recipe.row_length();
  if (recipe.sources.empty()) {
    std::copy_n(recipe.computed.begin() + static_cast<std::ptrdiff_t>(piece.first_row * kept), values.size(), values.begin());
    return {};
  }
  const uint64_t length = source_row_length(reader, recipe);
  std::vector<float> row;
  float* out = values.data();
  for (const RowRun& run : runs_of(recipe, piece)) {
    if (recipe.columns.empty()) {
      LLMOPS_CHECK(read_rows(reader, recipe, run, length, out, bytes));
      out += run.count * length;
      continue;
    }
    row.resize(run.count * length);
    LLMOPS_CHECK(read_rows(reader, recipe, run, length, row.data(), bytes));
    for (uint64_t i = 0; i < run.count; ++i, out += kept) for (uint64_t j = 0; j < kept; ++j) out[j] = row[i * length + recipe.columns[j]];
  }
  if (recipe.addend != 0) for (float& value : values) value += recipe.addend;
  return {};
}

Status for_each_piece(std::span<const Piece> pieces, size_t threads, const CancelToken& cancel, const PieceBody& body) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failure;
  size_t failed_at = pieces.size();
  const auto work = [&] {
    PieceRoom room;
    for (size_t i = next.fetch_add(1); i < pieces.size(); i = next.fetch_add(1)) {
      Status done = cancel.cancelled() ? Status(Error(ErrorCode::kInterrupted, "interrupted")) : guarded(body, pieces[i], room);
      if (done) continue;
      const std::lock_guard lock(mutex);
      if (i < failed_at) {
        failed_at = i;
        failure = std::move(done).error();
      }
      next = pieces.size();
    }
  };
  std::vector<std::thread> workers;
  try {
    for (size_t i = 1; i < std::min(threads, pieces.size()); ++i) workers.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads are to be had: those that there are do the work.
  }
  work();
  for (std::thread& worker : workers) worker.join();
  if (failure) return *std::move(failure);
  return {};
}

}  // namespace llmops
