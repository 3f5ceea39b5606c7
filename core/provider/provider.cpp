// What all providers share.
#include "core/provider/provider.h"

namespace llmops {

Result<EmbedReply> Provider::embed(const std::string&, const std::vector<std::string>&, const CancelToken&) {
  return Error(ErrorCode::kUsage, std::string("provider '") + name() + "' has no embeddings",
               "name an embedding model of provider openai or local");
}

}  // namespace llmops
