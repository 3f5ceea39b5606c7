// Addresses, retries and JSON answers of HTTP providers.
#include "core/provider/http_reply.h"

#include <fmt/format.h>

#include "core/provider/chat_json.h"

namespace llmops {

namespace {

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                          c == '_' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

}  // namespace

std::string endpoint_url(const std::string& base_url, std::string_view path,
                         const std::vector<std::pair<std::string, std::string>>& query) {
  const size_t mark = base_url.find('?');
  std::string url = base_url.substr(0, mark);
  while (!url.empty() && url.back() == '/') url.pop_back();
  url += path;
  if (mark != std::string::npos) url += base_url.substr(mark);
  char separator = mark == std::string::npos ? '?' : '&';
  for (const auto& [name, value] : query) {
    url += separator + percent_encoded(name) + "=" + percent_encoded(value);
    separator = '&';
  }
  return url;
}

std::string shown_base_url(const std::string& base_url) {
  const Result<UrlParts> parts = parse_url(base_url);
  if (!parts) return {};
  const std::string path = parts->path.substr(0, parts->path.find('?'));
  return fmt::format("{}://{}:{}{}", parts->scheme, parts->host, parts->port, path == "/" ? "" : path);
}

Result<RetriedResponse> Sender::send(Transport& transport, const HttpRequest& request, const ServerContext& context,
                                     const CancelToken& cancel) {
  Result<RetriedResponse> sent = send_with_retries(transport, request, retry, limiter, &rate, cancel);
  if (!sent) {
    Error error = std::move(sent).error();
    if (error.kind == "cut") error.kind = "cut_stream";
    if (error.code == ErrorCode::kProvider) error.message += fmt::format(" (model '{}')", context.model);
    return error;
  }
  const int status = sent->response.status;
  if (status < 200 || status > 299) return http_status_error(status, sent->response.body, sent->retries, context);
  return sent;
}

Result<Answer> answer_of(const RetriedResponse& sent, const ServerContext& context) {
  Result<Json> body = parse_json(sent.response.body, "answer");
  if (!body) {
    return reply_error("answered with text that is not JSON", "invalid_json", false, server_words(sent.response.body, context),
                       fmt::format("check that base_url '{}' is that of {}", context.base_url, context.api), context);
  }
  const Json& error = member(*body, "error");
  if (!error.is_null()) {  // some gateways answer 200 to everything
    return http_status_error(status_of_error_object(error), sent.response.body, sent.retries, context);
  }
  return Answer{*std::move(body), sent.response.latency_ms, sent.retries};
}

}  // namespace llmops
