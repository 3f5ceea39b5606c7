// Folders in the layout of compressed-tensors, unpacked here from the description of the layout.
#include <catch2/catch.hpp>

#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Layout { std::string type, name, format, dtype; int bits; bool is_packed, is_float; };
const std::vector<Layout> kLayouts = {{"int4", "W4A16", "pack-quantized", "I32", 4, true, false}, {"int8", "W8A16", "pack-quantized", "I32", 8, true, false}, {"w8a8", "W8A8", "int-quantized", "I8", 8, false, false}, {"fp8", "FP8", "float-quantized", "F8_E4M3", 8, false, true}};

double e4m3(uint8_t code) {
  const int exponent = (code >> 3) & 15, mantissa = code & 7;
  const double value = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return (code & 0x80) != 0 ? -value : value;
}

struct Decoded { std::vector<double> values, scales; };   // scales: of each value
Decoded decode(const StoredModel& model, const std::string& stem, const Layout& layout, uint64_t rows, uint64_t columns) {
  const StoredTensorBytes &numbers = model.at(stem + (layout.is_packed ? "weight_packed" : "weight")), &scale = model.at(stem + "weight_scale");
  const uint64_t groups = layout.bits == 4 ? columns / 128 : 1;
  CHECK(numbers.type == layout.dtype);
  CHECK(numbers.shape == std::vector<uint64_t>{rows, layout.is_packed ? columns * static_cast<uint64_t>(layout.bits) / 32 : columns});
  CHECK(scale.type == "BF16");
  CHECK(scale.shape == std::vector<uint64_t>{rows, groups});
  const std::vector<float> scales = values_of(scale);
  Decoded made;
  for (uint64_t i = 0; i < rows * columns; ++i) {
    double value = 0;
    if (layout.is_packed) {
      const uint64_t each = 32 / static_cast<uint64_t>(layout.bits);
      uint32_t word = 0;
      std::memcpy(&word, numbers.bytes.data() + i / each * 4, 4);
      value = static_cast<double>((word >> (i % each * static_cast<uint64_t>(layout.bits))) & ((1U << layout.bits) - 1)) - (1 << (layout.bits - 1));
    } else {
      value = layout.is_float ? e4m3(static_cast<uint8_t>(numbers.bytes[i])) : static_cast<int8_t>(numbers.bytes[i]);
    }
    made.scales.push_back(scales[i / columns * groups + i % columns / (columns / groups)]);
    made.values.push_back(value * made.scales.back());
  }
  return made;
}

bool is_linear(const std::string& name) { return name.ends_with("_proj.weight") || name.find(".experts.") != std::string::npos; }

}  // namespace

TEST_CASE("int4, int8, w8a8 and fp8 hold the nearest numbers that their scales can say, and the error is the one reported") {
  for (const Layout& layout : kLayouts) {
    CAPTURE(layout.type);
    ModelFolder project;
    const StoredModel before = stored_model(project.write_model(small("llama", "BF16", 256)));
    const CompressWriteReport report = must(compress_quantize(project.session(), project.quantize_options("m", "q", layout.type)));
    const StoredModel after = stored_model(project.root() / "q");
    for (const auto& [name, tensor] : before) {
      CAPTURE(name);
      if (!is_linear(name)) {
        CHECK((after.at(name).bytes == tensor.bytes));
        continue;
      }
      const uint64_t rows = tensor.shape[0], columns = tensor.shape[1];
      const std::string stem = name.substr(0, name.size() - 6);
      const Decoded decoded = decode(after, stem, layout, rows, columns);
      const std::vector<float> x = values_of(tensor);
      double largest = 0;
      size_t far = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double error = std::fabs(x[i] - decoded.values[i]);
        largest = std::max(largest, error);
        // Half a step; the ends of four bits are half a step off, and scales have eight bits themselves.
        far += error > (layout.is_float ? std::fabs(x[i]) * 0.0635 + decoded.scales[i] * 0.001 : decoded.scales[i] * (layout.bits == 4 ? 0.54 : 1.01));
      }
      CHECK(far == 0);
      const auto change = std::find_if(report.tensors.begin(), report.tensors.end(), [&](const TensorChange& one) { return one.name == name; });
      REQUIRE(change != report.tensors.end());
      CHECK(change->error->largest == Approx(largest).epsilon(1e-5));
      CHECK(change->to == layout.name);
      if (!layout.is_packed) continue;
      int64_t shape[2] = {0, 0};
      REQUIRE(after.at(stem + "weight_shape").bytes.size() == sizeof shape);
      std::memcpy(shape, after.at(stem + "weight_shape").bytes.data(), sizeof shape);
      CHECK(shape[0] == static_cast<int64_t>(rows));
      CHECK(shape[1] == static_cast<int64_t>(columns));
    }
    CHECK(report.output_bytes == fs::file_size(project.root() / "q/model.safetensors"));
  }
}

