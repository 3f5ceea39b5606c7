// Small plots as SVG for pages of HTML: pure functions of plain data, the same bytes for the same data.
//
// Each is one <svg> of 480 units in width that grows with its place, with role="img" and a name. Colours are classes of the page (before, now, new, mark), told a second time by shape: what was before is hollow or dashed, what is now is
// filled or solid, what is new is a triangle. All text is escaped here. What is not known, or not finite, leaves a gap; a plot without any value says "no values".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmops {

// Text for HTML and SVG: one line, control and bidirectional characters taken out, invalid UTF-8 replaced, at most `columns` wide with "…" at the end of what is cut, & < > " ' escaped.
std::string html_text(std::string_view text, int columns = 500);

// Round values (1, 2 or 5 times a power of ten apart) from the last at or below `low` to the first at or above `high`; about `wanted` of them, at least 2. low >= high: around that value. Precondition: finite.
std::vector<double> axis_ticks(double low, double high, int wanted = 4);

struct PlotTick { double at = 0; std::string text; };
enum class PlotUnit { kCount, kShare, kMilliseconds, kPlain };
// "1,204", "8.5 %", "640 ms", "1.5 s", "0.25".
std::string plot_figure(double value, PlotUnit unit);

struct PlotMark { double x = 0; std::string title; };         // a vertical line
struct PlotSpan { double from = 0, to = 0; std::string title; };           // of the x axis, shaded
struct PlotPoint { double x = 0; std::optional<double> y, low, high; std::string title; };      // low and high: a band, where both are known
struct PlotLine { std::string name; bool is_dashed = false; std::vector<PlotPoint> points; };   // by x

struct TimePlot {
  std::string name;                          // for who cannot see it, and above it
  PlotUnit unit = PlotUnit::kPlain;
  double x_low = 0, x_high = 1;
  std::vector<PlotTick> x_ticks;
  std::vector<PlotSpan> spans;
  std::vector<PlotMark> marks;
};
// The y axis begins at 0. The first line has its band; a value between two that are not known is a dot alone.
std::string line_plot(const TimePlot& plot, const std::vector<PlotLine>& lines);
// Columns of `width` units of x, around their x.
std::string column_plot(const TimePlot& plot, const std::vector<PlotPoint>& columns, double width);

// One row for each name, marks at their x: a circle, filled where it is loud.
struct PlotEvent { double x = 0; bool is_loud = false; std::string title; };
struct PlotRow { std::string name; std::vector<PlotEvent> events; };
std::string event_plot(const TimePlot& plot, const std::vector<PlotRow>& rows);

// Two distributions over the same bins, as shares of each side: now filled, before a line. `from` has one more entry than the shares; the last bin holds all beyond it where `is_open`.
struct HistogramPlot { std::string name; PlotUnit unit = PlotUnit::kPlain; std::vector<double> from, before, now; bool is_open = false; };
std::string histogram_plot(const HistogramPlot& plot);

// For each name its share before, above it now.
struct SharePair { std::string name, title; double before = 0, now = 0; };
std::string pair_plot(const std::string& name, const std::vector<SharePair>& pairs);

// Points of a plane without axes: their distances alone say something. Series later in the list are drawn above. A label that would cover an earlier one is moved by up to two lines, else left out.
enum class PointShape { kHollow, kFilled, kTriangle };
struct ScatterPoint { double x = 0, y = 0; std::string title; };
struct ScatterSeries { std::string name; PointShape shape = PointShape::kFilled; std::vector<ScatterPoint> points; };
struct ScatterLabel { double x = 0, y = 0; std::string text; };
std::string scatter_plot(const std::string& name, const std::vector<ScatterSeries>& series, const std::vector<ScatterLabel>& labels);

}  // namespace llmops
