// Models that no converter made: each figure in them is looked at before it is used.
#include <catch2/catch.hpp>

#include "core/format/gguf.h"
#include "tests/commands/compress/compress_fixture.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// What the conversion of a small model to GGUF is refused for after its tensors or its config.json were changed.
std::string refused_after(const std::string& architecture, const std::function<void(StoredModel&)>& change) {
  ModelFolder project;
  StoredModel model = stored_model(project.write_model(small(architecture)));
  change(model);
  project.write_weights(model);
  return project.refused([&] { return project.try_convert("m", "m.gguf"); });
}
std::string refused_with(const Json& config, const std::string& architecture = "llama") {
  ModelFolder project;
  project.write_model(small(architecture));
  project.configure(config);
  return project.refused([&] { return project.try_convert("m", "m.gguf"); });
}

void cut_rows(StoredTensorBytes& tensor, uint64_t rows) {
  tensor.bytes.resize(tensor.bytes.size() / tensor.shape[0] * rows);
  tensor.shape[0] = rows;
}

}  // namespace

TEST_CASE("a layer of an impossible number, and a tensor without a dimension, are refused by name") {
  const std::string last = "model.layers.18446744073709551615.";
  CHECK(refused_after("llama", [&](StoredModel& model) { model = renamed(model, "model.layers.1.", last); }).find("tensor '" + last) == 0);
  CHECK(refused_after("llama", [](StoredModel& model) { model["model.layers.0.self_attn.q_proj.weight"] = {"BF16", std::string(2, '\0'), {}}; }) == "tensor 'model.layers.0.self_attn.q_proj.weight' holds one value without a dimension | fetch the model again: it is not whole");
}

TEST_CASE("a GGUF file whose type is a number, and whose tensor has no dimension, is refused and nothing worse") {
  ModelFolder project;
  GgufBytes file;
  file.number("general.type", 5).number("llama.attention.head_count", 2).tensor("blk.0.attn_q.weight", {}, 0, 0);
  file.data_bytes = 4;
  project.write("x.gguf", file.bytes());
  CHECK(project.refused([&] { return project.try_convert("x.gguf", "out"); }).find("tensor 'blk.0.attn_q.weight' holds one value without a dimension") == 0);
}

