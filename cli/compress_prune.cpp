#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "cli/arguments.h"
#include "cli/compress_write.h"
#include "cli/render/compress_json.h"
#include "cli/table.h"
#include "commands/compress/merge.h"
#include "commands/compress/prune.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

std::string zeros_text(const CompressPruneReport& report) {
  if (report.tensors.empty()) return "";
  uint64_t weights = 0, before = 0, after = 0;
  double loss = 0;
  for (const PrunedTensor& tensor : report.tensors) {
    weights += tensor.weights;
    before += tensor.zeros_before;
    after += tensor.zeros_after;
    loss += tensor.loss;
  }
  const auto share = [&](uint64_t zeros) { return 100 * static_cast<double>(zeros) / static_cast<double>(std::max<uint64_t>(1, weights)); };
  return fmt::format("zeros           {:.2f} % -> {:.2f} % of {} weights in {} matrices   loss {:.4g} ({})\n", share(before), share(after), parameters_text(weights), format_count(std::ssize(report.tensors)), loss,
      report.method == "magnitude" ? "sum of squares removed" : "squared error of the outputs, by the statistics");
}

std::string shape_text(const CompressPruneReport& report) {
  std::string text;
  if (report.layers_before > 0) {
    std::string dropped;
    for (const uint64_t layer : report.dropped_layers) dropped += fmt::format("{}{}", dropped.empty() ? "" : ", ", layer);
    text += fmt::format("layers          {} -> {}   dropped: {}\n", report.layers_before, report.layers_after, dropped);
  }
  if (report.heads_before > 0) {
    text += fmt::format("heads           {} -> {}   of keys and values {} -> {}\nfeed-forward    {} -> {} channels   chosen by {}\n", report.heads_before, report.heads_after, report.key_heads_before, report.key_heads_after, report.ffn_before, report.ffn_after, report.importance_source);
  }
  return text;
}

}  // namespace

Action declare_compress_prune(CLI::App& app) {
  auto options = std::make_shared<CompressPruneOptions>();
  auto sparsity = std::make_shared<double>(-1);
  auto drop_count = std::make_shared<uint64_t>(0);
  never_empty(app.add_option("IN", options->model, "a .gguf file of F32, F16 or BF16, or the folder of a model with .safetensors")->required());
  never_empty(app.add_option("OUT", options->output, "a .gguf file, a .safetensors file, or a new folder")->required());
  app.add_option("--sparsity", *sparsity, "share of the weights of attention and feed-forward matrices that become zero")->check(CLI::Range(0.0, 1.0))->type_name("S");
  app.add_option("--pattern", options->pattern, "N of each M consecutive weights of a row stay: 2:4, 4:8")->type_name("N:M");
  app.add_option("--method", options->method, "magnitude, wanda or sparsegpt (default magnitude; the others need --stats)")->type_name("NAME");
  app.add_option("--scope", options->scope, "where magnitudes are compared: row, tensor or global (default row)")->type_name("NAME");
  never_empty(app.add_option("--stats", options->statistics, "statistics of the layers' inputs: docs/calibration.md, or llama.cpp's imatrix for wanda")->type_name("FILE"));
  app.add_option("--drop-layers", options->drop_layers, "leave these layers out, counted from 0: 10,12-15")->type_name("LIST");
  app.add_option("--drop-count", *drop_count, "leave out so many layers, those of least influence by --stats")->check(CLI::Range(1, 100000))->type_name("N");
  app.add_option("--width", options->width, "fewer heads and channels: heads=24,kv-heads=8,ffn=4096")->type_name("LIST");
  add_rewrite_options(app, options->rewrite);
  return [options, sparsity, drop_count](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->rewrite.is_dry = invocation.globals.dry_run;
    if (*sparsity >= 0) options->sparsity = *sparsity;
    if (*drop_count > 0) options->drop_count = *drop_count;
    LLMOPS_ASSIGN(const CompressPruneReport report, compress_prune(*session, *options));
    if (invocation.globals.json) return json_outcome(compress_prune_to_json(report), 0);
    LLMOPS_ASSIGN(Outcome outcome, write_outcome(invocation, report.written));
    outcome.text = zeros_text(report) + shape_text(report) + outcome.text;
    return outcome;
  };
}

Action declare_compress_merge(CLI::App& app) {
  auto options = std::make_shared<CompressMergeOptions>();
  never_empty(app.add_option("BASE", options->base, "the model that the adapter was trained for: a folder, or a .gguf file of F32, F16 or BF16")->required());
  never_empty(app.add_option("ADAPTER", options->adapter, "the folder of a LoRA adapter, as PEFT saves it")->required());
  never_empty(app.add_option("OUT", options->output, "a .gguf file, a .safetensors file, or a new folder")->required());
  add_rewrite_options(app, options->rewrite);
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->rewrite.is_dry = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const CompressWriteReport report, compress_merge(*session, *options));
    return write_outcome(invocation, report);
  };
}

}  // namespace llmops
