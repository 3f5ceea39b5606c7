// Static embeddings: which tokens of a text count, and what their mean is; files that do not fit.
#include "core/text/static_embeddings.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "core/base/half.h"
#include "core/format/weight_writer.h"
#include "tests/core/store/store_fixture.h"
#include "tests/support/test_data.h"
#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// Ids by place. The lengths 5 5 4 3 4 3 have the median 4.
const std::vector<std::string> kTokens = {"[PAD]", "[UNK]", "card", "##s", "bank", "the"};
const std::vector<std::vector<float>> kRows = {{9, 9}, {100, 100}, {1, 2}, {3, -2}, {0, 4}, {-1, 0.5F}};

std::string tokenizer_json() {
  Json vocabulary = Json::object();
  for (size_t id = 0; id < kTokens.size(); ++id) vocabulary[kTokens[id]] = id;
  return dump_json({{"version", "1.0"}, {"added_tokens", Json::array()}, {"normalizer", {{"type", "BertNormalizer"}, {"clean_text", true}, {"handle_chinese_chars", true}, {"strip_accents", nullptr}, {"lowercase", true}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}}, {"post_processor", nullptr}, {"decoder", nullptr},
      {"model", {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"continuing_subword_prefix", "##"}, {"max_input_chars_per_word", 100}, {"vocab", vocabulary}}}});
}

struct Tensor { std::string name, type; std::vector<uint64_t> shape; std::string bytes; };

template <class Number>
std::string bytes_of(const std::vector<Number>& values) { return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)}; }

std::vector<float> flat(const std::vector<std::vector<float>>& rows) {
  std::vector<float> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  return values;
}

Tensor rows_f32(const std::vector<std::vector<float>>& rows = kRows, const std::string& name = "embeddings") { return {name, "F32", {rows.size(), rows[0].size()}, bytes_of(flat(rows))}; }

void write_weights(const fs::path& path, const std::vector<Tensor>& tensors) {
  std::vector<TensorInfo> infos;
  uint64_t data_bytes = 0;
  for (const Tensor& tensor : tensors) {
    infos.push_back({tensor.name, tensor.type, tensor.shape, 0, 0});
    data_bytes += tensor.bytes.size();
  }
  const std::string header = must(safetensors_header({}, infos));
  WeightWriter writer = must(WeightWriter::create(path, header, header.size() + data_bytes));
  for (size_t i = 0; i < tensors.size(); ++i) must(writer.write_at(tensors[i].bytes, infos[i].offset_bytes));
  must(writer.finish(false, true));
}

struct ModelFolder {
  TempDir dir;
  explicit ModelFolder(const std::vector<Tensor>& tensors, const std::string& config = "{\"normalize\": false}") {
    dir.write("model/tokenizer.json", tokenizer_json());
    if (!config.empty()) dir.write("model/config.json", config);
    write_weights(dir.path() / "model/model.safetensors", tensors);
  }
  fs::path folder() const { return dir.path() / "model"; }
  StaticEmbeddings open() const { return must(StaticEmbeddings::open(folder(), "model")); }
  std::string refusal() const {
    const auto opened = StaticEmbeddings::open(folder(), "model");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::kData);
    return opened.error().message;
  }
};

// From the ids themselves, in another order of work: unknown ones out, 512 at most, row by row in single steps.
std::vector<double> mean_of(std::vector<int32_t> ids, int32_t unknown, const std::vector<std::vector<float>>& rows, const std::vector<float>& weights, const std::vector<int64_t>& mapping, bool normalize) {
  std::vector<double> mean(rows[0].size(), 0.0);
  std::vector<int32_t> kept;
  for (const int32_t id : ids) if (id != unknown && kept.size() < 512) kept.push_back(id);
  for (size_t d = 0; d < mean.size(); ++d) {
    for (const int32_t id : kept) {
      const auto token = static_cast<size_t>(id);
      const size_t row = mapping.empty() ? token : static_cast<size_t>(mapping[token]);
      mean[d] += static_cast<double>(rows[row][d]) * (weights.empty() ? 1.0 : static_cast<double>(weights[token])) / static_cast<double>(kept.size());
    }
  }
  if (!normalize) return mean;
  double square = 0;
  for (const double x : mean) square += x * x;
  for (double& x : mean) x /= std::sqrt(square) + 1e-32;
  return mean;
}

