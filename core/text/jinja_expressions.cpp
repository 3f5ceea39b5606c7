// Expressions of templates: precedence climbs from `if else` over or, and, not, comparisons, + -, ~, * / // %, ** to the
// unary signs, postfixes, filters and tests, exactly as in jinja2/parser.py. Chains of one precedence become one node, so
// that their length adds no depth.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/jinja_parser.h"

namespace llmops::jinja {

ExprPtr Parser::make(ExprKind kind, const Token& from) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->place = place_of(from);
  return expr;
}

Result<ExprPtr> Parser::finish(ExprPtr expr, const Token& from) const {
  const Token& last = tokens_[position_ > 0 ? position_ - 1 : 0];
  const size_t end = std::max(last.offset + last.length, from.offset + 1);
  expr->place.offset = static_cast<uint32_t>(from.offset);
  expr->place.length = static_cast<uint32_t>(end - from.offset);
  for (const ExprPtr& part : expr->parts) if (part) expr->height = std::max(expr->height, part->height + 1);
  if (expr->height > code_.limits.max_depth) return too_deep(from);
  return expr;
}

Result<ExprPtr> Parser::expression() {
  const Level level(depth_);
  if (depth_ > code_.limits.max_depth) return too_deep(current());
  return conditional();
}

Result<ExprPtr> Parser::conditional() {
  const Token from = current();
  LLMOPS_ASSIGN(ExprPtr value, either());
  while (skip_name("if")) {
    ExprPtr choice = make(ExprKind::kConditional, from);
    LLMOPS_ASSIGN(ExprPtr condition, either());
    ExprPtr other;
    if (skip_name("else")) {
      LLMOPS_ASSIGN(other, expression());
    }
    choice->parts.push_back(std::move(condition));
    choice->parts.push_back(std::move(value));
    choice->parts.push_back(std::move(other));
    LLMOPS_ASSIGN(value, finish(std::move(choice), from));
  }
  return value;
}

Result<ExprPtr> Parser::either() {
  const Token from = current();
  LLMOPS_ASSIGN(ExprPtr value, both());
  if (!at_name("or")) return value;
  ExprPtr chain = make(ExprKind::kOr, from);
  chain->parts.push_back(std::move(value));
  while (skip_name("or")) {
    LLMOPS_ASSIGN(ExprPtr next, both());
    chain->parts.push_back(std::move(next));
  }
  return finish(std::move(chain), from);
}

Result<ExprPtr> Parser::both() {
  const Token from = current();
  LLMOPS_ASSIGN(ExprPtr value, negation());
  if (!at_name("and")) return value;
  ExprPtr chain = make(ExprKind::kAnd, from);
  chain->parts.push_back(std::move(value));
  while (skip_name("and")) {
    LLMOPS_ASSIGN(ExprPtr next, negation());
    chain->parts.push_back(std::move(next));
  }
  return finish(std::move(chain), from);
}

Result<ExprPtr> Parser::negation() {
  const Token from = current();
  if (!skip_name("not")) return comparison();
  const Level level(depth_);
  if (depth_ > code_.limits.max_depth) return too_deep(from);
  ExprPtr inverse = make(ExprKind::kNot, from);
  LLMOPS_ASSIGN(ExprPtr value, negation());
  inverse->parts.push_back(std::move(value));
  return finish(std::move(inverse), from);
}

Status Parser::comparison_operand(Expr& compare, Op op, size_t tokens) {
  for (size_t i = 0; i < tokens; ++i) advance();
  LLMOPS_ASSIGN(ExprPtr operand, sum());
  compare.operators.push_back(op);
  compare.parts.push_back(std::move(operand));
  return {};
}

Result<ExprPtr> Parser::comparison() {
  constexpr std::pair<std::string_view, Op> kComparisons[] = {{"==", Op::kEq}, {"!=", Op::kNe}, {"<", Op::kLt},
                                                              {"<=", Op::kLe}, {">", Op::kGt}, {">=", Op::kGe}};
  const Token from = current();
  LLMOPS_ASSIGN(ExprPtr first, sum());
  ExprPtr compare = make(ExprKind::kCompare, from);
  compare->parts.push_back(std::move(first));
  while (true) {
    const auto* row = std::find_if(std::begin(kComparisons), std::end(kComparisons), [&](const auto& r) { return at_operator(r.first); });
    const bool not_in = at_name("not") && ahead().kind == TokenKind::kName && ahead().text == "in";
    if (row != std::end(kComparisons)) {
      LLMOPS_CHECK(comparison_operand(*compare, row->second, 1));
    } else if (at_name("in")) {
      LLMOPS_CHECK(comparison_operand(*compare, Op::kIn, 1));
    } else if (not_in) {
      LLMOPS_CHECK(comparison_operand(*compare, Op::kNotIn, 2));
    } else {
      break;
    }
  }
  if (compare->operators.empty()) return std::move(compare->parts.front());
  return finish(std::move(compare), from);
}

