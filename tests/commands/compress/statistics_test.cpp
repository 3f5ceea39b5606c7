// Statistics of calibration from one format to another, as files that were read and made.
#include <catch2/catch.hpp>

#include "core/base/hash.h"
#include "core/model/calibration.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Statistics : ModelFolder {
  Calibration made;
  void write_own() const {
    const auto hessians = [](const CalibrationEntry& entry) -> Result<std::vector<float>> {
      std::vector<float> gram(entry.inputs() * entry.inputs(), 0.0F);
      for (size_t i = 0; i < entry.inputs(); ++i) gram[i * entry.inputs() + i] = entry.sums[i];
      return gram;
    };
    must(write_calibration(root() / "own.safetensors", made, hessians));
  }
};

std::string digest_of(const fs::path& path) { return must(sha256_file(path)).sha256; }

}  // namespace

TEST_CASE("Hessians and the importance of layers that the other formats have no place for are told of") {
  for (const std::string output : {"out.gguf", "out.dat", "out.safetensors"}) {
    CAPTURE(output);
    Statistics project;
    project.made.entries.push_back(must(make_calibration_entry("blk.0.attn_q.weight", {1, 2}, {1})));
    project.made.entries[0].has_hessian = true;
    project.made.block_influence = {0.5F};
    project.write_own();
    const CompressWriteReport report = project.convert("own.safetensors", output);
    CHECK(has_warning(report.warnings, "1 Hessians are left out") == (output != "out.safetensors"));
    CHECK(has_warning(report.warnings, "the importance of layers, heads and channels is left out") == (output != "out.safetensors"));
    REQUIRE(report.sources.size() == 1);
    CHECK(report.sources[0].name == "own.safetensors");
    CHECK(report.sources[0].sha256 == digest_of(project.root() / "own.safetensors"));
    REQUIRE(report.outputs.size() == 1);
    CHECK(report.outputs[0].name == output);
    CHECK(report.outputs[0].sha256 == digest_of(project.root() / output));
    CHECK(report.output_bytes == fs::file_size(project.root() / output));
  }
}

TEST_CASE("statistics of layers alone do not become a file that holds nothing") {
  Statistics project;
  project.made.block_influence = {0.5F};
  project.write_own();
  for (const std::string output : {"out.gguf", "out.dat"}) {
    CHECK(project.refused([&] { return project.try_convert("own.safetensors", output); }) == fmt::format("'own.safetensors' has no sums of squares of any weight, and '{}' holds nothing else | write to a name that ends in .safetensors", output));
  }
  project.convert("own.safetensors", "copy.safetensors");
  CHECK(must(open_calibration(project.root() / "copy.safetensors", "copy")).block_influence == project.made.block_influence);
}

TEST_CASE("statistics have no dtype") {
  Statistics project;
  project.made.block_influence = {0.5F};
  project.write_own();
  CHECK(project.refused([&] { return project.try_convert("own.safetensors", "copy.safetensors", "F16"); }) == "--dtype is for weights, and 'own.safetensors' holds statistics | leave it out");
}

TEST_CASE("a report names the statistics that weights were made with, by their digest") {
  ModelFolder project;
  project.write_model(small("llama", "BF16", 256));
  Calibration statistics;
  statistics.entries.push_back(must(make_calibration_entry("blk.0.attn_q.weight", std::vector<float>(256, 1.0F), {1})));
  must(write_imatrix_gguf(project.root() / "imatrix.gguf", statistics));
  CompressQuantizeOptions options = project.quantize_options("m", "q.gguf", "Q4_K_M");
  options.importance = "imatrix.gguf";
  const CompressWriteReport report = must(compress_quantize(project.session(), options));
  REQUIRE(report.sources.size() == 2);
  CHECK(report.sources[0].name == "m/model.safetensors");
  CHECK(report.sources[1].name == "imatrix.gguf");
  CHECK(report.sources[1].sha256 == digest_of(project.root() / "imatrix.gguf"));
}
