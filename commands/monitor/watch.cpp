#include "commands/monitor/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "commands/monitor/watch_hours.h"
#include "core/base/duration.h"
#include "core/base/hash.h"
#include "core/stats/e_values.h"

namespace llmops {
namespace {

constexpr int64_t kHour = 3'600'000, kHoursOfDay = 24, kHoursOfWeek = 7 * kHoursOfDay;
constexpr int64_t kLeastItems = 20;
constexpr size_t kHistory = 90, kShownAlarms = 20, kTerms = 6;
constexpr double kHoursOfYear = 365.25 * 24;

struct WatchLook { double p_value = 1, e_value = 1, detector = 0, statistic = 0; bool alarm = false, has_data = false; int64_t items = 0, requests = 0; std::optional<double> value, usual; std::vector<std::string> terms; };

Json look_to_json(const WatchLook& look, const std::string& reference) {
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  return {{"p", look.has_data ? Json(look.p_value) : Json(nullptr)}, {"e", look.has_data ? Json(look.e_value) : Json(nullptr)}, {"statistic", look.statistic}, {"detector", look.detector}, {"alarm", look.alarm}, {"items", look.items}, {"requests", look.requests},
      {"value", or_null(look.value)}, {"usual", or_null(look.usual)}, {"terms", look.terms}, {"reference", reference.empty() ? Json(nullptr) : Json(reference)}};
}

std::optional<double> number_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || !found->is_number() ? std::nullopt : std::optional(found->get<double>());
}

WatchLook look_from_json(const Json& json) {
  WatchLook look;
  look.has_data = number_in(json, "p").has_value();
  look.p_value = number_in(json, "p").value_or(1);
  look.e_value = number_in(json, "e").value_or(1);
  look.statistic = number_in(json, "statistic").value_or(0);
  look.detector = number_in(json, "detector").value_or(0);
  look.alarm = json.value("alarm", false);
  look.items = static_cast<int64_t>(number_in(json, "items").value_or(0));
  look.requests = static_cast<int64_t>(number_in(json, "requests").value_or(0));
  look.value = number_in(json, "value");
  look.usual = number_in(json, "usual");
  if (const auto terms = json.find("terms"); terms != json.end() && terms->is_array()) for (const Json& term : *terms) if (term.is_string()) look.terms.push_back(term.get<std::string>());
  return look;
}

ProfileCell sum_of(const std::map<int64_t, ProfileCell>& cells, int64_t first_hour, int64_t last_hour) {
  ProfileCell sum;
  for (auto it = cells.lower_bound(first_hour); it != cells.end() && it->first < last_hour; ++it) sum.merge(it->second);
  return sum;
}

std::string told(double value, std::string_view unit) {
  if (unit == "USD") return fmt::format("${:.6f}", value);
  if (unit == "share") return value < 0.0995 ? fmt::format("{:.1f} %", value * 100) : fmt::format("{:.0f} %", value * 100);
  return fmt::format("{:.4g} {}", value, unit);
}

class Watch {
 public:
  Watch(Session& session, const MonitorWatchOptions& options, MonitorWatchReport& report) : session_(session), options_(options), report_(report) {}

  Status run() {
    LLMOPS_CHECK(configure());
    LLMOPS_CHECK(load_cells());
    LLMOPS_CHECK(load_looks());
    if (options_.accept) LLMOPS_CHECK(accept());
    LLMOPS_CHECK(take_looks());
    describe();
    return {};
  }

 private:
  // looks: by the first hour of their period. An alarm says that something changed: what the monitor is held against begins anew with the period of its alarm.
  struct Watched { const WatchMonitor* monitor; std::string key; std::vector<HourSums> hours; std::map<int64_t, WatchLook> looks; int64_t pool_from = INT64_MIN; ProfileCell usual; };

