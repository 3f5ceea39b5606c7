// Steps: each has one body (model, retrieve, extract, template, exec), maybe a condition and a list to repeat over. The
// graph is what their templates read: nobody writes edges.
#include <re2/re2.h>

#include <algorithm>
#include <fmt/format.h>

#include "core/chain/chain_loader.h"

namespace llmops {
namespace {

const std::vector<std::string> kBodies = {"model", "retrieve", "extract", "template", "exec"};
// In the language, not yet run by this version.
const std::vector<std::string> kLaterBodies = {"agent", "chain"};

bool is_step_id(std::string_view id) {
  if (id.empty() || !((id[0] >= 'a' && id[0] <= 'z') || (id[0] >= 'A' && id[0] <= 'Z') || id[0] == '_')) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
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
    const bool is_later = std::find(kLaterBodies.begin(), kLaterBodies.end(), key) != kLaterBodies.end();
    if (is_later) return document_.error_at_key(reader.pointer_of(key), fmt::format("steps of kind '{}' are not in this version of llmops", key), "see ROADMAP.md; `exec` can run such a component today");
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
  return error_at(reader.pointer(), fmt::format("step '{}' does nothing", step.id), has_prompt ? "name the model that answers: add `model: NAME`" : "add one of: model, retrieve, extract, template, exec");
}

Result<ModelStep> ChainLoader::load_model_step(YamlReader& reader, StepSpec& step) {
  ModelStep body;
  LLMOPS_ASSIGN(body.model, reader.text("model"));
  if (!chain_.models.contains(body.model)) return error_at(reader.pointer_of("model"), fmt::format("unknown model '{}'", body.model), suggestion(body.model, keys_of(chain_.models), "declare it under `models:`"));
  used_models_.insert(body.model);
  const ModelSpec& model = chain_.models.at(body.model);
  if (model.replay_match) note(step, *model.replay_match);
  const Json* prompt = reader.find("prompt");
  const Json* messages = reader.find("messages");
  if ((prompt == nullptr) == (messages == nullptr)) return error_at(reader.pointer(), fmt::format("step '{}' needs either 'prompt' or 'messages'", step.id), prompt == nullptr ? "add prompt: \"{{ question }}\"" : "put the prompt into the messages");
  if (prompt != nullptr) {
    LLMOPS_ASSIGN(Template made, filled_template(reader.pointer_of("prompt"), *prompt));
    note(step, made);
    body.messages.push_back({"user", std::move(made), std::nullopt});
  } else {
    if (!messages->is_array() || messages->empty()) return error_at(reader.pointer_of("messages"), "'messages' must be a list of at least one message", "write messages: [{role: user, content: \"{{ question }}\"}]");
    for (size_t i = 0; i < messages->size(); ++i) {
      LLMOPS_ASSIGN(MessageSpec message, load_message(json_pointer_append(reader.pointer_of("messages"), i), step));
      body.messages.push_back(std::move(message));
    }
  }
  LLMOPS_CHECK(load_few_shot(reader, body));
  if (reader.find("response") != nullptr) {
    LLMOPS_ASSIGN(YamlReader response, YamlReader::open(document_, reader.pointer_of("response"), "response"));
    LLMOPS_ASSIGN(const std::string schema_path, response.text("json_schema", "name a file: response: {json_schema: schemas/answer.json}"));
    LLMOPS_CHECK(response.finish());
    LLMOPS_ASSIGN(const ManifestFile file, add_file(schema_path, response.pointer_of("json_schema"), FileRole::kText));
    LLMOPS_ASSIGN(Json schema, read_json_file(file.source, file.path));
    body.response_format = {{"type", "json_schema"}, {"json_schema", {{"name", step.id}, {"schema", std::move(schema)}, {"strict", true}}}};
  }
  LLMOPS_ASSIGN(body.tools, reader.optional_text_list("tools"));
  for (size_t i = 0; i < body.tools.size(); ++i) {
    if (!chain_.tools.contains(body.tools[i])) return error_at(json_pointer_append(reader.pointer_of("tools"), i), fmt::format("unknown tool '{}'", body.tools[i]), suggestion(body.tools[i], keys_of(chain_.tools), "declare it under `tools:`"));
    used_tools_.insert(body.tools[i]);
  }
  return body;
}

Result<MessageSpec> ChainLoader::load_message(const std::string& pointer, StepSpec& step) {
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, pointer, "a message"));
  MessageSpec message;
  if (const Json* history = reader.find("history")) {
    LLMOPS_ASSIGN(message.history, filled_template(reader.pointer_of("history"), *history));
    note(step, *message.history);
    LLMOPS_CHECK(reader.finish());
    return message;
  }
  LLMOPS_CHECK(reader.expect_only({"history", "role", "content", "file", "asset"}));
  LLMOPS_ASSIGN(message.role, reader.text("role", "write role: system, user or assistant"));
  static const std::vector<std::string> kRoles = {"system", "user", "assistant", "developer", "tool"};
  if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end()) return error_at(reader.pointer_of("role"), fmt::format("unknown role '{}'", message.role), did_you_mean(message.role, kRoles));
  const Json* content = reader.find("content");
  LLMOPS_ASSIGN(const auto file, reader.optional_text("file"));
  LLMOPS_ASSIGN(const auto asset, reader.optional_text("asset"));
  if ((content != nullptr) + file.has_value() + asset.has_value() != 1) return error_at(pointer, "a message needs one of 'content', 'file' and 'asset'", "write {role: user, content: \"{{ question }}\"}");
  if (content != nullptr) {
    LLMOPS_ASSIGN(message.content, text_or_value_template(reader.pointer_of("content"), *content));
  } else if (file) {
    LLMOPS_ASSIGN(message.content, file_template(*file, reader.pointer_of("file")));
  } else {
    const auto found = chain_.assets.find(*asset);
    if (found == chain_.assets.end()) return error_at(reader.pointer_of("asset"), fmt::format("unknown asset '{}'", *asset), suggestion(*asset, keys_of(chain_.assets), "declare it under `assets:`"));
    if (found->second.kind != "conditioning-prompt" || found->second.files.size() != 1) {
      return error_at(reader.pointer_of("asset"), fmt::format("asset '{}' is not one conditioning prompt", *asset), "only a conditioning-prompt of one file can be a message");
    }
    used_assets_.insert(*asset);
    LLMOPS_ASSIGN(message.content, file_template(found->second.files[0].path, reader.pointer_of("asset")));
  }
  note(step, *message.content);
  return message;
}

