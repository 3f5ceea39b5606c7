// The whole program against a server that refuses, throttles, stalls, cuts and lies: what a person sees, which exit code a
// script gets, and that the key never leaves the process but in the header it belongs to.
#include <signal.h>

#include <catch2/catch.hpp>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/loopback_server.h"
#include "tests/support/run_program.h"

namespace llmops::test {
namespace {

using nlohmann::json;

constexpr const char* kKey = "sk-test-5f0c9a1e7b3d4826";

struct Setup {
  std::string model_keys;             // further keys of the model
  std::string params = "{}";
  std::vector<std::string> gates;
  int cases = 4;
};

// A chain of one model step at `base_url`, asked with a key, and a suite of so many cases whose answer is the question.
void write_project(Project& project, const std::string& base_url, const Setup& setup = {}) {
  project.write("bot.chain.yaml", "llmops: chain/v1\nname: bot\ninputs: [question]\nmodels:\n  main: {provider: openai, base_url: \"" + base_url +
                                      "\", model: test-model, api_key: \"${env:BOT_KEY}\", params: " + setup.params + setup.model_keys +
                                      "}\nsteps:\n  - {id: answer, model: main, prompt: \"{{ question }}\"}\noutput: \"{{ steps.answer.output }}\"\n");
  std::string suite =
      "llmops: eval/v1\nchain: bot.chain.yaml\ndataset: {path: data.jsonl, id: id}\ninputs: {question: \"{{ case.question }}\"}\n"
      "metrics:\n  - {name: right, type: equals, target: output, expected: \"{{ case.question }}\"}\n";
  if (!setup.gates.empty()) suite += "gates:\n";
  for (const std::string& gate : setup.gates) suite += "  - " + gate + "\n";
  project.write("bot.eval.yaml", suite);
  std::string rows;
  for (int i = 0; i < setup.cases; ++i) rows += json{{"id", "c" + std::to_string(i)}, {"question", "question " + std::to_string(i)}}.dump() + "\n";
  project.write("data.jsonl", rows);
  project.env["BOT_KEY"] = kKey;
  project.env["LLMOPS_RETRIES"] = "0";
}

// Allows what the project asks for, as CI does.
void trust(Project& project) {
  const ProgramResult printed = project.llmops({"trust", "--print"});
  REQUIRE(printed.exit_code == 0);
  project.env["LLMOPS_TRUST"] = printed.out.substr(0, printed.out.find_last_not_of(" \n") + 1);
}


// Runs it as a person does. The key must be in nothing that was printed or stored.
ProgramResult run_it(Project& project, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"eval", "run"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  ProgramResult result = project.llmops(arguments, 60);
  CHECK(result.out.find(kKey) == std::string::npos);
  CHECK(result.err.find(kKey) == std::string::npos);
  CHECK(project.files_with(kKey) == std::vector<std::string>());
  return result;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The errors of the newest run, as step/code/count.
std::vector<std::string> errors_of(const Project& project) {
  const json shown = project.json({"eval", "show", "last", "--errors"}, 0);
  std::map<std::string, int> counts;
  for (const json& one : shown["cases"]) ++counts[one["error"]["step"].get<std::string>() + "/" + one["error"]["code"].get<std::string>()];
  std::vector<std::string> lines;
  for (const auto& [name, count] : counts) lines.push_back(name + " x " + std::to_string(count));
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a server that refuses every call leaves no score: exit 2, one line per kind, and the key in no file", "[e2e]") {
  struct Row {
    int status;
    const char* body;
    const char* message;   // the detail line
  };
  const std::string echoed = error_json(std::string("Incorrect API key provided: ") + kKey, "invalid_request_error", "invalid_api_key");
  const Row rows[] = {
      {401, echoed.c_str(), "4 x http_401 in 'answer': openai answered 401 for model 'test-model': Incorrect API key provided: "},
      {404, R"({"error": {"message": "The model does not exist", "type": "invalid_request_error"}})",
       "4 x http_404 in 'answer': openai answered 404 for model 'test-model': The model does not exist"},
      {500, "<html>boom</html>", "4 x http_500 in 'answer': openai answered 500 for model 'test-model': <html>boom</html>"},
  };
  for (const Row& row : rows) {
    INFO(row.status);
    const LoopbackServer server([&row](const LoopbackRequest&, LoopbackReply& reply) { reply.send(row.status, row.body); });
    Project project;
    write_project(project, server.url("/v1"));
    trust(project);
    const ProgramResult result = run_it(project);
    INFO(result.out << result.err);
    CHECK(result.exit_code == 2);
    CHECK(has(result.err, "error: no case has a score: all 4 ended in an error"));
    CHECK(has(result.err, row.message));
    CHECK(has(result.err, "hint: llmops eval show 1 --errors"));
    CHECK(server.request_count() == 4);
    CHECK(server.requests().at(0).header("authorization") == std::string("Bearer ") + kKey);
    CHECK(errors_of(project) == Lines{"answer/http_" + std::to_string(row.status) + " x 4"});
    // The run is kept: what failed can be looked at.
    const json list = project.json({"eval", "list"}, 0);
    CHECK(list["runs"].size() == 1);
  }
}

TEST_CASE("adapters are an axis: the server is asked for each by its name, and a new file is another reply", "[e2e]") {
  const LoopbackServer server(openai_handler({}));
  Project project;
  write_project(project, server.url("/v1"), {"}\nassets:\n  lora: {kind: adapter, path: lora", "{}", {}, 2});
  project.write("lora/adapter_config.json", "{}");
  trust(project);
  const json report = project.json({"eval", "run", "--matrix", "models.main.adapters=[],[lora]"}, 0);
  CHECK(report["cells"][1]["models"] == json::array({"main = test-model + lora"}));
  std::multiset<std::string> asked;
  for (const LoopbackRequest& request : server.requests()) asked.insert(json::parse(request.body)["model"].get<std::string>());
  CHECK(asked == std::multiset<std::string>{"lora", "lora", "test-model", "test-model"});
  run_it(project, {"--set", "models.main.adapters=[lora]"});
  CHECK(server.request_count() == 4);   // reused
  project.write("lora/adapter_config.json", "{\"r\": 16}");
  run_it(project, {"--set", "models.main.adapters=[lora]"});
  CHECK(server.request_count() == 6);
}

TEST_CASE("errors of the provider as --json are one document with the code provider", "[e2e]") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(401, error_json("no", "auth", "no")); });
  Project project;
  write_project(project, server.url("/v1"));
  trust(project);
  const json document = project.json({"eval", "run"}, 2);
  CHECK(document["schema"] == "llmops.error/v1");
  CHECK(document["error"]["code"] == "provider");
  CHECK(document["error"]["message"] == "no case has a score: all 4 ended in an error");
}

