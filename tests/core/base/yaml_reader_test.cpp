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
  CHECK(told(YamlReader::open(document, "/c", "the part").error()) == "2:4: the part must be a mapping, not a list | write its keys as `key: value`");
  CHECK(told(YamlReader::open(document, "/d", "the part").error()) == "3:4: the part must be a mapping, not text | write its keys as `key: value`");
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
  CHECK(told(reader.text("none").error()) == "1:1: the file has no 'none' | add `none: ...`");
  CHECK(told(reader.text("none", "name it").error()) == "1:1: the file has no 'none' | name it");
  CHECK(told(reader.optional_text("z").error()) == "1:48: 'z' must be text, not nothing | write a text, or remove the key");
}

TEST_CASE("wrong types and values out of range are refused at the value") {
  const YamlDocument document = document_of("t: 1\nn: x\ni: 1.5\nb: no\nl: [x, 1]\nr: 11\ns: one\n");
  auto reader = *YamlReader::open(document, "", "the file");
  CHECK(told(reader.text("t").error()) == "1:4: 't' must be text, not a number | put it in quotes");
  CHECK(told(reader.optional_number("n", 0, 1).error()) == "2:4: 'n' must be a number, not text | write a number, without quotes");
  CHECK(told(reader.optional_integer("i", 0, 9).error()) == "3:4: 'i' must be a whole number, not a number | write a number without fraction and quotes");
  CHECK(told(reader.optional_bool("b").error()) == "4:4: 'b' must be true or false, not text | write true or false, without quotes");
  CHECK(told(reader.optional_text_list("l").error()) == "5:8: 'l' must hold texts, not a number | put it in quotes");
  CHECK(told(reader.optional_text_list("s").error()) == "7:4: 's' must be a list of texts, not text | write it as a list: s: [a, b]");
  CHECK(told(reader.optional_number("r", 0, 10).error()) == "6:4: 'r' is 11, but must be from 0 to 10 | give a number in that range");
  CHECK(told(reader.optional_integer("r", 0, 10).error()) == "6:4: 'r' is 11, but must be from 0 to 10 | give a number in that range");
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

TEST_CASE("a required key that is misspelt is told as such, and one that is absent as absent") {
  const YamlDocument document = document_of("promt: x\nexpect: y\nother: z\n");
  auto reader = *YamlReader::open(document, "", "step 1");
  CHECK(told(reader.text("prompt").error()) == "1:1: unknown key 'promt' in step 1 | did you mean 'prompt'?");
  CHECK(told(reader.missing("expected")) == "2:1: unknown key 'expect' in step 1 | did you mean 'expected'?");
  CHECK(told(reader.missing("mother")) == "3:1: unknown key 'other' in step 1 | did you mean 'mother'?");
  CHECK(told(reader.missing("id")) == "1:1: step 1 has no 'id' | add `id: ...`");
  // A key that was asked for is not a misspelling of another.
  CHECK(reader.find("other") != nullptr);
  CHECK(told(reader.missing("mother")) == "1:1: step 1 has no 'mother' | add `mother: ...`");
}

TEST_CASE("keys beyond the expected ones are refused at once") {
  const YamlDocument document = document_of("a: 1\nbeta: 2\n");
  auto reader = *YamlReader::open(document, "", "the file");
  CHECK(told(reader.expect_only({"a", "bata"}).error()) == "2:1: unknown key 'beta' in the file | did you mean 'bata'?");
  CHECK(reader.expect_only({"beta"}));
}

TEST_CASE("an empty text counts as none where a text is needed") {
  const YamlDocument document = document_of("a: ''\n");
  auto reader = *YamlReader::open(document, "", "the file");
  CHECK(told(reader.text("a").error()) == "1:4: 'a' is empty | write a text, or remove the key");
  CHECK(told(reader.optional_text("a").error()) == "1:4: 'a' is empty | write a text, or remove the key");
  CHECK(**reader.optional_text("a", EmptyText::kAllowed) == "");
}
