// Versions of chains: commit, status, log, labels, and the ways to name one.
#include "commands/version/version.h"

#include "commands/version/reference.h"
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct VersionProject : ProjectFolder {
  VersionProject() { prompt("one"); }
  void prompt(const std::string& words) const {
    write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: echo}}\nsteps: [{id: s, model: m, messages: [{role: user, file: p.md}]}]\noutput: \"{{ steps.s.output }}\"\n");
    write("p.md", words + "\n");
  }
  VersionCommitReport commit(const std::string& message = "why") {
    Session opened = session();
    return must(version_commit(opened, {"", message, false}));
  }
  // Commits the words and gives the vid.
  std::string version(const std::string& words) {
    prompt(words);
    const auto report = commit(words);
    return report.chains.at(0).vid;
  }
  std::string resolve(const std::string& reference, const std::string& chain = "a") {
    Session opened = session();
    const auto found = resolve_version(*must(opened.store(false)), chain, reference);
    if (found) return found->vid;
    std::string text = told(found.error());
    for (const std::string& detail : found.error().details) text += " / " + detail;
    return text;
  }
  Result<VersionLabelReport> label(const std::string& name, const std::string& reference = "", const std::string& reason = "") {
    Session opened = session();
    return version_label(opened, {"", name, reference, reason, false});
  }
};

}  // namespace

TEST_CASE("a commit makes a version of every changed chain and writes the lock") {
  VersionProject project;
  VersionCommitReport report = project.commit("first");
  REQUIRE(report.chains.size() == 1);
  CHECK(report.chains[0].name == "a");
  CHECK(report.chains[0].is_new);
  CHECK(report.chains[0].parent_vid.empty());
  CHECK(report.lock.written);
  CHECK(project.commit("again").chains.empty());
  project.prompt("two");
  report = project.commit("second");
  CHECK(report.chains[0].changed == std::vector<std::string>{"p.md"});
  CHECK_FALSE(report.chains[0].is_new);
  CHECK_FALSE(report.chains[0].parent_vid.empty());
}

TEST_CASE("a commit needs a message, and a dry one makes nothing") {
  VersionProject project;
  Session session = project.session();
  CHECK(told(version_commit(session, {"", "", false}).error()) == "a version needs a message | add -m \"what changed and why\"");
  const auto dry = must(version_commit(session, {"", "words", true}));
  CHECK(dry.chains.size() == 1);
  CHECK_FALSE(fs::exists(project.root() / "llmops.lock"));
}

TEST_CASE("a dry commit, a refused one and commands that only read make no store") {
  VersionProject project;
  Session session = project.session();
  must(version_commit(session, {"", "words", true}));
  CHECK_FALSE(version_commit(session, {"", "", false}));
  project.prompt("sk-abcdefghijklmnopqrstuvwxyz0123");
  CHECK_FALSE(version_commit(session, {"", "words", false}));
  CHECK_FALSE(version_log(session, "", 0));
  CHECK_FALSE(version_show(session, "", ""));
  CHECK_FALSE(version_label(session, {"", "prod", "", "", false}));
  CHECK_FALSE(version_labels(session, "", ""));
  must(version_status(session, ""));
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
}

TEST_CASE("a key in a prompt, in the chain file itself or in data is refused with its place") {
  VersionProject project;
  const std::string key = "sk-abcdefghijklmnopqrstuvwxyz0123";
  const auto refusal = [&] {
    Session session = project.session();
    const auto report = version_commit(session, {"", "words", false});
    CHECK_FALSE(fs::exists(project.root() / ".llmops"));
    return report ? "committed" : told(report.error());
  };
  const std::string hint = " | take it out; where a key is needed, name it: ${env:NAME}";
  project.prompt("first line\nuse " + key);
  CHECK(refusal() == "p.md:2:5: 'p.md' holds what looks like a key, and a version would keep it" + hint);
  const std::string rest = "steps: [{id: s, model: m, prompt: x}]\noutput: \"{{ steps.s.output }}\"\n";
  project.write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: echo}}\n# " + key + "\n" + rest);
  CHECK(refusal() == "a.chain.yaml:4:3: 'a.chain.yaml' holds what looks like a key, and a version would keep it" + hint);
  // Not to be seen in the file, but in what it means.
  project.write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: echo, params: {x: \"s\\x6b-abcdefghijklmnopqrstuvwxyz0123\"}}}\n" + rest);
  CHECK(refusal() == "'a.chain.yaml' holds what looks like a key, and a version would keep it" + hint);
  project.write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: replay, path: r.jsonl}}\n" + rest);
  // Past the first piece, and across the border of two.
  for (const size_t before : {size_t{0}, size_t{(1 << 20) - 10}, size_t{(1 << 20) + 8182}, size_t{3'000'000}}) {
    std::string text;
    while (text.size() < before) text += std::string(std::min<size_t>(99, before - text.size() - 1), 'x') + "\n";
    const auto line = std::count(text.begin(), text.end(), '\n') + 1;
    project.write("r.jsonl", text + "{\"key\": \"x\", \"output\": \"" + key + "\"}\n");
    CHECK(refusal() == "r.jsonl:" + std::to_string(line) + ":25: 'r.jsonl' holds what looks like a key, and a version would keep it" + hint);
  }
}

