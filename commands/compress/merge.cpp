#include "commands/compress/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "commands/compress/quantize.h"
#include "core/model/adapter.h"
#include "core/model/architectures.h"
#include "core/model/conversion.h"
#include "core/quant/block_types.h"

namespace llmops {
namespace {

// What a recipe of the base gets from the adapter: the pair, and which row of Hugging Face's matrix each of its rows is.
struct Target { const AdapterPair* pair = nullptr; std::vector<uint32_t> rows; };

class Merger {
 public:
  Merger(const Session& session, const CompressMergeOptions& options) : session_(session), options_(options) {}

  Result<CompressWriteReport> run() {
    const fs::path& here = session_.surroundings().working_directory;
    LLMOPS_ASSIGN(base_, open_model((here / options_.base).lexically_normal(), options_.base));
    LLMOPS_ASSIGN(adapter_, open_adapter((here / options_.adapter).lexically_normal(), options_.adapter));
    LLMOPS_CHECK(check_plain(base_, options_.base));
    const bool to_gguf = is_gguf_output(options_.output);
    if (base_.format == "gguf" && !to_gguf) return Error(ErrorCode::kUsage, fmt::format("the base is GGUF, and '{}' does not end in .gguf", options_.output), "convert it before or after: llmops compress convert");
    WeightsPlan plan;
    LLMOPS_ASSIGN(plan, to_gguf ? plan_gguf_of(base_, options_.base, true) : plan_same_safetensors(base_));
    LLMOPS_CHECK(find_targets(plan));
    plan.warnings.insert(plan.warnings.end(), adapter_.model.warnings.begin(), adapter_.model.warnings.end());
    LLMOPS_ASSIGN(const WeightReader reader, WeightReader::open(adapter_.model));
    RewriteOptions rewriting = options_.rewrite;
    rewriting.command = "merge";
    rewriting.output = options_.output;
    rewriting.inputs = {options_.adapter};
    rewriting.type = fmt::format("{} changed", adapter_.pairs.size() == 1 ? "1 matrix" : fmt::format("{} matrices", adapter_.pairs.size()));
    rewriting.options = {{"adapter", options_.adapter}, {"adapter_base", adapter_.base.empty() ? Json() : Json(adapter_.base)}};
    rewriting.is_edited = [&](const TensorRecipe& recipe) { return targets_.contains(recipe.name); };
    rewriting.edit = [&](const TensorRecipe& recipe, const Piece& piece, std::span<float> values) -> Status {
      LLMOPS_ASSIGN(const std::shared_ptr<const AdapterDelta> delta, delta_of(reader, recipe.name));
      const Target& target = targets_.at(recipe.name);
      const uint64_t length = recipe.row_length();
      for (uint64_t i = 0; i < piece.rows; ++i) {
        const uint64_t row = piece.first_row + i;
        delta->add_row(target.rows.empty() ? row : target.rows[row], values.subspan(i * length, length));
      }
      return {};
    };
    return rewrite(session_, base_, options_.base, std::move(plan), rewriting);
  }

 private:
  // Hugging Face's name of a recipe of the base.
  std::string plain_name(const TensorRecipe& recipe) const {
    if (recipe.sources.size() != 1) return "";
    const std::string& source = base_.tensors[recipe.sources[0]].name;
    if (base_.format != "gguf") return source;
    const Architecture* architecture = architecture_of_gguf(base_.architecture, false);
    return architecture == nullptr ? "" : hugging_face_name(source, *architecture);
  }

