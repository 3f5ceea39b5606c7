// A small HTTP/1.1 server on 127.0.0.1 that does exactly what a test tells it to, also what no good server does: cut a
// body short, lie about its length, answer late, answer with something that is not HTTP. One thread per connection, so
// that a script may simply sleep.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace llmops::test {

struct LoopbackRequest {
  std::string method, target;                                 // as sent; absolute when the server is used as a proxy
  std::string path;                                           // without scheme, host and query
  std::vector<std::pair<std::string, std::string>> headers;   // names in lower case
  std::string body;
  int connection = 0;                                         // connections count from 1
  int number = 0;                                             // requests count from 1, over all connections
  std::string header(std::string_view lower_case_name) const; // "" when there is none
};

class LoopbackServer;

// What the script does to the connection; every call acts at once.
class LoopbackReply {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  // A whole answer with its Content-Length.
  void send(int status, std::string_view body, const Headers& headers = {{"Content-Type", "application/json"}});
  // The same with a Content-Length that is not that of the body; the connection closes after it.
  void send_lying(int status, std::string_view body, size_t claimed_length);
  // Chunked: begin, any number of chunks, end. cut() in between leaves the last chunk unfinished.
  void begin_chunked(int status, const Headers& headers);
  void begin_events() { begin_chunked(200, {{"Content-Type", "text/event-stream"}}); }
  void chunk(std::string_view bytes);
  void half_chunk(std::string_view bytes);  // announces twice as many bytes as it sends
  void end();
  void raw(std::string_view bytes);
  void sleep_ms(int milliseconds);          // ends early when the server stops
  void hang();                              // until the client or the server gives up
  void cut();                               // closes the connection
  bool is_answered() const { return is_answered_; }
  bool is_open() const { return is_open_; }

 private:
  friend class LoopbackServer;
  LoopbackReply(LoopbackServer& server, int socket) : server_(server), socket_(socket) {}
  LoopbackServer& server_;
  int socket_;
  bool is_answered_ = false, is_open_ = true;
};

using LoopbackHandler = std::function<void(const LoopbackRequest&, LoopbackReply&)>;

class LoopbackServer {
 public:
  // `greeting` is sent on each connection before anything is read, as servers of other protocols do.
  explicit LoopbackServer(LoopbackHandler handler, std::string greeting = {});
  ~LoopbackServer();  // closes all connections and joins all threads
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  int port() const { return port_; }
  std::string url(std::string_view path = "") const;   // "http://127.0.0.1:PORT" + path
  int connection_count() const { return connections_; }
  int request_count() const { return requests_; }
  int most_at_once() const { return most_at_once_; }   // requests in the handler at the same time
  std::vector<LoopbackRequest> requests() const;       // the first 10 000, in the order of arrival

 private:
  friend class LoopbackReply;
  struct Connection { int socket = -1; std::thread thread; std::atomic<bool> is_done{false}; };
  void accept_all();
  void serve(Connection& connection, int number);
  bool serve_one(int socket, int number, std::string& buffer);
  void reap_done();
  bool is_stopping();

  const LoopbackHandler handler_;
  const std::string greeting_;
  int listener_ = -1, port_ = 0;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::condition_variable stopping_changed_;
  bool is_stopping_ = false;
  std::list<Connection> open_;
  std::vector<LoopbackRequest> recorded_;
  std::atomic<int> connections_{0}, requests_{0}, at_once_{0}, most_at_once_{0};
};

// Bodies of an OpenAI-compatible server.
std::string chat_completion_json(std::string_view content, std::string_view model = "test-model");
std::string tool_call_completion_json();
std::string error_json(std::string_view message, std::string_view type, std::string_view code);
// One server-sent event with a content delta ("data: {...}\n\n").
std::string content_event(std::string_view content);
std::string event(std::string_view json);
extern const char* const kRoleEvent;       // role and empty content, the first of a stream
extern const char* const kFinishEvent;     // finish_reason "stop"
extern const char* const kUsageEvent;      // 9 prompt tokens (4 cached), 12 completion tokens (5 reasoning), no choices
extern const char* const kDoneEvent;       // [DONE]
// The events of one streamed call of get_weather({"city":"Berlin"}), its arguments in pieces, and of a second call.
std::vector<std::string> tool_call_events();

// Behaviours of a whole server: chat completions (streamed when the request asks for it) and embeddings.
struct OpenAiBehaviour {
  int delay_ms = 0;               // before the first byte
  int piece_delay_ms = 0;         // between the events of a stream
  std::string reply;              // empty: the last user message
  bool has_usage = true;
  bool cuts_streams = false;
  bool breaks_streams = false;    // an error object in mid-stream
  bool calls_tools = false;
  int fail_every = 0;             // each n-th request is answered with fail_status
  int fail_status = 429;
  int retry_after_s = -1;         // sent with failures
};
LoopbackHandler openai_handler(OpenAiBehaviour behaviour);

}  // namespace llmops::test
