#include "core/base/yaml.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace llmops;

namespace {

Json read(const std::string& text) {
  auto parsed = parse_yaml(text, "f.yaml");
  if (!parsed) FAIL(parsed.error().message);
  return parsed->value();
}

// "line:column: message | hint" of a refused text.
std::string refusal(const std::string& text) {
  const auto parsed = parse_yaml(text, "f.yaml");
  if (parsed) return "accepted: " + dump_json(parsed->value());
  const Error& error = parsed.error();
  CHECK(error.code == ErrorCode::kConfig);
  return std::to_string(error.where.line) + ":" + std::to_string(error.where.column) + ": " + error.message + (error.hint.empty() ? "" : " | " + error.hint);
}

std::string place(const SourcePlace& at) { return at.file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + "+" + std::to_string(at.length); }

}  // namespace

TEST_CASE("plain scalars follow the core schema of YAML 1.2, not 1.1") {
  CHECK(dump_json(read("{a: no, b: yes, c: on, d: off, e: y, f: No}")) == R"({"a":"no","b":"yes","c":"on","d":"off","e":"y","f":"No"})");
  CHECK(dump_json(read("{a: true, b: False, c: TRUE, d: tRUE}")) == R"({"a":true,"b":false,"c":true,"d":"tRUE"})");
  CHECK(dump_json(read("{a: null, b: ~, c: , d: NULL, e: nil}")) == R"({"a":null,"b":null,"c":null,"d":null,"e":"nil"})");
  CHECK(dump_json(read("{a: 1.10, b: \"1.10\", c: '1.10', d: 1.10.0}")) == R"({"a":1.1,"b":"1.10","c":"1.10","d":"1.10.0"})");
  CHECK(dump_json(read("{a: 0x1F, b: 0o17, c: 017, d: 0b11, e: 1_000, f: +12, g: -3}")) == R"({"a":31,"b":15,"c":17,"d":"0b11","e":"1_000","f":12,"g":-3})");
  CHECK(dump_json(read("{a: 1e3, b: .5, c: 5., d: 1e, e: '.', f: -, g: 1-2, h: 12:30:45, i: 2026-01-01}")).starts_with(R"({"a":1000.0,"b":0.5,"c":5.0,"d":"1e")"));
  CHECK(read("a: 12:30:45")["a"] == "12:30:45");
  CHECK(read("a: 2026-01-01")["a"] == "2026-01-01");
  CHECK(read("a: 9223372036854775807")["a"] == 9223372036854775807);
  CHECK(read("a: \"true\"")["a"] == "true");
  CHECK(read("a: \"\"")["a"] == "");
}

TEST_CASE("block scalars keep or fold their lines") {
  CHECK(read("a: |\n  one\n  two\nb: 1")["a"] == "one\ntwo\n");
  CHECK(read("a: >-\n  one\n  two\n")["a"] == "one two");
  CHECK(read("a: |-\n  1\n")["a"] == "1");
}

TEST_CASE("numbers that JSON cannot hold are refused where they stand") {
  CHECK(refusal("a: .inf") == "1:4: '.inf' is not a number that JSON can hold | write it in quotes if text is meant");
  CHECK(refusal("a:\n  - .nan") == "2:5: '.nan' is not a number that JSON can hold | write it in quotes if text is meant");
  CHECK(refusal("a: 1e999") == "1:4: number '1e999' is out of range | write it in quotes if text is meant");
}

TEST_CASE("anchors, aliases and tags are refused where they stand") {
  CHECK(refusal("a: &x 1\nb: 2").substr(2) == "4: anchors are not allowed | write the value out where it is needed");
  CHECK(refusal("a: &x {b: 1}").find("anchors are not allowed | write the value out where it is needed") != std::string::npos);
  CHECK(refusal("a: &x [1]").find("anchors are not allowed") != std::string::npos);
  CHECK(refusal("&x a: 1").find("anchors are not allowed") != std::string::npos);
  CHECK(refusal("a: 1\nb: *x").find(": ") != std::string::npos);
  CHECK_FALSE(parse_yaml("base: &b {x: 1}\nother: {<<: *b}\n", "f.yaml"));
  CHECK(refusal("a: !!str 1") == "1:4: tag 'tag:yaml.org,2002:str' is not allowed | remove the tag");
  CHECK(refusal("a: !python/object:os.system x").find("is not allowed | remove the tag") != std::string::npos);
  CHECK(refusal("a: !!binary aGk=").find("is not allowed | remove the tag") != std::string::npos);
  CHECK(refusal("a: !!map {b: 1}").find("is not allowed | remove the tag") != std::string::npos);
}

TEST_CASE("duplicate keys are refused at the second one, at any depth") {
  CHECK(refusal("a: 1\nb: 2\na: 3") == "3:1: duplicate key 'a' | remove one of the two");
  CHECK(refusal("a:\n  b: 1\n  b: 2") == "3:3: duplicate key 'b' | remove one of the two");
  CHECK(refusal("{a: 1, \"a\": 2}") == "1:8: duplicate key 'a' | remove one of the two");
  CHECK(refusal("- {a: 1}\n- {a: 2}").starts_with("accepted"));
}

