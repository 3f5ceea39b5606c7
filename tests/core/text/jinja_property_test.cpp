// Random templates: whatever the text, parsing and rendering end without a crash and within the limits.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "core/text/jinja.h"

namespace llmops {
namespace {

class Writer {
 public:
  explicit Writer(uint64_t seed) : random_(seed) {}

  std::string body(int depth) {
    std::string out;
    for (size_t i = pick(4); i > 0; --i) out += statement(depth);
    return out;
  }

  std::string statement(int depth) {
    if (depth <= 0) return "{{ " + expression(1) + " }}";
    switch (pick(11)) {
      case 0: return "text\n ";
      case 1: return "{% if " + expression(depth) + " %}" + body(depth - 1) + "{% else %}" + body(depth - 1) + "{% endif %}";
      case 2: return "{% for " + name() + " in " + expression(depth) + " %}" + body(depth - 1) + "{{ loop.index }}{% endfor %}";
      case 3: return "{% set " + name() + " = " + expression(depth) + " %}";
      case 4: return "{% set ns.x = " + expression(depth) + " %}";
      case 5: return "{% macro " + name() + "(a, b=1) %}" + body(depth - 1) + "{% endmacro %}";
      case 6: return "{% filter " + filter() + " %}" + body(depth - 1) + "{% endfilter %}";
      case 7: return "{% set b %}" + body(depth - 1) + "{% endset %}";
      case 8: return "{% call a(1) %}" + body(depth - 1) + "{% endcall %}";
      case 9: return "{% for a, b in " + expression(depth) + " if b %}{% break %}{% endfor %}";
      default: return "{{- " + expression(depth) + " -}}";
    }
  }

  std::string expression(int depth) {
    if (depth <= 0) return atom();
    switch (pick(14)) {
      case 0: return "(" + expression(depth - 1) + " " + op() + " " + expression(depth - 1) + ")";
      case 1: return expression(depth - 1) + " | " + filter();
      case 2: return expression(depth - 1) + " is " + pick_of({"defined", "none", "odd", "string", "iterable", "divisibleby 2", "in [1]"});
      case 3: return "[" + expression(depth - 1) + ", " + expression(depth - 1) + "]";
      case 4: return "{'k': " + expression(depth - 1) + ", " + atom() + ": 1}";
      case 5: return atom() + "." + pick_of({"k", "upper()", "items()", "x", "split()", "index", "get('k')", "0", "strip('a')", "next()", "cycle(1)"});
      case 6: return atom() + "[" + expression(depth - 1) + "]";
      case 7: return atom() + "[" + expression(depth - 1) + ":" + expression(depth - 1) + ":" + pick_of({"1", "-1", "2", "0", "9223372036854775807"}) + "]";
      case 8: return expression(depth - 1) + " if " + expression(depth - 1) + " else " + expression(depth - 1);
      case 9: return "not " + expression(depth - 1);
      case 10: return "-" + atom();
      case 11: return name() + "(" + expression(depth - 1) + ")";
      case 12: return pick_of({"range", "dict", "namespace", "cycler", "joiner"}) + "(" + expression(depth - 1) + ")";
      default: return atom();
    }
  }

  std::string mutate(std::string text) {
    for (size_t i = pick(6); i > 0 && !text.empty(); --i) {
      const size_t at = pick(text.size());
      switch (pick(3)) {
        case 0: text.erase(at, 1 + pick(4)); break;
        case 1: text.insert(at, pick_of({"{{", "}}", "{%", "%}", "(", ")", "[", "]", "'", "\"", "|", "-", "\xff", "\\", "{#", " raw ", "\n"})); break;
        default: text[at] = static_cast<char>(random_() % 256);
      }
    }
    return text;
  }

