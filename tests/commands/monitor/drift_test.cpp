// `monitor drift` and `monitor skew`: windows, conversations, strata, who carries what; and real prompts of several sources.
#include "commands/monitor/drift.h"

#include <fstream>
#include <map>
#include <random>

#include "commands/monitor/profile.h"
#include "tests/commands/monitor/requests_fixture.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::vector<std::string> kGoods{"kettle", "toaster", "mixer", "lamp", "fan", "heater", "iron", "clock", "radio"};

std::string usual(int i) {
  const std::string& goods = kGoods[static_cast<size_t>(i) % kGoods.size()];
  switch (i % 4) {
    case 0: return "where is my " + goods;
    case 1: return "can I return the " + goods + " number " + std::to_string(i % 13);
    case 2: return "the " + goods + " does not switch on";
    default: return "send me the invoice of the " + goods;
  }
}

std::string foreign(int i) { return "which " + std::string(i % 2 == 0 ? "mountain" : "river") + " of Peru is the longest of all " + std::to_string(i % 7); }

// 140 requests in the week before and 60 in the last day, of which the last `planted` are of another world.
void fill(RequestsFolder& folder, int planted) {
  for (int i = 0; i < 140; ++i) folder.ask(usual(i * 7), kRequestsNow - 26 * kRequestsHour - i * kRequestsHour);
  for (int i = 0; i < 60; ++i) folder.ask(i >= 60 - planted ? foreign(i) : usual(i * 5 + 1), kRequestsNow - kRequestsHour - i * 60'000, "now" + std::to_string(i));
}

MonitorDriftOptions quick() {
  MonitorDriftOptions options;
  options.until = kRequestsUntil;
  options.permutations = 199;
  options.threads = 1;
  return options;
}

const ComparedTest& test_named(const Comparison& made, const std::string& name) {
  for (const ComparedTest& one : made.tests) if (one.name == name) return one;
  FAIL("no test " << name);
  return made.tests.front();
}

std::string refusal(RequestsFolder& folder, const MonitorDriftOptions& options) {
  Session session = folder.session();
  const auto report = monitor_drift(session, options);
  return report ? "compared" : report.error().message + " | " + report.error().hint;
}

}  // namespace

TEST_CASE("a day of other requests is drift, and the report says which requests, words and intent it is") {
  RequestsFolder folder;
  fill(folder, 15);
  Session session = folder.session();
  const MonitorDriftReport report = must(monitor_drift(session, quick()));
  CHECK(report.whole.verdict == DriftVerdict::kDrift);
  CHECK(report.whole.current_used == 60);
  CHECK(report.whole.reference_used == 140);
  REQUIRE(report.whole.joint_p);
  CHECK(*report.whole.joint_p == Approx(0.005));
  REQUIRE(test_named(report.whole, "novelty").adjusted);
  CHECK(*test_named(report.whole, "novelty").adjusted <= 0.01);
  REQUIRE_FALSE(report.whole.appeared.empty());
  CHECK(report.whole.appeared[0].text.find("of Peru") != std::string::npos);
  CHECK(report.whole.appeared[0].id.starts_with("now"));
  REQUIRE_FALSE(report.whole.intents.empty());
  CHECK(report.whole.intents[0].exemplar.find("of Peru") != std::string::npos);
  REQUIRE_FALSE(report.whole.terms.empty());
  CHECK(foreign(0).find(report.whole.terms[0].term) != std::string::npos);
  CHECK(report.whole.beyond_edge_by_day.size() >= 6);
}

TEST_CASE("a day like the days before is none, for each of several seeds but a few") {
  int alarms = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    RequestsFolder folder;
    // Drawn from one pool: which are of today is chance.
    std::mt19937_64 random(seed);
    for (int i = 0; i < 140; ++i) folder.ask(usual(static_cast<int>(random() % 5000)), kRequestsNow - 26 * kRequestsHour - i * kRequestsHour);
    for (int i = 0; i < 60; ++i) folder.ask(usual(static_cast<int>(random() % 5000)), kRequestsNow - kRequestsHour - i * 60'000);
    Session session = folder.session();
    MonitorDriftOptions options = quick();
    options.alpha = 0.05;
    options.permutations = 99;
    options.seed = seed;
    alarms += must(monitor_drift(session, options)).whole.verdict == DriftVerdict::kDrift;
  }
  // Binomial(20, 0.05) passes 5 with a probability below 0.001.
  CHECK(alarms <= 5);
}

