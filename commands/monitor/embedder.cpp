#include "commands/monitor/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "commands/monitor/window.h"
#include "commands/network.h"
#include "commands/trust.h"
#include "core/drift/detectors.h"
#include "core/http/transport.h"
#include "core/runtime/text_embedder.h"
#include "core/text/static_embeddings.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

// Makes rows of unit length and gives back how long each was.
double make_unit(std::span<float> row) {
  double square = 0;
  for (const float x : row) square += static_cast<double>(x) * static_cast<double>(x);
  const double length = std::sqrt(square);
  if (length > 0) for (float& x : row) x = static_cast<float>(static_cast<double>(x) / length);
  return length;
}

void centre(Vectors& pooled) {
  std::vector<bool> is_zero(pooled.rows);
  std::vector<double> mean(pooled.dimensions, 0.0);
  size_t counted = 0;
  const auto row = [&](size_t i) { return std::span(pooled.values).subspan(i * pooled.dimensions, pooled.dimensions); };
  for (size_t i = 0; i < pooled.rows; ++i) {
    is_zero[i] = make_unit(row(i)) == 0;
    if (is_zero[i]) continue;
    ++counted;
    for (size_t d = 0; d < pooled.dimensions; ++d) mean[d] += static_cast<double>(row(i)[d]);
  }
  constexpr double kRounding = 1e-6;   // of rows whose length was 1
  for (size_t i = 0; i < pooled.rows; ++i) {
    if (is_zero[i]) continue;
    std::vector<double> less(pooled.dimensions);
    double square = 0;
    for (size_t d = 0; d < pooled.dimensions; ++d) {
      less[d] = static_cast<double>(row(i)[d]) - mean[d] / static_cast<double>(counted);
      square += less[d] * less[d];
    }
    const double length = std::sqrt(square);
    for (size_t d = 0; d < pooled.dimensions; ++d) row(i)[d] = length < kRounding ? 0.0F : static_cast<float>(less[d] / length);
  }
}

// The network and its limits for as long as an embedder lives.
struct Network {
  std::unique_ptr<Transport> transport;
  AdaptiveLimiter limiter{1};   // one call at a time
  RuntimeContext context;
};

Result<std::unique_ptr<Network>> make_network(const Session& session) {
  auto network = std::make_unique<Network>();
  network->transport = make_transport(session);
  network->context.clock = &session.clock();
  network->context.transport = network->transport.get();
  network->context.limiter = &network->limiter;
  network->context.scrubber = &session.scrubber();
  network->context.secret = [&session](const SecretReference& reference) { return session.secret(reference); };
  network->context.retry = retry_policy(session);
  network->context.cancel = session.surroundings().cancel;
  auto store = session.store(false);
  if (!store && store.error().code != ErrorCode::kNotFound) return std::move(store).error();
  if (store) network->context.store = *store;
  return network;
}

struct DeclaredModels {
  std::vector<std::pair<std::string, ModelSpec>> found;    // by the chain's shown path
  std::vector<std::string> names;                          // of all that give embeddings, for did you mean
  std::optional<Error> broken;                             // the first chain that could not be read
};

Result<DeclaredModels> declared_models(const Session& session, const std::string& name) {
  DeclaredModels declared;
  LLMOPS_ASSIGN(const auto files, session.chain_files());
  for (const fs::path& file : files) {
    auto chain = load_chain({file, session.root(), session.shown(file), {}});
    if (!chain) {
      if (!declared.broken) declared.broken = std::move(chain).error();
      continue;
    }
    for (const auto& [known, model] : chain->models) {
      if (model.provider == ProviderKind::kOpenAi) declared.names.push_back(known);
      if (known == name) declared.found.emplace_back(chain->shown_path, model);
    }
  }
  return declared;
}

bool is_same_server(const ModelSpec& a, const ModelSpec& b) {
  const auto key_of = [](const ModelSpec& model) { return model.api_key ? model.api_key->variable : std::string(); };
  return a.provider == b.provider && a.base_url == b.base_url && a.served_name() == b.served_name() && a.query == b.query && key_of(a) == key_of(b);
}

}  // namespace

