// Adapters merged and converted, against sums written as plain loops.
#include "commands/compress/merge.h"

#include <catch2/catch.hpp>

#include "core/base/half.h"
#include "core/format/gguf.h"
#include "core/format/weight_writer.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Half { std::string name; std::vector<uint64_t> shape; std::vector<float> values; };

// A number that depends on the name and the place alone.
std::vector<float> numbers(const std::string& name, size_t count) {
  uint64_t state = 1469598103934665603u;
  for (const char c : name) state = (state ^ static_cast<uint8_t>(c)) * 1099511628211u;
  std::vector<float> values(count);
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<float>(static_cast<int64_t>(state >> 40) - (1 << 23)) / static_cast<float>(1 << 24);
  }
  return values;
}

struct Merging : ModelFolder {
  std::map<std::string, Half> halves;   // "self_attn.q_proj A"
  Json adapter = {{"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 8}, {"base_model_name_or_path", "someone/m"}, {"target_modules", {"q_proj"}}};

  explicit Merging(const SmallModel& model = small("llama")) { write_model(model); }
  void add(const std::string& module, uint64_t inputs, uint64_t outputs, uint64_t rank = 4) {
    const std::string name = "base_model.model." + module;
    halves[module + " A"] = {name + ".lora_A.weight", {rank, inputs}, numbers(module + "A", rank * inputs)};
    halves[module + " B"] = {name + ".lora_B.weight", {outputs, rank}, numbers(module + "B", rank * outputs)};
  }
  void write_adapter() {
    std::vector<TensorInfo> infos;
    std::map<std::string, const Half*> by_name;
    for (const auto& [key, half] : halves) {
      infos.emplace_back();
      infos.back().name = half.name;
      infos.back().type = "F32";
      infos.back().shape = half.shape;
      by_name[half.name] = &half;
    }
    std::string bytes = must(safetensors_header({}, infos));
    for (const TensorInfo& info : infos) {
      const std::vector<float>& values = by_name.at(info.name)->values;
      bytes.resize(std::max<size_t>(bytes.size(), info.offset_bytes + info.size_bytes));
      bytes.replace(info.offset_bytes, info.size_bytes, reinterpret_cast<const char*>(values.data()), info.size_bytes);
    }
    write("a/adapter_config.json", dump_json(adapter));
    write("a/adapter_model.safetensors", bytes);
  }
  Result<CompressWriteReport> attempt(const std::string& output, const std::string& base = "m") {
    write_adapter();
    CompressMergeOptions options;
    options.base = base;
    options.adapter = "a";
    options.output = output;
    options.rewrite.verify = false;
    return compress_merge(session(), options);
  }
  CompressWriteReport merge(const std::string& output, const std::string& base = "m") {
    auto report = attempt(output, base);
    if (!report) FAIL(told(report.error()));
    return std::move(*report);
  }
  std::string refusal(const std::string& output = "out", const std::string& base = "m") {
    write_adapter();
    return refused([&] { return attempt(output, base); });
  }
  // W + scale B A, and nothing else changed.
  void check(const StoredModel& before, const StoredModel& after, const std::map<std::string, double>& scales) const {
    CHECK(after.size() == before.size());
    for (const auto& [name, tensor] : before) {
      CAPTURE(name);
      const std::string module = name.substr(0, name.rfind('.'));
      if (!scales.contains(module)) {
        CHECK((after.at(name).bytes == tensor.bytes));
        continue;
      }
      const Half &a = halves.at(module + " A"), &b = halves.at(module + " B");
      const std::vector<float> w = values_of(tensor), made = values_of(after.at(name));
      const size_t inputs = a.shape[1], rank = a.shape[0], outputs = b.shape[0];
      for (size_t i = 0; i < outputs; ++i) {
        for (size_t j = 0; j < inputs; ++j) {
          double sum = 0;
          for (size_t k = 0; k < rank; ++k) sum += static_cast<double>(b.values[i * rank + k]) * a.values[k * inputs + j];
          const double wanted = static_cast<double>(w[i * inputs + j]) + scales.at(module) * sum;
          int exponent = 0;
          static_cast<void>(std::frexp(wanted, &exponent));
          REQUIRE(std::fabs(made[i * inputs + j] - wanted) <= 1.0001 * std::ldexp(0.5, exponent - (tensor.type == "F32" ? 24 : 8)));   // half of the last bit
        }
      }
    }
  }
};

const std::string kQ = "model.layers.0.self_attn.q_proj", kK = "model.layers.1.self_attn.k_proj", kDown = "model.layers.1.mlp.down_proj";

struct UsualMerging : Merging {
  explicit UsualMerging(const SmallModel& model = small("llama")) : Merging(model) {
    add(kQ, 64, 64);
    add(kK, 64, 32);
    add(kDown, 96, 64);
  }
};

}  // namespace

TEST_CASE("an adapter is added to the weights of a folder, of a GGUF file, and on the way from one to the other") {
  for (const std::string type : {"F32", "BF16"}) {
    UsualMerging project(small("llama", type));
    const StoredModel before = stored_model(project.root() / "m");
    const std::map<std::string, double> scales = {{kQ, 2}, {kK, 2}, {kDown, 2}};
    const CompressWriteReport report = project.merge("folder");
    CHECK(report.type == "3 matrices changed");
    project.check(before, stored_model(project.root() / "folder"), scales);
    CHECK(file_bytes(project.root() / "folder/config.json") == file_bytes(project.root() / "m/config.json"));
    project.merge("there.gguf");
    project.convert("there.gguf", "there");
    project.check(before, stored_model(project.root() / "there"), scales);
    project.convert("m", "m.gguf");
    project.merge("gguf.gguf", "m.gguf");
    project.convert("gguf.gguf", "gguf");
    project.check(before, stored_model(project.root() / "gguf"), scales);
  }
}

TEST_CASE("ranks and alphas of single modules, and rsLoRA's root of the rank, are taken as PEFT takes them") {
  Merging project;
  project.add(kQ, 64, 64, 2);
  project.add(kK, 64, 32);
  project.add(kDown, 96, 64);
  project.adapter["rank_pattern"] = {{"q_proj", 2}};
  project.adapter["alpha_pattern"] = {{R"(model\.layers\.1\..*\.down_proj)", 12}, {"proj", 99}};
  const StoredModel before = stored_model(project.root() / "m");
  project.merge("plain");
  project.check(before, stored_model(project.root() / "plain"), {{kQ, 4}, {kK, 2}, {kDown, 3}});
  project.adapter["use_rslora"] = true;
  project.merge("rooted");
  project.check(before, stored_model(project.root() / "rooted"), {{kQ, 8 / std::sqrt(2.0)}, {kK, 4}, {kDown, 6}});
}

TEST_CASE("an adapter that is not whole, not LoRA, or of another model is refused") {
  const auto says = [](const std::function<void(Merging&)>& change, const std::string& output = "out", const std::string& base = "m") {
    UsualMerging project;
    project.convert("m", "m.gguf");
    change(project);
    return project.refusal(output, base);
  };
  CHECK(says([](Merging& p) { p.adapter["use_dora"] = true; }).find("'a' is a DoRA adapter") == 0);
  CHECK(says([](Merging& p) { p.adapter["peft_type"] = "IA3"; }) == "'a' is an adapter of the method IA3, not LoRA");
  CHECK(says([](Merging& p) { p.adapter["modules_to_save"] = {"lm_head"}; }).find("'a' saves whole modules") == 0);
  CHECK(says([](Merging& p) { p.halves.erase(kK + " B"); }).find(fmt::format("'a' has only one half of the pair for '{}.weight'", kK)) == 0);
  CHECK(says([](Merging& p) { p.add(kQ, 64, 48); }).find(fmt::format("the adapter changes '{}.weight' as 48 x 64, and the base has 64 x 64", kQ)) == 0);
  CHECK(says([](Merging& p) { p.add("model.layers.7.self_attn.q_proj", 64, 64); }).find("the base has no 'model.layers.7.self_attn.q_proj.weight', which the adapter changes (1 of its 4 matrices)") == 0);
  CHECK(says([](Merging& p) { p.add(kQ, 64, 64, 3); }).find(fmt::format("'a' has rank 3 for '{}.weight', and adapter_config.json says 4", kQ)) == 0);
  CHECK(says([](Merging& p) { p.halves[kQ + " A"].values[5] = NAN; }).find("adapter_model.safetensors' holds NaN or infinity in the pair for '" + kQ) != std::string::npos);
  CHECK(says([](Merging&) {}, "out", "m.gguf").find("the base is GGUF, and 'out' does not end in .gguf") == 0);
  CHECK(says([](Merging& p) { p.halves.clear(); p.add("lm_head", 64, 300); p.halves["lm_head A"].name = "base_model.model.lm_head.lora_embedding_A"; }).find("which is no lora_A or lora_B of a matrix") != std::string::npos);
}

TEST_CASE("an adapter that says no alpha has PEFT's, and a warning says so; what was read is named") {
  UsualMerging project;
  project.adapter.erase("lora_alpha");
  const StoredModel before = stored_model(project.root() / "m");
  const CompressWriteReport report = project.merge("out");
  project.check(before, stored_model(project.root() / "out"), {{kQ, 2}, {kK, 2}, {kDown, 2}});
  CHECK(has_warning(report.warnings, "adapter_config.json of 'a' has no 'lora_alpha': 8 is taken, as PEFT does"));
  std::vector<std::string> names;
  for (const CompressWriteReport::File& file : report.sources) names.push_back(file.name);
  CHECK(names == std::vector<std::string>{"m/model.safetensors", "a/adapter_config.json", "a/adapter_model.safetensors"});
}

TEST_CASE("adapters of experts are merged into a folder, and the refusal for GGUF says why") {
  Merging project(small("mixtral"));
  const std::string expert = "model.layers.0.block_sparse_moe.experts.1.w1";
  project.add(expert, 64, 96);
  CHECK(project.refusal("out.gguf").find(fmt::format("the adapter changes the expert '{}.weight', and adapters of experts are not merged into GGUF, which stacks them | merge into the folder of the base, then convert", expert)) == 0);
  const StoredModel before = stored_model(project.root() / "m");
  project.merge("out");
  project.check(before, stored_model(project.root() / "out"), {{expert, 2}});
}

TEST_CASE("a base that gives each layer a number of heads of its own is refused, as its rows have no order that is known") {
  UsualMerging project;
  project.convert("m", "m.gguf");
  GgufFile file = must(read_gguf(project.root() / "m.gguf", "m"));
  const std::string bytes = file_bytes(project.root() / "m.gguf"), four("\4\0\0\0", 4);
  for (GgufEntry& entry : file.entries) {
    if (entry.key != "llama.attention.head_count") continue;
    entry.kind = GgufKind::kArray;
    entry.count = 2;
    entry.bytes = four + four;
  }
  std::vector<TensorInfo> infos = file.tensors;
  std::string made = must(gguf_header(file.entries, infos));
  for (size_t i = 0; i < infos.size(); ++i) {
    made.resize(infos[i].offset_bytes, '\0');
    made += bytes.substr(file.tensors[i].offset_bytes, file.tensors[i].size_bytes);
  }
  project.write("layers.gguf", made);
  CHECK(project.refusal("out.gguf", "layers.gguf").find("has 64 rows, which do not divide into 0 heads of even size") != std::string::npos);
}

TEST_CASE("a base that does not say its heads gives an adapter no order of rows") {
  for (const auto& [key, value] : {std::pair<std::string, Json>{"num_attention_heads", nullptr}, std::pair<std::string, Json>{"num_key_value_heads", 0}}) {
    UsualMerging project;
    project.write_adapter();
    project.configure({{key, value}});
    CompressConvertOptions options;
    options.model = "a";
    options.base = "m";
    options.output = "a.gguf";
    CHECK(project.refused([&] { return compress_convert(project.session(), options); }) == fmt::format("config.json of the base has no '{}', a whole number above 0 | give the folder of the base model: --base PATH", key));
  }
}

TEST_CASE("a base that is quantized takes no adapter") {
  Merging project;
  project.add(kQ, 64, 64);
  must(compress_quantize(project.session(), project.quantize_options("m", "q.gguf", "Q8_0")));
  CHECK(project.refusal("out.gguf", "q.gguf").find("tensor 'blk.0.attn_q.weight' of the base is quantized (Q8_0) | merge into the F16 or BF16 weights, then quantize") == 0);
}

TEST_CASE("an adapter becomes a GGUF adapter with llama.cpp's names, its alpha, and rows of q and k as the base has them") {
  for (const bool is_rooted : {false, true}) {
    UsualMerging project;
    project.adapter["use_rslora"] = is_rooted;
    project.write_adapter();
    CompressConvertOptions options;
    options.model = "a";
    options.output = "a.gguf";
    CHECK(project.refused([&] { return compress_convert(project.session(), options); }).find("'a' is an adapter: its GGUF form depends on the base model") == 0);
    options.base = "m";
    must(compress_convert(project.session(), options));
    const GgufFile file = must(read_gguf(project.root() / "a.gguf", "a"));
    CHECK(file.find("general.type")->text() == "adapter");
    CHECK(file.find("general.architecture")->text() == "llama");
    CHECK(file.find("adapter.type")->text() == "lora");
    CHECK(file.find("adapter.lora.alpha")->number() == (is_rooted ? 16 : 8));
    const StoredModel made = stored_model(project.root() / "a.gguf");
    CHECK(made.size() == 6);
    CHECK(values_of(made.at("blk.1.ffn_down.weight.lora_b")) == project.halves.at(kDown + " B").values);
    CHECK(values_of(made.at("blk.0.attn_q.weight.lora_a")) == project.halves.at(kQ + " A").values);
    const std::vector<float> b = values_of(made.at("blk.1.attn_k.weight.lora_b"));
    const std::vector<float>& theirs = project.halves.at(kK + " B").values;
    for (size_t head = 0; head < 2; ++head) for (size_t i = 0; i < 8; ++i) for (size_t half = 0; half < 2; ++half) for (size_t k = 0; k < 4; ++k) CHECK(b[(head * 16 + 2 * i + half) * 4 + k] == theirs[(head * 16 + half * 8 + i) * 4 + k]);
  }
}

TEST_CASE("scales that one alpha cannot say keep an adapter from becoming GGUF") {
  UsualMerging project;
  project.adapter["alpha_pattern"] = {{"k_proj", 3}};
  project.write_adapter();
  CompressConvertOptions options;
  options.model = "a";
  options.base = "m";
  options.output = "a.gguf";
  CHECK(project.refused([&] { return compress_convert(project.session(), options); }).find("| GGUF has one alpha for an adapter: merge it into the base model instead") != std::string::npos);
}
