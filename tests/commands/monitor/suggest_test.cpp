// `monitor suggest`: which rows come out of production, and that `eval data check` reads them.
#include "commands/monitor/suggest.h"

#include "commands/eval/data_scan.h"
#include "tests/commands/monitor/requests_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

constexpr int64_t kStart = kRequestsNow - kRequestsDay;

MonitorSuggestOptions of_kind(const std::string& kind) {
  MonitorSuggestOptions options;
  options.out = "out.jsonl";
  options.kind = kind;
  options.requests.until = kRequestsUntil;
  return options;
}

MonitorSuggestReport suggested(RequestsFolder& folder, const MonitorSuggestOptions& options) {
  Session session = folder.session();
  auto report = monitor_suggest(session, options);
  if (!report) FAIL(report.error().message + " | " + report.error().hint);
  return std::move(*report);
}

std::string refusal(RequestsFolder& folder, const MonitorSuggestOptions& options) {
  Session session = folder.session();
  const auto report = monitor_suggest(session, options);
  return report ? "suggested" : report.error().message + " | " + report.error().hint;
}

std::string file_of(RequestsFolder& folder, const std::string& name = "out.jsonl") {
  const auto bytes = read_file(folder.project.root() / name);
  return bytes ? *bytes : "none";
}

// What `eval data check` finds: the codes of its problems.
std::string checked(RequestsFolder& folder, const std::string& kind) {
  Session session = folder.session();
  DataScanOptions options;
  options.names = {"out.jsonl"};
  options.kind = kind;
  const DataScanReport report = must(data_scan(session, options));
  std::string text = report.is_sound() ? "sound" : "not sound";
  for (const ScannedFile& file : report.files) for (const Problem& problem : file.report.problems) text += std::string(" ") + problem_kind(problem.code).name + ": " + problem.message;
  return text;
}

// Six cases ("say 1" ..), and a day that asks for other things.
void ask_what_is_not_covered(RequestsFolder& folder) {
  folder.project.write_qa();
  int at = 0;
  const auto ask = [&](const std::string& text, const std::string& id) { folder.ask(text, kStart + ++at * 1000, id); };
  ask("say 1", "same");
  for (int i = 0; i < 5; ++i) ask("please refund the broken kettle that I bought on order 10" + std::to_string(i), "kettle" + std::to_string(i));
  ask("Please REFUND the broken kettle, that I bought on order 100!", "kettle5");
  for (int i = 0; i < 3; ++i) ask("change delivery address before the parcel leaves", "address" + std::to_string(i));
}

}  // namespace

TEST_CASE("cases are what the evaluation set does not cover, one for each thing asked, in the columns of its dataset") {
  RequestsFolder folder;
  ask_what_is_not_covered(folder);
  const MonitorSuggestReport report = suggested(folder, of_kind("cases"));
  CHECK((report.found == 10 && report.cases == 6 && report.candidates == 9 && report.evaluation == "qa.eval.yaml"));
  CHECK(report.left_out == std::map<std::string, int64_t>{{"are cases already", 1}});
  CHECK(report.file == "out.jsonl");
  // Farther than each of the six cases: 1 / 7.
  CHECK(file_of(folder) ==
        "{\"id\":\"kettle0\",\"question\":\"please refund the broken kettle that I bought on order 100\",\"lang\":null,\"answer\":null,\"from\":\"kettle0\",\"like\":6,\"novelty_p\":0.14285714285714285}\n"
        "{\"id\":\"address0\",\"question\":\"change delivery address before the parcel leaves\",\"lang\":null,\"answer\":null,\"from\":\"address0\",\"like\":3,\"novelty_p\":0.14285714285714285}\n");
  CHECK(checked(folder, "dataset").starts_with("sound"));
}

TEST_CASE("a large set of cases covers what lies within the 95 % edge of its own distances") {
  RequestsFolder folder;
  folder.project.write_qa();
  std::string rows;
  const std::vector<std::string> things{"card", "loan", "account", "transfer", "statement"};
  for (int i = 0; i < 60; ++i) rows += "{\"id\": \"c" + std::to_string(i) + "\", \"question\": \"where do I find my " + things[static_cast<size_t>(i) % 5] + " number " + std::to_string(i % 12) + "\", \"answer\": \"1\"}\n";
  folder.project.write("rows.jsonl", rows);
  for (int i = 0; i < 20; ++i) folder.ask("where do I find my " + things[static_cast<size_t>(i) % 5] + " number " + std::to_string(i % 11) + (i % 2 == 0 ? "?" : " please"), kStart + i, "old" + std::to_string(i));
  for (int i = 0; i < 4; ++i) folder.ask("does lightning harm whales swimming in oceans", kStart + 100 + i, "whale" + std::to_string(i));
  MonitorSuggestReport report = suggested(folder, of_kind("cases"));
  CHECK(report.left_out["are cases already, but for a word"] > 0);
  REQUIRE(!report.rows.empty());
  CHECK(report.rows[0]["from"] == "whale0");
  CHECK(report.rows[0]["like"] == 4);
  CHECK(report.rows[0]["novelty_p"].get<double>() == Approx(1.0 / 61));
  for (const Json& row : report.rows) CHECK(row["novelty_p"].get<double>() <= 0.05);
}