Status ChainLoader::load_few_shot(YamlReader& reader, ModelStep& body) {
  if (reader.find("few_shot") == nullptr) return {};
  LLMOPS_ASSIGN(YamlReader shots, YamlReader::open(document_, reader.pointer_of("few_shot"), "few_shot"));
  FewShotSpec spec;
  LLMOPS_ASSIGN(spec.from, shots.text("from", "name an asset of kind few-shot"));
  const auto asset = chain_.assets.find(spec.from);
  if (asset == chain_.assets.end()) return error_at(shots.pointer_of("from"), fmt::format("unknown asset '{}'", spec.from), suggestion(spec.from, keys_of(chain_.assets), "declare it under `assets:`"));
  if (asset->second.kind != "few-shot") return error_at(shots.pointer_of("from"), fmt::format("asset '{}' is of kind '{}', not 'few-shot'", spec.from, asset->second.kind), "name an asset of kind few-shot");
  used_assets_.insert(spec.from);
  LLMOPS_ASSIGN(const auto k, shots.optional_integer("k", 1, 1000));
  if (k) spec.k = static_cast<int>(*k);
  LLMOPS_ASSIGN(const auto select, shots.optional_text("select"));
  if (select == "random") spec.select = FewShotSelect::kRandom;
  else if (select == "nearest") return error_at(shots.pointer_of("select"), "few-shot selection 'nearest' is not in this version of llmops", "use first or random; see ROADMAP.md");
  else if (select && select != "first") return error_at(shots.pointer_of("select"), fmt::format("unknown few-shot selection '{}'", *select), did_you_mean(*select, {"first", "random"}));
  LLMOPS_CHECK(shots.finish());
  body.few_shot = spec;
  return {};
}

