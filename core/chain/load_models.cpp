// Models and tools of a chain: who fills a role, at which address, with which key, at which price.
#include <algorithm>
#include <fmt/format.h>

#include "core/chain/chain_loader.h"

namespace llmops {

const std::vector<std::string>& provider_names() {
  static const std::vector<std::string> names = {"openai", "anthropic", "exec", "replay", "echo"};
  return names;
}

namespace {

constexpr std::string_view kSecretStart = "${env:";

bool is_variable_name(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

// "before${env:NAME}after"; none: text without a secret.
Result<HeaderSpec> split_secret(const std::string& name, const std::string& text, const SourcePlace& place) {
  HeaderSpec header{name, text, std::nullopt, {}};
  const size_t start = text.find(kSecretStart);
  if (start == std::string::npos) return header;
  const size_t end = text.find('}', start);
  const std::string variable = end == std::string::npos ? "" : text.substr(start + kSecretStart.size(), end - start - kSecretStart.size());
  if (!is_variable_name(variable)) {
    return Error(ErrorCode::kConfig, fmt::format("'{}' is not a reference to a variable", text), "write ${env:NAME}").at(place);
  }
  header.before = text.substr(0, start);
  header.secret = SecretReference{variable, place};
  header.after = text.substr(end + 1);
  return header;
}

}  // namespace

Status ChainLoader::load_models(YamlReader& top) {
  const Json* models = top.find("models");
  if (models == nullptr) return {};
  if (!models->is_object()) return error_at("/models", "'models' must be a mapping of names", "write models: {NAME: {provider: openai, model: MODEL}}");
  for (const auto& [name, entry] : models->items()) LLMOPS_CHECK(load_model(name, json_pointer_append("/models", name)));
  return {};
}

Status ChainLoader::load_model(const std::string& name, const std::string& pointer) {
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, pointer, fmt::format("model '{}'", name)));
  ModelSpec model;
  touched_.clear();
  model.name = name;
  model.place = document_.key_place_of(pointer);
  LLMOPS_ASSIGN(const std::string provider, reader.text("provider", "write provider: openai, anthropic, exec, replay or echo"));
  const auto found = std::find(provider_names().begin(), provider_names().end(), provider);
  if (found == provider_names().end()) return error_at(reader.pointer_of("provider"), fmt::format("unknown provider '{}'", provider), suggestion(provider, provider_names(), "write openai, anthropic, exec, replay or echo"));
  model.provider = static_cast<ProviderKind>(found - provider_names().begin());
  LLMOPS_ASSIGN(const auto asked, reader.optional_text("model"));
  model.model = asked.value_or("");
  if (const Json* params = reader.find("params")) {
    if (!params->is_object()) return error_at(reader.pointer_of("params"), "'params' must be a mapping", "write params: {temperature: 0}");
    model.params = *params;
  }
  LLMOPS_CHECK(load_price(reader, model));
  LLMOPS_ASSIGN(const auto timeout, reader.optional_number("timeout_s", 0.001, 86'400));
  if (timeout) model.timeout_s = *timeout;
  switch (model.provider) {
    case ProviderKind::kOpenAi:
    case ProviderKind::kAnthropic: LLMOPS_CHECK(load_endpoint(reader, model)); break;
    case ProviderKind::kReplay: LLMOPS_CHECK(load_replay(reader, model)); break;
    case ProviderKind::kExec: {
      LLMOPS_ASSIGN(model.command, load_command(reader));
      model.command.timeout_s = model.timeout_s;
      break;
    }
    case ProviderKind::kEcho: break;
  }
  LLMOPS_CHECK(reader.finish());
  model.identity = reader.value();
  for (const char* key : {"price", "api_key", "headers", "timeout_s", "rate_limit"}) model.identity.erase(key);
  // Recorded replies and programs are what such a model is.
  for (const auto& [path, digest] : touched_) model.identity["files"][path] = digest;
  chain_.models.emplace(name, std::move(model));
  return {};
}

Status ChainLoader::load_address(YamlReader& reader, ModelSpec& model) {
  struct Home { const char *url, *prefix, *variable; };
  static const Home kOpenAi = {"https://api.openai.com/v1", "https://api.openai.com/", "OPENAI_API_KEY"};
  static const Home kAnthropic = {"https://api.anthropic.com", "https://api.anthropic.com/", "ANTHROPIC_API_KEY"};
  const Home& home = model.provider == ProviderKind::kAnthropic ? kAnthropic : kOpenAi;
  LLMOPS_ASSIGN(const auto base_url, reader.optional_text("base_url"));
  model.base_url = base_url.value_or(home.url);
  const bool is_home = !base_url || *base_url == home.url || base_url->starts_with(home.prefix);
  if (!model.base_url.starts_with("https://") && !model.base_url.starts_with("http://")) {
    return error_at(reader.pointer_of("base_url"), fmt::format("base_url '{}' is not an http or https address", model.base_url), "write it like http://127.0.0.1:8000/v1");
  }
  if (model.base_url.find('@') != std::string::npos) {
    return error_at(reader.pointer_of("base_url"), "base_url holds a user name or password", "put the key into api_key: ${env:NAME}");
  }
  LLMOPS_ASSIGN(const auto key, reader.optional_text("api_key"));
  if (key) {
    LLMOPS_ASSIGN(const HeaderSpec parsed, split_secret("api_key", *key, document_.place_of(reader.pointer_of("api_key"))));
    if (!parsed.secret || !parsed.before.empty() || !parsed.after.empty()) {
      return error_at(reader.pointer_of("api_key"), "api_key must name a variable of the environment, not hold the key itself", fmt::format("write api_key: ${{env:{}}}", home.variable));
    }
    model.api_key = parsed.secret;
  } else if (is_home) {
    model.api_key = SecretReference{home.variable, model.place};
  }
  return {};
}

Status ChainLoader::load_endpoint(YamlReader& reader, ModelSpec& model) {
  if (model.model.empty()) return reader.missing("model", "name the model that the server offers");
  LLMOPS_CHECK(load_address(reader, model));
  LLMOPS_CHECK(load_headers(reader, model));
  if (model.provider == ProviderKind::kOpenAi) {
    LLMOPS_ASSIGN(model.adapters, reader.optional_text_list("adapters"));
    if (model.adapters.size() > 1) return error_at(json_pointer_append(reader.pointer_of("adapters"), 1), "a server is asked for one adapter at a time", "name one, or merge them");
  }
  const Json* query = model.provider == ProviderKind::kOpenAi ? reader.find("query") : nullptr;
  if (query != nullptr) {
    if (!query->is_object()) return error_at(reader.pointer_of("query"), "'query' must be a mapping", "write query: {NAME: VALUE}");
    for (const auto& [name, value] : query->items()) {
      if (value.is_structured() || value.is_null()) return error_at(json_pointer_append(reader.pointer_of("query"), name), fmt::format("query parameter '{}' must be text, not {}", name, json_type_words(value)), "write one text");
    }
    for (const auto& [name, value] : query->items()) model.query.emplace_back(name, json_to_text(value));
  }
  if (reader.find("rate_limit") != nullptr) {
    LLMOPS_ASSIGN(YamlReader limit, YamlReader::open(document_, reader.pointer_of("rate_limit"), "rate_limit"));
    LLMOPS_ASSIGN(const auto per_minute, limit.optional_number("requests_per_minute", 0.001, 1e9));
    if (!per_minute) return limit.missing("requests_per_minute", "write rate_limit: {requests_per_minute: 60}");
    model.requests_per_minute = *per_minute;
    LLMOPS_CHECK(limit.finish());
  }
  return {};
}

Status ChainLoader::load_headers(YamlReader& reader, ModelSpec& model) {
  const Json* headers = reader.find("headers");
  if (headers == nullptr) return {};
  if (!headers->is_object()) return error_at(reader.pointer_of("headers"), "'headers' must be a mapping", "write headers: {NAME: VALUE}");
  for (const auto& [name, value] : headers->items()) {
    const std::string pointer = json_pointer_append(reader.pointer_of("headers"), name);
    if (!value.is_string()) return error_at(pointer, "a header must be text", "put it in quotes");
    const std::string text = value.get<std::string>();
    if (text.find_first_of("\r\n") != std::string::npos) return error_at(pointer, "a header must be one line", "remove the line ends");
    LLMOPS_ASSIGN(HeaderSpec header, split_secret(name, text, document_.place_of(pointer)));
    model.headers.push_back(std::move(header));
  }
  return {};
}

Status ChainLoader::load_price(YamlReader& reader, ModelSpec& model) {
  if (reader.find("price") == nullptr) return {};
  LLMOPS_ASSIGN(YamlReader price, YamlReader::open(document_, reader.pointer_of("price"), "price"));
  LLMOPS_ASSIGN(const auto input, price.optional_number("input", 0, 1e6));
  LLMOPS_ASSIGN(const auto output, price.optional_number("output", 0, 1e6));
  LLMOPS_ASSIGN(const auto cache_read, price.optional_number("cache_read", 0, 1e6));
  if (!input) return price.missing("input", "prices are USD per 1M tokens");
  if (!output) return price.missing("output", "prices are USD per 1M tokens");
  LLMOPS_CHECK(price.finish());
  model.price = PriceSpec{*input, *output, cache_read};
  return {};
}

Status ChainLoader::load_replay(YamlReader& reader, ModelSpec& model) {
  LLMOPS_ASSIGN(model.replay_path, reader.text("path", "name the file of recorded replies, a JSONL file or a JSON list"));
  LLMOPS_ASSIGN(const ManifestFile file, add_file(model.replay_path, reader.pointer_of("path"), FileRole::kData));
  static_cast<void>(file);
  // The empty pointer is the whole row.
  LLMOPS_ASSIGN(const auto key, reader.optional_text("key", EmptyText::kAllowed));
  LLMOPS_ASSIGN(const auto reply, reader.optional_text("reply", EmptyText::kAllowed));
  for (const auto& [name, pointer] : {std::pair{"key", key}, std::pair{"reply", reply}}) {
    if (pointer && !pointer->empty() && (*pointer)[0] != '/') return error_at(reader.pointer_of(name), fmt::format("'{}' must be a JSON pointer", name), "begin it with '/'");
  }
  model.replay_key = key.value_or("/key");
  model.replay_reply = reply.value_or("/output");
  if (const Json* match = reader.find("match")) {
    LLMOPS_ASSIGN(model.replay_match, filled_template(reader.pointer_of("match"), *match));
  }
  return {};
}

Result<CommandSpec> ChainLoader::load_command(YamlReader& reader) {
  CommandSpec command;
  LLMOPS_ASSIGN(command.argv, reader.optional_text_list("argv"));
  if (command.argv.empty()) return reader.missing("argv", "write it as a list: argv: [python3, app.py]");
  if (command.argv[0].empty()) return error_at(json_pointer_append(reader.pointer_of("argv"), size_t{0}), "'argv' names no program", "write it as a list: argv: [python3, app.py]");
  LLMOPS_ASSIGN(const auto timeout, reader.optional_number("timeout_s", 0.001, 86'400));
  if (timeout) command.timeout_s = *timeout;
  LLMOPS_ASSIGN(const auto persistent, reader.optional_bool("persistent"));
  command.persistent = persistent.value_or(false);
  if (const Json* limit = reader.find("max_output")) {
    static const std::map<std::string, uint64_t> kUnits = {{"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}};
    uint64_t bytes = limit->is_number_integer() && limit->get<int64_t>() > 0 ? limit->get<uint64_t>() : 0;
    if (limit->is_string()) {
      const std::string text = limit->get<std::string>();
      const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
      if (const auto unit = kUnits.find(text.substr(digits)); unit != kUnits.end() && digits > 0 && digits < 8) bytes = std::stoull(text.substr(0, digits)) * unit->second;
    }
    if (bytes == 0) return error_at(reader.pointer_of("max_output"), "'max_output' is not a size", "write it like 1MiB");
    command.max_output_bytes = bytes;
  }
  // The program and every argument that is a file of the project belong to the version.
  for (size_t i = 0; i < command.argv.size(); ++i) {
    const std::string& word = command.argv[i];
    if (word.empty() || word[0] == '-' || word[0] == '/' || (i == 0 && word.find('/') == std::string::npos)) continue;
    std::error_code ignored;
    if (i > 0 && fs::is_directory(chain_.directory / word, ignored)) {
      LLMOPS_CHECK(add_program_folder(word, json_pointer_append(reader.pointer_of("argv"), i)));
      continue;
    }
    if (!fs::is_regular_file(chain_.directory / word, ignored)) {
      if (i == 0) return error_at(json_pointer_append(reader.pointer_of("argv"), i), fmt::format("program '{}' does not exist", word), "argv runs in the folder of the chain file");
      continue;
    }
    LLMOPS_ASSIGN(const ManifestFile file, add_file(word, json_pointer_append(reader.pointer_of("argv"), i), FileRole::kText));
    static_cast<void>(file);
  }
  return command;
}

// A folder among the words of argv is code too: everything in it belongs to the version, but for what interpreters leave there.
Status ChainLoader::add_program_folder(const std::string& folder, const std::string& pointer) {
  constexpr size_t kMostFiles = 2000;
  auto found = expand_glob(chain_.root, chain_.directory, normalize_path(folder) + "/**/*");
  if (!found) return std::move(found.error()).at(document_.place_of(pointer));
  std::erase_if(*found, [](const std::string& path) { return path.find("/__pycache__/") != std::string::npos || path.find("/node_modules/") != std::string::npos || path.find("/.") != std::string::npos; });
  if (found->size() > kMostFiles) return error_at(pointer, fmt::format("folder '{}' holds {} files; a program may have {}", folder, found->size(), kMostFiles), "name the folder of the program itself");
  for (const std::string& path : *found) {
    LLMOPS_ASSIGN(const ManifestFile file, add_file(path, pointer, FileRole::kData));
    static_cast<void>(file);
  }
  return {};
}

Status ChainLoader::load_tools(YamlReader& top) {
  const Json* tools = top.find("tools");
  if (tools == nullptr) return {};
  if (!tools->is_object()) return error_at("/tools", "'tools' must be a mapping of names", "write tools: {NAME: {argv: [./tool.sh], description: what it does}}");
  for (const auto& [name, entry] : tools->items()) {
    LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, json_pointer_append("/tools", name), fmt::format("tool '{}'", name)));
    ToolSpec tool;
    touched_.clear();
    tool.name = name;
    LLMOPS_ASSIGN(const auto description, reader.optional_text("description", EmptyText::kAllowed));
    tool.description = description.value_or("");
    LLMOPS_ASSIGN(tool.command, load_command(reader));
    LLMOPS_ASSIGN(const auto schema, reader.optional_text("input_schema"));
    if (schema) {
      LLMOPS_ASSIGN(tool.input_schema, load_schema(*schema, reader.pointer_of("input_schema"), tool.input_checker));
    }
    LLMOPS_CHECK(reader.finish());
    tool.files = Json::object();
    for (const auto& [path, digest] : touched_) tool.files[path] = digest;
    chain_.tools.emplace(name, std::move(tool));
  }
  return {};
}

}  // namespace llmops
