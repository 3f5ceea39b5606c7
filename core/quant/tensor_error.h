// How far stored values are from those that they were made of.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace llmops {

// |x - y| at most, root of the mean square of x - y, the same beside that of x (0: no difference; nullopt: x is all zero and y is not), and the cosine
// between both (1: the same direction; nullopt: one side is all zero).
struct TensorError { double largest = 0, rms = 0; std::optional<double> relative_rms, cosine; };

// Sums over pairs of values, in doubles. Adding sums in the same order gives the same figures.
struct ErrorSums {
  double largest = 0, source = 0, error = 0, output = 0, product = 0;   // squares of x, of x - y, of y; x times y
  uint64_t count = 0;
  void add(std::span<const float> x, std::span<const float> y);         // of one length
  void add(const ErrorSums& other);
  TensorError result() const;
};

// No value past +-largest, which is finite, and no NaN.
bool all_within(std::span<const float> values, float largest);
// No NaN and no infinity.
bool all_finite(std::span<const float> values);

}  // namespace llmops
