// What a person gets for input that is wrong: exit 2, the place as file:line:column, the cause, a hint; no run, no file that
// is half-written.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/run_program.h"

namespace llmops::test {
namespace {

using nlohmann::json;

constexpr const char* kChain = R"(llmops: chain/v1
name: bot
inputs: [question]
models:
  main: {provider: echo}
steps:
  - {id: answer, model: main, prompt: "{{ question }}"}
output: "{{ steps.answer.output }}"
)";
constexpr const char* kSuite = R"(llmops: eval/v1
chain: bot.chain.yaml
dataset: {path: data.jsonl, id: id}
inputs: {question: "{{ case.question }}"}
metrics:
  - {name: right, type: equals, target: output, expected: "{{ case.answer }}"}
)";
constexpr const char* kRows = "{\"id\": \"a\", \"question\": \"one\", \"answer\": \"one\"}\n{\"id\": \"b\", \"question\": \"two\", \"answer\": \"two\"}\n";

void write_good(const Project& project) {
  project.write("bot.chain.yaml", kChain);
  project.write("bot.eval.yaml", kSuite);
  project.write("data.jsonl", kRows);
}

std::string with(std::string text, const std::string& old_part, const std::string& new_part) {
  const size_t at = text.find(old_part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, old_part.size(), new_part);
}
std::string chain(const std::string& old_part, const std::string& new_part) { return with(kChain, old_part, new_part); }
std::string suite(const std::string& old_part, const std::string& new_part) { return with(kSuite, old_part, new_part); }

constexpr const char* kPrompt = "prompt: \"{{ question }}\"";

struct Bad {
  const char* what;
  std::string file, bytes;         // the file that is written over
  std::string message;             // after "error: "
  std::string place;               // file:line:column, or file:line where a row has no column; empty: none
  std::string hint;                // empty: not asserted
  std::vector<std::pair<std::string, std::string>> more = {};   // further files
};

