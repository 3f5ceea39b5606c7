// `llmops eval data`: what is wrong with a dataset, what is in it, and copies of it without repeats, in parts, or without what
// an evaluation holds.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/render/data_json.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kMostShown = 20;

void declare_scan(CLI::App& app, DataScanOptions& options) {
  app.add_option("FILE", options.files, "JSONL, JSON, CSV, TSV, YAML or text; .gz and .zst too")->required();
  app.add_option("--kind", options.kind, "dataset, few-shot, task-dataset, preferences, grounding, corpus or conditioning-prompt")->type_name("KIND");
  app.add_option("--id", options.id_column, "column of the id (default: id)")->type_name("COLUMN");
}

std::string shape_text(const ScannedFile& one) {
  const DatasetStatistics& statistics = one.report.statistics;
  std::string text = fmt::format("{}   {} rows", one.file, format_count(statistics.rows));
  if (statistics.broken_rows > 0) text += fmt::format("   {} broken", format_count(statistics.broken_rows));
  return text + fmt::format("   {} bytes\n", format_count(static_cast<int64_t>(statistics.bytes)));
}

std::string check_text(const std::vector<ScannedFile>& files, const Terminal& terminal) {
  std::string text;
  for (const ScannedFile& one : files) {
    text += shape_text(one);
    for (const Problem& problem : one.report.problems) {
      const ProblemKind& kind = problem_kind(problem.code);
      std::string place = one.file;
      if (problem.line > 0) place += fmt::format(":{}", problem.line);
      if (problem.column > 0) place += fmt::format(":{}", problem.column);
      text += fmt::format("{}   {}   {}\n", terminal.paint(kind.is_error ? "error  " : "warning", kind.is_error ? Tone::kBad : Tone::kUndecided), place, escape_control(problem.message));
    }
    const int64_t hidden = one.report.errors + one.report.warnings - static_cast<int64_t>(one.report.problems.size());
    if (hidden > 0) text += fmt::format("and {} more\n", format_count(hidden));
    const Tone tone = one.report.is_sound() ? Tone::kGood : Tone::kBad;
    text += terminal.paint(one.report.is_sound() ? "sound" : "not sound", tone) + fmt::format("   {} errors, {} warnings\n", format_count(one.report.errors), format_count(one.report.warnings));
  }
  return text;
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

std::string stats_text(const std::vector<ScannedFile>& files, const Terminal& terminal) {
  std::string text;
  for (const ScannedFile& one : files) {
    const DatasetStatistics& statistics = one.report.statistics;
    text += shape_text(one);
    text += fmt::format("{} rows repeat an earlier one\n\n", format_count(statistics.duplicate_rows));
    Table table({{"field", false, 0, true}, {"present", true, 0, false}, {"blank", true, 0, false}, {"types", false, 1, true}, {"words: median / p95 / most", false, 2, false}, {"characters", false, 3, false}});
    for (const FieldStatistics& field : statistics.fields) {
      std::string types;
      for (size_t type = 0; type < kValueTypes; ++type) if (field.types[type] > 0) types += (types.empty() ? "" : ", ") + std::string(value_type_name(static_cast<ValueType>(type)));
      table.add({field.name, format_count(field.present), format_count(field.blank), types, lengths_text(field.words), lengths_text(field.characters)});
    }
    text += table.render(terminal);
    if (!statistics.labels.column.empty()) text += labels_text(statistics.labels, terminal);
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
    LLMOPS_ASSIGN(const auto files, data_scan(*session, *options));
    const bool sound = std::all_of(files.begin(), files.end(), [](const ScannedFile& one) { return one.report.is_sound(); });
    if (invocation.globals.json) return json_outcome(data_scan_to_json(files, false), sound ? 0 : 1);
    return Outcome{check_text(files, invocation.terminal), sound ? 0 : 1, true};
  };
}

Action declare_eval_data_stats(CLI::App& app) {
  auto options = std::make_shared<DataScanOptions>();
  declare_scan(app, *options);
  app.add_option("--label", options->label_column, "a column whose values are counted")->type_name("COLUMN");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const auto files, data_scan(*session, *options));
    if (invocation.globals.json) return json_outcome(data_scan_to_json(files, true));
    return Outcome{stats_text(files, invocation.terminal), 0, true};
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
    size_t shown = 0;
    uint32_t last_row = 0;
    for (const OverlapHit& hit : found.hits) {
      // The strictest method that finds a row says most.
      if (hit.row_b == last_row) continue;
      last_row = hit.row_b;
      if (++shown > kMostShown) break;
      text += fmt::format("{}:{} is {}:{}   {} {}\n", report.b, hit.line_b, report.a, hit.line_a, overlap_method_name(hit.method), format_value(hit.score, ""));
    }
    if (shown > kMostShown) text += fmt::format("and {} more (--json has all)\n", format_count(found.any_b - static_cast<int64_t>(kMostShown)));
    return Outcome{text + written_text(report.written, options->out.dry_run), code, true};
  };
}

}  // namespace llmops
