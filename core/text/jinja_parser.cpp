// Statements of templates (jinja2/parser.py): tags between data, with the bodies they enclose. Included files are parsed in
// place, so that references, errors and limits see them as part of the template.
#include "core/text/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"

namespace llmops::jinja {

int Code::intern(std::string_view name) {
  const auto [entry, added] = name_ids.try_emplace(std::string(name), static_cast<int>(names.size()));
  if (added) {
    names.emplace_back(name);
    bound.push_back(0);
  }
  return entry->second;
}

Place Parser::place_of(const Token& token) const {
  return {source_, static_cast<uint32_t>(token.offset), static_cast<uint32_t>(std::max<size_t>(token.length, 1))};
}

Error Parser::fail(const Token& token, std::string message, std::string hint) const {
  Error error(ErrorCode::kConfig, std::move(message), std::move(hint));
  return code_.sources[source_]->locate(token.offset, std::max<size_t>(token.length, 1), std::move(error));
}

Error Parser::too_deep(const Token& token) const {
  return fail(token, fmt::format("template nests deeper than {} levels", code_.limits.max_depth), "move the inner part into a macro or a file");
}

namespace {

// What to write where `wanted` stands for something else than itself.
std::string hint_for(std::string_view wanted) {
  if (wanted == "an expression") return "write a name or a value, as in {{ question }}";
  if (wanted == "'}}'" || wanted == "'%}'") return fmt::format("close the tag with {}, or write an operator or a filter here", wanted.substr(1, 2));
  if (wanted.starts_with("'{%")) return fmt::format("close the block with {}", wanted.substr(1, wanted.size() - 2));
  return fmt::format("write {} here", wanted);
}

}  // namespace

Error Parser::unexpected(std::string_view wanted) const {
  const Token& token = current();
  const std::string hint = hint_for(wanted);
  switch (token.kind) {
    case TokenKind::kEnd: return fail(token, fmt::format("unexpected end of the template, expected {}", wanted), hint);
    case TokenKind::kPrintEnd: return fail(token, fmt::format("unexpected '}}}}', expected {}", wanted), hint);
    case TokenKind::kBlockEnd: return fail(token, fmt::format("unexpected '%}}', expected {}", wanted), hint);
    case TokenKind::kString: return fail(token, fmt::format("unexpected string, expected {}", wanted), hint);
    default: return fail(token, fmt::format("unexpected '{}', expected {}", token.text, wanted), hint);
  }
}

bool Parser::skip_operator(std::string_view text) {
  const bool found = at_operator(text);
  if (found) advance();
  return found;
}

bool Parser::skip_name(std::string_view text) {
  const bool found = at_name(text);
  if (found) advance();
  return found;
}

Status Parser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) return unexpected(fmt::format("'{}'", text));
  return {};
}

Status Parser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind) return unexpected(what);
  advance();
  return {};
}

Result<Token> Parser::expect_name(std::string_view what) {
  if (current().kind != TokenKind::kName) return unexpected(what);
  Token token = current();
  advance();
  return token;
}

void Parser::bind_name(int id) { code_.bound[static_cast<size_t>(id)] = 1; }

Result<Body> Parser::parse() {
  LLMOPS_ASSIGN(Body statements, body({}));
  return statements;
}

// Statements up to a tag that starts with one of `ends` (its name is then the current token), or to the end of the text.
Result<Body> Parser::body(std::initializer_list<std::string_view> ends) {
  const Level level(depth_);
  if (depth_ > code_.limits.max_depth) return too_deep(current());
  Body statements;
  while (current().kind != TokenKind::kEnd) {
    const Token& token = current();
    if (token.kind == TokenKind::kData) {
      auto text = std::make_unique<Stmt>();
      text->place = place_of(token);
      text->text = token.text;
      statements.push_back(std::move(text));
      advance();
    } else if (token.kind == TokenKind::kPrintBegin) {
      LLMOPS_ASSIGN(auto output, print());
      statements.push_back(std::move(output));
    } else {
      advance();
      if (current().kind == TokenKind::kName && std::find(ends.begin(), ends.end(), current().text) != ends.end()) return statements;
      LLMOPS_ASSIGN(auto inner, statement());
      statements.push_back(std::move(inner));
      LLMOPS_CHECK(expect(TokenKind::kBlockEnd, "'%}'"));
    }
  }
  if (ends.size() == 0) return statements;
  return unexpected(fmt::format("'{{% {} %}}'", *(ends.end() - 1)));
}

Result<Body> Parser::block(std::initializer_list<std::string_view> ends) {
  skip_operator(":");
  LLMOPS_CHECK(expect(TokenKind::kBlockEnd, "'%}'"));
  return body(ends);
}

