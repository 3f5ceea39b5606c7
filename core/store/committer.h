// One thread per store that writes finished cases and cached responses in batches: every 100 ms or 256 items, whatever comes
// first, all that waits. Memory is bounded by the bytes that wait and are being written.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "core/store/case_rows.h"
#include "core/store/records.h"

namespace llmops {

// What one run writer shares with the committer's thread; guarded by the committer's mutex.
struct RunProgress {
  int64_t run = 0;
  std::optional<Error> failure;  // the first one; sticky
};

class Committer {
 public:
  static constexpr size_t kMaxWaitingBytes = size_t{8} << 20;
  static constexpr size_t kBatchItems = 256;
  static constexpr int kBatchMs = 100;

  struct Item {
    std::shared_ptr<RunProgress> run;             // of a case; null: a response
    CaseRecord record;
    std::shared_ptr<const CachedResponse> response;
    size_t bytes = 0;
  };
  // Commits a batch in one transaction, or nothing of it.
  using WriteBatch = std::function<Status(const std::vector<Item>&)>;

  explicit Committer(WriteBatch write) : write_(std::move(write)) {}
  ~Committer();  // writes what waits
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  Status add(const std::shared_ptr<RunProgress>& run, CaseRecord record);
  Status flush(const std::shared_ptr<RunProgress>& run);
  // The error of an earlier batch of responses is returned once.
  Status put(CachedResponse response);
  // A response that is not committed yet.
  std::shared_ptr<const CachedResponse> pending(std::string_view key);
  void drain();  // returns when nothing waits

 private:
  void settle_everything(std::unique_lock<std::mutex>& lock);
  void enqueue(std::unique_lock<std::mutex>& lock, Item item);
  void work();
  void settle(const std::vector<Item>& batch, const Status& status);
  WriteBatch write_;
  std::mutex mutex_;
  std::condition_variable wake_, settled_;
  std::deque<Item> queue_;
  size_t waiting_bytes_ = 0;       // queued and being written
  uint64_t queued_ = 0, settled_count_ = 0;  // items ever handed over; items committed or given up
  int blocked_ = 0;                          // callers that wait for room
  bool urgent_ = false, stopping_ = false;
  std::map<std::string, std::shared_ptr<const CachedResponse>, std::less<>> pending_;
  std::optional<Error> response_failure_;
  std::thread thread_;
};

}  // namespace llmops
