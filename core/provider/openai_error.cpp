// Error answers. Shapes met in practice: {"error": {"message", "type", "code"}} (OpenAI, Azure, vLLM), {"type": "error",
// "error": {"type", "message"}} (Anthropic), {"error": "text"}
// (Ollama), {"object": "error", "message"} (older vLLM), {"detail": "text" or [{"msg"}]} (FastAPI), HTML from a proxy.
// Every word that comes from the server is scrubbed before it is cut, because some servers echo the key they refuse.
#include "core/provider/openai_error.h"

#include <fmt/format.h>

#include "core/http/backoff.h"
#include "core/provider/chat_json.h"

namespace llmops {
namespace {

constexpr size_t kShownCharacters = 300;
constexpr size_t kReadBytes = 64 << 10;

std::string words_in(const Json& body) {
  const Json& error = member(body, "error");
  const Json& detail = member(body, "detail");
  if (error.is_string()) return error.get<std::string>();
  if (const std::string message = text_member(error, "message"); !message.empty()) return message;
  if (const std::string message = text_member(body, "message"); !message.empty()) return message;
  if (detail.is_string()) return detail.get<std::string>();
  if (detail.is_array() && !detail.empty()) return text_member(detail.front(), "msg");
  return {};
}

bool is_context_overflow(std::string_view body) {
  for (const std::string_view sign : {"context_length_exceeded", "maximum context length", "context size", "context window",
                                      "prompt is too long"}) {
    if (body.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

std::string key_hint(const ServerContext& context) {
  if (context.key_variable.empty()) return "set api_key for this model: the server asks for one";
  return fmt::format("check the value of {}", context.key_variable);
}

std::string hint_for(int status, std::string_view body, const ServerContext& context) {
  if ((status == 400 || status == 413) && is_context_overflow(body)) {
    return "shorten the input, or choose a model with a longer context";
  }
  const bool is_out_of_credit = body.find("insufficient_quota") != std::string_view::npos || body.find("credit balance") != std::string_view::npos;
  if (status == 402 || is_out_of_credit) return "check the plan and the balance of the account";
  switch (status) {
    case 400:
    case 422:
      return fmt::format("check the params of model '{}'", context.model);
    case 401:
      return key_hint(context);
    case 403:
      if (context.key_variable.empty()) return key_hint(context);
      return fmt::format("check that the key in {} may use model '{}'", context.key_variable, context.model);
    case 404:
      return fmt::format("check the name of the model and base_url '{}'", context.base_url);
    case 408:
    case 504:
      return "raise timeout_s of the model, or ask for fewer tokens";
    case 429:
      return "lower -j, or set rate_limit for this model";
    default:
      break;
  }
  if (status >= 300 && status < 400) return "set base_url to the address that the server moved to: redirects are not followed";
  if (status >= 500) return "try again later, or look into the log of the server if it is yours";
  return {};
}

}  // namespace

int status_of_error_object(const Json& error) {
  const Json& code = member(error, "code");
  if (code.is_number_integer()) {
    const int64_t status = code.get<int64_t>();
    if (status >= 400 && status < 600) return static_cast<int>(status);
  }
  const std::string type = text_member(error, "type");
  const std::string code_name = text_member(error, "code");
  constexpr std::pair<std::string_view, int> kTypes[] = {   // Anthropic's
      {"authentication_error", 401}, {"billing_error", 402}, {"permission_error", 403}, {"not_found_error", 404},
      {"request_too_large", 413}, {"timeout_error", 504}, {"overloaded_error", 529}};
  for (const auto& [known, status] : kTypes) if (type == known) return status;
  if (type == "rate_limit_error" || code_name == "rate_limit_exceeded" || code_name == "429") return 429;
  if (type == "invalid_request_error") return 400;
  return 500;
}

std::string server_words(std::string_view body, const ServerContext& context) {
  const Result<Json> parsed = body.size() <= kReadBytes ? parse_json(body, "answer") : Result<Json>(Json());
  std::string words = parsed ? words_in(*parsed) : std::string();
  if (words.empty()) words = body.substr(0, kReadBytes);
  return shortened(context.scrub(words), kShownCharacters);
}

Error reply_error(std::string_view what, const char* kind, bool can_retry, std::string_view words, std::string hint,
                  const ServerContext& context) {
  std::string message = fmt::format("{} {} for model '{}'", context.provider, what, context.model);
  if (!words.empty()) message += fmt::format(": {}", words);
  return Error(ErrorCode::kProvider, std::move(message), std::move(hint)).with_kind(kind, can_retry);
}

Error http_status_error(int status, std::string_view body, int retries, const ServerContext& context) {
  Error error = reply_error(fmt::format("answered {}", status), "", is_retryable_status(status), server_words(body, context),
                            hint_for(status, body, context), context);
  error.kind = fmt::format("http_{}", status);
  if (retries > 0) error.details.push_back(fmt::format("tried {} times", retries + 1));
  return error;
}

}  // namespace llmops
