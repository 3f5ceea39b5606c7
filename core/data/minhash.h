// MinHash: texts as bags of shingles, their similarity, and the bands that find similar ones without comparing all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace llmops {

enum class ShingleUnit { kWords, kCharacters };

// Runs of `size` words (or characters, the space between words being one). A text of fewer is one shingle.
struct Shingling { ShingleUnit unit = ShingleUnit::kWords; int size = 1; };

// The bag of a text in normal form (normal_form.h): sorted 32-bit hashes, the k-th occurrence of a shingle having a hash of
// its own, so that equal bags are equal texts up to order. Two different shingles of a pair of texts of n shingles share a
// hash with probability about n^2 / 2^32. Bags past kMostShingles keep their smallest hashes.
constexpr size_t kMostShingles = size_t{1} << 20;
class Shingler {
 public:
  explicit Shingler(Shingling shingling) : shingling_(shingling) {}
  // `sequence`: the shingles in the order of the text, each occurrence with the same hash; nullptr: not asked for.
  void shingle(std::string_view normal, std::vector<uint32_t>& bag, std::vector<uint32_t>* sequence = nullptr);

 private:
  Shingling shingling_;
  std::vector<uint64_t> units_;
};

// |a and b| / |a or b| of two sorted bags; 0 when both are empty.
double jaccard(std::span<const uint32_t> a, std::span<const uint32_t> b);

// A pair whose similarity is s agrees in all `rows` minima of at least one of `bands` bands with probability
// 1 - (1 - s^rows)^bands (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4.2).
struct Banding {
  int bands = 1, rows = 1;
  int hashes() const { return bands * rows; }
  double found(double similarity) const;
  double missed(double similarity) const { return 1 - found(similarity); }
};

// The largest number of rows (the fewest false candidates) for which pairs AT the threshold are found with probability
// `recall`, with at most `most_hashes` hashes; one row when even that needs more. More similar pairs are found more often.
// Preconditions: 0 < threshold <= 1, 0 < recall < 1.
Banding choose_banding(double threshold, double recall, int most_hashes);

// Independent hash functions x -> a x + b modulo 2^32, a odd, which are permutations (Broder, Charikar, Frieze,
// Mitzenmacher 1998 on linear ones), from a seed. The minima of two bags agree with the probability of their Jaccard similarity. One hash
// per minimum and no one-permutation hashing with densification: bags of five words leave most of its bins empty, and
// the borrowed bins are correlated. Cost: hashes x shingles, 8 at a time.
class MinHasher {
 public:
  static constexpr size_t kLanes = 8;
  MinHasher(size_t hashes, uint64_t seed);
  size_t hashes() const { return multipliers_.size(); }  // rounded up to a multiple of kLanes
  // Minima of the functions [first, first + count), both multiples of kLanes. Precondition: the bag is not empty.
  void minima(std::span<const uint32_t> bag, size_t first, size_t count, uint32_t* out) const;

 private:
  std::vector<uint32_t> multipliers_, offsets_;
};

}  // namespace llmops
