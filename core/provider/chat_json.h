// The pieces of OpenAI's chat form that every provider reads: content, tool calls, usage. Private to core/provider.
#pragma once

#include <string>
#include <string_view>

#include "core/provider/provider.h"

namespace llmops {

// A string as it is, the text parts of a list joined, "" for anything else.
std::string content_text(const Json& content);

// The text of the last message whose role is "user"; nullopt: there is none.
std::optional<std::string> last_user_text(const Json& messages);

// [{id, type, function: {name, arguments}}] or [{id, name, arguments}] as ChatReply::tool_calls; null when there are none.
Json tool_calls_of(const Json& calls);

// {prompt_tokens, completion_tokens, *_details} or {input_tokens, output_tokens}. What is missing or not a count is absent.
TokenUsage usage_of(const Json& usage);

// The value of a member, or null when `object` is no object or has no such member.
const Json& member(const Json& object, const char* name);
// The member's text when it is a string, else "".
std::string text_member(const Json& object, const char* name);

// White space runs become one space, then at most `characters` code points, with "..." where text was cut.
std::string shortened(std::string_view text, size_t characters);

}  // namespace llmops
