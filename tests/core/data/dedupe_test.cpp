#include "core/data/dedupe.h"

#include <catch2/catch.hpp>

#include "core/base/fs.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

// "kept<dropped dropped; ..." of a file's groups, by row.
std::string groups_in(const std::string& name, const std::string& bytes, DedupeOptions options) {
  test::TempDir directory;
  const auto report = find_duplicates({directory.write(name, bytes), name, {}}, options);
  REQUIRE(report);
  std::string shown;
  for (const DedupeGroup& group : report->groups) {
    shown += (shown.empty() ? "" : "; ") + std::to_string(group.kept.row) + "<";
    for (const DedupeMember& member : group.dropped) shown += (&member == &group.dropped[0] ? "" : " ") + std::to_string(member.row);
  }
  return shown;
}

DedupeOptions by(DedupeMethod method, std::vector<std::string> columns = {}) {
  DedupeOptions options;
  options.method = method;
  options.columns = std::move(columns);
  return options;
}

std::string kept_of(const std::string& name, const std::string& bytes, const DedupeOptions& options) {
  test::TempDir directory;
  const DataFile file{directory.write(name, bytes), name, {}};
  const auto report = find_duplicates(file, options);
  REQUIRE(report);
  const fs::path out = directory.path() / "out";
  REQUIRE(write_rows(file, report->keep, out));
  return *read_file(out);
}

}  // namespace

TEST_CASE("exact duplicates are rows equal in all fields but the id, or in named columns", "[data][dedupe]") {
  const std::string rows = "{\"id\":1,\"q\":\"a\",\"l\":1}\n{\"id\":2,\"l\":1,\"q\":\"\\u0061\"}\n{\"id\":3,\"q\":\"a\",\"l\":2}\n{\"id\":4,\"q\":\"A\",\"l\":1}\n";
  CHECK(groups_in("a.jsonl", rows, by(DedupeMethod::kExact)) == "1<2");
  CHECK(groups_in("a.jsonl", rows, by(DedupeMethod::kExact, {"q"})) == "1<2 3");
  CHECK(groups_in("a.jsonl", rows, by(DedupeMethod::kNormalised)) == "1<2 3 4");
}

TEST_CASE("normalised duplicates differ in case, white space and punctuation only", "[data][dedupe]") {
  CHECK(groups_in("a.csv", "text,label\nHow do I pay?,x\nhow do  i PAY,y\nHow do I pay it,z\n,x\n,y\n", by(DedupeMethod::kNormalised)) == "1<2");
}

TEST_CASE("near duplicates are judged by a kept row", "[data][dedupe]") {
  DedupeOptions options = by(DedupeMethod::kNear);
  options.near = NearOptions();
  options.near->recall = 0.9999;
  CHECK(groups_in("a.jsonl",
                  "{\"prompt\":\"how do i locate my new card\"}\n{\"prompt\":\"how do i find my new card\"}\n{\"prompt\":\"what is the weather like today\"}\n"
                  "{\"prompt\":\"card my new locate i do how\"}\n{\"prompt\":\"what is the weather like in paris today\"}\n",
                  options) == "1<2; 3<5");
}

TEST_CASE("kept rows are written byte for byte", "[data][dedupe]") {
  CHECK(kept_of("a.csv", "\xEF\xBB\xBFid,text\r\n1,\"a\nb\"\r\n2,\"a\nb\"\n3,\"c \"\"d\"\"\"\n4,e", by(DedupeMethod::kExact)) == "id,text\r\n1,\"a\nb\"\r\n3,\"c \"\"d\"\"\"\n4,e");
  CHECK(kept_of("a.jsonl", "{\"a\" : \"x\"}\n\n{\"a\":\"x\"}\n{ \"a\":\"y\"}", by(DedupeMethod::kExact)) == "{\"a\" : \"x\"}\n{ \"a\":\"y\"}");
  CHECK(kept_of("a.json", "[{\"a\":\"x\"},\n{\"a\":\"x\"}, {\"a\":\"y\"}]", by(DedupeMethod::kExact)) == "{\"a\":\"x\"}\n{\"a\":\"y\"}\n");
}

TEST_CASE("what rows are compared by is found in the row", "[data][dedupe]") {
  CHECK(groups_in("a.jsonl",
                  "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Hello.\"}]}\n"
                  "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"hello\"}],\"n\":1}\n",
                  by(DedupeMethod::kNormalised)) == "1<2");
  CHECK(groups_in("a.csv", "id,first,second\n1,a,b\n2,A,B\n3,a,c\n", by(DedupeMethod::kNormalised)) == "1<2");
  CHECK(groups_in("a.csv", "id,first,second\n1,a,b\n2,A,B\n3,a,c\n", by(DedupeMethod::kNormalised, {"first"})) == "1<2 3");
  test::TempDir directory;
  const auto unknown = find_duplicates({directory.write("a.csv", "text,label\nx,y\n"), "a.csv", {}}, by(DedupeMethod::kNormalised, {"txt"}));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message == "row 1 has no column 'txt'");
  CHECK(unknown.error().hint == "did you mean 'text'?");
  CHECK(unknown.error().where.line == 2);
}

TEST_CASE("broken rows stop a dedupe with their place", "[data][dedupe]") {
  test::TempDir directory;
  const auto report = find_duplicates({directory.write("a.jsonl", "{\"a\":\"x\"}\n{\"a\":\n"), "data/a.jsonl", {}});
  REQUIRE_FALSE(report);
  CHECK(report.error().message == "row 2 ends inside a value");
  CHECK(report.error().hint == "run llmops eval data check for all broken rows");
  CHECK(report.error().where.file == "data/a.jsonl");
  CHECK(report.error().where.line == 2);
  CHECK(report.error().where.column == 6);
}

TEST_CASE("a file that changed between the passes is not written", "[data][dedupe]") {
  test::TempDir directory;
  const DataFile file{directory.write("a.jsonl", "{\"a\":\"x\"}\n{\"a\":\"x\"}\n"), "a.jsonl", {}};
  const auto report = find_duplicates(file);
  REQUIRE(report);
  directory.write("a.jsonl", "{\"a\":\"x\"}\n");
  const auto written = write_rows(file, report->keep, directory.path() / "out");
  REQUIRE_FALSE(written);
  CHECK(written.error().message == "'a.jsonl' changed while it was read");
  CHECK_FALSE(fs::exists(directory.path() / "out"));
}

TEST_CASE("methods of finding duplicates are named", "[data][dedupe]") {
  CHECK(*parse_dedupe_method("near") == DedupeMethod::kNear);
  CHECK(parse_dedupe_method("nera").error().hint == "did you mean 'near'?");
}

}  // namespace llmops
