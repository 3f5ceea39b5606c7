// Assets: data that the output depends on, of a kind. Every file of an asset is part of the version, used or not.
#include <algorithm>
#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/chain/chain_loader.h"

namespace llmops {
namespace {

const std::vector<std::string>& asset_kinds() {
  static const std::vector<std::string> kinds = {"conditioning-prompt", "few-shot", "grounding", "task-dataset", "preferences",
                                                 "corpus", "adapter", "embedding-model", "model"};
  return kinds;
}

}  // namespace

Status ChainLoader::load_assets(YamlReader& top) {
  const Json* assets = top.find("assets");
  if (assets == nullptr) return {};
  if (!assets->is_object()) return error_at("/assets", "'assets' must be a mapping of names", "write assets: {NAME: {kind: grounding, path: docs/*.md}}");
  for (const auto& [name, entry] : assets->items()) LLMOPS_CHECK(load_asset(name, json_pointer_append("/assets", name)));
  return {};
}

Status ChainLoader::load_adapters() {
  for (auto& [name, model] : chain_.models) LLMOPS_CHECK(load_adapters_of(model));
  return {};
}

Status ChainLoader::load_adapters_of(ModelSpec& model) {
  const std::string pointer = json_pointer_append(json_pointer_append("/models", model.name), "adapters");
  for (size_t i = 0; i < model.adapters.size(); ++i) {
    const std::string& name = model.adapters[i];
    std::vector<std::string> known;
    for (const auto& [other, asset] : chain_.assets) if (asset.kind == "adapter") known.push_back(other);
    const auto asset = chain_.assets.find(name);
    if (asset == chain_.assets.end()) return error_at(json_pointer_append(pointer, i), fmt::format("unknown adapter '{}'", name), suggestion(name, known, "declare it under `assets:` with kind: adapter"));
    if (asset->second.kind != "adapter") return error_at(json_pointer_append(pointer, i), fmt::format("asset '{}' is of kind '{}', not 'adapter'", name, asset->second.kind), "name an asset of kind adapter");
    used_assets_.insert(name);
    // Its weights are part of what answers, whatever the server calls it.
    for (const ManifestFile& file : asset->second.files) model.identity["files"][file.path] = file.sha256;
  }
  return {};
}

Result<ExternalSource> ChainLoader::load_pins(YamlReader& reader) {
  ExternalSource source;
  LLMOPS_ASSIGN(const auto sha256, reader.optional_text("sha256"));
  LLMOPS_ASSIGN(const auto etag, reader.optional_text("etag"));
  LLMOPS_ASSIGN(const auto revision, reader.optional_text("revision"));
  LLMOPS_ASSIGN(const auto copy, reader.optional_bool("copy"));
  source.sha256 = sha256.value_or("");
  source.etag = etag.value_or("");
  source.revision = revision.value_or("");
  source.copy = copy.value_or(true);
  return source;
}

Status ChainLoader::check_external(const YamlReader& reader, const std::string& name, const ExternalSource& source) const {
  if (source.sha256.empty() && source.etag.empty() && source.revision.empty()) return error_at(reader.pointer_of("uri"), fmt::format("external asset '{}' is not pinned", name), "add its sha256, etag or revision");
  if (!source.sha256.empty() && (source.sha256.size() != 64 || !is_hex(source.sha256))) {
    return error_at(reader.pointer_of("sha256"), fmt::format("the sha256 of asset '{}' is not a SHA-256 digest", name), "write the 64 hex digits in lower case that sha256sum prints");
  }
  const auto url = external_url(source);
  if (!url) return Error(url.error()).at(document_.place_of(reader.pointer_of("uri")));
  return {};
}

Status ChainLoader::load_asset(const std::string& name, const std::string& pointer) {
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, pointer, fmt::format("asset '{}'", name)));
  AssetSpec asset;
  asset.name = name;
  asset.place = document_.key_place_of(pointer);
  LLMOPS_CHECK(reader.expect_only({"kind", "path", "uri", "sha256", "etag", "revision", "base", "copy"}));
  LLMOPS_ASSIGN(asset.kind, reader.text("kind", "say what it is, for example kind: grounding"));
  const auto& kinds = asset_kinds();
  if (std::find(kinds.begin(), kinds.end(), asset.kind) == kinds.end()) {
    return error_at(reader.pointer_of("kind"), fmt::format("unknown kind of asset '{}'", asset.kind), did_you_mean(asset.kind, kinds));
  }
  LLMOPS_ASSIGN(const auto path, reader.optional_text("path"));
  LLMOPS_ASSIGN(const auto uri, reader.optional_text("uri"));
  if (path.has_value() == uri.has_value()) return error_at(pointer, fmt::format("asset '{}' needs either 'path' or 'uri'", name), "give the path of a file of the project, or the uri of a pinned external one");
  LLMOPS_ASSIGN(const auto base, reader.optional_text("base"));
  asset.base = base.value_or("");
  LLMOPS_ASSIGN(ExternalSource source, load_pins(reader));
  if (uri) {
    source.uri = *uri;
    LLMOPS_CHECK(check_external(reader, name, source));
    asset.external = std::move(source);
    chain_.assets.emplace(name, std::move(asset));
    return {};
  }
  asset.path = *path;
  const FileRole role = asset.kind == "conditioning-prompt" ? FileRole::kText : FileRole::kData;
  std::vector<std::string> paths;
  std::error_code ignored;
  const std::string path_pointer = reader.pointer_of("path");
  if (is_glob(*path) || fs::is_directory(chain_.directory / *path, ignored)) {
    auto found = expand_glob(chain_.root, chain_.directory, is_glob(*path) ? *path : *path + "/**/*");
    if (!found) return std::move(found.error()).at(document_.place_of(path_pointer));
    if (found->empty()) return error_at(path_pointer, fmt::format("no file matches '{}'", *path), "paths are relative to the chain file");
    paths = std::move(*found);
  } else {
    paths.push_back(*path);
  }
  for (const std::string& one : paths) {
    LLMOPS_ASSIGN(ManifestFile file, add_file(one, path_pointer, role));
    asset.files.push_back(std::move(file));
  }
  chain_.assets.emplace(name, std::move(asset));
  return {};
}

}  // namespace llmops
