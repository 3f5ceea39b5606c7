// What quantize refuses, what it leaves alone, and that a failure at any point leaves nothing of the output.
#include <catch2/catch.hpp>

#include "core/model/calibration.h"
#include "tests/commands/compress/compress_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

struct Quantizing : ModelFolder {
  explicit Quantizing(const std::string& architecture = "llama") { write_model(small(architecture, "BF16", 256)); }
  Result<CompressWriteReport> attempt(const CompressQuantizeOptions& options) { return compress_quantize(session(), options); }
  CompressQuantizeOptions options(const std::string& type, const std::string& output = "q.gguf") const { return quantize_options("m", output, type); }
  std::string refusal(const CompressQuantizeOptions& given) { return refused([&] { return attempt(given); }); }
  std::map<std::string, std::string> types(const std::string& path) const {
    std::map<std::string, std::string> found;
    for (const auto& [name, tensor] : stored_model(root() / path)) found[name] = tensor.type;
    return found;
  }
  // Replaces a value of a tensor by its bits.
  void poke(const std::string& name, size_t index, uint16_t bits) const {
    const Model model = must(open_model(root() / "m", "m"));
    const auto found = std::find_if(model.tensors.begin(), model.tensors.end(), [&](const ModelTensor& tensor) { return tensor.name == name; });
    REQUIRE(found != model.tensors.end());
    std::fstream io(root() / "m/model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
    io.seekp(static_cast<std::streamoff>(found->offset_bytes + 2 * index));
    io.write(reinterpret_cast<const char*>(&bits), 2);
  }
  // Statistics for every matrix of the model but its output, under GGUF's names: every ninth input is a hundred times as strong.
  Calibration statistics() {
    convert("m", "plain.gguf");
    Calibration made;
    for (const auto& [name, tensor] : stored_model(root() / "plain.gguf")) {
      if (tensor.shape.size() < 2 || name == "output.weight" || name == "token_embd.weight") continue;
      const size_t matrices = tensor.shape.size() == 3 ? tensor.shape[0] : 1, inputs = tensor.shape.back();
      std::vector<float> sums;
      for (size_t i = 0; i < matrices * inputs; ++i) sums.push_back(64.0F * ((i + 5 * (i / inputs)) % 9 == 0 ? 100.0F : 1.0F));
      made.entries.push_back(must(make_calibration_entry(name, sums, std::vector<double>(matrices, 64))));
    }
    made.tokens = 64;
    made.datasets = {"a.txt"};
    made.chunk_count = 1;
    made.chunk_size = 64;
    return made;
  }
};

}  // namespace

TEST_CASE("a value that is no number ends quantization with its tensor's name, also where the tensor is only copied") {
  for (const auto& [name, gguf] : {std::pair<std::string, std::string>{"model.layers.1.mlp.down_proj.weight", "blk.1.ffn_down.weight"}, std::pair<std::string, std::string>{"model.norm.weight", "output_norm.weight"}}) {
    Quantizing project;
    project.poke(name, 3, 0x7FC0);
    project.poke(name, 9, 0xFF80);
    CHECK(project.refusal(project.options("Q4_K_M")) == fmt::format("tensor '{}' of the source holds 1 NaN and 1 infinite values | see all of them: llmops compress inspect MODEL --data", gguf));
    CHECK(project.refusal(project.options("BF16")).find(gguf) != std::string::npos);
    CHECK(project.refusal(project.options("int8", "out")).find(name) != std::string::npos);
  }
}

TEST_CASE("a type that is not known is refused with the nearest one") {
  Quantizing project;
  CHECK(project.refusal(project.options("q8_O")).find("'q8_O' is no type or mix that is known | did you mean 'Q8_0'?") == 0);
  CHECK(project.refusal(project.options("Q4_K_M", "out")) == "Q4_K_M is a type of GGUF, and 'out' does not end in .gguf | write to 'out.gguf'");
  CHECK(project.refusal(project.options("int4", "out.gguf")) == "W4A16 is a layout of safetensors, and 'out.gguf' ends in .gguf | give the name of a new folder");
  CHECK(project.refusal(project.options("Q2_K_S")).find("Q2_K_S loses too much without an importance matrix") == 0);
}

TEST_CASE("a model that is quantized already is quantized again only when that is asked for") {
  Quantizing project;
  must(project.attempt(project.options("Q8_0")));
  CompressQuantizeOptions again = project.quantize_options("q.gguf", "qq.gguf", "Q4_0");
  CHECK(project.refusal(again).find("is quantized already (Q8_0) | start from the F16 or BF16 weights; or --allow-requantize, which adds the errors of both") != std::string::npos);
  again.allow_requantize = true;
  must(project.attempt(again));
  CHECK(project.types("qq.gguf").at("blk.0.ffn_up.weight") == "Q4_0");
  // The same type again is a copy, and no error is added.
  const CompressWriteReport copy = must(project.attempt(project.quantize_options("q.gguf", "copy.gguf", "Q8_0")));
  CHECK(copy.error->largest == 0);
}