Result<ExprPtr> Parser::left_chain(ExprKind kind, std::initializer_list<std::pair<std::string_view, Op>> operators,
                                   Result<ExprPtr> (Parser::*operand)()) {
  const Token from = current();
  LLMOPS_ASSIGN(ExprPtr first, (this->*operand)());
  ExprPtr chain = make(kind, from);
  chain->parts.push_back(std::move(first));
  while (true) {
    const auto* row = std::find_if(operators.begin(), operators.end(), [&](const auto& r) { return at_operator(r.first); });
    if (row == operators.end()) break;
    advance();
    LLMOPS_ASSIGN(ExprPtr next, (this->*operand)());
    chain->parts.push_back(std::move(next));
    chain->operators.push_back(row->second);
  }
  if (chain->operators.empty()) return std::move(chain->parts.front());
  return finish(std::move(chain), from);
}

Result<ExprPtr> Parser::sum() {
  return left_chain(ExprKind::kArithmetic, {{"+", Op::kAdd}, {"-", Op::kSub}}, &Parser::concatenation);
}

Result<ExprPtr> Parser::concatenation() {
  return left_chain(ExprKind::kConcat, {{"~", Op::kAdd}}, &Parser::product);
}

Result<ExprPtr> Parser::product() {
  return left_chain(ExprKind::kArithmetic, {{"*", Op::kMul}, {"/", Op::kDiv}, {"//", Op::kFloorDiv}, {"%", Op::kMod}}, &Parser::power);
}

// ** groups from the left, and a sign binds closer (-2 ** 2 is 4), as in Jinja and unlike Python.
Result<ExprPtr> Parser::power() {
  const Token from = current();
  LLMOPS_ASSIGN(ExprPtr first, unary(true));
  ExprPtr chain = make(ExprKind::kArithmetic, from);
  chain->parts.push_back(std::move(first));
  while (skip_operator("**")) {
    LLMOPS_ASSIGN(ExprPtr next, unary(true));
    chain->parts.push_back(std::move(next));
    chain->operators.push_back(Op::kPow);
  }
  if (chain->operators.empty()) return std::move(chain->parts.front());
  return finish(std::move(chain), from);
}

Result<ExprPtr> Parser::unary(bool with_filters) {
  const Token from = current();
  ExprPtr value;
  if (at_operator("-") || at_operator("+")) {
    const Level level(depth_);
    if (depth_ > code_.limits.max_depth) return too_deep(from);
    value = make(at_operator("-") ? ExprKind::kNegative : ExprKind::kPositive, from);
    advance();
    LLMOPS_ASSIGN(ExprPtr operand, unary(false));
    value->parts.push_back(std::move(operand));
    LLMOPS_ASSIGN(value, finish(std::move(value), from));
  } else {
    LLMOPS_ASSIGN(value, primary());
  }
  LLMOPS_ASSIGN(value, postfix(std::move(value), from));
  if (!with_filters) return value;
  return filters_and_tests(std::move(value), from);
}

Result<ExprPtr> Parser::primary() {
  const Token from = current();
  if (from.kind == TokenKind::kName) return name();
  if (at_operator("[")) return list();
  if (at_operator("{")) return dict();
  if (skip_operator("(")) {
    LLMOPS_ASSIGN(ExprPtr inner, tuple(true, true));
    LLMOPS_CHECK(expect_operator(")"));
    return inner;
  }
  ExprPtr literal = make(ExprKind::kConst, from);
  switch (from.kind) {
    case TokenKind::kString:
      for (; current().kind == TokenKind::kString; advance()) literal->text += current().text;
      literal->constant = Value::view(literal->text);
      break;
    case TokenKind::kInt: literal->constant = Value::of(from.integer); advance(); break;
    case TokenKind::kFloat: literal->constant = Value::of(from.real); advance(); break;
    default: return unexpected("an expression");
  }
  return finish(std::move(literal), from);
}

Result<ExprPtr> Parser::name() {
  const Token from = current();
  advance();
  const std::string& text = from.text;
  ExprPtr expr = make(ExprKind::kConst, from);
  if (text == "true" || text == "True" || text == "false" || text == "False") {
    expr->constant = Value::of(text == "true" || text == "True");
  } else if (text == "none" || text == "None") {
    expr->constant = Value::none();
  } else {
    expr->kind = ExprKind::kName;
    expr->text = text;
    expr->name_id = code_.intern(text);
    for (MacroDefinition* macro : macros_) {
      macro->uses_varargs |= text == "varargs";
      macro->uses_kwargs |= text == "kwargs";
      macro->uses_caller |= text == "caller";
    }
  }
  return finish(std::move(expr), from);
}

