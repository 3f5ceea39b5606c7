// What llama.cpp's reader refuses is refused here, and lengths are held against the file before anything is allocated.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "core/format/bounded_file.h"
#include "core/format/gguf.h"
#include "core/format/gguf_layout.h"

namespace llmops {
namespace {

using namespace gguf_layout;

constexpr uint64_t kMaxKeys = 10'000;   // real files have some dozens

// ggml_type: elements and bytes of a block; 0 elements: removed from the format.
constexpr std::array<GgufType, 40> kBlockTypes{{
    {"F32", 1, 4}, {"F16", 1, 2}, {"Q4_0", 32, 18}, {"Q4_1", 32, 20}, {"", 0, 0}, {"", 0, 0}, {"Q5_0", 32, 22}, {"Q5_1", 32, 24}, {"Q8_0", 32, 34}, {"Q8_1", 32, 36},
    {"Q2_K", 256, 84}, {"Q3_K", 256, 110}, {"Q4_K", 256, 144}, {"Q5_K", 256, 176}, {"Q6_K", 256, 210}, {"Q8_K", 256, 292}, {"IQ2_XXS", 256, 66}, {"IQ2_XS", 256, 74},
    {"IQ3_XXS", 256, 98}, {"IQ1_S", 256, 50}, {"IQ4_NL", 32, 18}, {"IQ3_S", 256, 110}, {"IQ2_S", 256, 82}, {"IQ4_XS", 256, 136}, {"I8", 1, 1}, {"I16", 1, 2},
    {"I32", 1, 4}, {"I64", 1, 8}, {"F64", 1, 8}, {"IQ1_M", 256, 56}, {"BF16", 1, 2}, {"", 0, 0}, {"", 0, 0}, {"", 0, 0}, {"TQ1_0", 256, 54}, {"TQ2_0", 256, 66},
    {"", 0, 0}, {"", 0, 0}, {"", 0, 0}, {"MXFP4", 32, 17}}};

constexpr std::array<uint32_t, 13> kValueBytes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};   // 0: of its own length
constexpr std::array<const char*, 13> kValueNames{"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64", "f64"};

class Reader {
 public:
  explicit Reader(BoundedFile file) : file_(std::move(file)) {}

  Result<GgufFile> read() {
    made_.size_bytes = file_.size_bytes();
    LLMOPS_ASSIGN(const std::string magic, file_.take(4, "its magic"));
    if (magic != "GGUF") return file_.fault("does not begin with GGUF");
    LLMOPS_ASSIGN(const uint32_t version, file_.number<uint32_t>("its version"));
    if ((version & 0xffff) == 0) return file_.fault("is big-endian, which is not read");
    if (version != 2 && version != 3) return file_.fault(fmt::format("is of version {}, not 2 or 3", version));
    LLMOPS_ASSIGN(const uint64_t tensors, file_.number<uint64_t>("the number of its tensors"));
    LLMOPS_ASSIGN(const uint64_t pairs, file_.number<uint64_t>("the number of its keys"));
    // The shortest of each takes so many bytes.
    if (tensors > file_.remaining() / 24 || pairs > file_.remaining() / 13) return file_.fault(fmt::format("says it holds {} tensors and {} keys, more than fit into it", tensors, pairs));
    if (pairs > kMaxKeys) return file_.fault(fmt::format("says it holds {} keys, more than {}", pairs, kMaxKeys));
    for (uint64_t i = 0; i < pairs; ++i) LLMOPS_CHECK(read_pair());
    LLMOPS_CHECK(read_alignment());
    for (uint64_t i = 0; i < tensors; ++i) LLMOPS_CHECK(read_tensor());
    LLMOPS_CHECK(place_tensors());
    return std::move(made_);
  }

 private:
  // Keys and values begin the file and are all kept. A sparse file could say that they are as long as a disk.
  Result<std::string> take(uint64_t count, std::string_view what) {
    if (count <= file_.remaining() && file_.position() + count > kMaxGgufKeyBytes) return file_.fault(fmt::format("has {} of {} bytes, with which its keys take more than {}", what, count, kMaxGgufKeyBytes));
    return file_.take(count, what);
  }

