#include "core/model/model.h"

#include <catch2/catch.hpp>

#include "core/base/hash.h"
#include "tests/support/test_data.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Folder {
  std::unique_ptr<TempDir> dir = std::make_unique<TempDir>();
  void write(const std::string& name, const std::string& bytes) const { dir->write("m/" + name, bytes); }
  Result<Model> open() const { return open_model(dir->path() / "m", "m"); }
  std::string refusal() const {
    const auto made = open();
    return made ? "opened" : made.error().message;
  }
};

const std::string kOne = "model-00001-of-00002.safetensors", kTwo = "model-00002-of-00002.safetensors";

Folder sharded(const std::string& map, const std::string& metadata = "{}") {
  Folder folder;
  folder.write("model.safetensors.index.json", "{\"metadata\": " + metadata + ", \"weight_map\": " + map + "}");
  folder.write(kOne, f16_weights({{"model.embed_tokens.weight", {4, 2}}, {"model.layers.0.self_attn.q_proj.weight", {2, 2}}}));
  folder.write(kTwo, f16_weights({{"lm_head.weight", {4, 2}}}));
  return folder;
}

}  // namespace

TEST_CASE("a folder of shards is one model, with what its configuration and tokenizer say") {
  const Folder folder = sharded("{\"model.embed_tokens.weight\": \"" + kOne + "\", \"model.layers.0.self_attn.q_proj.weight\": \"" + kOne + "\", \"lm_head.weight\": \"" + kTwo + "\"}", "{\"total_size\": 40}");
  folder.write("config.json", R"({"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 1, "max_position_embeddings": 2048, "tie_word_embeddings": false})");
  folder.write("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "<s>": 2}}, "added_tokens": [{"content": "<s>"}, {"content": "</s>"}]})");
  folder.write("tokenizer_config.json", R"({"chat_template": "{{ messages }}"})");
  const auto model = folder.open();
  REQUIRE(model);
  CHECK(model->format == "safetensors");
  CHECK(model->parts.size() == 2);
  REQUIRE(model->tensors.size() == 3);
  CHECK(model->tensors[2].part == 1);
  CHECK(model->tensors[0].role == TensorRole::kEmbedding);
  CHECK(model->tensors[1].role == TensorRole::kAttention);
  CHECK(model->tensors[2].role == TensorRole::kOutput);
  CHECK(model->architecture == "LlamaForCausalLM");
  CHECK(model->layers == 1);
  CHECK(model->context_length == 2048);
  CHECK(model->tokenizer.kind == "BPE");
  CHECK(model->tokenizer.vocabulary == 4);
  CHECK(model->chat_template == "{{ messages }}");
  CHECK(model->warnings.empty());
}

TEST_CASE("an index that does not say what its shards hold is refused, and leads nowhere else") {
  const std::string embed = "\"model.embed_tokens.weight\": \"" + kOne + "\", ", q = "\"model.layers.0.self_attn.q_proj.weight\": \"" + kOne + "\", ", head = "\"lm_head.weight\": \"" + kTwo + "\"";
  CHECK(sharded("{" + embed + head + "}").refusal() == "1 tensors are in no entry of 'm/model.safetensors.index.json'");
  CHECK(sharded("{" + embed + q + "\"lm_head.weight\": \"" + kOne + "\"}").refusal() == "'m/model.safetensors.index.json' puts tensor 'lm_head.weight' into '" + kOne + "', where it is not");
  CHECK(sharded("{" + embed + q + head + ", \"x\": \"model-00003-of-00003.safetensors\"}").refusal() == "'m/model.safetensors.index.json' names shard 'model-00003-of-00003.safetensors', which is missing");
  CHECK(sharded("{\"x\": \"../secret.safetensors\"}").refusal() == "'m/model.safetensors.index.json' puts tensor 'x' into '../secret.safetensors', which is no file of its folder");
  CHECK(sharded("{\"x\": 3}").refusal().find("which is no file of its folder") != std::string::npos);
  CHECK(sharded("[]").refusal() == "'m/model.safetensors.index.json' has no 'weight_map'");
  const auto model = sharded("{" + embed + q + head + "}", "{\"total_size\": 41}").open();
  REQUIRE(model);
  CHECK(model->warnings == std::vector<std::string>{"'m/model.safetensors.index.json' says 41 bytes of weights, there are 40"});
}

TEST_CASE("a tensor in two files, and an output that is neither there nor tied, are refused") {
  Folder twice;
  twice.write("a.safetensors", f16_weights({{"x", {1}}}));
  twice.write("b.safetensors", f16_weights({{"x", {1}}}));
  CHECK(twice.refusal() == "tensor 'x' is in 'm/a.safetensors' and in 'm/b.safetensors'");
  Folder tied;
  tied.write("model.safetensors", f16_weights({{"model.embed_tokens.weight", {1}}}));
  tied.write("config.json", R"({"tie_word_embeddings": false})");
  CHECK(tied.refusal() == "'m' has no 'lm_head.weight', and config.json says that it is not tied to the embedding");
  tied.write("config.json", R"({"tie_word_embeddings": true})");
  CHECK(tied.refusal() == "opened");
  tied.write("model.safetensors", f16_weights({{"model.embed_tokens.weight", {1}}, {"lm_head.weight", {1}}}));
  CHECK(tied.open()->warnings == std::vector<std::string>{"'lm_head.weight' is there, and config.json says that it is tied to the embedding"});
}

