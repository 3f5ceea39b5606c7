// Retrieval by embeddings and hybrid, nearest examples, and the repair of a structured reply.
#include <cmath>

#include "core/base/base64.h"
#include "core/runtime/embedding.h"
#include "tests/core/runtime/runtime_fixture.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// Embeds a text as its counts of the letters a, b and c.
std::string letter_counts(const Json& request) {
  Json data = Json::array();
  for (size_t i = 0; i < request["input"].size(); ++i) {
    const std::string text = request["input"][i];
    const auto count = [&](char letter) { return static_cast<double>(std::count(text.begin(), text.end(), letter)); };
    data.push_back({{"index", i}, {"embedding", {count('a'), count('b'), count('c') + 0.001}}});
  }
  return dump_json(Json{{"data", data}, {"model", "letters"}, {"usage", {{"prompt_tokens", request["input"].size()}, {"total_tokens", request["input"].size()}}}});
}

struct EmbeddingFolder : RuntimeFolder {
  std::unique_ptr<Transport> transport = make_curl_transport({});
  LoopbackServer server{[this](const LoopbackRequest& request, LoopbackReply& reply) {
    const Json body = *parse_json(request.body, "request");
    if (request.path.ends_with("/embeddings")) return reply.send(200, letter_counts(body));
    const size_t turn = std::min(asked++, replies.size() - 1);
    reply.send(200, chat_completion_json(replies[turn]));
  }};
  std::vector<std::string> replies = {"ok"};
  size_t asked = 0;

  EmbeddingFolder() {
    open_store();
    dir.write("kb.jsonl", "{\"id\": \"one\", \"text\": \"aaaa apple\"}\n{\"id\": \"two\", \"text\": \"bbbb apple pear\"}\n{\"id\": \"three\", \"text\": \"cccc pear\"}\n");
  }
  void make(const std::string& rest) {
    RuntimeContext made = context();
    made.transport = transport.get();
    made.secret = [](const SecretReference& reference) -> Result<Secret> { return Secret(reference.variable, "sk-test"); };
    prepare("models: {embed: {provider: openai, base_url: '" + server.url("/v1") + "', model: letters}, main: {provider: openai, base_url: '" + server.url("/v1") + "', model: m}}\n" + rest, made);
  }
  void retrieval(const std::string& keys) {
    make("assets: {kb: {kind: grounding, path: kb.jsonl}}\nsteps: [{id: find, retrieve: {from: kb, query: \"{{ question }}\", top_k: 2, " + keys + "}}]\noutput: \"{{ steps.find.output | map(attribute='id') | join(' ') }}\"\n");
  }
};

}  // namespace

TEST_CASE("retrieval by embedding ranks by cosine, and asks for no document twice") {
  EmbeddingFolder folder;
  folder.retrieval("method: embedding, embedder: embed");
  const CaseResult result = folder.ask("bbb");
  CHECK(output_of(result) == R"("two three")");
  CHECK(result.spans[0].input_tokens == 1);
  CHECK(result.spans[0].name == "2 of 3 documents");
  const int calls = folder.server.request_count();
  CHECK(calls == 2);
  folder.retrieval("method: embedding, embedder: embed");
  CHECK(output_of(folder.ask("bbb")) == R"("two three")");
  CHECK(folder.server.request_count() == calls);
  folder.dir.write("kb.jsonl", "{\"id\": \"one\", \"text\": \"aaaa apple\"}\n{\"id\": \"two\", \"text\": \"bbbb apple plum\"}\n");
  folder.retrieval("method: embedding, embedder: embed");
  CHECK(folder.server.request_count() == calls + 1);
}

TEST_CASE("hybrid retrieval fuses ranks by 1 / (60 + rank), with weights") {
  EmbeddingFolder folder;
  // By words: three, two (pear); by vectors: one, two, three.
  folder.retrieval("method: hybrid, embedder: embed");
  CHECK(output_of(folder.ask("pear aaaa")).size() > 2);
  const std::vector<Ranked> words = {{2, 5}, {1, 4}}, vectors = {{0, 0.9}, {1, 0.5}, {2, 0.1}};
  const auto fused = fuse_ranks({words, vectors}, {1, 1});
  REQUIRE(fused.size() == 3);
  CHECK(fused[0].index == 2);
  CHECK(fused[0].score == Approx(1 / 61.0 + 1 / 63.0));
  CHECK(fused[1].index == 1);
  CHECK(fused[1].score == Approx(2 / 62.0));
  CHECK(fused[2].score == Approx(1 / 61.0));
  CHECK(fuse_ranks({words, vectors}, {0, 1})[0].index == 0);
}

