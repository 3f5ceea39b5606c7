// Paths in a user's file: what stays inside the project, and what globs find.
#include <catch2/catch.hpp>

#include "core/base/fs.h"
#include "tests/support/test_data.h"

using namespace llmops;
using llmops::test::TempDir;

namespace {

struct Project {
  TempDir dir;
  fs::path root = dir.path() / "project";
  Project() {
    dir.write("outside/secret.txt", "s");
    dir.write("project/chains/a.chain.yaml", "a");
    dir.write("project/prompts/system.md", "p");
  }
  std::string resolve(std::string_view relative) const {
    const auto path = resolve_inside(root, root / "chains", relative);
    if (path) return path->lexically_relative(root).generic_string();
    CHECK(path.error().code == ErrorCode::kConfig);
    return path.error().message + " | " + path.error().hint;
  }
  std::string glob(std::string_view pattern) const {
    const auto found = expand_glob(root, root / "chains", pattern);
    if (!found) return found.error().message + " | " + found.error().hint;
    std::string all;
    for (const std::string& path : *found) all += (all.empty() ? "" : " ") + path;
    return all;
  }
};

}  // namespace

TEST_CASE("a relative path is resolved against its own file and may climb up to the root") {
  const Project project;
  CHECK(project.resolve("a.md") == "chains/a.md");
  CHECK(project.resolve("./x/../a.md") == "chains/a.md");
  CHECK(project.resolve("../prompts/system.md") == "prompts/system.md");
  CHECK(project.resolve("not/there/yet.md") == "chains/not/there/yet.md");
}

TEST_CASE("a path that leads out of the project is refused, however it is written") {
  const Project project;
  const std::string hint = " | keep files below '" + project.root.string() + "'";
  CHECK(project.resolve("../../outside/secret.txt") == "path '../../outside/secret.txt' leads outside the project" + hint);
  CHECK(project.resolve("../..") == "path '../..' leads outside the project" + hint);
  CHECK(project.resolve("x/../../../outside/secret.txt") == "path 'x/../../../outside/secret.txt' leads outside the project" + hint);
  CHECK(project.resolve("../../project-other/x") == "path '../../project-other/x' leads outside the project" + hint);
  CHECK(project.resolve("/etc/passwd") == "path '/etc/passwd' is absolute | write it relative to the file it stands in");
  CHECK(project.resolve("") == "path '' is empty | name a file");
  CHECK(project.resolve("a\nb").find("holds control characters | rename the file") != std::string::npos);
  CHECK(project.resolve(std::string_view("a\0b", 3)).find("holds control characters | rename the file") != std::string::npos);
}

TEST_CASE("a link out of the project is refused, one inside is followed") {
  const Project project;
  const std::string words = " leads outside the project through a symbolic link | copy the file into the project";
  fs::create_symlink(project.dir.path() / "outside", project.root / "chains/out");
  fs::create_symlink("../../outside/secret.txt", project.root / "chains/file");
  fs::create_symlink("../prompts", project.root / "chains/in");
  fs::create_symlink("in", project.root / "chains/twice");
  CHECK(project.resolve("out/secret.txt") == "path 'out/secret.txt'" + words);
  CHECK(project.resolve("out/not-there") == "path 'out/not-there'" + words);
  CHECK(project.resolve("file") == "path 'file'" + words);
  CHECK(project.resolve("in/system.md") == "chains/in/system.md");
  CHECK(project.resolve("twice/system.md") == "chains/twice/system.md");
  // '..' behind a link is what the text says, never what the link's target says.
  CHECK(project.resolve("out/../a.md") == "chains/a.md");
}

TEST_CASE("a link to something outside that does not exist is refused too") {
  const Project project;
  fs::create_symlink(project.dir.path() / "outside/later.txt", project.root / "chains/dangling");
  CHECK(project.resolve("dangling") == "path 'dangling' leads outside the project through a symbolic link | copy the file into the project");
}

TEST_CASE("links in a circle are an error, not an endless walk") {
  const Project project;
  fs::create_symlink("b", project.root / "chains/a");
  fs::create_symlink("a", project.root / "chains/b");
  CHECK_FALSE(resolve_inside(project.root, project.root / "chains", "a/x"));
}

TEST_CASE("the project may itself lie behind a link") {
  const Project project;
  fs::create_directory_symlink(project.root, project.dir.path() / "alias");
  const fs::path root = project.dir.path() / "alias";
  CHECK(resolve_inside(root, root / "chains", "../prompts/system.md"));
  CHECK_FALSE(resolve_inside(root, root / "chains", "../../outside/secret.txt"));
}

TEST_CASE("a glob finds files sorted by bytes, and no hidden ones") {
  const Project project;
  for (const char* path : {"kb/b.md", "kb/a.md", "kb/Z.md", "kb/.hidden.md", "kb/sub/c.md", "kb/sub/deep/d.md", "kb/n1.txt", "kb/n2.txt", "kb/.dir/e.md", "kb/.llmops/f.md"}) {
    project.dir.write(std::string("project/chains/") + path, "x");
  }
  CHECK(project.glob("kb/*.md") == "kb/Z.md kb/a.md kb/b.md");
  CHECK(project.glob("kb/?.md") == "kb/Z.md kb/a.md kb/b.md");
  CHECK(project.glob("kb/[ab].md") == "kb/a.md kb/b.md");
  CHECK(project.glob("kb/[!a]*.md") == "kb/Z.md kb/b.md");
  CHECK(project.glob("kb/**/*.md") == "kb/Z.md kb/a.md kb/b.md kb/sub/c.md kb/sub/deep/d.md");
  CHECK(project.glob("**/d.md") == "kb/sub/deep/d.md");
  CHECK(project.glob("kb/*/c.md") == "kb/sub/c.md");
  CHECK(project.glob("kb/.*.md") == "kb/.hidden.md");
  CHECK(project.glob("./kb//a.md") == "kb/a.md");
  CHECK(project.glob("../prompts/*.md") == "../prompts/system.md");
  CHECK(project.glob("kb/*.none").empty());
  CHECK(project.glob("/etc/*") == "path '/etc/*' is absolute | write it relative to the file it stands in");
}

TEST_CASE("a glob that meets a link out of the project is an error") {
  const Project project;
  project.dir.write("project/chains/kb/a.md", "x");
  fs::create_symlink("../../../outside/secret.txt", project.root / "chains/kb/link.md");
  CHECK(project.glob("kb/*.md") == "path 'kb/link.md' leads outside the project through a symbolic link | copy the file into the project");
  CHECK(project.glob("../../outside/*").find("leads outside the project") != std::string::npos);
}

TEST_CASE("what is a glob and what is a path") {
  CHECK(is_glob("*.md"));
  CHECK(is_glob("a?"));
  CHECK(is_glob("[ab]"));
  CHECK_FALSE(is_glob("kb/a.md"));
}
