// What an answer other than success means to the user of a server. Private to core/provider.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/provider/provider.h"

namespace llmops {

struct ServerContext {
  const char* provider = "openai";
  const char* api = "an OpenAI-compatible API";
  std::string model;
  std::string base_url;      // for hints; without user and password
  std::string key_variable;  // the NAME of the key in use, or empty
  std::function<std::string(std::string_view)> scrub;
};

// The server's own words in an error body of any of the usual shapes, else the body itself: scrubbed, on one line, at
// most 300 characters.
std::string server_words(std::string_view body, const ServerContext& context);

// "PROVIDER answered 401 for model 'x': words", kind http_401, with the hint for the status.
Error http_status_error(int status, std::string_view body, int retries, const ServerContext& context);

// The HTTP status that an error object inside a successful answer stands for; 500 when it names none.
int status_of_error_object(const Json& error);

// kProvider `kind` with "PROVIDER <what> for model 'x': <words>".
Error reply_error(std::string_view what, const char* kind, bool can_retry, std::string_view words, std::string hint,
                  const ServerContext& context);

}  // namespace llmops
