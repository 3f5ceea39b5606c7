// The vocabulary in a GGUF file, with llama.cpp's defaults for what the keys tokenizer.ggml.* leave out
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, "Tokenizer").
#include <algorithm>
#include <array>
#include <cmath>

#include "core/format/gguf.h"
#include "core/format/tokenizer_parts.h"

namespace llmops::tokenizer_files {
namespace {

constexpr std::string_view kKeys = "tokenizer.ggml.";

class GgufVocabulary {
 public:
  GgufVocabulary(const GgufFile& file, const std::string& name) : file_(file), name_(name) {}

  Result<Vocabulary> read() {
    const std::string model = text("model");
    if (model.empty() || model == "none") return fault(name_, "holds no tokenizer: it has no {}model", kKeys);
    LLMOPS_CHECK(read_tokens());
    LLMOPS_CHECK(read_kinds());
    LLMOPS_CHECK(read_scores(model == "llama" || model == "t5"));
    LLMOPS_CHECK(read_special_ids(model));
    made_.longest_added_first = true;
    if (model == "gpt2") LLMOPS_CHECK(read_gpt2());
    else if (model == "llama") LLMOPS_CHECK(read_llama());
    else if (model == "bert") LLMOPS_CHECK(read_bert());
    else if (model == "t5") LLMOPS_CHECK(read_t5());
    else return fault(name_, "has a tokenizer of the model '{}', which is not supported; known are gpt2, llama, bert and t5", shown(model));
    LLMOPS_CHECK(ids_by_text(made_, name_));
    add_special();
    return std::move(made_);
  }

 private:
  const GgufEntry* find(std::string_view key) const { return file_.find(std::string(kKeys) + std::string(key)); }
  std::string text(std::string_view key) const {
    const GgufEntry* entry = find(key);
    return entry == nullptr ? std::string() : entry->text().value_or(std::string());
  }
  bool flag(std::string_view key, bool otherwise) const {
    const GgufEntry* entry = find(key);
    return entry == nullptr ? otherwise : entry->flag().value_or(otherwise);
  }
  Result<std::optional<int32_t>> id(std::string_view key) const {
    const GgufEntry* entry = find(key);
    if (entry == nullptr) return std::optional<int32_t>();
    const std::optional<uint64_t> value = entry->whole();
    if (!value || *value >= made_.tokens.size()) return fault(name_, "has a {}{} that is no id of its {} tokens", kKeys, key, made_.tokens.size());
    return std::optional(static_cast<int32_t>(*value));
  }
  Result<std::vector<double>> numbers(std::string_view key) const {
    const GgufEntry* entry = find(key);
    if (entry == nullptr) return std::vector<double>();
    if (entry->count > kMaxTokens) return fault(name_, "has {} values of {}{}, more than {}", entry->count, kKeys, key, kMaxTokens);
    std::optional<std::vector<double>> values = entry->numbers();
    if (!values) return fault(name_, "has a {}{} that is no array of numbers", kKeys, key);
    if (values->size() < made_.tokens.size()) return fault(name_, "has {} values of {}{} for {} tokens", values->size(), kKeys, key, made_.tokens.size());
    return std::move(*values);
  }

  Status read_tokens() {
    const GgufEntry* entry = find("tokens");
    if (entry == nullptr) return fault(name_, "has a tokenizer without {}tokens", kKeys);
    if (entry->count > kMaxTokens) return fault(name_, "has {} tokens, more than {}", entry->count, kMaxTokens);
    std::optional<std::vector<std::string>> tokens = entry->texts();
    if (!tokens || tokens->empty()) return fault(name_, "has {}tokens that are no array of texts", kKeys);
    made_.tokens = std::move(*tokens);
    return {};
  }

  Status read_kinds() {
    made_.kinds.assign(made_.tokens.size(), TokenKind::kNormal);
    LLMOPS_ASSIGN(const std::vector<double> types, numbers("token_type"));
    if (types.empty()) return {};
    constexpr std::array kKinds{TokenKind::kNormal, TokenKind::kNormal, TokenKind::kUnknown, TokenKind::kControl, TokenKind::kUserDefined, TokenKind::kUnused, TokenKind::kByte};
    for (size_t i = 0; i < made_.tokens.size(); ++i) {
      if (!(types[i] >= 0 && types[i] < static_cast<double>(kKinds.size()))) return fault(name_, "has the token '{}' of the unknown type {}", shown(made_.tokens[i]), types[i]);
      made_.kinds[i] = kKinds[static_cast<size_t>(types[i])];
    }
    return {};
  }

