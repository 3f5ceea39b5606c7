// `--set PATH=VALUE`: one change to a chain's document before it is read, so that a run of it has a vid of its own.
#include <fmt/format.h>

#include "core/base/yaml.h"
#include "core/chain/chain_loader.h"

namespace llmops {
namespace {

std::vector<std::string> names_of(const Json& section) {
  std::vector<std::string> names;
  if (section.is_object()) for (const auto& [name, value] : section.items()) names.push_back(name);
  if (section.is_array()) {
    for (const Json& step : section) if (step.is_object() && step.contains("id") && step["id"].is_string()) names.push_back(step["id"]);
  }
  return names;
}

Json* entry_of(Json& section, const std::string& name) {
  if (section.is_object() && section.contains(name)) return &section[name];
  if (section.is_array()) {
    for (Json& step : section) if (step.is_object() && step.contains("id") && step["id"] == name) return &step;
  }
  return nullptr;
}

}  // namespace

Result<Override> parse_override(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Error(ErrorCode::kUsage, fmt::format("'{}' is not PATH=VALUE", text), "write it like models.main.params.temperature=0.2");
  }
  Override override{std::string(text.substr(0, equals)), nullptr};
  const std::string value(text.substr(equals + 1));
  if (value.empty()) {
    override.value = "";
    return override;
  }
  auto parsed = parse_yaml("value: " + value, "--set " + override.path);
  if (!parsed) return Error(ErrorCode::kUsage, fmt::format("value '{}' of '{}' cannot be read: {}", value, override.path, parsed.error().message), "quote it as YAML");
  override.value = parsed->value()["value"];
  return override;
}

Status apply_override(Json& document, const Override& override) {
  const auto refuse = [&](std::string why, std::string hint) { return Error(ErrorCode::kUsage, fmt::format("cannot set '{}': {}", override.path, why), std::move(hint)); };
  std::vector<std::string> parts;
  for (size_t from = 0; from <= override.path.size();) {
    const size_t dot = std::min(override.path.find('.', from), override.path.size());
    parts.push_back(override.path.substr(from, dot - from));
    from = dot + 1;
  }
  static const std::vector<std::string> kSections = {"models", "steps", "assets"};
  if (parts.size() < 3) return refuse("it names no key", "write models.NAME.key, steps.ID.key, assets.NAME.path or inputs.NAME");
  const bool known_section = std::find(kSections.begin(), kSections.end(), parts[0]) != kSections.end();
  if (!known_section || !document.contains(parts[0])) return refuse(fmt::format("unknown section '{}'", parts[0]), known_section ? "add the section to the file first" : did_you_mean(parts[0], kSections));
  Json* at = entry_of(document[parts[0]], parts[1]);
  if (at == nullptr) return refuse(fmt::format("there is no '{}' in {}", parts[1], parts[0]), suggestion(parts[1], names_of(document[parts[0]]), "name one that the file has"));
  for (size_t i = 2; i + 1 < parts.size(); ++i) {
    if (!at->is_object()) return refuse(fmt::format("'{}' is not a mapping", parts[i - 1]), "name a key of a mapping");
    if (!at->contains(parts[i])) (*at)[parts[i]] = Json::object();
    at = &(*at)[parts[i]];
  }
  if (!at->is_object()) return refuse(fmt::format("'{}' is not a mapping", parts[parts.size() - 2]), "name a key of a mapping");
  (*at)[parts.back()] = override.value;
  return {};
}

}  // namespace llmops
