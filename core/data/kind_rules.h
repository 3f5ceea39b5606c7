// What the rows of each kind of asset must hold.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/scan.h"

namespace llmops {

using RuleReport = std::function<void(ProblemCode code, std::string what)>;   // what: "has an empty 'output'"

// Reports what the kind forbids about a sound row.
void check_kind(DataKind kind, const Row& row, const RuleReport& report);
// Reports each of `required` that the row lacks or leaves empty.
void check_required(const std::vector<std::string>& required, const Row& row, const RuleReport& report);

}  // namespace llmops
