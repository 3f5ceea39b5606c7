#include "tests/support/small_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "core/base/half.h"
#include "core/base/json.h"
#include "core/stats/random.h"

namespace llmops::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSpecialTokens = 2, kBytes = 256, kMostTokens = 400'000;
const std::string kBegin = "<|begin|>", kEnd = "<|end|>";

enum class Kind { kMatrix, kNorm, kBias, kEmbedding };
struct Tensor { std::string name; std::vector<size_t> shape; Kind kind = Kind::kMatrix; };

size_t elements(const Tensor& tensor) {
  size_t count = 1;
  for (const size_t size : tensor.shape) count *= size;
  return count;
}

std::string class_of(const std::string& architecture) {
  static const std::vector<std::pair<std::string, std::string>> kClasses = {{"llama", "Llama"}, {"mistral", "Mistral"}, {"qwen2", "Qwen2"}, {"qwen3", "Qwen3"}, {"gemma2", "Gemma2"}, {"phi3", "Phi3"}, {"mixtral", "Mixtral"}};
  for (const auto& [name, begin] : kClasses) if (name == architecture) return begin + "ForCausalLM";
  return "";
}

bool is_tied(const SmallModel& model) { return model.tied || model.architecture == "gemma2"; }

void add_attention(const SmallModel& model, const std::string& layer, std::vector<Tensor>& tensors) {
  const size_t width = model.hidden / model.heads, queries = model.hidden, keys = model.kv_heads * width;
  const std::string at = layer + "self_attn.";
  if (model.architecture == "phi3") {
    tensors.push_back({at + "qkv_proj.weight", {queries + 2 * keys, model.hidden}});
  } else {
    for (const auto& [name, rows] : {std::pair{"q", queries}, std::pair{"k", keys}, std::pair{"v", keys}}) {
      tensors.push_back({fmt::format("{}{}_proj.weight", at, name), {rows, model.hidden}});
      if (model.architecture == "qwen2") tensors.push_back({fmt::format("{}{}_proj.bias", at, name), {rows}, Kind::kBias});
    }
  }
  tensors.push_back({at + "o_proj.weight", {model.hidden, queries}});
  if (model.architecture != "qwen3") return;
  tensors.push_back({at + "q_norm.weight", {width}, Kind::kNorm});
  tensors.push_back({at + "k_norm.weight", {width}, Kind::kNorm});
}

void add_feed_forward(const SmallModel& model, const std::string& layer, std::vector<Tensor>& tensors) {
  const size_t ffn = model.ffn, hidden = model.hidden;
  if (model.architecture == "mixtral") {
    tensors.push_back({layer + "block_sparse_moe.gate.weight", {model.experts, hidden}});
    for (size_t i = 0; i < model.experts; ++i) {
      const std::string at = fmt::format("{}block_sparse_moe.experts.{}.", layer, i);
      tensors.push_back({at + "w1.weight", {ffn, hidden}});
      tensors.push_back({at + "w2.weight", {hidden, ffn}});
      tensors.push_back({at + "w3.weight", {ffn, hidden}});
    }
    return;
  }
  if (model.architecture == "phi3") {
    tensors.push_back({layer + "mlp.gate_up_proj.weight", {2 * ffn, hidden}});
  } else {
    tensors.push_back({layer + "mlp.gate_proj.weight", {ffn, hidden}});
    tensors.push_back({layer + "mlp.up_proj.weight", {ffn, hidden}});
  }
  tensors.push_back({layer + "mlp.down_proj.weight", {hidden, ffn}});
}

std::vector<Tensor> tensors_of(const SmallModel& model) {
  std::vector<Tensor> tensors{{"model.embed_tokens.weight", {model.vocabulary, model.hidden}, Kind::kEmbedding}};
  std::vector<std::string> norms = {"input_layernorm", "post_attention_layernorm"};
  if (model.architecture == "gemma2") norms.insert(norms.end(), {"pre_feedforward_layernorm", "post_feedforward_layernorm"});
  for (size_t i = 0; i < model.layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    for (const std::string& norm : norms) tensors.push_back({layer + norm + ".weight", {model.hidden}, Kind::kNorm});
    add_attention(model, layer, tensors);
    add_feed_forward(model, layer, tensors);
  }
  tensors.push_back({"model.norm.weight", {model.hidden}, Kind::kNorm});
  if (!is_tied(model)) tensors.push_back({"lm_head.weight", {model.vocabulary, model.hidden}});
  return tensors;
}