  Status find_targets(const WeightsPlan& plan) {
    std::map<std::string, const AdapterPair*> wanted;
    for (const AdapterPair& pair : adapter_.pairs) wanted[pair.target] = &pair;
    for (const TensorRecipe& recipe : plan.recipes) {
      const auto found = wanted.find(plain_name(recipe));
      if (found == wanted.end()) continue;
      const AdapterPair& pair = *found->second;
      if (recipe.shape != std::vector<uint64_t>{pair.outputs, pair.inputs}) return Error(ErrorCode::kData, fmt::format("the adapter changes '{}' as {} x {}, and the base has {} x {}", pair.target, pair.outputs, pair.inputs, recipe.row_count(), recipe.row_length()), "it was trained for another model");
      const BlockType* type = find_block_type(recipe.type);
      if (recipe.type != "F64" && (type == nullptr || type->elements > 1)) return Error(ErrorCode::kUsage, fmt::format("tensor '{}' of the base is quantized ({})", recipe.name, recipe.type), "merge into the F16 or BF16 weights, then quantize");
      LLMOPS_ASSIGN(std::vector<uint32_t> rows, rows_of(recipe, pair));
      targets_[recipe.name] = {&pair, std::move(rows)};
      wanted.erase(found);
    }
    const auto is_expert = [](const auto& one) { return one.first.find(".experts.") != std::string::npos; };
    if (const auto expert = std::find_if(wanted.begin(), wanted.end(), is_expert); expert != wanted.end() && plan.format == "gguf") {
      return Error(ErrorCode::kUsage, fmt::format("the adapter changes the expert '{}', and adapters of experts are not merged into GGUF, which stacks them", expert->first), "merge into the folder of the base, then convert: llmops compress convert");
    }
    if (!wanted.empty()) return Error(ErrorCode::kData, fmt::format("the base has no '{}', which the adapter changes ({} of its {} matrices)", wanted.begin()->first, wanted.size(), adapter_.pairs.size()), "it was trained for another model");
    return {};
  }

  Result<std::vector<uint32_t>> rows_of(const TensorRecipe& recipe, const AdapterPair& pair) const {
    if (base_.format != "gguf") return recipe.rows;
    const Architecture* architecture = architecture_of_gguf(base_.architecture, false);
    const bool is_query = recipe.name.find(".attn_q.") != std::string::npos, is_key = recipe.name.find(".attn_k.") != std::string::npos;
    if (!architecture->interleaves_rope || (!is_query && !is_key)) return std::vector<uint32_t>();
    const auto number = [&](const char* key) {
      const auto found = base_.metadata.find(fmt::format("{}.{}", base_.architecture, key));
      return found != base_.metadata.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
    };
    const uint64_t heads = number("attention.head_count"), key_heads = number("attention.head_count_kv"), of = is_query || key_heads == 0 ? heads : key_heads;
    if (of == 0 || pair.outputs % (2 * of) != 0) return Error(ErrorCode::kData, fmt::format("tensor '{}' has {} rows, which do not divide into {} heads of even size", recipe.name, pair.outputs, of));
    return interleaved_rows(pair.outputs, of);
  }

  // Read when the first of its pieces comes; a few are kept, as pieces of one tensor follow each other.
  Result<std::shared_ptr<const AdapterDelta>> delta_of(const WeightReader& reader, const std::string& name) {
    constexpr size_t kMostKept = 8;
    const std::lock_guard lock(mutex_);
    if (const auto found = deltas_.find(name); found != deltas_.end()) return found->second;
    if (deltas_.size() >= kMostKept) deltas_.clear();
    LLMOPS_ASSIGN(AdapterDelta delta, AdapterDelta::read(reader, *targets_.at(name).pair));
    return deltas_[name] = std::make_shared<const AdapterDelta>(std::move(delta));
  }

  const Session& session_;
  const CompressMergeOptions& options_;
  Model base_;
  Adapter adapter_;
  std::map<std::string, Target> targets_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const AdapterDelta>> deltas_;
};

}  // namespace

Result<CompressWriteReport> compress_merge(const Session& session, const CompressMergeOptions& options) { return Merger(session, options).run(); }

Result<CompressWriteReport> convert_adapter(const Session& session, const CompressMergeOptions& options) {
  const fs::path& here = session.surroundings().working_directory;
  LLMOPS_ASSIGN(const Adapter adapter, open_adapter((here / options.adapter).lexically_normal(), options.adapter));
  if (options.base.empty()) return Error(ErrorCode::kUsage, fmt::format("'{}' is an adapter: its GGUF form depends on the base model", options.adapter), "give the folder of the base model, or its config.json's folder: --base PATH");
  LLMOPS_ASSIGN(const std::string text, read_file((here / options.base / "config.json").lexically_normal(), 64 << 20));
  LLMOPS_ASSIGN(const Json config, parse_json(text, "config.json"));
  LLMOPS_ASSIGN(WeightsPlan plan, plan_gguf_adapter(adapter, config));
  RewriteOptions rewriting = options.rewrite;
  rewriting.command = "convert";
  rewriting.output = options.output;
  rewriting.inputs = {(fs::path(options.base) / "config.json").generic_string()};
  rewriting.options = {{"base", options.base}};
  return rewrite(session, adapter.model, options.adapter, std::move(plan), rewriting);
}

}  // namespace llmops
