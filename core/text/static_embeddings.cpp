// Everything that made the vectors good (principal components, weights by how frequent a token is) was done when they were distilled: what is left is a sum.
#include "core/text/static_embeddings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/fs.h"
#include "core/base/half.h"
#include "core/base/json.h"
#include "core/format/bounded_file.h"
#include "core/format/tensors.h"

namespace llmops {
namespace {

constexpr size_t kMostTokens = 512;
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kModuleFolder = "0_StaticEmbedding";   // of sentence-transformers

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

template <class Number>
Number number_at(const char* bytes) {
  Number value{};
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

using ReadValue = float (*)(const char*);
ReadValue reader_of(std::string_view type) {
  if (type == "F32") return [](const char* at) { return number_at<float>(at); };
  if (type == "F16") return [](const char* at) { return float_of_half(number_at<uint16_t>(at)); };
  if (type == "BF16") return [](const char* at) { return float_of_brain(number_at<uint16_t>(at)); };
  if (type == "F64") return [](const char* at) { return static_cast<float>(number_at<double>(at)); };
  if (type == "I8") return [](const char* at) { return static_cast<float>(number_at<int8_t>(at)); };
  return nullptr;
}

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text;
  for (const uint64_t size : shape) text += fmt::format("{}{}", text.empty() ? "" : " x ", size);
  return "[" + text + "]";
}

class WeightsFile {
 public:
  static Result<WeightsFile> open(const std::filesystem::path& path, const std::string& shown_name) {
    LLMOPS_ASSIGN(TensorFile header, read_safetensors_header(path, shown_name));
    LLMOPS_ASSIGN(BoundedFile file, BoundedFile::open(path, shown_name));
    return WeightsFile(std::move(header), std::move(file));
  }

  const TensorInfo* find(std::string_view name) const {
    const auto found = std::find_if(header_.tensors.begin(), header_.tensors.end(), [&](const TensorInfo& one) { return one.name == name; });
    return found == header_.tensors.end() ? nullptr : &*found;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const TensorInfo& one : header_.tensors) names.push_back(one.name);
    return names;
  }

  // Finite values alone.
  Result<std::vector<float>> values(const TensorInfo& tensor) const {
    const ReadValue read = reader_of(tensor.type);
    if (read == nullptr) return fault(fmt::format("has '{}' of type {}", tensor.name, tensor.type), "types that can be read: F64, F32, F16, BF16, I8");
    LLMOPS_ASSIGN(const std::string bytes, bytes_of(tensor));
    std::vector<float> values(tensor.elements());
    const size_t width = values.empty() ? 0 : bytes.size() / values.size();
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = read(bytes.data() + i * width);
      if (!std::isfinite(values[i])) return fault(fmt::format("has NaN or infinity in '{}', value {} of {}", tensor.name, i + 1, values.size()), "distil or download the model again");
    }
    return values;
  }

  // Each below `rows`.
  Result<std::vector<uint32_t>> indices(const TensorInfo& tensor, uint64_t rows) const {
    if (tensor.type != "I64" && tensor.type != "I32") return fault(fmt::format("has '{}' of type {}", tensor.name, tensor.type), "types of a mapping: I64, I32");
    LLMOPS_ASSIGN(const std::string bytes, bytes_of(tensor));
    std::vector<uint32_t> made(tensor.elements());
    for (size_t i = 0; i < made.size(); ++i) {
      const int64_t index = tensor.type == "I64" ? number_at<int64_t>(bytes.data() + i * 8) : number_at<int32_t>(bytes.data() + i * 4);
      if (index < 0 || static_cast<uint64_t>(index) >= rows) return fault(fmt::format("maps token {} to row {} of {}", i, index, rows));
      made[i] = static_cast<uint32_t>(index);
    }
    return made;
  }

  Error fault(const std::string& what, const std::string& hint = {}) const { return Error(ErrorCode::kData, fmt::format("'{}' {}", file_.shown_name(), what), hint); }

 private:
  WeightsFile(TensorFile header, BoundedFile file) : header_(std::move(header)), file_(std::move(file)) {}

  Result<std::string> bytes_of(const TensorInfo& tensor) const {
    std::string bytes(tensor.size_bytes, '\0');
    LLMOPS_CHECK(file_.read_at(bytes.data(), bytes.size(), tensor.offset_bytes));
    return bytes;
  }

  TensorFile header_;
  BoundedFile file_;
};

size_t characters_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The first `count` characters.
std::string_view first_characters(std::string_view text, size_t count) {
  if (text.size() <= count) return text;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (count == 0) break;
    --count;
  }
  return text.substr(0, at);
}

// Of tokens that exist; between two middle ones their mean, rounded down.
size_t median_length(const std::vector<std::string>& tokens) {
  std::vector<size_t> lengths;
  for (const std::string& token : tokens) if (!token.empty()) lengths.push_back(characters_of(token));
  if (lengths.empty()) return 0;
  std::sort(lengths.begin(), lengths.end());
  return (lengths[(lengths.size() - 1) / 2] + lengths[lengths.size() / 2]) / 2;
}

Result<Json> optional_json(const std::filesystem::path& path, const std::string& shown_name) {
  if (!is_file(path)) return Json(nullptr);
  LLMOPS_ASSIGN(const std::string bytes, read_file(path, uint64_t{1} << 20));
  return parse_json(bytes, shown_name);
}

