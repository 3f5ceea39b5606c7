// What is known of production without its texts: for each hour, component and stratum, counts and sketches that add up. Whatever way records are divided among machines, the merged profile is the one of a single pass, to the bit: everything
// inside is an integer, a maximum, or a sample by hashes.
//
// What it still tells: up to 256 words of each cell (unless capture is "hash"), and whether a word or text that somebody knows already was probably among them. It is smaller than texts, not anonymous.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/drift/features.h"
#include "core/drift/profile_features.h"
#include "core/sketch/distinct_sketch.h"
#include "core/sketch/feature_totals.h"
#include "core/sketch/frequency_sketch.h"
#include "core/sketch/heavy_terms.h"
#include "core/sketch/quantile_sketch.h"

namespace llmops {

constexpr int64_t kProfilePeriodMs = 3'600'000;

// Everything that the numbers hang on. Profiles of different specs do not add up.
struct ProfileSpec {
  size_t dimensions = size_t{1} << 14;       // of the hashing of words and pairs of neighbouring words; a power of two
  size_t features = 256;                     // a multiple of 8
  double sigma = 1;                          // of the kernel; two texts without a common word are sqrt(2) apart
  uint64_t seed = 0;                         // below 2^53
  std::string capture = "full";              // what was done to texts before: "full": secrets scrubbed; "redacted"; "hash": as "full", and no words are kept
  std::vector<std::string> strata;           // fields of records
  bool components = false;                   // calls of components beside whole requests
  bool keeps_terms() const { return capture != "hash"; }
  bool operator==(const ProfileSpec&) const = default;
};
// With the constants of the sketches.
Json profile_spec_json(const ProfileSpec& spec);
// The first 16 hex digits of the SHA-256 of its canonical JSON.
std::string profile_spec_id(const ProfileSpec& spec);
// Errors (kData): not what profile_spec_json makes, or sketches of other constants.
Result<ProfileSpec> profile_spec_of(const Json& json);
// "features 256 against 512, seed 0 against 7"; empty: they are equal.
std::string profile_spec_difference(const ProfileSpec& one, const ProfileSpec& other);

// A request, or what a component did for it. Absent is unknown. Views must live as long as the call that takes it.
struct ProfileRecord {
  std::optional<int64_t> start_ms;
  std::string_view component;                // empty: the request as a whole
  std::string_view stratum;                  // a JSON object, or empty: none
  std::string_view identity;                 // tells records apart wherever they lie (not a line number); two of one identity draw alike for the sample of words
  std::optional<std::string_view> text, session;
  bool is_error = false, is_empty = false, is_refusal = false, is_cut_off = false, is_malformed_json = false;
  std::optional<int64_t> input_tokens, output_tokens, output_bytes;
  std::optional<double> latency_ms, ttft_ms, cost_usd;
};

struct ProfileKey {
  int64_t hour_ms = 0;                       // its first moment, unix
  std::string component, stratum;
  auto operator<=>(const ProfileKey&) const = default;
};

struct ProfileCounts {
  int64_t records = 0, errors = 0;
  int64_t answered = 0;                      // of a known answer; of these:
  int64_t empty = 0, refusals = 0, cut_off = 0, malformed_json = 0;
  int64_t with_text = 0, with_session = 0;
  int64_t impossible = 0;                    // numbers that are negative or none: in no sketch
  bool operator==(const ProfileCounts&) const = default;
};

// Each sketch counts the records whose value is known: its count() is the denominator.
struct ProfileCell {
  ProfileCounts counts;
  QuantileSketch words, input_tokens, output_tokens, output_bytes, latency_ms, ttft_ms, cost_usd;    // words: of a text
  DistinctSketch prompts, sessions;
  FrequencySketch word_counts;               // words of more than 64 bytes by their first 64
  HeavyTerms terms;
  FeatureTotals features;                    // of texts
  void merge(const ProfileCell& other);      // precondition: of one spec
  bool operator==(const ProfileCell&) const = default;
};
// The kept words that came most often, with their estimated counts (frequency_sketch.h); ties by word.
std::vector<std::pair<std::string, int64_t>> frequent_words(const ProfileCell& cell, size_t most);
// Sums of FeatureMap's scale, sqrt(2 / D) (cos, sin), so that mmd_of_sums takes them.
FeatureSums feature_sums(const FeatureTotals& totals);

std::string profile_cell_bytes(const ProfileCell& cell);
// Errors (kData): not what profile_cell_bytes makes, or features of another number.
Result<ProfileCell> profile_cell_of(std::string_view bytes, const ProfileSpec& spec);

// What was read and is in no cell.
struct ProfileLeftOut {
  int64_t without_time = 0;                  // records
  int64_t repaired = 0;                      // lines with bytes that are no UTF-8: counted, and in cells
  std::map<std::string, int64_t> dropped;    // by reason
  void merge(const ProfileLeftOut& other);
  bool operator==(const ProfileLeftOut&) const = default;
};

// Cells by hour, component and stratum. Memory: 8 to 90 KB for each cell, whatever the number of records. Not thread-safe.
class Profile {
 public:
  static constexpr size_t kMostCells = 100'000;

  explicit Profile(ProfileSpec spec) : spec_(std::move(spec)) {}
  Profile(Profile&&) = default;
  Profile& operator=(Profile&&) = default;
  Profile(const Profile&) = delete;          // last_ is of this map
  Profile& operator=(const Profile&) = delete;
  const ProfileSpec& spec() const { return spec_; }
  const std::map<ProfileKey, ProfileCell>& cells() const { return cells_; }
  ProfileLeftOut left_out;

  // Errors (kData): more than kMostCells cells. Cost: about 5 us for a text of ten words.
  Status add(const ProfileRecord& record);
  // Errors (kData): of another spec, with both ids and what differs; more than kMostCells cells.
  Status merge(const Profile& other);
  // A cell that lies elsewhere, of the same spec. Errors (kData): more than kMostCells cells.
  Status put(const ProfileKey& key, ProfileCell cell);
  // All cells as one.
  ProfileCell total() const;

 private:
  Result<ProfileCell*> cell_of(int64_t hour_ms, std::string_view component, std::string_view stratum);
  void add_text(std::string_view text, std::string_view identity, ProfileCell& cell);
  ProfileSpec spec_;
  std::map<ProfileKey, ProfileCell> cells_;
  std::pair<const ProfileKey, ProfileCell>* last_ = nullptr;    // the cell of the record before: mostly the same
  std::shared_ptr<ProfileFeatures> map_;                        // made by the first text
  std::vector<uint32_t> ngrams_;
  std::vector<int32_t> features_;
};

}  // namespace llmops
