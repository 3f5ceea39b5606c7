#include "commands/compress/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include "commands/compress/prune_shape.h"
#include "commands/compress/recipe_statistics.h"
#include "core/model/conversion.h"
#include "core/quant/block_types.h"
#include "core/quant/sparse_gpt.h"

namespace llmops {
namespace {

Result<PruneMethod> parse_method(const std::string& name) {
  const std::vector<std::string> names = {"magnitude", "wanda", "sparsegpt"};
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return Error(ErrorCode::kUsage, fmt::format("--method '{}' is not known", name), did_you_mean(name, names));
  return static_cast<PruneMethod>(found - names.begin());
}

bool is_prunable(const TensorRecipe& recipe) {
  const TensorRole role = tensor_role(recipe.name);
  const bool is_router = recipe.name.find("ffn_gate_inp") != std::string::npos || recipe.name.find("block_sparse_moe.gate.") != std::string::npos;
  return recipe.shape.size() >= 2 && recipe.name.ends_with("weight") && !is_router && (role == TensorRole::kAttention || role == TensorRole::kFeedForward || role == TensorRole::kExpert);
}

Status check_sources(const Model& model) {
  for (const ModelTensor& tensor : model.tensors) {
    const BlockType* type = find_block_type(tensor.type);
    if (type != nullptr && type->elements > 1) return Error(ErrorCode::kUsage, fmt::format("tensor '{}' is quantized ({})", tensor.name, tensor.type), "prune the F16 or BF16 weights, then quantize");
  }
  return {};
}

Error unread_statistics(const std::string& by) { return Error(ErrorCode::kUsage, fmt::format("--stats is not read by {}", by), "leave it out: --method wanda and sparsegpt, --drop-count and --width read it"); }

class ZeroPruner {
 public:
  ZeroPruner(const Session& session, const CompressPruneOptions& options, const Model& model, WeightsPlan plan) : session_(session), options_(options), model_(model), plan_(std::move(plan)) {}

  Result<CompressPruneReport> run() {
    LLMOPS_ASSIGN(method_, parse_method(options_.method));
    if (std::none_of(plan_.recipes.begin(), plan_.recipes.end(), is_prunable)) return Error(ErrorCode::kData, fmt::format("'{}' has no attention or feed-forward matrices to prune", options_.model), "names: llmops compress inspect MODEL");
    LLMOPS_CHECK(read_target());
    LLMOPS_CHECK(read_statistics());
    results_.resize(plan_.recipes.size());
    RewriteOptions rewriting = options_.rewrite;
    rewriting.command = "prune";
    rewriting.output = options_.output;
    if (!options_.statistics.empty()) rewriting.inputs.push_back(options_.statistics);
    rewriting.type = target_.pattern ? options_.pattern : fmt::format("{:g} %", 100 * target_.sparsity);
    rewriting.options = {{"method", options_.method}, {"sparsity", options_.sparsity ? Json(*options_.sparsity) : Json()}, {"pattern", options_.pattern.empty() ? Json() : Json(options_.pattern)}, {"scope", options_.scope}, {"stats", options_.statistics.empty() ? Json() : Json(options_.statistics)}};
    rewriting.whole = true;
    rewriting.is_edited = [](const TensorRecipe& recipe) { return is_prunable(recipe); };
    rewriting.edit = [this](const TensorRecipe& recipe, const Piece& piece, std::span<float> values) { return prune(recipe, piece.recipe, values); };
    if (options_.scope == "global" && !options_.rewrite.is_dry) {
      // Ties are taken in the order of the values, so that one thread sees them in it.
      rewriting.threads = 1;
      LLMOPS_CHECK(search_cut());
    }
    CompressPruneReport report;
    LLMOPS_ASSIGN(report.written, rewrite(session_, model_, options_.model, plan_, rewriting));
    report.method = options_.method;
    for (size_t i = 0; i < results_.size(); ++i) {
      if (!results_[i]) continue;
      report.tensors.push_back({plan_.recipes[i].name, results_[i]->weights, results_[i]->zeros_before, results_[i]->zeros_after, results_[i]->removed_squares, results_[i]->loss});
    }
    report.written.warnings.push_back("zeros take as many bytes as other weights: the file is no smaller. They save memory and time only in runtimes with sparse kernels (2:4 on GPUs of compute capability 8.0 and up), or packed with a compressor");
    return report;
  }

