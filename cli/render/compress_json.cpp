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

Json compress_prune_to_json(const CompressPruneReport& report) {
  Json pruned = Json::array();
  for (const PrunedTensor& tensor : report.tensors) {
    pruned.push_back({{"name", tensor.name}, {"weights", tensor.weights}, {"zeros_before", tensor.zeros_before}, {"zeros_after", tensor.zeros_after}, {"removed_squares", tensor.removed_squares}, {"loss", tensor.loss}});
  }
  const auto change = [](uint64_t before, uint64_t after) { return before == 0 ? Json() : Json{{"before", before}, {"after", after}}; };
  Json json = write_report_json(report.written);
  json["schema"] = "llmops.compress-prune/v1";
  json["method"] = report.method;
  json["sparsity_after"] = report.tensors.empty() ? Json() : Json(report.sparsity_after());
  json["pruned"] = std::move(pruned);
  json["dropped_layers"] = report.dropped_layers;
  json["layers"] = change(report.layers_before, report.layers_after);
  json["heads"] = change(report.heads_before, report.heads_after);
  json["key_heads"] = change(report.key_heads_before, report.key_heads_after);
  json["feed_forward"] = change(report.ffn_before, report.ffn_after);
  json["importance_source"] = text_or_null(report.importance_source);
  return json;
}

Json compress_plan_to_json(const CompressPlanReport& report) {
  const auto points = [](const std::vector<PlanPoint>& all) {
    Json json = Json::array();
    for (const PlanPoint& point : all) json.push_back({{"name", text_or_null(point.name)}, {"bytes", point.bytes}, {"error", point.error}, {"relative_rms", point.relative_rms}});
    return json;
  };
  Json tensors = Json::array();
  for (const PlannedTensor& tensor : report.tensors) {
    Json options = Json::array();
    for (const PlannedTensor::Option& option : tensor.options) options.push_back({{"type", option.type}, {"bytes", option.bytes}, {"error", option.error}});
    tensors.push_back({{"name", tensor.name}, {"from", text_or_null(tensor.source_type)}, {"type", tensor.type}, {"shape", tensor.shape}, {"parameters", tensor.parameters}, {"bytes", tensor.bytes}, {"error", tensor.error}, {"fixed", tensor.is_fixed}, {"options", std::move(options)}});
  }
  return {{"schema", "llmops.compress-plan/v1"}, {"source", report.source}, {"budget_bytes", report.budget_bytes}, {"file_bytes", report.file_bytes}, {"fixed_bytes", report.fixed_bytes}, {"parameters", report.parameters}, {"bits_per_weight", report.bits_per_weight()},
          {"error", report.error}, {"relative_rms", report.relative_rms}, {"lower_bound", report.lower_bound}, {"gap", report.gap()}, {"exact", report.is_exact}, {"weighted", report.is_weighted}, {"common_weight", number_or_null(report.common_weight)}, {"from_cache", report.from_cache},
          {"front", points(report.front)}, {"mixes", points(report.mixes)}, {"tensors", std::move(tensors)}, {"warnings", report.warnings}, {"applied", report.applied ? write_report_json(*report.applied) : Json()}};
}

Json compress_compare_to_json(const CompressCompareReport& report) {
  Json tensors = Json::array(), shapes = Json::array(), keys = Json::array();
  for (const TensorComparison& tensor : report.tensors) {
    tensors.push_back({{"name", tensor.name}, {"left_type", tensor.left_type}, {"right_type", tensor.right_type}, {"shape", tensor.shape}, {"left_bytes", tensor.left_bytes}, {"right_bytes", tensor.right_bytes}, {"error", tensor_error_json(tensor.error)}});
  }
  for (const ShapeDifference& shape : report.shapes) shapes.push_back({{"name", shape.name}, {"left", shape.left}, {"right", shape.right}});
  for (const KeyDifference& key : report.keys) keys.push_back({{"key", key.key}, {"left", key.left}, {"right", key.right}});
  return {{"schema", "llmops.compress-compare/v1"}, {"left", report.left}, {"right", report.right}, {"left_format", report.left_format}, {"right_format", report.right_format}, {"same", report.is_same()}, {"parameters", report.parameters},
          {"left_bytes", report.left_bytes}, {"right_bytes", report.right_bytes}, {"error", tensor_error_json(report.error)}, {"odd", report.odd}, {"tensors", std::move(tensors)}, {"only_left", report.only_left}, {"only_right", report.only_right}, {"shapes", std::move(shapes)}, {"keys", std::move(keys)}};
}

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
