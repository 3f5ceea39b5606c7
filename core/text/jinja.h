// Templates: Jinja's syntax, operators, truthiness and filters over Json values (https://jinja.palletsprojects.com, 3.1).
// Two modes: strict (the user's own templates: reaching an undefined value is an error with its place) and compatible
// (chat templates of models: undefined renders as empty, raise_exception; what transformers sets: trim_blocks, lstrip_blocks,
// break and continue, tojson without sorting and escapes; strftime_now(format) writes the point in time that the scope has
// under that name ("2024-07-26", "2024-07-26T08:00:05"), or gives the scope's text when it is none).
// Strict mode is jinja2.Environment(undefined=StrictUndefined, keep_trailing_newline=True): a prompt's trailing newline is
// kept, and line ends of the template's own text become \n. It differs where Jinja is loose: `is none` and its like fail on
// undefined values, generators are lists, the argument of default() is evaluated only when needed, and in x.items without a
// call a key of that name wins over the method. Printing follows Python's str(): True, None, 1.0, ['a'].
// What a loop's `if` keeps is decided before the loop begins, and values never change (no append).
// Not there: extends, block, import, do; the filters random, urlize, pprint; integers have 64 bits.
// Values are never rendered a second time. Steps and output are bounded, so that a template always ends.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.h"

namespace llmops {

enum class TemplateMode { kStrict, kCompatible };

struct TemplateLimits {
  size_t max_steps = 2'000'000;               // nodes evaluated
  size_t max_output_bytes = size_t{16} << 20;
  int max_depth = 64;                         // nested expressions, blocks, macro calls, includes
};

// Where a template's text comes from. `exact`: text position (1,1) is place.line, place.column of the file, so that
// errors inside point into the file; otherwise they show the place of the whole text and "line L:C of the template".
struct TemplateOrigin {
  SourcePlace place;
  bool exact = false;
};

// The variables of one rendering, by reference: values must outlive the call. Later names win. Cheap to build.
class TemplateScope {
 public:
  void set(std::string_view name, const Json* value);
  const Json* find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  std::vector<std::pair<std::string, const Json*>> variables_;
};

// What a template reads, as the dotted path that is statically known: "question", "steps.find.output" (of
// `steps.find.output[0].text`), "case.answer". Loop variables, set targets, macro parameters are not references.
// `guarded`: stands under default() or an `is defined` test, so that its absence is foreseen.
struct TemplateReference {
  std::string path;
  bool guarded = false;
  SourcePlace place;
};

class Template {
 public:
  // Gives the text of an included file by the name written in {% include "name" %} (only literal names are allowed).
  using Loader = std::function<Result<std::pair<std::string, TemplateOrigin>>(std::string_view name)>;

  // Errors (kConfig): syntax, unknown filter / test / function (with did you mean), with the place.
  static Result<Template> parse(std::string source, TemplateOrigin origin, TemplateMode mode = TemplateMode::kStrict,
                                const Loader& loader = {}, TemplateLimits limits = {});

  Template(const Template&);
  Template(Template&&) noexcept;
  Template& operator=(const Template&);
  Template& operator=(Template&&) noexcept;
  ~Template();

  // The rendered text. Errors (kData): an undefined value in strict mode ("'customer' is undefined", hint names the
  // known variables), a type error, a limit; with the place. Thread-safe: a Template is immutable once parsed.
  Result<std::string> render(const TemplateScope& scope) const;
  // A template that is one sole {{ expression }} (white space around it allowed) keeps the value's type; anything else
  // gives its text as a string.
  Result<Json> evaluate(const TemplateScope& scope) const;

  const std::vector<TemplateReference>& references() const;
  const std::vector<std::string>& includes() const;   // literal names, in order of appearance, with those of includes
  bool is_literal() const;                            // no {{, {%, {# or \r: the text is its own rendering
  const std::string& source() const;

 private:
  struct Program;
  explicit Template(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;
};

// Jinja's truthiness: false, 0, 0.0, "", [], {} and null are false.
bool json_truthy(const Json& value);

}  // namespace llmops
