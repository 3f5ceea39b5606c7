// Models that do not hold what they say: pruning refuses them before it counts a row by their numbers.
#include "commands/compress/prune.h"

#include <catch2/catch.hpp>

#include "core/model/calibration.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Pruning : ModelFolder {
  explicit Pruning(size_t layers = 2, const std::string& type = "BF16") {
    verify = false;
    SmallModel model = small("llama", type);
    model.layers = layers;
    before = stored_model(write_model(model));
  }
  StoredModel before;
  Result<CompressPruneReport> attempt(CompressPruneOptions options) {
    options.model = "m";
    options.output = "p";
    options.rewrite.verify = verify;
    return compress_prune(session(), options);
  }
  std::string refusal(const CompressPruneOptions& options) { return refused([&] { return attempt(options); }); }
};

CompressPruneOptions width(const std::string& text) {
  CompressPruneOptions options;
  options.width = text;
  return options;
}
CompressPruneOptions drop(const std::string& layers) {
  CompressPruneOptions options;
  options.drop_layers = layers;
  return options;
}

// What a narrower model is refused for when config.json says something else.
std::string narrowed_with(const Json& config) {
  Pruning project;
  project.configure(config);
  return project.refusal(width("heads=1,kv-heads=1,ffn=32"));
}
// Or when the tensors are others.
std::string narrowed_after(const std::function<void(StoredModel&)>& change) {
  Pruning project;
  change(project.before);
  project.write_weights(project.before);
  return project.refusal(width("heads=2,kv-heads=1,ffn=32"));
}

std::string doubles(size_t count) {
  std::string bytes(count * 8, '\0');
  for (size_t i = 0; i < count; ++i) {
    const double value = 1.0 / (3.0 + static_cast<double>(i));   // no float holds that
    std::memcpy(bytes.data() + 8 * i, &value, 8);
  }
  return bytes;
}

}  // namespace

TEST_CASE("a model whose tensors are not what its numbers say is not made narrower, and the tensor is named") {
  CHECK(narrowed_with({{"num_attention_heads", 3}, {"num_key_value_heads", 3}}).find("tensor 'model.layers.0.self_attn.o_proj.weight' has rows of 64, which do not divide into 3 heads") == 0);
  CHECK(narrowed_with({{"num_attention_heads", 5}, {"num_key_value_heads", 2}}).find("the model says 5 heads and 2 of keys and values, which do not divide") == 0);
  CHECK(narrowed_with({{"num_key_value_heads", 4}}).find("tensor 'model.layers.0.self_attn.k_proj.weight' has 32 rows, and the model says 64") == 0);
  CHECK(narrowed_with({{"intermediate_size", 100}}).find("tensor 'model.layers.0.mlp.gate_proj.weight' has 96 rows, and the model says 100") == 0);
  CHECK(narrowed_with({{"num_hidden_layers", 1}}).find("tensor 'model.layers.1.") == 0);
  CHECK(narrowed_with({{"num_hidden_layers", 1'000'000'000'000}}).find("the model says it has 1000000000000 layers, and it holds 21 tensors") == 0);
}

TEST_CASE("a model that lacks a matrix, or has one of other dimensions, is not made narrower") {
  CHECK(narrowed_after([](StoredModel& model) { model.erase("model.layers.1.mlp.up_proj.weight"); }).find("layer 1 has no matrix that GGUF knows as 'ffn_up'") == 0);
  CHECK(narrowed_after([](StoredModel& model) { model.erase("model.layers.0.self_attn.v_proj.weight"); }).find("layer 0 has no matrix that GGUF knows as 'attn_v'") == 0);
  CHECK(narrowed_after([](StoredModel& model) { model["model.layers.1.self_attn.q_proj.weight"].shape = {4096}; }).find("tensor 'model.layers.1.self_attn.q_proj.weight' has 1 dimensions") == 0);
  CHECK(narrowed_after([](StoredModel& model) { model["model.layers.1.mlp.down_proj.weight"].shape = {96, 64}; }).find("tensor 'model.layers.1.mlp.down_proj.weight' has 64 columns, and the model says 96") == 0);
  CHECK(narrowed_after([](StoredModel& model) { model["model.layers.1.mlp.up_proj.weight"].shape = {48, 128}; }).find("tensor 'model.layers.1.mlp.up_proj.weight' has 48 rows, and the model says 96") == 0);
}

