// How a file of weights was made, as the history of versions tells it.
#include <catch2/catch.hpp>

#include "commands/version/version.h"
#include "core/base/hash.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

TEST_CASE("a version that holds a quantized model tells from what, how and how well it was made") {
  ModelFolder project;
  project.write_model(small("llama", "BF16", 256));
  project.write("c.chain.yaml", "llmops: chain/v1\nname: c\ninputs: [q]\nmodels: {main: {provider: echo}}\nassets: {weights: {kind: model, path: small.gguf}}\nsteps:\n  - {id: say, model: main, prompt: \"{{ q }}\"}\noutput: \"{{ steps.say.output }}\"\n");
  Session session = project.session();
  must(session.store(true));
  must(compress_quantize(session, project.quantize_options("m", "small.gguf", "Q4_K_M")));
  must(version_commit(session, {"", "smaller", false}));
  const VersionShowReport shown = must(version_show(session, "", ""));
  REQUIRE(shown.made.size() == 1);
  const MadeAsset& made = shown.made[0];
  CHECK(made.path == "small.gguf");
  CHECK(made.report["command"] == "quantize");
  CHECK(made.report["type"] == "Q4_K_M");
  CHECK(made.report["tool"] == "llmops " LLMOPS_VERSION);
  CHECK(made.report["sources"][0]["sha256"] == must(sha256_file(project.root() / "m" / "model.safetensors")).sha256);
  CHECK(made.report["outputs"][0]["sha256"] == must(sha256_file(project.root() / "small.gguf")).sha256);
  CHECK(made.report["error"]["relative_rms"].get<double>() > 0.01);
  CHECK(made.report["tensors"].size() == stored_model(project.root() / "small.gguf").size());
}

TEST_CASE("outside of a project, or unverified, nothing is kept and no store is made") {
  ModelFolder project;
  project.write_model(small("llama", "BF16", 256));
  must(compress_quantize(project.session(), project.quantize_options("m", "a.gguf", "Q8_0")));
  CHECK_FALSE(fs::exists(project.root() / ".llmops"));
  must(project.session().store(true));
  CompressQuantizeOptions options = project.quantize_options("m", "b.gguf", "Q8_0");
  options.rewrite.verify = false;
  must(compress_quantize(project.session(), options));
  const Session session = project.session();
  CHECK_FALSE(must(must(session.store(false))->made_file(must(sha256_file(project.root() / "b.gguf")).sha256)).has_value());
}
