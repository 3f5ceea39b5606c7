// Quantization as a command: types and bytes of llama.cpp's own quantizer, and what is refused.
#include "commands/compress/quantize.h"

#include <catch2/catch.hpp>
#include <map>

#include "core/base/hash.h"
#include "core/format/bounded_file.h"
#include "tests/commands/project_fixture.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Stored { std::string type, sha256; };

std::map<std::string, Stored> stored_in(const fs::path& path) {
  const auto header = read_gguf_header(path, path.filename().string());
  REQUIRE(header);
  const auto file = BoundedFile::open(path, "file");
  REQUIRE(file);
  std::map<std::string, Stored> stored;
  for (const TensorInfo& tensor : header->tensors) {
    std::string bytes(tensor.size_bytes, '\0');
    REQUIRE(file->read_at(bytes.data(), bytes.size(), tensor.offset_bytes));
    stored[tensor.name] = {tensor.type, sha256_hex(bytes)};
  }
  return stored;
}

CompressQuantizeOptions to(const std::string& source, const std::string& output, const std::string& type) {
  CompressQuantizeOptions options;
  options.model = source;
  options.output = output;
  options.type = type;
  return options;
}

}  // namespace

TEST_CASE("each of 18 types and mixes gives the types and the bytes of llama.cpp, on rows that divide and on rows that do not") {
  const auto root = data_root();
  if (!root) return note_left_out("files of llama.cpp's quantizer");
  ProjectFolder project;
  const Session session = project.session();
  for (const std::string model : {"tiny", "tiny-odd"}) {
    const std::string source = (*root / "quant" / (model + "-f32.gguf")).string();
    for (const std::string type : {"F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS"}) {
      CAPTURE(model, type);
      const std::string output = model + "-" + type + ".gguf";
      const auto report = compress_quantize(session, to(source, output, type));
      if (!report) FAIL(told(report.error()));
      CHECK(report->is_verified);
      const auto theirs = stored_in(*root / "quant" / output), ours = stored_in(project.root() / output);
      REQUIRE(ours.size() == theirs.size());
      for (const auto& [name, tensor] : theirs) {
        CAPTURE(name);
        CHECK(ours.at(name).type == tensor.type);
        CHECK(ours.at(name).sha256 == tensor.sha256);
      }
      CHECK(report->output_bytes == fs::file_size(project.root() / output));
    }
  }
}
