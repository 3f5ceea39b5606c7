// The document of `monitor health`: a full report is valid by its schema, and what is not known is null.
#include "cli/render/monitor_health_json.h"

#include <catch2/catch.hpp>

#include "core/base/embedded.h"
#include "core/text/schema_checker.h"

namespace llmops {

TEST_CASE("a full report of health is valid by its schema, and the unknown is null") {
  HealthSignal errors;
  errors.name = "errors";
  errors.unit = "share";
  errors.direction = HealthDirection::kHigherIsWorse;
  errors.current = {0.25, Interval{0.17, 0.35}, 80, std::nullopt};
  errors.before = {0.02, Interval{0.01, 0.04}, 560, std::nullopt};
  errors.difference = 0.23;
  errors.difference_interval = Interval{0.14, 0.33};
  errors.test = "Fisher's exact test";
  errors.p_value = 1e-9;
  errors.p_adjusted = 1e-8;
  errors.change = HealthChange::kWorse;
  HealthSignal served;
  served.name = "model served";
  served.unit = "distribution";
  served.categories = {{"a -> b", 0, 3, 1'795'334'400'000}, {"a", 10, 7, std::nullopt}};
  served.sequences = {{"find > answer", 1, 2, std::nullopt}};
  served.reason = "3 now and 10 before: at least 30 are needed on each side";
  MonitorHealthReport report;
  report.window = {1'795'248'000'000, 1'795'334'400'000};
  report.against = {1'794'643'200'000, 1'795'248'000'000};
  report.by = "version";
  report.found.signals = {errors, served};
  report.found.not_recorded = {"ttft"};
  report.found.left_out = {{"latency", 2}};
  report.rows = {{"4f9c21ab07de", "prod", 10, 80, {errors, errors}, 100, std::nullopt, 0.5}};
  report.rows[0].part.latency.unit = "ms";
  report.series = {{1'795'248'000'000, 0, std::nullopt, std::nullopt}, {1'795'251'600'000, 4, 0.25, 120.5}};
  report.verdict = HealthVerdict::kDegraded;
  const Json document = monitor_health_to_json(report);
  auto schema = parse_json(embedded_file("schemas/monitor-health.json"), "monitor-health");
  REQUIRE(schema);
  auto checker = SchemaChecker::compile(*schema);
  REQUIRE(checker);
  const auto failure = checker->check(*parse_json(dump_json(document), "out"));
  REQUIRE(failure);
  if (*failure) FAIL((*failure)->message);
  CHECK(document["window"]["to"] == "2026-11-22T08:00:00Z");
  CHECK((document["component"].is_null() && document["reason"].is_null() && document["newest"].is_null()));
  CHECK((document["series"][0]["error_rate"].is_null() && document["rows"][0]["output_tokens"].is_null()));
  CHECK(document["signals"][1]["current"]["value"].is_null());
  CHECK(document["signals"][1]["categories"][0]["first_seen"] == "2026-11-22T08:00:00Z");
}

}  // namespace llmops
