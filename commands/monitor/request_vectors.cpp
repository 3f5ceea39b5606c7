#include "commands/monitor/request_vectors.h"

#include <fmt/format.h>

#include "commands/monitor/embedder.h"
#include "commands/monitor/embedder.h"
#include "core/drift/latent.h"
#include "core/text/ngram_vectors.h"

namespace llmops {
namespace {

// Measured on real prompts (docs/drift_power.md): words and runs of characters together find more than either; 3 of the nearest are asked, 64 are looked at since splits leave some out.
constexpr size_t kNeighbours = 64, kLatentDimensions = 100;

}  // namespace

Result<RequestVectors> request_vectors(Session& session, const std::string& embedder, std::span<const std::string_view> texts, size_t reference, uint64_t seed, size_t threads) {
  RequestVectors made;
  if (embedder != "tfidf") {
    LLMOPS_ASSIGN(Embedder opened, open_embedder(session, embedder));
    const std::vector<std::string> pooled(texts.begin(), texts.end());
    const auto sides = std::span(pooled);
    LLMOPS_ASSIGN(made.dense, opened.dense(sides.first(reference), sides.subspan(reference), kLatentDimensions, seed));
    LLMOPS_ASSIGN(made.neighbours, nearest_neighbours(made.dense.view(), kNeighbours, threads, session.surroundings().cancel));
    made.description = opened.describe(made.dense.dimensions);
    return made;
  }
  if (embedder != "tfidf") {
    LLMOPS_ASSIGN(Embedder model, open_embedder(session, embedder));
    const std::vector<std::string> before(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(reference)), after(texts.begin() + static_cast<std::ptrdiff_t>(reference), texts.end());
    LLMOPS_ASSIGN(made.dense, model.dense(before, after, kLatentDimensions, seed));
    LLMOPS_ASSIGN(made.neighbours, nearest_neighbours(made.dense.view(), kNeighbours, threads, session.surroundings().cancel));
    made.description = model.describe(made.dense.dimensions);
    return made;
  }
  NgramOptions grams;
  grams.characters = true;
  SparseRows rows = ngram_counts(texts, grams);
  weigh(rows, inverse_document_frequencies(rows));
  LLMOPS_ASSIGN(made.neighbours, nearest_neighbours(rows, kNeighbours, threads, session.surroundings().cancel));
  made.dense = latent_vectors(rows, kLatentDimensions, seed);
  made.description = fmt::format("tfidf of words and characters, {} latent dimensions", made.dense.dimensions);
  return made;
}

}  // namespace llmops
