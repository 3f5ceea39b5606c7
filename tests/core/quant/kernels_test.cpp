// The kernels that the processor's instructions allow give the bytes of the plain ones; both decode as a second implementation does.
#include <catch2/catch.hpp>
#include <cstring>

#include "core/quant/avx2.h"
#include "core/quant/block_types.h"
#include "tests/core/quant/slow_reference.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string blocks_by(const BlockType& type, Quantize quantize, std::span<const float> values) {
  std::string bytes(values.size() / type.elements * type.bytes, '\0');
  quantize(values, reinterpret_cast<uint8_t*>(bytes.data()));
  return bytes;
}
std::vector<float> values_by(const BlockType& type, Dequantize dequantize, const std::string& bytes) {
  std::vector<float> values(bytes.size() / type.bytes * type.elements);
  dequantize(reinterpret_cast<const uint8_t*>(bytes.data()), values);
  return values;
}

// Random bytes with scales that are finite: exponents of all ones lose a bit.
std::string random_blocks(const BlockType& type, size_t count, std::mt19937& random) {
  std::string bytes(count * type.bytes, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  std::vector<size_t> halves = {0};
  if (type.name == "Q4_1" || type.name == "Q5_1" || type.name == "Q4_K" || type.name == "Q5_K") halves = {0, 2};
  if (type.name == "Q2_K") halves = {80, 82};
  if (type.name == "Q3_K") halves = {108};
  if (type.name == "Q6_K") halves = {208};
  const int bit = type.name == "F32" || type.name == "BF16" ? 0x40 : 0x20;
  for (size_t block = 0; block < count; ++block) {
    for (const size_t at : halves) {
      char& upper = bytes[block * type.bytes + at + (type.name == "F32" ? 3U : 1U)];
      upper = static_cast<char>(upper & ~bit);
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("the kernels chosen for this processor give the bytes of the plain ones, for a million values of every type") {
  if (!has_avx2()) return note_left_out("kernels of AVX2");
  for (const BlockType& type : block_types()) {
    CAPTURE(type.name);
    std::mt19937 random(17);
    for (const std::string& kind : kRowKinds) {
      CAPTURE(kind);
      const auto values = row_of_kind(kind, 256 * 273, random);
      const std::string expected = blocks_by(type, type.quantize_reference, values);
      CHECK(blocks_by(type, type.quantize, values) == expected);
      const auto fast = values_by(type, type.dequantize, expected), plain = values_by(type, type.dequantize_reference, expected);
      size_t different = 0;
      for (size_t i = 0; i < fast.size(); ++i) different += fast[i] != plain[i] && !(std::isnan(fast[i]) && std::isnan(plain[i]));
      CHECK(different == 0);
    }
  }
}

TEST_CASE("the kernels take any whole number of blocks, at any address") {
  std::mt19937 random(18);
  for (const BlockType& type : block_types()) {
    CAPTURE(type.name);
    for (const size_t blocks : {0, 1, 2, 3, 7, 9, 13, 31}) {
      CAPTURE(blocks);
      const auto values = row_of_kind("normal", blocks * type.elements + 1, random);
      const std::span<const float> shifted = std::span<const float>(values).subspan(1);
      std::string bytes(blocks * type.bytes + 2, '*');
      type.quantize(shifted, reinterpret_cast<uint8_t*>(bytes.data()) + 1);
      CHECK(bytes.substr(1, bytes.size() - 2) == blocks_by(type, type.quantize_reference, shifted));
      CHECK((bytes.front() == '*' && bytes.back() == '*'));
      std::vector<float> back(shifted.size() + 2, 77.0F);
      type.dequantize(reinterpret_cast<const uint8_t*>(bytes.data()) + 1, std::span<float>(back).subspan(1, shifted.size()));
      CHECK((back.front() == 77.0F && back.back() == 77.0F));
      std::vector<float> plain(shifted.size());
      type.dequantize_reference(reinterpret_cast<const uint8_t*>(bytes.data()) + 1, plain);
      CHECK(std::equal(plain.begin(), plain.end(), back.begin() + 1));
    }
  }
}

TEST_CASE("halves and brain floats of every float pattern's kind are those of the plain conversion, NaN and infinity too") {
  std::mt19937 random(19);
  std::vector<float> values(1 << 20), back(1 << 16), plain(1 << 16);
  for (float& value : values) value = Eigen::numext::bit_cast<float>(static_cast<uint32_t>(random()));
  std::vector<uint16_t> every(1 << 16);
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<uint16_t>(i);
  for (const char* name : {"F16", "BF16"}) {
    CAPTURE(name);
    const BlockType& type = *find_block_type(name);
    CHECK(blocks_by(type, type.quantize, values) == blocks_by(type, type.quantize_reference, values));
    type.dequantize(reinterpret_cast<const uint8_t*>(every.data()), back);
    type.dequantize_reference(reinterpret_cast<const uint8_t*>(every.data()), plain);
    CHECK(std::memcmp(back.data(), plain.data(), back.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("blocks of 32 values are, byte for byte, those of a second implementation") {
  for (const char* name : {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}) {
    const BlockType& type = *find_block_type(name);
    std::mt19937 random(20);
    for (const std::string& kind : kRowKinds) {
      // Where a scale has no finite inverse the formula gives no number to round.
      if (kind == "denormal" || kind == "any bits" || kind == "enormous" || kind == "mixed") continue;
      CAPTURE(name, kind);
      const auto values = row_of_kind(kind, 32 * 400, random);
      std::string expected;
      for (size_t at = 0; at < values.size(); at += 32) expected += slow_block(name, values.data() + at);
      CHECK(blocks_by(type, type.quantize, values) == expected);
      CHECK(blocks_by(type, type.quantize_reference, values) == expected);
    }
  }
}

TEST_CASE("random blocks of every type decode to what a second implementation reads from their bits") {
  std::mt19937 random(21);
  for (const BlockType& type : block_types()) {
    CAPTURE(type.name);
    const std::string bytes = random_blocks(type, 4096 / type.elements + 300, random);
    const auto fast = values_by(type, type.dequantize, bytes), plain = values_by(type, type.dequantize_reference, bytes);
    for (size_t i = 0; i < fast.size(); ++i) {
      const SlowValue expected = slow_value(type.name, reinterpret_cast<const uint8_t*>(bytes.data()) + i / type.elements * type.bytes, i % type.elements);
      // Up to three roundings to single precision, each relative to the parts.
      const double bound = 1e-7 * 3 * (std::fabs(expected.product) + std::fabs(expected.offset)) + 1e-44;
      const bool is_off = std::fabs(fast[i] - expected.sum()) > bound || std::fabs(plain[i] - expected.sum()) > bound;
      if (is_off) FAIL("value " << i << ": " << fast[i] << ", " << plain[i] << " for " << expected.sum());
    }
  }
}

TEST_CASE("errors of the second implementation's values stay within the bound of the type on rows of every kind") {
  std::mt19937 random(22);
  for (const char* name : {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}) {
    const BlockType& type = *find_block_type(name);
    for (const std::string kind : {"normal", "heavy", "constant", "zero", "denormal", "few levels", "ties", "negative", "sparse", "offset"}) {
      CAPTURE(name, kind);
      const auto values = row_of_kind(kind, 32 * 100, random);
      const std::string bytes = blocks_by(type, type.quantize, values);
      for (size_t i = 0; i < values.size(); ++i) {
        const float* x = values.data() + i / 32 * 32;
        const auto [least, most] = std::minmax_element(x, x + 32);
        const double largest = std::max(std::fabs(*least), std::fabs(*most)), range = type.name.ends_with("_1") ? *most - *least : largest;
        const double error = std::fabs(slow_value(type.name, reinterpret_cast<const uint8_t*>(bytes.data()) + i / 32 * type.bytes, i % 32).sum() - values[i]);
        // A half keeps 11 bits of the scale and of the minimum, nothing below 2^-25 and nothing above 65504.
        if (largest < 65504 && error > (range * type.error_bound + largest * 0x1p-10) * 1.0001 + 0x1p-24 * 128) FAIL(values[i] << " is off by " << error);
      }
    }
  }
}
