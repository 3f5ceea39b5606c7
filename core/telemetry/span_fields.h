// Private to core/telemetry: the fields of the objects that trace formats are made of.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/telemetry/trace.h"

namespace llmops {

// The value under the first of the keys that is there and not null; nullptr: none, or `object` is no object.
const Json* field(const Json& object, std::initializer_list<const char*> keys);
// As text; empty: none.
std::string text_field(const Json& object, std::initializer_list<const char*> keys);
// Numbers also as the text of one, as tables hold them. nullopt: none, not finite, or no number.
std::optional<double> number_field(const Json& object, std::initializer_list<const char*> keys);
std::optional<int64_t> integer_field(const Json& object, std::initializer_list<const char*> keys);
const Json* list_field(const Json& object, std::initializer_list<const char*> keys);
const Json* object_field(const Json& object, std::initializer_list<const char*> keys);

// A moment in ms since 1970: a number of seconds, or, past 1e11, of milliseconds, past 1e14 of microseconds, past 1e17 of nanoseconds; text in RFC 3339,
// without a zone (UTC is meant), or such a number. nullopt: no moment.
std::optional<double> moment_of(const Json& value);
std::optional<double> moment_field(const Json& object, std::initializer_list<const char*> keys);

// What the messages say: span.messages, and the last user turn as span.input.
void set_messages(Json messages, TraceSpan& span);
// What the model answered: [{role, content, tool_calls?}] -> span.output and span.tool_calls.
void set_answer(const Json& messages, TraceSpan& span);

// Both as frameworks record them: a list of messages, {messages: [...]}, one message, or text, each also as JSON text. Of what is none of these
// the value is kept as it is.
void set_exchange(const Json& asked, const Json& answered, TraceSpan& span);

// {"a.0.b": 1} -> {"a": {"0": {"b": 1}}}; values that are objects or lists are taken apart as well. A name that stands for a value and for a group
// keeps what came first.
Json nest_dotted(const Json& attributes);
// The members of {"0": ..., "1": ...} by number; those whose name is no number are left out.
std::vector<const Json*> numbered_members(const Json* object);

}  // namespace llmops
