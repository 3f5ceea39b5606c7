#include "cli/table.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "core/text/unicode.h"

namespace llmops {

void Table::add(std::vector<std::string> cells, std::vector<Tone> tones) {
  for (std::string& cell : cells) {
    cell = escape_control(cell);
    std::replace(cell.begin(), cell.end(), '\n', ' ');
    std::replace(cell.begin(), cell.end(), '\t', ' ');
  }
  cells.resize(columns_.size());
  tones.resize(columns_.size(), Tone::kPlain);
  rows_.push_back({std::move(cells), std::move(tones)});
}

std::string Table::render(const Terminal& terminal) const {
  if (rows_.empty()) return {};
  constexpr int kGap = 3;
  std::vector<int> widths;
  std::vector<bool> shown(columns_.size(), true);
  for (size_t c = 0; c < columns_.size(); ++c) {
    int width = 0;
    for (const Row& row : rows_) width = std::max(width, display_width(row.cells[c]));
    if (width == 0) shown[c] = false;   // a column without a value says nothing
    widths.push_back(std::max(width, display_width(columns_[c].title)));
  }
  const auto total = [&] {
    int sum = -kGap;
    for (size_t c = 0; c < columns_.size(); ++c) if (shown[c]) sum += widths[c] + kGap;
    return sum;
  };
  constexpr int kShortestText = 12;
  const auto shrink = [&] {
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (!shown[c] || !columns_[c].may_shrink) continue;
      const int excess = total() - terminal.width();
      if (excess > 0) widths[c] = std::max(std::min(widths[c], kShortestText), widths[c] - excess);
    }
  };
  shrink();
  while (total() > terminal.width()) {
    size_t worst = columns_.size();
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (shown[c] && columns_[c].importance > 0 && (worst == columns_.size() || columns_[c].importance > columns_[worst].importance)) worst = c;
    }
    if (worst == columns_.size()) break;
    shown[worst] = false;
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells, const std::vector<Tone>* tones) {
    std::string text;
    bool first = true;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (!shown[c]) continue;
      if (!first) text += std::string(kGap, ' ');
      first = false;
      const std::string cell = display_width(cells[c]) > widths[c] ? truncate_to_width(cells[c], widths[c], terminal.unicode()) : cells[c];
      const std::string padding(static_cast<size_t>(widths[c] - display_width(cell)), ' ');
      const std::string painted = terminal.paint(cell, tones == nullptr ? Tone::kMuted : (*tones)[c]);
      text += columns_[c].right ? padding + painted : painted + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  std::vector<std::string> titles;
  for (const TableColumn& column : columns_) titles.push_back(column.title);
  line(titles, nullptr);
  for (const Row& row : rows_) line(row.cells, &row.tones);
  return out;
}

std::string format_duration_ms(double ms) {
  if (ms >= 120'000) return fmt::format("{:.1f} min", ms / 60'000);
  if (ms >= 1000) return fmt::format("{:.2f} s", ms / 1000);
  if (ms >= 10) return fmt::format("{:.0f} ms", ms);
  if (ms == 0) return "0 ms";
  return fmt::format("{:.2f} ms", ms);
}

std::string format_count(int64_t count) {
  std::string digits = std::to_string(std::llabs(count));
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<size_t>(at), ",");
  return count < 0 ? "-" + digits : digits;
}

std::string format_usd(double usd) {
  const double size = std::fabs(usd);
  const std::string sign = usd < 0 ? "-" : "";
  if (size >= 100) return sign + "$" + format_count(static_cast<int64_t>(std::llround(size)));
  if (size >= 0.1 || size == 0) return fmt::format("{}${:.2f}", sign, size);
  // Two significant digits, never in scientific form.
  const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(size))), 2, 9);
  return fmt::format("{}${:.{}f}", sign, size, decimals);
}

std::string format_value(double value, const std::string& unit) {
  if (unit == "ms") return format_duration_ms(value);
  if (unit == "USD") return format_usd(value);
  const double size = std::fabs(value);
  if (size < 10) return fmt::format("{:.3f}", value);
  if (size < 1000) return fmt::format("{:.1f}", value);
  return format_count(static_cast<int64_t>(std::llround(value)));
}

std::string format_p(double p) { return p < 0.001 ? "<0.001" : fmt::format("{:.2g}", p); }

}  // namespace llmops
