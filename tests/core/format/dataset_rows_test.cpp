#include "core/format/dataset_rows.h"

#include <zlib.h>
#include <zstd.h>

#include <catch2/catch.hpp>
#include <random>

#include "tests/support/test_data.h"

namespace llmops {
namespace {

struct Reading {
  std::vector<Json> rows;
  std::vector<int> lines;
  std::optional<Error> error;
};

Reading read_file_rows(const std::filesystem::path& path, DatasetFormat format = DatasetFormat::kAuto) {
  Reading reading;
  auto reader = open_dataset(path, path.filename().string(), format);
  if (!reader) { reading.error = reader.error(); return reading; }
  DatasetRow row;
  while (true) {
    auto more = (*reader)->next(row);
    if (!more) {
      reading.error = more.error();
      const auto again = (*reader)->next(row);
      CHECK((!again && again.error().message == more.error().message));  // once failed, it stays failed
      return reading;
    }
    if (!*more) return reading;
    reading.rows.push_back(row.value);
    reading.lines.push_back(row.line);
    CHECK(row.number == std::ssize(reading.rows));
  }
}

Reading read_rows(const std::string& name, const std::string& bytes, DatasetFormat format = DatasetFormat::kAuto) {
  test::TempDir directory;
  return read_file_rows(directory.write(name, bytes), format);
}

// "message | hint | line:column"
std::string shown(const Reading& reading) {
  if (!reading.error) return "no error";
  const Error& e = *reading.error;
  CHECK(e.code == ErrorCode::kData);
  return e.message + " | " + e.hint + " | " + std::to_string(e.where.line) + ":" + std::to_string(e.where.column);
}

std::string gzip(const std::string& text) {
  std::string out(text.size() + 1000, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string many_rows(int count) {
  std::mt19937_64 random(3);
  std::string text;
  for (int i = 0; i < count; ++i) text += "{\"id\":" + std::to_string(i) + ",\"text\":\"" + std::string(random() % 300, 'a' + static_cast<char>(i % 26)) + "\"}\n";
  return text;
}

}  // namespace

TEST_CASE("JSONL gives one object per line and skips blank lines") {
  const auto reading = read_rows("a.jsonl", "{\"q\":\"x\",\"n\":1}\n\n  \r\n{\"n\":2.5,\"q\":null}\r\n{\"q\":[1]}");
  CHECK_FALSE(reading.error);
  REQUIRE(reading.rows.size() == 3);
  CHECK(dump_json(reading.rows[0]) == R"({"q":"x","n":1})");
  CHECK(dump_json(reading.rows[1]) == R"({"n":2.5,"q":null})");
  CHECK(reading.lines == std::vector<int>{1, 4, 5});
  CHECK(read_rows("a.jsonl", "").rows.empty());
}

TEST_CASE("a malformed JSONL row is named with its line and column") {
  const auto reading = read_rows("a.jsonl", "{\"a\":1}\n\n{\"a\":1,}\n");
  REQUIRE(reading.error);
  CHECK(reading.rows.size() == 1);
  CHECK(reading.error->message.starts_with("row 2: malformed JSON: "));
  CHECK(reading.error->where.file == "a.jsonl");
  CHECK(reading.error->where.line == 3);
  CHECK(reading.error->where.column == 8);
  CHECK(shown(read_rows("a.jsonl", "{}\n[1]\n")) == "row 2 is a list, not an object | write every row as an object of columns, like {\"question\": \"...\"} | 2:0");
  CHECK(shown(read_rows("a.jsonl", "{}\n{}\n\"x\"\n")) == "row 3 is text, not an object | write every row as an object of columns, like {\"question\": \"...\"} | 3:0");
  const auto invalid = read_rows("a.jsonl", "{\"a\":1}\n{\"a\":\"\xC3(\"}\n");
  REQUIRE(invalid.error);
  CHECK(invalid.error->message.starts_with("row 2: malformed JSON"));
  CHECK(invalid.error->where.line == 2);
}

TEST_CASE("a JSON list gives rows with the lines they start on") {
  const auto reading = read_rows("a.json", "[\n  {\"a\": \"x\\\"]\\n\"},\n\n  {\"a\": [1, {\"b\": 2}]}, {\"a\":\n3}\n, {}]");
  CHECK_FALSE(reading.error);
  REQUIRE(reading.rows.size() == 4);
  CHECK(reading.lines == std::vector<int>{2, 4, 4, 6});
  CHECK(dump_json(reading.rows[1]) == R"({"a":[1,{"b":2}]})");
  CHECK(read_rows("a.json", "[]").rows.empty());
}

TEST_CASE("a JSON object with one list gives that list's rows") {
  const auto reading = read_rows("a.json", "{\"object\": \"list\", \"info\": {\"x\": [1]}, \"s\": \"[\",\n \"data\": [\n{\"a\": 1},\n{\"a\": 2}]}");
  CHECK_FALSE(reading.error);
  REQUIRE(reading.rows.size() == 2);
  CHECK(reading.lines == std::vector<int>{3, 4});
  CHECK(shown(read_rows("a.json", "{\"a\": [], \"b\": []}")) == "'a.json' holds 2 lists (a, b), and only one can be the rows | write the rows of one into a file of their own, for example with jq -c '.a[]' a.json | 1:0");
  CHECK(shown(read_rows("a.json", "{\"a\": [], \"b\": [], \"c\": [], \"d\": []}")).starts_with("'a.json' holds 4 lists (a, b, c, ...), and"));
  CHECK(shown(read_rows("a.json", "3")) == "'a.json' is neither a list of rows nor an object with one list | write a list of objects: [{...}, {...}] | 1:0");
  CHECK(shown(read_rows("a.json", "[{},\n 7]")) == "row 2 is a number, not an object | write every row as an object of columns, like {\"question\": \"...\"} | 2:0");
}

TEST_CASE("CSV keeps text, quotes, commas and newlines as RFC 4180 says") {
  const auto reading = read_rows("a.csv", "id,\"the text\",n\r\n1,\"a \"\"b\"\", c\",007\n2,\"two\r\nlines\n\",\n3,,x y\n\"\",\"\",\"\"");
  CHECK_FALSE(reading.error);
  REQUIRE(reading.rows.size() == 4);
  CHECK(dump_json(reading.rows[0]) == R"({"id":"1","the text":"a \"b\", c","n":"007"})");
  CHECK(dump_json(reading.rows[1]) == R"({"id":"2","the text":"two\r\nlines\n","n":""})");
  CHECK(dump_json(reading.rows[2]) == R"({"id":"3","the text":"","n":"x y"})");
  CHECK(dump_json(reading.rows[3]) == R"({"id":"","the text":"","n":""})");
  CHECK(reading.lines == std::vector<int>{2, 3, 6, 7});
}

TEST_CASE("CSV errors name the row, what is wrong and where its first byte stands") {
  CHECK(shown(read_rows("a.csv", "a,b,c,d,e\n1,2,3,4,5\n\"x\ny\",2,3,4,5\n1,2,3,4\n")) == "row 3 has 4 fields, the header has 5 | write all fields, empty ones too | 5:8");
  CHECK(shown(read_rows("a.csv", "a,b\n\"x\ny\"\n1,2\n")) == "row 1 has 1 field, the header has 2 | write all fields, empty ones too | 3:3");
  CHECK(shown(read_rows("a.csv", "a,b\n1,2\n\n3,4\n")) == "row 2 is blank | remove the empty line | 3:1");
  CHECK(shown(read_rows("a.csv", "a,b\n1,\"2\n3,4\n")) == "row 1 has a quote that is never closed | close it, or double a quote that belongs to the field | 2:3");
  CHECK(shown(read_rows("a.csv", "a,b\n1,2\nx y\"z,4\n")) == "row 2 has a quote inside an unquoted field | quote the field and double the quote | 3:4");
  CHECK(shown(read_rows("a.csv", "a,b\n1,\"2\n\" ,3\n")) == "row 1 has text after a closing quote | double a quote that belongs to the field | 3:2");
  CHECK(shown(read_rows("a.csv", "a,b\n1,2\r3,4\n")) == "row 1 has a carriage return without a line feed | quote the field, or end lines with LF or CRLF | 2:4");
  CHECK(shown(read_rows("a.csv", "a,b\n1,\"x\ny\xFF\"\n")) == "row 1 is not valid UTF-8 | save the file as UTF-8 | 3:2");
  CHECK(shown(read_rows("a.csv", "")) == "'a.csv' is empty: a CSV file starts with a header | write the names of the columns into the first line | 1:1");
  CHECK(shown(read_rows("a.csv", "a,,c\n")) == "column 2 of the header has no name | name the column, or remove it | 1:3");
  CHECK(shown(read_rows("a.csv", "a,b,a\n")) == "the header names 'a' twice | rename one of the two | 1:5");
  CHECK(shown(read_rows("a.csv", "a,\"b\n")) == "the header has a quote that is never closed | close it, or double a quote that belongs to the field | 1:3");
}

TEST_CASE("a row of too many fields is refused at the first of them, one of too few at its end") {
  const std::string surplus = "put a field that holds a comma in quotes", few = "write all fields, empty ones too";
  CHECK(shown(read_rows("a.csv", "a,b\n1,2,3,4\n")) == "row 1 has 4 fields, the header has 2 | " + surplus + " | 2:5");
  CHECK(shown(read_rows("a.csv", "a,b\n1,2,\n")) == "row 1 has 3 fields, the header has 2 | " + surplus + " | 2:5");
  CHECK(shown(read_rows("a.csv", "a,b\n1,\"x\ny\",3\r\n")) == "row 1 has 3 fields, the header has 2 | " + surplus + " | 3:4");
  CHECK(shown(read_rows("a.csv", "a,b,c\r\n1,22\r\n")) == "row 1 has 2 fields, the header has 3 | " + few + " | 2:5");
  CHECK(shown(read_rows("a.csv", "a,b,c\n1,2")) == "row 1 has 2 fields, the header has 3 | " + few + " | 2:4");
  CHECK(shown(read_rows("a.tsv", "a\tb\tc\n1\t2\r\n")) == "row 1 has 2 fields, the header has 3 | " + few + " | 2:4");
}

TEST_CASE("a quote that is never closed is refused where it opens, however far on the end is") {
  std::string text = "a,b\n1,2\nx,\"open\n";
  for (int i = 0; i < 20'000; ++i) text += "1,2\n";
  CHECK(shown(read_rows("a.csv", text)) == "row 2 has a quote that is never closed | close it, or double a quote that belongs to the field | 3:3");
}

TEST_CASE("line ends of both kinds may be mixed in a table") {
  const auto csv = read_rows("a.csv", "a,b\r\n1,2\n3,4\r\n5,6"), tsv = read_rows("a.tsv", "a\tb\n1\t2\r\n3\t4\n5\t6\r\n");
  CHECK_FALSE(csv.error);
  CHECK_FALSE(tsv.error);
  CHECK(csv.rows.size() == 3);
  CHECK(tsv.rows == csv.rows);
  CHECK(csv.lines == std::vector<int>{2, 3, 4});
}

TEST_CASE("NUL bytes and UTF-16 are refused with the way to convert them") {
  const std::string convert = "convert it to UTF-8 text, for example: iconv -f UTF-16 -t UTF-8 OLD > NEW";
  CHECK(shown(read_rows("a.csv", std::string("a,b\n1,x\0y\n", 10))) == "row 1 holds a NUL byte | " + convert + " | 2:4");
  CHECK(shown(read_rows("a.csv", std::string("a,b\n1,\"\"\"\n\"\"\0\"\n", 15))) == "row 1 holds a NUL byte | " + convert + " | 3:3");
  CHECK(shown(read_rows("a.tsv", std::string("a\tb\n1\tx\0\n", 9))) == "row 1 holds a NUL byte | " + convert + " | 2:4");
  CHECK(shown(read_rows("a.csv", std::string("a\0,\0b\0", 6))) == "the header holds a NUL byte | " + convert + " | 1:2");
  for (const char* name : {"a.csv", "a.tsv", "a.jsonl", "a.json", "a.yaml", "a"}) {
    for (const std::string& bytes : {std::string("\xFF\xFE" "a\0,\0b\0", 8), std::string("\xFE\xFF\0a\0,\0b", 8)}) {
      INFO(name);
      CHECK(shown(read_rows(name, bytes)) == "'" + std::string(name) + "' is UTF-16 text | convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW | 1:1");
    }
  }
  const auto jsonl = read_rows("a.jsonl", std::string("{\"a\": \"\0\"}\n", 11));
  REQUIRE(jsonl.error);
  CHECK_FALSE(jsonl.error->hint.empty());
}

TEST_CASE("blank lines end a table, and are rows of a table of one column") {
  CHECK(read_rows("a.csv", "a,b\n1,2\n\n\n").rows.size() == 1);
  CHECK_FALSE(read_rows("a.csv", "a,b\n1,2\n\n\n").error);
  CHECK(read_rows("a.csv", "a\n1\n\n2\n").rows.size() == 3);
  CHECK(shown(read_rows("a.tsv", "a\tb\n1\t2\n\n3\t4\n")) == "row 2 is blank | remove the empty line | 3:1");
}

TEST_CASE("TSV splits at tabs, keeps quotes and undoes its escapes") {
  const auto reading = read_rows("a.tsv", "id\ttext\r\n1\t\"a\\tb\\n\\\\c\\r\n2\t\n");
  CHECK_FALSE(reading.error);
  REQUIRE(reading.rows.size() == 2);
  CHECK(dump_json(reading.rows[0]) == R"({"id":"1","text":"\"a\tb\n\\c\r"})");
  CHECK(dump_json(reading.rows[1]) == R"({"id":"2","text":""})");
  CHECK(shown(read_rows("a.tsv", "a\tb\n1\tx\\q\n")) == "row 1 has an unknown escape '\\q' | write a backslash as '\\\\' | 2:4");
  CHECK(shown(read_rows("a.tsv", "a\tb\n1\tx\\\n")) == "row 1 has an unknown escape '\\' | write a backslash as '\\\\' | 2:4");
  CHECK(shown(read_rows("a.tsv", "a\tb\n1\t2\t3\n")) == "row 1 has 3 fields, the header has 2 | write a tab that belongs to a field as '\\t' | 2:5");
  CHECK(shown(read_rows("a.tsv", "a\tb\n1\t\xED\xA0\x80\n")) == "row 1 is not valid UTF-8 | save the file as UTF-8 | 2:3");
}

TEST_CASE("YAML gives the rows of a list, or of an object's only list") {
  const auto reading = read_rows("a.yaml", "- {q: x, n: 1}\n-\n  q: y\n  n: [2]\n");
  CHECK_FALSE(reading.error);
  REQUIRE(reading.rows.size() == 2);
  CHECK(dump_json(reading.rows[1]) == R"({"q":"y","n":[2]})");
  CHECK(reading.lines[0] == 1);
  const auto nested = read_rows("a.yml", "about: x\ncases:\n  - q: x\n  - q: y\n");
  CHECK_FALSE(nested.error);
  CHECK(nested.lines == std::vector<int>{3, 4});
  const auto scalar = read_rows("a.yaml", "- q: x\n- 3\n");
  CHECK(shown(scalar) == "row 2 is a number, not an object | write every row as an object of columns, like {\"question\": \"...\"} | 2:0");
  const auto broken = read_rows("a.yaml", "- q: [\n");
  REQUIRE(broken.error);
  CHECK(broken.error->code == ErrorCode::kData);
}

TEST_CASE("the format goes by the extension, else by the first byte") {
  CHECK(read_rows("a.ndjson", "{\"a\":1}\n").rows.size() == 1);
  CHECK(read_rows("a.txt", " \n [{\"a\":1}]").rows.size() == 1);
  CHECK(read_rows("a", "\n{\"a\":1}\n{\"a\":2}\n").rows.size() == 2);
  CHECK(read_rows("a.dat", "a,b\n1,2\n").rows.size() == 1);
  CHECK(read_rows("a.json", "{\"a\":1}\n{\"a\":2}\n", DatasetFormat::kJsonl).rows.size() == 2);
}

TEST_CASE("a byte order mark is skipped in every format") {
  const std::string mark = "\xEF\xBB\xBF";
  CHECK(dump_json(read_rows("a.csv", mark + "a,b\n1,2\n").rows.at(0)) == R"({"a":"1","b":"2"})");
  CHECK(read_rows("a.jsonl", mark + "{\"a\":1}\n").rows.size() == 1);
  CHECK(read_rows("a.json", mark + "[{\"a\":1}]").rows.size() == 1);
  CHECK(read_rows("a.yaml", mark + "- a: 1\n").rows.size() == 1);
  CHECK(read_rows("a", mark + "{\"a\":1}\n").rows.size() == 1);
  CHECK(read_rows("a.jsonl", mark).rows.empty());
}

TEST_CASE("gzip and zstd are read as they are, members and frames one after another") {
  const std::string text = many_rows(4000), first = text.substr(0, text.find('\n', text.size() / 2) + 1), second = text.substr(first.size());
  const auto plain = read_rows("a.jsonl", text);
  REQUIRE(plain.rows.size() == 4000);
  CHECK(read_rows("a.jsonl.gz", gzip(text)).rows == plain.rows);
  CHECK(read_rows("a.jsonl.gz", gzip(first) + gzip(second)).rows == plain.rows);
  CHECK(read_rows("a.jsonl.zst", zstd(text)).rows == plain.rows);
  CHECK(read_rows("a.jsonl.zst", zstd(first) + zstd(second)).rows == plain.rows);
  CHECK(read_rows("a", gzip(text)).rows == plain.rows);
  CHECK(read_rows("a.json.zst", zstd("[{\"a\":1}]")).rows.size() == 1);
}

TEST_CASE("damaged compressed data is an error, never fewer rows") {
  const std::string text = many_rows(4000), packed = gzip(text), frame = zstd(text);
  CHECK(shown(read_rows("a.jsonl.gz", packed.substr(0, packed.size() - 10))) == "the gzip data of 'a.jsonl.gz' ends early | copy the file again | 0:0");
  CHECK(shown(read_rows("a.jsonl.zst", frame.substr(0, frame.size() - 5))) == "the zstd data of 'a.jsonl.zst' ends early | copy the file again | 0:0");
  CHECK(shown(read_rows("a.jsonl.gz", "{}\n")) == "'a.jsonl.gz' is not gzip data | remove .gz from the name, or compress the file | 0:0");
  CHECK(shown(read_rows("a.csv.zst", "")) == "'a.csv.zst' is not zstd data | remove .zst from the name, or compress the file | 0:0");
  std::string flipped = packed;
  flipped[packed.size() / 2] = static_cast<char>(flipped[packed.size() / 2] ^ 0x10);
  CHECK(read_rows("a.jsonl.gz", flipped).error);
}

TEST_CASE("a dataset that is not there or not a file is an error") {
  test::TempDir directory;
  const auto missing = open_dataset(directory.path() / "x.jsonl", "x.jsonl");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message == "dataset 'x.jsonl' does not exist");
  const auto folder = open_dataset(directory.path(), "folder");
  REQUIRE_FALSE(folder);
  CHECK(folder.error().code == ErrorCode::kIo);
}

TEST_CASE("dataset format names are known, others get a suggestion") {
  CHECK(*parse_dataset_format("auto") == DatasetFormat::kAuto);
  CHECK(*parse_dataset_format("tsv") == DatasetFormat::kTsv);
  const auto unknown = parse_dataset_format("jsonk");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::kConfig);
  CHECK(unknown.error().message == "unknown dataset format 'jsonk'");
  CHECK(unknown.error().hint == "did you mean 'jsonl'?");
}

