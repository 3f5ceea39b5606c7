// `monitor test`: what files hold, which test is taken, what is refused.
#include "commands/monitor/test.h"

#include <cmath>
#include <random>

#include "core/format/npy.h"
#include "tests/commands/project_fixture.h"

namespace llmops {
namespace {

using test::must;

MonitorTestOptions options_for(const std::string& reference, const std::string& current, const std::string& method = "") {
  MonitorTestOptions options;
  options.reference = reference;
  options.current = current;
  options.method = method;
  options.permutations = 199;
  return options;
}

std::string numbers(size_t count, double shift, const std::string& header = "latency_ms\n") {
  std::mt19937 random(static_cast<unsigned>(count + static_cast<size_t>(10 * shift)));
  std::normal_distribution<double> normal;
  std::string text = header;
  for (size_t i = 0; i < count; ++i) text += std::to_string(std::round(100 * (5 + normal(random) + shift))) + "\n";
  return text;
}

}  // namespace

TEST_CASE("the test is chosen by what the files hold") {
  test::ProjectFolder project;
  project.write("a.csv", numbers(80, 0));
  project.write("b.csv", numbers(90, 1));
  std::string texts;
  for (int i = 0; i < 20; ++i) texts += "question number " + std::to_string(i) + " about cards\n";
  project.write("a.txt", texts);
  project.write("b.txt", texts + "something else\n");
  std::vector<float> values(40);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7);
  const std::vector<uint64_t> shape{20, 2};
  must(write_npy(project.root() / "a.npy", shape, values));
  const auto session = project.session();
  const auto shifted = must(monitor_test(session, options_for("a.csv", "b.csv")));
  CHECK((shifted.method == "ks" && shifted.kind == "numbers" && shifted.verdict == DriftVerdict::kDrift && shifted.result.p_kind == "exact"));
  const auto of_texts = must(monitor_test(session, options_for("a.txt", "b.txt")));
  CHECK((of_texts.method == "novelty" && of_texts.kind == "texts" && of_texts.verdict == DriftVerdict::kNoDrift && of_texts.carriers.size() == 10));
  const auto of_vectors = must(monitor_test(session, options_for("a.npy", "a.npy")));
  CHECK((of_vectors.method == "mmd" && of_vectors.verdict == DriftVerdict::kNoDrift && of_vectors.reference_count == 20));
}

TEST_CASE("few items are not enough data, and permutations that cannot reach the level are refused") {
  test::ProjectFolder project;
  project.write("few.csv", numbers(7, 0));
  project.write("some.csv", numbers(40, 3));
  const auto session = project.session();
  const auto report = must(monitor_test(session, options_for("some.csv", "few.csv")));
  CHECK((report.verdict == DriftVerdict::kNotEnoughData && report.reason == "40 and 7 items: at least 8 are needed on each side"));
  MonitorTestOptions thin = options_for("some.csv", "some.csv", "wasserstein");
  thin.permutations = 50;
  const auto refused = monitor_test(session, thin);
  CHECK(refused.error().message == "50 permutations cannot give a p-value of 0.01 or less");
  CHECK(refused.error().hint == "give --permutations 99 or more");
}

TEST_CASE("files and columns that cannot be read say why") {
  test::ProjectFolder project;
  project.write("two.csv", "a,b\n1,x\n2,y\n");
  project.write("nan.csv", "a\n1\nnan\n");
  project.write("gap.jsonl", "{\"a\": 1}\n{\"b\": 2}\n");
  project.write("uneven.jsonl", "{\"v\": [1, 2]}\n{\"v\": [1]}\n");
  project.write("empty.csv", "a\n");
  const auto session = project.session();
  const auto says = [&](const std::string& file, const std::string& field = "", const std::string& method = "") {
    MonitorTestOptions options = options_for(file, file, method);
    options.field = field;
    const auto report = monitor_test(session, options);
    REQUIRE_FALSE(report);
    return report.error().message;
  };
  CHECK(says("none.csv") == "file 'none.csv' does not exist");
  CHECK(says("two.csv") == "'two.csv' has several columns: a, b");
  CHECK(says("two.csv", "c") == "'two.csv' has no column 'c'");
  CHECK(says("nan.csv") == "'nan.csv' holds NaN in row 2, column 'a'");
  CHECK(says("gap.jsonl") == "row 2 of 'gap.jsonl' has no 'a'");
  CHECK(says("uneven.jsonl") == "row 2 of 'uneven.jsonl' has a vector of 1 values, and the first has 2");
  CHECK(says("empty.csv") == "'empty.csv' holds no rows");
  CHECK(says("two.csv", "a", "kss") == "unknown method 'kss'");
}

}  // namespace llmops