TEST_CASE("429 with Retry-After is waited for and tried again, and the run says how often", "[e2e]") {
  std::atomic<int> refused{0};
  const LoopbackServer server([&refused](const LoopbackRequest& request, LoopbackReply& reply) {
    if (request.number == 1) {
      ++refused;
      return reply.send(429, error_json("slow down", "rate_limit_error", "rate_limit_exceeded"), {{"Retry-After", "1"}});
    }
    openai_handler({})(request, reply);
  });
  Project project;
  write_project(project, server.url("/v1"));
  trust(project);
  project.env["LLMOPS_RETRIES"] = "2";
  const ProgramResult result = run_it(project);
  INFO(result.out << result.err);
  CHECK(result.exit_code == 0);
  CHECK(refused == 1);
  CHECK(server.request_count() == 5);
  CHECK(result.wall_s >= 1.0);
  CHECK(result.wall_s < 3.0);
  CHECK(project.json({"eval", "show", "last", "--step", "answer"}, 0).dump().find(R"("retries":1)") != std::string::npos);
}

TEST_CASE("a 500 that passes costs one retry and nothing else", "[e2e]") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    if (request.number == 1) return reply.send(500, "busy");
    openai_handler({})(request, reply);
  });
  Project project;
  Setup setup;
  setup.cases = 1;
  write_project(project, server.url("/v1"), setup);
  trust(project);
  project.env["LLMOPS_RETRIES"] = "1";
  const json report = project.json({"eval", "run"}, 0);
  CHECK(report["spans"] == json{{"total", 1}, {"reused", 0}, {"retries", 1}});
  CHECK(report["errors"] == json::array());
  CHECK(report["cases"]["without_score"] == 0);
}

TEST_CASE("a server that never answers is a timeout of each case", "[e2e]") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.hang(); });
  Project project;
  Setup setup;
  setup.model_keys = ", timeout_s: 0.3";
  write_project(project, server.url("/v1"), setup);
  trust(project);
  const ProgramResult result = run_it(project);
  INFO(result.out << result.err);
  CHECK(result.exit_code == 2);
  CHECK(errors_of(project) == Lines{"answer/timeout x 4"});
  CHECK(result.wall_s < 5);
}

