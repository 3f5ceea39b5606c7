#include "cli/render/eval_text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "cli/table.h"
#include "commands/eval/run_json.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

Tone tone_of(std::string_view verdict) {
  return verdict == "pass" ? Tone::kGood : verdict == "fail" ? Tone::kBad : Tone::kUndecided;
}

int exit_of(std::string_view verdict) { return verdict == "pass" ? 0 : verdict == "fail" ? 1 : 3; }

std::optional<double> number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "" : json_to_text(*found);
}

std::string interval_text(const Json& interval, const std::string& unit) {
  if (!interval.is_array() || interval.size() != 2) return "";
  return fmt::format("{} .. {}", format_value(interval[0].get<double>(), unit), format_value(interval[1].get<double>(), unit));
}

std::string signed_value(double value, const std::string& unit) { return (value < 0 ? "" : "+") + format_value(value, unit); }

// One row of the table, from the document: the same words whether the run just ended or was read from the store.
void add_metric_row(const Json& row, std::string& last_component, Table& table) {
  const std::string unit = text_at(row, "unit");
  const std::string component = text_at(row, "component");
  std::vector<std::string> cells(8);
  std::vector<Tone> tones(8, Tone::kPlain);
  cells[0] = component == last_component ? "" : component;
  last_component = component;
  cells[1] = text_at(row, "metric");
  const auto mean = number_at(row, "mean");
  cells[2] = mean ? format_value(*mean, unit) : row.value("n", int64_t{0}) == 0 && row.value("absent", int64_t{0}) == 0 && row.value("errors", int64_t{0}) == 0 ? "no data" : "unknown";
  cells[3] = interval_text(row.value("interval", Json(nullptr)), unit);
  cells[4] = text_at(row, "method") == "sum" ? "" : format_count(row.value("n", int64_t{0}));
  if (const auto baseline = number_at(row, "baseline")) {
    cells[5] = format_value(*baseline, unit);
    const bool lower = row.value("lower_is_better", false);
    double difference = mean ? *mean - *baseline : 0;
    if (const auto paired = row.find("difference"); paired != row.end() && paired->is_object()) {
      difference = number_at(*paired, "mean").value_or(difference);
      cells[6] = signed_value(difference, unit);
      const Json interval = paired->value("interval", Json(nullptr));
      if (interval.is_array()) {
        cells[6] += fmt::format("  {} .. {}", signed_value(interval[0].get<double>(), unit), signed_value(interval[1].get<double>(), unit));
        const bool above = interval[0].get<double>() > 0, below = interval[1].get<double>() < 0;
        const auto p = number_at(*paired, "p_value");
        if (p) cells[7] = format_p(*p);
        if (above || below) {
          const bool better = lower ? below : above;
          cells[7] += better ? "  better" : "  worse";
          tones[6] = tones[7] = better ? Tone::kGood : Tone::kBad;
        }
      } else if (const auto p = number_at(*paired, "p_value")) {
        cells[7] = format_p(*p);
      }
    } else if (mean) {
      cells[6] = signed_value(difference, unit);
    }
  }
  table.add(std::move(cells), std::move(tones));
}

std::string header_line(const Json& document) {
  const Json& chain = document["chain"];
  std::string text = fmt::format("{} {}", text_at(chain, "name"), text_at(chain, "vid").substr(0, 12));
  if (chain.value("observed", false)) {
    text += " (observed)";
  } else if (!chain.value("committed", false)) {
    std::string changed;
    for (const Json& part : chain.value("changed", Json::array())) changed += (changed.empty() ? "" : ", ") + json_to_text(part);
    text += changed.empty() ? " (uncommitted)" : fmt::format(" (uncommitted: {})", changed);
  }
  text += fmt::format("   suite {}   {} cases", text_at(document["suite"], "name"), format_count(document["cases"].value("total", int64_t{0})));
  if (const int64_t repeat = document["cases"].value("repeat", int64_t{1}); repeat > 1) text += fmt::format(" (each {} times)", repeat);
  for (const Json& model : document.value("models", Json::array())) text += "   model " + json_to_text(model);
  return text + "\n";
}

std::string unit_of_gate(const std::string& gate) {
  if (gate.find("_ms") != std::string::npos) return "ms";
  return gate.find("cost_usd") != std::string::npos ? "USD" : "";
}

