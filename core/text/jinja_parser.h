// The recursive-descent parser over the tokens of one source (grammar: jinja2/parser.py). Private to core/text.
// Expressions are in jinja_expressions.cpp, statements in jinja_parser.cpp.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/jinja_ast.h"

namespace llmops::jinja {

class Parser {
 public:
  // `includes`: the names of the includes that are open, outermost first.
  Parser(Code& code, uint16_t source, std::vector<Token> tokens, const Template::Loader& loader, std::vector<std::string>& includes)
      : code_(code), source_(source), tokens_(std::move(tokens)), loader_(loader), open_includes_(includes) {}
  Result<Body> parse();

 private:
  const Token& current() const { return tokens_[position_]; }
  const Token& ahead(size_t count = 1) const { return tokens_[std::min(position_ + count, tokens_.size() - 1)]; }
  void advance() { if (position_ + 1 < tokens_.size()) ++position_; }
  bool at_operator(std::string_view text) const { return current().kind == TokenKind::kOperator && current().text == text; }
  bool at_name(std::string_view text) const { return current().kind == TokenKind::kName && current().text == text; }
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  Status expect_operator(std::string_view text);
  Status expect(TokenKind kind, std::string_view what);
  Result<Token> expect_name(std::string_view what);
  Error fail(const Token& token, std::string message, std::string hint = {}) const;
  Error unexpected(std::string_view wanted) const;
  Error too_deep(const Token& token) const;
  Place place_of(const Token& token) const;

  // Expressions.
  ExprPtr make(ExprKind kind, const Token& from) const;
  Result<ExprPtr> finish(ExprPtr expr, const Token& from) const;   // sets length and height, checks the height
  Result<ExprPtr> expression();
  Result<ExprPtr> conditional();
  Result<ExprPtr> either();
  Result<ExprPtr> both();
  Result<ExprPtr> negation();
  Result<ExprPtr> comparison();
  Result<ExprPtr> sum();
  Result<ExprPtr> concatenation();
  Result<ExprPtr> product();
  Result<ExprPtr> power();
  Result<ExprPtr> unary(bool with_filters);
  Result<ExprPtr> primary();
  Result<ExprPtr> name();
  Result<ExprPtr> list();
  Result<ExprPtr> dict();
  Result<ExprPtr> tuple(bool with_conditional, bool in_parentheses);
  Result<ExprPtr> postfix(ExprPtr expr, const Token& from);
  Result<ExprPtr> subscript(ExprPtr object, const Token& from);
  Result<ExprPtr> filters_and_tests(ExprPtr expr, const Token& from);
  Result<ExprPtr> filter(ExprPtr subject, const Token& from);
  Result<ExprPtr> test(ExprPtr subject, const Token& from);
  Status arguments(Expr& call);
  Status bind(Expr& call, std::string_view what, const Token& name);
  Status comparison_operand(Expr& compare, Op op, size_t tokens);
  Result<ExprPtr> left_chain(ExprKind kind, std::initializer_list<std::pair<std::string_view, Op>> operators,
                             Result<ExprPtr> (Parser::*operand)());

  // Statements.
  Result<Body> body(std::initializer_list<std::string_view> ends);
  Result<Body> block(std::initializer_list<std::string_view> ends);   // from the end of its opening tag
  Status end_tag(std::string_view name);
  Result<std::unique_ptr<Stmt>> statement();
  Result<std::unique_ptr<Stmt>> print();
  Status if_statement(Stmt& stmt);
  Status for_statement(Stmt& stmt);
  Status set_statement(Stmt& stmt);
  Status macro_statement(Stmt& stmt);
  Status call_statement(Stmt& stmt);
  Status filter_statement(Stmt& stmt);
  Status include_statement(Stmt& stmt);
  Status with_statement(Stmt& stmt);
  Status generation_statement(Stmt& stmt);
  Status signature(MacroDefinition& macro);
  Status macro_body(MacroDefinition& macro, std::string_view end);
  Result<Target> target(bool may_be_tuple);
  Result<Target> target_name();
  Result<ExprPtr> filter_chain();
  void bind_name(int id);

  Code& code_;
  uint16_t source_;
  std::vector<Token> tokens_;
  const Template::Loader& loader_;
  std::vector<std::string>& open_includes_;
  size_t position_ = 0;
  int depth_ = 0;
  int loops_ = 0;                              // open {% for %} around, inside the same macro
  std::vector<MacroDefinition*> macros_;       // open macros, innermost last
};

// Counts one level of nesting while it lives.
class Level {
 public:
  explicit Level(int& depth) : depth_(depth) { ++depth_; }
  ~Level() { --depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  int& depth_;
};

}  // namespace llmops::jinja
