// Which embedder a name means, what its rows are, and everything a server can do wrong.
#include "commands/monitor/embedder.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "commands/monitor/request_vectors.h"
#include "commands/monitor/test.h"
#include "core/drift/detectors.h"
#include "core/format/weight_writer.h"
#include "tests/commands/project_fixture.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// Counts of the letters a, b and c, and 1.
std::vector<double> letters_of(const std::string& text) {
  const auto count = [&](char letter) { return static_cast<double>(std::count(text.begin(), text.end(), letter)); };
  return {count('a'), count('b'), count('c'), 1};
}

std::string answer_of(const std::vector<std::string>& embeddings) {
  std::string data;
  for (size_t i = 0; i < embeddings.size(); ++i) data += fmt::format("{}{{\"index\": {}, \"embedding\": {}}}", i == 0 ? "" : ", ", i, embeddings[i]);
  return "{\"data\": [" + data + "], \"model\": \"letters\"}";
}

void send_letters(const LoopbackRequest& request, LoopbackReply& reply) {
  const Json body = *parse_json(request.body, "request");
  std::vector<std::string> rows;
  for (const Json& text : body["input"]) rows.push_back(dump_json(letters_of(text)));
  reply.send(200, answer_of(rows));
}

// The definition: rows of unit length, less the mean of those that are not zero, of unit length.
std::vector<std::vector<double>> centred(std::vector<std::vector<double>> rows) {
  const auto length_of = [](const std::vector<double>& row) {
    double square = 0;
    for (const double x : row) square += x * x;
    return std::sqrt(square);
  };
  std::vector<double> mean(rows[0].size(), 0.0);
  double counted = 0;
  for (const auto& row : rows) counted += length_of(row) > 0;
  for (const auto& row : rows) for (size_t d = 0; d < row.size(); ++d) if (length_of(row) > 0) mean[d] += row[d] / length_of(row) / counted;
  for (auto& row : rows) {
    const double before = length_of(row);
    if (before == 0) continue;
    for (size_t d = 0; d < row.size(); ++d) row[d] = row[d] / before - mean[d];
    const double after = length_of(row);
    for (double& x : row) x /= after;
  }
  return rows;
}

void check_rows(const Vectors& made, const std::vector<std::vector<double>>& expected) {
  REQUIRE(made.rows == expected.size());
  REQUIRE(made.dimensions == expected[0].size());
  for (size_t i = 0; i < expected.size(); ++i) for (size_t d = 0; d < expected[i].size(); ++d) CHECK(static_cast<double>(made.view().row(i)[d]) == Approx(expected[i][d]).margin(1e-6));
}

struct EmbedderProject : ProjectFolder {
  EmbedderProject() { variables["LLMOPS_RETRIES"] = "0"; }
  Result<Vectors> embed(const std::string& name, const std::vector<std::string>& reference, const std::vector<std::string>& current) {
    const Session opened = session();
    auto embedder = open_embedder(opened, name);
    if (!embedder) return std::move(embedder).error();
    return embedder->dense(reference, current, 64, 0);
  }
  Error error_of(const std::string& name) {
    auto made = embed(name, {"aab", "bcc"}, {"abc"});
    REQUIRE_FALSE(made);
    return made.error();
  }
  // What a server that answers so is told as.
  Error error_of(int status, const std::string& body) {
    const LoopbackServer server([&](const LoopbackRequest&, LoopbackReply& reply) { reply.send(status, body); });
    Error error = error_of("letters@" + server.url("/v1"));
    const size_t at = error.message.find(server.url());
    if (at != std::string::npos) error.message.replace(at, server.url().size(), "SERVER");
    return error;
  }
  // Tokens: card (1, 0), bank (0, 1), the (1, 1).
  void write_static(const std::string& folder) const {
    write(folder + "/tokenizer.json", R"({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "card": 1, "bank": 2, "the": 3}}})");
    const std::array<float, 8> values = {9, 9, 1, 0, 0, 1, 1, 1};
    std::vector<TensorInfo> tensors = {{"embeddings", "F32", {4, 2}, 0, 0}};
    const std::string header = must(safetensors_header({}, tensors));
    write(folder + "/model.safetensors", header + std::string(reinterpret_cast<const char*>(values.data()), sizeof values));
  }
};

