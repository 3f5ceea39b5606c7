// A span by the names of the OpenTelemetry GenAI semantic conventions (v1.41, status Development).
#pragma once

#include "core/base/json.h"
#include "core/store/records.h"

namespace llmops {

// gen_ai.operation.name, gen_ai.request.model, gen_ai.response.model, gen_ai.usage.*, gen_ai.response.time_to_first_chunk
// (seconds), error.type and what else the provider reported. Absent values are left out.
Json genai_attributes(const SpanRecord& span);

}  // namespace llmops
