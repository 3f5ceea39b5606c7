// PEFT's adapter_config.json (https://huggingface.co/docs/peft/developer_guides/checkpoint): base_model_name_or_path, r; its
// lora_A weights have the shape [r, in], lora_B [out, r].
#include "core/data/model_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/format/tensors.h"

namespace llmops {
namespace {

constexpr uint64_t kMostJsonBytes = 64 << 20;
constexpr const char* kConfig = "config.json";
constexpr const char* kAdapterConfig = "adapter_config.json";

std::string base_name(const std::string& shown) { return std::filesystem::path(shown).filename().string(); }

WeightStatistics statistics_of(const TensorFile& file, std::string format) {
  WeightStatistics made;
  made.format = std::move(format);
  made.tensors = std::ssize(file.tensors);
  std::map<std::string, TypeShare> types;
  for (const TensorInfo& tensor : file.tensors) {
    made.parameters += tensor.elements();
    TypeShare& share = types[tensor.type];
    share.type = tensor.type;
    ++share.tensors;
    share.bytes += tensor.size_bytes;
  }
  for (auto& [name, share] : types) made.types.push_back(std::move(share));
  std::stable_sort(made.types.begin(), made.types.end(), [](const TypeShare& a, const TypeShare& b) { return a.bytes > b.bytes; });
  if (const auto architecture = file.metadata.find("general.architecture"); architecture != file.metadata.end() && architecture->is_string()) made.architecture = *architecture;
  return made;
}

class ModelCheck {
 public:
  ModelCheck(ModelFilesKind kind, const std::vector<ModelFile>& files, const std::string& base) : kind_(kind), files_(files), base_(base), reports_(files.size()) {}

  Result<std::vector<ModelFileReport>> run() {
    for (size_t i = 0; i < files_.size(); ++i) {
      reports_[i].file = files_[i].shown_name;
      names_.insert(base_name(files_[i].shown_name));
      std::error_code failed;
      reports_[i].bytes = std::filesystem::file_size(files_[i].path, failed);
      if (failed) return Error(ErrorCode::kIo, fmt::format("cannot read '{}': {}", files_[i].shown_name, failed.message()));
      LLMOPS_CHECK(read(i));
    }
    if (files_.empty()) return std::move(reports_);
    check_whole();
    for (const auto& [index, json] : indexes_) check_index(index, json);
    if (adapter_config_) check_adapter();
    for (ModelFileReport& one : reports_) one.report.statistics.bytes = one.bytes;
    return std::move(reports_);
  }

 private:
  void report(size_t file, ProblemCode code, std::string message) { add_problem(reports_[file].report, {code, 0, 0, 0, std::move(message)}); }

  Status read(size_t i) {
    const std::string name = base_name(files_[i].shown_name);
    const std::string ending = std::filesystem::path(name).extension().string();
    if (ending == ".safetensors" || ending == ".gguf") return read_weights(i, ending);
    if (ending == ".bin" || ending == ".pt" || ending == ".pth" || ending == ".pkl" || ending == ".ckpt") {
      has_weights_ = true;
      report(i, ProblemCode::kUnsafeFile, "the file may be a pickle, which runs code when it is loaded: prefer safetensors");
    }
    if (ending == ".json") return read_json(i, name);
    return {};
  }

  Status read_weights(size_t i, const std::string& ending) {
    has_weights_ = true;
    is_gguf_ = is_gguf_ || ending == ".gguf";
    auto header = ending == ".gguf" ? read_gguf_header(files_[i].path, files_[i].shown_name) : read_safetensors_header(files_[i].path, files_[i].shown_name);
    if (!header && header.error().code != ErrorCode::kData && header.error().code != ErrorCode::kConfig) return std::move(header).error();
    if (!header) {
      report(i, ProblemCode::kBadWeights, header.error().message);
      return {};
    }
    reports_[i].weights = statistics_of(*header, ending.substr(1));
    headers_.emplace_back(i, *std::move(header));
    return {};
  }

  Status read_json(size_t i, const std::string& name) {
    const bool is_index = name.ends_with(".index.json");
    if (name != kConfig && name != kAdapterConfig && !is_index) return {};
    LLMOPS_ASSIGN(const std::string text, read_file(files_[i].path, kMostJsonBytes));
    auto json = parse_json(text, files_[i].shown_name);
    if (!json || !json->is_object()) {
      report(i, ProblemCode::kBadWeights, json ? fmt::format("'{}' holds no JSON object", files_[i].shown_name) : json.error().message);
      return {};
    }
    if (is_index) indexes_.emplace_back(i, *std::move(json));
    else if (name == kAdapterConfig) adapter_config_.emplace(i, *std::move(json));
    return {};
  }

