#include "cli/render/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr double kWidth = 480, kHeight = 170, kLeft = 56, kRight = 10, kTop = 10, kBottom = 26;

std::string number(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

bool is_known(const std::optional<double>& value) { return value && std::isfinite(*value); }

std::string title_of(const std::string& title) { return title.empty() ? "" : "<title>" + html_text(title) + "</title>"; }

std::string open_svg(const std::string& name, double height) { return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", number(kWidth), number(height), html_text(name)); }

std::string text_at(double x, double y, const char* place, std::string_view text, int columns = 60) {
  return fmt::format("<text x=\"{}\" y=\"{}\"{}>{}</text>", number(x), number(y), place[0] == 0 ? "" : fmt::format(" class=\"{}\"", place), html_text(text, columns));
}

std::string without_values(const std::string& name) { return open_svg(name, 60) + text_at(kWidth / 2, 34, "mid", "no values") + "</svg>\n"; }

std::string line_at(double x1, double y1, double x2, double y2, const char* kind) { return fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>", kind, number(x1), number(y1), number(x2), number(y2)); }

// Where values lie in the picture.
struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

struct Frame { Scale x, y; };

// Spans, the grid with its ticks, and marks, behind what is drawn.
std::string ground_of(const TimePlot& plot, const Frame& frame, const std::vector<double>& y_ticks, double height) {
  std::string text;
  const double bottom = height - kBottom;
  const auto inside = [&](double value) { return std::clamp(frame.x.at(value), kLeft, kWidth - kRight); };
  for (const PlotSpan& span : plot.spans) text += fmt::format("<rect class=\"span\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>", number(inside(span.from)), number(kTop), number(inside(span.to) - inside(span.from)), number(bottom - kTop), title_of(span.title));
  for (const double tick : y_ticks) text += line_at(kLeft, frame.y.at(tick), kWidth - kRight, frame.y.at(tick), "grid") + text_at(kLeft - 6, frame.y.at(tick) + 4, "end", plot_figure(tick, plot.unit));
  for (const PlotTick& tick : plot.x_ticks) {
    const double at = inside(tick.at);
    // A text at the edge stays inside.
    text += line_at(at, bottom, at, bottom + 4, "axis") + text_at(at, bottom + 18, at > kWidth - 40 ? "end" : at < kLeft + 12 ? "" : "mid", tick.text);
  }
  text += line_at(kLeft, bottom, kWidth - kRight, bottom, "axis");
  for (const PlotMark& mark : plot.marks) text += fmt::format("<g>{}{}</g>", line_at(inside(mark.x), kTop, inside(mark.x), bottom, "mark"), title_of(mark.title));
  return text;
}

Frame frame_of(const TimePlot& plot, const std::vector<double>& y_ticks, double height) {
  const double wide = plot.x_high > plot.x_low ? plot.x_high : plot.x_low + 1;
  return {{plot.x_low, wide, kLeft, kWidth - kRight}, {y_ticks.front(), y_ticks.back(), height - kBottom, kTop}};
}

std::string xy(double x, double y) { return number(x) + " " + number(y); }

// Runs of points that are known without a gap, as [first, last).
template <class Known>
std::vector<std::pair<size_t, size_t>> runs_of(const std::vector<PlotPoint>& points, const Known& known) {
  std::vector<std::pair<size_t, size_t>> runs;
  for (size_t i = 0; i < points.size(); ++i) {
    if (!known(points[i])) continue;
    if (runs.empty() || runs.back().second != i) runs.emplace_back(i, i);
    runs.back().second = i + 1;
  }
  return runs;
}

std::string band_of(const PlotLine& line, const Frame& frame) {
  std::string text;
  const auto has_band = [](const PlotPoint& point) { return is_known(point.low) && is_known(point.high); };
  for (const auto& [first, last] : runs_of(line.points, has_band)) {
    if (last - first == 1) {
      const PlotPoint& only = line.points[first];
      text += line_at(frame.x.at(only.x), frame.y.at(*only.low), frame.x.at(only.x), frame.y.at(*only.high), "whisker");
      continue;
    }
    std::string path;
    for (size_t i = first; i < last; ++i) path += (i == first ? "M" : "L") + xy(frame.x.at(line.points[i].x), frame.y.at(*line.points[i].high));
    for (size_t i = last; i-- > first;) path += "L" + xy(frame.x.at(line.points[i].x), frame.y.at(*line.points[i].low));
    text += fmt::format("<path class=\"band\" d=\"{}Z\"/>", path);
  }
  return text;
}

std::string stroke_of(const PlotLine& line, const Frame& frame) {
  std::string text;
  const char* kind = line.is_dashed ? "line before" : "line now";
  const auto known = [](const PlotPoint& point) { return is_known(point.y); };
  for (const auto& [first, last] : runs_of(line.points, known)) {
    std::string path;
    for (size_t i = first; i < last; ++i) path += (i == first ? "M" : "L") + xy(frame.x.at(line.points[i].x), frame.y.at(*line.points[i].y));
    if (last - first > 1) text += fmt::format("<path class=\"{}\" d=\"{}\"/>", kind, path);
  }
  for (const PlotPoint& point : line.points) {
    if (known(point)) text += fmt::format("<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"2.5\">{}</circle>", line.is_dashed ? "dot before" : "dot now", number(frame.x.at(point.x)), number(frame.y.at(*point.y)), title_of(point.title));
  }
  return text;
}

}  // namespace

std::string html_text(std::string_view text, int columns) {
  std::string plain;
  const std::string line = collapse_space(replace_invalid_utf8(text));
  for (size_t i = 0; i < line.size(); ++i) {
    const auto byte = [&](size_t ahead) { return i + ahead < line.size() ? static_cast<unsigned char>(line[i + ahead]) : 0U; };
    if (byte(0) < 0x20 || byte(0) == 0x7F) continue;
    if (byte(0) == 0xC2 && byte(1) < 0xA0) { ++i; continue; }                        // U+0080 .. 9F
    if (byte(0) == 0xD8 && byte(1) == 0x9C) { ++i; continue; }                       // U+061C
    const bool is_bidirectional = byte(0) == 0xE2 && ((byte(1) == 0x80 && (byte(2) == 0x8E || byte(2) == 0x8F || (byte(2) >= 0xAA && byte(2) <= 0xAE))) || (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9));
    if (is_bidirectional) { i += 2; continue; }                                      // U+200E, 200F, 202A .. 202E, 2066 .. 2069
    plain += line[i];
  }
  std::string escaped;
  for (const char c : truncate_to_width(plain, columns)) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::vector<double> axis_ticks(double low, double high, int wanted) {
  if (!(low < high)) {
    const double around = low == 0 ? 1 : std::fabs(low);
    high = low + around;
  }
  const double rough = (high - low) / std::max(1, wanted), power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power * (1 + 1e-9)) {
      step = factor * power;
      break;
    }
  }
  const double first = std::floor(low / step + 1e-9), last = std::max(first + 1, std::ceil(high / step - 1e-9));
  std::vector<double> ticks;
  for (double at = first; at <= last; ++at) ticks.push_back(at * step);
  return ticks;
}

std::string plot_figure(double value, PlotUnit unit) {
  switch (unit) {
    case PlotUnit::kCount: return value == std::floor(value) ? format_count(std::llround(value)) : fmt::format("{:.4g}", value);
    case PlotUnit::kShare: return fmt::format("{:.3g} %", 100 * value);
    case PlotUnit::kMilliseconds: return value >= 1000 ? fmt::format("{:.3g} s", value / 1000) : fmt::format("{:.3g} ms", value);
    case PlotUnit::kPlain: break;
  }
  return fmt::format("{:.4g}", value);
}

std::string line_plot(const TimePlot& plot, const std::vector<PlotLine>& lines) {
  double most = 0;
  bool has_values = false;
  for (const PlotLine& line : lines) {
    for (const PlotPoint& point : line.points) {
      if (is_known(point.y)) most = std::max(most, *point.y), has_values = true;
      if (&line == &lines.front() && is_known(point.y) && is_known(point.high)) most = std::max(most, *point.high);
    }
  }
  if (!has_values) return without_values(plot.name);
  const std::vector<double> ticks = axis_ticks(0, most);
  const Frame frame = frame_of(plot, ticks, kHeight);
  std::string text = open_svg(plot.name, kHeight) + ground_of(plot, frame, ticks, kHeight) + band_of(lines.front(), frame);
  for (const PlotLine& line : lines) text += stroke_of(line, frame);
  return text + "</svg>\n";
}

std::string column_plot(const TimePlot& plot, const std::vector<PlotPoint>& columns, double width) {
  double most = 0;
  bool has_values = false;
  for (const PlotPoint& point : columns) if (is_known(point.y)) most = std::max(most, *point.y), has_values = true;
  if (!has_values) return without_values(plot.name);
  const std::vector<double> ticks = axis_ticks(0, most);
  const Frame frame = frame_of(plot, ticks, kHeight);
  std::string text = open_svg(plot.name, kHeight) + ground_of(plot, frame, ticks, kHeight);
  for (const PlotPoint& point : columns) {
    if (!is_known(point.y)) continue;
    const double left = frame.x.at(point.x - width / 2), right = frame.x.at(point.x + width / 2), gap = std::min(1.0, (right - left) / 4), top = frame.y.at(*point.y);
    text += fmt::format("<rect class=\"column\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>", number(left + gap), number(top), number(right - left - 2 * gap), number(kHeight - kBottom - top), title_of(point.title));
  }
  return text + "</svg>\n";
}

std::string event_plot(const TimePlot& plot, const std::vector<PlotRow>& rows) {
  if (rows.empty()) return without_values(plot.name);
  constexpr double kNames = 160, kRow = 22;
  const double height = kTop + kRow * static_cast<double>(rows.size()) + kBottom;
  const Scale x{plot.x_low, plot.x_high > plot.x_low ? plot.x_high : plot.x_low + 1, kNames, kWidth - kRight};
  std::string text = open_svg(plot.name, height);
  const double bottom = height - kBottom;
  const auto inside = [&](double value) { return std::clamp(x.at(value), kNames, kWidth - kRight); };
  for (const PlotSpan& span : plot.spans) text += fmt::format("<rect class=\"span\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>", number(inside(span.from)), number(kTop), number(inside(span.to) - inside(span.from)), number(bottom - kTop), title_of(span.title));
  for (const PlotTick& tick : plot.x_ticks) text += line_at(inside(tick.at), bottom, inside(tick.at), bottom + 4, "axis") + text_at(inside(tick.at), bottom + 18, inside(tick.at) > kWidth - 40 ? "end" : "mid", tick.text);
  text += line_at(kNames, bottom, kWidth - kRight, bottom, "axis");
  for (size_t i = 0; i < rows.size(); ++i) {
    const double y = kTop + kRow * (static_cast<double>(i) + 0.5);
    text += line_at(kNames, y, kWidth - kRight, y, "grid") + text_at(kNames - 8, y + 4, "end", rows[i].name, 22);
    for (const bool is_loud : {false, true}) {
      for (const PlotEvent& event : rows[i].events) {
        if (event.is_loud != is_loud) continue;
        const double at = inside(event.x);
        if (is_loud) text += fmt::format("<path class=\"alarm\" d=\"M{}L{}L{}Z\">{}</path>", xy(at, y - 7), xy(at + 7, y + 6), xy(at - 7, y + 6), title_of(event.title));
        else text += fmt::format("<circle class=\"quiet\" cx=\"{}\" cy=\"{}\" r=\"2.5\">{}</circle>", number(at), number(y), title_of(event.title));
      }
    }
  }
  return text + "</svg>\n";
}

std::string histogram_plot(const HistogramPlot& plot) {
  const size_t bins = std::min(plot.before.size(), plot.now.size());
  double most = 0;
  for (size_t i = 0; i < bins; ++i) most = std::max({most, plot.before[i], plot.now[i]});
  if (bins == 0 || plot.from.size() <= bins || !(most > 0)) return without_values(plot.name);
  TimePlot axes;
  axes.name = plot.name;
  axes.unit = PlotUnit::kShare;
  axes.x_high = static_cast<double>(bins);
  const size_t every = std::max<size_t>(1, (bins + 4) / 5);
  for (size_t i = 0; i < bins; i += every) axes.x_ticks.push_back({static_cast<double>(i), plot_figure(plot.from[i], plot.unit)});
  const std::vector<double> ticks = axis_ticks(0, most);
  const Frame frame = frame_of(axes, ticks, kHeight);
  std::string text = open_svg(plot.name, kHeight) + ground_of(axes, frame, ticks, kHeight), outline = "M" + xy(kLeft, kHeight - kBottom);
  for (size_t i = 0; i < bins; ++i) {
    const double left = frame.x.at(static_cast<double>(i)), right = frame.x.at(static_cast<double>(i + 1));
    const std::string range = plot.is_open && i + 1 == bins ? plot_figure(plot.from[i], plot.unit) + " and more" : plot_figure(plot.from[i], plot.unit) + " to " + plot_figure(plot.from[i + 1], plot.unit);
    const std::string title = fmt::format("{}: before {}, now {}", range, plot_figure(plot.before[i], PlotUnit::kShare), plot_figure(plot.now[i], PlotUnit::kShare));
    text += fmt::format("<rect class=\"column\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>", number(left + 0.5), number(frame.y.at(plot.now[i])), number(right - left - 1), number(kHeight - kBottom - frame.y.at(plot.now[i])), title_of(title));
    outline += "L" + xy(left, frame.y.at(plot.before[i])) + "L" + xy(right, frame.y.at(plot.before[i]));
  }
  return text + fmt::format("<path class=\"line before\" d=\"{}L{}\"/></svg>\n", outline, xy(kWidth - kRight, kHeight - kBottom));
}

std::string pair_plot(const std::string& name, const std::vector<SharePair>& pairs) {
  double most = 0;
  for (const SharePair& pair : pairs) most = std::max({most, pair.before, pair.now});
  if (pairs.empty() || !(most > 0)) return without_values(name);
  constexpr double kRow = 46, kValues = 70;
  const Scale x{0, most, 0, kWidth - kValues};
  std::string text = open_svg(name, kRow * static_cast<double>(pairs.size()));
  for (size_t i = 0; i < pairs.size(); ++i) {
    const SharePair& pair = pairs[i];
    const double top = kRow * static_cast<double>(i), before = std::max(1.0, x.at(pair.before)), now = std::max(1.0, x.at(pair.now));
    text += "<g>" + title_of(pair.title) + text_at(0, top + 12, "", pair.name, 66);
    text += fmt::format("<rect class=\"hollow\" x=\"0.5\" y=\"{}\" width=\"{}\" height=\"9\"/>", number(top + 17.5), number(before)) + text_at(before + 6, top + 26, "small", plot_figure(pair.before, PlotUnit::kShare));
    text += fmt::format("<rect class=\"column\" x=\"0\" y=\"{}\" width=\"{}\" height=\"10\"/>", number(top + 29), number(now)) + text_at(now + 6, top + 38, "small", plot_figure(pair.now, PlotUnit::kShare)) + "</g>";
  }
  return text + "</svg>\n";
}

std::string scatter_plot(const std::string& name, const std::vector<ScatterSeries>& series, const std::vector<ScatterLabel>& labels) {
  constexpr double kHigh = 400, kEdge = 14;
  double left = INFINITY, right = -INFINITY, low = INFINITY, high = -INFINITY;
  const auto is_finite = [](const ScatterPoint& point) { return std::isfinite(point.x) && std::isfinite(point.y); };
  for (const ScatterSeries& one : series) {
    for (const ScatterPoint& point : one.points) {
      if (!is_finite(point)) continue;
      left = std::min(left, point.x), right = std::max(right, point.x), low = std::min(low, point.y), high = std::max(high, point.y);
    }
  }
  if (!(left <= right)) return without_values(name);
  const Scale x{left, right > left ? right : left + 1, kEdge, kWidth - kEdge}, y{low, high > low ? high : low + 1, kHigh - kEdge, kEdge};
  std::string text = open_svg(name, kHigh) + fmt::format("<rect class=\"edge\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\"/>", number(kWidth - 1), number(kHigh - 1));
  for (const ScatterSeries& one : series) {
    for (const ScatterPoint& point : one.points) {
      if (!is_finite(point)) continue;
      const double at = x.at(point.x), up = y.at(point.y);
      if (one.shape == PointShape::kTriangle) text += fmt::format("<path class=\"new\" d=\"M{}L{}L{}Z\">{}</path>", xy(at, up - 5), xy(at + 4.5, up + 4), xy(at - 4.5, up + 4), title_of(point.title));
      else text += fmt::format("<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"3\">{}</circle>", one.shape == PointShape::kHollow ? "hollow" : "point", number(at), number(up), title_of(point.title));
    }
  }
  // A label that would cover an earlier one moves up or down, else it is left out.
  constexpr double kLine = 15, kCharacter = 7;
  struct Box { double left, right, y; };
  std::vector<Box> taken;
  for (const ScatterLabel& label : labels) {
    if (!std::isfinite(label.x) || !std::isfinite(label.y)) continue;
    const double at = x.at(label.x), wide = kCharacter * std::min(28, display_width(label.text));
    const bool is_right = at > kWidth * 0.75, is_left = at < kWidth * 0.25;
    for (const double moved : {0.0, -kLine, kLine, -2 * kLine, 2 * kLine}) {
      const Box box{is_right ? at - wide : is_left ? at : at - wide / 2, is_right ? at : is_left ? at + wide : at + wide / 2, std::clamp(y.at(label.y), kEdge + kLine, kHigh - kEdge) + moved};
      const bool is_free = box.y > kEdge && box.y < kHigh - 4 && std::none_of(taken.begin(), taken.end(), [&](const Box& other) { return box.left < other.right && other.left < box.right && std::fabs(box.y - other.y) < kLine; });
      if (!is_free) continue;
      taken.push_back(box);
      text += text_at(at, box.y, is_right ? "halo end" : is_left ? "halo" : "halo mid", label.text, 28);
      break;
    }
  }
  return text + "</svg>\n";
}

}  // namespace llmops
