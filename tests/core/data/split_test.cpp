#include "core/data/split.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "core/base/fs.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

struct SplitTrial {
  test::TempDir directory;
  DataFile file;
  SplitReport split(const std::string& bytes, const SplitOptions& options) {
    file = {directory.write("a.jsonl", bytes), "a.jsonl", {}};
    auto report = split_rows(file, options);
    REQUIRE(report);
    return *std::move(report);
  }
};

SplitOptions in_parts(const std::string& parts) {
  SplitOptions options;
  options.parts = *parse_split_parts(parts);
  return options;
}

std::string row_of(int id, const std::string& more = "") { return "{\"id\":\"" + std::to_string(id) + "\",\"text\":\"t" + std::to_string(id) + "\"" + more + "}\n"; }

}  // namespace

TEST_CASE("a split is a function of the id: rows do not move when the file grows, shrinks or is reordered", "[data][split]") {
  SplitTrial trial;
  std::string all, some, reversed;
  for (int i = 0; i < 3000; ++i) {
    all += row_of(i);
    reversed = row_of(i) + reversed;
    if (i % 3 == 0) some += row_of(i);
  }
  const SplitOptions options = in_parts("train=.8,test=.2");
  const SplitReport whole = trial.split(all, options), third = trial.split(some, options), back = trial.split(reversed, options);
  for (size_t i = 0; i < 3000; ++i) {
    if (i % 3 == 0) CHECK(third.part_of[i / 3] == whole.part_of[i]);
    CHECK(back.part_of[2999 - i] == whole.part_of[i]);
  }
  CHECK(whole.rows[0] + whole.rows[1] == 3000);
  CHECK(static_cast<double>(whole.rows[0]) / 3000 == Approx(0.8).margin(4 * std::sqrt(0.16 / 3000)));
  SplitOptions other = options;
  other.seed = 1;
  CHECK(trial.split(all, other).part_of != whole.part_of);
}

TEST_CASE("rows without an id are placed by their content", "[data][split]") {
  SplitTrial trial;
  const SplitReport report = trial.split("{\"a\":1,\"b\":2}\n{\"b\":2,\"a\":1}\n{\"id\":\"7\",\"a\":1}\n", in_parts("x=.5,y=.5"));
  CHECK(report.rows_without_id == 2);
  CHECK(report.part_of[0] == report.part_of[1]);
}

TEST_CASE("rows of a cluster stay together", "[data][split]") {
  SplitTrial trial;
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes += row_of(i, ",\"customer\":\"c" + std::to_string(i % 150) + "\"");
  SplitOptions options = in_parts("train=.7,dev=.1,test=.2");
  options.cluster_column = "customer";
  for (const bool exact : {false, true}) {
    options.exact_shares = exact;
    const SplitReport report = trial.split(bytes, options);
    CHECK(report.clusters == 150);
    CHECK(report.largest_cluster == 14);
    for (size_t i = 150; i < 2000; ++i) CHECK(report.part_of[i] == report.part_of[i % 150]);
    if (exact) CHECK(std::abs(static_cast<double>(report.rows[2]) - 400) <= 14);
  }
}

TEST_CASE("exact shares hold in each stratum and few rows move when the file grows", "[data][split]") {
  SplitTrial trial;
  std::string bytes;
  const auto stratum = [](int i) { return ",\"label\":\"" + std::string(i % 10 == 0 ? "rare" : i % 3 == 0 ? "some" : "many") + "\""; };
  for (int i = 0; i < 1000; ++i) bytes += row_of(i, stratum(i));
  SplitOptions options = in_parts("train=.8,test=.2");
  options.stratum_column = "label";
  options.exact_shares = true;
  const SplitReport report = trial.split(bytes, options);
  CHECK(report.strata.at("rare") == std::vector<int64_t>{80, 20});
  for (const auto& [name, counts] : report.strata) {
    CHECK(std::abs(static_cast<double>(counts[1]) - 0.2 * static_cast<double>(counts[0] + counts[1])) <= 1);
  }
  for (int i = 1000; i < 1200; ++i) bytes += row_of(i, stratum(i));
  const SplitReport grown = trial.split(bytes, options);
  int moved = 0;
  for (size_t i = 0; i < 1000; ++i) moved += grown.part_of[i] != report.part_of[i] ? 1 : 0;
  CHECK(moved < 40);
  options.exact_shares = false;
  const SplitReport stable = trial.split(bytes, options);
  CHECK(stable.strata.size() == 3);
  CHECK(stable.strata.at("rare")[0] + stable.strata.at("rare")[1] == 120);
}

