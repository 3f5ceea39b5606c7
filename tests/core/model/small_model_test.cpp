// The small models that tests and benches use are models: what opens one finds in them what their architecture has.
#include "tests/support/small_model.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/model/model.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

SmallModel tiny(const std::string& architecture) {
  SmallModel model;
  model.architecture = architecture;
  model.hidden = 64;
  model.ffn = 96;
  return model;
}

Result<Model> written(const TempDir& dir, const SmallModel& model) {
  const Status done = write_small_model(dir.path() / "m", model);
  if (!done) return Error(done.error());
  return open_model(dir.path() / "m", "m");
}

std::set<std::string> names_of(const Model& model) {
  std::set<std::string> names;
  for (const ModelTensor& tensor : model.tensors) names.insert(tensor.name);
  return names;
}

}  // namespace

TEST_CASE("a small model of each architecture opens, with its own tensors") {
  const std::map<std::string, std::pair<std::string, size_t>> expected = {
      {"llama", {"model.layers.1.self_attn.k_proj.weight", 9}}, {"mistral", {"model.layers.1.mlp.up_proj.weight", 9}}, {"qwen2", {"model.layers.1.self_attn.v_proj.bias", 12}},
      {"qwen3", {"model.layers.1.self_attn.k_norm.weight", 11}}, {"gemma2", {"model.layers.1.pre_feedforward_layernorm.weight", 11}}, {"phi3", {"model.layers.1.mlp.gate_up_proj.weight", 6}},
      {"mixtral", {"model.layers.1.block_sparse_moe.experts.3.w2.weight", 19}}};
  for (const std::string& architecture : small_model_architectures()) {
    INFO(architecture);
    const TempDir dir;
    const auto model = written(dir, tiny(architecture));
    REQUIRE(model);
    CHECK(model->warnings.empty());
    CHECK(model->layers == 2);
    CHECK(model->context_length == 512);
    CHECK(model->tensors.size() == (architecture == "gemma2" ? 2 : 3) + 2 * expected.at(architecture).second);
    CHECK(names_of(*model).contains(expected.at(architecture).first));
    CHECK(model->tokenizer.kind == "BPE");
    CHECK(model->tokenizer.vocabulary == 300);
    CHECK_FALSE(model->chat_template.empty());
    for (const ModelTensor& tensor : model->tensors) {
      CHECK(tensor.type == "BF16");
      CHECK(tensor.role != TensorRole::kOther);
    }
    const auto contents = read_contents(*model, 2, {});
    REQUIRE(contents);
    for (const TensorContent& content : *contents) CHECK((content.nan == 0 && content.infinite == 0));
  }
}

TEST_CASE("shards of a small model come with an index, and hold the same values as one file") {
  for (const char* type : {"F32", "F16", "BF16"}) {
    const TempDir one_dir, two_dir;
    SmallModel model = tiny("llama");
    model.type = type;
    const auto one = written(one_dir, model);
    model.shards = 2;
    const auto two = written(two_dir, model);
    REQUIRE((one && two));
    CHECK(two->parts.size() == 2);
    CHECK(two->warnings.empty());
    const auto one_contents = read_contents(*one, 1, {}), two_contents = read_contents(*two, 1, {});
    REQUIRE((one_contents && two_contents));
    std::map<std::string, std::string> digests;
    for (size_t i = 0; i < one->tensors.size(); ++i) digests[one->tensors[i].name] = (*one_contents)[i].sha256;
    for (size_t i = 0; i < two->tensors.size(); ++i) CHECK(digests.at(two->tensors[i].name) == (*two_contents)[i].sha256);
  }
}

TEST_CASE("a small model is the same for a seed, and tied ones have no output") {
  const TempDir dir;
  SmallModel model = tiny("llama");
  REQUIRE(write_small_model(dir.path() / "a", model));
  REQUIRE(write_small_model(dir.path() / "b", model));
  const auto digest = [&](const char* name) { return sha256_file(dir.path() / name / "model.safetensors")->sha256; };
  CHECK(digest("a") == digest("b"));
  model.seed = 2;
  REQUIRE(write_small_model(dir.path() / "c", model));
  CHECK(digest("a") != digest("c"));
  model.tied = true;
  REQUIRE(write_small_model(dir.path() / "d", model));
  const auto tied = open_model(dir.path() / "d", "d");
  REQUIRE(tied);
  CHECK_FALSE(names_of(*tied).contains("lm_head.weight"));
  CHECK(tied->warnings.empty());
}

TEST_CASE("vocabularies of any size have a token for each number") {
  for (const size_t size : {size_t{258}, size_t{259}, size_t{1000}, size_t{4096}, size_t{32000}}) {
    const TempDir dir;
    SmallModel model = tiny("llama");
    model.vocabulary = size;
    model.hidden = 8;
    REQUIRE(write_small_model(dir.path(), model));
    const auto json = parse_json(*read_file(dir.path() / "tokenizer.json"), "tokenizer.json");
    REQUIRE(json);
    const Json& vocabulary = (*json)["model"]["vocab"];
    REQUIRE(vocabulary.size() == size);
    std::set<size_t> ids;
    for (const auto& [token, id] : vocabulary.items()) ids.insert(id.get<size_t>());
    CHECK(ids.size() == size);
    CHECK(*ids.rbegin() == size - 1);
    for (const Json& merge : (*json)["model"]["merges"]) {
      const std::string text = merge;
      const size_t space = text.find(' ');
      CHECK((vocabulary.contains(text.substr(0, space)) && vocabulary.contains(text.substr(space + 1))));
    }
  }
}

TEST_CASE("sizes of a small model that do not fit together are refused") {
  const TempDir dir;
  const auto refusal = [&](auto change) {
    SmallModel model;
    change(model);
    const Status made = write_small_model(dir.path() / "m", model);
    return made ? std::string("written") : made.error().message;
  };
  CHECK(refusal([](SmallModel& m) { m.architecture = "gpt2"; }) == "unknown architecture 'gpt2'");
  CHECK(refusal([](SmallModel& m) { m.type = "F64"; }) == "unknown type 'F64'");
  CHECK(refusal([](SmallModel& m) { m.kv_heads = 3; }) == "256 values, 4 heads and 3 heads of keys do not divide");
  CHECK(refusal([](SmallModel& m) { m.vocabulary = 257; }) == "a vocabulary of 257 is not between 258 and 400000");
  CHECK(refusal([](SmallModel& m) { m.layers = 0; }) == "a size is 0");
  CHECK(refusal([](SmallModel& m) { m.shards = 50; }) == "50 shards are more than the tensors fill");
}
