// Tokenizer files of every format, made byte by byte, and what each says that is wrong.
#include "core/format/tokenizer_files.h"

#include <catch2/catch.hpp>

#include "core/base/base64.h"
#include "core/base/json.h"
#include "core/text/tokenizer.h"
#include "tests/support/test_data.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;
using Ids = std::vector<int32_t>;

namespace {

struct Folder {
  TempDir dir;
  Result<Vocabulary> read(const std::string& file, const std::string& bytes) { return read_vocabulary(dir.write(file, bytes), file); }
  std::string fault(const std::string& file, const std::string& bytes) {
    const auto made = read(file, bytes);
    return made ? "read" : made.error().message;
  }
  std::string json_fault(const Json& root) { return fault("tokenizer.json", dump_json(root)); }
  Tokenizer open(const std::string& file, const std::string& bytes) {
    auto made = open_tokenizer(dir.write(file, bytes), file);
    if (!made) FAIL(made.error().message);
    return std::move(*made);
  }
};

// Protobuf: a field of wire type 0, and one of wire type 2.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string number(uint64_t field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(uint64_t field, const std::string& value) { return varint(field << 3 | 2) + varint(value.size()) + value; }
std::string piece(const std::string& text, float score, uint64_t type = 1) { return bytes(1, bytes(1, text) + varint(2 << 3 | 5) + raw(score) + number(3, type)); }

std::string sentence_model(uint64_t type, const std::string& normalizer = {}) {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("▁", -9) + piece("a", -2) + piece("b", -3) + piece("ab", -1) + piece("▁ab", -0.5F) + piece("[x]", 0, 4) +
         piece("aa", -4, 5) + bytes(2, number(3, type) + number(35, 0)) + bytes(3, normalizer);
}

std::string array(const std::string& key, uint32_t kind, size_t count, const std::string& values) { return counted(key) + raw<uint32_t>(9) + raw(kind) + raw<uint64_t>(count) + values; }

GgufBytes gguf_llama() {
  GgufBytes file;
  file.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "▁", "a", "b", "ab", "▁ab", "<0xC3>", "<0xA9>", "<user>"});
  std::string scores, types;
  for (const float score : {0.F, 0.F, -9.F, -2.F, -3.F, -1.F, -.5F, 0.F, 0.F, 0.F}) scores += raw(score);
  for (const int32_t type : {2, 3, 1, 1, 1, 1, 1, 6, 6, 4}) types += raw(type);
  file.pairs.push_back(array("tokenizer.ggml.scores", 6, 10, scores));
  file.pairs.push_back(array("tokenizer.ggml.token_type", 5, 10, types));
  return file.number("tokenizer.ggml.bos_token_id", 1);
}

Json json_bpe() { return {{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}}, {"merges", {"a b"}}}}}; }

}  // namespace

TEST_CASE("a SentencePiece model of type bpe is merged by scores") {
  Folder folder;
  const Tokenizer tokenizer = folder.open("tokenizer.model", sentence_model(2));
  CHECK(tokenizer.encode("ab") == Ids{7});
  CHECK(tokenizer.encode("  abab  ab ") == Ids{7, 6, 7});   // spaces squeezed
  CHECK(tokenizer.encode("ab[x]ab") == Ids{7, 8, 6});       // a user's piece is whole, and no space is put behind it
  CHECK(tokenizer.encode("aab") == Ids{3, 4, 6});
  CHECK(tokenizer.encode("aa") == Ids{3, 4, 4});            // an unused piece is taken apart
  CHECK(tokenizer.encode("éé") == Ids{3, 0});               // unknown ones are one
  CHECK(tokenizer.encode("ab", {.add_special = true}) == Ids{1, 7});
  CHECK(tokenizer.decode(Ids{1, 7, 3, 4}) == "ab a");
}

