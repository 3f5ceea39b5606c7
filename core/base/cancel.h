// Cooperative cancellation: one flag that Ctrl-C, a time limit or a budget sets, and that every wait looks at.
#pragma once

#include <atomic>
#include <memory>

namespace llmops {

class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() const { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const { return flag_->load(std::memory_order_relaxed); }
  // The raw flag, for a signal handler. Lives as long as any copy of the token.
  std::atomic<bool>* raw() const { return flag_.get(); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace llmops
