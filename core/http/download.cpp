// Range requests as RFC 9110 has them. What came before is hashed again when a part goes on: its bytes may be another
// process's, and a hash is cheaper than a transfer.
#include "core/http/download.h"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <fstream>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/http/address.h"
#include "core/http/backoff.h"

namespace llmops {
namespace {

constexpr int kMostRedirects = 5;
constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr const char* kGoOn = "run the command again to go on where it stopped";

std::string without_quotes(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::optional<std::string> find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) if (key == name) return value;
  return std::nullopt;
}

std::optional<uint64_t> parse_count(std::string_view text) {
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// "bytes 5-9/10" or "bytes */10".
struct ContentRange { std::optional<uint64_t> first, total; };
ContentRange parse_content_range(std::string_view text) {
  ContentRange range;
  if (!text.starts_with("bytes ")) return range;
  text.remove_prefix(6);
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return range;
  range.total = parse_count(text.substr(slash + 1));
  range.first = parse_count(text.substr(0, std::min(text.find('-'), slash)));
  return range;
}

// A Location header against the URL that gave it.
std::string resolve_location(const std::string& base, const UrlParts& parts, const std::string& location) {
  if (location.find("://") != std::string::npos) return location;
  if (location.starts_with("//")) return parts.scheme + ":" + location;
  const size_t path_begin = std::min(base.find('/', base.find("://") + 3), base.size());
  if (location.starts_with("/")) return base.substr(0, path_begin) + location;
  const std::string path = base.substr(path_begin, base.find_first_of("?#", path_begin) - path_begin);
  const std::string folder = path.empty() ? "/" : path.substr(0, path.rfind('/') + 1);
  return base.substr(0, path_begin) + folder + location;
}

Result<UrlParts> check_url(const std::string& url) {
  LLMOPS_ASSIGN(UrlParts parts, parse_url(url));
  if (parts.has_userinfo) return Error(ErrorCode::kConfig, fmt::format("'{}' holds a user name", shown_url(url)), "leave the user name and the password out of the address");
  if (parts.scheme != "https" && !is_loopback_host(parts.host)) {
    return Error(ErrorCode::kConfig, fmt::format("'{}' is not fetched without TLS", shown_url(url)), "write https://");
  }
  return parts;
}

// The bytes that are here, their hash, and what tells whether the server's are still the same: FILE.part and FILE.part.json.
class Part {
 public:
  explicit Part(const DownloadRequest& request) : request_(request) {}

  Status open() {
    LLMOPS_ASSIGN(PartialFile file, PartialFile::open(request_.file, "download.write"));
    file_.emplace(std::move(file));
    if (file_->size_bytes() == 0) return restart();
    const auto kept = read_file(note_path(), 1 << 16);
    const auto note = kept ? parse_json(*kept, "part") : Result<Json>(Error(ErrorCode::kNotFound, ""));
    if (!note || !note->is_object() || note->value("url_sha256", "") != sha256_hex(request_.url)) return restart();
    validator_ = note->value("validator", "");
    if (!can_go_on()) return restart();
    hash_ = std::make_unique<Sha256>();
    std::ifstream bytes(file_->part(), std::ios::binary);
    std::string piece(kPieceBytes, '\0');
    uint64_t read = 0;
    while (bytes.read(piece.data(), static_cast<std::streamsize>(piece.size())), bytes.gcount() > 0) {
      hash_->update({piece.data(), static_cast<size_t>(bytes.gcount())});
      read += static_cast<uint64_t>(bytes.gcount());
    }
    if (read != file_->size_bytes()) return restart();
    resumed_bytes_ = read;
    return {};
  }

  uint64_t size_bytes() const { return file_->size_bytes(); }
  uint64_t resumed_bytes() const { return resumed_bytes_; }
  const std::string& validator() const { return validator_; }

  Status restart() {
    LLMOPS_CHECK(file_->restart());
    hash_ = std::make_unique<Sha256>();
    validator_.clear();
    resumed_bytes_ = 0;
    return {};
  }
  // Before the first byte, so that a killed process leaves no bytes of unknown origin. An address may hold a key: its digest is enough.
  Status remember(std::string validator) {
    validator_ = std::move(validator);
    return write_file_atomic(note_path(), dump_json(Json{{"url_sha256", sha256_hex(request_.url)}, {"validator", validator_}}) + "\n", {0644, false, "download.write"});
  }
  Status append(std::string_view bytes) {
    LLMOPS_CHECK(file_->append(bytes));
    hash_->update(bytes);
    return {};
  }
  // Bytes without a validator could be mixed with those of another file: only a known digest would tell.
  bool can_go_on() const { return !validator_.empty() || !request_.sha256.empty(); }
  std::string digest() {
    const Sha256Digest digest = hash_->finish();
    return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
  }
  Status commit() {
    LLMOPS_CHECK(file_->commit());
    return remove_file(note_path());
  }

 private:
  fs::path note_path() const { return PartialFile::part_of(request_.file) += ".json"; }
  const DownloadRequest& request_;
  std::optional<PartialFile> file_;
  std::unique_ptr<Sha256> hash_;
  std::string validator_;          // a strong etag in its quotes, or a date; empty: none
  uint64_t resumed_bytes_ = 0;
};

class Downloader {
 public:
  Downloader(Transport& transport, const DownloadRequest& request, const CancelToken& cancel)
      : transport_(transport), request_(request), cancel_(cancel), part_(request), call_(next_call()) {}

  Result<Download> run() {
    LLMOPS_CHECK(check_url(request_.url));
    LLMOPS_CHECK(part_.open());
    while (true) {
      LLMOPS_CHECK(transfer());
      const bool was_resumed = part_.resumed_bytes() > 0;
      const std::string digest = part_.digest();
      if (request_.sha256.empty() || digest == request_.sha256) return finish(digest);
      LLMOPS_CHECK(part_.restart());
      // Old and new bytes may have been joined: only a whole transfer shows what the server has.
      if (!was_resumed) return changed("sha256", digest, request_.sha256);
    }
  }

 private:
  static uint64_t next_call() {
    static std::atomic<uint64_t> calls{0};
    return calls.fetch_add(1, std::memory_order_relaxed);
  }

  Result<Download> finish(const std::string& digest) {
    Download made{digest, etag_, part_.size_bytes(), part_.resumed_bytes()};
    LLMOPS_CHECK(part_.commit());
    return made;
  }

  Error changed(std::string_view what, std::string_view found, std::string_view wanted) const {
    return Error(ErrorCode::kData, fmt::format("'{}' has changed: its {} is {}, not {}", shown_url(request_.url), what, found, wanted),
                 fmt::format("write {}: {} if the new one is wanted, else ask whoever serves it for the old one", what, found)).with_kind("changed", false);
  }

  // Until all bytes are here.
  Status transfer() {
    int tries = 0;
    while (true) {
      auto sent = send();
      if (failed_) return *std::exchange(failed_, std::nullopt);
      if (sent && is_whole_) return {};
      if (part_.size_bytes() > most_bytes_) tries = 0;
      most_bytes_ = std::max(most_bytes_, part_.size_bytes());
      int64_t delay_ms = backoff_ms(request_.retry, call_, tries);
      if (!sent) {
        const Error& error = sent.error();
        if (error.code != ErrorCode::kProvider) return error;
        const bool is_worth_it = error.kind == "timeout" || error.kind == "connect" || error.kind == "cut";
        if (!is_worth_it || tries >= request_.retry.max_retries) return with_hint(error);
      } else if (!wants_restart_) {
        if (!is_retryable_status(sent->status) || tries >= request_.retry.max_retries) return status_error(sent->status);
        const int64_t asked_ms = retry_after_ms(*sent, system_clock_source().unix_ms()).value_or(0);
        if (asked_ms > request_.retry.max_retry_after_ms) return status_error(sent->status);
        if (asked_ms > 0) delay_ms = asked_ms;
      } else if (tries >= request_.retry.max_retries) {
        return status_error(sent->status);
      }
      if (std::exchange(wants_restart_, false)) LLMOPS_CHECK(part_.restart());
      if (!part_.can_go_on()) LLMOPS_CHECK(part_.restart());
      if (!wait_ms(delay_ms, cancel_)) return Error(ErrorCode::kInterrupted, "interrupted", kGoOn);
      ++tries;
    }
  }

  static Error with_hint(Error error) {
    error.hint = fmt::format("check the address and the network; {}", kGoOn);
    return error;
  }

  Error status_error(int status) const {
    const std::string shown = shown_url(request_.url);
    if (status == 404 || status == 410) return Error(ErrorCode::kNotFound, fmt::format("'{}' does not exist (HTTP {})", shown, status), "check the address and the revision");
    const bool is_refused = status == 401 || status == 403;
    return Error(ErrorCode::kProvider, fmt::format("'{}' was not given out: HTTP {}", shown, status), is_refused ? "check that it may be read, and with which key" : kGoOn)
        .with_kind(fmt::format("http_{}", status), is_retryable_status(status));
  }

  // One try, through its redirects.
  Result<HttpResponse> send() {
    std::string url = request_.url;
    LLMOPS_ASSIGN(const UrlParts first, check_url(url));
    UrlParts parts = first;
    for (int redirects = 0;; ++redirects) {
      HttpRequest request;
      request.method = "GET";
      request.url = url;
      request.headers = {{"Accept-Encoding", "identity"}};
      if (parts.host == first.host && parts.port == first.port) for (const auto& header : request_.headers) request.headers.push_back(header);
      if (part_.size_bytes() > 0) {
        request.headers.emplace_back("Range", fmt::format("bytes={}-", part_.size_bytes()));
        if (!part_.validator().empty()) request.headers.emplace_back("If-Range", part_.validator());
      }
      request.timeout_ms = 0;
      request.idle_timeout_ms = request_.idle_timeout_ms;
      request.max_response_bytes = UINT64_MAX;
      bool has_head = false;
      is_whole_ = false;
      request.on_head = [&](int status, const HttpHeaders& headers) {
        has_head = true;
        return begin_body(status, headers);
      };
      request.on_data = [&](std::string_view bytes) { return append(bytes); };
      LLMOPS_ASSIGN(HttpResponse response, transport_.send(request, cancel_));
      if (!has_head) begin_body(response.status, response.headers);
      if (failed_) return response;
      const auto location = response.header("location");
      if (response.status < 300 || response.status >= 400 || !location) {
        if (takes_body_) is_whole_ = !total_ || part_.size_bytes() == *total_;
        return response;
      }
      if (redirects == kMostRedirects) return Error(ErrorCode::kConfig, fmt::format("'{}' leads on more than {} times", shown_url(request_.url), kMostRedirects), "give the address that it leads to");
      url = resolve_location(url, parts, *location);
      LLMOPS_ASSIGN(UrlParts next, check_url(url));
      if ((parts.scheme == "https" && next.scheme != "https") || (is_loopback_host(next.host) && !is_loopback_host(first.host))) {
        return Error(ErrorCode::kConfig, fmt::format("'{}' leads to '{}', which is not followed", shown_url(request_.url), shown_url(url)), "give an address that leads to https:// servers alone");
      }
      parts = std::move(next);
    }
  }

  // What the server says about itself, also on the way: the hub tells its digests with the first redirect.
  bool check_pins(const HttpHeaders& headers) {
    const auto own = find_header(headers, "etag"), linked = find_header(headers, "x-linked-etag");
    for (const auto* one : {&own, &linked}) {
      if (!*one) continue;
      const std::string plain = without_quotes(**one);
      if (plain == without_quotes(request_.etag)) matches_etag_ = true;
      etag_ = plain;
    }
    const auto commit = find_header(headers, "x-repo-commit");
    if (!request_.commit.empty() && commit && *commit != request_.commit) {
      return fail(changed("revision", *commit, request_.commit));
    }
    return true;
  }

  // False: the body is not wanted.
  bool begin_body(int status, const HttpHeaders& headers) {
    takes_body_ = false;
    if (status < 400 && !check_pins(headers)) return false;
    if (status == 416) {
      // Nothing is left to send, or the bytes here are not the server's.
      const auto range = parse_content_range(find_header(headers, "content-range").value_or(""));
      is_whole_ = range.total == part_.size_bytes() && part_.size_bytes() > 0;
      wants_restart_ = !is_whole_;
      return false;
    }
    if (status != 200 && status != 206) return false;
    if (!request_.etag.empty() && !matches_etag_) {
      if (etag_.empty()) return fail(Error(ErrorCode::kProvider, fmt::format("the server of '{}' tells no etag", shown_url(request_.url)), "pin the file by sha256").with_kind("protocol", false));
      return fail(changed("etag", etag_, request_.etag));
    }
    if (find_header(headers, "content-encoding").value_or("identity") != "identity") {
      return fail(Error(ErrorCode::kProvider, fmt::format("'{}' comes in an encoding that was not asked for", shown_url(request_.url)), "ask whoever serves it to send it as it is").with_kind("protocol", false));
    }
    if (status == 206) {
      const auto range = parse_content_range(find_header(headers, "content-range").value_or(""));
      if (range.first != part_.size_bytes()) {
        wants_restart_ = true;
        return false;
      }
      total_ = range.total;
    } else {
      if (part_.size_bytes() > 0) if (auto dropped = part_.restart(); !dropped) return fail(std::move(dropped).error());
      total_ = parse_count(find_header(headers, "content-length").value_or(""));
      const auto tag = find_header(headers, "etag");
      const std::string validator = tag && tag->starts_with('"') ? *tag : find_header(headers, "last-modified").value_or("");
      if (auto kept = part_.remember(validator); !kept) return fail(std::move(kept).error());
    }
    takes_body_ = true;
    return true;
  }

  bool append(std::string_view bytes) {
    if (!takes_body_) return false;
    if (auto written = part_.append(bytes); !written) return fail(std::move(written).error());
    if (request_.on_progress) request_.on_progress(part_.size_bytes(), total_);
    return true;
  }

  bool fail(Error error) {
    failed_ = std::move(error);
    return false;
  }

  Transport& transport_;
  const DownloadRequest& request_;
  const CancelToken& cancel_;
  Part part_;
  uint64_t call_;
  std::optional<Error> failed_;             // ends the download
  std::string etag_;
  bool matches_etag_ = false, takes_body_ = false, is_whole_ = false, wants_restart_ = false;
  std::optional<uint64_t> total_;
  uint64_t most_bytes_ = 0;                 // ever here: getting further than before is worth new tries
};

}  // namespace

std::string shown_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const size_t host = scheme + 3, end = std::min(url.find('/', host), url.size());
  const size_t at = url.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
}

Result<Download> download_file(Transport& transport, const DownloadRequest& request, const CancelToken& cancel) { return Downloader(transport, request, cancel).run(); }

}  // namespace llmops
