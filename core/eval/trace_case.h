// A recorded trace as the result of a case: what its components did stands where a run's steps would.
#pragma once

#include "core/chain/chain.h"
#include "core/runtime/executor.h"

namespace llmops {

// `row`: of a dataset of traces (trace_to_row). A component is a step: its last span is its `output` and `error`, all of them are `outputs`;
// what happened below it are its `tool_calls` and `turns`. A step of the chain that the trace does not show was skipped. Tokens and costs of the
// case count each call once: a span that sums up what is below it adds nothing.
CaseResult result_of_trace(const Chain& chain, const Json& row);

}  // namespace llmops