MonitorTestOptions files(const std::string& reference, const std::string& current) {
  MonitorTestOptions options;
  options.reference = reference;
  options.current = current;
  options.permutations = 199;
  return options;
}

}  // namespace

TEST_CASE("tfidf is the latent dimensions of the pool's n-grams") {
  EmbedderProject project;
  const std::vector<std::string> reference = {"where is my card", "the bank is closed"}, current = {"a card of the bank"};
  const Session session = project.session();
  Embedder embedder = must(open_embedder(session, ""));
  CHECK((embedder.name() == "tfidf" && embedder.kind() == EmbedderKind::kTfidf));
  const Vectors made = must(embedder.dense(reference, current, 2, 3));
  CHECK(made.values == latent_text_vectors(reference, current, 2, 3).values);
  CHECK(embedder.describe(made.dimensions) == "tfidf, 2 latent dimensions");
}

TEST_CASE("a server's vectors are centred by the pool, and each text is asked for once") {
  const LoopbackServer server(send_letters);
  EmbedderProject project;
  const std::string name = "letters@" + server.url("/v1");
  const std::vector<std::string> reference = {"aab", "bcc", "aab", " "}, current = {"abc", "bcc", ""};
  const auto expected = centred({letters_of("aab"), letters_of("bcc"), letters_of("aab"), {0, 0, 0, 0}, letters_of("abc"), letters_of("bcc"), {0, 0, 0, 0}});
  {
    const Session session = project.session();
    Embedder embedder = must(open_embedder(session, name));
    CHECK(embedder.kind() == EmbedderKind::kEndpoint);
    check_rows(must(embedder.dense(reference, current, 64, 0)), expected);
    CHECK(must(embedder.dense(reference, current, 64, 0)).rows == 7);
    CHECK(embedder.describe(4) == "endpoint " + name + ", 4 dimensions");
  }
  REQUIRE(server.request_count() == 1);
  const Json asked = *parse_json(server.requests()[0].body, "request");
  CHECK(dump_json(asked) == R"({"model":"letters","input":["aab","abc","bcc"]})");
  CHECK(server.requests()[0].path == "/v1/embeddings");
  CHECK(server.requests()[0].header("authorization").empty());
  // Without a store nothing was kept; with one it is.
  must(project.session().store(true));
  check_rows(must(project.embed(name, reference, current)), expected);
  check_rows(must(project.embed(name, reference, current)), expected);
  CHECK(server.request_count() == 2);
}

TEST_CASE("texts that all say the same have no direction left") {
  const LoopbackServer server(send_letters);
  EmbedderProject project;
  const Vectors made = must(project.embed("letters@" + server.url("/v1"), {"abc", "abc", "abc"}, {"abc"}));
  CHECK((made.rows == 4 && made.dimensions == 4));
  CHECK(std::all_of(made.values.begin(), made.values.end(), [](float x) { return x == 0; }));
}

TEST_CASE("a folder is a model of static embeddings, from the working directory or, when llmops.yaml names it, from the root") {
  EmbedderProject project;
  project.write_static("models/tiny");
  const Vectors made = must(project.embed("models/tiny", {"card", "bank the", "zebra"}, {"card"}));
  check_rows(made, centred({{1, 0}, {0.5, 1}, {0, 0}, {1, 0}}));
  const auto from_below = open_embedder(project.session("models"), "models/tiny");
  REQUIRE_FALSE(from_below);
  CHECK(from_below.error().message == "embedder 'models/tiny' does not exist");
  project.write("llmops.yaml", "llmops: project/v1\nmonitor: {embedder: models/tiny}\n");
  const Embedder named = must(open_embedder(project.session("models"), ""));
  CHECK((named.kind() == EmbedderKind::kStatic && named.describe(2) == "model2vec models/tiny, 2 dimensions"));
  project.write("models/half/tokenizer.json", "{}");
  CHECK(project.error_of("models/half").code == ErrorCode::kData);
}

