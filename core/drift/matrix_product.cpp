// Kernels of registers: 6 x 16 floats, or 4 x 8 doubles, are summed over k while their rows of b pass by in packed panels (Goto & van de Geijn 2008, "Anatomy of
// high-performance matrix multiplication"). The attribute stands on each function instead of a flag on the file, so that inline functions of other headers keep the plain
// instruction set.
#include "core/drift/matrix_product.h"

#include <algorithm>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llmops {

void add_product_reference(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c, size_t c_stride) {
  for (size_t i = 0; i < m; ++i) {
    for (size_t l = 0; l < k; ++l) {
      const float factor = a[i * a_stride + l];
      if (factor == 0) continue;
      for (size_t j = 0; j < n; ++j) c[i * c_stride + j] += factor * b[l * b_stride + j];
    }
  }
}

void inner_products_reference(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, double* c, size_t c_stride) {
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (size_t l = 0; l < k; ++l) sum += static_cast<double>(a[i * a_stride + l]) * static_cast<double>(b[j * b_stride + l]);
      c[i * c_stride + j] = sum;
    }
  }
}

#if defined(__x86_64__)
#define LLMOPS_FMA __attribute__((target("avx2,fma")))

namespace {

bool has_fma() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

constexpr size_t kRows = 6, kColumns = 16, kDepth = 256;

// c(rows x 16) += a(rows x depth) panel(depth x 16).
template <int kCount>
LLMOPS_FMA void add_block(size_t depth, const float* a, size_t a_stride, const float* panel, float* c, size_t c_stride) {
  __m256 sums[kCount][2];
  for (int i = 0; i < kCount; ++i) {
    sums[i][0] = _mm256_loadu_ps(c + static_cast<size_t>(i) * c_stride);
    sums[i][1] = _mm256_loadu_ps(c + static_cast<size_t>(i) * c_stride + 8);
  }
  for (size_t l = 0; l < depth; ++l) {
    const __m256 first = _mm256_loadu_ps(panel + l * kColumns), second = _mm256_loadu_ps(panel + l * kColumns + 8);
    for (int i = 0; i < kCount; ++i) {
      const __m256 factor = _mm256_broadcast_ss(a + static_cast<size_t>(i) * a_stride + l);
      sums[i][0] = _mm256_fmadd_ps(factor, first, sums[i][0]);
      sums[i][1] = _mm256_fmadd_ps(factor, second, sums[i][1]);
    }
  }
  for (int i = 0; i < kCount; ++i) {
    _mm256_storeu_ps(c + static_cast<size_t>(i) * c_stride, sums[i][0]);
    _mm256_storeu_ps(c + static_cast<size_t>(i) * c_stride + 8, sums[i][1]);
  }
}

void add_rows(size_t rows, size_t depth, const float* a, size_t a_stride, const float* panel, float* c, size_t c_stride) {
  switch (rows) {
    case 6: return add_block<6>(depth, a, a_stride, panel, c, c_stride);
    case 5: return add_block<5>(depth, a, a_stride, panel, c, c_stride);
    case 4: return add_block<4>(depth, a, a_stride, panel, c, c_stride);
    case 3: return add_block<3>(depth, a, a_stride, panel, c, c_stride);
    case 2: return add_block<2>(depth, a, a_stride, panel, c, c_stride);
    case 1: return add_block<1>(depth, a, a_stride, panel, c, c_stride);
    default: return;
  }
}

// One panel of b, its columns past the end as zeros.
void pack(size_t depth, size_t columns, const float* b, size_t b_stride, float* panel) {
  for (size_t l = 0; l < depth; ++l, b += b_stride, panel += kColumns) {
    std::copy_n(b, columns, panel);
    std::fill(panel + columns, panel + kColumns, 0.0F);
  }
}

constexpr size_t kInnerRows = 4, kInnerColumns = 8, kInnerDepth = 384;

// c(rows x 8) = (first ? 0 : c) + a(rows x depth) panel(depth x 8), all as doubles; a holds one double in each place.
template <int kCount>
LLMOPS_FMA void add_inner_block(size_t depth, const double* a, size_t a_stride, const double* panel, double* c, size_t c_stride) {
  __m256d sums[kCount][2];
  for (int i = 0; i < kCount; ++i) {
    sums[i][0] = _mm256_loadu_pd(c + static_cast<size_t>(i) * c_stride);
    sums[i][1] = _mm256_loadu_pd(c + static_cast<size_t>(i) * c_stride + 4);
  }
  for (size_t l = 0; l < depth; ++l) {
    const __m256d first = _mm256_loadu_pd(panel + l * kInnerColumns), second = _mm256_loadu_pd(panel + l * kInnerColumns + 4);
    for (int i = 0; i < kCount; ++i) {
      const __m256d factor = _mm256_broadcast_sd(a + static_cast<size_t>(i) * a_stride + l);
      sums[i][0] = _mm256_fmadd_pd(factor, first, sums[i][0]);
      sums[i][1] = _mm256_fmadd_pd(factor, second, sums[i][1]);
    }
  }
  for (int i = 0; i < kCount; ++i) {
    _mm256_storeu_pd(c + static_cast<size_t>(i) * c_stride, sums[i][0]);
    _mm256_storeu_pd(c + static_cast<size_t>(i) * c_stride + 4, sums[i][1]);
  }
}

void add_inner_rows(size_t rows, size_t depth, const double* a, size_t a_stride, const double* panel, double* c, size_t c_stride) {
  switch (rows) {
    case 4: return add_inner_block<4>(depth, a, a_stride, panel, c, c_stride);
    case 3: return add_inner_block<3>(depth, a, a_stride, panel, c, c_stride);
    case 2: return add_inner_block<2>(depth, a, a_stride, panel, c, c_stride);
    case 1: return add_inner_block<1>(depth, a, a_stride, panel, c, c_stride);
    default: return;
  }
}

void add_product_fma(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c, size_t c_stride) {
  std::vector<float> panel(kDepth * kColumns);
  for (size_t from = 0; from < k; from += kDepth) {
    const size_t depth = std::min(kDepth, k - from);
    for (size_t j = 0; j < n; j += kColumns) {
      const size_t columns = std::min(kColumns, n - j);
      pack(depth, columns, b + from * b_stride + j, b_stride, panel.data());
      for (size_t i = 0; i < m; i += kRows) {
        const size_t rows = std::min(kRows, m - i);
        if (columns == kColumns) {
          add_rows(rows, depth, a + i * a_stride + from, a_stride, panel.data(), c + i * c_stride + j, c_stride);
          continue;
        }
        float edge[kRows * kColumns] = {};
        for (size_t r = 0; r < rows; ++r) std::copy_n(c + (i + r) * c_stride + j, columns, edge + r * kColumns);
        add_rows(rows, depth, a + i * a_stride + from, a_stride, panel.data(), edge, kColumns);
        for (size_t r = 0; r < rows; ++r) std::copy_n(edge + r * kColumns, columns, c + (i + r) * c_stride + j);
      }
    }
  }
}

void inner_products_fma(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, double* c, size_t c_stride) {
  std::vector<double> panel(kInnerDepth * kInnerColumns), rows_of_a(m * kInnerDepth);
  for (size_t i = 0; i < m; ++i) std::fill_n(c + i * c_stride, n, 0.0);
  for (size_t from = 0; from < k; from += kInnerDepth) {
    const size_t depth = std::min(kInnerDepth, k - from);
    for (size_t i = 0; i < m; ++i) std::copy_n(a + i * a_stride + from, depth, rows_of_a.data() + i * kInnerDepth);
    for (size_t j = 0; j < n; j += kInnerColumns) {
      const size_t columns = std::min(kInnerColumns, n - j);
      for (size_t l = 0; l < depth; ++l) for (size_t t = 0; t < kInnerColumns; ++t) panel[l * kInnerColumns + t] = t < columns ? static_cast<double>(b[(j + t) * b_stride + from + l]) : 0.0;
      for (size_t i = 0; i < m; i += kInnerRows) {
        const size_t rows = std::min(kInnerRows, m - i);
        const double* left = rows_of_a.data() + i * kInnerDepth;
        if (columns == kInnerColumns) {
          add_inner_rows(rows, depth, left, kInnerDepth, panel.data(), c + i * c_stride + j, c_stride);
          continue;
        }
        double edge[kInnerRows * kInnerColumns] = {};
        for (size_t r = 0; r < rows; ++r) std::copy_n(c + (i + r) * c_stride + j, columns, edge + r * kInnerColumns);
        add_inner_rows(rows, depth, left, kInnerDepth, panel.data(), edge, kInnerColumns);
        for (size_t r = 0; r < rows; ++r) std::copy_n(edge + r * kInnerColumns, columns, c + (i + r) * c_stride + j);
      }
    }
  }
}

}  // namespace
#else
namespace {
bool has_fma() { return false; }
constexpr auto add_product_fma = add_product_reference;
constexpr auto inner_products_fma = inner_products_reference;
}  // namespace
#endif

void add_product(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c, size_t c_stride) {
  if (has_fma()) add_product_fma(m, n, k, a, a_stride, b, b_stride, c, c_stride);
  else add_product_reference(m, n, k, a, a_stride, b, b_stride, c, c_stride);
}

void inner_products(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, double* c, size_t c_stride) {
  if (has_fma()) inner_products_fma(m, n, k, a, a_stride, b, b_stride, c, c_stride);
  else inner_products_reference(m, n, k, a, a_stride, b, b_stride, c, c_stride);
}

}  // namespace llmops
