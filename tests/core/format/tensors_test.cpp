// Headers of weight files: what they say, and every way in which they can lie.
#include "core/format/tensors.h"

#include <catch2/catch.hpp>

#include "tests/support/test_data.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Folder {
  TempDir dir;
  Result<TensorFile> safetensors_of(const std::string& bytes) { return read_safetensors_header(dir.write("w.safetensors", bytes), "w.safetensors"); }
  Result<TensorFile> gguf_of(const std::string& bytes) { return read_gguf_header(dir.write("w.gguf", bytes), "w.gguf"); }
  std::string safetensors_fault(const std::string& header, size_t data_bytes) {
    const auto made = safetensors_of(safetensors_bytes(header, data_bytes));
    return made ? "read" : made.error().message;
  }
  std::string gguf_fault(const std::string& bytes) {
    const auto made = gguf_of(bytes);
    return made ? "read" : made.error().message;
  }
};

const std::string kTwo = R"({"__metadata__": {"format": "pt"}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}, "a": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]}})";

}  // namespace

TEST_CASE("a safetensors header gives the tensors in the order of their data") {
  Folder folder;
  const auto made = folder.safetensors_of(safetensors_bytes(kTwo, 12));
  REQUIRE(made);
  REQUIRE(made->tensors.size() == 2);
  CHECK(made->tensors[0].name == "a");
  CHECK(made->tensors[0].shape == std::vector<uint64_t>{1, 2});
  CHECK(made->tensors[0].offset_bytes == 8 + kTwo.size());
  CHECK(made->tensors[1].type == "F32");
  CHECK(made->tensors[1].size_bytes == 8);
  CHECK(made->tensors[1].elements() == 2);
  CHECK(made->metadata["format"] == "pt");
  // Padding behind the header, tensors without values, and a single value are allowed.
  CHECK(folder.safetensors_fault(R"({"z": {"dtype": "F32", "shape": [0, 3], "data_offsets": [0, 0]}, "s": {"dtype": "I8", "shape": [], "data_offsets": [0, 1]}}   )", 1) == "read");
}

TEST_CASE("a safetensors header that lies is refused before anything is allocated for it") {
  Folder folder;
  const auto fault = [&](const std::string& entry, size_t data_bytes) { return folder.safetensors_fault("{\"a\": " + entry + "}", data_bytes); };
  CHECK(folder.safetensors_of("abc").error().message == "'w.safetensors' ends inside the length of its header: 8 bytes are wanted and 3 are left (at byte 0)");
  CHECK(folder.safetensors_of(raw<uint64_t>(UINT64_MAX) + "{}").error().message == "'w.safetensors' has a header of 18446744073709551615 bytes, more than 100000000 (at byte 8)");
  CHECK(folder.safetensors_of(raw<uint64_t>(90'000'000) + "{}").error().message == "'w.safetensors' ends inside its header: 90000000 bytes are wanted and 2 are left (at byte 8)");
  CHECK(folder.safetensors_fault("[]", 0) == "'w.safetensors' has a header that is no JSON object (at byte 10)");
  CHECK(folder.safetensors_fault("{\"a\": \xff}", 0) != "read");
  CHECK(folder.safetensors_fault(R"({"a": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]}, "a": {"dtype": "I8", "shape": [1], "data_offsets": [1, 2]}})", 2).find("duplicate") != std::string::npos);
  CHECK(folder.safetensors_fault(R"({"__metadata__": {"a": 1}})", 0) == "'w.safetensors' has metadata 'a' that is no text");
  CHECK(fault(R"({"dtype": "F31", "shape": [1], "data_offsets": [0, 4]})", 4) == "'w.safetensors' has tensor 'a' of the unknown type 'F31'");
  CHECK(fault(R"({"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]})", 4) == "'w.safetensors' has tensor 'a' whose shape holds no whole number");
  CHECK(fault(R"({"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]})", 4) == "'w.safetensors' has tensor 'a' whose shape holds no whole number");
  CHECK(fault(R"({"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 4]})", 4) == "'w.safetensors' has tensor 'a' whose size overflows");
  CHECK(fault(R"({"dtype": "F4", "shape": [3], "data_offsets": [0, 2]})", 2) == "'w.safetensors' has tensor 'a' that does not end at a byte");
  CHECK(fault(R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 8]})", 8) == "'w.safetensors' has tensor 'a' of 8 bytes, where its shape and type make 4");
  CHECK(fault(R"({"dtype": "F32", "shape": [1], "data_offsets": [4, 0]})", 4) == "'w.safetensors' has tensor 'a' that ends before it begins");
  CHECK(fault(R"({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]})", 8) == "'w.safetensors' has a hole before tensor 'a'");
  CHECK(fault(R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})", 3) == "'w.safetensors' ends inside tensor 'a'");
  CHECK(fault(R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})", 9) == "'w.safetensors' has 5 bytes behind its last tensor");
  CHECK(folder.safetensors_fault(R"({"a": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}, "b": {"dtype": "I8", "shape": [2], "data_offsets": [1, 3]}})", 3) == "'w.safetensors' overlaps before tensor 'b'");
  CHECK(folder.safetensors_of(safetensors_bytes(std::string(300, '{'), 0)).error().code == ErrorCode::kData);
}

