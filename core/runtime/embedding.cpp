// Embeddings cost a call each time they are asked for and never change, so they are kept by content, text by text.
#include "core/runtime/embedding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <map>

#include "core/base/base64.h"
#include "core/base/hash.h"

namespace llmops {
namespace {

constexpr size_t kTextsPerCall = 64;

Error bad_embedding(const ModelSpec& model, std::string why) {
  return Error(ErrorCode::kProvider, fmt::format("model '{}' gave embeddings that cannot be used: {}", model.name, why), "look at what the server serves under this name").with_kind("bad_embedding", false);
}

std::string cache_key(const PreparedModel& model, const std::string& text, Json& parts) {
  parts = {{"provider", model.identity.provider}, {"base_url", model.identity.base_url}, {"model", model.spec->model}, {"params", sha256_hex(dump_json(model.spec->params)).substr(0, 16)}, {"embedding_of", sha256_hex(text)}};
  return response_key(parts);
}

std::string to_text(const std::vector<float>& vector) {
  std::string bytes(vector.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), vector.data(), bytes.size());
  return dump_json(Json{{"float32", base64_encode(bytes)}});
}

std::optional<std::vector<float>> from_text(const std::string& reply) {
  auto document = parse_json(reply, "response cache");
  if (!document || !document->is_object() || !document->contains("float32") || !(*document)["float32"].is_string()) return std::nullopt;
  const auto bytes = base64_decode((*document)["float32"].get_ref<const std::string&>());
  if (!bytes || bytes->empty() || bytes->size() % sizeof(float) != 0) return std::nullopt;
  std::vector<float> vector(bytes->size() / sizeof(float));
  std::memcpy(vector.data(), bytes->data(), bytes->size());
  return vector;
}

void make_unit(std::vector<float>& vector) {
  double sum = 0;
  for (const float x : vector) sum += static_cast<double>(x) * x;
  if (sum <= 0) return;
  const float scale = static_cast<float>(1 / std::sqrt(sum));
  for (float& x : vector) x *= scale;
}

std::optional<double> embedding_cost(const ModelSpec& model, const TokenUsage& usage) {
  if (!model.price || !usage.input_tokens) return std::nullopt;
  return static_cast<double>(*usage.input_tokens) * model.price->input_usd_per_mtok * 1e-6;
}

void add_use(const EmbedReply& reply, size_t texts, EmbeddingUse& use) {
  if (use.asked == 0) use.usage.input_tokens = reply.usage.input_tokens;
  else if (use.usage.input_tokens && reply.usage.input_tokens) *use.usage.input_tokens += *reply.usage.input_tokens;
  else use.usage.input_tokens.reset();
  use.asked += texts;
  use.latency_ms += reply.latency_ms;
  use.retries += reply.retries;
}

}  // namespace