std::vector<Bad> bad_chains() {
  const std::string file = "bot.chain.yaml";
  return {
      {"a tab", file, chain("  main:", "\tmain:"), "malformed YAML", file + ":5:", "indent"},
      {"an open quote", file, chain("name: bot", "name: \"bot"), "malformed YAML", file + ":", "indent keys of one mapping alike, and close every quote before this place"},
      {"an anchor", file, chain("name: bot", "name: &a bot"), "anchors are not allowed", file + ":2:7", "write the value out where it is needed"},
      {"a duplicate key", file, chain("name: bot", "name: bot\nname: bot"), "duplicate key 'name'", file + ":3:1", "remove one of the two"},
      {"deep nesting", file, "llmops: chain/v1\nname: " + std::string(100, '[') + std::string(100, ']') + "\n", "nesting is deeper than 64", file + ":2:", "nest less deeply"},
      {"nothing", file, "", "'bot.chain.yaml' is empty", file + ":1:1", "run `llmops init` for an example"},
      {"bytes", file, std::string("\0\1\xff", 3), "text is not valid UTF-8", file + ":1:3", "save the file as UTF-8"},
      {"a text", file, "hello\n", "a chain must be a mapping", file + ":1:1", "begin with `llmops: chain/v1`"},
      {"a misspelt required key", file, chain("output:", "outptu:"), "unknown key 'outptu' in the chain", file + ":8:1", "did you mean 'output'?"},
      {"a misspelt prompt", file, chain("prompt:", "promt:"), "unknown key 'promt' in step 1", file + ":7:31", "did you mean 'prompt'?"},
      {"an unknown key", file, chain("inputs:", "input:"), "unknown key 'input' in the chain", file + ":3:1", "did you mean 'inputs'?"},
      {"an unknown provider", file, chain("echo", "ecko"), "unknown provider 'ecko'", file + ":5:20", "did you mean 'echo'?"},
      {"an unknown step", file, chain("steps.answer.output", "steps.anser.output"), "unknown step 'anser'", file + ":8:13", "did you mean 'answer'?"},
      {"an unknown model", file, chain("model: main", "model: mian"), "unknown model 'mian'", file + ":7:25", "did you mean 'main'?"},
      {"an unknown asset", file, chain(kPrompt, "messages: [{role: system, asset: sytem}]"), "unknown asset 'sytem'", file + ":7:64", "declare it under `assets:`"},
      {"a cycle", file, chain("output: \"{{ steps.answer.output }}\"", "  - {id: b, template: \"{{ steps.c.output }}\"}\n  - {id: c, template: \"{{ steps.b.output }}\"}\noutput: \"{{ steps.c.output }}\""),
       "steps need each other in a cycle: 'b' -> 'c' -> 'b'", file + ":8:10", "a step can only read steps that do not read it"},
      {"an undefined name", file, chain("{{ question }}", "{{ qestion }}"), "'qestion' is undefined: it is neither an input of the chain nor a step", file + ":7:43", "did you mean 'question'?"},
      {"a broken template", file, chain("{{ question }}", "{{ question | }}"), "unexpected '}}', expected the name of a filter", file + ":7:54", "write the name of a filter here"},
      {"a missing file", file, chain(kPrompt, "messages: [{role: user, file: prompts/x.md}]"), "file 'prompts/x.md' does not exist", file + ":7:61", "paths are relative to the chain file"},
      {"a path outside", file, chain(kPrompt, "messages: [{role: user, file: ../x.md}]"), "path '../x.md' leads outside the project", file + ":7:61", "keep files below"},
      {"an absolute path", file, chain(kPrompt, "messages: [{role: user, file: /etc/hostname}]"), "path '/etc/hostname' is absolute", file + ":7:61", "write it relative to the file it stands in"},
      {"a key in the file", file, chain("provider: echo", "provider: openai, model: m, api_key: sk-123"), "api_key must name a variable of the environment, not hold the key itself", file + ":5:47",
       "write api_key: ${env:OPENAI_API_KEY}"},
      {"a broken schema", file, chain("output:", "  - {id: p, extract: {from: \"{{ steps.answer.output }}\", json: true, schema: s.json}}\noutput:"), "malformed JSON: unexpected '}'", "s.json:2:1", "remove the comma before it, or write the value that is missing",
       {{"s.json", "{\"type\": \n}"}}},
      {"a broken recorded reply", file, chain("provider: echo", "provider: replay, path: r.jsonl"), "malformed JSON: unexpected '}'", "r.jsonl:2:9", "remove the comma before it, or write the value that is missing", {{"r.jsonl", "{\"key\": \"one\", \"output\": \"x\"}\n{\"key\": }\n"}}},
      {"a recorded reply without key", file, chain("provider: echo", "provider: replay, path: r.jsonl"), "recorded reply has no '/key'", "r.jsonl:1", "set `key` to where each row has its key",
       {{"r.jsonl", "{\"kee\": 1, \"output\": \"x\"}\n"}}},
      {"a key of the project", "llmops.yaml", "llmops: project/v1\nchain: []\n", "unknown key 'chain' in llmops.yaml", "llmops.yaml:2:1", "did you mean 'chains'?"},
  };
}

std::vector<Bad> bad_suites() {
  const std::string file = "bot.eval.yaml";
  return {
      {"a misspelt required key", file, suite("dataset:", "datset:"), "unknown key 'datset' in the suite", file + ":3:1", "did you mean 'dataset'?"},
      {"a misspelt parameter", file, suite("expected:", "expect:"), "unknown key 'expect' in metric 1", file + ":6:49", "did you mean 'expected'?"},
      {"an unknown key", file, suite("metrics:", "metric:"), "unknown key 'metric' in the suite", file + ":5:1", "did you mean 'metrics'?"},
      {"an unknown metric", file, suite("type: equals", "type: equal"), "unknown metric 'equal'", file + ":6:25", "did you mean 'equals'? See: llmops eval metrics"},
      {"an unknown target", file, suite("target: output", "target: steps.anwser.output"), "unknown step 'anwser'", file + ":6:41", "did you mean 'answer'?"},
      {"a missing parameter", file, suite(", expected: \"{{ case.answer }}\"", ""), "metric 1 has no 'expected'", file + ":6:5", "expected: the right value"},
      {"a missing dataset", file, suite("data.jsonl", "dat.jsonl"), "file 'dat.jsonl' does not exist", file + ":3:17", "paths are relative to the suite file"},
      {"a missing chain", file, suite("bot.chain", "bit.chain"), "chain 'bit.chain.yaml' does not exist", file + ":2:8", "paths are relative to the suite file"},
      {"a malformed gate", file, std::string(kSuite) + "gates: [right => 1]\n", "unknown comparison '=>'", file + ":7:15", "did you mean '>='?"},
      {"a gate on nothing", file, std::string(kSuite) + "gates: [rihgt >= 1]\n", "unknown name 'rihgt'", file + ":7:9", "did you mean 'right'?"},
      {"a gate without baseline", file, std::string(kSuite) + "gates: [right >= baseline]\n", "gate 'right >= baseline' needs a baseline", file + ":7:", "add --baseline RUN, REF or FILE"},
      {"an unknown column", file, suite("case.answer", "case.anwser"), "no row of 'data.jsonl' has a column 'anwser'", file + ":6:59", "did you mean 'answer'?"},
  };
}

