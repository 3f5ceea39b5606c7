// `llmops monitor trace`: a tree of spans, one span whole, or a line for each of the newest requests.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/monitor_requests.h"
#include "cli/render/monitor_trace_json.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr int kWidest = 200, kNarrowest = 20;
constexpr size_t kDeepest = 10;              // deeper spans stand no further to the right
constexpr size_t kLabel = 8;

std::string when(int64_t unix_ms) { return format_utc(unix_ms / 1000 * 1000); }

std::string tokens_text(const std::optional<int64_t>& input, const std::optional<int64_t>& output) {
  if (!input && !output) return "";
  return fmt::format("{} + {} tokens", input ? format_count(*input) : "?", output ? format_count(*output) : "?");
}

std::string score_text(const StoredScore& score) {
  const auto value = parse_json(score.value, "store");
  return score.name + " " + (value ? json_to_text(*value) : score.value);
}

class TraceText {
 public:
  TraceText(const MonitorTraceReport& report, bool full, const Terminal& terminal) : report_(report), full_(full), terminal_(terminal) {}

  std::string tree() {
    head();
    std::vector<bool> is_last;               // of the spans above, by depth
    for (const TraceNode& node : report_.spans) {
      is_last.resize(static_cast<size_t>(node.depth));
      is_last.push_back(node.is_last);
      const size_t shown = std::min(is_last.size() - 1, kDeepest);
      std::string indent;
      for (size_t i = 0; i < shown; ++i) indent += is_last[i] ? "   " : terminal_.glyph("│  ", "|  ");
      const std::string below = indent + std::string(node.is_last ? "   " : terminal_.glyph("│  ", "|  "));
      line(node, indent + std::string(node.is_last ? terminal_.glyph("└─ ", "`- ") : terminal_.glyph("├─ ", "|- ")), below + "  ");
      details(node, below + "  ");
    }
    tail();
    if (was_cut_) text_ += terminal_.paint("--full shows texts whole, --span ID one span with its messages and attributes", Tone::kMuted) + "\n";
    return std::move(text_);
  }

  // Everything that is known of one span.
  std::string whole(const TraceNode& node) {
    full_ = true;
    const TraceSpan& span = node.span;
    line(node, "", "  ");
    for (const auto& [label, value] : {std::pair{"span", span.span_id}, {"parent", span.parent_id}, {"trace", report_.id}, {"name", span.name}, {"start", span.start_ms > 0 ? format_utc(static_cast<int64_t>(span.start_ms)) : ""},
        {"provider", span.provider}, {"finish", span.finish_reason},
                                       {"service", span.service}, {"release", span.service_version}, {"environment", span.environment}, {"session", span.session}, {"user", span.user}, {"route", span.route}, {"language", span.language},
                                       {"prompt", span.prompt_name}, {"prompt version", span.prompt_version}, {"version", span.vid},
                                           {"cached", span.cached_input_tokens ? format_count(*span.cached_input_tokens) + " input tokens" : ""}}) body("  ", label, value);
    if (span.messages.is_array()) {
      for (const Json& message : span.messages) {
        if (!message.is_object()) body("  ", "message", json_to_text(message));
        else body("  ", message.contains("role") ? json_to_text(message["role"]) : "message", message.contains("content") ? json_to_text(message["content"]) : dump_json(message));
      }
    }
    details(node, "  ");
    for (const auto& [name, value] : span.attributes.items()) body("  ", "attribute", name + " = " + json_to_text(value));
    return std::move(text_);
  }

 private:
  int width() const { return std::min(terminal_.width(), kWidest); }

  // Parts side by side, on as many lines as they need.
  void flow(const std::string& lead, const std::string& below, const std::vector<std::pair<std::string, Tone>>& parts) {
    text_ += lead;
    int used = display_width(lead);
    bool is_first = true;
    for (const auto& [part, tone] : parts) {
      if (part.empty()) continue;
      const std::string shown = truncate_to_width(on_one_line(part), std::max(kNarrowest, width() - display_width(below)), terminal_.unicode());
      if (!is_first && used + 3 + display_width(shown) > width()) {
        text_ += "\n" + below;
        used = display_width(below);
      } else if (!is_first) {
        text_ += "   ";
        used += 3;
      }
      text_ += terminal_.paint(shown, tone);
      used += display_width(shown);
      is_first = false;
    }
    text_ += "\n";
  }

