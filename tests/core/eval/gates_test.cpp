#include "core/eval/gates.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>

namespace llmops {
namespace {

SourcePlace place() {
  SourcePlace place;
  place.file = "s.eval.yaml";
  place.line = 12;
  place.column = 5;
  return place;
}

// "message | hint | column+length"
std::string refused(std::string_view text) {
  const auto gate = parse_gate(text, place());
  if (gate) return "parsed";
  const Error& e = gate.error();
  CHECK(e.code == ErrorCode::kConfig);
  CHECK(e.where.line == 12);
  return fmt::format("{} | {} | {}+{}", e.message, e.hint, e.where.column, e.where.length);
}

std::string_view op_text(GateOperator op) {
  switch (op) {
    case GateOperator::kAtLeast: return ">=";
    case GateOperator::kAtMost: return "<=";
    case GateOperator::kAbove: return ">";
    case GateOperator::kBelow: return "<";
    case GateOperator::kEqual: break;
  }
  return "==";
}

constexpr const char* kFunctionNames[] = {"", "mean", "sum", "min", "max", "p50", "p90", "p95", "p99"};

// A gate written out, with `gap` between its parts.
std::string print(const Gate& gate, const std::string& gap) {
  std::string value = gate.name;
  const auto quoted = [](const std::string& word) {
    std::string out = "\"";
    for (const char c : word) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    return out + "\"";
  };
  if (gate.slice) value += gap + "[" + gap + quoted(gate.slice->field) + gap + "=" + gap + quoted(gate.slice->value) + gap + "]";
  if (gate.function != GateFunction::kNone) value = std::string(kFunctionNames[static_cast<size_t>(gate.function)]) + gap + "(" + gap + value + gap + ")";
  std::string right = fmt::format("{}", gate.number);
  if (gate.against_baseline) {
    right = "baseline";
    if (gate.term == Gate::BaselineTerm::kPlus) right += gap + (gate.number < 0 ? "-" : "+") + gap + fmt::format("{}", std::abs(gate.number));
    if (gate.term == Gate::BaselineTerm::kTimes) right += gap + "*" + gap + fmt::format("{}", gate.number);
  }
  std::string text = value + gap + std::string(op_text(gate.op)) + gap + right;
  if (gate.level) text += gap + "@" + gap + fmt::format("{}", *gate.level * 100) + gap + "%";
  return text;
}

Gate random_gate(std::mt19937_64& random) {
  const std::vector<std::string> names{"correct", "latency_ms", "steps.answer.cost_usd", "label_f1.macro_f1", "steps.re-rank.pass_rate", "baseline", "p95", "mean"};
  const std::vector<std::string> words{"lang", "de", "a b", "x\"y", "\\", "caf\u00E9", "1.5", "meta.tier", "]", "="};
  Gate gate;
  gate.function = static_cast<GateFunction>(random() % 9);
  gate.name = names[random() % names.size()];
  if (random() % 2 == 0) gate.slice = GateSlice{words[random() % words.size()], words[random() % words.size()]};
  gate.op = static_cast<GateOperator>(random() % 5);
  gate.number = (static_cast<double>(random() % 20001) - 10000) / 128;
  if (random() % 2 == 0) {
    gate.against_baseline = true;
    gate.term = static_cast<Gate::BaselineTerm>(random() % 3);
    if (gate.term == Gate::BaselineTerm::kNone) gate.number = 0;
  }
  if (random() % 2 == 0) gate.level = static_cast<double>(1 + random() % 199) / 2 / 100;
  return gate;
}

}  // namespace

TEST_CASE("a gate is read with all of its parts") {
  const Gate plain = *parse_gate("correct >= 0.85", place());
  CHECK(plain.text == "correct >= 0.85");
  CHECK(plain.name == "correct");
  CHECK(plain.op == GateOperator::kAtLeast);
  CHECK(plain.number == 0.85);
  CHECK_FALSE(plain.against_baseline);
  CHECK_FALSE(plain.level);

  const Gate sliced = *parse_gate("p95(steps.answer.latency_ms[customer.tier='big one'])<2.5e3@ 99.5 %", place());
  CHECK(sliced.function == GateFunction::kP95);
  CHECK(sliced.name == "steps.answer.latency_ms");
  CHECK(sliced.slice->field == "customer.tier");
  CHECK(sliced.slice->value == "big one");
  CHECK(sliced.op == GateOperator::kBelow);
  CHECK(sliced.number == 2500);
  CHECK(*sliced.level == 0.995);

  const Gate against = *parse_gate("correct >= baseline - 0.02 @ 95%", place());
  CHECK(against.against_baseline);
  CHECK(against.term == Gate::BaselineTerm::kPlus);
  CHECK(against.number == -0.02);
  CHECK(*against.level == 0.95);
  const Gate times = *parse_gate("mean(cost_usd)<=baseline*1.1", place());
  CHECK(times.term == Gate::BaselineTerm::kTimes);
  CHECK(times.number == 1.1);
  CHECK(parse_gate("f1.macro_f1[lang=de-AT] == -.5", place())->slice->value == "de-AT");
  CHECK(parse_gate("steps.re-rank.cost_usd < 1", place())->name == "steps.re-rank.cost_usd");
}

TEST_CASE("a malformed gate is refused at the exact column") {
  CHECK(refused("") == "a gate starts with a metric's name or a function | write a gate like 'correct >= 0.85' | 5+1");
  CHECK(refused("  >= 1") == "a gate starts with a metric's name or a function | write a gate like 'correct >= 0.85' | 7+1");
  CHECK(refused("p59(latency_ms) <= 2") == "unknown function 'p59' | did you mean 'p50'? | 5+3");
  CHECK(refused("average (x) < 1") == "unknown function 'average' | known: mean, sum, min, max, p50, p90, p95, p99 | 5+7");
  CHECK(refused("p95() < 1") == "'p95(' needs a metric's name | write it like p95(latency_ms) | 9+1");
  CHECK(refused("p95(latency_ms < 1") == "a ')' is missing | close the function with ')' | 20+1");
  CHECK(refused("correct") == "a comparison is missing | compare with >=, <=, >, < or == | 12+1");
  CHECK(refused("correct => 1") == "unknown comparison '=>' | did you mean '>='? | 13+2");
  CHECK(refused("correct = 1") == "unknown comparison '=' | did you mean '=='? | 13+1");
  CHECK(refused("correct != 1") == "unknown comparison '!=' | known: >=, <=, >, <, == | 13+2");
  CHECK(refused("correct >=") == "the right side must be a number or 'baseline' | write it like '>= 0.85' or '>= baseline - 0.02' | 15+1");
  CHECK(refused("correct >= -x") == "the right side must be a number or 'baseline' | write it like '>= 0.85' or '>= baseline - 0.02' | 16+1");
  CHECK(refused("correct >= inf") == "unknown right side 'inf' | compare with a number or with 'baseline' | 16+3");
  CHECK(refused("correct >= baselin") == "unknown right side 'baselin' | did you mean 'baseline'? | 16+7");
  CHECK(refused("correct >= 1e999") == "number '1e999' is out of range | write a smaller number | 16+5");
  CHECK(refused("correct >= baseline -") == "a number must follow 'baseline -' | write it like 'baseline - 0.02' | 26+1");
  CHECK(refused("correct >= 0.8 @ 95") == "a '%' is missing after the level | write '@ 95%' | 24+1");
  CHECK(refused("correct >= 0.8 @ 0.95") == "a '%' is missing after the level | write '@ 95%' | 26+1");
  CHECK(refused("correct >= 0.8 @ 100%") == "a level of 100% is not between 0% and 100% | write a level like '@ 95%' | 22+3");
  CHECK(refused("correct >= 0.8 @") == "a percentage must follow '@' | write a level like '@ 95%' | 21+1");
  CHECK(refused("correct >= 0.8 or 1") == "unexpected 'or' after the gate | write one comparison per gate | 20+2");
  CHECK(refused("correct >= 85%") == "unexpected '%' after the gate | write a share as a number, like 0.85 | 18+1");
  CHECK(refused("a..b > 1") == "malformed name 'a..b' | put one dot between the parts of a name, like steps.answer.latency_ms | 5+4");
  CHECK(refused("mean(a.) > 1") == "malformed name 'a.' | put one dot between the parts of a name, like steps.answer.latency_ms | 10+2");
}

TEST_CASE("a malformed slice is refused at the exact column") {
  constexpr const char* kQuoteHint = "quote a value with other characters than letters, digits, '_', '.' and '-'";
  CHECK(refused("a[lang de] > 1") == "an '=' is missing in the slice | write a slice like [lang=de] | 12+1");
  CHECK(refused("a[=de] > 1") == fmt::format("the slice needs a field | {} | 7+1", kQuoteHint));
  CHECK(refused("a[lang=] > 1") == fmt::format("the slice needs a value | {} | 12+1", kQuoteHint));
  CHECK(refused("a[lang=two words] > 1") == fmt::format("a ']' is missing | {} | 16+1", kQuoteHint));
  CHECK(refused("a[lang=\"de] > 1") == "a quote is never closed | close it | 12+1");
}

TEST_CASE("a name that the suite does not know gets a suggestion under its place") {
  const std::vector<std::string> metrics{"correct", "label_f1"}, steps{"answer", "find"};
  const auto check = [&](std::string_view text) {
    const Gate gate = *parse_gate(text, place());
    const auto status = check_gate_name(gate, metrics, steps, place());
    return status ? std::string("known") : fmt::format("{} | {} | {}+{}", status.error().message, status.error().hint, status.error().where.column, status.error().where.length);
  };
  for (const char* known : {"correct > 0", "label_f1.macro_f1 > 0", "error_rate < 1", "pass_rate > 0", "latency_ms < 1", "mean(ttft_ms) < 1", "steps.find.pass_rate > 0",
                            "p95(steps.answer.latency_ms[a=b]) < 3", "sum(output_tokens) < 5", "steps.answer.cost_usd < 1"}) {
    CHECK(check(known) == "known");
  }
  CHECK(check("corect >= 0.8") == "unknown name 'corect' | did you mean 'correct'? | 5+6");
  CHECK(check("mean( latency ) < 1").starts_with("unknown name 'latency' | "));
  CHECK(check("p95( latencyms ) < 1") == "unknown name 'latencyms' | did you mean 'latency_ms'? | 10+9");
  CHECK(check("steps.anwser.cost_usd < 1") == "unknown name 'steps.anwser.cost_usd' | did you mean 'steps.answer.cost_usd'? | 5+21");
  CHECK(check("steps.answer.correct < 1").starts_with("unknown name 'steps.answer.correct'"));
}

TEST_CASE("without a known column the error points nowhere but keeps the line") {
  SourcePlace unknown = place();
  unknown.column = 0;
  const auto gate = parse_gate("a ! 1", unknown);
  REQUIRE_FALSE(gate);
  CHECK(gate.error().where.column == 0);
  CHECK(gate.error().where.line == 12);
}

TEST_CASE("a gate that is written out reads back as itself") {
  std::mt19937_64 random(21);
  for (int i = 0; i < 5000; ++i) {
    const Gate gate = random_gate(random);
    const std::string text = print(gate, std::string(random() % 3, ' '));
    INFO(text);
    const auto read = parse_gate(text, place());
    REQUIRE(read);
    CHECK(read->text == text);
    CHECK(read->function == gate.function);
    CHECK(read->name == gate.name);
    CHECK(read->slice.has_value() == gate.slice.has_value());
    if (gate.slice && read->slice) CHECK((read->slice->field == gate.slice->field && read->slice->value == gate.slice->value));
    CHECK(read->op == gate.op);
    CHECK(read->against_baseline == gate.against_baseline);
    CHECK(read->term == gate.term);
    CHECK(read->number == gate.number);
    CHECK(read->level.has_value() == gate.level.has_value());
    if (gate.level && read->level) CHECK(*read->level == Approx(*gate.level).epsilon(1e-14));
  }
}

TEST_CASE("damaged gates never crash the parser, and every error lies within the text") {
  std::mt19937_64 random(22);
  const std::string alphabet = "ap95(.)[]=<>!@%*+-\"'\\ 0e_b";
  for (int i = 0; i < 20000; ++i) {
    std::string text = random() % 2 == 0 ? print(random_gate(random), " ") : "";
    for (size_t k = random() % 8; k > 0; --k) {
      const size_t at = random() % (text.size() + 1);
      if (random() % 2 == 0 || text.empty()) text.insert(at, 1, alphabet[random() % alphabet.size()]);
      else text.erase(std::min(at, text.size() - 1), 1);
    }
    const auto gate = parse_gate(text, place());
    if (gate) continue;
    const int offset = gate.error().where.column - 5;
    CHECK((offset >= 0 && offset <= static_cast<int>(text.size())));
  }
}

}  // namespace llmops
