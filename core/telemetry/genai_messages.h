// Messages as the OpenTelemetry GenAI conventions record them, in the form in which a chain speaks of them.
#pragma once

#include "core/base/json.h"

namespace llmops {

// [{role, parts: [{type: text, content} | {type: tool_call, id, name, arguments} | {type: tool_call_response, id, result}]}], or the
// same as JSON text, or [{role, content}] -> [{role, content, tool_calls?, tool_call_id?}]. Null: none of these.
Json chat_messages(Json recorded);

// The text of a message, parts that are no text left out.
std::string message_text(const Json& message);

// JSON text becomes its value; what does not parse stays text.
Json value_or_text(Json value);

}  // namespace llmops
