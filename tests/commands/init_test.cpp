// `init` in folders that are not empty.
#include "commands/init.h"

#include "tests/commands/project_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Folder : ProjectFolder {
  Folder() { fs::remove(root() / "llmops.yaml"); }
  InitReport init(const std::string& name, bool dry_run = false, const std::string& directory = "") {
    Surroundings surroundings;
    surroundings.working_directory = root();
    surroundings.clock = &clock;
    return must(init_project(surroundings, {directory, name, dry_run}));
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("blank adds no chain and no suite where there is one") {
  for (const bool chain : {true, false}) {
    Folder folder;
    folder.write(chain ? "sub/own.chain.yaml" : "own.eval.yaml", chain ? kQaChain : kQaSuite);
    InitReport report = folder.init("blank", true);
    CHECK(report.made == Names{"llmops.yaml", ".gitignore", ".llmops/"});
    CHECK_FALSE(fs::exists(folder.root() / "llmops.yaml"));
    report = folder.init("blank");
    CHECK(report.made == Names{"llmops.yaml", ".gitignore", ".llmops/"});
    CHECK(report.left_out == Names{"data/eval.jsonl", "main.chain.yaml", "main.eval.yaml"});
    CHECK(report.kept.empty());
    CHECK(report.next == (chain ? "llmops version status" : "llmops eval run"));
    CHECK_FALSE(fs::exists(folder.root() / "main.chain.yaml"));
    CHECK_FALSE(fs::exists(folder.root() / "data"));
  }
}

TEST_CASE("a chain of a project further down is not this project's") {
  Folder folder;
  folder.write("sub/llmops.yaml", "llmops: project/v1\n");
  folder.write("sub/own.chain.yaml", kQaChain);
  const InitReport report = folder.init("blank");
  CHECK(report.left_out.empty());
  CHECK(report.next == "llmops eval run");
  CHECK(folder.session().resolve_suite("").has_value());
}

TEST_CASE("a template beside a project overwrites nothing and names the suite to run") {
  Folder folder;
  folder.write("llmops.yaml", "llmops: project/v1\n");
  folder.write_qa();
  const std::string chain = must(read_file(folder.root() / "qa.chain.yaml"));
  const InitReport report = folder.init("classify");
  CHECK(report.kept == Names{"llmops.yaml"});
  CHECK(std::find(report.made.begin(), report.made.end(), "classify.eval.yaml") != report.made.end());
  CHECK(report.next == "llmops eval run classify.eval.yaml");
  CHECK(must(read_file(folder.root() / "qa.chain.yaml")) == chain);
  CHECK(must(read_file(folder.root() / "llmops.yaml")) == "llmops: project/v1\n");
  CHECK(folder.init("classify").kept.size() == report.made.size() - 2 + 1);  // all but .gitignore and .llmops/, and llmops.yaml
}

TEST_CASE("a new folder gets the whole blank project") {
  Folder folder;
  const InitReport report = folder.init("blank", false, "new");
  CHECK(report.left_out.empty());
  CHECK(report.next == "cd new && llmops eval run");
  CHECK(fs::exists(folder.root() / "new/main.eval.yaml"));
}
