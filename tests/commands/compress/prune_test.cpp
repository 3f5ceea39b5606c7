// Pruned models as a reader finds them: zeros counted here, shapes worked out from the new config.json.
#include "commands/compress/prune.h"

#include <catch2/catch.hpp>

#include "core/format/gguf.h"
#include "core/model/calibration.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Pruning : ModelFolder {
  explicit Pruning(const SmallModel& model = small("llama")) : before(stored_model(write_model(model))) { verify = false; }
  StoredModel before;
  Result<CompressPruneReport> attempt(CompressPruneOptions options) {
    if (options.model.empty()) options.model = "m";
    options.rewrite.verify = verify;
    return compress_prune(session(), options);
  }
  CompressPruneReport prune(const CompressPruneOptions& options) {
    auto report = attempt(options);
    if (!report) FAIL(told(report.error()));
    return std::move(*report);
  }
  std::string refusal(const CompressPruneOptions& options) { return refused([&] { return attempt(options); }); }
  StoredModel stored(const std::string& name) const { return stored_model(root() / name); }
  Json config(const std::string& name) const { return must(parse_json(file_bytes(root() / name / "config.json"), "config.json")); }
};

CompressPruneOptions zeros(double sparsity, const std::string& scope = "row", const std::string& output = "p") {
  CompressPruneOptions options;
  options.output = output;
  options.sparsity = sparsity;
  options.scope = scope;
  return options;
}
CompressPruneOptions width(const std::string& text, const std::string& output = "p") {
  CompressPruneOptions options;
  options.output = output;
  options.width = text;
  return options;
}
CompressPruneOptions drop(const std::string& layers, const std::string& output = "p") {
  CompressPruneOptions options;
  options.output = output;
  options.drop_layers = layers;
  return options;
}

bool is_pruned(const std::string& name) { return name.find("_proj.weight") != std::string::npos || name.find(".experts.") != std::string::npos; }

// What stays has its bytes, what goes is smaller than what stays; of one part of a tensor.
void check_part(std::span<const float> x, std::span<const float> y, size_t removed, std::span<const float> weights = {}) {
  float largest_gone = 0, least_kept = INFINITY;
  size_t gone = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const float score = std::fabs(x[i]) * (weights.empty() ? 1 : std::sqrt(weights[i % weights.size()]));
    if (y[i] == 0 && x[i] != 0) largest_gone = std::max(largest_gone, score);
    if (y[i] != 0) least_kept = std::min(least_kept, score);
    if (y[i] != 0) CHECK(y[i] == x[i]);
    gone += y[i] == 0;
  }
  CHECK(gone == removed);
  CHECK(largest_gone <= least_kept * 1.00001F);
}

// Shapes that a config.json asks for, of the names at Hugging Face.
std::vector<uint64_t> shape_by_config(const std::string& name, const Json& c) {
  const uint64_t hidden = c.at("hidden_size"), heads = c.at("num_attention_heads"), keys = c.at("num_key_value_heads"), ffn = c.at("intermediate_size"), size = c.contains("head_dim") ? c.at("head_dim").get<uint64_t>() : hidden / heads;
  const auto ends = [&](const std::string& ending) { return name.ends_with(ending); };
  if (ends("qkv_proj.weight")) return {(heads + 2 * keys) * size, hidden};
  if (ends("q_proj.weight")) return {heads * size, hidden};
  if (ends("q_proj.bias")) return {heads * size};
  if (ends("k_proj.weight") || ends("v_proj.weight")) return {keys * size, hidden};
  if (ends("k_proj.bias") || ends("v_proj.bias")) return {keys * size};
  if (ends("o_proj.weight")) return {hidden, heads * size};
  if (ends("gate_up_proj.weight")) return {2 * ffn, hidden};
  if (ends("gate_proj.weight") || ends("up_proj.weight") || ends(".w1.weight") || ends(".w3.weight")) return {ffn, hidden};
  if (ends("down_proj.weight") || ends(".w2.weight")) return {hidden, ffn};
  if (ends("q_norm.weight") || ends("k_norm.weight")) return {size};
  if (ends("moe.gate.weight")) return {c.at("num_local_experts"), hidden};
  if (ends("norm.weight")) return {hidden};
  return {c.at("vocab_size"), hidden};
}

Calibration statistics_for(const StoredModel& model) {
  Calibration made;
  for (const auto& [name, tensor] : model) {
    if (!is_pruned(name)) continue;
    std::vector<float> sums;
    for (size_t i = 0; i < tensor.shape.back(); ++i) sums.push_back(static_cast<float>((i * 7 + name.size() + static_cast<size_t>(name[name.find("experts.") == std::string::npos ? 0 : name.find("experts.") + 8])) % 11 + 1));
    made.entries.push_back(must(make_calibration_entry(name, sums, {1})));
  }
  made.tokens = 1;
  return made;
}

}  // namespace

