#include "core/data/shingle_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

namespace llmops {

ShingleStore::ShingleStore(size_t memory_bytes, fs::path spill_directory) : memory_bytes_(memory_bytes), spill_directory_(std::move(spill_directory)) {}

ShingleStore::ShingleStore(ShingleStore&& other) noexcept
    : memory_bytes_(other.memory_bytes_), spill_directory_(std::move(other.spill_directory_)), offsets_(std::move(other.offsets_)), owned_(std::move(other.owned_)),
      blocks_(std::move(other.blocks_)), filled_(other.filled_), spilled_blocks_(other.spilled_blocks_), block_count_(other.block_count_), path_(std::move(other.path_)),
      file_(std::move(other.file_)), mapped_(std::exchange(other.mapped_, nullptr)) {
  other.file_.reset();
}

ShingleStore::~ShingleStore() {
  if (mapped_ != nullptr) munmap(mapped_, block_count_ * kBlock * sizeof(uint32_t));
}

// Blocks that are full go to the file; the last one stays where bags are added.
Status ShingleStore::spill() {
  if (!file_) {
    static std::atomic<unsigned> serial{0};
    path_ = spill_directory_ / fmt::format(".shingles.{}.{}", getpid(), serial.fetch_add(1));
    WriteOptions options;
    options.mode = 0600;
    options.durable = false;
    LLMOPS_ASSIGN(file_, AtomicFile::create(path_, options));
  }
  for (auto& block : owned_) {
    LLMOPS_CHECK(file_->append({reinterpret_cast<const char*>(block.get()), kBlock * sizeof(uint32_t)}));
  }
  owned_.clear();
  return {};
}

Status ShingleStore::start_block() {
  const bool over = (owned_.size() + 1) * kBlock * sizeof(uint32_t) > memory_bytes_;
  if (!spill_directory_.empty() && !owned_.empty() && (file_ || over)) LLMOPS_CHECK(spill());
  owned_.push_back(std::make_unique<uint32_t[]>(kBlock));
  ++block_count_;
  filled_ = 0;
  return {};
}

Status ShingleStore::add(std::span<const uint32_t> bag) {
  if (filled_ + bag.size() + 1 > kBlock) LLMOPS_CHECK(start_block());
  uint32_t* at = owned_.back().get() + filled_;
  *at = static_cast<uint32_t>(bag.size());
  std::copy(bag.begin(), bag.end(), at + 1);
  offsets_.push_back((block_count_ - 1) * kBlock + filled_);
  filled_ += bag.size() + 1;
  return {};
}

Status ShingleStore::seal() {
  if (!file_) {
    for (const auto& block : owned_) blocks_.push_back(block.get());
    return {};
  }
  LLMOPS_CHECK(spill());
  LLMOPS_CHECK(file_->commit());
  file_.reset();
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("read", path_, errno);
  void* mapped = mmap(nullptr, block_count_ * kBlock * sizeof(uint32_t), PROT_READ, MAP_SHARED, fd, 0);
  const int failed = errno;
  close(fd);
  LLMOPS_CHECK(remove_file(path_));
  if (mapped == MAP_FAILED) return io_error("map", path_, failed);
  mapped_ = mapped;
  for (size_t i = 0; i < block_count_; ++i) blocks_.push_back(static_cast<const uint32_t*>(mapped_) + i * kBlock);
  return {};
}

}  // namespace llmops