TEST_CASE("the value of a variable that the chain names as its key is refused wherever it stands") {
  VersionProject project;
  project.variables["MY_KEY"] = "tiny \"key\" 9f8e";
  project.write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: openai, model: m, api_key: '${env:MY_KEY}'}}\nsteps: [{id: s, model: m, messages: [{role: user, file: p.md}]}]\noutput: \"{{ steps.s.output }}\"\n");
  for (const std::string& words : {project.variables["MY_KEY"], dump_json(Json(project.variables["MY_KEY"]))}) {
    project.write("p.md", "say " + words);
    Session session = project.session();
    const auto refused = version_commit(session, {"", "words", false});
    REQUIRE_FALSE(refused);
    CHECK(told(refused.error()).starts_with("p.md:1:"));
    CHECK(told(refused.error()).ends_with(": 'p.md' holds the value of 'MY_KEY', and a version would keep it | take it out; where a key is needed, name it: ${env:MY_KEY}"));
    CHECK(told(refused.error()).find("9f8e") == std::string::npos);
  }
  // Another chain's secret is a word like any other here.
  project.variables["OTHER_KEY"] = "ordinary words";
  project.write("p.md", "say ordinary words");
  CHECK(project.commit().chains.size() == 1);
}

TEST_CASE("of two chains none is committed when one holds a key") {
  VersionProject project;
  project.write("b.chain.yaml", "llmops: chain/v1\nname: b\nsteps: [{id: s, template: 'AKIAABCDEFGHIJKLMNOP'}]\noutput: x\n");
  Session session = project.session();
  CHECK(told(version_commit(session, {"", "words", false}).error()).starts_with("b.chain.yaml:3:28: "));
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
}

TEST_CASE("what was stored before a failure is named by the error") {
  VersionProject project;
  Session session = project.session();
  const Failpoints active("lockfile.write:enospc");
  const auto report = version_commit(session, {"", "words", false});
  REQUIRE_FALSE(report);
  CHECK(told(report.error()).ends_with("llmops.lock': the disk is full | free some space, then run the command again"));
  const auto head = must(must(session.store(false))->head("a"));
  REQUIRE(head);
  CHECK(report.error().details == std::vector<std::string>{"stored before that: a " + head->vid.substr(0, 12)});
}

TEST_CASE("the status of a fresh clone needs no store") {
  VersionProject project;
  Session session = project.session();
  const auto report = must(version_status(session, ""));
  CHECK_FALSE(report.has_store);
  REQUIRE(report.chains.size() == 1);
  CHECK(report.chains[0].vid.size() == 64);
  CHECK_FALSE(report.chains[0].head.has_value());
  CHECK_FALSE(report.lock.exists);
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
}

TEST_CASE("the status says what differs from the head, and which labels stand there") {
  VersionProject project;
  project.version("one");
  must(project.label("prod"));
  Session session = project.session();
  auto report = must(version_status(session, ""));
  CHECK(report.chains[0].changed.empty());
  CHECK(report.chains[0].labels == std::vector<std::string>{"prod"});
  CHECK(report.lock.matches);
  project.prompt("two");
  report = must(version_status(session, ""));
  CHECK(report.chains[0].changed == std::vector<std::string>{"p.md"});
  CHECK_FALSE(report.lock.matches);
  project.write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: echo}, unused: {provider: echo}}\nsteps: [{id: s, model: m, prompt: x}]\noutput: \"{{ steps.s.output }}\"\n");
  report = must(version_status(session, ""));
  CHECK(report.chains[0].changed == std::vector<std::string>{"a.chain.yaml", "p.md (gone)"});
  CHECK(report.chains[0].warnings == std::vector<std::string>{"a.chain.yaml:3: model 'unused' is declared, but no step uses it"});
}

