#include "core/text/jinja.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

namespace llmops {
namespace {

const Json kContext = Json::parse(R"({"customer": {"name": "Ann", "items": [1, 2]}, "question": "why?", "n": 3, "list": [3, 1], "none": null,
  "steps": {"find": {"output": [{"id": "a#1", "text": "x"}], "skipped": false}, "act": {"skipped": true}, "parse": {"output": {"answer": "yes"}}},
  "huge": 18446744073709551615, "inject": "{{ question }}"})");

TemplateScope scope_of(const Json& context) {
  TemplateScope scope;
  for (const auto& [name, value] : context.items()) scope.set(name, &value);
  return scope;
}

Template parsed(std::string source, TemplateMode mode = TemplateMode::kStrict, const Template::Loader& loader = {}) {
  auto result = Template::parse(std::move(source), {}, mode, loader);
  if (!result) FAIL(result.error().message);
  return std::move(*result);
}

std::string rendered(std::string source, TemplateMode mode = TemplateMode::kStrict) {
  const auto text = parsed(std::move(source), mode).render(scope_of(kContext));
  if (!text) FAIL(text.error().message);
  return *text;
}

Error render_error(std::string source, TemplateMode mode = TemplateMode::kStrict) {
  const auto text = parsed(std::move(source), mode).render(scope_of(kContext));
  REQUIRE_FALSE(text);
  CHECK(text.error().code == ErrorCode::kData);
  return text.error();
}

Error parse_error(std::string source, TemplateMode mode = TemplateMode::kStrict) {
  const auto result = Template::parse(std::move(source), {}, mode);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kConfig);
  return result.error();
}

// "path", with "?" behind a guarded one.
std::vector<std::string> references(std::string source, TemplateMode mode = TemplateMode::kStrict) {
  std::vector<std::string> out;
  const Template t = parsed(std::move(source), mode);
  for (const auto& reference : t.references()) out.push_back(reference.path + (reference.guarded ? "?" : ""));
  return out;
}

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("a text without tags is literal and renders as itself", "[jinja]") {
  const Template t = parsed("a { b } % c\n");
  CHECK(t.is_literal());
  CHECK(t.source() == "a { b } % c\n");
  CHECK(*t.render({}) == "a { b } % c\n");
  CHECK(*t.evaluate({}) == Json("a { b } % c\n"));
  CHECK_FALSE(parsed("{{ 1 }}").is_literal());
  CHECK_FALSE(parsed("{# c #}").is_literal());
}

TEST_CASE("line ends of the template's text become newlines, those of values stay", "[jinja]") {
  const Json value = "x\r\ny";
  TemplateScope scope;
  scope.set("v", &value);
  CHECK(*parsed("a\r\nb\r{{ v }}\r\n").render(scope) == "a\nb\nx\r\ny\n");
  CHECK(*parsed("a\r\nb").render(scope) == "a\nb");
}

TEST_CASE("values are never rendered a second time", "[jinja]") { CHECK(rendered("{{ inject }}") == "{{ question }}"); }

TEST_CASE("evaluate keeps the type of one sole expression", "[jinja]") {
  const auto value = [](std::string source) { return *parsed(std::move(source)).evaluate(scope_of(kContext)); };
  CHECK(value("{{ list }}") == Json::array({3, 1}));
  CHECK(value(" {{ n + 1 }}\n") == Json(4));
  CHECK(value("{{ n / 2 }}") == Json(1.5));
  CHECK(value("{{ none }}") == Json(nullptr));
  CHECK(value("{{ customer }}").dump() == kContext["customer"].dump());
  CHECK(value("{{ {'b': 1, 'a': (2, true)} }}").dump() == R"({"b":1,"a":[2,true]})");
  CHECK(value("{{ range(3) }}") == Json::array({0, 1, 2}));
  CHECK(value("{{ huge }}") == Json(18446744073709551615ULL));
  CHECK(value("{{ namespace(a=1) }}").dump() == R"({"a":1})");
  CHECK(value("{{ n }}!") == Json("3!"));
  CHECK(value("{{ n }}{{ n }}") == Json("33"));
  CHECK(value("text") == Json("text"));
}

TEST_CASE("evaluate refuses undefined values and what JSON has no form for", "[jinja]") {
  const auto error = [](std::string source) {
    const auto value = parsed(std::move(source)).evaluate(scope_of(kContext));
    REQUIRE_FALSE(value);
    return value.error().message;
  };
  CHECK(error("{{ nope }}") == "line 1:4 of the template: 'nope' is undefined");
  CHECK(error("{{ range }}") == "line 1:4 of the template: a function is no value of JSON");
}

TEST_CASE("an undefined value is an error that names its path and what is known", "[jinja]") {
  Error error = render_error("Dear {{ custmer }}");
  CHECK(error.message == "line 1:9 of the template: 'custmer' is undefined");
  CHECK(error.hint == "did you mean 'customer'?");
  error = render_error("{{ steps.act.output }}");
  CHECK(error.message == "line 1:4 of the template: 'steps.act.output' is undefined");
  CHECK(error.hint == "known: skipped");
  error = render_error("a\n{{ steps['fnd'].output }}");
  CHECK(error.message == "line 2:4 of the template: 'steps.fnd' is undefined");
  CHECK(error.hint == "did you mean 'find'?");
  error = render_error("{% for d in steps.find.output %}{{ d.title }}{% endfor %}");
  CHECK(error.message == "line 1:36 of the template: 'd.title' is undefined");
  CHECK(error.hint == "known: id, text");
  CHECK(render_error("{{ list[7] }}").message == "line 1:4 of the template: 'list[7]' is undefined");
  CHECK(render_error("{{ customer[question] }}").message == "line 1:4 of the template: 'customer[question]' is undefined");
}