TEST_CASE("--keep gives tensors another type, and is refused where it says nothing") {
  Quantizing project;
  CompressQuantizeOptions options = project.options("Q4_0");
  options.keep = {"output.weight=same", "blk.1.*=q8_0", "blk.*.ffn_down.weight=F16"};
  must(project.attempt(options));
  const std::map<std::string, std::string> types = project.types("q.gguf");
  CHECK(types.at("output.weight") == "BF16");
  CHECK(types.at("blk.0.attn_q.weight") == "Q4_0");
  CHECK(types.at("blk.1.attn_q.weight") == "Q8_0");
  CHECK(types.at("blk.1.ffn_down.weight") == "F16");
  // No runtime takes norms in blocks.
  CHECK(types.at("blk.1.attn_norm.weight") == "F32");
  const auto says = [&](const std::string& keep) {
    options.keep = {keep};
    options.output = "other.gguf";
    return project.refusal(options);
  };
  CHECK(says("blk.9.*=Q8_0") == "--keep 'blk.9.*' matches no tensor whose type can be chosen | names: llmops compress inspect MODEL; '*' stands for any characters");
  CHECK(says("output.weight").find("--keep 'output.weight' is not PATTERN=TYPE") == 0);
  CHECK(says("output.weight=Q9").find("--keep 'output.weight=Q9' names the type 'Q9', which is not known") == 0);
}

TEST_CASE("pure gives every matrix one type") {
  Quantizing project;
  CompressQuantizeOptions options = project.options("Q4_K_M");
  options.pure = true;
  must(project.attempt(options));
  for (const auto& [name, type] : project.types("q.gguf")) CHECK(type == (name.find("norm") != std::string::npos ? "F32" : "Q4_K"));
}

TEST_CASE("a dry run says the size to the byte and writes nothing") {
  for (const std::string type : {"Q4_K_M", "IQ4_XS", "F16"}) {
    Quantizing project;
    CompressQuantizeOptions options = project.options(type);
    options.rewrite.is_dry = true;
    const std::set<std::string> before = listing(project.root());
    const CompressWriteReport dry = must(project.attempt(options));
    CHECK(listing(project.root()) == before);
    options.rewrite.is_dry = false;
    const CompressWriteReport wet = must(project.attempt(options));
    CHECK(dry.output_bytes == fs::file_size(project.root() / "q.gguf"));
    CHECK(dry.bytes_after == wet.bytes_after);
  }
  Quantizing project;
  CompressQuantizeOptions options = project.options("int8", "q");
  options.rewrite.is_dry = true;
  const CompressWriteReport dry = must(project.attempt(options));
  CHECK_FALSE(fs::exists(project.root() / "q"));
  options.rewrite.is_dry = false;
  must(project.attempt(options));
  CHECK(dry.output_bytes == fs::file_size(project.root() / "q/model.safetensors"));
}

TEST_CASE("statistics make the error weighted by them smaller, also of experts that share a file") {
  for (const std::string architecture : {"llama", "mixtral"}) {
    Quantizing project(architecture);
    const Calibration statistics = project.statistics();
    must(write_imatrix_gguf(project.root() / "imatrix.gguf", statistics));
    CompressQuantizeOptions options = project.options("Q4_K_S", "plain-q.gguf");
    must(project.attempt(options));
    options.importance = "imatrix.gguf";
    options.output = "weighted-q.gguf";
    must(project.attempt(options));
    must(project.attempt([&] { auto f32 = project.quantize_options("weighted-q.gguf", "w.gguf", "F32"); f32.allow_requantize = true; return f32; }()));
    must(project.attempt([&] { auto f32 = project.quantize_options("plain-q.gguf", "p.gguf", "F32"); f32.allow_requantize = true; return f32; }()));
    const StoredModel source = stored_model(project.root() / "plain.gguf"), plain = stored_model(project.root() / "p.gguf"), weighted = stored_model(project.root() / "w.gguf");
    for (const CalibrationEntry& entry : statistics.entries) {
      if (entry.name.find("gate_inp") != std::string::npos) continue;
      CAPTURE(entry.name);
      const std::vector<float> x = values_of(source.at(entry.name)), p = values_of(plain.at(entry.name)), w = values_of(weighted.at(entry.name));
      const size_t inputs = source.at(entry.name).shape.back(), per_matrix = x.size() / entry.matrices();
      std::vector<double> plain_error(entry.matrices()), weighted_error(entry.matrices());
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t matrix = i / per_matrix;
        const double weight = entry.mean_squares_of(matrix)[i % inputs];
        plain_error[matrix] += weight * (x[i] - p[i]) * (x[i] - p[i]);
        weighted_error[matrix] += weight * (x[i] - w[i]) * (x[i] - w[i]);
      }
      // Each expert by its own inputs: those of its neighbour would make it worse.
      for (size_t matrix = 0; matrix < entry.matrices(); ++matrix) CHECK(weighted_error[matrix] < 0.97 * plain_error[matrix]);
    }
  }
}

