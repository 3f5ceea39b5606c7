// `llmops monitor test`: one detector on two files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"
#include "core/drift/detectors.h"

namespace llmops {

struct MonitorTestOptions {
  std::string reference, current;            // paths: .npy, .csv, .tsv, .jsonl, .json, .txt (a text per line)
  std::string method;                        // empty: by what the files hold
  std::string field;                         // a column of the files; empty: all numeric ones as vectors, or the only one, or input, text, prompt
  std::string context;                       // a column
  std::string embedder;                      // as open_embedder() takes it, folders from the working directory; empty: `monitor: embedder:` of llmops.yaml, whose folders start at the project's root, else tfidf
  size_t permutations = 999;
  double alpha = 0.01;
  std::optional<uint64_t> seed;
  size_t threads = 0;
};

enum class DriftVerdict { kDrift, kNoDrift, kNotEnoughData };
std::string_view drift_verdict_name(DriftVerdict verdict);   // "drift", "no drift", "not enough data"

// What made vectors of texts.
struct UsedEmbedder {
  std::string name, kind, description;       // "potion", "model2vec", "model2vec potion, 256 dimensions"
  size_t dimensions = 0;
};

struct MonitorTestReport {
  std::string reference, current, method, kind;
  std::string statistic_name, convention, source;
  size_t reference_count = 0, current_count = 0;
  uint64_t seed = 0;
  double alpha = 0;
  std::optional<UsedEmbedder> embedder;      // absent: no texts were made into vectors
  std::vector<std::string> notes;            // what was read otherwise than it looks
  DetectorResult result;
  std::vector<std::string> carriers;         // what the items of result.carriers say; empty for vectors
  DriftVerdict verdict = DriftVerdict::kNotEnoughData;
  std::string reason;                        // of kNotEnoughData
};

// Not enough data: fewer than 8 items on a side, or so few that no split could reach alpha. Errors: kNotFound, kIo, kData: a file that is none of these, a column that is not there, NaN;
// kUsage: a method for another kind, so few permutations that alpha cannot be reached, an embedder that the test would not use; those of open_embedder() and Embedder::dense().
Result<MonitorTestReport> monitor_test(const Session& session, const MonitorTestOptions& options);

}  // namespace llmops
