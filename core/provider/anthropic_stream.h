// The events of a streamed Messages answer put together into the message that the server would have sent at once, and that
// message read as a reply. Private to core/provider.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/provider/openai_error.h"
#include "core/provider/openai_stream.h"

namespace llmops {

// The members are those that StreamingTransport asks for.
class MessageStream {
 public:
  MessageStream();
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;
  bool feed(std::string_view bytes, int64_t now_ns);
  void finish();

  bool has_events() const { return event_count_ > 0; }
  // message_stop or a stop_reason was seen.
  bool is_complete() const { return is_done_ || !stop_reason_.empty(); }
  const Json& error() const { return error_; }
  const std::string& broken_chunk() const { return broken_chunk_; }
  std::optional<int64_t> first_token_ns() const { return first_token_ns_; }
  const std::string& raw() const { return raw_; }
  Json message() const;

 private:
  struct Block { int64_t index = 0; std::string type, id, name, text, input; };
  bool on_event(std::string_view data);
  void on_message_start(const Json& message);
  void on_block_start(const Json& event);
  void on_block_delta(const Json& event);
  void on_message_delta(const Json& event);
  void add_usage(const Json& usage);
  Block& block_at(const Json& event);
  void note_first_token();

  SseParser parser_;
  int64_t now_ns_ = 0;
  size_t event_count_ = 0;
  bool is_done_ = false, is_finishing_ = false, has_message_ = false;
  std::string raw_, stop_reason_, broken_chunk_, id_, model_;
  std::vector<Block> blocks_;
  Json usage_ = Json::object(), error_;
  std::optional<int64_t> first_token_ns_;
};

// {id, model, content: [blocks], stop_reason, usage} as a reply.
Result<ChatReply> read_message(const Json& message, const ServerContext& context);

}  // namespace llmops
