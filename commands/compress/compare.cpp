#include "commands/compress/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>

#include "core/base/hash.h"
#include "core/format/gguf.h"
#include "core/model/conversion.h"

namespace llmops {
namespace {

struct Side { Model model; WeightsPlan plan; };

Result<Side> open_side(const Session& session, const std::string& name) {
  Side side;
  LLMOPS_ASSIGN(side.model, open_model((session.surroundings().working_directory / name).lexically_normal(), name));
  LLMOPS_CHECK(check_plain(side.model, name));
  return side;
}

// Both under the same names: as they are when they are of one format, else as GGUF.
Status plan_sides(Side& left, Side& right) {
  const bool is_one_format = left.model.format == right.model.format;
  for (Side* side : {&left, &right}) {
    if (side->model.format == "gguf") { LLMOPS_ASSIGN(side->plan, plan_same_gguf(side->model)); }
    else if (is_one_format) { LLMOPS_ASSIGN(side->plan, plan_same_safetensors(side->model)); }
    else { LLMOPS_ASSIGN(side->plan, plan_gguf(side->model, {"", false})); }
  }
  return {};
}

std::map<std::string, size_t> names_of(const WeightsPlan& plan) {
  std::map<std::string, size_t> names;
  for (size_t i = 0; i < plan.recipes.size(); ++i) names[plan.recipes[i].name] = i;
  return names;
}

uint64_t stored_bytes(const Side& side, const TensorRecipe& recipe) {
  uint64_t bytes = 0;
  for (const size_t source : recipe.sources) bytes += side.model.tensors[source].size_bytes;
  return bytes;
}

std::string stored_type(const Side& side, const TensorRecipe& recipe) { return recipe.sources.empty() ? recipe.type : side.model.tensors[recipe.sources[0]].type; }

// The keys of a GGUF file; arrays, which may be a whole vocabulary, by their digest.
Result<Json> keys_of(const Model& model) {
  Json keys = model.metadata;
  LLMOPS_ASSIGN(const GgufFile file, read_gguf(model.parts[0].path, model.parts[0].shown_name));
  for (const GgufEntry& entry : file.entries) if (entry.kind == GgufKind::kArray) keys[entry.key]["sha256"] = sha256_hex(entry.bytes);
  return keys;
}

Status compare_keys(const Side& left, const Side& right, CompressCompareReport& report) {
  if (left.model.format != "gguf" || right.model.format != "gguf") return {};
  LLMOPS_ASSIGN(const Json left_keys, keys_of(left.model));
  LLMOPS_ASSIGN(const Json right_keys, keys_of(right.model));
  for (const auto& [key, value] : left_keys.items()) {
    const auto other = right_keys.find(key);
    if (other == right_keys.end()) report.keys.push_back({key, value, Json()});
    else if (*other != value) report.keys.push_back({key, value, *other});
  }
  for (const auto& [key, value] : right_keys.items()) if (!left_keys.contains(key)) report.keys.push_back({key, Json(), value});
  return {};
}

// Pairs with NaN or infinity have no difference: they become zeros on both sides. How many of them are not the same.
uint64_t take_out_odd(std::span<float> x, std::span<float> y) {
  uint64_t different = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) continue;
    different += x[i] != y[i] && !(std::isnan(x[i]) && std::isnan(y[i]));
    x[i] = y[i] = 0;
  }
  return different;
}

// Recipes of both sides that have the same name and shape.
struct Pairs { std::vector<TensorRecipe> left, right; };
Pairs pair_up(const Side& left, const Side& right, CompressCompareReport& report) {
  Pairs pairs;
  const std::map<std::string, size_t> right_names = names_of(right.plan), left_names = names_of(left.plan);
  for (const TensorRecipe& recipe : left.plan.recipes) {
    const auto found = right_names.find(recipe.name);
    if (found == right_names.end()) {
      report.only_left.push_back(recipe.name);
      continue;
    }
    const TensorRecipe& other = right.plan.recipes[found->second];
    if (other.shape != recipe.shape) {
      report.shapes.push_back({recipe.name, recipe.shape, other.shape});
      continue;
    }
    pairs.left.push_back(recipe);
    pairs.right.push_back(other);
    report.tensors.push_back({recipe.name, stored_type(left, recipe), stored_type(right, other), recipe.shape, stored_bytes(left, recipe), stored_bytes(right, other), {}});
    report.parameters += recipe.info().elements();
  }
  for (const TensorRecipe& recipe : right.plan.recipes) if (!left_names.contains(recipe.name)) report.only_right.push_back(recipe.name);
  for (const TensorRecipe& recipe : left.plan.recipes) report.left_bytes += stored_bytes(left, recipe);
  for (const TensorRecipe& recipe : right.plan.recipes) report.right_bytes += stored_bytes(right, recipe);
  return pairs;
}

}  // namespace

Result<CompressCompareReport> compress_compare(const Session& session, const CompressCompareOptions& options) {
  LLMOPS_ASSIGN(Side left, open_side(session, options.left));
  LLMOPS_ASSIGN(Side right, open_side(session, options.right));
  LLMOPS_CHECK(plan_sides(left, right));
  CompressCompareReport report;
  report.left = options.left;
  report.right = options.right;
  report.left_format = left.model.format;
  report.right_format = right.model.format;
  LLMOPS_CHECK(compare_keys(left, right, report));
  const Pairs pairs = pair_up(left, right, report);
  LLMOPS_ASSIGN(const WeightReader left_reader, WeightReader::open(left.model));
  LLMOPS_ASSIGN(const WeightReader right_reader, WeightReader::open(right.model));
  const std::vector<Piece> pieces = pieces_of(pairs.left);
  std::vector<ErrorSums> sums(pieces.size());
  std::atomic<uint64_t> odd{0};
  const auto compare = [&](const Piece& piece, PieceRoom& room) -> Status {
    const size_t count = piece.rows * pairs.left[piece.recipe].row_length();
    room.values.resize(std::max(room.values.size(), count));
    room.others.resize(std::max(room.others.size(), count));
    const std::span<float> x(room.values.data(), count), y(room.others.data(), count);
    LLMOPS_CHECK(read_piece(left_reader, pairs.left[piece.recipe], piece, x, room.bytes));
    LLMOPS_CHECK(read_piece(right_reader, pairs.right[piece.recipe], piece, y, room.bytes));
    odd += take_out_odd(x, y);
    sums[piece.index].add(x, y);
    return {};
  };
  LLMOPS_CHECK(for_each_piece(pieces, worker_count(options.threads), session.surroundings().cancel, compare));
  std::vector<ErrorSums> totals(pairs.left.size());
  ErrorSums all;
  for (const Piece& piece : pieces) totals[piece.recipe].add(sums[piece.index]);
  for (size_t i = 0; i < totals.size(); ++i) {
    report.tensors[i].error = totals[i].result();
    all.add(totals[i]);
  }
  report.error = all.result();
  report.odd = odd;
  return report;
}

}  // namespace llmops
