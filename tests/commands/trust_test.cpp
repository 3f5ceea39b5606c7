// What a repository's own files would execute, or reach with a key, waits for the user's yes.
#include "commands/trust.h"

#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kExecChain = "llmops: chain/v1\nname: app\ninputs: [question]\nsteps:\n  - {id: own, exec: {argv: [./app.sh, --fast]}}\noutput: \"{{ steps.own.output }}\"\n";

struct TrustProject : ProjectFolder {
  TrustProject() {
    write("app.chain.yaml", kExecChain);
    script("app.sh", "read line\necho '{\"output\": \"1\"}'\n");
    write("app.eval.yaml", "llmops: eval/v1\nchain: app.chain.yaml\ndataset: {path: rows.jsonl}\nmetrics: [{name: ok, type: equals, expected: \"1\"}]\n");
    write("rows.jsonl", "{\"question\": \"q\"}\n");
  }
  std::vector<TrustItem> items_of(const std::string& models) {
    write("m.chain.yaml", "llmops: chain/v1\nname: m\ninputs: [question]\nmodels: {main: " + models + "}\nsteps: [{id: a, model: main, prompt: x}]\noutput: x\n");
    auto chain = load_chain({root() / "m.chain.yaml", root(), "m.chain.yaml", {}});
    if (!chain) FAIL(told(chain.error()));
    return trust_items(*chain);
  }
  std::string what(const std::string& models) {
    std::string text;
    for (const TrustItem& item : items_of(models)) text += (text.empty() ? "" : "; ") + item.what + " (" + item.where + ")";
    return text;
  }
};

}  // namespace

TEST_CASE("what asks for trust: programs, keys for other hosts, prompts in the clear") {
  TrustProject project;
  CHECK(project.what("{provider: echo}").empty());
  CHECK(project.what("{provider: openai, model: m}").empty());
  CHECK(project.what("{provider: openai, model: m, base_url: 'http://127.0.0.1:8000/v1'}").empty());
  CHECK(project.what("{provider: openai, model: m, base_url: 'https://models.example.org/v1'}").empty());
  CHECK(project.what("{provider: exec, argv: [./app.sh, x]}") == "run ./app.sh x (m.chain.yaml:4)");
  CHECK(project.what("{provider: openai, model: m, api_key: '${env:OTHER}'}") == "send the key OTHER to https://api.openai.com/v1 (m.chain.yaml:4)");
  CHECK(project.what("{provider: openai, model: m, base_url: 'https://models.example.org/v1', api_key: '${env:OPENAI_API_KEY}'}") == "send the key OPENAI_API_KEY to https://models.example.org/v1 (m.chain.yaml:4)");
  CHECK(project.what("{provider: openai, model: m, base_url: 'https://api.openai.com.evil.example/v1', api_key: '${env:OPENAI_API_KEY}'}").starts_with("send the key OPENAI_API_KEY to "));
  CHECK(project.what("{provider: openai, model: m, base_url: 'http://127.0.0.1:1/v1', headers: {A: 'Bearer ${env:X}'}}") == "send the key X to http://127.0.0.1:1/v1 (m.chain.yaml:4)");
  CHECK(project.what("{provider: openai, model: m, base_url: 'http://models.example.org/v1'}") == "send prompts without encryption to models.example.org (m.chain.yaml:4)");
}

TEST_CASE("an untrusted run is refused with the list of what would have run, and runs nothing") {
  TrustProject project;
  project.script("app.sh", "touch ran\nread line\necho '{\"output\": \"1\"}'\n");
  const auto report = project.try_run();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::kUntrusted);
  CHECK(told(report.error()) == "the project's own files would do what you have not trusted yet; nothing was run | look at them, then run `llmops trust` (in CI: LLMOPS_TRUST=$(llmops trust --print))");
  CHECK(report.error().details == std::vector<std::string>{"run ./app.sh --fast   (app.chain.yaml:5)"});
  CHECK_FALSE(fs::exists(project.root() / "ran"));
}

TEST_CASE("what was granted runs, until the script, its arguments or the project's place change") {
  TrustProject project;
  project.trust_all();
  CHECK(project.try_run().has_value());
  project.script("app.sh", "read line\necho '{\"output\": \"2\"}'\n");
  CHECK(project.try_run().error().code == ErrorCode::kUntrusted);
  project.trust_all();
  CHECK(project.try_run().has_value());
  std::string chain = kExecChain;
  project.write("app.chain.yaml", chain.replace(chain.find("--fast"), 6, "--slow"));
  CHECK(project.try_run().error().code == ErrorCode::kUntrusted);
  // Where the entry stands in its file is not what was trusted.
  project.write("app.chain.yaml", "# a comment\n" + kExecChain);
  CHECK(project.try_run().has_value());
  fs::rename(project.root(), project.dir.path() / "moved");
  fs::create_directory_symlink(project.dir.path() / "moved", project.root());
  CHECK(project.try_run().has_value());
}

