#include "cli/compress_write.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/arguments.h"
#include "cli/render/compress_json.h"
#include "cli/table.h"
#include "commands/compress/plan.h"
#include "commands/compress/quantize.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr uint64_t kLeastShardBytes = 1'000'000;

// Tensors that went from one type to another, with their errors together.
struct TypeLine { std::string from, to; int64_t tensors = 0; uint64_t parameters = 0, before = 0, after = 0; std::optional<TensorError> worst; std::string worst_name; };

std::vector<TypeLine> lines_of(const CompressWriteReport& report) {
  std::vector<TypeLine> lines;
  for (const TensorChange& tensor : report.tensors) {
    auto found = std::find_if(lines.begin(), lines.end(), [&](const TypeLine& line) { return line.from == tensor.from && line.to == tensor.to; });
    if (found == lines.end()) {
      found = lines.insert(lines.end(), TypeLine());
      found->from = tensor.from;
      found->to = tensor.to;
    }
    ++found->tensors;
    found->parameters += tensor.parameters;
    found->before += tensor.bytes_before;
    found->after += tensor.bytes_after;
    if (!tensor.error) continue;
    if (!found->worst || !is_worse(*found->worst, *tensor.error)) {
      found->worst = tensor.error;
      found->worst_name = tensor.name;
    }
  }
  std::stable_sort(lines.begin(), lines.end(), [](const TypeLine& a, const TypeLine& b) { return a.parameters > b.parameters; });
  return lines;
}

std::string types_text(const CompressWriteReport& report, const Terminal& terminal) {
  std::vector<TableColumn> columns = {{"from", false, 0, true}, {"to", false, 0, false}, {"tensors", true, 1, false}, {"parameters", true, 0, false}, {"before", true, 2, false}, {"after", true, 0, false}};
  if (report.is_verified) {
    columns.push_back({"worst rel. rms", true, 0, false});
    columns.push_back({"in", false, 3, true});
  }
  Table table(columns);
  for (const TypeLine& line : lines_of(report)) {
    std::vector<std::string> cells = {line.from.empty() ? "(computed)" : line.from, line.to, format_count(line.tensors), parameters_text(line.parameters), size_text(line.before), size_text(line.after)};
    if (report.is_verified) {
      cells.push_back(line.worst ? figure_text(line.worst->relative_rms) : "same bytes");
      cells.push_back(line.worst && line.worst->relative_rms != 0 ? escape_control(line.worst_name) : "");
    }
    table.add(cells);
  }
  return table.render(terminal);
}

// "kept, --keep: 3 tensors".
std::string notes_text(const CompressWriteReport& report) {
  std::vector<std::pair<std::string, int64_t>> notes;
  uint64_t past = 0;
  for (const TensorChange& tensor : report.tensors) {
    past += tensor.past_range;
    if (tensor.note.empty()) continue;
    const std::string note = fmt::format("{} ({})", tensor.note, tensor.to);
    const auto found = std::find_if(notes.begin(), notes.end(), [&](const auto& one) { return one.first == note; });
    if (found == notes.end()) notes.emplace_back(note, 1);
    else ++found->second;
  }
  std::string text;
  for (const auto& [note, count] : notes) text += fmt::format("{} tensor{}: {}\n", format_count(count), count == 1 ? "" : "s", note);
  if (past > 0) text += fmt::format("{} values were past the range of their type and are its largest now\n", format_count(static_cast<int64_t>(past)));
  return text;
}

std::string warnings_text(const CompressWriteReport& report, const Terminal& terminal) {
  std::string text;
  for (const std::string& warning : report.warnings) text += fmt::format("{}   {}\n", terminal.paint("warning", Tone::kUndecided), escape_control(warning));
  return text;
}

std::string report_text(const CompressWriteReport& report, const Terminal& terminal) {
  const double share = report.bytes_before == 0 ? 0 : 100 * static_cast<double>(report.bytes_after) / static_cast<double>(report.bytes_before);
  std::string text = fmt::format("{} -> {}   {}{}{}\n", escape_control(report.source), escape_control(report.output), report.format, report.type.empty() ? "" : "   " + report.type, report.is_dry ? "   (dry run: nothing was written)" : "");
  if (report.tensors.empty()) return text + fmt::format("file size       {} bytes\n", format_count(static_cast<int64_t>(report.output_bytes))) + warnings_text(report, terminal);
  text += fmt::format("{} parameters in {} tensors   {} -> {} ({:.1f} %)   {:.2f} bits per weight\n", parameters_text(report.parameters), format_count(std::ssize(report.tensors)), size_text(report.bytes_before), size_text(report.bytes_after), share, report.bits_per_weight());
  text += fmt::format("file size       {} bytes\n", format_count(static_cast<int64_t>(report.output_bytes)));
  if (report.error) {
    // What prune and merge change is no error.
    const bool is_change = report.command == "prune" || report.command == "merge";
    text += fmt::format("verified        every value read again: rms {} {} ({}), largest {}{}\n", is_change ? "change" : "error", figure_text(report.error->rms), relative_text(*report.error, "the weights' own"), figure_text(report.error->largest), report.error->cosine ? fmt::format(", cosine {:.6f}", *report.error->cosine) : "");
  } else if (!report.is_dry) {
    text += "verified        no (--no-verify)\n";
  }
  for (const CompressWriteReport::File& file : report.outputs) if (!file.sha256.empty()) text += fmt::format("sha256          {}   {}\n", file.sha256, escape_control(file.name));
  text += "\n" + types_text(report, terminal);
  if (const std::string notes = notes_text(report); !notes.empty()) text += "\n" + notes;
  return text + warnings_text(report, terminal);
}

}  // namespace

