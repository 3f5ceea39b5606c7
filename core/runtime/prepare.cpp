// What is made once for all cases of a run: providers, retrieval indexes, few-shot examples, processes.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

#include "core/base/hash.h"
#include "core/format/dataset_rows.h"
#include "core/provider/anthropic.h"
#include "core/provider/offline.h"
#include "core/provider/openai.h"
#include "core/runtime/embedding.h"

namespace llmops {
namespace {

ProcessOptions process_options(const Chain& chain, const CommandSpec& command, const RuntimeContext& context) {
  ProcessOptions options;
  options.argv = command.argv;
  options.directory = chain.directory;
  options.environment = context.child_environment;
  options.timeout_s = command.timeout_s;
  options.max_output_bytes = command.max_output_bytes;
  options.persistent = command.persistent;
  return options;
}

// Starting an interpreter for every waiting case costs more than it brings: twice the cores serve as many lines.
int process_limit(const RuntimeContext& context) { return std::min(context.jobs, 2 * static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))); }

// What OpenAiOptions and AnthropicOptions have in common.
template <class Options>
Result<Options> endpoint_options(const ModelSpec& model, const RuntimeContext& context) {
  Options options;
  options.base_url = model.base_url;
  options.retry = context.retry;
  options.retry.seed = context.seed;
  options.requests_per_minute = model.requests_per_minute;
  if (model.api_key) {
    LLMOPS_ASSIGN(options.api_key, context.secret(*model.api_key));
    context.scrubber->add(options.api_key);
  }
  for (const HeaderSpec& header : model.headers) {
    Secret value("", header.before);
    if (header.secret) {
      LLMOPS_ASSIGN(const Secret secret, context.secret(*header.secret));
      context.scrubber->add(secret);
      value = Secret(secret.variable(), header.before + secret.reveal() + header.after);
    }
    options.headers.emplace_back(header.name, std::move(value));
  }
  return options;
}

Result<std::unique_ptr<Provider>> make_provider(const Chain& chain, const ModelSpec& model, const RuntimeContext& context) {
  switch (model.provider) {
    case ProviderKind::kOpenAi: {
      LLMOPS_ASSIGN(auto options, endpoint_options<OpenAiOptions>(model, context));
      options.query = model.query;
      options.embed_timeout_s = model.timeout_s;
      return make_openai_provider(std::move(options), *context.transport, *context.limiter, *context.scrubber);
    }
    case ProviderKind::kAnthropic: {
      LLMOPS_ASSIGN(auto options, endpoint_options<AnthropicOptions>(model, context));
      return make_anthropic_provider(std::move(options), *context.transport, *context.limiter, *context.scrubber);
    }
    case ProviderKind::kExec: return make_exec_provider(process_options(chain, model.command, context));
    case ProviderKind::kEcho: return make_echo_provider();
    case ProviderKind::kReplay: {
      const fs::path shown = fs::path(chain.shown_path).parent_path() / model.replay_path;
      return make_replay_provider({chain.directory / model.replay_path, shown.lexically_normal().generic_string(), model.replay_key, model.replay_reply});
    }
  }
  return Error(ErrorCode::kBug, "a provider kind has no implementation");
}

// A grounding file of rows: the row's id and text; without a `text` column the row itself as JSON.
Status add_row_passages(const ManifestFile& file, std::vector<Passage>& passages) {
  LLMOPS_ASSIGN(const auto reader, open_dataset(file.source, file.path));
  DatasetRow row;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader->next(row));
    if (!more) return {};
    const auto id = row.value.find("id");
    const auto text = row.value.contains("text") ? row.value.find("text") : row.value.find("content");
    passages.push_back({id == row.value.end() ? fmt::format("{}#{}", file.path, row.number) : json_to_text(*id),
                        text == row.value.end() ? dump_json(row.value) : json_to_text(*text), file.path});
  }
}

// The files of an asset; those of an external one under their address.
Result<std::vector<ManifestFile>> files_of(const AssetSpec& asset, const RuntimeContext& context) {
  if (!asset.external) return asset.files;
  if (!context.external_file) return Error(ErrorCode::kBug, fmt::format("nothing was given to fetch asset '{}' with", asset.name));
  LLMOPS_ASSIGN(const ExternalFile file, context.external_file(asset));
  return std::vector<ManifestFile>{{shown_url(asset.external->uri), FileRole::kData, file.sha256, file.size_bytes, file.path}};
}

