// Templates against jinja2 3.1.2: the expected texts were made by make_jinja_goldens.py and make_jinja_snippets.py of
// tests/data/text.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/text/jinja.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<Json> read_rows(const std::string& name) {
  std::ifstream in(std::filesystem::path(LLMOPS_TEST_SOURCE_DIR) / "data/text" / name);
  REQUIRE(in);
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

TemplateScope scope_of(const Json& context) {
  TemplateScope scope;
  for (const auto& [name, value] : context.items()) scope.set(name, &value);
  return scope;
}

}  // namespace

TEST_CASE("strict templates render as jinja2 with StrictUndefined does", "[jinja]") {
  const std::vector<Json> rows = read_rows("jinja_golden.jsonl");
  REQUIRE(rows.size() > 150);
  const TemplateScope scope = scope_of(rows[0]["context"]);
  for (size_t i = 1; i < rows.size(); ++i) {
    const auto source = rows[i]["template"].get<std::string>();
    CAPTURE(source);
    const auto parsed = Template::parse(source, {});
    if (!parsed) FAIL_CHECK(parsed.error().message);
    if (!parsed) continue;
    const auto text = parsed->render(scope);
    if (!text) FAIL_CHECK(text.error().message);
    else CHECK(*text == rows[i]["expected"].get<std::string>());
  }
}

TEST_CASE("each behaviour is that of jinja2, in both modes, and errors have their place", "[jinja]") {
  const std::vector<Json> rows = read_rows("jinja_snippets.jsonl");
  REQUIRE(rows.size() > 450);
  const TemplateScope scope = scope_of(rows[0]["scope"]);
  size_t errors = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    for (const auto& [name, mode] : {std::pair("strict", TemplateMode::kStrict), std::pair("compatible", TemplateMode::kCompatible)}) {
      const auto source = rows[i]["template"].get<std::string>();
      const Json& expected = rows[i][name];
      CAPTURE(source, name);
      const auto parsed = Template::parse(source, {}, mode);
      const auto text = parsed ? parsed->render(scope) : Result<std::string>(parsed.error());
      if (expected.contains("text")) {
        if (!text) FAIL_CHECK(text.error().message);
        else CHECK(*text == expected["text"].get<std::string>());
        continue;
      }
      ++errors;
      CHECK_FALSE(text);
      if (expected["error"] == "syntax") CHECK_FALSE(parsed);
      if (!text) CHECK_THAT(text.error().message, Catch::StartsWith("line ") && Catch::Contains(" of the template: "));
    }
  }
  CHECK(errors > 200);
}

TEST_CASE("chat templates of our own render as transformers does", "[jinja]") {
  size_t texts = 0;
  for (const Json& row : read_rows("chat_own_golden.jsonl")) {
    const auto file = row["file"].get<std::string>();
    CAPTURE(file, row["talk"].get<std::string>());
    const auto parsed = Template::parse(read_text(std::filesystem::path(LLMOPS_TEST_SOURCE_DIR) / "data/text/chat" / file), {}, TemplateMode::kCompatible);
    if (!parsed) FAIL_CHECK(parsed.error().message);
    if (!parsed) continue;
    const auto text = parsed->render(scope_of(row["scope"]));
    CHECK(text.has_value() == row.contains("text"));
    if (text && row.contains("text")) CHECK(*text == row["text"].get<std::string>());
    texts += text.has_value() ? 1 : 0;
  }
  CHECK(texts > 40);
}

TEST_CASE("chat templates of models render as transformers does", "[jinja]") {
  const auto root = test::data_root();
  if (!root) {
    test::note_left_out("deploy/chat_templates");
    return;
  }
  size_t agreed = 0, texts = 0;
  for (const Json& row : read_rows("chat_templates_golden.jsonl")) {
    const auto file = row["file"].get<std::string>();
    CAPTURE(file, row["talk"].get<std::string>());
    const auto parsed = Template::parse(read_text(*root / "deploy/chat_templates" / file), {}, TemplateMode::kCompatible);
    if (!parsed) FAIL_CHECK(parsed.error().message);
    if (!parsed) continue;
    const auto text = parsed->render(scope_of(row["scope"]));
    if (row.contains("fails")) {
      // A generator is a list here, which tojson can write.
      if (row["fails"].get<std::string>().find("generator") == std::string::npos) CHECK_FALSE(text);
      continue;
    }
    ++texts;
    if (!text) FAIL_CHECK(text.error().message);
    else CHECK(*text == row["expected"].get<std::string>());
    agreed += text && *text == row["expected"].get<std::string>() ? 1 : 0;
  }
  CHECK(texts > 160);
  INFO(agreed << " of " << texts << " texts agree");
  CHECK(agreed == texts);
}

}  // namespace llmops