TEST_CASE("without an evaluation set cases are examples of what is asked, to be given an expected answer") {
  RequestsFolder folder;
  for (int i = 0; i < 4; ++i) folder.ask("where is my bank card", kStart + i, "card" + std::to_string(i));
  folder.ask("does lightning harm whales", kStart + 10, "whale0");
  MonitorSuggestOptions options = of_kind("cases");
  const MonitorSuggestReport report = suggested(folder, options);
  CHECK(report.evaluation.empty());
  CHECK(file_of(folder) == "{\"id\":\"card0\",\"input\":\"where is my bank card\",\"expected\":null,\"from\":\"card0\",\"like\":4}\n{\"id\":\"whale0\",\"input\":\"does lightning harm whales\",\"expected\":null,\"from\":\"whale0\",\"like\":1}\n");
  CHECK(checked(folder, "dataset").starts_with("sound"));
  options.limit = 1;
  options.out = "one.jsonl";
  CHECK(suggested(folder, options).rows.size() == 1);
}

TEST_CASE("preferences are the best and the worst answer to one input") {
  RequestsFolder folder;
  folder.answered("where is it", "at home", kStart + 1, "a1").scores = "{\"thumbs\": 1}";
  folder.answered("where is it", "no idea", kStart + 2, "a2");
  folder.answered("where is it", "somewhere", kStart + 3, "a3");
  folder.answered("where is it", "at home", kStart + 4, "a4").scores = "{\"thumbs\": true}";
  folder.answered("how are you", "fine", kStart + 5, "b1").scores = "{\"thumbs\": 1}";
  folder.answered("how are you", "well", kStart + 6, "b2").scores = "{\"thumbs\": 1}";
  folder.answered("who", "me", kStart + 7, "c1").scores = "{\"thumbs\": 1}";
  folder.answered("yes", "done", kStart + 8, "d1").scores = "{\"thumbs\": 1}";
  StoredRecord& later = folder.answered("yes", "not done", kStart + 10, "d2");
  later.session = "s";
  later.scores = "{\"thumbs\": 0}";
  folder.answered("hello", "hi", kStart + 9, "d0").session = "s";
  folder.judge("a2", "thumbs", "0");
  folder.judge("a3", "thumbs", "\"0.5\"");
  const MonitorSuggestReport report = suggested(folder, of_kind("preferences"));
  CHECK((report.score == "thumbs" && report.lowest == 0 && report.highest == 1 && report.candidates == 1));
  CHECK(report.left_out == std::map<std::string, int64_t>{{"continue a conversation", 1}});
  CHECK(file_of(folder) == "{\"id\":\"a1\",\"prompt\":\"where is it\",\"chosen\":\"at home\",\"rejected\":\"no idea\",\"from\":[\"a1\",\"a2\"],\"scores\":[1.0,0.0]}\n");
  CHECK(checked(folder, "preferences") == "sound");
}

