// What models, tools and assets of a chain may say: every refusal with its words and its place.
#include "tests/core/chain/chain_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// The refusal of a chain whose model 'main' (line 4) is `entry`.
std::string model(const std::string& entry) {
  const ChainFolder folder;
  folder.dir.write("replies.jsonl", "{}\n");
  folder.dir.write("tool.sh", "#!/bin/sh\n");
  return folder.refusal(kHead + "models: {main: " + entry + "}\n" + kAnswer + kOutput);
}

std::string section(const std::string& text) {
  const ChainFolder folder;
  folder.dir.write("a.md", "text");
  folder.dir.write("tool.sh", "#!/bin/sh\n");
  folder.dir.write("schema.json", "{\"type\": \"object\"");
  return folder.refusal(kHead + kEcho + text + "\n" + kAnswer + kOutput);
}

}  // namespace

TEST_CASE("the head of a chain is checked first") {
  const ChainFolder folder;
  CHECK(folder.refusal("llmops: eval/v1\nname: x\n") == "demo.chain.yaml:1:9: 'eval/v1' is not a chain | write `llmops: chain/v1`");
  CHECK(folder.refusal("name: x\n") == "demo.chain.yaml:1:1: the chain has no 'llmops' | begin with `llmops: chain/v1`");
  CHECK(folder.refusal("llmops: chain/v1\n") == "demo.chain.yaml:1:1: the chain has no 'name' | name the chain with letters, digits, '-', '_' and '.'");
  CHECK(folder.refusal("[1, 2]\n") == "demo.chain.yaml:1:1: a chain must be a mapping | begin with `llmops: chain/v1`");
  for (const char* name : {"''", "a b", "-x", ".x", "a/b", "\"\\u00e4\""}) {
    CHECK(folder.refusal("llmops: chain/v1\nname: " + std::string(name) + "\n").find(":2:7: '") != std::string::npos);
  }
  CHECK(folder.refusal("llmops: chain/v1\nname: a b\n") == "demo.chain.yaml:2:7: 'a b' cannot name a chain | use letters, digits, '-', '_' and '.'");
  CHECK(folder.refusal(kHead + kEcho + kAnswer + kOutput + "outptu: x\n") == "demo.chain.yaml:7:1: unknown key 'outptu' in the chain | did you mean 'output'?");
  CHECK(folder.refusal(kHead + kEcho + kAnswer) == "demo.chain.yaml:1:1: the chain has no 'output' | say which value is the result, for example \"{{ steps.ID.output }}\"");
  CHECK(folder.refusal(kHead + kEcho + kOutput) == "demo.chain.yaml:1:1: the chain has no 'steps' | a chain has at least one step");
  CHECK(folder.refusal(kHead + kEcho + kAnswer + "output: 3\n") == "demo.chain.yaml:6:9: a template must be text, not a number | put it in quotes");
}

TEST_CASE("a chain that does not exist says what to do") {
  const ChainFolder folder;
  const auto chain = folder.load_file();
  CHECK(chain.error().code == ErrorCode::kNotFound);
  CHECK(told(chain.error()) == "chain 'demo.chain.yaml' does not exist | run `llmops init` to make one, or name another file");
}

TEST_CASE("models of every kind are checked key by key") {
  CHECK(model("{provider: echo}") == "loaded");
  CHECK(model("{model: x}") == "demo.chain.yaml:4:16: model 'main' has no 'provider' | write provider: openai, anthropic, exec, replay or echo");
  CHECK(model("text") == "demo.chain.yaml:4:16: model 'main' must be a mapping, not text | write its keys as `key: value`");
  CHECK(model("{provider: opnai}") == "demo.chain.yaml:4:27: unknown provider 'opnai' | did you mean 'openai'?");
  CHECK(model("{provider: local}") == "demo.chain.yaml:4:27: unknown provider 'local' | known: openai, anthropic, exec, replay, echo");
  CHECK(model("{provider: echo, temperature: 0}") == "demo.chain.yaml:4:33: unknown key 'temperature' in model 'main' | known: provider, model, params, price, timeout_s");
  CHECK(model("{provider: echo, params: [1]}") == "demo.chain.yaml:4:41: 'params' must be a mapping | write params: {temperature: 0}");
  CHECK(model("{provider: echo, timeout_s: 0}") == "demo.chain.yaml:4:44: 'timeout_s' is 0, but must be from 0.001 to 86400 | give a number in that range");
  CHECK(model("{provider: echo, price: {input: 1}}") == "demo.chain.yaml:4:40: price has no 'output' | prices are USD per 1M tokens");
  CHECK(model("{provider: echo, price: {output: 1}}") == "demo.chain.yaml:4:40: price has no 'input' | prices are USD per 1M tokens");
  CHECK(model("{provider: echo, price: {input: -1, output: 1}}") == "demo.chain.yaml:4:48: 'input' is -1, but must be from 0 to 1000000 | give a number in that range");
  CHECK(section("models2: 1").find("unknown key 'models2' in the chain | did you mean 'models'?") != std::string::npos);
}