std::string size_text(uint64_t bytes) {
  if (bytes < uint64_t{10} << 10) return fmt::format("{} B", bytes);
  if (bytes < uint64_t{10} << 20) return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / (1 << 10));
  if (bytes < uint64_t{10} << 30) return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (uint64_t{1} << 30));
}

std::string parameters_text(uint64_t count) {
  if (count >= 1'000'000'000) return fmt::format("{:.2f} B", static_cast<double>(count) * 1e-9);
  if (count >= 10'000'000) return fmt::format("{:.0f} M", static_cast<double>(count) * 1e-6);
  return format_count(static_cast<int64_t>(count));
}

std::string figure_text(double value) { return value == 0 ? "0" : fmt::format("{:.3g}", value); }

std::string figure_text(const std::optional<double>& value) { return value ? figure_text(*value) : "-"; }

std::string relative_text(const TensorError& error, const char* whose) { return error.relative_rms ? fmt::format("{} of {}", figure_text(*error.relative_rms), whose) : "of values that are all zero"; }

bool is_worse(const TensorError& a, const TensorError& b) { return b.relative_rms && (!a.relative_rms || *a.relative_rms > *b.relative_rms); }

CLI::Option* never_empty(CLI::Option* option) {
  return option->check(CLI::Validator([](std::string& name) { return name.empty() ? std::string("an empty name names no file") : std::string(); }, ""));
}

void add_rewrite_options(CLI::App& app, RewriteOptions& options) {
  app.add_flag_callback("--no-verify", [&options] { options.verify = false; }, "do not read the result again, and do not wait for the disk");
  app.add_flag("--force", options.replace, "replace OUT when it is a file that exists");
  app.add_flag("--saturate", options.saturate, "values past the range of the new type become its largest value; without it they are an error");
  app.add_option("-j,--jobs", options.threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
}

Result<Outcome> write_outcome(const Invocation& invocation, const CompressWriteReport& report) {
  if (invocation.globals.json) return json_outcome(write_report_json(report), 0);
  return Outcome{report_text(report, invocation.terminal), 0, false};
}

Action declare_compress_quantize(CLI::App& app) {
  auto options = std::make_shared<CompressQuantizeOptions>();
  never_empty(app.add_option("IN", options->model, "a .gguf file, or the folder of a model with .safetensors")->required());
  never_empty(app.add_option("OUT", options->output, "the new .gguf file; for types of safetensors a new folder")->required());
  app.add_option("--type,-t", options->type, "a type or mix by llama.cpp's names (Q4_K_M, Q8_0, F16, ...), or for safetensors int8, int4, w8a8, fp8")->required()->type_name("TYPE");
  never_empty(app.add_option("--imatrix,--stats", options->importance, "importance of the columns: llama.cpp's imatrix (.dat or .gguf), or statistics of llmops")->type_name("FILE"));
  app.add_option("--keep", options->keep, "another type for the tensors whose names match ('same': as it is); may be repeated")->type_name("PATTERN=TYPE");
  app.add_flag("--pure", options->pure, "one type for all matrices, no mix");
  app.add_flag("--allow-requantize", options->allow_requantize, "take a source that is quantized already");
  add_rewrite_options(app, options->rewrite);
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->rewrite.is_dry = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const CompressWriteReport report, compress_quantize(*session, *options));
    return write_outcome(invocation, report);
  };
}

Action declare_compress_convert(CLI::App& app) {
  auto options = std::make_shared<CompressConvertOptions>();
  auto shard_size = std::make_shared<std::string>();
  never_empty(app.add_option("IN", options->model, "a .gguf file, the folder of a model or adapter with .safetensors, or statistics (imatrix)")->required());
  never_empty(app.add_option("OUT", options->output, "a .gguf file, a .safetensors file, or a new folder")->required());
  app.add_option("--dtype", options->dtype, "F32, F16 or BF16 for the matrices (default: as they are; block types become F16 in safetensors)")->type_name("TYPE");
  never_empty(app.add_option("--base", options->base, "for a LoRA adapter: the folder of its base model, whose config.json is read")->type_name("PATH"));
  app.add_flag_callback("--no-tokenizer", [options] { options->with_tokenizer = false; }, "write no tokenizer into the GGUF file");
  app.add_option("--shard-size", *shard_size, "most bytes of a .safetensors file in a folder: 4GB, 500MiB (default 5GiB)")->type_name("SIZE");
  add_rewrite_options(app, options->rewrite);
  return [options, shard_size](Invocation& invocation) -> Result<Outcome> {
    if (!shard_size->empty()) {
      const auto bytes = parse_size(*shard_size);
      if (!bytes || *bytes < kLeastShardBytes) return Error(ErrorCode::kUsage, fmt::format("--shard-size '{}' is no size of 1 MB or more", *shard_size), "--shard-size 4GB, --shard-size 500MiB");
      options->rewrite.shard_bytes = *bytes;
    }
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->rewrite.is_dry = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const CompressWriteReport report, compress_convert(*session, *options));
    return write_outcome(invocation, report);
  };
}

}  // namespace llmops
