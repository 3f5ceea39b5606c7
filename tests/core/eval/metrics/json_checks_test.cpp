#include <set>

#include "core/text/schema_checker.h"
#include "tests/core/eval/metrics/golden.h"

namespace llmops {

using test::made;
using test::told;
using test::try_make;

TEST_CASE("json_valid parses text and takes values as they are") {
  CHECK(told("json_valid", "{\"a\": [1]}", Json::object()) == "1");
  CHECK(told("json_valid", "[1,]", Json::object()).starts_with("0: malformed JSON: "));
  CHECK(told("json_valid", "[1,]", Json::object()).ends_with("(line 1, column 4)"));
  CHECK(told("json_valid", "```json\n{}\n```", Json::object()).starts_with("0: malformed JSON: "));
  CHECK(told("json_valid", Json::object(), Json::object()) == "1");
  CHECK(told("json_valid", 3, Json::object()) == "1");
  CHECK(told("json_valid", nullptr, Json::object()) == "error: target is null");
}

TEST_CASE("schema verdicts agree with Python's jsonschema, and the failure named is one of its failures") {
  // Keywords under which the other implementation reports what ours reports at the branch, or the other way round.
  const std::set<std::string> combined{"anyOf", "oneOf", "if", "false", "contains", "not"};
  for (const Json& row : test::eval_golden("schema.jsonl")) {
    INFO(row.dump());
    auto schema = SchemaChecker::compile(row["schema"]);
    REQUIRE(schema);
    const auto failure = schema->check(row["value"]);
    REQUIRE(failure);
    REQUIRE(!failure->has_value() == row["valid"].get<bool>());
    if (!failure->has_value()) continue;
    // The library does not say which keyword a property's name failed.
    bool named = (*failure)->keyword == "propertyNames" && row["schema"].contains("propertyNames"), is_combined = false;
    for (const Json& other : row["failures"]) {
      named = named || (other[0] == (*failure)->pointer && other[1] == (*failure)->keyword);
      is_combined = is_combined || combined.contains(other[1].get<std::string>());
    }
    INFO((*failure)->pointer << " " << (*failure)->keyword);
    CHECK((named || is_combined));
  }
}

TEST_CASE("json_schema names the place and the keyword that failed") {
  const Json schema = Json::parse(R"({"type": "object", "required": ["id"], "additionalProperties": false,
    "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string", "maxLength": 3}}, "k/x": {"anyOf": [{"type": "string"}, {"minimum": 4}]}}})");
  const Json params{{"schema", schema}};
  CHECK(told("json_schema", Json::parse(R"({"id": 1, "tags": ["a", "b"]})"), params) == "1");
  CHECK(told("json_schema", R"({"id": 1})", params) == "1");
  CHECK(told("json_schema", Json::parse(R"({"id": "1"})"), params) == "0: /id fails 'type'");
  CHECK(told("json_schema", Json::parse(R"({"id": 1, "tags": ["a", "abcd"]})"), params) == "0: /tags/1 fails 'maxLength'");
  CHECK(told("json_schema", Json::parse(R"({"tags": []})"), params) == "0: the value fails 'required': no 'id'");
  CHECK(told("json_schema", Json::parse(R"({"id": 1, "more": 2})"), params) == "0: the value fails 'additionalProperties': 'more'");
  CHECK(told("json_schema", Json::parse(R"({"id": 1, "k/x": 3})"), params) == "0: /k~1x fails 'anyOf'");
  CHECK(told("json_schema", "not json", params).starts_with("0: malformed JSON: "));
  CHECK(told("json_schema", nullptr, params) == "error: target is null");
  CHECK(dump_json(test::score("json_schema", Json::parse(R"({"id": "1"})"), params)->detail) == R"({"pointer":"/id","keyword":"type"})");
}

TEST_CASE("a schema comes from a file, and a broken one is refused at load") {
  const Json params{{"schema", "schemas/a.json"}};
  CHECK(made(try_make("json_schema", params, R"({"type": "object"})")) == "made");
  CHECK(made(try_make("json_schema", params, "{")) == "malformed JSON: unexpected end of input | close the quote, bracket or brace that is open");
  CHECK(made(try_make("json_schema", Json::object())) == "'json_schema' needs 'schema' | name a schema file or write the schema inline");
  CHECK(made(try_make("json_schema", {{"schema", 3}})) == "a schema must be a mapping, not a number | write a JSON Schema, like {\"type\": \"object\"}");
  CHECK(made(try_make("json_schema", {{"schema", {{"pattern", "a("}}}})) == "pattern \"a(\" does not compile | write an ECMAScript regular expression, and double its backslashes in JSON");
  CHECK(made(try_make("json_schema", {{"schema", {{"items", {{"multipleOf", 0}}}}}})) == "'multipleOf' must be greater than 0 | write a number above 0");
  CHECK(made(try_make("json_schema", {{"schema", {{"$ref", "#/definitions/none"}}}})).starts_with("not a draft 7 schema: "));
  CHECK(made(try_make("json_schema", {{"schema", {{"type", 5}}}})).starts_with("not a draft 7 schema: "));
  CHECK(made(try_make("json_schema", {{"schema", {{"$ref", "http://example.org/x.json"}}}})).starts_with("not a draft 7 schema: "));
}

TEST_CASE("a schema that refers to itself checks trees") {
  const Json params{{"schema", Json::parse(R"({"type": "object", "properties": {"v": {"type": "number"}, "children": {"type": "array", "items": {"$ref": "#"}}}})")}};
  CHECK(told("json_schema", Json::parse(R"({"v": 1, "children": [{"v": 2}, {"v": 3, "children": []}]})"), params) == "1");
  CHECK(told("json_schema", Json::parse(R"({"v": 1, "children": [{"v": 2, "children": [{"v": "x"}]}]})"), params) == "0: /children/0/children/0/v fails 'type'");
}

TEST_CASE("a schema that refers to itself without an end is refused") {
  constexpr const char* kRefused = "the schema refers to itself without going deeper into the value | put the inner `$ref` below `properties` or `items`";
  for (const char* text : {R"({"$ref": "#"})", R"({"anyOf": [{"$ref": "#"}]})", R"({"properties": {"a": {"not": {"$ref": "#/properties/a"}}}})",
                           R"({"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"allOf": [{"$ref": "#/definitions/a"}]}}, "$ref": "#/definitions/a"})"}) {
    CHECK(made(try_make("json_schema", {{"schema", Json::parse(text)}})) == kRefused);
  }
}

TEST_CASE("a long text never meets a recursive matcher") {
  const Json params{{"schema", {{"type", "string"}, {"pattern", "^(?=a)(a|b)*$"}}}}, linear{{"schema", {{"type", "string"}, {"pattern", "^(a|b)*$"}}}};
  constexpr size_t kLongest = SchemaChecker::kLongestMatchedText;
  CHECK(told("json_schema", "\"" + std::string(kLongest, 'a') + "\"", params) == "1");
  CHECK(told("json_schema", "\"" + std::string(1000000, 'a') + "\"", params).starts_with("error: a text over " + std::to_string(kLongest) + " bytes cannot be checked by a schema with "));
  CHECK(told("json_schema", "\"" + std::string(1000000, 'a') + "\"", linear) == "1");
  const Json plain{{"schema", {{"type", "string"}}}};
  CHECK(told("json_schema", "\"" + std::string(1000000, 'a') + "\"", plain) == "1");
}

}  // namespace llmops
