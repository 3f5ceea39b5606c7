#include "core/runtime/text_embedder.h"

#include <fmt/format.h>

#include "core/runtime/embedding.h"

namespace llmops {

struct TextEmbedder::State {
  ModelSpec spec;
  Chain chain;             // of no steps: an endpoint needs none of its files
  RuntimeContext context;
  PreparedModel model;
};

TextEmbedder::TextEmbedder(std::unique_ptr<State> state) : state_(std::move(state)) {}
TextEmbedder::~TextEmbedder() = default;

Result<std::unique_ptr<TextEmbedder>> TextEmbedder::create(ModelSpec model, const RuntimeContext& context) {
  if (model.provider != ProviderKind::kOpenAi) return Error(ErrorCode::kUsage, fmt::format("model '{}' gives no embeddings", model.name), "use a model with provider openai").at(model.place);
  auto state = std::make_unique<State>();
  state->spec = std::move(model);
  state->context = context;
  LLMOPS_ASSIGN(state->model, prepare_model(state->chain, state->spec, state->context));
  return std::unique_ptr<TextEmbedder>(new TextEmbedder(std::move(state)));
}

Result<EmbeddedTexts> TextEmbedder::embed(const std::vector<std::string>& texts, const CancelToken& cancel) const {
  EmbeddingUse use;
  LLMOPS_ASSIGN(EmbeddingMatrix matrix, embed_texts(state_->model, state_->context, texts, &use, cancel));
  return EmbeddedTexts{std::move(matrix.values), matrix.dimensions, use.asked};
}

}  // namespace llmops