Result<PreparedRetrieval> prepare_retrieval(const std::vector<ManifestFile>& files, const RetrieveStep& body) {
  PreparedRetrieval prepared;
  for (const ManifestFile& file : files) {
    if (names_rows(file.path)) {
      LLMOPS_CHECK(add_row_passages(file, prepared.passages));
      continue;
    }
    LLMOPS_ASSIGN(const std::string bytes, read_file(file.source));
    if (find_invalid_utf8(bytes)) return Error(ErrorCode::kData, "this document is not UTF-8 text", "retrieval reads texts and rows; convert the document, or leave it out of the asset").at({file.path, 0, 0, 0, {}});
    for (Passage& passage : chunk_document(file.path, normalize_text(bytes), body.chunk)) prepared.passages.push_back(std::move(passage));
  }
  if (body.method != RetrievalMethod::kEmbedding) prepared.index = std::make_unique<Bm25Index>(prepared.passages);
  return prepared;
}

Result<FewShotExamples> load_few_shots(const std::string& asset, const std::vector<ManifestFile>& files) {
  FewShotExamples shots;
  for (const ManifestFile& file : files) {
    LLMOPS_ASSIGN(const auto reader, open_dataset(file.source, file.path));
    DatasetRow row;
    while (true) {
      LLMOPS_ASSIGN(const bool more, reader->next(row));
      if (!more) break;
      if (!row.value.contains("input") || !row.value.contains("output")) {
        return Error(ErrorCode::kData, fmt::format("row {} of few-shot asset '{}' has no 'input' or no 'output'", row.number, asset), "give every row both columns")
            .at({file.path, row.line, 1, 1, {}});
      }
      shots.by_input.emplace(dump_json(row.value["input"]), shots.examples.size());
      shots.examples.push_back({row.value["input"], row.value["output"]});
    }
  }
  return shots;
}

// What answers beside the address and the model's name: the program with everything it was started from, or the adapter.
std::string program_digest(const ModelSpec& model) {
  if (model.provider != ProviderKind::kExec && model.adapters.empty()) return {};
  Json program = {{"argv", model.command.argv}};
  if (!model.adapters.empty()) program = {{"base", model.model}};
  if (const auto files = model.identity.find("files"); files != model.identity.end()) program["files"] = *files;
  return sha256_hex(dump_json(program)).substr(0, 16);
}

}  // namespace

Result<PreparedModel> prepare_model(const Chain& chain, const ModelSpec& model, const RuntimeContext& context) {
  LLMOPS_ASSIGN(auto provider, make_provider(chain, model, context));
  return PreparedModel{&model, std::move(provider), {model.identity["provider"].get<std::string>(), model.base_url, program_digest(model)}};
}

std::vector<size_t> FewShotExamples::of_case(const CaseInput& input) const {
  std::set<size_t> found;
  for (const Json& value : input.inputs) {
    const auto [from, to] = by_input.equal_range(dump_json(value));
    for (auto it = from; it != to; ++it) found.insert(it->second);
  }
  return {found.begin(), found.end()};
}

namespace {

// What is prepared for one step is also what its key must know.
class Preparation {
 public:
  Preparation(const Chain& chain, PreparedChain& prepared) : chain_(chain), prepared_(prepared), context_(prepared.context) {}

  Status prepare(const StepSpec& step) {
    Json identity = {{"engine", kChainEngine}, {"definition", step.definition}};
    if (const auto* model = std::get_if<ModelStep>(&step.body)) LLMOPS_CHECK(prepare_model_step(step, *model, identity));
    else if (const auto* retrieve = std::get_if<RetrieveStep>(&step.body)) LLMOPS_CHECK(prepare_retrieve_step(step, *retrieve, identity));
    else if (const auto* agent = std::get_if<AgentStep>(&step.body)) LLMOPS_CHECK(prepare_agent_step(*agent, identity));
    else if (const auto* called = std::get_if<ChainStep>(&step.body)) LLMOPS_CHECK(prepare_chain_step(step, *called, identity));
    else if (const auto* exec = std::get_if<ExecStep>(&step.body)) {
      prepared_.processes[step.id] = std::make_unique<JsonLineProcess>(process_options(chain_, exec->command, context_), process_limit(context_));
    }
    auto canonical = canonical_json(identity);
    prepared_.step_identities[step.id] = sha256_hex(canonical ? *canonical : dump_json(identity));
    return {};
  }

 private:
  Result<PreparedModel*> model_of(const std::string& name) {
    const ModelSpec& model = chain_.models.at(name);
    if (!prepared_.models.contains(name)) {
      LLMOPS_ASSIGN(prepared_.models[name], prepare_model(chain_, model, context_));
    }
    return &prepared_.models.at(name);
  }