TEST_CASE("of an unused piece the half that is no token is unknown") {
  const std::string model = piece("<unk>", 0, 2) + piece("a", -2) + piece("éa", -1, 5) + piece("aéa", -0.5F, 5) + bytes(2, number(3, 2)) + bytes(3, number(3, 0));
  Folder folder;
  const Tokenizer tokenizer = folder.open("tokenizer.model", model);
  CHECK(tokenizer.encode("éa") == Ids{0, 1});
  CHECK(tokenizer.encode("aéa") == Ids{1, 0, 1});
  CHECK(tokenizer.encode("zéa") == Ids{0, 1});   // z and é are one unknown
}

TEST_CASE("unused pieces in a long word are taken apart one by one") {
  std::string model = piece("<unk>", 0, 2), text;
  const int count = 300;
  for (int i = 0; i < count; ++i) {
    const std::string first = {static_cast<char>(0xC4 + i / 64), static_cast<char>(0x80 + i % 64)};
    model += piece(first, -100) + piece(first + "a", static_cast<float>(-i - 1), 5);
    text += first + "a";
  }
  model += piece("a", -100) + bytes(2, number(3, 2)) + bytes(3, number(3, 0));
  Folder folder;
  Ids expected;
  for (int i = 0; i < count; ++i) expected.insert(expected.end(), {2 * i + 1, 2 * count + 1});
  CHECK(folder.open("tokenizer.model", model).encode(text) == expected);
}

TEST_CASE("a SentencePiece model of type unigram takes the best path, and may keep its spaces") {
  Folder folder;
  const Tokenizer tokenizer = folder.open("tokenizer.model", sentence_model(1, number(4, 0)));
  CHECK(tokenizer.encode("abab") == Ids{7, 6});
  CHECK(tokenizer.encode("ab  b") == Ids{7, 3, 3, 5});
  CHECK(tokenizer.encode("ab", {.add_special = true}) == Ids{7, 2});
}

TEST_CASE("a character map replaces the longest sequence it knows") {
  // One key, "A" to "a", in a double array of 256 units: the root's offset is 1, the unit of 'A' lies at 1 ^ 'A'.
  std::vector<uint32_t> units(256);
  units[0] = 1U << 10;
  units['A' ^ 1] = 'A' | 1U << 8 | ('A' ^ 1 ^ 2) << 10;   // its value lies at 2
  units[2] = 1U << 31 | 0;
  std::string map = raw(static_cast<uint32_t>(units.size() * 4));
  for (const uint32_t unit : units) map += raw(unit);
  map += std::string("a\0", 2);
  Folder folder;
  CHECK(folder.open("tokenizer.model", sentence_model(2, bytes(2, map))).encode("AbA") == Ids{7, 4});
  const auto damaged = open_tokenizer(folder.dir.write("bad.model", sentence_model(2, bytes(2, "abcdefgh"))), "bad.model");
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().message == "'bad.model' has a damaged precompiled_charsmap of 8 bytes");
}

TEST_CASE("a SentencePiece model that lies is refused") {
  Folder folder;
  const auto fault = [&](const std::string& model) { return folder.fault("x.model", model); };
  CHECK(fault("") == "'x.model' is no SentencePiece model: it has no pieces");
  CHECK(fault("\x0A\x7F") == "'x.model' ends inside a field: 127 bytes are wanted and 0 are left");
  CHECK(fault(std::string(12, '\xFF')) == "'x.model' is no SentencePiece model: it has a number of more than 64 bits");
  CHECK(fault("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01") == "'x.model' ends inside a field: 18446744073709551615 bytes are wanted and 0 are left");
  CHECK(fault(varint(8 | 3)) == "'x.model' is no SentencePiece model: it has a field of wire type 3");
  CHECK(fault(piece("<unk>", 0, 2) + piece("a", 0) + piece("a", 0)) == "'x.model' has the token 'a' twice, as 1 and 2");
  CHECK(fault(piece("a", 0)) == "'x.model' has no unknown piece");
  CHECK(fault(piece("a", NAN)) == "'x.model' has the piece 'a' whose score is no number");
  CHECK(fault(piece("a", 0, 9)) == "'x.model' has the piece 'a' of the unknown type 9");
  CHECK(fault(sentence_model(3)) == "'x.model' is a SentencePiece model of type 3, neither unigram (1) nor bpe (2)");
  const std::string whole = sentence_model(2);
  for (size_t size = 0; size < whole.size(); ++size) folder.fault("x.model", whole.substr(0, size));
}