  Result<std::string> text(std::string_view what) {
    LLMOPS_ASSIGN(const uint64_t length, file_.number<uint64_t>(what));
    return take(length, what);
  }

  Result<std::string> array_of_texts(uint64_t count) {
    std::string bytes;
    for (uint64_t i = 0; i < count; ++i) {
      LLMOPS_ASSIGN(const std::string value, text("an array of texts"));
      const uint64_t length = value.size();
      bytes.append(reinterpret_cast<const char*>(&length), sizeof length).append(value);
    }
    return bytes;
  }

  Status read_array(GgufEntry& entry) {
    LLMOPS_ASSIGN(const uint32_t kind, file_.number<uint32_t>("the type of an array"));
    LLMOPS_ASSIGN(entry.count, file_.number<uint64_t>("the length of an array"));
    if (kind >= kValueBytes.size() || GgufKind{kind} == GgufKind::kArray) return file_.fault(fmt::format("has an array of type {}", kind));
    entry.element = GgufKind{kind};
    if (entry.element == GgufKind::kText) {
      LLMOPS_ASSIGN(entry.bytes, array_of_texts(entry.count));
      return {};
    }
    if (entry.count > file_.remaining() / kValueBytes[kind]) return file_.fault(fmt::format("ends inside an array of {} values", entry.count));
    LLMOPS_ASSIGN(entry.bytes, take(entry.count * kValueBytes[kind], "an array"));
    return {};
  }

  Status read_pair() {
    GgufEntry entry;
    LLMOPS_ASSIGN(entry.key, text("a key"));
    if (entry.key.empty()) return file_.fault("has a key without a name");
    if (!keys_.insert(entry.key).second) return file_.fault(fmt::format("has the key '{}' twice", entry.key));
    LLMOPS_ASSIGN(const uint32_t kind, file_.number<uint32_t>("the type of a value"));
    if (kind >= kValueBytes.size()) return file_.fault(fmt::format("has the key '{}' of the unknown type {}", entry.key, kind));
    entry.kind = GgufKind{kind};
    if (entry.kind == GgufKind::kArray) {
      LLMOPS_CHECK(read_array(entry));
    } else if (entry.kind == GgufKind::kText) {
      LLMOPS_ASSIGN(entry.bytes, text("a text"));
    } else {
      LLMOPS_ASSIGN(entry.bytes, file_.take(kValueBytes[kind], "a value"));
      if (entry.kind == GgufKind::kBool && entry.bytes[0] != 0 && entry.bytes[0] != 1) return file_.fault(fmt::format("has the truth value {}", static_cast<unsigned char>(entry.bytes[0])));
    }
    if (entry.key == "general.alignment" && entry.kind != GgufKind::kU32) return file_.fault("has 'general.alignment' that is no u32");
    made_.entries.push_back(std::move(entry));
    return {};
  }

  Status read_alignment() {
    if (const GgufEntry* entry = made_.find("general.alignment")) alignment_ = *entry->whole();
    if (!std::has_single_bit(alignment_)) return file_.fault(fmt::format("has the alignment {}, no power of two", alignment_));
    return {};
  }

