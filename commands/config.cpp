#include "commands/config.h"

#include <fmt/format.h>

#include "commands/settings.h"

namespace llmops {
namespace {

std::string yaml_text(const std::string& value) { return dump_json(Json(value)); }

// Two levels at most ("author.name"), written anew: comments in this file are not kept, and the first line says so.
std::string to_yaml(const Json& document) {
  std::string text = "# settings of llmops; written by `llmops config set`\n";
  for (const auto& [key, value] : document.items()) {
    if (!value.is_object()) {
      text += fmt::format("{}: {}\n", key, value.is_string() ? yaml_text(value.get<std::string>()) : dump_json(value));
      continue;
    }
    text += key + ":\n";
    for (const auto& [inner, leaf] : value.items()) text += fmt::format("  {}: {}\n", inner, leaf.is_string() ? yaml_text(leaf.get<std::string>()) : dump_json(leaf));
  }
  return text;
}

}  // namespace

Result<ConfigSetReport> config_set(const Session& session, const std::string& key, const std::string& value, bool dry_run) {
  LLMOPS_ASSIGN(const SettingKind* kind, find_setting(key));
  if (!kind->is_valid(value)) return Error(ErrorCode::kUsage, fmt::format("'{}' is no value for '{}'", value, key), fmt::format("give {}", kind->wanted));
  const fs::path path = session.user_config_path();
  if (path.empty()) return Error(ErrorCode::kIo, "there is no place for settings: neither HOME nor XDG_CONFIG_HOME is set", fmt::format("set {} instead", kind->variable));
  Json document = Json::object();
  auto bytes = read_file(path, uint64_t{4} << 20);
  if (!bytes && bytes.error().code != ErrorCode::kNotFound) return std::move(bytes).error();
  if (bytes && bytes->find_first_not_of(" \t\r\n") != std::string::npos) {
    LLMOPS_ASSIGN(const YamlDocument parsed, parse_yaml(*bytes, path.string()));
    if (parsed.value().is_object()) document = parsed.value();
  }
  const size_t dot = key.find('.');
  if (dot == std::string::npos) document[key] = value;
  else document[key.substr(0, dot)][key.substr(dot + 1)] = value;
  ConfigSetReport report{path.string(), dry_run};
  if (dry_run) return report;
  LLMOPS_CHECK(ensure_directory(path.parent_path(), 0700));
  WriteOptions options;
  options.mode = 0600;
  options.failpoint = "config.write";
  LLMOPS_CHECK(write_file_atomic(path, to_yaml(document), options));
  return report;
}

}  // namespace llmops
