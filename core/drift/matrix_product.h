// Private to core/drift: the products that the tests spend their time in, with AVX2 and FMA where the processor has them.
//
// A result is the same for any number of threads, because callers cut the work by rows and columns of the result and never along the sums; it may differ in
// the last digits between a processor with FMA and one without.
#pragma once

#include <cstddef>
#include <cstdint>

namespace llmops {

// c(m x n) += a(m x k) b(k x n), all row-major with the given strides. Cost: m n k multiply-adds.
void add_product(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c, size_t c_stride);
// c(m x n) = a(m x k) b(n x k)^T in doubles: each product of two floats is exact, sums are of doubles.
void inner_products(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, double* c, size_t c_stride);

// The plain forms of both, for every processor; what the tests hold the others against.
void add_product_reference(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, float* c, size_t c_stride);
void inner_products_reference(size_t m, size_t n, size_t k, const float* a, size_t a_stride, const float* b, size_t b_stride, double* c, size_t c_stride);

}  // namespace llmops