std::vector<Bad> bad_datasets() {
  const auto of = [](const char* what, const std::string& name, const std::string& bytes, const std::string& message, const std::string& place, const std::string& hint) {
    return Bad{what, name, bytes, message, place, hint, {{"bot.eval.yaml", suite("data.jsonl", name)}}};
  };
  const std::string rows = kRows;
  return {
      of("cut JSONL", "d.jsonl", rows + "{\"id\": \"c\", \"question\": \n", "row 3: malformed JSON: unexpected end of input", "d.jsonl:3:25", "close the quote, bracket or brace that is open"),
      of("a list in JSONL", "d.jsonl", rows + "[1]\n", "row 3 is a list, not an object", "d.jsonl:3", "write every row as an object of columns"),
      of("bytes that are not UTF-8", "d.jsonl", rows + "{\"id\": \"\xff\"}\n", "row 3: malformed JSON: invalid string: ill-formed UTF-8 byte", "d.jsonl:3:9", "save the text as UTF-8"),
      of("malformed JSON", "d.json", "[{\"id\": \"a\",\n \"question\": \"x\" \"answer\": 1}]", "malformed JSON: unexpected string literal", "d.json:2:25", "look for a missing comma, colon or quote before this place"),
      of("a short CSV row", "d.csv", "id,question,answer\na,one,one\nb,two\n", "row 2 has 2 fields, the header has 3", "d.csv:3:6", "write all fields, empty ones too"),
      of("a long CSV row", "d.csv", "id,question,answer\na,one,one,more\n", "row 1 has 4 fields, the header has 3", "d.csv:2:11", "put a field that holds a comma in quotes"),
      of("UTF-16", "d.csv", std::string("\xFF\xFEi\0d\0", 6), "'d.csv' is UTF-16 text", "d.csv:1:1", "convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW"),
      of("an open quote", "d.csv", "id,question,answer\na,one,one\nb,\"two,two\n", "row 2 has a quote that is never closed", "d.csv:3:3", "close it, or double a quote that belongs to the field"),
      of("two columns of one name", "d.csv", "id,question,question\na,one,one\n", "the header names 'question' twice", "d.csv:1:13", "rename one of the two"),
      of("an id twice", "d.jsonl", rows + "{\"id\": \"a\", \"question\": \"x\", \"answer\": \"x\"}\n", "row 3 has the id 'a' of row 1", "d.jsonl:3:1", "give every row an id of its own"),
      of("a row without id", "d.jsonl", rows + "{\"question\": \"x\", \"answer\": \"x\"}\n", "row 3 has no 'id'", "d.jsonl:3:1", "give every row an id, or leave `id` out of the suite"),
      of("no rows", "d.jsonl", "", "dataset 'd.jsonl' holds no rows", "d.jsonl:1:1", "add at least one row"),
      of("a header alone", "d.csv", "id,question,answer\n", "dataset 'd.csv' holds no rows", "d.csv:1:1", "add at least one row"),
  };
}

