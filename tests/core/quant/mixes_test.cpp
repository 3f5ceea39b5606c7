// Mixes against lists written by hand from llama.cpp's rules (src/llama-quant.cpp, February 2025): layer numbers, not conditions.
#include "core/quant/mixes.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <map>
#include <set>

using namespace llmops;

namespace {

struct Shape { uint64_t layers, hidden, ffn, heads, key_heads, experts = 0; bool tied = false, joined = false; std::string architecture = "llama"; };

std::vector<MixTensor> tensors_of(const Shape& s) {
  const uint64_t keys = s.hidden / s.heads * s.key_heads;
  std::vector<MixTensor> tensors = {{"token_embd.weight", "BF16", {32000, s.hidden}}, {"output_norm.weight", "F32", {s.hidden}}};
  if (!s.tied) tensors.push_back({"output.weight", "BF16", {32000, s.hidden}});
  for (uint64_t i = 0; i < s.layers; ++i) {
    const std::string at = fmt::format("blk.{}.", i);
    tensors.push_back({at + "attn_norm.weight", "F32", {s.hidden}});
    if (s.joined) {
      tensors.push_back({at + "attn_qkv.weight", "BF16", {s.hidden + 2 * keys, s.hidden}});
    } else {
      tensors.push_back({at + "attn_q.weight", "BF16", {s.hidden, s.hidden}});
      tensors.push_back({at + "attn_k.weight", "BF16", {keys, s.hidden}});
      tensors.push_back({at + "attn_v.weight", "BF16", {keys, s.hidden}});
    }
    tensors.push_back({at + "attn_output.weight", "BF16", {s.hidden, s.hidden}});
    if (s.experts > 0) {
      tensors.push_back({at + "ffn_gate_inp.weight", "F32", {s.experts, s.hidden}});
      tensors.push_back({at + "ffn_gate_exps.weight", "BF16", {s.experts, s.ffn, s.hidden}});
      tensors.push_back({at + "ffn_up_exps.weight", "BF16", {s.experts, s.ffn, s.hidden}});
      tensors.push_back({at + "ffn_down_exps.weight", "BF16", {s.experts, s.hidden, s.ffn}});
    } else {
      tensors.push_back({at + "ffn_gate.weight", "BF16", {s.ffn, s.hidden}});
      tensors.push_back({at + "ffn_up.weight", "BF16", {s.ffn, s.hidden}});
      tensors.push_back({at + "ffn_down.weight", "BF16", {s.hidden, s.ffn}});
    }
  }
  return tensors;
}

// "Q6_K@0-3,6 Q4_K": Q6_K in layers 0 to 3 and 6, Q4_K in the others.
std::string type_in(const std::string& rule, uint64_t layer) {
  std::string rest = rule, type;
  while (!rest.empty()) {
    const std::string part = rest.substr(0, rest.find(' '));
    rest = part.size() == rest.size() ? "" : rest.substr(part.size() + 1);
    const size_t at = part.find('@');
    if (at == std::string::npos) return part;
    std::string list = part.substr(at + 1);
    while (!list.empty()) {
      const std::string one = list.substr(0, list.find(','));
      list = one.size() == list.size() ? "" : list.substr(one.size() + 1);
      const size_t dash = one.find('-');
      const uint64_t first = std::stoull(one), last = dash == std::string::npos ? first : std::stoull(one.substr(dash + 1));
      if (layer >= first && layer <= last) return part.substr(0, at);
    }
  }
  return type;
}

struct Rules { std::string output, embedding, q, k, v, attn_output, gate_and_up, down, qkv = ""; };

void check(const std::string& mix, const Shape& shape, const Rules& rules, bool has_importance = false) {
  CAPTURE(mix, shape.architecture, shape.layers, has_importance);
  const std::map<std::string, std::string> by_stem = {{"attn_q", rules.q}, {"attn_k", rules.k}, {"attn_v", rules.v}, {"attn_output", rules.attn_output}, {"attn_qkv", rules.qkv}, {"ffn_gate", rules.gate_and_up}, {"ffn_up", rules.gate_and_up}, {"ffn_down", rules.down},
      {"ffn_gate_exps", rules.gate_and_up}, {"ffn_up_exps", rules.gate_and_up}, {"ffn_down_exps", rules.down}};
  const std::vector<MixTensor> tensors = tensors_of(shape);
  REQUIRE(find_mix(mix) != nullptr);
  const std::vector<MixChoice> choices = choose_types(*find_mix(mix), {shape.architecture, shape.layers, shape.heads, shape.key_heads, shape.experts, has_importance}, tensors);
  REQUIRE(choices.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    CAPTURE(name);
    if (name.ends_with("norm.weight") || name.find("ffn_gate_inp") != std::string::npos) {
      CHECK_FALSE(choices[i].is_quantizable);
      CHECK(choices[i].type == "F32");
      continue;
    }
    CHECK(choices[i].is_quantizable);
    if (name == "output.weight") CHECK(choices[i].type == rules.output);
    else if (name == "token_embd.weight") CHECK(choices[i].type == rules.embedding);
    else CHECK(choices[i].type == type_in(by_stem.at(name.substr(name.find('.', 4) + 1, name.rfind('.') - name.find('.', 4) - 1)), std::stoull(name.substr(4))));
  }
}

// First and last eighth, and every third between: 0-3, 28-31, and 6, 9, ... of 32.
const std::string kMore32 = "0-3,6,9,12,15,18,21,24,27-31";
// Of 80: 0-9, 70-79, and 12, 15, ... 69.
const std::string kMore80 = "0-9,12,15,18,21,24,27,30,33,36,39,42,45,48,51,54,57,60,63,66,69-79";

}  // namespace