TEST_CASE("random tables come back from CSV and TSV as they were written") {
  std::mt19937_64 random(11);
  const std::vector<std::string> pieces{"a", "\"", ",", "\n", "\r\n", "\t", "\\", " ", "\xC3\xA9", "\xE2\x82\xAC", "", "\xF0\x9F\x98\x80"};
  for (int round = 0; round < 40; ++round) {
    const size_t columns = 2 + random() % 4, count = random() % 30;
    const bool long_fields = round % 10 == 0;  // across the blocks of 64 KiB
    std::string csv, tsv;
    std::vector<std::vector<std::string>> table;
    for (size_t i = 0; i <= count; ++i) {
      std::vector<std::string> fields;
      for (size_t c = 0; c < columns; ++c) {
        std::string field = i == 0 ? "c" + std::to_string(c) : "";
        for (size_t k = random() % (long_fields ? 20000 : 6); i > 0 && k > 0; --k) field += pieces[random() % pieces.size()];
        const bool needs_quotes = field.find_first_of("\",\r\n") != std::string::npos;
        std::string quoted, escaped;
        for (const char ch : field) {
          quoted += ch == '"' ? "\"\"" : std::string(1, ch);
          escaped += ch == '\t' ? "\\t" : ch == '\n' ? "\\n" : ch == '\r' ? "\\r" : ch == '\\' ? "\\\\" : std::string(1, ch);
        }
        csv += (c > 0 ? "," : "") + (needs_quotes || random() % 3 == 0 ? "\"" + quoted + "\"" : field);
        tsv += (c > 0 ? "\t" : "") + escaped;
        fields.push_back(field);
      }
      csv += random() % 2 == 0 ? "\r\n" : "\n";
      tsv += "\n";
      table.push_back(fields);
    }
    const auto from_csv = read_rows("a.csv", csv), from_tsv = read_rows("a.tsv", tsv);
    REQUIRE_FALSE(from_csv.error);
    REQUIRE_FALSE(from_tsv.error);
    REQUIRE(from_csv.rows.size() == count);
    REQUIRE(from_tsv.rows.size() == count);
    for (size_t i = 0; i < count; ++i) {
      for (size_t c = 0; c < columns; ++c) {
        REQUIRE(from_csv.rows[i]["c" + std::to_string(c)] == table[i + 1][c]);
        REQUIRE(from_tsv.rows[i]["c" + std::to_string(c)] == table[i + 1][c]);
      }
    }
  }
}

