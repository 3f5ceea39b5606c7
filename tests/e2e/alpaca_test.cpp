// Eight models that answered the same 805 instructions (tatsu-lab/alpaca_eval, results/MODEL/model_outputs.json), replayed
// as they were published. One chain; `--set` says whose replies it uses. The 805 instructions are distinct, so each is its
// own key.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "tests/support/run_program.h"

namespace llmops::test {
namespace {

using nlohmann::json;

constexpr const char* kChain = R"(llmops: chain/v1
name: alpaca
inputs: [instruction]
models:
  main: {provider: replay, path: outputs/alpaca-7b.json, key: /instruction, reply: /output}
steps:
  - {id: answer, model: main, prompt: "{{ instruction }}"}
output: "{{ steps.answer.output }}"
)";

constexpr const char* kSuite = R"(llmops: eval/v1
chain: alpaca.chain.yaml
dataset: {path: outputs/gpt4_1106_preview.json}
inputs: {instruction: "{{ case.instruction }}"}
metrics:
  - {name: says_something, type: regex, target: output, pattern: "\\S"}
  - {name: as_gpt4, type: equals, target: output, expected: "{{ case.output }}"}
gates: [error_rate <= 0]
)";

const std::set<std::string> kModels = {"Meta-Llama-3-8B-Instruct", "alpaca-7b", "claude-2", "gpt-3.5-turbo-0301", "gpt-4o-2024-05-13", "gpt4_1106_preview", "text_davinci_003", "vicuna-13b"};

double mean_of(const json& report, const std::string& metric) {
  for (const json& row : report["metrics"]) if (row["metric"] == metric) return row["mean"].get<double>();
  FAIL("no metric " << metric);
  return -1;
}

}  // namespace

TEST_CASE("the recorded replies of eight models answer 805 instructions each, switched with --set", "[e2e]") {
  const auto data = data_root();
  if (!data) return note_left_out("e2e: eight models on the 805 instructions of alpaca_eval");
  Project project;
  std::filesystem::copy(*data / "alpaca_eval/outputs", project.root() / "outputs");
  project.write("alpaca.chain.yaml", kChain);
  project.write("alpaca.eval.yaml", kSuite);
  std::set<std::string> versions;
  for (const std::string& model : kModels) {
    INFO(model);
    const std::string path = "outputs/" + model + ".json";
    const json report = project.json({"eval", "run", "--set", "models.main.path=" + path}, 0);
    CHECK(report["cases"] == json{{"total", 805}, {"done", 805}, {"without_score", 0}, {"repeat", 1}});
    CHECK(report["errors"] == json::array());
    CHECK(report["models"] == json::array({"main = replay " + path}));
    versions.insert(report["chain"]["vid"].get<std::string>());

    // The published file itself says how many replies are empty; text_davinci_003 has two.
    const json published = json::parse(project.read(path));
    REQUIRE(published.size() == 805);
    int empty = 0, same = 0;
    const json reference = json::parse(project.read("outputs/gpt4_1106_preview.json"));
    for (size_t i = 0; i < published.size(); ++i) {
      empty += published[i]["output"].get<std::string>().empty() ? 1 : 0;
      same += published[i]["output"] == reference[i]["output"] ? 1 : 0;
    }
    CHECK(empty == (model == "text_davinci_003" ? 2 : 0));
    CHECK(mean_of(report, "says_something") == Approx((805.0 - empty) / 805).epsilon(1e-12));
    CHECK(mean_of(report, "as_gpt4") == Approx(same / 805.0).epsilon(1e-12));
  }
  // Whose replies are used is part of the version.
  CHECK(versions.size() == kModels.size());
  CHECK(project.json({"eval", "list", "--limit", "0"}, 0)["runs"].size() == kModels.size());
}

TEST_CASE("two recorded replies to one instruction are refused before the run has a number", "[e2e]") {
  Project project;
  project.write("outputs/one.json", R"([{"instruction": "Say a.", "output": "a"}, {"instruction": "Say b.", "output": "b"}, {"instruction": "Say a.", "output": "c"}])");
  std::string chain = kChain, suite = kSuite;
  chain.replace(chain.find("alpaca-7b"), 9, "one");
  suite.replace(suite.find("gpt4_1106_preview"), 17, "one");
  project.write("alpaca.chain.yaml", chain);
  project.write("alpaca.eval.yaml", suite);
  const ProgramResult result = project.llmops({"eval", "run"});
  CHECK(result.exit_code == 2);
  CHECK(result.err.find("two recorded replies have the key 'Say a.': row 1 and row 3") != std::string::npos);
  CHECK(result.err.find("hint: remove one of them, or set `key` to a value that tells them apart") != std::string::npos);
  const json list = project.json({"eval", "list"}, 0);
  CHECK(list["runs"] == json::array());
}

}  // namespace llmops::test
