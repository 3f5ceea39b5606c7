#include "commands/compress/inspect.h"

#include <algorithm>
#include <thread>

namespace llmops {
namespace {

void add_to(std::vector<TensorShare>& shares, std::string_view name, const ModelTensor& tensor) {
  auto found = std::find_if(shares.begin(), shares.end(), [&](const TensorShare& share) { return share.name == name; });
  if (found == shares.end()) found = shares.insert(shares.end(), TensorShare{std::string(name), 0, 0, 0});
  ++found->tensors;
  found->parameters += tensor.elements();
  found->bytes += tensor.size_bytes;
}

}  // namespace

std::vector<size_t> CompressInspectReport::odd_tensors() const {
  std::vector<size_t> odd;
  for (size_t i = 0; i < contents.size(); ++i) if (contents[i].nan.value_or(0) + contents[i].infinite.value_or(0) > 0) odd.push_back(i);
  return odd;
}

Result<CompressInspectReport> compress_inspect(const Session& session, const CompressInspectOptions& options) {
  const fs::path path = (session.surroundings().working_directory / options.model).lexically_normal();
  CompressInspectReport report;
  report.path = options.model;
  LLMOPS_ASSIGN(report.model, open_model(path, options.model));
  for (const ModelPart& part : report.model.parts) report.file_bytes += part.size_bytes;
  for (size_t role = 0; role < kTensorRoles; ++role) {
    for (const ModelTensor& tensor : report.model.tensors) if (static_cast<size_t>(tensor.role) == role) add_to(report.roles, tensor_role_name(tensor.role), tensor);
  }
  for (const ModelTensor& tensor : report.model.tensors) {
    report.parameters += tensor.elements();
    report.weight_bytes += tensor.size_bytes;
    add_to(report.types, tensor.type, tensor);
  }
  std::stable_sort(report.types.begin(), report.types.end(), [](const TensorShare& a, const TensorShare& b) { return a.bytes > b.bytes; });
  if (options.with_data) {
    LLMOPS_ASSIGN(report.contents, read_contents(report.model, std::max(1U, std::thread::hardware_concurrency()), session.surroundings().cancel));
  }
  return report;
}

}  // namespace llmops
