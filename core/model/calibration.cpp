// Three formats, one meaning. Lengths are held against the file before anything is allocated; what is wrong with one entry costs that
// entry, what is wrong with the file costs the file.
#include "core/model/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "core/format/bounded_file.h"
#include "core/format/gguf.h"
#include "core/format/tensors.h"
#include "core/model/calibration_format.h"

namespace llmops {
namespace {

Error fault(const std::string& file, std::string_view what) { return Error(ErrorCode::kData, fmt::format("'{}' {}", file, what)); }

template <class Number>
Result<std::vector<Number>> numbers_of(const BoundedFile& file, const TensorInfo& tensor) {
  std::vector<Number> values(tensor.size_bytes / sizeof(Number));
  LLMOPS_CHECK(file.read_at(reinterpret_cast<char*>(values.data()), values.size() * sizeof(Number), tensor.offset_bytes));
  return values;
}

// Counts are whole numbers of 8 bytes in our file, and floats in that of llama.cpp.
Result<std::vector<double>> counts_of(const BoundedFile& file, const TensorInfo& tensor) {
  if (tensor.type == "U64") {
    LLMOPS_ASSIGN(const std::vector<uint64_t> values, numbers_of<uint64_t>(file, tensor));
    return std::vector<double>(values.begin(), values.end());
  }
  LLMOPS_ASSIGN(const std::vector<float> values, numbers_of<float>(file, tensor));
  return std::vector<double>(values.begin(), values.end());
}

void add(Calibration& made, std::string name, std::vector<float> sums, std::vector<double> counts, bool has_hessian = false) {
  auto entry = make_calibration_entry(name, std::move(sums), std::move(counts));
  if (!entry) {
    made.refused.push_back({std::move(name), std::move(entry.error().message)});
    return;
  }
  entry->has_hessian = has_hessian;
  made.entries.push_back(*std::move(entry));
}

Result<Calibration> finished(Calibration made) {
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(made.entries.begin(), made.entries.end(), by_name);
  std::sort(made.refused.begin(), made.refused.end(), by_name);
  if (!made.entries.empty() || !made.block_influence.empty() || !made.head_importance.values.empty() || !made.ffn_importance.values.empty()) return made;
  if (made.refused.empty()) return fault(made.shown_name, "holds no entry");
  return fault(made.shown_name, fmt::format("holds no entry that can be used: {}", made.refused.front().reason));
}

class DatReader {
 public:
  DatReader(BoundedFile file, Calibration made) : file_(std::move(file)), made_(std::move(made)) {}

  Result<Calibration> read() {
    LLMOPS_ASSIGN(const int32_t count, file_.number<int32_t>("the number of its entries"));
    if (count < 1) return file_.fault(fmt::format("says it holds {} entries", count));
    if (static_cast<uint64_t>(count) > file_.remaining() / kLeastEntryBytes) return file_.fault(fmt::format("says it holds {} entries, more than fit into it", count));
    for (int32_t i = 0; i < count; ++i) LLMOPS_CHECK(read_entry());
    LLMOPS_CHECK(read_end());
    return finished(std::move(made_));
  }

 private:
  static constexpr uint64_t kLeastEntryBytes = 4 + 1 + 4 + 4 + 4;

  Result<std::string> text(std::string_view what, uint64_t least_bytes) {
    LLMOPS_ASSIGN(const int32_t length, file_.number<int32_t>(what));
    if (length < 0 || static_cast<uint64_t>(length) < least_bytes || static_cast<uint64_t>(length) > kMostTextBytes) return file_.fault(fmt::format("has {} of {} bytes", what, length));
    return file_.take(static_cast<uint64_t>(length), what);
  }

  Status read_entry() {
    LLMOPS_ASSIGN(std::string name, text("the name of an entry", 1));
    if (!names_.insert(name).second) return file_.fault(fmt::format("has the entry '{}' twice", name));
    LLMOPS_ASSIGN(const int32_t calls, file_.number<int32_t>("the calls of an entry"));
    LLMOPS_ASSIGN(const int32_t values, file_.number<int32_t>("the size of an entry"));
    if (values < 1) return file_.fault(fmt::format("has entry '{}' of {} values", name, values));
    LLMOPS_ASSIGN(const std::string bytes, file_.take(static_cast<uint64_t>(values) * sizeof(float), "the values of an entry"));
    std::vector<float> sums(static_cast<size_t>(values));
    std::memcpy(sums.data(), bytes.data(), bytes.size());
    add(made_, std::move(name), std::move(sums), {static_cast<double>(calls)});
    return {};
  }

