// Variants of a step's prompt that mean the same to a person: other white space, another order of the examples, paraphrases
// that somebody wrote. Each is a set of overrides, so that a variant is a version like any other.
#pragma once

#include <string>
#include <vector>

#include "core/chain/chain.h"

namespace llmops {

struct PromptVariant {
  std::string label;                   // "as written", "space: lines", "order: shuffle 2", "prompts/p2.md"
  std::vector<Override> overrides;
};

// `wanted`: "space" (up to five changes of white space, those that change the prompt), "order" (of few-shot examples: reversed and
// three shuffles), PATH (a template that replaces the last user message) or ROLE:PATH (that replaces the last message of that
// role), relative to the chain file. The prompt as written comes first. Errors (kUsage): no such step, a step without a prompt
// or without examples to order, a message that is not there; what reading a file can meet.
Result<std::vector<PromptVariant>> prompt_variants(const Chain& chain, const std::string& step_id, const std::vector<std::string>& wanted);

enum class SpaceChange { kEnd, kStart, kLines, kColon, kSentence };
// A template's text with its white space changed outside of {{ }}, {% %} and {# #}: a line break more at the end (or none),
// one more at the start, blank lines between lines, a line break behind "Name: ", two spaces behind a sentence.
std::string change_space(std::string_view text, SpaceChange change);

}  // namespace llmops
