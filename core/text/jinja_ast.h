// The tree of a parsed template and the rows of the filter, test and function tables. Private to core/text.
// Stages: jinja_lexer (text to tokens), jinja_parser and jinja_expressions (tokens to tree), jinja_references (what the
// tree reads), jinja_eval (tree and scope to text) with jinja_operators, jinja_access, jinja_calls and the tables.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/text/jinja.h"
#include "core/text/jinja_value.h"

namespace llmops::jinja {

class Evaluator;
struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

// A text and where it comes from. Positions in the tree are byte offsets into one of these.
struct Source {
  Source(std::string source_text, TemplateOrigin source_origin);
  std::string text;
  TemplateOrigin origin;
  std::vector<size_t> line_starts;
  // Gives the error the place of `offset`, as TemplateOrigin promises.
  Error locate(size_t offset, size_t length, Error error) const;
};

enum class TokenKind { kData, kPrintBegin, kPrintEnd, kBlockBegin, kBlockEnd, kName, kString, kInt, kFloat, kOperator, kEnd };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;
  size_t length = 0;
  std::string text;   // data and strings as they are meant; names and operators as written
  int64_t integer = 0;
  double real = 0;
};

Result<std::vector<Token>> tokenize(const Source& source, TemplateMode mode);

enum class Op { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };
std::string_view op_text(Op op);

struct Place {
  uint16_t source = 0;
  uint32_t offset = 0;
  uint32_t length = 1;
};

// The arguments of one call. `slots` is filled when they were bound to parameters: null where none was given.
inline constexpr size_t kMaxParameters = 5;
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> keywords;
  Value unpacked;   // the dict behind **, whose keys the names of `keywords` point into
};
using Slots = std::array<const Value*, kMaxParameters>;

struct Call {
  Evaluator& evaluator;
  const Value& subject;
  const Slots& slots;            // by parameter
  const Arguments& arguments;    // as given, for rows that take any number
  const Value* operator[](size_t index) const { return slots[index]; }
};

using FilterFunction = Result<Value> (*)(const Call& call);

// A row of a table of filters, tests, methods or functions. A row whose last parameter is "..." takes any arguments.
struct Callable {
  std::string_view name;
  FilterFunction function;
  std::array<std::string_view, kMaxParameters> parameters{};
  size_t required = 0;
  bool takes_undefined = false;   // also in strict mode
};
std::span<const Callable> filters();
std::span<const Callable> tests();
std::span<const Callable> string_methods();
std::span<const Callable> dict_methods();
std::span<const Callable> list_methods();
std::span<const Callable> loop_methods();
std::span<const Callable> cycler_methods();
const Callable* find_callable(std::span<const Callable> table, std::string_view name);
std::vector<std::string> callable_names(std::span<const Callable> table);
// did_you_mean; where nothing is close, all names, however many.
std::string name_hint(std::string_view name, const std::vector<std::string>& known);
// Which parameter each argument goes to. Errors (without a place): too many, unknown, missing or twice.
Result<std::vector<size_t>> bind_parameters(const Callable& row, std::string_view what, size_t positional,
                                            std::span<const std::string_view> keywords);

struct Function {
  std::string_view name;
  Callable row;
  bool compatible_only = false;
};
std::span<const Function> functions();

struct Frame;
struct MacroDefinition;
struct Macro {
  const MacroDefinition* definition = nullptr;
  Frame* frame = nullptr;         // where it was defined: its body sees those names
};

struct BoundMethod {
  std::string name;
  const Callable* row = nullptr;
  Value receiver;
};

enum class ExprKind {
  kConst, kName, kList, kTuple, kDict, kAttribute, kIndex, kSlice, kCall, kFilter, kTest, kArithmetic, kConcat, kCompare,
  kNot, kNegative, kPositive, kAnd, kOr, kConditional
};

// One kind of node for all expressions; what the members hold, by kind:
//   kName, kAttribute, kFilter, kTest   text is the name (name_id for kName)
//   kAttribute, kIndex, kSlice, kCall   parts[0] is the object; then index, or start/stop/step (null when left out), or arguments
//   kFilter, kTest                      parts[0] is the subject (null in {% filter %} blocks), then arguments
//   kArithmetic, kCompare               operators[i] stands between parts[i] and parts[i + 1]; from left to right
//   kDict                               parts are key, value, key, value
//   kConditional                        condition, value, other value (null when left out)
// The arguments without a name, then keywords.size() named ones, then what `*` and what `**` unpack, where there are any.
struct Expr {
  ExprKind kind = ExprKind::kConst;
  Place place;
  int height = 1;
  int name_id = -1;
  std::string text;
  Value constant;
  std::vector<ExprPtr> parts;
  std::vector<Op> operators;
  std::vector<std::string> keywords;
  const Callable* row = nullptr;
  std::vector<size_t> slots;      // parameter of each argument; empty when some are unpacked
  bool unpacks_list = false, unpacks_dict = false;
};

// The names that `for`, `set` and `with` give values to.
struct Target {
  int name_id = -1;
  std::string name;
  std::string attribute;          // {% set name.attribute = ... %}
  std::vector<Target> parts;      // a, (b, c)
  Place place;
};

struct MacroDefinition {
  std::string name;
  int name_id = -1;
  std::vector<Target> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Body body;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

enum class StmtKind { kText, kPrint, kIf, kFor, kSet, kSetBlock, kMacro, kCallBlock, kFilterBlock, kInclude, kWith, kBreak, kContinue };

//   kIf         exprs[i] decides bodies[i]; one body more is the else
//   kFor        exprs: iterable, condition (or null); bodies: the loop, the else; recursive: loop(items) runs it again
//   kSet        targets[0] = exprs[0]; kSetBlock: exprs[0] is a chain of filters, or null; kWith: targets[i] = exprs[i]
//   kCallBlock  exprs[0] is the call, macro its caller
//   kInclude    bodies[0] is the included template
struct Stmt {
  StmtKind kind = StmtKind::kText;
  Place place;
  std::string text;
  std::vector<ExprPtr> exprs;
  std::vector<Target> targets;
  std::vector<Body> bodies;
  std::unique_ptr<MacroDefinition> macro;
  bool recursive = false;
};

// Everything a rendering needs. Immutable once parsed.
struct Code {
  TemplateMode mode = TemplateMode::kStrict;
  TemplateLimits limits;
  std::vector<std::unique_ptr<Source>> sources;        // [0] is the template's own
  std::unordered_map<std::string, int> name_ids;
  std::vector<std::string> names;
  int loop_id = -1;                                    // the name id of `loop`
  std::vector<char> bound;                             // by name id: some statement gives this name a value
  Body body;
  const Expr* sole = nullptr;                          // the expression of a template that is one sole {{ }}
  std::vector<TemplateReference> references;
  std::vector<std::string> includes;
  bool literal = false;

  int intern(std::string_view name);
};

Status parse_code(Code& code, std::string source, TemplateOrigin origin, const Template::Loader& loader);
std::vector<TemplateReference> collect_references(const Code& code);
// "steps.find.output" of steps['find'].output; none when it isn't one fixed path from a name.
std::optional<std::string> static_path(const Expr& expr);
// The path in dots where it is fixed, else the expression as written.
std::string describe(const Code& code, const Expr& expr);

Result<std::string> render_code(const Code& code, const TemplateScope& scope);
Result<Json> evaluate_code(const Code& code, const TemplateScope& scope);

}  // namespace llmops::jinja
