// Eight differences at a time, in two registers of doubles: lane i of both is lane i of the plain code.
#include "core/quant/tensor_error_lanes.h"

#if LLMOPS_HAS_AVX2_KERNELS

namespace llmops::avx2 {
namespace {

struct Registers { __m256d most, source, error, output, product; };

LLMOPS_AVX2_STEP Registers load(const ErrorLanes& lanes, size_t at) {
  return {_mm256_loadu_pd(lanes.most.data() + at), _mm256_loadu_pd(lanes.source.data() + at), _mm256_loadu_pd(lanes.error.data() + at), _mm256_loadu_pd(lanes.output.data() + at), _mm256_loadu_pd(lanes.product.data() + at)};
}

LLMOPS_AVX2_STEP void store(const Registers& sums, ErrorLanes& lanes, size_t at) {
  _mm256_storeu_pd(lanes.most.data() + at, sums.most);
  _mm256_storeu_pd(lanes.source.data() + at, sums.source);
  _mm256_storeu_pd(lanes.error.data() + at, sums.error);
  _mm256_storeu_pd(lanes.output.data() + at, sums.output);
  _mm256_storeu_pd(lanes.product.data() + at, sums.product);
}

LLMOPS_AVX2_STEP void add(Registers& sums, __m128 x, __m128 y) {
  const __m256d a = _mm256_cvtps_pd(x), b = _mm256_cvtps_pd(y), difference = _mm256_sub_pd(a, b);
  sums.most = _mm256_max_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), difference), sums.most);
  sums.source = _mm256_add_pd(sums.source, _mm256_mul_pd(a, a));
  sums.error = _mm256_add_pd(sums.error, _mm256_mul_pd(difference, difference));
  sums.output = _mm256_add_pd(sums.output, _mm256_mul_pd(b, b));
  sums.product = _mm256_add_pd(sums.product, _mm256_mul_pd(a, b));
}

}  // namespace

LLMOPS_AVX2 void add_error_lanes(std::span<const float> x, std::span<const float> y, ErrorLanes& lanes) {
  Registers low = load(lanes, 0), high = load(lanes, 4);
  size_t i = 0;
  for (; i + kErrorLanes <= x.size(); i += kErrorLanes) {
    const __m256 a = _mm256_loadu_ps(x.data() + i), b = _mm256_loadu_ps(y.data() + i);
    add(low, _mm256_castps256_ps128(a), _mm256_castps256_ps128(b));
    add(high, _mm256_extractf128_ps(a, 1), _mm256_extractf128_ps(b, 1));
  }
  store(low, lanes, 0);
  store(high, lanes, 4);
  llmops::add_error_lanes(x.subspan(i), y.subspan(i), lanes);
}

LLMOPS_AVX2 bool all_within(std::span<const float> values, float largest) {
  const __m256 sign = _mm256_set1_ps(-0.0f), limit = _mm256_set1_ps(largest);
  __m256 past = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) {
    const __m256 magnitude = _mm256_andnot_ps(sign, _mm256_loadu_ps(values.data() + i));
    past = _mm256_or_ps(past, _mm256_cmp_ps(magnitude, limit, _CMP_NLE_UQ));
  }
  return _mm256_movemask_ps(past) == 0 && all_within_reference(values.subspan(i), largest);
}

}  // namespace llmops::avx2

#endif
