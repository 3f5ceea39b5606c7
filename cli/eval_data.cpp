// `llmops eval data`: what is wrong with a dataset, what is in it, and copies of it without repeats, in parts, or without what
// an evaluation holds.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "cli/arguments.h"
#include "cli/render/data_json.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kMostShown = 20;

void declare_scan(CLI::App& app, DataScanOptions& options) {
  app.add_option("DATA", options.names, "files (JSONL, JSON, CSV, TSV, YAML, text; .gz and .zst too) or assets by name (default: all assets of the chains and all datasets of the suites)");
  app.add_option("--chain", options.chain, "whose assets and suites, path or name (default: of all chains)")->type_name("CHAIN");
  app.add_option("--kind", options.kind, "what files are: dataset, few-shot, task-dataset, preferences, grounding, corpus, conditioning-prompt, adapter, embedding-model or model (default: dataset, and an asset's own)")->type_name("KIND");
  app.add_option("--id", options.id_column, "column of the id (default: a suite's own, else id)")->type_name("COLUMN");
}

// The files of one asset, one after another; any other file is a group of its own.
std::vector<std::span<const ScannedFile>> groups_of(const std::vector<ScannedFile>& files) {
  std::vector<std::span<const ScannedFile>> groups;
  for (size_t begin = 0; begin < files.size();) {
    size_t end = begin + 1;
    while (end < files.size() && !files[begin].asset.empty() && files[end].asset == files[begin].asset && files[end].owner == files[begin].owner) ++end;
    groups.emplace_back(files.data() + begin, end - begin);
    begin = end;
  }
  return groups;
}

// "few-shot 'shots' of triage", "dataset of triage"; nothing of a file as named.
std::string origin_text(const ScannedFile& one) {
  if (one.owner.empty()) return "";
  return one.asset.empty() ? fmt::format("   {} of {}", one.kind, one.owner) : fmt::format("   {} '{}' of {}", one.kind, one.asset, one.owner);
}

// What a group holds together.
DatasetStatistics statistics_of(std::span<const ScannedFile> group) {
  if (group.size() == 1) return group[0].report.statistics;
  DatasetStatistics whole;
  for (const ScannedFile& one : group) add_statistics(whole, one.report.statistics);
  return whole;
}

std::string shape_text(std::span<const ScannedFile> group, const DatasetStatistics& statistics) {
  std::string text = group.size() == 1 ? group[0].file : fmt::format("{}   {} files", group[0].asset_path.empty() ? group[0].asset : group[0].asset_path, format_count(std::ssize(group)));
  if (std::any_of(group.begin(), group.end(), [](const ScannedFile& one) { return one.holds_rows; })) text += fmt::format("   {} row{}", format_count(statistics.rows), statistics.rows == 1 ? "" : "s");
  if (statistics.broken_rows > 0) text += fmt::format("   {} broken", format_count(statistics.broken_rows));
  return text + fmt::format("   {} bytes{}\n", format_count(static_cast<int64_t>(statistics.bytes)), origin_text(group[0]));
}

std::string problem_text(const ScannedFile& one, const Problem& problem, const Terminal& terminal) {
  const ProblemKind& kind = problem_kind(problem.code);
  std::string place = one.file;
  if (problem.line > 0) place += fmt::format(":{}", problem.line);
  if (problem.column > 0) place += fmt::format(":{}", problem.column);
  return fmt::format("{}   {}   {}\n", terminal.paint(kind.is_error ? "error  " : "warning", kind.is_error ? Tone::kBad : Tone::kUndecided), place, escape_control(problem.message));
}

