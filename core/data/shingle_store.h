// Bags of shingles, one per row, in blocks of memory or in a file that the system pages in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/fs.h"

namespace llmops {

class ShingleStore {
 public:
  // Past `memory_bytes` the bags go to a file in `spill_directory`, which is mapped, and removed at once. Without a
  // directory they stay in memory. Per row there are 8 bytes of memory besides; the bag takes 4 bytes per shingle and 4 more.
  explicit ShingleStore(size_t memory_bytes = size_t{1} << 30, fs::path spill_directory = {});
  ~ShingleStore();
  ShingleStore(ShingleStore&& other) noexcept;
  ShingleStore& operator=(ShingleStore&&) = delete;

  // Errors: kIo, when a spilled block cannot be written. Precondition: not sealed; the bag is sorted.
  Status add(std::span<const uint32_t> bag);
  // No more bags. Must be called before bags are read. Errors: kIo.
  Status seal();
  size_t size() const { return offsets_.size(); }
  bool is_spilled() const { return file_.has_value() || mapped_ != nullptr; }
  std::span<const uint32_t> operator[](size_t row) const {
    const uint32_t* at = blocks_[offsets_[row] / kBlock] + offsets_[row] % kBlock;
    return {at + 1, *at};
  }

 private:
  static constexpr size_t kBlock = size_t{4} << 20;  // numbers: 16 MiB; a bag does not cross blocks
  Status start_block();
  Status spill();
  size_t memory_bytes_;
  fs::path spill_directory_;
  std::vector<uint64_t> offsets_;
  std::vector<std::unique_ptr<uint32_t[]>> owned_;
  std::vector<const uint32_t*> blocks_;
  size_t filled_ = kBlock, spilled_blocks_ = 0, block_count_ = 0;
  fs::path path_;
  std::optional<AtomicFile> file_;
  void* mapped_ = nullptr;
};

}  // namespace llmops
