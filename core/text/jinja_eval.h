// One rendering of a template: the frames of names, the output, and the limits. Private to core/text.
// Frames, loops, namespaces, cyclers and macros live in arenas of the Evaluator until the rendering ends; a frame or loop
// that nothing kept is reused. The first error ends the rendering; it gets its place from the innermost expression around it.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/jinja_ast.h"

namespace llmops::jinja {

struct Frame {
  Frame* parent = nullptr;
  std::vector<std::pair<int, Value>> names;
  bool captured = false;   // a macro or recursive loop stands in it: it must outlive its block
};

class Evaluator {
 public:
  Evaluator(const Code& code, const TemplateScope& scope) : code_(code), scope_(scope) {}
  Result<std::string> render();
  Result<Json> evaluate();

  bool strict() const { return code_.mode == TemplateMode::kStrict; }

  // Limits. Work on data counts like nodes: a step for each 64 bytes of text made and each item of a list made.
  // The checks of each node are inline, and `Status ok; return ok;` because `return {}` would zero a whole Error.
  Status charge(size_t steps) {
    if (steps > code_.limits.max_steps - steps_) return out_of_steps();
    steps_ += steps;
    Status ok;
    return ok;
  }
  Status fits(size_t bytes) const {
    if (bytes > code_.limits.max_output_bytes) return too_much_text();
    Status ok;
    return ok;
  }
  Status bearable(size_t weight) const;
  Status charge_search(std::string_view text, std::string_view wanted);
  Status charge_lookup(const Value& dict, const Value& key);
  Result<Value> make_text(std::string text, bool safe = false);
  Result<Value> make_list(std::vector<Value> items, ListStyle style = ListStyle::kList);
  Result<Value> make_dict(std::vector<std::pair<Value, Value>> entries);
  Value make_namespace(std::vector<std::pair<std::string, Value>> entries);
  Value make_cycler(std::vector<Value> items, bool is_joiner);

  // Undefined values: `because` is the message of the error that using it gives in strict mode.
  static Value undefined_because(std::string message, bool lenient = false);
  Error undefined_error(const Value& value) const;
  Status need_defined(const Value& value) const {   // in both modes
    if (value.is(Kind::kUndefined)) return undefined_error(value);
    Status ok;
    return ok;
  }
  Status usable(const Value& value) const {         // in strict mode: undefined is an error
    if (value.is(Kind::kUndefined) && strict() && !(value.undefined && value.undefined->lenient)) return undefined_error(value);
    Status ok;
    return ok;
  }

  Result<bool> truthy(const Value& value) const;
  // What iteration gives: items, keys of a dict, characters of a string; nothing for undefined in compatible mode.
  Result<std::vector<Value>> items_of(const Value& value);
  Result<Value> attribute(const Value& object, std::string_view name, const Expr* expr);
  Result<Value> item(const Value& object, const Value& key, const Expr* expr);
  Result<Value> arithmetic(Op op, const Value& a, const Value& b);
  Result<bool> compare_values(Op op, const Value& a, const Value& b);
  Result<std::string> text_of(const Value& value);   // str(), after usable()
  Result<Value> apply(const Callable& row, std::string_view what, const Value& subject, const Arguments& arguments);
  Result<Value> call(const Value& callee, const Arguments& arguments);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  Error out_of_steps() const;
  Error too_much_text() const;
  Error locate(const Place& place, Error error);
  Error fail(const Place& place, std::string message, std::string hint = {});

  // Expressions (jinja_operators, jinja_access, jinja_calls, jinja_arithmetic).
  Result<Value> eval(const Expr& expr);
  Result<Value> eval_unplaced(const Expr& expr);
  Result<Value> eval_path(const Expr& expr);
  Result<Value> eval_items(const Expr& expr);
  Result<Value> eval_dict(const Expr& expr);
  Result<Value> eval_slice(const Expr& expr);
  Result<Value> slice(const Value& object, const Value bounds[3]);
  Result<Value> eval_arithmetic(const Expr& expr);
  Result<Value> eval_concat(const Expr& expr);
  Result<Value> eval_compare(const Expr& expr);
  Result<Value> eval_sign(const Expr& expr);
  Result<Value> eval_logic(const Expr& expr);
  Result<Value> eval_conditional(const Expr& expr);
  Result<Value> eval_call(const Expr& expr);
  Result<Value> eval_row(const Expr& expr, const Value* subject);
  Result<Value> eval_default(const Expr& expr, const Value* subject);
  Result<Value> eval_filters(const Expr& chain, const Value& text);   // a chain whose innermost subject is `text`
  Result<Arguments> eval_arguments(const Expr& expr);
  Status unpack_list(const Expr& expr, Arguments& arguments);
  Status unpack_dict(const Expr& expr, Arguments& arguments);
  Result<Value> format_now(const Value& now, const Arguments& arguments);
  Result<Value> add(const Value& a, const Value& b);
  Result<Value> repeat(const Value& value, const Value& times);
  Result<bool> contains(const Value& container, const Value& item);
  Value lookup(const Expr& name);
  Result<Value> macro_attribute(const MacroDefinition& macro, std::string_view name);
  std::optional<Value> loop_attribute(const LoopState& loop, std::string_view name) const;
  std::optional<Value> bound_method(const Value& object, std::string_view name) const;

