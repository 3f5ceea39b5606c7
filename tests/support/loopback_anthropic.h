// Bodies and behaviours of a server of the Messages API, for the loopback server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/loopback_server.h"

namespace llmops::test {

// 11 input tokens, 4 of them read from a cache and 2 written to one; 12 output tokens.
std::string message_json(std::string_view text, std::string_view model = "claude-test");
std::string tool_use_message_json();
std::string anthropic_error_json(std::string_view type, std::string_view message);

// "event: TYPE\ndata: JSON\n\n", the type taken from the JSON.
std::string message_event(std::string_view json);
extern const char* const kMessageStart;   // with the input tokens
extern const char* const kMessageStop;
std::string text_delta_event(std::string_view text);
std::string message_delta_event(std::string_view stop_reason);   // with the output tokens
// The events of a call of get_weather({"city":"Berlin"}), its input in pieces, behind a thought, and of a second call.
std::vector<std::string> tool_use_events();

struct AnthropicBehaviour {
  int delay_ms = 0;               // before the first byte
  int piece_delay_ms = 0;         // between the events of a stream
  std::string reply;              // empty: the last user message
  std::string stop_reason = "end_turn";
  bool cuts_streams = false;
  bool breaks_streams = false;    // overloaded_error in mid-stream
  bool calls_tools = false;
  int fail_every = 0;             // each n-th request is answered with fail_status
  int fail_status = 529;
  int retry_after_s = -1;         // sent with failures
};
LoopbackHandler anthropic_handler(AnthropicBehaviour behaviour);

}  // namespace llmops::test
