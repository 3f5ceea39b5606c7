// How many words of one text must be inserted, deleted or replaced to make the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace llmops {

// Levenshtein distance over words (Levenshtein 1966), any word being one number; limit + 1 when it is more than `limit`.
// Only the diagonals within `limit` of the main one are filled (Ukkonen 1985, Information and Control 64:100). Thread-safe.
// Cost: about limit * min(a, b) steps of 1 ns; no memory for texts of up to 512 words.
size_t word_edits(std::span<const uint32_t> a, std::span<const uint32_t> b, size_t limit);

}  // namespace llmops
