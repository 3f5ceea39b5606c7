#include "core/store/object_repo.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/fs.h"
#include "core/store/git_format.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;

struct Folder {
  test::TempDir directory;
  StoreLayout layout{directory.path() / ".llmops"};
  std::unique_ptr<ObjectRepo> repo;
  Folder() {
    must(create_layout(layout));
    must(ensure_chain_refs(layout, "bot"));
    repo = must(ObjectRepo::open(layout));
  }
  FileLock lock() { return must(FileLock::acquire(layout.lock(), FileLock::Mode::kExclusive, 1000)); }
  // A commit of `files` files; returns its id and the id of the first blob.
  std::pair<std::string, std::string> commit(int files) {
    std::vector<ObjectRepo::NewObject> objects;
    std::vector<TreeEntry> entries;
    for (int i = 0; i < files; ++i) {
      const std::string bytes = "file " + std::to_string(i);
      entries.push_back({"f" + std::to_string(i), must(repo->id_of(GitKind::kBlob, bytes)), false});
      objects.push_back({GitKind::kBlob, bytes});
    }
    const std::string first = entries.front().oid, tree = encode_tree(entries);
    objects.push_back({GitKind::kTree, tree});
    const std::string bytes = encode_commit({must(repo->id_of(GitKind::kTree, tree)), "", "A <a>", 1000, "m", {{"vid", std::string(64, 'a')}}});
    objects.push_back({GitKind::kCommit, bytes});
    must(repo->write(objects));
    return {must(repo->id_of(GitKind::kCommit, bytes)), first};
  }
  long packs() {
    const fs::directory_iterator files(layout.repository() / "objects" / "pack");
    return std::count_if(begin(files), end(files), [](const auto& entry) { return entry.path().extension() == ".pack"; });
  }
};

}  // namespace

TEST_CASE("ids are those that git gives") {
  Folder folder;
  // printf 'hello\n' | git hash-object --stdin ; git hash-object -t tree /dev/null
  CHECK(must(folder.repo->id_of(GitKind::kBlob, "hello\n")) == "ce013625030ba8dba906f756967f9e9ca394464a");
  CHECK(must(folder.repo->id_of(GitKind::kTree, "")) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
}

TEST_CASE("few objects are written loose, many as one pack, and both are read back") {
  Folder folder;
  const auto [small, small_blob] = folder.commit(3);
  CHECK(folder.packs() == 0);
  const auto [large, large_blob] = folder.commit(1000);
  CHECK(folder.packs() == 1);
  CHECK(must(folder.repo->read(GitKind::kBlob, large_blob)) == "file 0");
  CHECK(must(decode_commit(must(folder.repo->read(GitKind::kCommit, large)))).message == "m");
  auto again = must(ObjectRepo::open(folder.layout));
  CHECK(again->exists(small));
  CHECK(again->exists(large));
  CHECK_FALSE(again->exists(std::string(40, '1')));
}

TEST_CASE("a ref moves only from where it is expected to stand") {
  Folder folder;
  const std::string a = folder.commit(1).first, b = folder.commit(2).first;
  const FileLock lock = folder.lock();
  const std::string name = "refs/llmops/bot/heads/main";
  CHECK_FALSE(must(folder.repo->ref(name)));
  must(folder.repo->move_ref(lock, name, a, std::nullopt, "first"));
  const Status exists = folder.repo->move_ref(lock, name, b, std::nullopt, "again");
  REQUIRE_FALSE(exists);
  CHECK(exists.error().code == ErrorCode::kLocked);
  CHECK(exists.error().message == "'refs/llmops/bot/heads/main' was moved by another program meanwhile");
  must(folder.repo->move_ref(lock, name, b, a, "second"));
  CHECK_FALSE(folder.repo->move_ref(lock, name, b, a, "stale"));
  CHECK(must(folder.repo->ref(name)) == b);
  const auto refs = must(folder.repo->refs());
  REQUIRE(refs.size() == 1);
  CHECK(refs[0].name == name);
  // the reflog keeps both moves
  const std::string reflog = must(read_file(folder.layout.repository() / "logs" / "refs" / "llmops" / "bot" / "heads" / "main"));
  CHECK(std::count(reflog.begin(), reflog.end(), '\n') == 2);
}

TEST_CASE("damaged objects are not handed out") {
  Folder folder;
  const std::string blob = folder.commit(1).second;
  const fs::path file = folder.layout.repository() / "objects" / blob.substr(0, 2) / blob.substr(2);
  std::string bytes = must(read_file(file));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fs::permissions(file, fs::perms::owner_all);
  std::ofstream(file, std::ios::binary) << bytes;
  auto again = must(ObjectRepo::open(folder.layout));
  const auto read = again->read(GitKind::kBlob, blob);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::kCorrupt);
  const auto other_kind = again->read(GitKind::kTree, folder.commit(2).first);
  REQUIRE_FALSE(other_kind);
  CHECK(other_kind.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("reflog entries do not carry the user's identity") {
  Folder folder;
  const std::string commit = folder.commit(1).first;
  const FileLock lock = folder.lock();
  must(folder.repo->move_ref(lock, "refs/llmops/bot/heads/main", commit, std::nullopt, "first"));
  const std::string reflog = must(read_file(folder.layout.repository() / "logs" / "refs" / "llmops" / "bot" / "heads" / "main"));
  CHECK(reflog.find("llmops <llmops@localhost>") != std::string::npos);
}

TEST_CASE("a full disk while writing objects is reported as such") {
  Folder folder;
  const test::Failpoints points("git.write:enospc");
  const Status status = folder.repo->write({{GitKind::kBlob, "x"}});
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kIo);
  CHECK(status.error().message == "cannot write to '" + folder.layout.repository().string() + "': the disk is full");
}

}  // namespace llmops