Status Parser::end_tag(std::string_view name) {
  if (!skip_name(name)) return unexpected(fmt::format("'{}'", name));
  return {};
}

Result<std::unique_ptr<Stmt>> Parser::print() {
  auto stmt = std::make_unique<Stmt>();
  stmt->kind = StmtKind::kPrint;
  stmt->place = place_of(current());
  advance();
  LLMOPS_ASSIGN(ExprPtr value, tuple(true, false));
  stmt->exprs.push_back(std::move(value));
  LLMOPS_CHECK(expect(TokenKind::kPrintEnd, "'}}'"));
  return stmt;
}

Result<std::unique_ptr<Stmt>> Parser::statement() {
  using Rule = Status (Parser::*)(Stmt&);
  struct Row { std::string_view name; StmtKind kind; Rule rule; };
  static constexpr Row kRows[] = {
      {"if", StmtKind::kIf, &Parser::if_statement}, {"for", StmtKind::kFor, &Parser::for_statement},
      {"set", StmtKind::kSet, &Parser::set_statement}, {"macro", StmtKind::kMacro, &Parser::macro_statement},
      {"call", StmtKind::kCallBlock, &Parser::call_statement}, {"filter", StmtKind::kFilterBlock, &Parser::filter_statement},
      {"include", StmtKind::kInclude, &Parser::include_statement}, {"with", StmtKind::kWith, &Parser::with_statement},
      {"break", StmtKind::kBreak, nullptr}, {"continue", StmtKind::kContinue, nullptr}};
  const Token token = current();
  LLMOPS_CHECK(expect_name("the name of a tag"));
  auto stmt = std::make_unique<Stmt>();
  stmt->place = place_of(token);
  if (code_.mode == TemplateMode::kCompatible && token.text == "generation") {
    stmt->kind = StmtKind::kWith;
    LLMOPS_CHECK(generation_statement(*stmt));
    return stmt;
  }
  for (const Row& row : kRows) {
    if (row.name != token.text) continue;
    stmt->kind = row.kind;
    if (row.rule) LLMOPS_CHECK((this->*row.rule)(*stmt));
    else if (loops_ == 0) return fail(token, fmt::format("'{}' stands outside of a loop", token.text), "use it between {% for %} and {% endfor %}");
    return stmt;
  }
  if (token.text == "extends" || token.text == "block" || token.text == "import" || token.text == "from" ||
      token.text == "autoescape" || token.text == "do" || token.text == "trans") {
    return fail(token, fmt::format("tag '{}' is not supported", token.text), "use {% include \"file\" %} or a macro");
  }
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  if (token.text.starts_with("end") || token.text == "else" || token.text == "elif") {
    return fail(token, fmt::format("tag '{}' closes nothing", token.text), "remove it, or open the block first");
  }
  return fail(token, fmt::format("unknown tag '{}'", token.text), [&] { std::string hint = did_you_mean(token.text, names); return hint.empty() ? "use one of the tags of Jinja" : hint; }());
}

Status Parser::if_statement(Stmt& stmt) {
  while (true) {
    LLMOPS_ASSIGN(ExprPtr condition, tuple(false, false));
    stmt.exprs.push_back(std::move(condition));
    LLMOPS_ASSIGN(Body then, block({"elif", "else", "endif"}));
    stmt.bodies.push_back(std::move(then));
    if (skip_name("elif")) continue;
    if (skip_name("else")) {
      LLMOPS_ASSIGN(Body otherwise, block({"endif"}));
      stmt.bodies.push_back(std::move(otherwise));
    }
    return end_tag("endif");
  }
}

Result<Target> Parser::target_name() {
  Target result;
  result.place = place_of(current());
  LLMOPS_ASSIGN(const Token token, expect_name("a name"));
  for (const std::string_view taken : {"true", "false", "none", "True", "False", "None", "loop"}) {
    if (token.text == taken) return fail(token, fmt::format("cannot assign to '{}'", taken), "choose another name");
  }
  result.name = token.text;
  result.name_id = code_.intern(token.text);
  bind_name(result.name_id);
  return result;
}

Result<Target> Parser::target(bool may_be_tuple) {
  const Level level(depth_);
  if (depth_ > code_.limits.max_depth) return too_deep(current());
  Target result;
  const Token from = current();
  if (skip_operator("(")) {
    LLMOPS_ASSIGN(result, target(true));
    LLMOPS_CHECK(expect_operator(")"));
  } else {
    LLMOPS_ASSIGN(result, target_name());
  }
  if (!may_be_tuple || !at_operator(",")) return result;
  Target several;
  several.place = place_of(from);
  several.parts.push_back(std::move(result));
  while (skip_operator(",")) {
    if (current().kind != TokenKind::kName && !at_operator("(")) break;
    if (at_name("in")) break;
    LLMOPS_ASSIGN(Target next, target(false));
    several.parts.push_back(std::move(next));
  }
  return several;
}

