// What turns texts into vectors for tests of difference: weighted n-grams without any model, static embeddings of a folder, or a server.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "commands/session.h"
#include "core/chain/chain.h"
#include "core/drift/vectors.h"

namespace llmops {

// kTfidf: words, pairs of words and runs of characters, hashed, weighted by how rare they are in the pool. kStatic: Model2Vec. kEndpoint: an OpenAI-compatible server.
enum class EmbedderKind { kTfidf, kStatic, kEndpoint };
std::string_view embedder_kind_name(EmbedderKind kind);    // "tfidf", "model2vec", "endpoint"

// Not for several threads at once. The session must outlive it.
class Embedder {
 public:
  Embedder(Embedder&&) noexcept;
  Embedder& operator=(Embedder&&) noexcept;
  ~Embedder();
  const std::string& name() const;                         // as it was asked for
  EmbedderKind kind() const;

  // A row of unit length for each text, reference first; a text of which the embedder knows nothing (no n-gram, no token, blank) is a row of zeros. tfidf: `dimensions` latent dimensions (fewer when there are fewer texts),
  // by singular value decomposition. The others: the model's own dimensions; rows of unit length less the mean of all of them but the zeros, and of unit length again, because rows of such models share most of their direction
  // (a row that is the mean but for rounding becomes zeros). What is fitted (weights, decomposition, mean) is fitted on both samples at once, blind to which is which. Each text is embedded once in the embedder's life.
  // Errors: those of the server; kProvider "bad_embedding": another count, several dimensions, values that are not finite; kInterrupted.
  Result<Vectors> dense(std::span<const std::string> reference, std::span<const std::string> current, size_t dimensions, uint64_t seed);
  // "tfidf, 64 latent dimensions", "model2vec potion, 256 dimensions", "endpoint bge@http://127.0.0.1:8080/v1, 384 dimensions".
  std::string describe(size_t dimensions) const;

 private:
  struct State;
  explicit Embedder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend Result<Embedder> open_embedder(const Session& session, const std::string& name, const fs::path& base);
};

// `name`: "tfidf"; MODEL@http://HOST/v1 (or https); a folder, relative to `base`, that holds static embeddings; a model of provider openai that a chain of the project declares. Where a folder and a model have one name, the folder
// is taken. An address sends the key OPENAI_API_KEY to api.openai.com and no key elsewhere; a declared model sends what its chain says. Nothing is asked before dense().
// What a file of the repository names needs trust as `eval run` needs it, and to send texts of production to another machine (embedder_trust_items). Replies are kept in the response cache where the project has a store.
// Errors: kNotFound: none of these, with did you mean; kConfig: an address that cannot be asked; kUsage: a model that gives no embeddings, a name that chains give to different models; kUntrusted; kMissingSecret; kData: those of
// StaticEmbeddings::open.
Result<Embedder> open_embedder(const Session& session, const std::string& name, const fs::path& base);

// As a person names it: relative folders start at the project's root where llmops.yaml gives that name (`monitor: embedder:`, and for an empty name), else at the working directory. Errors: also those of monitor_config().
Result<Embedder> open_embedder(const Session& session, const std::string& name);

// The model that "MODEL@http://HOST/v1" means; nullopt: the name is no address. Errors (kConfig): a user name or password in it, no host.
Result<std::optional<ModelSpec>> addressed_model(const std::string& name);

}  // namespace llmops