// config.json has the word; without one there, a module of sentence-transformers that normalizes.
Result<bool> reads_normalize(const std::filesystem::path& folder, const std::string& shown_name) {
  const std::string config_name = shown_name + "/config.json";
  LLMOPS_ASSIGN(const Json config, optional_json(folder / "config.json", config_name));
  if (config.is_object() && config.contains("normalize") && !config["normalize"].is_null()) {
    if (!config["normalize"].is_boolean()) return Error(ErrorCode::kData, fmt::format("'{}' has 'normalize' that is neither true nor false", config_name));
    return config["normalize"].get<bool>();
  }
  LLMOPS_ASSIGN(const Json modules, optional_json(folder / "modules.json", shown_name + "/modules.json"));
  if (!modules.is_array()) return false;
  return std::any_of(modules.begin(), modules.end(), [](const Json& module) {
    return module.is_object() && module.contains("type") && module["type"].is_string() && module["type"].get_ref<const std::string&>().ends_with("Normalize");
  });
}

}  // namespace

bool holds_static_embeddings(const std::filesystem::path& folder) { return is_file(folder / kWeightsFile) || is_file(folder / kModuleFolder / kWeightsFile); }

Result<StaticEmbeddings> StaticEmbeddings::open(const std::filesystem::path& folder, const std::string& shown_name) {
  const bool is_nested = !is_file(folder / kWeightsFile) && is_file(folder / kModuleFolder / kWeightsFile);
  const std::filesystem::path inner = is_nested ? folder / kModuleFolder : folder;
  const std::string shown_inner = is_nested ? shown_name + "/" + kModuleFolder : shown_name;
  LLMOPS_ASSIGN(Vocabulary vocabulary, read_vocabulary(inner / "tokenizer.json", shown_inner + "/tokenizer.json"));
  const std::optional<int32_t> unknown = vocabulary.unknown_id;
  const size_t median = median_length(vocabulary.tokens), tokens = vocabulary.tokens.size();
  LLMOPS_ASSIGN(Tokenizer tokenizer, Tokenizer::make(std::move(vocabulary), shown_inner + "/tokenizer.json"));
  StaticEmbeddings made(std::move(tokenizer));
  made.unknown_id_ = unknown;
  made.median_token_length_ = median;
  LLMOPS_ASSIGN(made.is_normalizing_, reads_normalize(folder, shown_name));

  LLMOPS_ASSIGN(const WeightsFile file, WeightsFile::open(inner / kWeightsFile, shown_inner + "/" + kWeightsFile));
  const TensorInfo* rows = file.find("embeddings");
  if (rows == nullptr) rows = file.find("embedding.weight");
  if (rows == nullptr) {
    std::string names;
    for (const std::string& name : file.names()) names += (names.empty() ? "" : ", ") + name;
    return file.fault("has neither 'embeddings' nor 'embedding.weight'", names.empty() ? "" : "take a folder of static embeddings: this file holds " + (names.size() > 120 ? names.substr(0, 117) + "..." : names));
  }
  const TensorInfo *mapping = file.find("mapping"), *weights = file.find("weights");
  if (rows->shape.size() != 2 || rows->shape[0] == 0 || rows->shape[1] == 0) return file.fault(fmt::format("has '{}' of shape {}, which is not tokens x dimensions", rows->name, shape_text(rows->shape)));
  if (mapping == nullptr && rows->shape[0] != tokens) return file.fault(fmt::format("has {} rows in '{}', and the tokenizer {} tokens", rows->shape[0], rows->name, tokens), "take both files from one model");
  for (const TensorInfo* one : {mapping, weights}) {
    if (one != nullptr && (one->shape.size() != 1 || one->shape[0] != tokens)) return file.fault(fmt::format("has '{}' of shape {}, and the tokenizer {} tokens", one->name, shape_text(one->shape), tokens), "take both files from one model");
  }
  LLMOPS_ASSIGN(made.rows_, file.values(*rows));
  made.dimensions_ = rows->shape[1];
  if (weights != nullptr) {
    LLMOPS_ASSIGN(made.weights_, file.values(*weights));
  }
  if (mapping != nullptr) {
    LLMOPS_ASSIGN(made.mapping_, file.indices(*mapping, rows->shape[0]));
  }
  return made;
}

std::vector<float> StaticEmbeddings::embed(std::string_view text) const {
  std::vector<int32_t> ids = tokenizer_.encode(first_characters(text, kMostTokens * median_token_length_));
  if (unknown_id_) std::erase(ids, *unknown_id_);
  if (ids.size() > kMostTokens) ids.resize(kMostTokens);
  std::vector<float> vector(dimensions_, 0.0F);
  if (ids.empty()) return vector;
  std::vector<double> sums(dimensions_, 0.0);
  for (const int32_t id : ids) {
    const auto token = static_cast<size_t>(id);
    const double weight = weights_.empty() ? 1.0 : static_cast<double>(weights_[token]);
    const float* row = rows_.data() + (mapping_.empty() ? token : mapping_[token]) * dimensions_;
    for (size_t d = 0; d < dimensions_; ++d) sums[d] += weight * static_cast<double>(row[d]);
  }
  double square = 0;
  for (double& sum : sums) {
    sum /= static_cast<double>(ids.size());
    square += sum * sum;
  }
  const double scale = is_normalizing_ ? 1 / (std::sqrt(square) + 1e-32) : 1.0;
  for (size_t d = 0; d < dimensions_; ++d) vector[d] = static_cast<float>(sums[d] * scale);
  return vector;
}

}  // namespace llmops
