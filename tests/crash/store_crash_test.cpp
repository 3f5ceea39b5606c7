// Dying at every named point of every write, dying at random moments, and several processes at once. What was acknowledged
// is there afterwards, check_store finds nothing, and the interrupted work can be done again.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "core/store/check.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::in_child;
using test::make_case;
using test::make_span;
using test::make_version;
using test::must;
using test::TestStore;

constexpr const char* kPoints[] = {"create.before_format", "fs.write", "fs.before_rename", "fs.mkdir", "migrate.before_commit", "blob.write", "blob.before_rename", "git.write",
                                   "git.before_pack", "git.before_ref", "git.after_ref", "label.after_log", "reindex.before_commit", "db.before_commit", "db.after_commit",
                                   "db.before_checkpoint", "run.batch", "run.finish"};

std::string noise(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

constexpr size_t kWeightBytes = 300'000;
const std::string& weights() {
  static const std::string bytes = noise(1, kWeightBytes);
  return bytes;
}
const VersionInput& first_version() {
  static const VersionInput version = [] {
    std::vector<test::GivenFile> files = {{"weights.bin", weights(), "data"}};
    for (int i = 0; i < 30; ++i) files.push_back({"kb/" + std::to_string(i) + ".md", "document " + std::to_string(i)});
    return make_version("bot", files);
  }();
  return version;
}
VersionInput second_version() { return make_version("bot", {{"prompt.md", "Be brief."}}); }
VersionInput automatic_version() { return make_version("bot", {{"prompt.md", "Be quick."}}, true); }

// What a process has been told to be done, in order.
enum Acknowledged { kFirst, kSecond, kLabel, kAutomatic, kRun, kCases, kFinished, kResponse, kEnd };

// Every kind of write once. `acknowledge` is called after each. Returns at the first error.
Status do_everything(const StoreOptions& options, const std::function<void(Acknowledged)>& acknowledge) {
  LLMOPS_ASSIGN(const std::unique_ptr<Store> store, Store::open(options));
  LLMOPS_ASSIGN(VersionRecord version, store->commit_version(first_version()));
  acknowledge(kFirst);
  LLMOPS_ASSIGN(version, store->commit_version(second_version()));
  acknowledge(kSecond);
  LLMOPS_CHECK(store->set_label({"bot", "prod", version.vid, "because", "Ada <a@x>", 0}));
  acknowledge(kLabel);
  LLMOPS_ASSIGN(version, store->commit_version(automatic_version()));
  acknowledge(kAutomatic);
  RunRecord run;
  run.chain = "bot";
  run.vid = version.vid;
  LLMOPS_ASSIGN(run, store->begin_run(run));
  acknowledge(kRun);
  LLMOPS_ASSIGN(const std::unique_ptr<RunWriter> writer, store->run_writer(run.number));
  for (int i = 0; i < 300; ++i) {
    CaseRecord record = make_case(i);
    record.row = std::string(2000, 'r');
    record.spans = {make_span(0, -1, "answer")};
    record.spans[0].memo_key = "key-of-case-" + std::to_string(1000 + i);
    LLMOPS_CHECK(writer->add(std::move(record)));
  }
  LLMOPS_CHECK(writer->flush());
  acknowledge(kCases);
  LLMOPS_CHECK(writer->finish(RunState::kFinished, "", "{}"));
  acknowledge(kFinished);
  LLMOPS_CHECK(store->put_response({std::string(32, 'r'), "{}", "1", 1}));
  LLMOPS_ASSIGN(const Store::CacheStats stats, store->cache_stats());  // waits for it
  static_cast<void>(stats);
  acknowledge(kResponse);
  return {};
}

// What was acknowledged is in the store.
void check_present(Store& store, const std::set<int>& done) {
  if (done.contains(kFirst)) CHECK(must(store.read_version_file(first_version().vid, "weights.bin")) == weights());
  if (done.contains(kSecond)) CHECK(must(store.read_version_file(second_version().vid, "prompt.md")) == "Be brief.");
  if (done.contains(kLabel)) CHECK(must(store.label("bot", "prod"))->vid == second_version().vid);
  if (done.contains(kAutomatic)) CHECK(must(store.read_manifest(automatic_version().vid)) == automatic_version().manifest);
  if (done.contains(kRun)) CHECK(must(store.find_run("1")).vid == automatic_version().vid);
  if (done.contains(kCases)) {
    CHECK(must(store.finished_cases(1)).size() == 300);
    CHECK(must(store.find_step("key-of-case-1299")).size() == 1);
  }
  if (done.contains(kFinished)) CHECK(must(store.find_run("1")).state == RunState::kFinished);
  if (done.contains(kResponse)) CHECK(must(store.find_response(std::string(32, 'r'))));
}

// Does everything in another process under failpoints; what it acknowledged comes through a pipe.
int do_everything_in_child(const StoreOptions& options, const std::string& failpoints, std::set<int>& done) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const int status = in_child([&] {
    close(ends[0]);
    if (!configure_failpoints(failpoints)) return false;
    return do_everything(options, [&](Acknowledged what) {
             const char byte = static_cast<char>(what);
             static_cast<void>(write(ends[1], &byte, 1) == 1);
           }).has_value();
  });
  close(ends[1]);
  char byte = 0;
  while (read(ends[0], &byte, 1) == 1) done.insert(byte);
  close(ends[0]);
  return status;
}