TEST_CASE("a name that is nothing gets the nearest one that is something") {
  EmbedderProject project;
  project.write("qa.chain.yaml", "llmops: chain/v1\nname: qa\ninputs: [q]\nmodels: {main: {provider: echo}, letters: {provider: openai, model: l, base_url: 'http://127.0.0.1:9/v1'}}\nsteps: [{id: say, model: main, prompt: '{{ q }}'}]\noutput: '{{ steps.say.output }}'\n");
  CHECK(project.error_of("tfdif").hint == "did you mean 'tfidf'?");
  CHECK(project.error_of("leters").hint == "did you mean 'letters'?");
  const Error nothing = project.error_of("something else");
  CHECK((nothing.code == ErrorCode::kNotFound && nothing.message == "embedder 'something else' does not exist"));
  CHECK(nothing.hint == "give tfidf, a folder of static embeddings, MODEL@URL, or a model that a chain declares");
  CHECK(project.error_of("main").message == "model 'main' gives no embeddings");
  CHECK(project.error_of("@http://127.0.0.1:9/v1").message == "embedder '@http://127.0.0.1:9/v1' names no model");
  CHECK(project.error_of("m@http://me:word@127.0.0.1:9/v1").message == "the address of the embedder holds a user name or password");
  CHECK(project.error_of("m@https://api.openai.com/v1").message == "variable 'OPENAI_API_KEY' is not set");
}

TEST_CASE("a model that a chain declares is asked with its key, once it is trusted") {
  const LoopbackServer server(send_letters);
  EmbedderProject project;
  const auto chain = [&](const std::string& name, const std::string& model) {
    project.write(name + ".chain.yaml", "llmops: chain/v1\nname: " + name + "\ninputs: [q]\nmodels: {main: {provider: echo}, letters: {provider: openai, model: " + model + ", base_url: '" + server.url("/v1") + "', api_key: '${env:MY_KEY}'}}\nsteps: [{id: say, model: main, prompt: '{{ q }}'}]\noutput: '{{ steps.say.output }}'\n");
  };
  chain("qa", "l");
  project.variables["MY_KEY"] = "tiny-key";
  const Error refused = project.error_of("letters");
  CHECK(refused.code == ErrorCode::kUntrusted);
  CHECK(refused.details == std::vector<std::string>{"send the key MY_KEY to " + server.url("/v1") + "   (qa.chain.yaml:4)"});
  CHECK(server.request_count() == 0);
  project.trust_all();
  CHECK(must(project.embed("letters", {"aab"}, {"abc"})).rows == 2);
  CHECK(server.requests()[0].header("authorization") == "Bearer tiny-key");
  chain("other", "l");
  CHECK(must(project.embed("letters", {"aab"}, {"abc"})).rows == 2);
  chain("other", "another");
  CHECK(project.error_of("letters").message == "'letters' is one model in 'other.chain.yaml' and another in 'qa.chain.yaml'");
}

TEST_CASE("texts of production go to another machine only where a person said so") {
  EmbedderProject project;
  project.variables["LLMOPS_OFFLINE"] = "1";
  // Typed by hand: the person said so; the network is off.
  CHECK(project.error_of("m@http://192.0.2.1:9/v1").code == ErrorCode::kOffline);
  project.write("llmops.yaml", "llmops: project/v1\nmonitor:\n  embedder: m@https://192.0.2.1:9/v1\n");
  const Error refused = project.error_of("");
  CHECK(refused.code == ErrorCode::kUntrusted);
  CHECK(refused.details == std::vector<std::string>{"send texts of production to https://192.0.2.1:9/v1   (llmops.yaml:3)"});
  CHECK(must(read_trust(project.session())).items.size() == 1);
  project.trust_all();
  CHECK(project.error_of("").code == ErrorCode::kOffline);
  project.write("llmops.yaml", "llmops: project/v1\nmonitor:\n  embedder: m@https://192.0.2.2:9/v1\n");
  CHECK(project.error_of("").code == ErrorCode::kUntrusted);
}

