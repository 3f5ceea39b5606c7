// Requests of production as monitors read them, made of the spans of a trace.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/store/records.h"
#include "core/telemetry/trace.h"

namespace llmops {

// A record for each root of the trace (its component is empty), and one for each span that is a component's: models, tools, retrievals, and what else names itself.
// The input of a request is the last user turn of the first model below it, where the root itself tells none; its output that of the root, or of the last model. Tokens
// and costs are sums over the models below; a model's own are its own. What no span tells is absent, never 0.
std::vector<StoredRecord> request_records(const Trace& trace, const ComponentPatterns& patterns);

// Signs that an answer did not go well, which need no label.
struct AnswerSigns { bool is_empty = false, is_refusal = false, is_cut_off = false, is_malformed_json = false; };
// `finish`: the reason that the model gave for ending, "length" among them.
AnswerSigns answer_signs(std::string_view output, std::string_view finish);
// The answer begins by declining, in English: one of some forty openings ("I'm sorry, but I can't", "As an AI") within its first 160 bytes. A heuristic: what is phrased
// another way is not found, and a quoted refusal is.
bool begins_with_refusal(std::string_view output);

}  // namespace llmops
