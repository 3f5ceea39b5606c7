// Loading a chain, from the top: the document, then models, tools and assets by name, then the steps that use them, then
// the graph, then the manifest. Everything a step names is resolved here, so that a run can only fail at run time for
// reasons that the files cannot know.
#include "core/chain/chain.h"

#include <algorithm>
#include <fmt/format.h>

#include "core/chain/chain_loader.h"

namespace llmops {

const char* StepSpec::kind_name() const {
  constexpr const char* kNames[] = {"model", "retrieve", "extract", "template", "exec", "agent", "chain"};
  return kNames[body.index()];
}

const StepSpec* Chain::find_step(std::string_view id) const {
  for (const StepSpec& step : steps) if (step.id == id) return &step;
  return nullptr;
}

std::vector<const ChainStep*> Chain::called() const {
  std::vector<const ChainStep*> found;
  for (const StepSpec& step : steps) {
    const auto* body = std::get_if<ChainStep>(&step.body);
    if (body != nullptr && std::none_of(found.begin(), found.end(), [&](const ChainStep* other) { return other->path == body->path; })) found.push_back(body);
  }
  return found;
}

std::vector<const ModelSpec*> Chain::asked_models() const {
  std::vector<const ModelSpec*> found;
  const auto add = [&](const std::string& asked) {
    const auto model = models.find(asked);
    if (model != models.end() && std::find(found.begin(), found.end(), &model->second) == found.end()) found.push_back(&model->second);
  };
  for (const StepSpec& step : steps) {
    if (const auto* model = std::get_if<ModelStep>(&step.body)) {
      add(model->model);
      if (model->few_shot) add(model->few_shot->embedder);
    } else if (const auto* agent = std::get_if<AgentStep>(&step.body)) {
      add(agent->model);
    } else if (const auto* retrieve = std::get_if<RetrieveStep>(&step.body)) {
      add(retrieve->embedder);
    }
  }
  for (const ChainStep* one : called()) for (const ModelSpec* model : one->chain->asked_models()) found.push_back(model);
  return found;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& known, std::string otherwise) {
  std::string hint = did_you_mean(name, known);
  return hint.empty() ? std::move(otherwise) : hint;
}

std::string normalize_path(std::string_view path) { return fs::path(path).lexically_normal().generic_string(); }

Result<Json> read_json_file(const fs::path& path, const std::string& shown) {
  LLMOPS_ASSIGN(const std::string bytes, read_file(path, uint64_t{4} << 20));
  auto parsed = parse_json(normalize_text(bytes), shown);
  if (!parsed) parsed.error().code = ErrorCode::kConfig;
  return parsed;
}

Result<Chain> load_chain(const ChainSource& source) {
  auto bytes = read_file(source.file, uint64_t{4} << 20);
  if (!bytes) {
    if (bytes.error().code != ErrorCode::kNotFound) return std::move(bytes).error();
    return Error(ErrorCode::kNotFound, fmt::format("chain '{}' does not exist", source.shown_path), "run `llmops init` to make one, or name another file");
  }
  LLMOPS_ASSIGN(YamlDocument document, parse_yaml(normalize_text(*bytes), source.shown_path));
  if (!document.value().is_object()) return document.error_at("", "a chain must be a mapping", "begin with `llmops: chain/v1`");
  for (const Override& override : source.overrides) LLMOPS_CHECK(apply_override(document.value(), override));
  Chain chain;
  chain.file = source.file;
  chain.directory = source.file.parent_path();
  chain.root = source.root;
  chain.shown_path = source.shown_path;
  ChainLoader loader(source, std::move(document), chain);
  LLMOPS_CHECK(loader.load());
  return chain;
}

ChainLoader::ChainLoader(const ChainSource& source, YamlDocument document, Chain& chain)
    : source_(source), document_(std::move(document)), chain_(chain) {}

Status ChainLoader::load() {
  LLMOPS_ASSIGN(YamlReader top, YamlReader::open(document_, "", "the chain"));
  LLMOPS_ASSIGN(const std::string schema, top.text("llmops", "begin with `llmops: chain/v1`"));
  if (schema != "chain/v1") {
    return error_at("/llmops", fmt::format("'{}' is not a chain", schema), "write `llmops: chain/v1`");
  }
  LLMOPS_CHECK(top.expect_only({"llmops", "name", "description", "inputs", "models", "tools", "assets", "steps", "output"}));
  LLMOPS_ASSIGN(chain_.name, top.text("name", "name the chain with letters, digits, '-', '_' and '.'"));
  const bool plain = !chain_.name.empty() && std::all_of(chain_.name.begin(), chain_.name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!plain || chain_.name[0] == '.' || chain_.name[0] == '-') return error_at("/name", fmt::format("'{}' cannot name a chain", chain_.name), "use letters, digits, '-', '_' and '.'");
  LLMOPS_ASSIGN(const auto description, top.optional_text("description", EmptyText::kAllowed));
  static_cast<void>(description);
  LLMOPS_ASSIGN(chain_.inputs, top.optional_text_list("inputs"));
  for (size_t i = 0; i < chain_.inputs.size(); ++i) {
    if (chain_.inputs[i].empty()) return error_at(json_pointer_append("/inputs", i), "an input has no name", "name the input, or remove it");
  }
  LLMOPS_CHECK(load_models(top));
  LLMOPS_CHECK(load_tools(top));
  LLMOPS_CHECK(load_assets(top));
  LLMOPS_CHECK(load_adapters());
  LLMOPS_CHECK(load_steps(top));
  const Json* output = top.find("output");
  if (output == nullptr) return top.missing("output", "say which value is the result, for example \"{{ steps.ID.output }}\"");
  LLMOPS_ASSIGN(chain_.output, filled_template("/output", *output));
  LLMOPS_CHECK(top.finish());
  LLMOPS_CHECK(check_references());
  LLMOPS_CHECK(sort_steps());
  warn_unused();
  std::vector<CalledChain> called;
  for (const ChainStep* one : chain_.called()) called.push_back({one->path, one->chain->vid});
  chain_.manifest = make_manifest(document_.value(), chain_.files, std::move(called));
  auto vid = manifest_vid(chain_.manifest);
  if (!vid) return std::move(vid.error()).at({document_.file(), 1, 1, 1, {}});
  chain_.vid = *vid;
  return {};
}

Result<Template> ChainLoader::inline_template(const std::string& pointer, const std::string& text) {
  TemplateOrigin origin{document_.place_of(pointer), false};
  // Inside a one-line scalar, a column of the template is a column of the file.
  const std::string& line = origin.place.line_text;
  const size_t column = static_cast<size_t>(std::max(1, origin.place.column)) - 1;
  if (!text.empty() && text.find('\n') == std::string::npos) {
    const size_t quoted = !line.empty() && column < line.size() && (line[column] == '"' || line[column] == '\'') ? 1 : 0;
    if (line.compare(std::min(column + quoted, line.size()), text.size(), text) == 0) {
      origin.exact = true;
      origin.place.column += static_cast<int>(quoted);
    }
  }
  return Template::parse(text, origin, TemplateMode::kStrict, [this, pointer](std::string_view name) -> Result<std::pair<std::string, TemplateOrigin>> {
    LLMOPS_ASSIGN(const ManifestFile file, add_file(std::string(name), pointer, FileRole::kText));
    LLMOPS_ASSIGN(const std::string bytes, read_file(file.source));
    return std::pair{normalize_text(bytes), TemplateOrigin{{file.path, 1, 1, 1, {}}, true}};
  });
}

Result<Template> ChainLoader::file_template(const std::string& path, const std::string& pointer) {
  LLMOPS_ASSIGN(const ManifestFile file, add_file(path, pointer, FileRole::kText));
  LLMOPS_ASSIGN(const std::string bytes, read_file(file.source));
  const fs::path shown = fs::path(source_.shown_path).parent_path() / file.path;
  const TemplateOrigin origin{{shown.lexically_normal().generic_string(), 1, 1, 1, {}}, true};
  const std::string folder = fs::path(file.path).parent_path().generic_string();
  return Template::parse(normalize_text(bytes), origin, TemplateMode::kStrict,
                         [this, pointer, folder](std::string_view name) -> Result<std::pair<std::string, TemplateOrigin>> {
                           const std::string joined = folder.empty() ? std::string(name) : folder + "/" + std::string(name);
                           LLMOPS_ASSIGN(const ManifestFile included, add_file(joined, pointer, FileRole::kText));
                           LLMOPS_ASSIGN(const std::string included_bytes, read_file(included.source));
                           return std::pair{normalize_text(included_bytes), TemplateOrigin{{included.path, 1, 1, 1, {}}, true}};
                         });
}

Result<Template> ChainLoader::text_or_value_template(const std::string& pointer, const Json& value) {
  if (!value.is_string()) return error_at(pointer, fmt::format("a template must be text, not {}", json_type_words(value)), "put it in quotes");
  return inline_template(pointer, value.get<std::string>());
}

Result<Template> ChainLoader::filled_template(const std::string& pointer, const Json& value) {
  if (value == "") return error_at(pointer, "a template is empty", "write a text or an expression like \"{{ question }}\"");
  return text_or_value_template(pointer, value);
}

Result<ManifestFile> ChainLoader::add_file(const std::string& path, const std::string& pointer, FileRole role) {
  auto resolved = resolve_inside(chain_.root, chain_.directory, path);
  if (!resolved) return std::move(resolved.error()).at(document_.place_of(pointer));
  const std::string normal = normalize_path(path);
  for (const ManifestFile& file : chain_.files) {
    if (file.path != normal) continue;
    touched_[normal] = file.sha256;
    return file;
  }
  auto hashed = hash_file(*resolved, normal, role);
  if (!hashed) {
    Error error = std::move(hashed).error();
    if (error.code == ErrorCode::kNotFound) error = Error(ErrorCode::kConfig, fmt::format("file '{}' does not exist", path), "paths are relative to the chain file");
    return std::move(error).at(document_.place_of(pointer));
  }
  touched_[normal] = hashed->sha256;
  chain_.files.push_back(*hashed);
  return *hashed;
}

void ChainLoader::note(StepSpec& step, const Template& made) {
  for (const TemplateReference& reference : made.references()) step.references.push_back(reference);
}

void ChainLoader::warn_unused() {
  const auto warn = [this](const char* section, const std::string& name) {
    chain_.warnings.push_back(document_.error_at_key(json_pointer_append(std::string("/") + section, name),
                                                     fmt::format("{} '{}' is declared, but no step uses it", std::string_view(section).substr(0, std::string_view(section).size() - 1), name)));
  };
  for (const auto& [name, model] : chain_.models) if (!used_models_.contains(name)) warn("models", name);
  for (const auto& [name, asset] : chain_.assets) if (!used_assets_.contains(name)) warn("assets", name);
  for (const auto& [name, tool] : chain_.tools) if (!used_tools_.contains(name)) warn("tools", name);
}

}  // namespace llmops
