// A type for each tensor under a budget: sizes to the byte, errors as decoded from the file that was written.
#include "commands/compress/plan.h"

#include <catch2/catch.hpp>

#include "core/model/calibration.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Planning : ModelFolder {
  explicit Planning(const SmallModel& model = small("llama", "BF16", 256)) {
    verify = false;
    write_model(model);
    convert("m", "plain.gguf", "F32");
  }
  Result<CompressPlanReport> attempt(const std::string& budget, const std::string& apply = "", const std::string& importance = "", const std::string& model = "m", bool use_cache = false) {
    CompressPlanOptions options;
    options.model = model;
    options.budget = budget;
    options.apply = apply;
    options.importance = importance;
    options.use_cache = use_cache;
    options.rewrite.verify = verify;
    return compress_plan(session(), options);
  }
  CompressPlanReport plan(const std::string& budget, const std::string& apply = "", const std::string& importance = "", const std::string& model = "m", bool use_cache = false) {
    auto report = attempt(budget, apply, importance, model, use_cache);
    if (!report) FAIL(told(report.error()));
    return std::move(*report);
  }
  // Sum of squared errors of a GGUF file against plain.gguf, each column times its weight; `common`: the weight of tensors without statistics.
  double error_of(const std::string& file, const Calibration* weights = nullptr, double common = 1) {
    CompressQuantizeOptions options = quantize_options(file, file + ".f32.gguf", "F32");
    options.allow_requantize = true;
    must(compress_quantize(session(), options));
    const StoredModel x = stored_model(root() / "plain.gguf"), y = stored_model(root() / options.output);
    double sum = 0;
    for (const auto& [name, tensor] : x) {
      const std::vector<float> a = values_of(tensor), b = values_of(y.at(name));
      const CalibrationEntry* entry = weights == nullptr ? nullptr : weights->find(name);
      for (size_t i = 0; i < a.size(); ++i) sum += (entry == nullptr ? common : static_cast<double>(entry->mean_squares[i % tensor.shape.back()])) * std::pow(static_cast<double>(a[i]) - b[i], 2);
    }
    return sum;
  }
  // For every matrix but the embedding and the output, in some unit: one input of sixteen is strong, and so are all of ffn_down.
  Calibration statistics(float unit) const {
    Calibration made;
    for (const auto& [name, tensor] : stored_model(root() / "plain.gguf")) {
      if (tensor.shape.size() < 2 || name == "output.weight" || name == "token_embd.weight") continue;
      std::vector<float> sums;
      for (size_t i = 0; i < tensor.shape[1]; ++i) sums.push_back(unit * (i % 16 == 3 ? 400.0F : 1.0F) * (name.find("ffn_down") != std::string::npos ? 8.0F : 1.0F));
      made.entries.push_back(must(make_calibration_entry(name, sums, {1})));
    }
    made.tokens = 1;
    return made;
  }
};

const PlanPoint& mix_of(const CompressPlanReport& report, const std::string& name) {
  const auto found = std::find_if(report.mixes.begin(), report.mixes.end(), [&](const PlanPoint& point) { return point.name == name; });
  REQUIRE(found != report.mixes.end());
  return *found;
}

}  // namespace

TEST_CASE("a plan of a mix's size has a smaller error than the mix, and its file is no larger") {
  Planning project;
  for (const std::string mix : {"Q3_K_M", "Q4_K_M", "Q5_K_S"}) {
    CAPTURE(mix);
    const CompressPlanReport report = project.plan(mix, "p-" + mix + ".gguf");
    must(compress_quantize(project.session(), project.quantize_options("m", "q-" + mix + ".gguf", mix)));
    const uint64_t size = fs::file_size(project.root() / ("p-" + mix + ".gguf")), of_mix = fs::file_size(project.root() / ("q-" + mix + ".gguf"));
    CHECK(report.budget_bytes == of_mix);
    CHECK(mix_of(report, mix).bytes == of_mix);
    CHECK(size == report.file_bytes);
    CHECK(size <= of_mix);
    const double error = project.error_of("p-" + mix + ".gguf"), error_of_mix = project.error_of("q-" + mix + ".gguf");
    CHECK(report.error == Approx(error).epsilon(1e-6));
    CHECK(mix_of(report, mix).error == Approx(error_of_mix).epsilon(1e-6));
    CHECK(error <= error_of_mix);
    if (mix == "Q4_K_M") CHECK(error < 0.99 * error_of_mix);
    CHECK(report.lower_bound <= report.error * (1 + 1e-9));
    for (const auto& [name, tensor] : stored_model(project.root() / ("p-" + mix + ".gguf"))) {
      const auto planned = std::find_if(report.tensors.begin(), report.tensors.end(), [&](const PlannedTensor& one) { return one.name == name; });
      REQUIRE(planned != report.tensors.end());
      CHECK(planned->type == tensor.type);
    }
  }
}