// Variance 1, without functions that differ between machines.
float nearly_normal(RandomSource& random) {
  uint64_t sum = 0;
  for (int i = 0; i < 3; ++i) for (uint64_t bits = random.next(), k = 0; k < 4; ++k, bits >>= 16) sum += bits & 0xFFFF;
  return (static_cast<float>(sum) - 12 * 32767.5F) / 65536.0F;
}

std::vector<float> values_of(const SmallModel& model, const Tensor& tensor) {
  uint64_t seed = 14695981039346656037u ^ model.seed;   // FNV-1a: the values do not depend on the other tensors
  for (const char c : tensor.name) seed = (seed ^ static_cast<uint8_t>(c)) * 1099511628211u;
  RandomSource random(seed);
  std::vector<float> values(elements(tensor));
  const size_t columns = tensor.shape.back();
  const float norm_base = model.architecture == "gemma2" ? 0.0F : 1.0F;   // gemma adds 1 itself
  const float scale = tensor.kind == Kind::kMatrix ? 1 / std::sqrt(static_cast<float>(columns)) : tensor.kind == Kind::kEmbedding ? 0.05F : 0.1F;
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = scale * nearly_normal(random) + (tensor.kind == Kind::kNorm ? norm_base : 0);
    if (tensor.kind != Kind::kMatrix) continue;
    if (random.below(1000) == 0) values[i] *= 8;
    if (i % columns % 61 == 7) values[i] *= 3;
  }
  return values;
}

std::string bytes_of(const std::vector<float>& values, const std::string& type) {
  const size_t size = type == "F32" ? 4 : 2;
  std::string bytes(values.size() * size, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t narrow = type == "F16" ? half_of(values[i]) : brain_of(values[i]);
    if (size == 4) std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    else std::memcpy(bytes.data() + 2 * i, &narrow, 2);
  }
  return bytes;
}

Status write_text(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return Error(ErrorCode::kIo, fmt::format("cannot write '{}'", path.string()));
  return {};
}

Status write_shard(const fs::path& path, const SmallModel& model, const std::vector<Tensor>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  size_t end = 0;
  for (const Tensor& tensor : tensors) {
    const size_t size = elements(tensor) * (model.type == "F32" ? 4 : 2);
    header[tensor.name] = {{"dtype", model.type}, {"shape", tensor.shape}, {"data_offsets", {end, end + size}}};
    end += size;
  }
  std::string text = dump_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof length) << text;
  for (const Tensor& tensor : tensors) out << bytes_of(values_of(model, tensor), model.type);
  out.close();
  if (!out) return Error(ErrorCode::kIo, fmt::format("cannot write '{}'", path.string()));
  return {};
}

Status write_weights(const fs::path& folder, const SmallModel& model) {
  const std::vector<Tensor> tensors = tensors_of(model);
  if (model.shards == 1) return write_shard(folder / "model.safetensors", model, tensors);
  size_t total = 0, before = 0;
  for (const Tensor& tensor : tensors) total += elements(tensor);
  std::vector<std::vector<Tensor>> shards(model.shards);
  for (const Tensor& tensor : tensors) {
    shards[before * model.shards / total].push_back(tensor);
    before += elements(tensor);
  }
  if (std::any_of(shards.begin(), shards.end(), [](const auto& shard) { return shard.empty(); })) return Error(ErrorCode::kUsage, fmt::format("{} shards are more than the tensors fill", model.shards));
  Json map = Json::object();
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    LLMOPS_CHECK(write_shard(folder / name, model, shards[i]));
    for (const Tensor& tensor : shards[i]) map[tensor.name] = name;
  }
  const Json index = {{"metadata", {{"total_size", total * (model.type == "F32" ? 4 : 2)}}}, {"weight_map", map}};
  return write_text(folder / "model.safetensors.index.json", dump_json_pretty(index) + "\n");
}

