// A key goes to the provider that it is for, and to nothing that is kept.
#include "commands/version/version.h"
#include "tests/commands/project_fixture.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kKey = "tiny-loopback-key-9f8e7d6c5b4a";

// Files below `root` that hold the key, as they lie on disk.
std::string files_with_key(const fs::path& root) {
  std::string found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    const auto bytes = read_file(entry.path());
    if (bytes && bytes->find(kKey) != std::string::npos) found += entry.path().lexically_relative(root).generic_string() + " ";
  }
  return found;
}

struct KeyProject : ProjectFolder {
  explicit KeyProject(const LoopbackServer& server) {
    write_qa();
    std::string text = kQaChain;
    write("qa.chain.yaml", text.replace(text.find("{provider: echo}"), 16, "{provider: openai, model: m, base_url: '" + server.url("/v1") + "', api_key: '${env:MY_KEY}', headers: {X-Other: 'a ${env:MY_KEY} b'}}"));
    variables["MY_KEY"] = kKey;
    variables["LLMOPS_RETRIES"] = "0";
    trust_all();
  }
};

}  // namespace

TEST_CASE("a provider that says the key back puts it nowhere") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    CHECK(request.header("authorization") == "Bearer " + kKey);
    CHECK(request.header("x-other") == "a " + kKey + " b");
    if (request.number % 3 == 0) return reply.send(401, error_json("wrong key " + kKey, "auth", "invalid_api_key"));
    reply.send(200, chat_completion_json("7 is said with " + kKey));
  });
  KeyProject project(server);
  for (const char* capture : {"full", "redacted", "hash"}) {
    project.variables["LLMOPS_CAPTURE"] = capture;
    EvalRunOptions options = ProjectFolder::one_by_one();
    options.no_cache = true;
    const EvalRunReport report = project.run(options);
    CHECK(report.cases_done == 6);
    for (const ErrorGroup& group : report.errors) CHECK(group.message.find(kKey) == std::string::npos);
    // What is compressed on disk is read as well.
    for (const CaseRecord& record : project.stored_cases(report.run.number)) {
      std::string text = record.row + record.output + record.error_message;
      for (const SpanRecord& span : record.spans) text += span.input + span.prompt + span.output + span.name + span.error_message + span.attributes;
      for (const ScoreRecord& score : record.scores) text += score.error + score.detail;
      CHECK(text.find(kKey) == std::string::npos);
    }
  }
  Session session = project.session();
  must(version_commit(session, {"", "words", false}));
  Store* store = must(session.store(false));
  CHECK(must(store->read_manifest(must(store->head("qa"))->vid)).find("MY_KEY") == std::string::npos);
  for (const RunRecord& run : must(store->runs(10))) CHECK((run.summary + run.settings).find(kKey) == std::string::npos);
  CHECK(files_with_key(project.root()).empty());
  CHECK(files_with_key(project.dir.path() / "home").empty());
}

TEST_CASE("a missing key is met before the run has a number, at the place that names it") {
  const LoopbackServer server(openai_handler({}));
  KeyProject project(server);
  project.variables.erase("MY_KEY");
  const auto report = project.try_run();
  CHECK(report.error().code == ErrorCode::kMissingSecret);
  CHECK(report.error().message == "variable 'MY_KEY' is not set");
  CHECK(report.error().where.file == "qa.chain.yaml");
  CHECK(report.error().where.line == 4);
  CHECK(server.request_count() == 0);
  Session session = project.session();
  CHECK(must(must(session.store(true))->runs(10)).empty());
}

TEST_CASE("a key from the .env file is one, too") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, chat_completion_json("1 " + kKey)); });
  KeyProject project(server);
  project.variables.erase("MY_KEY");
  project.write(".env", "MY_KEY=" + kKey + "\n");
  CHECK(project.run().cases_done == 6);
  CHECK(files_with_key(project.root()) == ".env ");
}

TEST_CASE("without trust no request is sent") {
  const LoopbackServer server(openai_handler({}));
  KeyProject project(server);
  must(revoke_trust(project.session()));
  CHECK(project.try_run().error().code == ErrorCode::kUntrusted);
  CHECK(server.request_count() == 0);
}

TEST_CASE("the same request is answered from the cache by a later run, also of another version") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) { reply.send(200, chat_completion_json("number " + std::to_string(request.number))); });
  KeyProject project(server);
  project.run();
  CHECK(server.request_count() == 6);
  std::string chain = must(read_file(project.root() / "qa.chain.yaml"));
  project.write("qa.chain.yaml", chain.replace(chain.find("say, model: main"), 16, "say, when: \"{{ true }}\", model: main"));
  const EvalRunReport report = project.run();
  CHECK(server.request_count() == 6);
  CHECK(report.reused == 12);
  CHECK(report.spent_tokens == 0);
}

TEST_CASE("a run whose snapshot would keep a key is refused, and so is the value of a key that its chain names") {
  ProjectFolder project;
  project.write_qa();
  std::string text = kQaChain;
  project.write("qa.chain.yaml", text.replace(text.find("prompt: \"{{ question }}\""), 24, "messages: [{role: user, file: p.md}]"));
  project.write("p.md", "{{ question }}\nsk-abcdefghijklmnopqrstuvwxyz0123\n");
  CHECK(project.run_refusal(ProjectFolder::one_by_one()) == "p.md:2:1: 'p.md' holds what looks like a key, and a version would keep it | take it out; where a key is needed, name it: ${env:NAME}");
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
  project.write("p.md", "{{ question }}\n");
  EvalRunOptions options = ProjectFolder::one_by_one();
  options.sets.push_back("models.main.params.x=sk-abcdefghijklmnopqrstuvwxyz0123");
  CHECK(project.run_refusal(options) == "'qa.chain.yaml' holds what looks like a key, and a version would keep it | take it out; where a key is needed, name it: ${env:NAME}");
  CHECK(project.run().cases_done == 6);
}