 private:
  size_t pick(size_t count) { return random_() % count; }
  std::string pick_of(std::initializer_list<const char*> words) { return *(words.begin() + pick(words.size())); }
  std::string name() { return pick_of({"a", "b", "ns", "list", "text", "obj", "loop", "caller"}); }
  std::string op() { return pick_of({"+", "-", "*", "/", "//", "%", "**", "~", "==", "<", ">=", "in", "not in", "and", "or"}); }
  std::string atom() {
    return pick_of({"1", "0", "-7", "2.5", "1e300", "9223372036854775807", "''", "'ab %s \xc3\xa9'", "none", "true", "list", "text", "obj", "a", "b", "ns",
                    "missing", "loop", "range(5)", "list[0]", "obj.k", "()"});
  }
  std::string filter() {
    return pick_of({"upper", "length", "list", "sort", "join(', ')", "first", "last", "tojson", "tojson(indent=2)", "int", "float", "round(1)", "sum",
                    "unique", "reverse", "batch(2, 0)", "slice(3)", "map('upper')", "map(attribute='k')", "select", "reject('odd')", "selectattr('k')",
                    "groupby('k')", "dictsort", "items", "indent(3)", "truncate(5)", "replace('a', 'bb')", "default(1)", "trim('a')", "urlencode",
                    "format(1)", "escape", "center(20)", "wordcount", "title", "min", "max", "abs", "string", "capitalize", "attr('k')"});
  }
  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("random templates end within their limits in both modes", "[jinja]") {
  const Json list = Json::parse(R"([3, "a", null, {"k": 1}, [1, 2], 2.5, "\u00e9"])");
  const Json object = Json::parse(R"({"k": [1, 2], "x": "y", "items": 0})");
  const Json words = "some t\u00e9xt <here>";
  TemplateScope scope;
  scope.set("list", &list);
  scope.set("obj", &object);
  scope.set("text", &words);
  TemplateLimits limits;
  limits.max_steps = 20'000;
  limits.max_output_bytes = 10'000;
  size_t rendered = 0, refused = 0;
  for (uint64_t seed = 0; seed < 4'000; ++seed) {
    Writer writer(seed);
    std::string source = "{% set ns = namespace(x=1) %}" + writer.body(4);
    if (seed % 3 == 0) source = writer.mutate(std::move(source));
    CAPTURE(seed, source);
    const auto mode = seed % 2 == 0 ? TemplateMode::kStrict : TemplateMode::kCompatible;
    const auto parsed = Template::parse(source, {}, mode, {}, limits);
    if (!parsed) {
      REQUIRE_FALSE(parsed.error().message.empty());
      continue;
    }
    const auto text = parsed->render(scope);
    if (text) REQUIRE(text->size() <= limits.max_output_bytes);
    else REQUIRE_FALSE(text.error().message.empty());
    const auto again = parsed->render(scope);
    REQUIRE(text.has_value() == again.has_value());
    if (text) REQUIRE(*text == *again);
    (text ? rendered : refused) += 1;
    static_cast<void>(parsed->evaluate(scope).has_value());
  }
  // The generator is worth its name only when both ends are reached often.
  CHECK(rendered > 400);
  CHECK(refused > 400);
}

TEST_CASE("cut and damaged golden templates never crash", "[jinja]") {
  std::ifstream in(std::filesystem::path(LLMOPS_TEST_SOURCE_DIR) / "data/text/jinja_golden.jsonl");
  std::string line;
  REQUIRE(std::getline(in, line));
  const Json context = Json::parse(line)["context"];
  TemplateScope scope;
  for (const auto& [name, value] : context.items()) scope.set(name, &value);
  Writer writer(5);
  while (std::getline(in, line)) {
    const auto source = Json::parse(line)["template"].get<std::string>();
    for (int round = 0; round < 12; ++round) {
      std::string damaged = writer.mutate(source);
      if (round % 3 == 0) damaged.resize(damaged.size() * static_cast<size_t>(round + 1) / 12);
      CAPTURE(damaged);
      const auto parsed = Template::parse(damaged, {}, round % 2 == 0 ? TemplateMode::kStrict : TemplateMode::kCompatible);
      if (parsed) static_cast<void>(parsed->render(scope).has_value());
    }
  }
  SUCCEED();
}

TEST_CASE("values with invalid UTF-8 pass through and stop nothing", "[jinja]") {
  const Json broken = std::string("a\xff\xe6\x9d z\xc3");
  TemplateScope scope;
  scope.set("v", &broken);
  const auto text = [&](std::string source) {
    const auto result = Template::parse(std::move(source), {})->render(scope);
    return result ? *result : result.error().message;
  };
  CHECK(text("{{ v }}") == broken.get<std::string>());
  CHECK(text("{{ v | length }} {{ v[1] == v[1] }} {{ v[:1] }}") == "7 True a");
  CHECK(text("{{ v | tojson }}") == "\"a\\ufffd\\ufffd\\ufffd z\\ufffd\"");
  for (const char* filter : {"upper", "lower", "title", "trim", "reverse", "list | length", "indent", "truncate(3, true, '')", "wordcount", "urlencode",
                             "capitalize", "center(20)", "e", "replace('a', 'b')"}) {
    CAPTURE(filter);
    CHECK_FALSE(text(std::string("{{ v | ") + filter + " }}").empty());
  }
}

}  // namespace llmops
