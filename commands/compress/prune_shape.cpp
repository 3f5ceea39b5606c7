// Layers lose their names' numbers, heads and channels their rows in what makes them and their columns in what takes them.
#include "commands/compress/prune_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "commands/compress/model_numbers.h"
#include "core/model/architectures.h"

namespace llmops {
namespace {

// What stands before the number of a layer. Whatever ends in "layers." would also take the layers of a model's vision tower, which count for themselves.
constexpr std::array<std::string_view, 5> kLayerPrefixes{"model.layers.", "blk.", "gpt_neox.layers.", "bert.encoder.layer.", "language_model.model.layers."};

// "model.layers.12.mlp.up_proj.weight" -> 12, and where the number stands.
struct LayerName { uint64_t layer; size_t at, size; };
std::optional<LayerName> layer_of(const std::string& name) {
  for (const std::string_view prefix : kLayerPrefixes) {
    if (!name.starts_with(prefix)) continue;
    uint64_t layer = 0;
    const auto [end, failed] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
    if (failed == std::errc() && end != name.data() + name.size() && *end == '.') return LayerName{layer, prefix.size(), static_cast<size_t>(end - name.data()) - prefix.size()};
  }
  return std::nullopt;
}

// In the words of GGUF: "attn_q"; empty: none of a known layer.
std::string stem_of(const std::string& name, const Architecture& architecture) {
  if (name.starts_with("blk.")) {
    const size_t start = name.find('.', 4) + 1;
    return name.substr(start, name.rfind('.') - start);
  }
  const auto place = place_of(name, architecture);
  return place ? place->stem : "";
}

constexpr const char* kOtherModel = "config.json, or the file's keys, are of another model";

using Kept = std::vector<uint32_t>;   // in order

// Rows (of vectors: values) that stay, on top of what the recipe takes already; `matrices` of a stack each lose the same. Precondition: `of` rows in each matrix.
void keep_rows(TensorRecipe& recipe, const Kept& kept, uint64_t of) {
  std::vector<uint32_t>& order = recipe.shape.size() == 1 ? recipe.columns : recipe.rows;
  const uint64_t all = recipe.shape.size() == 1 ? recipe.shape[0] : recipe.row_count(), matrices = all / of;
  std::vector<uint32_t> made;
  for (uint64_t matrix = 0; matrix < matrices; ++matrix) {
    for (const uint32_t row : kept) {
      const auto at = static_cast<uint32_t>(matrix * of + row);
      made.push_back(order.empty() ? at : order[at]);
    }
  }
  order = std::move(made);
  recipe.shape[recipe.shape.size() == 1 ? 0 : recipe.shape.size() - 2] = kept.size();
}

void keep_columns(TensorRecipe& recipe, const Kept& kept) {
  std::vector<uint32_t> made;
  for (const uint32_t column : kept) made.push_back(recipe.columns.empty() ? column : recipe.columns[column]);
  recipe.columns = std::move(made);
  recipe.shape.back() = kept.size();
}

// The `count` places of the largest values, in their own order; of equal ones the first.
Kept largest_of(std::span<const double> values, size_t count) {
  Kept order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return values[a] > values[b]; });
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

Kept with_width(const Kept& heads, uint64_t size, uint64_t offset = 0) {
  Kept made;
  for (const uint32_t head : heads) for (uint64_t i = 0; i < size; ++i) made.push_back(static_cast<uint32_t>(offset + head * size + i));
  return made;
}

class ShapePruner {
 public:
  ShapePruner(const Session& session, const CompressPruneOptions& options, const Model& model, WeightsPlan plan) : session_(session), options_(options), model_(model), plan_(std::move(plan)), numbers_(plan_) {}

