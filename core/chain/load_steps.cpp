// Steps: each has one body (see load_bodies.cpp), maybe a condition and a list to repeat over. The
// graph is what their templates read: nobody writes edges.
#include <algorithm>
#include <fmt/format.h>

#include "core/chain/chain_loader.h"

namespace llmops {
namespace {

const std::vector<std::string> kBodies = {"model", "retrieve", "extract", "template", "exec", "agent", "chain"};

bool is_step_id(std::string_view id) {
  if (id.empty() || !((id[0] >= 'a' && id[0] <= 'z') || (id[0] >= 'A' && id[0] <= 'Z') || id[0] == '_')) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// "steps.find.output" -> {"find", "output"}; {} for anything else.
std::pair<std::string, std::string> split_step_path(const std::string& path) {
  constexpr std::string_view kPrefix = "steps.";
  if (!path.starts_with(kPrefix)) return {};
  const std::string rest = path.substr(kPrefix.size());
  const size_t dot = rest.find('.');
  if (dot == std::string::npos) return {rest, ""};
  const size_t next = rest.find('.', dot + 1);
  return {rest.substr(0, dot), rest.substr(dot + 1, next == std::string::npos ? next : next - dot - 1)};
}

}  // namespace

Status ChainLoader::load_steps(YamlReader& top) {
  const Json* steps = top.find("steps");
  if (steps == nullptr) return top.missing("steps", "a chain has at least one step");
  if (!steps->is_array() || steps->empty()) return error_at("/steps", "'steps' must be a list of at least one step", "write steps: [{id: answer, model: main, prompt: \"{{ question }}\"}]");
  for (size_t i = 0; i < steps->size(); ++i) LLMOPS_CHECK(load_step(json_pointer_append("/steps", i), i));
  return {};
}

Status ChainLoader::load_step(const std::string& pointer, size_t index) {
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, pointer, fmt::format("step {}", index + 1)));
  StepSpec step;
  touched_.clear();
  LLMOPS_ASSIGN(step.id, reader.text("id", "name the step with letters, digits and '_'"));
  step.place = document_.place_of(reader.pointer_of("id"));
  if (!is_step_id(step.id)) return error_at(reader.pointer_of("id"), fmt::format("'{}' cannot name a step", step.id), "use letters, digits and '_', and begin with a letter");
  if (!step_pointers_.emplace(step.id, pointer).second) return error_at(reader.pointer_of("id"), fmt::format("two steps are named '{}'", step.id), "rename one of them");
  if (const Json* when = reader.find("when")) {
    LLMOPS_ASSIGN(step.when, filled_template(reader.pointer_of("when"), *when));
    note(step, *step.when);
  }
  if (const Json* list = reader.find("for_each")) {
    LLMOPS_ASSIGN(step.for_each, filled_template(reader.pointer_of("for_each"), *list));
    note(step, *step.for_each);
  }
  std::string body;
  for (const auto& [key, value] : reader.value().items()) {
    if (std::find(kBodies.begin(), kBodies.end(), key) == kBodies.end()) continue;
    if (!body.empty()) return document_.error_at_key(reader.pointer_of(key), fmt::format("step '{}' has both '{}' and '{}'", step.id, body, key), "make two steps of it");
    body = key;
  }
  if (body.empty()) return no_body(reader, step);
  if (body == "model") {
    LLMOPS_CHECK(reader.expect_only({"id", "when", "for_each", "model", "prompt", "messages", "few_shot", "response", "tools"}));
    LLMOPS_ASSIGN(step.body, load_model_step(reader, step));
  } else if (body == "retrieve") {
    LLMOPS_ASSIGN(step.body, load_retrieve_step(reader, step));
  } else if (body == "extract") {
    LLMOPS_ASSIGN(step.body, load_extract_step(reader, step));
  } else if (body == "template") {
    LLMOPS_ASSIGN(Template made, text_or_value_template(reader.pointer_of("template"), *reader.find("template")));
    note(step, made);
    step.body = TemplateStep{std::move(made)};
  } else if (body == "agent") {
    LLMOPS_ASSIGN(step.body, load_agent_step(reader, step));
  } else if (body == "chain") {
    LLMOPS_ASSIGN(step.body, load_chain_step(reader, step));
  } else {
    reader.find("exec");
    LLMOPS_ASSIGN(YamlReader exec, YamlReader::open(document_, reader.pointer_of("exec"), "exec"));
    LLMOPS_ASSIGN(CommandSpec command, load_command(exec));
    LLMOPS_CHECK(exec.finish());
    step.body = ExecStep{std::move(command)};
    // The user's own code sees every step above it.
    for (const auto& [id, other] : step_pointers_) if (id != step.id) step.references.push_back({"steps." + id, true, step.place});
  }
  LLMOPS_CHECK(reader.finish());
  step.definition = reader.value();
  step.definition.erase("id");
  Json& used = step.definition["files"] = Json::object();
  for (const auto& [path, digest] : touched_) used[path] = digest;
  chain_.steps.push_back(std::move(step));
  return {};
}

