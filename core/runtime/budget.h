// What a run may spend. Only fresh calls count: a reply from a cache costs nothing now. Calls under way when a limit is met
// are finished and kept, so spending can pass the limit by at most what they cost.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace llmops {

class BudgetMeter {
 public:
  BudgetMeter(std::optional<double> limit_usd, std::optional<int64_t> limit_tokens) : limit_usd_(limit_usd), limit_tokens_(limit_tokens) {}
  // Absent: unknown. Under a budget of that kind the caller treats an unknown amount as an error of the call.
  void spend(std::optional<double> cost_usd, std::optional<int64_t> tokens) {
    if (cost_usd) spent_nano_usd_.fetch_add(static_cast<int64_t>(*cost_usd * 1e9), std::memory_order_relaxed);
    if (tokens) spent_tokens_.fetch_add(*tokens, std::memory_order_relaxed);
  }
  double spent_usd() const { return static_cast<double>(spent_nano_usd_.load(std::memory_order_relaxed)) * 1e-9; }
  int64_t spent_tokens() const { return spent_tokens_.load(std::memory_order_relaxed); }
  bool limits_usd() const { return limit_usd_.has_value(); }
  bool limits_tokens() const { return limit_tokens_.has_value(); }
  std::optional<double> limit_usd() const { return limit_usd_; }
  // "budget_usd" or "budget_tokens" once the limit is met, else empty.
  std::string met() const {
    if (limit_usd_ && spent_usd() >= *limit_usd_) return "budget_usd";
    if (limit_tokens_ && spent_tokens() >= *limit_tokens_) return "budget_tokens";
    return {};
  }

 private:
  std::optional<double> limit_usd_;
  std::optional<int64_t> limit_tokens_;
  std::atomic<int64_t> spent_nano_usd_{0}, spent_tokens_{0};
};

}  // namespace llmops
