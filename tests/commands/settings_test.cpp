#include "commands/settings.h"

#include "commands/config.h"
#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string where(const Session& session, const std::string& key) {
  for (const Setting& setting : session.settings()) if (setting.key == key) return setting.value + " (" + setting.origin + ")";
  return "no such setting";
}

}  // namespace

TEST_CASE("a flag beats the environment beats the project beats the user beats what is built in") {
  ProjectFolder project;
  const std::string user = (project.dir.path() / "home/config/llmops/config.yaml").string();
  CHECK(where(project.session(), "capture") == "full (built-in)");
  project.dir.write("home/config/llmops/config.yaml", "capture: redacted\n");
  CHECK(where(project.session(), "capture") == "redacted (" + user + ")");
  project.write("llmops.yaml", "llmops: project/v1\ncapture: hash\n");
  CHECK(where(project.session(), "capture") == "hash (llmops.yaml)");
  project.variables["LLMOPS_CAPTURE"] = "full";
  CHECK(where(project.session(), "capture") == "full (LLMOPS_CAPTURE)");
  Session session = project.session();
  session.set_flag("capture", "redacted");
  CHECK(where(session, "capture") == "redacted (command line)");
  CHECK(session.setting("capture") == "redacted");
}

TEST_CASE("an empty variable does not count, and a setting without a value says so") {
  ProjectFolder project;
  project.variables["LLMOPS_JOBS"] = "";
  CHECK(where(project.session(), "jobs") == "16 (built-in)");
  CHECK(where(project.session(), "author.name") == " (not set)");
  CHECK(project.session().setting("suite").empty());
}

TEST_CASE("every setting is listed once, with a variable of its own, and its default is valid") {
  std::set<std::string> keys, names;
  for (const SettingKind& kind : setting_kinds()) {
    CHECK(keys.insert(kind.key).second);
    CHECK(names.insert(kind.variable).second);
    CHECK(std::string(kind.variable).starts_with("LLMOPS_"));
    if (kind.default_text != nullptr) CHECK(kind.is_valid(kind.default_text));
  }
  CHECK(*find_setting("jobs"));
  CHECK(told(find_setting("jbos").error()) == "unknown setting 'jbos' | did you mean 'jobs'?");
}

TEST_CASE("an unknown setting in the user's file is a warning") {
  ProjectFolder project;
  project.dir.write("home/config/llmops/config.yaml", "jbs: 3\nauthor: {name: Ada, mail: x}\n");
  static_cast<void>(project.session());
  const std::string path = (project.dir.path() / "home/config/llmops/config.yaml").string();
  REQUIRE(project.notes.size() == 2);
  CHECK(project.notes[0] == "warning: unknown setting 'jbs' in " + path + "; did you mean 'jobs'?");
  CHECK(project.notes[1].starts_with("warning: unknown setting 'author.mail' in " + path));
  CHECK(project.session().setting("author.name") == "Ada");
}

TEST_CASE("a broken user's file is an error with its place") {
  ProjectFolder project;
  project.dir.write("home/config/llmops/config.yaml", "jobs: [1\n");
  CHECK(project.try_session().error().message.starts_with("malformed YAML: "));
}

TEST_CASE("config set writes the user's file and keeps what is there") {
  ProjectFolder project;
  const fs::path path = project.dir.path() / "home/config/llmops/config.yaml";
  CHECK(must(config_set(project.session(), "jobs", "3", true)).dry_run);
  CHECK_FALSE(fs::exists(path));
  must(config_set(project.session(), "jobs", "3", false));
  must(config_set(project.session(), "author.name", "Ada \"L\"", false));
  must(config_set(project.session(), "jobs", "4", false));
  CHECK(*read_file(path) == "# settings of llmops; written by `llmops config set`\njobs: \"4\"\nauthor:\n  name: \"Ada \\\"L\\\"\"\n");
  CHECK(project.session().setting("jobs") == "4");
  CHECK(project.session().setting("author.name") == "Ada \"L\"");
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("config set refuses unknown settings and values that are none") {
  ProjectFolder project;
  const auto refuse = [&](const std::string& key, const std::string& value) { return told(config_set(project.session(), key, value, false).error()); };
  CHECK(refuse("jbos", "3") == "unknown setting 'jbos' | did you mean 'jobs'?");
  CHECK(refuse("jobs", "0") == "'0' is no value for 'jobs' | give a whole number from 1 to 4096");
  CHECK(refuse("jobs", "-1") == "'-1' is no value for 'jobs' | give a whole number from 1 to 4096");
  CHECK(refuse("jobs", "10000") == "'10000' is no value for 'jobs' | give a whole number from 1 to 4096");
  CHECK(refuse("capture", "some") == "'some' is no value for 'capture' | give full, redacted or hash");
  CHECK(refuse("color", "blue") == "'blue' is no value for 'color' | give auto, always or never");
  CHECK(refuse("offline", "yes") == "'yes' is no value for 'offline' | give 0 or 1");
  project.variables.erase("XDG_CONFIG_HOME");
  CHECK(refuse("jobs", "3") == "there is no place for settings: neither HOME nor XDG_CONFIG_HOME is set | set LLMOPS_JOBS instead");
  project.variables["HOME"] = (project.dir.path() / "h").string();
  CHECK(project.session().user_config_path() == project.dir.path() / "h/.config/llmops/config.yaml");
}

TEST_CASE("a value of the environment that is none is refused with the variable's name") {
  ProjectFolder project;
  project.variables["LLMOPS_LOCK_TIMEOUT"] = "99999999999999999999";
  CHECK(told(project.try_session().error()) == "'99999999999999999999' is no value for 'lock_timeout_s' (from LLMOPS_LOCK_TIMEOUT) | give a whole number up to 999999");
}
