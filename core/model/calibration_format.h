// Private to core/model: names and limits that the readers and writers of calibration share.
#pragma once

#include <cstdint>
#include <string_view>

namespace llmops {

inline constexpr std::string_view kOwnFormat = "llmops.calibration/v1";
inline constexpr std::string_view kSumsEnding = ".in_sum2", kCountEnding = ".count", kImatrixCountsEnding = ".counts", kHessianEnding = ".hessian";
inline constexpr std::string_view kBlockInfluence = "block_influence", kHeadImportance = "head_importance", kFfnImportance = "ffn_importance";
inline constexpr uint64_t kMostTextBytes = 4096;          // of names and datasets of an imatrix.dat
inline constexpr uint64_t kMostTokens = uint64_t{1} << 53;

}  // namespace llmops
