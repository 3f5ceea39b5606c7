// Private to core/chain: what the parts of the loader share while one chain is read.
#pragma once

#include <set>

#include "core/base/yaml_reader.h"
#include "core/chain/chain.h"

namespace llmops {

class ChainLoader {
 public:
  ChainLoader(const ChainSource& source, YamlDocument document, Chain& chain);
  Status load();

 private:
  // load_models.cpp
  Status load_models(YamlReader& top);
  Status load_model(const std::string& name, const std::string& pointer);
  // Any provider behind an HTTP address.
  Status load_endpoint(YamlReader& reader, ModelSpec& model);
  Status load_address(YamlReader& reader, ModelSpec& model);
  Status load_replay(YamlReader& reader, ModelSpec& model);
  Status load_price(YamlReader& reader, ModelSpec& model);
  Status load_headers(YamlReader& reader, ModelSpec& model);
  Result<CommandSpec> load_command(YamlReader& reader);
  Status add_program_folder(const std::string& folder, const std::string& pointer);
  Status load_tools(YamlReader& top);
  // load_assets.cpp
  Status load_assets(YamlReader& top);
  Status load_asset(const std::string& name, const std::string& pointer);
  // What pins an external asset, without its address.
  Result<ExternalSource> load_pins(YamlReader& reader);
  Status check_external(const YamlReader& reader, const std::string& name, const ExternalSource& source) const;
  // The `adapters` of models, once the assets are known.
  Status load_adapters();
  Status load_adapters_of(ModelSpec& model);
  // load_steps.cpp
  Status load_steps(YamlReader& top);
  Status load_step(const std::string& pointer, size_t index);
  // load_bodies.cpp
  Result<std::string> load_model_name(YamlReader& reader, StepSpec& step);
  Result<std::vector<MessageSpec>> load_messages(YamlReader& reader, StepSpec& step);
  Status load_response(YamlReader& reader, const StepSpec& step, ModelStep& body);
  Result<std::vector<std::string>> load_tool_names(YamlReader& reader);
  // Reads and compiles a JSON Schema file, which becomes part of the version.
  Result<Json> load_schema(const std::string& path, const std::string& pointer, std::shared_ptr<const SchemaChecker>& checker);
  Result<std::string> load_embedder(YamlReader& reader, const char* key);
  Status load_weights(YamlReader& reader, RetrieveStep& body);
  Status load_chunk(YamlReader& reader, RetrieveStep& body);
  Result<AgentStep> load_agent_step(YamlReader& reader, StepSpec& step);
  Result<ChainStep> load_chain_step(YamlReader& reader, StepSpec& step);
  Status load_chain_inputs(YamlReader& reader, StepSpec& step, const Chain& called, ChainStep& body);
  Result<ModelStep> load_model_step(YamlReader& reader, StepSpec& step);
  Result<MessageSpec> load_message(const std::string& pointer, StepSpec& step);
  Result<RetrieveStep> load_retrieve_step(YamlReader& reader, StepSpec& step);
  Result<ExtractStep> load_extract_step(YamlReader& reader, StepSpec& step);
  Status load_few_shot(YamlReader& reader, ModelStep& body);
  Status load_few_shot_order(YamlReader& shots, FewShotSpec& spec);
  // What to say about a step that has none of the keys that make it do something.
  Error no_body(const YamlReader& reader, const StepSpec& step) const;
  Status check_references();
  Status sort_steps();
  void warn_unused();

  // A template written in the YAML at `pointer`, or held by a file of the project (then it becomes part of the version).
  Result<Template> inline_template(const std::string& pointer, const std::string& text);
  Result<Template> file_template(const std::string& path, const std::string& pointer);
  Result<Template> text_or_value_template(const std::string& pointer, const Json& value);
  // The same where an empty text cannot be meant.
  Result<Template> filled_template(const std::string& pointer, const Json& value);
  // Resolves a path written at `pointer`, hashes the file and adds it to the version once. Errors point at the value.
  Result<ManifestFile> add_file(const std::string& path, const std::string& pointer, FileRole role);
  void note(StepSpec& step, const Template& made);
  Error error_at(std::string_view pointer, std::string message, std::string hint = {}) const { return document_.error_at(pointer, std::move(message), std::move(hint)); }

  const ChainSource& source_;
  YamlDocument document_;
  Chain& chain_;
  std::map<std::string, std::string> step_pointers_;
  std::map<std::string, std::string> touched_;   // path -> digest of every file named since it was last cleared
  std::set<std::string> used_models_, used_assets_, used_tools_;
};

// did_you_mean, or `otherwise` where nothing is close or nothing is known.
std::string suggestion(std::string_view name, const std::vector<std::string>& known, std::string otherwise);

// "prompts/../a.md" -> "a.md"; '..' in front stays.
std::string normalize_path(std::string_view path);

}  // namespace llmops
