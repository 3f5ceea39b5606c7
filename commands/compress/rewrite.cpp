// Two passes over the same pieces: values are read, changed and stored; then what was stored is read again beside its source. Sums are kept
// for each piece and added in the order of the pieces, so that no figure depends on the number of threads.
#include "commands/compress/rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <future>
#include <system_error>
#include <thread>

#include "commands/compress/output_files.h"
#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/quant/block_types.h"

namespace llmops {
namespace {

constexpr size_t kStoredMost = 4;     // tensors that one recipe becomes, at most

struct PieceSums {
  ErrorSums errors;
  uint64_t past_range = 0, not_finite = 0, checksum = 0;   // checksum: of the bytes that were to be stored
};

// Tells apart what was written and what is read again; no digest. 8 bytes at a time.
uint64_t checksum_of(std::string_view bytes, uint64_t start = 0) {
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;
  uint64_t sum = start ^ bytes.size();
  size_t i = 0;
  for (uint64_t word = 0; i + sizeof word <= bytes.size(); i += sizeof word) {
    std::memcpy(&word, bytes.data() + i, sizeof word);
    sum = (sum ^ word) * kFactor;
    sum ^= sum >> 29;
  }
  for (; i < bytes.size(); ++i) sum = (sum ^ static_cast<unsigned char>(bytes[i])) * kFactor;
  return sum;
}

uint64_t clamp_range(std::span<float> values, float largest) {
  uint64_t past = 0;
  for (float& value : values) {
    if (std::fabs(value) <= largest) continue;
    value = std::copysign(largest, value);
    ++past;
  }
  return past;
}

class Rewriter {
 public:
  Rewriter(const Session& session, const WeightReader& reader, const WeightsPlan& plan, const OutputFiles& output, const RewriteOptions& options)
      : cancel_(session.surroundings().cancel), reader_(reader), plan_(plan), output_(output), options_(options), pieces_(pieces_of(plan.recipes, [&](const TensorRecipe& recipe) { return options.whole && is_edited(recipe); })), sums_(pieces_.size()), threads_(worker_count(options.threads)) {}

  Status write() {
    LLMOPS_CHECK(for_each_piece(pieces_, threads_, cancel_, [&](const Piece& piece, PieceRoom& room) { return is_copied(recipe_of(piece)) ? copy(piece, room) : write_piece(piece, room); }));
    return check_ranges();
  }

  Status verify() {
    return for_each_piece(pieces_, threads_, cancel_, [&](const Piece& piece, PieceRoom& room) { return is_copied(recipe_of(piece)) ? verify_copy(piece, room) : verify_piece(piece, room); });
  }

  // Tensors of F64 that were not copied: values pass through floats, and the check beside the source does as well.
  uint64_t narrowed() const {
    const auto is_narrowed = [&](const TensorRecipe& recipe) { return !is_copied(recipe) && recipe.type == "F64"; };
    return static_cast<uint64_t>(std::count_if(plan_.recipes.begin(), plan_.recipes.end(), is_narrowed));
  }

  // Sums of each recipe.
  std::vector<PieceSums> totals() const {
    std::vector<PieceSums> totals(plan_.recipes.size());
    for (const Piece& piece : pieces_) {
      PieceSums& total = totals[piece.recipe];
      const PieceSums& sums = sums_[piece.index];
      total.errors.add(sums.errors);
      total.past_range += sums.past_range;
    }
    return totals;
  }

 private:
  const TensorRecipe& recipe_of(const Piece& piece) const { return plan_.recipes[piece.recipe]; }
  bool is_edited(const TensorRecipe& recipe) const { return options_.edit && (!options_.is_edited || options_.is_edited(recipe)); }
  // Bytes as they are, also of types whose values cannot be read.
  bool is_copied(const TensorRecipe& recipe) const {
    return recipe.rows.empty() && recipe.columns.empty() && recipe.sources.size() == 1 && recipe.addend == 0 && !is_edited(recipe) && reader_.model().tensors[recipe.sources[0]].type == recipe.type;
  }