bool was_killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }
bool went_well(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

// git's own opinion of the repository, where git is installed.
void check_with_git(const std::filesystem::path& repository) {
  const int status = in_child([&]() -> bool {
    const std::string where = "--git-dir=" + repository.string();
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    execlp("git", "git", where.c_str(), "fsck", "--strict", "--no-dangling", static_cast<char*>(nullptr));
    _exit(127);
  });
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    test::note_left_out("git fsck of the store (git is not installed)");
    return;
  }
  CHECK(went_well(status));
}

}  // namespace

TEST_CASE("a kill at any named point loses nothing that was acknowledged", "[crash]") {
  int kills = 0;
  std::map<std::string, int> by_point;
  for (const char* point : kPoints) {
    for (int occurrence = 1;; ++occurrence) {
      TestStore store(false);
      const std::string failpoints = std::string(point) + ":kill@" + std::to_string(occurrence);
      INFO(failpoints);
      std::set<int> done;
      const int status = do_everything_in_child(store.options(), failpoints, done);
      if (!was_killed(status)) {
        CHECK(went_well(status));
        CHECK(done.size() == kEnd);
        break;
      }
      ++kills;
      ++by_point[point];
      if (std::filesystem::exists(store.path("format"))) {
        CHECK(must(check_store(store.options(), true)) == std::vector<std::string>());
        store.open();
        check_present(*store.store, done);
        store.store.reset();
      }
      // The work can be done again, and then all of it is there.
      std::set<int> again;
      REQUIRE(went_well(do_everything_in_child(store.options(), "", again)));
      CHECK(must(check_store(store.options(), true)) == std::vector<std::string>());
      store.open();
      check_present(*store.store, {kFirst, kSecond, kLabel, kAutomatic, kRun, kResponse});
      store.store.reset();
      if (occurrence == 1) check_with_git(store.path("store.git"));
    }
  }
  for (const char* point : kPoints) {
    INFO(point);
    if (std::string_view(point) != "fs.mkdir") CHECK(by_point[point] > 0);
  }
  CHECK(kills > 40);
}

TEST_CASE("a disk that is full at any named point is an error, and nothing more", "[crash]") {
  for (const char* point : kPoints) {
    for (const char* action : {"enospc", "eio"}) {
      TestStore store(false);
      INFO(point << " " << action);
      std::set<int> done;
      {
        const test::Failpoints points(std::string(point) + ":" + action);
        const Status status = do_everything(store.options(), [&](Acknowledged what) { done.insert(what); });
        if (!status) {
          CHECK(status.error().code == ErrorCode::kIo);
          CHECK_FALSE(status.error().message.empty());
        }
      }
      if (std::filesystem::exists(store.path("format"))) {
        CHECK(must(check_store(store.options(), true)) == std::vector<std::string>());
        store.open();
        check_present(*store.store, done);
      }
      store.store.reset();
      must(do_everything(store.options(), [](Acknowledged) {}));
      CHECK(must(check_store(store.options(), true)) == std::vector<std::string>());
    }
  }
}

