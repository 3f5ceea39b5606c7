// The options of one libcurl easy handle (https://curl.se/libcurl/c/curl_easy_setopt.html) and the meaning of its codes.
#include "core/http/curl_transfer.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/http/address.h"

namespace llmops {
namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Error provider_error(std::string message, const char* kind, bool can_retry, std::string hint = {}) {
  return Error(ErrorCode::kProvider, std::move(message), std::move(hint)).with_kind(kind, can_retry);
}

bool is_tls_problem(CURLcode code) {
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return true;
    default:
      return false;
  }
}

}  // namespace

Error interrupted_error() { return Error(ErrorCode::kInterrupted, "interrupted"); }

Error offline_error(const std::string& host) {
  return Error(ErrorCode::kOffline, fmt::format("the network is needed to reach '{}' and LLMOPS_OFFLINE is set", host),
               "unset LLMOPS_OFFLINE, or use a server on this machine or a replay provider");
}

Error link_local_error(const std::string& host) {
  return Error(ErrorCode::kConfig,
               fmt::format("'{}' is a link-local address, where clouds hand out credentials of the machine", host),
               "use the server's own name or address");
}

CurlTransfer::CurlTransfer(const CurlLibrary& curl, const TransportOptions& options, const HttpRequest& request,
                           UrlParts url, const CancelToken& cancel)
    : curl_(curl), options_(options), request_(request), url_(std::move(url)), cancel_(cancel) {}

CurlTransfer::~CurlTransfer() {
  if (easy_ != nullptr) curl_.easy_cleanup(easy_);
  curl_.slist_free_all(headers_);
}

CURL* CurlTransfer::prepare() {
  easy_ = curl_.easy_init();
  if (easy_ == nullptr || !set_headers()) return nullptr;
  set(CURLOPT_ERRORBUFFER, &error_text_[0]);
  set(CURLOPT_URL, request_.url.c_str());
  set_method();
  set_connection();
  set(CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::on_open_socket);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  started_ns_ = system_clock_source().steady_ns();
  return easy_;
}

bool CurlTransfer::set_headers() {
  const auto append = [this](const std::string& line) {
    curl_slist* longer = curl_.slist_append(headers_, line.c_str());
    if (longer == nullptr) return false;
    headers_ = longer;
    return true;
  };
  // Without this libcurl asks before it sends a body over 1 MiB, and waits a second for servers that do not answer.
  if (!append("Expect:")) return false;
  for (const auto& [name, value] : request_.headers) {
    if (!append(value.empty() ? name + ";" : name + ": " + value)) return false;
  }
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_USERAGENT, "llmops");
  return true;
}

void CurlTransfer::set_method() {
  if (request_.method == "GET" && request_.body.empty()) {
    set(CURLOPT_HTTPGET, 1L);
    return;
  }
  if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
    return;
  }
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDS, request_.body.data());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  if (request_.method != "POST") set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

void CurlTransfer::set_connection() {
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a cancelled transfer must not wait for its name lookup
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout_ms));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.connect_timeout_ms));
  if (request_.idle_timeout_ms > 0) {
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>((request_.idle_timeout_ms + 999) / 1000));
  }
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  // An empty string, unlike an unset option, keeps libcurl from reading the environment. A server on this machine is
  // never reached through a proxy.
  const bool is_local = is_loopback_host(url_.host);
  set(CURLOPT_PROXY, is_local ? "" : options_.proxy.c_str());
  set(CURLOPT_NOPROXY, options_.no_proxy.c_str());
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

size_t CurlTransfer::on_body(char* bytes, size_t size, size_t count, void* self_pointer) {
  CurlTransfer& self = *static_cast<CurlTransfer*>(self_pointer);
  const size_t length = size * count;
  if (!self.has_first_byte_) {
    self.has_first_byte_ = true;
    self.response_.first_byte_ms = self.elapsed_ms();
    if (self.request_.on_head && !self.request_.on_head(self.status(), self.response_.headers)) {
      self.is_stopped_ = true;
      return length + 1;
    }
  }
  self.received_bytes_ += length;
  if (self.received_bytes_ > self.request_.max_response_bytes) {
    self.is_too_large_ = true;
    return length + 1;  // any other number than `length` ends the transfer
  }
  if (!self.request_.on_data) {
    self.response_.body.append(bytes, length);
  } else if (!self.request_.on_data(std::string_view(bytes, length))) {
    self.is_stopped_ = true;
    return length + 1;
  }
  return length;
}

size_t CurlTransfer::on_header(char* bytes, size_t size, size_t count, void* self_pointer) {
  CurlTransfer& self = *static_cast<CurlTransfer*>(self_pointer);
  const std::string_view line(bytes, size * count);
  const size_t colon = line.find(':');
  if (line.substr(0, 5) == "HTTP/") {
    self.response_.headers.clear();  // those of an interim answer (100 Continue)
    self.has_whole_head_ = false;
  } else if (trim(line).empty()) {
    self.has_whole_head_ = true;
  } else if (colon != std::string_view::npos) {
    self.response_.headers.emplace_back(lower_case(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1))));
  }
  return line.size();
}