  Status copy(const Piece& piece, PieceRoom& room) {
    const OutputPlace& place = output_.places(piece.recipe).front();
    room.bytes.resize(piece.rows * place.row_bytes);
    LLMOPS_CHECK(reader_.read_stored(recipe_of(piece).sources[0], piece.first_row * place.row_bytes, room.bytes));
    const auto odd = count_odd(recipe_of(piece).type, room.bytes);
    if (odd && odd->nan + odd->infinite > 0) return odd_values(recipe_of(piece), *odd);
    return output_.write(place, piece.first_row, room.bytes);
  }

  Status write_piece(const Piece& piece, PieceRoom& room) {
    const TensorRecipe& recipe = recipe_of(piece);
    const std::span<float> values = room_for(room.values, piece);
    LLMOPS_CHECK(read_piece(reader_, recipe, piece, values, room.bytes));
    if (!all_finite(values)) return odd_values(recipe, count_odd_of(values));
    if (is_edited(recipe)) {
      LLMOPS_CHECK(options_.edit(recipe, piece, values));
      if (!all_finite(values)) return Error(ErrorCode::kData, fmt::format("tensor '{}' would hold values past every float", recipe.name), "what it is changed by is broken: an adapter, or statistics");
    }
    PieceSums& sums = sums_[piece.index];
    const float largest = largest_value(recipe);
    if (std::isfinite(largest) && !all_within(values, largest)) sums.past_range = clamp_range(values, largest);
    std::array<std::string, kStoredMost> bytes;
    bytes[0].swap(room.more_bytes);
    const std::span<const float> importance = options_.importance ? options_.importance(piece.recipe, piece.first_row) : std::span<const float>();
    encode_rows(recipe, values, importance, bytes);
    const std::vector<OutputPlace>& places = output_.places(piece.recipe);
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i].row_bytes == 0) continue;
      const std::string_view rows(bytes[i].data(), piece.rows * places[i].row_bytes);
      if (options_.verify) sums.checksum = checksum_of(rows, sums.checksum);
      LLMOPS_CHECK(output_.write(places[i], piece.first_row, rows));
    }
    if (const auto odd = find_block_type(recipe.type) != nullptr ? count_odd(recipe.type, {bytes[0].data(), piece.rows * places[0].row_bytes}) : std::nullopt) sums.not_finite = odd->nan + odd->infinite;
    bytes[0].swap(room.more_bytes);
    return {};
  }

  std::string wider_hint() const {
    if (options_.command == "quantize") return "leave the tensor in a wider type: --keep NAME=same";
    return options_.command == "convert" ? "give --dtype BF16 or F32" : "convert the source to BF16 or F32 before";
  }

  // A scale that became infinite is a value past the range as well: the first one ends it.
  Status check_ranges() const {
    for (const Piece& piece : pieces_) {
      const PieceSums& sums = sums_[piece.index];
      if (sums.not_finite > 0) {
        return Error(ErrorCode::kData, fmt::format("tensor '{}' holds values so large that {} blocks of {} have no finite scale", recipe_of(piece).name, sums.not_finite, recipe_of(piece).type), wider_hint());
      }
    }
    if (options_.saturate) return {};
    const std::vector<PieceSums> totals = this->totals();
    uint64_t all = 0, tensors = 0;
    size_t first = totals.size();
    for (size_t i = 0; i < totals.size(); ++i) {
      if (totals[i].past_range == 0) continue;
      all += totals[i].past_range;
      ++tensors;
      first = std::min(first, i);
    }
    if (all == 0) return {};
    return Error(ErrorCode::kData, fmt::format("{} values in {} tensors are past {}, the largest that {} holds; the first is in '{}'", all, tensors, largest_value(plan_.recipes[first]), plan_.recipes[first].type, plan_.recipes[first].name),
        wider_hint() + ", or --saturate to store the largest value instead");
  }

  Status verify_copy(const Piece& piece, PieceRoom& room) {
    const TensorRecipe& recipe = recipe_of(piece);
    const OutputPlace& place = output_.places(piece.recipe).front();
    room.bytes.resize(piece.rows * place.row_bytes);
    LLMOPS_CHECK(reader_.read_stored(recipe.sources[0], piece.first_row * place.row_bytes, room.bytes));
    LLMOPS_CHECK(output_.read(place, piece.first_row, piece.rows, room.more_bytes));
    if (std::string_view(room.bytes) != room.more_bytes) return not_stored(recipe);
    const BlockType* type = find_block_type(recipe.type);
    if (type == nullptr) return {};
    const std::span<float> values = room_for(room.values, piece);
    type->dequantize(reinterpret_cast<const uint8_t*>(room.bytes.data()), values);
    sums_[piece.index].errors.add(values, values);
    return {};
  }

  Status verify_piece(const Piece& piece, PieceRoom& room) {
    const TensorRecipe& recipe = recipe_of(piece);
    const std::span<float> source = room_for(room.values, piece), stored = room_for(room.others, piece);
    LLMOPS_CHECK(read_piece(reader_, recipe, piece, source, room.bytes));
    std::array<std::string, kStoredMost> bytes;
    bytes[0].swap(room.more_bytes);
    const std::vector<OutputPlace>& places = output_.places(piece.recipe);
    uint64_t checksum = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i].row_bytes == 0) continue;
      LLMOPS_CHECK(output_.read(places[i], piece.first_row, piece.rows, bytes[i]));
      checksum = checksum_of(bytes[i], checksum);
    }
    if (checksum != sums_[piece.index].checksum) return not_stored(recipe);
    decode_rows(recipe, bytes, stored);
    bytes[0].swap(room.more_bytes);
    if (!all_finite(stored)) return Error(ErrorCode::kData, fmt::format("tensor '{}' would hold values that are no numbers in {}", recipe.name, recipe.type), wider_hint());
    sums_[piece.index].errors.add(source, stored);
    return {};
  }

  std::span<float> room_for(std::vector<float>& room, const Piece& piece) const {
    const size_t count = piece.rows * recipe_of(piece).row_length();
    if (room.size() < count) room.resize(count);
    return {room.data(), count};
  }

  static Error not_stored(const TensorRecipe& recipe) { return Error(ErrorCode::kCorrupt, fmt::format("tensor '{}' was read again with other bytes than were written", recipe.name), "look for a failing disk or memory, then try again"); }

  static OddValues count_odd_of(std::span<const float> values) {
    OddValues odd;
    for (const float value : values) {
      odd.nan += std::isnan(value);
      odd.infinite += std::isinf(value);
    }
    return odd;
  }

  static Error odd_values(const TensorRecipe& recipe, const OddValues& odd) {
    return Error(ErrorCode::kData, fmt::format("tensor '{}' of the source holds {} NaN and {} infinite values", recipe.name, odd.nan, odd.infinite), "see all of them: llmops compress inspect MODEL --data");
  }

  const CancelToken& cancel_;
  const WeightReader& reader_;
  const WeightsPlan& plan_;
  const OutputFiles& output_;
  const RewriteOptions& options_;
  std::vector<Piece> pieces_;
  std::vector<PieceSums> sums_;       // of the pieces
  size_t threads_;
};

