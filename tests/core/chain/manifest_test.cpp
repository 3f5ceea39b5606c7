// The version of a chain against an independent implementation (tests/data/chain/make_vid_vectors.py): the canonical
// manifest and the vid must be the same bytes.
#include "core/chain/manifest.h"

#include <clocale>
#include <fstream>
#include <locale>

#include "tests/core/chain/chain_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string from_base64(std::string_view text) {
  static const std::string kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kAlphabet.find(c));
    if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
  }
  return bytes;
}

std::vector<Json> vectors() {
  std::ifstream file(std::string(LLMOPS_TEST_SOURCE_DIR) + "/data/chain/vid_vectors.jsonl");
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) {
    auto row = parse_json(line, "vid_vectors.jsonl", static_cast<int>(rows.size()) + 1);
    if (!row) FAIL(row.error().message);
    rows.push_back(std::move(*row));
  }
  return rows;
}

struct Made { std::string manifest, vid; };

// The files are laid out, hashed by their role and put in reverse order, which must not matter.
Made make(const Json& row, const TempDir& dir) {
  std::vector<ManifestFile> files;
  for (const Json& file : row["files"]) {
    const fs::path source = dir.write("file" + std::to_string(files.size()), from_base64(file["bytes_base64"].get<std::string>()));
    auto hashed = hash_file(source, file["path"].get<std::string>(), file["role"] == "text" ? FileRole::kText : FileRole::kData);
    if (!hashed) FAIL(hashed.error().message);
    files.insert(files.begin(), std::move(*hashed));
  }
  std::vector<CalledChain> chains;
  for (const Json& chain : row["chains"]) chains.insert(chains.begin(), {chain["path"].get<std::string>(), chain["vid"].get<std::string>()});
  const Json manifest = make_manifest(row["chain"], files, chains);
  auto canonical = canonical_json(manifest);
  auto vid = manifest_vid(manifest);
  if (!canonical || !vid) FAIL("the manifest has no canonical form");
  return {*canonical, *vid};
}

}  // namespace

TEST_CASE("manifests and vids are those of the independent reference") {
  const auto rows = vectors();
  REQUIRE(rows.size() == 53);
  CHECK(rows[0]["vid"] == "3ff0d74cc197d5a28da98b23be786fc6eae0c8cae99e9122851c724d8af1ec4e");
  CHECK(rows[1]["vid"] == "2a9662b490c99bfe48169c82fd4ddad5a8f74e77e10cfa70672f6208172e82b2");
  CHECK(rows[2]["vid"] == "04b364e27e63640fffeefbe8f55baae16f519e49bdd8e65cdf7ebada973472ef");
  for (const Json& row : rows) {
    const TempDir dir;
    const Made made = make(row, dir);
    CAPTURE(row["name"].get<std::string>());
    CHECK(made.manifest == row["manifest"].get<std::string>());
    CHECK(made.vid == row["vid"].get<std::string>());
  }
}

TEST_CASE("the locale of the process changes no vid") {
  const auto rows = vectors();
  const std::string before = setlocale(LC_ALL, nullptr);
  int tried = 0;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "tr_TR.UTF-8", "tr_TR.utf8"}) {
    if (setlocale(LC_ALL, name) == nullptr) continue;
    ++tried;
    for (size_t i = 0; i < 20; ++i) {
      const TempDir dir;
      CHECK(make(rows[i], dir).vid == rows[i]["vid"].get<std::string>());
    }
  }
  setlocale(LC_ALL, before.c_str());
  if (tried == 0) WARN("neither de_DE nor tr_TR is installed: only a C++ locale with a decimal comma was tried");
  // A decimal comma and grouping in every new stream, which no machine lacks.
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale old = std::locale::global(std::locale(std::locale::classic(), new Comma));
  for (const Json& row : rows) {
    const TempDir dir;
    CHECK(make(row, dir).vid == row["vid"].get<std::string>());
  }
  const ChainFolder folder;
  const std::string text = kHead + "models: {main: {provider: echo, params: {temperature: 0.25, big: 1000000}}}\n" + kAnswer + kOutput;
  const std::string with_comma = folder.must_load(text).vid;
  std::locale::global(old);
  CHECK(folder.must_load(text).vid == with_comma);
}

TEST_CASE("text loses its byte order mark and the CR of CRLF, and nothing else") {
  CHECK(normalize_text("\xEF\xBB\xBF" "a\r\nb\rc\n") == "a\nb\rc\n");
  CHECK(normalize_text("\r\r\n") == "\r\n");
  CHECK(normalize_text("\xEF\xBB\xBF\xEF\xBB\xBF" "a") == "\xEF\xBB\xBF" "a");
  CHECK(normalize_text(" a \t") == " a \t");
  CHECK(normalize_text("").empty());
}