TEST_CASE("a GGUF vocabulary of llama merges by scores and falls back to bytes") {
  Folder folder;
  const Tokenizer tokenizer = folder.open("x.gguf", gguf_llama().bytes());
  CHECK(tokenizer.encode("ab ab") == Ids{6, 6});
  CHECK(tokenizer.encode("é") == Ids{2, 7, 8});
  CHECK(tokenizer.encode("z") == Ids{2, 0});
  CHECK(tokenizer.encode("ab<user>ab") == Ids{6, 9, 6});
  CHECK(tokenizer.encode("ab", {.add_special = true}) == Ids{1, 6});
  CHECK(tokenizer.bos() == 1);
}

TEST_CASE("a GGUF vocabulary that lies is refused") {
  Folder folder;
  const auto fault = [&](const GgufBytes& file) { return folder.fault("x.gguf", file.bytes()); };
  CHECK(fault(GgufBytes()) == "'x.gguf' holds no tokenizer: it has no tokenizer.ggml.model");
  CHECK(fault(GgufBytes().text("tokenizer.ggml.model", "llama")) == "'x.gguf' has a tokenizer without tokenizer.ggml.tokens");
  CHECK(fault(GgufBytes().text("tokenizer.ggml.model", "llama").number("tokenizer.ggml.tokens", 3)) == "'x.gguf' has tokenizer.ggml.tokens that are no array of texts");
  CHECK(fault(GgufBytes().text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", {"a"})) == "'x.gguf' has a tokenizer without tokenizer.ggml.scores");
  CHECK(fault(GgufBytes().text("tokenizer.ggml.model", "rwkv").texts("tokenizer.ggml.tokens", {"a"})) == "'x.gguf' has a tokenizer of the model 'rwkv', which is not supported; known are gpt2, llama, bert and t5");
  CHECK(fault(GgufBytes().text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "a"}).texts("tokenizer.ggml.merges", {})) == "'x.gguf' has the token 'a' twice, as 0 and 1");
  CHECK(fault(GgufBytes().text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "b"}).texts("tokenizer.ggml.merges", {"a b"})) == "'x.gguf' has a merge into 'ab', which is no token");
  CHECK(fault(GgufBytes().text("tokenizer.ggml.model", "gpt2").texts("tokenizer.ggml.tokens", {"a", "b"}).texts("tokenizer.ggml.merges", {"ab"})) == "'x.gguf' has the merge 'ab' that is not two tokens with a space between");
  GgufBytes wrong = gguf_llama();
  wrong.pairs.back() = counted("tokenizer.ggml.bos_token_id") + raw<uint32_t>(4) + raw<uint32_t>(10);
  CHECK(fault(wrong) == "'x.gguf' has a tokenizer.ggml.bos_token_id that is no id of its 10 tokens");
  wrong = gguf_llama();
  wrong.pairs[3] = array("tokenizer.ggml.scores", 6, 1, raw(1.F));
  CHECK(fault(wrong) == "'x.gguf' has 1 values of tokenizer.ggml.scores for 10 tokens");
  wrong = gguf_llama();
  wrong.pairs[4] = array("tokenizer.ggml.token_type", 5, 10, raw(77) + std::string(36, '\0'));
  CHECK(fault(wrong) == "'x.gguf' has the token '<unk>' of the unknown type 77");
  wrong = gguf_llama();
  wrong.pairs[3] = array("tokenizer.ggml.scores", 12, 10, raw(1e39) + std::string(72, '\0'));
  CHECK(fault(wrong) == "'x.gguf' has the token '<unk>' whose score is no number");
  const auto t5 = [&](uint32_t kind, const std::string& map) {
    GgufBytes file = gguf_llama();
    file.pairs[1] = counted("tokenizer.ggml.model") + raw<uint32_t>(8) + counted("t5");
    file.pairs.push_back(array("tokenizer.ggml.precompiled_charsmap", kind, 4, map));
    return fault(file);
  };
  CHECK(t5(0, "abcd") == "read");
  CHECK(t5(6, raw(1.F) + raw(NAN) + raw(1.F) + raw(1.F)) == "'x.gguf' has a tokenizer.ggml.precompiled_charsmap that is no array of bytes");
  const auto unknown = open_tokenizer(folder.dir.write("y.gguf", GgufBytes().text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "lama-bpe").texts("tokenizer.ggml.tokens", {"a"}).texts("tokenizer.ggml.merges", {}).bytes()), "y.gguf");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message == "'y.gguf' names the pre-tokenizer 'lama-bpe', which is not known");
  CHECK(unknown.error().hint == "did you mean 'llama-bpe'?");
}