// "folder/" is "folder".
fs::path without_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

TensorChange change_of(const Model& model, const WeightsPlan& plan, size_t index, const OutputFiles& output) {
  const TensorRecipe& recipe = plan.recipes[index];
  TensorChange change;
  change.name = recipe.name;
  if (!recipe.sources.empty()) {
    change.source = model.tensors[recipe.sources[0]].name;
    change.from = model.tensors[recipe.sources[0]].type;
  }
  change.to = recipe.type;
  change.shape = recipe.shape;
  change.parameters = recipe.info().elements();
  for (const size_t source : recipe.sources) change.bytes_before += model.tensors[source].size_bytes;
  const std::vector<StoredTensor>& stored = output.stored(index);
  for (size_t i = 0; i < stored.size(); ++i) change.bytes_after += stored[i].constant.size() + stored[i].row_bytes * recipe.row_count();
  if (!plan.notes.empty()) change.note = plan.notes[index];
  return change;
}

// The model's files, then the others that were read: statistics, an adapter.
std::vector<std::pair<fs::path, std::string>> sources_of(const Session& session, const Model& model, const RewriteOptions& options) {
  std::vector<std::pair<fs::path, std::string>> paths;
  for (const ModelPart& part : model.parts) paths.emplace_back(part.path, part.shown_name);
  for (const std::string& input : options.inputs) paths.emplace_back(without_slash((session.surroundings().working_directory / input).lexically_normal()), input);
  return paths;
}