TEST_CASE("keys are plain text") {
  CHECK(refusal("? [a, b]\n: 1") == "1:3: a key must be a plain text | put a value that begins with '{' in quotes");
  CHECK(refusal("a: {{ question }}").find("a key must be a plain text | put a value that begins with '{' in quotes") != std::string::npos);
  CHECK(dump_json(read("1: a\n\"2\": b")) == R"({"1":"a","2":"b"})");
  CHECK(refusal("null: 1").find("a key is missing | write `key: value`") != std::string::npos);
}

TEST_CASE("nesting is accepted to a depth of 64 and refused beyond") {
  CHECK(refusal(std::string(64, '[') + std::string(64, ']')).starts_with("accepted"));
  CHECK(refusal(std::string(65, '[') + std::string(65, ']')) == "1:65: nesting is deeper than 64 | nest less deeply");
  CHECK(refusal(std::string(200, '[') + std::string(200, ']')) == "1:65: nesting is deeper than 64 | nest less deeply");
  CHECK_FALSE(parse_yaml(std::string(100'000, '['), "f.yaml"));
  std::string block;
  for (int i = 0; i < 70; ++i) block += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  CHECK(refusal(block).find("nesting is deeper than 64") != std::string::npos);
}

TEST_CASE("an empty document and more than one document are refused") {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~"}) CHECK(refusal(text) == "1:1: 'f.yaml' is empty | run `llmops init` for an example");
  CHECK(refusal("a: 1\n---\nb: 2").find("more than one YAML document in 'f.yaml' | keep one document per file") != std::string::npos);
  CHECK(refusal("---\na: 1\n...\n").starts_with("accepted"));
}

TEST_CASE("a second document is refused with its place") {
  CHECK(refusal("a: 1\n---\nb: 2").starts_with("2:1: "));
}

TEST_CASE("a file over 4 MiB is refused unread") {
  const std::string line = "# filler\n";
  std::string text = "a: 1\n";
  while (text.size() + line.size() <= (size_t{4} << 20)) text += line;
  CHECK(refusal(text).starts_with("accepted"));
  CHECK(refusal(text + line) == "0:0: 'f.yaml' is larger than 4 MiB | move data into a dataset file");
}

TEST_CASE("malformed YAML is refused with its place") {
  const auto told = [](const std::string& text) { const std::string all = refusal(text); return all.substr(all.find("malformed")); };
  CHECK(refusal("a: [1, 2\nb: 3").starts_with("2:"));
  CHECK(told("a: [1, 2\nb: 3").ends_with(" | close the '[' with ']', and put a text that holds ',', ']' or '}' in quotes"));
  CHECK(told("a: {b: 1\nc: 3").ends_with(" | close the '{' with '}', and put a text that holds ',', ']' or '}' in quotes"));
  CHECK(told("a: b: c") == "malformed YAML: illegal map value | indent keys of one mapping alike, and put a text that holds ': ' in quotes");
  CHECK(told("a: \"x") == "malformed YAML: illegal EOF in scalar | close the quote");
  CHECK(told("a: @x") == "malformed YAML: unknown token | put a text that begins with '@', '`' or '%' in quotes");
  CHECK(told("a: \"\\q\"") == "malformed YAML: unknown escape character: q | double the backslash, or use single quotes");
  CHECK(told("a: ]").ends_with(" | remove the bracket, or open it first"));
  for (const char* text : {"a: 1\n b: 2", "a:\n\t- 1", "- a\nb: 1", "a: |x\n  b", "%YAML 9.9\n---\na: 1", "a: *\n", "a: &\n", "a: !<x", "a: \"\\xZZ\"", "a: \"\\uD800\"", "a: - b", "[a: b", "{a", "a: 'x"}) {
    INFO(text);
    CHECK(refusal(text).find(" | ") != std::string::npos);
  }
  CHECK(refusal("a: 1\n  b: 2").find("malformed YAML: ") != std::string::npos);
  CHECK(refusal("a: \"x").find("malformed YAML: ") != std::string::npos);
  CHECK(refusal("a: @x").find("malformed YAML: ") != std::string::npos);
  CHECK(refusal("a:\n\t- 1").find("malformed YAML: ") != std::string::npos);
}

TEST_CASE("JSON is accepted as it is") {
  CHECK(dump_json(read(R"({"a": [1, 2.5, -1e3, true, null, "x"], "b": {"c": ""}})")) == R"({"a":[1,2.5,-1000.0,true,null,"x"],"b":{"c":""}})");
  CHECK(dump_json(read("{\n  \"a\": \"no\",\n  \"b\": \"1.10\"\n}\n")) == R"({"a":"no","b":"1.10"})");
  CHECK(refusal(R"({"a": "\ud83d\ude00"})").starts_with("accepted"));
  CHECK(refusal("{\n\t\"a\": 1,\n\t\"b\": [\n\t\t2\n\t]\n}").starts_with("accepted"));
  CHECK(refusal("{\"a\":1,\"b\":{\"c\":\"d\"}}").starts_with("accepted"));
  CHECK(read(R"({"a": "\u00e9\/\b"})")["a"] == "\xC3\xA9/\b");
  CHECK(refusal(R"({"a": 1, "a": 2})") == "1:10: duplicate key 'a' | remove one of the two");
}

TEST_CASE("JSON with long keys is accepted too, to the same depth") {
  // The YAML parser reads it as well, and sees no key in one of more than 1024 bytes.
  const std::string key = "\"" + std::string(2000, 'k') + "\": ";
  CHECK(refusal("{" + key + "1}").starts_with("accepted"));
  CHECK(refusal("{" + key + std::string(63, '[') + std::string(63, ']') + "}").starts_with("accepted"));
  CHECK_FALSE(parse_yaml("{" + key + std::string(64, '[') + std::string(64, ']') + "}", "f.yaml"));
}

TEST_CASE("a mapping of many keys is read in time that grows with their number") {
  std::string block, flow = "{";
  for (int i = 0; i < 100'000; ++i) {
    block += "key" + std::to_string(i) + ": 1\n";
    flow += (i == 0 ? "\"key" : ",\"key") + std::to_string(i) + "\":1";
  }
  const auto started = std::chrono::steady_clock::now();
  const Json from_block = read(block), from_flow = read(flow + "}");
  CHECK(from_block.size() == 100'000);
  CHECK(from_flow == from_block);
  CHECK(refusal(block + "key77: 2\n") == "100001:1: duplicate key 'key77' | remove one of the two");
  // Comparing every key with all before took minutes.
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(20));
}

TEST_CASE("the place of every key and value is kept, in bytes") {
  const auto document = parse_yaml("name: demo\nsteps:\n  - id: one\n    prompt: \"{{ q }}\"\n  - {id: two, list: [1, 22]}\n", "dir/f.yaml");
  REQUIRE(document);
  CHECK(place(document->place_of("/name")) == "dir/f.yaml:1:7+4");
  CHECK(place(document->key_place_of("/name")) == "dir/f.yaml:1:1+4");
  CHECK(place(document->place_of("/steps/0/id")) == "dir/f.yaml:3:9+3");
  CHECK(place(document->key_place_of("/steps/0/prompt")) == "dir/f.yaml:4:5+6");
  CHECK(place(document->place_of("/steps/0/prompt")) == "dir/f.yaml:4:13+9");
  CHECK(place(document->place_of("/steps/1/list/1")) == "dir/f.yaml:5:25+2");
  CHECK(document->place_of("/steps/0/prompt").line_text == "    prompt: \"{{ q }}\"");
  // What is not there has the place of what encloses it.
  CHECK(place(document->place_of("/steps/0/none/at/all")) == place(document->place_of("/steps/0")));
  CHECK(document->place_of("/nowhere").line == 1);
  const Error error = document->error_at_key("/steps/1/list", "bad list", "fix it");
  CHECK(error.code == ErrorCode::kConfig);
  CHECK(error.message == "bad list");
  CHECK(error.hint == "fix it");
  CHECK(place(error.where) == "dir/f.yaml:5:15+4");
}

TEST_CASE("columns count bytes also behind characters of several bytes") {
  const auto document = parse_yaml("{ä: 1, b: 2}\n", "f.yaml");
  REQUIRE(document);
  CHECK(document->key_place_of("/b").column == 9);
  CHECK(document->place_of("/b").column == 12);
}

TEST_CASE("places are right with CRLF line ends and with keys that pointers must escape") {
  const auto document = parse_yaml("a/b: 1\r\nc~d:\r\n  e: 2\r\n", "f.yaml");
  REQUIRE(document);
  CHECK(dump_json(document->value()) == R"({"a/b":1,"c~d":{"e":2}})");
  CHECK(json_pointer_append("", "a/b") == "/a~1b");
  CHECK(json_pointer_append("/x", "c~d") == "/x/c~0d");
  CHECK(json_pointer_append("/x", size_t{3}) == "/x/3");
  CHECK(document->place_of("/a~1b").line == 1);
  CHECK(document->place_of(json_pointer_append("/c~0d", "e")).line == 3);
  CHECK(document->place_of("/c~0d/e").line_text == "  e: 2");
}

TEST_CASE("text that is not UTF-8 is refused") {
  CHECK(refusal("a: \"caf\xe9\"\n") == "1:8: text is not valid UTF-8 | save the file as UTF-8");
  CHECK(refusal(std::string("a: 1\nb: \0\n", 11)) == "2:4: text holds a NUL byte | save the file as UTF-8");
  // UTF-16 with and without its mark: the library would take both.
  CHECK(refusal(std::string("\xFF\xFE" "a\0:\0 \0", 8)) == "1:1: text is not valid UTF-8 | save the file as UTF-8");
  CHECK(refusal(std::string("a\0:\0 \0" "1\0", 8)) == "1:2: text holds a NUL byte | save the file as UTF-8");
}