Result<ExprPtr> Parser::list() {
  const Token from = current();
  advance();
  ExprPtr items = make(ExprKind::kList, from);
  while (!at_operator("]")) {
    LLMOPS_ASSIGN(ExprPtr item, expression());
    items->parts.push_back(std::move(item));
    if (!skip_operator(",")) break;
  }
  LLMOPS_CHECK(expect_operator("]"));
  return finish(std::move(items), from);
}

Result<ExprPtr> Parser::dict() {
  const Token from = current();
  advance();
  ExprPtr entries = make(ExprKind::kDict, from);
  while (!at_operator("}")) {
    LLMOPS_ASSIGN(ExprPtr key, expression());
    LLMOPS_CHECK(expect_operator(":"));
    LLMOPS_ASSIGN(ExprPtr value, expression());
    entries->parts.push_back(std::move(key));
    entries->parts.push_back(std::move(value));
    if (!skip_operator(",")) break;
  }
  LLMOPS_CHECK(expect_operator("}"));
  return finish(std::move(entries), from);
}

// Several expressions with commas between them are a tuple; one without a comma is itself.
Result<ExprPtr> Parser::tuple(bool with_conditional, bool in_parentheses) {
  const Token from = current();
  const auto at_end = [&] {
    return current().kind == TokenKind::kPrintEnd || current().kind == TokenKind::kBlockEnd || at_operator(")");
  };
  ExprPtr items = make(ExprKind::kTuple, from);
  bool comma = false;
  while (!at_end()) {
    const Level level(depth_);
    if (depth_ > code_.limits.max_depth) return too_deep(current());
    LLMOPS_ASSIGN(ExprPtr item, with_conditional ? conditional() : either());
    items->parts.push_back(std::move(item));
    if (!skip_operator(",")) break;
    comma = true;
  }
  if (!comma && items->parts.size() == 1) return std::move(items->parts.front());
  if (!comma && !in_parentheses) return unexpected("an expression");
  return finish(std::move(items), from);
}

Result<ExprPtr> Parser::postfix(ExprPtr expr, const Token& from) {
  while (at_operator(".") || at_operator("[") || at_operator("(")) {
    if (at_operator("(")) {
      ExprPtr call = make(ExprKind::kCall, from);
      call->parts.push_back(std::move(expr));
      LLMOPS_CHECK(arguments(*call));
      LLMOPS_ASSIGN(expr, finish(std::move(call), from));
    } else {
      LLMOPS_ASSIGN(expr, subscript(std::move(expr), from));
    }
  }
  return expr;
}

Result<ExprPtr> Parser::subscript(ExprPtr object, const Token& from) {
  ExprPtr access = make(ExprKind::kIndex, from);
  access->parts.push_back(std::move(object));
  if (skip_operator(".")) {
    const Token token = current();
    if (token.kind == TokenKind::kName) {
      access->kind = ExprKind::kAttribute;
      access->text = token.text;
    } else if (token.kind == TokenKind::kInt) {
      ExprPtr index = make(ExprKind::kConst, token);
      index->constant = Value::of(token.integer);
      access->parts.push_back(std::move(index));
    } else {
      return unexpected("a name or a number after '.'");
    }
    advance();
    return finish(std::move(access), from);
  }
  advance();
  if (at_operator("]")) return unexpected("an index");
  std::vector<ExprPtr> bounds(1);
  if (!at_operator(":")) {
    LLMOPS_ASSIGN(bounds[0], expression());
  }
  while (bounds.size() < 3 && skip_operator(":")) {
    access->kind = ExprKind::kSlice;
    bounds.emplace_back();
    if (at_operator("]") || at_operator(":")) continue;
    LLMOPS_ASSIGN(bounds.back(), expression());
  }
  if (access->kind == ExprKind::kSlice) bounds.resize(3);
  for (ExprPtr& bound : bounds) access->parts.push_back(std::move(bound));
  LLMOPS_CHECK(expect_operator("]"));
  return finish(std::move(access), from);
}

Result<ExprPtr> Parser::filters_and_tests(ExprPtr expr, const Token& from) {
  while (true) {
    if (skip_operator("|")) {
      LLMOPS_ASSIGN(expr, filter(std::move(expr), from));
    } else if (skip_name("is")) {
      LLMOPS_ASSIGN(expr, test(std::move(expr), from));
    } else if (at_operator("(")) {
      LLMOPS_ASSIGN(expr, postfix(std::move(expr), from));
    } else {
      return expr;
    }
  }
}

