// All transfers of the process on one background thread, with libcurl's multi interface
// (https://curl.se/libcurl/c/libcurl-multi.html): callers hand a transfer over, wake the loop and sleep until it is done.
// A thread per transfer would hold 1024 stacks and connections that cannot be shared; HTTP/2 multiplexing would make the
// latency of one call depend on its neighbours, so every call has an HTTP/1.1 connection of its own, kept alive.
#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <thread>

#include "core/http/address.h"
#include "core/http/curl_transfer.h"

namespace llmops {
namespace {

constexpr int kPollWhileBusyMs = 50;     // also the longest time until a cancelled transfer is noticed
constexpr int kPollWhileIdleMs = 10'000;

// A header that holds a line break would smuggle further headers into the request.
Status check_headers(const HttpHeaders& headers) {
  const std::string_view breaks("\r\n\0", 3);
  for (const auto& [name, value] : headers) {
    if (name.empty() || name.find_first_of(breaks) != std::string::npos || name.find(':') != std::string::npos) {
      return Error(ErrorCode::kConfig, "a header has a name that HTTP does not allow", "use letters, digits and '-'");
    }
    if (value.find_first_of(breaks) != std::string::npos) {
      return Error(ErrorCode::kConfig, "the value of header '" + name + "' has a line break",
                   "remove the line break, often the last character of a key that was read from a file");
    }
  }
  return {};
}

class CurlTransport final : public Transport {
 public:
  explicit CurlTransport(TransportOptions options) : options_(std::move(options)) {}
  ~CurlTransport() override;
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;

  Result<HttpResponse> send(const HttpRequest& request, const CancelToken& cancel) override;

 private:
  using TransferPointer = std::shared_ptr<CurlTransfer>;

  Status start();
  void run();
  void take_incoming();
  void start_waiting();
  void drop_cancelled();
  bool collect_finished();
  void fail_all();

  const TransportOptions options_;
  const CurlLibrary* curl_ = nullptr;
  CURLM* multi_ = nullptr;
  std::thread thread_;

  std::mutex mutex_;                       // of the next three
  std::deque<TransferPointer> incoming_;
  bool is_stopping_ = false;
  bool is_started_ = false;

  std::deque<TransferPointer> waiting_;    // the thread's own: more than max_connections were asked for
  std::map<CURL*, TransferPointer> active_;
};

CurlTransport::~CurlTransport() {
  {
    const std::lock_guard lock(mutex_);
    if (!is_started_) return;
    is_stopping_ = true;
  }
  curl_->multi_wakeup(multi_);
  thread_.join();
  curl_->multi_cleanup(multi_);
}

Status CurlTransport::start() {
  if (is_started_) return {};
  const Result<CurlLibrary>& library = curl_library();
  if (!library) return library.error();
  curl_ = &*library;
  multi_ = curl_->multi_init();
  if (multi_ == nullptr) return Error(ErrorCode::kIo, "libcurl cannot be started: out of memory");
  curl_->multi_setopt(multi_, CURLMOPT_MAXCONNECTS, options_.max_connections);  // as many are kept for reuse
  thread_ = std::thread([this] { run(); });
  is_started_ = true;
  return {};
}

Result<HttpResponse> CurlTransport::send(const HttpRequest& request, const CancelToken& cancel) {
  LLMOPS_ASSIGN(UrlParts url, parse_url(request.url));
  LLMOPS_CHECK(check_headers(request.headers));
  if (is_link_local_host(url.host)) return link_local_error(url.host);
  if (options_.offline && !is_loopback_host(url.host)) return offline_error(url.host);
  if (cancel.cancelled()) return interrupted_error();
  TransferPointer transfer;
  {
    const std::lock_guard lock(mutex_);
    LLMOPS_CHECK(start());
    transfer = std::make_shared<CurlTransfer>(*curl_, options_, request, std::move(url), cancel);
    incoming_.push_back(transfer);
  }
  curl_->multi_wakeup(multi_);
  return transfer->wait();
}

void CurlTransport::run() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) break;
    }
    take_incoming();
    drop_cancelled();
    start_waiting();
    int running = 0;
    curl_->multi_perform(multi_, &running);
    const bool has_room_again = collect_finished() && !waiting_.empty();
    if (has_room_again) continue;
    curl_->multi_poll(multi_, nullptr, 0, active_.empty() ? kPollWhileIdleMs : kPollWhileBusyMs, nullptr);
  }
  fail_all();
}

void CurlTransport::take_incoming() {
  const std::lock_guard lock(mutex_);
  for (TransferPointer& transfer : incoming_) waiting_.push_back(std::move(transfer));
  incoming_.clear();
}

void CurlTransport::start_waiting() {
  while (!waiting_.empty() && active_.size() < static_cast<size_t>(std::max(options_.max_connections, 1L))) {
    TransferPointer transfer = std::move(waiting_.front());
    waiting_.pop_front();
    CURL* easy = transfer->prepare();
    if (easy == nullptr || curl_->multi_add_handle(multi_, easy) != CURLM_OK) {
      transfer->fail(Error(ErrorCode::kIo, "a transfer cannot be started: out of memory"));
      continue;
    }
    active_.emplace(easy, std::move(transfer));
  }
}

void CurlTransport::drop_cancelled() {
  std::erase_if(waiting_, [](const TransferPointer& transfer) {
    if (!transfer->cancelled()) return false;
    transfer->fail(interrupted_error());
    return true;
  });
  std::erase_if(active_, [this](const auto& entry) {
    if (!entry.second->cancelled()) return false;
    curl_->multi_remove_handle(multi_, entry.first);
    entry.second->fail(interrupted_error());
    return true;
  });
}

bool CurlTransport::collect_finished() {
  bool has_finished = false;
  int left = 0;
  while (const CURLMsg* message = curl_->multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;  // the message dies with remove_handle
    curl_->multi_remove_handle(multi_, easy);
    const auto found = active_.find(easy);
    if (found == active_.end()) continue;
    found->second->finish(code);
    active_.erase(found);
    has_finished = true;
  }
  return has_finished;
}

void CurlTransport::fail_all() {
  take_incoming();
  for (const TransferPointer& transfer : waiting_) transfer->fail(interrupted_error());
  waiting_.clear();
  for (const auto& [easy, transfer] : active_) {
    curl_->multi_remove_handle(multi_, easy);
    transfer->fail(interrupted_error());
  }
  active_.clear();
}

}  // namespace

std::optional<std::string> HttpResponse::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return std::nullopt;
}

std::unique_ptr<Transport> make_curl_transport(const TransportOptions& options) {
  return std::make_unique<CurlTransport>(options);
}

}  // namespace llmops