std::string gates_text(const Json& document, const Terminal& terminal) {
  size_t widest = 0;
  for (const Json& gate : document["gates"]) widest = std::max(widest, text_at(gate, "gate").size());
  std::string text;
  for (const Json& gate : document["gates"]) {
    const std::string verdict = text_at(gate, "verdict");
    text += fmt::format("gate  {:<{}}   {}", text_at(gate, "gate"), widest, terminal.paint(fmt::format("{:<9}", verdict), tone_of(verdict)));
    const std::string explanation = text_at(gate, "explanation");
    if (!explanation.empty()) text += "   " + explanation;
    else if (const auto value = number_at(gate, "value")) text += "   " + format_value(*value, unit_of_gate(text_at(gate, "gate")));
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  return text;
}

std::string errors_text(const Json& document, const Terminal& terminal) {
  const int64_t without = document["cases"].value("without_score", int64_t{0});
  if (without == 0) return {};
  std::string text = fmt::format("{} {} without a score:", format_count(without), without == 1 ? "case" : "cases");
  size_t shown = 0;
  for (const Json& group : document["errors"]) {
    if (++shown > 4) {
      text += " ...";
      break;
    }
    text += fmt::format("{} {} in {} ({})", shown == 1 ? "" : ",", group.value("count", int64_t{0}), text_at(group, "step"), truncate_to_width(text_at(group, "message"), 40, terminal.unicode()));
  }
  text += fmt::format("      llmops eval show {} --errors\n", document["run"].value("number", int64_t{0}));
  return terminal.paint(text.substr(0, text.size() - 1), Tone::kUndecided) + "\n";
}

std::string reuse_text(const Json& document) {
  const Json& spans = document["spans"];
  const int64_t total = spans.value("total", int64_t{0}), reused = spans.value("reused", int64_t{0});
  std::string text;
  if (reused > 0) text += fmt::format("steps run {}, reused {} of {}", format_count(total - reused), format_count(reused), format_count(total));
  if (const int64_t retries = spans.value("retries", int64_t{0}); retries > 0) text += fmt::format("{}retries {}", text.empty() ? "" : "   ", format_count(retries));
  if (const double spent = document["cost"].value("spent_usd", 0.0); spent > 0) text += fmt::format("{}spent {}", text.empty() ? "" : "   ", format_usd(spent));
  return text.empty() ? "" : text + "\n";
}

std::string render_document(const Json& document, const Terminal& terminal) {
  std::string text = header_line(document);
  if (const Json& baseline = document["baseline"]; baseline.is_object()) {
    text += fmt::format("baseline {}   {} pairs", text_at(baseline, "description"), format_count(baseline.value("pairs", int64_t{0})));
    if (const int64_t changed = baseline.value("changed_rows", int64_t{0}); changed > 0) text += fmt::format(", {} left out: their rows changed", format_count(changed));
    text += "\n";
  }
  Table table({{"component", false, 0, false}, {"metric", false, 0, false}, {"mean", true, 0, false}, {"95 % interval", true, 3, false}, {"n", true, 4, false},
               {"baseline", true, 5, false}, {"difference (paired)", false, 2, false}, {"p", false, 6, false}});
  std::string last;
  for (const Json& row : document["metrics"]) add_metric_row(row, last, table);
  text += "\n" + table.render(terminal) + errors_text(document, terminal) + reuse_text(document);
  if (!document["gates"].empty()) text += "\n" + gates_text(document, terminal);
  for (const Json& reason : document.value("verdict_reasons", Json::array())) text += json_to_text(reason) + "\n";
  const std::string verdict = text_at(document, "verdict");
  const int64_t number = document["run"].value("number", int64_t{0});
  const bool interrupted = text_at(document["run"], "stop_reason") == "interrupted";
  text += interrupted ? fmt::format("run {}   {} (exit 130)", number, terminal.paint("interrupted", Tone::kUndecided))
                      : fmt::format("run {}   {} (exit {})", number, terminal.paint(verdict, tone_of(verdict)), exit_of(verdict));
  return text;
}

}  // namespace

std::string render_eval_run(const EvalRunReport& report, const Terminal& terminal) {
  std::string text = render_document(eval_run_to_json(report, false), terminal) + "\n";
  if (report.run.state == RunState::kStopped) text += fmt::format("to go on: llmops eval run --resume {}\n", report.run.number);
  else if (terminal.out_is_terminal() && !terminal.quiet()) text += fmt::format("look inside: llmops eval show {} --failed\n", report.run.number);
  return text;
}

