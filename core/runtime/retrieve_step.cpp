// The body of a retrieve step: BM25, embeddings, or both with their ranks fused.
#include <fmt/format.h>

#include "core/runtime/embedding.h"

namespace llmops {
namespace {

Result<std::vector<Ranked>> rank_passages(PreparedChain& prepared, const PreparedRetrieval& retrieval, const RetrieveStep& body, const std::string& query, SpanRecord& span, const CancelToken& cancel) {
  const size_t top_k = static_cast<size_t>(body.top_k);
  const bool uses_words = body.method != RetrievalMethod::kEmbedding;
  std::vector<Ranked> by_words, by_vectors;
  if (uses_words) {
    const size_t wanted = body.method == RetrievalMethod::kHybrid ? retrieval.passages.size() : top_k;
    for (const Bm25Hit& hit : retrieval.index->search(query, wanted)) by_words.push_back({hit.passage, hit.score});
  }
  if (body.method == RetrievalMethod::kBm25) return by_words;
  const PreparedModel& model = prepared.models.at(body.embedder);
  EmbeddingUse use;
  LLMOPS_ASSIGN(const EmbeddingMatrix asked, embed_texts(model, prepared.context, {query}, &use, cancel));
  span.model_asked = model.spec->model;
  if (use.asked > 0) {
    span.input_tokens = use.usage.input_tokens;
    span.retries = use.retries;
    if (model.spec->price && use.usage.input_tokens) span.cost_usd = static_cast<double>(*use.usage.input_tokens) * model.spec->price->input_usd_per_mtok * 1e-6;
  }
  if (retrieval.embeddings->dimensions != asked.dimensions && retrieval.embeddings->rows > 0) return Error(ErrorCode::kProvider, fmt::format("model '{}' gave {} dimensions for the query and {} for the documents", model.spec->name, asked.dimensions, retrieval.embeddings->dimensions), "clear the cache: llmops eval cache clear --yes").with_kind("bad_embedding", false);
  by_vectors = rank_by_cosine(*retrieval.embeddings, asked.row(0));
  if (body.method == RetrievalMethod::kEmbedding) return by_vectors;
  return fuse_ranks({by_words, by_vectors}, {body.weights[0], body.weights[1]});
}

}  // namespace

void run_retrieve_step(PreparedChain& prepared, const StepCall& call, const RetrieveStep& body, StepOutcome& outcome, const CancelToken& cancel) {
  auto query = body.query->render(call.scope);
  if (!query) {
    outcome.error = std::move(query).error();
    return;
  }
  const PreparedRetrieval& retrieval = prepared.retrievals.at(call.step->id);
  auto ranked = rank_passages(prepared, retrieval, body, *query, outcome.spans[0], cancel);
  if (!ranked) {
    outcome.error = std::move(ranked).error();
    return;
  }
  Json found = Json::array();
  for (const Ranked& one : *ranked) {
    if (found.size() == static_cast<size_t>(body.top_k)) break;
    const Passage& passage = retrieval.passages[one.index];
    found.push_back({{"id", passage.id}, {"text", passage.text}, {"score", one.score}, {"source", passage.source}});
  }
  outcome.spans[0].name = fmt::format("{} of {} documents", found.size(), retrieval.passages.size());
  outcome.output = std::move(found);
}

}  // namespace llmops