TEST_CASE("every use of an undefined value is an error in strict mode", "[jinja]") {
  for (const char* use : {"{{ x }}", "{% if x %}{% endif %}", "{% for i in x %}{% endfor %}", "{{ x + 1 }}", "{{ 1 + x }}", "{{ x ~ 'a' }}",
                          "{{ x == 1 }}", "{{ x in list }}", "{{ 1 in x }}", "{{ not x }}", "{{ x and 1 }}", "{{ x.y }}", "{{ x[0] }}", "{{ x() }}",
                          "{{ x | upper }}", "{{ x | length }}", "{{ 'a' | replace(x, 'b') }}", "{{ x is string }}", "{{ [x] }}", "{{ {'a': x} }}",
                          "{{ x if true }}", "{{ 1 if x else 2 }}", "{{ x | tojson }}", "{{ [x] | join }}", "{{ list[x] }}", "{{ -x }}"}) {
    CAPTURE(use);
    const auto result = Template::parse(use, {});
    if (!result) {   // a call of an unknown name is found by the parser
      CHECK(result.error().message == "line 1:4 of the template: unknown function 'x'");
      continue;
    }
    const auto text = result->render(scope_of(kContext));
    REQUIRE_FALSE(text);
    CHECK_THAT(text.error().message, Catch::EndsWith("'x' is undefined"));
  }
}

TEST_CASE("the fallback of default is evaluated only when it is needed", "[jinja]") {
  CHECK(rendered("{{ steps.act.output | default(steps.parse.output.answer) }}") == "yes");
  CHECK(rendered("{{ n | default(nope.nope) }}") == "3");
  CHECK(render_error("{{ nope | default(also) }}").message == "line 1:4 of the template: 'also' is undefined");
  // Only the last step of a path may be missing, as in Jinja.
  CHECK(render_error("{{ nope.name | default('x') }}").message == "line 1:4 of the template: 'nope' is undefined");
}

TEST_CASE("a key named like a method is the key's value unless it is called", "[jinja]") {
  CHECK(rendered("{{ customer.items }}") == "[1, 2]");
  CHECK(rendered("{{ customer.items() | length }}") == "2");
  CHECK(rendered("{{ customer.get('name') }}") == "Ann");
  CHECK(render_error("{{ question.upper }}").message == "line 1:4 of the template: 'upper' is a method");
  CHECK(render_error("{{ question.upper }}").hint == "call it: upper()");
}

TEST_CASE("errors of types and values say what and where", "[jinja]") {
  for (const char* source : {"{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ n | length }}", "{{ [1, 'a'] | sort }}", "{{ range(3) | batch(0) }}", "{{ '%d' | format('x') }}", "{{ list[7] }}", "{{ question[::0] }}", "{{ customer.name() }}", "{{ 2 ** 64 }}"}) {
    INFO(source);
    CHECK_FALSE(render_error(source).hint.empty());
  }
  CHECK(render_error("{{ 1 / 0 }}").message == "line 1:4 of the template: division by zero");
  CHECK(render_error("{{ n // (n - 3) }}").message == "line 1:4 of the template: division by zero");
  CHECK(render_error("{{ 'a' + 1 }}").message == "line 1:4 of the template: '+' does not apply to a string and an integer");
  CHECK(render_error("{{ 'a' < 1 }}").message == "line 1:4 of the template: '<' does not apply to a string and an integer");
  CHECK(render_error("{% for x in n %}{% endfor %}").message == "line 1:13 of the template: an integer cannot be iterated");
  CHECK(render_error("{{ n | length }}").message == "line 1:4 of the template: an integer has no length");
  CHECK(render_error("{{ customer.name() }}").message == "line 1:4 of the template: a string cannot be called");
  CHECK(render_error("{{ question.shout() }}").message == "line 1:4 of the template: a string has no method 'shout'");
  CHECK(render_error("{{ [1, 'a'] | sort }}").message == "line 1:4 of the template: cannot order a string and an integer");
  CHECK(render_error("{% set a, b = [1] %}").message == "line 1:8 of the template: cannot unpack 1 values into 2 names");
  CHECK(render_error("{{ 9223372036854775807 + 1 }}").message == "line 1:4 of the template: result of '+' is beyond 64 bits");
  CHECK(render_error("{{ huge + 1 }}").message == "line 1:4 of the template: result of '+' is beyond 64 bits");
  CHECK(render_error("{{ list.append(1) }}").message == "line 1:4 of the template: values of a template cannot be changed");
  CHECK(render_error("{% set n.x = 1 %}").message == "line 1:8 of the template: cannot set an attribute of 'n': it is no namespace");
  CHECK(render_error("{{ ['a'] | map('uper') | list }}").message == "line 1:4 of the template: unknown filter 'uper'");
  CHECK(render_error("{{ range(3) | batch(0) }}").message == "line 1:4 of the template: 'batch' needs a count of at least 1, not 0");
  CHECK(render_error("{{ 'x' | truncate(2) }}").message == "line 1:4 of the template: 'truncate' needs a length of at least 3, not 2");
  CHECK(render_error("{{ '%d' | format('x') }}").message == "line 1:4 of the template: %d takes an integer, not a string");
  CHECK(render_error("{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}").message ==
        "line 1:20 of the template: parameter 'a' of macro 'm' was not given");
  CHECK(render_error("{% macro m(a) %}{% endmacro %}{{ m(b=1) }}").message == "line 1:34 of the template: macro 'm' has no parameter 'b'");
  CHECK(render_error("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}").message == "line 1:34 of the template: macro 'm' takes 1 arguments, not 2");
}

