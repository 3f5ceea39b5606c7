// What was judged of requests, as numbers: feedback of users and scores of judges, with the record or apart from it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/store/store.h"

namespace llmops {

// By name. true and false are 1 and 0; a text that is a number counts as it; other texts are no numbers. What was judged apart from the spans goes before what the record holds, and what names
// the record's own span before what names another one of its trace; a component has those of its own spans alone.
using NumericScores = std::map<std::string, double>;
// Of each record. Cost: the stored scores.
Result<std::vector<NumericScores>> numeric_scores(Store& store, const std::vector<StoredRecord>& records);

// The name under which most records are judged, ties by name; nullopt: nothing is judged by a number.
std::optional<std::string> most_used_score(const std::vector<NumericScores>& scores);

}  // namespace llmops