  Result<std::shared_ptr<const EmbeddingMatrix>> embed(const std::string& embedder, const std::vector<std::string>& texts, Json& identity) {
    LLMOPS_ASSIGN(const PreparedModel* model, model_of(embedder));
    identity["embedder"] = model->spec->identity;
    LLMOPS_ASSIGN(EmbeddingMatrix matrix, embed_texts(*model, context_, texts, nullptr, context_.cancel));
    return std::make_shared<const EmbeddingMatrix>(std::move(matrix));
  }

  void add_tools(const std::vector<std::string>& names, Json& identity) {
    for (const std::string& name : names) identity["tools"][name] = {chain_.tools.at(name).description, chain_.tools.at(name).input_schema};
  }

  Status prepare_model_step(const StepSpec& step, const ModelStep& body, Json& identity) {
    LLMOPS_ASSIGN(const PreparedModel* model, model_of(body.model));
    identity["model"] = model->spec->identity;
    add_tools(body.tools, identity);
    if (!body.few_shot) return {};
    const AssetSpec& asset = chain_.assets.at(body.few_shot->from);
    LLMOPS_ASSIGN(const std::vector<ManifestFile> files, files_of(asset, context_));
    for (const ManifestFile& file : files) identity["few_shot"][file.path] = file.sha256;
    if (body.few_shot->select == FewShotSelect::kRandom) identity["seed"] = context_.seed;
    LLMOPS_ASSIGN(FewShotExamples shots, load_few_shots(asset.name, files));
    if (body.few_shot->select == FewShotSelect::kNearest) {
      std::vector<Passage> inputs;
      std::vector<std::string> texts;
      for (const FewShotExample& example : shots.examples) {
        texts.push_back(json_to_text(example.input));
        inputs.push_back({"", texts.back(), ""});
      }
      if (body.few_shot->embedder.empty()) {
        shots.index = std::make_shared<const Bm25Index>(inputs);
      } else {
        LLMOPS_ASSIGN(shots.embeddings, embed(body.few_shot->embedder, texts, identity));
      }
    }
    prepared_.few_shots[step.id] = std::move(shots);
    return {};
  }

  Status prepare_retrieve_step(const StepSpec& step, const RetrieveStep& body, Json& identity) {
    LLMOPS_ASSIGN(const std::vector<ManifestFile> files, files_of(chain_.assets.at(body.from), context_));
    for (const ManifestFile& file : files) identity["documents"][file.path] = file.sha256;
    LLMOPS_ASSIGN(PreparedRetrieval retrieval, prepare_retrieval(files, body));
    if (body.method != RetrievalMethod::kBm25) {
      std::vector<std::string> texts;
      for (const Passage& passage : retrieval.passages) texts.push_back(passage.text);
      LLMOPS_ASSIGN(retrieval.embeddings, embed(body.embedder, texts, identity));
    }
    prepared_.retrievals[step.id] = std::move(retrieval);
    return {};
  }

  // A tool of an agent is run, so its program is part of what the step is.
  Status prepare_agent_step(const AgentStep& body, Json& identity) {
    LLMOPS_ASSIGN(const PreparedModel* model, model_of(body.model));
    identity["model"] = model->spec->identity;
    add_tools(body.tools, identity);
    for (const std::string& name : body.tools) {
      const ToolSpec& tool = chain_.tools.at(name);
      identity["programs"][name] = {{"argv", tool.command.argv}, {"files", tool.files}};
      if (!prepared_.tools.contains(name)) prepared_.tools[name] = std::make_unique<JsonLineProcess>(process_options(chain_, tool.command, context_), process_limit(context_));
    }
    return {};
  }

  Status prepare_chain_step(const StepSpec& step, const ChainStep& body, Json& identity) {
    identity["chain"] = body.chain->vid;
    identity["seed"] = context_.seed;
    LLMOPS_ASSIGN(prepared_.called[step.id], prepare_chain(*body.chain, context_));
    return {};
  }

  const Chain& chain_;
  PreparedChain& prepared_;
  const RuntimeContext& context_;
};

}  // namespace

Result<std::unique_ptr<PreparedChain>> prepare_chain(const Chain& chain, const RuntimeContext& context) {
  auto prepared = std::make_unique<PreparedChain>();
  prepared->chain = &chain;
  prepared->context = context;
  Preparation preparation(chain, *prepared);
  for (const StepSpec& step : chain.steps) LLMOPS_CHECK(preparation.prepare(step));
  return prepared;
}

}  // namespace llmops
