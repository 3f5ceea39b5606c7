// Extraction: JSON, regular expressions and choices out of what models write.
#include "tests/core/runtime/runtime_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

class Extract {
 public:
  explicit Extract(const std::string& how, const std::string& schema = "") {
    if (!schema.empty()) folder_.dir.write("schema.json", schema);
    folder_.prepare("steps: [{id: pick, extract: {from: \"{{ question }}\", " + how + (schema.empty() ? "" : ", schema: schema.json") + "}}]\noutput: \"{{ steps.pick.output }}\"\n");
  }
  std::string operator()(Json value) { return output_of(folder_.ask(std::move(value))); }

 private:
  RuntimeFolder folder_;
};

}  // namespace

TEST_CASE("JSON is found whole, in fences, and between words") {
  Extract extract("json: true");
  CHECK(extract(R"({"a": [1, 2]})") == R"({"a":[1,2]})");
  CHECK(extract("Here it is:\n```json\n{\"a\": \"}\"}\n```\nDone.") == R"({"a":"}"})");
  CHECK(extract("{not json} but [1, {\"b\": null}] is, and {\"c\": 2} too") == R"([1,{"b":null}])");
  CHECK(extract(R"(a \" quote {"k": "say \"hi\" {"} end)") == R"({"k":"say \"hi\" {"})");
  CHECK(extract("42") == "42");
  CHECK(extract("\"text\"") == "\"text\"");
  CHECK(extract("no JSON") == "error in 'pick': no JSON in 'no JSON'");
  CHECK(extract("{\"a\": 1") == "error in 'pick': no JSON in '{\"a\": 1'");
  CHECK(extract(std::string(100, 'x')) == "error in 'pick': no JSON in '" + std::string(77, 'x') + "...'");
  // What is no text is JSON already.
  CHECK(extract(*parse_json(R"({"already": true})", "q")) == R"({"already":true})");
}

TEST_CASE("a regular expression gives its first match, its group, or its last match") {
  CHECK(Extract("regex: '[0-9]+'")("a 12 b 34") == R"("12")");
  CHECK(Extract("regex: '[0-9]+', match: last")("a 12 b 34") == R"("34")");
  CHECK(Extract("regex: 'Answer: (-?[0-9]+)'")("Answer: 1\nAnswer: -2") == R"("1")");
  CHECK(Extract("regex: 'Answer: (-?[0-9]+)', match: last")("Answer: 1\nAnswer: -2 .") == R"("-2")");
  CHECK(Extract("regex: '(a)(b)?', group: 2")("ac") == R"("")");
  CHECK(Extract("regex: '(a)(b)', group: 0")("xab") == R"("ab")");
  // An empty match does not keep the search in place.
  CHECK(Extract("regex: 'x*', match: last")("axxb") == R"("")");
  CHECK(Extract("regex: '(?i)yes'")("oh YES") == R"("YES")");
  CHECK(Extract("regex: '[0-9]+'")(123) == R"("123")");
  CHECK(Extract("regex: '[0-9]+'")("none") == "error in 'pick': regular expression '[0-9]+' does not match 'none'");
}

TEST_CASE("a choice is the word that stands first in the text, in any case, whole") {
  Extract extract("choice: [refund, delay, other, 'very late', late]");
  CHECK(extract("I think Delay, then refund") == R"("delay")");
  CHECK(extract("REFUND.") == R"("refund")");
  CHECK(extract("another day") == "error in 'pick': none of the choices stands in 'another day'");
  CHECK(extract("it is very late") == R"("very late")");
  CHECK(extract("late") == R"("late")");
  CHECK(Extract("choice: [a, a.b]")("x a.b") == R"("a.b")");
  CHECK(Extract("choice: [C++, C]")("use C++!") == R"("C++")");
}

TEST_CASE("an extracted value that its schema refuses is the step's error") {
  Extract extract("json: true", R"({"type": "object", "required": ["label"], "properties": {"label": {"enum": ["a", "b"]}}})");
  CHECK(extract(R"({"label": "a"})") == R"({"label":"a"})");
  CHECK(extract(R"({"label": "c"})").starts_with("error in 'pick': the value does not fit the schema: /label fails 'enum'"));
  CHECK(extract(R"({"lable": "a"})") == "error in 'pick': the value does not fit the schema: the value fails 'required': no 'label'");
}

TEST_CASE("an extraction of an undefined value says what is undefined") {
  RuntimeFolder folder;
  folder.prepare("steps: [{id: pick, extract: {from: \"{{ question.text }}\", json: true}}]\noutput: \"{{ steps.pick.output }}\"\n");
  CHECK(output_of(folder.ask(Json::object())).starts_with("error in 'pick': "));
}
