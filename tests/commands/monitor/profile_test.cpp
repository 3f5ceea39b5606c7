// `monitor profile` and `monitor merge`: shards of files, what is left out, what is refused.
#include "commands/monitor/profile.h"

#include <random>

#include "core/drift/profile_file.h"
#include "core/sketch/hash64.h"
#include "tests/commands/project_fixture.h"

namespace llmops {
namespace {

using test::must;

MonitorProfileOptions options_for(std::vector<std::string> sources, const std::string& output) {
  MonitorProfileOptions options;
  options.sources = std::move(sources);
  options.output = output;
  options.strata = {"route"};
  return options;
}

std::vector<std::string> lines(size_t count) {
  std::mt19937 random(1);
  std::vector<std::string> made;
  for (size_t i = 0; i < count; ++i) {
    std::string text;
    for (unsigned w = random() % 8; w > 0; --w) text += "word" + std::to_string(random() % 200 * (random() % 200) / 200) + " ";
    made.push_back("{\"ts\": " + std::to_string(1'795'300'000 + random() % 9000) + ", \"id\": \"t" + std::to_string(i) + "\", \"route\": \"r" + std::to_string(i % 2) + "\", \"input\": \"" + text + "\", \"output\": \"" + (i % 9 == 0 ? "" : "fine") +
                   "\", \"latency_ms\": " + std::to_string(random() % 5000) + ", \"out_tok\": " + std::to_string(random() % 99) + (i % 3 == 0 ? ", \"session\": \"s" + std::to_string(i % 17) + "\"" : "") + "}\n");
  }
  made[3] = "{\"ts\": 1795300000, \"id\": \"cut\", \"inp\n";
  made[4] = "{\"ts\": 1795300000, \"id\": \"bytes\", \"input\": \"caf\xE9 \xFF\"}\n";
  made[5] = "{\"ts\": 1795300000, \"id\": \"empty\", \"input\": \"\"}\n";
  made[6] = "{\"id\": \"late\", \"input\": \"no time\"}\n";
  return made;
}

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += one;
  return text;
}

}  // namespace

TEST_CASE("profiles of shards merge to the very bytes of the profile of one pass") {
  test::ProjectFolder project;
  const std::vector<std::string> all = lines(400);
  project.write("all.jsonl", joined(all));
  auto session = project.session();
  const auto report = must(monitor_profile(session, options_for({"all.jsonl"}, "all.profile")));
  CHECK((report.sources[0].lines == 400 && report.sources[0].records == 398 && report.sources[0].repaired == 1));
  CHECK((report.profile.left_out.dropped == std::map<std::string, int64_t>{{"a record has no 'ts'", 1}, {"malformed JSON", 1}}));
  CHECK(report.sources[0].dropped.at("malformed JSON").first_line == 4);
  CHECK((report.profile.counts.records == 398 && report.profile.counts.with_text == 398));
  const std::string expected = must(read_file(project.root() / "all.profile"));
  for (const size_t shards : {1U, 2U, 7U}) {
    for (const bool by_hash : {false, true}) {
      std::vector<std::string> parts(shards);
      for (size_t i = 0; i < all.size(); ++i) parts[by_hash ? hash64(all[i]) % shards : i * shards / all.size()] += all[i];
      MonitorMergeOptions merge;
      for (size_t s = 0; s < shards; ++s) {
        const std::string name = "shard" + std::to_string(s);
        project.write(name + ".jsonl", parts[s]);
        must(monitor_profile(session, options_for({name + ".jsonl"}, name + ".profile")));
        merge.profiles.push_back(name + ".profile");
      }
      std::mt19937 random(static_cast<unsigned>(shards));
      std::shuffle(merge.profiles.begin(), merge.profiles.end(), random);
      merge.output = "merged.profile";
      must(monitor_merge(session, merge));
      CHECK(must(read_file(project.root() / "merged.profile")) == expected);
    }
  }
}

TEST_CASE("an input that is a profile of the merge may be its output") {
  test::ProjectFolder project;
  project.write("a.jsonl", joined(lines(20)));
  auto session = project.session();
  must(monitor_profile(session, options_for({"a.jsonl"}, "a.profile")));
  MonitorMergeOptions merge;
  merge.profiles = {"a.profile", "a.profile"};
  merge.output = "a.profile";
  CHECK(must(monitor_merge(session, merge)).profile.counts.records == 36);
  CHECK(must(monitor_profile_show(session, "a.profile")).profile.counts.records == 36);
}

TEST_CASE("equal lines without an identifier are as many requests") {
  test::ProjectFolder project;
  project.write("a.jsonl", "{\"ts\": 1795300000, \"input\": \"hello\"}\n{\"ts\": 1795300000, \"input\": \"hello\"}\n");
  auto session = project.session();
  const auto report = must(monitor_profile(session, options_for({"a.jsonl"}, "a.profile")));
  CHECK((report.profile.counts.records == 2 && report.profile.words == std::vector<std::pair<std::string, int64_t>>{{"hello", 2}}));
}

TEST_CASE("specs that differ do not merge, and nothing is written") {
  test::ProjectFolder project;
  project.write("a.jsonl", joined(lines(20)));
  auto session = project.session();
  must(monitor_profile(session, options_for({"a.jsonl"}, "a.profile")));
  MonitorProfileOptions other = options_for({"a.jsonl"}, "b.profile");
  other.strata = {"route", "language"};
  must(monitor_profile(session, other));
  MonitorMergeOptions merge;
  merge.profiles = {"a.profile", "b.profile"};
  merge.output = "c.profile";
  const auto refused = monitor_merge(session, merge);
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::kData);
  CHECK(refused.error().message.find("(strata [\"route\"] against [\"language\",\"route\"])") != std::string::npos);
  CHECK(refused.error().where.file == "b.profile");
  CHECK_FALSE(fs::exists(project.root() / "c.profile"));
  project.write("b.profile", must(read_file(project.root() / "a.profile")).substr(0, 3000));
  CHECK(monitor_merge(session, merge).error().message.find("is cut off") != std::string::npos);
  CHECK_FALSE(fs::exists(project.root() / "c.profile"));
}

