#include "commands/trust.h"

#include <algorithm>
#include <fmt/format.h>

#include "commands/monitor/embedder.h"
#include "core/base/hash.h"
#include "core/http/transport.h"

namespace llmops {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string place_text(const SourcePlace& place) { return place.line > 0 ? fmt::format("{}:{}", place.file, place.line) : place.file; }

std::string digest_of(const Json& description) {
  auto canonical = canonical_json(description);
  return sha256_hex("llmops-trust-v1\n" + (canonical ? *canonical : dump_json(description)));
}

TrustItem command_item(const Chain& chain, const CommandSpec& command, const SourcePlace& place) {
  Json description = {{"run", command.argv}, {"files", Json::object()}};
  for (const std::string& word : command.argv) {
    const std::string named = fs::path(word).lexically_normal().generic_string();
    // A folder stands for everything in it.
    const std::string below = named.ends_with('/') ? named : named + "/";
    for (const ManifestFile& file : chain.files) {
      if (file.path == normalize_text(word) || file.path == named || file.path.starts_with(below)) description["files"][file.path] = file.sha256;
    }
  }
  return {"run " + join(command.argv), place_text(place), digest_of(description)};
}

// A key that only goes where it comes from needs no word.
bool is_home_of_key(const ModelSpec& model) {
  if (model.provider == ProviderKind::kOpenAi) return model.base_url.starts_with("https://api.openai.com/") && model.api_key->variable == "OPENAI_API_KEY";
  const bool is_home = model.base_url == "https://api.anthropic.com" || model.base_url.starts_with("https://api.anthropic.com/");
  return is_home && model.api_key->variable == "ANTHROPIC_API_KEY";
}

void add_endpoint_items(const ModelSpec& model, std::vector<TrustItem>& items) {
  if (model.provider != ProviderKind::kOpenAi && model.provider != ProviderKind::kAnthropic) return;
  const auto url = parse_url(model.base_url);
  const std::string host = url ? url->host : model.base_url;
  std::vector<std::string> secrets;
  if (model.api_key && !is_home_of_key(model)) secrets.push_back(model.api_key->variable);
  for (const HeaderSpec& header : model.headers) if (header.secret) secrets.push_back(header.secret->variable);
  for (const std::string& variable : secrets) {
    items.push_back({fmt::format("send the key {} to {}", variable, model.base_url), place_text(model.place),
                     digest_of({{"send", variable}, {"to", model.base_url}})});
  }
  if (secrets.empty() && model.base_url.starts_with("http://") && !is_loopback_url(model.base_url)) {
    items.push_back({fmt::format("send prompts without encryption to {}", host), place_text(model.place), digest_of({{"plain", model.base_url}})});
  }
}

Json read_grants(const Session& session) {
  const fs::path directory = session.state_directory();
  if (directory.empty()) return Json::array();
  auto bytes = read_file(directory / "trust.json", uint64_t{16} << 20);
  if (!bytes) return Json::array();
  auto document = parse_json(*bytes, "trust.json");
  return document && document->is_array() ? std::move(*document) : Json::array();
}

Status write_grants(const Session& session, const Json& grants) {
  const fs::path directory = session.state_directory();
  if (directory.empty()) return Error(ErrorCode::kIo, "trust cannot be kept: neither HOME nor XDG_STATE_HOME is set", "set LLMOPS_TRUST to the digest that `llmops trust --print` prints");
  LLMOPS_CHECK(ensure_directory(directory, 0700));
  WriteOptions options;
  options.mode = 0600;
  options.failpoint = "trust.write";
  return write_file_atomic(directory / "trust.json", dump_json_pretty(grants) + "\n", options);
}

bool is_granted(const Json& grants, const std::string& root, const std::string& digest) {
  return std::any_of(grants.begin(), grants.end(), [&](const Json& grant) { return grant.is_object() && grant.value("root", "") == root && grant.value("digest", "") == digest; });
}

bool named_by_environment(const Session& session, const std::string& digest) {
  const std::string named = session.surroundings().variables.contains("LLMOPS_TRUST") ? session.surroundings().variables.at("LLMOPS_TRUST") : "";
  size_t from = 0;
  while (from < named.size()) {
    const size_t end = std::min(named.find_first_of(", ", from), named.size());
    if (named.substr(from, end - from) == digest) return true;
    from = end + 1;
  }
  return false;
}

}  // namespace

std::vector<TrustItem> trust_items(const ModelSpec& model) {
  std::vector<TrustItem> items;
  add_endpoint_items(model, items);
  return items;
}

std::vector<TrustItem> embedder_trust_items(const Session& session, const ModelSpec& model) {
  const YamlDocument* project = session.project();
  const Json* named = project == nullptr ? nullptr : json_at(project->value(), "/monitor/embedder");
  if (named == nullptr || !named->is_string() || named->get_ref<const std::string&>() != model.name || is_loopback_url(model.base_url)) return {};
  return {{fmt::format("send texts of production to {}", model.base_url), place_text(project->place_of("/monitor/embedder")), digest_of({{"embed", model.model}, {"to", model.base_url}})}};
}