// Of sources and outputs side by side, one after the other where there is no second thread.
Status add_digests(const std::vector<std::pair<fs::path, std::string>>& paths, const OutputFiles& output, CompressWriteReport& report) {
  const auto read_sources = [&] { return files_read(paths, true); };
  std::future<Result<std::vector<CompressWriteReport::File>>> sources;
  try {
    sources = std::async(std::launch::async, read_sources);
  } catch (const std::system_error&) {
    sources = std::async(std::launch::deferred, read_sources);
  }
  auto outputs = output.files(true);
  auto read = sources.get();
  LLMOPS_ASSIGN(report.sources, std::move(read));
  LLMOPS_ASSIGN(report.outputs, std::move(outputs));
  return {};
}

void add_totals(const std::vector<PieceSums>& totals, CompressWriteReport& report) {
  ErrorSums all;
  for (size_t i = 0; i < totals.size(); ++i) {
    report.tensors[i].past_range = totals[i].past_range;
    if (!report.is_verified) continue;
    report.tensors[i].error = totals[i].errors.result();
    all.add(totals[i].errors);
  }
  if (report.is_verified) report.error = all.result();
}

}  // namespace

Result<std::vector<CompressWriteReport::File>> files_read(const std::vector<std::pair<fs::path, std::string>>& paths, bool digest) {
  std::vector<CompressWriteReport::File> files;
  for (const auto& [path, shown] : paths) {
    std::error_code failed;
    std::vector<fs::path> found = {path};
    const bool is_folder = fs::is_directory(path, failed);
    if (is_folder) {
      found.clear();
      for (const auto& entry : fs::directory_iterator(path, failed)) if (entry.is_regular_file(failed) && !entry.path().filename().string().starts_with(".")) found.push_back(entry.path());
      std::sort(found.begin(), found.end());
    }
    for (const fs::path& file : found) {
      const uint64_t size = fs::file_size(file, failed);
      if (failed) return io_error("read", file, failed.value());
      files.push_back({is_folder ? (fs::path(shown) / file.filename()).generic_string() : shown, "", size});
      if (!digest) continue;
      LLMOPS_ASSIGN(const FileDigest made, sha256_file(file));
      files.back().sha256 = made.sha256;
    }
  }
  return files;
}

bool is_gguf_output(const std::string& output) {
  std::string ending = fs::path(output).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".gguf";
}

Result<bool> is_folder_output(const std::string& output) {
  constexpr std::array<std::string_view, 6> kOthers{".bin", ".pt", ".pth", ".onnx", ".txt", ".json"};
  const std::string ending = fs::path(output).extension().string();
  if (std::find(kOthers.begin(), kOthers.end(), ending) != kOthers.end()) return Error(ErrorCode::kUsage, fmt::format("'{}' ends in {}, which is not written", output, ending), "end it in .gguf or .safetensors, or give the name of a new folder");
  return !is_gguf_output(output) && ending != ".safetensors";
}

Status check_plain(const Model& model, const std::string& shown_name) {
  if (!model.config.is_object() || !model.config.contains("quantization_config")) return {};
  return Error(ErrorCode::kUsage, fmt::format("'{}' is quantized: its config.json has a quantization_config, and values in that layout are not read", shown_name), "take the weights that it was made from");
}

