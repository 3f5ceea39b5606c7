#include "commands/session.h"

#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string project_refusal(const std::string& text) {
  ProjectFolder project;
  project.write("llmops.yaml", text);
  const auto session = project.try_session();
  return session ? "opened" : told(session.error());
}

std::string name_or_error(const ProjectFolder& project, const Result<fs::path>& path) {
  if (path) return path->lexically_relative(project.root()).generic_string();
  std::string text = told(path.error());
  for (const std::string& detail : path.error().details) text += " / " + detail;
  return text;
}

}  // namespace

TEST_CASE("the root is the nearest directory upwards with llmops.yaml or a store") {
  ProjectFolder project;
  fs::create_directories(project.root() / "a/b");
  CHECK(project.session("a/b").root() == project.root());
  CHECK(project.session("a/b").has_project_file());
  project.write("a/llmops.yaml", "llmops: project/v1\n");
  CHECK(project.session("a/b").root() == project.root() / "a");
  CHECK(project.session().root() == project.root());
  fs::remove(project.root() / "a/llmops.yaml");
  fs::remove(project.root() / "llmops.yaml");
  CHECK(project.session("a/b").root() == project.root() / "a/b");
  CHECK_FALSE(project.session("a/b").has_project_file());
  project.write(".llmops/format", "x");
  CHECK(project.session("a/b").root() == project.root());
}

TEST_CASE("paths are shown as they would be typed from the working directory") {
  ProjectFolder project;
  fs::create_directories(project.root() / "a/b");
  CHECK(project.session().shown(project.root() / "a/x.md") == "a/x.md");
  CHECK(project.session("a/b").shown(project.root() / "x.md") == "../../x.md");
}

TEST_CASE("llmops.yaml is checked key by key") {
  CHECK(project_refusal("llmops: project/v1\nchains: [a.chain.yaml]\nsuite: s.eval.yaml\ncapture: hash\nlabels: {prod: {require: [reason]}}\nremote: origin\n") == "opened");
  CHECK(project_refusal("llmops: chain/v1\n") == "llmops.yaml:1:9: 'chain/v1' is not a project | write `llmops: project/v1`");
  CHECK(project_refusal("llmops: project/v1\nchain: [a]\n") == "llmops.yaml:2:1: unknown key 'chain' in llmops.yaml | did you mean 'chains'?");
  CHECK(project_refusal("llmops: project/v1\nlabels: [prod]\n") == "llmops.yaml:2:9: 'labels' must be a mapping of names | write labels: {prod: {require: [reason]}}");
  CHECK(project_refusal("llmops: project/v1\nlabels: {prod: {require: [reasn]}}\n") == "llmops.yaml:2:27: unknown requirement 'reasn' | did you mean 'reason'?");
  CHECK(project_refusal("llmops: project/v1\nlabels: {prod: {requires: []}}\n") == "llmops.yaml:2:17: unknown key 'requires' in label 'prod' | did you mean 'require'?");
  CHECK(project_refusal("").ends_with("'llmops.yaml' is empty | run `llmops init` for an example"));
}

TEST_CASE("an .env file beside llmops.yaml gives variables that the environment does not") {
  ProjectFolder project;
  project.write(".env", "# comment\n\nA=plain\nexport B=\"in quotes\"\nC='x=y'\nD=\nE=with space  \r\nPATH=/evil\n");
  const Session session = project.session();
  CHECK(*session.variable("A") == "plain");
  CHECK(*session.variable("B") == "in quotes");
  CHECK(*session.variable("C") == "x=y");
  CHECK(session.variable("D")->empty());
  CHECK(*session.variable("E") == "with space");
  CHECK(*session.variable("PATH") == "/usr/bin:/bin");
  CHECK_FALSE(session.variable("F").has_value());
}

TEST_CASE("a line of .env without a name is refused with its number") {
  ProjectFolder project;
  for (const char* line : {"just words", "=x"}) {
    project.write(".env", "A=1\n" + std::string(line) + "\n");
    CHECK(told(project.try_session().error()) == ".env:2:1: a line of .env is not NAME=VALUE | write one NAME=VALUE per line");
  }
}

TEST_CASE("white space around a name or a value of .env is not part of it") {
  ProjectFolder project;
  project.write(".env", "  A = 1\n\tB\t=\t' kept '  \r\n  # comment\nexport   C =3\n   \n");
  const Session session = project.session();
  CHECK(session.variable("A").value_or("none") == "1");
  CHECK(session.variable("B").value_or("none") == " kept ");
  CHECK(session.variable("C").value_or("none") == "3");
  project.write(".env", "  = 1\n");
  CHECK(told(project.try_session().error()) == ".env:1:1: a line of .env is not NAME=VALUE | write one NAME=VALUE per line");
}

TEST_CASE("without a project file no .env is read") {
  ProjectFolder project;
  fs::remove(project.root() / "llmops.yaml");
  project.write(".env", "A=1\n");
  CHECK_FALSE(project.session().variable("A").has_value());
}

TEST_CASE("a secret that is not set, or empty, points at the key that wants it") {
  ProjectFolder project;
  project.variables["SET"] = "hunter2-hunter2";
  project.variables["EMPTY"] = "";
  const Session session = project.session();
  const SourcePlace place{"a.chain.yaml", 3, 5, 1, ""};
  CHECK(session.secret({"SET", place})->reveal() == "hunter2-hunter2");
  CHECK(session.scrubber().scrub("hunter2-hunter2") == "[secret SET]");
  for (const char* name : {"EMPTY", "UNSET"}) {
    const auto secret = session.secret({name, place});
    CHECK(secret.error().code == ErrorCode::kMissingSecret);
    CHECK(told(secret.error()) == "a.chain.yaml:3:5: variable '" + std::string(name) + "' is not set | set it in the environment, or in a .env file beside llmops.yaml");
  }
}

