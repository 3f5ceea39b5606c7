#include "cli/progress.h"

#include <algorithm>
#include <fmt/format.h>

#include "cli/table.h"

namespace llmops {
namespace {

constexpr double kShowAfterSeconds = 0.3;
constexpr double kLineEverySeconds = 10;
constexpr int kBarColumns = 24;

std::string of_cell(const EvalProgress& progress) { return progress.cells == 0 ? "" : fmt::format("cell {}/{}  ", progress.cell, progress.cells); }

}  // namespace

ProgressLine::ProgressLine(const Terminal& terminal, const GlobalOptions& globals)
    : terminal_(terminal), wanted_(!globals.quiet && !globals.no_progress) {}

std::string ProgressLine::line(const EvalProgress& progress) const {
  const double rate = progress.elapsed_s > 0 ? static_cast<double>(progress.done) / progress.elapsed_s : 0;
  std::string text = fmt::format("{}/{}", format_count(progress.done), format_count(progress.total));
  if (rate > 0) text += fmt::format("   {:.1f}/s   eta {:.0f} s", rate, static_cast<double>(progress.total - progress.done) / rate);
  if (progress.any_cost || progress.limit_usd) text += "   " + format_usd(progress.spent_usd) + (progress.limit_usd ? " of " + format_usd(*progress.limit_usd) : "");
  if (progress.reused > 0) text += fmt::format("   reused {} %", progress.reused * 100 / std::max<int64_t>(1, progress.spans));
  if (progress.retries > 0) text += fmt::format("   retries {}", progress.retries);
  if (progress.errors > 0) text += fmt::format("   errors {}", progress.errors);
  return text;
}

void ProgressLine::show(const EvalProgress& progress) {
  if (!wanted_ || progress.elapsed_s < kShowAfterSeconds) return;
  if (!terminal_.err_is_terminal()) {
    if (progress.elapsed_s < next_line_s_) return;
    next_line_s_ += kLineEverySeconds;
    terminal_.err(of_cell(progress) + "cases " + line(progress));
    return;
  }
  const auto filled = static_cast<int>(progress.total > 0 ? progress.done * kBarColumns / progress.total : 0);
  std::string bar;
  for (int i = 0; i < kBarColumns; ++i) bar += terminal_.glyph(i < filled ? "━" : "─", i < filled ? "#" : "-");
  const std::string text = fmt::format("\r\x1b[K{}cases {}  {}", of_cell(progress), bar, line(progress));
  std::fwrite(text.data(), 1, text.size(), stderr);
  is_drawn_ = true;
}

void ProgressLine::clear() {
  if (!is_drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  is_drawn_ = false;
}

}  // namespace llmops