TEST_CASE("a stratum that grows is no drift within the strata, and one of one side alone is left out and told") {
  RequestsFolder folder;
  for (int i = 0; i < 120; ++i) folder.ask(i % 6 == 0 ? foreign(i) : usual(i), kRequestsNow - 26 * kRequestsHour - i * kRequestsHour).route = i % 6 == 0 ? "travel" : "shop";
  for (int i = 0; i < 80; ++i) folder.ask(i % 2 == 0 ? foreign(i * 3) : usual(i / 2), kRequestsNow - kRequestsHour - i * 60'000).route = i % 2 == 0 ? "travel" : "shop";
  for (int i = 0; i < 9; ++i) folder.ask("hola", kRequestsNow - kRequestsHour - i * 1000).route = "spanish";
  Session session = folder.session();
  MonitorDriftOptions options = quick();
  options.strata = std::vector<std::string>{};
  const Comparison without = must(monitor_drift(session, options)).whole;
  CHECK(without.verdict == DriftVerdict::kDrift);
  CHECK(test_named(without, "route mix").effect.find("->") != std::string::npos);
  options.strata = std::vector<std::string>{"route"};
  const Comparison within = must(monitor_drift(session, options)).whole;
  CHECK(within.verdict == DriftVerdict::kNoDrift);
  REQUIRE(within.unmatched.size() == 1);
  CHECK(within.unmatched[0].name == "spanish");
  CHECK(within.unmatched[0].current == 9);
}

TEST_CASE("conversations change sides whole: one talkative visitor is no drift") {
  RequestsFolder folder;
  for (int i = 0; i < 140; ++i) folder.ask(usual(i * 7), kRequestsNow - 26 * kRequestsHour - i * kRequestsHour).session = "s" + std::to_string(i);
  for (int i = 0; i < 40; ++i) folder.ask(usual(i * 5 + 1), kRequestsNow - kRequestsHour - i * 60'000).session = "n" + std::to_string(i);
  for (int i = 0; i < 14; ++i) folder.ask(foreign(i), kRequestsNow - 3 * kRequestsHour - i * 60'000).session = "traveller";
  // Goes on with a conversation of the week before.
  folder.ask(usual(3), kRequestsNow - kRequestsHour).session = "s0";
  Session session = folder.session();
  const Comparison made = must(monitor_drift(session, quick())).whole;
  CHECK(made.conversations == 181);
  CHECK(made.continued == 1);
  CHECK(made.verdict == DriftVerdict::kNoDrift);
  // Each alone, the same requests are.
  RequestsFolder alone;
  for (int i = 0; i < 140; ++i) alone.ask(usual(i * 7), kRequestsNow - 26 * kRequestsHour - i * kRequestsHour);
  for (int i = 0; i < 40; ++i) alone.ask(usual(i * 5 + 1), kRequestsNow - kRequestsHour - i * 60'000);
  for (int i = 0; i < 14; ++i) alone.ask(foreign(i), kRequestsNow - 3 * kRequestsHour - i * 60'000);
  Session other = alone.session();
  CHECK(must(monitor_drift(other, quick())).whole.verdict == DriftVerdict::kDrift);
}

TEST_CASE("the same weekday takes the same hours of earlier weeks alone") {
  RequestsFolder folder;
  for (int week = 1; week <= 3; ++week) for (int i = 0; i < 20; ++i) folder.ask(usual(week * 31 + i), kRequestsNow - week * 7 * kRequestsDay - kRequestsHour - i * 60'000);
  for (int i = 0; i < 50; ++i) folder.ask(foreign(i), kRequestsNow - 3 * kRequestsDay - i * 60'000);
  for (int i = 0; i < 40; ++i) folder.ask(usual(i), kRequestsNow - kRequestsHour - i * 60'000);
  Session session = folder.session();
  MonitorDriftOptions options = quick();
  options.against = "4w";
  options.same_weekday = true;
  CHECK(must(monitor_drift(session, options)).whole.reference_used == 60);
  options.same_weekday = false;
  CHECK(must(monitor_drift(session, options)).whole.reference_used == 110);
}

TEST_CASE("too little is no verdict, and the hint says where the newest request is") {
  RequestsFolder folder;
  folder.ask("hello", kRequestsNow - 40 * kRequestsDay);
  Session session = folder.session();
  const MonitorDriftReport report = must(monitor_drift(session, quick()));
  CHECK(report.whole.verdict == DriftVerdict::kNotEnoughData);
  CHECK(report.whole.reason == "0 and 0 requests with a known text: at least 20 are needed on each side");
  CHECK(report.hint == "the newest request is of 2026-10-13 08:00: take --until 2026-10-13T09:00:00Z");
}

TEST_CASE("requests that are all alike, empty or unknown break nothing") {
  RequestsFolder folder;
  for (int i = 0; i < 40; ++i) folder.ask("same", kRequestsNow - 26 * kRequestsHour - i * kRequestsHour);
  for (int i = 0; i < 30; ++i) folder.ask("same", kRequestsNow - kRequestsHour - i * 60'000);
  for (int i = 0; i < 5; ++i) folder.ask("x", kRequestsNow - kRequestsHour - i * 1000).input.reset();
  Session session = folder.session();
  const Comparison made = must(monitor_drift(session, quick())).whole;
  CHECK(made.verdict == DriftVerdict::kNoDrift);
  CHECK(made.current_without_text == 5);
  RequestsFolder empty;
  for (int i = 0; i < 40; ++i) empty.ask("", kRequestsNow - 26 * kRequestsHour - i * kRequestsHour);
  for (int i = 0; i < 30; ++i) empty.ask("", kRequestsNow - kRequestsHour - i * 60'000);
  Session other = empty.session();
  CHECK(must(monitor_drift(other, quick())).whole.verdict == DriftVerdict::kNoDrift);
}

TEST_CASE("what cannot be is refused before anything is read") {
  RequestsFolder folder;
  fill(folder, 0);
  MonitorDriftOptions options = quick();
  options.window = "3days";
  CHECK(refusal(folder, options) == "'3days' is not a length of time | write a number and a unit: 90s, 15m, 24h, 7d or 2w");
  options = quick();
  options.strata = std::vector<std::string>{"rout"};
  CHECK(refusal(folder, options) == "'rout' is no stratum | did you mean 'route'?");
  options = quick();
  options.permutations = 50;
  CHECK(refusal(folder, options) == "50 permutations cannot give a p-value of 0.01 or less | give --permutations 99 or more");
  options = quick();
  options.window = "2w";
  options.same_weekday = true;
  CHECK(refusal(folder, options) == "a window of more than a week has no same weekday | leave out --same-weekday, or take --window 24h");
}

TEST_CASE("skew of real prompts: other datasets are told apart from helpful_base, and random halves of it are not", "[e2e]") {
  const auto root = data_root();
  if (!root) return note_left_out("skew of alpaca_eval's datasets");
  std::ifstream file(*root / "drift/alpaca_prompts.tsv");
  std::map<std::string, std::vector<std::string>> prompts;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const size_t tab = line.rfind('\t');
    prompts[line.substr(tab + 1)].push_back(line.substr(0, tab));
  }
  REQUIRE(prompts["helpful_base"].size() == 129);
  RequestsFolder folder;
  Session session = folder.session();
  const auto rows = [](const std::vector<std::string>& texts) {
    std::vector<StoredRecord> made;
    for (const std::string& text : texts) made.emplace_back().input = text;
    return made;
  };
  ComparisonOptions options;
  options.permutations = 499;
  for (const char* name : {"selfinstruct", "oasst", "koala"}) {
    INFO(name);
    const Comparison made = must(compare_requests(session, rows(prompts["helpful_base"]), rows(prompts[name]), options));
    CHECK(made.verdict == DriftVerdict::kDrift);
    CHECK(made.terms.size() == 10);
    CHECK(made.appeared.size() == 10);
  }
  int alarms = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<std::string> all = prompts["helpful_base"];
    std::shuffle(all.begin(), all.end(), std::mt19937_64(seed));
    options.permutations = 99;
    options.alpha = 0.05;
    options.seed = seed;
    alarms += must(compare_requests(session, rows({all.begin(), all.begin() + 64}), rows({all.begin() + 64, all.end()}), options)).verdict == DriftVerdict::kDrift;
  }
  CHECK(alarms <= 5);
}

TEST_CASE("drift from profiles alone: a day of slower answers, without a text and without the store", "[e2e]") {
  RequestsFolder folder;
  std::string lines;
  for (int day = 0; day < 8; ++day) {
    for (int i = 0; i < 96; ++i) {
      lines += "{\"id\": \"r" + std::to_string(day * 1000 + i) + "\", \"ts\": " + std::to_string(1'795'132'800 + day * 86'400 + i * 900) + ", \"input\": \"where is order " + std::to_string(i * 31 % 17) + "\", \"output\": \"on its way\", \"latency_ms\": " + std::to_string((300 + i * 37 % 100) * (day == 7 ? 2 : 1)) + "}\n";
    }
  }
  folder.project.write("requests.jsonl", lines);
  Session session = folder.session();
  MonitorProfileOptions profile;
  profile.sources = {"requests.jsonl"};
  profile.output = "p.profile";
  must(monitor_profile(session, profile));
  MonitorDriftOptions options = quick();
  options.permutations = 1999;
  options.profiles = "p.profile";
  options.until = "2026-11-28";
  const MonitorDriftReport report = must(monitor_drift(session, options));
  CHECK(report.whole.current_used == 96);
  CHECK(report.whole.reference_used == 7 * 96);
  CHECK(report.whole.verdict == DriftVerdict::kDrift);
  CHECK(*test_named(report.whole, "latency").adjusted <= 0.01);
  CHECK(*test_named(report.whole, "length").adjusted == 1);
  options.until = "2026-11-27";
  CHECK(must(monitor_drift(session, options)).whole.verdict == DriftVerdict::kNoDrift);
}
