// Rows quantized by the importance of their columns.
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "core/quant/avx2.h"
#include "core/quant/block_types.h"
#include "tests/core/quant/slow_reference.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

constexpr size_t kColumns = 1024, kRows = 24;

enum class Way { kPlain, kWeighted };
double weighted_error(const BlockType& type, const std::vector<float>& row, const std::vector<float>& importance, const std::vector<float>& judged_by, Way way) {
  std::vector<uint8_t> blocks(row.size() / type.elements * type.bytes);
  std::vector<float> back(row.size());
  if (way == Way::kPlain) type.quantize(row, blocks.data());
  else type.quantize_weighted(row, importance, blocks.data());
  type.dequantize(blocks.data(), back);
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += judged_by[i] * std::pow(static_cast<double>(back[i]) - row[i], 2);
  return sum;
}

// Mean over rows of weighted error of the weighted over that of the plain quantizer.
double ratio(const BlockType& type, const std::vector<float>& importance, const std::vector<float>& judged_by, bool is_heavy) {
  std::mt19937 random(31);
  std::normal_distribution<float> normal(0, 0.02F);
  std::student_t_distribution<float> heavy(4);
  double plain = 0, weighted = 0;
  for (size_t row = 0; row < kRows; ++row) {
    std::vector<float> values(kColumns);
    for (float& value : values) value = is_heavy ? 0.02F * heavy(random) : normal(random);
    plain += weighted_error(type, values, importance, judged_by, Way::kPlain);
    weighted += weighted_error(type, values, importance, judged_by, Way::kWeighted);
  }
  return weighted / plain;
}

std::string weighted_blocks(const BlockType& type, QuantizeWeighted quantize, std::span<const float> row, std::span<const float> importance) {
  std::string bytes(row.size() / type.elements * type.bytes, '\0');
  quantize(row, importance, reinterpret_cast<uint8_t*>(bytes.data()));
  return bytes;
}

std::vector<float> skewed(float spread) {
  std::mt19937 random(32);
  std::normal_distribution<float> normal;
  std::vector<float> importance(kColumns);
  for (float& one : importance) one = std::exp(spread * normal(random));
  return importance;
}

}  // namespace

TEST_CASE("importance lowers the error where it counts: the more skewed, the more") {
  for (const BlockType& type : block_types()) {
    if (type.quantize_weighted == nullptr) continue;
    CAPTURE(type.name);
    const auto mild = skewed(1.5F), strong = skewed(3);
    CHECK(ratio(type, mild, mild, false) < 0.78);
    CHECK(ratio(type, mild, mild, true) < 0.85);
    CHECK(ratio(type, strong, strong, false) < 0.40);
    CHECK(ratio(type, strong, strong, true) < 0.45);
  }
}

TEST_CASE("equal importances, whatever their size, cost nothing against no importances") {
  for (const BlockType& type : block_types()) {
    if (type.quantize_weighted == nullptr) continue;
    CAPTURE(type.name);
    const std::vector<float> one(kColumns, 1.0F);
    CHECK(ratio(type, one, one, false) < 1.0);
    CHECK(ratio(type, std::vector<float>(kColumns, 1e6F), one, false) < 1.0);
    CHECK(ratio(type, std::vector<float>(kColumns, 1e-6F), one, false) < 1.0);
  }
}

TEST_CASE("columns without importance give numbers; where a whole group has none they count as equal") {
  std::mt19937 random(33);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(kColumns), equal(kColumns, 1.0F), none(kColumns, 0.0F), some(kColumns), halves(kColumns);
  for (size_t i = 0; i < kColumns; ++i) {
    values[i] = normal(random);
    some[i] = i % 3 == 0 ? 1.0F : 0.0F;
    halves[i] = i / 64 % 2 == 0 ? 1.0F : 0.0F;
  }
  for (const BlockType& type : block_types()) {
    if (type.quantize_weighted == nullptr) continue;
    CAPTURE(type.name);
    const double plain = weighted_error(type, values, equal, equal, Way::kPlain);
    CHECK(weighted_error(type, values, none, equal, Way::kWeighted) == weighted_error(type, values, equal, equal, Way::kWeighted));
    CHECK(weighted_error(type, values, halves, equal, Way::kWeighted) < 1.5 * plain);
    CHECK(weighted_error(type, values, some, some, Way::kWeighted) < weighted_error(type, values, some, some, Way::kPlain));
    CHECK(std::isfinite(weighted_error(type, values, some, equal, Way::kWeighted)));
    for (const float constant : {0.0F, 0.5F, -0.5F, 1e-38F}) {
      const std::vector<float> row(kColumns, constant);
      CHECK(weighted_error(type, row, some, equal, Way::kWeighted) <= 0.0001 * kColumns * constant * constant + 1e-30);
      CHECK(weighted_error(type, row, none, equal, Way::kWeighted) <= 0.0001 * kColumns * constant * constant + 1e-30);
    }
  }
}

TEST_CASE("types that no importance could change say so") {
  for (const char* name : {"F32", "F16", "BF16", "Q8_0"}) CHECK(find_block_type(name)->quantize_weighted == nullptr);
}

TEST_CASE("the kernels chosen for this processor give the bytes of the plain ones, for rows and importances of every kind") {
  if (!has_avx2()) return note_left_out("kernels of AVX2");
  for (const BlockType& type : block_types()) {
    if (type.quantize_weighted == nullptr) continue;
    CAPTURE(type.name);
    std::mt19937 random(34);
    for (const std::string& kind : kRowKinds) {
      for (const std::string importances : {"skewed", "equal", "some", "groups", "none", "tiny", "large"}) {
        CAPTURE(kind, importances);
        // An odd number of blocks, of fewer than the kernels take at a time.
        const size_t columns = type.elements == 256 ? 5 * 256 : 45 * 32;
        for (int round = 0; round < 3; ++round) {
          const auto row = row_of_kind(kind, columns, random);
          std::vector<float> importance(columns);
          for (size_t i = 0; i < columns; ++i) {
            const float drawn = std::exp(2 * std::normal_distribution<float>()(random));
            const bool is_kept = importances == "some" ? random() % 3 == 0 : importances == "groups" ? i / 48 % 2 == 0 : importances != "none";
            importance[i] = !is_kept ? 0.0F : importances == "equal" ? 1.0F : importances == "tiny" ? drawn * 1e-38F : importances == "large" ? drawn * 1e8F : drawn;
          }
          CHECK(weighted_blocks(type, type.quantize_weighted, row, importance) == weighted_blocks(type, type.quantize_weighted_reference, row, importance));
        }
      }
    }
  }
}
