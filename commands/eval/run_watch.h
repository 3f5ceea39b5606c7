// Watches for Ctrl-C and the time limit, and shows progress, while the workers work.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "commands/session.h"

namespace llmops {

class RunWatch {
 public:
  RunWatch(const Session& session, std::optional<double> time_limit_s, CancelToken cancel, std::function<void()> tick)
      : session_(session), cancel_(std::move(cancel)), tick_(std::move(tick)) {
    const int64_t start_ns = session.clock().steady_ns();
    thread_ = std::thread([this, start_ns, time_limit_s] {
      std::unique_lock lock(mutex_);
      while (!ended_) {
        wake_.wait_for(lock, std::chrono::milliseconds(50));
        if (ended_) break;
        if (session_.surroundings().cancel.cancelled()) stop("interrupted");
        const double elapsed_s = static_cast<double>(session_.clock().steady_ns() - start_ns) * 1e-9;
        if (time_limit_s && elapsed_s >= *time_limit_s) stop("time_limit");
        tick_();
      }
    });
  }
  ~RunWatch() { end(); }
  RunWatch(const RunWatch&) = delete;
  RunWatch& operator=(const RunWatch&) = delete;
  void end() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  const std::string& reason() const { return reason_; }

 private:
  void stop(const char* reason) {
    if (reason_.empty()) reason_ = reason;
    cancel_.cancel();
  }
  const Session& session_;
  CancelToken cancel_;
  std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::string reason_;
  std::thread thread_;
};

}  // namespace llmops