// The address is checked here, after the name was resolved, so that no name can lead to a refused one.
curl_socket_t CurlTransfer::on_open_socket(void* self_pointer, curlsocktype, curl_sockaddr* address) {
  CurlTransfer& self = *static_cast<CurlTransfer*>(self_pointer);
  if (is_link_local_address(&address->addr)) {
    self.refused_ = Refused::kLinkLocal;
    return CURL_SOCKET_BAD;
  }
  if (self.options_.offline && !is_loopback_address(&address->addr)) {
    self.refused_ = Refused::kOffline;
    return CURL_SOCKET_BAD;
  }
  // Close-on-exec, because the user's programs are started while connections are open.
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

double CurlTransfer::elapsed_ms() const {
  return static_cast<double>(system_clock_source().steady_ns() - started_ns_) / 1e6;
}

int CurlTransfer::status() const {
  long status = 0;
  curl_.easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

std::string CurlTransfer::shown_host() const {
  const std::string host = url_.host.find(':') == std::string::npos ? url_.host : "[" + url_.host + "]";
  return fmt::format("{}:{}", host, url_.port);
}

Error CurlTransfer::error_of(CURLcode code) const {
  const std::string host = shown_host();
  const std::string words = error_text_[0] != '\0' ? &error_text_[0] : curl_.easy_strerror(code);
  if (refused_ == Refused::kLinkLocal) return link_local_error(url_.host);
  if (refused_ == Refused::kOffline) return offline_error(url_.host);
  if (is_too_large_) {
    return provider_error(fmt::format("the answer of '{}' is larger than {} bytes", host, request_.max_response_bytes),
                          "too_large", false);
  }
  if (is_tls_problem(code)) {
    return provider_error(fmt::format("no secure connection to '{}': {}", host, words), "tls", false,
                          "check the certificate of the server, or name the certificate authority's file");
  }
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return provider_error(fmt::format("the host name '{}' cannot be resolved", url_.host), "dns", true,
                            "check base_url and the network");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return provider_error("the host name of the proxy cannot be resolved", "dns", true, "check HTTPS_PROXY and HTTP_PROXY");
    case CURLE_COULDNT_CONNECT:
      return provider_error(fmt::format("cannot connect to '{}'", host), "connect", true,
                            "check that the server runs and that base_url names its port");
    case CURLE_OPERATION_TIMEDOUT: {
      curl_off_t connected_us = 0;
      curl_.easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
      if (connected_us == 0 && (request_.timeout_ms == 0 || request_.connect_timeout_ms < request_.timeout_ms)) {
        return provider_error(fmt::format("no connection to '{}' within {} ms", host, request_.connect_timeout_ms), "connect",
                              true, "check that the server runs and that base_url names its port");
      }
      if (request_.timeout_ms == 0) {
        return provider_error(fmt::format("'{}' sent nothing for {} ms", host, request_.idle_timeout_ms), "timeout", true, "check the network and the server");
      }
      return provider_error(fmt::format("'{}' did not finish its answer within {} ms", host, request_.timeout_ms), "timeout",
                            true, "raise timeout_s of the model");
    }
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return provider_error(fmt::format("'{}' closed the connection before the end of its answer", host), "cut", true);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return provider_error(fmt::format("'{}' did not answer in HTTP", host), "protocol", false,
                            "check that base_url names the port of the model server");
    case CURLE_PROXY:
      return provider_error(fmt::format("the proxy gave no connection to '{}': {}", host, words), "connect", true,
                            "check HTTPS_PROXY and HTTP_PROXY");
    case CURLE_URL_MALFORMAT:
      return Error(ErrorCode::kConfig, "the url is malformed", "write it as http://host:port/path or https://host/path");
    default:
      return provider_error(fmt::format("the transfer from '{}' failed: {}", host, words), "cut", true);
  }
}

void CurlTransfer::finish(CURLcode code) {
  if (code == CURLE_OK && !has_whole_head_) code = CURLE_PARTIAL_FILE;  // libcurl takes half a head for an empty answer
  if (code != CURLE_OK && !is_stopped_) {
    complete(error_of(code));
    return;
  }
  response_.status = status();
  response_.latency_ms = elapsed_ms();
  if (!has_first_byte_) response_.first_byte_ms = response_.latency_ms;
  complete(std::move(response_));
}

void CurlTransfer::fail(Error error) { complete(std::move(error)); }

void CurlTransfer::complete(Result<HttpResponse> result) {
  const std::lock_guard lock(mutex_);
  result_ = std::make_unique<Result<HttpResponse>>(std::move(result));
  done_.notify_one();
}

Result<HttpResponse> CurlTransfer::wait() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return result_ != nullptr; });
  return std::move(*result_);
}

}  // namespace llmops
