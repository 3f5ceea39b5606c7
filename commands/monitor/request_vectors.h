// Texts of requests as the tests of a comparison take them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "commands/session.h"
#include "core/drift/novelty.h"

namespace llmops {

struct RequestVectors {
  Neighbours neighbours;             // of the pooled texts
  Vectors dense;                     // a row for each
  std::string description;           // "tfidf of words and characters, 100 latent dimensions"
};
// Reference texts first. "tfidf": neighbours by the exact cosine of weighted n-grams, dense rows by their latent dimensions, both fitted on the pool; other embedders: both by their vectors. Errors: the embedder's; kInterrupted.
Result<RequestVectors> request_vectors(Session& session, const std::string& embedder, std::span<const std::string_view> texts, size_t reference, uint64_t seed, size_t threads);

}  // namespace llmops
