// The body of an exec step: the user's own code as a component. It may report its own parts as spans, and each of them can
// then be looked at and scored like a step.
#include <fmt/format.h>

#include "core/runtime/step_runner.h"
#include "core/telemetry/trace_lines.h"

namespace llmops {
namespace {

std::optional<int64_t> integer_of(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = object.find(key);
    if (found != object.end() && found->is_number_integer()) return found->get<int64_t>();
  }
  return std::nullopt;
}

std::optional<double> number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? "" : json_to_text(*found);
}

SpanRecord external_span(const std::string& step, const Json& reported, int64_t now_ms) {
  SpanRecord span;
  span.kind = "external";
  span.name = text_of(reported, "name");
  span.step = step + "/" + span.name;
  if (reported.contains("input")) span.input = dump_json(reported["input"]);
  if (reported.contains("output")) span.output = dump_json(reported["output"]);
  span.model_asked = text_of(reported, "model");
  const Json& tokens = reported.contains("tokens") && reported["tokens"].is_object() ? reported["tokens"] : reported;
  span.input_tokens = integer_of(tokens, {"input", "input_tokens"});
  span.output_tokens = integer_of(tokens, {"output", "output_tokens"});
  if (&tokens == &reported && !reported.contains("input_tokens")) span.input_tokens.reset();
  if (&tokens == &reported && !reported.contains("output_tokens")) span.output_tokens.reset();
  span.cost_usd = number_of(reported, "cost");
  const auto start = moment_ms(reported, "start"), end = moment_ms(reported, "end");
  span.start_ms = start ? static_cast<int64_t>(*start) : now_ms;
  if (const auto latency = number_of(reported, "latency_ms")) span.latency_ms = *latency;
  else if (start && end) span.latency_ms = *end - *start;
  if (reported.contains("error") && !reported["error"].is_null()) {
    span.error_code = "exec_error";
    span.error_message = text_of(reported, "error");
  }
  return span;
}

Status add_external_spans(const StepCall& call, const Json& spans, int64_t now_ms, StepOutcome& outcome) {
  if (!spans.is_array()) return Error(ErrorCode::kProvider, fmt::format("'spans' of step '{}' must be a list", call.step->id)).with_kind("exec_error", false);
  std::map<std::string, int> position;
  std::vector<std::string> parents;
  for (const Json& reported : spans) {
    if (!reported.is_object() || !reported.contains("name")) {
      return Error(ErrorCode::kProvider, fmt::format("a span of step '{}' has no 'name'", call.step->id), "give every span at least a name").with_kind("exec_error", false);
    }
    if (reported.contains("id")) position[json_to_text(reported["id"])] = static_cast<int>(outcome.spans.size());
    parents.push_back(reported.contains("parent") && !reported["parent"].is_null() ? json_to_text(reported["parent"]) : "");
    outcome.spans.push_back(external_span(call.step->id, reported, now_ms));
  }
  for (size_t i = 0; i < parents.size(); ++i) {
    const auto parent = position.find(parents[i]);
    const int own = static_cast<int>(i) + 1;
    outcome.spans[i + 1].parent = parent == position.end() || parent->second == own ? 0 : parent->second;
  }
  return {};
}

}  // namespace

void run_exec_step(PreparedChain& prepared, const StepCall& call, StepOutcome& outcome, const CancelToken& cancel) {
  Json request = {{"inputs", call.input->inputs}, {"steps", Json::object()}, {"case", {{"id", call.input->id}}}};
  for (const std::string& id : call.step->needs) if (call.steps->contains(id)) request["steps"][id] = (*call.steps)[id];
  if (call.item != nullptr) request["item"] = *call.item;
  const auto& argv = std::get<ExecStep>(call.step->body).command.argv;
  outcome.spans[0].name = argv.size() > 1 ? argv[0] + " " + argv[1] : argv[0];
  auto reply = prepared.processes.at(call.step->id)->call(request, cancel);
  if (!reply) {
    outcome.error = std::move(reply).error();
    return;
  }
  if (!reply->is_object() || !reply->contains("output")) {
    outcome.error = Error(ErrorCode::kProvider, fmt::format("the reply of step '{}' has no 'output'", call.step->id), "print one JSON line like {\"output\": ...}").with_kind("exec_error", false);
    return;
  }
  if (reply->contains("spans")) {
    if (auto added = add_external_spans(call, (*reply)["spans"], outcome.spans[0].start_ms, outcome); !added) {
      outcome.error = std::move(added).error();
      outcome.spans.resize(1);
      return;
    }
  }
  outcome.output = std::move((*reply)["output"]);
}

Json parts_by_name(const std::string& step, const std::vector<SpanRecord>& spans) {
  const std::string prefix = step + "/";
  Json named = Json::object();
  for (const SpanRecord& span : spans) {
    // Deeper parts belong to the step that made them; the turns of an agent have no names.
    if (!span.step.starts_with(prefix) || span.skipped || span.kind == "tool" || (span.kind == "model" && span.step == prefix + "turn")) continue;
    const std::string name = span.kind == "external" ? span.name : span.step.substr(prefix.size());
    if (span.kind != "external" && name.find('/') != std::string::npos) continue;
    Json entry = Json::object();
    for (const auto& [key, text] : {std::pair{"input", &span.input}, std::pair{"output", &span.output}}) {
      if (text->empty()) continue;
      if (auto value = parse_json(*text, "span")) entry[key] = std::move(*value);
    }
    entry["latency_ms"] = span.latency_ms;
    entry["error"] = span.error_message.empty() ? Json(nullptr) : Json(span.error_message);
    named[name] = std::move(entry);
  }
  return named;
}

}  // namespace llmops
