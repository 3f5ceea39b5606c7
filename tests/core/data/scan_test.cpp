#include "core/data/scan.h"

#include <catch2/catch.hpp>
#include <random>

#include "core/base/json.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

ScanReport scan_bytes(const std::string& name, const std::string& bytes, const ScanOptions& options = {}) {
  test::TempDir directory;
  auto report = scan_dataset(directory.write(name, bytes), name, options);
  REQUIRE(report);
  return *std::move(report);
}

// "code line:column message" of each.
std::vector<std::string> problems_of(const ScanReport& report) {
  std::vector<std::string> shown;
  for (const Problem& problem : report.problems) {
    shown.push_back(std::string(problem_kind(problem.code).name) + " " + std::to_string(problem.line) + ":" + std::to_string(problem.column) + " " + problem.message);
  }
  return shown;
}

std::vector<std::string> problems_in(const std::string& name, const std::string& bytes, DataKind kind = DataKind::kDataset) {
  ScanOptions options;
  options.kind = kind;
  return problems_of(scan_bytes(name, bytes, options));
}

using Shown = std::vector<std::string>;

}  // namespace

TEST_CASE("a sound file has no problems", "[data][scan]") {
  const ScanReport report = scan_bytes("a.jsonl", "{\"id\":\"1\",\"q\":\"x\"}\n{\"id\":\"2\",\"q\":\"y\"}\n");
  CHECK(report.problems.empty());
  CHECK(report.is_sound());
  CHECK(report.statistics.rows == 2);
  CHECK(report.statistics.bytes == 38);
}

TEST_CASE("broken rows are reported by line, and the rows behind them are read", "[data][scan]") {
  const ScanReport report = scan_bytes("a.jsonl", "{\"a\":1}\n{\"a\":\n[1]\n{\"a\":\"\xFF\"}\n" + std::string("{\"a\":\"\0\"}\n", 10) + "{\"a\":2}\n");
  CHECK(problems_of(report) == Shown{"broken_row 2:6 row 2 ends inside a value", "broken_row 3:1 row 3 is not an object",
                                     "not_utf8 4:7 row 4 is not valid UTF-8 (byte 0xff)", "nul_byte 5:7 row 5 holds a NUL byte"});
  CHECK(report.statistics.rows == 2);
  CHECK(report.statistics.broken_rows == 4);
  CHECK(report.errors == 4);
  CHECK_FALSE(report.is_sound());
}

TEST_CASE("broken rows of CSV are reported by line and column", "[data][scan]") {
  CHECK(problems_in("a.csv", "a,b\n1,2,3\n\"x\ny\",\"\xC3(\"\n5,\"say \"hi\"\"\n\n6,7\n") ==
        Shown{"broken_row 2:0 row 1 has 3 fields, the header has 2", "not_utf8 4:5 row 2 is not valid UTF-8 (byte 0xc3)",
              "broken_row 5:9 row 3 has text after a closing quote", "broken_row 6:0 row 4 is blank"});
  CHECK(problems_in("a.csv", "a,a\n1,2\n") == Shown{"broken_row 1:0 the header names 'a' twice"});
  CHECK(problems_in("a.tsv", "a\tb\n1\t\\q\n") == Shown{"broken_row 2:3 row 1 has an unknown escape '\\q'"});
  CHECK(problems_in("a.csv", "") == Shown{"broken_row 1:0 'a.csv' has no header: its first line is empty"});
  CHECK(problems_in("a.csv", "a,b\n") == Shown{"no_rows 1:0 the file holds no rows"});
  CHECK(problems_in("a.json", "[{\"a\":1},").size() == 1);
}

TEST_CASE("byte order marks and mixed line ends are warnings", "[data][scan]") {
  const ScanReport report = scan_bytes("a.csv", "\xEF\xBB\xBF" "a,b\r\n1,2\r\n3,4\n5,6\r\n");
  CHECK(problems_of(report) == Shown{"byte_order_mark 1:1 the file starts with a byte order mark", "mixed_line_ends 3:0 3 lines end with CRLF and 1 with LF"});
  CHECK(report.is_sound());
  CHECK(report.warnings == 2);
  CHECK(problems_in("a.csv", "a,b\r\n1,2\r\n").empty());
}

