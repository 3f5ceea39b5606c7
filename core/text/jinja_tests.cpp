// Tests (`x is odd`): jinja2/tests.py. Where Python compares identity (sameas), equal scalars are the same here.
#include <fmt/format.h>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

Result<Value> rest_is(const Call& call, int64_t divisor, int64_t wanted) {
  LLMOPS_ASSIGN(const Value rest, call.evaluator.arithmetic(Op::kMod, call.subject, Value::of(divisor)));
  return Value::of(equal(rest, Value::of(wanted)));
}

Result<Value> odd(const Call& call) { return rest_is(call, 2, 1); }
Result<Value> even(const Call& call) { return rest_is(call, 2, 0); }

Result<Value> divisibleby(const Call& call) {
  LLMOPS_ASSIGN(const Value rest, call.evaluator.arithmetic(Op::kMod, call.subject, *call[0]));
  return Value::of(equal(rest, Value::of(int64_t{0})));
}

Result<Value> defined(const Call& call) { return Value::of(!call.subject.is(Kind::kUndefined)); }
Result<Value> undefined(const Call& call) { return Value::of(call.subject.is(Kind::kUndefined)); }
Result<Value> none(const Call& call) { return Value::of(call.subject.is(Kind::kNone)); }
Result<Value> boolean(const Call& call) { return Value::of(call.subject.is(Kind::kBool)); }
Result<Value> is_true(const Call& call) { return Value::of(call.subject.is(Kind::kBool) && call.subject.boolean); }
Result<Value> is_false(const Call& call) { return Value::of(call.subject.is(Kind::kBool) && !call.subject.boolean); }
Result<Value> integer(const Call& call) { return Value::of(call.subject.is(Kind::kInt) || call.subject.is(Kind::kBigInt)); }
Result<Value> real(const Call& call) { return Value::of(call.subject.is(Kind::kFloat)); }
Result<Value> number(const Call& call) { return Value::of(call.subject.is_number()); }
Result<Value> string(const Call& call) { return Value::of(call.subject.is(Kind::kString)); }
Result<Value> mapping(const Call& call) { return Value::of(call.subject.is(Kind::kDict)); }

Result<Value> callable(const Call& call) {
  const Kind kind = call.subject.kind;
  return Value::of(kind == Kind::kMacro || kind == Kind::kFunction || kind == Kind::kMethod || kind == Kind::kUndefined ||
                   (kind == Kind::kCycler && call.subject.cycler->is_joiner));
}

Result<Value> sequence(const Call& call) {
  const Kind kind = call.subject.kind;
  return Value::of(kind == Kind::kString || kind == Kind::kList || kind == Kind::kDict || kind == Kind::kRange || kind == Kind::kUndefined);
}

Result<Value> iterable(const Call& call) {
  if (call.subject.is(Kind::kLoop)) return Value::of(true);
  return sequence(call);
}

Result<Value> lower(const Call& call) {
  const std::string text = to_text(call.subject);
  return Value::of(text::to_lower(text) == text && text::to_upper(text) != text);
}

Result<Value> upper(const Call& call) {
  const std::string text = to_text(call.subject);
  return Value::of(text::to_upper(text) == text && text::to_lower(text) != text);
}

Result<Value> escaped(const Call& call) { return Value::of(call.subject.is(Kind::kString) && call.subject.safe); }
Result<Value> is_filter(const Call& call) { return Value::of(find_callable(filters(), to_text(call.subject)) != nullptr); }
Result<Value> is_test(const Call& call) { return Value::of(find_callable(tests(), to_text(call.subject)) != nullptr); }

Result<Value> sameas(const Call& call) {
  const Value& a = call.subject;
  const Value& b = *call[0];
  const bool container = a.is(Kind::kList) || a.is(Kind::kDict);
  if (a.kind != b.kind) return Value::of(false);
  return Value::of(container ? a.from_json == b.from_json && a.json == b.json : equal(a, b));
}

template <Op kOp>
Result<Value> compares(const Call& call) {
  LLMOPS_ASSIGN(const bool holds, call.evaluator.compare_values(kOp, call.subject, *call[0]));
  return Value::of(holds);
}

constexpr Callable kTests[] = {
    {"odd", odd}, {"even", even}, {"divisibleby", divisibleby, {"num"}, 1}, {"defined", defined, {}, 0, true},
    {"undefined", undefined, {}, 0, true}, {"filter", is_filter}, {"test", is_test}, {"none", none}, {"boolean", boolean},
    {"false", is_false}, {"true", is_true}, {"integer", integer}, {"float", real}, {"lower", lower}, {"upper", upper},
    {"string", string}, {"mapping", mapping}, {"number", number}, {"sequence", sequence}, {"iterable", iterable},
    {"callable", callable}, {"sameas", sameas, {"other"}, 1}, {"escaped", escaped}, {"in", compares<Op::kIn>, {"seq"}, 1},
    {"==", compares<Op::kEq>, {"other"}, 1}, {"eq", compares<Op::kEq>, {"other"}, 1}, {"equalto", compares<Op::kEq>, {"other"}, 1},
    {"!=", compares<Op::kNe>, {"other"}, 1}, {"ne", compares<Op::kNe>, {"other"}, 1}, {">", compares<Op::kGt>, {"other"}, 1},
    {"gt", compares<Op::kGt>, {"other"}, 1}, {"greaterthan", compares<Op::kGt>, {"other"}, 1}, {">=", compares<Op::kGe>, {"other"}, 1},
    {"ge", compares<Op::kGe>, {"other"}, 1}, {"<", compares<Op::kLt>, {"other"}, 1}, {"lt", compares<Op::kLt>, {"other"}, 1},
    {"lessthan", compares<Op::kLt>, {"other"}, 1}, {"<=", compares<Op::kLe>, {"other"}, 1}, {"le", compares<Op::kLe>, {"other"}, 1}};

}  // namespace

std::span<const Callable> tests() { return kTests; }

}  // namespace llmops::jinja
