// Arrays of numbers as NumPy saves them (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace llmops {

struct NpyArray {
  std::vector<uint64_t> shape;        // slowest first, whatever order the file has; empty: one value
  std::vector<double> values;         // row-major
  std::string type;                   // as the file says: "<f4"
};

// Versions 1 to 3; types <f2, <f4, <f8, |b1, i and u of 1 to 8 bytes, little-endian; Fortran order is turned. Errors: kNotFound, kIo; kData: another magic or version, a header
// that is no dictionary of descr, fortran_order and shape, objects, texts, structures, complex and big-endian numbers, sizes that the file does not have or that are
// too many, bytes behind the last value. Nothing larger than the file is allocated, but for the doubles. Cost: the file.
Result<NpyArray> read_npy(const std::filesystem::path& path, const std::string& shown_name);

// Version 1, <f4, row-major. Errors: kIo.
Status write_npy(const std::filesystem::path& path, std::span<const uint64_t> shape, std::span<const float> values);

}  // namespace llmops