TEST_CASE("columns that change their type, are missing or empty are reported once", "[data][scan]") {
  CHECK(problems_in("a.jsonl", "{\"a\":\"x\",\"b\":\"\"}\n{\"a\":1,\"b\":\"x\"}\n{\"a\":null,\"b\":\"z\"}\n{\"b\":\"y\"}\n") ==
        Shown{"sparse_column 1:0 column 'b' is empty in 1 of 4 rows", "mixed_types 2:0 column 'a' is text in 1 row, number in 1 row",
              "sparse_column 3:0 column 'a' is empty in 1 of 4 rows", "sparse_column 4:0 column 'a' is missing in 1 of 4 rows"});
}

TEST_CASE("repeated ids are errors, repeated rows warnings", "[data][scan]") {
  const ScanReport report = scan_bytes("a.jsonl", "{\"id\":1,\"q\":\"x\"}\n{\"id\":2,\"q\":\"y\"}\n{\"q\":\"x\",\"id\":1}\n{\"id\":3,\"q\":\"\\u0078\"}\n");
  CHECK(problems_of(report) == Shown{"duplicate_id 3:0 row 3 has the id of row 1 (line 1)", "duplicate_row 3:0 row 3 is equal to row 1 (line 1)",
                                     "duplicate_row 4:0 row 4 is equal to row 1 (line 1)"});
  CHECK(report.statistics.duplicate_rows == 2);
  CHECK(report.statistics.duplicate_groups == 1);
}

TEST_CASE("each kind of asset has its schema", "[data][scan]") {
  CHECK(problems_in("a.jsonl", "{\"input\":\"x\",\"output\":\"y\"}\n{\"input\":\"x\",\"output\":\" \"}\n{\"input\":\"z\"}\n", DataKind::kFewShot) ==
        Shown{"empty_field 2:0 row 2 has an empty 'output'", "sparse_column 2:0 column 'output' is empty in 1 of 3 rows",
              "missing_field 3:0 row 3 has no 'output'", "sparse_column 3:0 column 'output' is missing in 1 of 3 rows"});
  CHECK(problems_in("a.jsonl", "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n{\"prompt\":\"q\",\"chosen\":\"caf\xC3\xA9\",\"rejected\":\"caf\\u00e9\"}\n", DataKind::kPreferences) ==
        Shown{"same_reply 2:0 row 2 has 'chosen' equal to 'rejected'"});
  CHECK(problems_in("a.jsonl", "{\"prompt\":[{\"role\":\"user\",\"content\":\"p\"}],\"chosen\":\"a\",\"rejected\":3}\n", DataKind::kPreferences) ==
        Shown{"wrong_type 1:0 row 1 has 'rejected' that is no list of messages"});
  CHECK(problems_in("a.jsonl",
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\"}]}\n"
                    "{\"messages\":[{\"role\":\"usr\",\"content\":\"x\"},{\"content\":\"x\"},{\"role\":\"user\",\"content\":\"\"}]}\n"
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[1]}]}\n",
                    DataKind::kTaskDataset) ==
        Shown{"bad_messages 2:0 row 2 has 'messages' whose message 1 has the unknown role 'usr'", "bad_messages 2:0 row 2 has 'messages' whose message 2 has no role",
              "bad_messages 2:0 row 2 has 'messages' whose message 3 has empty content", "bad_messages 2:0 row 2 has 'messages' that do not end with the assistant"});
  CHECK(problems_in("a.jsonl", "{\"x\":1}\n", DataKind::kTaskDataset) == Shown{"missing_field 1:0 row 1 has neither 'messages' nor 'input' and 'output'"});
  CHECK(problems_in("a.jsonl", "{\"text\":\"a\"}\n{\"text\":5}\n", DataKind::kCorpus) ==
        Shown{"wrong_type 2:0 row 2 has a 'text' that is no text", "mixed_types 2:0 column 'text' is text in 1 row, number in 1 row"});
  CHECK(problems_in("system.jinja", "You are {{ x }}.\n\nYou are {{ x }}.\n", DataKind::kConditioningPrompt).empty());
  CHECK(problems_in("system.md", " \n", DataKind::kConditioningPrompt) == Shown{"no_rows 1:0 the file holds no rows"});
  CHECK(problems_in("doc.md", "# a\n# a\n", DataKind::kGrounding).empty());
  CHECK(problems_in("lines.txt", "a\na\n", DataKind::kCorpus) == Shown{"duplicate_row 2:0 row 2 is equal to row 1 (line 1)"});
}

