// Casts, files from elsewhere, and what convert refuses with nothing left behind.
#include <catch2/catch.hpp>

#include "core/format/gguf.h"
#include "core/format/weight_writer.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Values { std::string name; std::vector<uint64_t> shape; std::vector<float> values; };

std::string f32_bytes(const std::vector<float>& values) { return {reinterpret_cast<const char*>(values.data()), values.size() * 4}; }

// A GGUF file of F32 tensors.
void write_gguf(const fs::path& path, const std::vector<GgufEntry>& entries, const std::vector<Values>& tensors) {
  std::vector<TensorInfo> infos;
  for (const Values& tensor : tensors) {
    infos.emplace_back();
    infos.back().name = tensor.name;
    infos.back().type = "F32";
    infos.back().shape = tensor.shape;
  }
  std::string bytes = must(gguf_header(entries, infos));
  for (size_t i = 0; i < tensors.size(); ++i) {
    bytes.resize(infos[i].offset_bytes, '\0');
    bytes += f32_bytes(tensors[i].values);
  }
  bytes.resize((bytes.size() + 31) / 32 * 32, '\0');
  std::ofstream(path, std::ios::binary) << bytes;
}

// Replaces a value of a tensor of a safetensors file of one shard.
void poke(const fs::path& file, const std::string& name, size_t index, uint16_t value) {
  const Model model = must(open_model(file.parent_path(), "m"));
  const auto found = std::find_if(model.tensors.begin(), model.tensors.end(), [&](const ModelTensor& tensor) { return tensor.name == name; });
  REQUIRE(found != model.tensors.end());
  std::fstream io(file, std::ios::binary | std::ios::in | std::ios::out);
  io.seekp(static_cast<std::streamoff>(found->offset_bytes + 2 * index));
  io.write(reinterpret_cast<const char*>(&value), 2);
}

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 251) / 64 - 2;
  return values;
}

}  // namespace

TEST_CASE("a cast gives the nearest value of the new type, and a vector of GGUF stays F32") {
  ModelFolder project;
  const StoredModel before = stored_model(project.write_model(small("llama", "F32")));
  for (const std::string type : {"F16", "BF16"}) {
    CAPTURE(type);
    const CompressWriteReport report = project.convert("m", type + ".gguf", type);
    const StoredModel after = stored_model(project.root() / (type + ".gguf"));
    CHECK(after.at("blk.0.attn_norm.weight").type == "F32");
    CHECK(after.at("blk.0.attn_norm.weight").bytes == before.at("model.layers.0.input_layernorm.weight").bytes);
    const std::vector<float> x = values_of(before.at("model.layers.0.mlp.up_proj.weight")), y = values_of(after.at("blk.0.ffn_up.weight"));
    REQUIRE(after.at("blk.0.ffn_up.weight").type == type);
    for (size_t i = 0; i < x.size(); ++i) {
      int exponent = 0;
      static_cast<void>(std::frexp(x[i], &exponent));
      const int bits = type == "F16" ? std::max(exponent - 11, -24) : exponent - 8;   // the last bit's place
      REQUIRE(std::fabs(static_cast<double>(x[i]) - y[i]) <= std::ldexp(0.5, bits));
    }
    CHECK(report.error->largest > 0);
    CHECK(must(read_gguf(project.root() / (type + ".gguf"), "f")).find("general.file_type")->whole() == (type == "F16" ? 1U : 32U));
  }
}

TEST_CASE("a cast between folders changes the type that config.json says, and nothing else in it") {
  ModelFolder project;
  const fs::path source = project.write_model(small("qwen2"));
  project.convert("m", "f16", "f16");
  Json before = must(parse_json(file_bytes(source / "config.json"), "a")), after = must(parse_json(file_bytes(project.root() / "f16/config.json"), "b"));
  CHECK(after["torch_dtype"] == "float16");
  after["torch_dtype"] = before["torch_dtype"];
  CHECK(after == before);
  for (const auto& [name, tensor] : stored_model(project.root() / "f16")) CHECK(tensor.type == "F16");
  CHECK(file_bytes(project.root() / "f16/tokenizer.json") == file_bytes(source / "tokenizer.json"));
}