TEST_CASE("errors of syntax say what is expected", "[jinja]") {
  const std::map<std::string, std::pair<std::string, std::string>> cases = {
      {"a {{ n", {"line 1:3 of the template: '{{' is not closed", "close it with }}"}},
      {"{% if n %}x", {"line 1:12 of the template: unexpected end of the template, expected '{% endif %}'", "close the block with {% endif %}"}},
      {"{{ n m }}", {"line 1:6 of the template: unexpected 'm', expected '}}'", "close the tag with }}, or write an operator or a filter here"}},
      {"{{ }}", {"line 1:4 of the template: unexpected '}}', expected an expression", "write a name or a value, as in {{ question }}"}},
      {"{{ n + }}", {"line 1:8 of the template: unexpected '}}', expected an expression", "write a name or a value, as in {{ question }}"}},
      {"{{ (n }}", {"line 1:7 of the template: unexpected '}', expected ')'", "close the bracket with ) first"}},
      {"{{ n) }}", {"line 1:5 of the template: unexpected ')'", "remove it, or open the bracket first"}},
      {"{{ [n) }}", {"line 1:6 of the template: unexpected ')', expected ']'", "close the bracket with ] first"}},
      {"{{ 'abc }}", {"line 1:4 of the template: string is not closed", "close it with '"}},
      {"{# abc", {"line 1:1 of the template: comment is not closed", "close it with #}"}},
      {"{% raw %}abc", {"line 1:1 of the template: 'raw' is not closed", "close it with {% endraw %}"}},
      {"{{ n & m }}", {"line 1:6 of the template: unexpected character '&'", "put text in quotes, or remove it"}},
      {"{{ n | uper }}", {"line 1:8 of the template: unknown filter 'uper'", "did you mean 'upper'?"}},
      {"{{ n is odds }}", {"line 1:9 of the template: unknown test 'odds'", "did you mean 'odd'?"}},
      {"{{ rnage(3) }}", {"line 1:4 of the template: unknown function 'rnage'", "did you mean 'range'?"}},
      {"{{ n | random }}", {"line 1:8 of the template: unknown filter 'random'", "known: ..."}},
      {"{{ raise_exception('x') }}", {"line 1:4 of the template: unknown function 'raise_exception'", "known: range, dict, namespace, cycler, joiner"}},
      {"{% iff n %}", {"line 1:4 of the template: unknown tag 'iff'", "did you mean 'if'?"}},
      {"{% endif %}", {"line 1:4 of the template: tag 'endif' closes nothing", "remove it, or open the block first"}},
      {"{% extends 'x' %}", {"line 1:4 of the template: tag 'extends' is not supported", "use {% include \"file\" %} or a macro"}},
      {"{% include n %}", {"line 1:12 of the template: 'include' takes a file name in quotes", "write the name as a literal: {% include \"file\" %}"}},
      {"{% include 'x' %}", {"line 1:12 of the template: 'x' cannot be included here", "write the text out; only prompts of a chain can include files"}},
      {"{% for x list %}{% endfor %}", {"line 1:10 of the template: unexpected 'list', expected 'in'", "write 'in' here"}},
      {"{% set true = 1 %}", {"line 1:8 of the template: cannot assign to 'true'", "choose another name"}},
      {"{% break %}", {"line 1:4 of the template: 'break' stands outside of a loop", "use it between {% for %} and {% endfor %}"}},
      {"{{ 'a' | replace('b') }}", {"line 1:10 of the template: filter 'replace' needs the argument 'new'", "add it in the parentheses"}},
      {"{{ 'a' | upper(1) }}", {"line 1:10 of the template: filter 'upper' takes at most 0 arguments, not 1", "remove the others"}},
      {"{{ 'a' | indent(wdth=1) }}", {"line 1:10 of the template: filter 'indent' has no argument 'wdth'", "did you mean 'width'?"}},
      {"{{ f(*n, *n) }}", {"line 1:10 of the template: '*' stands behind another '*'", "unpack one list, then one dict"}},
      {"{{ f(*n, 1) }}", {"line 1:10 of the template: an argument without a name stands behind '*'", "put the arguments without a name first"}},
      {"{{ f(**n, a=1) }}", {"line 1:11 of the template: an argument stands behind '**'", "put the arguments before it"}},
      {"{{ 007 }}", {"line 1:4 of the template: number '007' begins with 0", "leave the leading zeros out"}},
      {"{% macro m(a, a) %}{% endmacro %}", {"line 1:15 of the template: parameter 'a' is named twice", "choose another name"}},
      {"{{ 99999999999999999999 }}", {"line 1:4 of the template: number '99999999999999999999' is out of range", "write it in quotes if text is meant"}},
      {"{{ '\\xZZ' }}", {"line 1:6 of the template: escape '\\x' needs 2 hexadecimal digits", "double the backslash if it is meant as one"}},
  };
  for (const auto& [source, expected] : cases) {
    CAPTURE(source);
    const Error error = parse_error(source);
    CHECK(error.message == expected.first);
    if (expected.second.ends_with("...")) CHECK(error.hint.starts_with(expected.second.substr(0, expected.second.size() - 3)));
    else CHECK(error.hint == expected.second);
  }
}

