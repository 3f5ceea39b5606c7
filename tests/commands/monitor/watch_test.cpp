// `monitor watch`: looks that are taken once, alarms that are told once, and what begins anew.
#include "commands/monitor/watch.h"

#include "tests/commands/monitor/requests_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

constexpr int64_t kFirstDay = 1'790'812'800'000;      // 2026-10-01T00:00:00Z

// Day `day` of October, eight hours of six requests; `failing` of the last hours fail.
void ask_day(RequestsFolder& folder, int day, int failing = 0, double slower = 1) {
  for (int hour = 9; hour < 17; ++hour) {
    for (int i = 0; i < 6; ++i) {
      const int n = (day * 8 + hour) * 6 + i;
      StoredRecord& one = folder.answered("where is order " + std::to_string(n * 7919 % 1000), "on its way", kFirstDay + (day - 1) * kRequestsDay + hour * kRequestsHour + i * 540'000);
      one.latency_ms = (300 + n * 37 % 400) * slower;
      if (hour >= 17 - failing) one.error = "unavailable";
    }
  }
}

MonitorWatchOptions until(int day, std::vector<std::string> monitors = {"error_rate", "latency"}) {
  MonitorWatchOptions options;
  options.until = "2026-10-" + std::string(day < 10 ? "0" : "") + std::to_string(day);
  options.monitors = std::move(monitors);
  return options;
}

const WatchedMonitor& monitor_named(const MonitorWatchReport& report, const std::string& name) {
  for (const WatchedMonitor& one : report.monitors) if (one.name == name) return one;
  FAIL("no monitor " << name);
  return report.monitors.front();
}

}  // namespace

TEST_CASE("watch: quiet days are quiet, an incident is an alarm on its day, and it is told once") {
  RequestsFolder folder;
  for (int day = 1; day <= 15; ++day) ask_day(folder, day);
  ask_day(folder, 16, 4);
  Session session = folder.session();
  const MonitorWatchReport quiet = must(monitor_watch(session, until(16)));
  CHECK(quiet.looked_now == 15);
  CHECK(quiet.alarms.empty());
  CHECK(quiet.threshold == Approx(365.25 * 2));
  const MonitorWatchReport alarm = must(monitor_watch(session, until(17)));
  CHECK(alarm.looked_now == 1);
  REQUIRE(alarm.alarms.size() == 1);
  CHECK(alarm.alarms[0].monitor == "error_rate");
  CHECK(alarm.alarms[0].period == "2026-10-16");
  CHECK(alarm.alarms[0].what == "0.0 % -> 50 %");
  CHECK(alarm.alarms[0].is_new);
  const MonitorWatchReport again = must(monitor_watch(session, until(17)));
  CHECK(again.looked_now == 0);
  REQUIRE(again.alarms.size() == 1);
  CHECK_FALSE(again.alarms[0].is_new);
  CHECK_FALSE(watch_has_new_alarm(again));
}

TEST_CASE("watch: day by day or all at once, the evidence is the same") {
  RequestsFolder at_once, by_day;
  for (int day = 1; day <= 10; ++day) {
    ask_day(at_once, day, 0, day > 7 ? 2 : 1);
    ask_day(by_day, day, 0, day > 7 ? 2 : 1);
  }
  Session first = at_once.session(), second = by_day.session();
  const MonitorWatchReport whole = must(monitor_watch(first, until(11)));
  MonitorWatchReport last;
  for (int day = 2; day <= 11; ++day) last = must(monitor_watch(second, until(day)));
  for (size_t k = 0; k < whole.monitors.size(); ++k) {
    CHECK(whole.monitors[k].evidence == last.monitors[k].evidence);
    CHECK(whole.monitors[k].looks == last.monitors[k].looks);
  }
  CHECK(whole.alarms.size() == last.alarms.size());
}

TEST_CASE("watch: purged traces and late requests leave what was seen as it was, and late ones are told") {
  RequestsFolder folder;
  for (int day = 1; day <= 8; ++day) ask_day(folder, day);
  Session session = folder.session();
  const MonitorWatchReport before = must(monitor_watch(session, until(9)));
  Store* store = must(session.store(false));
  must(store->remove_traces(must(store->traces_before(kFirstDay + 4 * kRequestsDay))));
  for (int i = 0; i < 5; ++i) folder.answered("late", "yes", kFirstDay + 6 * kRequestsDay + 10 * kRequestsHour + i);
  Session later = folder.session();
  const MonitorWatchReport after = must(monitor_watch(later, until(9)));
  CHECK(after.late == 5);
  CHECK(after.looked_now == 0);
  CHECK(monitor_named(after, "latency").evidence == monitor_named(before, "latency").evidence);
}

TEST_CASE("watch: what is accepted is normal from then on") {
  RequestsFolder folder;
  for (int day = 1; day <= 6; ++day) ask_day(folder, day);
  for (int day = 7; day <= 12; ++day) ask_day(folder, day, 0, 3);
  Session session = folder.session();
  must(monitor_watch(session, until(7)));
  MonitorWatchOptions accept = until(8);
  accept.accept = true;
  must(monitor_watch(session, accept));
  const MonitorWatchReport after = must(monitor_watch(session, until(13)));
  CHECK(after.alarms.empty());
  CHECK(*monitor_named(after, "latency").usual > 1000);
}

TEST_CASE("watch: a dry run looks and keeps nothing; a restart forgets") {
  RequestsFolder folder;
  for (int day = 1; day <= 6; ++day) ask_day(folder, day);
  Session session = folder.session();
  MonitorWatchOptions dry = until(7);
  dry.dry_run = true;
  CHECK(must(monitor_watch(session, dry)).looked_now == 6);
  CHECK(must(must(session.store(false))->looks()).empty());
  CHECK(must(monitor_watch(session, until(7))).looked_now == 6);
  MonitorWatchOptions restart = until(7);
  restart.restart = true;
  CHECK(must(monitor_watch(session, restart)).looked_now == 6);
}

TEST_CASE("watch: too little is said, and wrong words are refused") {
  RequestsFolder folder;
  ask_day(folder, 1);
  Session session = folder.session();
  const MonitorWatchReport few = must(monitor_watch(session, until(2)));
  CHECK(few.not_enough);
  CHECK(few.reason == "no period of 24h with 20 requests has two earlier ones to be held against");
  const auto unknown = monitor_watch(session, until(2, {"error_rat"}));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message == "unknown monitor 'error_rat'");
  CHECK(unknown.error().hint == "did you mean 'error_rate'?");
  MonitorWatchOptions period = until(2);
  period.every = "3h";
  const auto odd = monitor_watch(session, period);
  REQUIRE_FALSE(odd);
  CHECK(odd.error().message == "'3h' is no period to watch by");
}
