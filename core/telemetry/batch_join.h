// Requests and answers of OpenAI's batches, brought together by their custom_id whichever file comes first.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/telemetry/trace_lines.h"

namespace llmops {

class BatchJoin {
 public:
  // The whole request when this was its second half. Equal custom_ids of several batches meet in the order in which they came.
  std::optional<TraceSpan> add(BatchHalf half);
  // Answers whose request did not come, as they are; and how many requests have no answer. Afterwards nothing is waiting.
  struct Rest { std::vector<TraceSpan> answers; int64_t unanswered = 0; };
  Rest take_rest();

 private:
  std::unordered_map<std::string, std::deque<TraceSpan>> requests_, answers_;
};

}  // namespace llmops
