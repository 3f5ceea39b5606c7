// Roles by names: transformers' model.layers.N.self_attn.q_proj and GPT-2's h.N.attn.c_attn, llama.cpp's blk.N.attn_q.
#include "core/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <re2/re2.h>

#include "core/base/fs.h"

namespace llmops {
namespace {

constexpr uint64_t kMostJsonBytes = 64 << 20, kMostTokenizerBytes = 256 << 20;

bool holds(std::string_view text, std::initializer_list<std::string_view> pieces) {
  return std::any_of(pieces.begin(), pieces.end(), [&](std::string_view piece) { return text.find(piece) != std::string_view::npos; });
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<uint64_t> count_at(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

// One template, or the one named "default" of several.
std::string template_in(const Json& settings) {
  const auto found = settings.is_object() ? settings.find("chat_template") : settings.end();
  if (found == settings.end() || !found->is_array()) return text_at(settings, "chat_template");
  for (const Json& one : *found) if (text_at(one, "name") == "default") return text_at(one, "template");
  return "";
}

class ModelReader {
 public:
  ModelReader(const fs::path& path, const std::string& shown) : path_(path), shown_(shown) {}

  Result<Model> read() {
    std::error_code failed;
    if (fs::is_directory(path_, failed)) LLMOPS_CHECK(find_parts());
    else parts_.push_back(path_);
    LLMOPS_CHECK(complete_series());
    for (const fs::path& part : parts_) LLMOPS_CHECK(read_part(part));
    if (!index_.is_null()) LLMOPS_CHECK(check_index());
    LLMOPS_CHECK(check_split());
    if (model_.format == "gguf") take_gguf_facts();
    else LLMOPS_CHECK(take_folder_facts());
    return std::move(model_);
  }

 private:
  std::string shown(const fs::path& part) const { return part == path_ ? shown_ : (fs::path(shown_) / part.lexically_relative(path_)).generic_string(); }

  Result<Json> read_json(const fs::path& file, uint64_t most_bytes) {
    LLMOPS_ASSIGN(const std::string text, read_file(file, most_bytes));
    auto json = parse_json(text, shown(file));
    if (!json) json.error().code = ErrorCode::kData;
    return json;
  }

  Status find_parts() {
    std::vector<fs::path> safetensors, gguf;
    std::error_code failed;
    const fs::directory_iterator entries(path_, failed);
    if (failed) return io_error("read", path_, failed.value());
    for (const auto& entry : entries) {
      if (entry.path().extension() == ".safetensors") safetensors.push_back(entry.path());
      if (entry.path().extension() == ".gguf") gguf.push_back(entry.path());
      if (entry.path().filename().string().ends_with(".safetensors.index.json")) index_path_ = entry.path();
    }
    std::sort(safetensors.begin(), safetensors.end());
    if (!index_path_.empty()) return find_shards();
    if (!safetensors.empty()) {
      parts_ = std::move(safetensors);
      return {};
    }
    if (gguf.empty()) return Error(ErrorCode::kNotFound, fmt::format("'{}' holds no weights", shown_), "give a folder with .safetensors files, or a .safetensors or .gguf file");
    std::sort(gguf.begin(), gguf.end());
    const bool is_series = gguf.size() > 1 && series_of(gguf[0]) && series_of(gguf[0])->count == gguf.size();
    if (gguf.size() > 1 && !is_series) return Error(ErrorCode::kUsage, fmt::format("'{}' holds {} GGUF files", shown_, gguf.size()), "name one of them");
    parts_ = std::move(gguf);
    return {};
  }

  // "model-00002-of-00003.safetensors": which part of how many.
  struct Series { std::string stem; uint64_t number = 0, count = 0; };
  static std::optional<Series> series_of(const fs::path& part) {
    static const RE2 kPart("(.*)-([0-9]{5})-of-([0-9]{5})");
    Series series;
    if (!RE2::FullMatch(part.stem().string(), kPart, &series.stem, &series.number, &series.count) || series.number == 0 || series.number > series.count) return std::nullopt;
    return series;
  }

  // A part that says how many there are leads to all of them; files that are of no series stay beside them.
  Status complete_series() {
    if (!index_.is_null() || (parts_.size() == 1 && parts_.front().extension() != ".gguf" && parts_.front() == path_)) return {};
    std::set<fs::path> all(parts_.begin(), parts_.end());
    std::set<std::pair<std::string, uint64_t>> known;
    for (const fs::path& found : parts_) {
      const auto series = series_of(found);
      if (!series || !known.emplace(series->stem, series->count).second) continue;
      for (uint64_t i = 1; i <= series->count; ++i) {
        const fs::path part = found.parent_path() / fmt::format("{}-{:05}-of-{:05}{}", series->stem, i, series->count, found.extension().string());
        std::error_code ignored;
        if (!fs::exists(part, ignored)) return Error(ErrorCode::kData, fmt::format("part {} of {} of '{}' is missing: '{}'", i, series->count, shown_, part.filename().string()), "fetch the missing part of the model");
        all.insert(part);
      }
    }
    parts_.assign(all.begin(), all.end());
    return {};
  }

  // GGUF says in its first part how many parts and tensors belong together.
  Status check_split() {
    const auto parts = count_at(model_.metadata, "split.count"), tensors = count_at(model_.metadata, "split.tensors.count");
    if (parts && *parts > 1 && *parts != model_.parts.size()) return Error(ErrorCode::kData, fmt::format("'{}' is one of {} parts, which are told apart by names like NAME-00001-of-{:05}.gguf", shown_, *parts, *parts), "give the parts the names that they were made with");
    if (parts && *parts > 1 && tensors && *tensors != model_.tensors.size()) return Error(ErrorCode::kData, fmt::format("'{}' says it has {} tensors in all parts, there are {}", shown_, *tensors, model_.tensors.size()), "fetch the model again: it is not whole");
    return {};
  }

  // The shards that the index names, each a file of this folder.
  Status find_shards() {
    LLMOPS_ASSIGN(index_, read_json(index_path_, kMostJsonBytes));
    const std::string name = shown(index_path_);
    if (!index_.is_object() || !index_.contains("weight_map") || !index_["weight_map"].is_object()) return Error(ErrorCode::kData, fmt::format("'{}' has no 'weight_map'", name));
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : index_["weight_map"].items()) {
      const std::string file = shard.is_string() ? shard.get<std::string>() : "";
      if (file.empty() || file.find('/') != std::string::npos || file.find("..") != std::string::npos) return Error(ErrorCode::kData, fmt::format("'{}' puts tensor '{}' into '{}', which is no file of its folder", name, tensor, file));
      shards.insert(file);
    }
    for (const std::string& shard : shards) {
      std::error_code ignored;
      if (!fs::exists(path_ / shard, ignored)) return Error(ErrorCode::kData, fmt::format("'{}' names shard '{}', which is missing", name, shard), "fetch the missing part of the model");
      parts_.push_back(path_ / shard);
    }
    return {};
  }

  Status read_part(const fs::path& part) {
    const std::string name = shown(part);
    std::error_code ignored;
    if (!fs::exists(part, ignored)) return Error(ErrorCode::kNotFound, fmt::format("'{}' does not exist", name), "check the path");
    const bool is_gguf = part.extension() == ".gguf";
    if (!is_gguf && part.extension() != ".safetensors") return Error(ErrorCode::kUsage, fmt::format("'{}' is neither a .safetensors nor a .gguf file", name), "give a file of weights, or the folder of a model");
    LLMOPS_ASSIGN(TensorFile file, is_gguf ? read_gguf_header(part, name) : read_safetensors_header(part, name));
    model_.format = is_gguf ? "gguf" : "safetensors";
    if (model_.parts.empty()) model_.metadata = std::move(file.metadata);
    for (TensorInfo& info : file.tensors) {
      const auto [first, is_new] = part_of_.emplace(info.name, model_.parts.size());
      if (!is_new) return Error(ErrorCode::kData, fmt::format("tensor '{}' is in '{}' and in '{}'", info.name, model_.parts[first->second].shown_name, name));
      ModelTensor tensor;
      static_cast<TensorInfo&>(tensor) = std::move(info);
      tensor.part = model_.parts.size();
      tensor.role = tensor_role(tensor.name);
      model_.tensors.push_back(std::move(tensor));
    }
    model_.parts.push_back({part, name, file.size_bytes});
    return {};
  }

  Status check_index() {
    const std::string name = shown(index_path_);
    const Json& map = index_["weight_map"];
    for (const auto& [tensor, shard] : map.items()) {
      const auto found = part_of_.find(tensor);
      if (found == part_of_.end() || model_.parts[found->second].path.filename() != shard.get<std::string>()) {
        return Error(ErrorCode::kData, fmt::format("'{}' puts tensor '{}' into '{}', where it is not", name, tensor, shard.get<std::string>()));
      }
    }
    if (map.size() != part_of_.size()) return Error(ErrorCode::kData, fmt::format("{} tensors are in no entry of '{}'", part_of_.size() - map.size(), name));
    uint64_t bytes = 0;
    for (const ModelTensor& tensor : model_.tensors) bytes += tensor.size_bytes;
    const auto total = index_.contains("metadata") ? count_at(index_["metadata"], "total_size") : std::nullopt;
    if (total && *total != bytes) model_.warnings.push_back(fmt::format("'{}' says {} bytes of weights, there are {}", name, *total, bytes));
    return {};
  }

  void take_gguf_facts() {
    const Json& keys = model_.metadata;
    model_.architecture = text_at(keys, "general.architecture");
    model_.name = text_at(keys, "general.name");
    model_.licence = text_at(keys, "general.license");
    model_.layers = count_at(keys, model_.architecture + ".block_count");
    model_.context_length = count_at(keys, model_.architecture + ".context_length");
    model_.chat_template = text_at(keys, "tokenizer.chat_template");
    const std::string kind = text_at(keys, "tokenizer.ggml.model");
    if (kind.empty()) return;
    // llama.cpp's names of the algorithms.
    static const std::map<std::string, std::string> kKinds = {{"llama", "SentencePiece BPE"}, {"gpt2", "BPE"}, {"bert", "WordPiece"}, {"t5", "Unigram"}};
    const auto known = kKinds.find(kind);
    model_.tokenizer = {known == kKinds.end() ? kind : known->second, std::nullopt, "tokenizer.ggml.model"};
    if (const auto tokens = keys.find("tokenizer.ggml.tokens"); tokens != keys.end()) model_.tokenizer.vocabulary = count_at(*tokens, "count");
  }

  Status take_folder_facts() {
    const fs::path folder = fs::is_directory(path_) ? path_ : path_.parent_path();
    const auto take = [&](const char* file, uint64_t most_bytes, Json& into) -> Status {
      std::error_code ignored;
      if (!fs::exists(folder / file, ignored)) return {};
      LLMOPS_ASSIGN(into, read_json(folder / file, most_bytes));
      return {};
    };
    // A sole file says nothing of its neighbours but where they are named for it.
    if (folder != path_ && parts_.size() == 1 && path_.filename() != "model.safetensors" && path_.filename() != "adapter_model.safetensors") return {};
    LLMOPS_CHECK(take("config.json", kMostJsonBytes, model_.config));
    if (model_.config.is_null()) LLMOPS_CHECK(take("adapter_config.json", kMostJsonBytes, model_.config));
    const Json& config = model_.config;
    if (config.is_object()) {
      const auto architectures = config.find("architectures");
      if (architectures != config.end() && architectures->is_array() && !architectures->empty() && (*architectures)[0].is_string()) model_.architecture = (*architectures)[0];
      else model_.architecture = text_at(config, "model_type");
      model_.name = text_at(config, "_name_or_path");
      // Multimodal models keep the text model's numbers in an object of their own.
      const Json& numbers = config.contains("text_config") ? config["text_config"] : config;
      model_.layers = count_at(numbers, "num_hidden_layers");
      model_.context_length = count_at(numbers, "max_position_embeddings");
      LLMOPS_CHECK(check_tied_output(config));
    }
    Json tokenizer, settings;
    LLMOPS_CHECK(take("tokenizer.json", kMostTokenizerBytes, tokenizer));
    LLMOPS_CHECK(take("tokenizer_config.json", kMostJsonBytes, settings));
    take_tokenizer(tokenizer, folder);
    model_.chat_template = template_in(settings);
    std::error_code ignored;
    if (fs::exists(folder / "chat_template.jinja", ignored)) {
      LLMOPS_ASSIGN(model_.chat_template, read_file(folder / "chat_template.jinja", kMostJsonBytes));
    }
    return {};
  }

  Status check_tied_output(const Json& config) {
    const bool has_output = part_of_.contains("lm_head.weight"), has_embedding = part_of_.contains("model.embed_tokens.weight");
    const auto tied = config.find("tie_word_embeddings");
    if (tied == config.end() || !tied->is_boolean() || !has_embedding) return {};
    if (!tied->get<bool>() && !has_output) return Error(ErrorCode::kData, fmt::format("'{}' has no 'lm_head.weight', and config.json says that it is not tied to the embedding", shown_));
    if (tied->get<bool>() && has_output) model_.warnings.push_back("'lm_head.weight' is there, and config.json says that it is tied to the embedding");
    return {};
  }

  void take_tokenizer(const Json& tokenizer, const fs::path& folder) {
    std::error_code ignored;
    if (tokenizer.is_object() && tokenizer.contains("model") && tokenizer["model"].is_object()) {
      const Json& model = tokenizer["model"];
      model_.tokenizer = {text_at(model, "type"), std::nullopt, "tokenizer.json"};
      std::set<std::string> added;
      uint64_t size = 0;
      if (const auto vocabulary = model.find("vocab"); vocabulary != model.end() && vocabulary->is_structured()) {
        size = vocabulary->size();
        if (const auto extra = tokenizer.find("added_tokens"); extra != tokenizer.end() && extra->is_array()) {
          for (const Json& token : *extra) {
            const std::string content = text_at(token, "content");
            if (vocabulary->is_object() && !vocabulary->contains(content)) added.insert(content);
          }
        }
        model_.tokenizer.vocabulary = size + added.size();
      }
    } else if (fs::exists(folder / "tokenizer.model", ignored)) {
      model_.tokenizer = {"SentencePiece", std::nullopt, "tokenizer.model"};
    } else if (fs::exists(folder / "vocab.txt", ignored)) {
      model_.tokenizer = {"WordPiece", std::nullopt, "vocab.txt"};
    }
  }

  const fs::path& path_;
  const std::string& shown_;
  std::vector<fs::path> parts_;
  fs::path index_path_;
  Json index_;
  std::map<std::string, size_t> part_of_;
  Model model_;
};

}  // namespace

const char* tensor_role_name(TensorRole role) {
  constexpr std::array<const char*, kTensorRoles> kNames{"embedding", "attention", "feed-forward", "experts", "norm", "output", "adapter", "other"};
  return kNames[static_cast<size_t>(role)];
}

TensorRole tensor_role(std::string_view name) {
  if (holds(name, {"lora_A", "lora_B", "lora_embedding", ".lora_a", ".lora_b", "lora_magnitude"})) return TensorRole::kAdapter;
  if (holds(name, {"norm", "ln_1", "ln_2", "ln_f", "LayerNorm", "layer_norm"})) return TensorRole::kNorm;
  if (holds(name, {"_exps", "experts.", "block_sparse_moe", "ffn_gate_inp", "mlp.gate.", "router"})) return TensorRole::kExpert;
  if (holds(name, {"self_attn", "attn_", ".attn.", "attention", "_proj_attn", "q_proj", "k_proj", "v_proj"})) return TensorRole::kAttention;
  if (holds(name, {"mlp", "ffn_", "feed_forward", "intermediate.dense", "fc1", "fc2", "output.dense", "c_fc"})) return TensorRole::kFeedForward;
  if (holds(name, {"embed_tokens", "token_embd", "wte", "wpe", "word_embeddings", "position_embd", "token_types", "embeddings"})) return TensorRole::kEmbedding;
  if (name == "output.weight" || holds(name, {"lm_head", "embed_out"})) return TensorRole::kOutput;
  return TensorRole::kOther;
}

Result<Model> open_model(const std::filesystem::path& path, const std::string& shown_name) {
  // Joined to a folder, an empty name is the folder itself.
  if (shown_name.empty()) return Error(ErrorCode::kUsage, "the name of a model is empty", "give a file of weights, or the folder of a model");
  return ModelReader(path, shown_name).read();
}

}  // namespace llmops