TEST_CASE("a chain is found by path, by file name and by its own name") {
  ProjectFolder project;
  project.write("qa.chain.yaml", kQaChain);
  project.write("sub/other.chain.yaml", "llmops: chain/v1\nname: third\n");
  const Session session = project.session();
  CHECK(name_or_error(project, session.resolve_chain("qa.chain.yaml")) == "qa.chain.yaml");
  CHECK(name_or_error(project, session.resolve_chain("sub/other.chain.yaml")) == "sub/other.chain.yaml");
  CHECK(name_or_error(project, session.resolve_chain("other")) == "sub/other.chain.yaml");
  CHECK(name_or_error(project, session.resolve_chain("third")) == "sub/other.chain.yaml");
  CHECK(name_or_error(project, session.resolve_chain("othr")) == "chain 'othr' does not exist | did you mean 'other'?");
  CHECK(name_or_error(project, session.resolve_chain("")) == "there are 2 chains: name one / qa.chain.yaml / sub/other.chain.yaml");
  fs::remove(project.root() / "qa.chain.yaml");
  CHECK(name_or_error(project, project.session().resolve_chain("")) == "sub/other.chain.yaml");
  fs::remove(project.root() / "sub/other.chain.yaml");
  CHECK(name_or_error(project, project.session().resolve_chain("")) == "there is no chain here | run `llmops init --template qa`, or write a *.chain.yaml");
}

TEST_CASE("llmops.yaml may name the chains, and then they exist inside the project") {
  ProjectFolder project;
  project.write("qa.chain.yaml", kQaChain);
  project.write("b.chain.yaml", kQaChain);
  project.write("llmops.yaml", "llmops: project/v1\nchains: [b.chain.yaml]\n");
  CHECK(project.session().chain_files()->size() == 1);
  CHECK(name_or_error(project, project.session().resolve_chain("")) == "b.chain.yaml");
  project.write("llmops.yaml", "llmops: project/v1\nchains: [none.chain.yaml]\n");
  CHECK(told(project.session().chain_files().error()) == "llmops.yaml:2:10: chain 'none.chain.yaml' does not exist");
  project.write("llmops.yaml", "llmops: project/v1\nchains: [../x.chain.yaml]\n");
  CHECK(told(project.session().chain_files().error()).starts_with("llmops.yaml:2:10: path '../x.chain.yaml' leads outside the project"));
}

TEST_CASE("a suite is found by path, by name, by setting, or alone") {
  ProjectFolder project;
  project.write("a.eval.yaml", kQaSuite);
  CHECK(name_or_error(project, project.session().resolve_suite("")) == "a.eval.yaml");
  project.write("sub/b.eval.yaml", kQaSuite);
  CHECK(name_or_error(project, project.session().resolve_suite("")) == "there are 2 suites: name one / a.eval.yaml / sub/b.eval.yaml");
  CHECK(name_or_error(project, project.session().resolve_suite("b")) == "sub/b.eval.yaml");
  CHECK(name_or_error(project, project.session().resolve_suite("sub/b.eval.yaml")) == "sub/b.eval.yaml");
  CHECK(name_or_error(project, project.session("sub").resolve_suite("b.eval.yaml")) == "sub/b.eval.yaml");
  CHECK(name_or_error(project, project.session().resolve_suite("bb")) == "suite 'bb' does not exist | did you mean 'b'?");
  project.write("llmops.yaml", "llmops: project/v1\nsuite: sub/b.eval.yaml\n");
  CHECK(name_or_error(project, project.session("sub").resolve_suite("")) == "sub/b.eval.yaml");
}

TEST_CASE("the store is made on demand only, and its making is said once") {
  ProjectFolder project;
  Session session = project.session();
  CHECK(session.store(false).error().code == ErrorCode::kNotFound);
  REQUIRE(session.store(true));
  REQUIRE(session.store(true));
  CHECK(project.notes == std::vector<std::string>{"made the local store .llmops"});
  CHECK(project.session().store(false));
}

TEST_CASE("a store that has lost its database is told so") {
  ProjectFolder project;
  project.write_qa();
  project.run();
  for (const bool is_empty : {false, true}) {
    for (const char* name : {"db.sqlite", "db.sqlite-wal", "db.sqlite-shm"}) fs::remove(project.root() / ".llmops" / name);
    if (is_empty) project.write(".llmops/db.sqlite", "");
    project.notes.clear();
    Session session = project.session();
    CHECK(must(must(session.store(false))->runs(10)).empty());
    CHECK(must(must(session.store(false))->find_versions("qa", "")).size() == 1);
    CHECK(project.notes == std::vector<std::string>{"warning: the store had lost its database (db.sqlite): the versions are read back from store.git, the runs are gone"});
  }
}

TEST_CASE("the author is the setting, else what git's variables say, else the user") {
  ProjectFolder project;
  CHECK(project.session().author() == "ada <unknown>");
  project.variables["GIT_AUTHOR_NAME"] = "Ada L";
  project.variables["GIT_AUTHOR_EMAIL"] = "ada@example.org";
  CHECK(project.session().author() == "Ada L <ada@example.org>");
  project.variables["LLMOPS_AUTHOR_NAME"] = "Grace";
  CHECK(project.session().author() == "Grace <ada@example.org>");
  project.variables.clear();
  CHECK(project.session().author() == "unknown <unknown>");
}
