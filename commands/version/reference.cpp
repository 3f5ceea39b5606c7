#include "commands/version/reference.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "commands/version/key_scan.h"
#include "core/base/hash.h"
#include "core/store/canonical_reader.h"

namespace llmops {
namespace {

constexpr size_t kShortestPrefix = 6;

Result<VersionRecord> resolve_base(Store& store, const std::string& chain, const std::string& base) {
  if (base == "HEAD") {
    LLMOPS_ASSIGN(auto head, store.head(chain));
    if (!head) return Error(ErrorCode::kNotFound, fmt::format("chain '{}' has no version yet", chain), "make one: llmops version commit -m \"first version\"");
    return std::move(*head);
  }
  if (base.starts_with("@")) {
    const std::string name = base.substr(1);
    LLMOPS_ASSIGN(const auto label, store.label(chain, name));
    if (!label) {
      LLMOPS_ASSIGN(const auto all, store.labels(chain));
      std::vector<std::string> names;
      for (const LabelRecord& one : all) names.push_back(one.name);
      const std::string hint = did_you_mean(name, names);
      return Error(ErrorCode::kNotFound, fmt::format("chain '{}' has no label '{}'", chain, name), hint.empty() ? fmt::format("set it: llmops version label {} HEAD", name) : hint);
    }
    LLMOPS_ASSIGN(auto found, store.find_versions(chain, label->vid));
    if (found.empty()) return Error(ErrorCode::kCorrupt, fmt::format("label '{}' names version {}, which is not in the store", name, short_vid(label->vid)));
    return std::move(found[0]);
  }
  if (!is_hex(base) || base.size() < kShortestPrefix) {
    return Error(ErrorCode::kNotFound, fmt::format("'{}' is not a version", base), "write 6 or more digits of a vid, HEAD, or @label");
  }
  LLMOPS_ASSIGN(auto found, store.find_versions(chain, base));
  if (found.empty()) return Error(ErrorCode::kNotFound, fmt::format("no version begins with '{}'", base), "see: llmops version log");
  if (found.size() > 1 && found[0].vid != found[1].vid) {
    Error error(ErrorCode::kUsage, fmt::format("'{}' begins {} versions", base, found.size()), "write more digits");
    for (const VersionRecord& one : found) error.details.push_back(one.vid);
    return error;
  }
  return std::move(found[0]);
}

}  // namespace

Result<VersionRecord> resolve_version(Store& store, const std::string& chain, const std::string& reference) {
  std::string rest = reference, name = chain;
  if (const size_t colon = rest.find(':'); colon != std::string::npos) {
    name = rest.substr(0, colon);
    rest = rest.substr(colon + 1);
  }
  int steps_back = 0;
  if (const size_t tilde = rest.find('~'); tilde != std::string::npos) {
    const std::string count = rest.substr(tilde + 1);
    steps_back = 1;
    if (!count.empty()) {
      const auto parsed = std::from_chars(count.data(), count.data() + count.size(), steps_back);
      if (parsed.ec != std::errc() || parsed.ptr != count.data() + count.size() || steps_back < 0) return Error(ErrorCode::kUsage, fmt::format("'{}' is not a version", reference), "write ~n with a whole number");
    }
    rest.resize(tilde);
  }
  LLMOPS_ASSIGN(VersionRecord version, resolve_base(store, name, rest));
  for (int i = 0; i < steps_back; ++i) {
    if (version.parent_vid.empty()) return Error(ErrorCode::kNotFound, fmt::format("'{}' goes back past the first version", reference), "see: llmops version log");
    LLMOPS_ASSIGN(auto parent, store.find_versions(version.chain, version.parent_vid));
    if (parent.empty()) return Error(ErrorCode::kCorrupt, fmt::format("version {} is missing", short_vid(version.parent_vid)));
    version = std::move(parent[0]);
  }
  return version;
}

namespace {

// How many folders a path climbs before it goes down: the layout needs that many above the chain file.
size_t climbs(const std::string& path) {
  size_t count = 0;
  while (std::string_view(path).substr(count * 3).starts_with("../")) ++count;
  return count;
}

void take_operational_keys(const Json& working, Json& models) {
  for (auto& [name, model] : models.items()) {
    const auto today = working.find(name);
    if (today == working.end() || !today->is_object()) continue;
    for (const char* key : {"api_key", "headers", "price", "timeout_s", "rate_limit"}) {
      if (today->contains(key)) model[key] = (*today)[key];
    }
  }
}

// The files and chain documents of a version, with those of the chains it calls, by path from the calling chain's folder.
class Layout {
 public:
  Layout(Session& session, Store& store) : session_(session), store_(store) {}