 private:
  Status read_target() {
    if (!options_.pattern.empty()) {
      LLMOPS_ASSIGN(target_.pattern, parse_sparse_pattern(options_.pattern));
    } else {
      target_.sparsity = *options_.sparsity;
    }
    if (options_.scope != "row" && options_.scope != "tensor" && options_.scope != "global") return Error(ErrorCode::kUsage, fmt::format("--scope '{}' is none of row, tensor, global", options_.scope));
    if (options_.scope != "row" && (method_ != PruneMethod::kMagnitude || target_.pattern)) return Error(ErrorCode::kUsage, fmt::format("--scope {} is of --method magnitude without a pattern", options_.scope));
    return {};
  }

  Status read_statistics() {
    if (method_ == PruneMethod::kMagnitude) return options_.statistics.empty() ? Status() : unread_statistics("--method magnitude");
    if (options_.statistics.empty()) return Error(ErrorCode::kUsage, fmt::format("--method {} needs statistics of the layers' inputs", options_.method), "give --stats FILE: docs/calibration.md says how such a file is made; magnitude needs none");
    LLMOPS_ASSIGN(calibration_, open_calibration((session_.surroundings().working_directory / options_.statistics).lexically_normal(), options_.statistics));
    for (const TensorRecipe& recipe : plan_.recipes) {
      statistics_.emplace_back();
      if (!is_prunable(recipe)) continue;
      LLMOPS_ASSIGN(statistics_.back(), find_statistics(calibration_, model_, recipe));
      const auto& found = statistics_.back();
      const auto lacks = [](const MatrixStatistics& one) { return one.entry == nullptr; };
      if (found.empty() || std::any_of(found.begin(), found.end(), lacks)) return Error(ErrorCode::kData, fmt::format("'{}' has nothing for '{}'", options_.statistics, recipe.name), "it was made from another model, or the entry is broken");
      const auto has_hessian = [](const MatrixStatistics& one) { return one.entry->has_hessian; };
      if (method_ == PruneMethod::kSparseGpt && !std::all_of(found.begin(), found.end(), has_hessian)) return Error(ErrorCode::kData, fmt::format("'{}' has no Hessian for '{}'", options_.statistics, recipe.name), "--method wanda needs none");
    }
    return {};
  }

  // The magnitude below which the share of all weights lies that is asked for: two passes over the model.
  Status search_cut() {
    LLMOPS_ASSIGN(const WeightReader reader, WeightReader::open(model_));
    MagnitudeSearch search;
    std::vector<Piece> pieces;
    for (const Piece& piece : pieces_of(plan_.recipes)) if (is_prunable(plan_.recipes[piece.recipe])) pieces.push_back(piece);
    const auto pass = [&](const std::function<Status(std::span<const float>)>& use) {
      return for_each_piece(pieces, 1, session_.surroundings().cancel, [&](const Piece& piece, PieceRoom& room) -> Status {
        const TensorRecipe& recipe = plan_.recipes[piece.recipe];
        room.values.resize(std::max<size_t>(room.values.size(), piece.rows * recipe.row_length()));
        const std::span<float> values(room.values.data(), piece.rows * recipe.row_length());
        LLMOPS_CHECK(read_piece(reader, recipe, piece, values, room.bytes));
        return use(values);
      });
    };
    LLMOPS_CHECK(pass([&](std::span<const float> values) { return search.count(values); }));
    search.choose(weights_to_remove(search.counted(), target_.sparsity));
    LLMOPS_CHECK(pass([&](std::span<const float> values) -> Status {
      search.refine(values);
      return {};
    }));
    cut_ = search.cut();
    return {};
  }

  Status prune(const TensorRecipe& recipe, size_t index, std::span<float> values) {
    const size_t columns = recipe.row_length(), matrices = recipe.shape.size() > 2 ? recipe.shape[0] : 1, rows = recipe.row_count() / matrices;
    PruneCounts total;
    for (size_t matrix = 0; matrix < matrices; ++matrix) {
      auto counts = prune_matrix(index, {values.data() + matrix * rows * columns, rows, columns}, matrix);
      if (!counts) return Error(counts.error().code, fmt::format("tensor '{}': {}", recipe.name, counts.error().message), counts.error().hint);
      total.weights += counts->weights;
      total.zeros_before += counts->zeros_before;
      total.zeros_after += counts->zeros_after;
      total.removed_squares += counts->removed_squares;
      total.loss += counts->loss;
    }
    results_[index] = total;
    return {};
  }