  Status read_scores(bool needed) {
    LLMOPS_ASSIGN(const std::vector<double> scores, numbers("scores"));
    if (scores.empty() && needed) return fault(name_, "has a tokenizer without {}scores", kKeys);
    made_.scores.assign(made_.tokens.size(), 0);
    for (size_t i = 0; i < std::min(scores.size(), made_.tokens.size()); ++i) {
      made_.scores[i] = static_cast<float>(scores[i]);
      if (!std::isfinite(made_.scores[i])) return fault(name_, "has the token '{}' whose score is no number", shown(made_.tokens[i]));
    }
    return {};
  }

  Status read_special_ids(const std::string& model) {
    struct Defaults { std::string_view model; int32_t unknown, bos, eos; };
    constexpr std::array<Defaults, 3> kDefaults{{{"llama", 0, 1, 2}, {"t5", 2, -1, 1}, {"bert", 100, 101, 102}}};
    for (const Defaults& defaults : kDefaults) {
      const auto there = [&](int32_t one) { return one >= 0 && static_cast<size_t>(one) < made_.tokens.size() ? std::optional(one) : std::nullopt; };
      if (model == defaults.model) made_.unknown_id = there(defaults.unknown), made_.bos_id = there(defaults.bos), made_.eos_id = there(defaults.eos);
    }
    const auto set = [&](const char* key, std::optional<int32_t>& value) -> Status {
      LLMOPS_ASSIGN(const std::optional<int32_t> said, id(key));
      if (said) value = said;
      return {};
    };
    LLMOPS_CHECK(set("unknown_token_id", made_.unknown_id));
    LLMOPS_CHECK(set("bos_token_id", made_.bos_id));
    return set("eos_token_id", made_.eos_id);
  }

  Status read_merges() {
    const GgufEntry* entry = find("merges");
    if (entry == nullptr) return fault(name_, "has a tokenizer of the model 'gpt2' without {}merges", kKeys);
    const std::optional<std::vector<std::string>> merges = entry->texts();
    if (!merges) return fault(name_, "has {}merges that are no array of texts", kKeys);
    LLMOPS_ASSIGN(const TokenIds ids, ids_by_text(made_, name_));
    for (const std::string_view merge : *merges) {
      const size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos) return fault(name_, "has the merge '{}' that is not two tokens with a space between", shown(merge));
      LLMOPS_CHECK(add_merge(made_, ids, merge.substr(0, space), merge.substr(space + 1), name_));
    }
    return {};
  }

  static bool one_of(std::string_view word, std::initializer_list<std::string_view> words) { return std::find(words.begin(), words.end(), word) != words.end(); }

