// One HTTP transport on libcurl, loaded late: many transfers at once over kept-alive connections on one background
// thread, streaming, timeouts, proxies (HTTP_PROXY, HTTPS_PROXY, NO_PROXY as given), TLS always verified.
// Redirects are not followed (an Authorization header never travels to another host).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/base/result.h"

namespace llmops {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "POST";
  std::string url;
  HttpHeaders headers;              // may hold secrets: never stored or printed by the transport
  std::string body;
  int64_t timeout_ms = 60'000;      // the whole transfer; 0: as long as bytes come (idle_timeout_ms)
  int64_t idle_timeout_ms = 0;      // whole seconds: ends a transfer that stands still that long; 0: never
  int64_t connect_timeout_ms = 10'000;
  uint64_t max_response_bytes = uint64_t{64} << 20;
  // When set, hears status and headers (names in lower case) before the first byte of the body, on the transport's thread;
  // false ends the transfer with success.
  std::function<bool(int, const HttpHeaders&)> on_head;
  // When set, body bytes go here as they arrive (on the transport's thread) instead of into HttpResponse::body; false
  // ends the transfer with success.
  std::function<bool(std::string_view)> on_data;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;              // names in lower case
  std::string body;
  double latency_ms = 0;            // from the start of the transfer to its end
  double first_byte_ms = 0;         // to the first byte of the body
  std::optional<std::string> header(std::string_view lower_case_name) const;
};

// The seam that tests replace.
class Transport {
 public:
  virtual ~Transport() = default;
  // Blocks the calling thread until the transfer ends, fails, or `cancel` is set (at most 200 ms later). An HTTP status
  // of 400 and above is a successful Result. Errors: kProvider with kind "timeout", "connect", "dns", "tls", "cut"
  // (the connection closed before the end), "too_large", "protocol" (no HTTP); kConfig: a URL or header that cannot be
  // sent, a link-local address; kOffline; kInterrupted. Thread-safe.
  virtual Result<HttpResponse> send(const HttpRequest& request, const CancelToken& cancel) = 0;
};

struct TransportOptions {
  bool offline = false;             // LLMOPS_OFFLINE=1: only loopback addresses (127.0.0.0/8, ::1, localhost)
  std::string proxy;                // empty: none; never for loopback hosts. The command line passes HTTPS_PROXY / HTTP_PROXY / ALL_PROXY
  std::string no_proxy;
  std::string ca_file;              // empty: the system's
  long max_connections = 1024;
};

// Errors: kIo when libcurl cannot be loaded (hint: the package to install), only on the first send().
std::unique_ptr<Transport> make_curl_transport(const TransportOptions& options);

// True for http(s) URLs whose host is a loopback address or name. Unparsable: false.
bool is_loopback_url(std::string_view url);
struct UrlParts { std::string scheme, host; int port = 0; std::string path; bool has_userinfo = false; };
// Errors (kConfig): not an http or https URL, no host.
Result<UrlParts> parse_url(std::string_view url);

}  // namespace llmops