TEST_CASE("processes that are killed at random moments lose nothing that was acknowledged", "[crash]") {
  TestStore store;
  store.store.reset();
  const StoreOptions options = store.options();
  std::mt19937_64 random(42);
  size_t acknowledged = 0;
  std::set<std::string> promised;
  // On a busy machine few get as far as a promise before they are killed: then there are more rounds, and longer ones.
  for (int round = 0; round < 15 || (promised.size() <= 10 && round < 120); ++round) {
    // libgit2 draws the names of its temporary files from a state that forked children share (processes of their own do not): one
    // that was killed would leave its name in the way of all that follow.
    for (const auto& entry : std::filesystem::directory_iterator(store.path("store.git/objects"))) {
      if (entry.path().filename().string().starts_with("tmp_object")) std::filesystem::remove(entry.path());
    }
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    std::vector<pid_t> children;
    for (int writer = 0; writer < 2; ++writer) {
      const pid_t child = fork();
      if (child == 0) {
        const auto give_up = [](const Error& error) {
          std::fprintf(stderr, "%s\n", error.message.c_str());
          _exit(1);
        };
        auto opened = Store::open(options);
        if (!opened) give_up(opened.error());
        for (int i = 0; i < 10'000; ++i) {
          const VersionInput version = make_version("bot", {{"a", std::to_string(round) + "." + std::to_string(writer) + "." + std::to_string(i)}}, i % 3 == 0);
          const auto record = (*opened)->commit_version(version);
          if (!record) give_up(record.error());
          const Status moved = (*opened)->set_label({"bot", "w" + std::to_string(writer), version.vid, "", "a <b>", 0});
          if (!moved) give_up(moved.error());
          RunRecord run;
          run.vid = version.vid;
          const auto begun = (*opened)->begin_run(run);
          if (!begun) give_up(begun.error());
          static_cast<void>(write(ends[1], version.vid.data(), version.vid.size()) == 64);
        }
        _exit(1);
      }
      children.push_back(child);
    }
    usleep(static_cast<useconds_t>((5'000 + random() % 60'000) * static_cast<unsigned>(1 + round / 15)));
    for (const pid_t child : children) kill(child, SIGKILL);
    for (const pid_t child : children) {
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      CHECK(was_killed(status));
    }
    close(ends[1]);
    char vid[64];
    while (read(ends[0], vid, sizeof vid) == sizeof vid) promised.insert(std::string(vid, sizeof vid));
    close(ends[0]);
    CHECK(must(check_store(options, true)) == std::vector<std::string>());
  }
  store.open();
  for (const std::string& vid : promised) {
    acknowledged += store->has_version(vid) ? 1 : 0;
    CHECK(must(store->read_manifest(vid)).size() > 10);
  }
  CHECK(acknowledged == promised.size());
  CHECK(promised.size() > 10);
  CHECK(must(store->runs(0)).size() >= promised.size());
  store.store.reset();
  check_with_git(store.path("store.git"));
}

TEST_CASE("several processes commit, label and run at once without losing an update", "[crash]") {
  TestStore store;
  store.store.reset();
  const StoreOptions options = store.options();
  constexpr int kProcesses = 4, kCommits = 12, kCasesEach = 100;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    if (child == 0) {
      const auto work = [&]() -> Status {
        LLMOPS_ASSIGN(const std::unique_ptr<Store> mine, Store::open(options));
        for (int i = 0; i < kCommits; ++i) {
          const VersionInput version = make_version("bot", {{"a", std::to_string(process) + "." + std::to_string(i)}});
          LLMOPS_ASSIGN(const VersionRecord record, mine->commit_version(version));
          LLMOPS_CHECK(mine->set_label({"bot", "prod", record.vid, "", "a <b>", 0}));
        }
        LLMOPS_ASSIGN(const std::optional<VersionRecord> head, mine->head("bot"));
        RunRecord run;
        run.vid = head->vid;
        LLMOPS_ASSIGN(run, mine->begin_run(run));
        LLMOPS_ASSIGN(const std::unique_ptr<RunWriter> writer, mine->run_writer(run.number));
        for (int i = 0; i < kCasesEach; ++i) {
          CaseRecord record = make_case(i);
          record.spans = {make_span(0, -1, "step-" + std::to_string(i % 5))};
          LLMOPS_CHECK(writer->add(std::move(record)));
          if (i % 10 == 0) LLMOPS_CHECK(writer->flush());
        }
        return writer->finish(RunState::kFinished, "", "{}");
      };
      const Status status = work();
      if (!status) static_cast<void>(write(2, status.error().message.data(), status.error().message.size()));
      _exit(status ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(went_well(status));
  }
  store.open();
  const auto log = must(store->log("bot"));
  REQUIRE(log.size() == kProcesses * kCommits);
  for (size_t i = 0; i + 1 < log.size(); ++i) CHECK(log[i].parent_vid == log[i + 1].vid);
  CHECK(must(store->label_history("bot", "prod")).size() == kProcesses * kCommits);
  const auto runs = must(store->runs(0));
  REQUIRE(runs.size() == kProcesses);
  for (const RunRecord& run : runs) CHECK(must(store->finished_cases(run.number)).size() == kCasesEach);
  store.store.reset();
  CHECK(must(check_store(options, true)) == std::vector<std::string>());
  check_with_git(store.path("store.git"));
}

}  // namespace llmops