TEST_CASE("the log is newest first and knows the version of the files") {
  VersionProject project;
  const std::string one = project.version("one"), two = project.version("two"), three = project.version("three");
  project.prompt("two");
  Session session = project.session();
  const auto log = must(version_log(session, "", 0));
  REQUIRE(log.entries.size() == 3);
  CHECK(log.entries[0].version.vid == three);
  CHECK(log.entries[0].version.message == "three");
  CHECK(log.entries[0].version.author == "ada <unknown>");
  CHECK(log.entries[0].version.parent_vid == two);
  CHECK(log.entries[2].version.vid == one);
  CHECK(log.entries[1].is_current);
  CHECK_FALSE(log.entries[0].is_current);
  CHECK(must(version_log(session, "", 2)).entries.size() == 2);
  CHECK(must(version_show(session, "", "HEAD~1")).version.vid == two);
  CHECK(must(version_show(session, "", "")).manifest["chain"]["name"] == "a");
}

TEST_CASE("a version is named by HEAD, prefix, label, and steps back from them") {
  VersionProject project;
  const std::string one = project.version("one"), two = project.version("two"), three = project.version("three");
  must(project.label("prod", two));
  CHECK(project.resolve("HEAD") == three);
  CHECK(project.resolve("HEAD~") == two);
  CHECK(project.resolve("HEAD~2") == one);
  CHECK(project.resolve("HEAD~0") == three);
  CHECK(project.resolve("@prod") == two);
  CHECK(project.resolve("@prod~1") == one);
  CHECK(project.resolve(one) == one);
  CHECK(project.resolve(two.substr(0, 6)) == two);
  CHECK(project.resolve("a:HEAD~1", "other") == two);
  CHECK(project.resolve("HEAD~3") == "'HEAD~3' goes back past the first version | see: llmops version log");
  CHECK(project.resolve("HEAD~x") == "'HEAD~x' is not a version | write ~n with a whole number");
  CHECK(project.resolve("HEAD~-1") == "'HEAD~-1' is not a version | write ~n with a whole number");
  CHECK(project.resolve("@prd") == "chain 'a' has no label 'prd' | did you mean 'prod'?");
  CHECK(project.resolve("@staging") == "chain 'a' has no label 'staging' | known: prod");
  CHECK(project.resolve(one.substr(0, 5)) == "'" + one.substr(0, 5) + "' is not a version | write 6 or more digits of a vid, HEAD, or @label");
  CHECK(project.resolve("head") == "'head' is not a version | write 6 or more digits of a vid, HEAD, or @label");
  CHECK(project.resolve("000000000") == "no version begins with '000000000' | see: llmops version log");
  CHECK(project.resolve("HEAD", "b") == "chain 'b' has no version yet | make one: llmops version commit -m \"first version\"");
}

TEST_CASE("a prefix of two versions is refused with both") {
  // Among some thousand versions two share their first 6 digits; only those two are stored.
  std::map<std::string, VersionInput> by_prefix;
  std::vector<VersionInput> alike;
  for (int i = 0; alike.empty() && i < 100'000; ++i) {
    VersionInput one = make_version("a", {{"p.md", std::to_string(i)}});
    const auto [other, is_new] = by_prefix.emplace(one.vid.substr(0, 6), one);
    if (!is_new) alike = {other->second, one};
  }
  REQUIRE(alike.size() == 2);
  TestStore files;
  for (const VersionInput& one : alike) must(files->commit_version(one));
  const std::string prefix = alike[0].vid.substr(0, 6);
  const auto found = resolve_version(*files.store, "a", prefix);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::kUsage);
  CHECK(told(found.error()) == "'" + prefix + "' begins 2 versions | write more digits");
  CHECK(std::set<std::string>(found.error().details.begin(), found.error().details.end()) == std::set<std::string>{alike[0].vid, alike[1].vid});
  CHECK(must(resolve_version(*files.store, "a", alike[1].vid.substr(0, 32))).vid == alike[1].vid);
}