std::string shown(const std::vector<float>& vector) {
  std::string text;
  for (const float x : vector) text += fmt::format("{}{:.6g}", text.empty() ? "" : " ", x);
  return text;
}

}  // namespace

TEST_CASE("a text is the mean of its tokens' vectors, without what is unknown") {
  const StaticEmbeddings model = ModelFolder({rows_f32()}).open();
  CHECK((model.dimensions() == 2 && !model.is_normalizing() && model.median_token_length() == 4));
  // the, card, ##s: ((-1 + 1 + 3) / 3, (0.5 + 2 - 2) / 3).
  CHECK(shown(model.embed("The CARDS")) == "1 0.166667");
  CHECK(shown(model.embed("zebra bank")) == "0 4");
  CHECK(shown(model.embed("zebra")) == "0 0");
  CHECK(shown(model.embed("")) == "0 0");
}

TEST_CASE("weights are by token, rows by mapping, and the length is 1 where the model says so") {
  // the, card, ##s times 4, 0.5, 2.
  const std::vector<float> weights = {1, 1, 0.5F, 2, 1, 4};
  const Tensor weight_tensor{"weights", "F32", {6}, bytes_of(weights)};
  CHECK(shown(ModelFolder({rows_f32(), weight_tensor}).open().embed("the cards")) == "0.833333 -0.333333");
  const StaticEmbeddings unit = ModelFolder({rows_f32()}, "{\"normalize\": true, \"hidden_dim\": 2}").open();
  // (1, 1/6) over sqrt(37)/6: 6/sqrt(37), 1/sqrt(37).
  CHECK(shown(unit.embed("the cards")) == "0.986394 0.164399");
  CHECK(shown(unit.embed("zebra")) == "0 0");
  // Two rows for six tokens; weights stay by token.
  const std::vector<std::vector<float>> few = {{8, 0}, {0, 6}};
  const std::vector<int64_t> mapping = {0, 0, 1, 1, 0, 0};
  const ModelFolder mapped({rows_f32(few), {"mapping", "I64", {6}, bytes_of(mapping)}, weight_tensor});
  // (4 * 8) / 3, (0.5 * 6 + 2 * 6) / 3.
  CHECK(shown(mapped.open().embed("the cards")) == "10.6667 5");
  const std::vector<int32_t> narrow = {0, 0, 1, 1, 0, 0};
  CHECK(shown(ModelFolder({rows_f32(few), {"mapping", "I32", {6}, bytes_of(narrow)}}).open().embed("card bank")) == "4 3");
}

TEST_CASE("halves, brain floats, doubles and bytes are read as what they are") {
  const std::vector<float> values = flat(kRows);
  std::vector<uint16_t> halves, brains;
  std::vector<int8_t> bytes;
  for (const float x : values) {
    halves.push_back(half_of(x));
    brains.push_back(brain_of(x));
    bytes.push_back(static_cast<int8_t>(2 * x));
  }
  const std::vector<uint64_t> shape = {6, 2};
  CHECK(shown(ModelFolder({{"embeddings", "F16", shape, bytes_of(halves)}}).open().embed("the cards")) == "1 0.166667");
  CHECK(shown(ModelFolder({{"embeddings", "BF16", shape, bytes_of(brains)}}).open().embed("the cards")) == "1 0.166667");
  CHECK(shown(ModelFolder({{"embeddings", "F64", shape, bytes_of(std::vector<double>(values.begin(), values.end()))}}).open().embed("the cards")) == "1 0.166667");
  // The scale of the bytes is not in the file; it goes with the length.
  CHECK(shown(ModelFolder({{"embeddings", "I8", shape, bytes_of(bytes)}}, "{\"normalize\": true}").open().embed("the cards")) == "0.986394 0.164399");
}