TEST_CASE("config.json says how the folder is quantized, and what is not") {
  for (const Layout& layout : kLayouts) {
    for (const bool tied : {false, true}) {
      CAPTURE(layout.type, tied);
      ModelFolder project;
      project.verify = false;
      SmallModel model = small("llama", "BF16", 256);
      model.tied = tied;
      project.write_model(model);
      CompressQuantizeOptions options = project.quantize_options("m", "q", layout.type);
      options.keep = {"model.layers.0.mlp.down_proj.weight=same"};
      must(compress_quantize(project.session(), options));
      Json config = must(parse_json(file_bytes(project.root() / "q/config.json"), "config.json"));
      const Json quantization = config["quantization_config"];
      CHECK(quantization["quant_method"] == "compressed-tensors");
      CHECK(quantization["format"] == layout.format);
      CHECK(quantization["quantization_status"] == "compressed");
      CHECK(quantization["ignore"] == Json({"lm_head", "model.layers.0.mlp.down_proj"}));
      const Json group = quantization["config_groups"]["group_0"], weights = group["weights"];
      CHECK(group["targets"] == Json::array({"Linear"}));
      CHECK(weights["num_bits"] == layout.bits);
      CHECK(weights["type"] == (layout.is_float ? "float" : "int"));
      CHECK(weights["symmetric"] == true);
      CHECK(weights["strategy"] == (layout.bits == 4 ? "group" : "channel"));
      CHECK(weights["group_size"] == (layout.bits == 4 ? Json(128) : Json()));
      CHECK(group["input_activations"].is_null() == layout.is_packed);
      config.erase("quantization_config");
      CHECK(config == must(parse_json(file_bytes(project.root() / "m/config.json"), "config.json")));
      CHECK(file_bytes(project.root() / "q/tokenizer.json") == file_bytes(project.root() / "m/tokenizer.json"));
      CHECK(stored_model(project.root() / "q").at("model.layers.0.mlp.down_proj.weight").type == "BF16");
    }
  }
}

TEST_CASE("experts are quantized one by one and their router is left alone; shards keep to their size") {
  ModelFolder project;
  project.write_model(small("mixtral", "BF16", 256));
  CompressQuantizeOptions options = project.quantize_options("m", "q", "int4");
  options.rewrite.shard_bytes = 300'000;
  const CompressWriteReport report = must(compress_quantize(project.session(), options));
  CHECK(report.outputs.size() > 2);
  for (const CompressWriteReport::File& file : report.outputs) CHECK(file.bytes == fs::file_size(project.root() / "q" / file.name));
  const Model model = must(open_model(project.root() / "q", "q"));
  CHECK(model.warnings.empty());
  const StoredModel after = stored_model(project.root() / "q");
  CHECK(after.contains("model.layers.1.block_sparse_moe.experts.3.w2.weight_packed"));
  CHECK(after.at("model.layers.1.block_sparse_moe.gate.weight").type == "BF16");
  const Json config = must(parse_json(file_bytes(project.root() / "q/config.json"), "config.json"));
  CHECK(config["quantization_config"]["ignore"] == Json({"lm_head", "model.layers.0.block_sparse_moe.gate", "model.layers.1.block_sparse_moe.gate"}));
}

TEST_CASE("a GGUF file becomes the same quantized folder as the folder that it was made from") {
  ModelFolder project;
  project.write_model(small("llama", "BF16", 256));
  project.convert("m", "m.gguf");
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"m", "a"}, std::pair<std::string, std::string>{"m.gguf", "b"}}) must(compress_quantize(project.session(), project.quantize_options(from, to, "w8a8")));
  const StoredModel a = stored_model(project.root() / "a"), b = stored_model(project.root() / "b");
  for (const auto& [name, tensor] : a) CHECK((b.at(name).bytes == tensor.bytes));
  CHECK(file_bytes(project.root() / "a/config.json") == file_bytes(project.root() / "b/config.json"));
}

TEST_CASE("a model of which nothing would be encoded is refused, and matrices under names that are not known are told to readers") {
  ModelFolder project;
  const StoredModel before = stored_model(project.write_model(small("llama", "BF16", 256)));
  project.write_weights(renamed(before, "_proj.weight", "_fc.weight"));
  CHECK(project.refused([&] { return compress_quantize(project.session(), project.quantize_options("m", "q", "int8")); }).find("'m' has no matrix that W8A16 would encode") == 0);
  project.write_weights(renamed(before, "0.self_attn.q_proj.weight", "0.self_attn.q_fc.weight"));
  must(compress_quantize(project.session(), project.quantize_options("m", "q", "int8")));
  const Json config = must(parse_json(file_bytes(project.root() / "q/config.json"), "config.json"));
  CHECK(config["quantization_config"]["ignore"] == Json({"lm_head", "model.layers.0.self_attn.q_fc"}));
}

TEST_CASE("a name that ends in a slash becomes a folder, whatever stands before it") {
  ModelFolder project;
  project.write_model(small("llama", "BF16", 256));
  must(compress_quantize(project.session(), project.quantize_options("m", "q.safetensors/", "int8")));
  CHECK(fs::exists(project.root() / "q.safetensors/config.json"));
  project.convert("m", "c.safetensors/");
  CHECK(fs::exists(project.root() / "c.safetensors/model.safetensors"));
  CHECK(project.refused([&] { return compress_quantize(project.session(), project.quantize_options("m", "r.safetensors", "int8")); }).find("W8A16 needs a config.json beside the weights") == 0);
}

TEST_CASE("rows that do not divide into groups of 128, a model that is quantized, and a folder without config.json are refused") {
  ModelFolder project;
  project.write_model(small("llama"));
  const auto says = [&](const std::string& from, const std::string& type) { return project.refused([&] { return compress_quantize(project.session(), project.quantize_options(from, "out", type)); }); };
  const std::string groups = says("m", "int4");
  CHECK(groups.find("128") != std::string::npos);
  CHECK(groups.find("model.layers.0.") != std::string::npos);
  must(compress_quantize(project.session(), project.quantize_options("m", "q", "int8")));
  CHECK(says("q", "fp8").find("quantized already") != std::string::npos);
  fs::remove(project.root() / "m/config.json");
  CHECK(says("m", "int8").find("the model has no config.json, where readers look for how it is quantized") == 0);
}
