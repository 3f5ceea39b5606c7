// A chat request in OpenAI's form as the body of a Messages request. Private to core/provider.
#pragma once

#include "core/provider/provider.h"

namespace llmops {

// Errors (kConfig): a param, a tool, a role, a kind of content or a response_format that the API has no word for; no
// message of the user's; a system message behind others. kData: arguments of a tool call that are no JSON object.
Result<Json> messages_body(const ChatRequest& request, int64_t default_max_tokens);

}  // namespace llmops