  void head() {
    flow("trace ", "  ", {{report_.id, Tone::kStrong}, {report_.start_ms ? when(*report_.start_ms) : "time not told", Tone::kPlain}, {report_.latency_ms ? format_duration_ms(*report_.latency_ms) : "", Tone::kPlain},
        {fmt::format("{} {}", format_count(std::ssize(report_.spans)), report_.spans.size() == 1 ? "span" : "spans"), Tone::kPlain}, {tokens_text(report_.input_tokens, report_.output_tokens), Tone::kPlain},
            {report_.cost_usd ? format_usd(*report_.cost_usd) : "", Tone::kPlain}});
    std::vector<std::pair<std::string, Tone>> told;
    for (const auto& [name, value] : {std::pair{"service", &report_.service}, {"session", &report_.session}, {"user", &report_.user}, {"route", &report_.route},
        {"language", &report_.language}}) if (!value->empty()) told.emplace_back(fmt::format("{} {}", name, *value), Tone::kPlain);
    if (!report_.vid.empty()) told.emplace_back("version " + report_.vid.substr(0, 12), Tone::kPlain);
    if (!told.empty()) flow("  ", "  ", told);
    if (report_.unreadable > 0) text_ += terminal_.paint(fmt::format("  {} of its spans cannot be read", format_count(report_.unreadable)), Tone::kUndecided) + "\n";
  }

  void line(const TraceNode& node, const std::string& lead, const std::string& below) {
    const TraceSpan& span = node.span;
    std::string model = span.model_asked.empty() ? span.model_served : span.model_asked;
    if (!span.model_served.empty() && span.model_served != model) model += " (served by " + span.model_served + ")";
    std::string latency = node.latency_ms ? format_duration_ms(*node.latency_ms) : span.start_ms > 0 ? "end not told" : "time not told";
    if (node.self_ms && *node.self_ms != *node.latency_ms) latency += fmt::format(" (self {})", format_duration_ms(*node.self_ms));
    if (span.ttft_ms) latency += fmt::format(" (first token {})", format_duration_ms(*span.ttft_ms));
    const bool is_deep = static_cast<size_t>(node.depth) > kDeepest;
    flow(lead, below, {{is_deep ? fmt::format("depth {}", node.depth) : "", Tone::kMuted}, {node.component, Tone::kStrong}, {std::string(trace_kind_name(span.kind)), Tone::kPlain}, {model, Tone::kPlain}, {latency, Tone::kPlain},
        {node.is_slowest ? "slowest" : "", Tone::kUndecided},
        {tokens_text(span.input_tokens, span.output_tokens), Tone::kPlain}, {span.cost_usd ? format_usd(*span.cost_usd) : "", Tone::kPlain},
            {span.finish_reason == "length" || span.finish_reason == "max_tokens" ? "cut off" : "", Tone::kUndecided},
        {node.is_parent_missing ? fmt::format("parent {} is not stored", span.parent_id) : "", Tone::kUndecided}});
  }

  void details(const TraceNode& node, const std::string& indent) {
    const TraceSpan& span = node.span;
    if (!span.error_type.empty() || !span.error_message.empty()) body(indent, "error", span.error_type.empty() || span.error_message.empty() ? span.error_type + span.error_message : span.error_type + ": " + span.error_message, Tone::kBad);
    if (!span.input.is_null()) body(indent, "input", json_to_text(span.input));
    if (!span.output.is_null()) body(indent, "output", json_to_text(span.output));
    if (span.tool_calls.is_array()) for (const Json& call : span.tool_calls) body(indent, "calls", call.is_object() && call.contains("name") ? json_to_text(call["name"]) + " " + (call.contains("arguments") ? json_to_text(call["arguments"]) : "") : json_to_text(call));
    for (const auto& [name, value] : span.scores.items()) body(indent, "score", name + " " + json_to_text(value));
    for (const StoredScore& score : node.scores) body(indent, "score", score_text(score) + "   (later)");
  }

  void tail() {
    for (const StoredScore& score : report_.scores) body("", "score", score_text(score) + (score.span.empty() ? "   (later)" : fmt::format("   (later, of span {}, which is not stored)", score.span)));
  }

