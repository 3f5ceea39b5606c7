#include "cli/render/monitor_report_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/render/svg_plot.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr double kDay = 24 * 3'600'000.0;
constexpr int kShownText = 120;
constexpr size_t kMostRequests = 8, kMostTopics = 8, kMostLabels = 5, kMostSignals = 3, kMostRows = 40, kMostCategories = 5;

constexpr const char* kStyle = R"(:root{color-scheme:light dark;--page:#fff;--text:#1d2227;--muted:#5b646d;--rule:#d9dee3;--soft:#f3f5f7;--now:#1f6fb4;--fill:#7fb2dd;--before:#9a5b13;--new:#b3261e;--good:#1c7430;--bad:#b3261e;--maybe:#80620a}
@media(prefers-color-scheme:dark){:root{--page:#15181b;--text:#e6e9ec;--muted:#a2abb4;--rule:#353c43;--soft:#1e2327;--now:#6cb2ee;--fill:#2f6ea3;--before:#e0a458;--new:#ff8a80;--good:#78cc8b;--bad:#ff8a80;--maybe:#e2c25c}}
*{box-sizing:border-box}
body{margin:0 auto;padding:20px 16px 48px;max-width:1120px;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:24px;line-height:1.25;margin:0 0 2px}h2{font-size:19px;margin:40px 0 8px;padding-top:12px;border-top:1px solid var(--rule)}h3{font-size:15px;margin:18px 0 4px}
p{margin:6px 0;max-width:80ch}.muted,figcaption{color:var(--muted)}
.verdicts{list-style:none;margin:16px 0;padding:0}.verdicts li{padding:8px 12px;margin:6px 0;background:var(--soft);border-left:5px solid var(--muted)}
.verdicts b{margin-right:.3em}.verdicts .bad{border-color:var(--bad)}.verdicts .good{border-color:var(--good)}.verdicts .maybe{border-color:var(--maybe)}
b.bad,td.bad{color:var(--bad)}b.good,td.good{color:var(--good)}b.maybe,td.maybe{color:var(--maybe)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:18px 28px}
figure{margin:0;min-width:0;max-width:640px}figcaption{font-size:13px}figcaption b{color:var(--text);font-size:14px}
svg{display:block;width:100%;height:auto;font-size:12px}
svg text{fill:var(--muted)}svg .mid{text-anchor:middle}svg .end{text-anchor:end}svg .small{font-size:11px}
svg .halo{fill:var(--text);paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round;font-weight:600}
.grid{stroke:var(--rule)}.axis{stroke:var(--muted)}.mark{stroke:var(--new);stroke-dasharray:2 3}.span{fill:var(--muted);fill-opacity:.15}
.line{fill:none;stroke-width:1.8}.line.now{stroke:var(--now)}.line.before{stroke:var(--before);stroke-dasharray:5 3}.band{fill:var(--now);fill-opacity:.2}.whisker{stroke:var(--now);stroke-opacity:.5;stroke-width:3}
.dot.now,.point{fill:var(--now)}.dot.before{fill:var(--before)}.column{fill:var(--fill)}.hollow{fill:var(--page);fill-opacity:.6;stroke:var(--before)}
.new,.alarm{fill:var(--new)}.quiet{fill:var(--muted)}.edge{fill:none;stroke:var(--rule)}
.scroll{overflow-x:auto;max-width:100%;margin:0 0 18px}table{border-collapse:collapse;overflow-wrap:normal;font-size:14px;font-variant-numeric:tabular-nums}.caption{color:var(--muted);font-size:13px;margin:2px 0}
th,td{padding:4px 14px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}th{font-weight:600;color:var(--muted);white-space:nowrap}td.n,th.n{text-align:right;white-space:nowrap}td.t{min-width:16em;max-width:46em;overflow-wrap:anywhere}
.key{display:inline-block;white-space:nowrap;margin-right:12px}.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:0 28px}.columns>*{min-width:0}
dl{display:grid;grid-template-columns:minmax(8em,auto) 1fr;gap:2px 16px;margin:8px 0}dt{color:var(--muted)}dd{margin:0;min-width:0}
@media(max-width:520px){dl{grid-template-columns:1fr}dt{margin-top:6px}}
@media print{body{max-width:none}h2{break-after:avoid}figure,tr{break-inside:avoid}}
)";

std::string percent(double share) { return share != 0 && std::fabs(share) < 0.0995 ? fmt::format("{:.1f} %", share * 100) : fmt::format("{:.0f} %", share * 100); }
std::string share_text(double share) { return fmt::format("{:.{}f} %", 100 * share, std::fabs(share) < 0.1 ? 2 : 1); }
std::string figure_of(double value) { return value == 0 ? "0" : fmt::format("{:.4g}", value); }
std::string day_name(double unix_ms) { return format_utc(static_cast<int64_t>(unix_ms)).substr(0, 10); }
std::string p_text(double p) {
  const std::string shown = format_p(p);
  return shown.starts_with("<") ? "p " + shown : "p = " + shown;
}