// Never over something that is there, and never over what is read.
Status check_output(const Session& session, const RewriteOptions& options, const Model& model, bool is_folder) {
  const fs::path& here = session.surroundings().working_directory;
  const fs::path output = without_slash((here / options.output).lexically_normal());
  const std::string& shown = options.output;
  std::error_code ignored;
  std::vector<fs::path> inputs;
  for (const ModelPart& part : model.parts) {
    inputs.push_back(part.path);
    inputs.push_back(part.path.parent_path());
  }
  for (const std::string& input : options.inputs) inputs.push_back((here / input).lexically_normal());
  for (const fs::path& input : inputs) {
    const bool is_inside = !is_folder && fs::is_directory(input, ignored) && fs::exists(output, ignored) && fs::equivalent(output.parent_path(), input, ignored) && !model.parts.empty() && input != model.parts[0].path.parent_path();
    if (fs::equivalent(input, output, ignored) || is_inside) return Error(ErrorCode::kUsage, fmt::format("'{}' is what is read", shown), "give another name for the output");
  }
  if (!output.parent_path().empty() && !fs::is_directory(output.parent_path(), ignored)) return Error(ErrorCode::kNotFound, fmt::format("the folder of '{}' does not exist", shown), "make it first");
  if (fs::is_directory(output, ignored)) {
    if (!is_folder) return Error(ErrorCode::kUsage, fmt::format("'{}' is a folder", shown), "give the name of a new file");
    return fs::is_empty(output, ignored) ? Status() : Error(ErrorCode::kUsage, fmt::format("'{}' is a folder that holds files", shown), "give the name of a new folder");
  }
  if (!fs::exists(output, ignored)) return {};
  if (is_folder) return Error(ErrorCode::kUsage, fmt::format("'{}' is a file, and a folder would take its place", shown), "give the name of a new folder");
  return options.replace ? Status() : Error(ErrorCode::kUsage, fmt::format("'{}' exists already", shown), "give another name, or --force to replace it");
}

size_t worker_count(size_t asked) { return asked != 0 ? asked : std::max(1U, std::thread::hardware_concurrency()); }

Result<CompressWriteReport> rewrite(const Session& session, const Model& model, const std::string& shown_source, WeightsPlan plan, const RewriteOptions& options) {
  const fs::path path = without_slash((session.surroundings().working_directory / options.output).lexically_normal());
  LLMOPS_ASSIGN(bool is_folder, is_folder_output(options.output));
  is_folder &= plan.format == "safetensors";
  LLMOPS_CHECK(check_output(session, options, model, is_folder));
  if (plan.format == "safetensors" && !is_folder && !plan.files.empty()) plan.warnings.push_back("one file holds the weights alone: config.json and the tokenizer are written into a folder, whose name does not end in .safetensors");
  LLMOPS_ASSIGN(OutputFiles output, OutputFiles::plan(path, plan, options.shard_bytes, is_folder));
  CompressWriteReport report;
  report.command = options.command;
  report.source = shown_source;
  report.output = options.output;
  report.format = plan.format;
  report.type = options.type;
  report.options = options.options;
  report.is_dry = options.is_dry;
  report.warnings = model.warnings;
  report.warnings.insert(report.warnings.end(), plan.warnings.begin(), plan.warnings.end());
  for (size_t i = 0; i < plan.recipes.size(); ++i) {
    report.tensors.push_back(change_of(model, plan, i, output));
    report.bytes_before += report.tensors.back().bytes_before;
    report.bytes_after += report.tensors.back().bytes_after;
    report.parameters += report.tensors.back().parameters;
  }
  report.output_bytes = output.size_bytes();
  const auto sources = sources_of(session, model, options);
  LLMOPS_ASSIGN(report.sources, files_read(sources, false));
  LLMOPS_ASSIGN(report.outputs, output.files(false));
  if (options.is_dry) return report;
  LLMOPS_ASSIGN(const WeightReader reader, WeightReader::open(model));
  LLMOPS_CHECK(output.create(options.verify, options.replace));
  Rewriter rewriter(session, reader, plan, output, options);
  LLMOPS_CHECK(rewriter.write());
  if (options.verify) {
    LLMOPS_CHECK(rewriter.verify());
    LLMOPS_CHECK(add_digests(sources, output, report));
    report.is_verified = true;
  }
  if (const uint64_t narrowed = rewriter.narrowed(); narrowed > 0) report.warnings.push_back(fmt::format("{} tensors of F64 were computed in F32: only what is copied keeps the digits beyond", narrowed));
  add_totals(rewriter.totals(), report);
  LLMOPS_CHECK(output.finish());
  // The file is there: that its history cannot be kept is no reason to take it away again.
  if (const Status kept = keep_provenance(session, report); !kept) report.warnings.push_back(fmt::format("how it was made is not kept in the project: {}", kept.error().message));
  return report;
}

}  // namespace llmops