Status Parser::bind(Expr& call, std::string_view what, const Token& token) {
  const auto table = what == "filter" ? jinja::filters() : jinja::tests();
  call.row = find_callable(table, call.text);
  if (!call.row) return fail(token, fmt::format("unknown {} '{}'", what, call.text), name_hint(call.text, callable_names(table)));
  if (call.unpacks_list || call.unpacks_dict) return {};   // only the rendering knows how many there are
  const std::vector<std::string_view> keywords(call.keywords.begin(), call.keywords.end());
  const size_t count = call.parts.size() - 1 - keywords.size();
  Result<std::vector<size_t>> slots = bind_parameters(*call.row, what, count, keywords);
  if (!slots) return fail(token, slots.error().message, slots.error().hint);
  call.slots = std::move(*slots);
  return {};
}

Result<ExprPtr> Parser::filter(ExprPtr subject, const Token& from) {
  const Token token = current();
  LLMOPS_CHECK(expect_name("the name of a filter"));
  ExprPtr call = make(ExprKind::kFilter, from);
  call->text = token.text;
  call->parts.push_back(std::move(subject));
  if (at_operator("(")) LLMOPS_CHECK(arguments(*call));
  LLMOPS_CHECK(bind(*call, "filter", token));
  return finish(std::move(call), from);
}

// `x is divisibleby 3` takes one primary as its argument without parentheses.
Result<ExprPtr> Parser::test(ExprPtr subject, const Token& from) {
  const bool negated = skip_name("not");
  const Token token = current();
  LLMOPS_CHECK(expect_name("the name of a test"));
  ExprPtr call = make(ExprKind::kTest, from);
  call->text = token.text;
  call->parts.push_back(std::move(subject));
  const Token& next = current();
  const bool word = next.kind == TokenKind::kName && next.text != "else" && next.text != "or" && next.text != "and" &&
                    next.text != "if" && next.text != "is" && next.text != "in" && next.text != "not";
  const bool literal = next.kind == TokenKind::kString || next.kind == TokenKind::kInt || next.kind == TokenKind::kFloat;
  if (at_operator("(")) {
    LLMOPS_CHECK(arguments(*call));
  } else if (word || literal || at_operator("[") || at_operator("{")) {
    const Token start = current();
    LLMOPS_ASSIGN(ExprPtr argument, primary());
    LLMOPS_ASSIGN(argument, postfix(std::move(argument), start));
    call->parts.push_back(std::move(argument));
  }
  LLMOPS_CHECK(bind(*call, "test", token));
  LLMOPS_ASSIGN(ExprPtr result, finish(std::move(call), from));
  if (!negated) return result;
  ExprPtr inverse = make(ExprKind::kNot, from);
  inverse->parts.push_back(std::move(result));
  return finish(std::move(inverse), from);
}

Status Parser::arguments(Expr& call) {
  LLMOPS_CHECK(expect_operator("("));
  ExprPtr list, dict;
  while (!at_operator(")")) {
    if (at_operator("*") || at_operator("**")) {
      ExprPtr& unpacked = at_operator("*") ? list : dict;
      if (unpacked || dict) return fail(current(), fmt::format("'{}' stands behind another '{}'", current().text, dict ? "**" : "*"), "unpack one list, then one dict");
      advance();
      LLMOPS_ASSIGN(unpacked, expression());
      if (!skip_operator(",")) break;
      continue;
    }
    if (dict) return fail(current(), "an argument stands behind '**'", "put the arguments before it");
    if (current().kind == TokenKind::kName && ahead().kind == TokenKind::kOperator && ahead().text == "=") {
      if (std::find(call.keywords.begin(), call.keywords.end(), current().text) != call.keywords.end()) {
        return fail(current(), fmt::format("argument '{}' is given twice", current().text), "remove one of the two");
      }
      call.keywords.push_back(current().text);
      advance();
      advance();
    } else if (!call.keywords.empty() || list) {
      return fail(current(), list ? "an argument without a name stands behind '*'" : "a named argument is followed by one without a name",
                  "put the arguments without a name first");
    }
    LLMOPS_ASSIGN(ExprPtr value, expression());
    call.parts.push_back(std::move(value));
    if (!skip_operator(",")) break;
  }
  call.unpacks_list = list != nullptr;
  call.unpacks_dict = dict != nullptr;
  if (list) call.parts.push_back(std::move(list));
  if (dict) call.parts.push_back(std::move(dict));
  return expect_operator(")");
}

}  // namespace llmops::jinja
