// The checks and their order are those of the format's own reader, so that what passes here loads there.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "core/format/bounded_file.h"
#include "core/format/tensors.h"

namespace llmops {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxRank = 8;

struct TypeBits { std::string_view name; uint32_t bits; };
constexpr std::array<TypeBits, 22> kTypes{{
    {"BOOL", 8}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
    {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32}, {"I64", 64}, {"U64", 64}, {"F64", 64}, {"C64", 64},
    {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}}};

// A whole number that a double would hold too.
std::optional<uint64_t> whole(const Json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  return std::nullopt;
}

class Header {
 public:
  Header(const BoundedFile& file, uint64_t data_start) : file_(file), data_start_(data_start) {}

  Result<TensorFile> read(const Json& json) {
    made_.size_bytes = file_.size_bytes();
    for (const auto& [name, entry] : json.items()) {
      if (name == "__metadata__") LLMOPS_CHECK(read_metadata(entry));
      else LLMOPS_CHECK(read_tensor(name, entry));
    }
    LLMOPS_CHECK(check_offsets());
    return std::move(made_);
  }

 private:
  Status read_metadata(const Json& entry) {
    if (!entry.is_object()) return fault("has '__metadata__' that is no object");
    for (const auto& [key, value] : entry.items()) if (!value.is_string()) return fault(fmt::format("has metadata '{}' that is no text", key));
    made_.metadata = entry;
    return {};
  }

  Status read_tensor(const std::string& name, const Json& entry) {
    const auto wrong = [&](std::string_view what) { return fault(fmt::format("has tensor '{}' {}", name, what)); };
    if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets")) return wrong("without dtype, shape or data_offsets");
    const Json &shape = entry["shape"], &offsets = entry["data_offsets"];
    if (!entry["dtype"].is_string()) return wrong("whose dtype is no text");
    TensorInfo tensor;
    tensor.name = name;
    tensor.type = entry["dtype"];
    const auto type_bits = safetensors_bits(tensor.type);
    if (!type_bits) return wrong(fmt::format("of the unknown type '{}'", tensor.type));
    if (!shape.is_array() || shape.size() > kMaxRank) return wrong("whose shape is no list of at most 8 sizes");
    uint64_t bits = *type_bits;
    for (const Json& size : shape) {
      const auto number = whole(size);
      if (!number) return wrong("whose shape holds no whole number");
      if (__builtin_mul_overflow(bits, *number, &bits)) return wrong("whose size overflows");
      tensor.shape.push_back(*number);
    }
    if (bits % 8 != 0) return wrong("that does not end at a byte");
    if (!offsets.is_array() || offsets.size() != 2 || !whole(offsets[0]) || !whole(offsets[1])) return wrong("whose data_offsets are no two whole numbers");
    const uint64_t begin = *whole(offsets[0]), end = *whole(offsets[1]);
    if (end < begin) return wrong("that ends before it begins");
    if (end - begin != bits / 8) return wrong(fmt::format("of {} bytes, where its shape and type make {}", end - begin, bits / 8));
    tensor.offset_bytes = begin;
    tensor.size_bytes = end - begin;
    made_.tensors.push_back(std::move(tensor));
    return {};
  }

  Status check_offsets() {
    std::stable_sort(made_.tensors.begin(), made_.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) { return std::tie(a.offset_bytes, a.size_bytes) < std::tie(b.offset_bytes, b.size_bytes); });
    const uint64_t data_bytes = file_.size_bytes() - data_start_;
    uint64_t end = 0;
    for (TensorInfo& tensor : made_.tensors) {
      if (tensor.offset_bytes != end) return fault(fmt::format("{} before tensor '{}'", tensor.offset_bytes < end ? "overlaps" : "has a hole", tensor.name));
      if (tensor.size_bytes > data_bytes - end) return fault(fmt::format("ends inside tensor '{}'", tensor.name));
      end += tensor.size_bytes;
      tensor.offset_bytes += data_start_;
    }
    if (end != data_bytes) return fault(fmt::format("has {} bytes behind its last tensor", data_bytes - end));
    return {};
  }

  Error fault(const std::string& what) const { return Error(ErrorCode::kData, fmt::format("'{}' {}", file_.shown_name(), what)); }

  const BoundedFile& file_;
  uint64_t data_start_;
  TensorFile made_;
};

}  // namespace

uint64_t TensorInfo::elements() const {
  uint64_t count = 1;
  for (const uint64_t size : shape) count *= size;
  return count;
}

std::optional<uint32_t> safetensors_bits(std::string_view type) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeBits& row) { return row.name == type; });
  return found == kTypes.end() ? std::nullopt : std::optional(found->bits);
}

Result<TensorFile> read_safetensors_header(const std::filesystem::path& path, const std::string& shown_name) {
  LLMOPS_ASSIGN(BoundedFile file, BoundedFile::open(path, shown_name));
  LLMOPS_ASSIGN(const uint64_t length, file.number<uint64_t>("the length of its header"));
  if (length > kMaxHeaderBytes) return file.fault(fmt::format("has a header of {} bytes, more than {}", length, kMaxHeaderBytes));
  LLMOPS_ASSIGN(const std::string text, file.take(length, "its header"));
  if (text.empty() || text[0] != '{') return file.fault("has a header that is no JSON object");
  LLMOPS_ASSIGN(const Json json, parse_json(text, shown_name, 1, {4}));
  return Header(file, file.position()).read(json);
}

}  // namespace llmops