  // Statements (jinja_eval, jinja_macros).
  Result<Flow> exec(const Body& body);
  Result<Flow> exec(const Stmt& stmt);
  Result<Flow> exec_if(const Stmt& stmt);
  Result<Flow> exec_for(const Stmt& stmt);
  Result<Flow> exec_items(const Stmt& stmt, Value items, int depth);
  Result<Flow> exec_loop(const Stmt& stmt, const Value& items, int depth, bool& passed);
  Result<Value> loop_items(const Stmt& stmt, Value items);
  Result<Value> call_loop(const LoopState& loop, const Arguments& arguments);
  Status exec_set(const Stmt& stmt);
  Status exec_with(const Stmt& stmt);
  Status exec_call_block(const Stmt& stmt);
  Status print(const Value& value, const Place& place);
  Status assign(const Target& target, Value value);
  Result<std::string> capture(const Body& body);
  Result<Value> call_macro(const Macro& macro, const Arguments& arguments);
  Status bind_macro(const Macro& macro, const Arguments& arguments);
  Status bind_extra(const MacroDefinition& definition, const Arguments& arguments);
  Value define_macro(const MacroDefinition& definition);
  void keep_frames();
  void set(int name_id, Value value);
  Frame* push_frame(Frame* parent);
  void pop_frame(Frame* frame, Frame* previous);
  Status written(const Place& place) {
    if (out_->size() > code_.limits.max_output_bytes) return locate(place, too_much_text());
    Status ok;
    return ok;
  }

  const Code& code_;
  const TemplateScope& scope_;
  std::string output_;
  std::string* out_ = &output_;
  Frame* frame_ = nullptr;
  size_t steps_ = 0;
  int depth_ = 0;
  int calls_ = 0;
  bool placed_ = false;
  std::deque<Frame> frames_;
  std::vector<Frame*> free_frames_;
  std::deque<LoopState> loops_;
  std::vector<LoopState*> free_loops_;
  std::deque<Namespace> namespaces_;
  std::deque<Cycler> cyclers_;
  std::deque<Macro> macros_;
};

// Errors of filters and methods have no place yet: the evaluator adds it.
Error type_error(std::string message, std::string hint = {});
// The text, cut to `bytes` at a character where it is longer: for messages.
std::string shown_text(std::string_view text, size_t bytes);
inline constexpr size_t kMostShownBytes = 1000;   // of a message that the template makes itself
// "a string", "an integer", "none": for messages.
std::string type_phrase(const Value& value);

// The arguments of a row, by parameter; a missing one gives the default.
Result<int64_t> integer_argument(const Call& call, size_t slot, std::string_view name, int64_t otherwise);
Result<bool> flag_argument(const Call& call, size_t slot, bool otherwise);
Result<std::string_view> string_argument(const Call& call, size_t slot, std::string_view name, std::string_view otherwise);

// Pieces shared between filters and methods of strings.
std::vector<std::string_view> split_lines(std::string_view text, bool keepends = false);   // str.splitlines()
Result<std::string> replace_text(Evaluator& evaluator, std::string_view text, std::string_view from, std::string_view to, int64_t count);
Result<std::string> center_text(Evaluator& evaluator, std::string_view text, int64_t width, std::string_view fill, int side);
std::string_view strip_chars(std::string_view text, std::string_view chars, bool left, bool right);
Result<std::string> format_percent(Evaluator& evaluator, const Value& format, const Value& arguments);
Result<std::string> format_braces(Evaluator& evaluator, std::string_view format, const Arguments& arguments);   // str.format()
// The ISO date or date and time in `now` as strftime() writes it (C locale); none when `now` is no such text.
std::optional<std::string> format_time(std::string_view now, std::string_view format);
std::optional<double> parse_float(std::string_view text);
Result<std::string> dump_python_json(Evaluator& evaluator, const Value& value, const Value* indent, bool ascii, bool sorted,
                                     std::string_view item_separator, std::string_view key_separator);

}  // namespace llmops::jinja