TEST_CASE("an exact origin points into the file", "[jinja]") {
  TemplateOrigin origin{{"chain.yaml", 10, 14, 1, "    content: \"{{ nope }}\""}, true};
  const auto first = parsed("x").render({});
  REQUIRE(first);
  auto t = Template::parse("{{ nope }}", origin);
  REQUIRE(t);
  Error error = t->render({}).error();
  CHECK(error.message == "'nope' is undefined");
  CHECK(error.where.file == "chain.yaml");
  CHECK(error.where.line == 10);
  CHECK(error.where.column == 17);
  CHECK(error.where.length == 4);
  CHECK(error.where.line_text == "    content: \"{{ nope }}\"");
  t = Template::parse("a\nbc {{ nope.x }}\r\nd", {{"prompt.md", 1, 1, 1, ""}, true});
  REQUIRE(t);
  error = t->render({}).error();
  CHECK(error.where.line == 2);
  CHECK(error.where.column == 7);
  CHECK(error.where.line_text == "bc {{ nope.x }}");
  const auto syntax = Template::parse("a\n{{ ( }}", {{"prompt.md", 5, 3, 1, ""}, true});
  REQUIRE_FALSE(syntax);
  CHECK(syntax.error().where.line == 6);
  CHECK(syntax.error().where.column == 6);
}

TEST_CASE("an inexact origin keeps the place of the text and says where inside", "[jinja]") {
  const auto t = Template::parse("a\nbc {{ nope }}", {{"chain.yaml", 10, 14, 3, "content: |"}, false});
  REQUIRE(t);
  const Error error = t->render({}).error();
  CHECK(error.message == "line 2:7 of the template: 'nope' is undefined");
  CHECK(error.where.line == 10);
  CHECK(error.where.column == 14);
  CHECK(error.where.line_text == "content: |");
}

TEST_CASE("references are the fixed paths that a template reads", "[jinja]") {
  CHECK(references("{% for d in steps.find.output %}{{ d.id }}{% endfor %}") == Paths{"steps.find.output"});
  CHECK(references("{{ steps['find'].output }}") == Paths{"steps.find.output"});
  CHECK(references("{{ steps.find.output[0].text }}") == Paths{"steps.find.output"});
  CHECK(references("{{ question }} {{ question | upper }}") == Paths{"question"});
  CHECK(references("{{ steps[which].output }}") == Paths{"which", "steps"});
  CHECK(references("{{ history[1:n] }}") == Paths{"n", "history"});
  CHECK(references("{{ question.strip().split(sep) }}") == Paths{"question", "sep"});
  CHECK(references("{{ x | replace(a, b) }} {{ y is divisibleby z }}") == Paths{"x", "a", "b", "y", "z"});
  CHECK(references("{{ [a, {b: c}] }} {{ d if e else f }} {{ g ~ h + -i < j }}") == Paths{"a", "b", "c", "e", "d", "f", "g", "h", "i", "j"});
  CHECK(references("literal") == Paths{});
  CHECK(references("{{ range(n) }} {{ namespace(x=m) }}") == Paths{"n", "m"});
  CHECK(references("{{ dict }}") == Paths{"dict"});   // not called: an input of that name
}

TEST_CASE("names that the template sets are no references", "[jinja]") {
  CHECK(references("{% set x = a %}{{ x }}{% set y, z = b %}{{ y }}{{ z }}") == Paths{"a", "b"});
  CHECK(references("{{ x }}{% set x = 1 %}") == Paths{"x"});
  CHECK(references("{% for x in xs if x > low %}{{ loop.index }}{{ x }}{% else %}{{ x }}{% endfor %}{{ x }}") == Paths{"xs", "low", "x"});
  CHECK(references("{% for k, v in m.items() %}{{ k }}{{ v }}{% endfor %}") == Paths{"m"});
  CHECK(references("{% for i in xs %}{% set y = i %}{% endfor %}{{ y }}") == Paths{"xs", "y"});
  CHECK(references("{% set t %}{{ a }}{% endset %}{{ t }}") == Paths{"a"});
  CHECK(references("{% with x = a %}{{ x }}{% endwith %}{{ x }}") == Paths{"a", "x"});
  CHECK(references("{% set ns = namespace(v=a) %}{% set ns.v = b %}{{ ns.v }}") == Paths{"a", "b"});
}