Json config_of(const SmallModel& model) {
  const std::string type = model.type == "F32" ? "float32" : model.type == "F16" ? "float16" : "bfloat16";
  Json config = {{"architectures", {class_of(model.architecture)}}, {"model_type", model.architecture}, {"attention_bias", false}, {"attention_dropout", 0.0}, {"bos_token_id", 0},
                 {"eos_token_id", 1}, {"head_dim", model.hidden / model.heads}, {"hidden_act", "silu"}, {"hidden_size", model.hidden}, {"initializer_range", 0.02}, {"intermediate_size", model.ffn},
                 {"max_position_embeddings", 512}, {"mlp_bias", false}, {"num_attention_heads", model.heads}, {"num_hidden_layers", model.layers}, {"num_key_value_heads", model.kv_heads}, {"pretraining_tp", 1},
                 {"rms_norm_eps", 1e-5}, {"rope_scaling", nullptr}, {"rope_theta", 10000.0}, {"tie_word_embeddings", is_tied(model)}, {"torch_dtype", type}, {"transformers_version", "4.46.0"}, {"use_cache", true},
                 {"vocab_size", model.vocabulary}};
  const auto take = [&](const Json& more) { config.update(more); };
  // Keys that llama's configuration alone has.
  if (model.architecture != "llama") for (const char* key : {"mlp_bias", "pretraining_tp"}) config.erase(key);
  if (model.architecture != "llama" && model.architecture != "qwen3") config.erase("attention_bias");
  if (model.architecture == "mistral") take({{"sliding_window", nullptr}});
  if (model.architecture == "qwen2" || model.architecture == "qwen3") take({{"sliding_window", nullptr}, {"use_sliding_window", false}, {"max_window_layers", model.layers}});
  if (model.architecture == "gemma2") take({{"hidden_act", "gelu_pytorch_tanh"}, {"hidden_activation", "gelu_pytorch_tanh"}, {"attn_logit_softcapping", 50.0}, {"final_logit_softcapping", 30.0}, {"query_pre_attn_scalar", model.hidden / model.heads}, {"sliding_window", 4096}});
  if (model.architecture == "phi3") take({{"original_max_position_embeddings", 512}, {"partial_rotary_factor", 1.0}, {"sliding_window", nullptr}, {"pad_token_id", 1}});
  if (model.architecture == "mixtral") take({{"num_local_experts", model.experts}, {"num_experts_per_tok", std::min<size_t>(2, model.experts)}, {"output_router_logits", false}, {"router_aux_loss_coef", 0.001}, {"sliding_window", nullptr}});
  return config;
}

std::string utf8(uint32_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

// GPT-2's letters for bytes: printable ones stand for themselves, the others for 256 and up.
std::vector<std::string> byte_letters() {
  std::vector<std::string> letters;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < kBytes; ++byte) {
    const bool is_printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    letters.push_back(utf8(is_printable ? byte : next++));
  }
  return letters;
}

// Frequent pairs of English first, then every pair of a space or a letter with a letter, then pairs of those.
std::vector<std::pair<std::string, std::string>> merges_of(size_t count) {
  const std::string space = utf8(288);
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<std::string> pairs;
  std::set<std::string> known;
  const auto add = [&](const std::string& left, const std::string& right) { if (merges.size() < count && known.insert(left + right).second) merges.emplace_back(left, right); };
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{{"t", "h"}, {"i", "n"}, {"e", "r"}, {"a", "n"}, {"o", "n"}, {space, "th"}, {space + "th", "e"}, {space, "a"}, {space, "in"}, {"an", "d"}, {space, "and"}}) add(left, right);
  for (const char* first = " abcdefghijklmnopqrstuvwxyz"; *first != '\0'; ++first) {
    for (char second = 'a'; second <= 'z'; ++second) {
      const std::string left = *first == ' ' ? space : std::string(1, *first), right(1, second);
      add(left, right);
      pairs.push_back(left + right);
    }
  }
  for (const std::string& left : pairs) {
    if (merges.size() == count) break;
    for (const std::string& right : pairs) if (!right.starts_with(space)) add(left, right);
  }
  return merges;
}

