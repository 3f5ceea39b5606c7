// Server-sent events (WHATWG HTML, 9.2), and the chat.completion.chunk events in them put together again. Private to
// core/provider.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/provider/provider.h"

namespace llmops {

// Bytes in any pieces -> the data of each event, its lines joined by '\n'. Comments and other fields are left out.
class SseParser {
 public:
  // `on_event` returns false to stop; feed() and finish() then do nothing more.
  explicit SseParser(std::function<bool(std::string_view)> on_event) : on_event_(std::move(on_event)) {}
  bool feed(std::string_view bytes);
  // The stream has ended: an event that no empty line closed is handed on too (servers forget the last one).
  void finish();

 private:
  void end_of_line();
  void end_of_event();

  std::function<bool(std::string_view)> on_event_;
  std::string line_, data_;
  bool has_data_ = false, is_after_cr_ = false, is_first_line_ = true, is_stopped_ = false;
};

// Chunks of one streamed chat completion -> the object that the server would have sent without streaming.
class ChatStream {
 public:
  ChatStream();
  ChatStream(const ChatStream&) = delete;
  ChatStream& operator=(const ChatStream&) = delete;
  // False: no use to read on (an error or a chunk that is not JSON). `now_ns` is the steady clock.
  bool feed(std::string_view bytes, int64_t now_ns);
  void finish();

  bool has_events() const { return event_count_ > 0; }
  // finish_reason or [DONE] was seen.
  bool is_complete() const { return is_done_ || !finish_reason_.empty(); }
  const Json& error() const { return error_; }                           // the server's error object, or null
  const std::string& broken_chunk() const { return broken_chunk_; }      // what is wrong with a chunk, or ""
  std::optional<int64_t> first_token_ns() const { return first_token_ns_; }
  const std::string& raw() const { return raw_; }                        // the body, while it had no events
  Json completion() const;

 private:
  struct ToolCall { std::optional<int64_t> index; std::string id, name, arguments; };
  bool on_event(std::string_view data);
  void on_chunk(const Json& chunk);
  void on_delta(const Json& delta);
  void on_tool_call(const Json& delta);
  ToolCall& tool_call_for(const Json& delta);
  void on_logprobs(const Json& logprobs);
  void note_first_token();

  SseParser parser_;
  int64_t now_ns_ = 0;
  size_t event_count_ = 0;
  bool is_done_ = false, is_finishing_ = false, has_choice_ = false;
  std::string raw_, content_, refusal_, finish_reason_, broken_chunk_, id_, model_, fingerprint_;
  std::vector<ToolCall> tool_calls_;
  Json usage_, logprobs_, error_;
  std::optional<int64_t> first_token_ns_;
};

}  // namespace llmops
