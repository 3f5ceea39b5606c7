// Sizes are those of the file that would be written: tensors are padded, and the header does not depend on the types.
#include "commands/compress/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "commands/compress/output_files.h"
#include "commands/compress/type_errors.h"
#include "core/base/hash.h"
#include "core/model/conversion.h"
#include "core/quant/block_types.h"

namespace llmops {
namespace {

constexpr size_t kFrontPoints = 12;

class Planner {
 public:
  Planner(const Session& session, const CompressPlanOptions& options) : session_(session), options_(options), here_(session.surroundings().working_directory) {}

  Result<CompressPlanReport> run() {
    if (!options_.apply.empty() && !is_gguf_output(options_.apply)) return Error(ErrorCode::kUsage, fmt::format("--apply '{}' does not end in .gguf", options_.apply), fmt::format("write to '{}.gguf'", options_.apply));
    LLMOPS_ASSIGN(model_, open_model((here_ / options_.model).lexically_normal(), options_.model));
    LLMOPS_CHECK(check_first());
    LLMOPS_ASSIGN(plan_, plan_gguf_of(model_, options_.model, true));
    for (const GgufEntry& entry : plan_.entries) if (entry.key == "general.alignment") alignment_ = entry.whole().value_or(alignment_);
    LLMOPS_CHECK(find_open());
    LLMOPS_CHECK(read_importance());
    // Keys that the written file will have, so that its size is known to the byte.
    set_entry(plan_.entries, gguf_u32("general.file_type", 0));
    mark_quantized(plan_.entries);
    if (report_.is_weighted) describe_importance(calibration_, options_.importance, plan_.entries);
    TypeErrorsRequest request{&session_, &model_, &plan_, &is_open_, report_.is_weighted ? &importance_ : nullptr, report_.common_weight.value_or(1), importance_digest_, options_.use_cache, options_.rewrite.threads};
    LLMOPS_ASSIGN(errors_, measure_type_errors(request));
    report_.source = options_.model;
    report_.from_cache = errors_.from_cache;
    report_.warnings = model_.warnings;
    report_.warnings.insert(report_.warnings.end(), plan_.warnings.begin(), plan_.warnings.end());
    report_.warnings.insert(report_.warnings.end(), importance_warnings_.begin(), importance_warnings_.end());
    LLMOPS_CHECK(make_items());
    LLMOPS_CHECK(measure_mixes());
    LLMOPS_CHECK(read_budget());
    LLMOPS_CHECK(solve());
    if (!options_.apply.empty()) LLMOPS_CHECK(apply());
    return std::move(report_);
  }

 private:
  // What can be refused is refused before the measurement, which takes minutes for a large model.
  Status check_first() const {
    const Mix* mix = find_mix(options_.budget);
    if (!parse_size(options_.budget) && (mix == nullptr || find_block_type(mix->base)->elements == 1 || (mix->needs_importance && options_.importance.empty()))) return unknown_budget();
    if (options_.apply.empty()) return {};
    RewriteOptions checked = options_.rewrite;
    checked.output = options_.apply;
    if (!options_.importance.empty()) checked.inputs.push_back(options_.importance);
    return check_output(session_, checked, model_, false);
  }

  Error unknown_budget() const { return Error(ErrorCode::kUsage, fmt::format("--budget '{}' is neither a size nor a mix of block types", options_.budget), "--budget 4.5GiB, --budget 700MB, or --budget Q4_K_M for the size of that mix"); }

  // Tensors that have a choice. Sources that are quantized already have none left to gain.
  Status find_open() {
    const Mix& any = *find_mix("Q4_K_M");
    const std::vector<MixChoice> choices = choose_types(any, mix_model_of(plan_), mix_tensors_of(plan_));
    for (size_t i = 0; i < choices.size(); ++i) {
      const TensorRecipe& recipe = plan_.recipes[i];
      const BlockType* stored = find_block_type(recipe.type);
      if (choices[i].is_quantizable && stored != nullptr && stored->elements > 1) return Error(ErrorCode::kUsage, fmt::format("tensor '{}' is quantized already ({})", recipe.name, recipe.type), "plan from the F16 or BF16 weights");
      is_open_.push_back(choices[i].is_quantizable);
    }
    if (std::none_of(is_open_.begin(), is_open_.end(), [](bool open) { return open; })) return Error(ErrorCode::kData, fmt::format("'{}' has no matrices whose type could be chosen", options_.model), "names: llmops compress inspect MODEL");
    return {};
  }

