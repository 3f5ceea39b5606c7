// A fixed number of workers over one bounded queue. Results do not depend on the number of workers: callers number their
// tasks and put results in order themselves.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace llmops {

class ThreadPool {
 public:
  // `workers` >= 1. submit() blocks while `queue_limit` tasks wait.
  ThreadPool(size_t workers, size_t queue_limit);
  ~ThreadPool();  // waits for all tasks
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  void submit(std::function<void()> task);
  void wait_idle();

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable has_task_, has_room_, idle_;
  std::deque<std::function<void()>> tasks_;
  size_t queue_limit_, running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace llmops
