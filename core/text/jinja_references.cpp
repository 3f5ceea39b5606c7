// What a template reads from its scope: an abstract walk of the tree in the order of rendering that keeps the names which
// statements have given values to (no references) and the paths whose absence a default() or a test foresees (guarded).
// A name that only some branches set may come from the scope or not: its use counts as a guarded reference.
// Names that are set later around a macro count as set in its body, because the body runs when the macro is called.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/text/jinja_ast.h"

namespace llmops::jinja {

std::optional<std::string> static_path(const Expr& expr) {
  if (expr.kind == ExprKind::kName) return expr.text;
  const bool keyed = expr.kind == ExprKind::kIndex && expr.parts[1]->kind == ExprKind::kConst &&
                     expr.parts[1]->constant.is(Kind::kString);
  if (expr.kind != ExprKind::kAttribute && !keyed) return std::nullopt;
  const std::optional<std::string> object = static_path(*expr.parts[0]);
  if (!object) return std::nullopt;
  return fmt::format("{}.{}", *object, keyed ? expr.parts[1]->constant.str() : std::string_view(expr.text));
}

std::string describe(const Code& code, const Expr& expr) {
  if (std::optional<std::string> path = static_path(expr)) return *path;
  return code.sources[expr.place.source]->text.substr(expr.place.offset, expr.place.length);
}

namespace {

enum class Bound { kNo, kMaybe, kYes };
using Names = std::map<std::string, Bound, std::less<>>;

bool is_function(const Code& code, std::string_view name) {
  for (const Function& row : functions()) {
    if (row.name == name) return !row.compatible_only || code.mode == TemplateMode::kCompatible;
  }
  return false;
}

class Walker {
 public:
  explicit Walker(const Code& code) : code_(code) {}
  std::vector<TemplateReference> run() {
    frames_.emplace_back();
    walk(code_.body);
    return std::move(found_);
  }

 private:
  Bound bound(std::string_view name) const {
    for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
      if (const auto entry = frame->find(name); entry != frame->end()) return entry->second;
    }
    return Bound::kNo;
  }

  void bind(const Target& target) {
    for (const Target& part : target.parts) bind(part);
    if (target.parts.empty() && target.attribute.empty()) frames_.back()[target.name] = Bound::kYes;
  }

  bool is_guarded(std::string_view path) const {
    return std::any_of(guards_.begin(), guards_.end(), [&](const std::string& guard) {
      return path == guard || (path.starts_with(guard) && path[guard.size()] == '.');
    });
  }

  void add(std::string path, bool guarded, const Place& place) {
    guarded = guarded || is_guarded(path);
    const auto [entry, is_new] = index_.try_emplace(path, found_.size());
    if (!is_new && (guarded || !found_[entry->second].guarded)) return;
    // An error at this place is where the reference shows itself to the reader.
    SourcePlace where = code_.sources[place.source]->locate(place.offset, place.length, Error()).where;
    if (is_new) found_.push_back({std::move(path), guarded, std::move(where)});
    else found_[entry->second] = {std::move(path), false, std::move(where)};
  }

  // A name with the attributes and constant keys behind it is one path; the path ends where a step isn't fixed.
  void walk_path(const Expr& expr, bool guarded) {
    const Expr* fixed = &expr;
    const Expr* root = &expr;
    for (; root->kind == ExprKind::kAttribute || root->kind == ExprKind::kIndex || root->kind == ExprKind::kSlice;
         root = root->parts[0].get()) {
      if (!static_path(*root)) fixed = root->parts[0].get();
      for (size_t i = 1; i < root->parts.size(); ++i) if (root->parts[i]) walk(*root->parts[i], false);
    }
    if (root->kind != ExprKind::kName) {
      walk(*root, false);
      return;
    }
    const Bound state = bound(root->text);
    if (state == Bound::kYes) return;
    if (const std::optional<std::string> path = static_path(*fixed)) {
      add(*path, (guarded && fixed == &expr) || state == Bound::kMaybe, fixed->place);
    }
  }

  void walk(const Expr& expr, bool guarded) {
    switch (expr.kind) {
      case ExprKind::kName: case ExprKind::kAttribute: case ExprKind::kIndex: case ExprKind::kSlice:
        walk_path(expr, guarded);
        return;
      case ExprKind::kCall: {
        const Expr& callee = *expr.parts[0];
        const bool plain = callee.kind == ExprKind::kName && bound(callee.text) == Bound::kNo && is_function(code_, callee.text);
        // x.strip() reads x: values have no callable attributes of their own.
        if (callee.kind == ExprKind::kAttribute) walk(*callee.parts[0], false);
        else if (!plain) walk(callee, false);
        walk_rest(expr);
        return;
      }
      case ExprKind::kFilter: case ExprKind::kTest: {
        if (expr.parts[0]) walk(*expr.parts[0], expr.row->takes_undefined);
        walk_rest(expr);
        return;
      }
      case ExprKind::kAnd: case ExprKind::kOr: {
        const size_t before = guards_.size();
        for (const ExprPtr& part : expr.parts) {
          walk(*part, false);
          guard(*part, expr.kind == ExprKind::kAnd);
        }
        guards_.resize(before);
        return;
      }
      case ExprKind::kConditional: {
        walk(*expr.parts[0], false);
        under(*expr.parts[0], true, [&] { walk(*expr.parts[1], guarded); });
        if (expr.parts[2]) under(*expr.parts[0], false, [&] { walk(*expr.parts[2], guarded); });
        return;
      }
      default:
        for (const ExprPtr& part : expr.parts) if (part) walk(*part, false);
    }
  }

  void walk_rest(const Expr& expr) {
    for (size_t i = 1; i < expr.parts.size(); ++i) walk(*expr.parts[i], false);
  }