TEST_CASE("a GGUF header gives shapes slowest first, and where the data lie") {
  Folder folder;
  GgufBytes file;
  file.pairs.push_back(counted("tokenizer.ggml.tokens") + raw<uint32_t>(9) + raw<uint32_t>(8) + raw<uint64_t>(2) + counted("a") + counted("bc"));
  file.pairs.push_back(counted("x.rate") + raw<uint32_t>(6) + raw(0.5F));
  file.tensor("embd", {32, 3}, 8, 0).tensor("norm", {4}, 0, 128);
  file.data_bytes = 128 + 16;
  const auto made = folder.gguf_of(file.bytes());
  REQUIRE(made);
  CHECK(made->tensors[0].shape == std::vector<uint64_t>{3, 32});
  CHECK(made->tensors[0].type == "Q8_0");
  CHECK(made->tensors[0].size_bytes == 102);
  CHECK(made->tensors[1].offset_bytes == made->size_bytes - 16);
  CHECK(made->metadata["general.architecture"] == "llama");
  CHECK(made->metadata["tokenizer.ggml.tokens"] == Json{{"type", "str"}, {"count", 2}});
  CHECK(made->metadata["x.rate"] == 0.5);
}

TEST_CASE("a GGUF header that lies is refused") {
  Folder folder;
  const auto told = [&](const GgufBytes& file) {
    const std::string message = folder.gguf_fault(file.bytes());
    return message.starts_with("'w.gguf' ") ? message.substr(9, message.find(" (at byte") - 9) : message;
  };
  const auto with_pair = [&](const std::string& pair) {
    GgufBytes file;
    file.pairs.push_back(pair);
    return told(file);
  };
  GgufBytes file;
  file.magic = "GGML";
  CHECK(told(file) == "does not begin with GGUF");
  file = {};
  file.version = 1;
  CHECK(told(file) == "is of version 1, not 2 or 3");
  file.version = 0x03000000;
  CHECK(told(file) == "is big-endian, which is not read");
  CHECK(folder.gguf_fault("GGUF" + raw<uint32_t>(3) + raw<uint64_t>(1ULL << 60) + raw<uint64_t>(0)).find("more than fit into it") != std::string::npos);
  CHECK(with_pair(counted("") + raw<uint32_t>(0) + raw<uint8_t>(1)) == "has a key without a name");
  CHECK(with_pair(counted("general.architecture") + raw<uint32_t>(8) + counted("b")) == "has the key 'general.architecture' twice");
  CHECK(with_pair(counted("k") + raw<uint32_t>(13)) == "has the key 'k' of the unknown type 13");
  CHECK(with_pair(counted("k") + raw<uint32_t>(7) + raw<uint8_t>(2)) == "has the truth value 2");
  CHECK(with_pair(counted("k") + raw<uint32_t>(9) + raw<uint32_t>(9) + raw<uint64_t>(1)) == "has an array of type 9");
  CHECK(with_pair(counted("k") + raw<uint32_t>(9) + raw<uint32_t>(10) + raw<uint64_t>(1ULL << 61)) == "ends inside an array of 2305843009213693952 values");
  CHECK(with_pair(counted("k") + raw<uint32_t>(8) + raw<uint64_t>(1ULL << 62) + "x").starts_with("ends inside a text"));
  CHECK(with_pair(counted("general.alignment") + raw<uint32_t>(4) + raw<uint32_t>(24)) == "has the alignment 24, no power of two");
  CHECK(with_pair(counted("general.alignment") + raw<uint32_t>(10) + raw<uint64_t>(32)) == "has 'general.alignment' that is no u32");
  CHECK(told(GgufBytes().tensor(std::string(64, 'n'), {1}, 0, 0)) == "has a tensor name of 64 bytes, more than 63");
  CHECK(told(GgufBytes().tensor(std::string(6'400, 'n'), {1}, 0, 0)) == "has a tensor name of 6400 bytes, more than 63");
  CHECK(told(GgufBytes().tensor("a", {1, 1, 1, 1, 1}, 0, 0)) == "has tensor 'a' of 5 dimensions, more than 4");
  CHECK(told(GgufBytes().tensor("a", {0}, 0, 0)) == "has tensor 'a' of an impossible shape");
  CHECK(told(GgufBytes().tensor("a", {1ULL << 40, 1ULL << 40}, 0, 0)) == "has tensor 'a' of an impossible shape");
  CHECK(told(GgufBytes().tensor("a", {32}, 4, 0)) == "has tensor 'a' of the unknown type 4");
  CHECK(told(GgufBytes().tensor("a", {32}, 77, 0)) == "has tensor 'a' of the unknown type 77");
  CHECK(told(GgufBytes().tensor("a", {33}, 8, 0)) == "has tensor 'a' whose rows of 33 do not divide into blocks of 32");
  CHECK(told(GgufBytes().tensor("a", {8}, 0, 32)) == "has tensor 'a' at offset 32, where 0 is its place");
  CHECK(told(GgufBytes().tensor("a", {8}, 0, 0)) == "ends inside tensor 'a'");
  file = GgufBytes().tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32);
  file.data_bytes = 64;
  CHECK(told(file) == "has the tensor 'a' twice");
}

TEST_CASE("keys that would take a large part of a sparse file into memory are refused") {
  Folder folder;
  const auto fault = [&](const std::string& pair) {
    GgufBytes file;
    file.pairs.push_back(pair);
    const auto path = folder.dir.write("s.gguf", file.bytes());
    std::filesystem::resize_file(path, uint64_t{100} << 30);
    const auto made = read_gguf_header(path, "s.gguf");
    return made ? "read" : made.error().message.substr(0, made.error().message.find(" (at byte"));
  };
  CHECK(fault(counted("k") + raw<uint32_t>(9) + raw<uint32_t>(0) + raw<uint64_t>(90'000'000'000)) == "'s.gguf' has an array of 90000000000 bytes, with which its keys take more than 268435456");
  CHECK(fault(counted("k") + raw<uint32_t>(8) + raw<uint64_t>(1ULL << 30)) == "'s.gguf' has a text of 1073741824 bytes, with which its keys take more than 268435456");
  CHECK(fault(raw<uint64_t>(1ULL << 30)) == "'s.gguf' has a key of 1073741824 bytes, with which its keys take more than 268435456");
}

TEST_CASE("a file of weights that is cut anywhere in its header is refused, and never read past its end") {
  Folder folder;
  GgufBytes file;
  file.pairs.push_back(counted("list") + raw<uint32_t>(9) + raw<uint32_t>(8) + raw<uint64_t>(2) + counted("a") + counted("bc"));
  file.tensor("embd", {32, 3}, 8, 0);
  file.data_bytes = 102;
  const std::string gguf = file.bytes(), tensors = safetensors_bytes(kTwo, 12);
  REQUIRE(folder.gguf_of(gguf));
  for (size_t size = 0; size < gguf.size(); size += 3) CHECK_FALSE(folder.gguf_of(gguf.substr(0, size)));
  for (size_t size = 0; size < tensors.size(); size += 3) CHECK_FALSE(folder.safetensors_of(tensors.substr(0, size)));
  CHECK(read_gguf_header(folder.dir.path() / "none", "none").error().code == ErrorCode::kNotFound);
  CHECK(read_gguf_header(folder.dir.path(), "folder").error().code == ErrorCode::kIo);
}

TEST_CASE("llama.cpp's own files: every type has the size that the file gives it") {
  const auto root = data_root();
  if (!root) return note_left_out("headers of llama.cpp's own files");
  int64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*root / "quant")) {
    if (entry.path().extension() != ".gguf") continue;
    const auto made = read_gguf_header(entry.path(), entry.path().filename().string());
    CAPTURE(entry.path().filename().string());
    if (!made) FAIL(made.error().message);
    ++files;
    // Offsets and the end of the file hold only when the size of every block type is right.
    const TensorInfo& last = made->tensors.back();
    CHECK((last.offset_bytes + last.size_bytes + 31) / 32 * 32 == (made->size_bytes + 31) / 32 * 32);
  }
  CHECK(files > 30);
}
