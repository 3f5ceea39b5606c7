#include "core/data/records.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/test_data.h"

namespace llmops {
namespace {

struct SeenRecord { int64_t number, line; std::string content, written; FrameFault fault; int64_t fault_line; int fault_column; };

std::vector<SeenRecord> records_of(const std::filesystem::path& path, RecordOptions options = {}) {
  auto source = RecordSource::open(path, path.filename().string(), options);
  REQUIRE(source);
  std::vector<SeenRecord> seen;
  RecordBatch batch;
  while (true) {
    auto more = source->next(batch);
    REQUIRE(more);
    if (!*more) return seen;
    REQUIRE_FALSE(batch.records.empty());
    for (const RecordSpan& record : batch.records) {
      seen.push_back({record.number, record.line, std::string(batch.content(record)), std::string(batch.written(record)), record.fault, record.fault_line, record.fault_column});
    }
  }
}

std::vector<SeenRecord> records_in(const std::string& name, const std::string& bytes, RecordOptions options = {}) {
  test::TempDir directory;
  return records_of(directory.write(name, bytes), options);
}

std::string error_of(const std::string& name, const std::string& bytes) {
  test::TempDir directory;
  const auto source = RecordSource::open(directory.write(name, bytes), name, {});
  if (source) return "none";
  return source.error().message + " | " + source.error().hint + " | " + std::to_string(source.error().where.line);
}

RecordOptions small_batches(size_t bytes) {
  RecordOptions options;
  options.batch_bytes = bytes;
  return options;
}

}  // namespace

TEST_CASE("records of JSONL are lines; blank ones are none", "[data][records]") {
  const auto seen = records_in("a.jsonl", "{\"a\":1}\r\n\n  \n{\"b\":2}\nrest");
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].content == "{\"a\":1}");
  CHECK(seen[0].written == "{\"a\":1}\r\n");
  CHECK(seen[1].line == 4);
  CHECK(seen[1].number == 2);
  CHECK(seen[2].content == "rest");
  CHECK(seen[2].written == "rest");
  CHECK(records_in("a.jsonl", "").empty());
  CHECK(records_in("a.jsonl", "\n\n\n").empty());
}

TEST_CASE("records of CSV hold line feeds inside quotes", "[data][records]") {
  const auto seen = records_in("a.csv", "\xEF\xBB\xBFid,text\n1,\"two\nlines, \"\"quoted\"\"\"\n2,\"\"\r\n\n3,c");
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].content == "1,\"two\nlines, \"\"quoted\"\"\"");
  CHECK(seen[0].line == 2);
  CHECK(seen[1].line == 4);
  CHECK(seen[2].fault == FrameFault::kBlankLine);
  CHECK(seen[2].line == 5);
  CHECK(seen[3].line == 6);
  CHECK(records_in("a.csv", "a,b\n1,2\n\n\n").size() == 1);
  CHECK(records_in("a.csv", "a\n1\n\n2\n").size() == 3);
}

TEST_CASE("after a broken CSV row reading goes on at the next line", "[data][records]") {
  const auto seen = records_in("a.csv", "a,b\n1,x\"y\n2,\"x\"y\n3,ok\n4,\"open\n5,ok\n");
  REQUIRE(seen.size() == 5);
  CHECK(seen[0].fault == FrameFault::kStrayQuote);
  CHECK(seen[0].fault_line == 2);
  CHECK(seen[0].fault_column == 4);
  CHECK(seen[1].fault == FrameFault::kTextAfterQuote);
  CHECK(seen[1].fault_column == 6);
  CHECK(seen[2].fault == FrameFault::kNone);
  CHECK(seen[3].fault == FrameFault::kOpenQuote);
  CHECK(seen[3].fault_line == 5);
  CHECK(seen[3].fault_column == 3);
  CHECK(seen[4].content == "5,ok");
  CHECK(seen[4].number == 5);
  CHECK(records_in("a.csv", "a,b\n1,x\ry\n2,z\n")[0].fault == FrameFault::kLoneReturn);
}

TEST_CASE("a CSV quote that closes in a later line is placed there", "[data][records]") {
  const auto seen = records_in("a.csv", "a,b\n1,\"open\n2,more \"x\"\n");
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].fault == FrameFault::kTextAfterQuote);
  CHECK(seen[0].line == 2);
  CHECK(seen[0].fault_line == 3);
  CHECK(seen[0].fault_column == 9);
  CHECK(seen[1].fault == FrameFault::kStrayQuote);
}

TEST_CASE("records do not depend on how many bytes are read at a time", "[data][records]") {
  std::mt19937_64 random(5);
  const std::string alphabet = "ab,\"\n\r ";
  test::TempDir directory;
  for (int round = 0; round < 200; ++round) {
    std::string text = "a,b\n";
    for (size_t left = random() % 60; left > 0; --left) text.push_back(alphabet[random() % alphabet.size()]);
    for (const std::string name : {"x.csv", "x.jsonl", "x.txt"}) {
      const auto path = directory.write(name, text);
      const auto whole = records_of(path);
      for (const size_t bytes : {1, 7}) {
        const auto parts = records_of(path, small_batches(bytes));
        INFO(text);
        REQUIRE(parts.size() == whole.size());
        for (size_t i = 0; i < whole.size(); ++i) {
          CHECK(parts[i].content == whole[i].content);
          CHECK(parts[i].written == whole[i].written);
          CHECK(parts[i].line == whole[i].line);
          CHECK(parts[i].number == whole[i].number);
          CHECK(parts[i].fault == whole[i].fault);
          CHECK(parts[i].fault_line == whole[i].fault_line);
          CHECK(parts[i].fault_column == whole[i].fault_column);
        }
      }
    }
  }
}