std::string health_figure(double value, const std::string& unit) {
  if (unit == "share") return share_text(value);
  if (unit == "tokens") return std::fabs(value) < 100 ? fmt::format("{:.1f}", value) : format_count(std::llround(value));
  return format_value(value, unit);
}

std::string counted(int64_t count, const char* one, const char* many) { return fmt::format("{} {}", format_count(count), count == 1 ? one : many); }

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// In a sentence.
std::string short_text(const std::string& text) { return truncate_to_width(collapse_space(text), 80); }

std::string topic_name(const ComparedTopic& topic) { return topic.words.empty() ? topic.exemplar : joined(topic.words, " "); }

// A text of a user: cut, with more of it to be seen where the pointer rests.
std::string user_text(const std::string& text) {
  const std::string shown = html_text(text, kShownText), whole = html_text(text);
  return shown == whole ? shown : fmt::format("<span title=\"{}\">{}</span>", whole, shown);
}

// ---- tables ----
struct Column { const char* title; bool is_number = false; bool is_text = false; };
struct Cell { std::string html; const char* tone = ""; };

std::string table_of(const std::string& caption, const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows) {
  if (rows.empty()) return "";
  // The caption does not scroll with its table; what scrolls can be reached by the keyboard.
  std::string text = (caption.empty() ? "" : "<p class=\"caption\">" + caption + "</p>\n") + "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  for (const Column& column : columns) text += fmt::format("<th scope=\"col\"{}>{}</th>", column.is_number ? " class=\"n\"" : "", column.title);
  text += "</tr></thead><tbody>\n";
  for (const std::vector<Cell>& row : rows) {
    text += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      std::string kind = columns[i].is_number ? "n" : columns[i].is_text ? "t" : "";
      if (row[i].tone[0] != 0) kind += (kind.empty() ? "" : " ") + std::string(row[i].tone);
      text += kind.empty() ? "<td>" + row[i].html + "</td>" : fmt::format("<td class=\"{}\">{}</td>", kind, row[i].html);
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string figure(const std::string& title, const std::string& explained, const std::string& svg) {
  return fmt::format("<figure><figcaption><b>{}</b> {}</figcaption>\n{}</figure>\n", html_text(title), explained, svg);
}

std::string paragraph(const std::string& html, const char* kind = "") { return html.empty() ? "" : fmt::format("<p{}>{}</p>\n", kind[0] == 0 ? "" : fmt::format(" class=\"{}\"", kind), html); }

// ---- verdicts ----
const char* drift_tone(DriftVerdict verdict) { return verdict == DriftVerdict::kDrift ? "bad" : verdict == DriftVerdict::kNoDrift ? "good" : "maybe"; }
const char* health_tone(HealthVerdict verdict) { return verdict == HealthVerdict::kDegraded ? "bad" : verdict == HealthVerdict::kHealthy ? "good" : "maybe"; }
const char* change_tone(HealthChange change) { return change == HealthChange::kWorse ? "bad" : change == HealthChange::kBetter ? "good" : change == HealthChange::kChanged ? "maybe" : ""; }

std::string drift_sentence(const MonitorReport& report) {
  const Comparison& made = report.drift.whole;
  if (made.verdict == DriftVerdict::kNotEnoughData) return "not enough data: " + made.reason;
  std::string effects;
  for (const ComparedTest& one : made.tests) {
    if (!one.is_primary || !one.adjusted || *one.adjusted > made.options.alpha) continue;
    effects += fmt::format("{}{} ({}{})", effects.empty() ? "" : "; ", one.name, one.effect.empty() ? "" : short_text(one.effect) + ", ", p_text(*one.adjusted));
  }
  const std::string counts = fmt::format("{} against {}", counted(made.current_used, "request", "requests"), format_count(made.reference_used));
  const std::string level = fmt::format("{} at alpha {}", p_text(made.joint_p.value_or(1)), figure_of(made.options.alpha));
  if (made.verdict == DriftVerdict::kNoDrift) return fmt::format("no drift: {} show no difference ({})", counts, level);
  return fmt::format("drift: {} differ ({}){}{}", counts, level, effects.empty() ? "" : ": ", effects);
}

std::string signal_change(const HealthSignal& one) {
  if (one.unit == "distribution" || !one.current.value || !one.before.value) return one.difference ? fmt::format("{} {:.1f} % moved", short_text(one.name), 100 * *one.difference) : short_text(one.name);
  return fmt::format("{} {} to {}", short_text(one.name), health_figure(*one.before.value, one.unit), health_figure(*one.current.value, one.unit));
}

std::string health_sentence(const MonitorReport& report) {
  const MonitorHealthReport& health = report.health;
  if (health.verdict == HealthVerdict::kNotEnoughData) return "not enough data: " + health.reason;
  std::vector<const HealthSignal*> worse;
  for (const HealthSignal& one : health.found.signals) if (one.change == HealthChange::kWorse) worse.push_back(&one);
  for (const HealthRow& row : health.rows) for (const HealthSignal* one : {&row.part.errors, &row.part.latency}) if (one->change == HealthChange::kWorse) worse.push_back(one);
  std::string text = fmt::format("{} at alpha {}, {} against {}", health_verdict_name(health.verdict), figure_of(health.alpha), counted(health.requests, "request", "requests"), format_count(health.requests_before));
  std::stable_sort(worse.begin(), worse.end(), [](const HealthSignal* a, const HealthSignal* b) { return a->p_adjusted.value_or(1) < b->p_adjusted.value_or(1); });
  for (size_t i = 0; i < std::min(kMostSignals, worse.size()); ++i) text += fmt::format("{}{} ({})", i == 0 ? ": " : "; ", signal_change(*worse[i]), p_text(worse[i]->p_adjusted.value_or(1)));
  if (worse.size() > kMostSignals) text += fmt::format("; and {} more", worse.size() - kMostSignals);
  return text;
}

std::string days_text(const MonitorReport& report) { return report.days.size() == 1 ? "in the last day" : fmt::format("in the last {} days", report.days.size()); }

std::string alarms_sentence(const MonitorReport& report) {
  if (report.looks.empty()) return fmt::format("not watched: no monitor has looked {}", days_text(report));
  const int64_t alarms = report.alarms();
  std::string text = fmt::format("{} {}, {}", alarms == 0 ? "no alarm" : counted(alarms, "alarm", "alarms"), days_text(report), counted(std::ssize(report.looks), "look", "looks"));
  const ReportLook* newest = nullptr;
  for (const ReportLook& look : report.looks) if (look.is_alarm && (newest == nullptr || look.period_ms > newest->period_ms)) newest = &look;
  if (newest != nullptr) text += fmt::format("; the newest: {} on {}{}", short_text(newest->monitor), format_moment(newest->period_ms), newest->p_value ? fmt::format(" ({})", p_text(*newest->p_value)) : "");
  return text;
}

std::string verdict_item(const char* tone, const char* subject, const std::string& sentence) {
  // A sign beside the colour.
  const char* sign = std::string_view(tone) == "bad" ? "&#9650;" : std::string_view(tone) == "good" ? "&#10003;" : "?";
  return fmt::format("<li class=\"{0}\"><b class=\"{0}\"><span aria-hidden=\"true\">{1}</span> {2}:</b> {3}.</li>\n", tone, sign, subject, html_text(sentence));
}

std::string verdicts_html(const MonitorReport& report) {
  const ReportVerdicts said = report_verdicts(report);
  return "<ul class=\"verdicts\" id=\"verdicts\">\n" + verdict_item(drift_tone(report.drift.whole.verdict), "Requests", said.drift) + verdict_item(health_tone(report.health.verdict), "Health", said.health) +
      verdict_item(report.looks.empty() ? "maybe" : report.alarms() > 0 ? "bad" : "good", "Alarms", said.alarms) + "</ul>\n";
}

// ---- timeline ----
TimePlot time_axis(const MonitorReport& report, const std::string& name, PlotUnit unit) {
  TimePlot plot;
  plot.name = name;
  plot.unit = unit;
  plot.x_low = static_cast<double>(report.days.front().start_ms);
  plot.x_high = static_cast<double>(report.days.back().start_ms) + kDay;
  const size_t count = report.days.size(), every = std::max<size_t>(1, (count + 4) / 5);
  for (size_t i = 0; i < count; i += every) plot.x_ticks.push_back({static_cast<double>(report.days[i].start_ms) + kDay / 2, day_name(static_cast<double>(report.days[i].start_ms)).substr(count > 300 ? 0 : 5)});
  plot.spans.push_back({std::max(plot.x_low, static_cast<double>(report.window.from_ms)), static_cast<double>(report.window.to_ms), "the window"});
  int64_t marked = 0;
  for (const ReportLook& look : report.looks) {
    if (!look.is_alarm || (marked == look.period_ms && marked != 0)) continue;
    marked = look.period_ms;
    plot.marks.push_back({static_cast<double>(look.period_ms) + (look.period_ms % static_cast<int64_t>(kDay) == 0 ? kDay / 2 : 0), fmt::format("alarm of {}, {}", look.monitor, format_moment(look.period_ms))});
  }
  return plot;
}

std::string requests_plot(const MonitorReport& report) {
  std::vector<PlotPoint> points;
  for (const ReportDay& day : report.days) points.push_back({static_cast<double>(day.start_ms) + kDay / 2, static_cast<double>(day.requests), {}, {}, fmt::format("{}: {}", day_name(static_cast<double>(day.start_ms)), counted(day.requests, "request", "requests"))});
  return figure("Requests", "a day", column_plot(time_axis(report, "requests a day", PlotUnit::kCount), points, kDay));
}

std::string errors_plot(const MonitorReport& report) {
  PlotLine line{"errors", false, {}};
  for (const ReportDay& day : report.days) {
    PlotPoint point{static_cast<double>(day.start_ms) + kDay / 2, day.error_rate, {}, {}, ""};
    if (day.error_interval) point.low = day.error_interval->low, point.high = day.error_interval->high;
    if (day.error_rate) point.title = fmt::format("{}: {} ({} of {}), 95 % interval {} to {}", day_name(static_cast<double>(day.start_ms)), share_text(*day.error_rate), format_count(day.errors), format_count(day.outcomes), share_text(day.error_interval->low), share_text(day.error_interval->high));
    line.points.push_back(std::move(point));
  }
  return figure("Errors", "share of requests; band: 95 % Wilson interval", line_plot(time_axis(report, "share of requests with an error, by day", PlotUnit::kShare), {line}));
}

std::string latency_plot(const MonitorReport& report) {
  PlotLine median{"p50", false, {}}, high{"p95", true, {}};
  for (const ReportDay& day : report.days) {
    const double at = static_cast<double>(day.start_ms) + kDay / 2;
    const std::string name = day_name(static_cast<double>(day.start_ms));
    median.points.push_back({at, day.latency_p50_ms, day.latency_p50_ms, day.latency_p95_ms, day.latency_p50_ms ? fmt::format("{}: p50 {}", name, format_duration_ms(*day.latency_p50_ms)) : ""});
    high.points.push_back({at, day.latency_p95_ms, {}, {}, day.latency_p95_ms ? fmt::format("{}: p95 {}", name, format_duration_ms(*day.latency_p95_ms)) : ""});
  }
  return figure("Latency", "solid: p50, dashed: p95", line_plot(time_axis(report, "latency by day, p50 and p95", PlotUnit::kMilliseconds), {median, high}));
}

std::string novelty_plot(const MonitorReport& report) {
  const auto& by_day = report.drift.whole.beyond_edge_by_day;
  if (by_day.empty()) return "";
  PlotLine line{"beyond the edge", false, {}};
  for (const ReportDay& day : report.days) {
    PlotPoint point{static_cast<double>(day.start_ms) + kDay / 2, {}, {}, {}, ""};
    const auto found = by_day.find(day.start_ms);
    if (found != by_day.end() && found->second.second > 0) {
      const auto& [beyond, all] = found->second;
      point.y = static_cast<double>(beyond) / static_cast<double>(all);
      const auto interval = wilson_interval(beyond, all);
      point.low = interval->low, point.high = interval->high;
      point.title = fmt::format("{}: {} ({} of {} tested), 95 % interval {} to {}", day_name(static_cast<double>(day.start_ms)), percent(*point.y), format_count(beyond), format_count(all), percent(interval->low), percent(interval->high));
    }
    line.points.push_back(std::move(point));
  }
  return figure("Novelty", "share of tested requests farther from those before than 95 % of these are from each other; band: 95 % Wilson interval; days outside both periods are not tested", line_plot(time_axis(report, "share of requests beyond the edge of the reference, by day", PlotUnit::kShare), {line}));
}

std::string looks_plot(const MonitorReport& report) {
  if (report.looks.empty()) return "";
  std::vector<PlotRow> rows;
  for (const ReportLook& look : report.looks) {
    if (rows.empty() || rows.back().name != look.monitor) rows.push_back({look.monitor, {}});
    std::string title = fmt::format("{}, {}: {}", look.monitor, format_moment(look.period_ms), look.is_alarm ? "alarm" : "quiet");
    if (look.p_value) title += ", " + p_text(*look.p_value);
    if (look.e_value) title += fmt::format(", e = {:.3g}", *look.e_value);
    if (look.statistic) title += fmt::format(", statistic {:.4g}", *look.statistic);
    rows.back().events.push_back({static_cast<double>(look.period_ms) + (look.period_ms % static_cast<int64_t>(kDay) == 0 ? kDay / 2 : 0), look.is_alarm, std::move(title)});
  }
  TimePlot axis = time_axis(report, "looks and alarms by monitor", PlotUnit::kPlain);
  axis.marks.clear();
  return figure("Alarms", "triangle: alarm, dot: a look without one", event_plot(axis, rows));
}

std::string timeline_html(const MonitorReport& report) {
  std::string note = "Days of UTC. Shaded: the window that is tested.";
  if (report.alarms() > 0) note += " Dotted lines: alarms.";
  if (report.window.to_ms % static_cast<int64_t>(kDay) != 0) note += " The last day ends with the window, at " + format_moment(report.window.to_ms) + ".";
  if (report.unreadable_looks > 0) note += fmt::format(" {} cannot be read and {} left out.", counted(report.unreadable_looks, "look", "looks"), report.unreadable_looks == 1 ? "is" : "are");
  return fmt::format("<section id=\"timeline\"><h2>The last {}</h2>\n", report.days.size() == 1 ? "day" : fmt::format("{} days", report.days.size())) + paragraph(html_text(note), "muted") + "<div class=\"plots\">\n" + requests_plot(report) + errors_plot(report) + latency_plot(report) + novelty_plot(report) +
      looks_plot(report) + "</div></section>\n";
}

// ---- drift ----
std::string tests_html(const Comparison& made) {
  std::vector<std::vector<Cell>> rows;
  for (const ComparedTest& one : made.tests) {
    const bool is_found = one.adjusted && *one.adjusted <= made.options.alpha;
    rows.push_back({{html_text(fmt::format("{} ({})", one.name, one.detector)), ""}, {one.is_primary ? "decides" : "describes", ""}, {one.statistic ? figure_of(*one.statistic) : "", ""}, {one.adjusted ? html_text(format_p(*one.adjusted)) : "", is_found ? "bad" : ""}, {is_found ? "differs" : one.adjusted ? "" : "not tested", is_found ? "bad" : ""},
        {user_text(one.reason.empty() ? one.effect : one.reason), ""}, {one.smallest_share ? percent(*one.smallest_share) : "", ""}});
  }
  return table_of("p: of those that decide jointly by max-T, of the others by Holm. Smallest seen: the share of new requests that would be seen with a probability of 0.8.", {{"test"}, {""}, {"statistic", true}, {"p", true}, {""}, {"effect", false, true}, {"smallest seen", true}}, rows);
}

std::string topics_html(const Comparison& made) {
  std::vector<SharePair> pairs;
  for (const ComparedTopic& topic : made.topics) {
    if (pairs.size() == kMostTopics) break;
    const bool is_found = topic.p_value <= made.options.alpha;
    pairs.push_back({fmt::format("{} {}{}", topic.z >= 0 ? "+" : "-", topic_name(topic), is_found ? " *" : ""), fmt::format("{} of {} before, {} of {} now, z = {:.1f}, {}; for one: {}", format_count(topic.reference), format_count(made.reference_used), format_count(topic.current), format_count(made.current_used), topic.z, p_text(topic.p_value), topic.exemplar),
        topic.reference_share, topic.current_share});
  }
  if (pairs.empty()) return "";
  return figure("Topics", fmt::format("share of requests: hollow before, filled now; those that moved most first. *: moved at alpha {}", figure_of(made.options.alpha)), pair_plot("shares of topics before and now", pairs));
}

std::string map_html(const Comparison& made) {
  if (made.map.empty()) return "";
  std::vector<ScatterSeries> series{{"before", PointShape::kHollow, {}}, {"now", PointShape::kFilled, {}}, {"new", PointShape::kTriangle, {}}};
  struct Centre { double x = 0, y = 0; int64_t points = 0; };
  std::vector<Centre> centres(made.topics.size());
  for (const MappedRequest& one : made.map) {
    const std::string kind = one.is_new ? "now, new" : one.is_current ? "now" : "before";
    series[one.is_new ? 2 : one.is_current ? 1 : 0].points.push_back({one.x, one.y, html_text(one.text, 160).empty() ? kind : fmt::format("{}: {}{}", kind, one.text, one.topic ? " [" + topic_name(made.topics[*one.topic]) + "]" : "")});
    if (!one.topic) continue;
    Centre& centre = centres[*one.topic];
    centre.x += one.x, centre.y += one.y, ++centre.points;
  }
  std::vector<ScatterLabel> labels;
  for (size_t i = 0; i < centres.size() && labels.size() < kMostLabels; ++i) {
    if (centres[i].points == 0) continue;
    const auto points = static_cast<double>(centres[i].points);
    labels.push_back({centres[i].x / points, centres[i].y / points, topic_name(made.topics[i])});
  }
  std::string key = fmt::format("<span class=\"key\">&#9675; before ({})</span><span class=\"key\">&#9679; now ({})</span>", series[0].points.size(), series[1].points.size());
  if (!series[2].points.empty()) key += fmt::format("<span class=\"key\">&#9650; now and new ({})</span>", series[2].points.size());
  return figure("Map of requests", key + "near points are alike, as far as two dimensions show it; labels: the topics that moved most", scatter_plot("requests in the two dimensions in which they differ most", series, labels));
}

std::string carriers_html(const std::vector<CarryingRequest>& requests, const char* caption) {
  std::vector<std::vector<Cell>> rows;
  for (size_t i = 0; i < std::min(kMostRequests, requests.size()); ++i) rows.push_back({{percent(requests[i].share), ""}, {format_count(requests[i].copies), ""}, {user_text(requests[i].text), ""}});
  return table_of(caption, {{"share", true}, {"times", true}, {"request", false, true}}, rows);
}

std::string intents_html(const Comparison& made) {
  if (made.intents.empty()) return "";
  std::vector<std::vector<Cell>> rows;
  for (const FoundIntent& one : made.intents) {
    std::string examples;
    for (const std::string& example : one.examples) examples += (examples.empty() ? "" : "<br>") + user_text(example);
    rows.push_back({{format_count(one.count), ""}, {user_text(one.exemplar), ""}, {examples, ""}});
  }
  return "<h3>New intents</h3>\n" + table_of(fmt::format("{} called new, at a false discovery rate of 10 %, in groups of like ones.", counted(made.new_requests, "request is", "requests are")), {{"requests", true}, {"for one", false, true}, {"others", false, true}}, rows);
}

std::string terms_html(const Comparison& made) {
  std::vector<std::vector<Cell>> rows;
  for (const CarryingTerm& one : made.terms) rows.push_back({{html_text(one.term, 60), ""}, {format_count(one.reference), ""}, {format_count(one.current), ""}});
  return rows.empty() ? "" : "<div><h3>Terms</h3>\n" + table_of("Requests that hold a term that goes with the difference.", {{"term"}, {"before", true}, {"now", true}}, rows) + "</div>\n";
}

std::string drift_html(const MonitorReport& report) {
  const Comparison& made = report.drift.whole;
  std::string text = "<section id=\"drift\"><h2>What was asked</h2>\n";
  if (made.verdict == DriftVerdict::kNotEnoughData) return text + paragraph("Not tested: " + html_text(made.reason) + "." + (report.drift.hint.empty() ? "" : " To do: " + html_text(report.drift.hint) + ".")) + "</section>\n";
  text += tests_html(made) + "<div class=\"plots\">\n" + topics_html(made) + map_html(made) + "</div>\n<div class=\"columns\">\n";
  const std::string appeared = carriers_html(made.appeared, "Of what came: share of the difference that a text carries."), vanished = carriers_html(made.vanished, "Of what went.");
  if (!appeared.empty()) text += "<div><h3>Appeared</h3>\n" + appeared + "</div>\n";
  if (!vanished.empty()) text += "<div><h3>Vanished</h3>\n" + vanished + "</div>\n";
  return text + terms_html(made) + "</div>\n" + intents_html(made) + "</section>\n";
}

// ---- distributions ----
std::string with_unit(double value, const std::string& unit) { return unit == "ms" ? format_duration_ms(value) : fmt::format("{:.4g} {}", value, unit); }

std::string distributions_html(const MonitorReport& report) {
  std::string text;
  for (const ReportDistribution& one : report.distributions) {
    if (one.from.empty()) continue;
    HistogramPlot plot{one.name, one.unit == "ms" ? PlotUnit::kMilliseconds : PlotUnit::kPlain, one.from, {}, {}, one.is_open};
    for (const int64_t count : one.before) plot.before.push_back(one.n_before == 0 ? 0 : static_cast<double>(count) / static_cast<double>(one.n_before));
    for (const int64_t count : one.now) plot.now.push_back(one.n == 0 ? 0 : static_cast<double>(count) / static_cast<double>(one.n));
    std::string explained = fmt::format("{}; median {} (n {}) before, {} (n {}) now", one.unit, one.median_before ? with_unit(*one.median_before, one.unit) : "not known", format_count(one.n_before), one.median ? with_unit(*one.median, one.unit) : "not known", format_count(one.n));
    if (one.is_open) explained += "; the last bar holds all beyond";
    std::string title = one.name;
    title[0] = static_cast<char>(title[0] - 'a' + 'A');
    text += figure(title, html_text(explained), histogram_plot(plot));
  }
  if (text.empty()) text = paragraph("Neither period tells lengths, tokens or latencies.");
  return "<section id=\"distributions\"><h2>Distributions</h2>\n<p class=\"muted\">Shares of requests: filled now, dashed line before.</p>\n<div class=\"plots\">\n" + text + "</div></section>\n";
}

// ---- health ----
std::string value_of(const HealthEstimate& one, const std::string& unit) { return one.value ? html_text(health_figure(*one.value, unit)) : ""; }
std::string interval_of(const HealthEstimate& one, const std::string& unit) { return one.interval ? html_text(fmt::format("{} .. {}", health_figure(one.interval->low, unit), health_figure(one.interval->high, unit))) : ""; }

std::string difference_of(const HealthSignal& one) {
  if (!one.difference) return "";
  if (one.unit == "distribution") return fmt::format("{:.1f} % moved", 100 * *one.difference);
  return html_text((*one.difference < 0 ? "-" : "+") + health_figure(std::fabs(*one.difference), one.unit));
}

std::string change_of(const HealthSignal& one) { return one.change == HealthChange::kNotEnoughData ? "too few" : one.change == HealthChange::kNoDifference ? "" : std::string(health_change_name(one.change)); }

std::string categories_html(const MonitorHealthReport& health) {
  std::string items;
  for (const HealthSignal& one : health.found.signals) {
    if (one.unit != "distribution" || one.before.n == 0) continue;
    size_t shown = 0;
    for (const HealthCategory& category : one.categories) {
      if (category.before > 0 || shown++ >= kMostCategories) continue;
      items += fmt::format("<li>New in {}: {}, {}{}</li>\n", html_text(one.name), user_text(category.name), counted(category.current, "time", "times"), category.first_ms ? ", first " + format_moment(*category.first_ms) : "");
    }
    if (one.change != HealthChange::kChanged) continue;
    shown = 0;
    for (const HealthCategory& category : one.sequences.empty() ? one.categories : one.sequences) {
      if (category.before == 0 || shown++ >= kMostCategories) continue;
      items += fmt::format("<li>{}: {}, {} before, {} now</li>\n", html_text(one.name), user_text(category.name), format_count(category.before), format_count(category.current));
    }
  }
  return items.empty() ? "" : "<ul>\n" + items + "</ul>\n";
}

std::string rows_html(const MonitorHealthReport& health) {
  std::vector<std::vector<Cell>> rows;
  for (size_t i = 0; i < std::min(kMostRows, health.rows.size()); ++i) {
    const HealthRow& row = health.rows[i];
    const HealthSignal &errors = row.part.errors, &latency = row.part.latency;
    rows.push_back({{html_text(row.name + (row.label.empty() ? "" : " (" + row.label + ")"), 60), ""}, {format_count(row.calls), ""}, {format_count(row.calls_before), ""}, {value_of(errors.current, "share"), ""}, {interval_of(errors.current, "share"), ""}, {value_of(errors.before, "share"), ""}, {change_of(errors), change_tone(errors.change)},
        {value_of(latency.current, "ms"), ""}, {value_of(latency.before, "ms"), ""}, {change_of(latency), change_tone(latency.change)}, {row.input_tokens ? format_count(*row.input_tokens) : "", ""}, {row.output_tokens ? format_count(*row.output_tokens) : "", ""}, {row.cost_usd ? html_text(format_usd(*row.cost_usd)) : "", ""}});
  }
  const std::string caption = health.rows.size() > kMostRows ? fmt::format("The {} with most calls of {}.", kMostRows, health.rows.size()) : "";
  const char* first = health.by.empty() || health.by == "step" ? "component" : "name";
  return rows.empty() ? "" : fmt::format("<h3>By {}</h3>\n", html_text(health.by == "step" || health.by.empty() ? "component" : health.by)) +
      table_of(caption, {{first}, {"calls now", true}, {"before", true}, {"errors now", true}, {"95 % interval", true}, {"before", true}, {""}, {"p95 now", true}, {"before", true}, {""}, {"tokens in", true}, {"out", true}, {"cost", true}}, rows);
}

std::string health_html(const MonitorReport& report) {
  const MonitorHealthReport& health = report.health;
  std::string text = "<section id=\"health\"><h2>How it was answered</h2>\n";
  if (health.verdict == HealthVerdict::kNotEnoughData) text += paragraph("Not tested: " + html_text(health.reason) + ".");
  std::vector<std::vector<Cell>> rows;
  for (const HealthSignal& one : health.found.signals) {
    rows.push_back({{html_text(one.name, 60), ""}, {value_of(one.current, one.unit), ""}, {interval_of(one.current, one.unit), ""}, {format_count(one.current.n), ""}, {value_of(one.before, one.unit), ""}, {format_count(one.before.n), ""}, {difference_of(one), ""}, {one.p_adjusted ? html_text(format_p(*one.p_adjusted)) : "", ""}, {change_of(one), change_tone(one.change)}});
  }
  text += table_of("p: corrected over all tests of this section (Holm).", {{"signal"}, {"now", true}, {"95 % interval", true}, {"n", true}, {"before", true}, {"n", true}, {"difference", true}, {"p", true}, {""}}, rows);
  text += categories_html(health) + rows_html(health);
  if (!health.found.not_recorded.empty() && health.requests > 0) text += paragraph("Not recorded: " + html_text(joined(health.found.not_recorded, ", ")) + ".", "muted");
  return text + "</section>\n";
}

// ---- how it was measured ----
std::string row_of(const char* name, const std::string& html) { return html.empty() ? "" : fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html); }