std::string group_check_text(std::span<const ScannedFile> group, const Terminal& terminal) {
  std::string text = shape_text(group, statistics_of(group));
  int64_t errors = 0, warnings = 0, hidden = 0;
  for (const ScannedFile& one : group) {
    for (const Problem& problem : one.report.problems) text += problem_text(one, problem, terminal);
    errors += one.report.errors;
    warnings += one.report.warnings;
    hidden += one.report.errors + one.report.warnings - std::ssize(one.report.problems);
  }
  if (hidden > 0) text += fmt::format("and {} more\n", format_count(hidden));
  return text + terminal.paint(errors == 0 ? "sound" : "not sound", errors == 0 ? Tone::kGood : Tone::kBad) + fmt::format("   {} errors, {} warnings\n", format_count(errors), format_count(warnings));
}

// The lines of an overlap that say most, each row of B once.
std::string hits_text(const OverlapReport& found, const std::string& a, const std::string& b) {
  std::string text;
  size_t shown = 0;
  uint32_t last_row = 0;
  for (const OverlapHit& hit : found.hits) {
    // The strictest method that finds a row says most.
    if (hit.row_b == last_row) continue;
    last_row = hit.row_b;
    if (++shown > kMostShown) break;
    text += fmt::format("{}:{} is {}:{}   {} {}\n", b, hit.line_b, a, hit.line_a, overlap_method_name(hit.method), format_value(hit.score, ""));
  }
  if (shown > kMostShown) text += fmt::format("and {} more (--json has all)\n", format_count(found.any_b - static_cast<int64_t>(kMostShown)));
  return text;
}

std::string leaks_text(const DataScanReport& report, const Terminal& terminal) {
  std::string text;
  for (const DataLeak& leak : report.leaks) {
    text += fmt::format("\n{}   {} of {} cases of {} stand in {} '{}'\n", terminal.paint("leaks", Tone::kUndecided), format_count(leak.found.any_b), format_count(static_cast<int64_t>(leak.found.rows_b)), leak.suite, leak.kind, leak.asset);
    text += hits_text(leak.found, leak.file, leak.dataset);
  }
  if (report.leaks.empty() && report.leak_searches > 0) text += fmt::format("\nno leaks   {} of examples and evaluation sets compared\n", report.leak_searches == 1 ? "1 pair" : fmt::format("{} pairs", report.leak_searches));
  for (const std::string& reason : report.not_searched) text += fmt::format("leaks not searched   {}\n", escape_control(reason));
  return text;
}

std::string check_text(const DataScanReport& report, const Terminal& terminal) {
  std::string text;
  for (const auto& group : groups_of(report.files)) text += group_check_text(group, terminal);
  return text + leaks_text(report, terminal);
}

std::string lengths_text(const LengthDistribution& lengths) {
  if (lengths.count() == 0) return "";
  return fmt::format("{} / {} / {}", lengths.quantile(0.5), lengths.quantile(0.95), lengths.maximum());
}

std::string labels_text(const LabelBalance& labels, const Terminal& terminal) {
  std::string text = fmt::format("\nlabel '{}'   {} labels   majority {}   evenness {}", labels.column, format_count(static_cast<int64_t>(labels.counts.size())), format_value(labels.majority_share, ""), format_value(labels.evenness, ""));
  if (labels.missing > 0) text += fmt::format("   {} rows without", format_count(labels.missing));
  text += "\n";
  Table table({{"label", false, 0, true}, {"rows", true, 0, false}, {"share", true, 1, false}});
  for (size_t i = 0; i < std::min(labels.counts.size(), kMostShown); ++i) {
    const auto& [label, rows] = labels.counts[i];
    table.add({label, format_count(rows), format_value(static_cast<double>(rows) / static_cast<double>(std::max<int64_t>(1, labels.rows)), "")});
  }
  text += table.render(terminal);
  if (labels.counts.size() > kMostShown) text += fmt::format("and {} more\n", format_count(static_cast<int64_t>(labels.counts.size() - kMostShown)));
  return text;
}