TEST_CASE("a label moves with its history, and asks for a reason where the project wants one") {
  VersionProject project;
  const std::string one = project.version("one"), two = project.version("two");
  must(project.label("prod", one, "first"));
  const auto moved = must(project.label("prod", "HEAD", "better"));
  CHECK(moved.before->vid == one);
  CHECK(moved.label.vid == two);
  CHECK(moved.label.author == "ada <unknown>");
  Session session = project.session();
  const auto history = must(version_labels(session, "", "prod"));
  REQUIRE(history.labels.size() == 2);
  CHECK(history.labels[0].reason == "better");
  CHECK(history.labels[1].vid == one);
  CHECK(told(version_labels(session, "", "prdo").error()) == "chain 'a' has no label 'prdo' | did you mean 'prod'?");
  project.write("llmops.yaml", "llmops: project/v1\nlabels: {prod: {require: [reason]}, safe: {require: [blessing]}}\n");
  CHECK(told(project.label("prod").error()) == "label 'prod' requires a reason | add -m REASON");
  CHECK(project.label("prod", "HEAD", "why").has_value());
  CHECK(project.label("other").has_value());
  CHECK(told(project.label("safe", "", "why").error()) == "label 'safe' requires a passed deployment check, which this version of llmops cannot make | take `blessing` out of labels in llmops.yaml; see ROADMAP.md");
  for (const char* name : {"", "a b", "-x", ".x", "a/b", "ä"}) CHECK(told(project.label(name).error()) == "'" + std::string(name) + "' cannot be a label | use letters, digits, '-', '_' and '.'");
}

TEST_CASE("a dry label moves nothing") {
  VersionProject project;
  project.version("one");
  Session session = project.session();
  CHECK(must(version_label(session, {"", "prod", "", "", true})).dry_run);
  CHECK(must(version_labels(session, "", "")).labels.empty());
}

TEST_CASE("before the first version commands say how to make one") {
  VersionProject project;
  Session session = project.session();
  CHECK(version_log(session, "", 0).error().code == ErrorCode::kNotFound);
  must(session.store(true));
  CHECK(told(version_label(session, {"", "prod", "", "", false}).error()) == "chain 'a' has no version yet | make one: llmops version commit -m \"first version\"");
}

TEST_CASE("a stored version loads as it was, with today's operational keys") {
  VersionProject project;
  const std::string one = project.version("one");
  project.write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: echo, timeout_s: 7, params: {x: 1}}}\nsteps: [{id: s, model: m, prompt: new}]\noutput: \"{{ steps.s.output }}\"\n");
  fs::remove(project.root() / "p.md");
  Session session = project.session();
  Store* store = must(session.store(false));
  const VersionRecord version = must(resolve_version(*store, "a", "HEAD"));
  const auto chain = load_version(session, *store, version, {});
  if (!chain) FAIL(told(chain.error()));
  CHECK(chain->vid == one);
  CHECK(chain->shown_path == "a@" + one.substr(0, 12));
  CHECK(chain->models.at("m").timeout_s == 7);
  CHECK(dump_json(chain->models.at("m").params) == "{}");
  REQUIRE(chain->files.size() == 1);
  CHECK(*read_file(chain->files[0].source) == "one\n");
  const auto changed = load_version(session, *store, version, {*parse_override("models.m.params.y=2")});
  REQUIRE(changed);
  CHECK(changed->vid != one);
}

TEST_CASE("a number past 2^53 loads again from its version, and the version stays what it is") {
  VersionProject project;
  project.write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: echo, params: {x: 20000000000000197.331024, y: [-1.0e+16, 9007199254740991]}}}\nsteps: [{id: s, model: m, prompt: x}]\noutput: \"{{ steps.s.output }}\"\n");
  const auto report = project.commit();
  const std::string vid = report.chains.at(0).vid;
  Session session = project.session();
  Store* store = must(session.store(false));
  const auto chain = load_version(session, *store, must(resolve_version(*store, "a", "HEAD")), {});
  if (!chain) FAIL(told(chain.error()));
  CHECK(chain->vid == vid);
  CHECK(dump_json(chain->models.at("m").params) == "{\"x\":2.0000000000000196e+16,\"y\":[-1e+16,9007199254740991]}");
  CHECK(must(version_show(session, "", "")).manifest["chain"]["models"]["m"]["params"]["x"].is_number_float());
  CHECK(must(version_status(session, "")).chains[0].changed.empty());
}