TEST_CASE("a declared model that llmops.yaml makes the embedder needs the same word") {
  EmbedderProject project;
  project.variables["LLMOPS_OFFLINE"] = "1";
  project.write("qa.chain.yaml", "llmops: chain/v1\nname: qa\ninputs: [q]\nmodels: {main: {provider: echo}, far: {provider: openai, model: l, base_url: 'https://192.0.2.1:9/v1'}}\nsteps: [{id: say, model: main, prompt: '{{ q }}'}]\noutput: '{{ steps.say.output }}'\n");
  CHECK(project.error_of("far").code == ErrorCode::kOffline);
  project.write("llmops.yaml", "llmops: project/v1\nmonitor: {embedder: far}\n");
  CHECK(project.error_of("").details == std::vector<std::string>{"send texts of production to https://192.0.2.1:9/v1   (llmops.yaml:2)"});
  project.trust_all();
  CHECK(project.error_of("").code == ErrorCode::kOffline);
}

TEST_CASE("what a server answers wrong is an error of the server, not a number") {
  EmbedderProject project;
  const Error count = project.error_of(200, answer_of({"[1, 2]", "[3, 4]"}));
  CHECK((count.code == ErrorCode::kProvider && count.kind == "empty_reply"));
  CHECK(count.message.find("did not answer with 3 embeddings") != std::string::npos);
  const Error uneven = project.error_of(200, answer_of({"[1, 2]", "[3, 4]", "[5]"}));
  CHECK((uneven.code == ErrorCode::kProvider && uneven.kind == "bad_embedding"));
  CHECK(uneven.message.find("gave embeddings that cannot be used: 1 dimensions beside 2") != std::string::npos);
  const Error past = project.error_of(200, answer_of({"[1, 2]", "[1e300, 4]", "[5, 6]"}));
  CHECK(past.kind == "bad_embedding");
  CHECK(past.message.find("a value past every float") != std::string::npos);
  CHECK(project.error_of(200, answer_of({"[1, 2]", "[null, 4]", "[5, 6]"})).kind == "empty_reply");
  CHECK(project.error_of(200, answer_of({"[1, 2]", "[NaN, 4]", "[5, 6]"})).kind == "invalid_json");
  CHECK(project.error_of(200, "{\"data\": []}").kind == "empty_reply");
  CHECK(project.error_of(500, error_json("broken", "server_error", "x")).kind == "http_500");
  CHECK(project.error_of(404, error_json("no such model", "invalid_request_error", "model_not_found")).kind == "http_404");
}

TEST_CASE("a server whose dimensions change between two calls is told as such") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) { reply.send(200, answer_of({request.number == 1 ? "[1, 2]" : "[1, 2, 3]"})); });
  EmbedderProject project;
  const Session session = project.session();
  const std::string name = "m@" + server.url("/v1");
  Embedder embedder = must(open_embedder(session, name));
  const std::vector<std::string> first = {"a"}, second = {"b"};
  CHECK(must(embedder.dense(first, first, 64, 0)).dimensions == 2);
  const auto changed = embedder.dense(first, second, 64, 0);
  REQUIRE_FALSE(changed);
  CHECK(changed.error().message == "embedder '" + name + "' gave 3 dimensions beside 2");
}

TEST_CASE("a server that does not answer in the model's time is a timeout") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.hang(); });
  EmbedderProject project;
  project.write("qa.chain.yaml", "llmops: chain/v1\nname: qa\ninputs: [q]\nmodels: {main: {provider: echo}, slow: {provider: openai, model: l, timeout_s: 0.2, base_url: '" + server.url("/v1") + "'}}\nsteps: [{id: say, model: main, prompt: '{{ q }}'}]\noutput: '{{ steps.say.output }}'\n");
  CHECK(project.error_of("slow").kind == "timeout");
}

