// Encodings of compressed-tensors: bytes by hand, every code of the eight-bit float, bounds of errors.
#include "core/quant/compressed_tensors.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/base/hash.h"

using namespace llmops;

namespace {

RowEncoding encoding_of(const char* name, uint64_t columns, uint64_t group = 0, ScaleType scale_type = ScaleType::kBf16) {
  auto made = RowEncoding::make(*find_tensor_encoding(name), scale_type, columns, group);
  REQUIRE(made);
  return *made;
}

struct Encoded {
  std::vector<float> scales;
  std::string bytes;
};
Encoded encoded(const RowEncoding& encoding, const std::vector<float>& row) {
  Encoded made{std::vector<float>(encoding.scales_per_row()), std::string(encoding.bytes_per_row(), '*')};
  encoding.choose_scales(row, made.scales);
  encoding.encode(row, made.scales, reinterpret_cast<uint8_t*>(made.bytes.data()));
  return made;
}
std::vector<float> decoded(const RowEncoding& encoding, const Encoded& made, size_t columns) {
  std::vector<float> row(columns);
  encoding.decode(reinterpret_cast<const uint8_t*>(made.bytes.data()), made.scales, row);
  return row;
}

// By search among all codes, in double.
uint8_t slow_e4m3(double value) {
  uint8_t best = 0;
  for (int code = 0; code < 128; ++code) {
    if (code == 127) continue;
    const double gap = std::fabs(float_of_e4m3(static_cast<uint8_t>(code)) - std::fabs(value)), best_gap = std::fabs(float_of_e4m3(best) - std::fabs(value));
    if (gap < best_gap || (gap == best_gap && code % 2 == 0)) best = static_cast<uint8_t>(code);
  }
  return static_cast<uint8_t>(best | (std::signbit(value) ? 128 : 0));
}

}  // namespace

TEST_CASE("all 256 codes of the eight-bit float decode as its definition says, and encode to themselves") {
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    const float value = float_of_e4m3(static_cast<uint8_t>(code));
    const int exponent = (code >> 3) & 15, fraction = code & 7;
    if ((code & 127) == 127) {
      CHECK(std::isnan(value));
      CHECK((e4m3_of(value) & 127) == 127);
      continue;
    }
    const double magnitude = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(1 + fraction / 8.0, exponent - 7);
    CHECK(value == (code >= 128 ? -magnitude : magnitude));
    CHECK(std::signbit(value) == (code >= 128));
    CHECK(e4m3_of(value) == code);
  }
  CHECK(float_of_e4m3(0x7E) == 448);
  CHECK(float_of_e4m3(0x01) == 0x1p-9F);
}

TEST_CASE("the eight-bit float rounds to the nearest code, ties to even, and stops at 448") {
  for (int code = 0; code < 126; ++code) {
    CAPTURE(code);
    const float low = float_of_e4m3(static_cast<uint8_t>(code)), high = float_of_e4m3(static_cast<uint8_t>(code + 1)), middle = (low + high) / 2;
    const int even = code % 2 == 0 ? code : code + 1;
    CHECK(e4m3_of(middle) == even);
    CHECK(e4m3_of(-middle) == (even | 128));
    CHECK(e4m3_of(std::nextafter(middle, 0.0F)) == code);
    CHECK(e4m3_of(std::nextafter(middle, 1e9F)) == code + 1);
  }
  CHECK(e4m3_of(448.1F) == 0x7E);
  CHECK(e4m3_of(1e30F) == 0x7E);
  CHECK(e4m3_of(-std::numeric_limits<float>::infinity()) == 0xFE);
  CHECK(e4m3_of(0x1p-10F) == 0);
  CHECK(e4m3_of(1e-40F) == 0);
  CHECK(e4m3_of(-0.0F) == 0x80);
  std::mt19937 random(41);
  for (int i = 0; i < 20'000; ++i) {
    const float value = std::ldexp(static_cast<float>(random() % 20001) / 10000.0F - 1.0F, static_cast<int>(random() % 21) - 11);
    if (e4m3_of(value) != slow_e4m3(value)) FAIL(value);
  }
}

TEST_CASE("four bits lie from the low end of words, plus 8, and the rest of a row is zero") {
  const RowEncoding encoding = encoding_of("W4A16", 10);
  CHECK(encoding.bytes_per_row() == 8);
  CHECK(encoding.scales_per_row() == 1);
  // 7.5 / 7.5: the scale is 1; 7.5 is a tie that rounds to 8 and stops at 7.
  const Encoded made = encoded(encoding, {7.5F, -7.5F, 0, 1, -1, 0.5F, 1.5F, -2.5F, 3, -4});
  CHECK(made.scales[0] == 1);
  CHECK(to_hex(made.bytes) == "0f98876a4b000000");
  CHECK(decoded(encoding, made, 10) == std::vector<float>{7, -8, 0, 1, -1, 0, 2, -2, 3, -4});
}

TEST_CASE("eight bits: packed plus 128, or plain signed bytes") {
  const Encoded packed = encoded(encoding_of("W8A16", 5), {127.5F, -127.5F, 0, 1, -1});
  CHECK(packed.scales[0] == 1);
  CHECK(to_hex(packed.bytes) == "ff0080817f000000");
  const Encoded plain = encoded(encoding_of("W8A8", 5), {127, -127, 0, 0.5F, -1.5F});
  CHECK(to_hex(plain.bytes) == "7f810000fe");
}

