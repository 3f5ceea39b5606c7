// Models on disk as tests look at them: bytes, shapes and values by name, decoded here and not by the code under test.
#pragma once

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <set>

#include "commands/compress/quantize.h"
#include "core/base/fs.h"
#include "core/format/weight_writer.h"
#include "core/model/model.h"
#include "tests/commands/project_fixture.h"
#include "tests/support/small_model.h"

namespace llmops::test {

struct StoredTensorBytes { std::string type, bytes; std::vector<uint64_t> shape; };
using StoredModel = std::map<std::string, StoredTensorBytes>;

inline std::string file_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline StoredModel stored_model(const fs::path& path) {
  const Model model = must(open_model(path, path.filename().string()));
  std::map<fs::path, std::string> files;
  StoredModel stored;
  for (const ModelTensor& tensor : model.tensors) {
    const fs::path& part = model.parts[tensor.part].path;
    if (!files.contains(part)) files[part] = file_bytes(part);
    stored[tensor.name] = {tensor.type, files[part].substr(tensor.offset_bytes, tensor.size_bytes), tensor.shape};
  }
  return stored;
}

inline float plain_half(uint16_t half) {
  const int exponent = (half >> 10) & 31, mantissa = half & 1023;
  const double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return static_cast<float>((half & 0x8000) != 0 ? -value : value);
}

// Of F32, F16 and BF16.
inline std::vector<float> values_of(const StoredTensorBytes& tensor) {
  const size_t size = tensor.type == "F32" ? 4 : 2;
  REQUIRE((tensor.type == "F32" || tensor.type == "F16" || tensor.type == "BF16"));
  std::vector<float> values(tensor.bytes.size() / size);
  for (size_t i = 0; i < values.size(); ++i) {
    if (size == 4) {
      std::memcpy(&values[i], tensor.bytes.data() + 4 * i, 4);
      continue;
    }
    uint16_t narrow = 0;
    std::memcpy(&narrow, tensor.bytes.data() + 2 * i, 2);
    values[i] = tensor.type == "F16" ? plain_half(narrow) : std::bit_cast<float>(uint32_t{narrow} << 16);
  }
  return values;
}

inline bool has_warning(const std::vector<std::string>& warnings, const std::string& piece) {
  return std::any_of(warnings.begin(), warnings.end(), [&](const std::string& warning) { return warning.find(piece) != std::string::npos; });
}

// The model under other names: `from` in each becomes `to`.
inline StoredModel renamed(const StoredModel& model, const std::string& from, const std::string& to) {
  StoredModel made;
  for (const auto& [name, tensor] : model) {
    std::string other = name;
    if (const size_t at = other.find(from); at != std::string::npos) other.replace(at, from.size(), to);
    made[other] = tensor;
  }
  return made;
}

// Everything below a folder, with its size: what is left behind shows up here.
inline std::set<std::string> listing(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) names.insert(fs::relative(entry.path(), folder).string());
  return names;
}

// A model whose rows divide into the blocks of the K-types, or a smaller one.
inline SmallModel small(const std::string& architecture, const std::string& type = "BF16", size_t hidden = 64) {
  SmallModel model;
  model.architecture = architecture;
  model.type = type;
  model.hidden = hidden;
  model.ffn = hidden == 64 ? 96 : 512;
  model.heads = 4;
  model.kv_heads = 2;
  return model;
}

struct ModelFolder : ProjectFolder {
  bool verify = true;                 // false: nothing waits for the disk
  fs::path write_model(const SmallModel& model, const std::string& name = "m") const {
    must(write_small_model(root() / name, model));
    return root() / name;
  }
  // Changes config.json of a model.
  void configure(const Json& changes, const std::string& name = "m") const {
    Json config = must(parse_json(file_bytes(root() / name / "config.json"), "config.json"));
    for (const auto& [key, value] : changes.items()) {
      if (value.is_null()) config.erase(key);
      else config[key] = value;
    }
    write(name + "/config.json", dump_json_pretty(config) + "\n");
  }
  // Puts other weights in the place of a model's.
  void write_weights(const StoredModel& stored, const std::string& name = "m") const {
    std::vector<TensorInfo> infos;
    for (const auto& [tensor, value] : stored) {
      infos.emplace_back();
      infos.back().name = tensor;
      infos.back().type = value.type;
      infos.back().shape = value.shape;
    }
    std::string bytes = must(safetensors_header({}, infos));
    for (const TensorInfo& info : infos) {
      REQUIRE(info.size_bytes == stored.at(info.name).bytes.size());
      bytes.resize(std::max<size_t>(bytes.size(), info.offset_bytes + info.size_bytes));
      bytes.replace(info.offset_bytes, info.size_bytes, stored.at(info.name).bytes);
    }
    write(name + "/model.safetensors", bytes);
  }
  Result<CompressWriteReport> try_convert(const std::string& from, const std::string& to, const std::string& dtype = "", bool saturate = false) {
    CompressConvertOptions options;
    options.model = from;
    options.output = to;
    options.dtype = dtype;
    options.rewrite.saturate = saturate;
    options.rewrite.verify = verify;
    return compress_convert(session(), options);
  }
  CompressWriteReport convert(const std::string& from, const std::string& to, const std::string& dtype = "") {
    auto report = try_convert(from, to, dtype);
    if (!report) FAIL(told(report.error()));
    return std::move(*report);
  }
  CompressQuantizeOptions quantize_options(const std::string& from, const std::string& to, const std::string& type) const {
    CompressQuantizeOptions options;
    options.model = from;
    options.output = to;
    options.type = type;
    options.rewrite.verify = verify;
    return options;
  }
  // What a command says against it; and that nothing in the folder has changed.
  template <class Run>
  std::string refused(const Run& run) {
    const std::set<std::string> before = listing(root());
    const auto report = run();
    CHECK(listing(root()) == before);
    return report ? "done" : told(report.error());
  }
};

}  // namespace llmops::test