  Status read_importance() {
    if (options_.importance.empty()) return {};
    LLMOPS_ASSIGN(calibration_, open_calibration((here_ / options_.importance).lexically_normal(), options_.importance));
    LLMOPS_ASSIGN(importance_, ImportanceTable::make(calibration_, model_, plan_));
    LLMOPS_ASSIGN(const FileDigest digest, sha256_file((here_ / options_.importance).lexically_normal()));
    importance_digest_ = digest.sha256;
    report_.is_weighted = true;
    warn_of_refused(calibration_, importance_warnings_);
    report_.common_weight = importance_.common_weight();
    if (const std::string told = importance_.told(plan_); !told.empty()) importance_warnings_.push_back(fmt::format("{}: each of their values weighs {:.3g}, the mean of the weighted ones", told, *report_.common_weight));
    return {};
  }

  Status make_items() {
    for (size_t i = 0; i < plan_.recipes.size(); ++i) {
      const TensorRecipe& recipe = plan_.recipes[i];
      PlannedTensor tensor;
      tensor.name = recipe.name;
      tensor.source_type = recipe.sources.empty() ? "" : model_.tensors[recipe.sources[0]].type;
      tensor.type = recipe.type;
      tensor.shape = recipe.shape;
      tensor.parameters = recipe.info().elements();
      tensor.is_fixed = !is_open_[i];
      report_.parameters += tensor.parameters;
      squares_ += errors_.squares[i];
      if (tensor.is_fixed) tensor.options.push_back({recipe.type, bytes_as(recipe, recipe.type), 0});
      else add_options(recipe, i, tensor);
      AllocationItem item;
      for (const PlannedTensor::Option& option : tensor.options) item.push_back({option.bytes, option.error});
      items_.push_back(std::move(item));
      if (tensor.is_fixed) report_.fixed_bytes += tensor.options[0].bytes;
      report_.tensors.push_back(std::move(tensor));
    }
    // What is left of the file beside its tensors is the header.
    LLMOPS_ASSIGN(const OutputFiles output, OutputFiles::plan(here_ / "plan.gguf", plan_, 0, false));
    uint64_t tensors = 0;
    for (const TensorRecipe& recipe : plan_.recipes) tensors += bytes_as(recipe, recipe.type);
    header_bytes_ = output.size_bytes() - tensors;
    return {};
  }