void check_refused(const Project& project, const ProgramResult& result, const Bad& bad) {
  INFO(result.out << result.err);
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK(result.err.find("error: " + bad.message) != std::string::npos);
  if (!bad.place.empty()) CHECK(result.err.find("\n  --> " + bad.place) != std::string::npos);
  if (!bad.hint.empty()) CHECK(result.err.find("\nhint: " + bad.hint) != std::string::npos);
  CHECK(project.leftovers() == std::vector<std::string>());
}

void check_all(const std::vector<Bad>& table) {
  for (const Bad& bad : table) {
    INFO(bad.what);
    Project project;
    write_good(project);
    for (const auto& [name, bytes] : bad.more) project.write(name, bytes);
    project.write(bad.file, bad.bytes);
    check_refused(project, project.llmops({"eval", "run", "-o", "report.json"}), bad);
    CHECK_FALSE(std::filesystem::exists(project.root() / "report.json"));
    const json document = project.json({"eval", "run"}, 2);
    CHECK(document["schema"] == "llmops.error/v1");
    CHECK(document["error"]["message"].get<std::string>().starts_with(bad.message));
    if (!bad.place.empty()) CHECK(document["error"]["where"]["line"].get<int>() >= 1);
    // Nothing of it became a run. (Listing needs no chain, but a project file that can be read.)
    if (bad.file == "llmops.yaml") project.write("llmops.yaml", "llmops: project/v1\n");
    CHECK(project.json({"eval", "list"}, 0)["runs"] == json::array());
    // Set right, it runs.
    write_good(project);
    CHECK(project.llmops({"eval", "run"}).exit_code == 0);
  }
}

}  // namespace

TEST_CASE("a chain that is wrong is refused with its place and cause", "[e2e]") { check_all(bad_chains()); }
TEST_CASE("a suite that is wrong is refused with its place and cause", "[e2e]") { check_all(bad_suites()); }
TEST_CASE("a dataset that is wrong is refused with its row", "[e2e]") { check_all(bad_datasets()); }

TEST_CASE("a path that leaves the project through a link is refused", "[e2e]") {
  Project project;
  write_good(project);
  project.directory.write("secret.md", "outside");
  std::filesystem::create_symlink("../secret.md", project.root() / "link.md");
  project.write("bot.chain.yaml", chain(kPrompt, "messages: [{role: user, file: link.md}]"));
  check_refused(project, project.llmops({"eval", "run"}), {"", "", "", "path 'link.md' leads outside the project through a symbolic link", "bot.chain.yaml:7:61", "copy the file into the project"});
  // The dataset as well.
  std::filesystem::create_symlink("../secret.md", project.root() / "rows.jsonl");
  write_good(project);
  project.write("bot.eval.yaml", suite("data.jsonl", "rows.jsonl"));
  check_refused(project, project.llmops({"eval", "run"}), {"", "", "", "path 'rows.jsonl' leads outside the project through a symbolic link", "bot.eval.yaml:3:17", ""});
}

TEST_CASE("options that are wrong are refused before anything is read", "[e2e]") {
  Project project;
  write_good(project);
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& message, const std::string& hint) { check_refused(project, project.llmops(arguments), {"", "", "", message, "", hint}); };
  refused({"eval", "run", "--set", "models.mian.model=x"}, "cannot set 'models.mian.model': there is no 'mian' in models", "did you mean 'main'?");
  refused({"eval", "run", "--set", "models.main"}, "'models.main' is not PATH=VALUE", "write it like models.main.params.temperature=0.2");
  refused({"eval", "run", "--jbos", "3"}, "unknown option '--jbos'", "did you mean '--jobs'?");
  refused({"eval", "rnu"}, "unknown command 'eval rnu'", "did you mean 'llmops eval run'?");
  refused({"eval", "run", "-o", "r.txt"}, "'r.txt' has no known extension", "write .json or .jsonl");
  refused({"eval", "run", "-o", "nowhere/r.json"}, "directory of 'nowhere/r.json' does not exist", "make it first");
  refused({"eval", "run", "--filter", "question=three"}, "no case is left to run", "look at --filter, --limit, --sample and --failed-of");
  CHECK(project.json({"eval", "list"}, 0)["runs"] == json::array());
}

}  // namespace llmops::test