TEST_CASE("grants lie outside the repository, readable by their owner alone") {
  TrustProject project;
  project.trust_all();
  const fs::path file = project.dir.path() / "home/state/llmops/trust.json";
  struct stat info {};
  REQUIRE(stat(file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const auto entries = must(list_trust(project.session()));
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].what == "run ./app.sh --fast");
  CHECK(entries[0].root == project.root().string());
  CHECK(entries[0].granted.ends_with("Z"));
  project.trust_all();
  CHECK(must(list_trust(project.session())).size() == 1);
}

TEST_CASE("revoking forgets this project's grants and no other's") {
  TrustProject project;
  project.trust_all();
  const fs::path file = project.dir.path() / "home/state/llmops/trust.json";
  Json grants = must(parse_json(*read_file(file), "trust.json"));
  grants.push_back({{"root", "/other"}, {"what", "x"}, {"digest", "d"}, {"granted", ""}});
  project.dir.write("home/state/llmops/trust.json", dump_json(grants));
  CHECK(must(revoke_trust(project.session())) == 1);
  CHECK(must(revoke_trust(project.session())) == 0);
  CHECK(must(list_trust(project.session())).size() == 1);
  CHECK(project.try_run().error().code == ErrorCode::kUntrusted);
}

TEST_CASE("LLMOPS_TRUST names the digest of exactly these items") {
  TrustProject project;
  const std::string digest = must(read_trust(project.session())).digest;
  CHECK(digest.size() == 64);
  project.variables["LLMOPS_TRUST"] = digest;
  CHECK(project.try_run().has_value());
  project.variables["LLMOPS_TRUST"] = "0000, " + digest;
  CHECK(project.try_run().has_value());
  project.variables["LLMOPS_TRUST"] = digest.substr(0, 63);
  CHECK_FALSE(project.try_run().has_value());
  project.variables["LLMOPS_TRUST"] = "1";
  CHECK_FALSE(project.try_run().has_value());
  project.variables["LLMOPS_TRUST"] = digest;
  project.script("app.sh", "read line\necho '{\"output\": \"2\"}'\n");
  CHECK_FALSE(project.try_run().has_value());
}

TEST_CASE("the digest of the whole project covers each of its chains") {
  TrustProject project;
  project.script("other.sh", "");
  project.write("other.chain.yaml", "llmops: chain/v1\nname: other\ninputs: [question]\nsteps: [{id: own, exec: {argv: [./other.sh]}}]\noutput: x\n");
  const TrustReport report = must(read_trust(project.session()));
  CHECK(report.items.size() == 2);
  CHECK(report.trusted == std::vector<bool>{false, false});
  project.variables["LLMOPS_TRUST"] = report.digest;
  CHECK(project.try_run().has_value());
}

TEST_CASE("the repository cannot trust itself") {
  TrustProject project;
  const std::string digest = must(read_trust(project.session())).digest;
  project.write(".env", "LLMOPS_TRUST=" + digest + "\n");
  CHECK_FALSE(project.try_run().has_value());
}

TEST_CASE("the repository's .env changes neither the proxy nor the trusted authorities") {
  // A key for api.openai.com asks for no trust, so where it is sent must not be the repository's to say.
  TrustProject project;
  project.write(".env", "HTTPS_PROXY=http://evil.example:1\nSSL_CERT_FILE=evil.pem\n");
  const Session session = project.session();
  CHECK_FALSE(session.variable("HTTPS_PROXY").has_value());
  CHECK_FALSE(session.variable("SSL_CERT_FILE").has_value());
}

TEST_CASE("the digest of items depends on neither order nor repetition") {
  const std::vector<TrustItem> items = {{"a", "", "1"}, {"b", "", "2"}};
  CHECK(trust_digest(items) == trust_digest({items[1], items[0], items[1]}));
  CHECK(trust_digest(items) != trust_digest({items[0]}));
}

TEST_CASE("without a home trust cannot be kept, and says what can be done") {
  TrustProject project;
  project.variables.erase("XDG_STATE_HOME");
  const Status granted = grant_trust(project.session(), {{"a", "", "1"}});
  CHECK(told(granted.error()) == "trust cannot be kept: neither HOME nor XDG_STATE_HOME is set | set LLMOPS_TRUST to the digest that `llmops trust --print` prints");
}
