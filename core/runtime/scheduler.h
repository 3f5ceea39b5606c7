// Many cases on a fixed number of workers. Tasks are drawn one at a time, so memory does not grow with the dataset.
#pragma once

#include <functional>

#include "core/base/cancel.h"
#include "core/base/result.h"

namespace llmops {

// `next` fills a task and returns false at the end; it is called under a lock, in order. `work` does one task on a worker's
// thread. The first error of either ends the run: tasks under way are finished, no new one starts. `stop` set: likewise, without an error.
template <class Task>
Status run_tasks(int workers, const std::function<Result<bool>(Task&)>& next, const std::function<Status(Task&)>& work, const CancelToken& stop);

}  // namespace llmops

#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace llmops {

template <class Task>
Status run_tasks(int workers, const std::function<Result<bool>(Task&)>& next, const std::function<Status(Task&)>& work, const CancelToken& stop) {
  std::mutex mutex;
  std::optional<Error> failed;
  bool ended = false;
  const auto draw = [&](Task& task) {
    const std::lock_guard lock(mutex);
    if (ended || failed || stop.cancelled()) return false;
    auto more = next(task);
    if (!more) failed = std::move(more).error();
    else if (!*more) ended = true;
    return more.has_value() && *more;
  };
  const auto loop = [&] {
    Task task{};
    while (draw(task)) {
      if (auto done = work(task); !done) {
        const std::lock_guard lock(mutex);
        if (!failed) failed = std::move(done).error();
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < workers; ++i) threads.emplace_back(loop);
  loop();
  for (std::thread& thread : threads) thread.join();
  if (failed) return std::move(*failed);
  return {};
}

}  // namespace llmops
