// The bodies of steps: what each kind is given, and that everything it names is there.
#include <re2/re2.h>

#include <algorithm>
#include <fmt/format.h>

#include "core/chain/chain_loader.h"

namespace llmops {
namespace {

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

}  // namespace

Result<ModelStep> ChainLoader::load_model_step(YamlReader& reader, StepSpec& step) {
  ModelStep body;
  LLMOPS_ASSIGN(body.model, load_model_name(reader, step));
  LLMOPS_ASSIGN(body.messages, load_messages(reader, step));
  LLMOPS_CHECK(load_few_shot(reader, body));
  LLMOPS_CHECK(load_response(reader, step, body));
  LLMOPS_ASSIGN(body.tools, load_tool_names(reader));
  return body;
}

Result<std::string> ChainLoader::load_model_name(YamlReader& reader, StepSpec& step) {
  LLMOPS_ASSIGN(const std::string name, reader.text("model", "name a model of `models:`"));
  if (!chain_.models.contains(name)) return error_at(reader.pointer_of("model"), fmt::format("unknown model '{}'", name), suggestion(name, keys_of(chain_.models), "declare it under `models:`"));
  used_models_.insert(name);
  const ModelSpec& model = chain_.models.at(name);
  if (model.replay_match) note(step, *model.replay_match);
  return name;
}

Result<std::vector<MessageSpec>> ChainLoader::load_messages(YamlReader& reader, StepSpec& step) {
  std::vector<MessageSpec> made_messages;
  const Json* prompt = reader.find("prompt");
  const Json* messages = reader.find("messages");
  if ((prompt == nullptr) == (messages == nullptr)) return error_at(reader.pointer(), fmt::format("step '{}' needs either 'prompt' or 'messages'", step.id), prompt == nullptr ? "add prompt: \"{{ question }}\"" : "put the prompt into the messages");
  if (prompt != nullptr) {
    LLMOPS_ASSIGN(Template made, filled_template(reader.pointer_of("prompt"), *prompt));
    note(step, made);
    made_messages.push_back({"user", std::move(made), std::nullopt});
  } else {
    if (!messages->is_array() || messages->empty()) return error_at(reader.pointer_of("messages"), "'messages' must be a list of at least one message", "write messages: [{role: user, content: \"{{ question }}\"}]");
    for (size_t i = 0; i < messages->size(); ++i) {
      LLMOPS_ASSIGN(MessageSpec message, load_message(json_pointer_append(reader.pointer_of("messages"), i), step));
      made_messages.push_back(std::move(message));
    }
  }
  return made_messages;
}

Status ChainLoader::load_response(YamlReader& reader, const StepSpec& step, ModelStep& body) {
  if (reader.find("response") == nullptr) return {};
  LLMOPS_ASSIGN(YamlReader response, YamlReader::open(document_, reader.pointer_of("response"), "response"));
  LLMOPS_ASSIGN(const std::string path, response.text("json_schema", "name a file: response: {json_schema: schemas/answer.json}"));
  LLMOPS_CHECK(response.finish());
  LLMOPS_ASSIGN(Json schema, load_schema(path, response.pointer_of("json_schema"), body.response_schema));
  body.response_format = {{"type", "json_schema"}, {"json_schema", {{"name", step.id}, {"schema", std::move(schema)}, {"strict", true}}}};
  return {};
}

Result<std::vector<std::string>> ChainLoader::load_tool_names(YamlReader& reader) {
  LLMOPS_ASSIGN(std::vector<std::string> names, reader.optional_text_list("tools"));
  for (size_t i = 0; i < names.size(); ++i) {
    if (!chain_.tools.contains(names[i])) return error_at(json_pointer_append(reader.pointer_of("tools"), i), fmt::format("unknown tool '{}'", names[i]), suggestion(names[i], keys_of(chain_.tools), "declare it under `tools:`"));
    used_tools_.insert(names[i]);
  }
  return names;
}

Result<Json> ChainLoader::load_schema(const std::string& path, const std::string& pointer, std::shared_ptr<const SchemaChecker>& checker) {
  LLMOPS_ASSIGN(const ManifestFile file, add_file(path, pointer, FileRole::kText));
  LLMOPS_ASSIGN(Json document, read_json_file(file.source, file.path));
  auto compiled = SchemaChecker::compile(document);
  if (!compiled) return std::move(compiled.error()).at(document_.place_of(pointer));
  checker = std::make_shared<const SchemaChecker>(std::move(*compiled));
  return document;
}

Result<std::string> ChainLoader::load_embedder(YamlReader& reader, const char* key) {
  LLMOPS_ASSIGN(const std::string name, reader.text(key, "name a model of `models:` that gives embeddings"));
  if (const auto asset = chain_.assets.find(name); asset != chain_.assets.end() && asset->second.kind == "embedding-model") {
    return error_at(reader.pointer_of(key), fmt::format("embedding-model '{}' cannot be run by this version of llmops", name), "use a model with provider openai; see ROADMAP.md");
  }
  const auto model = chain_.models.find(name);
  if (model == chain_.models.end()) return error_at(reader.pointer_of(key), fmt::format("unknown embedder '{}'", name), suggestion(name, keys_of(chain_.models), "declare it under `models:`"));
  if (model->second.provider != ProviderKind::kOpenAi) return error_at(reader.pointer_of(key), fmt::format("model '{}' gives no embeddings", name), "use a model with provider openai");
  used_models_.insert(name);
  return name;
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
  LLMOPS_ASSIGN(const auto k, shots.optional_integer("k", 0, 1000));
  if (k) spec.k = static_cast<int>(*k);
  LLMOPS_ASSIGN(const auto select, shots.optional_text("select"));
  if (select == "random") spec.select = FewShotSelect::kRandom;
  else if (select == "nearest") spec.select = FewShotSelect::kNearest;
  else if (select && select != "first") return error_at(shots.pointer_of("select"), fmt::format("unknown few-shot selection '{}'", *select), did_you_mean(*select, {"first", "random", "nearest"}));
  if (const Json* by = shots.find("by")) {
    if (spec.select != FewShotSelect::kNearest) return error_at(shots.pointer_of("by"), "'by' says how nearness is measured, but examples are not selected by it", "write select: nearest, or remove `by`");
    if (*by != "bm25") {
      LLMOPS_ASSIGN(spec.embedder, load_embedder(shots, "by"));
    }
  }
  LLMOPS_CHECK(load_few_shot_order(shots, spec));
  LLMOPS_CHECK(shots.finish());
  if (spec.k > 0) body.few_shot = spec;
  return {};
}

Status ChainLoader::load_few_shot_order(YamlReader& shots, FewShotSpec& spec) {
  const Json* order = shots.find("order");
  if (order == nullptr || *order == "selected") return {};
  if (*order == "reversed") {
    spec.reversed = true;
    return {};
  }
  if (order->is_number_integer() && order->get<int64_t>() >= 1 && order->get<int64_t>() <= 1'000'000) {
    spec.shuffle = order->get<int64_t>();
    return {};
  }
  return error_at(shots.pointer_of("order"), fmt::format("unknown order '{}' of examples", json_to_text(*order)), order->is_string() ? did_you_mean(order->get<std::string>(), {"selected", "reversed"}) : "write selected, reversed, or the number of a shuffle from 1");
}

Result<RetrieveStep> ChainLoader::load_retrieve_step(YamlReader& top, StepSpec& step) {
  top.find("retrieve");
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, top.pointer_of("retrieve"), "retrieve"));
  RetrieveStep body;
  LLMOPS_CHECK(reader.expect_only({"from", "query", "top_k", "method", "embedder", "weights", "chunk"}));
  LLMOPS_ASSIGN(body.from, reader.text("from", "name the asset to search, of kind grounding"));
  const auto asset = chain_.assets.find(body.from);
  if (asset == chain_.assets.end()) return error_at(reader.pointer_of("from"), fmt::format("unknown asset '{}'", body.from), suggestion(body.from, keys_of(chain_.assets), "declare it under `assets:`"));
  used_assets_.insert(body.from);
  const Json* query = reader.find("query");
  if (query == nullptr) return reader.missing("query", "say what to search for: query: \"{{ question }}\"");
  LLMOPS_ASSIGN(body.query, filled_template(reader.pointer_of("query"), *query));
  note(step, *body.query);
  LLMOPS_ASSIGN(const auto top_k, reader.optional_integer("top_k", 1, 10'000));
  if (top_k) body.top_k = static_cast<int>(*top_k);
  LLMOPS_ASSIGN(const auto method, reader.optional_text("method"));
  if (method == "embedding") body.method = RetrievalMethod::kEmbedding;
  else if (method == "hybrid") body.method = RetrievalMethod::kHybrid;
  else if (method && method != "bm25") return error_at(reader.pointer_of("method"), fmt::format("unknown retrieval method '{}'", *method), did_you_mean(*method, {"bm25", "embedding", "hybrid"}));
  if (body.method != RetrievalMethod::kBm25) {
    LLMOPS_ASSIGN(body.embedder, load_embedder(reader, "embedder"));
  } else if (reader.find("embedder") != nullptr) {
    return error_at(reader.pointer_of("embedder"), "'embedder' is not used by bm25", "write method: embedding or method: hybrid");
  }
  LLMOPS_CHECK(load_weights(reader, body));
  LLMOPS_CHECK(load_chunk(reader, body));
  LLMOPS_CHECK(reader.finish());
  return body;
}

Status ChainLoader::load_weights(YamlReader& reader, RetrieveStep& body) {
  const Json* weights = reader.find("weights");
  if (weights == nullptr) return {};
  const std::string pointer = reader.pointer_of("weights");
  if (body.method != RetrievalMethod::kHybrid) return error_at(pointer, "'weights' is used by hybrid retrieval alone", "write method: hybrid, or remove `weights`");
  const bool fits = weights->is_array() && weights->size() == 2 && std::all_of(weights->begin(), weights->end(), [](const Json& weight) { return weight.is_number() && weight.get<double>() >= 0; });
  if (!fits || (*weights)[0].get<double>() + (*weights)[1].get<double>() <= 0) return error_at(pointer, "'weights' must be two numbers, for bm25 and for the embedding", "write weights: [1, 1]");
  for (size_t i = 0; i < 2; ++i) body.weights[i] = (*weights)[i].get<double>();
  return {};
}

Status ChainLoader::load_chunk(YamlReader& reader, RetrieveStep& body) {
  if (reader.find("chunk") == nullptr) return {};
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
  return {};
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
    LLMOPS_ASSIGN(const Json document, load_schema(*schema, reader.pointer_of("schema"), body.schema));
    static_cast<void>(document);
  }
  LLMOPS_CHECK(reader.finish());
  return body;
}