  Result<PruneCounts> prune_matrix(size_t recipe, MatrixView matrix, size_t number) {
    if (method_ == PruneMethod::kMagnitude) {
      if (options_.scope == "global") return prune_cut(matrix, cut_);
      return prune_magnitude(matrix, target_, options_.scope == "row" ? PruneScope::kRow : PruneScope::kMatrix);
    }
    const MatrixStatistics& found = statistics_[recipe][number];
    if (method_ == PruneMethod::kWanda) return prune_wanda(matrix, found.mean_squares, target_);
    LLMOPS_ASSIGN(std::vector<float> gram, calibration_.read_hessian(found.entry->name));
    return prune_sparse_gpt(matrix, std::move(gram), target_);
  }

  const Session& session_;
  const CompressPruneOptions& options_;
  const Model& model_;
  WeightsPlan plan_;
  PruneMethod method_ = PruneMethod::kMagnitude;
  PruneTarget target_;
  Calibration calibration_;
  std::vector<std::vector<MatrixStatistics>> statistics_;   // of the recipes
  MagnitudeCut cut_;
  std::vector<std::optional<PruneCounts>> results_;   // of the recipes; each is written by one thread
};

}  // namespace

double CompressPruneReport::sparsity_after() const {
  uint64_t weights = 0, zeros = 0;
  for (const PrunedTensor& tensor : tensors) {
    weights += tensor.weights;
    zeros += tensor.zeros_after;
  }
  return weights == 0 ? 0 : static_cast<double>(zeros) / static_cast<double>(weights);
}

Result<std::vector<uint64_t>> parse_numbers(const std::string& text, uint64_t most) {
  std::vector<uint64_t> numbers;
  const auto wrong = [&](const std::string& what) { return Error(ErrorCode::kUsage, fmt::format("'{}' {}", text, what), fmt::format("numbers from 0 to {}: 3,7-9", most)); };
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view part = std::string_view(text).substr(at, comma - at);
    uint64_t first = 0, last = 0;
    const auto [middle, failed] = std::from_chars(part.data(), part.data() + part.size(), first);
    last = first;
    const char* end = middle;
    if (failed == std::errc() && middle != part.data() + part.size() && *middle == '-') {
      const auto [stop, bad] = std::from_chars(middle + 1, part.data() + part.size(), last);
      if (bad != std::errc()) return wrong("is no list of numbers");
      end = stop;
    }
    if (failed != std::errc() || end != part.data() + part.size() || last < first) return wrong("is no list of numbers");
    if (last > most) return wrong(fmt::format("names {}, and the last is {}", last, most));
    for (uint64_t number = first; number <= last; ++number) numbers.push_back(number);
    at = comma + 1;
  }
  std::sort(numbers.begin(), numbers.end());
  if (std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end()) return wrong("names a number twice");
  return numbers;
}

Result<CompressPruneReport> compress_prune(const Session& session, const CompressPruneOptions& options) {
  const int ways = (options.sparsity || !options.pattern.empty()) + (!options.drop_layers.empty() || options.drop_count) + !options.width.empty();
  if (ways != 1) return Error(ErrorCode::kUsage, ways == 0 ? "nothing says what to prune" : "more than one way to prune is given", "one of: --sparsity S or --pattern N:M, --drop-layers LIST or --drop-count N, --width heads=N,ffn=M");
  if (!options.drop_layers.empty() && options.drop_count) return Error(ErrorCode::kUsage, "--drop-layers and --drop-count exclude each other");
  if (options.sparsity && !options.pattern.empty()) return Error(ErrorCode::kUsage, "--sparsity and --pattern exclude each other: 2:4 is a sparsity of a half");
  if (!options.drop_layers.empty() && !options.statistics.empty()) return unread_statistics("--drop-layers");
  LLMOPS_ASSIGN(const Model model, open_model((session.surroundings().working_directory / options.model).lexically_normal(), options.model));
  LLMOPS_CHECK(check_plain(model, options.model));
  LLMOPS_CHECK(check_sources(model));
  const bool to_gguf = is_gguf_output(options.output);
  if (model.format == "gguf" && !to_gguf) return Error(ErrorCode::kUsage, fmt::format("the source is GGUF, and '{}' does not end in .gguf", options.output), "convert it before or after: llmops compress convert");
  LLMOPS_ASSIGN(WeightsPlan plan, to_gguf ? plan_gguf_of(model, options.model, true) : plan_same_safetensors(model));
  if (options.sparsity || !options.pattern.empty()) return ZeroPruner(session, options, model, std::move(plan)).run();
  return prune_shape(session, options, model, std::move(plan));
}

}  // namespace llmops
