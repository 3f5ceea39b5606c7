// What the readers of tokenizer files share.
#pragma once

#include <fmt/format.h>

#include <limits>
#include <string_view>
#include <unordered_map>

#include "core/base/json.h"
#include "core/format/tokenizer_files.h"

namespace llmops::tokenizer_files {

inline constexpr uint64_t kMaxFileBytes = 256 << 20;
inline constexpr size_t kMaxTokens = 4 << 20, kMaxSteps = 64;
// Some models' cost grows with the longest token; real ones have a few hundred bytes.
inline constexpr size_t kMaxTokenBytes = 4096;

template <class... Args>
Error fault(const std::string& name, fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorCode::kData, fmt::format("'{}' {}", name, fmt::format(format, std::forward<Args>(args)...))};
}

// A token or a pattern as a message shows it: control characters escaped, and cut when it is long.
std::string shown(std::string_view text);

// The text or the truth value of a key; of a key that is not there, or of another type: empty, or `otherwise`.
std::string text_of(const Json& object, const char* key);
bool flag_of(const Json& object, const char* key, bool otherwise = false);

// Errors (kData): a token longer than kMaxTokenBytes.
Status check_length(std::string_view token, const std::string& name);

// Ids by text. Precondition: the vocabulary outlives it and does not change.
using TokenIds = std::unordered_map<std::string_view, int32_t>;
// Errors (kData): a text twice, or one that is too long.
Result<TokenIds> ids_by_text(const Vocabulary& vocabulary, const std::string& name);

// "LEFT RIGHT" of tokens that are known, as is what they make. Errors (kData).
Status add_merge(Vocabulary& vocabulary, const TokenIds& ids, std::string_view left, std::string_view right, const std::string& name);

struct SentenceSpaces { bool prefix = true, suffix = false, squeeze = false, once = false; };
void add_sentence_steps(Vocabulary& vocabulary, SentenceSpaces spaces, std::string charsmap);
void add_bert_steps(Vocabulary& vocabulary, bool clean, bool chinese, bool strip_accents, bool lowercase);

Result<Vocabulary> read_tokenizer_json(const std::filesystem::path& path, const std::string& name);
Status read_json_steps(const Json& root, Vocabulary& vocabulary, const std::string& name);
Result<Vocabulary> read_sentence_piece(const std::filesystem::path& path, const std::string& name);
Result<Vocabulary> read_gguf_vocabulary(const std::filesystem::path& path, const std::string& name);

}  // namespace llmops::tokenizer_files
