// Cutting documents into passages. Sizes and overlaps count words (white-space separated).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/bm25.h"

namespace llmops {

enum class ChunkBy { kSize, kHeading, kSentence };

struct ChunkOptions {
  ChunkBy by = ChunkBy::kSize;
  int size_words = 300;
  int overlap_words = 0;  // less than size_words
};

// One document without options: one passage with id `path` + "#1". With options: path#1, path#2, ... kHeading cuts before
// Markdown headings (# to ######, outside code fences) and then by size; kSentence packs whole sentences up to the size.
// Passages are pieces of the text (white space at their ends trimmed); empty ones are left out.
std::vector<Passage> chunk_document(std::string_view path, std::string_view text, const std::optional<ChunkOptions>& options);

}  // namespace llmops