  Status read_tensor() {
    TensorInfo tensor;
    LLMOPS_ASSIGN(const uint64_t length, file_.number<uint64_t>("the name of a tensor"));
    if (length <= file_.remaining() && length > kMaxNameBytes) return file_.fault(fmt::format("has a tensor name of {} bytes, more than {}", length, kMaxNameBytes));
    LLMOPS_ASSIGN(tensor.name, file_.take(length, "the name of a tensor"));
    if (!names_.insert(tensor.name).second) return file_.fault(fmt::format("has the tensor '{}' twice", tensor.name));
    LLMOPS_ASSIGN(const uint32_t dimensions, file_.number<uint32_t>("the dimensions of a tensor"));
    if (dimensions > kMaxDimensions) return file_.fault(fmt::format("has tensor '{}' of {} dimensions, more than {}", tensor.name, dimensions, kMaxDimensions));
    uint64_t elements = 1, row = 1;
    for (uint32_t i = 0; i < dimensions; ++i) {
      LLMOPS_ASSIGN(const uint64_t size, file_.number<uint64_t>("the shape of a tensor"));
      if (size == 0 || size > INT64_MAX || __builtin_mul_overflow(elements, size, &elements) || elements > INT64_MAX) return file_.fault(fmt::format("has tensor '{}' of an impossible shape", tensor.name));
      if (i == 0) row = size;
      tensor.shape.insert(tensor.shape.begin(), size);
    }
    LLMOPS_ASSIGN(const uint32_t type, file_.number<uint32_t>("the type of a tensor"));
    if (type >= kBlockTypes.size() || kBlockTypes[type].elements == 0) return file_.fault(fmt::format("has tensor '{}' of the unknown type {}", tensor.name, type));
    const GgufType& block = kBlockTypes[type];
    tensor.type = block.name;
    if (row % block.elements != 0) return file_.fault(fmt::format("has tensor '{}' whose rows of {} do not divide into blocks of {}", tensor.name, row, block.elements));
    if (__builtin_mul_overflow(elements / block.elements, uint64_t{block.bytes}, &tensor.size_bytes)) return file_.fault(fmt::format("has tensor '{}' whose size overflows", tensor.name));
    LLMOPS_ASSIGN(tensor.offset_bytes, file_.number<uint64_t>("the offset of a tensor"));
    made_.tensors.push_back(std::move(tensor));
    return {};
  }

  // Tensors lie in the order of their entries, each padded; the last one need not be.
  Status place_tensors() {
    const uint64_t start = padded(file_.position(), alignment_);
    uint64_t end = 0;
    for (TensorInfo& tensor : made_.tensors) {
      if (tensor.offset_bytes != end) return file_.fault(fmt::format("has tensor '{}' at offset {}, where {} is its place", tensor.name, tensor.offset_bytes, end));
      if (start > file_.size_bytes() || tensor.size_bytes > file_.size_bytes() - start || end > file_.size_bytes() - start - tensor.size_bytes) return file_.fault(fmt::format("ends inside tensor '{}'", tensor.name));
      tensor.offset_bytes += start;
      end = padded(end + tensor.size_bytes, alignment_);
    }
    return {};
  }

  BoundedFile file_;
  uint64_t alignment_ = kDefaultAlignment;
  std::set<std::string> names_, keys_;
  GgufFile made_;
};

}  // namespace

Result<GgufFile> read_gguf(const std::filesystem::path& path, const std::string& shown_name) {
  LLMOPS_ASSIGN(BoundedFile file, BoundedFile::open(path, shown_name));
  return Reader(std::move(file)).read();
}

Result<TensorFile> read_gguf_header(const std::filesystem::path& path, const std::string& shown_name) {
  LLMOPS_ASSIGN(GgufFile file, read_gguf(path, shown_name));
  TensorFile made;
  made.tensors = std::move(file.tensors);
  made.size_bytes = file.size_bytes;
  for (const GgufEntry& entry : file.entries) {
    made.metadata[entry.key] = entry.kind == GgufKind::kArray ? Json{{"type", kValueNames[static_cast<size_t>(entry.element)]}, {"count", entry.count}} : entry.json();
  }
  return made;
}

const GgufType* gguf_type(std::string_view name, uint32_t* id) {
  const auto found = std::find_if(kBlockTypes.begin(), kBlockTypes.end(), [&](const GgufType& type) { return type.elements != 0 && type.name == name; });
  if (found == kBlockTypes.end()) return nullptr;
  if (id != nullptr) *id = static_cast<uint32_t>(found - kBlockTypes.begin());
  return &*found;
}

}  // namespace llmops