  // Older files end behind their entries, or behind the number of chunks.
  Status read_end() {
    if (file_.remaining() == 0) return {};
    LLMOPS_ASSIGN(const int32_t chunks, file_.number<int32_t>("the number of its chunks"));
    made_.chunk_count = static_cast<uint64_t>(std::max(chunks, 0));
    if (file_.remaining() == 0) return {};
    LLMOPS_ASSIGN(std::string dataset, text("the name of its dataset", 0));
    if (!dataset.empty()) made_.datasets.push_back(std::move(dataset));
    if (file_.remaining() != 0) return file_.fault(fmt::format("has {} bytes behind its end", file_.remaining()));
    return {};
  }

  BoundedFile file_;
  Calibration made_;
  std::set<std::string> names_;
};

struct EntryTensors { const TensorInfo *sums = nullptr, *counts = nullptr, *hessian = nullptr; };

// Tensors by the weight that they speak of. What has no ending of an entry is given to `other`.
template <class Other>
Result<std::map<std::string, EntryTensors>> entry_tensors(const std::string& file, const std::vector<TensorInfo>& tensors, std::string_view counts_ending, const Other& other) {
  std::map<std::string, EntryTensors> found;
  for (const TensorInfo& tensor : tensors) {
    const std::string_view name = tensor.name;
    const auto ends = [&](std::string_view ending) { return name.size() > ending.size() && name.ends_with(ending); };
    const auto weight = [&](std::string_view ending) -> EntryTensors& { return found[std::string(name.substr(0, name.size() - ending.size()))]; };
    if (ends(kSumsEnding)) weight(kSumsEnding).sums = &tensor;
    else if (ends(counts_ending)) weight(counts_ending).counts = &tensor;
    else if (ends(kHessianEnding)) weight(kHessianEnding).hessian = &tensor;
    else LLMOPS_CHECK(other(tensor));
  }
  for (const auto& [name, entry] : found) {
    if (entry.sums == nullptr || entry.counts == nullptr) return fault(file, fmt::format("has no '{}{}'", name, entry.sums == nullptr ? kSumsEnding : counts_ending));
    if (entry.sums->type != "F32" || (entry.counts->type != "F32" && entry.counts->type != "U64")) return fault(file, fmt::format("has sums or counts of '{}' of another type than F32", name));
    const uint64_t matrices = entry.counts->elements(), sums = entry.sums->elements();
    if (matrices == 0 || sums == 0 || sums % matrices != 0) return fault(file, fmt::format("has {} sums for {} counts of '{}'", sums, matrices, name));
    const uint64_t inputs = sums / matrices;
    if (entry.sums->shape.empty() || entry.sums->shape.back() != inputs) return fault(file, fmt::format("has sums of '{}' in rows that its {} counts do not make", name, matrices));
    if (entry.hessian == nullptr) continue;
    if (matrices != 1 || entry.hessian->type != "F32" || entry.hessian->shape != std::vector<uint64_t>{inputs, inputs}) return fault(file, fmt::format("has a Hessian of '{}' that is no F32 matrix of {} x {}", name, inputs, inputs));
  }
  return found;
}

Status read_entries(const BoundedFile& file, const std::map<std::string, EntryTensors>& tensors, Calibration& made) {
  for (const auto& [name, entry] : tensors) {
    LLMOPS_ASSIGN(std::vector<float> sums, numbers_of<float>(file, *entry.sums));
    LLMOPS_ASSIGN(std::vector<double> counts, counts_of(file, *entry.counts));
    add(made, name, std::move(sums), std::move(counts), entry.hessian != nullptr);
  }
  return {};
}

Result<Calibration> read_gguf_form(const BoundedFile& file, Calibration made) {
  LLMOPS_ASSIGN(const GgufFile header, read_gguf(made.path, made.shown_name));
  const GgufEntry* const type = header.find("general.type");
  if (type == nullptr || type->text() != "imatrix") return fault(made.shown_name, "is a GGUF file that is no imatrix");
  if (const GgufEntry* datasets = header.find("imatrix.datasets")) {
    auto texts = datasets->texts();
    if (!texts) return fault(made.shown_name, "has 'imatrix.datasets' that is no list of texts");
    made.datasets = *std::move(texts);
  }
  const auto number = [&](const char* key, uint64_t& into) -> Status {
    const GgufEntry* const entry = header.find(key);
    if (entry == nullptr) return {};
    const auto value = entry->whole();
    if (!value || *value > kMostTokens) return fault(made.shown_name, fmt::format("has '{}' that is no count", key));
    into = *value;
    return {};
  };
  LLMOPS_CHECK(number("imatrix.chunk_count", made.chunk_count));
  LLMOPS_CHECK(number("imatrix.chunk_size", made.chunk_size));
  if (__builtin_mul_overflow(made.chunk_count, made.chunk_size, &made.tokens)) return fault(made.shown_name, "has more chunks than can be counted");
  // Newer files also hold the sums of the inputs themselves (.in_sum), which nothing here needs.
  LLMOPS_ASSIGN(const auto tensors, entry_tensors(made.shown_name, header.tensors, kImatrixCountsEnding, [](const TensorInfo&) -> Status { return {}; }));
  LLMOPS_CHECK(read_entries(file, tensors, made));
  return finished(std::move(made));
}

Status read_importance(const BoundedFile& file, const TensorInfo& tensor, Calibration& made) {
  const bool is_influence = tensor.name == kBlockInfluence;
  if (!is_influence && tensor.name != kHeadImportance && tensor.name != kFfnImportance) return fault(made.shown_name, fmt::format("has tensor '{}', which {} does not know", tensor.name, kOwnFormat));
  if (tensor.type != "F32" || tensor.shape.size() != (is_influence ? 1 : 2) || tensor.elements() == 0) return fault(made.shown_name, fmt::format("has '{}' of another type or shape", tensor.name));
  LLMOPS_ASSIGN(std::vector<float> values, numbers_of<float>(file, tensor));
  for (const float value : values) if (!std::isfinite(value)) return fault(made.shown_name, fmt::format("has {} in '{}'", value, tensor.name));
  if (is_influence) made.block_influence = std::move(values);
  else (tensor.name == kHeadImportance ? made.head_importance : made.ffn_importance) = {tensor.shape[0], tensor.shape[1], std::move(values)};
  return {};
}

Status read_own_metadata(const Json& metadata, Calibration& made) {
  const auto text = [&](const char* key) { return metadata.contains(key) ? metadata[key].get<std::string>() : std::string(); };
  if (text("format") != kOwnFormat) return Error(ErrorCode::kData, fmt::format("'{}' is a safetensors file that is no {}", made.shown_name, kOwnFormat));
  const std::string tokens = text("tokens");
  if (!tokens.empty()) {
    if (tokens.size() > 16 || tokens.find_first_not_of("0123456789") != std::string::npos) return fault(made.shown_name, "has 'tokens' that is no count");
    made.tokens = std::stoull(tokens);
  }
  if (!metadata.contains("datasets")) return {};
  auto names = parse_json(text("datasets"), made.shown_name, 1, {2});
  const bool is_list = names && names->is_array() && std::all_of(names->begin(), names->end(), [](const Json& name) { return name.is_string(); });
  if (!is_list) return fault(made.shown_name, "has 'datasets' that is no list of texts");
  made.datasets = names->get<std::vector<std::string>>();
  return {};
}

Result<Calibration> read_own(const BoundedFile& file, Calibration made) {
  LLMOPS_ASSIGN(const TensorFile header, read_safetensors_header(made.path, made.shown_name));
  LLMOPS_CHECK(read_own_metadata(header.metadata, made));
  LLMOPS_ASSIGN(const auto tensors, entry_tensors(made.shown_name, header.tensors, kCountEnding, [&](const TensorInfo& tensor) { return read_importance(file, tensor, made); }));
  LLMOPS_CHECK(read_entries(file, tensors, made));
  return finished(std::move(made));
}

Status check_entry(const std::vector<float>& sums, const std::vector<double>& counts) {
  const auto wrong = [](std::string what) { return Error(ErrorCode::kData, std::move(what)); };
  if (sums.empty() || counts.empty() || sums.size() % counts.size() != 0) return wrong(fmt::format("has {} sums for {} counts", sums.size(), counts.size()));
  for (const double count : counts) if (!std::isfinite(count) || count < 0) return wrong(fmt::format("has the count {}", count));
  if (std::all_of(counts.begin(), counts.end(), [](double count) { return count == 0; })) return wrong("saw no token");
  const size_t inputs = sums.size() / counts.size();
  for (size_t i = 0; i < counts.size(); ++i) {
    float largest = 0;
    for (size_t j = 0; j < inputs; ++j) {
      const float sum = sums[i * inputs + j];
      if (!std::isfinite(sum) || sum < 0) return wrong(fmt::format("has the sum of squares {} at input {}", sum, j));
      largest = std::max(largest, sum);
    }
    if (counts[i] > 0 && double{largest} / counts[i] > double{std::numeric_limits<float>::max()}) return wrong(fmt::format("has the count {} for sums of squares up to {}", counts[i], largest));
    if (counts[i] > 0 && largest == 0) return wrong("saw nothing but zeros");
  }
  return {};
}

}  // namespace

Result<CalibrationEntry> make_calibration_entry(std::string name, std::vector<float> sums, std::vector<double> counts) {
  if (Status checked = check_entry(sums, counts); !checked) return Error(ErrorCode::kData, fmt::format("calibration of '{}' {}", name, checked.error().message));
  CalibrationEntry entry{std::move(name), std::move(sums), std::move(counts), {}, false};
  entry.mean_squares.resize(entry.sums.size());
  for (size_t i = 0; i < entry.sums.size(); ++i) {
    const double count = entry.counts[i / entry.inputs()];
    entry.mean_squares[i] = count == 0 ? 1.0F : static_cast<float>(double{entry.sums[i]} / count);
  }
  return entry;
}

const CalibrationEntry* Calibration::find(std::string_view name) const {
  const auto found = std::lower_bound(entries.begin(), entries.end(), name, [](const CalibrationEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return found == entries.end() || found->name != name ? nullptr : &*found;
}

Result<std::vector<float>> Calibration::read_hessian(std::string_view name) const {
  const CalibrationEntry* const entry = find(name);
  if (entry == nullptr || !entry->has_hessian) return Error(ErrorCode::kNotFound, fmt::format("'{}' has no Hessian of '{}'", shown_name, name));
  LLMOPS_ASSIGN(const TensorFile header, read_safetensors_header(path, shown_name));
  const auto tensor = std::find_if(header.tensors.begin(), header.tensors.end(), [&](const TensorInfo& one) { return one.name == entry->name + std::string(kHessianEnding); });
  const size_t inputs = entry->inputs();
  if (tensor == header.tensors.end() || tensor->type != "F32" || tensor->elements() != inputs * inputs) return fault(shown_name, "changed while it was read");
  LLMOPS_ASSIGN(const BoundedFile file, BoundedFile::open(path, shown_name));
  LLMOPS_ASSIGN(std::vector<float> values, numbers_of<float>(file, *tensor));
  for (size_t i = 0; i < values.size(); ++i) {
    const bool is_diagonal = i % (inputs + 1) == 0;
    if (!std::isfinite(values[i]) || (is_diagonal && values[i] < 0)) return fault(shown_name, fmt::format("has {} in the Hessian of '{}'", values[i], name));
  }
  return values;
}

Result<Calibration> open_calibration(const std::filesystem::path& path, const std::string& shown_name) {
  LLMOPS_ASSIGN(BoundedFile file, BoundedFile::open(path, shown_name));
  Calibration made;
  made.path = path;
  made.shown_name = shown_name;
  std::string start(std::min<uint64_t>(file.size_bytes(), 9), '\0');
  LLMOPS_CHECK(file.read_at(start.data(), start.size(), 0));
  if (start.starts_with("GGUF")) {
    made.format = CalibrationFormat::kImatrixGguf;
    return read_gguf_form(file, std::move(made));
  }
  // An imatrix.dat has the length of a name where a header of safetensors of less than 4 GiB has zeros.
  if (start.size() == 9 && start.substr(4, 4) == std::string(4, '\0') && start[8] == '{') return read_own(file, std::move(made));
  made.format = CalibrationFormat::kImatrixDat;
  return DatReader(std::move(file), std::move(made)).read();
}

}  // namespace llmops
