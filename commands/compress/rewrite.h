// What quantize, convert, prune, merge and plan have in common: a new file of weights is written from an old one, read again, held against
// it, and only then gets its name.
#pragma once

#include <functional>

#include "commands/session.h"
#include "core/format/gguf.h"
#include "core/model/model.h"
#include "core/model/weights.h"
#include "core/quant/tensor_error.h"

namespace llmops {

struct TensorChange {
  std::string name, source, from, to;   // source: the tensor, or the first of several, that it is made of
  std::vector<uint64_t> shape;
  uint64_t parameters = 0, bytes_before = 0, bytes_after = 0;
  std::string note;                     // why its type is not the one that was asked for; empty: it is
  uint64_t past_range = 0;              // values that the type cannot hold, set to the nearest that it can
  std::optional<TensorError> error;     // nullopt: not verified
};

struct CompressWriteReport {
  std::string command, source, output, format, type;
  bool is_dry = false, is_verified = false;
  std::vector<TensorChange> tensors;
  uint64_t bytes_before = 0, bytes_after = 0, parameters = 0;   // of the weights
  uint64_t output_bytes = 0;            // of the new files of weights, headers too
  struct File { std::string name, sha256; uint64_t bytes = 0; };   // sha256 empty: not computed
  std::vector<File> sources, outputs;
  Json options = Json::object();
  std::vector<std::string> warnings;
  double bits_per_weight() const { return parameters == 0 ? 0 : 8 * static_cast<double>(bytes_after) / static_cast<double>(parameters); }
  std::optional<TensorError> error;     // of all tensors together; nullopt: not verified
};

struct RewriteOptions {
  std::string command, output;          // output: as the user wrote it
  std::vector<std::string> inputs;      // files beside the model that are read, as the user wrote them: never the output
  std::string type;
  Json options = Json::object();        // what the user asked for, for the report
  bool is_dry = false, verify = true, replace = false, saturate = false;   // dry: sizes only; without verify nothing waits for the disk either
  size_t threads = 0;                   // 0: one for each core
  uint64_t shard_bytes = uint64_t{5} << 30;                // of safetensors in a folder
  // Changes values before they are stored; any thread. `whole`: it is given each tensor that it changes at once.
  std::function<Status(const TensorRecipe& recipe, const Piece& piece, std::span<float> values)> edit;
  bool whole = false;                   // other recipes come piece by piece all the same
  std::function<bool(const TensorRecipe& recipe)> is_edited;   // with edit: of which recipes; empty: of all
  // Mean squares of the columns' inputs for a row of the recipe; empty: none.
  std::function<std::span<const float>(size_t recipe, uint64_t row)> importance;
};

// Errors: those of reading; kData: NaN or infinity in the source, values past the range of the new type without `saturate` (how many, where); kUsage:
// the output exists, or is the source; kIo: disk full before anything is written; kInterrupted. In each case nothing of the output is left.
Result<CompressWriteReport> rewrite(const Session& session, const Model& model, const std::string& shown_source, WeightsPlan plan, const RewriteOptions& options);

// Files that a command read or wrote, with their sizes; `digest`: and their SHA-256. A folder's are all that lie in it and are not hidden. Errors: kIo.
Result<std::vector<CompressWriteReport::File>> files_read(const std::vector<std::pair<fs::path, std::string>>& paths, bool digest);

Json tensor_error_json(const TensorError& error);
// The report as it is stored: schema compress-write.
Json write_report_json(const CompressWriteReport& report);
// Keeps how the outputs were made in the project's store, where there is one. Errors: the store's.
Status keep_provenance(const Session& session, const CompressWriteReport& report);

// That the output may be made: not the source and no other input, not over something that is there. `is_folder`: it will be one.
Status check_output(const Session& session, const RewriteOptions& options, const Model& model, bool is_folder);
// Whether a plan for this output becomes a folder of safetensors: no .gguf, no .safetensors, or a name that ends in '/'. Errors (kUsage): an ending of weights that is not
// written here.
Result<bool> is_folder_output(const std::string& output);
bool is_gguf_output(const std::string& output);   // whatever the case of .gguf
// Values can be read as they are: no config.json with a quantization_config. Errors (kUsage).
Status check_plain(const Model& model, const std::string& shown_name);

// Threads that `-j` asks for; 0: one for each core.
size_t worker_count(size_t asked);

}  // namespace llmops