  Status add(const std::string& vid, const std::string& chain_path, const std::string& chain_name) {
    LLMOPS_ASSIGN(const std::string text, store_.read_manifest(vid));
    LLMOPS_ASSIGN(Json manifest, parse_canonical_json(text, "manifest"));
    const fs::path folder = fs::path(chain_path).parent_path();
    for (const Json& file : manifest["files"]) {
      const std::string path = file["path"].get<std::string>();
      files_[(folder / path).lexically_normal().generic_string()] = {vid, path};
    }
    for (const Json& called : manifest["chains"]) {
      const std::string path = (folder / called["path"].get<std::string>()).lexically_normal().generic_string();
      LLMOPS_CHECK(add(called["vid"].get<std::string>(), path, ""));
    }
    Json document = std::move(manifest["chain"]);
    const std::string name = chain_name.empty() ? document.value("name", "") : chain_name;
    auto working = session_.resolve_chain(name);
    if (working && document.contains("models")) {
      if (auto bytes = read_file(*working)) {
        auto parsed = parse_yaml(*bytes, session_.shown(*working));
        if (parsed && parsed->value().is_object() && parsed->value().contains("models")) take_operational_keys(parsed->value()["models"], document["models"]);
      }
    }
    documents_[chain_path] = std::move(document);
    return {};
  }

  // Gives the folder of the calling chain.
  Result<fs::path> write(const fs::path& root) const {
    size_t depth = 0;
    for (const auto& [path, source] : files_) depth = std::max(depth, climbs(path));
    for (const auto& [path, document] : documents_) depth = std::max(depth, climbs(path));
    fs::path directory = root;
    for (size_t i = 0; i < depth; ++i) directory /= "d";
    LLMOPS_CHECK(ensure_directory(directory, 0700));
    WriteOptions options;
    options.mode = 0700;  // scripts must run
    options.durable = false;
    options.failpoint = "version.layout";
    const auto put = [&](const std::string& path, std::string_view bytes) -> Status {
      const fs::path target = (directory / path).lexically_normal();
      LLMOPS_CHECK(ensure_directory(target.parent_path(), 0700));
      return write_file_atomic(target, bytes, options);
    };
    for (const auto& [path, source] : files_) {
      LLMOPS_ASSIGN(const std::string bytes, store_.read_version_file(source.first, source.second));
      LLMOPS_CHECK(put(path, bytes));
    }
    for (const auto& [path, document] : documents_) LLMOPS_CHECK(put(path, dump_json_pretty(document)));
    return directory;
  }

 private:
  Session& session_;
  Store& store_;
  std::map<std::string, std::pair<std::string, std::string>> files_;   // path -> vid, path in its manifest
  std::map<std::string, Json> documents_;                              // path -> chain document
};

}  // namespace

Result<Chain> load_version(Session& session, Store& store, const VersionRecord& version, const std::vector<Override>& overrides) {
  const std::string file = version.chain + ".chain.yaml";
  Layout layout(session, store);
  LLMOPS_CHECK(layout.add(version.vid, file, version.chain));
  const fs::path root = store.directory() / "tmp" / ("version-" + short_vid(version.vid));
  LLMOPS_ASSIGN(const fs::path directory, layout.write(root));
  return load_chain({directory / file, root, fmt::format("{}@{}", version.chain, short_vid(version.vid)), overrides});
}

Status commit_called_chains(const Session& session, Store& store, const Chain& chain) {
  for (const ChainStep* called : chain.called()) {
    LLMOPS_CHECK(commit_called_chains(session, store, *called->chain));
    if (store.has_version(called->chain->vid)) continue;
    LLMOPS_ASSIGN(const VersionInput input, version_input(session, *called->chain, fmt::format("called by {}", chain.name), true));
    LLMOPS_ASSIGN(const VersionRecord version, store.commit_version(input));
    static_cast<void>(version);
  }
  return {};
}

Result<VersionInput> version_input(const Session& session, const Chain& chain, std::string message, bool automatic) {
  LLMOPS_CHECK(check_for_keys(session, chain));
  VersionInput input;
  input.chain = chain.name;
  input.vid = chain.vid;
  LLMOPS_ASSIGN(input.manifest, canonical_json(chain.manifest));
  constexpr uint64_t kSmall = uint64_t{1} << 20;
  for (const ManifestFile& file : chain.files) {
    SnapshotFile snapshot{file.path, file.role == FileRole::kText ? "text" : "data", file.sha256, file.size_bytes, {}, {}};
    if (file.size_bytes <= kSmall) {
      LLMOPS_ASSIGN(snapshot.bytes, read_file(file.source));
    } else {
      snapshot.source = file.source.string();
    }
    input.files.push_back(std::move(snapshot));
  }
  input.message = std::move(message);
  input.author = session.author();
  input.automatic = automatic;
  return input;
}

std::vector<std::string> changed_parts(const Json& stored_manifest, const Chain& chain) {
  std::vector<std::string> changed;
  if (!json_equal(stored_manifest["chain"], chain.manifest["chain"])) changed.push_back(chain.file.filename().string());
  std::map<std::string, std::string> before, now;
  for (const Json& file : stored_manifest["files"]) before[file["path"]] = file["sha256"];
  for (const Json& file : chain.manifest["files"]) now[file["path"]] = file["sha256"];
  for (const auto& [path, digest] : now) if (!before.contains(path) || before[path] != digest) changed.push_back(path);
  for (const auto& [path, digest] : before) if (!now.contains(path)) changed.push_back(path + " (gone)");
  std::map<std::string, std::string> called;
  for (const Json& one : stored_manifest["chains"]) called[one["path"]] = one["vid"];
  for (const ChainStep* one : chain.called()) if (!called.contains(one->path) || called[one->path] != one->chain->vid) changed.push_back(one->path);
  return changed;
}

}  // namespace llmops
