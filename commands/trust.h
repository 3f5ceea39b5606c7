// Trust: what a repository's own files would execute, or reach with a key, runs only after the user has seen it and said
// yes. What was trusted is kept outside the repository and pinned by content: an edit of a trusted script asks again.
#pragma once

#include <string>
#include <vector>

#include "commands/session.h"

namespace llmops {

// One thing that a chain would do beyond reading and computing.
struct TrustItem {
  std::string what;      // "run python3 app.py", "send the key OPENAI_API_KEY to models.example.org"
  std::string where;     // "chain.yaml:12"
  std::string digest;    // SHA-256 over the canonical description with the digests of the files it names
};
std::vector<TrustItem> trust_items(const Chain& chain);
// What asking that model alone needs.
std::vector<TrustItem> trust_items(const ModelSpec& model);
// When `monitor: embedder:` of llmops.yaml names this model, and its server is not this machine: texts of production go where a file of the repository says. Else none.
std::vector<TrustItem> embedder_trust_items(const Session& session, const ModelSpec& model);
// One digest for a list of items, whatever their order: what `trust --print` prints and LLMOPS_TRUST holds.
std::string trust_digest(const std::vector<TrustItem>& items);

// kUntrusted with the list of what would have run, unless every item is trusted here or LLMOPS_TRUST names the digest of
// these items (or of all items of the project).
Status require_trust(const Session& session, const std::vector<TrustItem>& items);

struct TrustReport {
  fs::path root;
  std::vector<TrustItem> items;
  std::vector<bool> trusted;         // one per item
  std::string digest;
};
// Over all chains of the project, and the embedder of its monitoring.
Result<TrustReport> read_trust(const Session& session);
Status grant_trust(const Session& session, const std::vector<TrustItem>& items);
struct TrustEntry { std::string root, what, digest, granted; };
Result<std::vector<TrustEntry>> list_trust(const Session& session);
// Forgets everything granted for this project. Returns how many items.
Result<int> revoke_trust(const Session& session);

}  // namespace llmops
