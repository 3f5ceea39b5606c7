#include "core/data/json_line.h"

#include <catch2/catch.hpp>
#include <random>

#include "core/base/json.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

std::string fault_of(const std::string& text) {
  Row row;
  const auto fault = scan_json_object(text, row);
  return fault ? fault->message + " at " + std::to_string(fault->column) : "none";
}

// The reader's own parser, as the reference: rows that it takes are rows that the scanner takes, with the same members.
void compare_with_parser(const std::string& text) {
  INFO(text);
  Row row;
  const auto fault = scan_json_object(text, row);
  const auto parsed = parse_json(text, "x");
  const bool accepted = parsed.has_value() && parsed->is_object();
  CHECK(accepted == !fault.has_value());
  if (!accepted || fault) return;
  REQUIRE(row.fields.size() == parsed->size());
  size_t i = 0;
  for (const auto& member : parsed->items()) {
    const Field& field = row.fields[i++];
    std::string scratch;
    CHECK(std::string(field.name) == member.key());
    if (member.value().is_string()) {
      CHECK(field.type == ValueType::kText);
      CHECK(std::string(field_text(field, scratch)) == member.value().get<std::string>());
    } else {
      const auto again = parse_json(field_text(field, scratch), "x");
      REQUIRE(again);
      CHECK(*again == member.value());
    }
  }
}

}  // namespace

TEST_CASE("the members of a JSON object are found with their types", "[data][json_line]") {
  Row row;
  REQUIRE_FALSE(scan_json_object(R"( {"a": "x", "b":1.5e3,"c":null,"d":[1,{"e":"]"}],"e":{},"f":false} )", row));
  REQUIRE(row.fields.size() == 6);
  CHECK(row.find("a")->raw == "x");
  CHECK(row.find("b")->raw == "1.5e3");
  CHECK(row.find("b")->type == ValueType::kNumber);
  CHECK(row.find("c")->type == ValueType::kNull);
  CHECK(row.find("d")->raw == R"([1,{"e":"]"}])");
  CHECK(row.find("d")->type == ValueType::kList);
  CHECK(row.find("e")->type == ValueType::kObject);
  CHECK(row.find("f")->type == ValueType::kBool);
  CHECK(row.find("g") == nullptr);
  CHECK(is_blank(*row.find("c")));
  CHECK(is_blank(*row.find("e")));
  CHECK_FALSE(is_blank(*row.find("f")));
}

TEST_CASE("what is wrong with a JSON line is said with its column", "[data][json_line]") {
  CHECK(fault_of(R"({"a":1)") == "ends inside an object at 7");
  CHECK(fault_of(R"({"a":"x)") == "ends inside a string at 8");
  CHECK(fault_of(R"({"a" 1})") == "has a name without a ':' behind it at 6");
  CHECK(fault_of(R"({"a":1 "b":2})") == "has neither ',' nor '}' behind a member at 8");
  CHECK(fault_of(R"({"a":1,})") == "has a member without a name in quotes at 8");
  CHECK(fault_of(R"({'a':1})") == "has a member without a name in quotes at 2");
  CHECK(fault_of(R"({"a":1,"a":2})") == "names a member twice at 8");
  CHECK(fault_of(R"({"a":{"b":1,"\u0062":2}})") == "names a member twice at 13");
  CHECK(fault_of(R"({"a":NaN})") == "has no value where one should be at 6");
  CHECK(fault_of(R"({"a":nul})") == "has an unknown word where a value should be at 6");
  CHECK(fault_of(R"({"a":01})") == "has a number that starts with 0 at 7");
  CHECK(fault_of(R"({"a":1.})") == "has a malformed number at 8");
  CHECK(fault_of(R"({"a":"\ud800"})") == "has a lone surrogate at 7");
  CHECK(fault_of(R"({"a":"\x"})") == "has an unknown escape in a string at 7");
  CHECK(fault_of("{\"a\":\"\t\"}") == "has a control character in a string at 7");
  CHECK(fault_of("[1]") == "is not an object at 1");
  CHECK(fault_of("") == "is empty at 1");
  CHECK(fault_of("{} {}") == "has text after the object at 4");
  CHECK(fault_of("{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}") == "is nested too deeply at 133");
}

TEST_CASE("an object of many members is checked for repeated names in little time", "[data][json_line]") {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"k" + std::to_string(1'000'000 + i) + "\":1,";
  CHECK(fault_of(text + "\"last\":1}") == "none");
  CHECK(fault_of(text + "\"k1000040\":1}") == "names a member twice at " + std::to_string(text.size() + 1));
}

TEST_CASE("the scanner takes and refuses what the parser takes and refuses", "[data][json_line]") {
  const std::vector<std::string> seeds = {
      R"({"id":"a1","text":"how do i \"quote\" \u00e9\ud83d\ude00\n","n":-12.5e-3,"ok":true,"no":null,"list":[1,[2,{"x":"y"}],[]],"o":{"p":{}}})",
      R"({"a":"","b":[{"role":"user","content":"hi"},{"role":"assistant","content":null}]})", R"({"a b":0,"\u0061":1e9,"c":[true,false,null]})", "{}"};
  std::mt19937_64 random(17);
  const std::string alphabet = "{}[]\":,\\u0123aeEtrfn -+.\t\xC3\xA9";
  for (const std::string& seed : seeds) compare_with_parser(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (uint64_t edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % (text.size() + 1);
      const uint64_t kind = random() % 3;
      if (kind == 0) text.insert(at, 1, alphabet[random() % alphabet.size()]);
      else if (at < text.size() && kind == 1) text.erase(at, 1 + random() % 3);
      else if (at < text.size()) text[at] = alphabet[random() % alphabet.size()];
    }
    if (is_valid_utf8(text)) compare_with_parser(text);
  }
}

TEST_CASE("elements of a list are visited in order", "[data][json_line]") {
  std::vector<std::string> seen;
  for_each_element(R"( ["a", {"b": [1, 2]}, 3 ,null])" + 1, [&](const Field& field) { seen.emplace_back(field.raw); });
  CHECK(seen == std::vector<std::string>{"a", R"({"b": [1, 2]})", "3", "null"});
  seen.clear();
  for_each_element("[ ]", [&](const Field& field) { seen.emplace_back(field.raw); });
  CHECK(seen.empty());
}

}  // namespace llmops
