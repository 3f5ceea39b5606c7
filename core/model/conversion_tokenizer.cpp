// A tokenizer in GGUF's words: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, "Tokenizer".
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/base/fs.h"
#include "core/format/tokenizer_files.h"
#include "core/model/conversion.h"

namespace llmops {
namespace {

// How text is cut before merges, by the pattern of tokenizer.json, under llama.cpp's name for it.
struct NamedPattern { std::string_view pattern, name; };
constexpr std::array<NamedPattern, 5> kPatterns{{
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "llama-bpe"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "qwen2"},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", "gpt-2"},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "tekken"},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "gpt-4o"},
}};

Result<std::string> split_name(const Vocabulary& vocabulary) {
  bool cuts_digits = false;
  for (const SplitStep& step : vocabulary.split) {
    if (step.kind == SplitKind::kPreset) return step.pattern;
    if (step.kind == SplitKind::kDigits) cuts_digits = step.individual;
    if (step.kind != SplitKind::kPattern) continue;
    const auto found = std::find_if(kPatterns.begin(), kPatterns.end(), [&](const NamedPattern& one) { return one.pattern == step.pattern; });
    if (found != kPatterns.end()) return std::string(found->name);
    return Error(ErrorCode::kData, fmt::format("tokenizer.json cuts text by a pattern that GGUF has no name for: {}", step.pattern), "llmops compress convert --no-tokenizer takes the weights alone");
  }
  return std::string(cuts_digits ? "starcoder" : "gpt-2");
}

std::vector<float> scores_of(const Vocabulary& vocabulary) {
  if (!vocabulary.scores.empty()) return vocabulary.scores;
  // Merges in the order of their rank: what is merged earlier scores higher, as in the model that the merges were made from.
  std::vector<float> scores(vocabulary.tokens.size(), -1e6F);
  float next = 0;
  for (const TokenMerge& merge : vocabulary.merges) {
    float& score = scores[static_cast<size_t>(merge.made)];
    if (score == -1e6F) score = next--;
  }
  return scores;
}

// Ids that the embedding has and the tokenizer does not are named as llama.cpp's converter names them.
void fill_gaps(std::vector<std::string>& tokens, std::vector<int32_t>& kinds, uint64_t embedding_rows) {
  constexpr int32_t kUnused = 5;
  while (tokens.size() < embedding_rows) {
    tokens.emplace_back();
    kinds.push_back(kUnused);
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].empty()) continue;
    tokens[i] = fmt::format("[PAD{}]", i);
    kinds[i] = kUnused;
  }
}

// The ids that config.json names, where the tokenizer's own file does not.
std::optional<uint32_t> id_in(const Json& config, const char* key) {
  const auto found = config.is_object() ? config.find(key) : config.end();
  if (found == config.end()) return std::nullopt;
  const Json& value = found->is_array() && !found->empty() ? (*found)[0] : *found;
  return value.is_number_unsigned() && value.get<uint64_t>() <= UINT32_MAX ? std::optional(value.get<uint32_t>()) : std::nullopt;
}

// tokenizer_config.json has the last word on special tokens, as in llama.cpp's converter.
struct TokenizerSettings {
  Json json = Json::object();

  std::optional<bool> flag(const char* key) const { return json.contains(key) && json[key].is_boolean() ? std::optional(json[key].get<bool>()) : std::nullopt; }
  // The id of the token that it names, as a text or as {content}.
  std::optional<int32_t> id(const char* key, const std::vector<std::string>& tokens) const {
    if (!json.contains(key)) return std::nullopt;
    const Json& value = json[key].is_object() && json[key].contains("content") ? json[key]["content"] : json[key];
    const auto found = value.is_string() ? std::find(tokens.begin(), tokens.end(), value.get<std::string>()) : tokens.end();
    return found == tokens.end() ? std::nullopt : std::optional(static_cast<int32_t>(found - tokens.begin()));
  }
};

Result<TokenizerSettings> read_settings(const fs::path& folder) {
  TokenizerSettings settings;
  std::error_code ignored;
  if (!fs::exists(folder / "tokenizer_config.json", ignored)) return settings;
  LLMOPS_ASSIGN(const std::string text, read_file(folder / "tokenizer_config.json", 64 << 20));
  LLMOPS_ASSIGN(Json json, parse_json(text, "tokenizer_config.json"));
  if (json.is_object()) settings.json = std::move(json);
  return settings;
}

// Whether a space comes before a text that begins without one.
bool adds_space_prefix(const Vocabulary& vocabulary) {
  const bool by_normalizer = std::any_of(vocabulary.normalize.begin(), vocabulary.normalize.end(), [](const NormalizeStep& step) { return step.kind == NormalizeKind::kPrepend || (step.kind == NormalizeKind::kSentenceSpaces && step.prefix); });
  const bool by_split = std::any_of(vocabulary.split.begin(), vocabulary.split.end(), [](const SplitStep& step) { return step.kind == SplitKind::kMetaspace && step.prepend != PrependScheme::kNever; });
  return by_normalizer || by_split;
}

}  // namespace

