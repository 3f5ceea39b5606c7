// What the bytes of tensors hold: digests, and values that are no numbers.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/base/hash.h"
#include "core/format/bounded_file.h"
#include "core/model/model.h"

namespace llmops {
namespace {

constexpr uint64_t kPieceBytes = 4 << 20;

// Values of `Bits` whose exponent is all ones.
template <class Bits>
void count_odd(const char* bytes, uint64_t size, Bits exponent, Bits mantissa, OddValues& odd) {
  uint64_t nan = 0, infinite = 0;
  for (uint64_t at = 0; at + sizeof(Bits) <= size; at += sizeof(Bits)) {
    Bits value;
    std::memcpy(&value, bytes + at, sizeof value);
    const bool is_odd = (value & exponent) == exponent;
    nan += is_odd && (value & mantissa) != 0;
    infinite += is_odd && (value & mantissa) == 0;
  }
  odd.nan += nan;
  odd.infinite += infinite;
}

// Where a block keeps its scales, as halves; ggml-common.h. Types whose scales are packed otherwise are not here.
struct BlockScales { std::string_view type; uint32_t block_bytes; std::array<int, 2> offsets; };
constexpr std::array<BlockScales, 20> kScales{{
    {"Q4_0", 18, {0, -1}}, {"Q4_1", 20, {0, 2}}, {"Q5_0", 22, {0, -1}}, {"Q5_1", 24, {0, 2}}, {"Q8_0", 34, {0, -1}}, {"Q8_1", 36, {0, 2}}, {"Q2_K", 84, {80, 82}}, {"Q3_K", 110, {108, -1}},
    {"Q4_K", 144, {0, 2}}, {"Q5_K", 176, {0, 2}}, {"Q6_K", 210, {208, -1}}, {"IQ2_XXS", 66, {0, -1}}, {"IQ2_XS", 74, {0, -1}}, {"IQ3_XXS", 98, {0, -1}}, {"IQ1_S", 50, {0, -1}},
    {"IQ4_NL", 18, {0, -1}}, {"IQ3_S", 110, {0, -1}}, {"IQ2_S", 82, {0, -1}}, {"IQ4_XS", 136, {0, -1}}, {"TQ2_0", 66, {64, -1}}}};

void count_odd_blocks(const char* bytes, uint64_t size, const BlockScales& scales, OddValues& odd) {
  for (uint64_t at = 0; at + scales.block_bytes <= size; at += scales.block_bytes) {
    OddValues block;
    for (const int offset : scales.offsets) if (offset >= 0) count_odd<uint16_t>(bytes + at + offset, 2, 0x7C00, 0x03FF, block);
    odd.nan += block.nan > 0;
    odd.infinite += block.nan == 0 && block.infinite > 0;
  }
}

const BlockScales* scales_of(std::string_view type) {
  const auto found = std::find_if(kScales.begin(), kScales.end(), [&](const BlockScales& row) { return row.type == type; });
  return found == kScales.end() ? nullptr : &*found;
}

// False: the type has no values that are no numbers.
bool count_odd_values(std::string_view type, const char* bytes, uint64_t size, OddValues& odd) {
  if (type == "F32") count_odd<uint32_t>(bytes, size, 0x7F800000U, 0x007FFFFFU, odd);
  else if (type == "F64") count_odd<uint64_t>(bytes, size, 0x7FF0000000000000U, 0x000FFFFFFFFFFFFFU, odd);
  else if (type == "F16") count_odd<uint16_t>(bytes, size, 0x7C00, 0x03FF, odd);
  else if (type == "BF16") count_odd<uint16_t>(bytes, size, 0x7F80, 0x007F, odd);
  else if (type == "F8_E5M2") count_odd<uint8_t>(bytes, size, 0x7C, 0x03, odd);
  else if (type == "F8_E4M3") {
    for (uint64_t at = 0; at < size; ++at) odd.nan += (bytes[at] & 0x7F) == 0x7F;
  } else if (const BlockScales* scales = scales_of(type)) {
    count_odd_blocks(bytes, size, *scales, odd);
  } else {
    return false;
  }
  return true;
}

Result<TensorContent> read_content(const BoundedFile& file, const ModelTensor& tensor, std::string& buffer, const CancelToken& cancel) {
  const BlockScales* scales = scales_of(tensor.type);
  const uint64_t piece = scales == nullptr ? kPieceBytes : kPieceBytes / scales->block_bytes * scales->block_bytes;
  Sha256 hash;
  OddValues odd;
  bool has_values = count_odd_values(tensor.type, nullptr, 0, odd);
  for (uint64_t at = 0; at < tensor.size_bytes; at += piece) {
    if (cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
    const uint64_t size = std::min(piece, tensor.size_bytes - at);
    LLMOPS_CHECK(file.read_at(buffer.data(), size, tensor.offset_bytes + at));
    hash.update({buffer.data(), size});
    if (has_values) count_odd_values(tensor.type, buffer.data(), size, odd);
  }
  const Sha256Digest digest = hash.finish();
  TensorContent content{to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()}), std::nullopt, std::nullopt};
  if (has_values) {
    content.nan = odd.nan;
    content.infinite = odd.infinite;
  }
  return content;
}

}  // namespace

std::optional<OddValues> count_odd(std::string_view type, std::string_view bytes) {
  OddValues odd;
  return count_odd_values(type, bytes.data(), bytes.size(), odd) ? std::optional(odd) : std::nullopt;
}

Result<std::vector<TensorContent>> read_contents(const Model& model, size_t threads, const CancelToken& cancel) {
  std::vector<BoundedFile> files;
  for (const ModelPart& part : model.parts) {
    LLMOPS_ASSIGN(BoundedFile file, BoundedFile::open(part.path, part.shown_name));
    files.push_back(std::move(file));
  }
  std::vector<TensorContent> contents(model.tensors.size());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failure;
  const auto work = [&] {
    std::string buffer(kPieceBytes, '\0');
    for (size_t i = next.fetch_add(1); i < model.tensors.size(); i = next.fetch_add(1)) {
      auto content = read_content(files[model.tensors[i].part], model.tensors[i], buffer, cancel);
      if (content) {
        contents[i] = *std::move(content);
        continue;
      }
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::move(content).error();
      next = model.tensors.size();
    }
  };
  std::vector<std::thread> workers;
  for (size_t i = 1; i < threads; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (failure) return *std::move(failure);
  return contents;
}

}  // namespace llmops
