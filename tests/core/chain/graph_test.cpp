// References between steps, the order of steps, cycles, and overrides.
#include "tests/core/chain/chain_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string refused(const std::string& steps, const std::string& output) {
  const ChainFolder folder;
  return folder.refusal(kHead + kEcho + "steps:\n" + steps + "output: \"" + output + "\"\n");
}

std::vector<std::string> order(const Chain& chain) {
  std::vector<std::string> ids;
  for (const StepSpec& step : chain.steps) ids.push_back(step.id);
  return ids;
}

const std::string kTwo = "  - {id: first, template: \"{{ question }}\"}\n  - {id: second, template: \"{{ steps.first.output }}\"}\n";

}  // namespace

TEST_CASE("a template may read inputs and steps, and nothing else") {
  CHECK(refused(kTwo, "{{ steps.second.output }}") == "loaded");
  CHECK(refused(kTwo, "{{ qestion }}") == "demo.chain.yaml:8:13: 'qestion' is undefined: it is neither an input of the chain nor a step | did you mean 'question'?");
  CHECK(refused(kTwo, "{{ steps.secnd.output }}") == "demo.chain.yaml:8:13: unknown step 'secnd' | did you mean 'second'?");
  CHECK(refused(kTwo, "{{ steps.second.outptu }}") == "demo.chain.yaml:8:13: a step has no 'outptu' | read .output, .skipped, .error, .tool_calls, .turns or .spans");
  CHECK(refused(kTwo, "{{ item }}").find("'item' is undefined") != std::string::npos);
  CHECK(refused(kTwo, "{{ case.id }}").find("'case' is undefined: it is neither an input of the chain nor a step") != std::string::npos);
  CHECK(refused(kTwo, "{{ second }}").find("'second' is undefined") != std::string::npos);
  CHECK(refused("  - {id: a, template: \"x\"}\n  - {id: b, template: \"{{ steps.c.output }}\"}\n", "x") == "demo.chain.yaml:7:27: unknown step 'c' | did you mean 'a'?");
}

TEST_CASE("a guarded name may be undefined, a guarded step may not") {
  CHECK(refused(kTwo, "{{ extra | default('none') }}") == "loaded");
  CHECK(refused(kTwo, "{% if extra is defined %}{{ question }}{% endif %}") == "loaded");
  CHECK(refused(kTwo, "{{ steps.secnd.output | default('x') }}").find("unknown step 'secnd'") != std::string::npos);
}

TEST_CASE("'item' belongs to a step with for_each only") {
  CHECK(refused("  - {id: each, for_each: \"{{ history }}\", template: \"{{ item }}\"}\n", "{{ steps.each.output }}") == "loaded");
  CHECK(refused("  - {id: each, template: \"{{ item }}\"}\n", "x").find("'item' is undefined") != std::string::npos);
}

TEST_CASE("steps are put in an order that respects what they read; ties keep the order of the document") {
  const ChainFolder folder;
  const std::string text = kHead + kEcho +
                           "steps:\n"
                           "  - {id: last, template: \"{{ steps.b.output }}{{ steps.a.skipped }}\"}\n"
                           "  - {id: c, template: x}\n"
                           "  - {id: b, template: \"{{ steps.a.output | default('') }}\"}\n"
                           "  - {id: a, template: x}\n"
                           "output: \"{{ steps.last.output }}\"\n";
  const Chain chain = folder.must_load(text);
  CHECK(order(chain) == std::vector<std::string>{"c", "a", "b", "last"});
  const StepSpec* last = chain.find_step("last");
  REQUIRE(last != nullptr);
  CHECK(last->needs == std::vector<std::string>{"b", "a"});
  CHECK(last->needs_output == std::vector<std::string>{"b"});
  CHECK(chain.find_step("b")->needs == std::vector<std::string>{"a"});
  CHECK(chain.find_step("b")->needs_output.empty());
  CHECK(chain.find_step("none") == nullptr);
  CHECK(std::string(last->kind_name()) == "template");
}

TEST_CASE("an exec step reads every step above it, whatever its templates say") {
  const ChainFolder folder;
  folder.dir.write("tool.sh", "");
  const Chain chain = folder.must_load(kHead + kEcho + "steps:\n  - {id: a, template: x}\n  - {id: own, exec: {argv: [./tool.sh]}}\n  - {id: after, template: y}\noutput: \"{{ steps.own.output }}\"\n");
  CHECK(chain.find_step("own")->needs == std::vector<std::string>{"a"});
  CHECK(chain.find_step("own")->needs_output.empty());
}

