#include "cli/render/compress_json.h"

namespace llmops {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

template <class Number>
Json number_or_null(const std::optional<Number>& number) { return number ? Json(*number) : Json(); }

Json shares_to_json(const std::vector<TensorShare>& shares) {
  Json json = Json::array();
  for (const TensorShare& share : shares) json.push_back({{"name", share.name}, {"tensors", share.tensors}, {"parameters", share.parameters}, {"bytes", share.bytes}});
  return json;
}

}  // namespace

Json compress_inspect_to_json(const CompressInspectReport& report) {
  const Model& model = report.model;
  Json parts = Json::array(), tensors = Json::array();
  for (const ModelPart& part : model.parts) parts.push_back({{"file", part.shown_name}, {"bytes", part.size_bytes}});
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const ModelTensor& tensor = model.tensors[i];
    Json one = {{"name", tensor.name}, {"role", tensor_role_name(tensor.role)}, {"type", tensor.type}, {"shape", tensor.shape}, {"bytes", tensor.size_bytes}, {"offset", tensor.offset_bytes}, {"file", tensor.part}};
    if (!report.contents.empty()) {
      const TensorContent& content = report.contents[i];
      one["sha256"] = content.sha256;
      one["nan"] = number_or_null(content.nan);
      one["infinite"] = number_or_null(content.infinite);
    }
    tensors.push_back(std::move(one));
  }
  return {{"schema", "llmops.compress-inspect/v1"}, {"model", report.path}, {"format", model.format}, {"name", text_or_null(model.name)}, {"architecture", text_or_null(model.architecture)}, {"licence", text_or_null(model.licence)},
          {"parameters", report.parameters}, {"weight_bytes", report.weight_bytes}, {"bits_per_weight", report.bits_per_weight()}, {"layers", number_or_null(model.layers)}, {"context_length", number_or_null(model.context_length)},
          {"tokenizer", model.tokenizer.kind.empty() ? Json() : Json{{"kind", model.tokenizer.kind}, {"vocabulary", number_or_null(model.tokenizer.vocabulary)}, {"source", model.tokenizer.source}}},
          {"chat_template", text_or_null(model.chat_template)}, {"types", shares_to_json(report.types)}, {"roles", shares_to_json(report.roles)}, {"files", std::move(parts)}, {"tensors", std::move(tensors)}, {"metadata", model.metadata}, {"warnings", model.warnings}};
}

}  // namespace llmops