TEST_CASE("numbers of rope that no model can have are refused") {
  CHECK(refused_with({{"partial_rotary_factor", -1}}).find("config.json has a 'partial_rotary_factor' of -1, which is no share of a head") == 0);
  CHECK(refused_with({{"partial_rotary_factor", 1e30}}).find("config.json has a 'partial_rotary_factor' of 1e+30") == 0);
  CHECK(refused_with({{"head_dim", 4'000'000'000}}).find("config.json says heads of 4000000000 values") == 0);
  const std::vector<float> factors(8, 1);
  const Json scaling = {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}, {"original_max_position_embeddings", -5}};
  CHECK(refused_with({{"rope_scaling", scaling}, {"original_max_position_embeddings", nullptr}}).find("config.json has 'original_max_position_embeddings' of -5, which is no length of a context") == 0);
}

TEST_CASE("longrope outside of phi3 says the length that its model first learned") {
  ModelFolder project;
  project.write_model(small("llama"));
  const std::vector<float> factors(8, 1);
  project.configure({{"original_max_position_embeddings", 4096}, {"max_position_embeddings", 131072}, {"rope_scaling", {{"type", "longrope"}, {"short_factor", factors}, {"long_factor", factors}}}});
  project.convert("m", "m.gguf");
  const GgufFile file = must(read_gguf(project.root() / "m.gguf", "m"));
  REQUIRE(file.find("llama.rope.scaling.original_context_length") != nullptr);
  CHECK(file.find("llama.rope.scaling.original_context_length")->whole() == 4096);
}

TEST_CASE("biases and the output have to fit what they belong to") {
  const std::string bias = "model.layers.1.self_attn.k_proj.bias";
  CHECK(refused_after("qwen2", [&](StoredModel& model) { model.erase(bias); }) == "the model has no tensor that becomes 'blk.1.attn_k.bias' | fetch the model again: it is not whole");
  CHECK(refused_after("qwen2", [&](StoredModel& model) { cut_rows(model[bias], 16); }) == "'blk.1.attn_k.bias' is 16, and 'blk.1.attn_k.weight' has 32 rows | config.json is of another model");
  CHECK(refused_after("llama", [](StoredModel& model) { cut_rows(model["lm_head.weight"], 290); }) == "'output.weight' is 290 x 64, and the embedding is 300 x 64 | fetch the model again: its parts are of two models");
}

TEST_CASE("a tokenizer of more tokens than the embedding has rows is refused, and not without it") {
  ModelFolder project;
  StoredModel model = stored_model(project.write_model(small("llama")));
  for (const std::string name : {"model.embed_tokens.weight", "lm_head.weight"}) cut_rows(model[name], 290);
  project.write_weights(model);
  project.configure({{"vocab_size", 290}});
  CHECK(project.refused([&] { return project.try_convert("m", "m.gguf"); }) == "the tokenizer of 'm' has 300 tokens, and the embedding has 290 rows | llmops compress convert --no-tokenizer takes the weights alone");
  CompressConvertOptions options;
  options.model = "m";
  options.output = "m.gguf";
  options.with_tokenizer = false;
  must(compress_convert(project.session(), options));
}

TEST_CASE("four-bit numbers are copied where rows end at a byte, and refused where they do not") {
  ModelFolder project;
  StoredModel model = stored_model(project.write_model(small("llama")));
  model["x.weight"] = {"F4", "abc", {3, 2}};
  project.write_weights(model);
  project.convert("m", "copy");
  CHECK(stored_model(project.root() / "copy").at("x.weight").bytes == "abc");
  model["x.weight"].shape = {2, 3};
  project.write_weights(model);
  CHECK(project.refused([&] { return project.try_convert("m", "out"); }).find("tensor 'x.weight' has rows of 3 values of 4 bits, which do not end at a byte") == 0);
}

TEST_CASE("a GGUF folder's config.json says the scaling of rope, the share of a head that turns, and biases") {
  ModelFolder project;
  const auto made_from = [&](const std::string& architecture, const std::string& name) {
    GgufBytes file;
    file.pairs = {counted("general.architecture") + raw<uint32_t>(8) + counted(architecture)};
    file.number(architecture + ".attention.head_count", 2).number(architecture + ".embedding_length", 16).number(architecture + ".rope.dimension_count", 4).number(architecture + ".rope.scaling.original_context_length", 4096);
    if (architecture == "llama") file.text("llama.rope.scaling.type", "yarn").tensor("blk.0.attn_q.bias", {16}, 0, 0);
    file.data_bytes = architecture == "llama" ? 64 : 0;
    project.write(name + ".gguf", file.bytes());
    project.convert(name + ".gguf", name);
    return must(parse_json(file_bytes(project.root() / name / "config.json"), "config.json"));
  };
  const Json yarn = made_from("llama", "yarn"), phi = made_from("phi3", "phi");
  CHECK(yarn["rope_scaling"] == Json({{"rope_type", "yarn"}, {"factor", 1.0}, {"original_max_position_embeddings", 4096}}));
  CHECK(yarn["partial_rotary_factor"] == 0.5);
  CHECK(yarn["attention_bias"] == true);
  CHECK(phi["original_max_position_embeddings"] == 4096);
  CHECK_FALSE(phi.contains("rope_scaling"));
  CHECK_FALSE(phi.contains("attention_bias"));
}

TEST_CASE("what lies beside the weights goes along unless it is a folder, other weights or too large, and a warning names what does not") {
  ModelFolder project;
  project.verify = false;
  project.write_model(small("llama"));
  project.write("m/original/params.json", "{}");
  project.write("m/pytorch_model.bin", "x");
  project.write("m/notes.txt", "kept");
  project.write("m/large.txt", "");
  fs::resize_file(project.root() / "m/large.txt", (uint64_t{256} << 20) + 1);
  CHECK(has_warning(project.convert("m", "half", "F16").warnings, "not copied: large.txt, original/, pytorch_model.bin"));
  CHECK(file_bytes(project.root() / "half/notes.txt") == "kept");
  CHECK_FALSE(fs::exists(project.root() / "half/large.txt"));
  CHECK(has_warning(project.convert("m", "m.gguf").warnings, "not kept for the way back: large.txt, notes.txt, original/, pytorch_model.bin"));
}

TEST_CASE("what a loader would stumble over in the source is said of what was made from it") {
  ModelFolder project;
  project.write_model(small("llama"));
  project.configure({{"tie_word_embeddings", true}});
  CHECK(has_warning(project.convert("m", "half", "F16").warnings, "'lm_head.weight' is there, and config.json says that it is tied to the embedding"));
}
