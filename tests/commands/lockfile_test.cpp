#include "commands/version/lockfile.h"

#include "commands/version/version.h"
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct LockProject : ProjectFolder {
  LockProject() {
    write("a.chain.yaml", "llmops: chain/v1\nname: a\nmodels: {m: {provider: echo}}\nsteps: [{id: s, model: m, messages: [{role: user, file: prompts/p q.md}]}]\noutput: \"{{ steps.s.output }}\"\n");
    write("prompts/p q.md", "hello\n");
    write("sub/b.chain.yaml", "llmops: chain/v1\nname: b\nsteps: [{id: s, template: x}]\noutput: \"{{ steps.s.output }}\"\n");
  }
  LockReport lock(bool check = false, bool dry_run = false) { return must(version_lock(session(), check, dry_run)); }
  std::string text() const { return must(read_file(root() / "llmops.lock")); }
};

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

}  // namespace

TEST_CASE("the lock has one sorted line per component and is written only when it differs") {
  LockProject project;
  LockReport report = project.lock();
  CHECK(report.path == "llmops.lock");
  CHECK_FALSE(report.exists);
  CHECK(report.written);
  const std::string text = project.text();
  CHECK(text.starts_with("# made by `llmops version commit` and `llmops version lock`; not for editing\nlock 1\nchain a a.chain.yaml "));
  CHECK(text.find("\nchain b sub/b.chain.yaml ") != std::string::npos);
  CHECK(text.find("\nfile a prompts/p q.md text 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 6\n") != std::string::npos);
  report = project.lock();
  CHECK(report.matches);
  CHECK_FALSE(report.written);
  CHECK(project.text() == text);
}

TEST_CASE("a check names what changed, what is new and what is gone, and writes nothing") {
  LockProject project;
  CHECK_FALSE(project.lock(true).exists);
  CHECK_FALSE(fs::exists(project.root() / "llmops.lock"));
  project.lock();
  CHECK(project.lock(true).matches);
  const std::string vid = must(load_project_chains(project.session()))[0].vid.substr(0, 12);
  project.write("prompts/p q.md", "changed\n");
  const std::string new_vid = must(load_project_chains(project.session()))[0].vid.substr(0, 12);
  const std::string moved = "a: version " + vid + " -> " + new_vid;
  CHECK(join(project.lock(true).differences) == moved + "; a: prompts/p q.md changed");
  CHECK_FALSE(project.lock(true).matches);
  project.write("c.chain.yaml", "llmops: chain/v1\nname: c\nsteps: [{id: s, template: x}]\noutput: x\n");
  fs::remove(project.root() / "sub/b.chain.yaml");
  CHECK(join(project.lock(true).differences) == moved + "; c: c.chain.yaml is new; a: prompts/p q.md changed; b: sub/b.chain.yaml is gone");
  CHECK_FALSE(project.lock(false, true).written);
  CHECK(project.lock().written);
  CHECK(project.lock(true).matches);
}

TEST_CASE("line ends and the order of lines are not a difference") {
  LockProject project;
  project.lock();
  std::string crlf;
  for (const char c : project.text()) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  project.write("llmops.lock", crlf);
  CHECK(project.lock(true).matches);
}

TEST_CASE("a lock with merge conflicts fails the check and is made anew") {
  LockProject project;
  project.lock();
  const std::string text = project.text();
  project.write("llmops.lock", "<<<<<<< ours\n" + text + "=======\n" + text + ">>>>>>> theirs\n");
  const auto checked = version_lock(project.session(), true, false);
  CHECK(told(checked.error()) == "'llmops.lock' holds merge conflicts | run `llmops version lock` to make it anew");
  CHECK(project.lock().written);
  CHECK(project.text() == text);
}

TEST_CASE("two chains of one name are refused, and a project without a chain has no lock") {
  LockProject project;
  project.write("z.chain.yaml", "llmops: chain/v1\nname: b\nsteps: [{id: s, template: x}]\noutput: x\n");
  CHECK(told(version_lock(project.session(), false, false).error()) == "'sub/b.chain.yaml' and 'z.chain.yaml' are both named 'b' | rename one of the chains");
  ProjectFolder empty;
  CHECK(told(version_lock(empty.session(), false, false).error()) == "there is no chain here | run `llmops init --template qa`, or write a *.chain.yaml");
}

TEST_CASE("a lock that cannot be written leaves the old one") {
  LockProject project;
  project.lock();
  const std::string before = project.text();
  project.write("prompts/p q.md", "changed\n");
  const Failpoints active("lockfile.write:enospc");
  CHECK_FALSE(version_lock(project.session(), false, false).has_value());
  CHECK(project.text() == before);
}
