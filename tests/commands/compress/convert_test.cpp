// Models between the two formats: what comes back, and what a GGUF file then holds, by lists and loops written here.
#include <catch2/catch.hpp>
#include <numbers>

#include "commands/compress/prune.h"
#include "core/format/gguf.h"
#include "core/format/weight_writer.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::vector<std::string> kTypes = {"F32", "F16", "BF16"};

GgufFile keys_of(const fs::path& path) { return must(read_gguf(path, path.filename().string())); }

uint64_t whole(const GgufFile& file, const std::string& key) {
  const GgufEntry* entry = file.find(key);
  return entry == nullptr || !entry->whole() ? UINT64_MAX : *entry->whole();
}

// Names and shapes that convert_hf_to_gguf.py gives a small model of `hidden` 64, written down for one layer.
struct Expected { std::string name; std::vector<uint64_t> shape; bool is_f32 = false; };
std::vector<Expected> expected_layer(const std::string& architecture) {
  const std::vector<Expected> plain = {{"attn_q.weight", {64, 64}}, {"attn_k.weight", {32, 64}}, {"attn_v.weight", {32, 64}}, {"attn_output.weight", {64, 64}}, {"attn_norm.weight", {64}, true}, {"ffn_norm.weight", {64}, true}};
  const std::vector<Expected> dense = {{"ffn_gate.weight", {96, 64}}, {"ffn_up.weight", {96, 64}}, {"ffn_down.weight", {64, 96}}};
  std::vector<Expected> all = plain;
  if (architecture == "phi3") return {{"attn_qkv.weight", {128, 64}}, {"attn_output.weight", {64, 64}}, {"attn_norm.weight", {64}, true}, {"ffn_norm.weight", {64}, true}, {"ffn_up.weight", {192, 64}}, {"ffn_down.weight", {64, 96}}};
  if (architecture == "mixtral") {
    const std::vector<Expected> experts = {{"ffn_gate_inp.weight", {4, 64}, true}, {"ffn_gate_exps.weight", {4, 96, 64}}, {"ffn_down_exps.weight", {4, 64, 96}}, {"ffn_up_exps.weight", {4, 96, 64}}};
    all.insert(all.end(), experts.begin(), experts.end());
    return all;
  }
  all.insert(all.end(), dense.begin(), dense.end());
  std::vector<Expected> more;
  if (architecture == "qwen2") more = {{"attn_q.bias", {64}, true}, {"attn_k.bias", {32}, true}, {"attn_v.bias", {32}, true}};
  if (architecture == "qwen3") more = {{"attn_q_norm.weight", {16}, true}, {"attn_k_norm.weight", {16}, true}};
  if (architecture == "gemma2") more = {{"post_attention_norm.weight", {64}, true}, {"post_ffw_norm.weight", {64}, true}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

void check_tensors(const StoredModel& gguf, const SmallModel& model) {
  std::vector<Expected> expected = {{"token_embd.weight", {300, 64}}, {"output_norm.weight", {64}, true}};
  if (!model.tied && model.architecture != "gemma2") expected.push_back({"output.weight", {300, 64}});
  for (const std::string layer : {"blk.0.", "blk.1."}) for (const Expected& one : expected_layer(model.architecture)) expected.push_back({layer + one.name, one.shape, one.is_f32});
  CHECK(gguf.size() == expected.size());
  for (const Expected& one : expected) {
    CAPTURE(one.name);
    REQUIRE(gguf.contains(one.name));
    CHECK(gguf.at(one.name).shape == one.shape);
    CHECK(gguf.at(one.name).type == (one.is_f32 ? "F32" : model.type));
  }
}

// 1 + w in single precision takes 23 bits behind the point: what a norm of gemma has beyond is lost.
void check_gemma_norm(const StoredTensorBytes& before, const StoredTensorBytes& after) {
  const std::vector<float> x = values_of(before), y = values_of(after);
  REQUIRE(x.size() == y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double scaled = std::ldexp(static_cast<double>(x[i]), 23);
    if (scaled == std::floor(scaled)) CHECK(x[i] == y[i]);
    else CHECK(std::fabs(x[i] - y[i]) <= std::ldexp(1.0, -24));
  }
}

void check_same_tensors(const StoredModel& before, const StoredModel& after, bool is_gemma) {
  REQUIRE(before.size() == after.size());
  for (const auto& [name, tensor] : before) {
    CAPTURE(name);
    REQUIRE(after.contains(name));
    const StoredTensorBytes& back = after.at(name);
    CHECK(back.type == tensor.type);
    CHECK(back.shape == tensor.shape);
    if (is_gemma && name.ends_with("norm.weight")) check_gemma_norm(tensor, back);
    else CHECK(back.bytes == tensor.bytes);
  }
}

}  // namespace

TEST_CASE("a model of each architecture, type and sharding becomes GGUF under llama.cpp's names and comes back byte for byte") {
  for (const std::string& architecture : small_model_architectures()) {
    for (const std::string& type : kTypes) {
      for (const bool tied : {false, true}) {
        for (const size_t shards : {1, 2}) {
          CAPTURE(architecture, type, tied, shards);
          ModelFolder project;
          project.verify = type == "BF16" && shards == 2;
          SmallModel model = small(architecture, type);
          model.tied = tied;
          model.shards = shards;
          const fs::path source = project.write_model(model);
          const CompressWriteReport there = project.convert("m", "m.gguf");
          CHECK(there.is_verified == project.verify);
          if (there.error) CHECK(there.error->largest == 0);
          CHECK(there.output_bytes == fs::file_size(project.root() / "m.gguf"));
          check_tensors(stored_model(project.root() / "m.gguf"), model);
          project.convert("m.gguf", "back");
          check_same_tensors(stored_model(source), stored_model(project.root() / "back"), architecture == "gemma2");
          for (const std::string name : {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}) CHECK(file_bytes(source / name) == file_bytes(project.root() / "back" / name));
        }
      }
    }
  }
}

TEST_CASE("the keys that llama.cpp's loader asks for are there, with the values of config.json") {
  for (const std::string& architecture : small_model_architectures()) {
    CAPTURE(architecture);
    ModelFolder project;
    project.write_model(small(architecture));
    project.convert("m", "m.gguf");
    const GgufFile file = keys_of(project.root() / "m.gguf");
    const std::string prefix = architecture == "mistral" || architecture == "mixtral" ? "llama" : architecture;
    CHECK(file.find("general.architecture")->text() == prefix);
    const std::map<std::string, uint64_t> wholes = {{"block_count", 2}, {"context_length", 512}, {"embedding_length", 64}, {"feed_forward_length", 96}, {"attention.head_count", 4}, {"attention.head_count_kv", 2}, {"rope.dimension_count", 16}};
    for (const auto& [key, value] : wholes) {
      CAPTURE(key);
      CHECK(whole(file, prefix + "." + key) == value);
    }
    CHECK(file.find(prefix + ".attention.layer_norm_rms_epsilon")->number() == static_cast<double>(1e-5F));
    CHECK(file.find(prefix + ".rope.freq_base")->number() == 10000);
    CHECK(whole(file, "general.file_type") == 32);
    CHECK(file.find("general.quantization_version") == nullptr);
    CHECK(file.find("tokenizer.ggml.model")->text() == "gpt2");
    CHECK(file.find("tokenizer.ggml.pre")->text() == "gpt-2");
    CHECK(file.find("tokenizer.ggml.tokens")->count == 300);
    CHECK(whole(file, "tokenizer.ggml.bos_token_id") == 0);
    CHECK(whole(file, "tokenizer.ggml.eos_token_id") == 1);
    if (architecture == "mixtral") {
      CHECK(whole(file, "llama.expert_count") == 4);
      CHECK(whole(file, "llama.expert_used_count") == 2);
    }
    if (architecture == "qwen3" || architecture == "gemma2") CHECK(whole(file, prefix + ".attention.key_length") == 16);
    if (architecture == "gemma2") {
      CHECK(file.find("gemma2.attn_logit_softcapping")->number() == 50);
      CHECK(file.find("gemma2.final_logit_softcapping")->number() == 30);
      CHECK(whole(file, "gemma2.attention.sliding_window") == 4096);
    }
    // Its loader refuses a phi3 that does not say; 0 is "none".
    if (architecture == "phi3") {
      CHECK(whole(file, "phi3.attention.sliding_window") == 0);
      CHECK(whole(file, "phi3.rope.scaling.original_context_length") == 512);
    }
  }
}

TEST_CASE("rows of q and k lie as llama.cpp rotates them, and those of other architectures as they were") {
  for (const std::string architecture : {"llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma2"}) {
    CAPTURE(architecture);
    const bool is_interleaved = architecture.find("qwen") == std::string::npos && architecture != "gemma2";
    ModelFolder project;
    const StoredModel before = stored_model(project.write_model(small(architecture)));
    project.convert("m", "m.gguf");
    const StoredModel after = stored_model(project.root() / "m.gguf");
    for (const auto& [name, heads] : {std::pair<std::string, size_t>{"q", 4}, std::pair<std::string, size_t>{"k", 2}}) {
      const std::vector<float> x = values_of(before.at("model.layers.1.self_attn." + name + "_proj.weight")), y = values_of(after.at("blk.1.attn_" + name + ".weight"));
      std::vector<float> wanted = x;
      size_t row = 0;
      // Of each head the first row of both halves, then the second of both, ...
      if (is_interleaved) for (size_t head = 0; head < heads; ++head) for (size_t i = 0; i < 8; ++i) for (size_t half = 0; half < 2; ++half, ++row) std::copy_n(x.begin() + static_cast<std::ptrdiff_t>((head * 16 + half * 8 + i) * 64), 64, wanted.begin() + static_cast<std::ptrdiff_t>(row * 64));
      CHECK(y == wanted);
    }
  }
}

TEST_CASE("biases of q and k are interleaved with their rows") {
  ModelFolder project;
  project.write_model(small("qwen2"));
  // A llama with attention_bias has the same tensors as a qwen2.
  project.configure({{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}, {"attention_bias", true}});
  const StoredModel before = stored_model(project.root() / "m");
  project.convert("m", "m.gguf");
  const StoredModel after = stored_model(project.root() / "m.gguf");
  const std::vector<float> q = values_of(before.at("model.layers.0.self_attn.q_proj.bias")), made = values_of(after.at("blk.0.attn_q.bias"));
  for (size_t head = 0; head < 4; ++head) for (size_t i = 0; i < 8; ++i) for (size_t half = 0; half < 2; ++half) CHECK(made[head * 16 + 2 * i + half] == q[head * 16 + half * 8 + i]);
  CHECK(values_of(after.at("blk.0.attn_v.bias")) == values_of(before.at("model.layers.0.self_attn.v_proj.bias")));
  project.convert("m.gguf", "back");
  check_same_tensors(before, stored_model(project.root() / "back"), false);
}

TEST_CASE("experts are stacked in the order of their numbers, also past nine of them") {
  ModelFolder project;
  SmallModel model = small("mixtral");
  model.experts = 12;
  const StoredModel before = stored_model(project.write_model(model));
  project.convert("m", "m.gguf");
  const StoredModel after = stored_model(project.root() / "m.gguf");
  for (const auto& [theirs, ours] : {std::pair<std::string, std::string>{"w1", "gate"}, std::pair<std::string, std::string>{"w2", "down"}, std::pair<std::string, std::string>{"w3", "up"}}) {
    std::string all;
    for (size_t i = 0; i < 12; ++i) all += before.at(fmt::format("model.layers.1.block_sparse_moe.experts.{}.{}.weight", i, theirs)).bytes;
    CHECK(after.at("blk.1.ffn_" + ours + "_exps.weight").bytes == all);
  }
  project.convert("m.gguf", "back");
  check_same_tensors(before, stored_model(project.root() / "back"), false);
}

TEST_CASE("Llama 3.1's scaled rope becomes a tensor of divisors") {
  ModelFolder project;
  project.write_model(small("llama"));
  project.configure({{"rope_theta", 500000.0}, {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 256}}}});
  project.convert("m", "m.gguf");
  const StoredModel after = stored_model(project.root() / "m.gguf");
  const std::vector<float> factors = values_of(after.at("rope_freqs.weight"));
  REQUIRE(factors.size() == 8);
  size_t smooth = 0;
  for (size_t i = 0; i < 8; ++i) {
    const double frequency = 1 / std::pow(500000.0, 2.0 * static_cast<double>(i) / 16), wave = 2 * std::numbers::pi / frequency, s = (256 / wave - 1.0) / (4.0 - 1.0);
    const double wanted = wave < 64 ? 1 : wave > 256 ? 8 : 1 / ((1 - s) / 8 + s);
    smooth += wanted != 1 && wanted != 8;
    CHECK(factors[i] == Approx(wanted).epsilon(1e-6));
  }
  CHECK(smooth >= 1);
  project.convert("m.gguf", "back");
  CHECK(stored_model(project.root() / "back").size() == after.size() - 1);
  CHECK(file_bytes(project.root() / "back/config.json") == file_bytes(project.root() / "m/config.json"));
}