TEST_CASE("a file is hashed by its role") {
  const TempDir dir;
  const fs::path file = dir.write("f", "\xEF\xBB\xBF" "one\r\n");
  CHECK(hash_file(file, "f", FileRole::kText)->sha256 == hash_file(dir.write("g", "one\n"), "g", FileRole::kText)->sha256);
  CHECK(hash_file(file, "f", FileRole::kText)->size_bytes == 4);
  CHECK(hash_file(file, "f", FileRole::kData)->size_bytes == 8);
  CHECK_FALSE(hash_file(dir.path() / "none", "none", FileRole::kData));
}

TEST_CASE("a text file that is not UTF-8 is refused") {
  const TempDir dir;
  CHECK_FALSE(hash_file(dir.write("f", "caf\xe9\n"), "f", FileRole::kText));
}

TEST_CASE("line ends and byte order marks of the chain and its prompts change no vid, data bytes do") {
  const ChainFolder folder;
  const std::string text = kHead + kEcho +
                           "assets: {shots: {kind: few-shot, path: shots.jsonl}}\n"
                           "steps: [{id: answer, model: main, messages: [{role: user, file: p.md}], few_shot: {from: shots}}]\n" + kOutput;
  folder.dir.write("p.md", "Ask:\n{{ question }}\n");
  folder.dir.write("shots.jsonl", "{\"input\": \"a\", \"output\": \"b\"}\n");
  const std::string vid = folder.must_load(text).vid;
  std::string crlf = "\xEF\xBB\xBF";
  for (const char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(folder.must_load(crlf).vid == vid);
  folder.dir.write("p.md", "\xEF\xBB\xBF" "Ask:\r\n{{ question }}\r\n");
  CHECK(folder.must_load(text).vid == vid);
  folder.dir.write("shots.jsonl", "{\"input\": \"a\", \"output\": \"b\"}\r\n");
  CHECK(folder.must_load(text).vid != vid);
  folder.dir.write("shots.jsonl", "{\"input\": \"a\", \"output\": \"b\"}\n");
  folder.dir.write("p.md", "Ask:\n{{ question }} \n");
  CHECK(folder.must_load(text).vid != vid);
}

TEST_CASE("description, comments, order of keys, and what is only operation change no vid") {
  const ChainFolder folder;
  const std::string rest = kAnswer + kOutput;
  const auto vid = [&](const std::string& model, const std::string& extra = "") { return folder.must_load(extra + kHead + "models: {main: " + model + "}\n" + rest).vid; };
  const std::string plain = vid("{provider: openai, model: m, params: {a: 1, b: 2}}");
  CHECK(vid("{params: {b: 2.0, a: 1e0}, model: 'm', provider: openai}", "# a comment\n") == plain);
  CHECK(vid("{provider: openai, model: m, params: {a: 1, b: 2}, price: {input: 1, output: 2}, api_key: '${env:K}', headers: {X: y}, timeout_s: 3, rate_limit: {requests_per_minute: 5}}") == plain);
  CHECK(folder.must_load(kHead + "description: new words\nmodels: {main: {provider: openai, model: m, params: {a: 1, b: 2}}}\n" + rest).vid == plain);
  CHECK(vid("{provider: openai, model: m, params: {a: 1, b: '2'}}") != plain);
  CHECK(vid("{provider: openai, model: m2, params: {a: 1, b: 2}}") != plain);
  CHECK(vid("{provider: openai, model: m, params: {a: 1, b: 2}, base_url: 'https://api.openai.com/v1'}") != plain);
}

TEST_CASE("a suite is identified without its description and gates") {
  const Json plain = *parse_json(R"({"llmops": "eval/v1", "metrics": [{"name": "a"}]})", "f");
  const Json other = *parse_json(R"({"metrics": [{"name": "a"}], "llmops": "eval/v1", "description": "x", "gates": ["a >= 1"]})", "f");
  const Json changed = *parse_json(R"({"llmops": "eval/v1", "metrics": [{"name": "b"}]})", "f");
  CHECK(*suite_id(make_suite_manifest(plain, {})) == *suite_id(make_suite_manifest(other, {})));
  CHECK(*suite_id(make_suite_manifest(plain, {})) != *suite_id(make_suite_manifest(changed, {})));
  CHECK(*suite_id(make_suite_manifest(plain, {})) != *manifest_vid(make_suite_manifest(plain, {})));
}

TEST_CASE("an integer that no double holds is refused when the version is made") {
  const ChainFolder folder;
  CHECK(folder.refusal(kHead + "models: {main: {provider: echo, params: {seed: 9007199254740993}}}\n" + kAnswer + kOutput) ==
        "demo.chain.yaml:1:1: integer 9007199254740993 is beyond 2^53 - 1 | carry it as a string");
}
