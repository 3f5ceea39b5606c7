#include "commands/eval/matrix_axes.h"

#include <fmt/format.h>

#include "core/base/yaml.h"
#include "core/chain/prompt_variants.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr std::string_view kVariants = ".variants";

Result<std::vector<Json>> parse_values(const std::string& path, const std::string& text) {
  auto parsed = parse_yaml("[" + text + "]", "--matrix " + path);
  if (!parsed) return Error(ErrorCode::kUsage, fmt::format("the values '{}' of '{}' cannot be read: {}", text, path, parsed.error().message), "separate them by commas, and quote a value that holds ',', ': ', '{' or '#'");
  std::vector<Json> values;
  for (const Json& value : parsed->value()) values.push_back(value);
  if (values.empty()) return Error(ErrorCode::kUsage, fmt::format("axis '{}' has no values", path), "write --matrix PATH=a,b,c");
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t k = 0; k < i; ++k) if (json_equal(values[i], values[k])) return Error(ErrorCode::kUsage, fmt::format("axis '{}' has the value '{}' twice", path, json_to_text(values[i])), "name each value once");
  }
  return values;
}

Result<MatrixAxis> variants_axis(const std::string& path, const std::vector<Json>& values, const Chain& chain) {
  constexpr std::string_view kSteps = "steps.";
  const std::string hint = "write steps.ID.variants=space,order,PATH";
  if (!path.starts_with(kSteps) || path.size() <= kSteps.size() + kVariants.size()) return Error(ErrorCode::kUsage, fmt::format("'{}' names no step", path), hint);
  std::vector<std::string> wanted;
  for (const Json& value : values) {
    if (!value.is_string()) return Error(ErrorCode::kUsage, fmt::format("'{}' is no kind of variant", json_to_text(value)), hint);
    wanted.push_back(value.get<std::string>());
  }
  LLMOPS_ASSIGN(auto variants, prompt_variants(chain, path.substr(kSteps.size(), path.size() - kSteps.size() - kVariants.size()), wanted));
  MatrixAxis axis{path, true, {}};
  for (PromptVariant& variant : variants) axis.values.push_back({std::move(variant.label), std::move(variant.overrides)});
  return axis;
}

}  // namespace

Result<std::vector<MatrixAxis>> parse_matrix(const std::vector<std::string>& texts, const Chain& chain) {
  std::vector<MatrixAxis> axes;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return Error(ErrorCode::kUsage, fmt::format("'{}' is not PATH=a,b,c", text), "write it like --matrix models.main.params.temperature=0,0.7");
    const std::string path = text.substr(0, equals);
    for (const MatrixAxis& other : axes) if (other.path == path) return Error(ErrorCode::kUsage, fmt::format("axis '{}' is there twice", path), "give all its values at once");
    LLMOPS_ASSIGN(const std::vector<Json> values, parse_values(path, text.substr(equals + 1)));
    if (path.ends_with(kVariants)) {
      LLMOPS_ASSIGN(MatrixAxis axis, variants_axis(path, values, chain));
      axes.push_back(std::move(axis));
      continue;
    }
    MatrixAxis axis{path, false, {}};
    for (const Json& value : values) axis.values.push_back({collapse_space(json_to_text(value)), {{path, value}}});
    axes.push_back(std::move(axis));
  }
  return axes;
}

Result<std::vector<std::vector<size_t>>> matrix_cells(const std::vector<MatrixAxis>& axes) {
  size_t count = 1;
  for (const MatrixAxis& axis : axes) {
    count *= axis.values.size();
    if (count > kMostCells) return Error(ErrorCode::kUsage, fmt::format("the matrix has more than {} cells", kMostCells), "take fewer values");
  }
  if (count < 2) return Error(ErrorCode::kUsage, "a matrix of one cell compares nothing", "give at least one axis two values");
  std::vector<std::vector<size_t>> cells;
  std::vector<size_t> at(axes.size());
  while (cells.size() < count) {
    cells.push_back(at);
    for (size_t axis = axes.size(); axis-- > 0;) {
      if (++at[axis] < axes[axis].values.size()) break;
      at[axis] = 0;
    }
  }
  return cells;
}

std::vector<std::string> cell_sets(const std::vector<MatrixAxis>& axes, const std::vector<size_t>& cell) {
  std::vector<std::string> sets;
  for (size_t axis = 0; axis < axes.size(); ++axis) {
    for (const Override& override : axes[axis].values[cell[axis]].overrides) sets.push_back(override.path + "=" + dump_json(override.value));
  }
  return sets;
}

}  // namespace llmops