std::string render_eval_summary(const RunRecord& run, const Json& summary, int64_t stored_cases, const Terminal& terminal) {
  if (summary.is_object()) {
    std::string text = render_document(summary, terminal) + "\n";
    if (run.state == RunState::kRunning) text += fmt::format("this run was taken up again and is not finished: {} cases are stored\n", format_count(stored_cases));
    return text;
  }
  return fmt::format("{} {}   suite {}   run {} was not finished: {} of {} cases are stored\nto go on: llmops eval run --resume {}\n", run.chain, run.vid.substr(0, 12), run.suite,
                     run.number, format_count(stored_cases), run.case_count > 0 ? format_count(run.case_count) : "an unknown number of", run.number);
}

// ---- one case ----

namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return escape_control(collapse_space(text));
}

std::string shown_value(const std::string& json_text) {
  if (json_text.empty()) return "";
  auto value = parse_json(json_text, "store");
  return value ? json_to_text(*value) : json_text;
}

std::string tokens_text(const std::optional<int64_t>& input, const std::optional<int64_t>& output) {
  if (!input && !output) return "";
  return fmt::format("{} + {} tokens", input ? format_count(*input) : "?", output ? format_count(*output) : "?");
}

// The values a step read; of a single one, itself.
std::string sole_value(const std::string& json_text) {
  auto value = parse_json(json_text, "store");
  if (!value || !value->is_object()) return shown_value(json_text);
  const Json& inputs = value->contains("inputs") && (*value)["inputs"].is_object() ? (*value)["inputs"] : *value;
  return inputs.size() == 1 ? json_to_text(*inputs.begin()) : dump_json(inputs);
}

class CaseTree {
 public:
  CaseTree(const ShownCase& shown, bool full, const Terminal& terminal) : record_(shown.record), why_(shown.why), full_(full), terminal_(terminal) {}

  std::string render() {
    head();
    const auto& spans = record_.spans;
    std::vector<size_t> top;
    for (size_t i = 0; i < spans.size(); ++i) if (!has_parent(i)) top.push_back(i);
    for (size_t k = 0; k < top.size(); ++k) node(top[k], "", k + 1 == top.size());
    tail();
    return std::move(text_);
  }

 private:
  bool has_parent(size_t index) const {
    return std::any_of(record_.spans.begin(), record_.spans.end(), [&](const SpanRecord& s) { return s.sequence == record_.spans[index].parent; });
  }
  std::vector<size_t> children(size_t index) const {
    std::vector<size_t> found;
    for (size_t i = 0; i < record_.spans.size(); ++i) if (record_.spans[i].parent == record_.spans[index].sequence && i != index) found.push_back(i);
    return found;
  }
  int room(const std::string& indent) const { return std::max(20, std::min(terminal_.width(), 200) - display_width(indent)); }

  void head() {
    std::string status = record_.error_code.empty() ? record_.pass ? (*record_.pass ? "pass" : "FAIL") : "done" : "ERROR";
    std::string failed;
    for (const ScoreRecord& score : record_.scores) if (score.pass == false) failed += (failed.empty() ? " " : ", ") + score.metric;
    const Tone tone = status == "pass" ? Tone::kGood : status == "done" ? Tone::kPlain : status == "FAIL" ? Tone::kBad : Tone::kUndecided;
    text_ += fmt::format("case {}", escape_control(record_.case_id));
    if (record_.repeat > 0) text_ += fmt::format(" (repetition {})", record_.repeat + 1);
    text_ += "   " + terminal_.paint(status + failed, tone) + "   " + format_duration_ms(record_.latency_ms);
    if (record_.cost_usd) text_ += "   " + format_usd(*record_.cost_usd);
    if (const std::string tokens = tokens_text(record_.input_tokens, record_.output_tokens); !tokens.empty()) text_ += "   " + tokens;
    text_ += "\n";
    // What was asked: the first text that a step of the case read.
    // Of a recorded case, what its row says was asked.
    if (!record_.spans.empty() && record_.spans[0].kind == "external") {
      if (auto row = parse_json(record_.row, "store"); row && row->is_object() && row->contains("input")) return body("   ", "case", json_to_text((*row)["input"]), kUnlimitedLines);
    }
    for (const SpanRecord& span : record_.spans) {
      if (span.input.empty() || span.kind == "external") continue;
      body("   ", "case", sole_value(span.input), kUnlimitedLines);
      break;
    }
  }