Result<RetrieveStep> ChainLoader::load_retrieve_step(YamlReader& top, StepSpec& step) {
  top.find("retrieve");
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, top.pointer_of("retrieve"), "retrieve"));
  RetrieveStep body;
  LLMOPS_CHECK(reader.expect_only({"from", "query", "top_k", "method", "chunk"}));
  LLMOPS_ASSIGN(body.from, reader.text("from", "name the asset to search, of kind grounding"));
  const auto asset = chain_.assets.find(body.from);
  if (asset == chain_.assets.end()) return error_at(reader.pointer_of("from"), fmt::format("unknown asset '{}'", body.from), suggestion(body.from, keys_of(chain_.assets), "declare it under `assets:`"));
  if (asset->second.files.empty()) return error_at(reader.pointer_of("from"), fmt::format("asset '{}' is external and not here", body.from), "retrieval needs files of the project");
  used_assets_.insert(body.from);
  const Json* query = reader.find("query");
  if (query == nullptr) return reader.missing("query", "say what to search for: query: \"{{ question }}\"");
  LLMOPS_ASSIGN(body.query, filled_template(reader.pointer_of("query"), *query));
  note(step, *body.query);
  LLMOPS_ASSIGN(const auto top_k, reader.optional_integer("top_k", 1, 10'000));
  if (top_k) body.top_k = static_cast<int>(*top_k);
  LLMOPS_ASSIGN(const auto method, reader.optional_text("method"));
  if (method == "embedding" || method == "hybrid") return error_at(reader.pointer_of("method"), fmt::format("retrieval by '{}' is not in this version of llmops", *method), "use bm25; see ROADMAP.md");
  if (method && method != "bm25") return error_at(reader.pointer_of("method"), fmt::format("unknown retrieval method '{}'", *method), did_you_mean(*method, {"bm25", "embedding", "hybrid"}));
  if (reader.find("chunk") != nullptr) {
    LLMOPS_ASSIGN(YamlReader chunk, YamlReader::open(document_, reader.pointer_of("chunk"), "chunk"));
    ChunkOptions options;
    LLMOPS_ASSIGN(const auto by, chunk.optional_text("by"));
    if (by == "heading") options.by = ChunkBy::kHeading;
    else if (by == "sentence") options.by = ChunkBy::kSentence;
    else if (by && by != "size") return error_at(chunk.pointer_of("by"), fmt::format("unknown way to chunk '{}'", *by), did_you_mean(*by, {"size", "heading", "sentence"}));
    LLMOPS_ASSIGN(const auto size, chunk.optional_integer("size", 1, 1'000'000));
    if (size) options.size_words = static_cast<int>(*size);
    LLMOPS_ASSIGN(const auto overlap, chunk.optional_integer("overlap", 0, 1'000'000));
    if (overlap) options.overlap_words = static_cast<int>(*overlap);
    if (options.overlap_words >= options.size_words) return error_at(chunk.pointer_of("overlap"), "'overlap' must be less than 'size'", "write a smaller overlap, or a larger size");
    LLMOPS_CHECK(chunk.finish());
    body.chunk = options;
  }
  LLMOPS_CHECK(reader.finish());
  return body;
}

Result<ExtractStep> ChainLoader::load_extract_step(YamlReader& top, StepSpec& step) {
  top.find("extract");
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, top.pointer_of("extract"), "extract"));
  ExtractStep body;
  LLMOPS_CHECK(reader.expect_only({"from", "json", "regex", "choice", "group", "match", "schema"}));
  const Json* from = reader.find("from");
  if (from == nullptr) return reader.missing("from", "say what to extract from, for example \"{{ steps.answer.output }}\"");
  LLMOPS_ASSIGN(body.from, filled_template(reader.pointer_of("from"), *from));
  note(step, *body.from);
  LLMOPS_ASSIGN(const auto json, reader.optional_bool("json"));
  LLMOPS_ASSIGN(const auto regex, reader.optional_text("regex"));
  LLMOPS_ASSIGN(body.choices, reader.optional_text_list("choice"));
  for (size_t i = 0; i < body.choices.size(); ++i) {
    if (body.choices[i].empty()) return error_at(json_pointer_append(reader.pointer_of("choice"), i), "a choice is empty", "write a word, or remove it");
  }
  if (json.value_or(false) + regex.has_value() + !body.choices.empty() != 1) return error_at(reader.pointer(), fmt::format("extract of step '{}' needs one of 'json: true', 'regex' and 'choice'", step.id), "keep one way to extract");
  LLMOPS_ASSIGN(const auto group, reader.optional_integer("group", 0, 99));
  LLMOPS_ASSIGN(const auto which, reader.optional_text("match"));
  if (which && which != "first" && which != "last") return error_at(reader.pointer_of("match"), fmt::format("unknown match '{}'", *which), did_you_mean(*which, {"first", "last"}));
  body.last = which == "last";
  if (regex) {
    body.how = ExtractStep::How::kRegex;
    body.regex = *regex;
    body.pattern = std::make_shared<re2::RE2>(*regex, re2::RE2::Quiet);
    const re2::RE2& compiled = *body.pattern;
    if (!compiled.ok()) return error_at(reader.pointer_of("regex"), fmt::format("regular expression does not compile: {}", compiled.error()), "RE2 has no look-ahead and no back-references");
    body.group = group ? static_cast<int>(*group) : (compiled.NumberOfCapturingGroups() > 0 ? 1 : 0);
    if (body.group > compiled.NumberOfCapturingGroups()) return error_at(reader.pointer_of("group"), fmt::format("group {} does not exist: the expression has {}", body.group, compiled.NumberOfCapturingGroups()), "count the parentheses that capture; 0 is the whole match");
  } else if (!body.choices.empty()) {
    body.how = ExtractStep::How::kChoice;
    for (const std::string& choice : body.choices) {
      body.choice_patterns.push_back(std::make_shared<re2::RE2>("(?i)(?:^|\\W)(" + re2::RE2::QuoteMeta(choice) + ")(?:\\W|$)"));
    }
  }
  LLMOPS_ASSIGN(const auto schema, reader.optional_text("schema"));
  if (schema) {
    LLMOPS_ASSIGN(const ManifestFile file, add_file(*schema, reader.pointer_of("schema"), FileRole::kText));
    LLMOPS_ASSIGN(const Json document, read_json_file(file.source, file.path));
    auto compiled = SchemaChecker::compile(document);
    if (!compiled) return std::move(compiled.error()).at(document_.place_of(reader.pointer_of("schema")));
    body.schema = std::make_shared<const SchemaChecker>(std::move(*compiled));
  }
  LLMOPS_CHECK(reader.finish());
  return body;
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
      static const std::vector<std::string> kFields = {"output", "skipped", "error", "tool_calls"};
      if (!field.empty() && std::find(kFields.begin(), kFields.end(), field) == kFields.end()) {
        return fail(fmt::format("a step has no '{}'", field), "read .output, .skipped, .error or .tool_calls");
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
        reads_output = reads_output || (!reference.guarded && (field == "output" || field == "tool_calls"));
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
