// A model as it lies on disk: one GGUF file, one safetensors file, or a folder of shards with its configuration and tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/base/cancel.h"
#include "core/format/tensors.h"

namespace llmops {

enum class TensorRole { kEmbedding, kAttention, kFeedForward, kExpert, kNorm, kOutput, kAdapter, kOther };
constexpr size_t kTensorRoles = 8;
const char* tensor_role_name(TensorRole role);     // "embedding", ...
// By the names of Hugging Face's and llama.cpp's architectures.
TensorRole tensor_role(std::string_view name);

struct ModelPart { std::filesystem::path path; std::string shown_name; uint64_t size_bytes = 0; };
struct ModelTensor : TensorInfo { size_t part = 0; TensorRole role = TensorRole::kOther; };

struct TokenizerFacts {
  std::string kind;                   // "BPE", "Unigram", "WordPiece", "WordLevel", or as the file says; empty: none was found
  std::optional<uint64_t> vocabulary; // tokens, added ones too
  std::string source;                 // the file or key that says so
};

struct Model {
  std::string format;                 // "gguf", "safetensors"
  std::vector<ModelPart> parts;
  std::vector<ModelTensor> tensors;   // part by part, in the order of their data
  Json metadata = Json::object();     // GGUF's keys, or __metadata__ of the first part
  Json config;                        // config.json or adapter_config.json; null: none
  std::string name, architecture, licence;   // empty: not said
  std::optional<uint64_t> layers, context_length;
  TokenizerFacts tokenizer;
  std::string chat_template;          // empty: none
  std::vector<std::string> warnings;  // what a loader would stumble over
};

// Headers and small files alone are read. A folder: its *.safetensors, or its one *.gguf; an index is held against its shards. Errors: those of
// the headers' readers; kUsage: an empty name, a file of another kind, several GGUF files that are no series; kData: JSON that does not parse, a tensor in two parts, shards that are missing or lead out of
// the folder; kNotFound: no weights there.
Result<Model> open_model(const std::filesystem::path& path, const std::string& shown_name);

struct TensorContent {
  std::string sha256;
  std::optional<uint64_t> nan, infinite;   // values; of block types: blocks whose scale is none. nullopt: a type of whole numbers
};
struct OddValues { uint64_t nan = 0, infinite = 0; };
// Of values as they are stored; of block types the blocks whose scale is none. nullopt: a type of whole numbers.
std::optional<OddValues> count_odd(std::string_view type, std::string_view bytes);
// Reads every byte, on `threads` threads, in pieces of 4 MiB. Results do not depend on the number of threads. Errors: kIo; kInterrupted.
Result<std::vector<TensorContent>> read_contents(const Model& model, size_t threads, const CancelToken& cancel);

}  // namespace llmops