Result<std::vector<GgufEntry>> tokenizer_entries(const fs::path& folder, const std::string& shown_name, const Json& config, uint64_t embedding_rows) {
  LLMOPS_ASSIGN(Vocabulary vocabulary, read_vocabulary(folder, shown_name));
  std::error_code ignored;
  if (vocabulary.scores.empty() && !vocabulary.byte_level && fs::exists(folder / "tokenizer.model", ignored)) {
    LLMOPS_ASSIGN(Vocabulary scored, read_vocabulary(folder / "tokenizer.model", shown_name + "/tokenizer.model"));
    if (scored.tokens.size() <= vocabulary.tokens.size()) {
      vocabulary.scores = std::move(scored.scores);
      vocabulary.scores.resize(vocabulary.tokens.size(), -1000.0F);
    }
  }
  const bool is_bytes = vocabulary.model == TokenModel::kBpe && vocabulary.byte_level;
  const std::string kind = is_bytes ? "gpt2" : vocabulary.model == TokenModel::kUnigram ? "t5" : vocabulary.model == TokenModel::kWordPiece ? "bert" : vocabulary.model == TokenModel::kWordLevel ? "" : "llama";
  if (kind.empty()) return Error(ErrorCode::kData, fmt::format("the tokenizer of '{}' is of a kind that GGUF has no word for", shown_name), "llmops compress convert --no-tokenizer takes the weights alone");
  std::vector<GgufEntry> entries = {gguf_text("tokenizer.ggml.model", kind)};
  if (is_bytes) {
    LLMOPS_ASSIGN(std::string name, split_name(vocabulary));
    entries.push_back(gguf_text("tokenizer.ggml.pre", std::move(name)));
  } else {
    entries.push_back(gguf_text("tokenizer.ggml.pre", "default"));
  }
  std::vector<int32_t> kinds;
  for (const TokenKind one : vocabulary.kinds) kinds.push_back(static_cast<int32_t>(one) + 1);
  std::vector<float> scores = is_bytes ? std::vector<float>() : scores_of(vocabulary);
  std::vector<std::string> merges;
  for (const TokenMerge& merge : vocabulary.merges) merges.push_back(vocabulary.tokens[static_cast<size_t>(merge.left)] + " " + vocabulary.tokens[static_cast<size_t>(merge.right)]);
  std::vector<std::string> tokens = std::move(vocabulary.tokens);
  if (tokens.size() > embedding_rows) return Error(ErrorCode::kData, fmt::format("the tokenizer of '{}' has {} tokens, and the embedding has {} rows", shown_name, tokens.size(), embedding_rows), "llmops compress convert --no-tokenizer takes the weights alone");
  fill_gaps(tokens, kinds, embedding_rows);
  entries.push_back(gguf_texts("tokenizer.ggml.tokens", tokens));
  if (!scores.empty()) {
    scores.resize(tokens.size(), -1000.0F);
    entries.push_back(gguf_f32s("tokenizer.ggml.scores", scores));
  }
  entries.push_back(gguf_i32s("tokenizer.ggml.token_type", kinds));
  if (is_bytes) entries.push_back(gguf_texts("tokenizer.ggml.merges", merges));
  LLMOPS_ASSIGN(const TokenizerSettings settings, read_settings(folder));
  const auto add_id = [&](const char* key, std::optional<int32_t> id, const char* config_key) {
    const std::string word = fmt::format("{}_token", std::string_view(config_key).substr(0, 3));
    if (const auto named = settings.id(word.c_str(), tokens)) id = named;
    const auto found = id ? std::optional(static_cast<uint32_t>(*id)) : id_in(config, config_key);
    if (found && *found < tokens.size()) entries.push_back(gguf_u32(key, *found));
  };
  add_id("tokenizer.ggml.bos_token_id", vocabulary.bos_id, "bos_token_id");
  add_id("tokenizer.ggml.eos_token_id", vocabulary.eos_id, "eos_token_id");
  add_id("tokenizer.ggml.unknown_token_id", vocabulary.unknown_id, "unk_token_id");
  add_id("tokenizer.ggml.padding_token_id", std::nullopt, "pad_token_id");
  entries.push_back(gguf_bool("tokenizer.ggml.add_bos_token", settings.flag("add_bos_token").value_or(!vocabulary.before.empty())));
  entries.push_back(gguf_bool("tokenizer.ggml.add_eos_token", settings.flag("add_eos_token").value_or(!vocabulary.after.empty())));
  if (kind == "llama" || kind == "t5") entries.push_back(gguf_bool("tokenizer.ggml.add_space_prefix", adds_space_prefix(vocabulary)));
  return entries;
}

}  // namespace llmops
