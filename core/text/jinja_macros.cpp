// Macros: their frame's parent is the frame that they were defined in, so that they see later names of it (jinja2/runtime.py,
// class Macro, fixes how arguments are bound).
#include <fmt/format.h>

#include <algorithm>

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

void Evaluator::keep_frames() {
  for (Frame* frame = frame_; frame && !frame->captured; frame = frame->parent) frame->captured = true;
}

Value Evaluator::define_macro(const MacroDefinition& definition) {
  keep_frames();
  Value value;
  value.kind = Kind::kMacro;
  value.macro = &macros_.emplace_back(Macro{&definition, frame_});
  return value;
}

Status Evaluator::exec_call_block(const Stmt& stmt) {
  const Expr& expr = *stmt.exprs[0];
  LLMOPS_ASSIGN(const Value callee, eval(*expr.parts[0]));
  LLMOPS_ASSIGN(Arguments arguments, eval_arguments(expr));
  arguments.keywords.emplace_back("caller", define_macro(*stmt.macro));
  Result<Value> value = call(callee, arguments);
  if (!value) return placed_ ? std::move(value).error() : locate(expr.place, std::move(value).error());
  return print(*value, expr.place);
}

Result<Value> Evaluator::call_macro(const Macro& macro, const Arguments& arguments) {
  if (++calls_ > code_.limits.max_depth) {
    return type_error(fmt::format("macros call each other deeper than {} levels", code_.limits.max_depth), "end the recursion");
  }
  Frame* previous = frame_;
  Frame* frame = push_frame(macro.frame);
  LLMOPS_CHECK(bind_macro(macro, arguments));
  std::string text;
  std::string* outer = std::exchange(out_, &text);
  LLMOPS_ASSIGN([[maybe_unused]] const Flow flow, exec(macro.definition->body));
  out_ = outer;
  pop_frame(frame, previous);
  --calls_;
  return make_text(std::move(text));
}

Status Evaluator::bind_macro(const Macro& macro, const Arguments& arguments) {
  const MacroDefinition& definition = *macro.definition;
  const size_t count = definition.parameters.size();
  const size_t first_default = count - definition.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    const Target& parameter = definition.parameters[i];
    const auto named = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                    [&](const auto& keyword) { return keyword.first == parameter.name; });
    if (i < arguments.positional.size()) {
      if (named != arguments.keywords.end()) {
        return type_error(fmt::format("macro '{}' got two values for '{}'", definition.name, parameter.name), "remove one of the two");
      }
      set(parameter.name_id, arguments.positional[i]);
    } else if (named != arguments.keywords.end()) {
      set(parameter.name_id, named->second);
    } else if (i >= first_default) {
      LLMOPS_ASSIGN(Value value, eval(*definition.defaults[i - first_default]));
      set(parameter.name_id, std::move(value));
    } else {
      set(parameter.name_id, undefined_because(fmt::format("parameter '{}' of macro '{}' was not given", parameter.name, definition.name)));
    }
  }
  return bind_extra(definition, arguments);
}

// Arguments beyond the parameters: varargs, kwargs and caller, for macros that mention them.
Status Evaluator::bind_extra(const MacroDefinition& definition, const Arguments& arguments) {
  const size_t count = definition.parameters.size();
  const auto id = [&](const char* name) { return code_.name_ids.at(name); };
  if (arguments.positional.size() > count && !definition.uses_varargs) {
    return type_error(fmt::format("macro '{}' takes {} arguments, not {}", definition.name, count, arguments.positional.size()), "remove the others, or add parameters to the macro");
  }
  if (definition.uses_varargs) {
    std::vector<Value> rest;
    for (size_t i = count; i < arguments.positional.size(); ++i) rest.push_back(arguments.positional[i]);
    LLMOPS_ASSIGN(Value list, make_list(std::move(rest), ListStyle::kTuple));
    set(id("varargs"), std::move(list));
  }
  // A caller of a macro around is not this one's.
  if (definition.uses_caller) set(id("caller"), undefined_because("'caller' is undefined: the macro was not called by {% call %}"));
  std::vector<std::pair<Value, Value>> rest;
  for (const auto& [name, value] : arguments.keywords) {
    const bool known = std::any_of(definition.parameters.begin(), definition.parameters.end(),
                                   [&, key = name](const Target& parameter) { return parameter.name == key; });
    if (known) continue;
    if (name == "caller" && definition.uses_caller) {
      set(id("caller"), value);
    } else if (definition.uses_kwargs) {
      rest.emplace_back(Value::own(std::string(name)), value);
    } else {
      std::vector<std::string> names;
      for (const Target& parameter : definition.parameters) names.push_back(parameter.name);
      return type_error(fmt::format("macro '{}' has no parameter '{}'", definition.name, name), did_you_mean(name, names));
    }
  }
  if (!definition.uses_kwargs) return {};
  LLMOPS_ASSIGN(Value dict, make_dict(std::move(rest)));
  set(id("kwargs"), std::move(dict));
  return {};
}

}  // namespace llmops::jinja