TEST_CASE("values are divided by the scale as it is stored, not as it was computed") {
  // 1.1 / 127 in BF16 is 0.0086669921875, a little more than the exact 0.00866141...
  const RowEncoding encoding = encoding_of("W8A8", 2);
  const Encoded made = encoded(encoding, {1.1F, 0.3076F});
  CHECK(made.scales[0] == 0.0086669921875F);
  // 0.3076 is 35.491 of the stored scale and 35.514 of the exact one.
  CHECK(static_cast<int>(made.bytes[1]) == 35);
  uint8_t stored[2];
  encoding.store_scales(made.scales, stored);
  CHECK((stored[0] == 0x0E && stored[1] == 0x3C));
  std::vector<float> loaded(1);
  encoding.load_scales(stored, loaded);
  CHECK(loaded == made.scales);
}

TEST_CASE("errors stay within half a step of every encoding, for groups and for whole rows, random and heavy-tailed") {
  std::mt19937 random(43);
  std::normal_distribution<float> normal(0, 0.03F);
  std::student_t_distribution<float> heavy(2);
  struct Case { const char* name; uint64_t group; };
  for (const Case& one : {Case{"W4A16", 0}, Case{"W4A16", 128}, Case{"W4A16", 32}, Case{"W8A16", 0}, Case{"W8A16", 128}, Case{"W8A8", 0}, Case{"FP8", 0}}) {
    for (const ScaleType scale_type : {ScaleType::kBf16, ScaleType::kF16}) {
      const RowEncoding encoding = encoding_of(one.name, 1024, one.group, scale_type);
      CAPTURE(one.name, one.group);
      CHECK(encoding.scales_per_row() == (one.group == 0 ? 1 : 1024 / one.group));
      for (int round = 0; round < 20; ++round) {
        std::vector<float> row(1024);
        for (float& value : row) value = round % 2 == 0 ? normal(random) : heavy(random);
        const Encoded made = encoded(encoding, row);
        const auto back = decoded(encoding, made, row.size());
        for (size_t i = 0; i < row.size(); ++i) {
          const double scale = made.scales[i / (one.group == 0 ? 1024 : one.group)], levels = find_tensor_encoding(one.name)->levels;
          // The stored scale may be smaller than the exact one by half of its last place: the ends lose as much.
          const bool is_end = std::fabs(row[i]) > scale * (levels - 1);
          const double step = find_tensor_encoding(one.name)->most == 0 ? std::max(std::fabs(row[i]) * 0x1p-4, scale * 0x1p-10) : scale * 0.5;
          if (std::fabs(back[i] - row[i]) > step * 1.0001 + (is_end ? scale * levels * 0x1p-8 : 0)) FAIL(row[i] << " became " << back[i]);
        }
      }
    }
  }
}

TEST_CASE("rows of zeros, of tiny and of huge values stay numbers") {
  for (const TensorEncoding& one : tensor_encodings()) {
    CAPTURE(one.name);
    for (const ScaleType scale_type : {ScaleType::kBf16, ScaleType::kF16}) {
      const RowEncoding encoding = encoding_of(one.name.data(), 8, 0, scale_type);
      for (const float size : {0.0F, 1e-44F, 1e-38F, 1e-12F, 1e6F, 1e30F}) {
        const std::vector<float> row = {size, -size, 0, size / 2, size / 4, -size / 8, 0, size};
        const Encoded made = encoded(encoding, row);
        CHECK((std::isfinite(made.scales[0]) && made.scales[0] > 0));
        for (const float value : decoded(encoding, made, row.size())) CHECK(std::isfinite(value));
      }
      CHECK(decoded(encoding, encoded(encoding, std::vector<float>(8, 0.0F)), 8) == std::vector<float>(8, 0.0F));
    }
  }
}

TEST_CASE("one scale for a whole tensor comes from its largest magnitude") {
  const RowEncoding encoding = encoding_of("FP8", 2);
  const std::vector<float> scale = {encoding.scale_for(448)}, row = {448, -1.0625F};
  CHECK(scale[0] == 1);
  uint8_t bytes[2];
  encoding.encode(row, scale, bytes);
  CHECK((bytes[0] == 0x7E && bytes[1] == 0xB8));   // 1.0625 lies between 1 and 1.125: to even
}

TEST_CASE("columns that groups do not divide, and groups where there are none, are refused") {
  const auto odd = RowEncoding::make(*find_tensor_encoding("W4A16"), ScaleType::kBf16, 100, 32);
  REQUIRE_FALSE(odd);
  CHECK(odd.error().code == ErrorCode::kUsage);
  CHECK(odd.error().message == "100 columns cannot be cut into groups of 32");
  CHECK(odd.error().hint == "choose a group size that divides the columns, or leave it out for one scale a row");
  const auto grouped = RowEncoding::make(*find_tensor_encoding("FP8"), ScaleType::kBf16, 128, 32);
  REQUIRE_FALSE(grouped);
  CHECK(grouped.error().message == "FP8 has one scale a row, not one for every 32 values");
  CHECK_FALSE(RowEncoding::make(*find_tensor_encoding("W8A8"), ScaleType::kBf16, 0));
  CHECK(find_tensor_encoding("W2A16") == nullptr);
}