TEST_CASE("references inside macros count", "[jinja]") {
  CHECK(references("{% macro m(a, b=c) %}{{ a }}{{ b }}{{ steps.x.output }}{{ caller() }}{% endmacro %}{{ m(q) }}") ==
        Paths{"c", "steps.x.output", "q"});
  CHECK(references("{% macro m() %}{{ later }}{% endmacro %}{% set later = v %}{{ m() }}") == Paths{"v"});
  CHECK(references("{% call(x) m(a) %}{{ x }}{{ y }}{% endcall %}{% macro m(z) %}{% endmacro %}") == Paths{"y", "m", "a"});
}

TEST_CASE("a name that only some branches set is a guarded reference", "[jinja]") {
  CHECK(references("{% if a %}{% set q = 1 %}{% else %}{% set q = 2 %}{% endif %}{{ q }}") == Paths{"a"});
  CHECK(references("{% if a %}{% set q = 1 %}{% endif %}{{ q }}") == Paths{"a", "q?"});
}

TEST_CASE("references under default or a test of being defined are guarded", "[jinja]") {
  CHECK(references("{{ steps.act.output | default(steps.parse.output.answer) }}") == Paths{"steps.act.output?", "steps.parse.output.answer"});
  CHECK(references("{{ x | d('') }} {{ y is defined }} {{ z is not defined }} {{ w is undefined }}") == Paths{"x?", "y?", "z?", "w?"});
  CHECK(references("{{ x | default('') }}{{ x }}") == Paths{"x"});
  CHECK(references("{{ x | upper | default('') }}") == Paths{"x"});
  CHECK(references("{% if x is defined %}{{ x }}{{ x.y }}{{ z }}{% else %}{{ w }}{% endif %}") == Paths{"x?", "x.y?", "z", "w"});
  CHECK(references("{% if x is not defined %}{{ 1 }}{% else %}{{ x }}{% endif %}") == Paths{"x?"});
  CHECK(references("{% if x is defined %}{% endif %}{{ x }}") == Paths{"x"});
  CHECK(references("{{ x is defined and x.y > 1 }}") == Paths{"x?", "x.y?"});
  CHECK(references("{{ x if x is defined else 0 }}") == Paths{"x?"});
  CHECK(references("{% if x is defined or y %}{{ x }}{% endif %}") == Paths{"x", "y"});
}

TEST_CASE("a reference has the place where it stands", "[jinja]") {
  const auto t = Template::parse("a\n {{ x.y | upper }}", {{"p.md", 1, 1, 1, ""}, true});
  REQUIRE(t);
  REQUIRE(t->references().size() == 1);
  const SourcePlace& place = t->references()[0].place;
  CHECK(place.line == 2);
  CHECK(place.column == 5);
  CHECK(place.length == 3);
  CHECK(place.line_text == " {{ x.y | upper }}");
}

namespace {

Template::Loader loader(std::map<std::string, std::string> files) {
  return [files = std::move(files)](std::string_view name) -> Result<std::pair<std::string, TemplateOrigin>> {
    const auto file = files.find(std::string(name));
    if (file == files.end()) return Error(ErrorCode::kNotFound, "file '" + std::string(name) + "' does not exist");
    return std::pair(file->second, TemplateOrigin{{std::string(name), 1, 1, 1, ""}, true});
  };
}

}  // namespace

TEST_CASE("included files see the names around and are part of the template", "[jinja]") {
  const auto files = loader({{"a.md", "[{{ x }}{% include 'b.md' %}]{% set y = 1 %}"}, {"b.md", "{{ question }}"}});
  const Template t = parsed("{% for x in list %}{% include 'a.md' %}{% endfor %}", TemplateMode::kStrict, files);
  CHECK(*t.render(scope_of(kContext)) == "[3why?][1why?]");
  CHECK(t.includes() == Paths{"a.md", "b.md"});
  Paths paths;
  for (const auto& reference : t.references()) paths.push_back(reference.path);
  CHECK(paths == Paths{"list", "question"});
  CHECK(parsed("a{% include 'zz.md' ignore missing %}b", TemplateMode::kStrict, files).render({}).value() == "ab");
}

TEST_CASE("errors of included files have the place in that file", "[jinja]") {
  const auto files = loader({{"a.md", "x\n{{ nope }}"}, {"b.md", "{{ ( }}"}, {"c.md", "{% include 'c.md' %}"}});
  const Error error = parsed("{% include 'a.md' %}", TemplateMode::kStrict, files).render({}).error();
  CHECK(error.message == "'nope' is undefined");
  CHECK(error.where.file == "a.md");
  CHECK(error.where.line == 2);
  CHECK(Template::parse("{% include 'b.md' %}", {}, TemplateMode::kStrict, files).error().where.file == "b.md");
  const Error cycle = Template::parse("{% include 'c.md' %}", {}, TemplateMode::kStrict, files).error();
  CHECK(cycle.message == "'c.md' includes itself");
  CHECK(cycle.where.file == "c.md");
  const Error missing = Template::parse("{% include 'zz.md' %}", {}, TemplateMode::kStrict, files).error();
  CHECK(missing.code == ErrorCode::kNotFound);
  CHECK(missing.message == "line 1:12 of the template: file 'zz.md' does not exist");
}

