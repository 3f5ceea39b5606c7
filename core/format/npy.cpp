// The header is a Python dictionary; what NumPy itself writes has three keys, which are read one by one.
#include "core/format/npy.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/base/fs.h"
#include "core/base/half.h"
#include "core/format/bounded_file.h"

namespace llmops {
namespace {

constexpr uint64_t kMaxHeaderBytes = 1 << 20, kMaxValues = uint64_t{1} << 33;
constexpr size_t kMaxDimensions = 32;

struct Header { std::string type; bool is_fortran = false; std::vector<uint64_t> shape; };

Result<Header> parse_header(const BoundedFile& file, const std::string& text) {
  static const RE2 kType(R"('descr'\s*:\s*'([^']*)')"), kOrder(R"('fortran_order'\s*:\s*(True|False))"), kShape(R"('shape'\s*:\s*\(([0-9,\sL]*)\))");
  Header header;
  std::string order, shape;
  if (!RE2::PartialMatch(text, kType, &header.type)) return file.fault("has a header without the type of a plain number (descr)");
  if (!RE2::PartialMatch(text, kOrder, &order) || !RE2::PartialMatch(text, kShape, &shape)) return file.fault("has a header without fortran_order or shape");
  header.is_fortran = order == "True";
  for (size_t at = 0; at < shape.size();) {
    if (shape[at] < '0' || shape[at] > '9') {
      ++at;
      continue;
    }
    uint64_t size = 0;
    const auto [end, failed] = std::from_chars(shape.data() + at, shape.data() + shape.size(), size);
    if (failed != std::errc()) return file.fault("has a shape past every size");
    header.shape.push_back(size);
    at = static_cast<size_t>(end - shape.data());
  }
  if (header.shape.size() > kMaxDimensions) return file.fault(fmt::format("has {} dimensions, more than {}", header.shape.size(), kMaxDimensions));
  return header;
}

template <class Number>
double number_at(const char* bytes) {
  Number value{};
  std::memcpy(&value, bytes, sizeof value);
  return static_cast<double>(value);
}

struct NumberType { std::string_view name; size_t bytes; double (*read)(const char*); };
constexpr NumberType kTypes[] = {
    {"f4", 4, number_at<float>}, {"f8", 8, number_at<double>}, {"f2", 2, [](const char* at) { return static_cast<double>(float_of_half(static_cast<uint16_t>(number_at<uint16_t>(at)))); }},
    {"b1", 1, [](const char* at) { return *at != 0 ? 1.0 : 0.0; }}, {"i1", 1, number_at<int8_t>}, {"u1", 1, number_at<uint8_t>}, {"i2", 2, number_at<int16_t>}, {"u2", 2, number_at<uint16_t>},
    {"i4", 4, number_at<int32_t>}, {"u4", 4, number_at<uint32_t>}, {"i8", 8, number_at<int64_t>}, {"u8", 8, number_at<uint64_t>}};

// The place in row-major order of value `index` of a file in Fortran order.
uint64_t turned(uint64_t index, const std::vector<uint64_t>& shape) {
  uint64_t place = 0, stride = 1;
  std::vector<uint64_t> at(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    at[i] = index % shape[i];
    index /= shape[i];
  }
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) place += at[i] * stride;
  return place;
}

Result<std::string> read_header(BoundedFile& file) {
  LLMOPS_ASSIGN(const std::string magic, file.take(6, "its magic"));
  if (magic != "\x93NUMPY") return file.fault("does not begin as a NumPy array");
  LLMOPS_ASSIGN(const uint8_t major, file.number<uint8_t>("its version"));
  LLMOPS_CHECK(file.number<uint8_t>("its version"));
  if (major < 1 || major > 3) return file.fault(fmt::format("is of version {}, not 1 to 3", major));
  uint64_t length = 0;
  if (major == 1) { LLMOPS_ASSIGN(length, file.number<uint16_t>("the length of its header")); }
  else { LLMOPS_ASSIGN(length, file.number<uint32_t>("the length of its header")); }
  if (length > kMaxHeaderBytes) return file.fault(fmt::format("has a header of {} bytes, more than {}", length, kMaxHeaderBytes));
  return file.take(length, "its header");
}

}  // namespace

Result<NpyArray> read_npy(const std::filesystem::path& path, const std::string& shown_name) {
  LLMOPS_ASSIGN(BoundedFile file, BoundedFile::open(path, shown_name));
  LLMOPS_ASSIGN(const std::string text, read_header(file));
  LLMOPS_ASSIGN(Header header, parse_header(file, text));
  const bool is_little = header.type.size() == 3 && (header.type[0] == '<' || header.type[0] == '|' || header.type[0] == '=');
  const auto* type = is_little ? std::find_if(std::begin(kTypes), std::end(kTypes), [&](const NumberType& one) { return one.name == std::string_view(header.type).substr(1); }) : std::end(kTypes);
  if (type == std::end(kTypes)) return file.fault(fmt::format("holds values of type '{}', not little-endian numbers", header.type));
  uint64_t count = 1;
  for (const uint64_t size : header.shape) if (__builtin_mul_overflow(count, size, &count)) return file.fault("has a shape past every size");
  if (count > kMaxValues || count * type->bytes != file.remaining()) return file.fault(fmt::format("holds {} bytes of values, where its shape and type make {} values of {}", file.remaining(), count, type->bytes));
  LLMOPS_ASSIGN(const std::string bytes, file.take(count * type->bytes, "its values"));
  NpyArray made{header.shape, std::vector<double>(count), header.type};
  for (uint64_t i = 0; i < count; ++i) made.values[header.is_fortran ? turned(i, header.shape) : i] = type->read(bytes.data() + i * type->bytes);
  return made;
}

Status write_npy(const std::filesystem::path& path, std::span<const uint64_t> shape, std::span<const float> values) {
  std::string sizes;
  for (const uint64_t size : shape) sizes += fmt::format("{}, ", size);
  if (shape.size() > 1) sizes.resize(sizes.size() - 2);
  else if (shape.size() == 1) sizes.pop_back();
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sizes);
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');   // magic, version, length and line end make 11
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  std::string bytes = std::string("\x93NUMPY\x01", 7) + '\0';
  bytes.append(reinterpret_cast<const char*>(&length), 2).append(header).append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return write_file_atomic(path, bytes);
}

}  // namespace llmops
