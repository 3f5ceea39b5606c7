// Chains whose data lie on a server.
#include "tests/commands/project_fixture.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// Files by path; what is not there is 404.
struct FileServer {
  std::map<std::string, std::string> files;
  LoopbackServer server{[this](const LoopbackRequest& request, LoopbackReply& reply) {
    const auto file = files.find(request.path);
    if (file == files.end()) reply.send(404, "");
    else reply.send(200, file->second, {{"ETag", "\"e-" + sha256_hex(file->second).substr(0, 8) + "\""}});
  }};
};

struct ExternalProject : ProjectFolder {
  FileServer server;
  ExternalProject() { write_qa(); }
  void write_chain(const std::string& asset, const std::string& step) const {
    write("qa.chain.yaml", "llmops: chain/v1\nname: qa\ninputs: [question]\nmodels: {main: {provider: echo}}\nassets:\n  kb: " + asset + "\nsteps:\n" + step + "output: \"{{ steps.say.output }}\"\n");
  }
  std::string pinned(const std::string& path, const std::string& kind) const {
    return "{kind: " + kind + ", uri: '" + server.server.url(path) + "', sha256: " + sha256_hex(server.files.at(path)) + "}";
  }
  std::string first_output() {
    const auto cases = stored_cases(1);
    return cases.empty() ? "none" : cases[0].output;
  }
};

const std::string kFind = "  - {id: find, retrieve: {from: kb, query: '{{ question }}', top_k: 1}}\n  - {id: say, model: main, prompt: \"{{ steps.find.output[0].text }} in {{ steps.find.output[0].source }}\"}\n";

}  // namespace

TEST_CASE("retrieval searches an external file, which is fetched once for all runs") {
  ExternalProject project;
  project.server.files["/kb.jsonl"] = "{\"id\": \"a\", \"text\": \"nothing\"}\n{\"id\": \"b\", \"text\": \"say 1 loud\"}\n";
  project.write_chain(project.pinned("/kb.jsonl", "grounding"), kFind);
  project.run();
  CHECK(project.first_output().find("say 1 loud in ") != std::string::npos);
  project.run();
  CHECK(project.server.server.request_count() == 1);
  CHECK(std::find_if(project.notes.begin(), project.notes.end(), [](const std::string& note) { return note.starts_with("fetching http://127.0.0.1"); }) != project.notes.end());
}

TEST_CASE("few-shot examples may be external") {
  ExternalProject project;
  project.server.files["/shots.jsonl"] = "{\"input\": \"say 7\", \"output\": \"seven\"}\n";
  project.write_chain(project.pinned("/shots.jsonl", "few-shot"), "  - {id: say, model: main, prompt: \"{{ question }}\", few_shot: {from: kb, k: 1}}\n");
  project.run();
  const auto cases = project.stored_cases(1);
  REQUIRE_FALSE(cases.empty());
  CHECK(cases[0].spans.at(0).prompt.find("seven") != std::string::npos);
}

TEST_CASE("an external file that changed stops the run before its first case and says what the server has") {
  ExternalProject project;
  project.server.files["/kb.jsonl"] = "{\"id\": \"a\", \"text\": \"one\"}\n";
  project.write_chain(project.pinned("/kb.jsonl", "grounding"), kFind);
  project.server.files["/kb.jsonl"] = "{\"id\": \"a\", \"text\": \"two\"}\n";
  const std::string refusal = project.run_refusal(ProjectFolder::one_by_one());
  CHECK(refusal.starts_with("qa.chain.yaml:6:3: "));
  CHECK(refusal.find(sha256_hex("{\"id\": \"a\", \"text\": \"two\"}\n")) != std::string::npos);
  project.server.files.clear();
  CHECK(project.run_refusal(ProjectFolder::one_by_one()).find("404") != std::string::npos);
}

TEST_CASE("a document that is no text is refused by name") {
  ExternalProject project;
  project.server.files["/kb.pdf"] = std::string("%PDF-1.4\n\xff\xfe\x00\x01", 13);
  project.write_chain(project.pinned("/kb.pdf", "grounding"), kFind);
  CHECK(project.run_refusal(ProjectFolder::one_by_one()).find("kb.pdf:0:0: this document is not UTF-8 text") != std::string::npos);
}

TEST_CASE("a dry run fetches nothing") {
  ExternalProject project;
  project.server.files["/kb.jsonl"] = "{\"id\": \"a\", \"text\": \"one\"}\n";
  project.write_chain(project.pinned("/kb.jsonl", "grounding"), kFind);
  Session opened = project.session();
  must(plan_eval_run(opened, ProjectFolder::one_by_one()));
  CHECK(project.server.server.request_count() == 0);
}