TEST_CASE("a long text is cut at 512 median tokens of characters, and at 512 tokens") {
  const StaticEmbeddings model = ModelFolder({rows_f32()}).open();
  std::string banks;
  for (int i = 0; i < 409; ++i) banks += "bank ";
  // 2,048 characters end behind the first "the": 409 times (0, 4), once (-1, 0.5).
  CHECK(shown(model.embed(banks + "the the the")) == shown({-1.0F / 410, (409 * 4 + 0.5F) / 410}));
  // Characters, not bytes: a word of 2,044 letters and a space leave room for one "the".
  std::string letters;
  for (int i = 0; i < 2044; ++i) letters += "\xC3\xA4";
  CHECK(shown(model.embed(letters + " the bank")) == "-1 0.5");
  // Each word is a card and 96 times ##s: 5 words and 27 tokens of the next, so 6 cards and 506 endings.
  std::string words;
  for (int i = 0; i < 8; ++i) words += "card" + std::string(96, 's') + " ";
  CHECK(shown(model.embed(words)) == shown({(6 * 1 + 506 * 3) / 512.0F, (6 * 2 - 506 * 2) / 512.0F}));
  // Unknown words do not count among the 512.
  std::string mixed;
  for (int i = 0; i < 20; ++i) mixed += "zz card" + std::string(90, 's') + " ";
  const std::vector<float> of_mixed = model.embed(mixed);
  CHECK(shown(of_mixed) == shown({(6 * 1 + 506 * 3) / 512.0F, (6 * 2 - 506 * 2) / 512.0F}));
}

TEST_CASE("the folder of sentence-transformers has other names, and says elsewhere that lengths are 1") {
  TempDir dir;
  dir.write("st/0_StaticEmbedding/tokenizer.json", tokenizer_json());
  dir.write("st/modules.json", R"([{"idx": 0, "name": "0", "path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}, {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}])");
  write_weights(dir.path() / "st/0_StaticEmbedding/model.safetensors", {rows_f32(kRows, "embedding.weight")});
  CHECK(holds_static_embeddings(dir.path() / "st"));
  CHECK_FALSE(holds_static_embeddings(dir.path()));
  const StaticEmbeddings model = must(StaticEmbeddings::open(dir.path() / "st", "st"));
  CHECK(model.is_normalizing());
  CHECK(shown(model.embed("the cards")) == "0.986394 0.164399");
  dir.write("st/modules.json", "[]");
  CHECK_FALSE(must(StaticEmbeddings::open(dir.path() / "st", "st")).is_normalizing());
}

