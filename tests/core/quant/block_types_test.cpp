// Block formats: bytes of llama.cpp's own quantizer, of an independent computation, and the bounds of their errors.
#include "core/quant/block_types.h"

#include <Eigen/Core>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "core/base/half.h"
#include "core/base/hash.h"
#include "core/format/bounded_file.h"
#include "core/format/tensors.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::vector<float> kValues = {
    -0.255880296F, 0.511431515F, 0.192540601F, -0.400808126F, 1.03687906F, 0.248902723F, 0.885056198F, 0.567251563F, -0.901596844F, -3.87080646F, 0.672857165F,
    0.216706604F, -1.08985043F, 0.606850743F, 1.0379467F, 0.784994543F, 1.29150724F, 0.906845093F, -1.23150671F, 0.110994242F, -0.943773806F, -0.562652826F,
    0.426518977F, -1.48974311F, -1.08950496F, -2.20068169F, -0.66120106F, 10.8844261F, 1.86389208F, 3.14995742F, 1.44059741F, 0.362243682F};

std::string blocks_of(const BlockType& type, const std::vector<float>& values) {
  std::string bytes(values.size() / type.elements * type.bytes, '\0');
  type.quantize(values, reinterpret_cast<uint8_t*>(bytes.data()));
  return bytes;
}

std::vector<float> values_of(const BlockType& type, const std::string& bytes) {
  std::vector<float> values(bytes.size() / type.bytes * type.elements);
  type.dequantize(reinterpret_cast<const uint8_t*>(bytes.data()), values);
  return values;
}

std::string bytes_at(const std::filesystem::path& path, const TensorInfo& tensor) {
  auto file = BoundedFile::open(path, path.filename().string());
  REQUIRE(file);
  std::string bytes(tensor.size_bytes, '\0');
  REQUIRE(file->read_at(bytes.data(), bytes.size(), tensor.offset_bytes));
  return bytes;
}

}  // namespace

TEST_CASE("halves and brain floats are those of an independent implementation, on all of them and on random floats") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = float_of_half(half);
    if (std::isnan(value)) {
      CHECK((bits & 0x7C00) == 0x7C00);
      CHECK(std::isnan(float_of_half(half_of(value))));
      continue;
    }
    if (half_of(value) != half || value != static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(half))) FAIL("half " << bits);
  }
  std::mt19937 random(11);
  for (int i = 0; i < 2'000'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isnan(value)) continue;
    // Every other one near the range of halves, where rounding and subnormals are.
    const float near = i % 2 == 0 ? value : std::ldexp(1.0F + static_cast<float>(random() % (1U << 23)) * 0x1p-23F, static_cast<int>(random() % 44) - 27);
    if (half_of(near) != Eigen::numext::bit_cast<uint16_t>(static_cast<Eigen::half>(near))) FAIL("to half " << near);
    if (brain_of(near) != Eigen::numext::bit_cast<uint16_t>(static_cast<Eigen::bfloat16>(near))) FAIL("to brain " << near);
  }
  CHECK(half_of(65519.99F) == 0x7BFF);
  CHECK(half_of(65520.0F) == 0x7C00);
  CHECK(half_of(0x1p-25F) == 0);
}

TEST_CASE("a block is, byte for byte, what an independent computation makes of it") {
  const std::map<std::string, std::string> expected = {
      {"Q8_0", "7c2dfd0602fb0c030a07f5d30803f3070c090f0bf201f5f905eff3e6f87f16251104"}, {"Q4_0", "71bd787898889788879899ab880879687787"}, {"Q4_1", "df3bbec35454344435344525332035f463755545"},
      {"Q5_0", "71b92d1bbc07e0ff20011e10ff2f21361f00d2bfeeff"}, {"Q5_1", "9e37bec300000008b8a969876a799a5966407af9c6f9ba9a"},
      {"F16", "18b4173829326ab6263cf733153b8a3836bbbec36239ef325cbcdb38273c483a2b3d413bedbc1b2f8dbb80b8d336f5bd5cbc67c04ab97149753f4d42c33dcc35"}};
  for (const auto& [name, bytes] : expected) {
    CAPTURE(name);
    CHECK(to_hex(blocks_of(*find_block_type(name), kValues)) == bytes);
  }
}

TEST_CASE("bytes of 512 values of wide spread are what they were when they agreed with llama.cpp's files") {
  const std::map<std::string, std::string> expected = {
      {"F32", "07b583db03f2956a"}, {"F16", "986f7420308e99bd"}, {"BF16", "a8a612e25e48694a"}, {"Q8_0", "d91611fc6a481cbe"}, {"Q4_0", "49ef5ac3315a0acd"}, {"Q4_1", "cdc138da14afa001"},
      {"Q5_0", "ecd56b6a75dff569"}, {"Q5_1", "fdd6ee6d2adedd9d"}, {"IQ4_NL", "44fd4ac41a5fe0ae"}, {"IQ4_XS", "b4945935e88f6477"}, {"Q2_K", "1caa49505e4fda9e"}, {"Q3_K", "966d6ebae0013edd"},
      {"Q4_K", "abc298962d990b30"}, {"Q5_K", "eb9606f5eb833617"}, {"Q6_K", "3ef697439f6bbc6c"}};
  std::vector<float> values(512);
  uint32_t state = 12345;
  for (float& value : values) {
    state = state * 1664525U + 1013904223U;
    const int drawn = static_cast<int>(state >> 16) % 2001 - 1000;
    value = static_cast<float>(drawn) * static_cast<float>(std::abs(drawn)) / 65536.0F;
  }
  for (const BlockType& type : block_types()) {
    CAPTURE(type.name);
    CHECK(sha256_hex(blocks_of(type, values)).substr(0, 16) == expected.at(std::string(type.name)));
  }
}