TEST_CASE("templates end: steps, output and depth are bounded", "[jinja]") {
  const auto message = [](std::string source) {
    TemplateLimits limits;
    limits.max_steps = 10'000;
    limits.max_output_bytes = 1'000;
    const auto t = Template::parse(std::move(source), {}, TemplateMode::kStrict, {}, limits);
    if (!t) return t.error().message;
    const auto text = t->render(scope_of(kContext));
    return text ? std::string("rendered") : text.error().message;
  };
  const std::string steps = "template takes more than 10000 steps", bytes = "template makes more than 1000 bytes of text";
  CHECK(message("{% for i in range(1000000000000) %}{% endfor %}") == "line 1:4 of the template: " + steps);
  CHECK(message("{{ range(1000000000000) | list }}") == "line 1:4 of the template: " + steps);
  CHECK(message("{{ range(9223372036854775807) | length }}") == "rendered");
  CHECK(message("{{ [1] * 1000000000000 }}") == "line 1:4 of the template: " + steps);
  CHECK(message("{{ [1, 2] * 9223372036854775807 }}") == "line 1:4 of the template: " + steps);
  CHECK(message("{{ 'ab' * 9223372036854775807 }}") == "line 1:4 of the template: " + bytes);
  CHECK(message("{{ 'a' * 1000 }}") == "rendered");
  CHECK(message("{{ 'a' * 1001 }}") == "line 1:4 of the template: " + bytes);
  CHECK(message("{% for i in range(2000) %}x{% endfor %}") == "line 1:27 of the template: " + bytes);
  CHECK(message("{% for i in range(99) %}{{ question * 9 }}{% endfor %}") == "line 1:28 of the template: " + bytes);
  CHECK(message("{{ 'a' | center(100000000000) }}") == "line 1:4 of the template: " + bytes);
  CHECK(message("{{ 'a' | indent(100000000000) }}") == "line 1:4 of the template: " + bytes);
  CHECK(message("{{ '%100000000d' | format(1) }}") == "line 1:4 of the template: " + bytes);
  CHECK(message("{{ 'aaaaaaaaaa' | replace('', 'b' * 500) }}") == "line 1:4 of the template: " + bytes);
  CHECK(message("{{ [1] | batch(1000000000000, 0) | list }}") == "line 1:4 of the template: " + steps);
  CHECK(message("{{ [1] | slice(1000000000000) | list }}") == "line 1:4 of the template: " + steps);
  CHECK(message("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}") == "line 1:19 of the template: macros call each other deeper than 64 levels");
  CHECK(message("{% set ns = namespace(x=[]) %}{% for i in range(200) %}{% set ns.x = [ns.x] %}{% endfor %}") ==
        "line 1:70 of the template: lists nest deeper than 100 levels");
  CHECK(message("{{ " + std::string(100, '(') + "1" + std::string(100, ')') + " }}") == "line 1:67 of the template: template nests deeper than 64 levels");
  CHECK(message("{{ " + std::string(100, '[') + std::string(100, ']') + " }}") == "line 1:67 of the template: template nests deeper than 64 levels");
  std::string nots, ifs, dots = "{{ n", sum = "{{ 1";
  for (int i = 0; i < 100; ++i) nots += "not ", ifs += "{% if n %}", dots += ".a", sum += " + 1";
  CHECK_THAT(message("{{ " + nots + "n }}"), Catch::EndsWith("template nests deeper than 64 levels"));
  CHECK_THAT(message(ifs), Catch::EndsWith("template nests deeper than 64 levels"));
  CHECK_THAT(message(dots + " }}"), Catch::EndsWith("template nests deeper than 64 levels"));
  CHECK_THAT(message("{{ " + std::string(5000, '-') + "1 }}"), Catch::EndsWith("template nests deeper than 64 levels"));
  CHECK(message(sum + " }}") == "rendered");   // a chain adds no depth
}