Status Parser::for_statement(Stmt& stmt) {
  LLMOPS_ASSIGN(Target item, target(true));
  stmt.targets.push_back(std::move(item));
  if (!skip_name("in")) return unexpected("'in'");
  LLMOPS_ASSIGN(ExprPtr items, tuple(false, false));
  stmt.exprs.push_back(std::move(items));
  stmt.exprs.emplace_back();
  if (skip_name("if")) {
    LLMOPS_ASSIGN(stmt.exprs[1], expression());
  }
  stmt.recursive = skip_name("recursive");
  bind_name(code_.intern("loop"));
  ++loops_;
  LLMOPS_ASSIGN(Body loop, block({"else", "endfor"}));
  --loops_;
  stmt.bodies.push_back(std::move(loop));
  stmt.bodies.emplace_back();
  if (skip_name("else")) {
    LLMOPS_ASSIGN(stmt.bodies[1], block({"endfor"}));
  }
  return end_tag("endfor");
}

Result<ExprPtr> Parser::filter_chain() {
  ExprPtr chain;
  const Token from = current();
  do {
    LLMOPS_ASSIGN(chain, filter(std::move(chain), from));
  } while (skip_operator("|"));
  return chain;
}

Status Parser::set_statement(Stmt& stmt) {
  if (ahead().kind == TokenKind::kOperator && ahead().text == ".") {
    Target attribute;
    attribute.place = place_of(current());
    LLMOPS_ASSIGN(const Token space, expect_name("a name"));
    advance();
    LLMOPS_ASSIGN(const Token name, expect_name("the name of an attribute"));
    attribute.name = space.text;
    attribute.name_id = code_.intern(space.text);
    attribute.attribute = name.text;
    stmt.targets.push_back(std::move(attribute));
  } else {
    LLMOPS_ASSIGN(Target names, target(true));
    stmt.targets.push_back(std::move(names));
  }
  stmt.exprs.emplace_back();
  if (skip_operator("=")) {
    LLMOPS_ASSIGN(stmt.exprs[0], tuple(true, false));
    return {};
  }
  stmt.kind = StmtKind::kSetBlock;
  if (skip_operator("|")) {
    LLMOPS_ASSIGN(stmt.exprs[0], filter_chain());
  }
  LLMOPS_ASSIGN(Body text, block({"endset"}));
  stmt.bodies.push_back(std::move(text));
  return end_tag("endset");
}

Status Parser::signature(MacroDefinition& macro) {
  LLMOPS_CHECK(expect_operator("("));
  while (!at_operator(")")) {
    const Token from = current();
    LLMOPS_ASSIGN(Target parameter, target_name());
    const bool known = std::any_of(macro.parameters.begin(), macro.parameters.end(), [&](const Target& p) { return p.name == parameter.name; });
    if (known) return fail(from, fmt::format("parameter '{}' is named twice", parameter.name), "choose another name");
    macro.parameters.push_back(std::move(parameter));
    if (skip_operator("=")) {
      LLMOPS_ASSIGN(ExprPtr value, expression());
      macro.defaults.push_back(std::move(value));
    } else if (!macro.defaults.empty()) {
      return fail(from, fmt::format("parameter '{}' without a default follows one with a default", from.text), "give it a default too, or put it first");
    }
    if (!skip_operator(",")) break;
  }
  return expect_operator(")");
}

Status Parser::macro_body(MacroDefinition& macro, std::string_view end) {
  for (const std::string_view name : {"varargs", "kwargs", "caller"}) bind_name(code_.intern(name));
  const int loops = std::exchange(loops_, 0);
  macros_.push_back(&macro);
  LLMOPS_ASSIGN(macro.body, block({end}));
  macros_.pop_back();
  loops_ = loops;
  return end_tag(end);
}

Status Parser::macro_statement(Stmt& stmt) {
  stmt.macro = std::make_unique<MacroDefinition>();
  LLMOPS_ASSIGN(const Target name, target_name());
  stmt.macro->name = name.name;
  stmt.macro->name_id = name.name_id;
  LLMOPS_CHECK(signature(*stmt.macro));
  return macro_body(*stmt.macro, "endmacro");
}

Status Parser::call_statement(Stmt& stmt) {
  stmt.macro = std::make_unique<MacroDefinition>();
  stmt.macro->name = "caller";
  if (at_operator("(")) LLMOPS_CHECK(signature(*stmt.macro));
  const Token from = current();
  LLMOPS_ASSIGN(ExprPtr call, expression());
  if (call->kind != ExprKind::kCall) return fail(from, "'call' needs the call of a macro", "write {% call name() %}");
  stmt.exprs.push_back(std::move(call));
  return macro_body(*stmt.macro, "endcall");
}