TEST_CASE("steps that need each other are refused with the cycle") {
  CHECK(refused("  - {id: a, template: \"{{ steps.a.output }}\"}\n", "x") == "demo.chain.yaml:6:10: steps need each other in a cycle: 'a' -> 'a' | a step can only read steps that do not read it");
  CHECK(refused("  - {id: a, template: \"{{ steps.b.output }}\"}\n  - {id: b, template: \"{{ steps.a.output }}\"}\n", "x") ==
        "demo.chain.yaml:6:10: steps need each other in a cycle: 'a' -> 'b' -> 'a' | a step can only read steps that do not read it");
  // The step that only hangs on the cycle is not named.
  CHECK(refused("  - {id: tail, template: \"{{ steps.x.output }}\"}\n  - {id: x, template: \"{{ steps.y.output }}\"}\n  - {id: y, template: \"{{ steps.z.error }}\"}\n  - {id: z, when: \"{{ steps.x.skipped }}\", template: q}\n", "x") ==
        "demo.chain.yaml:7:10: steps need each other in a cycle: 'x' -> 'y' -> 'z' -> 'x' | a step can only read steps that do not read it");
}

TEST_CASE("an override changes one key, and the version with it") {
  const ChainFolder folder;
  const std::string text = kHead + "models: {main: {provider: openai, model: small, base_url: 'http://127.0.0.1:1/v1', params: {temperature: 0}}}\n" + kAnswer + kOutput;
  const Chain plain = folder.must_load(text);
  const Chain other = folder.must_load(text, {"models.main.model=large"});
  CHECK(other.models.at("main").model == "large");
  CHECK(other.vid != plain.vid);
  CHECK(folder.must_load(text, {"models.main.model=small"}).vid == plain.vid);
  // A key that is not part of the version leaves it alone.
  CHECK(folder.must_load(text, {"models.main.timeout_s=3"}).vid == plain.vid);
  CHECK(folder.must_load(text, {"models.main.timeout_s=3"}).models.at("main").timeout_s == 3);
  const Chain deep = folder.must_load(text, {"models.main.params.stop=[a, b]", "models.main.params.nested.key=1.10", "models.main.params.temperature=no", "models.main.params.empty="});
  CHECK(dump_json(deep.models.at("main").params) == R"({"temperature":"no","stop":["a","b"],"nested":{"key":1.1},"empty":""})");
  CHECK(folder.must_load(text, {"steps.answer.prompt=Say {{ question }}"}).vid != plain.vid);
}

TEST_CASE("an override that names nothing is a usage error with the closest name") {
  const ChainFolder folder;
  folder.dir.write("demo.chain.yaml", kHead + kEcho + kAnswer + kOutput);
  const auto usage = [&](const std::string& set) {
    const auto chain = folder.load_file({set});
    if (chain) return std::string("loaded");
    CHECK(chain.error().code == ErrorCode::kUsage);
    return told(chain.error());
  };
  CHECK(usage("models.mian.model=x") == "cannot set 'models.mian.model': there is no 'mian' in models | did you mean 'main'?");
  CHECK(usage("steps.anser.prompt=x") == "cannot set 'steps.anser.prompt': there is no 'anser' in steps | did you mean 'answer'?");
  CHECK(usage("model.main.model=x") == "cannot set 'model.main.model': unknown section 'model' | did you mean 'models'?");
  CHECK(usage("assets.kb.path=x") == "cannot set 'assets.kb.path': unknown section 'assets' | add the section to the file first");
  CHECK(usage("models.main=x") == "cannot set 'models.main': it names no key | write models.NAME.key, steps.ID.key, assets.NAME.path or inputs.NAME");
  CHECK(usage("models.main.provider.x=1") == "cannot set 'models.main.provider.x': 'provider' is not a mapping | name a key of a mapping");
  CHECK(usage("temperature") == "'temperature' is not PATH=VALUE | write it like models.main.params.temperature=0.2");
  CHECK(usage("=x") == "'=x' is not PATH=VALUE | write it like models.main.params.temperature=0.2");
  CHECK(usage("models.main.params.x=[1").find("value '[1' of 'models.main.params.x' cannot be read: malformed YAML: ") == 0);
  CHECK(usage("models.main.params.x=&a 1").find("cannot be read: anchors are not allowed | quote it as YAML") != std::string::npos);
}

TEST_CASE("what an override breaks is refused as if it stood in the file") {
  const ChainFolder folder;
  const std::string text = kHead + kEcho + kAnswer + kOutput;
  CHECK(folder.refusal(text, {"models.main.provider=nope"}).find("unknown provider 'nope'") != std::string::npos);
  CHECK(folder.refusal(text, {"models.main.tempratur=1"}).find("unknown key 'tempratur' in model 'main'") != std::string::npos);
}
