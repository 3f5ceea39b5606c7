#include "core/store/layout.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "core/base/fs.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;

struct Folder {
  test::TempDir directory;
  StoreLayout layout{directory.path() / ".llmops"};
};

}  // namespace

TEST_CASE("a layout is private, ignored by git, and has its directories made beforehand") {
  Folder folder;
  must(create_layout(folder.layout));
  must(check_layout(folder.layout));
  struct stat info {};
  REQUIRE(stat(folder.layout.root.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  CHECK(must(read_file(folder.layout.format())) == "1\n");
  CHECK(must(read_file(folder.layout.ignore())) == "/*\n");
  for (const char* name : {"00", "7f", "ff"}) {
    CHECK(fs::is_directory(folder.layout.repository() / "objects" / name));
  }
}

TEST_CASE("a layout whose making was interrupted is no store, and is made whole by the next try") {
  Folder folder;
  {
    const test::Failpoints points("create.before_format:eio");
    REQUIRE_FALSE(create_layout(folder.layout));
  }
  const Status status = check_layout(folder.layout);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kNotFound);
  CHECK(status.error().message == "no store '" + folder.layout.root.string() + "'");
  CHECK(status.error().hint == "run `llmops init` first");
  must(create_layout(folder.layout));
  must(check_layout(folder.layout));
}

TEST_CASE("a newer or damaged format file is told apart") {
  Folder folder;
  must(create_layout(folder.layout));
  must(write_file_atomic(folder.layout.format(), "2\n"));
  Status status = check_layout(folder.layout);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kNewerStore);
  CHECK(status.error().message == "the store '" + folder.layout.root.string() + "' was written by a newer llmops (format 2; this one reads up to 1)");
  must(write_file_atomic(folder.layout.format(), "what"));
  status = check_layout(folder.layout);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("names of chains and labels are names of refs") {
  for (const char* good : {"a", "support-triage", "v1.2", "_x", "A.b-C_9"}) CHECK(is_ref_component(good));
  for (const char* bad : {"", "a b", "a/b", "..", ".a", "a..b", "a.", "a.lock", "-a", "ä", "a~1", "a^", "a:b", "a\n", "@{u}"}) CHECK_FALSE(is_ref_component(bad));
  const Status status = check_name("label", "not ok");
  REQUIRE_FALSE(status);
  CHECK(status.error().message == "label name 'not ok' is not usable");
  CHECK(status.error().hint == "use letters, digits, '.', '_' and '-', and begin with a letter, a digit or '_'");
}

TEST_CASE("the digest of the refs changes with every ref, and not with lock files") {
  Folder folder;
  must(create_layout(folder.layout));
  must(ensure_chain_refs(folder.layout, "bot"));
  std::vector<std::string> digests = {must(refs_digest(folder.layout))};
  const auto changed = [&] {
    digests.push_back(must(refs_digest(folder.layout)));
    return std::count(digests.begin(), digests.end(), digests.back()) == 1;
  };
  const fs::path chain = folder.layout.refs() / "bot";
  must(write_file_atomic(chain / "heads" / "main", std::string(40, 'a') + "\n"));
  CHECK(changed());
  must(write_file_atomic(chain / "heads" / "main", std::string(40, 'b') + "\n"));
  CHECK(changed());
  must(write_file_atomic(chain / "auto" / std::string(64, 'c'), std::string(40, 'b') + "\n"));
  CHECK(changed());
  must(write_file_atomic(chain / "labels" / "prod", std::string(40, 'b') + "\n"));
  CHECK(changed());
  must(write_file_atomic(chain / "label-log", std::string(40, 'd') + "\n"));
  CHECK(changed());
  must(write_file_atomic(folder.layout.repository() / "packed-refs", "x\n"));
  CHECK(changed());
  must(write_file_atomic(chain / "heads" / "main.lock", ""));
  CHECK_FALSE(changed());
}

TEST_CASE("what an interrupted writer left is swept: locks at once, temporary files after an hour") {
  Folder folder;
  must(create_layout(folder.layout));
  must(ensure_chain_refs(folder.layout, "bot"));
  const fs::path lock_file = folder.layout.refs() / "bot" / "heads" / "main.lock";
  const fs::path loose = folder.layout.repository() / "objects" / "tmp_object_git2_x", staged = folder.layout.temporary() / ".blob.tmp", object = folder.layout.repository() / "objects" / "aa" / "bb";
  for (const fs::path& path : {lock_file, loose, staged, object}) must(write_file_atomic(path, "x"));
  struct stat info {};
  REQUIRE(stat(loose.c_str(), &info) == 0);
  const int64_t now = int64_t{info.st_mtim.tv_sec} * 1000;
  const FileLock lock = must(FileLock::acquire(folder.layout.lock(), FileLock::Mode::kExclusive, 0));
  CHECK(stale_ref_locks(folder.layout) == std::vector<fs::path>{lock_file});
  must(sweep_garbage(folder.layout, lock, now + 60'000));
  CHECK_FALSE(fs::exists(lock_file));
  CHECK(fs::exists(loose));
  CHECK(fs::exists(staged));
  must(sweep_garbage(folder.layout, lock, now + 2 * kGarbageAgeMs));
  CHECK_FALSE(fs::exists(loose));
  CHECK_FALSE(fs::exists(staged));
  CHECK(fs::exists(object));
}

}  // namespace llmops