  Result<CompressPruneReport> run() {
    layers_ = numbers_.get(ModelNumber::kLayers);
    if (layers_ == 0) return Error(ErrorCode::kData, "the model does not say how many layers it has", "give the folder that holds config.json, or a GGUF file");
    if (layers_ > plan_.recipes.size()) return Error(ErrorCode::kData, fmt::format("the model says it has {} layers, and it holds {} tensors", layers_, plan_.recipes.size()), "config.json is of another model");
    if (!options_.statistics.empty()) {
      LLMOPS_ASSIGN(calibration_, open_calibration((session_.surroundings().working_directory / options_.statistics).lexically_normal(), options_.statistics));
    }
    const bool is_layers = options_.width.empty();
    if (is_layers) LLMOPS_CHECK(drop_layers());
    else LLMOPS_CHECK(narrow());
    RewriteOptions rewriting = options_.rewrite;
    rewriting.command = "prune";
    rewriting.output = options_.output;
    if (!options_.statistics.empty()) rewriting.inputs.push_back(options_.statistics);
    rewriting.type = is_layers ? fmt::format("{} of {} layers", report_.layers_after, report_.layers_before) : options_.width;
    rewriting.options = {{"drop_layers", report_.dropped_layers}, {"width", options_.width.empty() ? Json() : Json(options_.width)}, {"stats", options_.statistics.empty() ? Json() : Json(options_.statistics)}};
    plan_.warnings.push_back("a model that lost layers, heads or channels answers worse than before until it is trained again");
    LLMOPS_ASSIGN(report_.written, rewrite(session_, model_, options_.model, plan_, rewriting));
    report_.method = is_layers ? "layers" : "width";
    return std::move(report_);
  }

 private:
  // ---- layers ----

  Result<std::vector<uint64_t>> layers_to_drop() const {
    if (!options_.drop_layers.empty()) return parse_numbers(options_.drop_layers, layers_ - 1);
    if (calibration_.block_influence.empty()) return Error(ErrorCode::kUsage, "--drop-count needs the influence of the layers", "give --stats FILE with block_influence (docs/calibration.md), or name them: --drop-layers 10,12");
    if (calibration_.block_influence.size() != layers_) return Error(ErrorCode::kData, fmt::format("'{}' has the influence of {} layers, and the model has {}", options_.statistics, calibration_.block_influence.size(), layers_));
    if (layers_ < 2 || *options_.drop_count > layers_ - 2) return Error(ErrorCode::kUsage, fmt::format("{} layers cannot go: the model has {}, and the first and the last stay", *options_.drop_count, layers_));
    // The first and the last layer always stay (Men et al. 2024).
    std::vector<uint64_t> order(layers_ - 2);
    std::iota(order.begin(), order.end(), uint64_t{1});
    std::stable_sort(order.begin(), order.end(), [&](uint64_t a, uint64_t b) { return calibration_.block_influence[a] < calibration_.block_influence[b]; });
    order.resize(*options_.drop_count);
    std::sort(order.begin(), order.end());
    return order;
  }

  // Where names say no layer, nothing would go but the number of layers.
  Status check_layer_names() const {
    std::set<uint64_t> named;
    for (const TensorRecipe& recipe : plan_.recipes) if (const auto place = layer_of(recipe.name)) named.insert(place->layer);
    for (uint64_t layer = 0; layer < layers_; ++layer) {
      if (!named.contains(layer)) return Error(ErrorCode::kData, fmt::format("the model says it has {} layers, and no tensor is known as one of layer {}", layers_, layer), fmt::format("names that are known begin with: {}", fmt::join(kLayerPrefixes, ", ")));
    }
    return {};
  }

  Status drop_layers() {
    LLMOPS_ASSIGN(const std::vector<uint64_t> dropped, layers_to_drop());
    LLMOPS_CHECK(check_layer_names());
    if (!dropped.empty() && (dropped.front() == 0 || dropped.back() == layers_ - 1)) return Error(ErrorCode::kUsage, "the first and the last layer cannot be dropped: no other layer does their work");
    std::vector<TensorRecipe> kept;
    for (TensorRecipe& recipe : plan_.recipes) {
      if (const auto place = layer_of(recipe.name)) {
        if (std::binary_search(dropped.begin(), dropped.end(), place->layer)) continue;
        const auto before = static_cast<uint64_t>(std::lower_bound(dropped.begin(), dropped.end(), place->layer) - dropped.begin());
        recipe.name.replace(place->at, place->size, std::to_string(place->layer - before));
      }
      kept.push_back(std::move(recipe));
    }
    plan_.recipes = std::move(kept);
    LLMOPS_CHECK(numbers_.drop_layers(dropped, layers_));
    LLMOPS_CHECK(numbers_.set(ModelNumber::kLayers, layers_ - dropped.size()));
    if (numbers_.architecture() == "gemma2") plan_.warnings.push_back("gemma2 takes turns between local and global attention by the number of the layer: layers behind a dropped one may change theirs");
    report_.dropped_layers = dropped;
    report_.layers_before = layers_;
    report_.layers_after = layers_ - dropped.size();
    return {};
  }

