// Rows of tests/data/eval/NAME (made by make_golden.py there), and metrics built for a test.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "core/eval/metric.h"

namespace llmops::test {

inline std::vector<Json> eval_golden(const std::string& name) {
  std::ifstream file(LLMOPS_TEST_SOURCE_DIR "/data/eval/" + name);
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(parse_json(line, name).value());
  REQUIRE_FALSE(rows.empty());
  return rows;
}

inline Result<std::unique_ptr<Metric>> try_make(const std::string& type, const Json& params, const std::string& file = "") {
  const MetricKind* kind = find_metric_kind(type);
  REQUIRE(kind != nullptr);
  MetricBuild build;
  build.params = &params;
  build.read_file = [file](std::string_view) -> Result<std::string> { return file; };
  return kind->make(build);
}

inline Result<MetricScore> score(const std::string& type, const Json& target, const Json& params) {
  auto metric = try_make(type, params);
  REQUIRE(metric);
  MetricInput input;
  input.target = &target;
  input.params = &params;
  return (*metric)->score(input);
}

// "1", "0: expected 18, got 26", "error: target is null"
inline std::string told(const Result<MetricScore>& score) {
  if (!score) {
    CHECK(score.error().code == ErrorCode::kData);
    return "error: " + score.error().message;
  }
  if (!score->value) return "none: " + score->reason;
  std::string text = dump_json(*score->value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return score->reason.empty() ? text : text + ": " + score->reason;
}

inline std::string told(const std::string& type, const Json& target, const Json& params) { return told(score(type, target, params)); }

inline std::string made(const Result<std::unique_ptr<Metric>>& metric) {
  if (metric) return "made";
  CHECK(metric.error().code == ErrorCode::kConfig);
  return metric.error().message + " | " + metric.error().hint;
}

}  // namespace llmops::test
