#include "core/data/model_check.h"

#include <catch2/catch.hpp>

#include "tests/support/test_data.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Asset {
  TempDir dir;
  std::vector<ModelFile> files;
  Asset& add(const std::string& name, const std::string& bytes) {
    files.push_back({dir.write(name, bytes), name});
    return *this;
  }
  std::vector<ModelFileReport> check(ModelFilesKind kind, const std::string& base = "") const {
    auto made = check_model_files(kind, files, base);
    REQUIRE(made);
    return *std::move(made);
  }
  // "code: message" of all problems.
  std::string problems(ModelFilesKind kind, const std::string& base = "") const {
    std::string text;
    for (const ModelFileReport& one : check(kind, base)) {
      for (const Problem& problem : one.report.problems) text += (text.empty() ? "" : "; ") + one.file + " " + problem_kind(problem.code).name + ": " + problem.message;
    }
    return text;
  }
};

const std::string kLora = f16_weights({{"base.q.lora_A.weight", {4, 3}}, {"base.q.lora_B.weight", {3, 4}}});

}  // namespace

TEST_CASE("an adapter is held against the base that the chain names, and its rank against its weights") {
  Asset asset;
  asset.add("adapter_config.json", R"({"base_model_name_or_path": "meta/llama", "r": 4})").add("adapter_model.safetensors", kLora);
  CHECK(asset.problems(ModelFilesKind::kAdapter, "meta/llama").empty());
  CHECK(asset.problems(ModelFilesKind::kAdapter).empty());
  CHECK(asset.problems(ModelFilesKind::kAdapter, "mistral") == "adapter_config.json wrong_base: the adapter was trained on 'meta/llama', the chain says base: 'mistral'");
  Asset other;
  other.add("adapter_config.json", R"({"r": 8})").add("adapter_model.safetensors", kLora);
  CHECK(other.problems(ModelFilesKind::kAdapter) == "adapter_model.safetensors wrong_base: 'base.q.lora_A.weight' has rank 4, adapter_config.json says r = 8");
  Asset patterned;
  patterned.add("adapter_config.json", R"({"r": 8, "rank_pattern": {"q": 4}})").add("adapter_model.safetensors", kLora);
  CHECK(patterned.problems(ModelFilesKind::kAdapter).empty());
}

TEST_CASE("figures of weights: tensors, parameters, types") {
  Asset asset;
  asset.add("adapter_config.json", "{}").add("adapter_model.safetensors", kLora);
  const auto made = asset.check(ModelFilesKind::kAdapter);
  CHECK_FALSE(made[0].weights);
  REQUIRE(made[1].weights);
  CHECK(made[1].weights->tensors == 2);
  CHECK(made[1].weights->parameters == 24);
  CHECK(made[1].weights->types[0].type == "F16");
  CHECK(made[1].weights->types[0].bytes == 48);
  CHECK(made[1].bytes == kLora.size());
}

TEST_CASE("what a model lacks, what is broken and what runs code is told") {
  Asset empty;
  empty.add("README.md", "hi");
  CHECK(empty.problems(ModelFilesKind::kModel) == "README.md missing_part: the asset holds no weights (.safetensors or .gguf)");
  Asset bare;
  bare.add("model.safetensors", f16_weights({{"a", {1}}}));
  CHECK(bare.problems(ModelFilesKind::kModel) ==
        "model.safetensors missing_part: the asset has no config.json; model.safetensors missing_part: the asset has no tokenizer (tokenizer.json, tokenizer.model, vocab.txt or vocab.json)");
  CHECK(bare.problems(ModelFilesKind::kAdapter) == "model.safetensors missing_part: the asset has no adapter_config.json");
  Asset pickle;
  pickle.add("config.json", "{}").add("tokenizer.json", "{}").add("pytorch_model.bin", "x");
  CHECK(pickle.problems(ModelFilesKind::kModel) == "pytorch_model.bin unsafe_file: the file may be a pickle, which runs code when it is loaded: prefer safetensors");
  CHECK(pickle.check(ModelFilesKind::kModel)[2].report.is_sound());
  Asset broken;
  broken.add("config.json", "{\"a\": }").add("vocab.txt", "").add("model.safetensors", "abc").add("small.gguf", "GGUX");
  const std::string told = broken.problems(ModelFilesKind::kModel);
  CHECK(told.find("config.json bad_weights: ") == 0);
  CHECK(told.find("model.safetensors bad_weights: 'model.safetensors' ends inside") != std::string::npos);
  CHECK(told.find("small.gguf bad_weights: 'small.gguf' does not begin with GGUF") != std::string::npos);
}

TEST_CASE("an index of shards is held against the shards") {
  const auto asset = [](const std::string& map) {
    Asset made;
    made.add("config.json", "{}").add("tokenizer.json", "{}").add("model.safetensors.index.json", "{\"weight_map\": " + map + "}");
    made.add("model-00001-of-00002.safetensors", f16_weights({{"a", {1}}, {"b", {1}}})).add("model-00002-of-00002.safetensors", f16_weights({{"c", {1}}}));
    return made.problems(ModelFilesKind::kModel);
  };
  const std::string one = "\"model-00001-of-00002.safetensors\"", two = "\"model-00002-of-00002.safetensors\"";
  CHECK(asset("{\"a\": " + one + ", \"b\": " + one + ", \"c\": " + two + "}").empty());
  CHECK(asset("{\"a\": " + one + ", \"b\": " + two + ", \"c\": " + two + "}") == "model.safetensors.index.json bad_weights: 1 tensors of the index are not where it says: 'b' is not in model-00002-of-00002.safetensors");
  CHECK(asset("{\"a\": " + one + ", \"c\": " + two + "}") == "model.safetensors.index.json bad_weights: 1 tensors are in no entry of the index");
  CHECK(asset("{\"a\": " + one + ", \"b\": " + one + ", \"c\": \"../x\"}") == "model.safetensors.index.json missing_part: the index names '../x', which is not part of the asset");
  CHECK(asset("[]") == "model.safetensors.index.json bad_weights: the index has no 'weight_map'");
}
