// The server's connections and HTTP/1.1 framing (RFC 9112). What an OpenAI-compatible server says is in loopback_openai.cpp.
#include "tests/support/loopback_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>

namespace llmops::test {
namespace {

constexpr size_t kMostRecorded = 10'000;  // a benchmark's memory must not grow with its requests

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::string head_of(int status, const LoopbackReply::Headers& headers, std::string_view framing) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, status < 400 ? "OK" : "Error");
  for (const auto& [name, value] : headers) head += fmt::format("{}: {}\r\n", name, value);
  return head + fmt::format("{}\r\n\r\n", framing);
}

// False: the client went away.
bool read_more(int socket, std::string& buffer) {
  char bytes[65536];
  ssize_t count = -1;
  do {
    count = recv(socket, bytes, sizeof bytes, 0);
  } while (count < 0 && errno == EINTR);
  if (count > 0) buffer.append(bytes, static_cast<size_t>(count));
  return count > 0;
}

size_t body_length(const LoopbackRequest& request) {
  const std::string text = request.header("content-length");
  size_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  return length;
}

std::string path_of(std::string_view target) {
  if (const size_t scheme = target.find("://"); scheme != std::string_view::npos) {
    const size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return std::string(target.substr(0, target.find('?')));
}

LoopbackRequest parse_head(std::string_view head) {
  LoopbackRequest request;
  bool is_first = true;
  while (!head.empty()) {
    const size_t end = head.find('\n');
    const std::string_view line = trim(head.substr(0, end));
    head.remove_prefix(end == std::string_view::npos ? head.size() : end + 1);
    if (is_first) {
      const size_t space = line.find(' ');
      request.method = line.substr(0, space);
      if (space != std::string_view::npos) request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
      is_first = false;
    } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      request.headers.emplace_back(lower_case(line.substr(0, colon)), trim(line.substr(colon + 1)));
    }
  }
  request.path = path_of(request.target);
  return request;
}

}  // namespace

std::string LoopbackRequest::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

void LoopbackReply::raw(std::string_view bytes) {
  is_answered_ = true;
  while (is_open_ && !bytes.empty()) {
    const ssize_t written = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      is_open_ = false;
      return;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void LoopbackReply::send(int status, std::string_view body, const Headers& headers) {
  raw(head_of(status, headers, fmt::format("Content-Length: {}", body.size())) + std::string(body));
}

void LoopbackReply::send_lying(int status, std::string_view body, size_t claimed_length) {
  raw(head_of(status, {{"Content-Type", "application/json"}}, fmt::format("Content-Length: {}", claimed_length)) + std::string(body));
  cut();
}

void LoopbackReply::begin_chunked(int status, const Headers& headers) { raw(head_of(status, headers, "Transfer-Encoding: chunked")); }

void LoopbackReply::chunk(std::string_view bytes) {
  if (!bytes.empty()) raw(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
}

void LoopbackReply::half_chunk(std::string_view bytes) {
  raw(fmt::format("{:x}\r\n{}", 2 * bytes.size(), bytes));
  cut();
}

void LoopbackReply::end() { raw("0\r\n\r\n"); }

void LoopbackReply::sleep_ms(int milliseconds) {
  std::unique_lock lock(server_.mutex_);
  server_.stopping_changed_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return server_.is_stopping_; });
  if (server_.is_stopping_) is_open_ = false;
}

void LoopbackReply::hang() {
  is_answered_ = true;
  while (is_open_ && !server_.is_stopping()) {
    pollfd gone{socket_, POLLIN | POLLRDHUP, 0};
    if (poll(&gone, 1, 50) > 0 && (gone.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) break;
  }
  is_open_ = false;
}

void LoopbackReply::cut() {
  is_answered_ = true;
  if (is_open_) shutdown(socket_, SHUT_RDWR);
  is_open_ = false;
}

LoopbackServer::LoopbackServer(LoopbackHandler handler, std::string greeting)
    : handler_(std::move(handler)), greeting_(std::move(greeting)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool is_listening = bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 && listen(listener_, 4096) == 0 &&
                            getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  if (!is_listening) return;  // port() stays 0
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

LoopbackServer::~LoopbackServer() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    for (Connection& connection : open_) shutdown(connection.socket, SHUT_RDWR);
  }
  stopping_changed_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  close(listener_);
  for (Connection& connection : open_) connection.thread.join();
  for (Connection& connection : open_) close(connection.socket);
}

std::string LoopbackServer::url(std::string_view path) const { return fmt::format("http://127.0.0.1:{}{}", port_, path); }

std::vector<LoopbackRequest> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return recorded_;
}

bool LoopbackServer::is_stopping() {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void LoopbackServer::accept_all() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0 && (errno == EINTR || errno == ECONNABORTED) && !is_stopping()) continue;
    if (socket < 0) return;
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    reap_done();
    const std::lock_guard lock(mutex_);
    if (is_stopping_) {
      close(socket);
      return;
    }
    const int number = ++connections_;
    Connection& connection = open_.emplace_back();
    connection.socket = socket;
    connection.thread = std::thread([this, &connection, number] { serve(connection, number); });
  }
}

void LoopbackServer::reap_done() {
  const std::lock_guard lock(mutex_);
  for (auto connection = open_.begin(); connection != open_.end();) {
    if (!connection->is_done) {
      ++connection;
      continue;
    }
    connection->thread.join();
    close(connection->socket);
    connection = open_.erase(connection);
  }
}

void LoopbackServer::serve(Connection& connection, int number) {
  if (!greeting_.empty()) LoopbackReply(*this, connection.socket).raw(greeting_);
  std::string buffer;
  while (serve_one(connection.socket, number, buffer)) {
  }
  shutdown(connection.socket, SHUT_RDWR);
  connection.is_done = true;
}

bool LoopbackServer::serve_one(int socket, int number, std::string& buffer) {
  size_t head_end = std::string::npos;
  while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more(socket, buffer)) return false;
  }
  LoopbackRequest request = parse_head(std::string_view(buffer).substr(0, head_end));
  const size_t length = body_length(request);
  while (buffer.size() < head_end + 4 + length) {
    if (!read_more(socket, buffer)) return false;
  }
  request.body = buffer.substr(head_end + 4, length);
  buffer.erase(0, head_end + 4 + length);
  request.connection = number;
  {
    const std::lock_guard lock(mutex_);
    request.number = ++requests_;
    if (recorded_.size() < kMostRecorded) recorded_.push_back(request);
  }
  const int now = ++at_once_;
  for (int most = most_at_once_; now > most && !most_at_once_.compare_exchange_weak(most, now);) {
  }
  LoopbackReply reply(*this, socket);
  handler_(request, reply);
  --at_once_;
  if (!reply.is_answered()) reply.send(200, "{}");
  return reply.is_open();
}

}  // namespace llmops::test