  void body(const std::string& indent, const std::string& label, const std::string& value, size_t line_limit) {
    if (value.empty()) return;
    const std::string lead = fmt::format("{:<7} ", label);
    if (!full_) {
      const std::string line = one_line(value);
      text_ += indent + terminal_.paint(lead, Tone::kMuted) + truncate_to_width(line, room(indent) - 8, terminal_.unicode()) + "\n";
      return;
    }
    std::string_view rest = value;
    bool first = true;
    size_t lines = 0;
    while (!rest.empty() && lines++ < line_limit) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      text_ += indent + (first ? terminal_.paint(lead, Tone::kMuted) : std::string(8, ' ')) + escape_control(rest.substr(0, end)) + "\n";
      rest.remove_prefix(std::min(end + 1, rest.size()));
      first = false;
    }
  }

  void prompt(const std::string& indent, const SpanRecord& span) {
    auto messages = parse_json(span.prompt, "store");
    if (!messages || !messages->is_array()) return;
    for (const Json& message : *messages) {
      if (message.is_object()) body(indent, message.value("role", ""), message.contains("content") ? json_to_text(message["content"]) : "", kUnlimitedLines);
    }
  }

  void documents(const std::string& indent, const SpanRecord& span) {
    auto found = parse_json(span.output, "store");
    if (!found || !found->is_array()) return;
    size_t shown = 0;
    for (const Json& document : *found) {
      if (!full_ && ++shown > 3) {
        text_ += indent + fmt::format("and {} more\n", found->size() - 3);
        return;
      }
      const std::string line = fmt::format("{:.2f} {} \"{}\"", document.value("score", 0.0), text_at(document, "id"), one_line(text_at(document, "text")));
      text_ += indent + (full_ ? line : truncate_to_width(line, room(indent), terminal_.unicode())) + "\n";
    }
  }

  void node(size_t index, const std::string& indent, bool is_last) {
    const SpanRecord& span = record_.spans[index];
    text_ += indent + std::string(terminal_.glyph(is_last ? "└─ " : "├─ ", is_last ? "`- " : "|- "));
    std::string step = span.kind == "external" ? span.name : span.step;
    if (span.item >= 0) step += fmt::format("[{}]", span.item);
    text_ += terminal_.paint(escape_control(step), Tone::kStrong) + "   " + (span.kind == "external" ? "reported by the program" : span.kind);
    if (!span.name.empty() && span.kind != "external") text_ += "   " + escape_control(span.name);
    if (!span.model_served.empty() && span.model_served != span.model_asked) text_ += " (served by " + escape_control(span.model_served) + ")";
    if (span.skipped) {
      text_ += span.name.empty() ? "   skipped: its condition is false\n" : "\n";
    } else {
      text_ += "   " + format_duration_ms(span.latency_ms);
      if (span.ttft_ms) text_ += " (first token " + format_duration_ms(*span.ttft_ms) + ")";
      if (span.cost_usd) text_ += "   " + format_usd(*span.cost_usd);
      if (const std::string tokens = tokens_text(span.input_tokens, span.output_tokens); !tokens.empty()) text_ += "   " + tokens;
      if (span.retries > 0) text_ += fmt::format("   retries {}", span.retries);
      if (index < why_.size() && !why_[index].state.empty()) text_ += "   " + why_[index].state;
      text_ += "\n";
    }
    const auto below = children(index);
    const std::string inner = indent + std::string(terminal_.glyph(is_last ? "   " : "│  ", is_last ? "   " : "|  ")) + "  ";
    if (!span.error_message.empty()) text_ += inner + terminal_.paint("error   ", Tone::kBad) + escape_control(span.error_message) + "\n";
    if (span.skipped) return;
    if (index < why_.size() && why_[index].state == "run anew" && !why_[index].reason.starts_with("first run")) text_ += inner + terminal_.paint("why     ", Tone::kMuted) + why_[index].reason + "\n";
    if (!span.prompt.empty()) prompt(inner, span);
    else if (full_ || span.kind == "exec" || span.kind == "tool" || span.kind == "external") body(inner, "input", shown_value(span.input), kUnlimitedLines);
    if (span.kind == "retrieve") documents(inner, span);
    else body(inner, "output", shown_value(span.output), kUnlimitedLines);
    for (size_t k = 0; k < below.size(); ++k) node(below[k], indent + std::string(terminal_.glyph(is_last ? "   " : "│  ", is_last ? "   " : "|  ")), k + 1 == below.size());
  }

  void tail() {
    if (!record_.error_message.empty()) text_ += "   " + terminal_.paint("error   ", Tone::kBad) + escape_control(record_.error_message) + "\n";
    body("   ", "result", shown_value(record_.output), kUnlimitedLines);
    for (const ScoreRecord& score : record_.scores) {
      std::string line = fmt::format("   {:<8}{}", "score", score.metric);
      if (score.value) line += "   " + format_value(*score.value, "");
      else line += score.error.empty() ? "   none: its step was skipped" : "   none: " + escape_control(score.error);
      if (auto detail = parse_json(score.detail, "store"); detail && detail->is_object() && detail->contains("reason")) line += "   " + one_line(json_to_text((*detail)["reason"]));
      const Tone tone = score.pass ? *score.pass ? Tone::kGood : Tone::kBad : Tone::kPlain;
      text_ += terminal_.paint(full_ ? line : truncate_to_width(line, std::min(terminal_.width(), 200), terminal_.unicode()), tone) + "\n";
    }
    if (!full_) text_ += terminal_.paint("   --full shows everything whole", Tone::kMuted) + "\n";
  }

  static constexpr size_t kUnlimitedLines = 1'000'000;
  const CaseRecord& record_;
  const std::vector<CacheExplanation>& why_;
  bool full_;
  const Terminal& terminal_;
  std::string text_;
};

