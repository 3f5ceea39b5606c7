#include "core/quant/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <vector>

#include "core/quant/smallest.h"

namespace llmops {
namespace {

constexpr uint32_t kLowerBits = 15, kLowerMask = (1U << kLowerBits) - 1, kMagnitudeMask = 0x7FFFFFFF;
constexpr uint32_t kMostInPattern = 1024;

uint32_t magnitude_bits(float value) { return std::bit_cast<uint32_t>(value) & kMagnitudeMask; }

Status check_finite(MatrixView weights) {
  for (size_t i = 0; i < weights.rows; ++i) {
    const std::span<const float> row = weights.row(i);
    for (size_t j = 0; j < row.size(); ++j) if (!std::isfinite(row[j])) return Error(ErrorCode::kData, fmt::format("the weight in row {}, column {} is {}", i, j, row[j]));
  }
  return {};
}

class Remover {
 public:
  explicit Remover(MatrixView weights) {
    counts_.weights = weights.rows * weights.columns;
    for (const float w : weights.all()) counts_.zeros_before += w == 0;
    counts_.zeros_after = counts_.zeros_before;
  }
  void remove(float& weight, double mean_square = 1) {
    const double square = double{weight} * double{weight};
    counts_.zeros_after += weight != 0;
    counts_.removed_squares += square;
    counts_.loss += square * mean_square;
    weight = 0;
  }
  PruneCounts counts() const { return counts_; }

 private:
  PruneCounts counts_;
};

// Each row by its own scores |w_ij| * factor_j; no factors: 1.
PruneCounts prune_rows(MatrixView weights, std::span<const float> factors, const PruneTarget& target) {
  Remover remover(weights);
  const size_t group = target.pattern ? target.pattern->of : weights.columns;
  const size_t count = target.pattern ? target.pattern->of - target.pattern->keep : weights_to_remove(weights.columns, target.sparsity);
  std::vector<float> scores(weights.columns);
  std::vector<uint64_t> keys;
  for (size_t i = 0; i < weights.rows; ++i) {
    const std::span<float> row = weights.row(i);
    for (size_t j = 0; j < row.size(); ++j) scores[j] = std::fabs(row[j]) * (factors.empty() ? 1.0F : factors[j]);
    for (size_t start = 0; start < row.size(); start += group) {
      for_smallest(std::span(scores).subspan(start, group), count, keys, [&](size_t place) {
        const size_t j = start + place;
        remover.remove(row[j], factors.empty() ? 1.0 : double{factors[j]} * double{factors[j]});
      });
    }
  }
  return remover.counts();
}

}  // namespace

Result<SparsePattern> parse_sparse_pattern(std::string_view text) {
  SparsePattern pattern;
  const char* const end = text.data() + text.size();
  const auto keep = std::from_chars(text.data(), end, pattern.keep);
  const bool has_colon = keep.ec == std::errc() && keep.ptr != end && *keep.ptr == ':';
  const auto of = has_colon ? std::from_chars(keep.ptr + 1, end, pattern.of) : keep;
  const bool is_whole = has_colon && of.ec == std::errc() && of.ptr == end;
  if (!is_whole || pattern.keep == 0 || pattern.keep >= pattern.of || pattern.of > kMostInPattern) {
    return Error(ErrorCode::kUsage, fmt::format("'{}' is no pattern of sparsity", text), "write how many of how many weights stay, like 2:4");
  }
  return pattern;
}

uint64_t weights_to_remove(uint64_t weights, double sparsity) {
  return std::min(weights, static_cast<uint64_t>(std::floor(static_cast<double>(weights) * sparsity + 0.5)));
}

Status check_prunable(MatrixView weights, const PruneTarget& target) {
  if (target.pattern) {
    const auto [keep, of] = *target.pattern;
    if (keep == 0 || keep >= of) return Error(ErrorCode::kUsage, fmt::format("the pattern {}:{} keeps none or all", keep, of));
    if (weights.columns % of != 0) return Error(ErrorCode::kData, fmt::format("{} inputs do not divide into groups of {}", weights.columns, of));
  } else if (!(target.sparsity >= 0 && target.sparsity <= 1)) {
    return Error(ErrorCode::kUsage, fmt::format("the sparsity {} is not between 0 and 1", target.sparsity));
  }
  return check_finite(weights);
}

Result<PruneCounts> prune_magnitude(MatrixView weights, const PruneTarget& target, PruneScope scope) {
  LLMOPS_CHECK(check_prunable(weights, target));
  if (target.pattern || scope == PruneScope::kRow) return prune_rows(weights, {}, target);
  MagnitudeSearch search;
  LLMOPS_CHECK(search.count(weights.all()));
  search.choose(weights_to_remove(search.counted(), target.sparsity));
  search.refine(weights.all());
  MagnitudeCut cut = search.cut();
  return prune_cut(weights, cut);
}

Result<PruneCounts> prune_wanda(MatrixView weights, std::span<const float> mean_squares, const PruneTarget& target) {
  LLMOPS_CHECK(check_prunable(weights, target));
  if (mean_squares.size() != weights.columns) return Error(ErrorCode::kData, fmt::format("calibration is of {} inputs, and the weights have {}", mean_squares.size(), weights.columns));
  std::vector<float> factors(mean_squares.size());
  for (size_t j = 0; j < factors.size(); ++j) {
    if (!std::isfinite(mean_squares[j]) || mean_squares[j] < 0) return Error(ErrorCode::kData, fmt::format("the mean square of input {} is {}", j, mean_squares[j]));
    factors[j] = std::sqrt(mean_squares[j] + 0.0F);
  }
  return prune_rows(weights, factors, target);
}

bool MagnitudeCut::takes(float value) {
  const uint32_t own = magnitude_bits(value);
  if (own != bits || ties == 0) return own < bits;
  --ties;
  return true;
}

MagnitudeSearch::MagnitudeSearch() : counts_(std::make_unique<std::array<uint64_t, 1 << 16>>()) { counts_->fill(0); }

Status MagnitudeSearch::count(std::span<const float> values) {
  for (const float value : values) {
    if (!std::isfinite(value)) return Error(ErrorCode::kData, fmt::format("a weight is {}", value));
    ++(*counts_)[magnitude_bits(value) >> kLowerBits];
  }
  counted_ += values.size();
  return {};
}

void MagnitudeSearch::choose(uint64_t remove) {
  all_ = remove >= counted_;
  wanted_ = remove;
  upper_ = 0;
  while (!all_ && wanted_ >= (*counts_)[upper_]) wanted_ -= (*counts_)[upper_++];
  counts_->fill(0);
}

void MagnitudeSearch::refine(std::span<const float> values) {
  for (const float value : values) {
    const uint32_t bits = magnitude_bits(value);
    (*counts_)[bits & kLowerMask] += (bits >> kLowerBits) == upper_;
  }
}

MagnitudeCut MagnitudeSearch::cut() const {
  if (all_) return {kMagnitudeMask, 0};
  MagnitudeCut cut{upper_ << kLowerBits, wanted_};
  for (uint32_t lower = 0; lower < kLowerMask && cut.ties >= (*counts_)[lower]; ++lower) {
    cut.ties -= (*counts_)[lower];
    ++cut.bits;
  }
  return cut;
}

Result<PruneCounts> prune_cut(MatrixView weights, MagnitudeCut& cut) {
  LLMOPS_CHECK(check_finite(weights));
  Remover remover(weights);
  for (float& weight : weights.all()) if (cut.takes(weight)) remover.remove(weight);
  return remover.counts();
}

}  // namespace llmops
