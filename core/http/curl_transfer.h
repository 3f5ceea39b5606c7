// One transfer on libcurl: the request laid out as options, the response collected by callbacks, the result code turned
// into an Error. Private to core/http.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "core/http/curl_library.h"
#include "core/http/transport.h"

namespace llmops {

class CurlTransfer {
 public:
  // `curl`, `options`, `request` and `cancel` must outlive the transfer.
  CurlTransfer(const CurlLibrary& curl, const TransportOptions& options, const HttpRequest& request, UrlParts url,
               const CancelToken& cancel);
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  // The transport's thread: prepare() once, then finish() or fail() once. prepare() gives nullptr when memory is short.
  CURL* prepare();
  void finish(CURLcode code);
  void fail(Error error);
  CURL* easy() const { return easy_; }
  bool cancelled() const { return cancel_.cancelled(); }

  // The caller's thread: blocks until finish() or fail().
  Result<HttpResponse> wait();

 private:
  static size_t on_body(char* bytes, size_t size, size_t count, void* self);
  static size_t on_header(char* bytes, size_t size, size_t count, void* self);
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);

  template <class Value>
  void set(CURLoption option, Value value) { curl_.easy_setopt(easy_, option, value); }
  void set_method();
  void set_connection();
  bool set_headers();
  void complete(Result<HttpResponse> result);
  double elapsed_ms() const;
  int status() const;
  Error error_of(CURLcode code) const;
  std::string shown_host() const;

  const CurlLibrary& curl_;
  const TransportOptions& options_;
  const HttpRequest& request_;
  const UrlParts url_;
  const CancelToken& cancel_;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  char error_text_[CURL_ERROR_SIZE] = {};
  HttpResponse response_;
  int64_t started_ns_ = 0;
  uint64_t received_bytes_ = 0;
  bool has_whole_head_ = false, has_first_byte_ = false, is_stopped_ = false, is_too_large_ = false;
  enum class Refused { kNo, kLinkLocal, kOffline } refused_ = Refused::kNo;

  std::mutex mutex_;
  std::condition_variable done_;
  std::unique_ptr<Result<HttpResponse>> result_;
};

Error interrupted_error();
Error offline_error(const std::string& host);
Error link_local_error(const std::string& host);

}  // namespace llmops
