// Statements: output, blocks and names (jinja2/compiler.py fixes their scopes: a loop, a macro, a with, an include and a
// block that is captured have names of their own; an if has not).
#include "core/text/jinja_eval.h"

#include <fmt/format.h>

#include <algorithm>


namespace llmops::jinja {

Error type_error(std::string message, std::string hint) { return Error(ErrorCode::kData, std::move(message), std::move(hint)); }

std::string shown_text(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return std::string(text.substr(0, bytes)).append("...");
}

std::string type_phrase(const Value& value) {
  if (value.is(Kind::kNone) || value.is(Kind::kUndefined)) return std::string(type_name(value));
  const std::string_view name = type_name(value);
  return fmt::format("{} {}", name == "integer" ? "an" : "a", name);
}

Error Evaluator::locate(const Place& place, Error error) {
  placed_ = true;
  return code_.sources[place.source]->locate(place.offset, place.length, std::move(error));
}

Error Evaluator::fail(const Place& place, std::string message, std::string hint) {
  return locate(place, type_error(std::move(message), std::move(hint)));
}

Frame* Evaluator::push_frame(Frame* parent) {
  Frame* frame = nullptr;
  if (free_frames_.empty()) {
    frame = &frames_.emplace_back();
  } else {
    frame = free_frames_.back();
    free_frames_.pop_back();
  }
  frame->parent = parent;
  frame_ = frame;
  return frame;
}

void Evaluator::pop_frame(Frame* frame, Frame* previous) {
  frame_ = previous;
  if (frame->captured) return;
  frame->names.clear();
  free_frames_.push_back(frame);
}

void Evaluator::set(int name_id, Value value) {
  for (auto& [id, known] : frame_->names) {
    if (id != name_id) continue;
    known = std::move(value);
    return;
  }
  frame_->names.emplace_back(name_id, std::move(value));
}

Result<std::string> Evaluator::render() {
  push_frame(nullptr);
  output_.reserve(code_.sources[0]->text.size());
  LLMOPS_ASSIGN([[maybe_unused]] const Flow flow, exec(code_.body));
  return std::move(output_);
}

Result<Json> Evaluator::evaluate() {
  push_frame(nullptr);
  LLMOPS_ASSIGN(const Value value, eval(*code_.sole));
  if (Status status = usable(value); !status) return locate(code_.sole->place, std::move(status).error());
  if (value.is(Kind::kUndefined)) return Json(nullptr);
  if (value.is(Kind::kNamespace)) {
    Json object = Json::object();
    for (const auto& [name, entry] : value.space->entries) {
      std::optional<Json> member = to_json(entry);
      if (!member) return fail(code_.sole->place, fmt::format("{} is no value of JSON", type_phrase(entry)), "convert it first, for example with the filter string or list");
      object[name] = std::move(*member);
    }
    return object;
  }
  std::optional<Json> json = to_json(value);
  if (!json) return fail(code_.sole->place, fmt::format("{} is no value of JSON", type_phrase(value)), "convert it first, for example with the filter string or list");
  return std::move(*json);
}

Result<Evaluator::Flow> Evaluator::exec(const Body& body) {
  const size_t limit = static_cast<size_t>(code_.limits.max_depth) * 8;
  if (static_cast<size_t>(++depth_) > limit && !body.empty()) {
    return fail(body.front()->place, fmt::format("template nests deeper than {} levels", limit), "move the inner part into a macro or a file");
  }
  for (const auto& stmt : body) {
    LLMOPS_ASSIGN(const Flow flow, exec(*stmt));
    if (flow != Flow::kNext) {
      --depth_;
      return flow;
    }
  }
  --depth_;
  return Flow::kNext;
}

Result<Evaluator::Flow> Evaluator::exec(const Stmt& stmt) {
  if (Status status = charge(1 + stmt.text.size() / 64); !status) return locate(stmt.place, std::move(status).error());
  switch (stmt.kind) {
    case StmtKind::kText:
      *out_ += stmt.text;
      LLMOPS_CHECK(written(stmt.place));
      return Flow::kNext;
    case StmtKind::kPrint: {
      LLMOPS_ASSIGN(const Value value, eval(*stmt.exprs[0]));
      LLMOPS_CHECK(print(value, stmt.exprs[0]->place));
      return Flow::kNext;
    }
    case StmtKind::kIf: return exec_if(stmt);
    case StmtKind::kFor: return exec_for(stmt);
    case StmtKind::kSet: case StmtKind::kSetBlock: LLMOPS_CHECK(exec_set(stmt)); return Flow::kNext;
    case StmtKind::kMacro: set(stmt.macro->name_id, define_macro(*stmt.macro)); return Flow::kNext;
    case StmtKind::kCallBlock: LLMOPS_CHECK(exec_call_block(stmt)); return Flow::kNext;
    case StmtKind::kFilterBlock: {
      LLMOPS_ASSIGN(std::string inner, capture(stmt.bodies[0]));
      LLMOPS_ASSIGN(const Value value, eval_filters(*stmt.exprs[0], Value::own(std::move(inner))));
      LLMOPS_CHECK(print(value, stmt.exprs[0]->place));
      return Flow::kNext;
    }
    case StmtKind::kInclude: {
      Frame* previous = frame_;
      Frame* frame = push_frame(previous);
      Result<Flow> flow = exec(stmt.bodies[0]);
      pop_frame(frame, previous);
      if (!flow) return std::move(flow).error();
      return Flow::kNext;
    }
    case StmtKind::kWith: LLMOPS_CHECK(exec_with(stmt)); return Flow::kNext;
    case StmtKind::kBreak: return Flow::kBreak;
    case StmtKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNext;
}

Status Evaluator::print(const Value& value, const Place& place) {
  if (value.is(Kind::kString)) {
    *out_ += value.str();
    if (Status status = charge(value.size / 64); !status) return locate(place, std::move(status).error());
    return written(place);
  }
  Result<std::string> text = text_of(value);
  if (!text) return locate(place, std::move(text).error());
  *out_ += *text;
  return written(place);
}

Result<Evaluator::Flow> Evaluator::exec_if(const Stmt& stmt) {
  for (size_t i = 0; i < stmt.exprs.size(); ++i) {
    LLMOPS_ASSIGN(const Value condition, eval(*stmt.exprs[i]));
    Result<bool> holds = truthy(condition);
    if (!holds) return locate(stmt.exprs[i]->place, std::move(holds).error());
    if (*holds) return exec(stmt.bodies[i]);
  }
  return stmt.bodies.size() > stmt.exprs.size() ? exec(stmt.bodies.back()) : Flow::kNext;
}

// The items to loop over: lists and ranges as they are, what else can be iterated as a list; filtered by the condition.
Result<Value> Evaluator::loop_items(const Stmt& stmt, Value items) {
  if (!items.is(Kind::kList) && !items.is(Kind::kRange)) {
    Result<std::vector<Value>> made = items_of(items);
    if (!made) return locate(stmt.exprs[0]->place, std::move(made).error());
    LLMOPS_ASSIGN(items, make_list(std::move(*made)));
  }
  if (!stmt.exprs[1]) return items;
  std::vector<Value> kept;
  Frame* previous = frame_;
  Frame* frame = push_frame(previous);
  for (size_t i = 0; i < list_size(items); ++i) {
    Value item = list_at(items, i);
    LLMOPS_CHECK(assign(stmt.targets[0], item));
    LLMOPS_ASSIGN(const Value condition, eval(*stmt.exprs[1]));
    Result<bool> holds = truthy(condition);
    if (!holds) return locate(stmt.exprs[1]->place, std::move(holds).error());
    if (*holds) kept.push_back(std::move(item));
  }
  pop_frame(frame, previous);
  return make_list(std::move(kept));
}

Result<Evaluator::Flow> Evaluator::exec_for(const Stmt& stmt) {
  LLMOPS_ASSIGN(Value items, eval(*stmt.exprs[0]));
  if (stmt.recursive) keep_frames();
  return exec_items(stmt, std::move(items), 1);
}

// As in jinja2 the else runs when no pass reached the end of the body: also when `break` or `continue` ended each.
Result<Evaluator::Flow> Evaluator::exec_items(const Stmt& stmt, Value value, int depth) {
  Result<Value> items = loop_items(stmt, std::move(value));
  if (!items) return placed_ ? std::move(items).error() : locate(stmt.place, std::move(items).error());
  bool passed = false;
  if (list_size(*items) > 0) LLMOPS_CHECK(exec_loop(stmt, *items, depth, passed));
  if (passed || stmt.bodies[1].empty()) return Flow::kNext;
  Frame* previous = frame_;
  Frame* frame = push_frame(previous);
  Result<Flow> flow = exec(stmt.bodies[1]);
  pop_frame(frame, previous);
  return flow;
}

Result<Evaluator::Flow> Evaluator::exec_loop(const Stmt& stmt, const Value& items, int depth, bool& passed) {
  LoopState* state = nullptr;
  if (free_loops_.empty()) {
    state = &loops_.emplace_back();
  } else {
    state = free_loops_.back();
    free_loops_.pop_back();
  }
  Frame* previous = frame_;
  *state = {items, 0, list_size(items), depth, &stmt, previous, false, std::nullopt};
  Value loop;
  loop.kind = Kind::kLoop;
  loop.loop = state;
  Frame* frame = push_frame(previous);
  for (; state->index < state->length; ++state->index) {
    if (frame->captured) frame = push_frame(previous);
    frame->names.clear();
    frame->names.emplace_back(code_.loop_id, loop);
    if (Status status = charge(1); !status) return locate(stmt.place, std::move(status).error());
    LLMOPS_CHECK(assign(stmt.targets[0], list_at(items, state->index)));
    LLMOPS_ASSIGN(const Flow flow, exec(stmt.bodies[0]));
    passed = passed || flow == Flow::kNext;
    if (flow == Flow::kBreak) break;
  }
  pop_frame(frame, previous);
  if (!state->escaped) {
    state->items = Value();
    free_loops_.push_back(state);
  }
  return Flow::kNext;
}

// loop(items) of a recursive loop: the loop again over other items, as a text, among the names around the outermost one.
Result<Value> Evaluator::call_loop(const LoopState& loop, const Arguments& arguments) {
  if (!loop.stmt->recursive) return type_error("a loop that is not recursive cannot be called", "write {% for ... recursive %}");
  if (arguments.positional.size() != 1 || !arguments.keywords.empty()) return type_error("'loop' takes one argument, the items", "write loop(item.children)");
  if (++calls_ > code_.limits.max_depth) {
    return type_error(fmt::format("loops call each other deeper than {} levels", code_.limits.max_depth), "end the recursion");
  }
  std::string text;
  std::string* outer = std::exchange(out_, &text);
  Frame* previous = std::exchange(frame_, loop.outer);
  LLMOPS_CHECK(exec_items(*loop.stmt, arguments.positional[0], loop.depth + 1));
  frame_ = previous;
  out_ = outer;
  --calls_;
  return make_text(std::move(text));
}

Status Evaluator::assign(const Target& target, Value value) {
  if (!target.attribute.empty()) {
    Expr name;
    name.kind = ExprKind::kName;
    name.text = target.name;
    name.name_id = target.name_id;
    const Value space = lookup(name);
    if (!space.is(Kind::kNamespace)) {
      return fail(target.place, fmt::format("cannot set an attribute of '{}': it is no namespace", target.name),
                  fmt::format("write {{% set {} = namespace() %}} first", target.name));
    }
    for (auto& [key, known] : space.space->entries) {
      if (key != target.attribute) continue;
      known = std::move(value);
      return {};
    }
    space.space->entries.emplace_back(target.attribute, std::move(value));
    return {};
  }
  if (target.parts.empty()) {
    set(target.name_id, std::move(value));
    return {};
  }
  Result<std::vector<Value>> items = items_of(value);
  if (!items) return locate(target.place, std::move(items).error());
  if (items->size() != target.parts.size()) {
    return fail(target.place, fmt::format("cannot unpack {} values into {} names", items->size(), target.parts.size()), "write as many names as there are values");
  }
  for (size_t i = 0; i < items->size(); ++i) LLMOPS_CHECK(assign(target.parts[i], std::move((*items)[i])));
  return {};
}

Status Evaluator::exec_set(const Stmt& stmt) {
  if (stmt.kind == StmtKind::kSet) {
    LLMOPS_ASSIGN(Value value, eval(*stmt.exprs[0]));
    return assign(stmt.targets[0], std::move(value));
  }
  LLMOPS_ASSIGN(std::string text, capture(stmt.bodies[0]));
  Value value = Value::own(std::move(text));
  if (stmt.exprs[0]) {
    LLMOPS_ASSIGN(value, eval_filters(*stmt.exprs[0], value));
  }
  return assign(stmt.targets[0], std::move(value));
}

Status Evaluator::exec_with(const Stmt& stmt) {
  std::vector<Value> values;
  for (const ExprPtr& expr : stmt.exprs) {
    LLMOPS_ASSIGN(Value value, eval(*expr));
    values.push_back(std::move(value));
  }
  Frame* previous = frame_;
  Frame* frame = push_frame(previous);
  for (size_t i = 0; i < values.size(); ++i) LLMOPS_CHECK(assign(stmt.targets[i], std::move(values[i])));
  LLMOPS_ASSIGN([[maybe_unused]] const Flow flow, exec(stmt.bodies[0]));
  pop_frame(frame, previous);
  return {};
}

// Renders a body into a text of its own, in a frame of its own.
Result<std::string> Evaluator::capture(const Body& body) {
  std::string text;
  std::string* outer = std::exchange(out_, &text);
  Frame* previous = frame_;
  Frame* frame = push_frame(previous);
  Result<Flow> flow = exec(body);
  pop_frame(frame, previous);
  out_ = outer;
  if (!flow) return std::move(flow).error();
  LLMOPS_CHECK(charge(text.size() / 64));
  return text;
}

Result<std::string> render_code(const Code& code, const TemplateScope& scope) { return Evaluator(code, scope).render(); }
Result<Json> evaluate_code(const Code& code, const TemplateScope& scope) { return Evaluator(code, scope).evaluate(); }

}  // namespace llmops::jinja
