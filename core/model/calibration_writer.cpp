// Writers of calibration: llama.cpp's two forms, and ours.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/format/weight_writer.h"
#include "core/model/calibration.h"
#include "core/model/calibration_format.h"

namespace llmops {
namespace {

template <class Number>
std::string raw(Number value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }
template <class Number>
std::string_view raw_of(const std::vector<Number>& values) { return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)}; }

constexpr auto kMostInt = static_cast<uint64_t>(std::numeric_limits<int32_t>::max());

// Means times calls; where a matrix saw no token, 1 times calls.
std::string dat_entry(const CalibrationEntry& entry, int32_t calls) {
  std::vector<float> values(entry.sums.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double count = entry.counts[i / entry.inputs()];
    values[i] = count == 0 ? static_cast<float>(calls) : static_cast<float>(double{entry.sums[i]} / count * calls);
  }
  return raw(static_cast<int32_t>(entry.name.size())) + entry.name + raw(calls) + raw(static_cast<int32_t>(values.size())).append(raw_of(values));
}

TensorInfo tensor(std::string name, const char* type, std::vector<uint64_t> shape) {
  TensorInfo made;
  made.name = std::move(name);
  made.type = type;
  made.shape = std::move(shape);
  return made;
}

uint64_t end_of(std::string_view header, const std::vector<TensorInfo>& tensors) {
  uint64_t end = header.size();
  for (const TensorInfo& one : tensors) end = std::max(end, one.offset_bytes + one.size_bytes);
  return end;
}

std::string ended(const std::string& name, std::string_view ending) { return name + std::string(ending); }

// What our file holds, tensor by tensor, in the order in which it is written.
class OwnWriter {
 public:
  OwnWriter(const Calibration& calibration, const HessianSource& hessians) : calibration_(calibration), hessians_(hessians) {}

  Status write(const std::filesystem::path& path) {
    for (const CalibrationEntry& entry : calibration_.entries) LLMOPS_CHECK(list(entry));
    if (!calibration_.block_influence.empty()) tensors_.push_back(tensor(std::string(kBlockInfluence), "F32", {calibration_.block_influence.size()}));
    list(kHeadImportance, calibration_.head_importance);
    list(kFfnImportance, calibration_.ffn_importance);
    const std::map<std::string, std::string> metadata = {{"format", std::string(kOwnFormat)}, {"datasets", dump_json(Json(calibration_.datasets))}, {"tokens", std::to_string(calibration_.tokens)}};
    LLMOPS_ASSIGN(const std::string header, safetensors_header(metadata, tensors_));
    LLMOPS_ASSIGN(WeightWriter writer, WeightWriter::create(path, header, end_of(header, tensors_)));
    for (const CalibrationEntry& entry : calibration_.entries) LLMOPS_CHECK(write_entry(writer, entry));
    if (!calibration_.block_influence.empty()) LLMOPS_CHECK(put(writer, raw_of(calibration_.block_influence)));
    for (const LayerImportance* importance : {&calibration_.head_importance, &calibration_.ffn_importance}) {
      if (!importance->values.empty()) LLMOPS_CHECK(put(writer, raw_of(importance->values)));
    }
    return writer.finish(true, true);
  }

 private:
  Status list(const CalibrationEntry& entry) {
    const uint64_t matrices = entry.matrices(), inputs = entry.inputs();
    tensors_.push_back(tensor(ended(entry.name, kSumsEnding), "F32", matrices == 1 ? std::vector{inputs} : std::vector{matrices, inputs}));
    tensors_.push_back(tensor(ended(entry.name, kCountEnding), "U64", {matrices}));
    if (!entry.has_hessian) return {};
    if (matrices != 1 || !hessians_) return Error(ErrorCode::kData, fmt::format("no Hessian of '{}' can be written: {}", entry.name, matrices != 1 ? "it is a stack of experts" : "none was given"));
    tensors_.push_back(tensor(ended(entry.name, kHessianEnding), "F32", {inputs, inputs}));
    return {};
  }
  void list(std::string_view name, const LayerImportance& importance) {
    if (!importance.values.empty()) tensors_.push_back(tensor(std::string(name), "F32", {importance.layers, importance.parts}));
  }