std::string_view embedder_kind_name(EmbedderKind kind) {
  constexpr std::array<std::string_view, 3> kNames{"tfidf", "model2vec", "endpoint"};
  return kNames[static_cast<size_t>(kind)];
}

struct Embedder::State {
  std::string name;
  EmbedderKind kind = EmbedderKind::kTfidf;
  CancelToken cancel;
  std::optional<StaticEmbeddings> embeddings;     // of kStatic
  std::unique_ptr<Network> network;               // of kEndpoint; outlives the endpoint
  std::unique_ptr<TextEmbedder> endpoint;
  std::map<std::string, std::vector<float>, std::less<>> known;   // rows of texts embedded before
  size_t dimensions = 0;                                          // of those that are not empty

  Status learn(const std::vector<std::string>& texts) {
    if (kind == EmbedderKind::kStatic) {
      dimensions = embeddings->dimensions();
      for (const std::string& text : texts) {
        if (cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
        known.emplace(text, embeddings->embed(text));
      }
      return {};
    }
    // Servers refuse texts of nothing; those stay rows without values until the dimensions are known.
    std::vector<std::string> asked, sent;
    for (const std::string& text : texts) {
      std::string valid = is_valid_utf8(text) ? text : replace_invalid_utf8(text);
      if (trim_space(valid).empty()) {
        known.emplace(text, std::vector<float>());
        continue;
      }
      asked.push_back(text);
      sent.push_back(std::move(valid));
    }
    if (asked.empty()) return {};
    LLMOPS_ASSIGN(const EmbeddedTexts made, endpoint->embed(sent, cancel));
    if (dimensions != 0 && made.dimensions != dimensions) {
      return Error(ErrorCode::kProvider, fmt::format("embedder '{}' gave {} dimensions beside {}", name, made.dimensions, dimensions), "look at what the server serves under this name").with_kind("bad_embedding", false);
    }
    dimensions = made.dimensions;
    for (size_t i = 0; i < asked.size(); ++i) {
      const auto first = made.values.begin() + static_cast<std::ptrdiff_t>(i * dimensions);
      known.emplace(asked[i], std::vector<float>(first, first + static_cast<std::ptrdiff_t>(dimensions)));
    }
    return {};
  }

  Result<Vectors> rows(std::span<const std::string> reference, std::span<const std::string> current) {
    std::vector<std::string> missing;
    for (const auto& side : {reference, current}) for (const std::string& text : side) if (!known.contains(text)) missing.push_back(text);
    std::sort(missing.begin(), missing.end());
    missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
    LLMOPS_CHECK(learn(missing));
    Vectors made{{}, reference.size() + current.size(), dimensions};
    made.values.assign(made.rows * dimensions, 0.0F);
    size_t at = 0;
    for (const auto& side : {reference, current}) for (const std::string& text : side) {
      const std::vector<float>& row = known.find(text)->second;
      std::copy(row.begin(), row.end(), made.values.begin() + static_cast<std::ptrdiff_t>(at * dimensions));
      ++at;
    }
    centre(made);
    return made;
  }
};

Embedder::Embedder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Embedder::Embedder(Embedder&&) noexcept = default;
Embedder& Embedder::operator=(Embedder&&) noexcept = default;
Embedder::~Embedder() = default;

const std::string& Embedder::name() const { return state_->name; }
EmbedderKind Embedder::kind() const { return state_->kind; }

Result<Vectors> Embedder::dense(std::span<const std::string> reference, std::span<const std::string> current, size_t dimensions, uint64_t seed) {
  if (state_->cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
  if (state_->kind == EmbedderKind::kTfidf) return latent_text_vectors(reference, current, dimensions, seed);
  return state_->rows(reference, current);
}

std::string Embedder::describe(size_t dimensions) const {
  if (state_->kind == EmbedderKind::kTfidf) return fmt::format("tfidf, {} latent dimensions", dimensions);
  return fmt::format("{} {}, {} dimensions", embedder_kind_name(state_->kind), state_->name, dimensions);
}

Result<std::optional<ModelSpec>> addressed_model(const std::string& name) {
  const size_t at = std::min(name.find("@http://"), name.find("@https://"));
  if (at == std::string::npos) return std::optional<ModelSpec>();
  ModelSpec model;
  model.name = name;
  model.provider = ProviderKind::kOpenAi;
  model.model = name.substr(0, at);
  model.base_url = name.substr(at + 1);
  if (model.model.empty()) return Error(ErrorCode::kConfig, fmt::format("embedder '{}' names no model", name), "write MODEL@http://127.0.0.1:8080/v1");
  if (model.base_url.find('@') != std::string::npos) return Error(ErrorCode::kConfig, "the address of the embedder holds a user name or password", "declare a model in a chain, with api_key: ${env:NAME}, and give its name");
  LLMOPS_ASSIGN(const UrlParts parts, parse_url(model.base_url));
  if (parts.scheme == "https" && parts.host == "api.openai.com") model.api_key = SecretReference{"OPENAI_API_KEY", {}};
  model.identity = {{"provider", "openai"}, {"model", model.model}, {"base_url", model.base_url}};
  return std::optional<ModelSpec>(std::move(model));
}

namespace {

// As the chains declare it; nullopt: none does.
Result<std::optional<ModelSpec>> declared_model(const Session& session, const std::string& name, std::vector<std::string>& known) {
  LLMOPS_ASSIGN(DeclaredModels declared, declared_models(session, name));
  known = std::move(declared.names);
  if (declared.found.empty()) {
    if (declared.broken) return std::move(*declared.broken);
    return std::optional<ModelSpec>();
  }
  const auto& [first_chain, model] = declared.found.front();
  for (const auto& [chain, other] : declared.found) {
    if (!is_same_server(model, other)) return Error(ErrorCode::kUsage, fmt::format("'{}' is one model in '{}' and another in '{}'", name, first_chain, chain), "give one of them another name, or write MODEL@URL");
  }
  return std::optional<ModelSpec>(model);
}

}  // namespace

Result<Embedder> open_embedder(const Session& session, const std::string& name, const fs::path& base) {
  auto state = std::make_unique<Embedder::State>();
  state->name = name;
  state->cancel = session.surroundings().cancel;
  if (name == "tfidf") return Embedder(std::move(state));
  LLMOPS_ASSIGN(std::optional<ModelSpec> model, addressed_model(name));
  std::vector<std::string> known;
  if (!model) {
    const fs::path folder = base / name;
    const auto open_folder = [&]() -> Result<Embedder> {
      LLMOPS_ASSIGN(state->embeddings, StaticEmbeddings::open(folder, name));
      state->kind = EmbedderKind::kStatic;
      return Embedder(std::move(state));
    };
    if (holds_static_embeddings(folder)) return open_folder();
    auto declared = declared_model(session, name, known);
    std::error_code ignored;
    // A folder whose weights are missing is told as such.
    if ((!declared || !*declared) && fs::is_directory(folder, ignored)) return open_folder();
    if (!declared) return std::move(declared).error();
    model = std::move(*declared);
    if (!model) {
      known.insert(known.begin(), "tfidf");
      const std::string near = closest_name(name, known);
      return Error(ErrorCode::kNotFound, fmt::format("embedder '{}' does not exist", name), near.empty() ? "give tfidf, a folder of static embeddings, MODEL@URL, or a model that a chain declares" : fmt::format("did you mean '{}'?", near));
    }
    LLMOPS_CHECK(require_trust(session, trust_items(*model)));
  }
  LLMOPS_CHECK(require_trust(session, embedder_trust_items(session, *model)));
  state->kind = EmbedderKind::kEndpoint;
  LLMOPS_ASSIGN(state->network, make_network(session));
  LLMOPS_ASSIGN(state->endpoint, TextEmbedder::create(std::move(*model), state->network->context));
  return Embedder(std::move(state));
}

Result<Embedder> open_embedder(const Session& session, const std::string& name) {
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  if (name.empty() || name == config.embedder) return open_embedder(session, config.embedder, session.root());
  return open_embedder(session, name, session.surroundings().working_directory);
}

}  // namespace llmops
