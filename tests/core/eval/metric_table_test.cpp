#include <set>

#include "tests/core/eval/metrics/golden.h"

namespace llmops {

using test::made;
using test::told;
using test::try_make;

TEST_CASE("every metric says what it is, where it comes from and what it needs") {
  std::set<std::string> types;
  for (const MetricKind& kind : metric_kinds()) {
    INFO(kind.type);
    CHECK(types.insert(kind.type).second);
    CHECK(std::string(kind.summary).size() > 5);
    CHECK(std::string(kind.citation).size() > 5);
    CHECK(std::string(kind.range).size() > 3);
    CHECK(kind.is_rate == (std::string(kind.range) == "0 or 1"));
    CHECK(find_metric_kind(kind.type) == &kind);
    const std::string signature = kind.signature(Json::object());
    CHECK(signature.starts_with(std::string(kind.type) + "|"));
    CHECK(signature.ends_with("|v:1"));
    for (const MetricParameter& parameter : kind.parameters) {
      CHECK(std::string(parameter.help).size() > 5);
      CHECK(parameter.required == std::string(parameter.default_text).empty());
    }
  }
  CHECK(find_metric_kind("rogue") == nullptr);
  CHECK(metric_type_names() == std::vector<std::string>{"equals", "contains", "regex", "number", "one_of", "json_valid", "json_schema", "exact_match", "token_f1",
                                                        "latency", "cost", "tokens"});
}

TEST_CASE("signatures name every convention that changes the number") {
  const auto signature = [](const char* type, const Json& params) { return find_metric_kind(type)->signature(params); };
  CHECK(signature("equals", {{"normalize", {"space", "case"}}}) == "equals|normalize:case+space|v:1");
  CHECK(signature("equals", Json::object()) == "equals|normalize:none|v:1");
  CHECK(signature("contains", {{"mode", "any"}}) == "contains|mode:any|normalize:none|v:1");
  CHECK(signature("regex", {{"match", "full"}}) == "regex|re2|match:full|v:1");
  CHECK(signature("number", {{"absolute", 0.5}, {"relative", "{{ case.t }}"}}) == "number|absolute:0.5|relative:case|extract:none|v:1");
  CHECK(signature("one_of", Json::object()) == "one_of|normalize:none|v:1");
  CHECK(signature("json_valid", Json::object()) == "json_valid|rfc8259|v:1");
  CHECK(signature("json_schema", Json::object()) == "json_schema|draft:7|v:1");
  CHECK(signature("exact_match", Json::object()) == "exact_match|norm:squad|refs:max|v:1");
  CHECK(signature("token_f1", Json::object()) == "token_f1|norm:squad|refs:max|empty:1|v:1");
  CHECK(signature("latency", Json::object()) == "latency|unit:ms|v:1");
  CHECK(signature("cost", Json::object()) == "cost|unit:usd|v:1");
  CHECK(signature("tokens", {{"which", "input"}}) == "tokens|which:input|v:1");
}

TEST_CASE("what was not measured is unknown, never 0") {
  const Json none = Json::object();
  Measured measured;
  measured.latency_ms = 12.5;
  measured.input_tokens = 100;
  MetricInput input;
  input.params = &none;
  const auto say = [&](const char* type, const Json& params) { return told((*try_make(type, params))->score(input)); };
  CHECK(say("latency", none) == "none: latency was not measured");
  input.measured = &measured;
  CHECK(say("latency", none) == "12.5");
  CHECK(say("cost", none) == "none: the price or the token counts are unknown");
  CHECK(say("tokens", none) == "none: the provider reported no token counts");
  CHECK(say("tokens", {{"which", "input"}}) == "100");
  CHECK(say("tokens", {{"which", "output"}}) == "none: the provider reported no token counts");
  measured.output_tokens = 20;
  measured.cost_usd = 0.25;
  CHECK(say("tokens", none) == "120");
  CHECK(say("cost", none) == "0.25");
  CHECK(made(try_make("tokens", {{"which", "sum"}})) == "'which' of 'tokens' cannot be 'sum' | known: total, input, output");
}

TEST_CASE("random values never crash a metric, and a score never lacks both value and reason") {
  const std::vector<Json> values{nullptr, true, 3, -2.5, "", "a", "{\"a\":1}", Json::array(), Json::parse("[1,[2]]"), Json::object(), Json::parse("{\"a\":{}}"), "\xFF\xFE"};
  for (const MetricKind& kind : metric_kinds()) {
    for (const Json& target : values) {
      for (const Json& value : values) {
        Json params = Json::object();
        for (const MetricParameter& parameter : kind.parameters) {
          if (parameter.required) params[parameter.name] = value;
        }
        auto metric = try_make(kind.type, params, "{}");
        if (!metric) continue;
        MetricInput input;
        input.target = &target;
        input.params = &params;
        const auto score = (*metric)->score(input);
        if (!score) { CHECK(score.error().code == ErrorCode::kData); continue; }
        CHECK((score->value || !score->reason.empty()));
        if (score->value && kind.is_rate) CHECK((*score->value == 0 || *score->value == 1));
      }
    }
  }
}

}  // namespace llmops
