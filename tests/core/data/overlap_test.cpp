#include "core/data/overlap.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "core/base/fs.h"
#include "core/data/ngram_table.h"
#include "core/data/normal_form.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

struct OverlapTrial {
  test::TempDir directory;
  DataFile a, b;
  OverlapTrial(const std::string& a_bytes, const std::string& b_bytes)
      : a{directory.write("a.jsonl", a_bytes), "a.jsonl", {}}, b{directory.write("b.jsonl", b_bytes), "b.jsonl", {}} {}
  OverlapReport find(OverlapOptions options = {}) {
    if (!options.near) {
      options.near = NearOptions();
      options.near->recall = 0.9999;
    }
    auto report = find_overlap(a, b, options);
    REQUIRE(report);
    return *std::move(report);
  }
};

std::string rows_of(const std::vector<std::string>& texts) {
  std::string bytes;
  for (const std::string& text : texts) bytes += "{\"text\":\"" + text + "\"}\n";
  return bytes;
}

// "b:method:a:score" of each hit.
std::string shown_hits(const OverlapReport& report) {
  std::string shown;
  for (const OverlapHit& hit : report.hits) {
    shown += (shown.empty() ? "" : " ") + std::to_string(hit.row_b) + ":" + std::string(overlap_method_name(hit.method)) + ":" + std::to_string(hit.row_a) + ":" +
             std::to_string(static_cast<int>(hit.score * 100 + 0.5f));
  }
  return shown;
}

OverlapOptions only(OverlapMethod method) {
  OverlapOptions options;
  options.methods = {method};
  return options;
}

// Share of the distinct runs of `size` words of `row` that stand in `text`, by sets of strings.
double slow_share(const std::vector<std::string>& row, const std::vector<std::string>& text, size_t size) {
  const auto runs = [size](const std::vector<std::string>& words) {
    std::set<std::vector<std::string>> all;
    for (size_t i = 0; i + size <= words.size(); ++i) all.insert({words.begin() + static_cast<std::ptrdiff_t>(i), words.begin() + static_cast<std::ptrdiff_t>(i + size)});
    return all;
  };
  const auto mine = runs(row), other = runs(text);
  double common = 0;
  for (const auto& run : mine) common += other.contains(run) ? 1 : 0;
  return mine.empty() ? 0 : common / static_cast<double>(mine.size());
}

std::string joined_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) (text += text.empty() ? "" : " ") += word;
  return text;
}

}  // namespace

TEST_CASE("each method finds the rows that two sets share, the best match first in the file", "[data][overlap]") {
  OverlapTrial trial(rows_of({"how do i pay", "what is my balance on the card", "How do I pay", "other words stand here"}),
                     rows_of({"How do I pay", "what is my new balance on the card", "nothing of this is known", ""}));
  const OverlapReport report = trial.find();
  CHECK(shown_hits(report) == "1:exact:3:100 1:normalised:1:100 1:near:1:100 2:near:2:88");
  CHECK(report.any_b == 2);
  CHECK(report.any_a == 3);
  CHECK(report.rows_b_hit == std::array<int64_t, kOverlapMethods>{1, 1, 0, 2});
  CHECK(report.clean_a == std::vector<bool>{false, false, false, true});
  CHECK(report.clean_b == std::vector<bool>{false, false, true, true});
  CHECK(report.hits[0].line_a == 3);
}

TEST_CASE("decontaminating writes the first set without what hits the second", "[data][overlap]") {
  OverlapTrial trial(rows_of({"how do i pay", "what is my balance", "how do i pay"}), rows_of({"HOW DO I PAY"}));
  const OverlapReport report = trial.find();
  const fs::path out = trial.directory.path() / "clean.jsonl";
  REQUIRE(write_rows(trial.a, report.clean_a, out));
  CHECK(*read_file(out) == rows_of({"what is my balance"}));
}

TEST_CASE("a run of thirteen words in common is a hit for long rows, most runs of eight for short ones", "[data][overlap]") {
  const std::string thirteen = "a b c d e f g h i j k l m";
  OverlapTrial trial(rows_of({"x y " + thirteen + " z", "p q r s t u v w x y z", "p q r s t u v w"}),
                     rows_of({thirteen + " n o p q", "a b c d e f g h i j k l x m n o p", "o p q r s t u v w x y", "p q r s t u v x w y z", "p q r s t u v"}));
  const OverlapReport report = trial.find(only(OverlapMethod::kNgram));
  CHECK(shown_hits(report) == "1:ngram:1:20 3:ngram:2:75");
  CHECK(report.too_short_for_runs == 1);
}

TEST_CASE("runs in common are those that sets of strings have in common", "[data][overlap]") {
  std::mt19937_64 random(14);
  const NgramOptions options{6, 3, 0.5};
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<std::string>> rows(8);
    NgramTable table(options);
    for (uint32_t i = 0; i < rows.size(); ++i) {
      for (size_t left = random() % 12; left > 0; --left) rows[i].push_back(std::string(1, static_cast<char>('a' + random() % 3)));
      table.add(joined_words(rows[i]), i);
    }
    table.seal();
    std::vector<std::string> text;
    for (size_t left = random() % 20; left > 0; --left) text.push_back(std::string(1, static_cast<char>('a' + random() % 3)));
    const auto found = table.find(joined_words(text));
    for (uint32_t i = 0; i < rows.size(); ++i) {
      const bool is_long = rows[i].size() >= 6;
      const double share = slow_share(rows[i], text, is_long ? 6 : 3);
      const auto match = std::find_if(found.begin(), found.end(), [&](const RunMatch& m) { return m.row == i; });
      CHECK((match != found.end()) == (is_long ? share > 0 : share >= 0.5));
      if (match != found.end()) CHECK(match->share == Approx(share));
    }
  }
}

TEST_CASE("columns of the two sets may have different names", "[data][overlap]") {
  OverlapTrial trial("{\"input\":\"how do i pay\",\"output\":\"so\"}\n", "{\"id\":1,\"utterance\":\"How do I pay?\"}\n");
  OverlapOptions options = only(OverlapMethod::kNormalised);
  CHECK(shown_hits(trial.find(options)) == "1:normalised:1:100");
  options.columns_a = {"output"};
  CHECK(shown_hits(trial.find(options)).empty());
}

TEST_CASE("overlap of empty sets is empty, and bad options are refused", "[data][overlap]") {
  OverlapTrial trial("", rows_of({"a"}));
  CHECK(trial.find().any_b == 0);
  OverlapTrial other(rows_of({"a"}), "");
  CHECK(other.find().any_a == 0);
  OverlapOptions options;
  options.ngram.long_words = 2;
  CHECK(find_overlap(other.a, other.b, options).error().message == "runs of 8 and 2 words cannot be compared");
  options.ngram = {13, 5, 2};
  CHECK(find_overlap(other.a, other.b, options).error().message == "the share 2 of runs is not between 0 and 1");
  CHECK(parse_overlap_method("ngrams").error().hint == "did you mean 'ngram'?");
}

}  // namespace llmops