TEST_CASE("an OpenAI-compatible model needs an address that can hold no key, and a key by name") {
  CHECK(model("{provider: openai, model: m}") == "loaded");
  CHECK(model("{provider: openai}") == "demo.chain.yaml:4:16: model 'main' has no 'model' | name the model that the server offers");
  CHECK(model("{provider: openai, model: m, base_url: 'ftp://x'}") == "demo.chain.yaml:4:55: base_url 'ftp://x' is not an http or https address | write it like http://127.0.0.1:8000/v1");
  CHECK(model("{provider: openai, model: m, base_url: 'https://me:pw@x/v1'}") == "demo.chain.yaml:4:55: base_url holds a user name or password | put the key into api_key: ${env:NAME}");
  const std::string held = "api_key must name a variable of the environment, not hold the key itself | write api_key: ${env:OPENAI_API_KEY}";
  CHECK(model("{provider: openai, model: m, api_key: sk-123}") == "demo.chain.yaml:4:54: " + held);
  CHECK(model("{provider: openai, model: m, api_key: 'x${env:KEY}'}") == "demo.chain.yaml:4:54: " + held);
  CHECK(model("{provider: openai, model: m, api_key: '${env:1KEY}'}") == "demo.chain.yaml:4:54: '${env:1KEY}' is not a reference to a variable | write ${env:NAME}");
  CHECK(model("{provider: openai, model: m, headers: {X-Key: '${env:KEY'}}") == "demo.chain.yaml:4:62: '${env:KEY' is not a reference to a variable | write ${env:NAME}");
  CHECK(model("{provider: openai, model: m, headers: {X: 1}}") == "demo.chain.yaml:4:58: a header must be text | put it in quotes");
  CHECK(model("{provider: openai, model: m, headers: {X: \"a\\r\\nb: c\"}}") == "demo.chain.yaml:4:58: a header must be one line | remove the line ends");
  CHECK(model("{provider: openai, model: m, headers: [x]}") == "demo.chain.yaml:4:54: 'headers' must be a mapping | write headers: {NAME: VALUE}");
  CHECK(model("{provider: openai, model: m, query: x}") == "demo.chain.yaml:4:52: 'query' must be a mapping | write query: {NAME: VALUE}");
  CHECK(model("{provider: openai, model: m, rate_limit: {requests_per_hour: 1}}").find("unknown key 'requests_per_hour' in rate_limit | did you mean 'requests_per_minute'?") != std::string::npos);
  CHECK(model("{provider: openai, model: m, rate_limit: {requests_per_minute: 1, x: 1}}").find("unknown key 'x' in rate_limit") != std::string::npos);
}

TEST_CASE("the default key belongs to api.openai.com only") {
  const ChainFolder folder;
  const auto at = [&](const std::string& url) {
    return folder.must_load(kHead + "models: {main: {provider: openai, model: m, base_url: '" + url + "'}}\n" + kAnswer + kOutput).models.at("main").api_key;
  };
  CHECK(at("https://api.openai.com/v1")->variable == "OPENAI_API_KEY");
  CHECK_FALSE(at("https://api.openai.com.evil.example/v1").has_value());
  CHECK_FALSE(at("http://api.openai.com/v1").has_value());
  CHECK_FALSE(at("http://127.0.0.1:8000/v1").has_value());
}

TEST_CASE("a header keeps the text around its secret") {
  const ChainFolder folder;
  const Chain chain = folder.must_load(kHead + "models: {main: {provider: openai, model: m, base_url: 'http://127.0.0.1/v1', headers: {Authorization: 'Bearer ${env:KEY} x', Plain: y}}}\n" + kAnswer + kOutput);
  const auto& headers = chain.models.at("main").headers;
  REQUIRE(headers.size() == 2);
  CHECK(headers[0].before == "Bearer ");
  CHECK(headers[0].secret->variable == "KEY");
  CHECK(headers[0].after == " x");
  CHECK_FALSE(headers[1].secret.has_value());
}