TEST_CASE("a stream that is cut is an error of its case, never a short answer", "[e2e]") {
  OpenAiBehaviour behaviour;
  behaviour.cuts_streams = true;
  const LoopbackServer server(openai_handler(behaviour));
  Project project;
  Setup setup;
  setup.params = "{stream: true}";
  write_project(project, server.url("/v1"), setup);
  trust(project);
  const ProgramResult result = run_it(project);
  INFO(result.out << result.err);
  CHECK(result.exit_code == 2);
  CHECK(errors_of(project) == Lines{"answer/cut_stream x 4"});
}

TEST_CASE("an answer that is not JSON is an error that shows what came", "[e2e]") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "{\"choices\": [", {{"Content-Type", "application/json"}}); });
  Project project;
  write_project(project, server.url("/v1"));
  trust(project);
  const ProgramResult result = run_it(project);
  INFO(result.out << result.err);
  CHECK(result.exit_code == 2);
  CHECK(errors_of(project).size() == 1);
}

TEST_CASE("some failures and no gate on error_rate: undecided, exit 3; with such a gate its verdict", "[e2e]") {
  struct Row {
    Lines gates;
    int exit_code;
    const char* verdict;
  };
  const Row rows[] = {{{}, 3, "undecided"}, {{"right >= 0.5"}, 3, "undecided"}, {{"right >= 0.5", "error_rate <= 0.6"}, 0, "pass"}, {{"right >= 0.5", "error_rate <= 0.4"}, 1, "fail"}};
  for (const Row& row : rows) {
    OpenAiBehaviour behaviour;
    behaviour.fail_every = 2;
    behaviour.fail_status = 400;
    const LoopbackServer server(openai_handler(behaviour));
    Project project;
    Setup setup;
    setup.gates = row.gates;
    write_project(project, server.url("/v1"), setup);
    trust(project);
    const json report = project.json({"eval", "run"}, row.exit_code);
    CHECK(report["verdict"] == row.verdict);
    CHECK(report["cases"] == json{{"total", 4}, {"done", 4}, {"without_score", 2}, {"repeat", 1}});
    REQUIRE(report["errors"].size() == 1);
    CHECK(report["errors"][0]["code"] == "http_400");
    CHECK(report["errors"][0]["count"] == 2);
    for (const json& metric : report["metrics"]) {
      if (metric["metric"] != "right") continue;
      CHECK(metric["n"] == 2);
      CHECK(metric["mean"] == 1.0);
    }
  }
}

TEST_CASE("under --budget-tokens a reply without usage is an error: unknown is never zero", "[e2e]") {
  OpenAiBehaviour behaviour;
  behaviour.has_usage = false;
  const LoopbackServer server(openai_handler(behaviour));
  Project project;
  write_project(project, server.url("/v1"));
  trust(project);
  const ProgramResult result = run_it(project, {"--budget-tokens", "1000"});
  INFO(result.out << result.err);
  CHECK(result.exit_code == 2);
  CHECK(errors_of(project) == Lines{"answer/missing_usage x 4"});
  // Without a budget nothing needs it.
  CHECK(run_it(project, {"--no-cache"}).exit_code == 0);
}

TEST_CASE("--budget-tokens stops cleanly, exit 3, and the run goes on where it stopped", "[e2e]") {
  const LoopbackServer server(openai_handler({}));
  Project project;
  Setup setup;
  setup.cases = 12;
  write_project(project, server.url("/v1"), setup);
  trust(project);
  const json stopped = project.json({"eval", "run", "--budget-tokens", "40", "-j", "1"}, 3);   // 21 tokens a call
  CHECK(stopped["run"]["state"] == "stopped");
  CHECK(stopped["run"]["stop_reason"] == "budget_tokens");
  CHECK(stopped["cases"]["done"] == 2);
  CHECK(stopped["cost"]["spent_tokens"] == 42);
  CHECK(server.request_count() == 2);
  const json whole = project.json({"eval", "run", "--resume", "1"}, 0);
  CHECK(whole["run"]["state"] == "finished");
  CHECK(whole["cases"]["done"] == 12);
  CHECK(server.request_count() == 12);
}

