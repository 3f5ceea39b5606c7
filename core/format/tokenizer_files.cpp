// Which reader a file goes to, and the formats of plain lines: BERT's vocab.txt and tiktoken's ranks
// (https://github.com/openai/tiktoken, load.py).
#include "core/format/tokenizer_files.h"

#include <algorithm>
#include <charconv>

#include "core/base/base64.h"
#include "core/base/fs.h"
#include "core/format/tokenizer_parts.h"

namespace llmops {
namespace tokenizer_files {

std::string shown(std::string_view text) {
  constexpr size_t kMost = 60;
  std::string out;
  for (const char c : text.substr(0, kMost)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) out += fmt::format("\\x{:02x}", c);
    else out.push_back(c);
  }
  if (text.size() > kMost) out += "...";
  return out;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag_of(const Json& object, const char* key, bool otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

Status check_length(std::string_view token, const std::string& name) {
  if (token.size() > kMaxTokenBytes) return fault(name, "has the token '{}' of {} bytes, more than {}", shown(token), token.size(), kMaxTokenBytes);
  return {};
}

Result<TokenIds> ids_by_text(const Vocabulary& vocabulary, const std::string& name) {
  TokenIds ids;
  ids.reserve(vocabulary.tokens.size());
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    if (token.empty()) continue;
    LLMOPS_CHECK(check_length(token, name));
    const auto [place, fresh] = ids.emplace(token, static_cast<int32_t>(id));
    if (!fresh) return fault(name, "has the token '{}' twice, as {} and {}", shown(token), place->second, id);
  }
  return ids;
}

Status add_merge(Vocabulary& vocabulary, const TokenIds& ids, std::string_view left, std::string_view right, const std::string& name) {
  const auto find = [&](std::string_view text) { const auto found = ids.find(text); return found == ids.end() ? -1 : found->second; };
  const int32_t left_id = find(left), right_id = find(right);
  if (left_id < 0 || right_id < 0) return fault(name, "has a merge of '{}', which is no token", shown(left_id < 0 ? left : right));
  std::string made(left);
  made += !vocabulary.word_prefix.empty() && right.starts_with(vocabulary.word_prefix) ? right.substr(vocabulary.word_prefix.size()) : right;
  const int32_t made_id = find(made);
  if (made_id < 0) return fault(name, "has a merge into '{}', which is no token", shown(made));
  vocabulary.merges.push_back({left_id, right_id, made_id});
  return {};
}

void add_sentence_steps(Vocabulary& vocabulary, SentenceSpaces spaces, std::string charsmap) {
  if (!charsmap.empty()) vocabulary.normalize.push_back({.kind = NormalizeKind::kCharsmap, .pattern = {}, .content = std::move(charsmap), .longest = true});
  vocabulary.normalize.push_back({.kind = NormalizeKind::kSentenceSpaces, .pattern = {}, .content = {}, .prefix = spaces.prefix, .suffix = spaces.suffix, .squeeze = spaces.squeeze, .once = spaces.once});
  vocabulary.decode.push_back({.kind = DecodeKind::kSentence, .pattern = {}, .content = {}, .drops_space = spaces.prefix});
}

void add_bert_steps(Vocabulary& vocabulary, bool clean, bool chinese, bool strip_accents, bool lowercase) {
  const auto add = [&](NormalizeKind kind) { vocabulary.normalize.push_back({.kind = kind, .pattern = {}, .content = {}}); };
  if (clean) add(NormalizeKind::kCleanText);
  if (chinese) add(NormalizeKind::kSpaceChinese);
  if (strip_accents) {
    add(NormalizeKind::kNfd);
    add(NormalizeKind::kStripNonspacing);
  }
  if (lowercase) add(NormalizeKind::kLowercase);
}

namespace {

template <class Each>
Status each_line(std::string_view text, Each&& each) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    LLMOPS_CHECK(each(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

Result<Vocabulary> read_word_list(const fs::path& path, const std::string& name) {
  LLMOPS_ASSIGN(const std::string text, read_file(path, kMaxFileBytes));
  Vocabulary made;
  made.model = TokenModel::kWordPiece;
  LLMOPS_CHECK(each_line(text, [&](std::string_view line) -> Status {
    if (made.tokens.size() >= kMaxTokens) return fault(name, "has more than {} lines", kMaxTokens);
    made.tokens.emplace_back(line);
    return {};
  }));
  made.kinds.assign(made.tokens.size(), TokenKind::kNormal);
  made.word_prefix = "##";
  made.max_word_characters = 100;
  LLMOPS_ASSIGN(const TokenIds ids, ids_by_text(made, name));
  const auto special = [&](const char* token, TokenKind kind) -> std::optional<int32_t> {
    const auto found = ids.find(token);
    if (found == ids.end()) return std::nullopt;
    made.kinds[static_cast<size_t>(found->second)] = kind;
    made.added.push_back({.id = found->second, .content = token, .special = true});
    return found->second;
  };
  made.unknown_id = special("[UNK]", TokenKind::kUnknown);
  if (!made.unknown_id) return fault(name, "has no line [UNK], which a list of WordPiece tokens needs");
  made.bos_id = special("[CLS]", TokenKind::kControl);
  made.eos_id = special("[SEP]", TokenKind::kControl);
  if (made.bos_id && made.eos_id) made.before = {*made.bos_id}, made.after = {*made.eos_id};
  for (const char* token : {"[PAD]", "[MASK]"}) special(token, TokenKind::kControl);
  add_bert_steps(made, true, true, true, true);
  made.split.push_back({.kind = SplitKind::kBert, .pattern = {}});
  made.decode.push_back({.kind = DecodeKind::kWordPiece, .pattern = "##", .content = {}, .cleanup = true});
  return made;
}

struct RankFile { const char* name; std::vector<std::pair<const char*, int32_t>> special; };
const std::vector<RankFile>& rank_files() {
  static const std::vector<RankFile> files = {
      {"cl100k_base", {{"<|endoftext|>", 100257}, {"<|fim_prefix|>", 100258}, {"<|fim_middle|>", 100259}, {"<|fim_suffix|>", 100260}, {"<|endofprompt|>", 100276}}},
      {"o200k_base", {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
      {"p50k_base", {{"<|endoftext|>", 50256}}},
      {"r50k_base", {{"<|endoftext|>", 50256}}},
      {"gpt2", {{"<|endoftext|>", 50256}}}};
  return files;
}

// `number`: of the line; `count`: of the lines with tokens up to it, which alone let the ranks grow.
Status read_rank(std::string_view line, Vocabulary& made, const std::string& name, size_t number, size_t count) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return fault(name, "has line {} without a rank", number);
  int32_t rank = -1;
  const auto [end, error] = std::from_chars(line.data() + space + 1, line.data() + line.size(), rank);
  if (error != std::errc() || end != line.data() + line.size() || rank < 0) return fault(name, "has '{}' as the rank of line {}", shown(line.substr(space + 1)), number);
  if (static_cast<size_t>(rank) >= std::min(2 * count + 4096, kMaxTokens)) return fault(name, "has the rank {} in line {}, far beyond the lines before it", rank, number);
  const std::optional<std::string> bytes = base64_decode(line.substr(0, space));
  if (!bytes || bytes->empty()) return fault(name, "has line {} whose token is not base64", number);
  if (static_cast<size_t>(rank) >= made.tokens.size()) made.tokens.resize(static_cast<size_t>(rank) + 1);
  std::string& token = made.tokens[static_cast<size_t>(rank)];
  if (!token.empty()) return fault(name, "has the rank {} twice", rank);
  token = *bytes;
  return {};
}

// A file of another name keeps its ranks but says nothing of the words: the caller cannot know them either.
Result<Vocabulary> read_ranks(const fs::path& path, const std::string& name) {
  const std::string stem = path.stem().string();
  const auto& files = rank_files();
  const auto file = std::find_if(files.begin(), files.end(), [&](const RankFile& one) { return stem == one.name; });
  if (file == files.end()) return Error(ErrorCode::kData, "'" + name + "' does not say how text is divided into words", "name the file cl100k_base, o200k_base, p50k_base, r50k_base or gpt2 .tiktoken");
  LLMOPS_ASSIGN(const std::string text, read_file(path, kMaxFileBytes));
  Vocabulary made;
  made.model = TokenModel::kScoredBpe;
  size_t number = 0, count = 0;
  LLMOPS_CHECK(each_line(text, [&](std::string_view line) -> Status {
    ++number;
    return line.empty() ? Status() : read_rank(line, made, name, number, ++count);
  }));
  const size_t ranks = made.tokens.size();
  for (const auto& [content, id] : file->special) {
    const auto place = static_cast<size_t>(id);
    if (place >= ranks + 4096) continue;   // a cut file: the special tokens would stand alone far behind
    if (place < made.tokens.size() && !made.tokens[place].empty()) return fault(name, "has the rank {} of {}", id, content);
    if (place >= made.tokens.size()) made.tokens.resize(place + 1);
    made.tokens[place] = content;
    made.added.push_back({.id = id, .content = content, .special = true});
    if (std::string_view(content) == "<|endoftext|>") made.bos_id = made.eos_id = id;
  }
  made.kinds.assign(made.tokens.size(), TokenKind::kNormal);
  for (const AddedToken& token : made.added) made.kinds[static_cast<size_t>(token.id)] = TokenKind::kControl;
  made.scores.resize(made.tokens.size());
  for (size_t id = 0; id < made.scores.size(); ++id) made.scores[id] = -static_cast<float>(id);
  made.raw_bytes = made.ignore_merges = true;
  LLMOPS_CHECK(ids_by_text(made, name));
  made.split.push_back({.kind = SplitKind::kPreset, .pattern = stem});
  made.decode.push_back({.kind = DecodeKind::kByteLevel, .pattern = {}, .content = {}});
  return made;
}

// Errors: kNotFound; kData: several files, none of which has the better claim.
Result<fs::path> file_of_folder(const fs::path& folder, const std::string& name) {
  for (const char* file : {"tokenizer.json", "tokenizer.model", "vocab.txt"}) {
    std::error_code none;   // also of a link that leads nowhere
    if (fs::is_regular_file(folder / file, none)) return folder / file;
  }
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
    const auto ending = entry->path().extension();
    if (ending == ".gguf" || ending == ".tiktoken") found.push_back(entry->path());
  }
  if (failure) return io_error("read", folder, failure.value());
  if (found.empty()) return Error(ErrorCode::kNotFound, "'" + name + "' holds no tokenizer", "name a folder with a tokenizer.json, tokenizer.model, vocab.txt, *.gguf or *.tiktoken");
  if (found.size() > 1) return Error(ErrorCode::kData, fmt::format("'{}' holds {} tokenizers", name, found.size()), "name one of the files");
  return found[0];
}

}  // namespace
}  // namespace tokenizer_files

Result<Vocabulary> read_vocabulary(const fs::path& path, const std::string& shown_name) {
  using namespace tokenizer_files;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    LLMOPS_ASSIGN(const fs::path file, file_of_folder(path, shown_name));
    return read_vocabulary(file, shown_name + (shown_name.ends_with('/') ? "" : "/") + file.filename().string());
  }
  if (!fs::exists(path, ignored)) return Error(ErrorCode::kNotFound, "'" + shown_name + "' does not exist");
  const std::string ending = path.extension().string();
  if (ending == ".json") return read_tokenizer_json(path, shown_name);
  if (ending == ".model" || ending == ".spm") return read_sentence_piece(path, shown_name);
  if (ending == ".gguf") return read_gguf_vocabulary(path, shown_name);
  if (ending == ".tiktoken") return read_ranks(path, shown_name);
  if (ending == ".txt") return read_word_list(path, shown_name);
  return Error(ErrorCode::kData, "'" + shown_name + "' is no tokenizer file that is known", "name a tokenizer.json, a *.model, a vocab.txt, a *.gguf or a *.tiktoken");
}

const std::array<char32_t, 256>& byte_alphabet() {
  static const std::array<char32_t, 256> alphabet = [] {
    std::array<char32_t, 256> made{};
    char32_t next = 256;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      made[byte] = printable ? byte : next++;
    }
    return made;
  }();
  return alphabet;
}

std::optional<std::string> bytes_of_token(const std::string& token) {
  static const std::array<int16_t, 324> bytes = [] {
    std::array<int16_t, 324> made;
    made.fill(-1);
    for (size_t byte = 0; byte < 256; ++byte) made[byte_alphabet()[byte]] = static_cast<int16_t>(byte);
    return made;
  }();
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    auto c = static_cast<unsigned>(static_cast<unsigned char>(token[i]));
    if (c >= 0x80) {   // the alphabet ends below U+0800: two bytes
      if ((c & 0xE0) != 0xC0 || i + 1 >= token.size()) return std::nullopt;
      const auto second = static_cast<unsigned>(static_cast<unsigned char>(token[++i]));
      if ((second & 0xC0) != 0x80) return std::nullopt;
      c = (c & 0x1F) << 6 | (second & 0x3F);
      if (c < 0x80) return std::nullopt;   // written too long
    }
    if (c >= bytes.size() || bytes[c] < 0) return std::nullopt;
    out.push_back(static_cast<char>(bytes[c]));
  }
  return out;
}

std::optional<uint8_t> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  uint8_t value = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
  if (error != std::errc() || end != token.data() + 5) return std::nullopt;
  return value;
}

}  // namespace llmops