TEST_CASE("the share that is asked for goes from each row, each tensor, or all of them, the smallest first") {
  for (const double sparsity : {0.25, 0.5}) {
    for (const std::string scope : {"row", "tensor", "global"}) {
      CAPTURE(sparsity, scope);
      Pruning project;
      const CompressPruneReport report = project.prune(zeros(sparsity, scope));
      const StoredModel after = project.stored("p");
      std::vector<float> all_before, all_after;
      for (const auto& [name, tensor] : project.before) {
        CAPTURE(name);
        if (!is_pruned(name)) {
          CHECK((after.at(name).bytes == tensor.bytes));
          continue;
        }
        const std::vector<float> x = values_of(tensor), y = values_of(after.at(name));
        all_before.insert(all_before.end(), x.begin(), x.end());
        all_after.insert(all_after.end(), y.begin(), y.end());
        const size_t part = scope == "row" ? tensor.shape.back() : x.size();
        if (scope != "global") for (size_t at = 0; at < x.size(); at += part) check_part(std::span(x).subspan(at, part), std::span(y).subspan(at, part), static_cast<size_t>(sparsity * static_cast<double>(part)));
      }
      if (scope == "global") check_part(all_before, all_after, static_cast<size_t>(sparsity * static_cast<double>(all_before.size())));
      CHECK(report.sparsity_after() == Approx(sparsity));
      CHECK(report.tensors.size() == 14);
    }
  }
}

TEST_CASE("a pattern of 2:4 holds in every group of four, in folders and in GGUF") {
  for (const std::string output : {"p", "p.gguf"}) {
    Pruning project;
    CompressPruneOptions options;
    options.output = output;
    options.pattern = "2:4";
    const CompressPruneReport report = project.prune(options);
    CHECK(report.sparsity_after() == 0.5);
    if (output == "p.gguf") project.convert("p.gguf", "p");
    const StoredModel after = project.stored("p");
    for (const auto& [name, tensor] : project.before) {
      if (!is_pruned(name)) continue;
      const std::vector<float> x = values_of(tensor), y = values_of(after.at(name));
      for (size_t at = 0; at < x.size(); at += 4) check_part(std::span(x).subspan(at, 4), std::span(y).subspan(at, 4), 2);
    }
  }
}

TEST_CASE("Wanda takes the weights whose inputs are weak, also of experts, each by its own statistics") {
  for (const std::string architecture : {"llama", "mixtral"}) {
    for (const std::string output : {"p", "p.gguf"}) {
      CAPTURE(architecture, output);
      Pruning project(small(architecture));
      const Calibration statistics = statistics_for(project.before);
      must(write_calibration(project.root() / "stats.safetensors", statistics));
      CompressPruneOptions options = zeros(0.5, "row", output);
      options.method = "wanda";
      options.statistics = "stats.safetensors";
      project.prune(options);
      if (output == "p.gguf") project.convert("p.gguf", "p");
      const StoredModel after = project.stored("p");
      for (const CalibrationEntry& entry : statistics.entries) {
        CAPTURE(entry.name);
        const std::vector<float> x = values_of(project.before.at(entry.name)), y = values_of(after.at(entry.name));
        const size_t part = entry.mean_squares.size();
        for (size_t at = 0; at < x.size(); at += part) check_part(std::span(x).subspan(at, part), std::span(y).subspan(at, part), part / 2, entry.mean_squares);
      }
    }
  }
}

TEST_CASE("SparseGPT leaves a smaller error of the layer's outputs than magnitude does") {
  Pruning project;
  Calibration statistics = statistics_for(project.before);
  // Inputs that go together, of the strengths that the sums say.
  const auto hessian = [](const CalibrationEntry& entry) -> Result<std::vector<float>> {
    const size_t n = entry.inputs();
    std::vector<float> gram(n * n);
    for (size_t i = 0; i < n; ++i) for (size_t j = 0; j < n; ++j) gram[i * n + j] = (i == j ? 1.0F : 0.8F) * std::sqrt(entry.sums[i] * entry.sums[j]);
    return gram;
  };
  for (CalibrationEntry& entry : statistics.entries) entry.has_hessian = true;
  must(write_calibration(project.root() / "stats.safetensors", statistics, hessian));
  CompressPruneOptions options = zeros(0.5, "row", "s");
  options.method = "sparsegpt";
  options.statistics = "stats.safetensors";
  const CompressPruneReport report = project.prune(options);
  project.prune(zeros(0.5, "row", "p"));
  CHECK(report.sparsity_after() == Approx(0.5).margin(1e-6));
  const StoredModel sparse = project.stored("s"), plain = project.stored("p");
  for (const CalibrationEntry& entry : statistics.entries) {
    CAPTURE(entry.name);
    const std::vector<float> x = values_of(project.before.at(entry.name)), s = values_of(sparse.at(entry.name)), p = values_of(plain.at(entry.name)), gram = must(hessian(entry));
    const size_t n = entry.inputs();
    const auto error = [&](const std::vector<float>& y) {
      double sum = 0;
      for (size_t row = 0; row < 8; ++row) for (size_t i = 0; i < n; ++i) for (size_t j = 0; j < n; ++j) sum += static_cast<double>(x[row * n + i] - y[row * n + i]) * gram[i * n + j] * (x[row * n + j] - y[row * n + j]);
      return sum;
    };
    CHECK(error(s) < 0.7 * error(p));
  }
}

