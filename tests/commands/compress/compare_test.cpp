// Two models side by side.
#include "commands/compress/compare.h"

#include <catch2/catch.hpp>

#include "core/base/half.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Comparing : ModelFolder {
  CompressCompareReport compare(const std::string& left, const std::string& right, size_t threads = 0) {
    auto report = compress_compare(session(), {left, right, threads});
    if (!report) FAIL(told(report.error()));
    return std::move(*report);
  }
  void poke(const std::string& folder, const std::string& name, size_t index, uint16_t bits) const {
    const Model model = must(open_model(root() / folder, folder));
    const auto found = std::find_if(model.tensors.begin(), model.tensors.end(), [&](const ModelTensor& tensor) { return tensor.name == name; });
    REQUIRE(found != model.tensors.end());
    std::fstream io(model.parts[found->part].path, std::ios::binary | std::ios::in | std::ios::out);
    io.seekp(static_cast<std::streamoff>(found->offset_bytes + 2 * index));
    io.write(reinterpret_cast<const char*>(&bits), 2);
  }
};

}  // namespace

TEST_CASE("a model is the same as itself in another sharding, another format and a wider type, of each architecture") {
  for (const std::string& architecture : small_model_architectures()) {
    CAPTURE(architecture);
    Comparing project;
    SmallModel model = small(architecture);
    project.write_model(model);
    model.shards = 2;
    project.write_model(model, "two");
    project.convert("m", "m.gguf");
    project.convert("m", "wide.gguf", "F32");
    for (const std::string other : {"two", "m.gguf", "wide.gguf"}) {
      CAPTURE(other);
      for (const auto& [left, right] : {std::pair<std::string, std::string>{"m", other}, std::pair<std::string, std::string>{other, "m"}}) {
        const CompressCompareReport report = project.compare(left, right);
        CHECK(report.is_same());
        CHECK(report.error.rms == 0);
        CHECK(report.error.cosine == Approx(1));
        CHECK(report.tensors.size() == stored_model(project.root() / other).size());
        CHECK(report.keys.empty());
      }
    }
    CHECK(project.compare("m", "wide.gguf").right_bytes > project.compare("m", "wide.gguf").left_bytes);
  }
}

TEST_CASE("a changed value shows up where it is and by how much") {
  Comparing project;
  project.write_model(small("llama"));
  project.write_model(small("llama"), "n");
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  const float was = values_of(stored_model(project.root() / "n").at(name))[77];
  project.poke("n", name, 77, brain_of(3.0F));
  const CompressCompareReport report = project.compare("m", "n");
  CHECK_FALSE(report.is_same());
  for (const TensorComparison& tensor : report.tensors) {
    CHECK((tensor.error.largest > 0) == (tensor.name == name));
    if (tensor.name != name) continue;
    CHECK(tensor.error.largest == Approx(std::fabs(3.0 - static_cast<double>(was))));
    CHECK(tensor.error.rms == Approx(std::fabs(3.0 - static_cast<double>(was)) / std::sqrt(96 * 64)));
  }
}

TEST_CASE("a value that is no number differs from every other, and is the same as itself") {
  Comparing project;
  for (const std::string folder : {"m", "n", "o"}) project.write_model(small("llama"), folder);
  project.poke("n", "lm_head.weight", 5, 0x7FC0);
  project.poke("o", "lm_head.weight", 5, 0xFF80);
  CHECK_FALSE(project.compare("m", "n").is_same());
  CHECK_FALSE(project.compare("n", "m").is_same());
  CHECK_FALSE(project.compare("m", "o").is_same());
  CHECK_FALSE(project.compare("n", "o").is_same());
  CHECK(project.compare("n", "n").is_same());
  CHECK(project.compare("o", "o").is_same());
}

TEST_CASE("a quantized model has the error that its making measured, whatever the number of threads") {
  Comparing project;
  project.write_model(small("llama", "F16", 256));
  const CompressWriteReport made = must(compress_quantize(project.session(), project.quantize_options("m", "q.gguf", "Q4_K_M")));
  const CompressCompareReport one = project.compare("m", "q.gguf", 1), seven = project.compare("m", "q.gguf", 7);
  CHECK(one.error.rms == made.error->rms);
  CHECK(one.error.largest == made.error->largest);
  CHECK(seven.error.rms == one.error.rms);
  CHECK_FALSE(one.is_same());
  for (const TensorComparison& tensor : one.tensors) CHECK((tensor.error.largest == 0) == (tensor.right_type == "F32"));
}