  void add_options(const TensorRecipe& recipe, size_t index, PlannedTensor& tensor) const {
    for (size_t type = 0; type < errors_.types.size(); ++type) {
      const std::string& name = errors_.types[type];
      const bool is_widened = bytes_as_or_none(recipe, name) >= bytes_as(recipe, recipe.type);
      if (errors_.errors[index][type] && !is_widened) tensor.options.push_back({name, bytes_as(recipe, name), *errors_.errors[index][type]});
    }
    tensor.options.push_back({recipe.type, bytes_as(recipe, recipe.type), 0});   // as it is
    std::stable_sort(tensor.options.begin(), tensor.options.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  }

  // With the padding behind it.
  uint64_t bytes_as(const TensorRecipe& recipe, const std::string& type) const {
    const GgufType& block = *gguf_type(type);
    const uint64_t bytes = recipe.row_length() / block.elements * block.bytes * recipe.row_count();
    return (bytes + alignment_ - 1) / alignment_ * alignment_;
  }

  uint64_t bytes_as_or_none(const TensorRecipe& recipe, const std::string& type) const { return recipe.row_length() % gguf_type(type)->elements == 0 ? bytes_as(recipe, type) : 0; }

  // Size and error of llama.cpp's mixes by the same figures.
  Status measure_mixes() {
    MixModel facts = mix_model_of(plan_);
    facts.has_importance = report_.is_weighted;
    for (const Mix& mix : mixes()) {
      if (mix.needs_importance && !report_.is_weighted) continue;
      if (find_block_type(mix.base)->elements == 1) continue;
      const std::vector<MixChoice> choices = choose_types(mix, facts, mix_tensors_of(plan_));
      PlanPoint point{std::string(mix.name), header_bytes_, 0, 0};
      for (size_t i = 0; i < choices.size(); ++i) {
        const auto& options = report_.tensors[i].options;
        const auto found = std::find_if(options.begin(), options.end(), [&](const auto& option) { return option.type == choices[i].type; });
        point.bytes += found == options.end() ? bytes_as(plan_.recipes[i], choices[i].type) : found->bytes;
        point.error += found == options.end() ? 0 : found->error;
      }
      point.relative_rms = relative(point.error);
      report_.mixes.push_back(point);
    }
    std::stable_sort(report_.mixes.begin(), report_.mixes.end(), [](const PlanPoint& a, const PlanPoint& b) { return a.bytes < b.bytes; });
    return {};
  }

  double relative(double error) const { return squares_ > 0 ? std::sqrt(error / squares_) : 0; }

  Status read_budget() {
    if (const auto bytes = parse_size(options_.budget)) {
      report_.budget_bytes = *bytes;
      return {};
    }
    const Mix* mix = find_mix(options_.budget);
    const auto found = mix == nullptr ? report_.mixes.end() : std::find_if(report_.mixes.begin(), report_.mixes.end(), [&](const PlanPoint& point) { return point.name == mix->name; });
    if (found == report_.mixes.end()) return unknown_budget();
    report_.budget_bytes = found->bytes;
    return {};
  }

  Status solve() {
    if (report_.budget_bytes < header_bytes_) return Error(ErrorCode::kBudget, fmt::format("{} bytes are less than the header of the file takes ({})", report_.budget_bytes, header_bytes_));
    auto solved = allocate(items_, report_.budget_bytes - header_bytes_);
    if (!solved) {
      uint64_t least = header_bytes_;
      for (const AllocationItem& item : items_) least += item.front().bytes;
      if (solved.error().code == ErrorCode::kBudget) return Error(ErrorCode::kBudget, fmt::format("{} bytes are too few: with the smallest type for each tensor the file takes {}", report_.budget_bytes, least), "give a larger --budget, or a smaller model");
      return std::move(solved).error();
    }
    report_.file_bytes = header_bytes_ + solved->bytes;
    report_.error = solved->error;
    report_.relative_rms = relative(solved->error);
    report_.lower_bound = solved->lower_bound;
    report_.is_exact = solved->exact;
    for (size_t i = 0; i < report_.tensors.size(); ++i) {
      const PlannedTensor::Option& chosen = report_.tensors[i].options[solved->choices[i]];
      report_.tensors[i].type = chosen.type;
      report_.tensors[i].bytes = chosen.bytes;
      report_.tensors[i].error = chosen.error;
    }
    return add_front();
  }

  Status add_front() {
    LLMOPS_ASSIGN(const std::vector<ParetoPoint> points, pareto(items_));
    if (points.empty()) return {};
    // Evenly spaced in size, the ends among them.
    const double first = static_cast<double>(points.front().bytes), step = (static_cast<double>(points.back().bytes) - first) / (kFrontPoints - 1);
    uint64_t last = UINT64_MAX;
    for (size_t i = 0; i < kFrontPoints; ++i) {
      const double wanted = first + step * static_cast<double>(i) + 0.5;
      const auto after = std::find_if(points.begin(), points.end(), [&](const ParetoPoint& point) { return static_cast<double>(point.bytes) > wanted; });
      const ParetoPoint& point = after == points.begin() ? *after : *(after - 1);
      if (point.bytes == last) continue;
      last = point.bytes;
      report_.front.push_back({"", header_bytes_ + point.bytes, point.error, relative(point.error)});
    }
    return {};
  }

  Status apply() {
    WeightsPlan made = plan_;
    for (size_t i = 0; i < made.recipes.size(); ++i) made.recipes[i].type = report_.tensors[i].type;
    set_entry(made.entries, gguf_u32("general.file_type", file_type_of(made)));
    made.warnings.insert(made.warnings.end(), importance_warnings_.begin(), importance_warnings_.end());
    RewriteOptions rewriting = options_.rewrite;
    rewriting.command = "plan";
    rewriting.output = options_.apply;
    if (report_.is_weighted) rewriting.inputs.push_back(options_.importance);
    rewriting.type = "plan";
    rewriting.options = {{"budget", options_.budget}, {"imatrix", options_.importance.empty() ? Json() : Json(options_.importance)}};
    if (report_.is_weighted) rewriting.importance = [this](size_t recipe, uint64_t row) { return importance_.of(recipe, row); };
    LLMOPS_ASSIGN(report_.applied, rewrite(session_, model_, options_.model, std::move(made), rewriting));
    return {};
  }

  const Session& session_;
  const CompressPlanOptions& options_;
  const fs::path& here_;
  Model model_;
  WeightsPlan plan_;
  std::vector<bool> is_open_;
  Calibration calibration_;
  ImportanceTable importance_;
  std::string importance_digest_;
  std::vector<std::string> importance_warnings_;
  TypeErrors errors_;
  std::vector<AllocationItem> items_;
  uint64_t header_bytes_ = 0, alignment_ = 32;
  double squares_ = 0;
  CompressPlanReport report_;
};

}  // namespace

std::optional<uint64_t> parse_size(const std::string& text) {
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || !(number > 0)) return std::nullopt;
  std::string unit(end, text.data() + text.size());
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static const std::map<std::string, double> kUnits = {{"", 1}, {"b", 1}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"kib", 1024}, {"mib", 1048576}, {"gib", 1073741824}, {"tib", 1099511627776.0}, {"k", 1024}, {"m", 1048576}, {"g", 1073741824}};
  const auto found = kUnits.find(unit);
  if (found == kUnits.end() || number * found->second > 9e18) return std::nullopt;
  return static_cast<uint64_t>(number * found->second);
}

Result<CompressPlanReport> compress_plan(const Session& session, CompressPlanOptions options) { return Planner(session, options).run(); }

}  // namespace llmops
