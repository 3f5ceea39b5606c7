// Headers that are written are read again; what a format cannot hold is refused.
#include "core/format/weight_writer.h"

#include <catch2/catch.hpp>

#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

TEST_CASE("a safetensors header that is written is read again, wide types first") {
  const TempDir dir;
  std::vector<TensorInfo> tensors = {{"b", "BF16", {3}}, {"a", "F32", {2, 1}}};
  const auto header = safetensors_header({{"format", "pt"}}, tensors);
  REQUIRE(header);
  const auto made = read_safetensors_header(dir.write("w", *header + std::string(14, '\1')), "w");
  REQUIRE(made);
  CHECK(made->tensors[0].name == "a");
  CHECK(made->tensors[1].offset_bytes == header->size() + 8);
  CHECK(made->metadata["format"] == "pt");
}

TEST_CASE("a tensor of the name that safetensors keeps for its metadata is refused") {
  std::vector<TensorInfo> tensors = {{"__metadata__", "F32", {2}}};
  const auto header = safetensors_header({}, tensors);
  REQUIRE_FALSE(header);
  CHECK(header.error().message == "tensor '__metadata__' has the name that safetensors keeps for its metadata");
}