TEST_CASE("values past the range of F16 are counted, and stored as the largest one only when that is asked for") {
  ModelFolder project;
  const fs::path file = project.write_model(small("llama")) / "model.safetensors";
  poke(file, "model.layers.1.mlp.up_proj.weight", 5, 0x4780);     // 65536
  poke(file, "model.layers.1.mlp.up_proj.weight", 700, 0xC880);   // -262144
  poke(file, "lm_head.weight", 1, 0x7F7F);                        // 3.39e38
  const std::string said = project.refused([&] { return project.try_convert("m", "m.gguf", "F16"); });
  CHECK(said.find("3 values in 2 tensors are past 65504, the largest that F16 holds; the first is in '") == 0);
  CHECK(said.find("--saturate") != std::string::npos);
  const CompressWriteReport report = must(project.try_convert("m", "m.gguf", "F16", true));
  uint64_t past = 0;
  for (const TensorChange& change : report.tensors) past += change.past_range;
  CHECK(past == 3);
  const std::vector<float> up = values_of(stored_model(project.root() / "m.gguf").at("blk.1.ffn_up.weight"));
  CHECK(up[5] == 65504);
  CHECK(up[700] == -65504);
}

TEST_CASE("a quantized GGUF file becomes a folder of F16 that says so, with the values that its blocks have") {
  ModelFolder project;
  project.write_model(small("llama", "BF16", 256));
  must(compress_quantize(project.session(), project.quantize_options("m", "q.gguf", "Q8_0")));
  project.convert("q.gguf", "wide.gguf", "F32");
  project.convert("q.gguf", "back");
  CHECK(must(parse_json(file_bytes(project.root() / "back/config.json"), "config.json"))["torch_dtype"] == "float16");
  const StoredModel wide = stored_model(project.root() / "wide.gguf"), back = stored_model(project.root() / "back");
  const std::vector<float> x = values_of(wide.at("blk.1.ffn_up.weight")), y = values_of(back.at("model.layers.1.mlp.up_proj.weight"));
  REQUIRE(back.at("model.layers.1.mlp.up_proj.weight").type == "F16");
  for (size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == Approx(x[i]).epsilon(5e-4).margin(1e-7));
}

TEST_CASE("a value that BF16 has only infinity for is past its range") {
  ModelFolder project;
  const fs::path file = project.write_model(small("llama", "F32")) / "model.safetensors";
  const Model model = must(open_model(file.parent_path(), "m"));
  const auto found = std::find_if(model.tensors.begin(), model.tensors.end(), [](const ModelTensor& tensor) { return tensor.name == "lm_head.weight"; });
  const float value = 3.4e38F;
  std::fstream(file, std::ios::binary | std::ios::in | std::ios::out).seekp(static_cast<std::streamoff>(found->offset_bytes)).write(reinterpret_cast<const char*>(&value), 4);
  CHECK(project.refused([&] { return project.try_convert("m", "m.gguf", "BF16"); }).find("1 values in 1 tensors are past 3.3895314e+38, the largest that BF16 holds; the first is in 'output.weight'") == 0);
  must(project.try_convert("m", "m.gguf", "BF16", true));
  CHECK(values_of(stored_model(project.root() / "m.gguf").at("output.weight"))[0] == 0x1.FEp127F);
}

TEST_CASE("a GGUF file of another alignment keeps it to its end") {
  ModelFolder project;
  write_gguf(project.root() / "wide.gguf", {gguf_text("general.architecture", "llama"), gguf_u32("general.alignment", 128)}, {{"token_embd.weight", {5, 16}, ramp(80)}, {"output_norm.weight", {16}, ramp(16)}});
  const CompressWriteReport report = project.convert("wide.gguf", "cast.gguf", "F16");
  CHECK(report.output_bytes % 128 == 0);
  CHECK(report.output_bytes == fs::file_size(project.root() / "cast.gguf"));
  CHECK(values_of(stored_model(project.root() / "cast.gguf").at("output_norm.weight")) == ramp(16));
}