TEST_CASE("sound tables give the rows that the dataset reader gives", "[data][records]") {
  std::mt19937_64 random(9);
  const std::vector<std::string> values = {"", "plain", "\"a,b\"", "\"x\"\"y\"", "\"two\nlines\"", "\xC3\xA9", "\"\""};
  for (int round = 0; round < 200; ++round) {
    std::string text = "a,b,c\n";
    for (size_t rows = random() % 8; rows > 0; --rows) {
      text += "v," + values[random() % values.size()] + "," + values[random() % values.size()] + (random() % 2 == 0 ? "\n" : "\r\n");
    }
    test::TempDir directory;
    const auto path = directory.write("x.csv", text);
    auto reader = open_dataset(path, "x.csv");
    REQUIRE(reader);
    auto source = RecordSource::open(path, "x.csv", {});
    REQUIRE(source);
    RecordBatch batch;
    Row row;
    DatasetRow expected;
    while (*source->next(batch)) {
      for (const RecordSpan& record : batch.records) {
        REQUIRE(*(*reader)->next(expected));
        INFO(text);
        REQUIRE_FALSE(source->read_row(batch, record, row));
        CHECK(record.line == expected.line);
        CHECK(record.number == expected.number);
        for (const Field& field : row.fields) {
          std::string scratch;
          CHECK(std::string(field_text(field, scratch)) == expected.value[std::string(field.name)].get<std::string>());
        }
      }
    }
    CHECK_FALSE(*(*reader)->next(expected));
  }
}

TEST_CASE("JSON and YAML documents give their rows as JSONL with the lines of the document", "[data][records]") {
  const auto seen = records_in("a.json", "[\n {\"a\": 1},\n\n {\"a\": \"x\"}\n]\n");
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].content == "{\"a\":1}");
  CHECK(seen[0].line == 2);
  CHECK(seen[1].line == 4);
  CHECK(seen[1].written == "{\"a\":\"x\"}\n");
  CHECK(records_in("a.yaml", "- a: 1\n- a: 2\n")[1].content == "{\"a\":2}");
}

TEST_CASE("the format goes by the name, else by the first byte", "[data][records]") {
  const auto format_of = [](const std::string& name, const std::string& bytes) {
    test::TempDir directory;
    const auto source = RecordSource::open(directory.write(name, bytes), name, {});
    REQUIRE(source);
    return source->format();
  };
  CHECK(format_of("a.ndjson", "x") == RecordFormat::kJsonl);
  CHECK(format_of("a", "\n {\"a\":1}") == RecordFormat::kJsonl);
  CHECK(format_of("a", "a,b\n") == RecordFormat::kCsv);
  CHECK(format_of("a.tsv", "a\tb\n") == RecordFormat::kTsv);
  CHECK(format_of("a.md", "# x\n") == RecordFormat::kText);
}

TEST_CASE("files that hold no rows that could be read say why", "[data][records]") {
  CHECK(error_of("a.csv", "") == "'a.csv' has no header: its first line is empty |  | 1");
  CHECK(error_of("a.csv", "a,a\n") == "the header names 'a' twice |  | 1");
  CHECK(error_of("a.csv", "a,,b\n") == "column 2 of the header has no name |  | 1");
  CHECK(error_of("a.csv", "a,b\"c\n") == "the header of 'a.csv' is malformed | quote a name that holds a quote, and double the quote | 1");
  CHECK(error_of("a.csv", "a,\xFF\n") == "the header of 'a.csv' is not valid UTF-8 |  | 1");
  CHECK(error_of("a.jsonl", std::string("\xFF\xFE{\0", 4)) == "'a.jsonl' is in UTF-16, not UTF-8 | convert it, for example with iconv -f UTF-16 -t UTF-8 | 1");
  CHECK(RecordSource::open("/nowhere/a.csv", "a.csv", {}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("an endless line is dropped and the rows behind it are read", "[data][records]") {
  RecordOptions options;
  options.batch_bytes = 100;
  options.longest_record_bytes = 1000;
  const auto seen = records_in("a.jsonl", "{\"a\":1}\n" + std::string(200'000, 'x') + "\n{\"b\":2}\n", options);
  REQUIRE(seen.size() == 3);
  CHECK(seen[1].fault == FrameFault::kTooLong);
  CHECK(seen[1].line == 2);
  CHECK(seen[2].content == "{\"b\":2}");
  CHECK(seen[2].line == 3);
  std::string open_quote = "a,b\n1,\"never\n";
  for (int i = 0; i < 20'000; ++i) open_quote += "2,row\n";
  const auto rows = records_in("a.csv", open_quote, options);
  REQUIRE(rows.size() == 20'001);
  CHECK(rows[0].fault == FrameFault::kOpenQuote);
  CHECK(rows[1].content == "2,row");
}

TEST_CASE("gzip is read as it is, and damage is an error", "[data][records]") {
  test::TempDir directory;
  const std::string path = (directory.path() / "a.jsonl.gz").string();
  gzFile file = gzopen(path.c_str(), "wb");
  gzputs(file, "{\"a\":1}\n{\"a\":2}\n");
  gzclose(file);
  CHECK(records_of(path).size() == 2);
}

}  // namespace llmops
