// Text made comparable: the `normalize` parameter, and SQuAD's fixed normalisation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace llmops {

// Applied in the order case, punctuation, articles, space, whatever the order in the list.
struct Normalization {
  bool case_ = false;        // full Unicode case folding
  bool punctuation = false;  // the 32 ASCII punctuation characters and Unicode's category P are removed
  bool articles = false;     // the words a, an, the (any case) become a space
  bool space = false;        // runs of white space become one space, none at the ends
  std::string apply(std::string_view text) const;
  // Applied to every text in a value; keys stay.
  Json apply_to(const Json& value) const;
  std::string name() const;  // "case+space", "none"
};

// The `normalize` parameter of a row. Errors (kConfig): not a list of known names.
Result<Normalization> parse_normalization(const Json& params);
// For signatures, which cannot fail: what cannot be read counts as none.
std::string normalization_name(const Json& params);

// Answer normalisation of SQuAD's evaluate-v1.1.py: lower case, string.punctuation removed, \b(a|an|the)\b to a space,
// split at white space and joined by one space. Follows Python's str.lower, \b and str.split, with utf8proc's Unicode
// tables (15.0; Python 3.11 has 14.0), except that a capital sigma looks for a word's end past no combining marks.
std::string squad_normalize(std::string_view text);
std::vector<std::string> squad_tokens(std::string_view text);

}  // namespace llmops
