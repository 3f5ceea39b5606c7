// `eval data overlap`: rows of one set that stand in another, and a copy of a training set without what an evaluation holds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/near.h"
#include "core/data/row_index.h"

namespace llmops {

// From the strictest: equal texts; equal normal forms; long runs of words in common; similar.
enum class OverlapMethod { kExact, kNormalised, kNgram, kNear };
constexpr size_t kOverlapMethods = 4;
std::string_view overlap_method_name(OverlapMethod method);   // "exact", "normalised", "ngram", "near"
// Errors (kUsage): unknown, with did you mean.
Result<OverlapMethod> parse_overlap_method(std::string_view name);

// A row of at least `long_words` words hits when one run of that many stands in the other set's row: GPT-3's rule
// (Brown et al. 2020, arXiv:2005.14165, appendix C, 13 words). A shorter one of at least `short_words` hits when at
// least `short_share` of its runs of `short_words` stand in one row: PaLM's rule (Chowdhery et al. 2022, arXiv:2204.02311, section
// 8: 70 % of 8-grams). Still shorter rows are not judged by runs: five words in common are a figure of speech.
struct NgramOptions { int long_words = 13, short_words = 8; double short_share = 0.7; };

struct OverlapOptions {
  std::vector<OverlapMethod> methods{OverlapMethod::kExact, OverlapMethod::kNormalised, OverlapMethod::kNgram, OverlapMethod::kNear};
  std::vector<std::string> columns_a, columns_b;  // see RowText
  std::string id_column = "id";
  NgramOptions ngram;
  std::optional<NearOptions> near;                // nullopt: choose_near_options of the evaluation set
  size_t memory_bytes = size_t{1} << 30;
  fs::path temporary_directory;
  size_t threads = 2;
};

struct OverlapHit {
  uint32_t row_b = 0, line_b = 0;                 // rows from 1
  uint32_t row_a = 0, line_a = 0;                 // the best match; ties go to the earliest row
  OverlapMethod method = OverlapMethod::kExact;
  float score = 1;                                // share of runs in common, or similarity as NearMeasure says
};

struct OverlapReport {
  size_t rows_a = 0, rows_b = 0;
  std::vector<OverlapHit> hits;                   // by row_b, then method: one for each method that finds the row
  std::array<int64_t, kOverlapMethods> rows_b_hit{};  // by method
  int64_t any_b = 0, any_a = 0;                   // rows that are hit by any method
  std::vector<bool> clean_a, clean_b;             // rows from 0 that are not hit: write_rows(a, clean_a, out) decontaminates
  int64_t too_short_for_runs = 0;                 // rows of B
  std::optional<NearOptions> near;
  NearSearchFacts search;
};

// A: what may have leaked (training rows, few-shot examples); streamed. B: the evaluation set; 24 bytes of memory per word
// for kNgram. Texts that are empty match nothing. Errors: as index_rows; kUsage: run lengths below 1, a share outside (0, 1].
Result<OverlapReport> find_overlap(const DataFile& a, const DataFile& b, const OverlapOptions& options = {});

}  // namespace llmops
