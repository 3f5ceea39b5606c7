#include "core/eval/metrics/number_text.h"
#include "tests/core/eval/metrics/golden.h"
#include "core/format/dataset_rows.h"
#include "tests/support/test_data.h"

namespace llmops {

using test::made;
using test::told;
using test::try_make;

namespace {

Json or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

TEST_CASE("numbers in text agree with a grammar of regular expressions") {
  for (const Json& row : test::eval_golden("number.jsonl")) {
    const auto text = row["text"].get<std::string>();
    INFO(row.dump());
    CHECK(or_null(parse_number_text(text)) == row["whole"]);
    CHECK(or_null(first_number_in(text)) == row["first"]);
    CHECK(or_null(last_number_in(text)) == row["last"]);
  }
}

TEST_CASE("number compares within the larger of its tolerances") {
  CHECK(told("number", 18, {{"expected", 18}}) == "1");
  CHECK(told("number", 26, {{"expected", 18}}) == "0: expected 18, got 26");
  CHECK(told("number", " $1,234.50 ", {{"expected", 1234.5}}) == "1");
  CHECK(told("number", "85 %", {{"expected", "85"}}) == "1");
  CHECK(told("number", 1.1, {{"expected", 1}, {"absolute", 0.1}}) == "1");
  CHECK(told("number", 1.1000001, {{"expected", 1}, {"absolute", 0.1}}) == "0: expected 1, got 1.1000001");
  CHECK(told("number", 95, {{"expected", 100}, {"relative", 0.05}}) == "1");
  CHECK(told("number", 94, {{"expected", 100}, {"relative", 0.05}, {"absolute", 6}}) == "1");
  CHECK(told("number", -94, {{"expected", -100}, {"relative", 0.05}}) == "0: expected -100, got -94");
  CHECK(told("number", 0.30000000000000004, {{"expected", 0.3}}) == "0: expected 0.3, got 0.30000000000000004");
  CHECK(dump_json(test::score("number", 26, {{"expected", 18}})->detail) == R"({"got":26.0,"difference":8.0})");
}

TEST_CASE("number takes a number out of text only when told which") {
  CHECK(told("number", "The answer is 18.", {{"expected", 18}}) == "0: 'The answer is 18.' is not one number");
  CHECK(told("number", "so 16 - 3 = 13", {{"expected", 13}, {"extract", "last"}}) == "1");
  CHECK(told("number", "so 16 - 3 = 13", {{"expected", 16}, {"extract", "first"}}) == "1");
  CHECK(told("number", "none", {{"expected", 16}, {"extract", "first"}}) == "0: no number in 'none'");
}

TEST_CASE("number has no score where a number cannot be") {
  CHECK(told("number", nullptr, {{"expected", 1}}) == "error: target is null");
  CHECK(told("number", true, {{"expected", 1}}) == "error: 'number' needs a number or text, got a bool");
  CHECK(told("number", Json::parse("[1]"), {{"expected", 1}}) == "error: 'number' needs a number or text, got a list");
  CHECK(made(try_make("number", {{"expected", "one"}})) == "'expected' is not a number: 'one' | write a number, or a template that gives one");
  CHECK(made(try_make("number", {{"expected", nullptr}})) == "'expected' is not a number: null | write a number, or a template that gives one");
  CHECK(told("number", 1, Json::object()) == "error: 'expected' is missing");
  CHECK(made(try_make("number", {{"expected", 1}, {"absolute", -1}})) == "'absolute' of 'number' must be a number, 0 or more, got -1 | write a number, like 0.01");
  CHECK(made(try_make("number", {{"expected", 1}, {"extract", "lst"}})) == "'extract' of 'number' cannot be 'lst' | did you mean 'last'?");
  CHECK(made(try_make("number", {{"expected", 1}, {"relative", "{{ case.t }}"}})) == "made");
}

TEST_CASE("extracting the last number agrees with the graders of GSM8K's published solutions") {
  const auto root = test::data_root();
  if (!root) return test::note_left_out("GSM8K solutions graded by their last number");
  auto reader = open_dataset(*root / "metrics/gsm8k/example_model_solutions.jsonl", "gsm8k");
  REQUIRE(reader);
  DatasetRow row;
  int graded = 0, agreed = 0;
  while (*(*reader)->next(row)) {
    const auto truth = last_number_in(row.value["ground_truth"].get<std::string>());
    REQUIRE(truth);
    for (const char* model : {"6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"}) {
      const Json& entry = row.value[model];
      const auto passed = test::score("number", entry["solution"], {{"expected", *truth}, {"extract", "last"}});
      ++graded;
      agreed += (*passed->value == 1) == entry["is_correct"].get<bool>();
    }
  }
  CHECK(graded == 4 * 1319);
  INFO("agreed " << agreed);
  CHECK(agreed >= graded - 5);
}

}  // namespace llmops
