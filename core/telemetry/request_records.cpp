#include "core/telemetry/request_records.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "core/base/json.h"
#include "core/text/codepoint.h"

namespace llmops {
namespace {

constexpr size_t kKeptBytes = size_t{32} << 10;

// The longest beginning of whole characters within the limit.
std::string beginning_of(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return std::string(text.substr(0, most));
}

std::optional<std::string> text_or_none(const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); }

void set_text(const Json& value, std::optional<std::string>& text, std::optional<int64_t>& bytes) {
  if (value.is_null()) return;
  std::string made;
  const std::string& whole = value.is_string() ? value.get_ref<const std::string&>() : made = dump_json(value);
  bytes = static_cast<int64_t>(whole.size());
  text = beginning_of(whole, kKeptBytes);
}

template <class T>
void add_to(std::optional<T>& sum, const std::optional<T>& value) {
  if (value) sum = sum.value_or(T{}) + *value;
}

// The user's words, where a framework wraps them: {"question": "..."} or {"messages": [...]} of one text are that text.
const Json& plain_input(const Json& input) {
  if (!input.is_object()) return input;
  for (const char* name : {"input", "question", "query", "prompt", "text", "message"}) if (const auto found = input.find(name); found != input.end() && found->is_string()) return *found;
  if (input.size() == 1 && input.begin()->is_string()) return *input.begin();
  return input;
}

class RecordsOfTrace {
 public:
  RecordsOfTrace(const Trace& trace, const ComponentPatterns& patterns) : trace_(trace), patterns_(patterns) {
    for (size_t i = 0; i < trace.spans.size(); ++i) index_.emplace(trace.spans[i].span_id, i);
    for (size_t i = 0; i < trace.spans.size(); ++i) root_.push_back(root_of(i));
  }

  std::vector<StoredRecord> make() const {
    std::vector<StoredRecord> records;
    for (size_t i = 0; i < trace_.spans.size(); ++i) {
      if (root_[i] == i) records.push_back(of_request(i));
      if (is_component(i)) records.push_back(of_component(i));
    }
    return records;
  }

 private:
  // Parents come before their children.
  size_t root_of(size_t at) const {
    const auto parent = index_.find(trace_.spans[at].parent_id);
    return trace_.spans[at].parent_id.empty() || parent == index_.end() || parent->second >= at ? at : root_[parent->second];
  }

  bool is_component(size_t at) const {
    const TraceSpan& span = trace_.spans[at];
    if (span.kind == TraceKind::kModel || span.kind == TraceKind::kTool || span.kind == TraceKind::kRetrieval || !span.component.empty()) return true;
    return root_[at] != at && span.kind == TraceKind::kAgent;
  }

  StoredRecord told_by(const TraceSpan& span) const {
    StoredRecord record;
    record.span = span.span_id;
    if (span.start_ms > 0) record.start_ms = static_cast<int64_t>(span.start_ms);
    if (span.end_ms > span.start_ms) record.latency_ms = span.end_ms - span.start_ms;
    record.ttft_ms = span.ttft_ms;
    record.session = text_or_none(span.session);
    record.user = text_or_none(span.user);
    record.service = text_or_none(span.service);
    record.route = text_or_none(span.route);
    record.language = text_or_none(span.language);
    record.prompt = text_or_none(span.prompt_name.empty() || span.prompt_version.empty() ? span.prompt_name + span.prompt_version : span.prompt_name + "@" + span.prompt_version);
    record.vid = text_or_none(span.vid);
    record.model_asked = text_or_none(span.model_asked);
    record.model_served = text_or_none(span.model_served);
    record.finish = text_or_none(span.finish_reason);
    record.error = text_or_none(span.error_type);
    if (!span.scores.empty()) record.scores = dump_json(span.scores);
    return record;
  }

  static void add_signs(const Json& output, StoredRecord& record) {
    if (output.is_null()) return;
    std::string made;
    const AnswerSigns signs = answer_signs(output.is_string() ? output.get_ref<const std::string&>() : made = dump_json(output), record.finish.value_or(""));
    record.is_empty = signs.is_empty;
    record.is_refusal = signs.is_refusal;
    record.is_cut_off = signs.is_cut_off;
    record.is_malformed_json = signs.is_malformed_json;
  }

  StoredRecord of_component(size_t at) const {
    const TraceSpan& span = trace_.spans[at];
    StoredRecord record = told_by(span);
    record.component = component_of(span, patterns_);
    set_text(plain_input(span.input), record.input, record.input_bytes);
    set_text(span.output, record.output, record.output_bytes);
    record.input_tokens = span.input_tokens;
    record.output_tokens = span.output_tokens;
    record.cost_usd = span.cost_usd;
    if (span.kind == TraceKind::kModel) {
      add_signs(span.output, record);
      // A call of a tool is an answer.
      if (span.tool_calls.is_array() && !span.tool_calls.empty()) record.is_empty = false;
    }
    return record;
  }

