// Texts embedded by one model outside of any chain's steps, the way its steps do it: the same provider, retries, response cache, secrets and limits.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/runtime/executor.h"

namespace llmops {

// Rows of unit length, in the order of the texts. A text whose embedding is zero stays zero.
struct EmbeddedTexts {
  std::vector<float> values;
  size_t dimensions = 0;
  size_t asked = 0;                    // texts that no cache held
};

class TextEmbedder {
 public:
  // What `context` points to must outlive it. Errors: kUsage: a provider without embeddings; kMissingSecret.
  static Result<std::unique_ptr<TextEmbedder>> create(ModelSpec model, const RuntimeContext& context);
  ~TextEmbedder();
  // Each text is asked for once, however often it stands there, and not at all when the response cache holds it. Errors: the provider's; kProvider "bad_embedding": another count, several dimensions, values that are not
  // finite; kInterrupted.
  Result<EmbeddedTexts> embed(const std::vector<std::string>& texts, const CancelToken& cancel) const;

 private:
  struct State;
  explicit TextEmbedder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmops
