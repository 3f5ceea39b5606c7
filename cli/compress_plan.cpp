#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "cli/arguments.h"
#include "cli/compress_write.h"
#include "cli/render/compress_json.h"
#include "cli/table.h"
#include "commands/compress/compare.h"
#include "commands/compress/plan.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kMostLines = 12;

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text;
  for (const uint64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "1" : text;
}

// ---- plan ----

// The chosen sizes beside those of mixes, smallest first.
std::string points_text(const CompressPlanReport& report, const Terminal& terminal) {
  std::vector<PlanPoint> points = report.front;
  points.insert(points.end(), report.mixes.begin(), report.mixes.end());
  points.push_back({"this plan", report.file_bytes, report.error, report.relative_rms});
  std::stable_sort(points.begin(), points.end(), [](const PlanPoint& a, const PlanPoint& b) { return a.bytes < b.bytes; });
  Table table({{"size", true, 0, false}, {"bits/weight", true, 1, false}, {"rel. rms", true, 0, false}, {"", false, 0, false}});
  for (const PlanPoint& point : points) {
    const bool is_chosen = point.name == "this plan";
    table.add({size_text(point.bytes), fmt::format("{:.2f}", report.parameters == 0 ? 0 : 8 * static_cast<double>(point.bytes) / static_cast<double>(report.parameters)), figure_text(point.relative_rms), point.name.empty() ? "on the front" : point.name},
        is_chosen ? std::vector<Tone>{Tone::kGood, Tone::kGood, Tone::kGood, Tone::kGood} : std::vector<Tone>{});
  }
  return table.render(terminal);
}

std::string chosen_types_text(const CompressPlanReport& report) {
  std::vector<std::pair<std::string, int64_t>> counts;
  for (const PlannedTensor& tensor : report.tensors) {
    if (tensor.is_fixed) continue;
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& one) { return one.first == tensor.type; });
    if (found == counts.end()) counts.emplace_back(tensor.type, 1);
    else ++found->second;
  }
  std::string text;
  for (const auto& [type, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, type);
  return text;
}

// Why each tensor has its type: what one step down would add to the error, and what one step up would cost.
std::string why_text(const CompressPlanReport& report, const Terminal& terminal) {
  Table table({{"tensor", false, 0, true}, {"type", false, 0, false}, {"size", true, 2, false}, {"error", true, 1, false}, {"smaller would add", true, 0, false}, {"larger would save", true, 0, false}});
  for (const PlannedTensor& tensor : report.tensors) {
    if (tensor.is_fixed) {
      table.add({escape_control(tensor.name), tensor.type, size_text(tensor.bytes), "0", "no choice", ""});
      continue;
    }
    const PlannedTensor::Option *smaller = nullptr, *larger = nullptr;
    for (const PlannedTensor::Option& option : tensor.options) {
      // Of types of one size the best; types that are larger and worse are never of use.
      if (option.bytes < tensor.bytes && (smaller == nullptr || option.error < smaller->error)) smaller = &option;
      if (option.bytes > tensor.bytes && option.error < tensor.error && larger == nullptr) larger = &option;
    }
    table.add({escape_control(tensor.name), tensor.type, size_text(tensor.bytes), figure_text(tensor.error), smaller == nullptr ? "" : fmt::format("{} ({}, -{})", figure_text(smaller->error - tensor.error), smaller->type, size_text(tensor.bytes - smaller->bytes)),
        larger == nullptr ? "" : fmt::format("{} ({}, +{})", figure_text(tensor.error - larger->error), larger->type, size_text(larger->bytes - tensor.bytes))});
  }
  return table.render(terminal);
}

std::string plan_text(const CompressPlanReport& report, bool with_why, const Terminal& terminal) {
  std::string text = fmt::format("{}   budget {} ({} bytes)\n", escape_control(report.source), size_text(report.budget_bytes), format_count(static_cast<int64_t>(report.budget_bytes)));
  text += fmt::format("plan            {} ({} bytes, {:.2f} bits per weight)   {}\n", size_text(report.file_bytes), format_count(static_cast<int64_t>(report.file_bytes)), report.bits_per_weight(), chosen_types_text(report));
  text += fmt::format("error           {} of the weights' own rms{}\n", figure_text(report.relative_rms), report.is_weighted ? ", each column weighted by its importance" : "");
  text += report.is_exact ? "optimality      no plan of this size has less error\n" : fmt::format("optimality gap  at most {:.2g} %\n", 100 * report.gap());
  if (report.from_cache) text += "errors          measured before\n";
  text += "\n" + points_text(report, terminal);
  if (with_why) text += "\n" + why_text(report, terminal);
  for (const std::string& warning : report.warnings) text += fmt::format("{}   {}\n", terminal.paint("warning", Tone::kUndecided), escape_control(warning));
  if (!report.applied) text += "\napply: --apply OUT.gguf" + std::string(with_why ? "" : "      per tensor: --why") + "\n";
  return text;
}

// ---- compare ----

std::string names_text(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string text = fmt::format("{}: {} tensors", what, names.size());
  for (size_t i = 0; i < std::min<size_t>(names.size(), 4); ++i) text += fmt::format("{}{}", i == 0 ? "   " : ", ", escape_control(names[i]));
  return text + (names.size() > 4 ? ", ...\n" : "\n");
}

std::string key_value(const Json& value) {
  if (value.is_null()) return "(not there)";
  // Of two arrays of one length the digests alone differ.
  if (value.is_object() && value.contains("sha256")) return fmt::format("{} {} (sha256 {})", value.value("count", uint64_t{0}), value.value("type", ""), value.value("sha256", "").substr(0, 8));
  std::string text = dump_json(value);
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return text;
}

std::string compare_text(const CompressCompareReport& report, const Terminal& terminal) {
  std::string text = fmt::format("{} ({}, {}) and {} ({}, {})\n", escape_control(report.left), report.left_format, size_text(report.left_bytes), escape_control(report.right), report.right_format, size_text(report.right_bytes));
  if (report.tensors.empty()) text += "they have no tensor in common\n";
  else if (report.is_same()) text += fmt::format("{} tensors of {} parameters hold the same values\n", format_count(std::ssize(report.tensors)), parameters_text(report.parameters));
  else text += fmt::format("{} parameters in {} tensors   rms difference {} ({}), largest {}{}\n", parameters_text(report.parameters), format_count(std::ssize(report.tensors)), figure_text(report.error.rms), relative_text(report.error, "the first's own"), figure_text(report.error.largest), report.error.cosine ? fmt::format(", cosine {:.6f}", *report.error.cosine) : "");
  if (report.odd > 0) text += fmt::format("{}   {} values are NaN or infinite in one and not in the other\n", terminal.paint("broken", Tone::kBad), format_count(static_cast<int64_t>(report.odd)));
  std::vector<const TensorComparison*> worst;
  for (const TensorComparison& tensor : report.tensors) if (tensor.error.largest > 0) worst.push_back(&tensor);
  std::stable_sort(worst.begin(), worst.end(), [](const auto* a, const auto* b) { return is_worse(a->error, b->error); });
  if (!worst.empty()) {
    Table table({{"tensor", false, 0, true}, {"shape", false, 3, false}, {"first", false, 1, false}, {"second", false, 0, false}, {"rel. rms", true, 0, false}, {"largest", true, 2, false}, {"cosine", true, 1, false}});
    for (size_t i = 0; i < std::min(worst.size(), kMostLines); ++i) {
      const TensorComparison& tensor = *worst[i];
      table.add({escape_control(tensor.name), shape_text(tensor.shape), tensor.left_type, tensor.right_type, figure_text(tensor.error.relative_rms), figure_text(tensor.error.largest), tensor.error.cosine ? fmt::format("{:.6f}", *tensor.error.cosine) : ""});
    }
    text += "\n" + table.render(terminal);
    if (worst.size() > kMostLines) text += fmt::format("and {} more that differ less (--json has all)\n", worst.size() - kMostLines);
  }
  text += names_text("\nonly in the first", report.only_left) + names_text("\nonly in the second", report.only_right);
  for (const ShapeDifference& one : report.shapes) text += fmt::format("{}: {} and {}\n", escape_control(one.name), shape_text(one.left), shape_text(one.right));
  if (!report.keys.empty()) {
    Table table({{"key", false, 0, true}, {"first", false, 0, true}, {"second", false, 0, true}});
    for (const KeyDifference& key : report.keys) table.add({escape_control(key.key), key_value(key.left), key_value(key.right)});
    text += "\n" + table.render(terminal);
  }
  return text;
}

}  // namespace

Action declare_compress_plan(CLI::App& app) {
  auto options = std::make_shared<CompressPlanOptions>();
  auto with_why = std::make_shared<bool>(false);
  auto no_cache = std::make_shared<bool>(false);
  never_empty(app.add_option("IN", options->model, "a .gguf file of F32, F16 or BF16, or the folder of a model")->required());
  app.add_option("--budget", options->budget, "what the file may take: 5GiB, 700MB, or the name of a mix for its size")->required()->type_name("SIZE");
  never_empty(app.add_option("--stats,--imatrix", options->importance, "importance of the columns, which weighs the errors; tensors that it lacks weigh as much as the mean")->type_name("FILE"));
  never_empty(app.add_option("--apply", options->apply, "write the planned file")->type_name("OUT"));
  app.add_flag("--why", *with_why, "each tensor: its type, and what the next smaller and larger one would change");
  app.add_flag("--no-cache", *no_cache, "measure again, and keep nothing");
  add_rewrite_options(app, options->rewrite);
  return [options, with_why, no_cache](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->rewrite.is_dry = invocation.globals.dry_run;
    options->use_cache = !*no_cache && !invocation.globals.dry_run;
    LLMOPS_ASSIGN(const CompressPlanReport report, compress_plan(*session, *options));
    if (invocation.globals.json) return json_outcome(compress_plan_to_json(report), 0);
    std::string text = plan_text(report, *with_why, invocation.terminal);
    if (report.applied) {
      LLMOPS_ASSIGN(const Outcome written, write_outcome(invocation, *report.applied));
      text += "\n" + written.text;
    }
    return Outcome{text, 0, true};
  };
}

Action declare_compress_compare(CLI::App& app) {
  auto options = std::make_shared<CompressCompareOptions>();
  never_empty(app.add_option("A", options->left, "a model: a .gguf or .safetensors file, or a folder")->required());
  never_empty(app.add_option("B", options->right, "the model to hold against it")->required());
  app.add_option("-j,--jobs", options->threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const CompressCompareReport report, compress_compare(*session, *options));
    if (invocation.globals.json) return json_outcome(compress_compare_to_json(report), 0);
    return Outcome{compare_text(report, invocation.terminal), 0, true};
  };
}

}  // namespace llmops
