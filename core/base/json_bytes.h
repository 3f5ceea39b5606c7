// Private to core/base: the bytes of JSON texts, eight at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace llmops {

// The first byte that is a quote, a backslash, a control character or beyond ASCII; `end`: none.
inline const char* json_plain_end(const char* at, const char* end) {
  constexpr auto each = [](unsigned char byte) { return 0x0101010101010101ull * byte; };
  const auto is_zero = [&](uint64_t x) { return (x - each(1)) & ~x; };
  for (; end - at >= 8; at += 8) {
    uint64_t eight = 0;
    std::memcpy(&eight, at, sizeof eight);
    if constexpr (std::endian::native == std::endian::big) eight = __builtin_bswap64(eight);
    // The high bit of each such byte; a borrow reaches bytes above the first one only.
    const uint64_t marks = (is_zero(eight ^ each('"')) | is_zero(eight ^ each('\\')) | (eight - each(0x20)) | eight) & each(0x80);
    if (marks != 0) return at + std::countr_zero(marks) / 8;
  }
  for (; at < end; ++at) if (const auto byte = static_cast<unsigned char>(*at); byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') break;
  return at;
}

// Bytes of the UTF-8 sequence at `at`, which is not ASCII; 0: it is none (overlong, a surrogate, past U+10FFFF, cut off).
inline size_t utf8_sequence_size(const char* at, const char* end) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(at[i]); };
  const auto follows = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const std::ptrdiff_t left = end - at;
  const unsigned char lead = byte(0);
  if (lead >= 0xC2 && lead <= 0xDF) return left >= 2 && follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    return lead == 0xED && byte(1) >= 0xA0 ? 0 : 3;
  }
  if (lead < 0xF0 || lead > 0xF4 || left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  return lead == 0xF4 && byte(1) >= 0x90 ? 0 : 4;
}

}  // namespace llmops
