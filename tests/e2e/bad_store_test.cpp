// A disk that is full or fails, a store that is read-only, locked, damaged, or from the future: exit 2, what is the matter, what
// to do; afterwards the store is sound and the same command does its work.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/store/check.h"
#include "tests/support/run_program.h"

namespace llmops::test {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// Large enough to meet every failpoint: recorded replies of more than 1 MiB become a blob, forty documents a pack.
void write_project(const Project& project) {
  project.write("bot.chain.yaml", R"(llmops: chain/v1
name: bot
inputs: [question]
models:
  main: {provider: replay, path: replies.jsonl, key: /question, match: "{{ question }}", reply: /reply}
assets:
  kb: {kind: grounding, path: kb/*.md}
steps:
  - {id: find, retrieve: {from: kb, query: "{{ question }}", top_k: 1}}
  - {id: answer, model: main, prompt: "{{ steps.find.output }}{{ question }}"}
output: "{{ steps.answer.output }}"
)");
  project.write("bot.eval.yaml", R"(llmops: eval/v1
chain: bot.chain.yaml
dataset: {path: data.jsonl, id: id}
inputs: {question: "{{ case.question }}"}
metrics:
  - {name: right, type: equals, target: output, expected: "{{ case.answer }}"}
)");
  project.write("data.jsonl", "{\"id\": \"a\", \"question\": \"one\", \"answer\": \"1\"}\n{\"id\": \"b\", \"question\": \"two\", \"answer\": \"2\"}\n");
  std::string replies = "{\"question\": \"one\", \"reply\": \"1\"}\n{\"question\": \"two\", \"reply\": \"2\"}\n";
  replies += json{{"question", "long"}, {"reply", std::string(1200 * 1024, 'x')}}.dump() + "\n";
  project.write("replies.jsonl", replies);
  for (int i = 0; i < 40; ++i) project.write("kb/" + std::to_string(i) + ".md", "document one " + std::to_string(i) + "\n");
}

void check_sound(const Project& project) {
  if (!fs::exists(project.root() / ".llmops/format")) return;
  StoreOptions options;
  options.directory = project.root() / ".llmops";
  options.clock = &system_clock_source();
  const Result<std::vector<std::string>> findings = check_store(options, true);
  if (!findings) FAIL(findings.error().message);
  CHECK(*findings == std::vector<std::string>());
}

const std::vector<std::vector<std::string>> kCommands = {
    {"eval", "run", "-o", "report.json"}, {"version", "commit", "-m", "first"}, {"version", "label", "prod", "HEAD", "-m", "good"}};

// core/store/store.h and core/base/fs.h.
constexpr const char* kPoints[] = {"create.before_format", "migrate.before_commit", "reindex.before_commit", "blob.write", "blob.before_rename", "git.write", "git.before_pack", "git.before_ref",
                                   "git.after_ref", "label.after_log", "db.before_commit", "db.after_commit", "db.before_checkpoint", "run.batch", "run.finish", "fs.write", "fs.before_rename",
                                   "fs.mkdir", "report.write"};

const std::set<std::string_view> kFailing = {"blob.write", "git.write", "db.before_commit", "run.batch", "fs.write"};

void check_failure(const ProgramResult& result, std::string_view action) {
  CHECK(result.exit_code == 2);
  CHECK(result.err.find("cannot ") != std::string::npos);
  if (action == "enospc") {
    CHECK(result.err.find(": the disk is full\n") != std::string::npos);
    // Past the commit point of a version or a label the error says that it is there.
    const bool is_stored = result.err.find(" is stored, but the index is not brought up to date: ") != std::string::npos;
    CHECK(result.err.find(is_stored ? "\nhint: mend what failed: the next command brings the index up to date\n" : "\nhint: free some space, then run the command again\n") != std::string::npos);
  } else {
    CHECK(result.err.find(": Input/output error\n") != std::string::npos);
  }
}

// The error names the version exactly when it is there.
void check_claim(const Project& project, const ProgramResult& result) {
  const ProgramResult log = project.llmops({"version", "log"});
  const bool is_there = log.exit_code == 0 && log.out.find("first") != std::string::npos;
  const bool is_claimed = result.err.find(" is stored, but") != std::string::npos || result.err.find("stored before that: bot ") != std::string::npos;
  INFO(log.out << log.err);
  CHECK(is_there == is_claimed);
}

// A run that the failure left unfinished goes on; one that has not begun is begun.
void finish_runs(const Project& project) {
  const json runs = project.json({"eval", "list"}, 0)["runs"];
  CHECK(runs.size() <= 1);
  if (runs.empty() || runs[0]["state"] == "finished") return;
  const json report = project.json({"eval", "run", "--resume", "last"}, 0);
  CHECK(report["cases"] == json{{"total", 2}, {"done", 2}, {"without_score", 0}, {"repeat", 1}});
}

void flip_bytes(const fs::path& file, long offset, const std::string& bytes) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  REQUIRE(stream.is_open());
  stream.seekp(offset);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void check_error(const Project& project, const std::vector<std::string>& command, const std::string& code, const std::string& message, const std::string& hint) {
  const json error = project.json(command, 2)["error"];
  INFO(error.dump());
  CHECK(error["code"] == code);
  CHECK(error["message"].get<std::string>().find(message) != std::string::npos);
  CHECK(error["hint"].get<std::string>() == hint);
}

}  // namespace

TEST_CASE("a full or failing disk at any point of a command is exit 2, and the command works once there is room", "[e2e]") {
  for (const char* point : kPoints) {
    for (const std::string_view action : {"enospc", "eio"}) {
      // One error is as good as the other to all but the message, so the second is tried where each kind of write begins.
      if (action == "eio" && !kFailing.contains(point)) continue;
      INFO(point << ":" << action);
      Project project;
      write_project(project);
      bool met = false;
      for (const auto& command : kCommands) {
        project.env["LLMOPS_FAILPOINT"] = std::string(point) + ":" + std::string(action);
        const ProgramResult result = project.llmops(command);
        project.env.erase("LLMOPS_FAILPOINT");
        INFO(result.out << result.err);
        if (result.exit_code != 0) {
          met = true;
          check_failure(result, action);
          if (command[0] == "version" && command[1] == "commit") check_claim(project, result);
          CHECK(project.leftovers() == std::vector<std::string>());
          check_sound(project);
          finish_runs(project);
          CHECK(project.llmops(command).exit_code == 0);
        }
        CHECK(project.leftovers() == std::vector<std::string>());
      }
      // The checkpoint is housekeeping: what it could not copy stays in the write-ahead log.
      CHECK(met == (std::string_view(point) != "db.before_checkpoint"));
      check_sound(project);
      CHECK(project.json({"version", "labels"}, 0).dump().find("prod") != std::string::npos);
      CHECK(json::parse(project.read("report.json"))["verdict"] == "pass");
    }
  }
}

TEST_CASE("a store that may not be written can be read, and says so when it must be written", "[e2e]") {
  Project project;
  write_project(project);
  for (const auto& command : kCommands) REQUIRE(project.llmops(command).exit_code == 0);
  // As root every mode is ignored, so the program runs as nobody.
  std::vector<std::string> as = {LLMOPS_BINARY};
  if (geteuid() == 0) {
    if (!fs::exists("/usr/bin/setpriv")) return note_left_out("e2e: a read-only store (as root this needs setpriv)");
    as.insert(as.begin(), {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
    REQUIRE(chmod(project.directory.path().c_str(), 0755) == 0);
    for (const auto& entry : fs::recursive_directory_iterator(project.directory.path())) REQUIRE(lchown(entry.path().c_str(), 65534, 65534) == 0);
  }
  std::vector<fs::path> closed = {project.root() / ".llmops"};
  for (const auto& entry : fs::recursive_directory_iterator(closed[0])) if (entry.is_directory()) closed.push_back(entry.path());
  for (const fs::path& directory : closed) REQUIRE(chmod(directory.c_str(), 0555) == 0);
  for (const auto& entry : fs::recursive_directory_iterator(closed[0])) if (entry.is_regular_file()) REQUIRE(chmod(entry.path().c_str(), 0444) == 0);
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), as.begin(), as.end());
    return Program(arguments, project.root(), project.environment()).wait(60);
  };
  CHECK(run({"eval", "list"}).exit_code == 0);
  CHECK(run({"eval", "show", "last"}).exit_code == 0);
  CHECK(run({"version", "status"}).exit_code == 0);
  for (const std::vector<std::string>& command : {std::vector<std::string>{"eval", "run"}, {"version", "label", "next", "HEAD"}}) {
    const ProgramResult refused = run(command);
    INFO(refused.out << refused.err);
    CHECK(refused.exit_code == 2);
    CHECK(refused.err.find("error: cannot write to the store '.llmops': it is read-only\nhint: make the .llmops directory writable, or work in a copy\n") != std::string::npos);
  }
  // The database alone: a version would be stored and could not be indexed.
  for (const fs::path& directory : closed) REQUIRE(chmod(directory.c_str(), 0755) == 0);
  for (const auto& entry : fs::recursive_directory_iterator(closed[0])) if (entry.is_regular_file() && entry.path().filename() != "db.sqlite") REQUIRE(chmod(entry.path().c_str(), 0644) == 0);
  CHECK(run({"eval", "list"}).exit_code == 0);
  CHECK(run({"version", "status"}).exit_code == 0);
  project.write("kb/0.md", "changed\n");
  const ProgramResult refused = run({"version", "commit", "-m", "next"});
  CHECK(refused.exit_code == 2);
  CHECK(refused.err.find("error: cannot write to the store '.llmops': it is read-only\n") != std::string::npos);
  CHECK(run({"version", "log"}).out.find("next") == std::string::npos);
}

TEST_CASE("a store whose process was killed can be read where nothing may be written", "[e2e]") {
  Project project;
  write_project(project);
  REQUIRE(project.llmops(kCommands[0]).exit_code == 0);
  project.env["LLMOPS_FAILPOINT"] = "run.finish:kill";
  CHECK(project.llmops({"eval", "run", "--no-cache"}).exit_code != 0);
  project.env.erase("LLMOPS_FAILPOINT");
  REQUIRE(fs::file_size(project.root() / ".llmops/db.sqlite-wal") > 0);
  std::vector<std::string> as = {LLMOPS_BINARY};
  if (geteuid() == 0) {
    if (!fs::exists("/usr/bin/setpriv")) return note_left_out("e2e: a read-only store with a log (as root this needs setpriv)");
    as.insert(as.begin(), {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
    REQUIRE(chmod(project.directory.path().c_str(), 0755) == 0);
    for (const auto& entry : fs::recursive_directory_iterator(project.directory.path())) REQUIRE(lchown(entry.path().c_str(), 65534, 65534) == 0);
  }
  const fs::path store = project.root() / ".llmops";
  for (const auto& entry : fs::directory_iterator(store)) if (entry.is_regular_file()) REQUIRE(chmod(entry.path().c_str(), 0444) == 0);
  REQUIRE(chmod(store.c_str(), 0555) == 0);
  for (const std::vector<std::string>& command : {std::vector<std::string>{"eval", "list"}, {"eval", "show", "last"}, {"version", "status"}}) {
    std::vector<std::string> arguments = as;
    arguments.insert(arguments.end(), command.begin(), command.end());
    const ProgramResult result = Program(arguments, project.root(), project.environment()).wait(60);
    INFO(result.out << result.err);
    CHECK(result.exit_code == 0);
  }
  REQUIRE(chmod(store.c_str(), 0755) == 0);
}

TEST_CASE("a store that another process holds is waited for, then refused; reading goes on", "[e2e]") {
  Project project;
  write_project(project);
  for (const auto& command : kCommands) REQUIRE(project.llmops(command).exit_code == 0);
  const std::string lock = (project.root() / ".llmops/lock").string();
  Program holder({"/usr/bin/flock", "--no-fork", "--exclusive", lock, "/bin/sleep", "60"}, project.root(), project.environment());
  // It holds the lock once nobody else can have it.
  for (int i = 0; i < 400; ++i) {
    const ProgramResult probe = Program({"/usr/bin/flock", "--nonblock", lock, "/bin/true"}, project.root(), project.environment()).wait(5);
    if (probe.exit_code == 1) break;
    usleep(5000);
  }
  const double from = steady_seconds();
  const ProgramResult refused = project.llmops({"eval", "run", "--lock-timeout", "1"});
  const double waited = steady_seconds() - from;
  INFO(refused.out << refused.err);
  CHECK(refused.exit_code == 2);
  CHECK(refused.err.find("error: the store is locked by another process ('.llmops/lock')\n") != std::string::npos);
  CHECK(refused.err.find("\nhint: wait until it is done, or raise --lock-timeout\n") != std::string::npos);
  CHECK(waited >= 1.0);
  CHECK(waited < 3.0);
  check_error(project, {"version", "label", "next", "HEAD", "--lock-timeout", "0"}, "locked", "the store is locked by another process ('.llmops/lock')", "wait until it is done, or raise --lock-timeout");
  CHECK(project.json({"eval", "list"}, 0)["runs"].size() == 1);
  CHECK(project.llmops({"version", "status"}).exit_code == 0);
  holder.send_signal(SIGKILL);
  holder.wait(5);
}

TEST_CASE("a damaged database is named and never mended by guessing", "[e2e]") {
  const std::string hint = "restore it from a backup, or move it away: runs are lost, versions are not";
  struct Damage { long offset; size_t size; const char* message; };
  const Damage table[] = {{0, 64, "it is not a SQLite database"}, {100, 64, "is damaged"}, {8 * 8192, 64, "is damaged"}};     // the header, the schema, the first page of runs
  for (const Damage& damage : table) {
    INFO(damage.offset);
    Project project;
    write_project(project);
    for (const auto& command : kCommands) REQUIRE(project.llmops(command).exit_code == 0);
    const fs::path database = project.root() / ".llmops/db.sqlite";
    flip_bytes(database, damage.offset, std::string(damage.size, '\xa5'));
    const std::string before = project.read(".llmops/db.sqlite");
    check_error(project, {"eval", "list"}, "corrupt", damage.message, hint);
    check_error(project, {"eval", "run"}, "corrupt", damage.message, hint);
    CHECK(project.read(".llmops/db.sqlite") == before);
    // What the hint says holds: without the database the versions are there.
    for (const char* name : {".llmops/db.sqlite", ".llmops/db.sqlite-wal", ".llmops/db.sqlite-shm"}) fs::remove(project.root() / name);
    CHECK(project.json({"version", "log"}, 0)["versions"].size() == 1);
    CHECK(project.json({"version", "labels"}, 0).dump().find("prod") != std::string::npos);
    CHECK(project.llmops({"eval", "run"}).exit_code == 0);
  }
}

TEST_CASE("a store of a newer llmops is refused and left as it is", "[e2e]") {
  Project project;
  write_project(project);
  for (const auto& command : kCommands) REQUIRE(project.llmops(command).exit_code == 0);
  // user_version: four bytes at offset 60, most significant first (SQLite file format, 1.3.1).
  const fs::path database = project.root() / ".llmops/db.sqlite";
  const std::string schema = project.read(".llmops/db.sqlite").substr(60, 4);
  flip_bytes(database, 60, std::string("\0\0\x27\x0f", 4));
  for (const std::vector<std::string>& command : {std::vector<std::string>{"eval", "list"}, {"eval", "run"}, {"version", "status"}}) {
    check_error(project, command, "newer_store", "was written by a newer llmops (schema 9999; this one reads up to ", "upgrade llmops");
  }
  CHECK(project.read(".llmops/db.sqlite").substr(60, 4) == std::string("\0\0\x27\x0f", 4));
  flip_bytes(database, 60, schema);
  CHECK(project.llmops({"eval", "list"}).exit_code == 0);
  project.write(".llmops/format", "2\n");
  check_error(project, {"eval", "run"}, "newer_store", "was written by a newer llmops (format 2; this one reads up to 1)", "upgrade llmops");
  project.write(".llmops/format", "1\n");
  CHECK(project.llmops({"eval", "list"}).exit_code == 0);
}

}  // namespace llmops::test