std::string fields_text(const DatasetStatistics& statistics, const Terminal& terminal) {
  const bool has_tokens = std::any_of(statistics.fields.begin(), statistics.fields.end(), [](const FieldStatistics& field) { return field.tokens.count() > 0; });
  std::vector<TableColumn> columns = {{"field", false, 0, true}, {"present", true, 0, false}, {"blank", true, 0, false}, {"types", false, 1, true}, {"words: median / p95 / most", false, 2, false}, {"characters", false, 3, false}};
  if (has_tokens) columns.push_back({"tokens", false, 1, false});
  Table table(columns);
  for (const FieldStatistics& field : statistics.fields) {
    std::string types;
    for (size_t type = 0; type < kValueTypes; ++type) if (field.types[type] > 0) types += (types.empty() ? "" : ", ") + std::string(value_type_name(static_cast<ValueType>(type)));
    std::vector<std::string> cells = {field.name, format_count(field.present), format_count(field.blank), types, lengths_text(field.words), lengths_text(field.characters)};
    if (has_tokens) cells.push_back(lengths_text(field.tokens));
    table.add(cells);
  }
  return table.render(terminal);
}

// Weights by file, and what each type of them takes.
std::string weights_text(std::span<const ScannedFile> group, const Terminal& terminal) {
  Table table({{"file", false, 0, true}, {"format", false, 0, false}, {"tensors", true, 0, false}, {"parameters", true, 0, false}, {"types (tensors, bytes)", false, 1, true}});
  bool any = false;
  for (const ScannedFile& one : group) {
    if (!one.weights) continue;
    any = true;
    std::string types;
    for (const TypeShare& share : one.weights->types) types += fmt::format("{}{} ({}, {})", types.empty() ? "" : ", ", share.type, format_count(share.tensors), format_count(static_cast<int64_t>(share.bytes)));
    table.add({one.file, one.weights->format, format_count(one.weights->tensors), format_count(static_cast<int64_t>(one.weights->parameters)), types});
  }
  return any ? table.render(terminal) : "";
}

std::string stats_text(const DataScanReport& report, const Terminal& terminal) {
  std::string text;
  for (const auto& group : groups_of(report.files)) {
    const DatasetStatistics statistics = statistics_of(group);
    if (!text.empty()) text += "\n";
    text += shape_text(group, statistics);
    if (statistics.rows > 0) {
      text += fmt::format("{} rows repeat an earlier one\n\n", format_count(statistics.duplicate_rows));
      text += fields_text(statistics, terminal);
    }
    text += weights_text(group, terminal);
    for (const ScannedFile& one : group) if (!one.report.statistics.labels.column.empty()) text += labels_text(one.report.statistics.labels, terminal);
  }
  return text;
}

std::string near_text(const std::optional<NearOptions>& near, const NearSearchFacts& search) {
  if (!near) return "";
  const std::string measure = near->measure == NearMeasure::kWordEdits ? fmt::format("at least {} of the words in common and in order", near->threshold)
                                                                       : fmt::format("Jaccard similarity of runs of {} words of at least {}", near->shingling.size, near->threshold);
  return fmt::format("near: {}, verified; a pair at that level is met with probability {} or more ({} bands of {} hashes)\n", measure, format_value(search.recall_at_threshold, ""), search.banding.bands, search.banding.rows);
}

DataOutput output_of(const std::string& path, const GlobalOptions& globals) { return {path, globals.yes, globals.dry_run}; }

std::string written_text(const std::string& path, bool dry_run) { return path.empty() ? "" : fmt::format("{} {}\n", dry_run ? "would write" : "wrote", path); }

}  // namespace

Action declare_eval_data_check(CLI::App& app) {
  auto options = std::make_shared<DataScanOptions>();
  declare_scan(app, *options);
  app.add_option("--require", options->required, "a column that every row must fill")->type_name("COLUMN");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->with_leaks = true;
    LLMOPS_ASSIGN(const DataScanReport report, data_scan(*session, *options));
    const int code = report.is_sound() ? 0 : 1;
    if (invocation.globals.json) return json_outcome(data_scan_to_json(report, false), code);
    return Outcome{check_text(report, invocation.terminal), code, true};
  };
}