TEST_CASE("near rows stay together and keep their part when rows are added behind them", "[data][split]") {
  SplitTrial trial;
  std::mt19937_64 random(3);
  const auto word = [&] { return "w" + std::to_string(random() % 5000); };
  std::vector<std::vector<std::string>> prompts;
  std::string bytes;
  const auto add = [&](std::vector<std::string> words) {
    std::string text;
    for (const std::string& w : words) text += w + " ";
    bytes += "{\"id\":" + std::to_string(prompts.size()) + ",\"text\":\"" + text + "\"}\n";
    prompts.push_back(std::move(words));
  };
  for (int i = 0; i < 300; ++i) add({word(), word(), word(), word(), word(), word(), word(), word()});
  for (size_t i = 0; i < 300; ++i) {
    auto words = prompts[i];
    words[random() % 8] = word();
    add(words);
  }
  SplitOptions options = in_parts("train=.5,test=.5");
  options.near_clusters = NearOptions();
  options.near_clusters->recall = 0.99999;
  const SplitReport report = trial.split(bytes, options);
  for (size_t i = 0; i < 300; ++i) CHECK(report.part_of[i] == report.part_of[i + 300]);
  CHECK(report.clusters == 300);
  for (int i = 0; i < 200; ++i) add({word(), word(), word(), word(), word(), word(), word(), word()});
  const SplitReport grown = trial.split(bytes, options);
  for (size_t i = 0; i < 600; ++i) CHECK(grown.part_of[i] == report.part_of[i]);
}

TEST_CASE("parts are written as name=share and must sum to 1", "[data][split]") {
  const auto parts = parse_split_parts("train=.8,test=0.2");
  REQUIRE(parts);
  CHECK((*parts)[0].name == "train");
  CHECK((*parts)[0].share == 0.8);
  CHECK(parse_split_parts("all=1"));
  CHECK(parse_split_parts("train=.8,test").error().message == "part 'test' has no share");
  CHECK(parse_split_parts("a=.5,b=.4").error().message == "the shares sum to 0.9, not 1");
  CHECK(parse_split_parts("a=.5,a=.5").error().message == "part 'a' is named twice");
  CHECK(parse_split_parts("../a=1").error().message == "'../a' is no name for a part");
  CHECK(parse_split_parts("a=x").error().message == "the share 'x' of part 'a' is not between 0 and 1");
  CHECK(parse_split_parts("").error().message == "part '' has no share");
}

TEST_CASE("what cannot be split says why", "[data][split]") {
  test::TempDir directory;
  const DataFile file{directory.write("a.jsonl", "{\"id\":1}\n"), "a.jsonl", {}};
  SplitOptions options = in_parts("a=.5,b=.5");
  options.cluster_column = "c";
  options.near_clusters = NearOptions();
  CHECK(split_rows(file, options).error().message == "clusters come from a column or from near rows, not from both");
  CHECK(split_rows(file, {}).error().message == "a split needs parts");
  std::string bytes;
  for (int i = 0; i < 10'001; ++i) bytes += row_of(i);
  directory.write("a.jsonl", bytes);
  options = in_parts("a=.5,b=.5");
  options.stratum_column = "text";
  CHECK(split_rows(file, options).error().message == "column 'text' of 'a.jsonl' has more than 10000 values");
}

}  // namespace llmops