namespace {

// The message under the limits that a template has by default.
std::string ending(std::string source, TemplateMode mode = TemplateMode::kStrict) {
  const auto t = Template::parse(std::move(source), {}, mode);
  if (!t) return t.error().message;
  const auto text = t->render(scope_of(kContext));
  return text ? std::string("rendered") : text.error().message;
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("values that hold each other twice cannot grow without end", "[jinja]") {
  const std::string heavy = "lists or dicts hold more than 2000000 values and pieces of text";
  const std::string twice = "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}";
  CHECK(ending(twice + "{{ ns.s }}") == "line 1:77 of the template: " + heavy);
  CHECK(ending(twice + "{{ ns.s == ns.t }}") == "line 1:77 of the template: " + heavy);
  CHECK(ending("{% set ns = namespace(s={}) %}{% for i in range(60) %}{% set ns.s = {'a': ns.s, 'b': ns.s} %}{% endfor %}") ==
        "line 1:69 of the template: " + heavy);
  CHECK(ending("{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}") ==
        "line 1:71 of the template: template makes more than 16777216 bytes of text");
  CHECK(ending("{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}") ==
        "line 1:70 of the template: template takes more than 2000000 steps");
  CHECK_THAT(ending("{% set ns = namespace(s=[1]) %}{% for i in range(18) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}"
                    "{% for i in range(1000) %}{% if ns.s == [ns.s] %}{% endif %}{% endfor %}"),
             Catch::EndsWith("template takes more than 2000000 steps"));
}

TEST_CASE("work that grows with the square of a text is counted as such", "[jinja]") {
  const std::string steps = "template takes more than 2000000 steps";
  CHECK_THAT(ending("{{ ('a' * 8000000).find('a' * 4000000 ~ 'b') }}"), Catch::EndsWith(steps));
  CHECK_THAT(ending("{{ ('a' * 4000000 ~ 'b') in ('a' * 8000000) }}"), Catch::EndsWith(steps));
  CHECK_THAT(ending("{{ ('a' * 8000000).split('a' * 4000000 ~ 'b') | length }}"), Catch::EndsWith(steps));
  CHECK_THAT(ending("{{ ('a' * 8000000) | replace('a' * 4000000 ~ 'b', '') }}"), Catch::EndsWith(steps));
  CHECK_THAT(ending("{{ ('a' * 8000000).strip('b' * 800000) }}"), Catch::EndsWith(steps));
  CHECK(ending("{{ ('a' * 1000000).find('b' * 50) }}") == "rendered");
  CHECK(ending("{{ ('&' * 1000000) | striptags | length }}") == "rendered");
  CHECK(ending("{{ ('a' ~ '-' * 100000) | wordwrap(5) | length }}") == "rendered");
  CHECK_THAT(ending("{% set ns = namespace(t=()) %}{% for i in range(1000) %}{% set ns.t = ns.t + (i,) %}{% endfor %}{% set d = dict([[ns.t + (1,), 1]]) %}"
                    "{% for i in range(300000) %}{% set x = d[ns.t + (3,)] | default(1) %}{% endfor %}"),
             Catch::EndsWith(steps));
}

TEST_CASE("widths, digits and repetitions end before memory does", "[jinja]") {
  const std::string bytes = "line 1:4 of the template: template makes more than 16777216 bytes of text";
  const std::string steps = "line 1:4 of the template: template takes more than 2000000 steps";
  for (const char* source : {"{{ 'a' * 10**9 }}", "{{ 'a\\nb' | indent(10**9) }}", "{{ 'a' | center(10**9) }}", "{{ 'a'.ljust(10**9) }}", "{{ 'a'.zfill(10**12) }}",
                             "{{ '%999999999d' | format(1) }}", "{{ '%*d' % (10**9, 1) }}", "{{ '{:>999999999}'.format(1) }}", "{{ '{:0999999999,}'.format(1) }}",
                             "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}", "{{ ('a' * 1000000).replace('', 'bb' * 10000) }}",
                             "{{ ('x' * 100000).join('a' * 100000) }}", "{{ ('\\t' * 100000).expandtabs(10**9) }}",
                             "{{ '{0}{0}{0}{0}'.format('a' * 9999999) }}"}) {
    CAPTURE(source);
    CHECK(ending(source) == bytes);
  }
  for (const char* source : {"{{ range(10**9) | list }}", "{{ [1] * 10**9 }}", "{{ [1] | batch(10**9, 0) | list }}", "{{ [1] | slice(10**9) | list }}",
                             "{{ range(2000000) | join('x' * 1000) }}"}) {
    CAPTURE(source);
    CHECK(ending(source) == steps);
  }
  CHECK(ending("{{ '%.999999999f' | format(1) }}") == "line 1:4 of the template: format asks for more than 10000 digits");
  CHECK(ending("{{ '{:.999999999f}'.format(1.0) }}") == "line 1:4 of the template: format asks for more than 10000 digits");
  CHECK(ending("{{ 9.9 ** 999999 }}") == "line 1:4 of the template: result of '**' is too large for a float");
}

TEST_CASE("recursion ends, through macros, callers and loops", "[jinja]") {
  CHECK(ending("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}") ==
        "line 1:57 of the template: macros call each other deeper than 64 levels");
  CHECK(ending("{% macro m(n) %}{% for i in range(9) %}{{ m(n + 1) }}{% endfor %}{% endmacro %}{{ m(0) }}") ==
        "line 1:43 of the template: macros call each other deeper than 64 levels");
  CHECK(ending("{% macro m() %}{{ caller() }}{% endmacro %}{% macro r() %}{% call m() %}{{ r() }}{% endcall %}{% endmacro %}{{ r() }}") ==
        "line 1:67 of the template: macros call each other deeper than 64 levels");
  CHECK(ending("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}") == "line 1:32 of the template: loops call each other deeper than 64 levels");
  CHECK(ending("{% for x in [1] %}{{ loop([1]) }}{% endfor %}") == "line 1:22 of the template: a loop that is not recursive cannot be called");
}

TEST_CASE("sources that nest or repeat without end are refused with their place", "[jinja]") {
  const auto nested = [](const std::string& open, const std::string& inner, const std::string& close) {
    return ending("{{ " + repeated(open, 20'000) + inner + repeated(close, 20'000) + " }}");
  };
  const std::string deep = "template nests deeper than 64 levels";
  for (const std::string& message : {nested("(", "1", ")"), nested("[", "", "]"), nested("{1: ", "1", "}"), nested("-", "1", ""), nested("not ", "1", ""),
                                     nested("", "n", ".a"), nested("", "n", "()"), nested("", "n", "|string"), nested("1 if 0 else ", "2", ""),
                                     ending(repeated("{% if 1 %}", 20'000)), ending(repeated("{% for x in [1] %}", 20'000)),
                                     ending(repeated("{% macro m() %}", 20'000)), ending(repeated("{% set x %}", 20'000)),
                                     ending("{% for " + repeated("(", 20'000) + "a" + repeated(")", 20'000) + " in [] %}{% endfor %}")}) {
    CHECK_THAT(message, Catch::StartsWith("line 1:") && Catch::EndsWith(deep));
  }
  for (const std::string& message : {nested("1 + ", "1", ""), nested("1 ~ ", "1", ""), nested("1 and ", "1", ""), nested("'a' ", "'b'", ""),
                                     ending("{% if 0 %}" + repeated("{% elif 0 %}", 20'000) + "{% endif %}"), ending(repeated("{{ n }} ", 50'000))}) {
    CHECK(message == "rendered");
  }
  CHECK(ending(repeated("{{ ", 20'000)) == "line 1:1 of the template: '{{' is not closed");
  CHECK(ending(repeated("{# ", 20'000)) == "line 1:1 of the template: comment is not closed");
}

TEST_CASE("messages show the start of a long text", "[jinja]") {
  CHECK(ending("{% set k = 'a' * 100000 %}{{ customer | attr(k) | upper }}").size() < 200);
  CHECK(ending("{{ raise_exception('x' * 100000) }}", TemplateMode::kCompatible).size() < 1100);
}

TEST_CASE("compatible mode renders undefined as nothing and strips lines of tags", "[jinja]") {
  const auto text = [](std::string source) { return rendered(std::move(source), TemplateMode::kCompatible); };
  CHECK(text("[{{ nope }}]{% if nope %}x{% endif %}{% for x in nope %}y{% endfor %}") == "[]");
  CHECK(text("{{ nope == 1 }} {{ nope | length }} {{ nope | trim }} {{ nope is none }} {{ customer.nope }}") == "False 0  False ");
  CHECK(text("  {% if n %}\n  a\n  {% endif %}\nb\n") == "  a\nb");
  CHECK(text("  {{ n }}\n  {# c #}\nx") == "  3\nx");
  CHECK(text("{% generation %}[{{ n }}]{% endgeneration %}") == "[3]");
  CHECK(text("{{ customer | tojson }} {{ '<é>' | tojson }}") == "{\"name\": \"Ann\", \"items\": [1, 2]} \"<é>\"");
  CHECK(text("{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}") == "023");
  CHECK(render_error("{{ nope.x }}", TemplateMode::kCompatible).message == "line 1:4 of the template: 'nope' is undefined");
  CHECK(render_error("{{ 'a' + nope }}", TemplateMode::kCompatible).message == "line 1:10 of the template: 'nope' is undefined");
  CHECK(render_error("{{ raise_exception('bad role') }}", TemplateMode::kCompatible).message == "line 1:4 of the template: bad role");
  CHECK(*parsed("{{ nope }}", TemplateMode::kCompatible).evaluate({}) == Json(nullptr));
}

TEST_CASE("strftime_now gives the text that the scope has for it", "[jinja]") {
  const Json date = "26 Jul 2024";
  TemplateScope scope;
  scope.set("strftime_now", &date);
  const std::string source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}";
  CHECK(*parsed(source, TemplateMode::kCompatible).render(scope) == "26 Jul 2024");
  CHECK(parsed(source, TemplateMode::kCompatible).render({})->empty());
  const Json instant = "2024-02-29 23:05:09";
  TemplateScope timed;
  timed.set("strftime_now", &instant);
  const auto written = [&](const std::string& format) { return *parsed("{{ strftime_now('" + format + "') }}", TemplateMode::kCompatible).render(timed); };
  CHECK(written("%d %b %Y") == "29 Feb 2024");
  CHECK(written("%A %a %B %j %w %u %I:%M %p %y %-m/%-d %e %F %T %D %R %c %% %C|%z|%Q %") ==
        "Thursday Thu February 060 4 4 11:05 PM 24 2/29 29 2024-02-29 23:05:09 02/29/24 23:05 Thu Feb 29 23:05:09 2024 % 20||%Q %");
  CHECK(parsed("{{ strftime_now() }}", TemplateMode::kCompatible).render(timed).error().message ==
        "line 1:4 of the template: 'strftime_now' takes one string, the format");
}

TEST_CASE("later variables of a scope win", "[jinja]") {
  const Json one = 1, two = 2;
  TemplateScope scope;
  scope.set("x", &one);
  scope.set("x", &two);
  CHECK(*parsed("{{ x }}").render(scope) == "2");
  CHECK(scope.names() == Paths{"x"});
  CHECK(scope.find("y") == nullptr);
}

TEST_CASE("truth of JSON follows Jinja", "[jinja]") {
  for (const char* text : {"false", "0", "0.0", "\"\"", "[]", "{}", "null"}) CHECK_FALSE(json_truthy(Json::parse(text)));
  for (const char* text : {"true", "1", "-0.5", "\"0\"", "[0]", "{\"a\":0}"}) CHECK(json_truthy(Json::parse(text)));
}

}  // namespace llmops
