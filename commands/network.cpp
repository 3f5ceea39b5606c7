#include "commands/network.h"

namespace llmops {

std::unique_ptr<Transport> make_transport(const Session& session) {
  TransportOptions options;
  const std::string offline = session.setting("offline");
  options.offline = offline == "1" || offline == "true";
  const auto first_of = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) if (const auto value = session.variable(name); value && !value->empty()) return *value;
    return std::string();
  };
  options.proxy = first_of({"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  options.no_proxy = first_of({"no_proxy", "NO_PROXY"});
  options.ca_file = first_of({"SSL_CERT_FILE"});
  return make_curl_transport(options);
}

RetryPolicy retry_policy(const Session& session) {
  RetryPolicy policy;
  policy.max_retries = static_cast<int>(session.number_setting("retries"));
  return policy;
}

}  // namespace llmops
