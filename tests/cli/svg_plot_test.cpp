// Plots as text: ticks, gaps, empty data, and what a text of a user may not do to a page.
#include "cli/render/svg_plot.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

namespace llmops {
namespace {

using Values = std::vector<double>;

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

std::vector<PlotPoint> points_of(const std::vector<std::optional<double>>& values) {
  std::vector<PlotPoint> points;
  for (size_t i = 0; i < values.size(); ++i) points.push_back({static_cast<double>(i), values[i], {}, {}, ""});
  return points;
}

TimePlot axis_to(double x_high) {
  TimePlot plot;
  plot.name = "values";
  plot.x_high = x_high;
  return plot;
}

}  // namespace

TEST_CASE("ticks are round and enclose the values") {
  CHECK(axis_ticks(0, 100) == Values{0, 50, 100});
  CHECK(axis_ticks(0, 7) == Values{0, 2, 4, 6, 8});
  CHECK(axis_ticks(0, 8) == Values{0, 2, 4, 6, 8});
  CHECK(axis_ticks(0, 8.1) == Values{0, 5, 10});
  CHECK(axis_ticks(-3, 4) == Values{-4, -2, 0, 2, 4});
  const Values small = axis_ticks(0, 0.03);
  REQUIRE(small.size() == 4);
  CHECK(small[3] == Approx(0.03));
  for (const double high : {1e-9, 0.5, 3.0, 999.0, 1e12}) {
    INFO(high);
    const Values ticks = axis_ticks(0, high);
    CHECK((ticks.front() == 0 && ticks.back() >= high * (1 - 1e-9) && ticks.size() >= 2 && ticks.size() <= 7));
  }
}

TEST_CASE("ticks of a range without a length go up from it") {
  CHECK(axis_ticks(0, 0).front() == 0);
  CHECK(axis_ticks(0, 0).back() == 1);
  CHECK((axis_ticks(5, 5).front() <= 5 && axis_ticks(5, 5).back() >= 5));
}

TEST_CASE("figures have their unit") {
  CHECK(plot_figure(1204, PlotUnit::kCount) == "1,204");
  CHECK(plot_figure(2.5, PlotUnit::kCount) == "2.5");
  CHECK(plot_figure(0.085, PlotUnit::kShare) == "8.5 %");
  CHECK(plot_figure(640, PlotUnit::kMilliseconds) == "640 ms");
  CHECK(plot_figure(1500, PlotUnit::kMilliseconds) == "1.5 s");
  CHECK(plot_figure(0.25, PlotUnit::kPlain) == "0.25");
}

TEST_CASE("what is not known, or no number, divides a line, and a value alone is a dot") {
  const std::string whole = line_plot(axis_to(4), {{"a", false, points_of({1.0, 2.0, 3.0, 2.0, 1.0})}});
  CHECK((count_of(whole, "<path class=\"line now\"") == 1 && count_of(whole, "<circle") == 5));
  const std::string divided = line_plot(axis_to(6), {{"a", false, points_of({1.0, 2.0, std::nullopt, 3.0, NAN, 2.0, 1.0})}});
  CHECK((count_of(divided, "<path class=\"line now\"") == 2 && count_of(divided, "<circle") == 5));
  CHECK((divided.find("nan") == std::string::npos && divided.find("inf") == std::string::npos));
  CHECK(line_plot(axis_to(2), {{"a", false, points_of({INFINITY, 1.0, -INFINITY})}}).find("inf") == std::string::npos);
}

TEST_CASE("a line runs from the lowest tick at the bottom to the highest at the top") {
  // 480 x 170 with 56, 10, 10 and 26 left for the left, right, upper and lower edge: x 56 .. 470, y 144 .. 10.
  const std::string plot = line_plot(axis_to(2), {{"a", false, points_of({0.0, 5.0, 10.0})}});
  CHECK(plot.find("d=\"M56 144L263 77L470 10\"") != std::string::npos);
  const std::string dashed = line_plot(axis_to(1), {{"a", false, points_of({0.0, 10.0})}, {"b", true, points_of({5.0, 5.0})}});
  CHECK(dashed.find("<path class=\"line before\" d=\"M56 77L470 77\"/>") != std::string::npos);
}

TEST_CASE("a band is drawn where both of its ends are known") {
  std::vector<PlotPoint> points = points_of({2.0, 4.0, 4.0, 6.0});
  for (const size_t i : {0, 1, 3}) points[i].low = *points[i].y - 1, points[i].high = *points[i].y + 4;
  const std::string plot = line_plot(axis_to(3), {{"a", false, points}});
  CHECK(count_of(plot, "class=\"band\"") == 1);            // 0 and 1
  CHECK(count_of(plot, "class=\"whisker\"") == 1);         // 3, alone
  CHECK(plot.find(">10</text>") != std::string::npos);     // the axis reaches the band's end
}

TEST_CASE("plots without values say so") {
  TimePlot axis = axis_to(1);
  for (const std::string& plot : {line_plot(axis, {}), line_plot(axis, {{"a", false, {}}}), line_plot(axis, {{"a", false, points_of({std::nullopt, NAN})}}), column_plot(axis, {}, 1), event_plot(axis, {}), histogram_plot({}), pair_plot("p", {}), pair_plot("p", {{"a", "", 0, 0}}), scatter_plot("s", {}, {}),
           scatter_plot("s", {{"now", PointShape::kFilled, {{NAN, 1, ""}}}}, {})}) {
    CHECK(plot.find(">no values</text>") != std::string::npos);
    CHECK((plot.starts_with("<svg ") && plot.ends_with("</svg>\n")));
  }
}

TEST_CASE("columns and bars have the height of their share") {
  const std::string columns = column_plot(axis_to(2), {{0.5, 10.0, {}, {}, "first"}, {1.5, std::nullopt, {}, {}, ""}}, 1);
  CHECK(count_of(columns, "<rect class=\"column\"") == 1);
  CHECK(columns.find("y=\"10\" width=\"205\" height=\"134\"><title>first</title>") != std::string::npos);
  const std::string bins = histogram_plot({"length", PlotUnit::kPlain, {0, 5, 10}, {0.5, 0.5}, {1, 0}, true});
  CHECK(bins.find("<title>0 to 5: before 50 %, now 100 %</title>") != std::string::npos);
  CHECK(bins.find("<title>5 and more: before 50 %, now 0 %</title>") != std::string::npos);
  CHECK(bins.find("d=\"M56 144L56 77L263 77L263 77L470 77L470 144\"") != std::string::npos);
  const std::string pairs = pair_plot("topics", {{"+ refund", "more", 0.1, 0.2}});
  CHECK((pairs.find("class=\"hollow\" x=\"0.5\" y=\"17.5\" width=\"205\"") != std::string::npos && pairs.find("class=\"column\" x=\"0\" y=\"29\" width=\"410\"") != std::string::npos));
  CHECK((pairs.find(">10 %</text>") != std::string::npos && pairs.find(">20 %</text>") != std::string::npos));
}

TEST_CASE("points of one place are drawn, each kind by its own shape") {
  const std::string plot = scatter_plot("map", {{"before", PointShape::kHollow, {{1, 1, "a"}}}, {"now", PointShape::kFilled, {{1, 1, "b"}}}, {"new", PointShape::kTriangle, {{1, 1, "c"}}}}, {{1, 1, "topic"}});
  CHECK((count_of(plot, "class=\"hollow\"") == 1 && count_of(plot, "class=\"point\"") == 1 && count_of(plot, "class=\"new\"") == 1));
  CHECK(plot.find("<title>c</title>") != std::string::npos);
}

TEST_CASE("a text of a user stays text") {
  CHECK(html_text("<script>alert(\"1\") && x('y')</script>") == "&lt;script&gt;alert(&quot;1&quot;) &amp;&amp; x(&#39;y&#39;)&lt;/script&gt;");
  CHECK(html_text("a\x1b[31mb\x07" "c\x7f" "d") == "a[31mbcd");
  CHECK(html_text("a\xC2\x9B" "b\xE2\x80\xAE" "c\xE2\x81\xA6" "d\xD8\x9C" "e\xC2\xA0" "f") == "abcde f");
  CHECK(html_text("two\nlines\tand  spaces ") == "two lines and spaces");
  CHECK(html_text("bad \xFF byte") == "bad \xEF\xBF\xBD byte");
  CHECK(html_text("Grüße 世界") == "Grüße 世界");
  CHECK(html_text("<<<<<<", 4) == "&lt;&lt;&lt;…");          // cut before it is escaped
  const std::string plot = scatter_plot("a\"b", {{"now", PointShape::kFilled, {{0, 0, "</title></svg><img src=x onerror=y>"}}}}, {{0, 0, "<b>"}});
  CHECK((plot.find("<img") == std::string::npos && plot.find("<b>") == std::string::npos && plot.find("aria-label=\"a&quot;b\"") != std::string::npos));
}

}  // namespace llmops
