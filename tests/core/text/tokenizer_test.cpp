// Tokens of texts, by vocabularies small enough to check by hand and by real ones. Expected ids of the small tokenizer.json files are those
// of Hugging Face's tokenizers 0.6 for Node; those of the GGUF files are llama.cpp's.
#include "core/text/tokenizer.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include "core/base/base64.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;
using Ids = std::vector<int32_t>;

namespace {

Tokenizer opened(const std::string& file, const std::string& bytes) {
  const TempDir dir;
  auto made = open_tokenizer(dir.write(file, bytes), file);
  if (!made) FAIL(made.error().message);
  return std::move(*made);
}

Tokenizer of_json(const Json& root) { return opened("tokenizer.json", dump_json(root)); }

std::string fault_of_json(const Json& root) {
  const TempDir dir;
  const auto made = open_tokenizer(dir.write("tokenizer.json", dump_json(root)), "tokenizer.json");
  return made ? "opened" : made.error().message;
}

Json vocab_of(const std::vector<std::string>& tokens) {
  Json made = Json::object();
  for (size_t i = 0; i < tokens.size(); ++i) made[tokens[i]] = i;
  return made;
}

Json added(int id, const char* content) { return {{"id", id}, {"content", content}, {"special", false}, {"normalized", false}}; }

const Json kByteLevel = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};