std::string limits_html(const MonitorReport& report) {
  const Comparison& made = report.drift.whole;
  std::string items;
  const auto add = [&](int64_t count, const char* what) { if (count > 0) items += fmt::format("<li>{} {}</li>\n", format_count(count), what); };
  add(made.reference_without_text + made.current_without_text, "without a known text: not in the tests of what was asked");
  add(made.continued, "of conversations that began before the window: not in these tests");
  for (const UnmatchedStratum& one : made.unmatched) items += fmt::format("<li>{} of stratum {}: none on the other side</li>\n", format_count(one.reference + one.current), html_text(one.name, 80));
  if (made.is_drawn) items += fmt::format("<li>more than {} on a side: so many were drawn</li>\n", format_count(static_cast<int64_t>(made.options.pool.most)));
  for (const auto& [name, count] : report.health.found.left_out) items += fmt::format("<li>{} of {}: no number, or one that cannot be</li>\n", format_count(count), html_text(name, 60));
  add(report.health.without_time, "without a time: in no window");
  return items.empty() ? "nothing" : "<ul>\n" + items + "</ul>";
}

std::string measured_html(const MonitorReport& report) {
  const Comparison& made = report.drift.whole;
  std::string text = "<section id=\"measured\"><h2>How it was measured</h2>\n<dl>\n";
  const auto used = [](int64_t count, int64_t found) { return count == found ? counted(found, "request", "requests") : fmt::format("{} of {} tested", format_count(count), counted(found, "request", "requests")); };
  text += row_of("window", html_text(fmt::format("{} to {}: {}", format_utc(report.window.from_ms), format_utc(report.window.to_ms), used(made.current_used, made.current_found))));
  text += row_of("against", html_text(fmt::format("{} to {}: {}", format_utc(report.against.from_ms), format_utc(report.against.to_ms), used(made.reference_used, made.reference_found))));
  text += row_of("component", html_text(report.component)) + row_of("service", html_text(report.service.value_or("")));
  text += row_of("strata", made.options.pool.strata.empty() ? "none" : html_text(joined(made.options.pool.strata, ", ")) + ": requests are exchanged within them alone");
  text += row_of("conversations", made.conversations > 0 ? format_count(made.conversations) + ": each changes sides whole" : "not told: each request stands for itself");
  text += row_of("texts as", html_text(made.representation)) + row_of("permutations", format_count(static_cast<int64_t>(made.options.permutations))) + row_of("seed", fmt::format("{}", report.seed));
  text += row_of("alpha", figure_of(made.options.alpha) + ": of 100 windows in which nothing changed about " + figure_of(100 * made.options.alpha) + " are called drift");
  text += row_of("left out", limits_html(report)) + row_of("made by", "llmops " LLMOPS_VERSION) + "</dl>\n";
  text += paragraph("A difference that was not seen may be there: the tests tell what share of new requests they would have seen. A difference that was seen need not be bad. Health is judged by signs that need no label; whether answers are right it does not tell.", "muted");
  return text + "</section>\n";
}

}  // namespace

