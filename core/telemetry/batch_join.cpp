#include "core/telemetry/batch_join.h"

#include <algorithm>
#include <utility>

namespace llmops {
namespace {

// What was asked, into the answer that has the identifiers and the time.
TraceSpan joined(TraceSpan request, TraceSpan answer) {
  answer.messages = std::move(request.messages);
  answer.input = std::move(request.input);
  answer.model_asked = std::move(request.model_asked);
  for (auto [from, into] : {std::pair{&request.session, &answer.session}, {&request.user, &answer.user}, {&request.route, &answer.route}, {&request.prompt_version, &answer.prompt_version}}) if (into->empty()) *into = std::move(*from);
  for (auto& [name, value] : request.attributes.items()) if (!answer.attributes.contains(name)) answer.attributes[name] = std::move(value);
  return answer;
}

}  // namespace

std::optional<TraceSpan> BatchJoin::add(BatchHalf half) {
  auto& others = half.is_answer ? requests_ : answers_;
  const auto waiting = others.find(half.custom_id);
  if (waiting == others.end()) {
    (half.is_answer ? answers_ : requests_)[half.custom_id].push_back(std::move(half.span));
    return std::nullopt;
  }
  TraceSpan other = std::move(waiting->second.front());
  waiting->second.pop_front();
  if (waiting->second.empty()) others.erase(waiting);
  return half.is_answer ? joined(std::move(other), std::move(half.span)) : joined(std::move(half.span), std::move(other));
}

BatchJoin::Rest BatchJoin::take_rest() {
  Rest rest;
  for (auto& [custom_id, waiting] : answers_) for (TraceSpan& answer : waiting) rest.answers.push_back(std::move(answer));
  // By identifier: the order of a hash table is none.
  std::sort(rest.answers.begin(), rest.answers.end(), [](const TraceSpan& a, const TraceSpan& b) { return a.span_id < b.span_id; });
  for (const auto& [custom_id, waiting] : requests_) rest.unanswered += static_cast<int64_t>(waiting.size());
  answers_.clear();
  requests_.clear();
  return rest;
}

}  // namespace llmops