TEST_CASE("tuning rows are answers that were judged well, the best first, each input once, and none that the evaluation asks") {
  RequestsFolder folder;
  folder.project.write_qa();
  const auto judged = [&](const std::string& text, const std::string& output, const std::string& stars, const std::string& id) -> StoredRecord& {
    StoredRecord& one = folder.answered(text, output, kStart + folder.made, id);
    one.scores = "{\"stars\": " + stars + "}";
    return one;
  };
  judged("open an account", "go to the desk", "4", "a1");
  judged("close an account", "sign here", "5", "a2");
  judged("Close an account!", "sign there", "4", "a3");
  judged("middling", "so so", "3", "a4");
  judged("poor", "bad", "1", "a5");
  judged("say 2", "2", "5", "a6");
  judged("tell me", "I cannot", "5", "a7").is_refusal = true;
  judged("long", "cut", "5", "a8").output_bytes = 40'000;
  const MonitorSuggestReport report = suggested(folder, of_kind("tuning"));
  CHECK((report.lowest == 1 && report.highest == 5 && report.least == 3.0 && report.candidates == 3));
  CHECK(report.left_out == std::map<std::string, int64_t>{{"answered with an error, a refusal, or in part", 1}, {"are cases already", 1}, {"longer than what is stored", 1}});
  CHECK(file_of(folder) ==
        "{\"id\":\"a2\",\"messages\":[{\"role\":\"user\",\"content\":\"close an account\"},{\"role\":\"assistant\",\"content\":\"sign here\"}],\"from\":\"a2\",\"score\":5.0}\n"
        "{\"id\":\"a1\",\"messages\":[{\"role\":\"user\",\"content\":\"open an account\"},{\"role\":\"assistant\",\"content\":\"go to the desk\"}],\"from\":\"a1\",\"score\":4.0}\n");
  CHECK(checked(folder, "task-dataset") == "sound");
  MonitorSuggestOptions options = of_kind("tuning");
  options.replace = true;
  options.min_score = 3;
  CHECK(suggested(folder, options).rows.size() == 3);
}

TEST_CASE("of a score by whose name less is better, the low half is good") {
  RequestsFolder folder;
  folder.answered("a question", "kind", kStart + 1, "a1").scores = "{\"toxicity\": 0.1}";
  folder.answered("b question", "rude", kStart + 2, "a2").scores = "{\"toxicity\": 0.9}";
  const MonitorSuggestReport report = suggested(folder, of_kind("tuning"));
  REQUIRE(report.rows.size() == 1);
  CHECK(report.rows[0]["from"] == "a1");
}

TEST_CASE("nothing to suggest writes no file and says why") {
  RequestsFolder folder;
  folder.answered("where", "there", kStart, "a1");
  MonitorSuggestReport report = suggested(folder, of_kind("preferences"));
  CHECK((report.rows.empty() && report.file.empty() && report.reason == "no request that could be used is judged by a number"));
  MonitorSuggestOptions options = of_kind("cases");
  options.requests.until = "2025-01-01";
  report = suggested(folder, options);
  CHECK((report.rows.empty() && report.reason == "the window holds no requests"));
  folder.project.write_qa();
  folder.project.write("rows.jsonl", "{\"id\": \"1\", \"question\": \"where\"}\n");
  report = suggested(folder, of_kind("cases"));
  CHECK((report.rows.empty() && report.reason == "no request of the window is left to look at"));
  CHECK(file_of(folder) == "none");
}

TEST_CASE("a file is replaced when that is asked for, whole or not at all, and a dry run writes none") {
  RequestsFolder folder;
  folder.ask("where is my key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH", kStart, "a1");
  MonitorSuggestOptions options = of_kind("cases");
  options.dry_run = true;
  CHECK(suggested(folder, options).file == "out.jsonl");
  CHECK(file_of(folder) == "none");
  options.dry_run = false;
  folder.project.write("out.jsonl", "old\n");
  CHECK(refusal(folder, options) == "'out.jsonl' exists already | give another name, or --force to replace it");
  options.replace = true;
  {
    const Failpoints failing("suggest.write:enospc");
    const std::string told = refusal(folder, options);
    CHECK(told.find("out.jsonl': the disk is full | free some space, then run the command again") != std::string::npos);
  }
  CHECK(file_of(folder) == "old\n");
  suggested(folder, options);
  CHECK(file_of(folder) == "{\"id\":\"a1\",\"input\":\"where is my key [secret]\",\"expected\":null,\"from\":\"a1\",\"like\":1}\n");
}

TEST_CASE("names and places that are none are refused before anything is read") {
  RequestsFolder folder;
  folder.answered("where", "there", kStart, "a1").scores = "{\"stars\": 4}";
  MonitorSuggestOptions options = of_kind("preference");
  CHECK(refusal(folder, options) == "'preference' is no kind of suggestion | did you mean 'preferences'?");
  options = of_kind("cases");
  options.out = "none/out.jsonl";
  CHECK(refusal(folder, options) == "the folder of 'none/out.jsonl' does not exist | make it first");
  options.out = ".";
  CHECK(refusal(folder, options) == "'.' is a folder | give the name of a new file");
  options = of_kind("tuning");
  options.score = "star";
  CHECK(refusal(folder, options) == "no request of the window is judged by 'star' | did you mean 'stars'?");
  options = of_kind("cases");
  options.suite = "nope";
  CHECK(refusal(folder, options).starts_with("suite 'nope' does not exist"));
}