TEST_CASE("kinds of data are named as in chain files", "[data][scan]") {
  CHECK(*parse_data_kind("few-shot") == DataKind::kFewShot);
  const auto unknown = parse_data_kind("fewshot");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message == "unknown kind of data 'fewshot'");
  CHECK(unknown.error().hint == "did you mean 'few-shot'?");
}

TEST_CASE("required columns and ids are checked row by row", "[data][scan]") {
  ScanOptions options;
  options.required = {"q"};
  options.id_required = true;
  CHECK(problems_of(scan_bytes("a.csv", "id,q\n1,x\n,\n", options)) ==
        Shown{"missing_field 3:0 row 2 has no id in 'id'", "empty_field 3:0 row 2 has an empty 'q'", "sparse_column 3:0 column 'id' is empty in 1 of 2 rows"});
}

TEST_CASE("many problems are counted and few are listed", "[data][scan]") {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += "{\"a\":\n";
  const ScanReport report = scan_bytes("a.jsonl", bytes);
  CHECK(report.problems.size() == 20);
  CHECK(report.problems.back().line == 20);
  CHECK(report.counts[static_cast<size_t>(ProblemCode::kBrokenRow)] == 1000);
  CHECK(report.errors == 1000);
}

TEST_CASE("a line of 100 MB is one row", "[data][scan]") {
  const ScanReport report = scan_bytes("a.jsonl", "{\"a\":\"" + std::string(100'000'000, 'x') + "\"}\n{\"a\":\"y\"}\n");
  CHECK(problems_of(report) == Shown{"long_row 1:0 row 1 holds 95.4 MiB"});
  CHECK(report.statistics.rows == 2);
  CHECK(report.statistics.find("a")->bytes.maximum() == 100'000'000);
}

TEST_CASE("the report does not depend on threads or batches", "[data][scan]") {
  std::mt19937_64 random(41);
  std::string bytes;
  for (int i = 0; i < 3000; ++i) {
    const uint64_t kind = random() % 12;
    if (kind == 0) bytes += "{\"broken\n";
    else if (kind == 1) bytes += "\n";
    else if (kind == 2) bytes += "{\"a\":\"\xC3\"}\r\n";
    else bytes += "{\"id\":" + std::to_string(random() % 3000) + ",\"a\":\"w" + std::to_string(random() % 900) + "\"" + (kind == 3 ? ",\"b\":1" : "") + "}\n";
  }
  const auto summary = [&](size_t threads, size_t batch_bytes) {
    ScanOptions options;
    options.threads = threads;
    options.records.batch_bytes = batch_bytes;
    options.label_column = "a";
    const ScanReport report = scan_bytes("a.jsonl", bytes, options);
    std::string text;
    for (const std::string& problem : problems_of(report)) text += problem + "\n";
    for (const int64_t count : report.counts) text += std::to_string(count) + " ";
    for (const FieldStatistics& field : report.statistics.fields) text += field.name + std::to_string(field.present) + ":" + std::to_string(field.first_missing_line) + ":" + std::to_string(field.words.total()) + " ";
    return text + std::to_string(report.statistics.labels.entropy_bits) + " " + std::to_string(report.statistics.duplicate_rows);
  };
  const std::string one = summary(1, size_t{1} << 20);
  CHECK(summary(2, size_t{1} << 20) == one);
  CHECK(summary(2, 100) == one);
  CHECK(summary(5, 3333) == one);
}

}  // namespace llmops
