// How a file of weights was made, as one document: what the command prints is what the store keeps.
#include "commands/compress/rewrite.h"

#include "core/store/store.h"

namespace llmops {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json error_or_null(const std::optional<TensorError>& error) { return error ? tensor_error_json(*error) : Json(); }

Json files_to_json(const std::vector<CompressWriteReport::File>& files) {
  Json json = Json::array();
  for (const CompressWriteReport::File& file : files) json.push_back({{"file", file.name}, {"bytes", file.bytes}, {"sha256", text_or_null(file.sha256)}});
  return json;
}

}  // namespace

Json tensor_error_json(const TensorError& error) {
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  return {{"largest", error.largest}, {"rms", error.rms}, {"relative_rms", number(error.relative_rms)}, {"cosine", number(error.cosine)}};
}

Json write_report_json(const CompressWriteReport& report) {
  Json tensors = Json::array();
  for (const TensorChange& tensor : report.tensors) {
    tensors.push_back({{"name", tensor.name}, {"source", text_or_null(tensor.source)}, {"from", text_or_null(tensor.from)}, {"to", tensor.to}, {"shape", tensor.shape}, {"parameters", tensor.parameters}, {"bytes_before", tensor.bytes_before},
        {"bytes_after", tensor.bytes_after}, {"note", text_or_null(tensor.note)}, {"past_range", tensor.past_range}, {"error", error_or_null(tensor.error)}});
  }
  return {{"schema", "llmops.compress-write/v1"}, {"command", report.command}, {"source", report.source}, {"output", report.output}, {"format", report.format}, {"type", text_or_null(report.type)}, {"dry_run", report.is_dry}, {"verified", report.is_verified},
          {"tool", "llmops " LLMOPS_VERSION}, {"options", report.options}, {"parameters", report.parameters}, {"bytes_before", report.bytes_before}, {"bytes_after", report.bytes_after}, {"bits_per_weight", report.bits_per_weight()}, {"output_bytes", report.output_bytes},
          {"error", error_or_null(report.error)}, {"sources", files_to_json(report.sources)}, {"outputs", files_to_json(report.outputs)}, {"tensors", std::move(tensors)}, {"warnings", report.warnings}};
}

Status keep_provenance(const Session& session, const CompressWriteReport& report) {
  std::error_code ignored;
  if (report.is_dry || !report.is_verified || !fs::exists(session.root() / ".llmops" / "format", ignored)) return {};
  LLMOPS_ASSIGN(Store * store, session.store(false));
  const std::string document = dump_json(write_report_json(report));
  std::vector<MadeFile> files;
  for (const CompressWriteReport::File& file : report.outputs) files.push_back({file.sha256, file.name, session.clock().unix_ms(), document});
  return store->put_made_files(files);
}

}  // namespace llmops
