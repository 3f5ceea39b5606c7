// The public face of templates: parse once into a shared immutable Code, render it many times.
// https://jinja.palletsprojects.com/en/3.1.x/templates/
#include "core/text/jinja.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text/jinja_ast.h"

namespace llmops {

void TemplateScope::set(std::string_view name, const Json* value) { variables_.emplace_back(name, value); }

const Json* TemplateScope::find(std::string_view name) const {
  for (auto row = variables_.rbegin(); row != variables_.rend(); ++row) if (row->first == name) return row->second;
  return nullptr;
}

std::vector<std::string> TemplateScope::names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : variables_) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

struct Template::Program { jinja::Code code; };

namespace {

// In strict mode a call of a name that nothing defines can't succeed: the scope holds values only.
Status check_functions(const jinja::Code& code, const jinja::Expr& expr) {
  for (const jinja::ExprPtr& part : expr.parts) if (part) LLMOPS_CHECK(check_functions(code, *part));
  if (expr.kind != jinja::ExprKind::kCall || expr.parts[0]->kind != jinja::ExprKind::kName) return {};
  const jinja::Expr& callee = *expr.parts[0];
  if (code.bound[static_cast<size_t>(callee.name_id)]) return {};
  std::vector<std::string> known;
  for (const jinja::Function& row : jinja::functions()) {
    if (row.name == callee.text && !row.compatible_only) return {};
    if (!row.compatible_only) known.emplace_back(row.name);
  }
  for (size_t id = 0; id < code.names.size(); ++id) if (code.bound[id]) known.push_back(code.names[id]);
  Error error(ErrorCode::kConfig, fmt::format("unknown function '{}'", callee.text), jinja::name_hint(callee.text, known));
  return code.sources[callee.place.source]->locate(callee.place.offset, callee.place.length, std::move(error));
}

Status check_functions(const jinja::Code& code, const jinja::Body& body) {
  for (const auto& stmt : body) {
    for (const jinja::ExprPtr& expr : stmt->exprs) if (expr) LLMOPS_CHECK(check_functions(code, *expr));
    for (const jinja::Body& inner : stmt->bodies) LLMOPS_CHECK(check_functions(code, inner));
    if (!stmt->macro) continue;
    for (const jinja::ExprPtr& value : stmt->macro->defaults) LLMOPS_CHECK(check_functions(code, *value));
    LLMOPS_CHECK(check_functions(code, stmt->macro->body));
  }
  return {};
}

}  // namespace

Result<Template> Template::parse(std::string source, TemplateOrigin origin, TemplateMode mode, const Loader& loader,
                                 TemplateLimits limits) {
  auto program = std::make_shared<Program>();
  jinja::Code& code = program->code;
  code.mode = mode;
  code.limits = limits;
  LLMOPS_CHECK(jinja::parse_code(code, std::move(source), std::move(origin), loader));
  if (mode == TemplateMode::kStrict) LLMOPS_CHECK(check_functions(code, code.body));
  code.references = jinja::collect_references(code);
  return Template(std::move(program));
}

Template::Template(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
Template::Template(const Template&) = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(const Template&) = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<std::string> Template::render(const TemplateScope& scope) const {
  if (is_literal()) return source();
  return jinja::render_code(program_->code, scope);
}

Result<Json> Template::evaluate(const TemplateScope& scope) const {
  if (program_->code.sole) return jinja::evaluate_code(program_->code, scope);
  LLMOPS_ASSIGN(std::string text, render(scope));
  return Json(std::move(text));
}

const std::vector<TemplateReference>& Template::references() const { return program_->code.references; }
const std::vector<std::string>& Template::includes() const { return program_->code.includes; }
bool Template::is_literal() const { return program_->code.literal; }
const std::string& Template::source() const { return program_->code.sources[0]->text; }

}  // namespace llmops