// Of a failed case, what failed; of any other, every score.
std::string scores_text(const CaseRecord& record) {
  std::string text;
  for (const ScoreRecord& score : record.scores) if (score.pass == false) text += (text.empty() ? "" : "  ") + score.metric + " " + format_value(score.value.value_or(0), "");
  if (!text.empty()) return text;
  for (const ScoreRecord& score : record.scores) {
    text += (text.empty() ? "" : "  ") + score.metric + " " + (score.value ? format_value(*score.value, "") : score.error.empty() ? "-" : "error");
  }
  return text;
}

}  // namespace

std::string render_case_tree(const ShownCase& shown, bool full, const Terminal& terminal) { return CaseTree(shown, full, terminal).render(); }

std::string render_step_table(const std::vector<ShownCase>& cases, const std::string& step, bool full, const Terminal& terminal) {
  Table table({{"case", false, 0, false}, {"step", false, 2, false}, {"time", true, 4, false}, {"tokens", true, 5, false}, {"reused", false, 6, false},
               {"input", false, 3, true}, {"output", false, 0, true}});
  constexpr int kCellColumns = 60;
  const auto cut = [&](const std::string& text) { return full ? one_line(text) : truncate_to_width(one_line(text), kCellColumns, terminal.unicode()); };
  for (const ShownCase& shown : cases) {
    for (const SpanRecord& span : shown.record.spans) {
      std::string name = span.step == step ? "" : span.step;
      if (span.item >= 0) name += fmt::format("[{}]", span.item);
      std::string tokens;
      if (span.input_tokens || span.output_tokens) tokens = fmt::format("{}+{}", span.input_tokens ? std::to_string(*span.input_tokens) : "?", span.output_tokens ? std::to_string(*span.output_tokens) : "?");
      const bool reused = span.cache == SpanCache::kStep || span.cache == SpanCache::kResponse;
      const std::string output = !span.error_message.empty() ? "error: " + span.error_message : span.skipped ? "skipped" : shown_value(span.output);
      table.add({shown.record.case_id, name, format_duration_ms(span.latency_ms), tokens, reused ? "yes" : "", cut(sole_value(span.input)), cut(output)},
                {Tone::kPlain, Tone::kPlain, Tone::kPlain, Tone::kPlain, Tone::kPlain, Tone::kPlain, span.error_message.empty() ? Tone::kPlain : Tone::kBad});
    }
  }
  return table.render(terminal);
}

std::string render_case_list(const std::vector<ShownCase>& cases, const Terminal& terminal) {
  Table table({{"case", false, 0, false}, {"", false, 0, false}, {"scores", false, 2, true}, {"output or error", false, 1, true}});
  for (const ShownCase& shown : cases) {
    const CaseRecord& record = shown.record;
    std::string state = !record.error_code.empty() ? "error" : record.pass ? (*record.pass ? "pass" : "FAIL") : "";
    std::string what = record.error_message.empty() ? shown_value(record.output) : record.error_step.empty() ? record.error_message : record.error_step + ": " + record.error_message;
    if (record.error_message.empty()) {
      for (const ScoreRecord& score : record.scores) if (!score.error.empty()) { what = score.metric + ": " + score.error; state = "error"; break; }
    }
    table.add({record.case_id, state, scores_text(record), truncate_to_width(one_line(what), 80, terminal.unicode())}, {Tone::kPlain, state == "pass" ? Tone::kGood : state == "error" ? Tone::kUndecided : Tone::kBad});
  }
  return table.render(terminal);
}

}  // namespace llmops