ReportVerdicts report_verdicts(const MonitorReport& report) { return {drift_sentence(report), health_sentence(report), alarms_sentence(report)}; }

std::string monitor_report_to_html(const MonitorReport& report) {
  const std::string window = format_window(report.window), of = (report.component.empty() ? "" : ", component " + report.component) + (report.service ? ", service " + *report.service : "");
  std::string page = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";
  page += fmt::format("<meta name=\"generator\" content=\"{}\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n<link rel=\"icon\" href=\"data:,\">\n", kReportGenerator);
  page += fmt::format("<title>Production {}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n", html_text(window), kStyle);
  page += fmt::format("<h1>Production, {}</h1>\n<p class=\"muted\">{} against {} in {}{}. Times are UTC.</p>\n", html_text(window), counted(report.health.requests, "request", "requests"), format_count(report.health.requests_before), html_text(format_window(report.against)), html_text(of));
  page += verdicts_html(report) + timeline_html(report) + drift_html(report) + distributions_html(report) + health_html(report) + measured_html(report);
  return page + "</main>\n</body>\n</html>\n";
}

Json monitor_report_to_json(const MonitorReport& report, bool written, size_t size_bytes) {
  const auto text_or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  const auto window = [](const TimeWindow& one) { return Json{{"from", format_utc(one.from_ms)}, {"to", format_utc(one.to_ms)}}; };
  Json alarms = Json::array(), drift = nullptr, health = nullptr;
  for (const ReportLook& look : report.looks) if (look.is_alarm) alarms.push_back({{"monitor", look.monitor}, {"period", format_utc(look.period_ms)}, {"p", look.p_value ? Json(*look.p_value) : Json(nullptr)}, {"e", look.e_value ? Json(*look.e_value) : Json(nullptr)}});
  if (report.has_page()) {
    const Comparison& made = report.drift.whole;
    const ReportVerdicts said = report_verdicts(report);
    drift = {{"verdict", drift_verdict_name(made.verdict)}, {"sentence", said.drift}, {"joint_p", made.joint_p ? Json(*made.joint_p) : Json(nullptr)}, {"alpha", made.options.alpha}, {"current", made.current_used}, {"reference", made.reference_used}, {"new_requests", made.new_requests}};
    health = {{"verdict", health_verdict_name(report.health.verdict)}, {"sentence", said.health}, {"current", report.health.requests}, {"reference", report.health.requests_before}, {"worse", signals_that_are(report.health, HealthChange::kWorse)}, {"better", signals_that_are(report.health, HealthChange::kBetter)}, {"changed", signals_that_are(report.health, HealthChange::kChanged)}};
  }
  return {{"schema", "llmops.monitor-report/v1"}, {"path", report.path}, {"written", written}, {"size_bytes", size_bytes}, {"window", window(report.window)}, {"against", window(report.against)}, {"component", text_or_null(report.component)}, {"service", report.service ? Json(*report.service) : Json(nullptr)}, {"days", report.days.size()},
      {"seed", report.seed}, {"drift", std::move(drift)}, {"health", std::move(health)}, {"alarms", std::move(alarms)}, {"looks", report.looks.size()}, {"reason", text_or_null(report.reason)}, {"hint", text_or_null(report.hint)}};
}

}  // namespace llmops