  Status configure() {
    LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session_));
    LLMOPS_ASSIGN(const int64_t every, parse_duration_ms(options_.every));
    if (every != kHour && every != kHoursOfDay * kHour) return Error(ErrorCode::kUsage, fmt::format("'{}' is no period to watch by", options_.every), "take --every 24h or --every 1h");
    period_ = every / kHour;
    if (options_.same_weekday && period_ != kHoursOfDay) return Error(ErrorCode::kUsage, "hours are held against the same hour of other days already", "leave out --same-weekday, or take --every 24h");
    LLMOPS_ASSIGN(const int64_t until, window_end(session_, options_.until));
    until_hour_ = until / kHour / period_ * period_;
    report_.every = format_duration(every);
    report_.component = options_.component;
    report_.alarms_per_year = options_.alarms_per_year.value_or(config.alarms_per_year);
    const std::vector<std::string>& asked = options_.monitors.empty() ? config.monitors : options_.monitors;
    std::vector<std::string> names, known;
    for (const WatchMonitor& one : watch_monitors()) known.emplace_back(one.name);
    for (const std::string& name : asked) {
      const bool needs_texts = name == "novelty" || name == "topics";
      if (needs_texts) session_.note(fmt::format("note: '{}' needs texts, which profiles do not keep: 'mean_embedding' is watched instead, and monitor drift tests both", name));
      else if (std::find(known.begin(), known.end(), name) == known.end()) return Error(ErrorCode::kUsage, fmt::format("unknown monitor '{}'", name), did_you_mean(name, known));
      names.push_back(needs_texts ? "mean_embedding" : name);
    }
    const std::string mode = options_.reference.empty() ? "pool" : "reference";
    for (const WatchMonitor& one : watch_monitors()) {
      if (!names.empty() && std::find(names.begin(), names.end(), one.name) == names.end()) continue;
      watched_.push_back({&one, fmt::format("{} {} {} {}", one.name, report_.every, options_.same_weekday ? mode + "-weekday" : mode, options_.component.empty() ? "-" : options_.component), {}, {}, INT64_MIN, {}});
    }
    accepted_key_ = fmt::format("accepted {} {}", report_.every, options_.component.empty() ? "-" : options_.component);
    report_.threshold = watch_threshold(kHoursOfYear / static_cast<double>(period_), watched_.size(), report_.alarms_per_year);
    return {};
  }

  Status load_cells() {
    LLMOPS_ASSIGN(store_, session_.store(!options_.profiles.empty()));
    if (options_.profiles.empty()) {
      LLMOPS_ASSIGN(cells_, stored_cells(session_, *store_, options_.component, until_hour_ * kHour, !options_.dry_run));
    } else {
      LLMOPS_ASSIGN(cells_, file_cells(session_, options_.profiles, options_.component));
    }
    if (options_.reference.empty()) return {};
    LLMOPS_ASSIGN(reference_cells_, file_cells(session_, options_.reference, options_.component));
    std::string bytes;
    for (const auto& [hour, cell] : reference_cells_) bytes += fmt::format("{} ", hour) + profile_cell_bytes(cell);
    reference_id_ = sha256_hex(bytes).substr(0, 16);
    for (Watched& one : watched_) for (const auto& [hour, cell] : reference_cells_) one.usual.merge(cell);
    report_.reference = options_.reference;
    return {};
  }

  Status load_looks() {
    if (options_.restart && !options_.dry_run) {
      for (const Watched& one : watched_) {
        LLMOPS_ASSIGN(const int64_t removed, store_->remove_looks(one.key));
        static_cast<void>(removed);
      }
      LLMOPS_ASSIGN(const int64_t removed, store_->remove_looks(accepted_key_));
      static_cast<void>(removed);
    }
    LLMOPS_ASSIGN(const std::vector<StoredLook> looks, store_->looks());
    for (const StoredLook& look : looks) {
      const Json body = Json::parse(look.body, nullptr, false);
      if (!body.is_object()) return Error(ErrorCode::kCorrupt, fmt::format("the look of '{}' at {} cannot be read", look.monitor, format_utc(look.period_ms)), "begin it anew: llmops monitor watch --restart");
      if (look.monitor == accepted_key_) accepted_from_ = std::max(accepted_from_, look.period_ms / kHour);
      for (Watched& one : watched_) {
        if (one.key != look.monitor || (options_.restart && options_.dry_run)) continue;
        if (body.value("reference", Json()).is_string() && !reference_id_.empty() && body["reference"] != reference_id_) {
          return Error(ErrorCode::kData, fmt::format("the reference '{}' is another one than at the look of {}", options_.reference, format_moment(look.period_ms)), "evidence against another reference does not go on: llmops monitor watch --restart");
        }
        one.looks.emplace(look.period_ms / kHour, look_from_json(body));
      }
    }
    return {};
  }

  Status accept() {
    if (cells_.empty()) return {};
    const int64_t newest = std::min(until_hour_ - period_, cells_.rbegin()->first / period_ * period_);
    accepted_from_ = std::max(accepted_from_, newest);
    if (options_.dry_run) return {};
    LLMOPS_ASSIGN(const int64_t removed, store_->remove_looks(accepted_key_));
    static_cast<void>(removed);
    return store_->add_looks({{accepted_key_, newest * kHour, session_.clock().unix_ms(), "{\"accepted\": true}"}});
  }

  Status take_looks() {
    if (cells_.empty()) return {};
    for (Watched& one : watched_) one.hours = hours_of(*one.monitor, cells_);
    WatchState state;
    std::vector<StoredLook> fresh;
    const int64_t begin = cells_.begin()->first / period_ * period_;
    const int64_t end = std::min(until_hour_, cells_.rbegin()->first / period_ * period_ + period_);
    for (int64_t period = begin; period + period_ <= end; period += period_) {
      if (session_.surroundings().cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
      const ProfileCell cell = sum_of(cells_, period, period + period_);
      begin_pools(period);
      if (std::any_of(watched_.begin(), watched_.end(), [&](const Watched& one) { return one.looks.contains(period); })) {
        state = known_state(period);
        report_.late += std::max<int64_t>(0, cell.counts.records - known_requests(period));
        for (Watched& one : watched_) if (const auto found = one.looks.find(period); found != one.looks.end() && found->second.alarm) begin_pool(one, period);
        add_to_pools(cell);
        continue;
      }
      look_once(period, cell, state, fresh);
      add_to_pools(cell);
    }
    report_.looked_now = static_cast<int64_t>(fresh.size() / std::max<size_t>(1, watched_.size()));
    if (options_.dry_run || fresh.empty()) return {};
    return store_->add_looks(fresh);
  }

  void begin_pool(Watched& one, int64_t period) {
    one.pool_from = period;
    if (options_.reference.empty()) one.usual = {};
  }

  void begin_pools(int64_t period) {
    if (period == accepted_from_) for (Watched& one : watched_) begin_pool(one, period);
  }

  void add_to_pools(const ProfileCell& cell) {
    if (options_.reference.empty()) for (Watched& one : watched_) one.usual.merge(cell);
  }

  WatchState known_state(int64_t period) const {
    WatchState state;
    for (const Watched& one : watched_) {
      const auto found = one.looks.find(period);
      state.detectors.push_back(found == one.looks.end() ? 0 : found->second.detector);
    }
    return state;
  }

  int64_t known_requests(int64_t period) const {
    int64_t most = 0;
    for (const Watched& one : watched_) if (const auto found = one.looks.find(period); found != one.looks.end()) most = std::max(most, found->second.requests);
    return most;
  }

  // The period's hours and those that it is held against.
  std::vector<HourSums> pool_of(const Watched& one, int64_t period) const {
    std::vector<HourSums> made;
    for (const HourSums& hour : one.hours) {
      const bool is_own = hour.hour >= period && hour.hour < period + period_;
      if (!is_own && !options_.reference.empty()) continue;
      if (!is_own && (hour.hour >= period || hour.hour < one.pool_from)) continue;
      if (!is_own && options_.same_weekday && ((period - hour.hour + hour.hour % kHoursOfDay) % kHoursOfWeek) != 0) continue;
      made.push_back(hour);
    }
    if (options_.reference.empty()) return made;
    return hours_of_both(one, period);
  }

  // The reference's hours lie before all of production's, each at its hour of the day.
  std::vector<HourSums> hours_of_both(const Watched& one, int64_t period) const {
    std::map<int64_t, ProfileCell> both;
    for (const auto& [hour, cell] : reference_cells_) both.emplace(hour - 10'000 * kHoursOfDay, cell);
    for (auto it = cells_.lower_bound(period); it != cells_.end() && it->first < period + period_; ++it) both.emplace(it->first, it->second);
    return hours_of(*one.monitor, both);
  }

  void look_once(int64_t period, const ProfileCell& cell, WatchState& state, std::vector<StoredLook>& fresh) {
    std::vector<WatchLook> looks;
    for (const Watched& one : watched_) {
      WatchLook look;
      look.items = items_of(*one.monitor, cell);
      look.requests = cell.counts.records;
      look.value = value_of(*one.monitor, cell);
      look.usual = value_of(*one.monitor, one.usual);
      const bool has_past = !options_.reference.empty() || period - std::max(one.pool_from, cells_.begin()->first / period_ * period_) >= 2 * period_;
      if (has_past && look.items >= kLeastItems && items_of(*one.monitor, one.usual) >= kLeastItems) {
        LookOptions draws;
        draws.seed = static_cast<uint64_t>(period) * 0x9E3779B97F4A7C15u;
        if (const auto made = look_at(one.monitor->statistic, pool_of(one, period), period, period + period_, draws)) {
          look.has_data = true;
          look.statistic = made->statistic;
          look.p_value = made->p_value;
          look.e_value = e_of_p(made->p_value);
        }
      }
      looks.push_back(std::move(look));
    }
    decide(cell, state, looks);
    for (size_t k = 0; k < looks.size(); ++k) if (looks[k].alarm) begin_pool(watched_[k], period);
    for (size_t k = 0; k < watched_.size(); ++k) {
      fresh.push_back({watched_[k].key, period * kHour, session_.clock().unix_ms(), dump_json(look_to_json(looks[k], reference_id_))});
      watched_[k].looks.emplace(period, std::move(looks[k]));
    }
    fresh_.push_back(period);
  }

  void decide(const ProfileCell& cell, WatchState& state, std::vector<WatchLook>& looks) {
    if (options_.reference.empty()) {
      std::vector<double> e_values;
      for (const WatchLook& look : looks) e_values.push_back(look.e_value);
      const WatchState before = state;
      const WatchStep step = watch_step(before, e_values, report_.threshold);
      state = step.after;
      for (size_t k = 0; k < looks.size(); ++k) {
        looks[k].alarm = step.alarms[k];
        looks[k].detector = step.after.detectors[k];
      }
    } else {
      state.detectors.resize(looks.size(), 0);
      for (size_t k = 0; k < looks.size(); ++k) {
        state.detectors[k] = running_mean_step(state.detectors[k], watched_[k].looks.size(), looks[k].e_value);
        looks[k].detector = state.detectors[k];
        looks[k].alarm = state.detectors[k] >= report_.threshold;
      }
    }
    for (size_t k = 0; k < looks.size(); ++k) if (looks[k].alarm && watched_[k].monitor->statistic == WatchStatistic::kFeatures) looks[k].terms = terms_that_came(cell, watched_[k].usual, kTerms);
  }

  void describe() {
    std::map<int64_t, bool> periods;
    for (const Watched& one : watched_) for (const auto& [period, look] : one.looks) periods[period] = true;
    report_.periods = static_cast<int64_t>(periods.size());
    if (!periods.empty()) report_.newest = TimeWindow{periods.rbegin()->first * kHour, (periods.rbegin()->first + period_) * kHour};
    bool any = false;
    for (const Watched& one : watched_) {
      WatchedMonitor shown;
      shown.name = one.monitor->name;
      shown.unit = one.monitor->unit;
      for (const auto& [period, look] : one.looks) {
        shown.looks += look.has_data;
        // How far the evidence is on its way to an alarm, by orders of magnitude.
        shown.history.push_back(look.has_data ? std::optional(look.alarm ? 1.0 : std::clamp(std::log1p(look.detector) / std::log1p(report_.threshold), 0.0, 1.0)) : std::nullopt);
        if (look.alarm) add_alarm(one, period, look);
      }
      if (shown.history.size() > kHistory) shown.history.erase(shown.history.begin(), shown.history.end() - static_cast<std::ptrdiff_t>(kHistory));
      if (!one.looks.empty()) {
        const WatchLook& last = one.looks.rbegin()->second;
        if (last.has_data) {
          shown.p_value = last.p_value;
          shown.e_value = last.e_value;
        }
        shown.evidence = last.detector;
        shown.value = last.value;
        shown.usual = last.usual;
        shown.alarm = last.alarm;
      }
      any = any || shown.looks > 0;
      report_.monitors.push_back(std::move(shown));
    }
    std::stable_sort(report_.alarms.begin(), report_.alarms.end(), [](const WatchAlarm& a, const WatchAlarm& b) { return a.period_ms > b.period_ms; });
    if (report_.alarms.size() > kShownAlarms) report_.alarms.resize(kShownAlarms);
    report_.not_enough = !any;
    if (any) return;
    report_.reason = cells_.empty() ? "no request with a time is stored" : fmt::format("no period of {} with {} requests has two earlier ones to be held against", report_.every, kLeastItems);
    report_.hint = cells_.empty() ? "bring requests in: llmops monitor ingest FILE" : "go on collecting, or look by the hour: --every 1h";
  }

  void add_alarm(const Watched& one, int64_t period, const WatchLook& look) {
    WatchAlarm alarm;
    alarm.monitor = one.monitor->name;
    alarm.period_ms = period * kHour;
    alarm.period = period_ == kHoursOfDay ? format_moment(period * kHour) : format_utc(period * kHour).substr(0, 13) + ":00";
    alarm.p_value = look.p_value;
    alarm.evidence = look.detector;
    if (look.value && look.usual) alarm.what = fmt::format("{} -> {}", told(*look.usual, one.monitor->unit), told(*look.value, one.monitor->unit));
    alarm.terms = look.terms;
    alarm.is_new = std::find(fresh_.begin(), fresh_.end(), period) != fresh_.end();
    report_.alarms.push_back(std::move(alarm));
  }

  Session& session_;
  const MonitorWatchOptions& options_;
  MonitorWatchReport& report_;
  Store* store_ = nullptr;
  int64_t period_ = kHoursOfDay, until_hour_ = 0, accepted_from_ = INT64_MIN;      // hours
  std::string accepted_key_, reference_id_;
  std::vector<Watched> watched_;
  std::vector<int64_t> fresh_;
  std::map<int64_t, ProfileCell> cells_, reference_cells_;
};

}  // namespace

bool watch_has_new_alarm(const MonitorWatchReport& report) { return std::any_of(report.alarms.begin(), report.alarms.end(), [](const WatchAlarm& one) { return one.is_new; }); }

Result<MonitorWatchReport> monitor_watch(Session& session, const MonitorWatchOptions& options) {
  MonitorWatchReport report;
  report.dry_run = options.dry_run;
  LLMOPS_CHECK(Watch(session, options, report).run());
  return report;
}

}  // namespace llmops