Error ChainLoader::no_body(const YamlReader& reader, const StepSpec& step) const {
  for (const auto& [key, value] : reader.value().items()) {
    if (key == "id" || key == "when" || key == "for_each" || closest_name(key, kBodies).empty()) continue;
    return document_.error_at_key(reader.pointer_of(key), fmt::format("unknown key '{}' in step '{}'", key, step.id), did_you_mean(key, kBodies));
  }
  const bool has_prompt = reader.value().contains("prompt") || reader.value().contains("messages");
  return error_at(reader.pointer(), fmt::format("step '{}' does nothing", step.id), has_prompt ? "name the model that answers: add `model: NAME`" : "add one of: model, retrieve, extract, template, exec, agent, chain");
}

// Every name a template reads is an input, a step, or what its place defines; anything else is a typing error that is
// better met here than in case 731.
Status ChainLoader::check_references() {
  std::vector<std::string> ids;
  for (const StepSpec& step : chain_.steps) ids.push_back(step.id);
  const auto check = [&](const TemplateReference& reference, bool in_for_each) -> Status {
    const std::string root = reference.path.substr(0, reference.path.find('.'));
    const auto fail = [&](std::string message, std::string hint) -> Status {
      return Error(ErrorCode::kConfig, std::move(message), std::move(hint)).at(reference.place);
    };
    if (root == "steps") {
      const auto [id, field] = split_step_path(reference.path);
      if (id.empty()) return {};
      if (!step_pointers_.contains(id)) return fail(fmt::format("unknown step '{}'", id), suggestion(id, ids, "add a step of that name"));
      static const std::vector<std::string> kFields = {"output", "skipped", "error", "tool_calls", "turns", "spans"};
      if (!field.empty() && std::find(kFields.begin(), kFields.end(), field) == kFields.end()) {
        return fail(fmt::format("a step has no '{}'", field), "read .output, .skipped, .error, .tool_calls, .turns or .spans");
      }
      return {};
    }
    if (root == "item" && in_for_each) return {};
    if (reference.guarded || std::find(chain_.inputs.begin(), chain_.inputs.end(), root) != chain_.inputs.end()) return {};
    std::vector<std::string> known = chain_.inputs;
    known.push_back("steps");
    const std::string hint = did_you_mean(root, known);
    return fail(fmt::format("'{}' is undefined: it is neither an input of the chain nor a step", root), hint.empty() ? "add it to `inputs`" : hint);
  };
  for (StepSpec& step : chain_.steps) {
    for (const TemplateReference& reference : step.references) LLMOPS_CHECK(check(reference, step.for_each.has_value()));
  }
  for (const TemplateReference& reference : chain_.output->references()) LLMOPS_CHECK(check(reference, false));
  for (StepSpec& step : chain_.steps) {
    for (const std::string& id : ids) {
      bool reads = false, reads_output = false;
      for (const TemplateReference& reference : step.references) {
        const auto [other, field] = split_step_path(reference.path);
        const bool whole = reference.path == "steps";
        if (whole && id == step.id) continue;
        if (other != id && !whole) continue;
        reads = true;
        reads_output = reads_output || (!reference.guarded && (field == "output" || field == "tool_calls" || field == "turns" || field == "spans"));
      }
      if (reads) step.needs.push_back(id);
      if (reads_output) step.needs_output.push_back(id);
    }
  }
  return {};
}

// Kahn's algorithm; among the ready steps the one written first goes first.
Status ChainLoader::sort_steps() {
  std::vector<StepSpec> sorted;
  std::set<std::string> done;
  std::vector<StepSpec> waiting = std::move(chain_.steps);
  while (!waiting.empty()) {
    const auto ready = std::find_if(waiting.begin(), waiting.end(), [&](const StepSpec& step) {
      return std::all_of(step.needs.begin(), step.needs.end(), [&](const std::string& id) { return done.contains(id); });
    });
    if (ready == waiting.end()) {
      // Follow unmet needs from any waiting step until one repeats: that is a cycle to show.
      std::vector<std::string> path{waiting.front().id};
      while (true) {
        const auto at = std::find_if(waiting.begin(), waiting.end(), [&](const StepSpec& step) { return step.id == path.back(); });
        const auto next = std::find_if(at->needs.begin(), at->needs.end(), [&](const std::string& id) { return !done.contains(id); });
        const auto seen = std::find(path.begin(), path.end(), *next);
        path.push_back(*next);
        if (seen != path.end() - 1 && std::find(path.begin(), path.end() - 1, *next) != path.end() - 1) {
          path.erase(path.begin(), std::find(path.begin(), path.end(), *next));
          break;
        }
      }
      std::string shown;
      for (const std::string& id : path) shown += (shown.empty() ? "'" : " -> '") + id + "'";
      return error_at(json_pointer_append(step_pointers_.at(path.front()), "id"), fmt::format("steps need each other in a cycle: {}", shown), "a step can only read steps that do not read it");
    }
    done.insert(ready->id);
    sorted.push_back(std::move(*ready));
    waiting.erase(ready);
  }
  chain_.steps = std::move(sorted);
  return {};
}

}  // namespace llmops
