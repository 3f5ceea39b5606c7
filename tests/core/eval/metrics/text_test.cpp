#include "core/eval/metrics/normalize.h"
#include "tests/core/eval/metrics/golden.h"

namespace llmops {

using test::made;
using test::told;
using test::try_make;

TEST_CASE("equals compares numbers as numbers, values as JSON and mixed kinds by their text") {
  CHECK(told("equals", 18, {{"expected", 18.0}}) == "1");
  CHECK(told("equals", 26, {{"expected", 18}}) == "0: expected 18, got 26");
  CHECK(told("equals", "yes", {{"expected", "Yes"}}) == "0: expected 'Yes', got 'yes'");
  CHECK(told("equals", "18", {{"expected", 18}}) == "1");
  CHECK(told("equals", 18, {{"expected", " 18"}}) == "0: expected ' 18', got 18");
  CHECK(told("equals", true, {{"expected", "true"}}) == "1");
  CHECK(told("equals", true, {{"expected", 1}}) == "0: expected 1, got true");
  CHECK(told("equals", Json::parse(R"({"a":1,"b":[2]})"), {{"expected", Json::parse(R"({"b":[2.0],"a":1})")}}) == "1");
  CHECK(told("equals", Json::parse("[1,2]"), {{"expected", Json::parse("[2,1]")}}) == "0: expected [2,1], got [1,2]");
  CHECK(told("equals", "[1]", {{"expected", Json::parse("[1]")}}) == "0: expected [1], got '[1]'");
  CHECK(told("equals", "a\nb\x1B[2J", {{"expected", "x"}}).find("got 'a\\nb\\x1b[2J'") != std::string::npos);
}

TEST_CASE("equals takes a missing target for an error and an expected null for an answer") {
  CHECK(told("equals", nullptr, {{"expected", "x"}}) == "error: target is null");
  CHECK(told("equals", nullptr, {{"expected", nullptr}}) == "1");
  CHECK(told("equals", "x", {{"expected", nullptr}}) == "0: expected null, got 'x'");
  CHECK(told("equals", "x", Json::object()) == "error: 'expected' is missing");
}

TEST_CASE("equals normalises both sides, also inside lists") {
  const Json all = Json::parse(R"(["case","space","punctuation","articles"])");
  CHECK(told("equals", "  The STRASSE! ", {{"expected", "stra\u00DFe"}, {"normalize", all}}) == "1");
  CHECK(told("equals", "a  b", {{"expected", "a b"}, {"normalize", {"space"}}}) == "1");
  CHECK(told("equals", "a  b", {{"expected", "a b"}, {"normalize", {"case"}}}) == "0: expected 'a b', got 'a  b'");
  CHECK(told("equals", Json::parse(R"(["A",{"k":"B"}])"), {{"expected", Json::parse(R"(["a",{"k":"b"}])")}, {"normalize", {"case"}}}) == "1");
}

TEST_CASE("an unknown normalisation is refused with a suggestion") {
  CHECK(made(try_make("equals", {{"normalize", {"cases"}}})) == "unknown normalisation 'cases' | did you mean 'case'?");
  CHECK(made(try_make("contains", {{"normalize", "case"}})) == "'normalize' must be a list | write normalize: [case, space]");
}

TEST_CASE("normalisations agree with Python") {
  for (const Json& row : test::eval_golden("normalize.jsonl")) {
    const auto text = row["text"].get<std::string>();
    INFO(row.dump());
    for (const char* name : {"case", "punctuation", "articles", "space"}) {
      const Json params{{"normalize", {name}}};
      CHECK(parse_normalization(params)->apply(text) == row[name].get<std::string>());
    }
    const Json params{{"normalize", {"space", "articles", "punctuation", "case"}}};
    CHECK(parse_normalization(params)->apply(text) == row["all"].get<std::string>());
  }
}

TEST_CASE("one_of passes on any listed value") {
  const Json labels = Json::parse(R"(["refund","delay",3])");
  CHECK(told("one_of", "delay", {{"values", labels}}) == "1");
  CHECK(told("one_of", "3", {{"values", labels}}) == "1");
  CHECK(told("one_of", "Delay", {{"values", labels}}) == "0: 'Delay' is none of [\"refund\",\"delay\",3]");
  CHECK(told("one_of", "Delay", {{"values", labels}, {"normalize", {"case"}}}) == "1");
  CHECK(told("one_of", "x", {{"values", "x"}}) == "error: 'values' must be a list, got text");
  CHECK(told("one_of", "x", {{"values", Json::array()}}) == "error: 'values' is an empty list");
  CHECK(told("one_of", nullptr, {{"values", labels}}) == "error: target is null");
}

TEST_CASE("contains looks for all of its texts, or for any") {
  CHECK(told("contains", "the answer is 42", {{"value", "answer"}}) == "1");
  CHECK(told("contains", "the answer is 42", {{"value", 42}}) == "1");
  CHECK(told("contains", "the answer is 42", {{"value", "Answer"}}) == "0: does not contain 'Answer'");
  CHECK(told("contains", "The  Answer", {{"value", "the answer"}, {"normalize", {"case", "space"}}}) == "1");
  CHECK(told("contains", "a b", {{"value", {"a", "c", "d"}}}) == "0: does not contain 'c', 'd'");
  CHECK(told("contains", "a b", {{"value", {"c", "a"}}, {"mode", "any"}}) == "1");
  CHECK(told("contains", "a b", {{"value", {"c", "d"}}, {"mode", "any"}}) == "0: contains none of 'c', 'd'");
  CHECK(dump_json(test::score("contains", "a b", {{"value", {"a", "c"}}})->detail) == R"({"missing":["c"]})");
  CHECK(told("contains", 1234, {{"value", "23"}}) == "1");
  CHECK(told("contains", Json::parse("[1]"), {{"value", "1"}}) == "error: 'contains' needs text, got a list");
  CHECK(told("contains", "x", {{"value", Json::array()}}) == "error: 'value' is an empty list");
  CHECK(told("contains", "x", {{"value", Json::parse("[[1]]")}}) == "error: 'value' needs text, got a list");
  CHECK(made(try_make("contains", {{"value", "x"}, {"mode", "al"}})) == "'mode' of 'contains' cannot be 'al' | did you mean 'all'?");
}

TEST_CASE("regex searches or matches the whole text") {
  CHECK(told("regex", "order 123", {{"pattern", "[0-9]+"}}) == "1");
  CHECK(told("regex", "order 123", {{"pattern", "[0-9]+"}, {"match", "full"}}) == "0: 'order 123' does not match '[0-9]+'");
  CHECK(told("regex", "\u00E9t\u00E9", {{"pattern", "\\pL{3}"}, {"match", "full"}}) == "1");
  CHECK(told("regex", Json::object(), {{"pattern", "x"}}) == "error: 'regex' needs text, got an object");
  CHECK(told("regex", nullptr, {{"pattern", "x"}}) == "error: target is null");
}

TEST_CASE("a regex that does not compile is refused at load, or for the case whose template gave it") {
  CHECK(made(try_make("regex", {{"pattern", "a(b"}})) == "regex 'a(b' does not compile: missing ): a(b | use RE2 syntax, which has no look-around and no back-references");
  CHECK(made(try_make("regex", {{"pattern", "(?=x)"}})).starts_with("regex '(?=x)' does not compile: "));
  CHECK(made(try_make("regex", {{"pattern", 3}})) == "'pattern' must be text, got a number | put it in quotes");
  const Json literal{{"pattern", "{{ case.pattern }}"}};
  auto metric = try_make("regex", literal);
  REQUIRE(metric);
  const Json target = "abc", good{{"pattern", "b"}}, bad{{"pattern", "b("}};
  MetricInput input;
  input.target = &target;
  input.params = &good;
  CHECK(told((*metric)->score(input)) == "1");
  input.params = &bad;
  CHECK(told((*metric)->score(input)) == "error: regex 'b(' does not compile: missing ): b(");
}

TEST_CASE("a regex takes linear time where backtracking would take years") {
  CHECK(told("regex", std::string(50000, 'a') + "b", {{"pattern", "(a+)+$"}}).starts_with("0: "));
}

TEST_CASE("exact_match and token_f1 agree with SQuAD's script") {
  for (const Json& row : test::eval_golden("squad.jsonl")) {
    INFO(row.dump());
    const Json params{{"references", row["reference"]}};
    CHECK(squad_normalize(row["prediction"].get<std::string>()) == row["normalized"].get<std::string>());
    CHECK(*test::score("exact_match", row["prediction"], params)->value == row["exact"].get<double>());
    CHECK(*test::score("token_f1", row["prediction"], params)->value == Approx(row["f1"].get<double>()).epsilon(1e-15));
  }
}

TEST_CASE("SQuAD metrics take the best of several references") {
  CHECK(told("exact_match", "The Beatles!", {{"references", {"Queen", "beatles"}}}) == "1");
  CHECK(told("exact_match", "Abba", {{"references", {"Queen", "beatles"}}}) == "0: expected one of 2 references, first 'Queen', got 'Abba'");
  CHECK(told("exact_match", "Abba", {{"references", "Queen"}}) == "0: expected 'Queen', got 'Abba'");
  CHECK(told("token_f1", "red green", {{"references", {"blue", "green"}}}).starts_with("0.666666666666666"));
  CHECK(told("token_f1", "", {{"references", ""}}) == "1");
  CHECK(told("token_f1", "", {{"references", "x"}}) == "0: expected 'x', got ''");
  CHECK(told("token_f1", 42, {{"references", 42}}) == "1");
  CHECK(told("token_f1", Json::parse("[1]"), {{"references", "x"}}) == "error: 'token_f1' needs text, got a list");
  CHECK(told("exact_match", "x", {{"references", Json::array()}}) == "error: 'references' is an empty list");
  CHECK(told("exact_match", "x", {{"references", nullptr}}) == "error: 'references' needs text, got null");
}

TEST_CASE("the order of references and the direction do not change token_f1") {
  for (const Json& row : test::eval_golden("squad.jsonl")) {
    const Json forward{{"references", {row["reference"], "x y"}}}, backward{{"references", {"x y", row["reference"]}}}, swapped{{"references", row["prediction"]}};
    const double value = *test::score("token_f1", row["prediction"], forward)->value;
    CHECK(value == *test::score("token_f1", row["prediction"], backward)->value);
    CHECK(*test::score("token_f1", row["reference"], swapped)->value == Approx(row["f1"].get<double>()).epsilon(1e-15));
    CHECK((value >= 0 && value <= 1));
  }
}

}  // namespace llmops