TEST_CASE("layers that are dropped leave a model that is numbered through, in config.json and in keys") {
  SmallModel model = small("qwen3");
  model.layers = 6;
  Pruning project(model);
  project.configure({{"layer_types", {"a", "b", "c", "d", "e", "f"}}, {"eos_token_id", {1, 2, 3, 4, 5, 6}}});
  const CompressPruneReport report = project.prune(drop("1,3-4"));
  CHECK(report.layers_before == 6);
  CHECK(report.layers_after == 3);
  CHECK(project.config("p")["num_hidden_layers"] == 3);
  CHECK(project.config("p")["layer_types"] == Json({"a", "c", "f"}));
  CHECK(project.config("p")["eos_token_id"].size() == 6);
  const StoredModel after = project.stored("p");
  const std::map<size_t, size_t> from = {{0, 0}, {1, 2}, {2, 5}};
  for (const auto& [now, then] : from) CHECK((after.at(fmt::format("model.layers.{}.self_attn.k_norm.weight", now)).bytes == project.before.at(fmt::format("model.layers.{}.self_attn.k_norm.weight", then)).bytes));
  CHECK(after.size() == 3 + 3 * 11);
  CHECK(must(open_model(project.root() / "p", "p")).warnings.empty());
  // The same through GGUF.
  project.convert("m", "m.gguf");
  CompressPruneOptions options = drop("1,3-4", "p.gguf");
  options.model = "m.gguf";
  project.prune(options);
  CHECK(must(read_gguf(project.root() / "p.gguf", "p")).find("qwen3.block_count")->whole() == 3);
  project.convert("p.gguf", "back");
  CHECK(project.config("back") == project.config("p"));
  for (const auto& [name, tensor] : after) CHECK((project.stored("back").at(name).bytes == tensor.bytes));
}

TEST_CASE("a number of layers goes by their influence, the first and the last never") {
  SmallModel model = small("llama");
  model.layers = 5;
  Pruning project(model);
  Calibration statistics = statistics_for(project.before);
  statistics.block_influence = {0.01F, 0.3F, 0.2F, 0.4F, 0.02F};
  must(write_calibration(project.root() / "stats.safetensors", statistics));
  CompressPruneOptions options;
  options.output = "p";
  options.drop_count = 2;
  CHECK(project.refusal(options).find("--drop-count needs the influence of the layers") == 0);
  options.statistics = "stats.safetensors";
  CHECK(project.prune(options).dropped_layers == std::vector<uint64_t>{1, 2});
  options.output = "q";
  options.drop_count = 4;
  CHECK(project.refusal(options).find("4 layers cannot go") == 0);
}

TEST_CASE("a narrower model of each architecture has the shapes that its config.json says") {
  for (const std::string& architecture : small_model_architectures()) {
    for (const std::string wanted : {"heads=2,kv-heads=1", "heads=2", "ffn=32", "heads=2,kv-heads=2,ffn=64"}) {
      CAPTURE(architecture, wanted);
      Pruning project(small(architecture));
      project.prune(width(wanted));
      const Json config = project.config("p");
      CHECK(config["num_attention_heads"] == (wanted == "ffn=32" ? 4 : 2));
      CHECK(config["num_key_value_heads"] == (wanted == "heads=2,kv-heads=1" ? 1 : 2));
      CHECK(config["intermediate_size"] == (wanted == "ffn=32" ? 32 : wanted.ends_with("64") ? 64 : 96));
      const StoredModel after = project.stored("p");
      CHECK(after.size() == project.before.size());
      for (const auto& [name, tensor] : after) {
        CAPTURE(name);
        CHECK(tensor.shape == shape_by_config(name, config));
      }
      // And through GGUF, from the same weights: the same model.
      project.prune(width(wanted, "p.gguf"));
      project.convert("p.gguf", "back");
      CHECK(project.config("back") == config);
      for (const auto& [name, tensor] : project.stored("back")) {
        if (architecture == "gemma2" && name.ends_with("norm.weight")) continue;
        CAPTURE(name);
        CHECK((tensor.bytes == after.at(name).bytes));
      }
    }
  }
}

