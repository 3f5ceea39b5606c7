#include "core/sketch/bytes.h"

#include <bit>

namespace llmops {

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7F) | 0x80));
  out.push_back(static_cast<char>(value));
}

void append_signed(std::string& out, int64_t value) { append_varint(out, (static_cast<uint64_t>(value) << 1) ^ (value < 0 ? ~uint64_t{0} : 0)); }

void append_fixed64(std::string& out, uint64_t value) {
  for (unsigned shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

void append_double(std::string& out, double value) { append_fixed64(out, std::bit_cast<uint64_t>(value)); }

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}

uint64_t ByteReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (failed_ || rest_.empty()) break;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    const uint64_t part = byte & 0x7F;
    if (shift == 63 && part > 1) break;
    value |= part << shift;
    if (byte < 0x80) return value;
  }
  failed_ = true;
  return 0;
}

int64_t ByteReader::signed_number() {
  const uint64_t value = varint();
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

int64_t ByteReader::count() {
  constexpr uint64_t kMost = uint64_t{1} << 50;
  const uint64_t value = varint();
  if (value <= kMost) return static_cast<int64_t>(value);
  failed_ = true;
  return 0;
}

uint64_t ByteReader::fixed64() {
  const std::string_view eight = bytes(8);
  uint64_t value = 0;
  for (size_t i = 0; i < eight.size(); ++i) value |= uint64_t{static_cast<unsigned char>(eight[i])} << (8 * i);
  return value;
}

double ByteReader::number() { return std::bit_cast<double>(fixed64()); }

std::string_view ByteReader::text() { return bytes(varint()); }

std::string_view ByteReader::bytes(size_t size) {
  if (failed_ || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  const std::string_view found = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return found;
}

}  // namespace llmops