TEST_CASE("vectors of different types come back in their own") {
  ModelFolder project;
  StoredModel before = stored_model(project.write_model(small("qwen2")));
  for (const std::string name : {"model.norm.weight", "model.layers.1.self_attn.v_proj.bias"}) {
    std::vector<float> values = ramp(values_of(before[name]).size());
    for (float& value : values) value += 1e-7F;                     // no BF16 holds that
    before[name] = {"F32", f32_bytes(values), {values.size()}};
  }
  project.write_weights(before);
  project.convert("m", "m.gguf");
  project.convert("m.gguf", "back");
  const StoredModel after = stored_model(project.root() / "back");
  for (const auto& [name, tensor] : before) {
    CAPTURE(name);
    CHECK(after.at(name).type == tensor.type);
    CHECK(after.at(name).bytes == tensor.bytes);
  }
}

TEST_CASE("a GGUF file from elsewhere becomes a folder whose config.json is made from its keys") {
  ModelFolder project;
  std::vector<GgufEntry> entries = {gguf_text("general.architecture", "llama"), gguf_u32("llama.block_count", 1), gguf_u32("llama.context_length", 128), gguf_u32("llama.embedding_length", 16), gguf_u32("llama.feed_forward_length", 8),
      gguf_u32("llama.attention.head_count", 2), gguf_u32("llama.attention.head_count_kv", 1), gguf_f32("llama.attention.layer_norm_rms_epsilon", 1e-5F), gguf_f32("llama.rope.freq_base", 5e5F), gguf_u32("tokenizer.ggml.eos_token_id", 3)};
  entries.push_back(gguf_texts("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "c", "d", "e"}));
  const std::vector<Values> tensors = {{"token_embd.weight", {5, 16}, ramp(80)}, {"output_norm.weight", {16}, ramp(16)}, {"blk.0.attn_norm.weight", {16}, ramp(16)}, {"blk.0.ffn_norm.weight", {16}, ramp(16)}, {"blk.0.attn_q.weight", {16, 16}, ramp(256)},
      {"blk.0.attn_k.weight", {8, 16}, ramp(128)}, {"blk.0.attn_v.weight", {8, 16}, ramp(128)}, {"blk.0.attn_output.weight", {16, 16}, ramp(256)}, {"blk.0.ffn_gate.weight", {8, 16}, ramp(128)}, {"blk.0.ffn_up.weight", {8, 16}, ramp(128)},
      {"blk.0.ffn_down.weight", {16, 8}, ramp(128)}};
  write_gguf(project.root() / "other.gguf", entries, tensors);
  const CompressWriteReport report = project.convert("other.gguf", "made");
  REQUIRE(report.warnings.size() == 1);
  CHECK(report.warnings[0].find("the tokenizer is not converted back") == 0);
  const Json config = must(parse_json(file_bytes(project.root() / "made/config.json"), "config.json"));
  const Json expected = {{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}, {"hidden_size", 16}, {"intermediate_size", 8}, {"num_hidden_layers", 1}, {"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"rms_norm_eps", 1e-5},
      {"rope_theta", 500000.0}, {"max_position_embeddings", 128}, {"vocab_size", 5}, {"tie_word_embeddings", true}, {"torch_dtype", "float32"}, {"eos_token_id", 3}};
  CHECK(config == expected);
  const StoredModel made = stored_model(project.root() / "made");
  CHECK(made.size() == tensors.size());
  const std::vector<float> q = values_of(made.at("model.layers.0.self_attn.q_proj.weight")), given = ramp(256);
  for (size_t head = 0; head < 2; ++head) for (size_t i = 0; i < 4; ++i) for (size_t half = 0; half < 2; ++half) for (size_t j = 0; j < 16; ++j) CHECK(q[(head * 8 + half * 4 + i) * 16 + j] == given[(head * 8 + 2 * i + half) * 16 + j]);
  CHECK(values_of(made.at("model.layers.0.mlp.down_proj.weight")) == ramp(128));
}

TEST_CASE("what cannot be converted is refused by its name, and nothing is left behind") {
  ModelFolder project;
  project.write_model(small("llama"));
  const auto says = [&](const std::string& from, const std::string& to, const std::string& dtype = "") { return project.refused([&] { return project.try_convert(from, to, dtype); }); };
  CHECK(says("m", "m") == "'m' is what is read | give another name for the output");
  CHECK(says("m", "m/model.safetensors") == "'m/model.safetensors' is what is read | give another name for the output");
  CHECK(says("m", "no/m.gguf") == "the folder of 'no/m.gguf' does not exist | make it first");
  CHECK(says("m", "m.gguf", "Q8_0") == "--dtype 'Q8_0' is none of F32, F16, BF16 | for block types there is: llmops compress quantize");
  project.write("there.gguf", "mine");
  CHECK(says("m", "there.gguf") == "'there.gguf' exists already | give another name, or --force to replace it");
  project.write("full/a.txt", "mine");
  CHECK(says("m", "full") == "'full' is a folder that holds files | give the name of a new folder");
  project.configure({{"architectures", {"BertModel"}}});
  CHECK(says("m", "m.gguf") == "the architecture 'BertModel' cannot be converted | those that can: llama, mistral, mixtral, qwen2, qwen3, gemma2, phi3");
  project.configure({{"architectures", {"Phi3ForCausalLM"}}});
  CHECK(says("m", "m.gguf") == "the model has no tensor that becomes 'blk.0.attn_qkv.weight' | fetch the model again: it is not whole");
  project.configure({{"architectures", {"Qwen2ForCausalLM"}}, {"num_key_value_heads", 4}});
  CHECK(says("m", "m.gguf") == "'blk.0.attn_k.weight' is 32 x 64, and config.json says 64 x 64 | config.json is of another model");
  project.configure({{"num_key_value_heads", 2}, {"num_hidden_layers", 1}});
  CHECK(says("m", "m.gguf").find("' is of a layer past the last (0)") != std::string::npos);
  project.configure({{"architectures", {"LlamaForCausalLM"}}, {"num_attention_heads", nullptr}});
  CHECK(says("m", "m.gguf") == "config.json has no 'num_attention_heads', a whole number above 0");
  fs::remove(project.root() / "m/config.json");
  CHECK(says("m", "m.gguf") == "the model has no config.json, which says how its tensors belong together | give the folder that holds config.json beside the weights");
}

TEST_CASE("a model without some of its tensors is not written as if it were whole") {
  ModelFolder project;
  project.write_model(small("llama"));
  project.configure({{"num_hidden_layers", 3}});
  const std::string said = project.refused([&] { return project.try_convert("m", "m.gguf"); });
  CHECK(said.find("'blk.2.") != std::string::npos);
}

TEST_CASE("a quantized folder is refused by convert, which would take its numbers for weights") {
  ModelFolder project;
  project.write_model(small("llama", "BF16", 256));
  must(compress_quantize(project.session(), project.quantize_options("m", "q", "int8")));
  CHECK(project.refused([&] { return project.try_convert("q", "q.gguf"); }).find("is quantized: its config.json has a quantization_config") != std::string::npos);
}

TEST_CASE("one file of safetensors is written without its folder's files, and a warning says so") {
  ModelFolder project;
  project.write_model(small("llama"));
  project.convert("m", "m.gguf");
  const CompressWriteReport report = project.convert("m.gguf", "one.safetensors");
  REQUIRE(report.warnings.size() == 1);
  CHECK(report.warnings[0].find("config.json") != std::string::npos);
  CHECK(fs::is_regular_file(project.root() / "one.safetensors"));
}