TEST_CASE("rope of linear and yarn scaling is said in keys, and rope_parameters are read as rope_scaling is") {
  ModelFolder project;
  project.write_model(small("qwen2"));
  project.configure({{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}}}});
  project.convert("m", "yarn.gguf");
  const GgufFile yarn = keys_of(project.root() / "yarn.gguf");
  CHECK(yarn.find("qwen2.rope.scaling.type")->text() == "yarn");
  CHECK(yarn.find("qwen2.rope.scaling.factor")->number() == 4);
  CHECK(whole(yarn, "qwen2.rope.scaling.original_context_length") == 128);
  project.configure({{"rope_scaling", nullptr}, {"rope_theta", nullptr}, {"rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 1e6}}}});
  project.convert("m", "linear.gguf");
  const GgufFile linear = keys_of(project.root() / "linear.gguf");
  CHECK(linear.find("qwen2.rope.scaling.type")->text() == "linear");
  CHECK(linear.find("qwen2.rope.freq_base")->number() == 1e6);
  project.configure({{"rope_parameters", {{"rope_type", "dynamic"}, {"factor", 2.0}}}});
  CHECK(project.refused([&] { return project.try_convert("m", "no.gguf"); }).find("'dynamic', which is not known") != std::string::npos);
}

TEST_CASE("longrope's factors become two tensors, and their number is that of the frequencies") {
  ModelFolder project;
  project.write_model(small("phi3"));
  const std::vector<float> shorts = {1, 1, 1, 1.5F, 2, 2, 2, 2}, longs = {1, 2, 3, 4, 5, 6, 7, 8};
  project.configure({{"max_position_embeddings", 131072}, {"original_max_position_embeddings", 4096}, {"rope_scaling", {{"type", "longrope"}, {"short_factor", shorts}, {"long_factor", longs}}}});
  project.convert("m", "m.gguf");
  const StoredModel made = stored_model(project.root() / "m.gguf");
  CHECK(values_of(made.at("rope_factors_long.weight")) == longs);
  CHECK(values_of(made.at("rope_factors_short.weight")) == shorts);
  const GgufFile file = keys_of(project.root() / "m.gguf");
  CHECK(whole(file, "phi3.rope.scaling.original_context_length") == 4096);
  // sqrt(1 + ln 32 / ln 4096) = sqrt(17 / 12)
  CHECK(*file.find("phi3.rope.scaling.attn_factor")->number() == Approx(1.1902381));
  project.convert("m.gguf", "back");
  CHECK(stored_model(project.root() / "back").size() == made.size() - 2);
  project.configure({{"rope_scaling", {{"type", "longrope"}, {"short_factor", {1, 2}}, {"long_factor", {1, 2}}}}});
  CHECK(project.refused([&] { return project.try_convert("m", "no.gguf"); }) == "config.json has a 'long_factor' of 2 numbers, and heads have 8 frequencies");
}

TEST_CASE("heads of another size than hidden / heads keep it in keys, on both ways") {
  ModelFolder project;
  SmallModel model = small("mistral", "BF16", 128);   // Mistral Nemo: 32 heads of 128 in a width of 5120
  model.ffn = 96;
  project.write_model(model);
  must(compress_prune(project.session(), [] { CompressPruneOptions options; options.model = "m"; options.output = "n"; options.width = "heads=2,kv-heads=2"; return options; }()));
  const StoredModel before = stored_model(project.root() / "n");
  CHECK(before.at("model.layers.0.self_attn.q_proj.weight").shape == std::vector<uint64_t>{64, 128});
  project.convert("n", "n.gguf");
  const GgufFile file = keys_of(project.root() / "n.gguf");
  CHECK(whole(file, "llama.attention.key_length") == 32);
  CHECK(whole(file, "llama.attention.value_length") == 32);
  CHECK(whole(file, "llama.rope.dimension_count") == 32);
  project.convert("n.gguf", "back");
  check_same_tensors(before, stored_model(project.root() / "back"), false);
}