TEST_CASE("the channels that stay are those of the largest importance, and of the same place in all three matrices") {
  Pruning project;
  Calibration statistics = statistics_for(project.before);
  statistics.head_importance = {2, 4, {1, 2, 3, 4, 4, 3, 2, 1}};
  statistics.ffn_importance = {2, 96, {}};
  for (size_t i = 0; i < 192; ++i) statistics.ffn_importance.values.push_back(static_cast<float>(i * 37 % 96));
  must(write_calibration(project.root() / "stats.safetensors", statistics));
  CompressPruneOptions options = width("heads=2,kv-heads=1,ffn=32");
  options.statistics = "stats.safetensors";
  CHECK(project.prune(options).importance_source == "statistics");
  const StoredModel after = project.stored("p");
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::string at = fmt::format("model.layers.{}.", layer);
    std::vector<size_t> kept;
    for (size_t i = 0; i < 96; ++i) if (statistics.ffn_importance.values[layer * 96 + i] >= 64) kept.push_back(i);
    REQUIRE(kept.size() == 32);
    const std::vector<float> up = values_of(project.before.at(at + "mlp.up_proj.weight")), new_up = values_of(after.at(at + "mlp.up_proj.weight")), down = values_of(project.before.at(at + "mlp.down_proj.weight")), new_down = values_of(after.at(at + "mlp.down_proj.weight"));
    for (size_t i = 0; i < 32; ++i) for (size_t j = 0; j < 64; ++j) {
      CHECK(new_up[i * 64 + j] == up[kept[i] * 64 + j]);
      CHECK(new_down[j * 32 + i] == down[j * 96 + kept[i]]);
    }
    // Heads 2 and 3 in the first layer, 0 and 1 in the second: each pair shares its keys.
    const size_t head = layer == 0 ? 2 : 0;
    const std::vector<float> q = values_of(project.before.at(at + "self_attn.q_proj.weight")), new_q = values_of(after.at(at + "self_attn.q_proj.weight")), v = values_of(project.before.at(at + "self_attn.v_proj.weight")), new_v = values_of(after.at(at + "self_attn.v_proj.weight"));
    for (size_t i = 0; i < 32 * 64; ++i) CHECK(new_q[i] == q[head * 16 * 64 + i]);
    for (size_t i = 0; i < 16 * 64; ++i) CHECK(new_v[i] == v[head / 2 * 16 * 64 + i]);
  }
}

TEST_CASE("what makes no sense to prune is refused, and nothing is left behind") {
  Pruning project;
  CHECK(project.refusal({}).find("nothing says what to prune") == 0);
  CompressPruneOptions both = zeros(0.5);
  both.drop_layers = "1";
  CHECK(project.refusal(both).find("more than one way to prune is given") == 0);
  CHECK(project.refusal(drop("0")).find("the first and the last layer cannot be dropped") == 0);
  CHECK(project.refusal(drop("1")).find("the first and the last layer cannot be dropped") == 0);
  CHECK(project.refusal(drop("7")).find("'7' names 7, and the last is 1") == 0);
  CHECK(project.refusal(width("heads=3")).find("3 heads do not share 2 heads of keys and values evenly") == 0);
  CHECK(project.refusal(width("heads=8")).find("--width heads=8 is more than the 4 there are") == 0);
  CHECK(project.refusal(width("depth=1")).find("--width 'depth=1' is no list of widths") == 0);
  CHECK(project.refusal(zeros(1.5)) != "done");
  CHECK(project.refusal(zeros(0.5, "matrix")) == "--scope 'matrix' is none of row, tensor, global");
  CompressPruneOptions wanda = zeros(0.5);
  wanda.method = "wanda";
  CHECK(project.refusal(wanda).find("--method wanda needs statistics") == 0);
  Calibration other = statistics_for(project.before);
  for (CalibrationEntry& entry : other.entries) entry = must(make_calibration_entry(entry.name, {1, 2, 3}, {1}));
  must(write_calibration(project.root() / "stats.safetensors", other));
  wanda.statistics = "stats.safetensors";
  CHECK(project.refusal(wanda).find("'stats.safetensors' has 3 values for 'model.layers.") == 0);
  other.entries.resize(1);
  other.entries[0] = must(make_calibration_entry("x.weight", {1}, {1}));
  must(write_calibration(project.root() / "stats.safetensors", other));
  CHECK(project.refusal(wanda).find("'stats.safetensors' has nothing for 'model.layers.") == 0);
}