TEST_CASE("spans whose traces can go over several lines are refused, with the way to go") {
  test::ProjectFolder project;
  project.write("spans.jsonl", "{\"trace\": \"t\", \"id\": \"1\", \"name\": \"reply\", \"output\": \"hi\"}\n");
  auto session = project.session();
  const auto refused = monitor_profile(session, options_for({"spans.jsonl"}, "p"));
  REQUIRE(!refused);
  CHECK(refused.error().message == "'spans.jsonl' holds lines of spans, whose requests can go over several lines");
  CHECK(refused.error().hint == "store them first: llmops monitor ingest spans.jsonl, then llmops monitor profile --stored");
  CHECK_FALSE(fs::exists(project.root() / "p"));
}

TEST_CASE("a profile of the store is that of the file, where records are whole") {
  test::ProjectFolder project;
  std::vector<std::string> all = lines(60);
  all.erase(all.begin() + 3, all.begin() + 7);
  project.write("a.jsonl", joined(all));
  auto session = project.session();
  must(monitor_profile(session, options_for({"a.jsonl"}, "a.profile")));
  MonitorIngestOptions ingest;
  ingest.sources = {"a.jsonl"};
  must(monitor_ingest(session, ingest));
  MonitorProfileOptions stored = options_for({}, "b.profile");
  stored.stored = true;
  must(monitor_profile(session, stored));
  CHECK(must(read_file(project.root() / "a.profile")) == must(read_file(project.root() / "b.profile")));
  stored.until = "2020-01-01";
  CHECK(must(monitor_profile(session, stored)).profile.cells == 0);
}

TEST_CASE("a prompt of 10 MB counts by its first 32 KiB, and an empty file is an empty profile") {
  test::ProjectFolder project;
  std::string text;
  while (text.size() < 10'000'000) text += "word" + std::to_string(text.size() % 977) + " ";
  project.write("a.jsonl", "{\"ts\": 1795300000, \"id\": \"1\", \"input\": \"" + text + "\"}\n");
  project.write("none.jsonl", "");
  auto session = project.session();
  const auto report = must(monitor_profile(session, options_for({"a.jsonl"}, "a.profile")));
  CHECK((report.profile.counts.records == 1 && *report.profile.numbers[0].p50 > 4000 && *report.profile.numbers[0].p50 < 5000));
  CHECK(must(monitor_profile(session, options_for({"none.jsonl"}, "none.profile"))).profile.cells == 0);
  CHECK(must(monitor_profile_show(session, "none.profile")).profile.counts.records == 0);
}

TEST_CASE("what cannot be asked is refused before anything is read") {
  test::ProjectFolder project;
  auto session = project.session();
  const auto message = [&](const MonitorProfileOptions& options) { return monitor_profile(session, options).error().message; };
  CHECK(message(options_for({}, "p")) == "there is no source");
  CHECK(message(options_for({"none.jsonl"}, "p")) == "file 'none.jsonl' does not exist");
  CHECK(message(options_for({"none.jsonl"}, "")) == "there is no file for the profile");
  MonitorProfileOptions options = options_for({"none.jsonl"}, "p");
  options.features = 12;
  CHECK(message(options) == "12 features cannot be");
  options = options_for({"none.jsonl"}, "p");
  options.strata = {"rute"};
  CHECK(message(options) == "'rute' is no stratum");
  options = options_for({"none.jsonl"}, "p");
  options.stored = true;
  CHECK(message(options) == "--stored takes no source");
  project.write("words.jsonl", "{\"a\": 1}\nno\n");
  CHECK(message(options_for({"words.jsonl"}, "p")) == "'words.jsonl' holds no request");
  CHECK_FALSE(fs::exists(project.root() / "p"));
}

}  // namespace llmops