TEST_CASE("cosine ranking agrees with its definition") {
  std::mt19937_64 random(7);
  EmbeddingMatrix matrix{20, 5, {}};
  for (size_t i = 0; i < 100; ++i) matrix.values.push_back(static_cast<float>(random() % 2000) / 1000 - 1);
  const std::vector<float> query = {0.5F, -0.5F, 0.1F, 0.7F, 0.0F};
  std::vector<std::pair<double, size_t>> slow;
  for (size_t i = 0; i < 20; ++i) {
    double sum = 0;
    for (size_t d = 0; d < 5; ++d) sum += static_cast<double>(matrix.values[i * 5 + d]) * static_cast<double>(query[d]);
    slow.emplace_back(-sum, i);
  }
  std::sort(slow.begin(), slow.end());
  const auto ranked = rank_by_cosine(matrix, query);
  for (size_t i = 0; i < 20; ++i) {
    CHECK(ranked[i].index == slow[i].second);
    CHECK(ranked[i].score == Approx(-slow[i].first));
  }
}

TEST_CASE("base64 is RFC 4648's") {
  const std::vector<std::pair<std::string, std::string>> vectors = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(base64_encode(bytes) == text);
    CHECK(base64_decode(text) == bytes);
  }
  CHECK_FALSE(base64_decode("Zg=").has_value());
  CHECK_FALSE(base64_decode("Z?==").has_value());
}

TEST_CASE("nearest examples are shown, by words or by an embedder, and never the case itself") {
  EmbeddingFolder folder;
  folder.dir.write("shots.jsonl", "{\"input\": \"refund my order\", \"output\": \"refund\"}\n{\"input\": \"aaa\", \"output\": \"letters\"}\n{\"input\": \"where is my parcel\", \"output\": \"delay\"}\n");
  const auto steps = [](const std::string& by) { return "assets: {shots: {kind: few-shot, path: shots.jsonl}}\nsteps: [{id: answer, model: main, prompt: \"{{ question }}\", few_shot: {from: shots, k: 1, select: nearest" + by + "}}]\n" + kOutput; };
  folder.make(steps(""));
  CHECK(folder.ask("my parcel is late").spans[0].prompt.find(R"({"role":"assistant","content":"delay"})") != std::string::npos);
  const CaseResult itself = folder.ask("where is my parcel");
  CHECK(itself.spans[0].prompt.find("delay") == std::string::npos);
  CHECK(itself.is_few_shot_example);
  CHECK_FALSE(folder.ask("my parcel is late").is_few_shot_example);
  folder.make(steps(", by: embed"));
  CHECK(folder.ask("aaaa!").spans[0].prompt.find(R"({"role":"assistant","content":"letters"})") != std::string::npos);
}

TEST_CASE("a reply that does not fit its schema is asked for once more, with the reason") {
  EmbeddingFolder folder;
  folder.dir.write("s.json", R"({"type": "object", "required": ["label"]})");
  const std::string rest = "steps: [{id: answer, model: main, prompt: \"{{ question }}\", response: {json_schema: s.json}}]\n" + kOutput;
  folder.replies = {"{}", R"({"label": "x"})"};
  folder.make(rest);
  const CaseResult mended = folder.ask("one");
  CHECK(output_of(mended) == R"("{\"label\": \"x\"}")");
  REQUIRE(mended.spans.size() == 2);
  CHECK(mended.spans[1].step == "answer/repair");
  CHECK(mended.spans[1].prompt.find("Your reply does not fit the JSON schema: the value fails 'required': no 'label'. Reply again with the corrected JSON only.") != std::string::npos);
  folder.replies = {"words"};
  folder.asked = 0;
  const CaseResult failed = folder.ask("two");
  CHECK(folder.asked == 2);
  REQUIRE(failed.error);
  CHECK(failed.error->kind == "schema_mismatch");
  CHECK(failed.error->message.starts_with("the reply does not fit the schema, also after a repair: it is not JSON"));
}

TEST_CASE("embeddings that cannot be used are an error of the provider") {
  EmbeddingFolder folder;
  LoopbackServer liar([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, R"({"data": [{"index": 0, "embedding": [1, 2]}], "model": "m"})"); });
  RuntimeContext made = folder.context();
  made.transport = folder.transport.get();
  folder.chain = folder.must_load(kHead + "models: {embed: {provider: openai, base_url: '" + liar.url("/v1") + "', model: letters}}\nassets: {kb: {kind: grounding, path: kb.jsonl}}\nsteps: [{id: find, retrieve: {from: kb, query: x, method: embedding, embedder: embed}}]\noutput: x\n");
  const auto refused = Executor::create(*folder.chain, made);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kProvider);
}