  // ---- heads and channels ----

  Status parse_width() {
    const std::map<std::string, uint64_t*> fields = {{"heads", &report_.heads_after}, {"kv-heads", &report_.key_heads_after}, {"ffn", &report_.ffn_after}};
    for (size_t at = 0; at <= options_.width.size();) {
      const size_t comma = std::min(options_.width.find(',', at), options_.width.size());
      const std::string part = options_.width.substr(at, comma - at);
      const size_t equals = std::min(part.find('='), part.size());
      const auto field = fields.find(part.substr(0, equals));
      uint64_t value = 0;
      const std::string number = equals < part.size() ? part.substr(equals + 1) : "";
      const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), value);
      if (field == fields.end() || failed != std::errc() || end != number.data() + number.size() || value == 0) return Error(ErrorCode::kUsage, fmt::format("--width '{}' is no list of widths", options_.width), "--width heads=24,kv-heads=8,ffn=4096; what is not named stays");
      *field->second = value;
      at = comma + 1;
    }
    return check_width();
  }

  Status check_width() {
    const auto fit = [](const char* name, uint64_t before, uint64_t& after) -> Status {
      if (after == 0) after = before;
      if (after > before) return Error(ErrorCode::kUsage, fmt::format("--width {}={} is more than the {} there are", name, after, before));
      return {};
    };
    LLMOPS_CHECK(fit("heads", report_.heads_before, report_.heads_after));
    const uint64_t sharing = report_.heads_before / report_.key_heads_before;
    if (report_.key_heads_after == 0 && report_.key_heads_before == report_.heads_before) report_.key_heads_after = report_.heads_after;   // each head has its own
    LLMOPS_CHECK(fit("kv-heads", report_.key_heads_before, report_.key_heads_after));
    LLMOPS_CHECK(fit("ffn", report_.ffn_before, report_.ffn_after));
    if (report_.heads_after % report_.key_heads_after != 0 || report_.heads_after / report_.key_heads_after > sharing) {
      return Error(ErrorCode::kUsage, fmt::format("{} heads do not share {} heads of keys and values evenly, at most {} each", report_.heads_after, report_.key_heads_after, sharing), "heads has to be a multiple of kv-heads");
    }
    if (report_.ffn_after % 32 != 0) plan_.warnings.push_back(fmt::format("ffn={} is no multiple of 32: block types fall back to F16 for its rows", report_.ffn_after));
    else if (report_.ffn_after % 256 != 0) plan_.warnings.push_back(fmt::format("ffn={} is no multiple of 256: K-types fall back to types of 32 values for its rows", report_.ffn_after));
    return {};
  }

  Status narrow() {
    const bool has_experts = std::any_of(plan_.recipes.begin(), plan_.recipes.end(), [](const TensorRecipe& recipe) { return recipe.name.find("_exps.") != std::string::npos; });
    architecture_ = plan_.format == "gguf" ? architecture_of_gguf(numbers_.architecture(), has_experts) : architecture_of(model_.config);
    if (architecture_ == nullptr) return Error(ErrorCode::kData, fmt::format("the width of the architecture '{}' cannot be changed", numbers_.architecture()), fmt::format("those that can: {}", known_architectures()));
    report_.heads_before = numbers_.get(ModelNumber::kHeads);
    report_.key_heads_before = std::max<uint64_t>(numbers_.get(ModelNumber::kKeyHeads), numbers_.get(ModelNumber::kKeyHeads) == 0 ? report_.heads_before : 1);
    report_.ffn_before = numbers_.get(ModelNumber::kFeedForward);
    if (report_.heads_before == 0 || report_.ffn_before == 0) return Error(ErrorCode::kData, "the model does not say how many heads and channels it has");
    if (report_.heads_before % report_.key_heads_before != 0) return Error(ErrorCode::kData, fmt::format("the model says {} heads and {} of keys and values, which do not divide", report_.heads_before, report_.key_heads_before));
    LLMOPS_CHECK(find_head_size());
    LLMOPS_CHECK(check_shapes());
    LLMOPS_CHECK(parse_width());
    LLMOPS_CHECK(measure_importance());
    for (TensorRecipe& recipe : plan_.recipes) if (const auto place = layer_of(recipe.name)) LLMOPS_CHECK(narrow_tensor(recipe, place->layer));
    LLMOPS_CHECK(numbers_.set(ModelNumber::kHeads, report_.heads_after));
    LLMOPS_CHECK(numbers_.set(ModelNumber::kKeyHeads, report_.key_heads_after));
    LLMOPS_CHECK(numbers_.set(ModelNumber::kFeedForward, report_.ffn_after));
    // Readers take hidden / heads for the size of a head where nothing else is said.
    if (report_.heads_after != report_.heads_before) LLMOPS_CHECK(numbers_.set(ModelNumber::kHeadSize, head_size_));
    return {};
  }

  Status find_head_size() {
    for (const TensorRecipe& recipe : plan_.recipes) {
      if (head_size_ != 0 || stem_of(recipe.name, *architecture_) != "attn_output" || recipe.shape.size() != 2) continue;
      if (recipe.row_length() % report_.heads_before != 0) return Error(ErrorCode::kData, fmt::format("tensor '{}' has rows of {}, which do not divide into {} heads", recipe.name, recipe.row_length(), report_.heads_before), kOtherModel);
      head_size_ = recipe.row_length() / report_.heads_before;
    }
    if (head_size_ == 0) return Error(ErrorCode::kData, "the model has no matrix that puts its heads together");
    return {};
  }

  // What the numbers of the model make of a tensor: its rows (of a vector its values), or the length of its rows; nullopt: neither changes.
  struct Extent { uint64_t size = 0; bool is_columns = false; };
  std::optional<Extent> extent_of(const TensorRecipe& recipe, const std::string& stem) const {
    const uint64_t query_rows = report_.heads_before * head_size_, key_rows = report_.key_heads_before * head_size_;
    const bool is_vector = recipe.shape.size() < 2 && !recipe.name.ends_with("weight");
    if (stem == "attn_q") return Extent{query_rows};
    if (stem == "attn_k" || stem == "attn_v") return Extent{key_rows};
    if (stem == "attn_qkv") return Extent{query_rows + 2 * key_rows};
    if (stem == "attn_output") return is_vector ? std::nullopt : std::optional(Extent{query_rows, true});
    if (!stem.starts_with("ffn_") || stem == "ffn_norm" || stem == "ffn_gate_inp") return std::nullopt;
    if (stem.starts_with("ffn_down")) return is_vector ? std::nullopt : std::optional(Extent{report_.ffn_before, true});
    return Extent{architecture_->model_type == "phi3" && stem == "ffn_up" ? 2 * report_.ffn_before : report_.ffn_before};
  }

  // Every tensor that changes against what the model says of itself, before any of its rows is counted by that.
  Status check_shapes() const {
    std::vector<std::set<std::string>> found(layers_);
    for (const TensorRecipe& recipe : plan_.recipes) {
      const auto place = layer_of(recipe.name);
      if (!place) continue;
      if (place->layer >= layers_) return Error(ErrorCode::kData, fmt::format("tensor '{}' is of a layer past the last ({})", recipe.name, layers_ - 1));
      const std::string stem = stem_of(recipe.name, *architecture_);
      const auto extent = extent_of(recipe, stem);
      if (!extent) continue;
      const size_t rank = recipe.shape.size(), least = extent->is_columns || recipe.name.ends_with("weight") ? 2 : 1;
      if (rank < least || rank > 3) return Error(ErrorCode::kData, fmt::format("tensor '{}' has {} dimensions", recipe.name, rank), kOtherModel);
      const uint64_t size = extent->is_columns ? recipe.row_length() : rank == 1 ? recipe.shape[0] : recipe.shape[rank - 2];
      if (size != extent->size) return Error(ErrorCode::kData, fmt::format("tensor '{}' has {} {}, and the model says {}", recipe.name, size, extent->is_columns ? "columns" : rank == 1 ? "values" : "rows", extent->size), kOtherModel);
      if (rank > 1) found[place->layer].insert(stem);
    }
    return check_layers(found);
  }

  // `found`: stems of the matrices of each layer.
  Status check_layers(const std::vector<std::set<std::string>>& found) const {
    for (uint64_t layer = 0; layer < layers_; ++layer) {
      const std::set<std::string>& stems = found[layer];
      const std::string ending = stems.contains("ffn_down_exps") ? "_exps" : "";
      std::vector<std::string> wanted = {"attn_output", "ffn_up" + ending, "ffn_down" + ending};
      if (!stems.contains("attn_qkv")) wanted.insert(wanted.end(), {"attn_q", "attn_k", "attn_v"});
      for (const std::string& stem : wanted) {
        if (!stems.contains(stem)) return Error(ErrorCode::kData, fmt::format("layer {} has no matrix that GGUF knows as '{}'", layer, stem), "fetch the model again: it is not whole");
      }
    }
    return {};
  }

  // From the statistics where they have it, else from norms: of a head the columns of the output that read it; of a channel the product of the norms of the rows
  // and columns that make and read it.
  Status measure_importance() {
    heads_.assign(layers_, std::vector<double>(report_.heads_before, 0));
    channels_.assign(layers_, std::vector<double>(report_.ffn_before, 0));
    if (calibration_.head_importance.layers == layers_ && calibration_.head_importance.parts == report_.heads_before && calibration_.ffn_importance.layers == layers_ && calibration_.ffn_importance.parts == report_.ffn_before) {
      for (uint64_t layer = 0; layer < layers_; ++layer) {
        std::copy_n(calibration_.head_importance.values.begin() + static_cast<std::ptrdiff_t>(layer * report_.heads_before), report_.heads_before, heads_[layer].begin());
        std::copy_n(calibration_.ffn_importance.values.begin() + static_cast<std::ptrdiff_t>(layer * report_.ffn_before), report_.ffn_before, channels_[layer].begin());
      }
      report_.importance_source = "statistics";
      return {};
    }
    if (!options_.statistics.empty()) return Error(ErrorCode::kData, fmt::format("'{}' has no head_importance and ffn_importance for {} layers, {} heads and {} channels", options_.statistics, layers_, report_.heads_before, report_.ffn_before));
    report_.importance_source = "norms of the weights";
    LLMOPS_ASSIGN(const WeightReader reader, WeightReader::open(model_));
    std::vector<std::map<std::string, std::vector<double>>> norms(layers_);
    const std::vector<Piece> pieces = pieces_of(plan_.recipes);
    LLMOPS_CHECK(for_each_piece(pieces, 1, session_.surroundings().cancel, [&](const Piece& piece, PieceRoom& room) { return add_norms(reader, piece, room, norms); }));
    for (uint64_t layer = 0; layer < layers_; ++layer) combine(norms[layer], layer);
    return {};
  }

  Status add_norms(const WeightReader& reader, const Piece& piece, PieceRoom& room, std::vector<std::map<std::string, std::vector<double>>>& norms) const {
    const TensorRecipe& recipe = plan_.recipes[piece.recipe];
    const auto place = layer_of(recipe.name);
    const std::string stem = place ? stem_of(recipe.name, *architecture_) : "";
    const bool by_columns = stem == "attn_output" || stem.starts_with("ffn_down"), by_rows = stem == "ffn_up" || stem == "ffn_gate" || stem == "ffn_up_exps" || stem == "ffn_gate_exps";
    if ((!by_columns && !by_rows) || recipe.shape.size() < 2 || place->layer >= layers_) return {};
    const uint64_t length = recipe.row_length(), rows = recipe.shape[recipe.shape.size() - 2];
    room.values.resize(std::max<size_t>(room.values.size(), piece.rows * length));
    const std::span<float> values(room.values.data(), piece.rows * length);
    LLMOPS_CHECK(read_piece(reader, recipe, piece, values, room.bytes));
    std::vector<double>& sums = norms[place->layer][stem];
    sums.resize(by_columns ? length : rows);
    for (uint64_t i = 0; i < piece.rows; ++i) {
      for (uint64_t j = 0; j < length; ++j) sums[by_columns ? j : (piece.first_row + i) % rows] += static_cast<double>(values[i * length + j]) * values[i * length + j];
    }
    return {};
  }

  void combine(std::map<std::string, std::vector<double>>& norms, uint64_t layer) {
    for (size_t i = 0; i < norms["attn_output"].size(); ++i) heads_[layer][i / head_size_] += norms["attn_output"][i];
    const bool has_stack = norms.contains("ffn_down_exps");
    const std::vector<double>&up = norms[has_stack ? "ffn_up_exps" : "ffn_up"], &gate = norms[has_stack ? "ffn_gate_exps" : "ffn_gate"], &down = norms[has_stack ? "ffn_down_exps" : "ffn_down"];
    for (uint64_t i = 0; i < report_.ffn_before && i < down.size(); ++i) {
      // phi3 has the gate's rows before those of up, in one matrix.
      const double made = up.size() == 2 * report_.ffn_before ? up[i] * up[report_.ffn_before + i] : up[i] * (gate.empty() ? 1 : gate[i]);
      channels_[layer][i] = std::sqrt(made) * std::sqrt(down[i]);
    }
  }

  // Heads that stay in a layer: of each group that shares keys equally many.
  struct KeptHeads { Kept heads, key_heads; };
  KeptHeads kept_heads(uint64_t layer) const {
    const uint64_t sharing = report_.heads_before / report_.key_heads_before, kept_sharing = report_.heads_after / report_.key_heads_after;
    std::vector<double> groups(report_.key_heads_before, 0);
    for (uint64_t head = 0; head < report_.heads_before; ++head) groups[head / sharing] += heads_[layer][head];
    KeptHeads kept{{}, largest_of(groups, report_.key_heads_after)};
    for (const uint32_t group : kept.key_heads) {
      for (const uint32_t inside : largest_of(std::span(heads_[layer]).subspan(group * sharing, sharing), kept_sharing)) kept.heads.push_back(static_cast<uint32_t>(group * sharing + inside));
    }
    return kept;
  }

  Status narrow_tensor(TensorRecipe& recipe, uint64_t layer) {
    const std::string stem = stem_of(recipe.name, *architecture_);
    const uint64_t query_rows = report_.heads_before * head_size_, key_rows = report_.key_heads_before * head_size_;
    const KeptHeads kept = kept_heads(layer);
    if (stem == "attn_q") keep_rows(recipe, with_width(kept.heads, head_size_), query_rows);
    else if (stem == "attn_k" || stem == "attn_v") keep_rows(recipe, with_width(kept.key_heads, head_size_), key_rows);
    else if (stem == "attn_output" && recipe.shape.size() == 2) keep_columns(recipe, with_width(kept.heads, head_size_));
    else if (stem == "attn_qkv") {
      Kept rows = with_width(kept.heads, head_size_);
      for (const uint64_t offset : {query_rows, query_rows + key_rows}) for (const uint32_t row : with_width(kept.key_heads, head_size_, offset)) rows.push_back(row);
      keep_rows(recipe, rows, query_rows + 2 * key_rows);
    }
    if (stem.rfind("ffn_", 0) != 0 || stem == "ffn_norm" || stem == "ffn_gate_inp") return {};
    const Kept channels = largest_of(channels_[layer], report_.ffn_after);
    if (stem.starts_with("ffn_down")) {
      if (recipe.shape.size() >= 2) keep_columns(recipe, channels);
      return {};
    }
    const uint64_t rows = recipe.shape.size() == 1 ? recipe.shape[0] : recipe.shape[recipe.shape.size() - 2];
    if (rows == 2 * report_.ffn_before) {
      Kept both = channels;
      for (const uint32_t channel : channels) both.push_back(static_cast<uint32_t>(report_.ffn_before + channel));
      keep_rows(recipe, both, rows);
    } else {
      keep_rows(recipe, channels, rows);
    }
    return {};
  }

  const Session& session_;
  const CompressPruneOptions& options_;
  const Model& model_;
  WeightsPlan plan_;
  ModelNumbers numbers_;
  Calibration calibration_;
  const Architecture* architecture_ = nullptr;
  uint64_t layers_ = 0, head_size_ = 0;
  std::vector<std::vector<double>> heads_, channels_;   // importance, by layer
  CompressPruneReport report_;
};

}  // namespace

Result<CompressPruneReport> prune_shape(const Session& session, const CompressPruneOptions& options, const Model& model, WeightsPlan plan) { return ShapePruner(session, options, model, std::move(plan)).run(); }

}  // namespace llmops
