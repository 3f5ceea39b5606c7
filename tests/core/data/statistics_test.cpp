#include "core/data/statistics.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "core/data/json_line.h"

namespace llmops {
namespace {

void add_line(StatisticsPart& part, const std::string& text, int64_t line) {
  Row row;
  REQUIRE_FALSE(scan_json_object(text, row));
  part.add_row(row, line, text.size());
}

}  // namespace

TEST_CASE("quantiles of lengths agree with the sorted list", "[data][statistics]") {
  std::mt19937_64 random(23);
  for (const uint64_t range : {10u, 2048u, 100'000u, 1'000'000'000u}) {
    LengthDistribution lengths, left, right;
    std::vector<uint64_t> all;
    for (int i = 0; i < 5000; ++i) {
      const uint64_t length = random() % range;
      all.push_back(length);
      lengths.add(length);
      (i % 3 == 0 ? left : right).add(length);
    }
    std::sort(all.begin(), all.end());
    left.merge(right);
    for (const double share : {0.001, 0.05, 0.5, 0.95, 1.0}) {
      const auto exact = static_cast<double>(all[static_cast<size_t>(std::ceil(share * 5000)) - 1]);
      CHECK(static_cast<double>(lengths.quantile(share)) <= exact);
      CHECK(static_cast<double>(lengths.quantile(share)) >= std::floor(exact * (1 - 1.0 / 1024)));
      CHECK(left.quantile(share) == lengths.quantile(share));
    }
    CHECK(lengths.minimum() == all.front());
    CHECK(lengths.maximum() == all.back());
    CHECK(left.mean() == lengths.mean());
  }
  CHECK(LengthDistribution().quantile(0.5) == 0);
  CHECK(LengthDistribution().minimum() == 0);
}

TEST_CASE("fields are counted: present, blank, types and where each is seen first", "[data][statistics]") {
  StatisticsPart part("l", true);
  add_line(part, R"({"a":"one two","l":"x"})", 1);
  add_line(part, R"({"l":"y","a":3,"b":null})", 4);
  add_line(part, R"({"a":" ","l":"x"})", 5);
  add_line(part, R"({"a":"h\u00e9","b":[1],"l":""})", 9);
  part.broken_rows = 2;
  const DatasetStatistics done = part.finish();
  CHECK(done.rows == 4);
  CHECK(done.broken_rows == 2);
  REQUIRE(done.fields.size() == 3);
  const FieldStatistics& a = *done.find("a");
  CHECK(a.present == 4);
  CHECK(a.blank == 1);
  CHECK(a.first_blank_line == 5);
  CHECK(a.first_missing_line == 0);
  CHECK(a.types[static_cast<size_t>(ValueType::kText)] == 3);
  CHECK(a.first_lines[static_cast<size_t>(ValueType::kNumber)] == 4);
  CHECK(a.words.count() == 2);
  CHECK(a.words.maximum() == 2);
  CHECK(a.bytes.minimum() == 3);
  CHECK(a.characters.minimum() == 2);
  const FieldStatistics& b = *done.find("b");
  CHECK(b.present == 2);
  CHECK(b.first_missing_line == 1);
  CHECK(done.find("l")->first_missing_line == 0);
  CHECK(done.labels.counts == std::vector<std::pair<std::string, int64_t>>{{"x", 2}, {"y", 1}});
  CHECK(done.labels.missing == 1);
  // scipy.stats.entropy([2, 1], base=2) of scipy 1.10.
  CHECK(done.labels.entropy_bits == Approx(0.9182958340544896).epsilon(1e-12));
  CHECK(done.labels.evenness == Approx(0.9182958340544896).epsilon(1e-12));
  CHECK(done.labels.majority_share == Approx(2.0 / 3));
}

TEST_CASE("parts merge into what one pass gives", "[data][statistics]") {
  std::mt19937_64 random(31);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> lines;
    for (size_t count = random() % 12; count > 0; --count) {
      std::string text = "{";
      for (const char* name : {"a", "b", "c", "l"}) {
        if (random() % 3 == 0) continue;
        text += std::string(text.size() > 1 ? "," : "") + "\"" + name + "\":" + (random() % 3 == 0 ? "1" : random() % 3 == 0 ? "\"\"" : "\"x y\"");
      }
      lines.push_back(text + "}");
    }
    StatisticsPart whole("l", true), merged("l", true), current("l", true);
    for (size_t i = 0; i < lines.size(); ++i) {
      add_line(whole, lines[i], static_cast<int64_t>(i) + 1);
      add_line(current, lines[i], static_cast<int64_t>(i) + 1);
      if (random() % 2 == 0) {
        merged.merge(std::move(current));
        current = StatisticsPart("l", true);
      }
    }
    merged.merge(std::move(current));
    const DatasetStatistics a = whole.finish(), b = merged.finish();
    REQUIRE(a.fields.size() == b.fields.size());
    CHECK(a.rows == b.rows);
    for (size_t i = 0; i < a.fields.size(); ++i) {
      CHECK(a.fields[i].name == b.fields[i].name);
      CHECK(a.fields[i].present == b.fields[i].present);
      CHECK(a.fields[i].blank == b.fields[i].blank);
      CHECK(a.fields[i].first_missing_line == b.fields[i].first_missing_line);
      CHECK(a.fields[i].first_blank_line == b.fields[i].first_blank_line);
      CHECK(a.fields[i].types == b.fields[i].types);
      CHECK(a.fields[i].first_lines == b.fields[i].first_lines);
      CHECK(a.fields[i].words.total() == b.fields[i].words.total());
    }
    CHECK(a.labels.counts == b.labels.counts);
    CHECK(a.labels.missing == b.labels.missing);
  }
}

}  // namespace llmops