  StoredRecord of_request(size_t root) const {
    const TraceSpan& top = trace_.spans[root];
    StoredRecord record = told_by(top);
    const Json *input = &plain_input(top.input), *output = &top.output;
    Json tools = Json::array(), scores = top.scores;
    bool called = false;
    for (size_t i = root; i < trace_.spans.size(); ++i) {
      if (root_[i] != root) continue;
      const TraceSpan& span = trace_.spans[i];
      // What the root leaves open, the first span that tells it.
      for (const auto& [from, into] : {std::pair{&span.session, &record.session}, {&span.user, &record.user}, {&span.service, &record.service}, {&span.route, &record.route}, {&span.language, &record.language}, {&span.vid, &record.vid}}) {
        if (!*into) *into = text_or_none(*from);
      }
      for (const auto& [name, value] : span.scores.items()) if (!scores.contains(name)) scores[name] = value;
      if (span.kind == TraceKind::kTool) tools.push_back(span.component.empty() ? span.name : span.component);
      if (span.kind == TraceKind::kModel) add_model(span, i == root, record, input, output, called);
      if (i != root && !record.latency_ms && span.end_ms > top.end_ms && span.end_ms > top.start_ms) record.latency_ms = span.end_ms - top.start_ms;
    }
    set_text(*input, record.input, record.input_bytes);
    set_text(*output, record.output, record.output_bytes);
    add_signs(*output, record);
    if (called) record.is_empty = false;
    if (!tools.empty()) record.tools = dump_json(tools);
    if (!scores.empty()) record.scores = dump_json(scores);
    return record;
  }

  static void add_model(const TraceSpan& span, bool is_root, StoredRecord& record, const Json*& input, const Json*& output, bool& called) {
    add_to(record.input_tokens, span.input_tokens);
    add_to(record.output_tokens, span.output_tokens);
    add_to(record.cost_usd, span.cost_usd);
    if (input->is_null()) input = &plain_input(span.input);
    if (is_root) called = span.tool_calls.is_array() && !span.tool_calls.empty();
    else if (record.component.empty() && !span.output.is_null() && span.output != "" && span.error_type.empty()) last_answer(span, record, output);
    if (!record.model_asked) record.model_asked = text_or_none(span.model_asked);
    if (!record.model_served) record.model_served = text_or_none(span.model_served);
    if (!record.prompt) record.prompt = text_or_none(span.prompt_name.empty() || span.prompt_version.empty() ? span.prompt_name + span.prompt_version : span.prompt_name + "@" + span.prompt_version);
    if (!record.ttft_ms && span.ttft_ms) record.ttft_ms = span.start_ms + *span.ttft_ms - static_cast<double>(record.start_ms.value_or(static_cast<int64_t>(span.start_ms)));
  }

  // Of a root that tells no output, the answer of the model that ends last; its reason for ending too.
  static void last_answer(const TraceSpan& span, StoredRecord& record, const Json*& output) {
    if (output->is_null() || *output == "") output = &span.output;
    if (!span.finish_reason.empty()) record.finish = span.finish_reason;
  }

  const Trace& trace_;
  const ComponentPatterns& patterns_;
  std::map<std::string, size_t> index_;
  std::vector<size_t> root_;        // of each span, the place of its root
};

constexpr std::array<std::string_view, 40> kRefusals{
    "i'm sorry, but i can't", "i'm sorry, but i cannot", "i'm sorry, i can't", "i'm sorry, i cannot", "i am sorry, but i can't", "i am sorry, but i cannot", "i'm sorry, but i'm not able", "i'm sorry, but i am not able",
    "i'm sorry, but i'm unable", "i'm sorry, but i am unable", "sorry, but i can't", "sorry, but i cannot", "sorry, i can't", "sorry, i cannot", "i can't help", "i cannot help", "i can't assist", "i cannot assist", "i can't provide",
    "i cannot provide", "i can't comply", "i cannot comply", "i can't fulfill", "i cannot fulfill", "i can't do that", "i cannot do that", "i can't share", "i cannot share", "i won't be able to", "i will not be able to",
    "i'm unable to", "i am unable to", "i'm not able to", "i am not able to", "as an ai", "as a language model", "i must decline", "i have to decline", "i apologize, but i can", "i apologize, but i am"};

}  // namespace

bool begins_with_refusal(std::string_view output) {
  constexpr size_t kLooked = 160;
  std::string head = text::to_lower(beginning_of(output, kLooked));
  // The typographic apostrophe.
  for (size_t at = 0; (at = head.find("\xE2\x80\x99", at)) != std::string::npos;) head.replace(at, 3, "'");
  // The first two letters tell nearly every place apart.
  static constexpr std::array<std::string_view, 4> kFirst{"i'", "i ", "so", "as"};
  static_assert(std::all_of(kRefusals.begin(), kRefusals.end(), [](std::string_view opening) { return std::find(kFirst.begin(), kFirst.end(), opening.substr(0, 2)) != kFirst.end(); }));
  for (std::string_view rest = head; rest.size() >= 2; rest.remove_prefix(1)) {
    if (std::find(kFirst.begin(), kFirst.end(), rest.substr(0, 2)) == kFirst.end()) continue;
    if (std::any_of(kRefusals.begin(), kRefusals.end(), [&](std::string_view opening) { return rest.starts_with(opening); })) return true;
  }
  return false;
}

AnswerSigns answer_signs(std::string_view output, std::string_view finish) {
  AnswerSigns signs;
  const size_t first = output.find_first_not_of(" \t\r\n");
  signs.is_empty = first == std::string_view::npos;
  signs.is_cut_off = finish == "length" || finish == "max_tokens" || finish == "MAX_TOKENS" || finish == "max_output_tokens";
  if (signs.is_empty) return signs;
  signs.is_refusal = finish == "content_filter" || finish == "refusal" || begins_with_refusal(output);
  const std::string_view body = output.substr(first);
  if (body.front() == '{' || body.starts_with("[{") || body.starts_with("```json")) {
    std::string_view document = body;
    if (document.starts_with("```json")) {
      document.remove_prefix(7);
      document = document.substr(0, document.rfind("```"));
    }
    signs.is_malformed_json = !parse_json(document, "answer").has_value();
  }
  return signs;
}

std::vector<StoredRecord> request_records(const Trace& trace, const ComponentPatterns& patterns) { return RecordsOfTrace(trace, patterns).make(); }

}  // namespace llmops