TEST_CASE("files that are no such model, or not of one model, say why") {
  CHECK(ModelFolder({rows_f32(kRows, "wte")}).refusal() == "'model/model.safetensors' has neither 'embeddings' nor 'embedding.weight'");
  CHECK(ModelFolder({rows_f32({{1, 2}, {3, 4}})}).refusal() == "'model/model.safetensors' has 2 rows in 'embeddings', and the tokenizer 6 tokens");
  CHECK(ModelFolder({{"embeddings", "F32", {12}, bytes_of(flat(kRows))}}).refusal() == "'model/model.safetensors' has 'embeddings' of shape [12], which is not tokens x dimensions");
  CHECK(ModelFolder({{"embeddings", "U8", {6, 2}, std::string(12, '\1')}}).refusal() == "'model/model.safetensors' has 'embeddings' of type U8");
  CHECK(ModelFolder({rows_f32(), {"weights", "F32", {5}, bytes_of(std::vector<float>(5, 1))}}).refusal() == "'model/model.safetensors' has 'weights' of shape [5], and the tokenizer 6 tokens");
  CHECK(ModelFolder({rows_f32(), {"mapping", "I64", {6, 1}, bytes_of(std::vector<int64_t>(6))}}).refusal() == "'model/model.safetensors' has 'mapping' of shape [6 x 1], and the tokenizer 6 tokens");
  CHECK(ModelFolder({rows_f32(), {"mapping", "I64", {6}, bytes_of(std::vector<int64_t>{0, 1, 2, 6, 0, 0})}}).refusal() == "'model/model.safetensors' maps token 3 to row 6 of 6");
  CHECK(ModelFolder({rows_f32(), {"mapping", "I32", {6}, bytes_of(std::vector<int32_t>{0, -1, 2, 3, 0, 0})}}).refusal() == "'model/model.safetensors' maps token 1 to row -1 of 6");
  CHECK(ModelFolder({rows_f32(), {"mapping", "F32", {6}, bytes_of(std::vector<float>(6))}}).refusal() == "'model/model.safetensors' has 'mapping' of type F32");
  std::vector<std::vector<float>> broken = kRows;
  broken[2][1] = NAN;
  CHECK(ModelFolder({rows_f32(broken)}).refusal() == "'model/model.safetensors' has NaN or infinity in 'embeddings', value 6 of 12");
  CHECK(ModelFolder({rows_f32(), {"weights", "F32", {6}, bytes_of(std::vector<float>(6, INFINITY))}}).refusal() == "'model/model.safetensors' has NaN or infinity in 'weights', value 1 of 6");
  CHECK(ModelFolder({rows_f32()}, "{\"normalize\": 1}").refusal() == "'model/config.json' has 'normalize' that is neither true nor false");
  TempDir empty;
  const auto nothing = StaticEmbeddings::open(empty.path(), "empty");
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == ErrorCode::kNotFound);
  CHECK(nothing.error().message == "'empty/tokenizer.json' does not exist");
}

TEST_CASE("with a tokenizer of real size the mean is that of the definition", "[data]") {
  if (!data_root()) return note_left_out("tokenizer of model2vec, with weights of our own");
  const fs::path source = *data_root() / "tokenizers" / "model2vec_test_tokenizer";
  const Tokenizer tokenizer = must(open_tokenizer(source, "model"));
  TempDir dir;
  const fs::path file = dir.write("model/tokenizer.json", must(read_file(source / "tokenizer.json")));
  dir.write("model/config.json", "{\"normalize\": true}");
  std::mt19937 random(7);
  const auto value = [&] { return static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 512; };
  const auto tokens = static_cast<size_t>(tokenizer.size());
  std::vector<std::vector<float>> rows(tokens / 2, std::vector<float>(24));
  for (auto& row : rows) for (float& x : row) x = value();
  std::vector<float> weights(tokens);
  std::vector<int64_t> mapping(tokens);
  for (size_t i = 0; i < tokens; ++i) {
    weights[i] = std::fabs(value()) + 0.01F;
    mapping[i] = static_cast<int64_t>(random() % rows.size());
  }
  write_weights(dir.path() / "model/model.safetensors", {rows_f32(rows), {"weights", "F32", {tokens}, bytes_of(weights)}, {"mapping", "I64", {tokens}, bytes_of(mapping)}});
  const StaticEmbeddings model = must(StaticEmbeddings::open(dir.path() / "model", "model"));
  std::string longest;
  for (int i = 0; i < 700; ++i) longest += i % 3 == 0 ? "a " : "it ";
  for (const std::string& text : {std::string("Where is my card?"), std::string("M\xC3\xBCnchen \xE4\xB8\xAD\xE6\x96\x87 caf\xC3\xA9 1,000.50"), std::string("\xF0\x9F\x98\x80 unbelievably"), longest}) {
    const std::vector<float> made = model.embed(text);
    const std::vector<double> expected = mean_of(tokenizer.encode(text), 100, rows, weights, mapping, true);
    REQUIRE(made.size() == expected.size());
    for (size_t d = 0; d < made.size(); ++d) CHECK(static_cast<double>(made[d]) == Approx(expected[d]).margin(1e-6));
  }
}