TEST_CASE("on both models of llama.cpp's quantizer the plan of each mix's size has the smaller error") {
  const auto root = data_root();
  if (!root) return note_left_out("plans for files of llama.cpp's quantizer");
  Planning project;
  for (const std::string model : {"tiny", "tiny-odd"}) {
    const std::string source = (*root / "quant" / (model + "-f32.gguf")).string();
    for (const std::string mix : {"Q4_K_M", "Q5_K_M"}) {
      CAPTURE(model, mix);
      const CompressPlanReport report = project.plan(mix, "", "", source);
      CHECK(report.error < mix_of(report, mix).error);
      CHECK(report.file_bytes <= mix_of(report, mix).bytes);
    }
  }
}

TEST_CASE("no budget is passed, a larger one is never worse, and the largest keeps the weights as they are") {
  Planning project;
  const CompressPlanReport whole = project.plan("1GiB", "", "", "m", true);
  const uint64_t least = whole.front.front().bytes, most = whole.file_bytes;
  double last = INFINITY;
  for (uint64_t budget = least; budget < most + 50'000; budget += 60'007) {
    CAPTURE(budget);
    const CompressPlanReport report = project.plan(std::to_string(budget), "", "", "m", true);
    CHECK(report.budget_bytes == budget);
    CHECK(report.file_bytes <= budget);
    CHECK(report.error <= last);
    last = report.error;
  }
  const CompressPlanReport all = project.plan("1GiB", "all.gguf", "", "m", true);
  CHECK(all.error == 0);
  CHECK(fs::file_size(project.root() / "all.gguf") == all.file_bytes);
  for (const auto& [name, tensor] : stored_model(project.root() / "all.gguf")) CHECK(tensor.type == (tensor.shape.size() == 1 ? "F32" : "BF16"));
  for (size_t i = 1; i < all.front.size(); ++i) {
    CHECK(all.front[i].bytes > all.front[i - 1].bytes);
    CHECK(all.front[i].error < all.front[i - 1].error);
  }
}

TEST_CASE("a budget that is too small is refused with the least that does, and that least does") {
  Planning project;
  const std::string said = project.refused([&] { return project.attempt("100000", "p.gguf"); });
  const size_t at = said.find("with the smallest type for each tensor the file takes ");
  REQUIRE(at != std::string::npos);
  const std::string least = std::to_string(std::stoull(said.substr(at + 54)));
  CHECK(project.plan(least, "p.gguf").file_bytes == std::stoull(least));
  CHECK(fs::file_size(project.root() / "p.gguf") == std::stoull(least));
  CHECK(project.refused([&] { return project.attempt(std::to_string(std::stoull(least) - 1)); }).find("bytes are too few") != std::string::npos);
  CHECK(project.refused([&] { return project.attempt("10"); }).find("10 bytes") == 0);
  CHECK(project.refused([&] { return project.attempt("much"); }).find("--budget 'much' is neither a size nor a mix") == 0);
  CHECK(project.refused([&] { return project.attempt("Q4_K_M", "p"); }).find("'p' does not end in .gguf") != std::string::npos);
}

TEST_CASE("what was measured is kept: the same plan again, and another for other weights") {
  Planning project;
  const CompressPlanReport first = project.plan("Q4_K_M", "", "", "m", true), again = project.plan("Q4_K_M", "", "", "m", true), fresh = project.plan("Q4_K_M");
  CHECK_FALSE(first.from_cache);
  CHECK(again.from_cache);
  CHECK_FALSE(fresh.from_cache);
  CHECK(again.error == first.error);
  for (size_t i = 0; i < first.tensors.size(); ++i) {
    CHECK(again.tensors[i].type == first.tensors[i].type);
    CHECK(again.tensors[i].error == first.tensors[i].error);
  }
  SmallModel other = small("llama", "BF16", 256);
  other.seed = 2;
  project.write_model(other, "n");
  CHECK_FALSE(project.plan("Q4_K_M", "", "", "n", true).from_cache);
  // The same bytes under another type are other weights.
  std::string bytes = file_bytes(project.root() / "m/model.safetensors");
  for (size_t at = bytes.find("\"BF16\""); at != std::string::npos; at = bytes.find("\"BF16\"")) bytes.replace(at, 6, "\"F16\" ");
  project.write("m/model.safetensors", bytes);
  const auto halves = project.attempt("Q4_K_M", "", "", "m", true);
  REQUIRE(halves);
  CHECK_FALSE(halves->from_cache);
}