TEST_CASE("a streamed reply has a time to first token, in the trace and in the document", "[e2e]") {
  OpenAiBehaviour behaviour;
  behaviour.delay_ms = 60;
  behaviour.piece_delay_ms = 40;
  const LoopbackServer server(openai_handler(behaviour));
  Project project;
  Setup setup;
  setup.params = "{stream: true}";
  setup.cases = 1;
  setup.gates = {"p95(ttft_ms) <= 10000"};
  write_project(project, server.url("/v1"), setup);
  trust(project);
  const ProgramResult result = run_it(project);
  INFO(result.out << result.err);
  CHECK(result.exit_code == 0);
  const json shown = project.json({"eval", "show", "last", "--case", "c0"}, 0);
  const json& span = shown["cases"][0]["spans"][0];
  CHECK(span["output"] == "question 0");
  CHECK(span["ttft_ms"].get<double>() >= 60);
  CHECK(span["latency_ms"].get<double>() >= span["ttft_ms"].get<double>() + 30);
  CHECK(has(project.llmops({"eval", "show", "last", "--case", "c0"}).out, "first token"));
}

TEST_CASE("a key that is not set is met before anything is sent", "[e2e]") {
  const LoopbackServer server(openai_handler({}));
  Project project;
  write_project(project, server.url("/v1"));
  trust(project);
  project.env.erase("BOT_KEY");
  const ProgramResult result = run_it(project);
  CHECK(result.exit_code == 2);
  CHECK(has(result.err, "error: variable 'BOT_KEY' is not set\n  --> bot.chain.yaml:5:"));
  CHECK(has(result.err, "hint: set it in the environment, or in a .env file beside llmops.yaml"));
  CHECK(project.json({"eval", "run"}, 2)["error"]["code"] == "missing_secret");
  CHECK(server.request_count() == 0);
  CHECK(project.json({"eval", "list"}, 0)["runs"] == json::array());
}

TEST_CASE("a key goes to no host that was not trusted", "[e2e]") {
  const LoopbackServer server(openai_handler({}));
  Project project;
  write_project(project, server.url("/v1"));
  const ProgramResult result = run_it(project);
  CHECK(result.exit_code == 2);
  CHECK(has(result.err, "error: the project's own files would do what you have not trusted yet; nothing was run\n  send the key BOT_KEY to " + server.url("/v1") + "   (bot.chain.yaml:5)\n"));
  CHECK(has(result.err, "hint: look at them, then run `llmops trust`"));
  CHECK(server.request_count() == 0);
  // Trust in one address is no trust in another.
  trust(project);
  CHECK(run_it(project).exit_code == 0);
  write_project(project, server.url("/v2"));
  CHECK(run_it(project).exit_code == 2);
  CHECK(project.json({"eval", "run"}, 2)["error"]["code"] == "untrusted");
}

TEST_CASE("LLMOPS_OFFLINE refuses other machines and leaves this one", "[e2e]") {
  Project project;
  write_project(project, "https://models.example.org/v1");
  trust(project);
  project.env["LLMOPS_OFFLINE"] = "1";
  const ProgramResult result = run_it(project);
  INFO(result.out << result.err);
  CHECK(result.exit_code == 2);
  CHECK(has(result.err, "the network is needed to reach 'models.example.org' and LLMOPS_OFFLINE is set"));
  const LoopbackServer server(openai_handler({}));
  write_project(project, server.url("/v1"));
  trust(project);
  CHECK(run_it(project).exit_code == 0);
}

TEST_CASE("Ctrl-C ends a run in under a second with exit 130, and it resumes to the same numbers", "[e2e]") {
  OpenAiBehaviour behaviour;
  behaviour.delay_ms = 200;
  const LoopbackServer server(openai_handler(behaviour));
  Project project;
  Setup setup;
  setup.cases = 60;
  write_project(project, server.url("/v1"), setup);
  trust(project);
  std::vector<std::string> argv = {LLMOPS_BINARY, "eval", "run", "-j", "4"};
  Program program(argv, project.root(), project.environment());
  while (server.request_count() < 10 && program.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(program.is_running());
  const double from = steady_seconds();
  program.send_signal(SIGINT);
  const ProgramResult result = program.wait(30);
  CHECK(steady_seconds() - from < 1.0);
  INFO(result.out << result.err);
  CHECK(result.exit_code == 130);
  CHECK(project.files_with(kKey) == std::vector<std::string>());
  const json list = project.json({"eval", "list"}, 0);
  REQUIRE(list["runs"].size() == 1);
  CHECK(list["runs"][0]["state"] == "stopped");
  CHECK(list["runs"][0]["stop_reason"] == "interrupted");
  const json whole = project.json({"eval", "run", "--resume", "1", "-j", "32"}, 0);
  CHECK(whole["cases"] == json{{"total", 60}, {"done", 60}, {"without_score", 0}, {"repeat", 1}});
  // Calls under way when the signal came are asked again, and no others.
  CHECK(server.request_count() <= 64);
}

}  // namespace llmops::test
