#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <random>
#include <fstream>

#include "core/base/fs.h"
#include "core/store/check.h"
#include "core/store/database.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::make_version;
using test::must;
using test::TestStore;

std::vector<std::string> vids(const std::vector<VersionRecord>& records) {
  std::vector<std::string> found;
  for (const VersionRecord& record : records) found.push_back(record.vid);
  return found;
}

std::string noise(size_t size) {
  std::mt19937_64 random(5);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("a store is found only where one was made") {
  TestStore store(false);
  StoreOptions options = store.options();
  options.create = false;
  const auto opened = Store::open(options);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kNotFound);
  CHECK(opened.error().message == "no store '" + store.path("").parent_path().string() + "'");
  CHECK(opened.error().hint == "run `llmops init` first");
  CHECK_FALSE(fs::exists(options.directory));
  store.open();
  must(Store::open(options));
}

TEST_CASE("a version comes back as it was committed") {
  TestStore store;
  const VersionInput input = make_version("bot", {{"prompts/system.md", "\xEF\xBB\xBF" "Be brief.\r\n"}, {"data/shots.jsonl", "{}\r\n", "data"}, {"../shared/x.txt", "up"}});
  const VersionRecord record = must(store->commit_version(input));
  CHECK(record.vid == input.vid);
  CHECK(record.chain == "bot");
  CHECK(record.commit_oid.size() == 40);
  CHECK(record.parent_vid.empty());
  CHECK(record.message == "change of bot");
  CHECK(record.author == "Ada <ada@example.org>");
  CHECK(record.created_ms == store.clock.now_ms);
  CHECK_FALSE(record.automatic);
  for (const bool again : {false, true}) {
    if (again) store.open();
    CHECK(must(store->read_manifest(input.vid)) == input.manifest);
    CHECK(must(store->read_version_file(input.vid, "prompts/system.md")) == "\xEF\xBB\xBF" "Be brief.\r\n");
    CHECK(must(store->read_version_file(input.vid, "data/shots.jsonl")) == "{}\r\n");
    CHECK(must(store->read_version_file(input.vid, "../shared/x.txt")) == "up");
    CHECK(store->has_version(input.vid));
    CHECK(must(store->head("bot"))->commit_oid == record.commit_oid);
    CHECK(must(store->chains()) == std::vector<std::string>{"bot"});
  }
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("a version or file that is not there is named") {
  TestStore store;
  const VersionInput input = make_version("bot", {{"prompts/system.md", "a"}});
  must(store->commit_version(input));
  const auto file = store->read_version_file(input.vid, "prompts/sistem.md");
  REQUIRE_FALSE(file);
  CHECK(file.error().code == ErrorCode::kNotFound);
  CHECK(file.error().message == "version " + input.vid.substr(0, 12) + " has no file 'prompts/sistem.md'");
  CHECK(file.error().hint == "did you mean 'prompts/system.md'?");
  const auto manifest = store->read_manifest(std::string(64, 'a'));
  REQUIRE_FALSE(manifest);
  CHECK(manifest.error().code == ErrorCode::kNotFound);
  CHECK(manifest.error().message == "no version 'aaaaaaaaaaaa'");
  CHECK_FALSE(store->has_version(std::string(64, 'a')));
  CHECK_FALSE(must(store->head("other")));
  CHECK(must(store->log("other")).empty());
}

TEST_CASE("committing the head again changes nothing, an earlier content is a new commit") {
  TestStore store;
  const VersionInput one = make_version("bot", {{"a", "1"}}), two = make_version("bot", {{"a", "2"}});
  const VersionRecord first = must(store->commit_version(one));
  store.clock.now_ms += 5000;
  CHECK(must(store->commit_version(one)).commit_oid == first.commit_oid);
  CHECK(must(store->commit_version(one)).created_ms == first.created_ms);
  const VersionRecord second = must(store->commit_version(two));
  CHECK(second.parent_vid == one.vid);
  store.clock.now_ms += 5000;
  const VersionRecord third = must(store->commit_version(one));
  CHECK(third.commit_oid != first.commit_oid);
  CHECK(third.parent_vid == two.vid);
  CHECK(vids(must(store->log("bot"))) == std::vector<std::string>{one.vid, two.vid, one.vid});
  CHECK(vids(must(store->log("bot", 2))) == std::vector<std::string>{one.vid, two.vid});
  CHECK(must(store->find_versions("bot", one.vid)).size() == 1);
  CHECK(must(store->find_versions("bot", one.vid)).front().commit_oid == third.commit_oid);
}

TEST_CASE("automatic versions are found by vid and are no part of the history") {
  TestStore store;
  const VersionInput manual = make_version("bot", {{"a", "1"}}), automatic = make_version("bot", {{"a", "2"}}, true);
  must(store->commit_version(manual));
  const VersionRecord record = must(store->commit_version(automatic));
  CHECK(record.automatic);
  CHECK(record.parent_vid.empty());
  CHECK(must(store->commit_version(automatic)).commit_oid == record.commit_oid);
  CHECK(vids(must(store->log("bot"))) == std::vector<std::string>{manual.vid});
  CHECK(must(store->head("bot"))->vid == manual.vid);
  CHECK(vids(must(store->find_versions("", automatic.vid.substr(0, 6)))) == std::vector<std::string>{automatic.vid});
  CHECK(must(store->find_versions("other", automatic.vid.substr(0, 6))).empty());
  CHECK(must(store->find_versions("bot", "")).size() == 2);
  // a version that the history holds needs no automatic one
  VersionInput same = manual;
  same.automatic = true;
  CHECK_FALSE(must(store->commit_version(same)).automatic);
  // and an automatic one can enter the history
  VersionInput promoted = automatic;
  promoted.automatic = false;
  CHECK(must(store->commit_version(promoted)).parent_vid == manual.vid);
  CHECK(must(store->find_versions("bot", automatic.vid)).size() == 1);
  CHECK_FALSE(must(store->find_versions("bot", automatic.vid)).front().automatic);
}

TEST_CASE("chains have histories of their own") {
  TestStore store;
  const VersionInput a = make_version("alpha", {{"x", "1"}}), b = make_version("beta", {{"x", "1"}});
  must(store->commit_version(b));
  must(store->commit_version(a));
  CHECK(must(store->chains()) == std::vector<std::string>{"alpha", "beta"});
  CHECK(vids(must(store->log("alpha"))) == std::vector<std::string>{a.vid});
}

TEST_CASE("large and binary files live in blobs, in both roles") {
  TestStore store;
  const std::string weights = noise((3 << 20) + 5), binary("a\0b", 3);
  std::string text = "\xEF\xBB\xBF";
  while (text.size() < (2 << 20)) text += "a line with an end of Windows\r\n";
  const VersionInput input = make_version("bot", {{"model.bin", weights, "data", store.directory.write("model.bin", weights).string()},
                                                  {"big.txt", text, "text", store.directory.write("big.txt", text).string()},
                                                  {"big2.txt", text + "x", "text"},
                                                  {"small.bin", binary, "data"}});
  must(store->commit_version(input));
  CHECK(must(store->read_version_file(input.vid, "model.bin")) == weights);
  CHECK(must(store->read_version_file(input.vid, "big.txt")) == text);
  CHECK(must(store->read_version_file(input.vid, "big2.txt")) == text + "x");
  CHECK(must(store->read_version_file(input.vid, "small.bin")) == binary);
  CHECK(must(check_store(store.options(), true)).empty());
  uintmax_t git_bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(store.path("store.git"))) git_bytes += entry.is_regular_file() ? entry.file_size() : 0;
  CHECK(git_bytes < 100'000);
}

TEST_CASE("a version of many files is one pack") {
  TestStore store;
  std::vector<test::GivenFile> files;
  for (int i = 0; i < 300; ++i) files.push_back({"kb/" + std::to_string(i % 7) + "/" + std::to_string(i) + ".md", "document " + std::to_string(i)});
  const VersionInput input = make_version("bot", files);
  must(store->commit_version(input));
  CHECK(must(store->read_version_file(input.vid, "kb/6/300.md").has_value() ? Result<std::string>("?") : store->read_version_file(input.vid, "kb/5/299.md")) == "document 299");
  files[7].bytes = "changed";
  const VersionInput next = make_version("bot", files);
  must(store->commit_version(next));
  CHECK(must(store->read_version_file(next.vid, "kb/0/7.md")) == "changed");
  CHECK(must(store->read_version_file(input.vid, "kb/0/7.md")) == "document 7");
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("a version that could not be restored is refused") {
  TestStore store;
  VersionInput input = make_version("bot", {{"a", "1"}, {"b", "2"}});
  const auto message = [&store](const VersionInput& wrong) {
    const auto record = store->commit_version(wrong);
    REQUIRE_FALSE(record);
    CHECK(record.error().code == ErrorCode::kBug);
    return record.error().message;
  };
  VersionInput wrong = input;
  wrong.manifest += " ";
  CHECK(message(wrong) == "cannot store version " + input.vid + ": its manifest does not hash to it");
  wrong = input;
  wrong.files.pop_back();
  CHECK(message(wrong) == "cannot store version " + input.vid + ": the file 'b' of its manifest was not handed over");
  wrong = input;
  wrong.files[0].bytes = "other";
  CHECK(message(wrong) == "cannot store version " + input.vid + ": the file 'a' does not have the digest of its manifest");
  wrong = input;
  wrong.vid = "abc";
  CHECK(message(wrong) == "'abc' is not a vid");
  wrong = input;
  wrong.chain = "a/b";
  const auto named = store->commit_version(wrong);
  REQUIRE_FALSE(named);
  CHECK(named.error().message == "chain name 'a/b' is not usable");
  CHECK(must(store->chains()).empty());
}

TEST_CASE("versions and labels outlive the database") {
  TestStore store;
  const VersionInput one = make_version("bot", {{"a", "1"}}), two = make_version("bot", {{"a", "2"}}), automatic = make_version("bot", {{"a", "3"}}, true);
  must(store->commit_version(one));
  store.clock.now_ms += 1234;
  must(store->commit_version(two));
  must(store->commit_version(automatic));
  must(store->set_label({"bot", "prod", one.vid, "first release", "Eve <e@x>", 0}));
  must(store->set_label({"bot", "prod", two.vid, "faster", "Eve <e@x>", 0}));
  must(store->set_label({"bot", "trial", automatic.vid, "", "", 0}));
  const auto history = must(store->label_history("bot", "prod"));
  const auto log = must(store->log("bot"));
  const auto all = must(store->find_versions("", ""));
  store.store.reset();
  for (const char* name : {"db.sqlite", "db.sqlite-wal", "db.sqlite-shm"}) fs::remove(store.path(name));
  store.open();
  const auto same = [](const VersionRecord& a, const VersionRecord& b) {
    return a.vid == b.vid && a.chain == b.chain && a.commit_oid == b.commit_oid && a.parent_vid == b.parent_vid && a.message == b.message && a.author == b.author && a.created_ms == b.created_ms &&
           a.automatic == b.automatic;
  };
  const auto log_again = must(store->log("bot")), all_again = must(store->find_versions("", ""));
  CHECK(std::equal(log.begin(), log.end(), log_again.begin(), log_again.end(), same));
  CHECK(std::equal(all.begin(), all.end(), all_again.begin(), all_again.end(), same));
  const auto history_again = must(store->label_history("bot", "prod"));
  const auto same_move = [](const LabelRecord& a, const LabelRecord& b) {
    return a.chain == b.chain && a.name == b.name && a.vid == b.vid && a.reason == b.reason && a.author == b.author && a.moved_ms == b.moved_ms;
  };
  CHECK(std::equal(history.begin(), history.end(), history_again.begin(), history_again.end(), same_move));
  CHECK(must(store->label("bot", "trial"))->vid == automatic.vid);
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("refs that another program moved are noticed at the next open") {
  TestStore store;
  const VersionInput one = make_version("bot", {{"a", "1"}}), two = make_version("bot", {{"a", "2"}});
  const VersionRecord first = must(store->commit_version(one));
  must(store->commit_version(two));
  must(write_file_atomic(store.path("store.git/refs/llmops/bot/heads/main"), first.commit_oid + "\n"));
  store.open();
  CHECK(vids(must(store->log("bot"))) == std::vector<std::string>{one.vid});
}

TEST_CASE("a lock file that a killed process left blocks nobody") {
  TestStore store;
  must(store->commit_version(make_version("bot", {{"a", "1"}})));
  must(write_file_atomic(store.path("store.git/refs/llmops/bot/heads/main.lock"), ""));
  store.open();
  must(store->commit_version(make_version("bot", {{"a", "2"}})));
  CHECK(must(store->log("bot")).size() == 2);
}

TEST_CASE("a newer store is refused and left as it is") {
  TestStore store;
  must(store->commit_version(make_version("bot", {{"a", "1"}})));
  store.store.reset();
  {
    Connection connection = must(Connection::open(store.path("db.sqlite"), Connection::Mode::kReadWrite));
    must(connection.execute("PRAGMA user_version=99"));
    must(connection.checkpoint(must(FileLock::acquire(store.path("lock"), FileLock::Mode::kExclusive, 0))));
  }
  const std::string before = must(read_file(store.path("db.sqlite")));
  for (const bool read_only : {false, true}) {
    StoreOptions options = store.options();
    options.read_only = read_only;
    const auto opened = Store::open(options);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::kNewerStore);
    CHECK(opened.error().message == "the store '" + options.directory.string() + "' was written by a newer llmops (schema 99; this one reads up to 5)");
  }
  CHECK(must(read_file(store.path("db.sqlite"))) == before);
}

TEST_CASE("a damaged database is named, and the versions can be had without it") {
  TestStore store;
  const VersionInput input = make_version("bot", {{"a", "1"}});
  must(store->commit_version(input));
  store.store.reset();
  fs::remove(store.path("db.sqlite-wal"));
  fs::remove(store.path("db.sqlite-shm"));
  std::ofstream(store.path("db.sqlite"), std::ios::binary) << std::string(20'000, 'x');
  const auto opened = Store::open(store.options());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kCorrupt);
  CHECK(opened.error().message == "the database '" + store.path("db.sqlite").string() + "' is damaged: it is not a SQLite database");
  CHECK(opened.error().hint == "restore it from a backup, or move it away: runs are lost, versions are not");
  const auto findings = must(check_store(store.options(), true));
  REQUIRE(findings.size() == 1);
  CHECK(findings[0] == opened.error().message);
  fs::remove(store.path("db.sqlite"));
  store.open();
  CHECK(must(store->read_version_file(input.vid, "a")) == "1");
}

TEST_CASE("a store that has lost its database has its versions again, and says that the runs are gone") {
  TestStore store;
  const VersionInput input = make_version("bot", {{"a", "1"}});
  must(store->commit_version(input));
  must(store->set_label({"bot", "prod", input.vid, "good", "Ada <a@b>", 5}));
  for (const bool is_empty : {false, true}) {
    store.store.reset();
    for (const char* name : {"db.sqlite", "db.sqlite-wal", "db.sqlite-shm"}) fs::remove(store.path(name));
    if (is_empty) std::ofstream(store.path("db.sqlite")).flush();
    StoreOptions options = store.options();
    std::vector<std::string> notes;
    options.note = [&notes](const std::string& note) { notes.push_back(note); };
    options.read_only = true;
    const auto refused = Store::open(options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kCorrupt);
    CHECK(refused.error().message == "the database '" + store.path("db.sqlite").string() + "' is " + (is_empty ? "empty" : "missing"));
    CHECK(refused.error().hint == "restore it from a backup, or open the store once where it can be written: versions come back from store.git, runs are lost");
    CHECK(notes.empty());
    options.read_only = false;
    auto opened = must(Store::open(options));
    CHECK(notes == std::vector<std::string>{"warning: the store had lost its database (db.sqlite): the versions are read back from store.git, the runs are gone"});
    CHECK(must(opened->head("bot"))->vid == input.vid);
    CHECK(must(opened->label("bot", "prod"))->reason == "good");
    opened.reset();
    notes.clear();
    must(Store::open(options));
    CHECK(notes.empty());
  }
}

TEST_CASE("a failure after the commit point says that the version is stored, and it is") {
  for (const char* point : {"git.after_ref", "db.before_commit", "db.after_commit"}) {
    INFO(point);
    TestStore store;
    must(store->commit_version(make_version("bot", {{"a", "0"}})));
    const VersionInput input = make_version("bot", {{"a", "1"}});
    const std::string short_vid = input.vid.substr(0, 12);
    {
      const test::Failpoints points(std::string(point) + ":enospc");
      const auto record = store->commit_version(input);
      REQUIRE_FALSE(record);
      CHECK(record.error().code == ErrorCode::kIo);
      CHECK(record.error().message.starts_with("version " + short_vid + " of 'bot' is stored, but the index is not brought up to date: cannot write "));
      CHECK(record.error().hint == "mend what failed: the next command brings the index up to date");
    }
    store.open();
    CHECK(must(store->head("bot"))->vid == input.vid);
    {
      const test::Failpoints points(std::string(point) + ":enospc");
      const Status moved = store->set_label({"bot", "prod", input.vid, "good", "", 0});
      REQUIRE_FALSE(moved);
      CHECK(moved.error().message.starts_with("the move of label 'prod' to " + short_vid + " is stored, but the index is not brought up to date: cannot write "));
    }
    store.open();
    CHECK(must(store->label("bot", "prod"))->vid == input.vid);
  }
}

TEST_CASE("a failure before the commit point leaves no version and claims none") {
  for (const char* point : {"git.write", "git.before_ref"}) {
    INFO(point);
    TestStore store;
    must(store->commit_version(make_version("bot", {{"a", "0"}})));
    {
      const test::Failpoints points(std::string(point) + ":enospc");
      const auto record = store->commit_version(make_version("bot", {{"a", "1"}}));
      REQUIRE_FALSE(record);
      CHECK(record.error().message == "cannot write to '" + store.path("store.git").string() + "': the disk is full");
    }
    store.open();
    CHECK(must(store->log("bot")).size() == 1);
  }
}

TEST_CASE("opening a store to read it writes nothing", "[store]") {
  TestStore store;
  const VersionInput input = make_version("bot", {{"a", "1"}});
  must(store->commit_version(input));
  store.store.reset();
  const auto times = [&] {
    std::map<std::string, fs::file_time_type> found;
    for (const auto& entry : fs::recursive_directory_iterator(store.directory.path())) if (entry.path().extension() != ".sqlite-shm") found[entry.path().string()] = fs::last_write_time(entry.path());
    return found;
  };
  const auto before = times();
  StoreOptions options = store.options();
  options.create = false;
  auto reader = must(Store::open(options));
  CHECK(must(reader->head("bot"))->vid == input.vid);
  reader.reset();
  CHECK(times() == before);
}

TEST_CASE("a store opened for reading can be read and not written") {
  TestStore store;
  const VersionInput input = make_version("bot", {{"a", "1"}});
  must(store->commit_version(input));
  for (const bool writer_open : {true, false}) {
    if (!writer_open) store.store.reset();
    StoreOptions options = store.options();
    options.read_only = true;
    auto reader = must(Store::open(options));
    CHECK(must(reader->read_version_file(input.vid, "a")) == "1");
    CHECK(must(reader->commit_version(input)).vid == input.vid);  // changes nothing
    RunRecord run;
    run.vid = input.vid;
    for (const Status& status : {Status(reader->commit_version(make_version("bot", {{"a", "2"}})).error()), Status(reader->begin_run(run).error()),
                                 reader->set_label({"bot", "prod", input.vid, "", "", 0}), reader->put_response({})}) {
      REQUIRE_FALSE(status);
      CHECK(status.error().code == ErrorCode::kIo);
      CHECK(status.error().message == "cannot write to the store '" + options.directory.string() + "': it is read-only");
    }
  }
}

TEST_CASE("another process that holds the store is named") {
  TestStore store;
  must(store->commit_version(make_version("bot", {{"a", "1"}})));
  StoreOptions options = store.options();
  options.lock_timeout_ms = 10;
  auto other = must(Store::open(options));
  const FileLock lock = must(FileLock::acquire(store.path("lock"), FileLock::Mode::kExclusive, 0));
  const auto record = other->commit_version(make_version("bot", {{"a", "2"}}));
  REQUIRE_FALSE(record);
  CHECK(record.error().code == ErrorCode::kLocked);
  CHECK(must(other->log("bot")).size() == 1);  // reading needs no lock
}

TEST_CASE("check_store finds what is damaged") {
  TestStore store;
  const std::string weights = noise(3 << 20);
  const VersionInput input = make_version("bot", {{"a", "text"}, {"w.bin", weights, "data"}});
  must(store->commit_version(input));
  store.store.reset();
  const std::string digest = content_digests(weights, "data").raw;
  const fs::path blob = store.path("blobs") / digest.substr(0, 2) / digest.substr(2);
  REQUIRE(must(check_store(store.options(), true)).empty());
  SECTION("a flipped bit in a blob") {
    fs::permissions(blob, fs::perms::owner_all);
    std::fstream file(blob, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put(static_cast<char>(weights[1000] ^ 1));
    file.close();
    const auto findings = must(check_store(store.options(), true));
    REQUIRE(findings.size() == 1);
    CHECK(findings[0] == "the blob '" + blob.string() + "' is damaged: its bytes do not have its digest");
    CHECK(must(check_store(store.options(), false)).empty());  // the quick check looks for blobs only
  }
  SECTION("a missing blob") {
    fs::remove(blob);
    CHECK(must(check_store(store.options(), false)) == std::vector<std::string>{"the store is damaged: the blob " + digest + " of version " + input.vid + " is missing"});
  }
  SECTION("a missing git object") {
    fs::path last;
    for (const auto& entry : fs::recursive_directory_iterator(store.path("store.git/objects"))) {
      if (entry.is_regular_file()) last = entry.path();
    }
    fs::remove(last);
    CHECK_FALSE(must(check_store(store.options(), false)).empty());
  }
  SECTION("modes and the ignore file") {
    fs::permissions(store.path("db.sqlite"), fs::perms::group_read, fs::perm_options::add);
    fs::remove(store.path(".gitignore"));
    CHECK(must(check_store(store.options(), false)) == std::vector<std::string>{"'" + store.path("db.sqlite").string() + "' may be read by other users",
                                                                                 "'" + store.path(".gitignore").string() + "' does not keep the store out of the enclosing repository"});
  }
}

}  // namespace llmops