Result<EmbeddingMatrix> embed_texts(const PreparedModel& model, const RuntimeContext& context, const std::vector<std::string>& texts, EmbeddingUse* use, const CancelToken& cancel) {
  std::vector<std::vector<float>> vectors(texts.size());
  std::map<std::string, std::vector<size_t>> missing;   // text -> where it stands
  for (size_t i = 0; i < texts.size(); ++i) {
    Json parts;
    if (context.store != nullptr && context.cache == CacheUse::kReadAndWrite) {
      if (auto found = context.store->find_response(cache_key(model, texts[i], parts)); found && *found) {
        if (auto vector = from_text((*found)->reply)) vectors[i] = std::move(*vector);
      }
    }
    if (vectors[i].empty()) missing[texts[i]].push_back(i);
  }
  std::vector<std::string> batch;
  const auto ask = [&]() -> Status {
    if (batch.empty()) return {};
    LLMOPS_ASSIGN(EmbedReply reply, model.provider->embed(model.spec->model, batch, cancel));
    if (reply.vectors.size() != batch.size()) return bad_embedding(*model.spec, fmt::format("{} for {} texts", reply.vectors.size(), batch.size()));
    if (use != nullptr) add_use(reply, batch.size(), *use);
    TokenUsage usage = reply.usage;
    usage.output_tokens = 0;
    LLMOPS_CHECK(charge_budget(context, *model.spec, usage, embedding_cost(*model.spec, usage)));
    for (size_t k = 0; k < batch.size(); ++k) {
      if (!std::all_of(reply.vectors[k].begin(), reply.vectors[k].end(), [](float x) { return std::isfinite(x); })) return bad_embedding(*model.spec, "a value past every float");
      make_unit(reply.vectors[k]);
      if (context.store != nullptr && context.cache != CacheUse::kOff) {
        Json parts;
        const std::string key = cache_key(model, batch[k], parts);
        LLMOPS_CHECK(context.store->put_response({key, dump_json(parts), to_text(reply.vectors[k]), context.clock->unix_ms()}));
      }
      for (const size_t i : missing.at(batch[k])) vectors[i] = reply.vectors[k];
    }
    batch.clear();
    return {};
  };
  for (const auto& [text, places] : missing) {
    batch.push_back(text);
    if (batch.size() == kTextsPerCall) LLMOPS_CHECK(ask());
  }
  LLMOPS_CHECK(ask());
  EmbeddingMatrix matrix;
  matrix.rows = vectors.size();
  matrix.dimensions = vectors.empty() ? 0 : vectors[0].size();
  for (const auto& vector : vectors) {
    if (vector.size() != matrix.dimensions || vector.empty()) return bad_embedding(*model.spec, fmt::format("{} dimensions beside {}", vector.size(), matrix.dimensions));
    matrix.values.insert(matrix.values.end(), vector.begin(), vector.end());
  }
  return matrix;
}

std::vector<Ranked> rank_by_cosine(const EmbeddingMatrix& matrix, std::span<const float> query) {
  std::vector<Ranked> ranked;
  ranked.reserve(matrix.rows);
  for (size_t i = 0; i < matrix.rows; ++i) {
    double sum = 0;
    const auto row = matrix.row(i);
    for (size_t d = 0; d < std::min(row.size(), query.size()); ++d) sum += static_cast<double>(row[d]) * query[d];
    ranked.push_back({i, sum});
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  return ranked;
}

std::vector<Ranked> fuse_ranks(const std::vector<std::vector<Ranked>>& rankings, const std::vector<double>& weights) {
  constexpr double kConstant = 60;
  std::map<size_t, double> scores;
  for (size_t list = 0; list < rankings.size(); ++list) {
    for (size_t rank = 0; rank < rankings[list].size(); ++rank) scores[rankings[list][rank].index] += weights[list] / (kConstant + static_cast<double>(rank + 1));
  }
  std::vector<Ranked> fused;
  for (const auto& [index, score] : scores) fused.push_back({index, score});
  std::stable_sort(fused.begin(), fused.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  return fused;
}

Result<std::vector<size_t>> rank_examples(const PreparedChain& prepared, const FewShotExamples& shots, const FewShotSpec& spec, const std::string& query, const CancelToken& cancel) {
  std::vector<size_t> order;
  std::vector<bool> seen(shots.examples.size());
  const auto take = [&](size_t index) {
    if (!seen[index]) order.push_back(index);
    seen[index] = true;
  };
  if (spec.embedder.empty()) {
    for (const Bm25Hit& hit : shots.index->search(query, shots.examples.size())) take(hit.passage);
  } else {
    const PreparedModel& model = prepared.models.at(spec.embedder);
    LLMOPS_ASSIGN(const EmbeddingMatrix asked, embed_texts(model, prepared.context, {query}, nullptr, cancel));
    for (const Ranked& one : rank_by_cosine(*shots.embeddings, asked.row(0))) take(one.index);
  }
  for (size_t i = 0; i < seen.size(); ++i) take(i);
  return order;
}

}  // namespace llmops