TEST_CASE("layers under names that are not known are not dropped by their number alone") {
  Pruning project(4);
  project.write_weights(renamed(project.before, "model.layers.", "decoder.blocks."));
  CHECK(project.refusal(drop("1")).find("the model says it has 4 layers, and no tensor is known as one of layer 0 | names that are known begin with: model.layers., blk., ") == 0);
  StoredModel gap = project.before;
  std::erase_if(gap, [](const auto& one) { return one.first.starts_with("model.layers.2."); });
  project.write_weights(gap);
  CHECK(project.refusal(drop("2")).find("the model says it has 4 layers, and no tensor is known as one of layer 2") == 0);
}

TEST_CASE("layers of GPT-NeoX and BERT go as those of llama do") {
  for (const std::string prefix : {"gpt_neox.layers.", "bert.encoder.layer."}) {
    CAPTURE(prefix);
    Pruning project(4);
    project.write_weights(renamed(project.before, "model.layers.", prefix));
    must(project.attempt(drop("1")));
    const StoredModel after = stored_model(project.root() / "p");
    CHECK(after.size() == project.before.size() - 9);
    CHECK((after.at(prefix + "1.mlp.up_proj.weight").bytes == project.before.at("model.layers.2.mlp.up_proj.weight").bytes));
    CHECK_FALSE(after.contains(prefix + "3.mlp.up_proj.weight"));
  }
}

TEST_CASE("a number of layers past every count is refused as any other that is too large") {
  Pruning project(3);
  Calibration statistics;
  statistics.block_influence = {0.1F, 0.2F, 0.3F};
  must(write_calibration(project.root() / "stats.safetensors", statistics));
  CompressPruneOptions options;
  options.statistics = "stats.safetensors";
  options.drop_count = UINT64_MAX;
  CHECK(project.refusal(options).find("18446744073709551615 layers cannot go: the model has 3") == 0);
}

TEST_CASE("statistics that the method does not read are refused") {
  Pruning project;
  CompressPruneOptions options;
  options.statistics = "stats.safetensors";
  options.sparsity = 0.5;
  CHECK(project.refusal(options) == "--stats is not read by --method magnitude | leave it out: --method wanda and sparsegpt, --drop-count and --width read it");
  options.sparsity = std::nullopt;
  options.drop_layers = "1";
  CHECK(project.refusal(options).find("--stats is not read by --drop-layers") == 0);
}

TEST_CASE("a tensor of F64 that is only copied keeps every bit, and one that is changed is told of") {
  for (const bool verified : {false, true}) {
    Pruning project(2, "F32");
    project.verify = verified;
    project.before["model.norm.weight"] = {"F64", doubles(64), {64}};
    project.write_weights(project.before);
    CompressPruneOptions options;
    options.sparsity = 0.5;
    const CompressPruneReport copied = must(project.attempt(options));
    CHECK((stored_model(project.root() / "p").at("model.norm.weight").bytes == doubles(64)));
    CHECK_FALSE(has_warning(copied.written.warnings, "F64"));
    fs::remove_all(project.root() / "p");
    project.before["model.layers.0.mlp.up_proj.weight"] = {"F64", doubles(96 * 64), {96, 64}};
    project.write_weights(project.before);
    const CompressPruneReport changed = must(project.attempt(options));
    CHECK(has_warning(changed.written.warnings, "1 tensors of F64 were computed in F32"));
    const StoredTensorBytes made = stored_model(project.root() / "p").at("model.layers.0.mlp.up_proj.weight");
    REQUIRE(made.type == "F64");
    for (size_t i = 0; i < 96 * 64; ++i) {
      double value = 0;
      std::memcpy(&value, made.bytes.data() + 8 * i, 8);
      // They fall along a row: its first half stays.
      REQUIRE(value == (i % 64 < 32 ? static_cast<double>(static_cast<float>(1.0 / (3.0 + static_cast<double>(i)))) : 0.0));
    }
  }
}