TEST_CASE("a model of 32 layers whose keys serve four heads each gets llama.cpp's types in every mix") {
  const Shape shape{32, 4096, 14336, 32, 8};
  check("Q2_K", shape, {"Q6_K", "Q2_K", "Q2_K", "Q2_K", "Q4_K", "Q3_K", "Q2_K", "Q3_K"});
  check("Q3_K_S", shape, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K"});
  check("Q3_K_M", shape, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q5_K@0-1 Q4_K", "Q4_K", "Q3_K", "Q5_K@0-1 Q4_K"});
  check("Q3_K_L", shape, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q5_K", "Q5_K", "Q3_K", "Q5_K"});
  check("Q4_K_S", shape, {"Q6_K", "Q4_K", "Q4_K", "Q4_K", "Q5_K@0-3 Q4_K", "Q4_K", "Q4_K", "Q5_K@0-3 Q4_K"});
  check("Q4_K_M", shape, {"Q6_K", "Q4_K", "Q4_K", "Q4_K", "Q6_K@" + kMore32 + " Q4_K", "Q4_K", "Q4_K", "Q6_K@" + kMore32 + " Q4_K"});
  check("Q5_K_S", shape, {"Q6_K", "Q5_K", "Q5_K", "Q5_K", "Q5_K", "Q5_K", "Q5_K", "Q5_K"});
  check("Q5_K_M", shape, {"Q6_K", "Q5_K", "Q5_K", "Q5_K", "Q6_K@" + kMore32 + " Q5_K", "Q5_K", "Q5_K", "Q6_K@" + kMore32 + " Q5_K"});
  check("Q6_K", shape, {"Q6_K", "Q6_K", "Q6_K", "Q6_K", "Q6_K", "Q6_K", "Q6_K", "Q6_K"});
  check("IQ4_NL", shape, {"Q6_K", "IQ4_NL", "IQ4_NL", "IQ4_NL", "Q5_K", "IQ4_NL", "IQ4_NL", "Q5_K@0-3 IQ4_NL"});
  check("IQ4_XS", shape, {"Q6_K", "IQ4_XS", "IQ4_XS", "IQ4_XS", "Q5_K", "IQ4_XS", "IQ4_XS", "Q5_K@0-3 IQ4_XS"});
  check("Q4_0", shape, {"Q6_K", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0"});
  check("Q5_1", shape, {"Q6_K", "Q5_1", "Q5_1", "Q5_1", "Q5_1", "Q5_1", "Q5_1", "Q5_1"});
  check("Q8_0", shape, {"Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0"});
  check("F16", shape, {"F16", "F16", "F16", "F16", "F16", "F16", "F16", "F16"});
}

TEST_CASE("an importance matrix spares the first layers' ffn_down in the IQ4 mixes and changes it in Q4_0 and Q5_0") {
  const Shape shape{32, 4096, 14336, 32, 8};
  check("IQ4_NL", shape, {"Q6_K", "IQ4_NL", "IQ4_NL", "IQ4_NL", "Q5_K", "IQ4_NL", "IQ4_NL", "IQ4_NL"}, true);
  check("IQ4_XS", shape, {"Q6_K", "IQ4_XS", "IQ4_XS", "IQ4_XS", "Q5_K", "IQ4_XS", "IQ4_XS", "IQ4_XS"}, true);
  check("Q4_0", shape, {"Q6_K", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_1@0-3 Q4_0"}, true);
  check("Q5_0", shape, {"Q6_K", "Q5_0", "Q5_0", "Q5_0", "Q5_0", "Q5_0", "Q5_0", "Q5_1@0-3 Q5_0"}, true);
  check("Q2_K_S", shape, {"Q6_K", "Q2_K", "Q2_K", "Q2_K", "Q4_K", "Q2_K", "Q2_K", "Q4_K@0-3 Q2_K"}, true);
  check("Q4_K_M", shape, {"Q6_K", "Q4_K", "Q4_K", "Q4_K", "Q6_K@" + kMore32 + " Q4_K", "Q4_K", "Q4_K", "Q6_K@" + kMore32 + " Q4_K"}, true);
}

TEST_CASE("a model whose heads have keys of their own gets the smaller attn_v") {
  const Shape shape{32, 4096, 11008, 32, 32};
  check("Q2_K", shape, {"Q6_K", "Q2_K", "Q2_K", "Q2_K", "Q3_K", "Q3_K", "Q2_K", "Q3_K"});
  check("IQ4_XS", shape, {"Q6_K", "IQ4_XS", "IQ4_XS", "IQ4_XS", "IQ4_XS", "IQ4_XS", "IQ4_XS", "Q5_K@0-3 IQ4_XS"});
}

TEST_CASE("a model of 80 layers gets at least Q5_K for attn_v") {
  const Shape shape{80, 8192, 28672, 64, 8};
  check("Q2_K", shape, {"Q6_K", "Q2_K", "Q2_K", "Q2_K", "Q5_K", "Q3_K", "Q2_K", "Q3_K"});
  check("Q3_K_S", shape, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q5_K", "Q3_K", "Q3_K", "Q3_K"});
  check("Q3_K_M", shape, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q5_K", "Q4_K", "Q3_K", "Q5_K@0-4 Q4_K"});
  check("Q3_K_L", shape, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q5_K", "Q5_K", "Q3_K", "Q5_K"});
  check("Q4_K_S", shape, {"Q6_K", "Q4_K", "Q4_K", "Q4_K", "Q5_K", "Q4_K", "Q4_K", "Q5_K@0-9 Q4_K"});
  check("Q4_K_M", shape, {"Q6_K", "Q4_K", "Q4_K", "Q4_K", "Q6_K@" + kMore80 + " Q5_K", "Q4_K", "Q4_K", "Q6_K@" + kMore80 + " Q4_K"});
  check("Q5_K_M", shape, {"Q6_K", "Q5_K", "Q5_K", "Q5_K", "Q6_K@" + kMore80 + " Q5_K", "Q5_K", "Q5_K", "Q6_K@" + kMore80 + " Q5_K"});
  check("IQ4_XS", shape, {"Q6_K", "IQ4_XS", "IQ4_XS", "IQ4_XS", "Q5_K", "IQ4_XS", "IQ4_XS", "Q5_K@0-9 IQ4_XS"});
  // 65B: as many layers, and keys for each head.
  check("Q3_K_S", {80, 8192, 22016, 64, 64}, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K", "Q3_K"});
}

TEST_CASE("a model of eight experts gets Q8_0 for attn_k and attn_v and Q5_K for attn_output") {
  const Shape shape{32, 4096, 14336, 32, 8, 8};
  for (const std::string mix : {"Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS"}) {
    const std::string base = mix.starts_with("IQ4") ? mix : mix.substr(0, 4);
    const std::map<std::string, std::string> down = {{"Q2_K", "Q3_K"}, {"Q3_K_S", "Q3_K"}, {"Q3_K_M", "Q5_K@0-1 Q4_K"}, {"Q4_K_S", "Q5_K@0-3 Q4_K"}, {"Q4_K_M", "Q6_K@" + kMore32 + " Q4_K"}, {"IQ4_NL", "Q5_K@0-3 IQ4_NL"}, {"IQ4_XS", "Q5_K@0-3 IQ4_XS"}};
    check(mix, shape, {"Q6_K", base, base, "Q8_0", "Q8_0", "Q5_K", base, down.at(mix)});
  }
  check("Q3_K_L", shape, {"Q6_K", "Q3_K", "Q3_K", "Q8_0", "Q8_0", "Q3_K", "Q3_K", "Q5_K"});
  check("Q5_K_M", shape, {"Q6_K", "Q5_K", "Q5_K", "Q8_0", "Q8_0", "Q5_K", "Q5_K", "Q6_K@" + kMore32 + " Q5_K"});
  check("Q6_K", shape, {"Q6_K", "Q6_K", "Q6_K", "Q8_0", "Q8_0", "Q6_K", "Q6_K", "Q6_K"});
  // Of another number of experts nothing of that holds.
  check("Q4_K_S", {32, 4096, 14336, 32, 8, 16}, {"Q6_K", "Q4_K", "Q4_K", "Q4_K", "Q5_K@0-3 Q4_K", "Q4_K", "Q4_K", "Q5_K@0-3 Q4_K"});
}

TEST_CASE("an embedding that is the output as well gets the type of an output") {
  check("Q4_K_M", {28, 1536, 8960, 12, 2, 0, true, false, "qwen2"}, {"", "Q6_K", "Q4_K", "Q4_K", "Q6_K@0-2,5,8,11,14,17,20,23-27 Q4_K", "Q4_K", "Q4_K", "Q6_K@0-2,5,8,11,14,17,20,23-27 Q4_K"});
  check("Q8_0", {28, 1536, 8960, 12, 2, 0, true, false, "qwen2"}, {"", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0"});
  // 80 layers of qwen2 count as 70B.
  check("Q3_K_S", {80, 8192, 29568, 64, 8, 0, false, false, "qwen2"}, {"Q6_K", "Q3_K", "Q3_K", "Q3_K", "Q5_K", "Q3_K", "Q3_K", "IQ4_NL"});
}

TEST_CASE("one matrix for q, k and v has rules of its own") {
  const Shape phi{32, 3072, 8192, 32, 32, 0, false, true, "phi3"};
  check("Q2_K", phi, {"Q6_K", "Q2_K", "", "", "", "Q3_K", "Q2_K", "Q3_K", "Q2_K"});
  check("Q3_K_M", phi, {"Q6_K", "Q3_K", "", "", "", "Q4_K", "Q3_K", "Q5_K@0-1 Q4_K", "Q4_K"});
  check("Q3_K_L", phi, {"Q6_K", "Q3_K", "", "", "", "Q5_K", "Q3_K", "Q5_K", "Q4_K"});
  check("Q4_K_S", phi, {"Q6_K", "Q4_K", "", "", "", "Q4_K", "Q4_K", "Q5_K@0-3 Q4_K", "Q4_K"});
  check("Q4_K_M", phi, {"Q6_K", "Q4_K", "", "", "", "Q4_K", "Q4_K", "Q6_K@" + kMore32 + " Q4_K", "Q5_K"});
  check("Q5_K_M", phi, {"Q6_K", "Q5_K", "", "", "", "Q5_K", "Q5_K", "Q6_K@" + kMore32 + " Q5_K", "Q6_K"});
  // falcon: an output of Q8_0, and less for ffn_down.
  const Shape falcon{32, 4096, 16384, 64, 64, 0, false, true, "falcon"};
  check("Q3_K_M", falcon, {"Q8_0", "Q3_K", "", "", "", "Q3_K", "Q3_K", "Q5_K@0-1 Q4_K@2-3,6,9,12,15,18,21,24,27-31 Q3_K", "Q4_K"});
  check("Q3_K_L", falcon, {"Q8_0", "Q3_K", "", "", "", "Q4_K", "Q3_K", "Q4_K", "Q4_K"});
  check("Q4_K_S", falcon, {"Q8_0", "Q4_K", "", "", "", "Q4_K", "Q4_K", "Q4_K", "Q4_K"});
  check("Q4_K_M", falcon, {"Q8_0", "Q4_K", "", "", "", "Q4_K", "Q4_K", "Q6_K@0-1 Q5_K@2-3,6,9,12,15,18,21,24,27-31 Q4_K", "Q5_K"});
}

TEST_CASE("rows that do not divide into blocks of 256 get the type of 32 that llama.cpp falls back to") {
  // Qwen2.5-0.5B: 896 = 3.5 * 256; 4864 = 19 * 256. Its output is the embedding.
  const Shape small{24, 896, 4864, 14, 2, 0, true, false, "qwen2"};
  check("Q2_K", small, {"", "Q8_0", "IQ4_NL", "IQ4_NL", "Q5_0", "IQ4_NL", "IQ4_NL", "Q3_K"});
  check("Q4_K_M", small, {"", "Q8_0", "Q5_0", "Q5_0", "Q8_0@0-2,5,8,11,14,17,20-23 Q5_0", "Q5_0", "Q5_0", "Q6_K@0-2,5,8,11,14,17,20-23 Q4_K"});
  check("Q5_K_S", small, {"", "Q8_0", "Q5_1", "Q5_1", "Q5_1", "Q5_1", "Q5_1", "Q5_K"});
  check("Q6_K", small, {"", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q6_K"});
  check("IQ4_XS", small, {"", "Q8_0", "IQ4_NL", "IQ4_NL", "Q5_1", "IQ4_NL", "IQ4_NL", "Q5_K@0-2 IQ4_XS"});
  check("IQ4_NL", small, {"", "Q8_0", "IQ4_NL", "IQ4_NL", "Q5_1", "IQ4_NL", "IQ4_NL", "Q5_K@0-2 IQ4_NL"});
  CHECK(type_for_rows("Q4_K", 100) == "F16");
  CHECK(type_for_rows("Q4_0", 100) == "F16");
  CHECK(type_for_rows("BF16", 100) == "BF16");
}

TEST_CASE("what llama.cpp leaves alone is left alone, and pure gives one type to the rest") {
  const std::vector<MixTensor> tensors = {{"blk.0.attn_q.bias", "F32", {64}}, {"blk.0.attn_q_norm.weight", "F32", {4, 64}}, {"blk.0.ffn_gate_inp.weight", "F32", {8, 256}}, {"position_embd.weight", "F32", {512, 256}}, {"token_types.weight", "F32", {2, 256}},
      {"blk.0.ssm_conv1d.weight", "F32", {64, 256}}, {"rope_freqs.weight", "F32", {1, 64}}, {"blk.0.attn_v.weight", "F32", {64, 256}}, {"blk.0.attn_q.bias.weight_scale", "F32", {64, 256}}};
  const std::vector<MixChoice> choices = choose_types(*find_mix("Q4_K_M"), {"llama", 1, 4, 4, 0, false}, tensors, true);
  for (size_t i = 0; i < tensors.size(); ++i) {
    CAPTURE(tensors[i].name);
    CHECK(choices[i].is_quantizable == (tensors[i].name == "blk.0.attn_v.weight"));
    CHECK(choices[i].type == (tensors[i].name == "blk.0.attn_v.weight" ? "Q4_K" : "F32"));
  }
}

TEST_CASE("mixes are found whatever the case and by their short names, and have llama.cpp's numbers") {
  const std::map<std::string, uint32_t> numbers = {{"F32", 0}, {"F16", 1}, {"Q4_0", 2}, {"Q4_1", 3}, {"Q8_0", 7}, {"Q5_0", 8}, {"Q5_1", 9}, {"Q2_K", 10}, {"Q3_K_S", 11}, {"Q3_K_M", 12}, {"Q3_K_L", 13}, {"Q4_K_S", 14}, {"Q4_K_M", 15}, {"Q5_K_S", 16}, {"Q5_K_M", 17}, {"Q6_K", 18}, {"Q2_K_S", 21}, {"IQ4_NL", 25}, {"IQ4_XS", 30}, {"BF16", 32}};
  std::set<std::string> names;
  for (const Mix& mix : mixes()) {
    names.insert(std::string(mix.name));
    CHECK(numbers.at(std::string(mix.name)) == mix.file_type);
  }
  CHECK(names.size() == numbers.size());
  CHECK(find_mix("q4_k_m") == find_mix("Q4_K_M"));
  CHECK(find_mix("Q5_k") == find_mix("Q5_K_M"));
  CHECK(find_mix("Q3_K") == find_mix("Q3_K_M"));
  CHECK(find_mix("Q9") == nullptr);
}

TEST_CASE("small tensors that many architectures keep are left as they are") {
  const auto is_left = [](const std::string& name) {
    const MixTensor tensor{name, "F32", {96, 2048}};
    return !choose_types(*find_mix("Q4_K_M"), {"llama", 4, 8, 8, 0, false}, std::span(&tensor, 1))[0].is_quantizable;
  };
  for (const char* name : {"blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.ssm_conv1d.weight", "blk.0.shortconv.conv.weight", "blk.0.time_mix_a1.weight", "blk.0.time_mix_g2.weight", "blk.0.time_mix_v2.weight",
           "blk.0.time_mix_decay_w1.weight", "blk.0.time_mix_lerp_fused.weight", "blk.0.attn_rel_b.weight", "position_embd.weight", "v.position_embd.weight", "v.patch_embd.weight", "blk.0.laurel_l.weight", "per_layer_model_proj.weight"}) {
    INFO(name);
    CHECK(is_left(name));
  }
  for (const char* name : {"blk.0.time_mix_key.weight", "blk.0.ffn_gate.weight", "blk.0.ssm_in.weight", "token_embd.weight"}) {
    INFO(name);
    CHECK_FALSE(is_left(name));
  }
}
