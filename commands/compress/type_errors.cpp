#include "commands/compress/type_errors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "commands/compress/stored_rows.h"
#include "core/base/hash.h"
#include "core/quant/block_types.h"

namespace llmops {
namespace {

constexpr std::array<const char*, 14> kCandidates{"Q2_K", "Q3_K", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_K", "Q4_1", "Q5_0", "Q5_K", "Q5_1", "Q6_K", "Q8_0", "BF16", "F16"};
constexpr const char* kCacheForm = "llmops.type-errors/v2";

double weighted_square(std::span<const float> x, std::span<const float> y, std::span<const float> weights) {
  std::array<double, 4> sums{};
  for (size_t i = 0; i < x.size(); ++i) {
    const double difference = static_cast<double>(x[i]) - (y.empty() ? 0.0 : static_cast<double>(y[i]));
    sums[i % 4] += (weights.empty() ? 1.0 : static_cast<double>(weights[i])) * difference * difference;
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

// Row by row where rows have importance, at once where they have none.
double error_of(const TensorRecipe& recipe, std::span<const float> x, std::span<const float> y, std::span<const float> weights) {
  if (weights.empty()) return weighted_square(x, y, weights);
  const uint64_t length = recipe.row_length();
  double sum = 0;
  for (uint64_t at = 0; at < x.size(); at += length) sum += weighted_square(x.subspan(at, length), y.empty() ? y : y.subspan(at, length), weights);
  return sum;
}

class Measurement {
 public:
  explicit Measurement(const TypeErrorsRequest& request) : request_(request), recipes_(request.plan->recipes) {
    made_.types.assign(kCandidates.begin(), kCandidates.end());
    made_.errors.assign(recipes_.size(), std::vector<std::optional<double>>(made_.types.size()));
    made_.squares.assign(recipes_.size(), 0);
  }

  Result<TypeErrors> run() {
    LLMOPS_ASSIGN(const WeightReader reader, WeightReader::open(*request_.model));
    std::vector<Piece> pieces;
    for (const Piece& piece : pieces_of(recipes_)) {
      const TensorRecipe& recipe = recipes_[piece.recipe];
      if (!recipe.sources.empty() && !WeightReader::can_read(request_.model->tensors[recipe.sources[0]].type)) continue;
      pieces.push_back(piece);
      pieces.back().index = pieces.size() - 1;
    }
    sums_.assign(pieces.size(), std::vector<double>(made_.types.size() + 1));
    LLMOPS_CHECK(for_each_piece(pieces, worker_count(request_.threads), request_.session->surroundings().cancel, [&](const Piece& piece, PieceRoom& room) { return measure(reader, piece, room); }));
    for (const Piece& piece : pieces) {
      made_.squares[piece.recipe] += sums_[piece.index].back();
      for (size_t type = 0; type < made_.types.size(); ++type) {
        if (!is_measured(piece.recipe, type)) continue;
        std::optional<double>& error = made_.errors[piece.recipe][type];
        error = error.value_or(0) + sums_[piece.index][type];
      }
    }
    return std::move(made_);
  }

 private:
  bool is_measured(size_t recipe, size_t type) const { return (*request_.is_open)[recipe] && recipes_[recipe].row_length() % find_block_type(kCandidates[type])->elements == 0; }

  Status measure(const WeightReader& reader, const Piece& piece, PieceRoom& room) {
    TensorRecipe recipe = recipes_[piece.recipe];
    const size_t count = piece.rows * recipe.row_length();
    room.values.resize(std::max(room.values.size(), count));
    room.others.resize(std::max(room.others.size(), count));
    const std::span<float> x(room.values.data(), count), y(room.others.data(), count);
    LLMOPS_CHECK(read_piece(reader, recipe, piece, x, room.bytes));
    if (!all_finite(x)) return Error(ErrorCode::kData, fmt::format("tensor '{}' of the source holds NaN or infinity", recipe.name), "see all of them: llmops compress inspect MODEL --data");
    const std::span<const float> weights = request_.importance == nullptr ? std::span<const float>() : request_.importance->of(piece.recipe, piece.first_row);
    const double common = request_.importance != nullptr && weights.empty() ? request_.common_weight : 1;
    std::vector<double>& sums = sums_[piece.index];
    sums.back() = common * error_of(recipe, x, {}, weights);
    std::array<std::string, 1> bytes;
    bytes[0].swap(room.more_bytes);
    for (size_t type = 0; type < made_.types.size(); ++type) {
      if (!is_measured(piece.recipe, type)) continue;
      recipe.type = made_.types[type];
      encode_rows(recipe, x, weights, bytes);
      decode_rows(recipe, bytes, y);
      sums[type] = common * error_of(recipe, x, y, weights);
      // Past the range of the type: not a candidate.
      if (!std::isfinite(sums[type])) sums[type] = 1e300;
    }
    bytes[0].swap(room.more_bytes);
    return {};
  }

  const TypeErrorsRequest& request_;
  const std::vector<TensorRecipe>& recipes_;
  TypeErrors made_;
  std::vector<std::vector<double>> sums_;   // [piece][type], the squares last
};

// The project's store folder when there is one, else the user's; empty: none.
fs::path cache_folder(const Session& session) {
  std::error_code ignored;
  if (fs::is_directory(session.root() / ".llmops", ignored)) return session.root() / ".llmops" / "cache";
  return session.state_directory().empty() ? fs::path() : session.state_directory() / "cache";
}

Result<std::string> cache_key(const TypeErrorsRequest& request) {
  LLMOPS_ASSIGN(const std::vector<TensorContent> contents, read_contents(*request.model, worker_count(request.threads), request.session->surroundings().cancel));
  std::string text = fmt::format("{}\n{}\n{}\n", kCacheForm, LLMOPS_VERSION, request.importance_digest);
  for (size_t i = 0; i < contents.size(); ++i) text += fmt::format("{} {} {} {}\n", request.model->tensors[i].name, request.model->tensors[i].type, fmt::join(request.model->tensors[i].shape, "x"), contents[i].sha256);
  for (const TensorRecipe& recipe : request.plan->recipes) text += fmt::format("{}\n", recipe.name);
  return sha256_hex(text);
}

std::optional<TypeErrors> parse_cache(const std::string& bytes, size_t recipes) {
  const auto json = parse_json(bytes, "cache");
  const auto is_list = [&](const char* key) { return json->contains(key) && (*json)[key].is_array() && (*json)[key].size() == recipes; };
  if (!json || !json->is_object() || !json->contains("form") || (*json)["form"] != kCacheForm || !is_list("errors") || !is_list("squares")) return std::nullopt;
  TypeErrors made;
  made.types.assign(kCandidates.begin(), kCandidates.end());
  made.from_cache = true;
  for (const Json& row : (*json)["errors"]) {
    if (!row.is_array() || row.size() != kCandidates.size()) return std::nullopt;
    made.errors.emplace_back();
    for (const Json& value : row) made.errors.back().push_back(value.is_number() ? std::optional(value.get<double>()) : std::nullopt);
  }
  for (const Json& value : (*json)["squares"]) made.squares.push_back(value.is_number() ? value.get<double>() : 0);
  return made;
}

Json cache_of(const TypeErrors& errors) {
  Json rows = Json::array();
  for (const auto& row : errors.errors) {
    Json values = Json::array();
    for (const auto& value : row) values.push_back(value ? Json(*value) : Json());
    rows.push_back(std::move(values));
  }
  return {{"form", kCacheForm}, {"types", errors.types}, {"squares", errors.squares}, {"errors", std::move(rows)}};
}

}  // namespace

Result<TypeErrors> measure_type_errors(const TypeErrorsRequest& request) {
  const fs::path folder = request.use_cache ? cache_folder(*request.session) : fs::path();
  fs::path file;
  if (!folder.empty()) {
    LLMOPS_ASSIGN(const std::string key, cache_key(request));
    file = folder / fmt::format("type-errors-{}.json", key.substr(0, 32));
    if (const auto bytes = read_file(file, 64 << 20)) {
      if (auto known = parse_cache(*bytes, request.plan->recipes.size())) return *std::move(known);
    }
  }
  LLMOPS_ASSIGN(TypeErrors made, Measurement(request).run());
  if (!file.empty()) {
    // A figure that cannot be kept is measured again; the plan does not fail for it.
    Status kept = ensure_directory(folder);
    if (kept) kept = write_file_atomic(file, dump_json(cache_of(made)), {.durable = false});
    if (!kept) request.session->note(fmt::format("the measured errors are not kept: {}", kept.error().message));
  }
  return made;
}

}  // namespace llmops