  void body(const std::string& indent, const std::string& name, const std::string& value, Tone tone = Tone::kMuted) {
    if (value.empty()) return;
    const std::string label = escape_control(name);
    const std::string lead = label + std::string(std::max<size_t>(1, kLabel - std::min(kLabel, label.size())), ' ');
    if (!full_) {
      const std::string line = on_one_line(value);
      const int room = std::max(kNarrowest, width() - display_width(indent + lead));
      std::string shown = line;
      if (display_width(line) > room) {
        was_cut_ = true;
        const std::string size = fmt::format(" ({} bytes)", format_count(std::ssize(value)));
        shown = truncate_to_width(line, std::max(kNarrowest / 2, room - display_width(size)), terminal_.unicode()) + size;
      }
      text_ += indent + terminal_.paint(lead, tone) + shown + "\n";
      return;
    }
    std::string_view rest = value;
    std::string before = terminal_.paint(lead, tone);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      text_ += indent + before + escape_control(rest.substr(0, end)) + "\n";
      rest.remove_prefix(std::min(end + 1, rest.size()));
      before = std::string(lead.size(), ' ');
    }
  }

  const MonitorTraceReport& report_;
  bool full_, was_cut_ = false;
  const Terminal& terminal_;
  std::string text_;
};

std::string list_text(const MonitorTraceListReport& report, bool errors, const Terminal& terminal) {
  const std::string what = errors ? "request with an error" : "request";
  if (report.requests.empty()) return report.since_ms ? fmt::format("no {} since {}\n", what, when(*report.since_ms)) : fmt::format("no {} is stored; bring them in: llmops monitor ingest FILE\n", what);
  constexpr int kInputColumns = 80;
  Table table({{"trace", false, 0, false}, {"when", false, 4, false}, {"time", true, 3, false}, {"route", false, 5, false}, {"error", false, 2, false}, {"input", false, 1, true}});
  for (const ListedRequest& one : report.requests) {
    table.add({one.id, one.start_ms ? when(*one.start_ms) : "not told", one.latency_ms ? format_duration_ms(*one.latency_ms) : "", one.route.value_or(""), one.error.value_or(""), truncate_to_width(on_one_line(one.input.value_or("")), kInputColumns, terminal.unicode())},
              {Tone::kStrong, Tone::kPlain, Tone::kPlain, Tone::kPlain, Tone::kBad});
  }
  std::string text = table.render(terminal);
  if (report.found > std::ssize(report.requests)) text += fmt::format("the newest {} of {}\n", format_count(std::ssize(report.requests)), format_count(report.found));
  return text;
}

struct TraceFlags { MonitorTraceOptions one; MonitorTraceListOptions many; bool list = false, full = false; };

Result<Outcome> do_trace(Invocation& invocation, const TraceFlags& flags) {
  if (flags.list && !flags.one.id.empty()) return Error(ErrorCode::kUsage, fmt::format("--list shows many requests, '{}' is one", flags.one.id), "leave out one of them");
  if (!flags.list && flags.one.id.empty()) return Error(ErrorCode::kUsage, "no trace is named", "give its identifier, or list the newest: --list");
  if (flags.list && (!flags.one.span.empty() || flags.full)) return Error(ErrorCode::kUsage, "--span and --full are of one trace", "leave out --list, and name a trace");
  if (!flags.list && (flags.many.errors || !flags.many.since.empty())) return Error(ErrorCode::kUsage, "--since and --errors choose among many requests", "add --list");
  LLMOPS_ASSIGN(Session * session, invocation.session());
  if (flags.list) {
    LLMOPS_ASSIGN(const MonitorTraceListReport report, monitor_trace_list(*session, flags.many));
    if (invocation.globals.json) return json_outcome(monitor_trace_list_to_json(report));
    return Outcome{list_text(report, flags.many.errors, invocation.terminal), 0, true};
  }
  LLMOPS_ASSIGN(const MonitorTraceReport report, monitor_trace(*session, flags.one));
  if (invocation.globals.json) return json_outcome(monitor_trace_to_json(report));
  TraceText text(report, flags.full, invocation.terminal);
  return Outcome{flags.one.span.empty() ? text.tree() : text.whole(report.spans.at(0)), 0, true};
}

}  // namespace

Action declare_monitor_trace(CLI::App& app) {
  auto flags = std::make_shared<TraceFlags>();
  app.add_option("ID", flags->one.id, "of a trace, how it begins (4 characters or more), or of one of its spans");
  app.add_option("--span", flags->one.span, "one span with all that is known of it: texts whole, messages, attributes")->type_name("ID");
  app.add_flag("--full", flags->full, "texts whole");
  app.add_flag("--list", flags->list, "the newest requests, a line each");
  app.add_option("--since", flags->many.since, "with --list: of this long ago at most, as 24h or 7d")->type_name("TIME");
  app.add_flag("--errors", flags->many.errors, "with --list: those with an error");
  app.add_option("--limit", flags->many.limit, "with --list: how many (default 20)")->check(CLI::Range(1, 100'000))->type_name("N");
  return [flags](Invocation& invocation) { return do_trace(invocation, *flags); };
}

}  // namespace llmops
