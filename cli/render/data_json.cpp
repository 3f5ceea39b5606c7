#include "cli/render/data_json.h"

#include <cmath>

namespace llmops {
namespace {

Json lengths_to_json(const LengthDistribution& lengths) {
  if (lengths.count() == 0) return nullptr;
  return {{"min", lengths.minimum()}, {"mean", lengths.mean()}, {"median", lengths.quantile(0.5)}, {"p95", lengths.quantile(0.95)}, {"max", lengths.maximum()}};
}

Json field_to_json(const FieldStatistics& field) {
  Json types = Json::object();
  for (size_t type = 0; type < kValueTypes; ++type) if (field.types[type] > 0) types[std::string(value_type_name(static_cast<ValueType>(type)))] = field.types[type];
  return {{"name", field.name}, {"present", field.present}, {"blank", field.blank}, {"types", types}, {"characters", lengths_to_json(field.characters)}, {"words", lengths_to_json(field.words)}, {"tokens", field.tokens.count() == 0 ? Json() : lengths_to_json(field.tokens)}};
}

Json labels_to_json(const LabelBalance& labels) {
  if (labels.column.empty()) return nullptr;
  Json counts = Json::array();
  for (const auto& [label, count] : labels.counts) counts.push_back({{"label", label}, {"rows", count}});
  return {{"column", labels.column}, {"rows", labels.rows}, {"missing", labels.missing}, {"entropy_bits", labels.entropy_bits}, {"evenness", labels.evenness}, {"majority_share", labels.majority_share}, {"counts", std::move(counts)}};
}

Json near_to_json(const std::optional<NearOptions>& near, const NearSearchFacts& search) {
  if (!near) return nullptr;
  return {{"measure", near_measure_name(near->measure)}, {"threshold", near->threshold}, {"shingle_words", near->shingling.size}, {"bands", search.banding.bands}, {"rows", search.banding.rows}, {"recall_at_threshold", search.recall_at_threshold}};
}

Json weights_to_json(const std::optional<WeightStatistics>& weights) {
  if (!weights) return nullptr;
  Json types = Json::array();
  for (const TypeShare& share : weights->types) types.push_back({{"type", share.type}, {"tensors", share.tensors}, {"bytes", share.bytes}});
  return {{"format", weights->format}, {"architecture", weights->architecture}, {"tensors", weights->tensors}, {"parameters", weights->parameters}, {"types", std::move(types)}};
}

Json hits_to_json(const OverlapReport& found) {
  Json hits = Json::array();
  for (const OverlapHit& hit : found.hits) {
    hits.push_back({{"row_b", hit.row_b}, {"line_b", hit.line_b}, {"row_a", hit.row_a}, {"line_a", hit.line_a}, {"method", overlap_method_name(hit.method)}, {"score", hit.score}});
  }
  return hits;
}

Json problems_to_json(const ScanReport& report) {
  Json problems = Json::array();
  for (const Problem& problem : report.problems) {
    const ProblemKind& kind = problem_kind(problem.code);
    problems.push_back({{"code", kind.name}, {"is_error", kind.is_error}, {"row", problem.row}, {"line", problem.line}, {"column", problem.column}, {"message", problem.message}});
  }
  return problems;
}

Json leaks_to_json(const DataScanReport& report) {
  Json leaks = Json::array();
  for (const DataLeak& leak : report.leaks) {
    leaks.push_back({{"asset", leak.asset}, {"kind", leak.kind}, {"file", leak.file}, {"suite", leak.suite}, {"dataset", leak.dataset}, {"cases", leak.found.rows_b}, {"leaked_cases", leak.found.any_b}, {"hits", hits_to_json(leak.found)}});
  }
  return leaks;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

Json data_scan_to_json(const DataScanReport& report, bool with_statistics) {
  Json json = {{"schema", with_statistics ? "llmops.eval-data-stats/v1" : "llmops.eval-data-check/v1"}, {"files", Json::array()}};
  for (const ScannedFile& one : report.files) {
    const DatasetStatistics& statistics = one.report.statistics;
    Json file = {{"file", one.file}, {"kind", one.kind}, {"asset", text_or_null(one.asset)}, {"owner", text_or_null(one.owner)}, {"rows", nullptr}, {"broken_rows", nullptr}, {"bytes", statistics.bytes}};
    if (one.holds_rows) file["rows"] = statistics.rows;
    if (one.holds_rows) file["broken_rows"] = statistics.broken_rows;
    if (with_statistics) {
      file["row_bytes"] = lengths_to_json(statistics.row_bytes);
      file["duplicate_rows"] = statistics.duplicate_rows;
      file["fields"] = Json::array();
      for (const FieldStatistics& field : statistics.fields) file["fields"].push_back(field_to_json(field));
      file["labels"] = labels_to_json(statistics.labels);
      file["weights"] = weights_to_json(one.weights);
    } else {
      file["errors"] = one.report.errors;
      file["warnings"] = one.report.warnings;
      file["counts"] = Json::object();
      for (size_t code = 0; code < kProblemCodes; ++code) if (one.report.counts[code] > 0) file["counts"][problem_kind(static_cast<ProblemCode>(code)).name] = one.report.counts[code];
      file["problems"] = problems_to_json(one.report);
    }
    json["files"].push_back(std::move(file));
  }
  if (!with_statistics) {
    json["leaks"] = leaks_to_json(report);
    json["leak_searches"] = report.leak_searches;
    json["not_searched"] = report.not_searched;
  }
  return json;
}

Json data_dedupe_to_json(const DataDedupeReport& report) {
  Json groups = Json::array();
  for (const DedupeGroup& group : report.found.groups) {
    Json dropped = Json::array();
    for (const DedupeMember& member : group.dropped) dropped.push_back({{"row", member.row}, {"line", member.line}, {"similarity", member.similarity}});
    groups.push_back({{"kept", {{"row", group.kept.row}, {"line", group.kept.line}}}, {"dropped", std::move(dropped)}});
  }
  return {{"schema", "llmops.eval-data-dedupe/v1"}, {"file", report.file}, {"method", report.method}, {"rows", report.found.rows}, {"dropped", report.found.dropped},
          {"near", near_to_json(report.found.near, report.found.search)}, {"groups", std::move(groups)}, {"written", report.written}};
}

Json data_split_to_json(const DataSplitReport& report) {
  Json parts = Json::array();
  for (size_t part = 0; part < report.split.parts.size(); ++part) parts.push_back({{"name", report.split.parts[part].name}, {"share", report.split.parts[part].share}, {"rows", report.split.rows[part]}});
  Json strata = Json::array();
  for (const auto& [stratum, rows] : report.split.strata) strata.push_back({{"stratum", stratum}, {"rows", rows}});
  return {{"schema", "llmops.eval-data-split/v1"}, {"file", report.file}, {"parts", std::move(parts)}, {"strata", std::move(strata)}, {"clusters", report.split.clusters},
          {"largest_cluster", report.split.largest_cluster}, {"rows_without_id", report.split.rows_without_id}, {"written", report.written}};
}

Json data_overlap_to_json(const DataOverlapReport& report) {
  const OverlapReport& found = report.found;
  Json by_method = Json::object();
  for (size_t method = 0; method < kOverlapMethods; ++method) by_method[std::string(overlap_method_name(static_cast<OverlapMethod>(method)))] = found.rows_b_hit[method];
  return {{"schema", "llmops.eval-data-overlap/v1"}, {"a", report.a}, {"b", report.b}, {"rows_a", found.rows_a}, {"rows_b", found.rows_b}, {"hit_a", found.any_a}, {"hit_b", found.any_b},
          {"by_method", std::move(by_method)}, {"near", near_to_json(found.near, found.search)}, {"hits", hits_to_json(found)}, {"written", report.written}};
}

}  // namespace llmops
