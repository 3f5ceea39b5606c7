// `eval data dedupe`: groups of equal rows, and a copy of the file with the first of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/near.h"
#include "core/data/row_index.h"

namespace llmops {

// kExact: equal in the named columns, or without names in all fields but the id. kNormalised: equal in normal form
// (normal_form.h). kNear: similar (near.h). The last two look at the compared text (RowText).
enum class DedupeMethod { kExact, kNormalised, kNear };
// "exact", "normalised", "near". Errors (kUsage): unknown, with did you mean.
Result<DedupeMethod> parse_dedupe_method(std::string_view name);

struct DedupeOptions {
  DedupeMethod method = DedupeMethod::kNormalised;
  std::vector<std::string> columns;
  std::string id_column = "id";
  std::optional<NearOptions> near;              // nullopt: choose_near_options
  size_t memory_bytes = size_t{1} << 30;
  fs::path temporary_directory;
  size_t threads = 2;
};

struct DedupeMember { uint32_t row = 0, line = 0; float similarity = 1; };  // rows from 1; similarity to the kept row
struct DedupeGroup { DedupeMember kept; std::vector<DedupeMember> dropped; };

struct DedupeReport {
  size_t rows = 0, dropped = 0;
  std::vector<DedupeGroup> groups;              // of two rows and more, by the kept row
  std::vector<bool> keep;                       // by row from 0, for write_rows
  std::optional<NearOptions> near;              // what was used
  NearSearchFacts search;                       // likewise
};

// The first row of a group in the file is kept; each dropped row is equal or near to the kept row itself, and no row is judged
// by one that is dropped. Rows without text are all kept. Errors: as index_rows. Cost: one pass, and the search.
Result<DedupeReport> find_duplicates(const DataFile& file, const DedupeOptions& options = {});

}  // namespace llmops
