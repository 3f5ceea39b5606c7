// What a file says about a tokenizer, as one plain description whatever the format: the tokens by id, how they were learnt, and the
// steps that text goes through before and after. core/text/tokenizer.h makes a tokenizer of it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace llmops {

// kBpe: merges of two tokens by rank (Sennrich et al. 2016). kScoredBpe: any two neighbours whose joined text is a token merge, the
// token of the highest score first (SentencePiece, tiktoken). kUnigram: the path of the highest sum of scores (Kudo 2018).
// kWordPiece: the longest token from the left (Schuster and Nakajima 2012). kWordLevel: whole words.
enum class TokenModel { kBpe, kScoredBpe, kUnigram, kWordPiece, kWordLevel };

enum class TokenKind : uint8_t { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";   // ▁, SentencePiece's space
// The steps before a model, or behind it, may make a text so many times as long together; real ones stay below 600.
inline constexpr unsigned kMostTextGrowth = 1024;

struct TokenMerge { int32_t left, right, made; };   // ids; the rank is the place in the list

// A token that is found in the text itself before anything else happens.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;                       // found only when asked for; left out by decode
  bool single_word = false;                   // only between characters that are no letters, digits or _
  bool strips_left = false, strips_right = false;   // takes the white space beside it
  bool normalized = false;                    // found after the normalizer
};

enum class NormalizeKind { kNfc, kNfd, kNfkc, kNfkd, kLowercase, kStripMarks, kStripNonspacing, kStrip, kReplace, kReplacePattern, kPrepend, kCleanText, kSpaceChinese, kCharsmap, kNmt, kSentenceSpaces };
struct NormalizeStep {
  NormalizeKind kind = NormalizeKind::kNfc;
  std::string pattern, content;               // kReplace, kReplacePattern; kPrepend: content; kCharsmap: content, the bytes of the map
  bool left = false, right = false;           // kStrip
  bool prefix = false, suffix = false;        // kSentenceSpaces: a space in front, or behind
  bool squeeze = false;                       // kSentenceSpaces: runs of spaces become one, none at the ends
  bool once = false;                          // kSentenceSpaces: the prefix stands at the start of the text only, not behind each added token
  bool longest = false;                       // kCharsmap: SentencePiece's longest match; else that of Hugging Face, by grapheme
};

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
enum class PrependScheme { kAlways, kFirst, kNever };
// kPattern: a regular expression, or a literal; kPreset: a name of llama.cpp's `tokenizer.ggml.pre` or of tiktoken.
enum class SplitKind { kPattern, kLiteral, kPreset, kByteLevel, kWhitespace, kWhitespaceSplit, kBert, kMetaspace, kPunctuation, kDigits };
struct SplitStep {
  SplitKind kind = SplitKind::kWhitespace;
  std::string pattern;                        // kPattern, kLiteral, kPreset; kMetaspace: its replacement
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
  bool prefix_space = false;                  // kByteLevel
  bool individual = false;                    // kDigits: each one
  bool splits = true;                         // kMetaspace
  PrependScheme prepend = PrependScheme::kAlways;
};

// Steps of decoding, over the texts of the tokens. kSentence: SentencePiece's own (byte tokens, ▁ to a space, one in front dropped).
enum class DecodeKind { kByteLevel, kWordPiece, kMetaspace, kSuffix, kByteFallback, kFuse, kStrip, kReplace, kSentence };
struct DecodeStep {
  DecodeKind kind = DecodeKind::kFuse;
  std::string pattern, content;               // kReplace; kWordPiece, kSuffix: pattern; kStrip: content; kMetaspace: pattern
  bool cleanup = false;                       // kWordPiece, kSuffix: no space before punctuation
  bool drops_space = true;                    // kMetaspace, kSentence: the space that was put in front
  uint32_t start = 0, stop = 0;               // kStrip: most characters from each end
};

struct Vocabulary {
  TokenModel model = TokenModel::kBpe;
  std::vector<std::string> tokens;            // by id, as the file writes them; empty: no such id
  std::vector<TokenKind> kinds;               // by id
  std::vector<float> scores;                  // by id; kScoredBpe, kUnigram
  std::vector<TokenMerge> merges;             // kBpe
  bool byte_level = false;                    // tokens are written in the alphabet of GPT-2 that shows bytes
  bool raw_bytes = false;                     // tokens are bytes as they are (tiktoken)
  bool byte_fallback = false;                 // unknown characters become tokens <0x00>..<0xFF>
  bool ignore_merges = false;                 // a word that is a token is that token
  bool fuse_unknown = false;                  // neighbours without a token become one unknown
  bool longest_added_first = false;           // of added tokens that overlap the longest wins, wherever it stands (llama.cpp)
  bool added_as_written = false;              // normalized added tokens are found as written; else as the normalizer writes them
  std::string word_prefix;                    // kWordPiece, kBpe: of a token that goes on in a word ("##")
  std::string word_suffix;                    // kBpe: of a token that ends a word ("</w>")
  uint32_t max_word_characters = 0;           // kWordPiece: a longer word is unknown; 0: no limit
  std::vector<AddedToken> added;
  std::vector<NormalizeStep> normalize;
  std::vector<SplitStep> split;
  std::vector<DecodeStep> decode;
  std::vector<int32_t> before, after;         // put around a text when special tokens are asked for
  std::optional<int32_t> unknown_id, bos_id, eos_id;
};

// Reads the file, or in the folder of a model the first that is there of tokenizer.json, tokenizer.model, vocab.txt, and the only
// *.gguf or *.tiktoken. Formats: Hugging Face's tokenizer.json; SentencePiece's model (sentencepiece_model.proto); GGUF's keys
// tokenizer.ggml.* (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); tiktoken's lines "BASE64 RANK", whose file name says
// what divides text into words (cl100k_base, o200k_base, p50k_base, r50k_base, gpt2); BERT's vocab.txt (lower case is assumed).
// Every id in the result is below tokens.size(), and kinds (scores where used) are as long as tokens. Errors: kNotFound, kIo; kData: a file
// past 256 MB, what its format does not allow, tokens twice or of more than 4096 bytes, ids out of range, merges of unknown tokens, steps that
// are not known, decoders past kMostTextGrowth.
// Cost: the file and about three times its size in memory.
Result<Vocabulary> read_vocabulary(const std::filesystem::path& path, const std::string& shown_name);

// The alphabet in which byte-level files write the 256 bytes: printable Latin-1 characters as themselves, the others from U+0100 on.
const std::array<char32_t, 256>& byte_alphabet();
// The bytes that a token of that alphabet stands for; nullopt: it holds another character.
std::optional<std::string> bytes_of_token(const std::string& token);
// The byte that a token of byte fallback stands for: <0x00>..<0xFF>.
std::optional<uint8_t> byte_of_token(std::string_view token);

}  // namespace llmops
