#include "commands/compress/recipe_statistics.h"

#include <fmt/format.h>

#include "core/model/architectures.h"

namespace llmops {
namespace {

constexpr std::string_view kFirstExpert = "experts.0.";

// The name of a tensor in the words of the other format, and which matrix of a stack it is there.
struct OtherName { std::string name; std::optional<uint64_t> expert; };
OtherName other_name(const Model& model, const std::string& name) {
  if (model.format == "gguf") {
    const Architecture* architecture = architecture_of_gguf(model.architecture, name.find("_exps.") != std::string::npos);
    return {architecture == nullptr ? "" : hugging_face_name(name, *architecture), std::nullopt};
  }
  const Architecture* architecture = architecture_of(model.config);
  const auto place = architecture == nullptr ? std::nullopt : place_of(name, *architecture);
  return place ? OtherName{gguf_name(*place), place->expert} : OtherName{};
}

class Finder {
 public:
  Finder(const Calibration& calibration, const Model& model, const TensorRecipe& recipe) : calibration_(calibration), model_(model), recipe_(recipe), length_(recipe.row_length()) {
    if (recipe.shape.size() > 2) matrices_ = recipe.row_count() / std::max<uint64_t>(1, recipe.shape[recipe.shape.size() - 2]);
  }

  Result<std::vector<MatrixStatistics>> find() {
    std::vector<MatrixStatistics> found;
    if (const CalibrationEntry* entry = calibration_.find(recipe_.name)) return all_of(*entry);
    if (recipe_.sources.empty()) return found;
    const std::string& source = model_.tensors[recipe_.sources[0]].name;
    if (recipe_.sources.size() == 1) {
      if (const CalibrationEntry* entry = calibration_.find(source)) return all_of(*entry);
    }
    const OtherName other = other_name(model_, source);
    if (const CalibrationEntry* entry = other.name.empty() ? nullptr : calibration_.find(other.name)) {
      if (matrices_ == 1 && other.expert) return part_of(*entry, *other.expert);
      if (other.name.find(kFirstExpert) == std::string::npos) return all_of(*entry);
    }
    return matrices_ == 1 ? std::move(found) : one_by_one(other.name);
  }

 private:
  Error unfit(const CalibrationEntry& entry, uint64_t wanted) const {
    return Error(ErrorCode::kData, fmt::format("'{}' has {} values for '{}', whose rows have {}", calibration_.shown_name, entry.mean_squares.size(), recipe_.name, wanted), "it was made from another model");
  }

  Result<std::vector<MatrixStatistics>> all_of(const CalibrationEntry& entry) const {
    if (entry.mean_squares.size() != length_ * matrices_) return unfit(entry, length_ * matrices_);
    std::vector<MatrixStatistics> found;
    for (uint64_t i = 0; i < matrices_; ++i) found.push_back({&entry, std::span(entry.mean_squares).subspan(i * length_, length_)});
    return found;
  }

  Result<std::vector<MatrixStatistics>> part_of(const CalibrationEntry& stack, uint64_t expert) const {
    if (stack.mean_squares.size() % length_ != 0 || expert >= stack.mean_squares.size() / length_) return unfit(stack, length_);
    return std::vector<MatrixStatistics>{{&stack, std::span(stack.mean_squares).subspan(expert * length_, length_)}};
  }

  // Experts that have an entry each: by the names of their tensors, or by those that Hugging Face gives the stack's parts.
  Result<std::vector<MatrixStatistics>> one_by_one(const std::string& first) const {
    std::vector<MatrixStatistics> found(matrices_);
    bool has_any = false;
    for (uint64_t i = 0; i < matrices_; ++i) {
      std::string name = recipe_.sources.size() == matrices_ ? model_.tensors[recipe_.sources[i]].name : first;
      if (const size_t at = name.find(kFirstExpert); recipe_.sources.size() == 1 && at != std::string::npos) name.replace(at, kFirstExpert.size(), fmt::format("experts.{}.", i));
      const CalibrationEntry* entry = calibration_.find(name);
      if (entry == nullptr) continue;
      if (entry->mean_squares.size() != length_) return unfit(*entry, length_);
      found[i] = {entry, entry->mean_squares};
      has_any = true;
    }
    return has_any ? std::move(found) : std::vector<MatrixStatistics>();
  }

  const Calibration& calibration_;
  const Model& model_;
  const TensorRecipe& recipe_;
  uint64_t length_, matrices_ = 1;
};

}  // namespace

Result<std::vector<MatrixStatistics>> find_statistics(const Calibration& calibration, const Model& model, const TensorRecipe& recipe) { return Finder(calibration, model, recipe).find(); }

}  // namespace llmops