  // The paths that are known to be tested when `condition` came out as `outcome`.
  void guard(const Expr& condition, bool outcome) {
    if (condition.kind == ExprKind::kNot) {
      guard(*condition.parts[0], !outcome);
    } else if (condition.kind == (outcome ? ExprKind::kAnd : ExprKind::kOr)) {
      for (const ExprPtr& part : condition.parts) guard(*part, outcome);
    } else if (condition.kind == ExprKind::kTest && condition.text == (outcome ? "defined" : "undefined")) {
      if (const std::optional<std::string> path = static_path(*condition.parts[0])) guards_.push_back(*path);
    }
  }

  template <class Action>
  void under(const Expr& condition, bool outcome, Action action) {
    const size_t before = guards_.size();
    guard(condition, outcome);
    action();
    guards_.resize(before);
  }

  void walk(const Body& body) { for (const auto& stmt : body) walk(*stmt); }

  template <class Action>
  void in_frame(Action action) {
    frames_.emplace_back();
    action();
    frames_.pop_back();
  }

  void walk(const Stmt& stmt) {
    switch (stmt.kind) {
      case StmtKind::kIf: walk_if(stmt); return;
      case StmtKind::kFor: walk_for(stmt); return;
      case StmtKind::kSetBlock: in_frame([&] { walk(stmt.bodies[0]); }); break;
      case StmtKind::kMacro: bind_later(code_.body); walk_macro(*stmt.macro); frames_.back()[stmt.macro->name] = Bound::kYes; return;
      case StmtKind::kCallBlock: walk_macro(*stmt.macro); break;
      case StmtKind::kFilterBlock: case StmtKind::kInclude: in_frame([&] { walk(stmt.bodies[0]); }); break;
      case StmtKind::kWith: {
        for (const ExprPtr& value : stmt.exprs) walk(*value, false);
        in_frame([&] {
          for (const Target& target : stmt.targets) bind(target);
          walk(stmt.bodies[0]);
        });
        return;
      }
      default: break;
    }
    for (const ExprPtr& expr : stmt.exprs) if (expr) walk(*expr, false);
    for (const Target& target : stmt.targets) bind(target);
  }

  // Names that every branch sets are set behind the if; names that some branch sets may be.
  void walk_if(const Stmt& stmt) {
    const size_t guards = guards_.size();
    const Names before = frames_.back();
    std::vector<Names> after;
    for (size_t i = 0; i < stmt.bodies.size(); ++i) {
      if (i < stmt.exprs.size()) walk(*stmt.exprs[i], false);
      frames_.back() = before;
      const size_t outer = guards_.size();
      if (i < stmt.exprs.size()) guard(*stmt.exprs[i], true);
      walk(stmt.bodies[i]);
      guards_.resize(outer);
      if (i < stmt.exprs.size()) guard(*stmt.exprs[i], false);
      after.push_back(frames_.back());
    }
    guards_.resize(guards);
    if (stmt.bodies.size() == stmt.exprs.size()) after.push_back(before);
    Names merged;
    for (const Names& names : after) {
      for (const auto& [name, state] : names) {
        const bool everywhere = std::all_of(after.begin(), after.end(), [&](const Names& other) {
          const auto entry = other.find(name);
          return entry != other.end() && entry->second == Bound::kYes;
        });
        merged[name] = everywhere || outer_bound(name) ? Bound::kYes : Bound::kMaybe;
      }
    }
    frames_.back() = std::move(merged);
  }

  bool outer_bound(std::string_view name) const {
    for (size_t i = 0; i + 1 < frames_.size(); ++i) {
      if (const auto entry = frames_[i].find(name); entry != frames_[i].end() && entry->second == Bound::kYes) return true;
    }
    return false;
  }

  void walk_for(const Stmt& stmt) {
    walk(*stmt.exprs[0], false);
    in_frame([&] {
      bind(stmt.targets[0]);
      if (stmt.exprs[1]) walk(*stmt.exprs[1], false);
      frames_.back()["loop"] = Bound::kYes;
      walk(stmt.bodies[0]);
    });
    in_frame([&] { walk(stmt.bodies[1]); });
  }

  void walk_macro(const MacroDefinition& macro) {
    in_frame([&] {
      for (const std::string& name : later_) frames_.back()[name] = Bound::kYes;
      frames_.back()[macro.name] = Bound::kYes;
      for (const char* name : {"varargs", "kwargs", "caller"}) frames_.back()[name] = Bound::kYes;
      for (const Target& parameter : macro.parameters) bind(parameter);
      for (const ExprPtr& value : macro.defaults) walk(*value, false);
      walk(macro.body);
    });
  }

  // The names that statements of the template's own level set anywhere (outside of loops and macros).
  void bind_later(const Body& body) {
    if (&body == &code_.body && !later_.empty()) return;
    for (const auto& stmt : body) {
      if (stmt->kind == StmtKind::kSet || stmt->kind == StmtKind::kSetBlock) {
        for (const Target& target : stmt->targets) note_later(target);
      }
      if (stmt->kind == StmtKind::kMacro) later_.insert(stmt->macro->name);
      if (stmt->kind == StmtKind::kIf) for (const Body& inner : stmt->bodies) bind_later(inner);
    }
  }
  void note_later(const Target& target) {
    for (const Target& part : target.parts) note_later(part);
    if (target.parts.empty() && target.attribute.empty()) later_.insert(target.name);
  }

  const Code& code_;
  std::vector<Names> frames_;
  std::vector<std::string> guards_;
  std::set<std::string> later_;
  std::vector<TemplateReference> found_;
  std::unordered_map<std::string, size_t> index_;   // of `found_`, by path
};

}  // namespace

std::vector<TemplateReference> collect_references(const Code& code) { return Walker(code).run(); }

}  // namespace llmops::jinja
