#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <map>

#include "cli/arguments.h"
#include "cli/compress_write.h"
#include "cli/render/compress_json.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

std::string facts_text(const CompressInspectReport& report) {
  const Model& model = report.model;
  std::string text = fmt::format("{}   {}", escape_control(report.path), model.format);
  if (!model.architecture.empty()) text += fmt::format("   {}", escape_control(model.architecture));
  if (!model.name.empty()) text += fmt::format("   {}", escape_control(model.name));
  if (report.parameters == 0) text += fmt::format("\nno weights   {} tensors", format_count(std::ssize(model.tensors)));
  else text += fmt::format("\n{} parameters in {} tensors   {} ({:.2f} bits per weight)", parameters_text(report.parameters), format_count(std::ssize(model.tensors)), size_text(report.weight_bytes), report.bits_per_weight());
  text += fmt::format("   {} file{}\n", model.parts.size(), model.parts.size() == 1 ? "" : "s");
  if (model.layers) text += fmt::format("layers          {}\n", *model.layers);
  if (model.context_length) text += fmt::format("context         {} tokens\n", format_count(static_cast<int64_t>(*model.context_length)));
  const TokenizerFacts& tokenizer = model.tokenizer;
  text += fmt::format("tokenizer       {}\n", tokenizer.kind.empty() ? "none found" : fmt::format("{}{} ({})", escape_control(tokenizer.kind), tokenizer.vocabulary ? fmt::format(", {} tokens", format_count(static_cast<int64_t>(*tokenizer.vocabulary))) : "", tokenizer.source));
  text += fmt::format("chat template   {}\n", model.chat_template.empty() ? "none" : fmt::format("{} characters", format_count(std::ssize(model.chat_template))));
  return text + fmt::format("licence         {}\n", model.licence.empty() ? "unknown" : escape_control(model.licence));
}

std::string shares_text(const char* title, const std::vector<TensorShare>& shares, const CompressInspectReport& report, const Terminal& terminal) {
  if (shares.empty()) return "";
  Table table({{title, false, 0, true}, {"tensors", true, 1, false}, {"parameters", true, 0, false}, {"size", true, 0, false}, {"share", true, 2, false}});
  for (const TensorShare& share : shares) {
    table.add({share.name, format_count(share.tensors), parameters_text(share.parameters), size_text(share.bytes), format_value(report.weight_bytes == 0 ? 0 : static_cast<double>(share.bytes) / static_cast<double>(report.weight_bytes), "")});
  }
  return "\n" + table.render(terminal);
}

// "blk.12.attn_q.weight" -> "blk.*.attn_q.weight" and 12; tensors of all layers that are alike share a line.
std::pair<std::string, std::optional<uint64_t>> layer_of(const std::string& name) {
  for (size_t at = 0; at < name.size();) {
    const size_t stop = std::min(name.find('.', at), name.size());
    if (stop > at && stop - at < 6 && std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at), name.begin() + static_cast<std::ptrdiff_t>(stop), [](char c) { return c >= '0' && c <= '9'; })) {
      return {name.substr(0, at) + "*" + name.substr(stop), std::stoull(name.substr(at, stop - at))};
    }
    at = stop + 1;
  }
  return {name, std::nullopt};
}

std::string shape_text(const TensorInfo& tensor) {
  std::string text;
  for (const uint64_t size : tensor.shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "1" : text;
}

std::string tensors_text(const Model& model, const Terminal& terminal) {
  if (model.tensors.empty()) return "";
  struct Line { std::string name, sole_name, shape, type; int64_t count = 0; uint64_t bytes = 0; };
  std::vector<Line> lines;
  std::map<std::string, size_t> known;
  for (const ModelTensor& tensor : model.tensors) {
    const auto [name, layer] = layer_of(tensor.name);
    const std::string key = name + "\n" + shape_text(tensor) + "\n" + tensor.type;
    const auto [at, is_new] = known.emplace(key, lines.size());
    if (is_new) lines.push_back({name, tensor.name, shape_text(tensor), tensor.type, 0, 0});
    ++lines[at->second].count;
    lines[at->second].bytes += tensor.size_bytes;
  }
  Table table({{"tensor", false, 0, true}, {"layers", true, 1, false}, {"shape", false, 0, false}, {"type", false, 0, false}, {"size", true, 1, false}});
  for (const Line& line : lines) table.add({escape_control(line.count == 1 ? line.sole_name : line.name), line.count == 1 ? "" : format_count(line.count), line.shape, line.type, size_text(line.bytes)});
  return "\n" + table.render(terminal);
}

std::string contents_text(const CompressInspectReport& report, const Terminal& terminal) {
  const std::vector<size_t> odd = report.odd_tensors();
  if (odd.empty()) return fmt::format("\n{}   no NaN and no infinity in {} tensors (--json has the digest of each)\n", terminal.paint("sound", Tone::kGood), format_count(std::ssize(report.contents)));
  std::string text = "\n";
  for (size_t i = 0; i < std::min<size_t>(odd.size(), 20); ++i) {
    const TensorContent& content = report.contents[odd[i]];
    text += fmt::format("{}   {}   {} NaN, {} infinite\n", terminal.paint("broken", Tone::kBad), escape_control(report.model.tensors[odd[i]].name), format_count(static_cast<int64_t>(*content.nan)), format_count(static_cast<int64_t>(*content.infinite)));
  }
  if (odd.size() > 20) text += fmt::format("and {} more (--json has all)\n", format_count(std::ssize(odd) - 20));
  return text;
}

}  // namespace

Action declare_compress_inspect(CLI::App& app) {
  auto options = std::make_shared<CompressInspectOptions>();
  never_empty(app.add_option("MODEL", options->model, "a .gguf or .safetensors file, or the folder of a model or adapter")->required());
  app.add_flag("--data", options->with_data, "read all weights: digests, NaN and infinities; exit 1 when there are any");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const CompressInspectReport report, compress_inspect(*session, *options));
    const int code = report.odd_tensors().empty() ? 0 : 1;
    if (invocation.globals.json) return json_outcome(compress_inspect_to_json(report), code);
    std::string text = facts_text(report) + shares_text("type", report.types, report, invocation.terminal) + shares_text("role", report.roles, report, invocation.terminal) + tensors_text(report.model, invocation.terminal);
    for (const std::string& warning : report.model.warnings) text += fmt::format("{}   {}\n", invocation.terminal.paint("warning", Tone::kUndecided), escape_control(warning));
    if (options->with_data) text += contents_text(report, invocation.terminal);
    return Outcome{text, code, true};
  };
}

}  // namespace llmops