Result<AgentStep> ChainLoader::load_agent_step(YamlReader& top, StepSpec& step) {
  top.find("agent");
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, top.pointer_of("agent"), "agent"));
  LLMOPS_CHECK(reader.expect_only({"model", "prompt", "messages", "tools", "max_turns", "max_tokens", "timeout_s"}));
  AgentStep body;
  LLMOPS_ASSIGN(body.model, load_model_name(reader, step));
  LLMOPS_ASSIGN(body.messages, load_messages(reader, step));
  LLMOPS_ASSIGN(body.tools, load_tool_names(reader));
  if (body.tools.empty()) return reader.missing("tools", "name the tools it may call: tools: [lookup]");
  LLMOPS_ASSIGN(const auto turns, reader.optional_integer("max_turns", 1, 1000));
  if (turns) body.max_turns = static_cast<int>(*turns);
  LLMOPS_ASSIGN(body.max_tokens, reader.optional_integer("max_tokens", 1, 1'000'000'000));
  LLMOPS_ASSIGN(body.timeout_s, reader.optional_number("timeout_s", 0.001, 86'400));
  LLMOPS_CHECK(reader.finish());
  return body;
}

// A called chain is loaded whole: its vid is part of this one's manifest.
Result<ChainStep> ChainLoader::load_chain_step(YamlReader& top, StepSpec& step) {
  LLMOPS_CHECK(top.expect_only({"id", "when", "for_each", "chain", "inputs"}));
  ChainStep body;
  LLMOPS_ASSIGN(const std::string path, top.text("chain", "name a chain file: chain: policy.chain.yaml"));
  const std::string pointer = top.pointer_of("chain");
  auto resolved = resolve_inside(chain_.root, chain_.directory, path);
  if (!resolved) return std::move(resolved.error()).at(document_.place_of(pointer));
  body.path = normalize_path(path);
  ChainSource source{*resolved, chain_.root, (fs::path(source_.shown_path).parent_path() / body.path).lexically_normal().generic_string(), {}, source_.callers};
  source.callers.push_back(source_.file.lexically_normal());
  if (const auto caller = std::find(source.callers.begin(), source.callers.end(), resolved->lexically_normal()); caller != source.callers.end()) {
    std::string shown;
    for (auto it = caller; it != source.callers.end(); ++it) shown += it->filename().string() + " -> ";
    return error_at(pointer, fmt::format("chain '{}' calls its caller: {}{}", path, shown, resolved->filename().string()), "a chain cannot be a component of itself");
  }
  auto loaded = load_chain(source);
  if (!loaded) {
    if (loaded.error().code != ErrorCode::kNotFound || loaded.error().where.line > 0) return std::move(loaded).error();
    return error_at(pointer, fmt::format("chain '{}' does not exist", path), "paths are relative to the chain file");
  }
  // Its vid stands for every file of it in the key of this step.
  touched_[body.path] = loaded->vid;
  LLMOPS_CHECK(load_chain_inputs(top, step, *loaded, body));
  body.chain = std::make_shared<const Chain>(std::move(*loaded));
  return body;
}

Status ChainLoader::load_chain_inputs(YamlReader& top, StepSpec& step, const Chain& called, ChainStep& body) {
  const Json* inputs = top.find("inputs");
  const std::string pointer = top.pointer_of("inputs");
  if (inputs != nullptr && !inputs->is_object()) return error_at(pointer, "'inputs' must be a mapping of names", "write inputs: {text: \"{{ question }}\"}");
  if (inputs != nullptr) {
    for (const auto& [name, value] : inputs->items()) {
      const std::string at = json_pointer_append(pointer, name);
      if (std::find(called.inputs.begin(), called.inputs.end(), name) == called.inputs.end()) return document_.error_at_key(at, fmt::format("chain '{}' has no input '{}'", called.name, name), suggestion(name, called.inputs, "it has no inputs"));
      LLMOPS_ASSIGN(Template made, text_or_value_template(at, value));
      note(step, made);
      body.inputs.emplace_back(name, std::move(made));
    }
  }
  for (const std::string& name : called.inputs) {
    if (inputs == nullptr || !inputs->contains(name)) return error_at(inputs == nullptr ? top.pointer() : pointer, fmt::format("input '{}' of chain '{}' is not given", name, called.name), fmt::format("add {}: \"{{{{ ... }}}}\" to `inputs`", name));
  }
  return {};
}

}  // namespace llmops
