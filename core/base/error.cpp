#include "core/base/error.h"

#include <algorithm>
#include <array>

namespace llmops {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage: return "usage";
    case ErrorCode::kConfig: return "config";
    case ErrorCode::kData: return "data";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kProvider: return "provider";
    case ErrorCode::kMissingSecret: return "missing_secret";
    case ErrorCode::kOffline: return "offline";
    case ErrorCode::kUntrusted: return "untrusted";
    case ErrorCode::kLocked: return "locked";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kNewerStore: return "newer_store";
    case ErrorCode::kBudget: return "budget";
    case ErrorCode::kInterrupted: return "interrupted";
    case ErrorCode::kBug: return "bug";
  }
  return "bug";
}

namespace {

constexpr size_t kLongestName = 64;

// Damerau-Levenshtein with adjacent transpositions (optimal string alignment), three rows at a time.
// Precondition: neither is longer than kLongestName.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::array<size_t, kLongestName + 1> before{}, last{}, now{};
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

std::string closest_name(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.empty() || name.size() > kLongestName) return {};
  const size_t limit = std::max<size_t>(1, name.size() / 3);
  size_t best = limit + 1;
  std::string closest;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const size_t distance = edit_distance(name, candidate);
    if (distance < best) {
      best = distance;
      closest = candidate;
    }
  }
  return closest;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  if (const std::string closest = closest_name(name, candidates); !closest.empty()) return "did you mean '" + closest + "'?";
  constexpr size_t kMostListed = 12;
  if (candidates.empty() || candidates.size() > kMostListed) return {};
  std::string list = "known: ";
  for (size_t i = 0; i < candidates.size(); ++i) list += (i == 0 ? "" : ", ") + candidates[i];
  return list;
}

}  // namespace llmops