Status Parser::filter_statement(Stmt& stmt) {
  LLMOPS_ASSIGN(ExprPtr chain, filter_chain());
  stmt.exprs.push_back(std::move(chain));
  LLMOPS_ASSIGN(Body text, block({"endfilter"}));
  stmt.bodies.push_back(std::move(text));
  return end_tag("endfilter");
}

Status Parser::with_statement(Stmt& stmt) {
  while (current().kind != TokenKind::kBlockEnd) {
    LLMOPS_ASSIGN(Target name, target(false));
    LLMOPS_CHECK(expect_operator("="));
    LLMOPS_ASSIGN(ExprPtr value, expression());
    stmt.targets.push_back(std::move(name));
    stmt.exprs.push_back(std::move(value));
    if (!skip_operator(",")) break;
  }
  LLMOPS_ASSIGN(Body inner, block({"endwith"}));
  stmt.bodies.push_back(std::move(inner));
  return end_tag("endwith");
}

// {% generation %} marks the assistant's text in chat templates of transformers; it renders as its body.
Status Parser::generation_statement(Stmt& stmt) {
  LLMOPS_ASSIGN(Body inner, block({"endgeneration"}));
  stmt.bodies.push_back(std::move(inner));
  return end_tag("endgeneration");
}

Status Parser::include_statement(Stmt& stmt) {
  const Token token = current();
  if (token.kind != TokenKind::kString) {
    return fail(token, "'include' takes a file name in quotes", "write the name as a literal: {% include \"file\" %}");
  }
  advance();
  stmt.text = token.text;
  bool may_miss = false;
  if (at_name("ignore") && ahead().text == "missing") {
    may_miss = true;
    advance();
    advance();
  }
  if (at_name("with") && ahead().text == "context") {
    advance();
    advance();
  }
  stmt.bodies.emplace_back();
  if (!loader_) return fail(token, fmt::format("'{}' cannot be included here", token.text), "write the text out; only prompts of a chain can include files");
  if (std::find(open_includes_.begin(), open_includes_.end(), token.text) != open_includes_.end()) {
    return fail(token, fmt::format("'{}' includes itself", token.text), "remove one of the includes");
  }
  if (static_cast<int>(open_includes_.size()) >= code_.limits.max_depth || code_.sources.size() > 1000) return too_deep(token);
  auto loaded = loader_(token.text);
  if (!loaded) {
    if (may_miss && loaded.error().code == ErrorCode::kNotFound) return {};
    Error error = std::move(loaded).error();
    if (error.where.file.empty() && error.where.line == 0) return code_.sources[source_]->locate(token.offset, token.length, std::move(error));
    return error;
  }
  code_.includes.push_back(token.text);
  const auto index = static_cast<uint16_t>(code_.sources.size());
  code_.sources.push_back(std::make_unique<Source>(std::move(loaded->first), std::move(loaded->second)));
  LLMOPS_ASSIGN(auto tokens, tokenize(*code_.sources.back(), code_.mode));
  open_includes_.push_back(token.text);
  Parser inner(code_, index, std::move(tokens), loader_, open_includes_);
  inner.depth_ = depth_;
  LLMOPS_ASSIGN(stmt.bodies[0], inner.parse());
  open_includes_.pop_back();
  return {};
}

namespace {

// The expression of a template that is one {{ }} with nothing but white space around it.
const Expr* sole_expression(const Body& body) {
  const Expr* found = nullptr;
  for (const auto& stmt : body) {
    if (stmt->kind == StmtKind::kText && text::strip_left(stmt->text).empty()) continue;
    if (stmt->kind != StmtKind::kPrint || found) return nullptr;
    found = stmt->exprs[0].get();
  }
  return found;
}

}  // namespace

Status parse_code(Code& code, std::string source, TemplateOrigin origin, const Template::Loader& loader) {
  code.sources.push_back(std::make_unique<Source>(std::move(source), std::move(origin)));
  code.loop_id = code.intern("loop");
  const std::string& text = code.sources[0]->text;
  code.literal = text.find("{{") == std::string::npos && text.find("{%") == std::string::npos &&
                 text.find("{#") == std::string::npos && text.find('\r') == std::string::npos &&
                 (code.mode == TemplateMode::kStrict || !text.ends_with('\n'));
  if (code.literal) return {};
  LLMOPS_ASSIGN(auto tokens, tokenize(*code.sources[0], code.mode));
  std::vector<std::string> open_includes;
  LLMOPS_ASSIGN(code.body, Parser(code, 0, std::move(tokens), loader, open_includes).parse());
  code.sole = sole_expression(code.body);
  return {};
}

}  // namespace llmops::jinja