TEST_CASE("statistics of another model are refused, and an entry without tokens is told of") {
  Quantizing project;
  Calibration statistics = project.statistics();
  CompressQuantizeOptions options = project.options("Q4_K_M");
  options.importance = "imatrix.gguf";
  Calibration other = statistics;
  for (CalibrationEntry& entry : other.entries) entry = must(make_calibration_entry(entry.name, std::vector<float>(64, 1.0F), {4}));
  must(write_imatrix_gguf(project.root() / "imatrix.gguf", other));
  CHECK(project.refusal(options).find("'imatrix.gguf' has 64 values for '") == 0);
  for (CalibrationEntry& entry : other.entries) entry.name = "decoder." + entry.name;
  must(write_imatrix_gguf(project.root() / "imatrix.gguf", other));
  CHECK(project.refusal(options).find("'imatrix.gguf'") == 0);
  for (CalibrationEntry& entry : statistics.entries) if (entry.name == "blk.0.attn_q.weight") entry.counts = {0};
  must(write_imatrix_gguf(project.root() / "imatrix.gguf", statistics));
  const CompressWriteReport report = must(project.attempt(options));
  CHECK(std::any_of(report.warnings.begin(), report.warnings.end(), [](const std::string& warning) { return warning.find("'imatrix.gguf' is not used for 'blk.0.attn_q.weight': ") == 0; }));
}

TEST_CASE("statistics under Hugging Face's names are found for a GGUF file too") {
  Quantizing project;
  Calibration statistics = project.statistics();
  must(write_calibration(project.root() / "gguf-names.safetensors", statistics));
  for (CalibrationEntry& entry : statistics.entries) {
    const std::map<std::string, std::string> words = {{"attn_q", "self_attn.q_proj"}, {"attn_k", "self_attn.k_proj"}, {"attn_v", "self_attn.v_proj"}, {"attn_output", "self_attn.o_proj"}, {"ffn_gate", "mlp.gate_proj"}, {"ffn_up", "mlp.up_proj"}, {"ffn_down", "mlp.down_proj"}};
    entry.name = "model.layers." + entry.name.substr(4, 2) + words.at(entry.name.substr(6, entry.name.size() - 13)) + ".weight";
  }
  std::sort(statistics.entries.begin(), statistics.entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  must(write_calibration(project.root() / "their-names.safetensors", statistics));
  std::vector<StoredModel> made;
  for (const std::string names : {"gguf-names", "their-names"}) {
    CompressQuantizeOptions options = project.quantize_options("plain.gguf", names + ".gguf", "Q4_K_M");
    options.importance = names + ".safetensors";
    must(project.attempt(options));
    made.push_back(stored_model(project.root() / (names + ".gguf")));
  }
  for (const auto& [name, tensor] : made[0]) CHECK((made[1].at(name).bytes == tensor.bytes));
}

TEST_CASE("a disk that fails or is full leaves the source as it was and nothing of the output") {
  Quantizing project;
  const std::string source = file_bytes(project.root() / "m/model.safetensors");
  for (const std::string point : {"weights.create:enospc", "weights.create:eio", "weights.write:eio@1", "weights.write:enospc@7", "weights.before_rename:eio"}) {
    for (const auto& [type, output] : {std::pair<std::string, std::string>{"Q4_K_M", "q.gguf"}, std::pair<std::string, std::string>{"int8", "q"}}) {
      CAPTURE(point, type);
      const Failpoints failing(point);
      const std::string said = project.refusal(project.options(type, output));
      CHECK(said.find("cannot write") == 0);
      CHECK(said.find("'" + (project.root() / output).string()) != std::string::npos);   // not the name that it has until it is whole
      CHECK(said.find(point.find("enospc") != std::string::npos ? "the disk is full" : "Input/output error") != std::string::npos);
    }
  }
  CHECK(file_bytes(project.root() / "m/model.safetensors") == source);
}

TEST_CASE("an interruption leaves nothing of the output") {
  for (const auto& [type, output] : {std::pair<std::string, std::string>{"Q4_K_M", "q.gguf"}, std::pair<std::string, std::string>{"w8a8", "q"}}) {
    Quantizing project;
    project.cancel.cancel();
    CHECK(project.refusal(project.options(type, output)) == "interrupted");
  }
}

TEST_CASE("the bytes do not depend on the number of threads") {
  Quantizing project("mixtral");
  std::vector<std::string> made;
  for (const size_t threads : {1, 7}) {
    CompressQuantizeOptions options = project.options("Q3_K_M", fmt::format("{}.gguf", threads));
    options.rewrite.threads = threads;
    const CompressWriteReport report = must(project.attempt(options));
    made.push_back(file_bytes(project.root() / options.output) + fmt::format("{} {}", report.error->rms, report.error->largest));
  }
  CHECK((made[0] == made[1]));
}
