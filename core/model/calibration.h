// What a model's weights saw of calibration text: second moments of the inputs of each weight. docs/calibration.md has the file of ours.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace llmops {

enum class CalibrationFormat { kImatrixDat, kImatrixGguf, kOwn };

struct CalibrationEntry {
  std::string name;                   // of the weight, as the file writes it (Hugging Face's or GGUF's)
  // sum of x_j^2 over the tokens that `counts` says, [counts.size(), in]: experts that GGUF stacks in one tensor are one matrix each.
  // imatrix.dat does not know of experts: counts has one value then, and `in` is a multiple of the real one.
  std::vector<float> sums;
  std::vector<double> counts;         // tokens; of imatrix.dat: calls (chunks)
  // sums / counts, E[x_j^2]. 1 for every input of a matrix without tokens where others of the entry have some, as llama.cpp takes it.
  std::vector<float> mean_squares;
  bool has_hessian = false;

  size_t matrices() const { return counts.size(); }
  size_t inputs() const { return counts.empty() ? 0 : sums.size() / counts.size(); }
  std::span<const float> mean_squares_of(size_t matrix) const { return std::span(mean_squares).subspan(matrix * inputs(), inputs()); }
};
// Fills in mean_squares. Errors (kData, with the name): no sums, sums that the counts do not divide, a count that is negative or no finite
// number, no count above 0, a sum that is negative or no finite number, a matrix with tokens whose sums are all 0 (llama.cpp#8661: such
// entries make blocks of NaN).
Result<CalibrationEntry> make_calibration_entry(std::string name, std::vector<float> sums, std::vector<double> counts);

// One value for each part of each layer, [layers, parts], row-major; parts: heads, or neurons of the feed-forward network.
struct LayerImportance { size_t layers = 0, parts = 0; std::vector<float> values; };

struct Calibration {
  CalibrationFormat format = CalibrationFormat::kOwn;
  std::string shown_name;
  std::filesystem::path path;
  std::vector<std::string> datasets;  // names, as the file has them
  uint64_t tokens = 0;                // 0: the file does not say
  uint64_t chunk_count = 0, chunk_size = 0;   // of imatrix; 0: the file does not say
  std::vector<CalibrationEntry> entries;      // sorted by name
  struct Refused { std::string name, reason; };
  std::vector<Refused> refused;       // entries that cannot be used, with what is wrong with them; find() does not know them
  std::vector<float> block_influence; // [layers], ShortGPT's (Men et al. 2024, arXiv:2403.03853); empty: none
  LayerImportance head_importance, ffn_importance;   // Minitron's (Muralidharan et al. 2024, arXiv:2407.14679); empty: none

  const CalibrationEntry* find(std::string_view name) const;    // nullptr: none
  // sum of x x^T over the tokens, [in, in], both triangles: read from the file at each call. Errors: kNotFound: the weight or its Hessian is not there; kIo; kData: a
  // value that is no finite number, a negative diagonal. Any thread. Cost: in^2 floats.
  Result<std::vector<float>> read_hessian(std::string_view name) const;
};

// Tells the format by the content. Reads everything but Hessians. Errors: kNotFound, kIo; kData: none of the three formats, a length
// past the file, a name twice, sums without counts or the other way round, shapes that do not fit together, no entry that can be used.
Result<Calibration> open_calibration(const std::filesystem::path& path, const std::string& shown_name);

// llama.cpp's first format, as its imatrix program writes it: means times calls, calls being the largest count in chunks of chunk_size
// tokens (0: counts are calls), rounded up. One call count for all experts of an entry. The last of the datasets alone is kept. Errors: kIo; kData: a figure past 2^31.
Status write_imatrix_dat(const std::filesystem::path& path, const Calibration& calibration);
// llama.cpp's GGUF form of it. Errors: kIo; kData: a name too long for GGUF.
Status write_imatrix_gguf(const std::filesystem::path& path, const Calibration& calibration);

// Called once for each entry with has_hessian, in the order of the entries; the values are dropped before the next call.
using HessianSource = std::function<Result<std::vector<float>>(const CalibrationEntry& entry)>;
// Our file. Counts become whole numbers. Errors: kIo; kData: a Hessian of another size, of a stack of experts, or where no source is
// given; those of the source.
Status write_calibration(const std::filesystem::path& path, const Calibration& calibration, const HessianSource& hessians = {});

}  // namespace llmops