TEST_CASE("every tensor of llama.cpp's own files has our bytes") {
  const auto root = data_root();
  if (!root) return note_left_out("bytes of llama.cpp's quantizer");
  std::map<std::string, int64_t> tensors;
  for (const std::string model : {"tiny", "tiny-odd"}) {
    const auto source_path = *root / "quant" / (model + "-f32.gguf");
    const auto source = read_gguf_header(source_path, "source");
    REQUIRE(source);
    std::map<std::string, std::vector<float>> values;
    for (const TensorInfo& tensor : source->tensors) {
      const std::string bytes = bytes_at(source_path, tensor);
      REQUIRE(tensor.type == "F32");
      values[tensor.name].resize(bytes.size() / 4);
      std::memcpy(values[tensor.name].data(), bytes.data(), bytes.size());
    }
    for (const auto& entry : std::filesystem::directory_iterator(*root / "quant")) {
      const std::string name = entry.path().filename().string();
      const bool is_odd = name.starts_with("tiny-odd-");
      if (entry.path().extension() != ".gguf" || is_odd != (model == "tiny-odd")) continue;
      const auto made = read_gguf_header(entry.path(), name);
      REQUIRE(made);
      for (const TensorInfo& tensor : made->tensors) {
        const BlockType* type = find_block_type(tensor.type);
        if (type == nullptr) continue;
        CAPTURE(name, tensor.name, tensor.type);
        CHECK(sha256_hex(blocks_of(*type, values.at(tensor.name))) == sha256_hex(bytes_at(entry.path(), tensor)));
        ++tensors[tensor.type];
      }
    }
  }
  for (const BlockType& type : block_types()) {
    CAPTURE(type.name);
    CHECK(tensors[std::string(type.name)] > 0);
  }
}

TEST_CASE("errors stay within the bound of the type, on random, heavy-tailed, constant, zero, denormal and huge rows") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> heavy(2);
  for (const BlockType& type : block_types()) {
    if (type.elements == 256 || type.name == "IQ4_NL") continue;   // theirs is a search: see below
    CAPTURE(type.name);
    for (const std::string kind : {"normal", "heavy", "constant", "zero", "denormal", "huge"}) {
      CAPTURE(kind);
      for (int round = 0; round < 200; ++round) {
        std::vector<float> values(32);
        for (float& value : values) {
          if (kind == "heavy") value = heavy(random);
          else if (kind == "constant") value = 0.75F;
          else if (kind == "zero") value = 0;
          else if (kind == "denormal") value = normal(random) * 1e-40F;
          else value = normal(random) * (kind == "huge" ? 1000.0F : 1.0F);
        }
        const auto back = values_of(type, blocks_of(type, values));
        const bool has_minimum = type.name == "Q4_1" || type.name == "Q5_1", is_float = type.elements == 1;
        const auto [least, most] = std::minmax_element(values.begin(), values.end());
        const double largest = std::max(std::fabs(*least), std::fabs(*most)), range = has_minimum ? *most - *least : largest;
        for (size_t i = 0; i < values.size(); ++i) {
          // A half keeps 11 bits of the scale (and of the minimum), and nothing below 2^-25.
          const double bound = is_float ? std::fabs(values[i]) * type.error_bound : range * type.error_bound + largest * 0x1p-10;
          if (std::fabs(back[i] - values[i]) > bound * 1.0001 + 0x1p-24 * (is_float ? 1 : 128)) FAIL(values[i] << " became " << back[i]);
        }
      }
    }
  }
}

TEST_CASE("the types of 256 values err less than the plain type of as many bits, and stay finite on rows of any kind") {
  std::mt19937 random(9);
  std::student_t_distribution<float> heavy(4);
  const auto error_of = [](const BlockType& type, const std::vector<float>& values) {
    const auto back = values_of(type, blocks_of(type, values));
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += std::pow(static_cast<double>(back[i]) - values[i], 2);
    return std::sqrt(sum / static_cast<double>(values.size()));
  };
  std::vector<float> values(256 * 64);
  for (float& value : values) value = heavy(random);
  CHECK(error_of(*find_block_type("Q4_K"), values) < error_of(*find_block_type("Q4_0"), values));
  CHECK(error_of(*find_block_type("Q5_K"), values) < error_of(*find_block_type("Q5_0"), values));
  CHECK(error_of(*find_block_type("Q6_K"), values) < error_of(*find_block_type("Q5_1"), values));
  CHECK(error_of(*find_block_type("IQ4_NL"), values) < error_of(*find_block_type("Q4_0"), values));
  CHECK(error_of(*find_block_type("Q3_K"), values) < error_of(*find_block_type("Q2_K"), values));
  for (const char* name : {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"}) {
    const BlockType& type = *find_block_type(name);
    CAPTURE(name);
    CHECK(error_of(type, std::vector<float>(256, 0.0F)) == 0);
    CHECK(error_of(type, std::vector<float>(256, 0.5F)) < 0.02);
    CHECK(error_of(type, std::vector<float>(256, -0.5F)) < 0.02);
    CHECK(error_of(type, std::vector<float>(256, 1e-38F)) <= 1e-38);
    std::vector<float> spike(256, 0.0F);
    spike[77] = 60000;
    CHECK(std::isfinite(error_of(type, spike)));
  }
}

TEST_CASE("the table gives sizes of blocks, and knows no other type") {
  CHECK(find_block_type("Q4_0")->bytes == 18);
  CHECK(find_block_type("Q5_1")->bytes == 24);
  CHECK(find_block_type("Q9_9") == nullptr);
}