std::vector<TrustItem> trust_items(const Chain& chain) {
  std::vector<TrustItem> items;
  for (const auto& [name, model] : chain.models) {
    if (model.provider == ProviderKind::kExec) items.push_back(command_item(chain, model.command, model.place));
    else add_endpoint_items(model, items);
  }
  for (const StepSpec& step : chain.steps) {
    if (const auto* exec = std::get_if<ExecStep>(&step.body)) items.push_back(command_item(chain, exec->command, step.place));
    const auto* agent = std::get_if<AgentStep>(&step.body);
    if (agent == nullptr) continue;
    for (const std::string& name : agent->tools) items.push_back(command_item(chain, chain.tools.at(name).command, step.place));
  }
  for (const ChainStep* called : chain.called()) for (TrustItem& item : trust_items(*called->chain)) items.push_back(std::move(item));
  return items;
}

std::string trust_digest(const std::vector<TrustItem>& items) {
  std::vector<std::string> digests;
  for (const TrustItem& item : items) digests.push_back(item.digest);
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  std::string all;
  for (const std::string& digest : digests) all += digest + "\n";
  return sha256_hex(all);
}

Status require_trust(const Session& session, const std::vector<TrustItem>& items) {
  if (items.empty()) return {};
  const Json grants = read_grants(session);
  const std::string root = session.root().string();
  Error error(ErrorCode::kUntrusted, "the project's own files would do what you have not trusted yet; nothing was run", "look at them, then run `llmops trust` (in CI: LLMOPS_TRUST=$(llmops trust --print))");
  for (const TrustItem& item : items) {
    if (!is_granted(grants, root, item.digest)) error.details.push_back(fmt::format("{}   ({})", item.what, item.where));
  }
  if (error.details.empty() || named_by_environment(session, trust_digest(items))) return {};
  if (auto whole = read_trust(session); whole && named_by_environment(session, whole->digest)) {
    const bool all_known = std::all_of(items.begin(), items.end(), [&](const TrustItem& item) {
      return std::any_of(whole->items.begin(), whole->items.end(), [&](const TrustItem& known) { return known.digest == item.digest; });
    });
    if (all_known) return {};
  }
  return error;
}

Result<TrustReport> read_trust(const Session& session) {
  TrustReport report;
  report.root = session.root();
  LLMOPS_ASSIGN(const auto files, session.chain_files());
  for (const fs::path& file : files) {
    LLMOPS_ASSIGN(const Chain chain, load_chain({file, session.root(), session.shown(file), {}}));
    for (TrustItem& item : trust_items(chain)) report.items.push_back(std::move(item));
    for (const auto& [name, model] : chain.models) for (TrustItem& item : embedder_trust_items(session, model)) report.items.push_back(std::move(item));
  }
  const Json* embedder = session.project() == nullptr ? nullptr : json_at(session.project()->value(), "/monitor/embedder");
  if (embedder != nullptr && embedder->is_string()) {
    if (const auto model = addressed_model(embedder->get<std::string>()); model && *model) for (TrustItem& item : embedder_trust_items(session, **model)) report.items.push_back(std::move(item));
  }
  const Json grants = read_grants(session);
  for (const TrustItem& item : report.items) report.trusted.push_back(is_granted(grants, report.root.string(), item.digest));
  report.digest = trust_digest(report.items);
  return report;
}

Status grant_trust(const Session& session, const std::vector<TrustItem>& items) {
  Json grants = read_grants(session);
  const std::string root = session.root().string();
  for (const TrustItem& item : items) {
    if (is_granted(grants, root, item.digest)) continue;
    grants.push_back({{"root", root}, {"what", item.what}, {"digest", item.digest}, {"granted", format_utc(session.clock().unix_ms() / 1000 * 1000)}});
  }
  return write_grants(session, grants);
}

Result<std::vector<TrustEntry>> list_trust(const Session& session) {
  std::vector<TrustEntry> entries;
  for (const Json& grant : read_grants(session)) {
    if (grant.is_object()) entries.push_back({grant.value("root", ""), grant.value("what", ""), grant.value("digest", ""), grant.value("granted", "")});
  }
  return entries;
}

Result<int> revoke_trust(const Session& session) {
  const Json grants = read_grants(session);
  Json kept = Json::array();
  for (const Json& grant : grants) if (!grant.is_object() || grant.value("root", "") != session.root().string()) kept.push_back(grant);
  const int removed = static_cast<int>(grants.size() - kept.size());
  if (removed > 0) LLMOPS_CHECK(write_grants(session, kept));
  return removed;
}

}  // namespace llmops
