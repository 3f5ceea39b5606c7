// What tells without labels that an application does worse, or otherwise than before: signals of two periods of its requests.
//
// What no request tells is unknown and never 0: a request that tells no outcome (no error, no output, no reason for ending) is in no rate; without tools in any request there is no signal of tools, but where
// some request of either period calls one, a request without calls made none. Of hashed outputs nothing is judged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/monitor/health_compare.h"
#include "core/store/records.h"

namespace llmops {

// Requests of one period, or calls of one component, by start.
struct HealthPeriod {
  std::vector<StoredRecord> records;
  std::vector<std::vector<std::string>> steps;               // of each record, the components that its trace ran, by start; empty: not told
  std::vector<std::pair<size_t, StoredScore>> scores;        // judged apart from the spans: (index of the record, score); these go before those of the record
  std::vector<std::pair<size_t, double>> retrieval_scores;   // the best score that one retrieval gave; the index of the record
};

struct HealthSignals {
  std::vector<HealthSignal> signals;
  std::vector<std::string> not_recorded;                     // names of signals that no request of either period tells
  std::map<std::string, int64_t> left_out;                   // of the current period: values by signal that are no number, or cannot be (a negative time, NaN)
};
// Requests in a row, of one session, are a rephrase where the cosine of their inputs passes 0.8: words, pairs and runs of 3 to 5 characters, counts damped by 1 + ln (core/text/ngram_vectors.h).
// A loop: one tool three times in a row, or one pair of tools three times. Cost: linear in the texts, and sorting the numbers. Deterministic by `seed`.
HealthSignals health_signals(const HealthPeriod& before, const HealthPeriod& current, uint64_t seed);

// The signals that a part of the requests has: errors, and the 95th percentile of the latency; `name` is put before theirs.
struct HealthPart { HealthSignal errors, latency; };
HealthPart part_signals(const std::string& name, const std::vector<StoredRecord>& before, const std::vector<StoredRecord>& current);

// Tells how it ended: an error, an output, or a reason for ending.
bool tells_outcome(const StoredRecord& record);
// Finite and not negative.
bool is_duration(const std::optional<double>& ms);
// What was served is another model than what was asked, but for a date, a number of three digits or more, or "latest" that is put behind it, and a provider before it with a slash.
bool is_other_model(std::string_view asked, std::string_view served);
// Of scores by these names less is better: error, toxicity, hallucination, refusal, distance, loss, perplexity, bias, harm, latency, cost. Of all others more is.
HealthDirection score_direction(std::string_view name);
// The best score of a list of documents, [{"score": 0.7}, ...], also below "documents" or "results"; nullopt: the output is none.
std::optional<double> best_retrieval_score(std::string_view output);

}  // namespace llmops