TEST_CASE("random bytes never crash a reader") {
  std::mt19937_64 random(5);
  const std::string alphabet = "{}[]\",:\\\n\r\t ab1\xC3\xFF";
  for (int round = 0; round < 600; ++round) {
    std::string bytes;
    for (size_t k = random() % 60; k > 0; --k) bytes += alphabet[random() % alphabet.size()];
    for (const auto format : {DatasetFormat::kAuto, DatasetFormat::kJsonl, DatasetFormat::kJson, DatasetFormat::kCsv, DatasetFormat::kTsv, DatasetFormat::kYaml}) {
      (void)read_rows("fuzz", bytes, format);
    }
  }
}

TEST_CASE("real datasets have the rows that their makers counted") {
  const auto root = test::data_root();
  if (!root) return test::note_left_out("rows of real datasets");
  CHECK(read_file_rows(*root / "discover/routellm/gsm8k_responses.csv").rows.size() == 1319);
  CHECK(read_file_rows(*root / "discover/routellm/mmlu_astronomy.csv").rows.size() == 152);
  CHECK(read_file_rows(*root / "metrics/gsm8k/example_model_solutions.jsonl").rows.size() == 1319);
  CHECK(read_file_rows(*root / "alpaca_eval/outputs/claude-2.json").rows.size() == 805);
  CHECK(read_file_rows(*root / "drift/alpaca_prompts.tsv").rows.size() == 805);
  CHECK(read_file_rows(*root / "drift/banking77/train.csv").rows.size() == 10003);
  CHECK(read_file_rows(*root / "catalog/openrouter_models.json").rows.size() == 364);
}

}  // namespace llmops