Json tokenizer_of(const SmallModel& model) {
  Json vocabulary = Json::object(), merges = Json::array(), added = Json::array();
  for (const std::string& token : {kBegin, kEnd}) {
    added.push_back({{"id", added.size()}, {"content", token}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}, {"special", true}});
    vocabulary[token] = vocabulary.size();
  }
  size_t next = kSpecialTokens;
  for (const std::string& letter : byte_letters()) vocabulary[letter] = next++;
  for (const auto& [left, right] : merges_of(model.vocabulary - kSpecialTokens - kBytes)) {
    merges.push_back(left + " " + right);
    vocabulary[left + right] = next++;
  }
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added}, {"normalizer", nullptr}, {"pre_tokenizer", bytes}, {"post_processor", nullptr}, {"decoder", bytes},
          {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", nullptr}, {"end_of_word_suffix", nullptr}, {"fuse_unk", false}, {"byte_fallback", false}, {"ignore_merges", false}, {"vocab", vocabulary}, {"merges", merges}}}};
}

Json tokenizer_settings() {
  const std::string chat = "{% for message in messages %}" + kBegin + "{{ message['role'] }}\n{{ message['content'] }}" + kEnd + "\n{% endfor %}{% if add_generation_prompt %}" + kBegin + "assistant\n{% endif %}";
  return {{"add_bos_token", true}, {"add_eos_token", false}, {"bos_token", kBegin}, {"eos_token", kEnd}, {"pad_token", kEnd}, {"clean_up_tokenization_spaces", false}, {"model_max_length", 512}, {"tokenizer_class", "PreTrainedTokenizerFast"}, {"chat_template", chat}};
}

Status check(const SmallModel& model) {
  const auto wrong = [](std::string message) { return Error(ErrorCode::kUsage, std::move(message)); };
  if (class_of(model.architecture).empty()) return wrong(fmt::format("unknown architecture '{}'", model.architecture));
  if (model.type != "F32" && model.type != "F16" && model.type != "BF16") return wrong(fmt::format("unknown type '{}'", model.type));
  if (model.layers == 0 || model.ffn == 0 || model.heads == 0 || model.kv_heads == 0 || model.hidden == 0 || model.shards == 0) return wrong("a size is 0");
  if (model.hidden % model.heads != 0 || model.heads % model.kv_heads != 0) return wrong(fmt::format("{} values, {} heads and {} heads of keys do not divide", model.hidden, model.heads, model.kv_heads));
  if (model.vocabulary < kSpecialTokens + kBytes || model.vocabulary > kMostTokens) return wrong(fmt::format("a vocabulary of {} is not between {} and {}", model.vocabulary, kSpecialTokens + kBytes, kMostTokens));
  if (model.architecture == "mixtral" && model.experts == 0) return wrong("there are no experts");
  return {};
}

}  // namespace

const std::vector<std::string>& small_model_architectures() {
  static const std::vector<std::string> kNames = {"llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "mixtral"};
  return kNames;
}

Status write_small_model(const fs::path& folder, const SmallModel& model) {
  LLMOPS_CHECK(check(model));
  std::error_code failed;
  fs::create_directories(folder, failed);
  LLMOPS_CHECK(write_text(folder / "config.json", dump_json_pretty(config_of(model)) + "\n"));
  LLMOPS_CHECK(write_text(folder / "generation_config.json", dump_json_pretty(Json{{"bos_token_id", 0}, {"eos_token_id", 1}}) + "\n"));
  LLMOPS_CHECK(write_text(folder / "tokenizer.json", dump_json_pretty(tokenizer_of(model)) + "\n"));
  LLMOPS_CHECK(write_text(folder / "tokenizer_config.json", dump_json_pretty(tokenizer_settings()) + "\n"));
  return write_weights(folder, model);
}

}  // namespace llmops::test