Json byte_level_bpe() {
  Json special = added(19, "<|end|>");
  special["special"] = true;
  const Json vocab = vocab_of({"h", "e", "l", "o", "w", "r", "d", "Ġ", "Ã", "©", "he", "ll", "hell", "hello", "Ġw", "or", "ld", "Ġwor", "Ġworld", "<|end|>"});
  const Json merges = {"h e", "l l", "he ll", "hell o", "Ġ w", "o r", "l d", "Ġw or", "Ġwor ld"};
  return {{"added_tokens", Json::array({special})}, {"pre_tokenizer", kByteLevel}, {"decoder", kByteLevel}, {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens = {"<unk>", "<s>"};
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(fmt::format("<0x{:02X}>", byte));
  return tokens;
}

Json sentence_bpe() {
  std::vector<std::string> tokens = byte_tokens();
  tokens.insert(tokens.end(), {"▁", "a", "b", "▁a", "ab", "▁ab", "▁▁"});
  const Json merges = Json::array({{"▁", "a"}, {"a", "b"}, {"▁a", "b"}, {"▁", "▁"}});
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}, prepend = {{"type", "Prepend"}, {"prepend", "▁"}};
  const Json back = {{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}}, strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  return {{"normalizer", {{"type", "Sequence"}, {"normalizers", {prepend, replace}}}},
          {"decoder", {{"type", "Sequence"}, {"decoders", {back, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, strip}}}},
          {"model", {{"type", "BPE"}, {"unk_token", "<unk>"}, {"byte_fallback", true}, {"fuse_unk", true}, {"vocab", vocab_of(tokens)}, {"merges", merges}}}};
}

Json word_piece() {
  const Json vocab = vocab_of({"[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "cafe", "want", "##ed", ",", "我", "i"});
  const auto special = [](const char* token) { return Json{{"SpecialToken", {{"id", token}, {"type_id", 0}}}}; };
  const auto ids = [](const char* token, int id) { return Json{{"id", token}, {"ids", Json::array({id})}, {"tokens", Json::array({token})}}; };
  return {{"normalizer", {{"type", "BertNormalizer"}, {"clean_text", true}, {"handle_chinese_chars", true}, {"strip_accents", nullptr}, {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
          {"post_processor", {{"type", "TemplateProcessing"}, {"single", {special("[CLS]"), {{"Sequence", {{"id", "A"}}}}, special("[SEP]")}}, {"special_tokens", {{"[CLS]", ids("[CLS]", 1)}, {"[SEP]", ids("[SEP]", 2)}}}}},
          {"model", {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"max_input_chars_per_word", 10}, {"vocab", vocab}}}};
}

// The definition itself: the pair of the lowest rank, of those the leftmost, until none is left.
Ids slow_bpe(const std::string& word, const std::map<std::string, int32_t>& ids, const std::map<std::pair<int32_t, int32_t>, std::pair<size_t, int32_t>>& merges) {
  Ids symbols;
  for (const char c : word) symbols.push_back(ids.at(std::string(1, c)));
  while (true) {
    size_t best = SIZE_MAX, at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = merges.find({symbols[i], symbols[i + 1]});
      if (found != merges.end() && found->second.first < best) best = found->second.first, at = i;
    }
    if (best == SIZE_MAX) return symbols;
    symbols[at] = merges.at({symbols[at], symbols[at + 1]}).second;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

}  // namespace

TEST_CASE("byte-level BPE merges bytes inside words, whether merges are texts or pairs") {
  Json root = byte_level_bpe();
  for (const bool pairs : {false, true}) {
    if (pairs) {
      for (Json& merge : root["model"]["merges"]) {
        const std::string text = merge.get<std::string>();
        merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
      }
    }
    const Tokenizer tokenizer = of_json(root);
    CHECK(tokenizer.encode("hello world") == Ids{13, 18});
    CHECK(tokenizer.encode("hello  world") == Ids{13, 7, 18});
    CHECK(tokenizer.encode("held") == Ids{10, 16});
    CHECK(tokenizer.encode("wé") == Ids{4, 8, 9});
    CHECK(tokenizer.encode("").empty());
    CHECK(tokenizer.decode(Ids{13, 18, 8, 9}) == "hello worldé");
    CHECK(tokenizer.token_text(18) == "Ġworld");
    CHECK(tokenizer.token_text(20).empty());
    CHECK(tokenizer.size() == 20);
  }
}

TEST_CASE("control tokens in a text are text unless they are asked for") {
  const Tokenizer tokenizer = of_json(byte_level_bpe());
  CHECK(tokenizer.encode("hello<|end|>world", {.parse_special = true}) == Ids{13, 19, 4, 15, 16});
  const Ids plain = tokenizer.encode("hello<|end|>world");
  CHECK(std::find(plain.begin(), plain.end(), 19) == plain.end());
  CHECK(tokenizer.decode(Ids{13, 19, 4}) == "hellow");
  CHECK(tokenizer.decode(Ids{13, 19, 4}, true) == "hello<|end|>w");
  CHECK(tokenizer.decode(Ids{-1, 13, 99, INT32_MAX}) == "hello");
}

TEST_CASE("BPE over characters falls back to bytes and puts ▁ in front") {
  const Tokenizer tokenizer = of_json(sentence_bpe());
  CHECK(tokenizer.encode("ab") == Ids{263});
  CHECK(tokenizer.encode("ab  ab") == Ids{263, 258, 263});
  CHECK(tokenizer.encode("é a") == Ids{258, 197, 171, 261});
  CHECK(tokenizer.encode("abab") == Ids{263, 262});
  CHECK(tokenizer.decode(Ids{263, 258, 263, 197, 171}) == "ab  abé");
}

TEST_CASE("a suffix marks the tokens that end a word, and becomes a space again") {
  const Json vocab = vocab_of({"a</w>", "l", "o", "w</w>", "lo", "low</w>", "w"}), merges = Json::array({"l o", "lo w</w>"});
  const Tokenizer tokenizer = of_json({{"pre_tokenizer", {{"type", "WhitespaceSplit"}}}, {"decoder", {{"type", "BPEDecoder"}, {"suffix", "</w>"}}},
                                       {"model", {{"type", "BPE"}, {"end_of_word_suffix", "</w>"}, {"vocab", vocab}, {"merges", merges}}}});
  CHECK(tokenizer.encode("low a") == Ids{5, 0});
  CHECK(tokenizer.encode("wlow") == Ids{6, 5});
  CHECK(tokenizer.encode("lolow") == Ids{4, 5});
  CHECK(tokenizer.decode(Ids{5, 6, 5, 0}) == "low wlow a");
}

TEST_CASE("a decoder strips so many characters from each end, and replaces in one pass") {
  const Json vocab = vocab_of({"xxxaxx", "x"});
  const auto decoded = [&](const Json& decoder) { return of_json({{"decoder", decoder}, {"model", {{"type", "WordLevel"}, {"unk_token", "x"}, {"vocab", vocab}}}}).decode(Ids{0, 1}); };
  CHECK(decoded({{"type", "Strip"}, {"content", "x"}, {"start", 2}, {"stop", 1}}) == "xax");
  CHECK(decoded({{"type", "Strip"}, {"content", "xx"}, {"start", 5}, {"stop", 0}}) == "xaxxx");
  CHECK(decoded({{"type", "Replace"}, {"pattern", {{"String", "x"}}}, {"content", "xx"}}) == "xxxxxxaxxxxxx");
}

TEST_CASE("unigram takes the path of the highest score") {
  const Json vocab = Json::array({{"<unk>", 0}, {"▁", -3.0}, {"a", -2.5}, {"b", -2.5}, {"ab", -4.0}, {"▁ab", -6.5}, {"c", -3}, {"abc", -4.5}, {"bc", -5.2}});
  const Json metaspace = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}, {"split", true}};
  const Tokenizer tokenizer = of_json({{"pre_tokenizer", metaspace}, {"decoder", metaspace}, {"model", {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", vocab}}}});
  CHECK(tokenizer.encode("ab") == Ids{5});
  CHECK(tokenizer.encode("abc") == Ids{1, 7});
  CHECK(tokenizer.encode("a b") == Ids{1, 2, 1, 3});
  CHECK(tokenizer.encode("bcbc") == Ids{1, 8, 8});
  CHECK(tokenizer.encode("xyab") == Ids{1, 0, 4});
  CHECK(tokenizer.encode("ab xx c") == Ids{5, 1, 0, 1, 6});
  CHECK(tokenizer.decode(Ids{5, 1, 6}) == "ab c");
}

TEST_CASE("WordPiece strips accents, sets Chinese characters apart and gives up on words as a whole") {
  const Tokenizer tokenizer = of_json(word_piece());
  const EncodeOptions special{.add_special = true};
  CHECK(tokenizer.encode("UNaffable", special) == Ids{1, 3, 4, 5, 2});
  CHECK(tokenizer.encode("Café, wanted", special) == Ids{1, 6, 9, 7, 8, 2});
  CHECK(tokenizer.encode("我wanted") == Ids{10, 7, 8});
  CHECK(tokenizer.encode("want want, x") == Ids{7, 7, 9, 0});
  CHECK(tokenizer.encode("unaffableed") == Ids{0});   // of more than 10 characters
  CHECK(tokenizer.encode(std::string("i\u0301 \0want\tI", 11)) == Ids{11, 7, 11});
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.eos() == 2);
  CHECK(tokenizer.decode(Ids{1, 6, 9, 7, 8, 2}, true) == "[CLS] cafe, wanted [SEP]");
}

TEST_CASE("added tokens take white space beside them and may ask to stand alone") {
  Json list = Json::array({added(4, "<l>"), added(5, "<r>"), added(6, "xx"), added(7, "<both>"), added(8, "A")});
  list[0]["lstrip"] = list[1]["rstrip"] = list[2]["single_word"] = list[3]["lstrip"] = list[3]["rstrip"] = true;
  const Tokenizer tokenizer = of_json({{"added_tokens", list}, {"normalizer", {{"type", "Lowercase"}}}, {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
                                       {"model", {{"type", "WordLevel"}, {"unk_token", "<unk>"}, {"vocab", vocab_of({"<unk>", "a", "b", "ab"})}}}});
  CHECK(tokenizer.encode("a <l> b") == Ids{1, 4, 2});
  CHECK(tokenizer.encode("a <r>  b") == Ids{1, 5, 2});
  CHECK(tokenizer.encode("ab xx b") == Ids{3, 6, 2});
  CHECK(tokenizer.encode("axxb") == Ids{0});
  CHECK(tokenizer.encode("a <both>  <l> b") == Ids{1, 7, 4, 2});
  CHECK(tokenizer.encode("A") == Ids{8});
  CHECK(tokenizer.encode("a<l><r>b") == Ids{1, 4, 5, 2});
}

TEST_CASE("tiktoken's ranks merge any two neighbours that are a token together") {
  std::string lines;
  int rank = 0;
  for (const char* token : {"a", "b", "c", " ", "ab", "bc", "abc", " abc", "\n", "'", "s", "'s"}) lines += base64_encode(token) + " " + std::to_string(rank++) + "\n";
  const Tokenizer tokenizer = opened("cl100k_base.tiktoken", lines);
  CHECK(tokenizer.encode("abc abc") == Ids{6, 7});
  CHECK(tokenizer.encode("bcab") == Ids{5, 4});
  CHECK(tokenizer.encode("abbc") == Ids{4, 5});
  CHECK(tokenizer.encode("abc's\n\nab") == Ids{6, 11, 8, 8, 4});
  CHECK(tokenizer.decode(Ids{6, 11, 8, 7}) == "abc's\n abc");
}

TEST_CASE("invalid UTF-8 is encoded byte by byte, or becomes U+FFFD, and never stalls") {
  const std::string broken = "h\xC3 \xFF\xE2\x96";
  Json root = byte_level_bpe();
  Json vocab = Json::object();
  int id = 0;
  for (const char32_t c : byte_alphabet()) {
    std::string token;
    if (c < 0x80) token.push_back(static_cast<char>(c));
    else token = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    vocab[token] = id++;
  }
  root["model"]["vocab"] = vocab;
  root["model"]["merges"] = Json::array();
  root["added_tokens"] = Json::array();
  const Tokenizer bytes = of_json(root);
  CHECK(bytes.encode(broken) == Ids{'h', 0xC3, ' ', 0xFF, 0xE2, 0x96});
  CHECK(bytes.decode(bytes.encode(broken)) == broken);
  CHECK(of_json(sentence_bpe()).encode("\xFF") == of_json(sentence_bpe()).encode("\uFFFD"));
  CHECK(of_json(word_piece()).encode("want\xFF i") == Ids{7, 11});
}

TEST_CASE("merging gives what the definition gives, in short words and in long ones") {
  const std::vector<std::pair<std::string, std::string>> pairs = {{"a", "a"}, {"b", "a"}, {"aa", "b"}, {"a", "b"}, {"aa", "aa"}, {"ba", "ab"}, {"c", "c"}, {"aab", "cc"}, {"b", "b"}};
  std::map<std::string, int32_t> ids = {{"a", 0}, {"b", 1}, {"c", 2}};
  std::map<std::pair<int32_t, int32_t>, std::pair<size_t, int32_t>> merges;
  Json vocab = {{"a", 0}, {"b", 1}, {"c", 2}}, list = Json::array();
  for (size_t rank = 0; rank < pairs.size(); ++rank) {
    const auto& [left, right] = pairs[rank];
    const auto [made, fresh] = ids.emplace(left + right, static_cast<int32_t>(ids.size()));
    if (fresh) vocab[made->first] = made->second;
    merges[{ids.at(left), ids.at(right)}] = {rank, made->second};
    list.push_back({left, right});
  }
  const Tokenizer tokenizer = of_json({{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}}}});
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    std::string word(1 + random() % (round % 4 == 0 ? 400 : 70), 'a');
    for (char& c : word) c = static_cast<char>('a' + random() % 3);
    const Ids expected = slow_bpe(word, ids, merges);
    if (tokenizer.encode(word) != expected) FAIL(word);
    if (tokenizer.count(word) != expected.size()) FAIL(word);
  }
}

TEST_CASE("a word of a megabyte takes no more than its share") {
  const Tokenizer tokenizer = of_json(byte_level_bpe());
  std::string word;
  while (word.size() < 1'000'000) word += "hello";
  CHECK(tokenizer.count(word) == 200'000);
}

TEST_CASE("a pre-tokenizer that is not known is refused by name") {
  Json root = byte_level_bpe();
  root["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(?<=a)b"}}}, {"behavior", "Isolated"}};
  CHECK(fault_of_json(root) == "'tokenizer.json' splits text by the pattern '(?<=a)b', which is not supported");
  root["pre_tokenizer"]["pattern"]["Regex"] = "a++b";
  CHECK(fault_of_json(root) == "'tokenizer.json' splits text by the pattern 'a++b', which is not supported");
  root["pre_tokenizer"]["pattern"]["Regex"] = "[";
  CHECK(fault_of_json(root) == "'tokenizer.json' splits text by the pattern '[', which is not supported");
  Vocabulary vocabulary;
  vocabulary.tokens = {"a"};
  vocabulary.kinds = {TokenKind::kNormal};
  vocabulary.split = {{.kind = SplitKind::kPreset, .pattern = "qwen3"}};
  const auto made = Tokenizer::make(vocabulary, "x.gguf");
  REQUIRE_FALSE(made);
  CHECK(made.error().message == "'x.gguf' names the pre-tokenizer 'qwen3', which is not known");
  CHECK(made.error().hint == "did you mean 'qwen2'?");
}

TEST_CASE("count is the length of encode, from many threads at once") {
  const Tokenizer tokenizer = of_json(sentence_bpe());
  std::vector<std::string> texts;
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = " abé\n"[random() % 5];
    texts.push_back(text);
  }
  std::vector<size_t> expected;
  for (const std::string& text : texts) expected.push_back(tokenizer.encode(text).size());
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 20; ++round)
        for (size_t i = 0; i < texts.size(); ++i) wrong[t] += tokenizer.count(texts[i]) != expected[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("GGUF vocabularies give llama.cpp's ids", "[data]") {
  if (!data_root()) return note_left_out("tokenizers of llama.cpp");
  const std::string name = GENERATE(std::string("gpt-2"), std::string("llama-spm"), std::string("bert-bge"), std::string("phi-3"));
  const fs::path file = *data_root() / "tokenizers" / ("ggml-vocab-" + name + ".gguf");
  const auto tokenizer = open_tokenizer(file, file.filename().string());
  if (!tokenizer) FAIL(tokenizer.error().message);
  const std::string cases = read_file(file.string() + ".inp").value(), ids = read_file(file.string() + ".out").value();
  constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
  size_t count = 0, line = 0;
  for (size_t at = 0; at < cases.size(); ++count) {
    const size_t end = cases.find(kBetween, at), line_end = ids.find('\n', line);
    REQUIRE(end != std::string::npos);
    REQUIRE(line_end != std::string::npos);
    const std::string text = cases.substr(at, end - at);
    std::string made;
    for (const int32_t id : tokenizer->encode(text)) made += " " + std::to_string(id);
    INFO(text);
    CHECK(made == ids.substr(line, line_end - line));
    CHECK(tokenizer->count(text) == tokenizer->encode(text).size());
    if (name == "gpt-2" || name == "llama-spm") CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
    at = end + kBetween.size();
    line = line_end + 1;
  }
  CHECK(count == 46);
}

TEST_CASE("the tokenizer of a model2vec folder gives BERT's ids", "[data]") {
  if (!data_root()) return note_left_out("tokenizer of model2vec");
  const auto tokenizer = open_tokenizer(*data_root() / "tokenizers" / "model2vec_test_tokenizer", "model");
  if (!tokenizer) FAIL(tokenizer.error().message);
  const std::string text = "Hello world, café naïve 我想 unaffable [MASK] don't";
  CHECK(tokenizer->encode(text, {.add_special = true, .parse_special = true}) == Ids{101, 7592, 2088, 1010, 7668, 15743, 1855, 100, 14477, 20961, 3468, 103, 2123, 1005, 1056, 102});
  CHECK(tokenizer->encode("[MASK]") == Ids{1031, 7308, 1033});
  CHECK(tokenizer->bos() == 101);
  CHECK(tokenizer->size() == 30522);
}