TEST_CASE("a tokenizer.json that lies is refused") {
  Folder folder;
  CHECK(folder.json_fault(json_bpe()) == "read");
  CHECK(folder.json_fault(Json::array()) == "'tokenizer.json' has no model, as a tokenizer.json has");
  const auto cut = folder.read("tokenizer.json", "{\"model\": ");
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == ErrorCode::kData);
  CHECK(cut.error().where.file == "tokenizer.json");
  const auto fault = [&](auto&& change) {
    Json root = json_bpe();
    change(root);
    return folder.json_fault(root);
  };
  CHECK(fault([](Json& root) { root["model"]["type"] = "LSTM"; }) == "'tokenizer.json' has a model of the unknown type 'LSTM'");
  CHECK(fault([](Json& root) { root["model"]["vocab"] = 3; }) == "'tokenizer.json' has a model whose vocab is no object");
  CHECK(fault([](Json& root) { root["model"]["vocab"]["b"] = -1; }) == "'tokenizer.json' has the token 'b' whose id is no whole number");
  CHECK(fault([](Json& root) { root["model"]["vocab"]["b"] = 4'000'000'000U; }) == "'tokenizer.json' has the token 'b' of the id 4000000000, far beyond its 3 tokens");
  CHECK(fault([](Json& root) { root["model"]["vocab"]["b"] = 0; }) == "'tokenizer.json' has the id 0 twice, for 'a' and 'b'");
  CHECK(fault([](Json& root) { root["model"]["merges"] = {"a c"}; }) == "'tokenizer.json' has a merge of 'c', which is no token");
  CHECK(fault([](Json& root) { root["model"]["merges"] = {"b a"}; }) == "'tokenizer.json' has a merge into 'ba', which is no token");
  CHECK(fault([](Json& root) { root["model"]["merges"] = {"a b c"}; }) == "'tokenizer.json' has the merge 'a b c' that is not two tokens with a space between");
  CHECK(fault([](Json& root) { root["model"]["merges"] = {1}; }) == "'tokenizer.json' has a merge that is neither a text nor two of them");
  CHECK(fault([](Json& root) { root["model"]["dropout"] = 0.1; }) == "'tokenizer.json' drops merges by chance (0.1), which gives no stable tokens");
  CHECK(fault([](Json& root) { root["normalizer"] = {{"type", "Rot13"}}; }) == "'tokenizer.json' has a normalizer of the unknown type 'Rot13'");
  CHECK(fault([](Json& root) { root["pre_tokenizer"] = {{"type", "UnicodeScripts"}}; }) == "'tokenizer.json' has a pre_tokenizer of the unknown type 'UnicodeScripts'");
  CHECK(fault([](Json& root) { root["decoder"] = {{"type", "CTC"}}; }) == "'tokenizer.json' has a decoder of the unknown type 'CTC'");
  CHECK(fault([](Json& root) { root["pre_tokenizer"] = {{"type", "Split"}, {"pattern", "a"}}; }) == "'tokenizer.json' has a Split whose pattern is neither a String nor a Regex");
  CHECK(fault([](Json& root) { root["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "???"}}; }) == "'tokenizer.json' has a precompiled_charsmap that is not base64");
  CHECK(fault([](Json& root) { root["added_tokens"] = {{{"id", 1}, {"content", "x"}}}; }) == "'tokenizer.json' has the id 1 twice, for 'b' and 'x'");
  CHECK(fault([](Json& root) { root["added_tokens"] = {{{"id", 3}}}; }) == "'tokenizer.json' has an added token without content");
  CHECK(fault([](Json& root) { root["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"a", 0}}, {"sep", {"b", 9}}}; }) == "'tokenizer.json' puts the id 9 around a text, of 3 tokens");
  CHECK(fault([](Json& root) { root["post_processor"] = {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "x"}}}}}}, {"special_tokens", Json::object()}}; }) ==
        "'tokenizer.json' has a template with the special token 'x' that it does not define");
  CHECK(fault([](Json& root) { root["model"] = {{"type", "Unigram"}, {"unk_id", 5}, {"vocab", Json::array({"a"})}}; }) == "'tokenizer.json' has the vocab entry \"a\" that is not a token and its score");
  CHECK(fault([](Json& root) { root["model"] = {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"vocab", {{"a", 0}}}}; }) == "'tokenizer.json' names '[UNK]' as its unk_token, which is no token");
  CHECK(fault([](Json& root) { root["model"] = {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", Json::array({{"a", 1e39}})}}; }) == "'tokenizer.json' has the token 'a' whose score 1e+39 is out of range");
  CHECK(fault([](Json& root) { root["added_tokens"] = {{{"id", 3}, {"content", std::string(4097, 'x')}}}; }).ends_with(" of 4097 bytes, more than 4096"));
  CHECK(fault([](Json& root) { root["model"]["vocab"][std::string(4097, 'x')] = 3; }).ends_with(" of 4097 bytes, more than 4096"));
  for (const char* mark : {"", "ab", "▁▁", "éa"}) CHECK(fault([&](Json& root) { root["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", mark}}; }) == "'tokenizer.json' has a Metaspace whose replacement is not one character");
  for (const char* mark : {"_", "▁", "😀"}) CHECK(fault([&](Json& root) { root["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", mark}}; }) == "read");
  const Json twice = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  CHECK(fault([&](Json& root) { root["decoder"] = {{"type", "Sequence"}, {"decoders", std::vector<Json>(10, twice)}}; }) == "read");
  CHECK(fault([&](Json& root) { root["decoder"] = {{"type", "Sequence"}, {"decoders", std::vector<Json>(60, twice)}}; }) == "'tokenizer.json' has decoders that could make a text more than 1024 times as long");
  Json nested = {{"type", "NFC"}};
  for (int i = 0; i < 100; ++i) nested = {{"type", "Sequence"}, {"normalizers", Json::array({nested})}};
  CHECK(fault([&](Json& root) { root["normalizer"] = nested; }) != "read");
}

TEST_CASE("a template puts no more ids around a text than a thousand") {
  Folder folder;
  const auto fault = [&](size_t pieces, size_t ids, size_t processors) {
    Json root = json_bpe();
    const Json piece = {{"SpecialToken", {{"id", "x"}}}};
    const Json one = {{"type", "TemplateProcessing"}, {"single", std::vector<Json>(pieces, piece)}, {"special_tokens", {{"x", {{"ids", std::vector<int>(ids, 1)}}}}}};
    root["post_processor"] = {{"type", "Sequence"}, {"processors", std::vector<Json>(processors, one)}};
    return folder.json_fault(root);
  };
  CHECK(fault(1, 1024, 1) == "read");
  CHECK(fault(1, 1025, 1) == "'tokenizer.json' has a template of more than 1024 ids");
  CHECK(fault(50'000, 1000, 1) == "'tokenizer.json' has a template of more than 1024 ids");
  CHECK(fault(1, 1000, 2) == "'tokenizer.json' puts more than 1024 ids around a text");
}

TEST_CASE("vocab.txt and tiktoken files that lie are refused") {
  Folder folder;
  CHECK(folder.fault("vocab.txt", "a\nb\n") == "'vocab.txt' has no line [UNK], which a list of WordPiece tokens needs");
  CHECK(folder.fault("vocab.txt", "[UNK]\na\na\n") == "'vocab.txt' has the token 'a' twice, as 1 and 2");
  CHECK(folder.fault("r50k_base.tiktoken", "YQ==\n") == "'r50k_base.tiktoken' has line 1 without a rank");
  CHECK(folder.fault("r50k_base.tiktoken", "YQ== x\n") == "'r50k_base.tiktoken' has 'x' as the rank of line 1");
  CHECK(folder.fault("r50k_base.tiktoken", "Y?== 0\n") == "'r50k_base.tiktoken' has line 1 whose token is not base64");
  CHECK(folder.fault("r50k_base.tiktoken", "YQ== 0\nYg== 0\n") == "'r50k_base.tiktoken' has the rank 0 twice");
  CHECK(folder.fault("r50k_base.tiktoken", "YQ== 2000000000\n") == "'r50k_base.tiktoken' has the rank 2000000000 in line 1, far beyond the lines before it");
  CHECK(folder.fault("r50k_base.tiktoken", std::string(100'000, '\n') + "YQ== 150000\n") == "'r50k_base.tiktoken' has the rank 150000 in line 100001, far beyond the lines before it");   // lines without a token count for nothing
  CHECK(folder.fault("r50k_base.tiktoken", "\n\r\nYQ== 1\n\n") == "read");
  CHECK(folder.fault("r50k_base.tiktoken", "YQ== 0\nYQ== 1\n") == "'r50k_base.tiktoken' has the token 'a' twice, as 0 and 1");
  CHECK(folder.fault("other.tiktoken", "YQ== 0\n") == "'other.tiktoken' does not say how text is divided into words");
  const Tokenizer words = folder.open("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\n##s\r\n");
  CHECK(words.encode("Hellos x", {.add_special = true}) == Ids{2, 4, 5, 1, 3});
}

TEST_CASE("the tokenizer of a folder is found by its name") {
  const TempDir dir;
  const auto fault = [&] { return read_vocabulary(dir.path(), "model").error().message; };
  CHECK(fault() == "'model' holds no tokenizer");
  CHECK(read_vocabulary(dir.path() / "none.json", "none.json").error().message == "'none.json' does not exist");
  CHECK(read_vocabulary(dir.write("a.xyz", ""), "a.xyz").error().message == "'a.xyz' is no tokenizer file that is known");
  std::filesystem::create_symlink("tokenizer.json", dir.path() / "tokenizer.json");   // leads to itself
  CHECK(fault() == "'model' holds no tokenizer");
  std::filesystem::remove(dir.path() / "tokenizer.json");
  dir.write("a.gguf", "");
  dir.write("b.gguf", "");
  CHECK(fault() == "'model' holds 2 tokenizers");
  dir.write("vocab.txt", "a\n");
  CHECK(fault() == "'model/vocab.txt' has no line [UNK], which a list of WordPiece tokens needs");
  dir.write("tokenizer.json", dump_json(json_bpe()));
  dir.write("tokenizer_config.json", R"({"bos_token": "a", "eos_token": {"content": "b"}, "model_max_length": 1e30})");
  const auto made = read_vocabulary(dir.path(), "model");
  REQUIRE(made);
  CHECK(made->bos_id == 0);
  CHECK(made->eos_id == 1);
}

TEST_CASE("the alphabet of bytes goes both ways") {
  std::string all, written;
  for (int byte = 0; byte < 256; ++byte) {
    all.push_back(static_cast<char>(byte));
    const char32_t c = byte_alphabet()[static_cast<size_t>(byte)];
    if (c < 0x80) written.push_back(static_cast<char>(c));
    else written += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  }
  CHECK(bytes_of_token(written) == all);
  CHECK(bytes_of_token("Ġ") == " ");
  CHECK(bytes_of_token("▁") == std::nullopt);
  CHECK(bytes_of_token("\xC4\xE0") == std::nullopt);   // the second byte is none that goes on
  CHECK(bytes_of_token("\xC1\xA1") == std::nullopt);   // an a that is too long
  CHECK(byte_of_token("<0xC3>") == 0xC3);
  CHECK(byte_of_token("<0xG3>") == std::nullopt);
}