  Status read_gpt2() {
    made_.model = TokenModel::kBpe;
    made_.byte_level = true;
    LLMOPS_CHECK(read_merges());
    const std::string pre = text("pre").empty() ? "default" : text("pre");
    const bool llama3 = one_of(pre, {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"});
    made_.ignore_merges = llama3 || one_of(pre, {"tekken", "minicpm5", "youtu", "granite-embed-multi-97m"});
    made_.split.push_back({.kind = SplitKind::kPreset, .pattern = pre});
    made_.decode.push_back({.kind = DecodeKind::kByteLevel, .pattern = {}, .content = {}});
    LLMOPS_ASSIGN(const std::optional<int32_t> separator, id("seperator_token_id"));
    put_around(made_.bos_id, made_.eos_id, llama3 || one_of(pre, {"tekken", "chameleon"}), false);
    if (flag("add_sep_token", one_of(pre, {"jina-v1-en", "jina-v2-code", "roberta-bpe"})) && separator) made_.after.push_back(*separator);
    return {};
  }

  Status read_llama() {
    made_.model = TokenModel::kScoredBpe;
    made_.byte_fallback = true;
    add_sentence_steps(made_, {.prefix = flag("add_space_prefix", true)}, {});
    put_around(made_.bos_id, made_.eos_id, true, false);
    return {};
  }

  Status read_t5() {
    made_.model = TokenModel::kUnigram;
    made_.fuse_unknown = true;
    if (!made_.unknown_id) return fault(name_, "has a tokenizer of the model 't5' without {}unknown_token_id", kKeys);
    std::string charsmap;
    if (const GgufEntry* entry = find("precompiled_charsmap"); entry != nullptr) {
      if (entry->kind != GgufKind::kArray || (entry->element != GgufKind::kU8 && entry->element != GgufKind::kI8)) return fault(name_, "has a {}precompiled_charsmap that is no array of bytes", kKeys);
      charsmap = entry->bytes;
    }
    add_sentence_steps(made_, {.prefix = flag("add_space_prefix", true), .squeeze = flag("remove_extra_whitespaces", true)}, std::move(charsmap));
    put_around(made_.bos_id, made_.eos_id, false, true);
    return {};
  }

  // llama.cpp writes the tokens that start a word with ▁ and the others without ##; those in brackets are left alone.
  Status read_bert() {
    made_.model = TokenModel::kWordPiece;
    made_.word_prefix = "##";
    for (size_t i = 0; i < made_.tokens.size(); ++i) {
      std::string& token = made_.tokens[i];
      if (token.starts_with(kSpaceMark)) token.erase(0, kSpaceMark.size());
      else if (made_.kinds[i] == TokenKind::kNormal && !token.empty() && !(token.starts_with('[') && token.ends_with(']'))) token.insert(0, "##");
    }
    if (!made_.unknown_id) return fault(name_, "has a tokenizer of the model 'bert' without {}unknown_token_id", kKeys);
    add_bert_steps(made_, true, true, flag("normalizer.strip_accents", true), flag("normalizer.lowercase", true));
    made_.split.push_back({.kind = SplitKind::kBert, .pattern = {}});
    made_.decode.push_back({.kind = DecodeKind::kWordPiece, .pattern = "##", .content = {}, .cleanup = true});
    LLMOPS_ASSIGN(const std::optional<int32_t> start, id("cls_token_id"));
    LLMOPS_ASSIGN(const std::optional<int32_t> end, id("seperator_token_id"));
    if (start) made_.bos_id = start;
    if (end) made_.eos_id = end;
    put_around(made_.bos_id, made_.eos_id, true, flag("add_sep_token", true));
    return {};
  }

  void put_around(std::optional<int32_t> first, std::optional<int32_t> last, bool add_first, bool add_last) {
    if (flag("add_bos_token", add_first) && first) made_.before.push_back(*first);
    if (flag("add_eos_token", add_last) && last) made_.after.push_back(*last);
  }

  void add_special() {
    const GgufEntry* title = file_.find("general.name");
    std::string name = title == nullptr ? std::string() : title->text().value_or(std::string());
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    // The format cannot say that a token takes the space behind it; llama.cpp knows it of Phi-3 by the name.
    const bool strips = name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
    for (size_t i = 0; i < made_.tokens.size(); ++i) {
      const TokenKind kind = made_.kinds[i];
      if (made_.tokens[i].empty() || (kind != TokenKind::kControl && kind != TokenKind::kUnknown && kind != TokenKind::kUserDefined)) continue;
      const bool plain = one_of(made_.tokens[i], {"<unk>", "<s>", "<|endoftext|>"});
      made_.added.push_back({.id = static_cast<int32_t>(i), .content = made_.tokens[i], .special = kind != TokenKind::kUserDefined, .strips_right = strips && !plain});
    }
  }

  const GgufFile& file_;
  const std::string& name_;
  Vocabulary made_;
};

}  // namespace

Result<Vocabulary> read_gguf_vocabulary(const std::filesystem::path& path, const std::string& name) {
  LLMOPS_ASSIGN(const GgufFile file, read_gguf(path, name));
  return GgufVocabulary(file, name).read();
}

}  // namespace llmops::tokenizer_files