  Status write_entry(const WeightWriter& writer, const CalibrationEntry& entry) {
    std::vector<uint64_t> counts;
    // A count below a half stays a count: zero would mean that there is no data.
    for (const double count : entry.counts) counts.push_back(count == 0 ? 0 : std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(std::min(count, static_cast<double>(kMostTokens))))));
    LLMOPS_CHECK(put(writer, raw_of(entry.sums)));
    LLMOPS_CHECK(put(writer, raw_of(counts)));
    if (!entry.has_hessian) return {};
    LLMOPS_ASSIGN(const std::vector<float> values, hessians_(entry));
    if (values.size() != entry.inputs() * entry.inputs()) return Error(ErrorCode::kData, fmt::format("the Hessian of '{}' has {} values, and {} inputs need {}", entry.name, values.size(), entry.inputs(), entry.inputs() * entry.inputs()));
    return put(writer, raw_of(values));
  }
  // The next tensor of the list.
  Status put(const WeightWriter& writer, std::string_view bytes) {
    const TensorInfo& next = tensors_[next_++];
    if (bytes.size() != next.size_bytes) return Error(ErrorCode::kData, fmt::format("'{}' has {} bytes, and its shape makes {}", next.name, bytes.size(), next.size_bytes));
    return writer.write_at(bytes, next.offset_bytes);
  }

  const Calibration& calibration_;
  const HessianSource& hessians_;
  std::vector<TensorInfo> tensors_;
  size_t next_ = 0;
};

}  // namespace

Status write_imatrix_dat(const std::filesystem::path& path, const Calibration& calibration) {
  if (calibration.entries.size() > kMostInt) return Error(ErrorCode::kData, "more entries than an imatrix.dat can hold");
  std::string bytes = raw(static_cast<int32_t>(calibration.entries.size()));
  const auto chunk = static_cast<double>(std::max<uint64_t>(calibration.chunk_size, 1));
  double most_calls = 0;
  for (const CalibrationEntry& entry : calibration.entries) {
    const double calls = std::ceil(*std::max_element(entry.counts.begin(), entry.counts.end()) / chunk);
    if (calls > static_cast<double>(kMostInt) || entry.sums.size() > kMostInt || entry.name.size() > kMostTextBytes) return Error(ErrorCode::kData, fmt::format("'{}' is too large for an imatrix.dat", entry.name));
    most_calls = std::max(most_calls, calls);
    bytes += dat_entry(entry, static_cast<int32_t>(calls));
  }
  const uint64_t chunks = calibration.chunk_count != 0 ? calibration.chunk_count : static_cast<uint64_t>(most_calls);
  const std::string dataset = calibration.datasets.empty() ? "" : calibration.datasets.back();
  if (dataset.size() > kMostTextBytes) return Error(ErrorCode::kData, "the name of the dataset is too long for an imatrix.dat");
  bytes += raw(static_cast<int32_t>(std::min(chunks, kMostInt))) + raw(static_cast<int32_t>(dataset.size())) + dataset;
  return write_file_atomic(path, bytes);
}

Status write_imatrix_gguf(const std::filesystem::path& path, const Calibration& calibration) {
  const auto u32 = [](uint64_t value) { return static_cast<uint32_t>(std::min<uint64_t>(value, std::numeric_limits<uint32_t>::max())); };
  const std::vector<GgufEntry> keys = {gguf_text("general.type", "imatrix"), gguf_texts("imatrix.datasets", calibration.datasets), gguf_u32("imatrix.chunk_count", u32(calibration.chunk_count)), gguf_u32("imatrix.chunk_size", u32(calibration.chunk_size))};
  std::vector<TensorInfo> tensors;
  for (const CalibrationEntry& entry : calibration.entries) {
    tensors.push_back(tensor(ended(entry.name, kSumsEnding), "F32", {entry.matrices(), entry.inputs()}));
    tensors.push_back(tensor(ended(entry.name, kImatrixCountsEnding), "F32", {entry.matrices(), 1}));
  }
  LLMOPS_ASSIGN(const std::string header, gguf_header(keys, tensors));
  LLMOPS_ASSIGN(WeightWriter writer, WeightWriter::create(path, header, end_of(header, tensors)));
  for (size_t i = 0; i < calibration.entries.size(); ++i) {
    const CalibrationEntry& entry = calibration.entries[i];
    const std::vector<float> counts(entry.counts.begin(), entry.counts.end());
    LLMOPS_CHECK(writer.write_at(raw_of(entry.sums), tensors[2 * i].offset_bytes));
    LLMOPS_CHECK(writer.write_at(raw_of(counts), tensors[2 * i + 1].offset_bytes));
  }
  return writer.finish(true, true);
}

Status write_calibration(const std::filesystem::path& path, const Calibration& calibration, const HessianSource& hessians) { return OwnWriter(calibration, hessians).write(path); }

}  // namespace llmops
