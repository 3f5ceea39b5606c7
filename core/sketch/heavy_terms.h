// Which terms come often, as a sample that merges to the bit: bottom-k sampling of weighted keys (Cohen & Kaplan 2007, "Summarizing data using bottom-k sketches", PODC).
//
// Each occurrence draws a number from its term, the record that it stands in and its place there; a term's key is the least of its numbers, and the 256 terms of the least keys are kept. That is sampling without replacement with probabilities
// proportional to the counts (PPSWOR), so a term that makes a share s of all occurrences is kept with a probability of at least 1 - (1 - s)^256: 99.4 % at 2 %, 92.4 % at 1 %. With at most 256 different terms all are kept.
// The counts themselves come from a FrequencySketch. Lists of counters that push each other out (Misra & Gries, Space-Saving) are closer for one pass, but what they hold hangs on the order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/sketch/bytes.h"

namespace llmops {

class HeavyTerms {
 public:
  static constexpr size_t kKept = 256, kLongestBytes = 64;
  struct Term {
    uint64_t key = 0;
    std::string text;
    bool operator==(const Term&) const = default;
  };

  // `hash`: of the term (hash64.h), the same for the same text. `draw`: of the record and the place of this occurrence, so that the same occurrence draws the same number in whatever shard it lies; a record that is there twice draws once.
  // Precondition: text is at most kLongestBytes long. Cost: a multiplication or two for almost all occurrences.
  void add(std::string_view text, uint64_t hash, uint64_t draw);
  // Afterwards as if this one had seen the occurrences of both, to the bit.
  void merge(const HeavyTerms& other);
  const std::vector<Term>& terms() const { return terms_; }           // by key

  void append_to(std::string& out) const;
  static std::optional<HeavyTerms> read(ByteReader& reader);          // nullopt: not what append_to wrote
  bool operator==(const HeavyTerms&) const = default;

 private:
  void offer(uint64_t key, std::string_view text);
  std::vector<Term> terms_;          // by key, then text
};

}  // namespace llmops
