// Values of GGUF's keys, from and to the bytes that they are in a file.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/format/gguf.h"
#include "core/format/gguf_layout.h"

namespace llmops {
namespace {

template <class Number>
Number at(const std::string& bytes, size_t index) {
  Number value{};
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

using gguf_layout::raw;

// Calls `use` with the value of a kind of fixed size; false: the kind has none.
template <class Use>
bool visit(GgufKind kind, const std::string& bytes, size_t index, const Use& use) {
  switch (kind) {
    case GgufKind::kU8: use(at<uint8_t>(bytes, index)); return true;
    case GgufKind::kI8: use(at<int8_t>(bytes, index)); return true;
    case GgufKind::kU16: use(at<uint16_t>(bytes, index)); return true;
    case GgufKind::kI16: use(at<int16_t>(bytes, index)); return true;
    case GgufKind::kU32: use(at<uint32_t>(bytes, index)); return true;
    case GgufKind::kI32: use(at<int32_t>(bytes, index)); return true;
    case GgufKind::kF32: use(at<float>(bytes, index)); return true;
    case GgufKind::kU64: use(at<uint64_t>(bytes, index)); return true;
    case GgufKind::kI64: use(at<int64_t>(bytes, index)); return true;
    case GgufKind::kF64: use(at<double>(bytes, index)); return true;
    case GgufKind::kBool: use(bytes[index] == 1); return true;
    case GgufKind::kText:
    case GgufKind::kArray: break;
  }
  return false;
}

template <class Number>
GgufEntry scalar(std::string key, GgufKind kind, Number value) {
  GgufEntry entry;
  entry.key = std::move(key);
  entry.kind = kind;
  entry.bytes = raw(value);
  return entry;
}

template <class Number>
GgufEntry array(std::string key, GgufKind element, std::span<const Number> values) {
  GgufEntry entry;
  entry.key = std::move(key);
  entry.kind = GgufKind::kArray;
  entry.element = element;
  entry.count = values.size();
  entry.bytes.assign(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return entry;
}

}  // namespace

Json GgufEntry::json() const {
  Json value;
  if (kind == GgufKind::kText) value = bytes;
  else visit(kind, bytes, 0, [&](auto number) { value = number; });
  return value;
}

std::optional<std::string> GgufEntry::text() const { return kind == GgufKind::kText ? std::optional(bytes) : std::nullopt; }

std::optional<double> GgufEntry::number() const {
  std::optional<double> value;
  if (kind != GgufKind::kBool) visit(kind, bytes, 0, [&](auto number) { value = static_cast<double>(number); });
  return value;
}

std::optional<uint64_t> GgufEntry::whole() const {
  const Json value = json();
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_number_integer() && value.get<int64_t>() >= 0) return static_cast<uint64_t>(value.get<int64_t>());
  return std::nullopt;
}

std::optional<bool> GgufEntry::flag() const { return kind == GgufKind::kBool ? std::optional(bytes[0] == 1) : std::nullopt; }

std::optional<std::vector<std::string>> GgufEntry::texts() const {
  if (kind != GgufKind::kArray || element != GgufKind::kText) return std::nullopt;
  std::vector<std::string> values;
  for (size_t position = 0; position < bytes.size();) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data() + position, sizeof length);
    values.push_back(bytes.substr(position + sizeof length, length));
    position += sizeof length + length;
  }
  return values;
}

std::optional<std::vector<double>> GgufEntry::numbers() const {
  if (kind != GgufKind::kArray || element == GgufKind::kText) return std::nullopt;
  std::vector<double> values;
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) visit(element, bytes, i, [&](auto number) { values.push_back(static_cast<double>(number)); });
  return values;
}

const GgufEntry* GgufFile::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const GgufEntry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

GgufEntry gguf_text(std::string key, std::string value) {
  GgufEntry entry;
  entry.key = std::move(key);
  entry.kind = GgufKind::kText;
  entry.bytes = std::move(value);
  return entry;
}
GgufEntry gguf_u32(std::string key, uint32_t value) { return scalar(std::move(key), GgufKind::kU32, value); }
GgufEntry gguf_f32(std::string key, float value) { return scalar(std::move(key), GgufKind::kF32, value); }
GgufEntry gguf_bool(std::string key, bool value) { return scalar(std::move(key), GgufKind::kBool, static_cast<uint8_t>(value)); }
GgufEntry gguf_f32s(std::string key, std::span<const float> values) { return array(std::move(key), GgufKind::kF32, values); }
GgufEntry gguf_i32s(std::string key, std::span<const int32_t> values) { return array(std::move(key), GgufKind::kI32, values); }
GgufEntry gguf_texts(std::string key, std::span<const std::string> values) {
  GgufEntry entry;
  entry.key = std::move(key);
  entry.kind = GgufKind::kArray;
  entry.element = GgufKind::kText;
  entry.count = values.size();
  for (const std::string& value : values) entry.bytes += raw<uint64_t>(value.size()) + value;
  return entry;
}

}  // namespace llmops
