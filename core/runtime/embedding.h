// Private to core/runtime: embeddings of texts from a provider, kept by content; ranking by cosine similarity, and the fusion
// of rankings.
#pragma once

#include <span>

#include "core/runtime/step_runner.h"

namespace llmops {

// Rows of unit length, `dimensions` apart. A text whose embedding is zero stays zero.
struct EmbeddingMatrix {
  size_t rows = 0, dimensions = 0;
  std::vector<float> values;
  std::span<const float> row(size_t index) const { return {values.data() + index * dimensions, dimensions}; }
};

// What embedding cost; of texts that came from the cache nothing.
struct EmbeddingUse { TokenUsage usage; double latency_ms = 0; int retries = 0; size_t asked = 0; };

// In the order of the texts. Each text is kept in the response cache by (provider, base URL, model, parameters, text), so an
// edited document costs its own chunks only. Asks in batches of 64. Errors: the provider's; kProvider "bad_embedding" when
// the count or the dimensions differ, or a value is not finite.
Result<EmbeddingMatrix> embed_texts(const PreparedModel& model, const RuntimeContext& context, const std::vector<std::string>& texts, EmbeddingUse* use, const CancelToken& cancel);

struct Ranked { size_t index = 0; double score = 0; };
// All rows by cosine similarity with `query` (unit length), descending; ties by index. Cost: rows x dimensions.
std::vector<Ranked> rank_by_cosine(const EmbeddingMatrix& matrix, std::span<const float> query);
// Reciprocal rank fusion (Cormack, Clarke & Buettcher 2009): sum of weight / (60 + rank), ranks from 1. Descending; ties by index.
std::vector<Ranked> fuse_ranks(const std::vector<std::vector<Ranked>>& rankings, const std::vector<double>& weights);

// Every example by similarity of its input to the query: BM25, or the embedder's cosine. What BM25 gives no score stands
// behind, in the order of the file.
Result<std::vector<size_t>> rank_examples(const PreparedChain& prepared, const FewShotExamples& shots, const FewShotSpec& spec, const std::string& query, const CancelToken& cancel);

}  // namespace llmops
