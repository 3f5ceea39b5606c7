// The response cache: a reply is reused when everything that shaped it is the same: provider, base URL, model, messages,
// parameters, tools, response format and the index of the repetition. A key over less reports one model's outputs as
// another's. The digest of every part is kept, so that `eval cache explain` can say which part changed.
#pragma once

#include <string>

#include "core/base/secret.h"
#include "core/provider/provider.h"
#include "core/store/store.h"

namespace llmops {

struct CacheIdentity {
  std::string provider, base_url;
  std::string program = {};   // of exec: digest of argv and the scripts it names; else empty
};

// Digest (16 hex) per part: {"provider": ..., "base_url": ..., "model": ..., "messages": ..., "params": ..., "tools": ...,
// "response_format": ..., "match": ..., "repeat": ..., "program": ... (exec only)}.
Json response_key_parts(const CacheIdentity& identity, const ChatRequest& request);
// SHA-256 (32 raw bytes) over the parts.
std::string response_key(const Json& parts);

struct CachedChat {
  ChatReply reply;
  bool hit = false;
};

enum class CacheUse { kReadAndWrite, kWriteOnly, kOff };

// Asks the cache, then the provider, and stores what the provider said, scrubbed of secrets. Errors and empty replies are
// never stored. A cache that cannot be read is a miss; one that cannot be written is an error of the call.
Result<CachedChat> chat_through_cache(Provider& provider, const Json& parts, const ChatRequest& request, Store* store, CacheUse use,
                                      const SecretScrubber& scrubber, int64_t now_ms, const CancelToken& cancel);

Json chat_reply_to_json(const ChatReply& reply);
Result<ChatReply> chat_reply_from_json(const Json& document);

}  // namespace llmops
