// A chain: the complete artefact that turns inputs into an output. This is its typed form, made from `*.chain.yaml` with
// every file it depends on resolved and hashed. Nothing is executed here.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/yaml.h"
#include "core/chain/manifest.h"
#include "core/store/external_source.h"
#include "core/text/chunk.h"
#include "core/text/jinja.h"
#include "core/text/schema_checker.h"

namespace re2 {
class RE2;
}

namespace llmops {

enum class ProviderKind { kOpenAi, kAnthropic, kExec, kReplay, kEcho };
// "openai", ...: in the order of ProviderKind.
const std::vector<std::string>& provider_names();

// "${env:NAME}" as written: the value is asked for when a call needs it.
struct SecretReference { std::string variable; SourcePlace place; };
// A header's value: text, or text around one secret ("Bearer ${env:KEY}").
struct HeaderSpec { std::string name, before; std::optional<SecretReference> secret; std::string after; };

struct PriceSpec { double input_usd_per_mtok = 0, output_usd_per_mtok = 0; std::optional<double> cache_read_usd_per_mtok; };

struct CommandSpec {
  std::vector<std::string> argv;
  double timeout_s = 30;
  uint64_t max_output_bytes = 1 << 20;
  bool persistent = false;
};

struct ModelSpec {
  std::string name;
  ProviderKind provider = ProviderKind::kEcho;
  std::string model, base_url;
  Json params = Json::object();
  std::vector<std::string> adapters;           // assets of kind adapter; openai: at most one, which is what the server is asked for
  std::optional<SecretReference> api_key;
  std::vector<HeaderSpec> headers;
  std::vector<std::pair<std::string, std::string>> query;
  std::optional<PriceSpec> price;
  double timeout_s = 60;
  double requests_per_minute = 0;
  CommandSpec command;                         // exec
  std::string replay_path, replay_key = "/key", replay_reply = "/output";
  std::optional<Template> replay_match;
  Json identity;                               // the document's entry without what is not part of the version
  SourcePlace place;
  // What the server is asked for: the adapter by its asset's name, or the model.
  const std::string& served_name() const { return adapters.empty() ? model : adapters.front(); }
};

struct AssetSpec {
  std::string name, kind;
  std::string path;                            // as written; empty for external ones
  std::vector<ManifestFile> files;             // empty for external ones
  std::optional<ExternalSource> external;
  std::string base;                            // adapter: the model that it was trained on
  SourcePlace place;
};

struct MessageSpec {
  std::string role;
  std::optional<Template> content;             // from content, file or asset
  std::optional<Template> history;             // gives a list of {role, content}
};

enum class FewShotSelect { kFirst, kRandom, kNearest };
struct FewShotSpec {
  std::string from;
  int k = 3;                                   // 1 and up
  FewShotSelect select = FewShotSelect::kFirst;
  std::string embedder;                        // nearest: a model; empty: BM25
  bool reversed = false;                       // the order in which they are shown
  int64_t shuffle = 0;                         // 1 and up: the n-th fixed shuffle of that order
};

struct ModelStep {
  std::string model;
  std::vector<MessageSpec> messages;
  std::optional<FewShotSpec> few_shot;
  Json response_format;                        // null: none
  std::shared_ptr<const SchemaChecker> response_schema;  // of response_format; null: none
  std::vector<std::string> tools;
};
enum class RetrievalMethod { kBm25, kEmbedding, kHybrid };
struct RetrieveStep {
  std::string from;
  std::optional<Template> query;
  int top_k = 5;
  std::optional<ChunkOptions> chunk;
  RetrievalMethod method = RetrievalMethod::kBm25;
  std::string embedder;                        // a model; empty for BM25
  double weights[2] = {1, 1};                  // hybrid: of BM25 and of the embedding
};
struct ExtractStep {
  std::optional<Template> from;
  enum class How { kJson, kRegex, kChoice } how = How::kJson;
  std::string regex;
  std::shared_ptr<const re2::RE2> pattern;     // of regex
  int group = 0;
  bool last = false;                           // the last match instead of the first
  std::vector<std::string> choices;
  std::vector<std::shared_ptr<const re2::RE2>> choice_patterns;  // one per choice: the word, in any case
  std::shared_ptr<const SchemaChecker> schema; // null: none
};
struct TemplateStep { std::optional<Template> text; };
struct ExecStep { CommandSpec command; };
struct AgentStep {
  std::string model;
  std::vector<MessageSpec> messages;
  std::vector<std::string> tools;
  int max_turns = 8;
  std::optional<int64_t> max_tokens;           // input and output of all turns together
  std::optional<double> timeout_s;             // of the whole loop
};
struct Chain;
struct ChainStep {
  std::string path;                            // as in the manifest
  std::shared_ptr<const Chain> chain;
  std::vector<std::pair<std::string, Template>> inputs;
};

struct StepSpec {
  std::string id;
  std::optional<Template> when, for_each;
  std::variant<ModelStep, RetrieveStep, ExtractStep, TemplateStep, ExecStep, AgentStep, ChainStep> body;
  std::vector<std::string> needs;              // ids of steps it reads, in the order of the document
  std::vector<std::string> needs_output;       // those whose output it reads without a default
  std::vector<TemplateReference> references;   // everything its templates read
  Json definition;                             // the document's entry, with the digests of the files it names: part of memo keys
  SourcePlace place;
  const char* kind_name() const;               // "model", "retrieve", "extract", "template", "exec", "agent", "chain"
};

struct ToolSpec {
  std::string name, description;
  CommandSpec command;
  Json input_schema;                           // null: none
  std::shared_ptr<const SchemaChecker> input_checker;  // of input_schema; null: none
  Json files;                                  // {path: digest} of the files that argv and input_schema name
};

struct Chain {
  std::string name;
  std::string shown_path;                      // as the user would type it
  fs::path file, directory, root;              // absolute
  std::vector<std::string> inputs;
  std::map<std::string, ModelSpec> models;
  std::map<std::string, AssetSpec> assets;
  std::map<std::string, ToolSpec> tools;
  std::vector<StepSpec> steps;                 // in an order that respects needs; ties keep the document's order
  std::optional<Template> output;
  std::vector<ManifestFile> files;
  Json manifest;
  std::string vid;
  std::vector<Error> warnings;                 // declared and unused
  const StepSpec* find_step(std::string_view id) const;
  // The chains that its steps call, each once, in the order of the steps; not those that these call.
  std::vector<const ChainStep*> called() const;
  // The models that its steps may ask (as answerer, agent or embedder), and those of called chains; each once per chain.
  std::vector<const ModelSpec*> asked_models() const;
};

// One `--set PATH=VALUE`. VALUE is read as a YAML scalar or flow value.
struct Override { std::string path; Json value; };
// Errors (kUsage): no '=', an empty path, malformed value.
Result<Override> parse_override(std::string_view text);

struct ChainSource {
  fs::path file;                               // absolute path of the chain file
  fs::path root;                               // absolute project root: nothing outside is read
  std::string shown_path;
  std::vector<Override> overrides;
  std::vector<fs::path> callers = {};          // chain files that call this one, outermost first
};

// Reads, checks and hashes the whole chain. Errors (kConfig, with the place): everything formats.md refuses; kUsage: an
// override that names nothing.
Result<Chain> load_chain(const ChainSource& source);

// Applies `models.NAME.key`, `steps.ID.key`, `assets.NAME.path` to a document. Errors (kUsage): an unknown name, with did you mean.
Status apply_override(Json& document, const Override& override);

// Reads a JSON Schema file or any JSON text file of the project; text role. Errors carry the file.
Result<Json> read_json_file(const fs::path& path, const std::string& shown);

}  // namespace llmops