TEST_CASE("a test on texts takes the embedder that is asked for, and says which") {
  const LoopbackServer server(send_letters);
  EmbedderProject project;
  std::string before, after;
  for (int i = 0; i < 24; ++i) before += "card a" + std::string(static_cast<size_t>(i % 5), 'a') + "b\n";
  for (int i = 0; i < 24; ++i) after += "bank c" + std::string(static_cast<size_t>(i % 5), 'c') + "b\n";
  project.write("before.txt", before);
  project.write("after.txt", after);
  project.write_static("tiny");
  const Session session = project.session();
  MonitorTestOptions options = files("before.txt", "after.txt");
  options.method = "mmd";
  const auto plain = must(monitor_test(session, options));
  REQUIRE(plain.embedder);
  CHECK(plain.embedder->kind == "tfidf");
  // The same rows as without an embedder's name.
  options.embedder = "tfidf";
  CHECK(must(monitor_test(session, options)).result.statistic == plain.result.statistic);
  options.embedder = "tiny";
  const auto still = must(monitor_test(session, options));
  CHECK((still.embedder->name == "tiny" && still.embedder->description == "model2vec tiny, 2 dimensions" && still.verdict == DriftVerdict::kDrift));
  options.embedder = "letters@" + server.url("/v1");
  const auto asked = must(monitor_test(session, options));
  CHECK((asked.embedder->kind == "endpoint" && asked.embedder->dimensions == 4 && asked.verdict == DriftVerdict::kDrift));
  CHECK(asked.carriers.size() == 10);
  CHECK(asked.carriers[0].starts_with("bank c"));
}

TEST_CASE("an embedder that a test would not use is refused, and numbers among texts are told") {
  EmbedderProject project;
  std::string numbers = "n\n", texts;
  for (int i = 0; i < 12; ++i) numbers += std::to_string(i) + "\n";
  for (int i = 0; i < 12; ++i) texts += "text " + std::to_string(i) + "\n";
  project.write("numbers.csv", numbers);
  project.write("texts.txt", texts);
  const Session session = project.session();
  MonitorTestOptions options = files("numbers.csv", "numbers.csv");
  options.embedder = "tfidf";
  CHECK(monitor_test(session, options).error().message == "'ks' would not use an embedder: it compares numbers");
  options = files("texts.txt", "texts.txt");
  options.method = "length";
  options.embedder = "tfidf";
  CHECK(monitor_test(session, options).error().message == "'length' would not use an embedder: it compares texts");
  options = files("numbers.csv", "texts.txt");
  options.method = "mmd";
  CHECK(must(monitor_test(session, options)).notes == std::vector<std::string>{"'numbers.csv' holds numbers, taken as texts because 'texts.txt' holds texts"});
  CHECK(must(monitor_test(session, files("texts.txt", "texts.txt"))).notes.empty());
  CHECK_FALSE(must(monitor_test(session, files("numbers.csv", "numbers.csv"))).embedder);
}

TEST_CASE("requests of a comparison take the same rows") {
  EmbedderProject project;
  project.write_static("tiny");
  Session session = project.session();
  const std::vector<std::string_view> texts = {"card", "bank the", "card the", "bank"};
  const RequestVectors made = must(request_vectors(session, "tiny", texts, 2, 0, 1));
  CHECK(made.description == "model2vec tiny, 2 dimensions");
  check_rows(made.dense, centred({{1, 0}, {0.5, 1}, {1, 0.5}, {0, 1}}));
  CHECK(made.neighbours.rows == 4);
  CHECK(request_vectors(session, "tiyn", texts, 2, 0, 1).error().message == "embedder 'tiyn' does not exist");
}
