// What the searches find is at least as good as every candidate that they try, judged in double.
#include "core/quant/scale_search.h"

#include <catch2/catch.hpp>
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace llmops;

namespace {

struct Group { std::vector<float> x, weights; };
Group drawn(size_t size, bool is_positive, std::mt19937& random) {
  std::normal_distribution<float> normal;
  Group group;
  for (size_t i = 0; i < size; ++i) {
    const float value = normal(random);
    group.x.push_back(is_positive ? std::fabs(value) : value);
    group.weights.push_back(std::exp(normal(random)));
  }
  return group;
}

// Weighted squared error of scale * (index - offset) - minimum.
double error(const Group& group, double scale, double minimum, int offset, const std::vector<uint8_t>& indices) {
  double sum = 0;
  for (size_t i = 0; i < group.x.size(); ++i) sum += group.weights[i] * std::pow(scale * (indices[i] - offset) - minimum - group.x[i], 2);
  return sum;
}
std::vector<uint8_t> nearest_indices(const Group& group, double inverse, double minimum, int offset, int levels) {
  std::vector<uint8_t> indices;
  for (const float x : group.x) indices.push_back(static_cast<uint8_t>(std::clamp(std::nearbyint(inverse * (x + minimum)) + offset, 0.0, static_cast<double>(levels))));
  return indices;
}

}  // namespace

TEST_CASE("a unit of scales errs no more than any of the nine that are tried") {
  std::mt19937 random(51);
  for (int round = 0; round < 300; ++round) {
    const int levels = round % 2 == 0 ? 63 : 15;
    const Group group = drawn(round % 2 == 0 ? 8 : 16, true, random);
    std::vector<uint8_t> indices(group.x.size());
    const float unit = fit_unit(group.x.data(), group.weights.data(), static_cast<int>(group.x.size()), levels, indices.data());
    const double found = error(group, unit, 0, 0, indices), most = *std::max_element(group.x.begin(), group.x.end());
    for (int step = -4; step <= 4; ++step) {
      const double inverse = (levels + 0.1 * step) / most;
      if (found > error(group, 1 / inverse, 0, 0, nearest_indices(group, inverse, 0, 0, levels)) * 1.0001) FAIL("round " << round << ", step " << step);
    }
    CHECK(*std::max_element(indices.begin(), indices.end()) <= levels);
  }
}

TEST_CASE("a scale errs no more than any of the nineteen that are tried") {
  std::mt19937 random(52);
  for (int round = 0; round < 300; ++round) {
    const int half = round % 3 == 0 ? 32 : round % 3 == 1 ? 8 : 4;
    const Group group = drawn(16, false, random);
    std::vector<uint8_t> indices(16);
    const float scale = fit_symmetric(group.x.data(), group.weights.data(), 16, half, indices.data());
    const double found = error(group, scale, 0, half, indices);
    const double extreme = *std::max_element(group.x.begin(), group.x.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    for (int step = -9; step <= 9; ++step) {
      const double inverse = -(half + 0.1 * step) / extreme;
      if (found > error(group, 1 / inverse, 0, half, nearest_indices(group, inverse, 0, half, 2 * half - 1)) * 1.0001) FAIL("round " << round << ", step " << step);
    }
  }
}

TEST_CASE("a scale and a minimum err no more than the range cut into even steps") {
  std::mt19937 random(53);
  for (int round = 0; round < 300; ++round) {
    const int levels = round % 2 == 0 ? 15 : 31;
    const Group group = drawn(32, false, random);
    std::vector<uint8_t> indices(32);
    const ScaleAndMinimum found = fit_with_minimum(group.x.data(), group.weights.data(), {32, levels, -0.9F, 0.05F, 36, false}, indices.data());
    const auto [least, most] = std::minmax_element(group.x.begin(), group.x.end());
    const double minimum = -std::min(*least, 0.0F), inverse = levels / (*most + minimum);
    CHECK(found.minimum >= 0);
    CHECK(error(group, found.scale, found.minimum, 0, indices) <= error(group, 1 / inverse, minimum, 0, nearest_indices(group, inverse, minimum, 0, levels)) * 1.0001);
  }
}