  // Files that a loader asks for. A GGUF file holds them all.
  void check_whole() {
    if (!has_weights_) return report(0, ProblemCode::kMissingPart, "the asset holds no weights (.safetensors or .gguf)");
    if (is_gguf_) return;
    const char* config = kind_ == ModelFilesKind::kAdapter ? kAdapterConfig : kConfig;
    if (!names_.contains(config)) report(0, ProblemCode::kMissingPart, fmt::format("the asset has no {}", config));
    const auto holds_any = [&](std::initializer_list<const char*> wanted) { return std::any_of(wanted.begin(), wanted.end(), [&](const char* name) { return names_.contains(name); }); };
    if (kind_ != ModelFilesKind::kAdapter && !holds_any({"tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "tiktoken.model"})) {
      report(0, ProblemCode::kMissingPart, "the asset has no tokenizer (tokenizer.json, tokenizer.model, vocab.txt or vocab.json)");
    }
  }

  // Every tensor of the index in the shard that it names, and no other.
  void check_index(size_t index, const Json& json) {
    const auto map = json.find("weight_map");
    if (map == json.end() || !map->is_object()) return report(index, ProblemCode::kBadWeights, "the index has no 'weight_map'");
    std::map<std::string, std::set<std::string>> held;
    for (const auto& [i, header] : headers_) for (const TensorInfo& tensor : header.tensors) held[base_name(files_[i].shown_name)].insert(tensor.name);
    std::set<std::string> missing_shards;
    int64_t mapped = 0, lost = 0;
    std::string first_lost;
    for (const auto& [tensor, shard] : map->items()) {
      const std::string name = shard.is_string() ? shard.get<std::string>() : "";
      if (!names_.contains(name)) missing_shards.insert(name);
      else if (const auto in = held.find(name); in != held.end() && in->second.contains(tensor)) ++mapped;
      else if (in != held.end() && lost++ == 0) first_lost = fmt::format("'{}' is not in {}", tensor, name);
    }
    for (const std::string& shard : missing_shards) report(index, ProblemCode::kMissingPart, fmt::format("the index names '{}', which is not part of the asset", shard));
    if (lost > 0) report(index, ProblemCode::kBadWeights, fmt::format("{} tensors of the index are not where it says: {}", lost, first_lost));
    int64_t in_shards = 0;
    for (const auto& [name, tensors] : held) in_shards += std::ssize(tensors);
    if (lost == 0 && missing_shards.empty() && in_shards > mapped) report(index, ProblemCode::kBadWeights, fmt::format("{} tensors are in no entry of the index", in_shards - mapped));
  }

  void check_adapter() {
    const auto& [index, config] = *adapter_config_;
    const std::string trained_on = config.value("base_model_name_or_path", Json()).is_string() ? config["base_model_name_or_path"].get<std::string>() : "";
    if (!base_.empty() && !trained_on.empty() && trained_on != base_) {
      report(index, ProblemCode::kWrongBase, fmt::format("the adapter was trained on '{}', the chain says base: '{}'", trained_on, base_));
    }
    const auto rank = config.find("r");
    if (rank == config.end() || !rank->is_number_unsigned() || (config.contains("rank_pattern") && !config["rank_pattern"].empty())) return;
    for (const auto& [i, header] : headers_) {
      for (const TensorInfo& tensor : header.tensors) {
        if (tensor.name.find(".lora_A.") == std::string::npos || tensor.shape.empty() || tensor.shape[0] == rank->get<uint64_t>()) continue;
        return report(i, ProblemCode::kWrongBase, fmt::format("'{}' has rank {}, {} says r = {}", tensor.name, tensor.shape[0], kAdapterConfig, rank->get<uint64_t>()));
      }
    }
  }

  ModelFilesKind kind_;
  const std::vector<ModelFile>& files_;
  const std::string& base_;
  std::vector<ModelFileReport> reports_;
  std::set<std::string> names_;
  std::vector<std::pair<size_t, TensorFile>> headers_;
  std::vector<std::pair<size_t, Json>> indexes_;
  std::optional<std::pair<size_t, Json>> adapter_config_;
  bool has_weights_ = false, is_gguf_ = false;
};

}  // namespace

Result<std::vector<ModelFileReport>> check_model_files(ModelFilesKind kind, const std::vector<ModelFile>& files, const std::string& base) { return ModelCheck(kind, files, base).run(); }

}  // namespace llmops
