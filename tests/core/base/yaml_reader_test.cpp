#include "core/base/yaml_reader.h"

#include <catch2/catch.hpp>

using namespace llmops;

namespace {

YamlDocument document_of(const std::string& text) {
  auto parsed = parse_yaml(text, "f.yaml");
  if (!parsed) FAIL(parsed.error().message);
  return std::move(*parsed);
}

std::string told(const Error& error) {
  return std::to_string(error.where.line) + ":" + std::to_string(error.where.column) + ": " + error.message + (error.hint.empty() ? "" : " | " + error.hint);
}

}  // namespace

TEST_CASE("a reader opens mappings only, and says what it found instead") {
  const YamlDocument document = document_of("a: {b: 1}\nc: [1]\nd: text\n");
  CHECK(YamlReader::open(document, "/a", "a"));
  CHECK(told(YamlReader::open(document, "/c", "the part").error()) == "2:4: the part must be a mapping, not a list");
  CHECK(told(YamlReader::open(document, "/d", "the part").error()) == "3:4: the part must be a mapping, not text");
  CHECK(YamlReader::open(document, "/e", "the part").error().message == "the part must be a mapping, not nothing");
}

TEST_CASE("values come in the type that was asked for, or not at all") {
  const YamlDocument document = document_of("{t: text, n: 2.5, i: 7, b: true, l: [x, y], z: null}");
  auto reader = *YamlReader::open(document, "", "the file");
  CHECK(*reader.text("t") == "text");
  CHECK(**reader.optional_number("n", 0, 10) == 2.5);
  CHECK(**reader.optional_integer("i", 0, 10) == 7);
  CHECK(**reader.optional_bool("b") == true);
  CHECK(*reader.optional_text_list("l") == std::vector<std::string>{"x", "y"});
  CHECK(reader.optional_text_list("none")->empty());
  CHECK_FALSE(reader.optional_text("none")->has_value());
  CHECK(told(reader.text("none").error()) == "1:1: the file has no 'none'");
  CHECK(told(reader.optional_text("z").error()) == "1:48: 'z' must be text, not nothing");
}

TEST_CASE("wrong types and values out of range are refused at the value") {
  const YamlDocument document = document_of("t: 1\nn: x\ni: 1.5\nb: no\nl: [x, 1]\nr: 11\ns: one\n");
  auto reader = *YamlReader::open(document, "", "the file");
  CHECK(told(reader.text("t").error()) == "1:4: 't' must be text, not a number");
  CHECK(told(reader.optional_number("n", 0, 1).error()) == "2:4: 'n' must be a number, not text");
  CHECK(told(reader.optional_integer("i", 0, 9).error()) == "3:4: 'i' must be a whole number, not a number");
  CHECK(told(reader.optional_bool("b").error()) == "4:4: 'b' must be true or false, not text");
  CHECK(told(reader.optional_text_list("l").error()) == "5:8: 'l' must hold texts, not a number");
  CHECK(told(reader.optional_text_list("s").error()) == "7:4: 's' must be a list of texts, not text");
  CHECK(told(reader.optional_number("r", 0, 10).error()) == "6:4: 'r' is 11, but must be from 0 to 10");
  CHECK(told(reader.optional_integer("r", 0, 10).error()) == "6:4: 'r' is 11, but must be from 0 to 10");
}

TEST_CASE("a key that nobody asked for is refused at the key, with the closest known one") {
  const YamlDocument document = document_of("name: x\ntimout_s: 3\n");
  auto reader = *YamlReader::open(document, "", "model 'main'");
  CHECK(reader.text("name"));
  CHECK_FALSE(reader.optional_number("timeout_s", 0, 1)->has_value());
  CHECK(told(reader.finish().error()) == "2:1: unknown key 'timout_s' in model 'main' | did you mean 'timeout_s'?");
}

TEST_CASE("without a close key the known ones are listed") {
  const YamlDocument document = document_of("zzzzzz: 1\n");
  auto reader = *YamlReader::open(document, "", "the file");
  static_cast<void>(reader.find("alpha"));
  static_cast<void>(reader.find("beta"));
  CHECK(told(reader.finish().error()) == "1:1: unknown key 'zzzzzz' in the file | known: alpha, beta");
}