TEST_CASE("a replay model names a file of the project and two JSON pointers") {
  CHECK(model("{provider: replay, path: replies.jsonl}") == "loaded");
  CHECK(model("{provider: replay}") == "demo.chain.yaml:4:16: model 'main' has no 'path' | name the file of recorded replies, a JSONL file or a JSON list");
  CHECK(model("{provider: replay, path: none.jsonl}") == "demo.chain.yaml:4:41: file 'none.jsonl' does not exist | paths are relative to the chain file");
  CHECK(model("{provider: replay, path: /etc/passwd}") == "demo.chain.yaml:4:41: path '/etc/passwd' is absolute | write it relative to the file it stands in");
  CHECK(model("{provider: replay, path: ../x.jsonl}").find("demo.chain.yaml:4:41: path '../x.jsonl' leads outside the project") == 0);
  CHECK(model("{provider: replay, path: replies.jsonl, key: question}") == "demo.chain.yaml:4:61: 'key' must be a JSON pointer | begin it with '/'");
  CHECK(model("{provider: replay, path: replies.jsonl, reply: out}") == "demo.chain.yaml:4:63: 'reply' must be a JSON pointer | begin it with '/'");
  CHECK(model("{provider: replay, path: replies.jsonl, match: 3}") == "demo.chain.yaml:4:63: a template must be text, not a number | put it in quotes");
}

TEST_CASE("a command is a list whose program exists, with sizes and times in bounds") {
  CHECK(model("{provider: exec, argv: [./tool.sh]}") == "loaded");
  CHECK(model("{provider: exec, argv: [python3, -c, 'print()']}") == "loaded");
  CHECK(model("{provider: exec}") == "demo.chain.yaml:4:16: model 'main' has no 'argv' | write it as a list: argv: [python3, app.py]");
  CHECK(model("{provider: exec, argv: python3}") == "demo.chain.yaml:4:39: 'argv' must be a list of texts, not text | write it as a list: argv: [a, b]");
  CHECK(model("{provider: exec, argv: [./none.sh]}") == "demo.chain.yaml:4:40: program './none.sh' does not exist | argv runs in the folder of the chain file");
  CHECK(model("{provider: exec, argv: [./tool.sh], max_output: lots}") == "demo.chain.yaml:4:64: 'max_output' is not a size | write it like 1MiB");
  CHECK(model("{provider: exec, argv: [./tool.sh], max_output: 0}") == "demo.chain.yaml:4:64: 'max_output' is not a size | write it like 1MiB");
  CHECK(model("{provider: exec, argv: [./tool.sh], max_output: 2MiB}") == "loaded");
}

TEST_CASE("a negative size is no size") {
  CHECK(model("{provider: exec, argv: [./tool.sh], max_output: -5}") == "demo.chain.yaml:4:64: 'max_output' is not a size | write it like 1MiB");
}

TEST_CASE("assets are of a known kind, have one source, and external ones are pinned") {
  CHECK(section("assets: {a: {kind: grounding, path: a.md}}") == "loaded");
  CHECK(section("assets: [a]") == "demo.chain.yaml:5:9: 'assets' must be a mapping of names | write assets: {NAME: {kind: grounding, path: docs/*.md}}");
  CHECK(section("assets: {a: {path: a.md}}") == "demo.chain.yaml:5:13: asset 'a' has no 'kind' | say what it is, for example kind: grounding");
  CHECK(section("assets: {a: {kind: groundin, path: a.md}}") == "demo.chain.yaml:5:20: unknown kind of asset 'groundin' | did you mean 'grounding'?");
  CHECK(section("assets: {a: {kind: grounding}}") == "demo.chain.yaml:5:13: asset 'a' needs either 'path' or 'uri' | give the path of a file of the project, or the uri of a pinned external one");
  CHECK(section("assets: {a: {kind: corpus, path: a.md, uri: 'https://x'}}") == "demo.chain.yaml:5:13: asset 'a' needs either 'path' or 'uri' | give the path of a file of the project, or the uri of a pinned external one");
  CHECK(section("assets: {a: {kind: corpus, uri: 'https://x'}}") == "demo.chain.yaml:5:33: external asset 'a' is not pinned | add its sha256, etag or revision");
  CHECK(section("assets: {a: {kind: corpus, uri: 'https://x', sha256: '12'}}") == "demo.chain.yaml:5:54: the sha256 of asset 'a' is not a SHA-256 digest | write the 64 hex digits in lower case that sha256sum prints");
  CHECK(section("assets: {a: {kind: corpus, uri: 'https://x/a', etag: '12'}}") == "loaded");
  CHECK(section("assets: {a: {kind: corpus, uri: 's3://x/a', etag: '12'}}").starts_with("demo.chain.yaml:5:33: 's3://x/a' cannot be fetched"));
  CHECK(section("assets: {a: {kind: corpus, uri: 'https://x/a', revision: v1}}").starts_with("demo.chain.yaml:5:33: nothing in 'https://x/a' depends on its revision"));
  CHECK(section("assets: {a: {kind: grounding, path: kb/*.md}}") == "demo.chain.yaml:5:37: no file matches 'kb/*.md' | paths are relative to the chain file");
  CHECK(section("assets: {a: {kind: grounding, path: none.md}}") == "demo.chain.yaml:5:37: file 'none.md' does not exist | paths are relative to the chain file");
  CHECK(section("assets: {a: {kind: grounding, path: a.md, pth: x}}").find("demo.chain.yaml:5:43: unknown key 'pth' in asset 'a' | did you mean 'path'?") == 0);
}