Action declare_eval_data_stats(CLI::App& app) {
  auto options = std::make_shared<DataScanOptions>();
  declare_scan(app, *options);
  app.add_option("--label", options->label_column, "a column whose values are counted (default: label)")->type_name("COLUMN");
  app.add_option("--tokenizer", options->tokenizer, "count tokens too: a tokenizer.json, tokenizer.model, .tiktoken or .gguf file, or the folder of a model")->type_name("PATH");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->with_labels = true;
    LLMOPS_ASSIGN(const DataScanReport report, data_scan(*session, *options));
    if (invocation.globals.json) return json_outcome(data_scan_to_json(report, true));
    return Outcome{stats_text(report, invocation.terminal), 0, true};
  };
}

Action declare_eval_data_dedupe(CLI::App& app) {
  auto options = std::make_shared<DataDedupeOptions>();
  auto out = std::make_shared<std::string>();
  app.add_option("FILE", options->file, "rows to look through")->required();
  app.add_option("--method", options->method, "exact, normalised or near (default: normalised)")->type_name("M");
  app.add_option("--column", options->columns, "compare by this column (default: prompt, input, question, text ...)")->type_name("COLUMN");
  app.add_option("--id", options->id_column, "column of the id (default: id)")->type_name("COLUMN");
  app.add_option("--threshold", options->threshold, "of near: least similarity, from 0 to 1")->type_name("S");
  app.add_option("-o", *out, "write the rows that are kept")->type_name("FILE");
  return [options, out](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->out = output_of(*out, invocation.globals);
    LLMOPS_ASSIGN(const DataDedupeReport report, data_dedupe(*session, *options));
    if (invocation.globals.json) return json_outcome(data_dedupe_to_json(report));
    std::string text = fmt::format("{}   {} rows   {} repeat an earlier row ({})\n", report.file, format_count(static_cast<int64_t>(report.found.rows)), format_count(static_cast<int64_t>(report.found.dropped)), report.method);
    text += near_text(report.found.near, report.found.search);
    size_t shown = 0;
    for (const DedupeGroup& group : report.found.groups) {
      if (++shown > kMostShown) break;
      std::string lines;
      for (const DedupeMember& member : group.dropped) {
        lines += fmt::format("{}{}", lines.empty() ? "" : ", ", member.line);
        if (member.similarity < 1) lines += fmt::format(" ({})", format_value(member.similarity, ""));
        if (lines.size() > 120) {
          lines += ", ...";
          break;
        }
      }
      text += fmt::format("line {} again in line {}\n", group.kept.line, lines);
    }
    if (report.found.groups.size() > kMostShown) text += fmt::format("and {} more groups (--json has all)\n", format_count(static_cast<int64_t>(report.found.groups.size() - kMostShown)));
    return Outcome{text + written_text(report.written, options->out.dry_run), 0, true};
  };
}

