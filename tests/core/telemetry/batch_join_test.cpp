#include "core/telemetry/batch_join.h"

#include <catch2/catch.hpp>

namespace llmops {
namespace {

BatchHalf request(const std::string& id, const std::string& input) {
  BatchHalf half{id, false, {}};
  half.span.input = input;
  half.span.model_asked = "m";
  return half;
}
BatchHalf answer(const std::string& id, const std::string& span) {
  BatchHalf half{id, true, {}};
  half.span.trace_id = half.span.span_id = span;
  half.span.output = "a";
  return half;
}

}  // namespace

TEST_CASE("a request and its answer meet, whichever comes first") {
  BatchJoin join;
  CHECK_FALSE(join.add(request("1", "q1")).has_value());
  CHECK_FALSE(join.add(answer("2", "b2")).has_value());
  const auto first = join.add(answer("1", "b1")), second = join.add(request("2", "q2"));
  REQUIRE((first && second));
  CHECK((first->input == "q1" && first->span_id == "b1" && first->output == "a" && first->model_asked == "m"));
  CHECK((second->input == "q2" && second->span_id == "b2"));
  const auto rest = join.take_rest();
  CHECK((rest.answers.empty() && rest.unanswered == 0));
}

TEST_CASE("equal custom_ids of several batches meet in order, and what is alone is left over") {
  BatchJoin join;
  for (const char* input : {"q1", "q2", "q3"}) CHECK_FALSE(join.add(request("1", input)).has_value());
  CHECK(join.add(answer("1", "b1"))->input == "q1");
  CHECK(join.add(answer("1", "b2"))->input == "q2");
  static_cast<void>(join.add(answer("9", "z")));
  static_cast<void>(join.add(answer("8", "y")));
  const auto rest = join.take_rest();
  CHECK(rest.unanswered == 1);
  REQUIRE(rest.answers.size() == 2);
  CHECK((rest.answers[0].span_id == "y" && rest.answers[1].span_id == "z"));
  CHECK(join.take_rest().unanswered == 0);
}

}  // namespace llmops