TEST_CASE("a kept measurement that is broken is made again") {
  Planning project;
  const CompressPlanReport first = project.plan("Q4_K_M", "", "", "m", true);
  fs::path kept;
  for (const auto& entry : fs::recursive_directory_iterator(project.dir.path())) if (entry.path().filename().string().starts_with("type-errors-")) kept = entry.path();
  REQUIRE_FALSE(kept.empty());
  const Json whole = must(parse_json(file_bytes(kept), "cache"));
  for (const auto& [key, value] : {std::pair<std::string, Json>{"squares", nullptr}, std::pair<std::string, Json>{"errors", 7}, std::pair<std::string, Json>{"form", 1}}) {
    CAPTURE(key);
    Json broken = whole;
    if (value.is_null()) broken.erase(key);
    else broken[key] = value;
    std::ofstream(kept, std::ios::binary) << dump_json(broken);
    const CompressPlanReport again = project.plan("Q4_K_M", "", "", "m", true);
    CHECK_FALSE(again.from_cache);
    CHECK(again.error == first.error);
  }
}

TEST_CASE("statistics make the same plan whatever their unit, and what they lack is told of") {
  Planning project;
  std::vector<CompressPlanReport> plans;
  for (const float unit : {1.0F, 1024.0F}) {
    Calibration statistics = project.statistics(unit);
    statistics.entries[1].counts = {0};
    must(write_imatrix_gguf(project.root() / "imatrix.gguf", statistics));
    plans.push_back(project.plan("Q4_K_S", "", "imatrix.gguf"));
    CHECK(has_warning(plans.back().warnings, fmt::format("'imatrix.gguf' is not used for '{}': ", statistics.entries[1].name)));
    CHECK(has_warning(plans.back().warnings, "13 of 16 matrices are weighted by their inputs, the others have no statistics: each of their values weighs "));
  }
  CHECK(*plans[1].common_weight == 1024 * *plans[0].common_weight);
  for (size_t i = 0; i < plans[0].tensors.size(); ++i) CHECK(plans[0].tensors[i].type == plans[1].tensors[i].type);
  CHECK_FALSE(project.plan("Q4_K_S").common_weight.has_value());
}

TEST_CASE("statistics make another plan, with a smaller error by their weights") {
  Planning project;
  must(write_imatrix_gguf(project.root() / "imatrix.gguf", project.statistics(1)));
  const Calibration read = must(open_calibration(project.root() / "imatrix.gguf", "imatrix.gguf"));
  const uint64_t budget = project.plan("Q4_K_S").budget_bytes;
  const CompressPlanReport plain = project.plan(std::to_string(budget), "p.gguf"), weighted = project.plan(std::to_string(budget), "w.gguf", "imatrix.gguf");
  CHECK(weighted.is_weighted);
  CHECK_FALSE(plain.is_weighted);
  CHECK(fs::file_size(project.root() / "w.gguf") == weighted.file_bytes);
  CHECK(weighted.file_bytes <= budget);
  // 400 at one input of sixteen and 1 at the others; eight times that in ffn_down, which are 256 * 512 of the (2 * 256 + 2 * 128) * 256 + 3 * 256 * 512 values of a layer.
  const double plain_mean = (400.0 + 15) / 16, common = plain_mean * (2.0 * 256 + 2.0 * 128 + 2.0 * 512 + 8.0 * 512) / (2.0 * 256 + 2.0 * 128 + 3.0 * 512);
  CHECK(*weighted.common_weight == Approx(common).epsilon(1e-9));
  CHECK(weighted.error == Approx(project.error_of("w.gguf", &read, common)).epsilon(1e-6));
  CHECK(weighted.error < 0.9 * project.error_of("p.gguf", &read, common));
  size_t different = 0;
  for (size_t i = 0; i < plain.tensors.size(); ++i) different += plain.tensors[i].type != weighted.tensors[i].type;
  CHECK(different > 0);
}

TEST_CASE("sizes are read with units of a thousand and of 1024, and nothing else is a size") {
  CHECK(parse_size("700MB") == 700'000'000);
  CHECK(parse_size("1.5GiB") == 1'610'612'736);
  CHECK(parse_size("12345") == 12345);
  for (const std::string wrong : {"", "GiB", "-1", "0", "nan", "inf", "1e30", "5 GiB", "5GiBs", "Q4_K_M"}) CHECK_FALSE(parse_size(wrong));
}
