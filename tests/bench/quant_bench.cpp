// Millions of parameters a second on one core, for every block type: quantize and dequantize, plain C++ and what block_types() chose.
// The best of several short runs. Usage: llmops_quant_bench [millions of values, default 1]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "core/quant/avx2.h"
#include "core/quant/block_types.h"

namespace {

template <class Work>
double best_rate(size_t count, double seconds, const Work& work) {
  double best = 0, spent = 0;
  do {
    const auto start = std::chrono::steady_clock::now();
    work();
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, static_cast<double>(count) / took / 1e6);
    spent += took;
  } while (spent < seconds);
  return best;
}

}  // namespace

int main(int argument_count, char** arguments) {
  const size_t count = static_cast<size_t>((argument_count > 1 ? std::atof(arguments[1]) : 1.0) * 1e6) / 256 * 256;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(count), back(count), importance(count, 1.0F);
  for (float& value : values) value = normal(random);
  for (float& one : importance) one = std::exp(2 * normal(random) / 0.02F);
  std::vector<uint8_t> blocks(count * 4);
  std::printf("%zu values, %s\n", count, llmops::has_avx2() ? "avx2" : "no avx2");
  std::printf("%-8s %12s %12s %12s %12s %12s\n", "type", "quantize", "reference", "weighted", "dequantize", "reference");
  for (const llmops::BlockType& type : llmops::block_types()) {
    const double fast = best_rate(count, 0.3, [&] { type.quantize(values, blocks.data()); });
    const double plain = best_rate(count, 0.3, [&] { type.quantize_reference(values, blocks.data()); });
    const double weighted = type.quantize_weighted == nullptr ? 0 : best_rate(count, 0.3, [&] { type.quantize_weighted(values, importance, blocks.data()); });
    type.quantize(values, blocks.data());
    const double fast_back = best_rate(count, 0.2, [&] { type.dequantize(blocks.data(), back); });
    const double plain_back = best_rate(count, 0.2, [&] { type.dequantize_reference(blocks.data(), back); });
    std::printf("%-8s %12.1f %12.1f %12.1f %12.1f %12.1f\n", std::string(type.name).c_str(), fast, plain, weighted, fast_back, plain_back);
  }
}
