// Private to core/drift: pieces of work side by side.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/base/thread_pool.h"

namespace llmops {

// work(i) for every i below `count`, on `threads` threads (0: as many as the machine has). Callers keep what each piece made by its number and add it up in order, so
// that the result is the same for any number of threads. Errors: kInterrupted, when `cancel` is set; pieces that were not begun are left out then.
template <class Work>
Status each_tile(size_t count, size_t threads, const CancelToken& cancel, const Work& work) {
  const size_t workers = std::min(count, threads != 0 ? threads : std::max<size_t>(1, std::thread::hardware_concurrency()));
  if (workers <= 1) {
    for (size_t i = 0; i < count && !cancel.cancelled(); ++i) work(i);
  } else {
    ThreadPool pool(workers, workers * 2);
    for (size_t i = 0; i < count; ++i) pool.submit([&work, &cancel, i] { if (!cancel.cancelled()) work(i); });
    pool.wait_idle();
  }
  if (cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
  return {};
}

}  // namespace llmops