Action declare_eval_data_split(CLI::App& app) {
  auto options = std::make_shared<DataSplitOptions>();
  auto out = std::make_shared<std::string>();
  app.add_option("FILE", options->file, "rows to divide")->required();
  app.add_option("--parts", options->parts, "for example train=.8,test=.2")->type_name("NAME=SHARE,...")->required();
  app.add_option("--id", options->id_column, "column of the id, whose hash decides (default: id)")->type_name("COLUMN");
  app.add_option("--cluster", options->cluster_column, "rows of one value stay together")->type_name("COLUMN");
  app.add_flag("--near", options->near_clusters, "near-duplicates stay together");
  app.add_option("--stratify", options->stratum_column, "report and, with --exact-shares, keep the shares within each value")->type_name("COLUMN");
  app.add_flag("--exact-shares", options->exact_shares, "cut at the shares; rows next to a cut may move when the file grows");
  app.add_option("-o", *out, "write each part into this folder")->type_name("DIR");
  return [options, out](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->out = output_of(*out, invocation.globals);
    LLMOPS_ASSIGN(const DataSplitReport report, data_split(*session, *options));
    if (invocation.globals.json) return json_outcome(data_split_to_json(report));
    std::vector<TableColumn> columns = {{options->stratum_column.empty() ? "" : options->stratum_column, false, 0, true}};
    for (const SplitPart& part : report.split.parts) columns.push_back({part.name, true, 0, false});
    Table table(columns);
    std::vector<std::string> all = {"all"};
    int64_t total = 0;
    for (const int64_t rows : report.split.rows) total += rows;
    for (const int64_t rows : report.split.rows) all.push_back(fmt::format("{} ({})", format_count(rows), format_value(static_cast<double>(rows) / static_cast<double>(std::max<int64_t>(1, total)), "")));
    table.add(all, {Tone::kStrong});
    size_t shown = 0;
    if (!options->stratum_column.empty()) {
      for (const auto& [stratum, rows] : report.split.strata) {
        if (++shown > kMostShown) break;
        std::vector<std::string> cells = {stratum.empty() ? "(none)" : stratum};
        for (const int64_t count : rows) cells.push_back(format_count(count));
        table.add(cells);
      }
    }
    std::string text = table.render(invocation.terminal);
    if (shown > kMostShown) text += fmt::format("and {} more values (--json has all)\n", format_count(static_cast<int64_t>(report.split.strata.size() - kMostShown)));
    if (!options->cluster_column.empty() || options->near_clusters) text += fmt::format("{} clusters, the largest of {} rows\n", format_count(static_cast<int64_t>(report.split.clusters)), format_count(static_cast<int64_t>(report.split.largest_cluster)));
    if (report.split.rows_without_id > 0) text += fmt::format("{} rows have no '{}': their content decides\n", format_count(report.split.rows_without_id), options->id_column);
    for (const std::string& path : report.written) text += written_text(path, options->out.dry_run);
    return Outcome{text, 0, true};
  };
}

Action declare_eval_data_overlap(CLI::App& app) {
  auto options = std::make_shared<DataOverlapOptions>();
  auto out = std::make_shared<std::string>();
  app.add_option("A", options->a, "what may have leaked: training rows, few-shot examples")->required();
  app.add_option("B", options->b, "the evaluation set")->required();
  app.add_option("--method", options->methods, "exact, normalised, ngram or near (default: all)")->type_name("M");
  app.add_option("--column", options->columns, "compare by this column")->type_name("COLUMN");
  app.add_option("--id", options->id_column, "column of the id (default: id)")->type_name("COLUMN");
  app.add_option("--threshold", options->threshold, "of near: least similarity, from 0 to 1")->type_name("S");
  app.add_option("-o", *out, "write A without the rows that B holds")->type_name("FILE");
  return [options, out](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->out = output_of(*out, invocation.globals);
    LLMOPS_ASSIGN(const DataOverlapReport report, data_overlap(*session, *options));
    const int code = report.found.any_b > 0 && report.written.empty() ? 1 : 0;
    if (invocation.globals.json) return json_outcome(data_overlap_to_json(report), code);
    const OverlapReport& found = report.found;
    std::string text = fmt::format("{} of {} rows of {} stand in {} ({} of {} rows there)\n", format_count(found.any_b), format_count(static_cast<int64_t>(found.rows_b)), report.b, report.a, format_count(found.any_a), format_count(static_cast<int64_t>(found.rows_a)));
    for (size_t method = 0; method < kOverlapMethods; ++method) {
      if (found.rows_b_hit[method] > 0) text += fmt::format("  {:<10}   {}\n", overlap_method_name(static_cast<OverlapMethod>(method)), format_count(found.rows_b_hit[method]));
    }
    text += near_text(found.near, found.search);
    text += hits_text(found, report.a, report.b);
    return Outcome{text + written_text(report.written, options->out.dry_run), code, true};
  };
}

}  // namespace llmops