TEST_CASE("parts that are numbered and files that are not are one model, and each series has to be whole") {
  Folder folder;
  folder.write(kOne, f16_weights({{"a", {1}}}));
  folder.write(kTwo, f16_weights({{"b", {1}}}));
  folder.write("zeta.safetensors", f16_weights({{"c", {1}}}));
  const auto model = folder.open();
  REQUIRE(model);
  CHECK(model->parts.size() == 3);
  CHECK(model->tensors.size() == 3);
  folder.write("other-00002-of-00002.safetensors", f16_weights({{"d", {1}}}));
  CHECK(folder.refusal() == "part 1 of 2 of 'm' is missing: 'other-00001-of-00002.safetensors'");
}

TEST_CASE("a model without a name is not the folder that the user is in") {
  Folder folder;
  folder.write("model.safetensors", f16_weights({{"a", {1}}}));
  const auto made = open_model(folder.dir->path() / "m", "");
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::kUsage);
  CHECK(made.error().message == "the name of a model is empty");
}

TEST_CASE("what holds no weights says what to give") {
  Folder empty;
  empty.write("README.md", "hi");
  CHECK(empty.refusal() == "'m' holds no weights");
  CHECK(open_model(empty.dir->path() / "m/README.md", "m/README.md").error().message == "'m/README.md' is neither a .safetensors nor a .gguf file");
  CHECK(open_model(empty.dir->path() / "none.gguf", "none.gguf").error().code == ErrorCode::kNotFound);
}

TEST_CASE("a GGUF file says its architecture, layers, context, tokenizer and chat template") {
  Folder folder;
  GgufBytes file;
  file.text("general.name", "tiny").text("general.license", "apache-2.0").number("llama.block_count", 2).number("llama.context_length", 512);
  file.text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "bc"}).text("tokenizer.chat_template", "{{ x }}");
  file.tensor("token_embd.weight", {32, 2}, 8, 0).tensor("blk.0.attn_norm.weight", {4}, 0, 96);
  file.data_bytes = 96 + 16;
  folder.write("tiny.gguf", file.bytes());
  const auto model = folder.open();
  REQUIRE(model);
  CHECK(model->architecture + " " + model->name + " " + model->licence == "llama tiny apache-2.0");
  CHECK(model->layers == 2);
  CHECK(model->context_length == 512);
  CHECK(model->tokenizer.kind == "BPE");
  CHECK(model->tokenizer.vocabulary == 2);
  CHECK(model->chat_template == "{{ x }}");
  CHECK(model->tensors[1].role == TensorRole::kNorm);
}

TEST_CASE("roles go by the names of both worlds") {
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"token_embd.weight", "embedding"}, {"model.embed_tokens.weight", "embedding"}, {"transformer.wte.weight", "embedding"}, {"blk.3.attn_q.weight", "attention"}, {"model.layers.3.self_attn.o_proj.weight", "attention"},
      {"blk.3.ffn_down.weight", "feed-forward"}, {"model.layers.0.mlp.gate_proj.weight", "feed-forward"}, {"blk.0.ffn_gate_exps.weight", "experts"}, {"model.layers.0.block_sparse_moe.experts.1.w1.weight", "experts"},
      {"blk.0.attn_norm.weight", "norm"}, {"model.layers.0.input_layernorm.weight", "norm"}, {"output_norm.weight", "norm"}, {"output.weight", "output"}, {"lm_head.weight", "output"},
      {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "adapter"}, {"rope_freqs.weight", "other"}};
  for (const auto& [name, role] : expected) {
    CAPTURE(name);
    CHECK(std::string(tensor_role_name(tensor_role(name))) == role);
  }
}

TEST_CASE("contents: a digest of each tensor, and values that are no numbers") {
  Folder folder;
  // F16: 1, NaN, infinity, -infinity. BF16 and F32 likewise by their bits. I8 has none.
  const std::string halves = raw<uint16_t>(0x3C00) + raw<uint16_t>(0x7E00) + raw<uint16_t>(0x7C00) + raw<uint16_t>(0xFC00);
  const std::string brains = raw<uint16_t>(0x7FC0) + raw<uint16_t>(0x7F80), singles = raw<uint32_t>(0x7FC00000) + raw<uint32_t>(0x3F800000);
  const std::string header = R"({"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}, "b": {"dtype": "BF16", "shape": [2], "data_offsets": [8, 12]}, "c": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]}, "d": {"dtype": "I8", "shape": [2], "data_offsets": [20, 22]}, "e": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [22, 24]}})";
  folder.write("m.safetensors", counted(header) + halves + brains + singles + "zz" + "\xff\x01");
  const auto model = folder.open();
  REQUIRE(model);
  for (const size_t threads : {1, 3}) {
    const auto contents = read_contents(*model, threads, {});
    REQUIRE(contents);
    CHECK((*contents)[0].sha256 == sha256_hex(halves));
    CHECK((*contents)[0].nan == 1);
    CHECK((*contents)[0].infinite == 2);
    CHECK((*contents)[1].nan == 1);
    CHECK((*contents)[1].infinite == 1);
    CHECK((*contents)[2].nan == 1);
    CHECK_FALSE((*contents)[3].nan.has_value());
    CHECK((*contents)[4].nan == 1);
  }
  CancelToken cancel;
  cancel.cancel();
  CHECK(read_contents(*model, 2, cancel).error().code == ErrorCode::kInterrupted);
}

TEST_CASE("a block whose scale is no number is counted once") {
  Folder folder;
  GgufBytes file;
  file.tensor("w", {32, 3}, 3, 0);   // Q4_1: scale, minimum, 16 bytes
  std::string data;
  for (const uint16_t scale : {0x3C00, 0x7E00, 0x7C00}) data += raw(scale) + raw<uint16_t>(scale == 0x7E00 ? 0x7C00 : 0) + std::string(16, '\x77');
  folder.write("w.gguf", file.bytes() + data);
  const auto contents = read_contents(*folder.open(), 1, {});
  REQUIRE(contents);
  CHECK((*contents)[0].nan == 1);
  CHECK((*contents)[0].infinite == 1);
}