TEST_CASE("tensors of one side alone, other shapes and other keys are listed") {
  Comparing project;
  project.write_model(small("llama"));
  SmallModel other = small("llama");
  other.ffn = 128;
  other.layers = 1;
  other.tied = true;
  project.write_model(other, "n");
  const CompressCompareReport report = project.compare("m", "n");
  CHECK_FALSE(report.is_same());
  CHECK(report.only_right.empty());
  CHECK(report.only_left.size() == 10);
  CHECK(std::count(report.only_left.begin(), report.only_left.end(), "lm_head.weight") == 1);
  REQUIRE(report.shapes.size() == 3);
  for (const ShapeDifference& shape : report.shapes) CHECK(shape.left != shape.right);
  project.convert("m", "m.gguf");
  project.convert("n", "n.gguf");
  const CompressCompareReport keys = project.compare("m.gguf", "n.gguf");
  const auto blocks = std::find_if(keys.keys.begin(), keys.keys.end(), [](const KeyDifference& key) { return key.key == "llama.block_count"; });
  REQUIRE(blocks != keys.keys.end());
  CHECK(blocks->left == 2);
  CHECK(blocks->right == 1);
  CHECK(project.compare("n.gguf", "m.gguf").only_right.size() == 10);
}

TEST_CASE("a difference from values that are all zero has no share of them") {
  Comparing project;
  StoredModel model = stored_model(project.write_model(small("llama")));
  project.write_model(small("llama"), "n");
  model["model.norm.weight"].bytes.assign(model["model.norm.weight"].bytes.size(), '\0');
  project.write_weights(model);
  const CompressCompareReport there = project.compare("m", "n"), back = project.compare("n", "m");
  const auto norm_of = [](const CompressCompareReport& report) { return std::find_if(report.tensors.begin(), report.tensors.end(), [](const TensorComparison& tensor) { return tensor.name == "model.norm.weight"; })->error; };
  CHECK_FALSE(norm_of(there).relative_rms.has_value());
  CHECK(norm_of(back).relative_rms == 1);
  CHECK(tensor_error_json(norm_of(there))["relative_rms"].is_null());
  CHECK(tensor_error_json(norm_of(back))["relative_rms"] == 1);
}

TEST_CASE("lists of keys differ by what they hold, not by their length alone") {
  Comparing project;
  project.write_model(small("llama"));
  project.write_model(small("llama"), "n");
  std::string tokenizer = file_bytes(project.root() / "n/tokenizer.json");
  for (size_t at = tokenizer.find("<|end|>"); at != std::string::npos; at = tokenizer.find("<|end|>")) tokenizer.replace(at, 7, "<|fin|>");
  project.write("n/tokenizer.json", tokenizer);
  project.convert("m", "m.gguf");
  project.convert("n", "n.gguf");
  const CompressCompareReport report = project.compare("m.gguf", "n.gguf");
  CHECK(report.is_same());
  const auto tokens = std::find_if(report.keys.begin(), report.keys.end(), [](const KeyDifference& key) { return key.key == "tokenizer.ggml.tokens"; });
  REQUIRE(tokens != report.keys.end());
  CHECK(tokens->left["count"] == 300);
  CHECK(tokens->left["count"] == tokens->right["count"]);
  CHECK(tokens->left["sha256"] != tokens->right["sha256"]);
  const auto is_kinds = [](const KeyDifference& key) { return key.key == "tokenizer.ggml.token_type"; };
  CHECK(std::none_of(report.keys.begin(), report.keys.end(), is_kinds));
}

TEST_CASE("compare says what is not there") {
  Comparing project;
  project.write_model(small("llama"));
  CHECK(project.refused([&] { return compress_compare(project.session(), {"m", "none", 1}); }).find("none") != std::string::npos);
}
