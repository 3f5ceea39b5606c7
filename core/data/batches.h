// Batches of a file through a number of threads, their results merged in the order of the file.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/data/records.h"

namespace llmops {

// `work(const RecordBatch&) -> Part` runs on `threads` threads, `merge(Part&&, RecordBatch&) -> Status` on the caller's, in the
// order of the file: the result does not depend on the number of threads. An error of `merge` ends the reading. Memory: 2 *
// threads batches and their parts.
template <class Work, class Merge>
Status for_each_batch(RecordSource& source, size_t threads, const Work& work, const Merge& merge) {
  using Part = decltype(work(std::declval<const RecordBatch&>()));
  struct Slot {
    RecordBatch batch;
    std::optional<Part> part;
    bool waiting = false;  // for its part; the caller's
    bool done = false;     // guarded
  };
  std::mutex mutex;
  std::condition_variable some_done;
  std::vector<std::unique_ptr<Slot>> slots;
  for (size_t i = 0; i < 2 * std::max<size_t>(threads, 1); ++i) slots.push_back(std::make_unique<Slot>());
  ThreadPool pool(std::max<size_t>(threads, 1), slots.size());  // after the slots: its tasks end first
  const auto collect = [&](Slot& slot) -> Status {
    if (!slot.waiting) return {};
    {
      std::unique_lock lock(mutex);
      some_done.wait(lock, [&] { return slot.done; });
    }
    slot.waiting = slot.done = false;
    return merge(std::move(*slot.part), slot.batch);
  };
  size_t next = 0;
  while (true) {
    Slot& slot = *slots[next];
    LLMOPS_CHECK(collect(slot));
    auto more = source.next(slot.batch);
    if (!more || !*more) {
      for (size_t i = 1; i < slots.size(); ++i) LLMOPS_CHECK(collect(*slots[(next + i) % slots.size()]));
      if (!more) return std::move(more).error();
      return {};
    }
    slot.waiting = true;
    pool.submit([&slot, &work, &mutex, &some_done] {
      slot.part.emplace(work(slot.batch));
      const std::lock_guard lock(mutex);
      slot.done = true;
      some_done.notify_one();
    });
    next = (next + 1) % slots.size();
  }
}

}  // namespace llmops