TEST_CASE("a model names at most one adapter, whose files are part of what it is") {
  const ChainFolder folder;
  folder.dir.write("lora/adapter_config.json", "{\"r\": 8}");
  const auto with = [&](const std::string& adapters) {
    return kHead + "models: {main: {provider: openai, model: base, base_url: \"http://127.0.0.1:1/v1\"" + adapters + "}}\n" +
           "assets: {lora: {kind: adapter, path: lora}, note: {kind: grounding, path: lora}}\n" + kAnswer + kOutput;
  };
  const Chain plain = folder.must_load(with("")), tuned = folder.must_load(with(", adapters: [lora]"));
  CHECK(plain.models.at("main").served_name() == "base");
  CHECK(tuned.models.at("main").served_name() == "lora");
  CHECK(tuned.models.at("main").identity["files"].contains("lora/adapter_config.json"));
  CHECK(tuned.warnings.size() == 1);   // of `note` alone
  CHECK(plain.vid != tuned.vid);
  CHECK(folder.refusal(with(", adapters: []")) == "loaded");
  CHECK(folder.refusal(with(", adapters: [lroa]")) == "demo.chain.yaml:4:94: unknown adapter 'lroa' | did you mean 'lora'?");
  CHECK(folder.refusal(with(", adapters: [note]")).find("asset 'note' is of kind 'grounding', not 'adapter'") != std::string::npos);
  CHECK(folder.refusal(with(", adapters: [lora, lora]")).find("a server is asked for one adapter at a time") != std::string::npos);
  CHECK(model("{provider: echo, adapters: [lora]}").find("unknown key 'adapters'") != std::string::npos);
}

TEST_CASE("a directory or a glob gives one file each, and a directory's hidden files are left out") {
  const ChainFolder folder;
  for (const char* path : {"kb/b.md", "kb/a.md", "kb/sub/c.md", "kb/.hidden"}) folder.dir.write(path, "x");
  for (const auto& [path, expected] : {std::pair{"kb", std::vector<std::string>{"kb/a.md", "kb/b.md", "kb/sub/c.md"}}, std::pair{"kb/*.md", std::vector<std::string>{"kb/a.md", "kb/b.md"}}}) {
    const Chain chain = folder.must_load(kHead + kEcho + "assets: {kb: {kind: grounding, path: " + path + "}}\n" + kAnswer + kOutput);
    std::vector<std::string> found;
    for (const ManifestFile& file : chain.assets.at("kb").files) found.push_back(file.path);
    CHECK(found == expected);
    CHECK(chain.files.size() == expected.size());
  }
}

TEST_CASE("tools are commands with a schema that reads as JSON") {
  CHECK(section("tools: {t: {argv: [./tool.sh], description: d}}") == "loaded");
  CHECK(section("tools: [t]") == "demo.chain.yaml:5:8: 'tools' must be a mapping of names | write tools: {NAME: {argv: [./tool.sh], description: what it does}}");
  CHECK(section("tools: {t: {description: d}}").find("demo.chain.yaml:5:12: tool 't' has no 'argv'") == 0);
  CHECK(section("tools: {t: {argv: [./tool.sh], input_schema: none.json}}") == "demo.chain.yaml:5:46: file 'none.json' does not exist | paths are relative to the chain file");
  CHECK(section("tools: {t: {argv: [./tool.sh], input_schema: schema.json}}") == "schema.json:1:18: malformed JSON: unexpected end of input | close the quote, bracket or brace that is open");
  CHECK(section("tools: {t: {argv: [./tool.sh], inputs: 1}}").find("unknown key 'inputs' in tool 't'") != std::string::npos);
}

TEST_CASE("what is declared and not used is a warning, not an error") {
  const ChainFolder folder;
  folder.dir.write("a.md", "x");
  folder.dir.write("tool.sh", "");
  const Chain chain = folder.must_load(kHead + "models: {main: {provider: echo}, spare: {provider: echo}}\nassets: {kb: {kind: grounding, path: a.md}}\ntools: {t: {argv: [./tool.sh]}}\n" + kAnswer + kOutput);
  REQUIRE(chain.warnings.size() == 3);
  CHECK(told(chain.warnings[0]) == "demo.chain.yaml:4:34: model 'spare' is declared, but no step uses it");
  CHECK(told(chain.warnings[1]) == "demo.chain.yaml:5:10: asset 'kb' is declared, but no step uses it");
  CHECK(told(chain.warnings[2]) == "demo.chain.yaml:6:9: tool 't' is declared, but no step uses it");
}
